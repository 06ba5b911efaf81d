"""`station sim --csms` with a temporary database: what it began is ended when it ends, and no run repeats another's ids."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from station.sim.csms import EmbeddedCsms
from station.sim.farewell import WITHIN_S
from tests.sim.bare_station import both

NAME = "PILOT-1"


async def program(csms: EmbeddedCsms, version: str, *arguments: str) -> asyncio.subprocess.Process:
    command = ["-m", "station", "sim", "--plain", "--no-panel", "--csms", csms.url, "--ocpp", version, "--speed", "20"]
    return await asyncio.create_subprocess_exec(
        sys.executable, *command, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def charging(csms: EmbeddedCsms, count: int) -> None:
    """Until `count` transactions are known, the last of them running and authorised."""
    async with asyncio.timeout(20):
        while True:
            known = list(csms.station(NAME).transactions.values())
            told = [known[-1].start, *known[-1].events] if known else []
            if len(known) == count and any("idToken" in str(words) or "idTag" in str(words) for words in told):
                return
            await asyncio.sleep(0.02)


@both
async def test_two_runs_leave_nothing_open(version: str) -> None:
    async with EmbeddedCsms(tokens=["04A1B2C3"]) as csms:
        for count, number in ((1, signal.SIGTERM), (2, signal.SIGINT)):
            running = await program(csms, version)
            await charging(csms, count)
            running.send_signal(number)
            out, err = await asyncio.wait_for(running.communicate(), 15 + WITHIN_S)
            assert (running.returncode, err) == (0, b"")
            assert b"1 session ended" in out.splitlines()[-1]
            assert b"all delivered" in out.splitlines()[-1]
        known = csms.station(NAME).transactions.values()
        assert [tx.ended for tx in known] == [True, True]
        assert csms.station(NAME).complaints == []


async def test_a_folder_keeps_what_runs(tmp_path: Path) -> None:
    async with EmbeddedCsms(tokens=["04A1B2C3"]) as csms:
        running = await program(csms, "2.0.1", "--store", str(tmp_path))
        await charging(csms, 1)
        running.terminate()
        out, _ = await asyncio.wait_for(running.communicate(), 15)
        assert b"1 running" in out.splitlines()[-1]
        again = await program(csms, "2.0.1", "--store", str(tmp_path), "--no-demo")
        async with asyncio.timeout(15):
            while not next(iter(csms.station(NAME).transactions.values())).ended:
                await asyncio.sleep(0.02)
        again.terminate()
        await again.communicate()
        assert csms.station(NAME).complaints == []


@pytest.mark.parametrize("arguments", [["--seed", "7"], []])
async def test_the_serial_number_is_the_same_every_time(arguments: list[str]) -> None:
    async with EmbeddedCsms() as csms:
        running = await program(csms, "2.0.1", "--no-demo", *arguments)
        boot = await csms.wait_for(NAME, "BootNotification", since=0, timeout=20)
        running.terminate()
        await running.communicate()
        assert boot["chargingStation"]["serialNumber"] == f"SIM-{arguments[-1] if arguments else 1}"
