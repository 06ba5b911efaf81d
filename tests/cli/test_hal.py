"""`station hal probe` and `station hal monitor` with emulated devices in their own processes, behind real pseudo terminals."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import stat
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.emulators.process import EmulatorProcess
from hal.found import Found, FoundKind
from hal.probe import Report, Trouble
from hal.probe_configured import Check
from station.__main__ import parser
from station.cli import hal_probe_config
from station.cli.hal import _addresses, _baud
from station.cli.hal_monitor import line_of
from station.cli.hal_probe import silent
from station.cli.hal_probe_show import configuration, found_lines, trouble_words
from station.sim.csms import EmbeddedCsms
from tests.sim.console import ROOT

STATION = (sys.executable, "-W", "error", "-m", "station")
CONFIG = """
[station]
id = "CS001"
[csms]
url = "{url}"
[store]
path = "station.db"
[[board]]
driver = "openevse"
evses = [1]
port = "{port}"
timeout_s = 2.0
heartbeat_s = 5
[control]
socket = "c.sock"
"""


async def hal(*arguments: str) -> tuple[int | None, str, str]:
    done = await asyncio.create_subprocess_exec(*STATION, "hal", *arguments, cwd=ROOT, stdin=-3, stdout=-1, stderr=-1)
    out, err = await asyncio.wait_for(done.communicate(), 90)
    assert "Traceback" not in err.decode(), err.decode()
    return done.returncode, out.decode(), err.decode()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short name: the path of a socket has about a hundred bytes."""
    with tempfile.TemporaryDirectory(prefix="pw-") as name:
        yield Path(name)


# --- probe ------------------------------------------------------------------------------------------------------------


async def test_what_is_connected_is_found_with_lines_for_the_configuration(folder: Path) -> None:
    """A board, a meter and a reader; a port where nobody is; one that is not there."""
    async with (
        EmulatorProcess("openevse", link=folder / "board") as board,
        EmulatorProcess("pn532", link=folder / "reader") as reader,
        EmulatorProcess("modbus_meter", link=folder / "rs485", meters="sdm630@3") as meter,
    ):
        await meter.tell(power_w=[1000, 0, 0])
        await reader.tell(card="04A1B2C3D4E5F6")
        nowhere = str(folder / "nothing")
        (code, out, err), (bus_code, bus_out, _) = await asyncio.gather(
            hal("probe", board.port, reader.port, nowhere, "--timeout", "1"),
            hal("probe", meter.port, "--addresses", "2-3", "--baud", "9600"),
        )
        assert (code, bus_code, err) == (0, 0, "")
        out += bus_out
        assert f"{board.port}: OpenEVSE, firmware 8.2.3, RAPI 5.2.1" in out
        assert "host supervision" in out
        assert f"{reader.port}: NXP PN532, firmware 1.6" in out
        assert "B2C3" not in out, "a card is personal data"
        assert f"{meter.port}: Eastron SDM630" in out
        assert "1000.0 W" in out
        assert f"{nowhere}: cannot be opened: there is no such port" in out
        pasted = tomllib.loads("\n".join(line.strip() for line in out.splitlines() if line.startswith("    ")))
        assert pasted == {
            "board": [{"driver": "openevse", "evses": [1], "port": board.port, "max_a": 32.0}],
            "reader": [{"kind": "pn532", "evse": 0, "port": reader.port}],
            "meter": [{"model": "sdm630", "evse": 1, "port": meter.port, "address": 3}],
        }
        file = folder / "station.toml"
        file.write_text(CONFIG.format(url="ws://localhost:1/", port=board.port))
        code, out, _ = await hal("probe", "--config", str(file), "--json")
        (row,) = [json.loads(line) for line in out.splitlines()]
        assert (code, row["answered"], row["readout"]["vehicle"]) == (0, True, "away")
        assert row["on_host_loss"].startswith("reduces to 6 A")


async def test_a_port_of_the_running_station_is_watched_and_not_asked(folder: Path) -> None:
    """The firmware drives an emulated board: a probe says who has the port; the monitor shows the wire, saves it, shows it again."""
    async with EmulatorProcess("openevse", link=folder / "board") as board, EmbeddedCsms(websocket=True) as csms:
        file = folder / "station.toml"
        file.write_text(CONFIG.format(url=csms.url, port=board.port))
        station = await asyncio.create_subprocess_exec(
            *STATION, "run", "--config", str(file), cwd=ROOT, env={**os.environ}, stdin=-3, stdout=-1, stderr=-1
        )
        try:
            await csms.wait_for("CS001", "BootNotification", since=0, timeout=30)
            asked, configured, tapped = await asyncio.gather(
                hal("probe", board.port),
                hal("probe", "--config", str(file)),
                hal("monitor", board.port, "--as", "rapi"),
            )
            assert (asked[0], configured[0], tapped[0]) == (1, 1, 1)
            assert f"{board.port}: in use by process {station.pid} (" in asked[1]
            assert "station hal monitor" in asked[1]
            assert f"in use by process {station.pid}" in configured[1]
            assert "on_host_loss: reduces to 6 A" in configured[1]
            assert "`station hal monitor` without PORT" in tapped[2]
            saved = folder / "wire.jsonl"
            await board.tell(car="plugged")
            code, out, err = await hal(
                "monitor",
                "--socket",
                str(folder / "c.sock"),
                "--duration",
                "3",
                "--save",
                str(saved),
                "--only",
                "board",
            )
            assert code == 0
            assert "watching the serial lines" in err
            assert " board -> $SY " in out
            assert "  answer to SY: supervised every 5 s, falls to 6 A" in out
            assert stat.S_IMODE(saved.stat().st_mode) == 0o600
            code, again, _ = await hal("monitor", "--file", str(saved))
            assert (code, again) == (0, out)
        finally:
            station.terminate()
            await station.communicate()


def test_what_is_taken_or_forbidden_is_told_with_a_remedy() -> None:
    assert "in use; stop the station" in trouble_words("/nowhere", Trouble.IN_USE, "")
    assert "usermod -aG dialout" in trouble_words("/dev/x", Trouble.NO_PERMISSION, "")
    assert trouble_words("/dev/x", None, "", 7).startswith("nobody answers to 7 questions")


def test_lines_for_the_configuration_are_toml() -> None:
    relay = {"contactor": {"port": "/dev/a", "address": 1, "coil": 0}}
    found = Found(FoundKind.BOARD, "relay", "a board\x1b[2J", relay, (("relay 1", "open"),))
    assert tomllib.loads("\n".join(configuration(found))) == {"board": [{"driver": "relay", "evses": [1], **relay}]}
    assert any("rating_a" in line for line in configuration(found)), "what no probe can know, and check asks for"
    two = Found(FoundKind.BOARD, "phyverso", "a board", {"port": "/dev/a"}, evses=2)
    assert tomllib.loads("\n".join(configuration(two)))["board"][0]["evses"] == [1, 2]
    lines = list(found_lines("/dev/a", found, "Modbus"))
    assert lines[0] == "/dev/a: a board?[2J"
    stranger = Found(FoundKind.METER, "", "a Modbus device", {"address": 5})
    assert "hardware.md" in list(found_lines("/dev/a", stranger, "Modbus"))[-1]


def test_what_a_configured_device_says() -> None:
    silent = Check(FoundKind.BOARD, "openevse", "/dev/a", False, problem="nobody answers", on_host_loss="opens")
    assert list(hal_probe_config.lines_of(silent)) == [
        "[[board]] openevse on /dev/a: nobody answers",
        "  on_host_loss: opens",
    ]
    found = Found(FoundKind.METER, "sdm630", "Eastron", {}, (("energy", "1 kWh"),))
    assert list(hal_probe_config.lines_of(Check(FoundKind.METER, "sdm630", "/dev/a", True, found))) == [
        "[[meter]] sdm630 on /dev/a: Eastron",
        "  energy  1 kWh",
    ]


async def test_watching_goes_on_until_it_is_interrupted(folder: Path) -> None:
    async with EmulatorProcess("pn532", link=folder / "reader") as reader:
        running = await asyncio.create_subprocess_exec(
            *STATION, "hal", "probe", reader.port, "--watch", "--json", cwd=ROOT, stdin=-3, stdout=-1, stderr=-1
        )
        assert running.stdout is not None
        async with asyncio.timeout(60):
            rows = [json.loads(await running.stdout.readline()) for _ in range(2)]
            await reader.tell(card="04A1B2C3D4E5F6")
            while rows[-1]["readout"] != {"card": "04**** (7 bytes)"}:
                rows.append(json.loads(await running.stdout.readline()))
            running.send_signal(2)
            _, err = await running.communicate()
        assert (running.returncode, err) == (0, b"")
    assert rows[0]["who"].startswith("NXP PN532")


def test_a_device_that_has_fallen_silent_is_shown_as_such() -> None:
    one = Found(FoundKind.READER, "pn532", "a chip", {"port": "/dev/a"}, (("card", "none"),))
    assert silent(one, Report("/dev/a")).readout == (("now", "does not answer"),)
    gone = silent(one, Report("/dev/a", trouble=Trouble.NOT_THERE, problem="/dev/a cannot be opened: plug it in"))
    assert gone.readout == (("now", "cannot be opened: plug it in"),)


# --- monitor ----------------------------------------------------------------------------------------------------------


async def test_a_tap_hears_and_says_nothing(folder: Path) -> None:
    async with EmulatorProcess("line_reader", link=folder / "reader", repeat_s=0.2) as reader:
        await reader.tell(card="04A1B2C3")
        code, out, err = await hal("monitor", reader.port, "--as", "line", "--duration", "1")
        assert code == 0
        assert "nothing is sent" in err
        assert "reader <- line: 8 characters, hidden\n" in out


def test_a_line_on_the_screen() -> None:
    row: dict[str, object] = {
        "wall": 1_760_000_000.25,
        "port": "/dev/serial/by-id/usb-A",
        "direction": "sent",
        "verdict": "ok",
        "text": "hello\x1b",
        "hex": "01 02",
    }
    assert line_of(row, with_hex=False) == "08:53:20.250 usb-A -> hello?"
    assert line_of(row, with_hex=True).endswith("hello?  [01 02]")
    assert line_of({**row, "verdict": "damaged"}, with_hex=False).endswith("-> ! hello?  [01 02]")


async def test_wrong_use_is_told(folder: Path) -> None:
    (folder / "x").write_text("{}\n")
    code, _, err = await hal("monitor", "--file", str(folder / "x"))
    assert (code, "line 1: port must be a text" in err) == (2, True)
    code, _, err = await hal("monitor", "/dev/x", "--file", str(folder / "x"))
    assert (code, "exclude each other" in err) == (2, True)
    code, _, err = await hal("monitor", "--socket", str(folder / "none"))
    assert (code, "no station answers there" in err) == (1, True)


def test_arguments() -> None:
    assert _addresses("1-3,10") == (1, 2, 3, 10)
    assert _baud("9600") == 9600
    for wrong in ("0", "3-1", "1-248", "x", "1,,2"):
        with pytest.raises(argparse.ArgumentTypeError, match="1 to 247"):
            _addresses(wrong)
    with pytest.raises(argparse.ArgumentTypeError, match="bits per second"):
        _baud("9.6k")
    arguments = parser().parse_args(["hal", "probe", "--addresses", "5"])
    assert (arguments.addresses, arguments.ports, arguments.watch) == ((5,), [], False)
