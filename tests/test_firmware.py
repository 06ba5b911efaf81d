"""`station run` and `station check`: the program as a service, with real signals, a real service manager's socket and a real CSMS."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import hal.registry
from hal.api import Board, OnHostLoss
from hal.registry import create_board
from hal.settings import SettingsReader
from station import firmware
from station.config_doc import example
from station.errors import ConfigError
from station.sim.csms import EmbeddedCsms
from station.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[1]
ID = "CS001"
SECRET = "0123456789abcdef"
# Written to standard error when the program has ended: what was loaded, and how much memory it took at most. Not getrusage: its
# figure is that of whoever forked, when that was larger.
LAUNCH = (
    "import atexit, pathlib, runpy, sys\n"
    "peak = lambda: pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]\n"
    "atexit.register(lambda: print('LOADED', *sorted(sys.modules), file=sys.stderr))\n"
    "atexit.register(lambda: print('RSS', peak() if sys.platform == 'linux' else 0, file=sys.stderr))\n"
    "sys.argv[0] = 'station'\n"
    "runpy.run_module('station', run_name='__main__')\n"
)


def config(folder: Path, *, url: str = "ws://127.0.0.1:9", driver: str = "sim", more: str = "", csms: str = "") -> Path:
    file = folder / "station.toml"
    file.write_text(
        f'[station]\nid = "{ID}"\n[csms]\nurl = "{url}"\n{csms}\n[store]\npath = "station.db"\n'
        f'[[board]]\ndriver = "{driver}"\nevses = [1]\n{more}\n'
    )
    return file


@asynccontextmanager
async def running(file: Path, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", LAUNCH, "run", "--config", str(file)),
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()


async def finish(program: asyncio.subprocess.Process, number: signal.Signals = signal.SIGTERM) -> str:
    """End it, wait, and give back what it wrote to standard error."""
    program.send_signal(number)
    _out, err = await asyncio.wait_for(program.communicate(), 20)
    return err.decode()


# --- a service --------------------------------------------------------------------------------------------------------


async def test_a_day_in_its_life(tmp_path: Path) -> None:
    """Ready, watched, restarted by the CSMS in the same process, stopped; no simulator, no secret in the log."""
    address = tmp_path / "notify"
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(address))
    manager.setblocking(False)
    heard: list[str] = []
    asyncio.get_running_loop().add_reader(manager, lambda: heard.append(manager.recv(4096).decode()))
    async with EmbeddedCsms(websocket=True, password=SECRET) as csms:
        file = config(tmp_path, url=csms.url, csms=f'password = "{SECRET}"', more='[log]\nlevel = "DEBUG"')
        environ = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "400000"}
        async with running(file, **environ) as program:
            boot = await csms.wait_for(ID, "BootNotification", since=0, timeout=20)
            assert boot["reason"] == "PowerUp"
            mark = csms.mark()
            assert await csms.call(ID, "Reset", {"type": "Immediate"}) == {"status": "Accepted"}
            boot = await csms.wait_for(ID, "BootNotification", since=mark, timeout=20)
            assert boot["reason"] == "RemoteReset"
            while heard.count("READY=1") < 2 or heard.count("WATCHDOG=1") < 3:
                await asyncio.sleep(0.02)
            err = await finish(program)
            assert program.returncode == 0
    asyncio.get_running_loop().remove_reader(manager)
    manager.close()
    assert heard[0] == "READY=1"
    assert "STOPPING=1" in heard[heard.index("READY=1", 1) :]  # it may be fed once more while it ends
    assert "Traceback" not in err
    assert f"station {ID} runs, boot 1" in err
    assert f"station {ID} runs, boot 2" in err
    log, _, loaded = err.partition("LOADED")
    assert SECRET not in log
    assert "Basic " not in log
    modules = set(loaded.split())
    assert not {name for name in modules if name.startswith("station.sim")}
    assert "station.runtime.control" not in modules, "no [control], no control"
    assert not {"rich", "hypothesis", "pytest", "can", "serial"} & modules
    rss_kib = int(re.findall(r"RSS (\d+)", err)[0]) / (1 if sys.platform != "darwin" else 1024)
    assert rss_kib < 90_000, "a small controller has other things to do with its memory"
    store = SqliteStore.open(tmp_path / "station.db", threaded=False, now_wall=lambda: 0.0)
    assert "shutdown" in store.rows()["station"]
    assert store.boot == 3
    store.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_while_the_csms_is_not_there(number: signal.Signals, tmp_path: Path) -> None:
    """Lines for machines. The watchdog's warning is for boards, not for an absent CSMS."""
    file = config(tmp_path, more='[log]\nformat = "json"')
    async with running(file) as program:
        assert program.stderr is not None
        line = b""
        while b"cannot connect" not in line:
            line = await asyncio.wait_for(program.stderr.readline(), 20)
            assert json.loads(line)["level"] in {"INFO", "WARNING"}
        assert json.loads(line)["station"] == ID
        err = await finish(program, number)
        assert program.returncode == 0
        assert "Traceback" not in err


async def test_a_damaged_database_does_not_keep_a_station_from_its_work(tmp_path: Path) -> None:
    (tmp_path / "station.db").write_bytes(b"\0damaged" * 1000)
    async with EmbeddedCsms(websocket=True) as csms, running(config(tmp_path, url=csms.url)) as program:
        await csms.wait_for(ID, "BootNotification", since=0, timeout=20)
        err = await finish(program)
    assert program.returncode == 0
    assert "was damaged and is kept as" in err


async def ends(file: Path) -> tuple[int | None, str]:
    async with running(file) as program:
        _out, err = await asyncio.wait_for(program.communicate(), 20)
    return program.returncode, err.decode().partition("RSS ")[0]


async def test_without_the_databases_directory(tmp_path: Path) -> None:
    """An unmounted disk must not look like a new station."""
    file = config(tmp_path)
    file.write_text(file.read_text().replace('"station.db"', '"gone/station.db"'))
    code, err = await ends(file)
    assert code == 1
    assert err.startswith("error: ")
    assert "gone/station.db" in err
    assert "the directory must exist" in err
    assert "Traceback" not in err


async def test_a_password_that_cannot_be_had(tmp_path: Path) -> None:
    code, err = await ends(config(tmp_path, csms='password_env = "NOT_SET_ANYWHERE"'))
    assert code == 2
    assert "csms.password_env" in err


# --- configuration to station -----------------------------------------------------------------------------------------


def test_every_setting_reaches_the_station(tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    (tmp_path / "pw").write_text(SECRET + "\n")
    (tmp_path / "pw").chmod(0o600)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).touch(0o600)
    file.write_text(
        f"""
        [station]
        id = "{ID}"
        vendor = "V"
        model = "M"
        serial = "S"
        firmware = "F"
        iccid = "I"
        imsi = "J"
        meter_serial = "MS"
        meter_type = "MT"
        [csms]
        url = "wss://csms.example/ocpp"
        versions = ["1.6"]
        password_file = "pw"
        ca_file = "ca.pem"
        cert_file = "cert.pem"
        key_file = "key.pem"
        verify_hostname = false
        local_address = "127.0.0.1"
        open_timeout_s = 7
        pong_timeout_s = 8
        [[board]]
        driver = "sim"
        evses = [3, 1]
        [[board.evse]]
        [[board.evse]]
        [[board]]
        driver = "sim"
        evses = [2]
        [[evse]]
        id = 3
        max_a = 16
        phases = 1
        voltage_v = 240
        connector_type = "cType2"
        fixed_cable = true
        [clock]
        trust_system = false
        [variables]
        "TxCtrlr.EVConnectionTimeOut" = 77
        """
    )
    settings = firmware.load_settings(file)
    setup = firmware.setup_of(settings)
    assert [(e.evse, e.board, e.unit) for e in setup.evses] == [(1, "0", 2), (2, "1", 1), (3, "0", 1)]
    third = setup.evses[2]
    assert (third.max_current_a, third.phases, third.voltage_v) == (16.0, 1, 240.0)
    assert (third.connector_type, third.fixed_cable) == ("cType2", True)
    assert (setup.password, setup.versions, setup.trust_clock) == (SECRET, ("1.6",), False)
    assert SECRET not in repr(setup)
    assert (setup.vendor, setup.model, setup.serial, setup.firmware) == ("V", "M", "S", "F")
    assert (setup.iccid, setup.imsi, setup.meter_serial, setup.meter_type) == ("I", "J", "MS", "MT")
    assert (setup.verify_hostname, setup.local_address) == (False, "127.0.0.1")
    assert (setup.open_timeout_s, setup.pong_timeout_s) == (7.0, 8.0)
    assert [Path(str(f)).name for f in (setup.ca_file, setup.cert_file, setup.key_file)] == [
        "ca.pem",
        "cert.pem",
        "key.pem",
    ]
    assert setup.variables == {"TxCtrlr.EVConnectionTimeOut": "77"}
    assert list(firmware.boards_of(settings)) == ["0", "1"]


def test_where_files_are_on_their_way(tmp_path: Path) -> None:
    """Beside the database, unless [files] says otherwise; relative to the configuration."""
    setup = firmware.setup_of(firmware.load_settings(config(tmp_path)))
    assert (setup.files, setup.max_download_bytes) == (tmp_path / "files", 512 * 1024 * 1024)
    told = config(tmp_path, more='[files]\ndirectory = "elsewhere"\nmax_download_mb = 3\n')
    setup = firmware.setup_of(firmware.load_settings(told))
    assert (setup.files, setup.max_download_bytes) == (tmp_path / "elsewhere", 3 * 1024 * 1024)


def test_the_version_of_the_program_is_the_firmware_when_nothing_else_is_said(tmp_path: Path) -> None:
    from station import __version__

    assert firmware.setup_of(firmware.load_settings(config(tmp_path))).firmware == __version__


def test_the_example_is_good(tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text(example())
    settings = firmware.load_settings(file)
    assert all("EVSE" not in warning for warning in firmware.check(settings))


# --- hardware: a driver of somebody else's ----------------------------------------------------------------------------


def create(settings: Mapping[str, object]) -> Board:
    """Factory of driver "wired": a board on a port, of which nobody opens the contactor."""
    reader = SettingsReader("board", settings)
    reader.text("port", "/dev/ttyUSB0")
    reader.integer("address", 1, 1, 247)
    loss = OnHostLoss(reader.text("loss", "nothing"))
    amps = reader.optional_number("loss_a")
    units = reader.integer("units", 1, 1, 8)
    reader.finish()
    board = create_board("sim", {"evses": units})
    return replace(board, name="wired", on_host_loss=loss, on_host_loss_a=amps)


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hal.registry, "BUILT_IN", {**hal.registry.BUILT_IN, "wired": f"{__name__}:create"})
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])


def problems(file: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        firmware.load_settings(file)
    return caught.value.problems


@pytest.mark.usefixtures("wired")
def test_two_boards_on_one_port_and_address(tmp_path: Path) -> None:
    other = '[[board]]\ndriver = "wired"\nevses = [2]\nport = "/dev/ttyS1"\naddress = '
    file = config(tmp_path, driver="wired", more=f'port = "/dev/ttyS1"\naddress = 7\n{other}7')
    (problem,) = problems(file)
    assert re.match(r"line \d+: board\[2\]: uses port /dev/ttyS1, address 7, as board\[1\] does\. Remedy: ", problem)
    firmware.load_settings(config(tmp_path, driver="wired", more=f'port = "/dev/ttyS1"\naddress = 7\n{other}8'))


@pytest.mark.usefixtures("wired")
def test_every_mistake_at_once(tmp_path: Path) -> None:
    file = config(
        tmp_path,
        url="http://x",
        driver="wired",
        csms='versions = ["3.0"]\nlocal_adress = "x"',
        more='address = 0\n[[board]]\ndriver = "wird"\nevses = [3]\n[log]\nlevel = "LOUD"\n[variables]\nNo.Such = 1',
    )
    found = problems(file)
    for key in (r"csms\.versions", r"csms\.local_adress", r"board\[1\]\.address", r"board\[2\]\.driver", r"log\.level"):
        assert any(re.match(rf"line \d+: {key}: ", problem) for problem in found), (key, found)
    assert any("Remedy: " in problem or "did you mean" in problem for problem in found)


@pytest.mark.usefixtures("wired")
def test_more_evses_than_the_board_has(tmp_path: Path) -> None:
    file = config(tmp_path, driver="wired")
    file.write_text(file.read_text().replace("evses = [1]", "evses = [1, 2]"))
    (problem,) = problems(file)
    assert "board[1].evses: names 2 EVSEs, but the board (wired) has 1" in problem
    assert "Remedy: " in problem


@pytest.mark.usefixtures("wired")
@pytest.mark.parametrize(
    ("more", "warning"),
    [
        ("", "nothing opens the contactor when this program dies"),
        ('loss = "reduces"\nloss_a = 6', "goes on at 6 A"),
        ('loss = "reduces"', "goes on at a lower current"),
        ('loss = "opens"', None),
        ('loss = "opens"\nunits = 3', "2 of its 3 EVSEs are not used"),
    ],
)
def test_what_works_but_should_not_stay_so(more: str, warning: str | None, tmp_path: Path) -> None:
    """LAW 4."""
    found = firmware.check(firmware.load_settings(config(tmp_path, driver="wired", more=more)))
    if warning is None:
        assert found == []
    else:
        assert [text for text in found if text.startswith("board[1] (wired): ") and warning in text] == found


def test_a_simulated_board_has_as_many_evses_as_are_numbered(tmp_path: Path) -> None:
    """Unless each has a table of its own; then the station can use those, all or some."""
    file = config(tmp_path)
    text = file.read_text()
    file.write_text(text.replace("evses = [1]", "evses = [1, 2, 3]"))
    assert len(firmware.boards_of(firmware.load_settings(file))["0"].units) == 3
    file.write_text(file.read_text() + "[[board.evse]]\nmax_a = 16\n")
    (problem,) = problems(file)
    assert problem.startswith("line 10: board[1].evses: names 3 EVSEs, but the board (sim) has 1. Remedy: ")
    file.write_text(text + "[[board.evse]]\nmax_a = 16\n[[board.evse]]\n")
    settings = firmware.load_settings(file)
    assert len(firmware.boards_of(settings)["0"].units) == 2
    assert "1 of its 2 EVSEs are not used" in firmware.check(settings)[0]


def test_more_evses_than_the_board_has_is_told_with_everything_else(tmp_path: Path) -> None:
    file = config(tmp_path, url="http://x", more="[[board.evse]]\nmax_a = 16\n[log]\nlevel = 3")
    file.write_text(file.read_text().replace("evses = [1]", "evses = [1, 2]"))
    found = [problem.split(" ")[2] for problem in problems(file)]
    assert sorted(found) == ["board[1].evses:", "csms.url:", "log.level:"]


def test_a_database_that_others_can_read(tmp_path: Path) -> None:
    settings = firmware.load_settings(config(tmp_path))
    database = tmp_path / "station.db"
    assert firmware.check(settings) == []
    database.touch(mode=0o600)
    assert firmware.check(settings) == []
    database.chmod(0o640)
    (warning,) = firmware.check(settings)
    assert warning.startswith(f"store.path: others than its owner may read {database}")
    assert f"chmod 600 {database}" in warning


def test_drivers(wired: None) -> None:
    names = firmware.device_names()
    assert {"openevse", "sim", "wired"} <= set(names["[[board]] driver"])
    assert {"sdm630", "em24"} <= set(names["[[meter]] model"])
    assert names["[[reader]] kind"] == ("evdev", "gpio", "pn532", "serial")
