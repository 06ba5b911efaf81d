"""A station on real hardware as the command table sees it: a host without a bench.

The composition root makes one before the first start, attaches every program that it starts, and detaches it when it ends. Cards,
buttons and faults by command go past the hardware straight into the core: a technician's test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from hal.api import HalEvent
from station.clock import Clock, Now
from station.core.effects import Effect
from station.core.events import Event
from station.runtime.control_host import About, Bench, Client, FrameHeard, Program, TurnHeard, conflict
from station.runtime.control_memory import Memory

__all__ = ["FirmwareClient", "FirmwareHost", "FirmwareProgram"]

RESTART_WITHIN_S = 60.0
MOST_FRAMES = 1000
MOST_BYTES = 1 << 20


class FirmwareClient(Client, Protocol):
    """The OCPP side of a program that is attached."""

    def on_frame(self, listener: Callable[[str, str, str | None, str], None]) -> Callable[[], None]: ...


class Listened(Protocol):
    """A gateway that tells of its turns."""

    def listen(self, listener: Callable[[Event | None, list[Effect], Now], None]) -> None: ...


class FirmwareProgram(Program, Protocol):
    """What is attached: a `StationApp`."""

    @property
    def client(self) -> FirmwareClient: ...


class FirmwareHost:
    """`Host` over the programs of one process.

    stop: asks the process to end in good order. restart: asks for the program to be ended and another one to be made.
    """

    def __init__(self, about: About, clock: Clock, *, stop: Callable[[], None], restart: Callable[[], None]) -> None:
        self.about = about
        self._clock = clock
        self._stop = stop
        self._restart = restart
        self._program: FirmwareProgram | None = None
        self._memory: Memory | None = None
        self._turns: list[TurnHeard] = []
        self._frames: list[FrameHeard] = []
        self._attached = asyncio.Event()
        self.boots = 0

    # --- for the composition root -------------------------------------------------------------------------------------

    def attach(self, program: FirmwareProgram, listened: Listened) -> None:
        """This program runs from now on. listened: its gateway. Call it before the program is started."""
        self._program = program
        self.boots += 1
        program.client.on_frame(self._frame)
        listened.listen(self._turn)
        self._attached.set()

    def detach(self) -> None:
        """No program runs any more."""
        self._program = None

    def _frame(self, direction: str, text: str, action: str | None, verdict: str) -> None:
        wall = self.wall()
        for listener in self._frames:
            listener(wall, direction, text, action, verdict)

    def _turn(self, event: Event | None, effects: list[Effect], now: Now) -> None:
        for listener in self._turns:
            listener(event, effects, now)

    # --- Host ---------------------------------------------------------------------------------------------------------

    @property
    def program(self) -> Program | None:
        return self._program

    @property
    def bench(self) -> Bench | None:
        return None

    @property
    def memory(self) -> Memory:
        if self._memory is None:
            self._memory = Memory(self, most_frames=MOST_FRAMES, most_bytes=MOST_BYTES)
        return self._memory

    @property
    def connected(self) -> bool:
        """Whether the link stands: nobody tells us of the cable."""
        return self._program is not None and self._program.client.version is not None

    @property
    def powered(self) -> bool:
        return True

    @property
    def trouble(self) -> str | None:
        return None if self._program is None else self._program.expert.trouble

    @property
    def standing_still(self) -> bool:
        return False

    def time(self) -> float:
        return self._clock.now().mono

    def wall(self) -> float:
        return self._program.gateway.now().wall if self._program is not None else self._clock.now().wall

    def hear_turns(self, listener: TurnHeard) -> None:
        self._turns.append(listener)

    def hear_frames(self, listener: FrameHeard) -> None:
        self._frames.append(listener)

    def inject(self, event: HalEvent) -> bool:
        if self._program is None:
            return False
        self._program.gateway.submit(event)
        return True

    async def start(self) -> None:
        raise conflict("the program is being started already")

    async def stop(self) -> None:
        """Returns before it has stopped, so that the answer can still leave."""
        self._stop()

    async def restart(self) -> None:
        if self._program is None:
            raise conflict("the program is being started already")
        self._attached.clear()
        self._restart()
        try:
            async with asyncio.timeout(RESTART_WITHIN_S):
                await self._attached.wait()
        except TimeoutError as error:
            raise conflict(f"the program has not come up again within {RESTART_WITHIN_S:g} s") from error
