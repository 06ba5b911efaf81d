"""LAW 5 against SIGKILL: the process of a working station is killed twenty times, in OCPP 1.6 and in 2.0.1."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from station.sim.csms import EmbeddedCsms
from station.store.offline import read_dead_letters
from tests.durability import law5

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10
STATION = "KILL-1"
DRIVER = {"Local", "EVDisconnected"}
"""How the driver of `station_child` ends a charge; the second when the first swipe came too early."""


@dataclass(frozen=True, slots=True)
class Found:
    """What lay in the database after a kill: rows of transactions, and (transaction, seqNo) of records not yet answered."""

    rows: tuple[dict[str, Any], ...]
    waiting: tuple[tuple[str, int], ...]


async def start(folder: Path, url: str, version: str, mode: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-m",
        "tests.durability.station_child",
        str(folder),
        url,
        version,
        mode,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )


async def hears(child: asyncio.subprocess.Process, word: str) -> None:
    assert child.stdout is not None
    async with asyncio.timeout(20):
        line = await child.stdout.readline()
    assert line.decode().strip() == word


async def life(folder: Path, url: str, version: str, dice: random.Random) -> None:
    """One life of the station, and its sudden end."""
    child = await start(folder, url, version, "work")
    if dice.random() < 0.8:
        await hears(child, "up")
        await asyncio.sleep(dice.uniform(0.0, 1.0))
    else:
        await asyncio.sleep(dice.uniform(0.1, 0.6))
    assert child.returncode is None, "it died by itself"
    child.kill()
    await child.communicate()


def look_into(folder: Path, copy: Path) -> Found:
    """Read a copy: the station finds its files as it left them."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in folder.glob("station.db*"):
        if file.suffix in (".db", ".db-wal"):
            shutil.copy(file, copy / file.name)
    database = sqlite3.connect(copy / "station.db")
    try:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'record'").fetchall():
            return Found((), ())
        rows = tuple(json.loads(v) for (v,) in database.execute("SELECT value FROM state WHERE kind = 'tx'"))
        facts = [json.loads(text) for (text,) in database.execute("SELECT fact FROM record WHERE tx_id IS NOT NULL")]
    finally:
        database.close()
    return Found(rows, tuple((fact["tx_id"], fact["seq"]) for fact in facts))


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_killed_in_the_middle_of_everything(version: str, seed: int, tmp_path: Path) -> None:
    folder = tmp_path / "station"
    folder.mkdir()
    dice = random.Random(f"{seed}/{version}")
    found: list[Found] = []
    async with EmbeddedCsms(
        ["04A1B2C3", "0BADCAFE"], websocket=True, subprotocols=(f"ocpp{version}",), fast=True
    ) as csms:
        for _ in range(KILLS):
            await life(folder, csms.url, version, dice)
            found.append(look_into(folder, tmp_path / "copy"))
        child = await start(folder, csms.url, version, "rest")
        await hears(child, "up")
        await hears(child, "delivered")
        child.terminate()
        await child.communicate()
        assert child.returncode == 0
        seen = csms.station(STATION)
        assert seen.complaints == []
        frames = list(csms.journal.frames)
    law5.ids_never_repeat(frames)
    assert read_dead_letters(folder / "station.db") == []
    told = law5.told_16(frames, KILLS) if version == "1.6" else law5.told_201(frames, KILLS)
    assert any(each.rows for each in found), "no kill struck a transaction"
    registers = {int(n): row["energy_import_wh"] for n, row in json.loads((folder / "meters.json").read_text()).items()}
    law5.energy_is_whole(told.values(), {1: 0.0, 2: 0.0}, registers, slack=0.51 if version == "1.6" else 0.051)
    if version == "2.0.1":
        check_ends(found, told)
    for tx in told.values():
        assert len(tx.ends) == 1, f"{tx.name} ended {len(tx.ends)} times"
        assert tx.ends[0] in {"Reboot", *DRIVER}
    assert "Reboot" in {tx.ends[0] for tx in told.values()}


def check_ends(found: list[Found], told: dict[str, law5.Told]) -> None:
    """Open when killed: Reboot. Ending when killed: what was settled. Else the driver's own stop. Nothing saved is missing."""
    expected = {
        row["tx_id"]: row["ending"]["reason"] if row["ending"] else "Reboot" for each in found for row in each.rows
    }
    for each in found:
        for row in each.rows:
            assert len(told[row["tx_id"]].seqs) > row["seq"], "its end is yet to come"
        for tx_id, seq in each.waiting:
            assert seq in told[tx_id].seqs
    for name, tx in told.items():
        assert tx.ends[0] in ({expected[name]} if name in expected else DRIVER), name
