"""`station ctl` against stations that run: the firmware with a simulated board, and the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from station.cli.ctl import FAILED, OK, WRONG
from station.sim.csms import EmbeddedCsms
from tests.sim.console import ROOT, Console

STATION = (sys.executable, "-W", "error", "-m", "station")
LOADED = (
    "import atexit, runpy, sys\n"
    "atexit.register(lambda: print('LOADED', *sorted(sys.modules), file=sys.stderr))\n"
    "sys.argv[0] = 'station'\n"
    "runpy.run_module('station', run_name='__main__')\n"
)
CONFIG = """
[station]
id = "CS001"
[csms]
url = "{url}"
[store]
path = "station.db"
[[board]]
driver = "sim"
evses = [1, 2]
[control]
socket = "{socket}"
"""


@contextlib.asynccontextmanager
async def program(*arguments: str, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    running = await asyncio.create_subprocess_exec(
        *STATION, *arguments, cwd=ROOT, env={**os.environ, **environ}, stdin=-3, stdout=-1, stderr=-1
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
            await running.communicate()


async def end(running: asyncio.subprocess.Process) -> str:
    running.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(running.communicate(), 30)
    assert running.returncode == 0, err.decode()
    return err.decode()


async def ctl(*arguments: str, **environ: str) -> tuple[int | None, str, str]:
    done = await asyncio.create_subprocess_exec(
        *STATION, "ctl", *arguments, cwd=ROOT, env={**os.environ, **environ}, stdin=-3, stdout=-1, stderr=-1
    )
    out, err = await asyncio.wait_for(done.communicate(), 60)
    assert "Traceback" not in err.decode()
    return done.returncode, out.decode(), err.decode()


async def ask(path: Path, *arguments: str) -> Any:
    code, out, err = await ctl("--socket", str(path), "--json", *arguments)
    assert code == 0, err
    return json.loads(out)


async def listening(path: Path) -> None:
    async with asyncio.timeout(30):
        while not path.exists():
            await asyncio.sleep(0.02)


@pytest.fixture
def folder() -> AsyncIterator[Path]:
    """A short name: the path of a socket has about a hundred bytes."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="pw-") as name:
        yield Path(name)


# --- firmware ---------------------------------------------------------------------------------------------------------


async def test_the_firmware_is_asked_and_told(folder: Path) -> None:
    """Its state, its settings, a restart in the same process; what only a simulator can do is refused."""
    path = folder / "c.sock"
    async with EmbeddedCsms(websocket=True) as csms:
        file = folder / "station.toml"
        file.write_text(CONFIG.format(url=csms.url, socket="c.sock"))
        async with program("run", "--config", str(file)) as running:
            await csms.wait_for("CS001", "BootNotification", since=0, timeout=30)
            await listening(path)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            state = await ask(path, "state")
            assert state["station"]["identity"] == "CS001"
            assert state["station"]["boots"] == 1
            assert [evse["evse"] for evse in state["evses"]] == [1, 2]
            assert state["station"]["seed"] is None
            _, out, _ = await ctl("state", PILOTWIRE_SOCKET=str(path))
            assert re.search(r"^station\.identity +CS001$", out, re.MULTILINE)
            await ask(path, "set", "TxCtrlr.EVConnectionTimeOut=77")
            (row,) = (await ask(path, "get", "TxCtrlr.EVConnectionTimeOut"))["variables"]
            assert row["value"] == "77"
            code, _, err = await ctl("--socket", str(path), "plug")
            assert code == FAILED
            assert "no simulated board" in err
            mark = csms.mark()
            assert (await ask(path, "restart"))["boots"] == 2
            await csms.wait_for("CS001", "BootNotification", since=mark, timeout=30)
            await ask(path, "stop")
            code, _, err = await ctl("--socket", str(path), "reset")
            assert code == FAILED
            assert "does not run" in err
            assert (await ask(path, "start"))["boots"] == 3
            err = await end(running)
    assert not path.exists()
    assert "Traceback" not in err


async def test_the_csms_restarts_the_firmware_and_its_control_stays(folder: Path) -> None:
    path = folder / "c.sock"
    async with EmbeddedCsms(websocket=True) as csms:
        file = folder / "station.toml"
        file.write_text(CONFIG.format(url=csms.url, socket=path))
        async with program("run", "--config", str(file)) as running:
            await csms.wait_for("CS001", "BootNotification", since=0, timeout=30)
            await listening(path)
            mark = csms.mark()
            assert await csms.call("CS001", "Reset", {"type": "Immediate"}) == {"status": "Accepted"}
            await csms.wait_for("CS001", "BootNotification", since=mark, timeout=30)
            assert (await ask(path, "state"))["station"]["boots"] == 2
            await end(running)


async def test_a_station_without_control_charges_all_the_same(folder: Path) -> None:
    async with EmbeddedCsms(websocket=True) as csms:
        file = folder / "station.toml"
        file.write_text(CONFIG.format(url=csms.url, socket="/nowhere/c.sock"))
        async with program("run", "--config", str(file)) as running:
            await csms.wait_for("CS001", "BootNotification", since=0, timeout=30)
            err = await end(running)
    assert "there is no control: /nowhere/c.sock" in err
    code, out, _ = await checked(file)
    assert code == OK
    assert "control.socket: /nowhere does not exist" in out


async def checked(file: Path) -> tuple[int | None, str, str]:
    done = await asyncio.create_subprocess_exec(*STATION, "check", str(file), cwd=ROOT, stdout=-1, stderr=-1)
    out, err = await done.communicate()
    return done.returncode, out.decode(), err.decode()


# --- simulator --------------------------------------------------------------------------------------------------------


async def test_a_person_at_a_simulator(folder: Path) -> None:
    """A session from another shell, watched from a third."""
    path = folder / "c.sock"
    sim = ("sim", "--plain", "--no-demo", "--no-panel", "--speed", "50", "--socket", str(path))
    async with program(*sim) as running:
        await listening(path)
        async with program("ctl", "--socket", str(path), "--json", "watch", "frame", "command") as watching:
            assert watching.stdout is not None
            async with asyncio.timeout(30):
                while True:  # it may not be subscribed yet
                    await ask(path, "temperature", "21", "evse=1")
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.2):
                            first = json.loads(await watching.stdout.readline())
                            break
            assert first["event"] == "command"
            code, out, _ = await ctl("--socket", str(path), "plug", "1", "cable_a=20", "car.max_a=16")
            assert code == OK
            assert re.search(r"^car\.soc_percent +20$", out, re.MULTILINE)
            assert (await ask(path, "swipe", "1", "04A1B2C3")) == {}
            await ask(path, "wait", "2 min")
            state = await ask(path, "state")
            assert state["evses"][0]["pilot"] == "C"
            assert state["evses"][0]["cable_a"] == 20
            seen = []
            async with asyncio.timeout(30):
                while "TransactionEvent" not in seen:
                    seen.append(json.loads(await watching.stdout.readline()).get("action"))
            watching.send_signal(signal.SIGINT)
            assert await watching.wait() == 0
        assert "Traceback" not in await end(running)


async def test_what_is_wrong_is_named_and_the_exit_code_says_whose_fault_it_is(folder: Path) -> None:
    path = folder / "c.sock"
    async with program("sim", "--plain", "--no-demo", "--no-panel", "--socket", str(path)) as running:
        await listening(path)
        at = ("--socket", str(path))
        code, out, err = await ctl(*at, "plug", "evze=1", "cable_a=999")
        assert (code, out) == (2, "")
        assert "error: evze: there is no such argument; did you mean evse?" in err
        assert "error: cable_a: must be one of 13, 20, 32, 63" in err
        code, _, err = await ctl(*at, "plugg")
        assert code == WRONG
        assert "did you mean plug?" in err
        code, _, err = await ctl(*at, "unplug")
        assert code == FAILED
        code, _, err = await ctl(*at, "unplug", "--json")
        assert code == FAILED
        assert json.loads(err)["code"] == "conflict"
        code, _, err = await ctl(*at, "watch", "nonsense")
        assert code == WRONG
        assert "topics" in err
        code, out, _ = await ctl(*at, "help")
        assert code == OK
        assert re.search(r"^  plug .*A driver plugs a car in", out, re.MULTILINE)
        code, out, _ = await ctl(*at, "help", "plug")
        assert re.search(r"^  cable_a +13\|20\|32\|63 +default 32 +Rating", out, re.MULTILINE)
        code, _, err = await ctl(*at, "--timeout", "0.2", "wait", "10 h")
        assert code == FAILED
        assert "has not answered wait within 0.2 s" in err
        second = await ctl("state", PILOTWIRE_SOCKET=str(folder / "other"))
        assert second[0] == 1
        assert "no station answers there" in second[2]
        assert "Remedy" in second[2]
        async with program("sim", "--plain", "--no-panel", "--socket", str(path)) as other:
            _, err_bytes = await asyncio.wait_for(other.communicate(), 30)
            assert other.returncode == 1
            assert b"another station answers there" in err_bytes
        await end(running)


async def test_the_usual_place(folder: Path) -> None:
    """Neither names a path: both look at the user's runtime directory."""
    environ = {"XDG_RUNTIME_DIR": str(folder), "PILOTWIRE_SOCKET": ""}
    async with program("sim", "--plain", "--no-demo", "--no-panel", "--socket", **environ) as running:
        await listening(folder / "pilotwire.sock")
        code, out, _ = await ctl("state", **environ)
        assert code == OK
        assert "PILOT-1" in out
        await end(running)


async def test_the_usual_place_without_a_runtime_directory(folder: Path) -> None:
    """As root in a container, or on macOS."""
    environ = {"XDG_RUNTIME_DIR": "", "PILOTWIRE_SOCKET": "", "TMPDIR": str(folder)}
    place = folder / f"pilotwire-{os.getuid()}"
    async with program("sim", "--plain", "--no-demo", "--no-panel", "--socket", **environ) as running:
        await listening(place / "control.sock")
        code, out, _ = await ctl("state", **environ)
        assert code == OK
        assert "PILOT-1" in out
        place.chmod(0o755)
        code, _, err = await ctl("state", **environ)
        assert code == FAILED
        assert "others may open it" in err
        place.chmod(0o700)
        running.terminate()
        said, _ = await asyncio.wait_for(running.communicate(), 30)
    assert f"control socket: {place / 'control.sock'}" in said.decode()


async def test_the_first_bare_value_is_the_evse(folder: Path) -> None:
    path = folder / "c.sock"
    async with program("sim", "--plain", "--no-demo", "--no-panel", "--socket", str(path)) as running:
        await listening(path)
        at = ("--socket", str(path))
        assert (await ctl(*at, "plug", "2"))[0] == OK
        assert (await ctl(*at, "swipe", "2"))[0] == OK
        state = json.loads((await ctl(*at, "--json", "state"))[1])
        assert [evse["token"] for evse in state["evses"]] == [None, "04A1B2C3"]
        code, _, err = await ctl(*at, "swipe", "04A1B2C3")
        assert code == WRONG
        assert "evse" in err
        await end(running)


async def test_it_starts_without_what_a_station_needs(folder: Path) -> None:
    """No web, no OCPP, no simulator, no event loop: a shell script may call it a hundred times."""
    path = folder / "c.sock"
    async with program("sim", "--plain", "--no-demo", "--no-panel", "--socket", str(path)) as running:
        await listening(path)
        words = (sys.executable, "-c", LOADED, "ctl", "--socket", str(path), "state")
        done = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=-1, stderr=-1)
        _, err = await done.communicate()
        await end(running)
    modules = set(err.decode().partition("LOADED")[2].split())
    assert not {"asyncio", "orjson", "rich", "ocpp", "websockets", "transitions", "starlette", "cryptography"} & modules
    assert not {
        name for name in modules if name.startswith(("station.sim", "station.ocpp", "station.core", "station.web"))
    }


def test_colours_on_a_terminal(folder: Path) -> None:
    path = folder / "c.sock"
    with Console("sim", "--no-panel", "--no-demo", "--socket", str(path)) as sim:
        sim.see("PILOT-1")
        with Console("ctl", "--socket", str(path), "state", columns=118) as console:
            console.end()
        assert "\x1b[32mstation.identity" in console.output
        assert console.code == 0
