"""Single key presses from the terminal, without Enter (Linux, macOS, WSL), and what each key does to the bench."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from hal.api import FaultCode
from hal.errors import HalError
from station.errors import StationError
from station.sim.demo import Demo
from station.sim.lab import Lab

__all__ = ["Keys", "Panel", "keyboard"]

FASTER = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
# Keys that change what happens at an EVSE: from then on the demo keeps its hands off.
ACTING = frozenset("psxefcwm")
NOISE = 0.3  # of the answers of a disturbed wire


@contextmanager
def keyboard(pressed: Callable[[str], object]) -> Iterator[None]:
    """Call `pressed(key)` for every key while open; the terminal is put back as it was. Needs a running loop and a terminal.

    Ctrl-C stays a signal. Keys that send several characters (arrows) arrive as one text.
    """
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def ready() -> None:
        try:
            text = os.read(descriptor, 64).decode(errors="replace")
        except OSError:  # the terminal is gone
            text = ""
        if not text:
            loop.remove_reader(descriptor)
        elif text.startswith("\x1b"):
            pressed(text)
        else:
            for key in text:
                pressed(key)

    try:
        tty.setcbreak(descriptor)
        loop.add_reader(descriptor, ready)
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


class Panel(Protocol):
    """What keys change of a screen: the EVSE they act on, a line that says what happened, the speed shown (None: max)."""

    chosen: int
    note: str
    speed: float | None


class Keys:
    """What the keys do. Every key answers with a note, also when it could do nothing. Whoever acts ends the demo."""

    def __init__(self, lab: Lab, panel: Panel, demo: Demo) -> None:
        self._lab = lab
        self._panel = panel
        self._demo = demo
        self._tasks: set[asyncio.Task[None]] = set()
        self.quit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._actions: dict[str, Callable[[], str]] = {
            "p": self._plug,
            "s": self._swipe,
            "x": self._stop,
            "e": self._unplug_at_car,
            "f": self._fault,
            "o": self._offline,
            "c": self._power,
            "w": lambda: self._adapter("board"),
            "m": lambda: self._adapter("meter"),
            "n": self._noise,
            "+": lambda: self._faster(+1),
            "-": lambda: self._faster(-1),
            " ": self._pause,
            "q": self._quit,
        }
        self._before_pause: float | None = panel.speed

    def press(self, key: str) -> None:
        """A key was pressed. One without a meaning does nothing."""
        if len(key) == 1 and key in "12345678" and int(key) <= self._lab.settings.evses:
            self._panel.chosen = int(key)
            self._panel.note = f"keys act on EVSE {key}"
            return
        action = self._actions.get(key.lower())
        if action is None:
            return
        if key.lower() in ACTING:
            self._demo.over = True
        try:
            self._panel.note = action()
        except (HalError, StationError) as error:
            self._panel.note = str(error)

    async def close(self) -> None:
        """Wait for what was begun (a power cut, a boot)."""
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    @property
    def _evse(self) -> int:
        return self._panel.chosen

    def _plug(self) -> str:
        if self._lab.devices.car(self._evse) is None:
            self._lab.plug(self._evse)
            return f"a car is plugged in at EVSE {self._evse}; s swipes a card"
        try:
            self._lab.unplug(self._evse)
        except HalError as error:
            return f"{error}; s with the same card, or x, ends the session"
        return f"EVSE {self._evse} is unplugged"

    def _swipe(self) -> str:
        token = self._demo.card(self._evse)
        read = self._lab.swipe(token, self._evse)
        if not read:
            return "nobody read the card"
        if self._lab.settings.wire:
            return f"card {token} at the one reader of the station"
        return f"card {token} at EVSE {self._evse}"

    def _stop(self) -> str:
        tx = self._lab.view().evse(self._evse).transaction
        if tx is None or tx.token is None:
            return f"nothing to stop at EVSE {self._evse}"
        self._lab.swipe(tx.token.value, self._evse, tx.token.kind)
        return f"the driver ends the session at EVSE {self._evse}"

    def _unplug_at_car(self) -> str:
        if self._lab.devices.car(self._evse) is None:
            return f"there is no car at EVSE {self._evse}"
        self._lab.unplug(self._evse, at_car=True)
        return "the cable is pulled out of the car"

    def _fault(self) -> str:
        if FaultCode.GROUND_FAILURE in self._lab.view().evse(self._evse).faults:
            self._lab.clear(FaultCode.GROUND_FAILURE, self._evse)
            return f"the RCD of EVSE {self._evse} is reset"
        self._lab.fault(FaultCode.GROUND_FAILURE, self._evse, "the RCD tripped")
        return f"the RCD of EVSE {self._evse} tripped; f resets it"

    def _offline(self) -> str:
        if self._lab.online:
            self._spawn(self._lab.offline())
            return "the network cable is unplugged; o plugs it in again"
        self._spawn(self._lab.go_online())
        return "the network is back"

    def _power(self) -> str:
        if self._lab.powered:
            self._spawn(self._lab.power_cut())
            return "the power is cut; c brings it back"
        self._spawn(self._lab.power_on())
        return "the power is back"

    def _adapter(self, part: str) -> str:
        adapter = self._lab.hardware.adapter(part, self._evse)
        adapter.plug(not adapter.plugged)
        if adapter.plugged:
            return f"the adapter of {adapter.what} is plugged in again"
        return f"the adapter of {adapter.what} is pulled out; {'w' if part == 'board' else 'm'} plugs it in again"

    def _noise(self) -> str:
        adapter = self._lab.hardware.adapter("board", self._evse)
        adapter.disturb(0.0 if adapter.noise else NOISE)
        return f"the wire of {adapter.what} is {'disturbed; n ends it' if adapter.noise else 'quiet again'}"

    def _faster(self, step: int) -> str:
        now = self._panel.speed if self._panel.speed is not None else FASTER[-1]
        nearest = min(range(len(FASTER)), key=lambda i: abs(FASTER[i] - now))
        return self._set_speed(FASTER[max(1, min(len(FASTER) - 1, nearest + step))])

    def _pause(self) -> str:
        if self._panel.speed == 0:
            return self._set_speed(self._before_pause)
        before, said = self._panel.speed, self._set_speed(0.0)
        self._before_pause = before
        return said

    def _set_speed(self, speed: float | None) -> str:
        self._lab.set_speed(speed)
        self._panel.speed = speed
        if speed == 0:
            return "time stands still; space goes on"
        return "as fast as possible" if speed is None else f"speed x{speed:g}"

    def _quit(self) -> str:
        if not self.quit.done():
            self.quit.set_result(None)
        return "bye"

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._carry_out(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (HalError, StationError) as error:  # pressed twice, say
            self._panel.note = str(error)
