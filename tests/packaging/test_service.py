"""The unit as it is shipped, under an emulated service manager: this checkout's `station`, an emulated board, no CSMS."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hal.emulators.process import EmulatorProcess
from tests.packaging.service_manager import ServiceManager
from tests.packaging.unit import read_unit

SERVICE = Path(__file__).parents[2] / "systemd/pilotwire.service"
STATION = (sys.executable, "-W", "error", "-m", "station")
# As `systemctl edit` would: a test does not wait for half a minute.
QUICK = "WatchdogSec=4s\nRestartSec=10ms\n"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is for Linux")


@asynccontextmanager
async def service(folder: Path, board: str) -> AsyncIterator[ServiceManager]:
    file = folder / "station.toml"
    file.write_text(
        f"""
[station]
id = "CS001"
[csms]
url = "ws://127.0.0.1:9"
[store]
path = "station.db"
[control]
socket = "control.sock"
[variables]
"AuthCtrlr.Enabled" = false
[[board]]
evses = [1]
{board}
"""
    )
    unit = read_unit(SERVICE, QUICK)
    places = {"/usr/bin/station": STATION, "/etc/pilotwire/station.toml": (str(file),)}
    async with ServiceManager(unit, places) as manager:
        yield manager


async def control(folder: Path, *words: str) -> dict[str, object]:
    asked = await asyncio.create_subprocess_exec(
        *(*STATION, "ctl", "--socket", folder / "control.sock", "--json", *words), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(asked.communicate(), 60)
    assert asked.returncode == 0
    found: dict[str, object] = json.loads(out)
    return found


async def relay(emulator: EmulatorProcess, closed: bool) -> None:
    async with asyncio.timeout(60):
        while (await emulator.tell(look=True))["relay"] is not closed:
            await asyncio.sleep(0.05)


async def test_a_day_with_a_board(tmp_path: Path) -> None:
    """A vehicle charges; the program is killed, and the contactor opens before it starts again; it hangs; it is stopped."""
    async with EmulatorProcess("openevse") as emulator:
        board = f'driver = "openevse"\nport = "{emulator.port}"\ntimeout_s = 2.0\nheartbeat_s = 30'
        async with service(tmp_path, board) as manager:
            assert (await control(tmp_path, "state"))["evses"]
            await emulator.tell(car="asks")
            await relay(emulator, closed=True)
            assert await manager.watch(1) is None

            assert (await manager.kill()).code == -signal.SIGKILL
            (post,) = manager.after
            assert (await emulator.tell(look=True))["relay"] is False
            assert (post.code, "safe, its contactor is open" in post.text) == (0, True), post.text
            assert post.text.startswith("<6>"), "the journal's priorities"
            await manager.restart_after()
            await relay(emulator, closed=True)  # the vehicle is still there

            assert manager.program is not None
            manager.program.send_signal(signal.SIGSTOP)
            ended = await manager.watch(2)
            assert ended is not None, "nobody feeds the watchdog of a program that hangs"
            assert (await emulator.tell(look=True))["relay"] is False
            await manager.restart_after()
            await relay(emulator, closed=True)

            mark = len(manager.said)
            ended = await manager.stop()
            assert ended.code == 0, ended.text
            assert "STOPPING=1" in manager.said[mark:]
            assert "Traceback" not in ended.text
            assert [post.code for post in manager.after] == [0, 0, 0]
        facts = await emulator.tell(look=True)
    assert (facts["relay"], facts["mode"]) == (False, "P12")


async def test_without_its_board_it_runs_all_the_same(tmp_path: Path) -> None:
    """An adapter that is not plugged in: the station tells the CSMS and waits for it; the safe command says so and fails nothing."""
    board = f'driver = "openevse"\nport = "{tmp_path / "ttyUSB0"}"'
    async with service(tmp_path, board) as manager:
        assert await manager.watch(1) is None
        assert (await manager.stop()).code == 0
        (post,) = manager.after
    assert post.code == 1
    assert "is the adapter plugged in?" in post.text
    assert post.text.splitlines()[-1].startswith("<3>")
