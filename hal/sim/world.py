"""Time as the simulated devices get it: injected, so that it may be real, scaled or virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from hal.timing import Handle, Scheduler


class RunningLoop:
    """The asyncio loop that runs when it is asked, so that a board can be built before there is one."""

    __slots__ = ()

    def now(self) -> float:
        """Monotonic seconds. Raises RuntimeError outside a running loop."""
        return asyncio.get_running_loop().time()

    def call_later(self, delay_s: float, callback: Callable[[], None], /) -> Handle:
        return asyncio.get_running_loop().call_later(delay_s, callback)


@dataclass(frozen=True, slots=True)
class World:
    """now: monotonic seconds. scheduler: calls back later in the same seconds."""

    now: Callable[[], float]
    scheduler: Scheduler

    @classmethod
    def of_running_loop(cls) -> World:
        """Real time, or whatever the running asyncio loop takes for it."""
        loop = RunningLoop()
        return cls(loop.now, loop)


class Timer:
    """At most one pending callback; starting it again replaces the pending one."""

    __slots__ = ("_handle", "_scheduler")

    def __init__(self, world: World) -> None:
        self._scheduler = world.scheduler
        self._handle: Handle | None = None

    @property
    def running(self) -> bool:
        """True while a callback is pending."""
        return self._handle is not None

    def start(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Call `callback` after `delay_s` seconds."""
        self.cancel()

        def fire() -> None:
            self._handle = None
            callback()

        self._handle = self._scheduler.call_later(delay_s, fire)

    def cancel(self) -> None:
        """Forget the pending callback, if any."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
