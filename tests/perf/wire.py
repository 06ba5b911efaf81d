"""Over the wire: real drivers, their devices emulated in processes of their own behind pseudo terminals; how fast, and at what cost.

Both ends read the same clock (CLOCK_MONOTONIC), so a latency is one way: from the byte that the device has sent, or the event, to the
station's decision, or to the byte that the device has read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from hal.api import Fault, FaultCode, PilotChanged, PilotState
from station.clock import Now
from station.core.effects import Effect, Output
from station.core.events import Event
from station.sim.lab import Lab
from station.sim.lab_settings import LabSettings
from station.sim.wire import WireBoard
from tests.perf import wire_cost
from tests.perf.rows import Row
from tests.perf.timing import Effort, percentile
from tests.perf.wire_peers import BusyCsms, PtyEcho

PATIENCE_S = 10.0
MOST_IDLE_US = 10_000.0  # docs/performance.md
MOST_BUSY_US = 100_000.0  # IEC 61851-1 A.6 seq 8.1: 100 ms, which the board keeps by itself
HASTE = 2.0
"""The core's own waits (5 s between two changes of the PWM) pass so much faster; wires and drivers keep real time."""
CPU_HOGS = 4
HOG_S = 0.001
CALLS_PER_S = 100.0
PUSH_S = 0.02
SKIP_S = 0.3
"""More than the board's debounce of 0.25 s."""


class Found(NamedTuple):
    """Seconds of each time."""

    left_c: list[float]
    fault: list[float]


class Floor(NamedTuple):
    """Seconds that a few bytes take one way, each time."""

    up: list[float]
    down: list[float]


def rows(effort: Effort) -> list[Row]:
    n = effort.times(40, 2)
    with _quiet():
        idle, busy, floor = asyncio.run(_measure(n))
    found = [
        *_rows("idle", idle, floor, MOST_IDLE_US),
        *_rows(f"busy: {CPU_HOGS} CPU-bound coroutines, {CALLS_PER_S:.0f} calls/s", busy, floor, MOST_BUSY_US),
    ]
    return found + wire_cost.rows(effort)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _rows(load: str, found: Found, floor: Floor, most: float) -> list[Row]:
    return [
        _row(f"the car leaves C, relay told open, permission withdrawn; {load}", found.left_c, floor.up, most),
        _row(f"a fault, until the board has read the order to stop; {load}", found.fault, floor.down, most),
    ]


def _row(what: str, seconds: list[float], floor: list[float], most: float) -> Row:
    return Row(
        group="wire",
        what=what,
        unit="us wall",
        ours=percentile(seconds, 0.5) * 1e6,
        against="raw pty, one way",
        other=percentile(floor, 0.5) * 1e6,
        most=most,
        note=f"p99 {percentile(seconds, 0.99) * 1e3:.1f} ms, max {max(seconds) * 1e3:.1f} ms of {len(seconds)}; "
        f"bare bytes p99 {percentile(floor, 0.99) * 1e3:.1f} ms",
    )


async def _measure(n: int) -> tuple[Found, Found, Floor]:
    with tempfile.TemporaryDirectory(prefix="pilotwire-perf-") as name:
        async with BusyCsms.running() as csms, _bench(csms.url, Path(name)) as bench, PtyEcho.running() as echo:
            floor = await _floor(echo, 10 * n)
            idle = await bench.latencies(n)
            await csms.calls_per_s(CALLS_PER_S)
            hogs = [asyncio.create_task(_hog()) for _ in range(CPU_HOGS)]
            try:
                busy = await bench.latencies(max(1, n // 2))
            finally:
                for hog in hogs:
                    hog.cancel()
                await asyncio.gather(*hogs, return_exceptions=True)
            return idle, busy, floor


async def _hog() -> None:
    """Computes for a millisecond whenever it has its turn."""
    while True:
        until = time.perf_counter() + HOG_S
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


async def _floor(echo: PtyEcho, n: int) -> Floor:
    trips = [await echo.trip() for _ in range(n)]
    return Floor([up for _, up in trips], [down for down, _ in trips])


@asynccontextmanager
async def _bench(url: str, folder: Path) -> AsyncIterator[Bench]:
    settings = LabSettings(
        wire=True, csms_url=url, evses=1, speed=1.0, folder=folder, identity="CS-perf", meter_poll_s=5.0 * HASTE
    )
    async with Lab(settings) as lab:
        bench = Bench(lab)
        await bench.begin()
        lab.scheduler.set_speed(HASTE)
        yield bench


class Bench:
    """One EVSE that charges. The car is moved by orders, not by physics: it is not to be waited for."""

    def __init__(self, lab: Lab) -> None:
        assert isinstance(lab.devices, WireBoard)
        self._lab = lab
        self._evse = lab.devices.evse(1)
        self._turns: list[tuple[float, Event | None, list[Effect]]] = []
        lab.on_turn(self._turned)

    def _turned(self, event: Event | None, effects: list[Effect], _now: Now) -> None:
        self._turns.append((time.monotonic(), event, effects))

    async def _until(self, done: Callable[[], object], pushed: Callable[[], Awaitable[object]] | None = None) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not done():
                if pushed is not None:
                    await pushed()
                await asyncio.sleep(0.005 if pushed is None else PUSH_S)

    async def begin(self) -> None:
        """A session, as people begin one."""
        await self._until(lambda: self._lab.view().evse(1).pilot is PilotState.A)
        self._evse.powered = False  # its own life keeps its hands off
        await self._order(car="plugged", stubborn=False, obeys=True, skip_s=SKIP_S)
        await self._until(lambda: self._lab.view().evse(1).transaction)
        self._lab.swipe()
        await self._charging()

    async def _order(self, **order: object) -> dict[str, object]:
        return await self._evse.board.tell(**order)

    async def _charging(self) -> None:
        await self._order(car="asks")
        await self._until(self._permitted, lambda: self._order(skip_s=SKIP_S))

    def _permitted(self) -> bool:
        view = self._lab.view().evse(1)
        return view.permit and view.relay_closed

    async def latencies(self, n: int) -> Found:
        left, fault = [], []
        for _ in range(n):
            left.append(await self._car_leaves_c())
            await self._charging()
            fault.append(await self._fault())
            await self._charging()
        return Found(left, fault)

    async def _car_leaves_c(self) -> float:
        """From the board, which has opened its relay, to the turn in which the core withdraws the permission."""
        self._turns.clear()
        facts = await self._order(car="plugged", skip_s=SKIP_S)
        await self._until(lambda: self._withdrawn() and not self._lab.view().evse(1).relay_closed)
        return self._withdrawn() - float(str(facts["obeyed_at"]))

    def _withdrawn(self) -> float:
        for at, event, effects in self._turns:
            if isinstance(event, PilotChanged) and any(
                isinstance(effect, Output) and not effect.permit for effect in effects
            ):
                return at
        return 0.0

    async def _fault(self) -> float:
        """From the event to the first order after it that puts the board to sleep or disables it."""
        began = time.monotonic()
        gateway = self._lab.running.gateway
        gateway.submit(Fault(1, FaultCode.INTERNAL_ERROR, True, "measured"))
        heard: list[float] = []

        async def look() -> None:
            facts = await self._order(look=True)
            log, at = facts["log"], facts["heard_at"]
            assert isinstance(log, list)
            assert isinstance(at, list)
            heard[:] = [when for word, when in zip(log, at, strict=True) if word in {"FS", "FD"} and when >= began]

        await self._until(lambda: heard, look)
        gateway.submit(Fault(1, FaultCode.INTERNAL_ERROR, False))
        return heard[0] - began
