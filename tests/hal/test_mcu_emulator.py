"""The emulated EVerest-MCU boards by themselves, on times given."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.emulators import mcu
from hal.emulators.__main__ import create, names
from hal.emulators.mcu import connector, tags
from hal.emulators.mcu.device import McuEmulator
from hal.emulators.mcu.wire import Receiver, frame, get, put
from hal.errors import ConfigError


class Wire:
    """Messages to and from a board whose time the test moves."""

    def __init__(self, board: str = "yeti", **settings: object) -> None:
        self.device = McuEmulator({"board": board, **settings})
        self.tags = tags.TAGS[board]
        self.now = 100.0
        self.ear = Receiver()
        self.heard(self.device.tick(self.now))
        self.run(1.0)

    def heard(self, data: bytes) -> list[dict[int, Any]]:
        return [get(payload) or {} for byte in data if (payload := self.ear.take(byte)) is not None]

    def say(self, *payloads: bytes) -> list[dict[int, Any]]:
        return self.heard(self.device.feed(b"".join(frame(payload) for payload in payloads), self.now))

    def run(self, seconds: float) -> list[dict[int, Any]]:
        said, end = b"", self.now + seconds
        while (due := self.device.due(self.now)) is not None and due <= end:
            self.now = max(self.now, due)
            said += self.device.tick(self.now)
        self.now = end
        return self.heard(said + self.device.tick(end))

    def order(self, **order: object) -> dict[str, Any]:
        return self.device.control(order, self.now)

    def told(self, tag: int, messages: list[dict[int, Any]]) -> list[Any]:
        return [message[tag][-1] for message in messages if tag in message]

    def charge(self) -> None:
        self.order(car="asks")
        self.say(put(self.tags.pwm, 2667), put(self.tags.power, 1))
        self.run(0.3)
        assert self.order(look=True)["relay"] is True


def test_it_is_served_by_name() -> None:
    assert "mcu" in names()
    assert isinstance(create("mcu", {"board": "tida"}), McuEmulator)
    assert isinstance(mcu.create({}), McuEmulator)
    with pytest.raises(ConfigError, match=r"mcu.board: must be one of yeti, adkit, tida, phyverso"):
        create("mcu", {"board": "wallbox"})
    with pytest.raises(ConfigError, match=r"mcu.car: must be one of"):
        Wire().order(car="bus")
    with pytest.raises(ConfigError, match=r"mcu.connector: must be a whole number of 1 to 1"):
        Wire().order(connector=2)


def test_it_opens_at_once_when_the_vehicle_stops_or_the_host_says_so() -> None:
    wire = Wire()
    wire.charge()
    wire.order(car="plugged")
    assert wire.order(look=True)["relay"] is False
    wire.order(car="asks")
    wire.run(0.3)
    assert wire.order(look=True)["relay"] is True
    said = wire.say(put(wire.tags.power, 0))
    assert wire.told(wire.tags.out_relay, said) == [0]


def test_a_fault_opens_and_wants_a_new_permission() -> None:
    wire = Wire()
    wire.charge()
    wire.order(fault="pilot")
    assert wire.order(look=True)["relay"] is False
    wire.order(fault="none")
    wire.run(5.0)
    assert wire.order(look=True)["relay"] is False
    wire.say(put(wire.tags.power, 1))
    wire.run(1.0)
    assert wire.order(look=True)["relay"] is True


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ({"car": "no_diode"}, "diode"),
        ({"car": "ventilation"}, "ventilation"),
        ({"draw_a": 25.0, "obeys": False}, "over_current"),
    ],
)
def test_what_it_watches(order: dict[str, object], error: str) -> None:
    wire = Wire()
    wire.charge()
    wire.order(**order)
    wire.run(6.0)
    facts = wire.order(look=True)
    assert (facts["errors"], facts["relay"]) == ([error], False)
    wire.order(car="none")
    wire.run(0.5)
    assert wire.order(look=True)["errors"] == []


def test_states() -> None:
    wire = Wire()
    wire.say(put(wire.tags.pwm, 0))
    assert wire.order(look=True)["letter"] == "F"
    assert wire.order(car="short")["letter"] == "E"
    assert wire.order(car="plugged", connector=1)["letter"] == "F"


def test_a_board_that_is_alone_charges_until_it_hears_a_host() -> None:
    wire = Wire("adkit")
    wire.order(car="asks")
    wire.run(1.0)
    facts = wire.order(look=True)
    assert (facts["relay"], facts["alone"], facts["duty"]) == (True, True, 5333)
    wire.say(put(wire.tags.keep_alive, b""))
    wire.run(0.1)
    facts = wire.order(look=True)
    assert (facts["relay"], facts["alone"]) == (False, False)
    wire.say(put(wire.tags.pwm, 6000))
    assert wire.order(look=True)["duty"] == 10001  # more than it can is ignored


def test_a_phyverso_obeys_once_it_is_configured_and_misses_its_host() -> None:
    wire = Wire("phyverso")
    wire.order(car="asks")
    wire.say(put(4, 2667) + put(7, 1))
    assert wire.order(look=True)["duty"] == 10001
    port = put(1, 1) + put(2, 1) + put(3, 2) + put(4, put(1, -1)) + put(5, 0)
    wire.say(put(8, put(1, 1) + put(6, port) + put(6, port)))
    wire.say(put(4, 2667) + put(7, 1), put(5, put(1, 1) + put(2, 1)) + put(7, 1), put(1, b""))
    wire.run(1.0)
    assert wire.order(look=True)["relay"] is True
    said = wire.run(4.0)
    assert wire.order(look=True)["relay"] is False
    assert put(7, 1) in wire.told(5, said)
    assert wire.told(5, wire.say(put(1, b""))) == [b"", b""]


def test_a_brown_out_forgets_everything_but_what_is_connected() -> None:
    wire = Wire()
    wire.charge()
    wire.run(60.0)
    wire.device.power(False, wire.now)
    assert wire.run(5.0) == []
    wire.device.power(True, wire.now)
    said = wire.run(1.0)
    assert wire.told(wire.tags.out_reset, said) == [0]
    facts = wire.order(look=True)
    assert (facts["letter"], facts["relay"], facts["allowed"]) == ("B", False, False)
    assert facts["total_wh"] == 0.0
    assert Wire(keeps_total=True, total_wh=50.0).device.total_wh == 50.0


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_arbitrary_bytes_are_survived(chunks: list[bytes]) -> None:
    device = McuEmulator({})
    for index, chunk in enumerate(chunks):
        device.feed(chunk, float(index))
    device.feed(b"\0" + frame(chunks[0] if chunks else b"\x08"), 20.0)
    wire = Wire()
    wire.charge()


def test_its_orders_are_those_of_the_help() -> None:
    assert connector.PP.keys() == {"none", "13", "20", "32", "63", "fault"}
    assert {len(numbers) for numbers in tags.TAGS.values()} == {18}
