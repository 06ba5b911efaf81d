"""[[meter]] and [[reader]]: what loads, what is refused and how it is told; what becomes of it in a station."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from hal.drivers.modbus_meter import ModbusMeter
from hal.drivers.pn532 import Pn532
from hal.drivers.serial_reader import SerialReader
from station import config_devices, firmware, firmware_hardware
from station.errors import ConfigError
from tests.test_config import ROOT

HEAD = """\
[station]
id = "CS001"
[csms]
url = "ws://127.0.0.1:9"
[store]
path = "station.db"
[[board]]
driver = "sim"
evses = [3, 1]
[[board]]
driver = "openevse"
port = "/dev/ttyOE"
evses = [2]
"""


def write(folder: Path, more: str) -> Path:
    file = folder / "station.toml"
    file.write_text(HEAD + more)
    return file


def problems(folder: Path, more: str) -> list[str]:
    """Without their lines and remedies."""
    with pytest.raises(ConfigError) as caught:
        firmware.load_settings(write(folder, more))
    return [re.sub(r"^line \d+: |\. Remedy: .*", "", problem).rstrip(".") for problem in caught.value.problems]


def meter(evse: int, port: str = "/dev/ttyM", more: str = "", model: str = "sdm630") -> str:
    return f'[[meter]]\nevse = {evse}\nmodel = "{model}"\nport = "{port}"\n{more}\n'


def reader(kind: str, more: str = "") -> str:
    return f'[[reader]]\nkind = "{kind}"\n{more}\n'


# --- what loads -------------------------------------------------------------------------------------------------------


def test_meters_take_the_place_of_what_the_boards_measure(tmp_path: Path) -> None:
    more = meter(1) + meter(2, more="address = 2") + meter(3, more="address = 3\nretries = 1", model="em340")
    settings = firmware.load_settings(write(tmp_path, more))
    boards = firmware.boards_of(settings)
    first, second = boards["0"].units
    meters = {3: first.meter, 1: second.meter, 2: boards["1"].units[0].meter}
    found = {number: one.device for number, one in meters.items() if isinstance(one, ModbusMeter)}
    assert {number: device.unit for number, device in found.items()} == {1: 1, 2: 2, 3: 3}
    assert len({id(device.bus) for device in found.values()}) == 1, "one port, one bus, over all boards"
    assert firmware.check(settings) == [text for text in firmware.check(settings) if "has no meter" not in text]


def test_readers_know_the_stations_numbers(tmp_path: Path) -> None:
    more = (
        reader("pn532", 'port = "/dev/ttyR"\nevse = 3\npoll_s = 0.2')
        + reader("serial", 'port = "/dev/ttyS9"\nformat = "decimal"')
        + reader("gpio", 'line = 4\nuse = "emergency_stop"')
    )
    settings = firmware.load_settings(write(tmp_path, more))
    first, second, third = firmware_hardware.readers_of(settings)
    assert isinstance(first, Pn532)
    assert isinstance(second, SerialReader)
    assert (first.name, first.evse, first.settings.poll_s) == ("/dev/ttyR", 3, 0.2)
    assert (second.evse, third.evse, third.name) == (0, 0, "/dev/gpiochip0 line 4")


def test_a_table_of_ones_own_is_looked_for_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text((ROOT / "hal" / "meters" / "sdm630.toml").read_text())
    settings = firmware.load_settings(write(tmp_path, meter(1, model="mine.toml")))
    assert settings.meters[0].model == str(tmp_path / "mine.toml")


# --- what is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (meter(4), "meter[1].evse: no board drives EVSE 4"),
        (meter(1) + meter(1, more="address = 2"), "meter[2].evse: EVSE 1 has meter[1] already"),
        (meter(1) + meter(3), "meter[2]: uses port /dev/ttyM, address 1, as meter[1] does"),
        (meter(1, "/dev/ttyOE"), "meter[1]: uses port /dev/ttyOE, which cannot be shared, as board[2] does"),
        (
            meter(1) + reader("pn532", 'port = "/dev/ttyM"'),
            "reader[1]: uses port /dev/ttyM, which cannot be shared, as meter[1] does",
        ),
        (
            reader("gpio", "line = 4") * 2,
            "reader[2]: uses port /dev/gpiochip0 line 4, which cannot be shared, as reader[1] does",
        ),
        (meter(1, model="smd630"), "meter[1].model: unknown meter 'smd630'; known are abb_b2x"),
        (meter(1, model="gone.toml"), "meter[1].model: /"),
        (meter(1, more="adress = 3"), "meter[1].adress: unknown; known are address"),
        (meter(1, more='address = "1"'), "meter[1].address: must be a whole number, is '1'"),
        (meter(1, port="ftp://x"), "meter[1].port: must be /dev/... or socket://host:port, is 'ftp://x'"),
        (
            meter(1) + meter(2, more="address = 2\nbaud = 19200"),
            "meter[2].port: /dev/ttyM is used as /dev/ttyM (9600 8N1) and as /dev/ttyM (19200 8N1)",
        ),
        ("[[meter]]\nevse = 1\n", "meter[1].model: is missing"),
        ("[meter]\nevse = 1\n", "meter: must be an array of tables"),
        (reader("pn523"), "reader[1].kind: unknown reader 'pn523' (did you mean 'pn532'?)"),
        (reader("pn532"), "reader[1].port: is missing"),
        (reader("pn532", 'port = "/dev/x"\nspeed = 3'), "reader[1].speed: unknown"),
        (reader("pn532", 'port = "/dev/x"\nevse = 9'), "reader[1].evse: no board drives EVSE 9"),
        (reader("evdev", 'port = "/dev/x"\nuse = "button"\nevse = 0'), "reader[1].evse: must be a whole number of 1"),
    ],
)
def test_one_mistake(more: str, told: str, tmp_path: Path) -> None:
    found = problems(tmp_path, more)
    assert any(problem.startswith(told) for problem in found), found


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        meter(9, more="baud = 1\nparity = 'X'")
        + "[[meter]]\nevse = 'one'\n"
        + reader("nfc")
        + reader("serial", "evse = 7"),
    )
    fields = sorted({problem.split(": ")[0] for problem in found})
    assert fields == [
        "meter[1].baud",
        "meter[1].evse",
        "meter[1].parity",
        "meter[2].evse",
        "meter[2].model",
        "meter[2].port",
        "reader[1].kind",
        "reader[2].evse",
        "reader[2].port",
    ]


def test_a_board_on_modbus_and_a_meter_share_a_port(tmp_path: Path) -> None:
    """With the same line settings and addresses of their own."""
    wb = '[[board]]\ndriver = "evse_wb"\nport = "/dev/ttyW"\naddress = 1\nevses = [4]\n'
    assert len(firmware.load_settings(write(tmp_path, wb + meter(4, "/dev/ttyW", "address = 2"))).meters) == 1
    (same,) = problems(tmp_path, wb + meter(4, "/dev/ttyW"))
    assert same == "meter[1]: uses port /dev/ttyW, address 1, as board[3] does"
    (other,) = problems(tmp_path, wb + meter(4, "/dev/ttyW", "address = 2\nbaud = 19200"))
    assert other.startswith("meter[1].port: /dev/ttyW is used as ")


# --- station check ------------------------------------------------------------------------------------------------------


def test_what_becomes_of_a_board_when_the_program_dies(tmp_path: Path) -> None:
    """LAW 4."""
    (line,) = firmware.about(firmware.load_settings(write(tmp_path, "")))
    assert line.startswith(
        "board[2] (openevse): when this program dies it goes on at 6 A. Sign of life (SY) every 2 s, without it the board "
    )
    assert "checks" not in line
    never = HEAD + 'heartbeat_s = 0\nchecks_off = "ground, diode"\n'
    (tmp_path / "station.toml").write_text(never)
    settings = firmware.load_settings(tmp_path / "station.toml")
    (line,) = firmware.about(settings)
    assert "does nothing" in line
    assert "safety checks that may be off in the board: diode, ground." in line
    assert any("nothing opens the contactor" in text for text in firmware.check(settings))


def test_an_evse_without_a_meter_is_told(tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text(HEAD + "meter = false\n")
    (told,) = [text for text in firmware.check(firmware.load_settings(file)) if "meter" in text]
    assert told.startswith("board[2] (openevse): EVSE 2 has no meter")
    file.write_text(HEAD + "meter = false\n" + meter(2))
    assert not [text for text in firmware.check(firmware.load_settings(file)) if "meter" in text]


def test_the_configuration_does_not_see_drivers() -> None:
    source = Path(str(config_devices.__file__)).read_text(encoding="utf-8")
    assert not re.search(r"import.*hal\.(registry|drivers|bus)|from hal\.(registry|drivers|bus)", source)
    assert "station.config_devices" in sys.modules
