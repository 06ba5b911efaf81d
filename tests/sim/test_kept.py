"""What a bench keeps from run to run: meters that never forget, time that does not go back, power cuts that are known."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from station.core.facts import TxFact
from station.errors import StoreError
from station.sim import kept
from station.sim.lab import KEEP_EVERY_S, Lab, LabSettings, run_lab
from station.sim.loop import DEFAULT_WALL
from station.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]
VERSIONS = ("1.6", "2.0.1")
NOW = kept.Kept({"1": {"energy_import_wh": 12.5}, "2": {"energy_import_wh": 0.0}}, 3, DEFAULT_WALL)


def play(work: Callable[[Lab], Coroutine[Any, Any, Any]], folder: Path, version: str = "2.0.1", **more: Any) -> Any:
    return run_lab(LabSettings(folder=folder, versions=(version,), csms_fast=True, **more), work)


async def charge(lab: Lab) -> None:
    await asyncio.sleep(5)
    lab.plug(1, {"soc_percent": 30.0})
    await asyncio.sleep(1)
    lab.swipe()
    await asyncio.sleep(600)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_what_is_saved_is_found(tmp_path: Path) -> None:
    assert kept.load(tmp_path) is None
    kept.save(tmp_path, NOW)
    assert kept.load(tmp_path) == NOW
    assert [file.name for file in tmp_path.iterdir()] == [kept.NAME]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"registers": {}, "host_boots": "3", "wall": 0}',
        '{"registers": {"1": 5}, "host_boots": 3, "wall": 0}',
        '{"registers": {"1": {"energy_import_wh": true}}, "host_boots": 3, "wall": 0}',
        '{"registers": {}, "host_boots": 3, "wall": NaN}',
        "\x00\x00\x00\x00",
    ],
)
def test_a_file_that_cannot_be_read_is_told_and_not_used(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / kept.NAME).write_text(text)
    assert kept.load(tmp_path) is None
    assert "meters and clock start anew" in caplog.text
    play(lambda _lab: asyncio.sleep(0), tmp_path)
    assert kept.load(tmp_path) is not None


def test_a_disk_that_takes_nothing_does_not_stop_the_bench(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept.save(tmp_path / "gone", NOW)
    assert "cannot be written: No such file" in caplog.text


def test_it_is_written_before_each_commit(tmp_path: Path) -> None:
    heard: list[str] = []
    inner = SqliteStore.open(tmp_path / "s.db", threaded=False, now_wall=lambda: 0.0)
    store = kept.KeepingStore(inner, lambda: heard.append("kept"))
    store.commit([], lambda error: heard.append(f"done {error}"))
    assert heard == ["kept", "done None"]
    assert (store.boot, store.rows(), store.records(), store.contexts(), store.dead_letters()) == (1, {}, [], {}, [])
    assert store.next_record_id() == 1
    store.close()


# --- the bench --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_transaction_that_outlives_its_process_ends_above_its_beginning(version: str, tmp_path: Path) -> None:
    """The power is cut, the program ends; another one finds meter, clock and cut as the first has left them."""

    async def first(lab: Lab) -> float:
        await charge(lab)
        register = lab.board.evse(1).meter.register_wh
        await lab.power_cut()
        return register

    async def second(lab: Lab) -> tuple[float, TxFact, dict[str, Any]]:
        ended: list[TxFact] = []
        lab.on_turn(lambda _e, effects, _n: ended.extend(f for x in effects if (f := getattr(x, "fact", None))))
        begun = lab.clock.now().wall
        assert lab.csms is not None
        boot = await lab.csms.wait_for("PILOT-1", "BootNotification", since=0, timeout=20)
        await asyncio.sleep(30)
        action = "StopTransaction" if version == "1.6" else "TransactionEvent"
        return begun, boot, await lab.csms.wait_for("PILOT-1", action, since=0, timeout=1)

    register = play(first, tmp_path, version)
    assert register > 1000
    wall, boot, last = play(second, tmp_path, version)
    assert wall >= DEFAULT_WALL + 606
    if version == "1.6":
        assert last["reason"] == "PowerLoss"
        assert last["meterStop"] == pytest.approx(register, abs=1)
    else:
        assert boot["reason"] == "PowerUp"
        assert last["transactionInfo"]["stoppedReason"] == "PowerLoss"
        (sample,) = (
            sample
            for sample in last["meterValue"][-1]["sampledValue"]
            if sample["measurand"] == "Energy.Active.Import.Register"
        )
        assert sample["value"] == pytest.approx(register, abs=1)


def test_a_car_that_has_stopped_charging_leaves_the_register_where_it_is(tmp_path: Path) -> None:
    async def first(lab: Lab) -> float:
        await charge(lab)
        lab.swipe()
        await asyncio.sleep(10)
        return lab.board.evse(1).meter.register_wh

    async def second(lab: Lab) -> float:
        return lab.board.evse(1).meter.register_wh

    register = play(first, tmp_path)
    assert play(second, tmp_path) == pytest.approx(register)
    assert play(second, tmp_path) == pytest.approx(register), "a run in which nothing happened forgets nothing"


def test_the_bench_remembers_how_late_it_is_though_nothing_is_saved(tmp_path: Path) -> None:
    async def idle(lab: Lab) -> None:
        heard: list[float] = []
        lab.on_frame(lambda wall, *_rest: heard.append(wall))
        await asyncio.sleep(4 * 3600)
        found = kept.load(tmp_path)
        assert found is not None
        assert found.wall > DEFAULT_WALL + 3 * 3600, "heartbeats go on, commits do not"
        assert heard[-1] - found.wall < KEEP_EVERY_S

    play(idle, tmp_path)


async def test_towards_a_foreign_csms_time_does_not_go_back_either(tmp_path: Path) -> None:
    future = time.time() + 10_000
    kept.save(tmp_path, kept.Kept({}, 1, future))
    async with Lab(LabSettings(csms_url="ws://127.0.0.1:9", folder=tmp_path, speed=10.0)) as lab:
        assert future <= lab.clock.now().wall < future + 60


def test_no_commit_is_later_than_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever instruction the program is killed, the next one finds meters and clock that the database does not belie."""
    real = SqliteStore.commit

    async def work(lab: Lab) -> None:
        behind: list[float] = []

        def commit(store: SqliteStore, ops: Any, done: Any) -> None:
            found = kept.load(tmp_path)
            assert found is not None
            assert found.registers == lab.board.state()
            behind.append(lab.clock.now().wall - found.wall)
            real(store, ops, done)

        monkeypatch.setattr(SqliteStore, "commit", commit)
        await charge(lab)
        assert len(behind) > 10
        assert set(behind) == {0.0}

    play(work, tmp_path)


def test_a_bench_that_does_not_get_the_database_leaves_its_file_alone(tmp_path: Path) -> None:
    kept.save(tmp_path, NOW)
    store = SqliteStore.open(tmp_path / "station.db", threaded=False, now_wall=lambda: 0.0)
    try:
        with pytest.raises(StoreError):
            play(lambda _lab: asyncio.sleep(0), tmp_path)
    finally:
        store.close()
    assert kept.load(tmp_path) == NOW


def test_kill_and_run_again(tmp_path: Path) -> None:
    """The program itself, as somebody at a terminal would."""
    command = [sys.executable, "-m", "station", "sim", "--plain", "--store", str(tmp_path), "--speed", "600"]
    program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    for line in program.stdout:
        if "EVSE 1 Charging" in line and "0.000 kWh" not in line:
            break
    last = line.split(" ")[0]
    program.send_signal(signal.SIGKILL)
    program.communicate()
    before = json.loads((tmp_path / kept.NAME).read_text())
    assert before["registers"]["1"]["energy_import_wh"] > 0
    again = subprocess.run(
        [*command, "--no-demo", "--duration", "120"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    lines = again.stdout.splitlines()
    assert lines[0].split(" ")[0] >= last[:13], "within the hour of the last line"
    (ended,) = [line for line in lines if "TransactionEvent Ended" in line]
    register_kwh = float(ended.partition(" kWh")[0].rpartition(" ")[2])
    assert register_kwh == pytest.approx(before["registers"]["1"]["energy_import_wh"] / 1000, abs=0.001)
    assert json.loads((tmp_path / kept.NAME).read_text())["wall"] > before["wall"]
