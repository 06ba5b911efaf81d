"""A heap as the scheduler: virtual seconds, no loop, no clock."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from hal.api import HalEvent, PilotSignal
from hal.sim.board import SimBoard, build
from hal.sim.world import World

T = TypeVar("T")


class Handle:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class HeapScheduler:
    """Runs what was scheduled, in order of time. `fired` counts callbacks."""

    def __init__(self) -> None:
        self.time_s = 0.0
        self.fired = 0
        self._heap: list[tuple[float, int, Handle]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self.time_s

    def call_later(self, delay_s: float, callback: Callable[[], None], /) -> Handle:
        assert delay_s >= 0.0
        handle = Handle(callback)
        heapq.heappush(self._heap, (self.time_s + delay_s, next(self._order), handle))
        return handle

    def run(self, duration_s: float) -> None:
        end = self.time_s + duration_s
        while self._heap and self._heap[0][0] <= end:
            self.time_s, _, handle = heapq.heappop(self._heap)
            if handle.callback is not None:
                self.fired += 1
                handle.callback()
        self.time_s = end


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never really waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits")


class Bench:
    """A simulated board on virtual time, and a host that only listens."""

    def __init__(self, settings: dict[str, object] | None = None, seed: int = 1) -> None:
        self.clock = HeapScheduler()
        self.world = World(self.clock.now, self.clock)
        self.sim: SimBoard = build(settings or {}, self.world, rng=random.Random(seed))
        self.events: list[HalEvent] = []
        finish(self.sim.start(self.events.append))
        self.events.clear()

    finish = staticmethod(finish)

    def signal(self, signal: PilotSignal, current_a: float = 0.0, evse: int = 1) -> None:
        finish(self.sim.board.units[evse - 1].pilot.signal(signal, current_a))

    def permit(self, allowed: bool = True, phases: int = 3, evse: int = 1) -> None:
        finish(self.sim.board.units[evse - 1].power.permit(allowed, phases))

    def offer(self, current_a: float, evse: int = 1) -> None:
        """PWM and permission."""
        self.signal(PilotSignal.PWM, current_a, evse)
        self.permit(evse=evse)

    def read(self, evse: int = 1):
        meter = self.sim.board.units[evse - 1].meter
        assert meter is not None
        return finish(meter.read())

    def lock(self, locked: bool, evse: int = 1) -> None:
        lock = self.sim.board.units[evse - 1].lock
        assert lock is not None
        finish(lock.set_locked(locked))

    def run(self, duration_s: float) -> None:
        self.clock.run(duration_s)

    def take(self) -> list[HalEvent]:
        """The events since the last call."""
        taken, self.events[:] = list(self.events), []
        return taken


@pytest.fixture(scope="session")
def bench() -> type[Bench]:
    return Bench


@pytest.fixture(scope="session")
def heap() -> type[HeapScheduler]:
    return HeapScheduler
