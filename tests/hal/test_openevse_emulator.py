"""The emulated OpenEVSE board by itself, on times given: it does what the firmware does."""

from __future__ import annotations

import pytest

from hal.emulators import openevse
from hal.emulators.__main__ import create, names
from hal.emulators.openevse.board import FAULTS
from hal.emulators.openevse.device import OpenEvseEmulator
from hal.errors import ConfigError


class Wire:
    """Lines to and from a board whose time the test moves."""

    def __init__(self, **settings: object) -> None:
        self.board = OpenEvseEmulator(settings)
        self.now = 100.0
        self.board.tick(self.now)

    def ask(self, line: str) -> str:
        return self.board.feed(line.encode() + b"\r", self.now).decode()

    def run(self, seconds: float) -> str:
        said, end = "", self.now + seconds
        while (due := self.board.due(self.now)) is not None and due <= end:
            self.now = max(self.now, due)
            said += self.board.tick(self.now).decode()
        self.now = end
        return said + self.board.tick(end).decode()

    def order(self, **order: object) -> dict[str, object]:
        return self.board.control(order, self.now)


def test_it_is_served_by_name() -> None:
    assert "openevse" in names()
    assert isinstance(create("openevse", {}), OpenEvseEmulator)
    assert isinstance(openevse.create({}), OpenEvseEmulator)
    with pytest.raises(ConfigError, match=r"openevse.typo"):
        create("openevse", {"typo": 1})
    with pytest.raises(ConfigError, match=r"openevse.car: must be one of"):
        Wire().order(car="bus")


def test_checksums_ids_and_lines_that_are_too_long() -> None:
    wire = Wire()
    assert wire.ask("$GV^35") == "$OK 8.2.3 5.2.1^2F\r"
    assert wire.ask("$GC :A1^CA") == "$NK^21\r"  # a wrong one: no id either
    assert wire.ask("$FE*AF").startswith("$OK^")  # the sum, as the header of the firmware has it
    assert wire.ask("$SL 1*14").startswith("$NK")  # understood, and not in this build
    assert wire.ask("$G0").startswith("$OK 0^")  # no checksum
    assert wire.ask("$GS :A1^5A").split("^")[0].endswith(" :A1")
    assert wire.ask("$GS " + "x" * 40) == ""
    assert wire.ask("$GS $G0^53").startswith("$OK 0^")  # a new `$` begins anew
    assert wire.ask("$S3 1^00") == wire.ask("$ZZ")


def test_a_session_with_debounce() -> None:
    wire = Wire()
    assert "$AT 01 01 32 0200" in wire.run(1.0)
    wire.order(car="asks")
    assert "$AT 02 02 32 0100" in wire.run(0.3)
    assert "$AT 03 03 32 0140" in wire.run(0.5)
    wire.ask("$SC 10 V")
    wire.run(360.0)
    assert wire.ask("$GG").startswith("$OK 10000 240000")
    assert 238_000 * 3.6 <= int(str(wire.ask("$GU").split()[1])) <= 244_000 * 3.6 + 24 * 320
    wire.order(car="none")
    assert "$AT 01 01 10 0200" in wire.run(1.0)
    assert wire.order(look=True)["relay"] is False
    assert int(str(wire.order(look=True)["total_wh"])) >= 239


def test_sleep_lets_the_vehicle_stop_first_and_does_not_tell_that_the_relay_opens() -> None:
    wire = Wire()
    wire.order(car="asks", stubborn=True)
    wire.run(2.0)
    assert "$AT fe 03 32 0140" in wire.ask("$FS^31")
    assert wire.run(2.9) == ""
    assert wire.order(look=True)["relay"] is True
    assert wire.run(0.2) == ""
    assert wire.order(look=True)["relay"] is False
    wire.ask("$FE")
    wire.run(2.0)
    wire.ask("$FD")
    assert (wire.order(look=True)["relay"], wire.order(look=True)["mode"]) == (False, "N12")


def test_supervision() -> None:
    wire = Wire()
    wire.order(car="asks")
    wire.run(2.0)
    assert wire.ask("$SY 5 6").startswith("$OK 5 6 0^")
    wire.ask("$SY 5 6")
    assert wire.order(look=True)["writes"] == 1  # only what changes
    wire.run(4.0)
    assert wire.ask("$SY").startswith("$OK 5 6 0^")
    assert "$AT 03 03 6 0140" in wire.run(5.5)
    assert wire.ask("$SY").startswith("$NK 5 6 2^")
    assert wire.ask("$SY 99").startswith("$NK")
    assert wire.ask("$SY 165").startswith("$OK 5 6 1^")
    assert wire.order(look=True)["amps"] == 32  # the maximum, whatever it was before
    assert Wire(supervises=False).ask("$GY").startswith("$NK")


def test_current() -> None:
    wire = Wire(configured_a=20)
    assert wire.ask("$SC 4 V").startswith("$NK 6^")
    assert wire.ask("$SC 32 V").startswith("$NK 20^")
    assert wire.ask("$SC 16 V").startswith("$OK 16^")
    assert wire.order(look=True)["writes"] == 0
    wire.ask("$SC 16")
    assert wire.order(look=True)["writes"] == 1


@pytest.mark.parametrize(("name", "state"), FAULTS.items())
def test_faults_open_and_end(name: str, state: int) -> None:
    wire = Wire()
    wire.order(car="asks")
    wire.run(2.0)
    wire.order(fault=name)
    assert f"$AT {state:02x}" in wire.run(0.1)
    assert wire.order(look=True)["relay"] is False
    wire.order(fault="none", car="none")
    assert "$AT 01" in wire.run(1.0)


@pytest.mark.parametrize(
    ("order", "state", "after_s"),
    [
        ({"car": "ventilation"}, "04", 1.0),
        ({"car": "no_diode"}, "05", 1.0),
        ({"celsius": 80.0}, "0a", 1.0),
        ({"draw_a": 40.0, "obeys": False}, "0b", 11.0),
    ],
)
def test_hard_faults_stand_until_the_vehicle_leaves(order: dict[str, object], state: str, after_s: float) -> None:
    wire = Wire()
    wire.order(car="asks")
    wire.run(2.0)
    wire.order(**order)
    said = wire.run(after_s)
    assert f"$AT {state} " in said
    wire.order(car="plugged", celsius=25.0, draw_a=16.0, obeys=True)
    wire.run(400.0)
    assert wire.ask("$GS").startswith(f"$OK {state} ")
    wire.order(car="none")
    assert "$AT 01" in wire.run(1.0)


def test_the_gfi_is_tried_again_by_itself() -> None:
    wire = Wire()
    wire.order(car="asks")
    wire.run(2.0)
    wire.order(fault="gfi")
    wire.run(299.0)
    assert wire.ask("$GS").startswith("$OK 06 ")
    assert "$AT 03" in wire.run(3.0)
    assert wire.ask("$GF").startswith("$OK 1 0 0^")


def test_heat_halves_the_current_and_cooling_restores_the_maximum() -> None:
    wire = Wire()
    wire.order(car="asks")
    wire.run(2.0)
    wire.ask("$SC 20 V")
    wire.order(celsius=55.0)
    assert "$AT 03 03 16 " in wire.run(1.0)
    assert wire.ask("$SC 20 V").startswith("$NK 16^")
    wire.order(celsius=40.0)
    assert "$AT 03 03 32 " in wire.run(1.0)


def test_brown_out() -> None:
    wire = Wire(boot_s=1.0)
    wire.order(car="asks")
    wire.run(2.0)
    wire.ask("$SC 10 V")
    wire.ask("$SY 5 6")
    wire.board.power(False, wire.now)
    wire.now += 10.0
    wire.board.power(True, wire.now)
    assert wire.ask("$GS") == ""  # its self-test
    said = wire.run(3.0)
    assert said.startswith("$AB 00 8.2.3^")
    assert "$AT 03 03 32 " in said  # enabled, at its maximum
    assert wire.order(look=True)["supervision"] == [5, 6, 0]
