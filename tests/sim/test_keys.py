"""What the keys do to the bench, on virtual time; the real key presses are in test_terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from hal.api import FaultCode
from station.sim.demo import Demo
from station.sim.keys import FASTER, Keys
from station.sim.lab import Lab, LabSettings, run_lab


class Panel:
    def __init__(self, speed: float | None) -> None:
        self.chosen = 1
        self.note = ""
        self.speed = speed


def play(work: Callable[[Lab, Keys, Panel, Demo], Coroutine[Any, Any, None]], **settings: Any) -> None:
    async def main(lab: Lab) -> None:
        panel = Panel(lab.settings.speed)
        demo = Demo(lab, pause_s=1.0)
        keys = Keys(lab, panel, demo)
        await asyncio.sleep(5)
        await work(lab, keys, panel, demo)
        await keys.close()

    run_lab(LabSettings(csms_fast=True, **settings), main)


def test_a_session_by_hand() -> None:
    async def work(lab: Lab, keys: Keys, panel: Panel, demo: Demo) -> None:
        keys.press("2")
        assert panel.chosen == 2
        assert not demo.over, "looking is not acting"
        keys.press("P")
        assert demo.over
        assert lab.board.car(2) is not None
        await asyncio.sleep(2)
        keys.press("s")
        assert panel.note == "card 0BADCAFE at EVSE 2"
        await asyncio.sleep(30)
        assert lab.view().evse(2).relay_closed
        keys.press("p")
        assert "locked" in panel.note
        assert "x, ends the session" in panel.note
        keys.press("x")
        await asyncio.sleep(10)
        assert not lab.view().evse(2).relay_closed
        keys.press("p")
        assert panel.note == "EVSE 2 is unplugged"
        assert lab.board.car(2) is None

    play(work)


def test_the_cable_is_pulled_out_of_the_car() -> None:
    async def work(lab: Lab, keys: Keys, panel: Panel, _demo: Demo) -> None:
        keys.press("e")
        assert panel.note == "there is no car at EVSE 1"
        keys.press("p")
        await asyncio.sleep(1)
        keys.press("s")
        await asyncio.sleep(30)
        keys.press("e")
        assert panel.note == "the cable is pulled out of the car"
        await asyncio.sleep(10)
        assert lab.csms is not None
        (tx,) = lab.csms.station("PILOT-1").transactions.values()
        assert tx.events[-1]["transactionInfo"]["stoppedReason"] == "EVDisconnected"
        keys.press("p")
        assert lab.board.car(1) is not None

    play(work)


def test_fault_and_reset_of_the_rcd() -> None:
    async def work(lab: Lab, keys: Keys, panel: Panel, _demo: Demo) -> None:
        keys.press("f")
        await asyncio.sleep(1)
        assert lab.view().evse(1).faults == (FaultCode.GROUND_FAILURE,)
        keys.press("f")
        assert panel.note == "the RCD of EVSE 1 is reset"
        await asyncio.sleep(1)
        assert lab.view().evse(1).faults == ()

    play(work)


def test_network_and_power() -> None:
    async def work(lab: Lab, keys: Keys, panel: Panel, demo: Demo) -> None:
        keys.press("o")
        await asyncio.sleep(1)
        assert not lab.online
        assert not demo.over, "an offline demo is a good demo"
        keys.press("o")
        await asyncio.sleep(1)
        assert lab.online
        keys.press("c")
        await asyncio.sleep(1)
        assert not lab.powered
        for key in "fx":
            keys.press(key)
            assert panel.note == "the station has no power"
        keys.press("s")
        assert panel.note == "nobody read the card"
        keys.press("c")
        await asyncio.sleep(1)
        assert lab.powered
        assert lab.boots == 2

    play(work)


def test_a_key_pressed_twice_too_fast() -> None:
    """Two cuts at once: the second finds no power, and says so instead of crashing somewhere."""

    async def work(lab: Lab, keys: Keys, panel: Panel, _demo: Demo) -> None:
        keys.press("c")
        keys.press("c")
        await asyncio.sleep(1)
        assert not lab.powered
        assert panel.note == "the station has no power"
        keys.press("c")
        keys.press("c")
        await asyncio.sleep(1)
        assert lab.boots == 2

    play(work)


def test_speed() -> None:
    """From the steps next to where it is; a pause goes back to what was before it."""

    async def work(lab: Lab, keys: Keys, panel: Panel, _demo: Demo) -> None:
        keys.press("+")
        assert panel.speed == lab.scheduler.speed == FASTER[-1]
        for _ in FASTER:
            keys.press("+")
        assert panel.speed == FASTER[-1]
        keys.press(" ")
        assert panel.note.startswith("time stands still")
        assert lab.scheduler.speed == 0
        keys.press(" ")
        assert panel.speed == lab.scheduler.speed == FASTER[-1]
        for _ in FASTER:
            keys.press("-")
        assert panel.speed == 1.0, "a pause has its own key"
        lab.set_speed(None)

    play(work)


def test_a_pause_of_full_speed() -> None:
    async def work(lab: Lab, keys: Keys, panel: Panel, _demo: Demo) -> None:
        keys.press(" ")
        keys.press(" ")
        assert panel.speed is None
        assert lab.scheduler.speed is None
        assert panel.note == "as fast as possible"

    play(work)


@pytest.mark.parametrize("key", ["9", "0", "3", "z", "\x1b[A", "", "12", "²"])
def test_keys_without_a_meaning(key: str) -> None:
    async def work(_lab: Lab, keys: Keys, panel: Panel, demo: Demo) -> None:
        keys.press(key)
        assert panel.note == ""
        assert panel.chosen == 1
        assert not demo.over

    play(work)


def test_quit() -> None:
    async def work(_lab: Lab, keys: Keys, _panel: Panel, _demo: Demo) -> None:
        keys.press("q")
        keys.press("q")
        assert keys.quit.done()

    play(work)


def test_nothing_to_stop() -> None:
    async def work(_lab: Lab, keys: Keys, panel: Panel, _demo: Demo) -> None:
        keys.press("x")
        assert panel.note == "nothing to stop at EVSE 1"
        keys.press("p")
        await asyncio.sleep(1)
        keys.press("x")
        assert panel.note == "nothing to stop at EVSE 1", "nobody has presented a card"

    play(work)
