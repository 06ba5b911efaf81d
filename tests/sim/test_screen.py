"""What the screen shows, drawn into a text of a given size."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from rich.console import Console

from hal.api import FaultCode
from station.sim.lab import Lab, LabSettings, run_lab
from station.sim.screen import KEYS, Screen

NBSP = "\u00a0"


def play(work: Callable[[Lab, Screen], Coroutine[Any, Any, None]], **settings: Any) -> None:
    async def main(lab: Lab) -> None:
        screen = Screen(lab)
        await asyncio.sleep(5)
        await work(lab, screen)

    run_lab(LabSettings(csms_fast=True, **settings), main)


def draw(screen: Screen, columns: int = 120, lines: int = 40) -> str:
    console = Console(file=io.StringIO(), width=columns, height=lines, color_system=None, force_terminal=True)
    with console.capture() as capture:
        console.print(screen, height=lines)
    text = capture.get()
    assert all(len(line) <= columns for line in text.splitlines())
    assert len(text.splitlines()) <= lines
    return text


async def charge(lab: Lab, evse: int = 1) -> None:
    lab.plug(evse, {"soc_percent": 42.0})
    await asyncio.sleep(1)
    lab.swipe(evse=evse)
    await asyncio.sleep(60)


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (100, 30), (132, 43), (200, 60)])
def test_a_session_in_every_size(columns: int, lines: int) -> None:
    async def work(lab: Lab, screen: Screen) -> None:
        await charge(lab)
        text = draw(screen, columns, lines)
        for words in (
            "OCPP 2.0.1 online",
            "EVSE 1  Charging",
            "42.",
            "10.9 kW",
            "16.0 A on 3",
            "32 A, because: ",
            "EVSE 2  Available",
        ):
            assert words in text, words
        assert "TransactionEvent" in text
        for key, what in KEYS:
            assert f" {key}  {what}" in text

    play(work)


def test_where_the_panel_and_the_socket_are() -> None:
    async def work(lab: Lab, _screen: Screen) -> None:
        text = draw(Screen(lab, places=["front panel: http://127.0.0.1:8180/", "control socket: /run/x.sock"]), 80, 24)
        assert "front panel: http://127.0.0.1:8180/" in text
        assert "control socket: /run/x.sock" in text
        for key, what in KEYS:
            assert f" {key}  {what}" in text

    play(work)


def test_eight_evses_in_a_small_terminal_are_around_the_chosen_one() -> None:
    async def work(_lab: Lab, screen: Screen) -> None:
        for chosen in range(1, 9):
            screen.chosen = chosen
            assert f"> EVSE {chosen}" in draw(screen, 80, 24)
        assert "EVSE 8" in draw(screen, 200, 70)

    play(work, evses=8)


@pytest.mark.parametrize(("columns", "lines"), [(20, 8), (1, 1), (80, 5), (500, 3)])
def test_a_terminal_too_small_breaks_nothing(columns: int, lines: int) -> None:
    async def work(lab: Lab, screen: Screen) -> None:
        console = Console(file=io.StringIO(), width=columns, height=lines)
        console.print(screen, height=lines)
        await lab.power_cut()
        console.print(screen, height=lines)

    play(work)


def test_fault_offline_no_power() -> None:
    async def work(lab: Lab, screen: Screen) -> None:
        lab.fault(FaultCode.GROUND_FAILURE, 1, "x")
        await asyncio.sleep(1)
        for size in ((120, 40), (80, 24)):
            assert "GroundFailure" in draw(screen, *size)
        await lab.offline()
        assert "unplugged from the network" in draw(screen)
        await lab.go_online()
        await lab.power_cut()
        assert "NO POWER" in draw(screen)
        assert "Press c" in draw(screen, 80, 24)

    play(work)


def test_who_cannot_be_reached_and_that_it_is_being_tried() -> None:
    async def work(lab: Lab, screen: Screen) -> None:
        assert lab.csms is not None
        await lab.csms.go_offline()
        await asyncio.sleep(60)
        text = draw(screen)
        assert "offline" in text
        assert "no connection to the embedded CSMS, trying again: " in text
        await lab.csms.go_online()
        await asyncio.sleep(600)
        assert "no connection" not in draw(screen)

    play(work)


def test_a_csms_that_does_not_accept_us() -> None:
    async def work(lab: Lab, screen: Screen) -> None:
        assert lab.csms is not None
        lab.csms.policy.plan_boots("Pending")
        await lab.power_cut()
        await lab.power_on()
        await asyncio.sleep(5)
        assert "OCPP 2.0.1 not accepted yet" in draw(screen)

    play(work)


def test_a_pin_is_never_shown() -> None:
    """C04: neither in the conversation nor at the session, while it is asked for and while it charges."""
    pin = "735100"

    async def work(lab: Lab, screen: Screen) -> None:
        assert lab.csms is not None
        lab.plug(1)
        await asyncio.sleep(1)
        lab.pin(pin)
        assert pin not in draw(screen, 200, 60)
        await asyncio.sleep(60)
        assert lab.view().evse(1).relay_closed
        for size in ((200, 60), (80, 24)):
            text = draw(screen, *size)
            assert pin not in text
            assert "****" in text
        assert all(pin not in frame.brief.text for frame in screen.frames)

    from station.sim.csms import Token

    play(work, tokens=(Token(pin, kind="KeyCode"),), versions=("2.0.1",))


def test_speed_note_and_identity_are_plain_text() -> None:
    async def work(_lab: Lab, screen: Screen) -> None:
        screen.note = "a [bold]note[/] \x1b[2J"
        screen.speed = 0
        text = draw(screen)
        assert "a [bold]note[/] ·[2J" in text
        assert "speed paused" in text
        screen.speed = None
        assert "speed max" in draw(screen)

    play(work, identity="CP[1]")


def test_it_keeps_a_bounded_past() -> None:
    async def work(lab: Lab, screen: Screen) -> None:
        for _ in range(800):
            lab._frame("in", '[3,"1",{}]', None, "ok")
        assert len(screen.frames) == 500

    play(work)
