"""A street of vehicles at one station on the bench, and somebody who watches what its supply carries at every instant."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hal.errors import DeviceError
from hal.sim.car import Car
from station.clock import Now
from station.core.effects import Effect, Output
from station.core.events import Event
from station.sim.lab import Lab

NOMINAL_V = 230.0
# Rounding of the duty cycle, of all vehicles together.
TOLERANCE_A = 0.1
# What a vehicle may take to follow (IEC 61851-1: 5 s), and the look after it.
REACTION_S = 6.0
LOOK_S = 5.0
FLOWS_A = 1.0


@dataclass(frozen=True, slots=True)
class Fuse:
    """What the supply allows: A on each line, W in all."""

    line_a: float = float("inf")
    total_w: float = float("inf")


@dataclass(frozen=True, slots=True)
class Offer:
    """What an EVSE was given."""

    at: float
    evse: int
    current_a: float
    phases: int
    cause: str


class Watch:
    """Looks at the supply.

    fuse: what it allows now. over: (second, most A that each line has carried since the look before) wherever that was too much, not
    because it had just been lowered. carried_wh: what has flowed; could_wh: what would have, had the vehicles that were there used all
    that the supply allowed. starved_s: longest that a vehicle at each EVSE wanted energy and had none. offers, frames: outputs, and
    messages of the station by action.
    """

    def __init__(self, lab: Lab, fuse: Callable[[], Fuse]) -> None:
        self.over: list[tuple[float, tuple[float, ...], Fuse]] = []
        self.offers: list[Offer] = []
        self.frames: Counter[str] = Counter()
        self.carried_wh = 0.0
        self.could_wh = 0.0
        self.starved_s: dict[int, float] = {}
        self._lab = lab
        self._fuse = fuse
        self._before = Fuse()
        self._lowered = float("-inf")
        self._without_s: dict[int, float] = {}
        lab.on_turn(self._turn)
        lab.on_frame(self._frame)

    def _turn(self, _event: Event | None, effects: list[Effect], now: Now) -> None:
        for effect in effects:
            if isinstance(effect, Output):
                self.offers.append(Offer(now.mono, effect.evse, effect.current_a, effect.phases, effect.cause))

    def _frame(self, _wall: float, direction: str, _text: str, action: str | None, _verdict: str) -> None:
        if direction == "out" and action is not None:
            self.frames[action] += 1

    async def look(self, seconds: float) -> None:
        """Watch for so long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 1e-6:
            step = min(LOOK_S, left)
            await asyncio.sleep(step)
            self.sample(loop.time(), step)

    def sample(self, now: float, step: float) -> None:
        """Look at what was carried since the last look."""
        grid, fuse = self._lab.board.grid, self._fuse()
        lines, peaks = grid.line_a(), grid.peak_a
        grid.forget_peak()
        if fuse.line_a < self._before.line_a or fuse.total_w < self._before.total_w:
            self._lowered = now
        self._before = fuse
        if now - self._lowered > REACTION_S + LOOK_S and (
            max(peaks) > fuse.line_a + TOLERANCE_A
            or sum(lines) * NOMINAL_V > fuse.total_w + 3 * TOLERANCE_A * NOMINAL_V
        ):
            self.over.append((now, tuple(round(peak, 2) for peak in peaks), fuse))
        self.carried_wh += sum(lines) * NOMINAL_V * step / 3600
        self._compare(fuse, step)

    def _compare(self, fuse: Fuse, step: float) -> None:
        wanted = [0.0, 0.0, 0.0]
        for evse in self._lab.board.evses:
            car = evse.car
            if car is None or not car.wants_energy or car.asleep:
                self._without_s[evse.number] = 0.0
                continue
            idle = 0.0 if max(car.currents()) >= FLOWS_A else self._without_s.get(evse.number, 0.0) + step
            self._without_s[evse.number] = idle
            self.starved_s[evse.number] = max(idle, self.starved_s.get(evse.number, 0.0))
            for phase in range(min(car.settings.phases, evse.settings.phases)):
                wanted[evse.lines[phase]] += min(car.settings.max_a, evse.settings.max_a)
        could_w = sum(min(fuse.line_a, line) for line in wanted) * NOMINAL_V
        self.could_wh += min(could_w, fuse.total_w) * step / 3600


@dataclass(slots=True)
class Bay:
    """One EVSE of the street: vehicles come, charge and go, as the dice fall."""

    lab: Lab
    evse: int
    rng: random.Random
    token: str
    kinds: Sequence[dict[str, object]]
    busy_s: tuple[float, float] = (1200.0, 7200.0)
    empty_s: tuple[float, float] = (60.0, 1800.0)
    cars: list[tuple[Car, float]] = field(default_factory=list)

    async def live(self) -> None:
        while True:
            await asyncio.sleep(self.rng.uniform(*self.empty_s))
            await self.session()

    async def session(self) -> None:
        """One vehicle, from its coming to its going."""
        loop = asyncio.get_running_loop()
        kind = {"soc_percent": self.rng.uniform(10.0, 90.0), **self.rng.choice(self.kinds)}
        car, came = self.lab.plug(self.evse, kind), loop.time()
        leaves = came + self.rng.uniform(*self.busy_s)
        while loop.time() < leaves:
            if not self._authorized():
                self.lab.swipe(self.token, self.evse)  # also after an accident has ended the transaction
            await asyncio.sleep(min(30.0, leaves - loop.time() + 1e-6))
        self.cars.append((car, loop.time() - came))
        for _ in range(200):
            if self._authorized():
                self.lab.swipe(self.token, self.evse)
            await asyncio.sleep(3.0)
            with contextlib.suppress(DeviceError):
                self.lab.unplug(self.evse)
                return
        raise AssertionError(f"EVSE {self.evse} does not give the plug back")

    def _authorized(self) -> bool:
        """Nobody can swipe where there is no power: then it is left for later."""
        return self.lab.powered and self.lab.view().evses[self.evse - 1].authorized
