"""One connector of an emulated EVerest-MCU board, with a vehicle: pilot, relay, lock, residual current device. No wire here."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

NEVER = math.inf
CARS = ("none", "plugged", "asks", "ventilation", "no_diode", "short")
PP = {"none": 0, "13": 1, "20": 2, "32": 3, "63": 4, "fault": 5}
RCDS = ("ok", "dead", "selftest", "stuck")
LOCKS = ("ok", "jam", "silent")
CLOSES_S = 0.06
BOLT_S = 0.3
TRIPS_S = 0.1
TOO_MUCH_S = 5.0
X1_FROM = 10000


@dataclass(slots=True)
class Vehicle:
    """Its switch S2 closes `reacts_s` after PWM came and opens as long after it went, unless `stubborn`."""

    kind: str = "none"
    draw_a: float = 16.0
    obeys: bool = True
    stubborn: bool = False
    reacts_s: float = 0.1
    s2: bool = False
    pwm: bool = False
    since: float = 0.0

    def step(self, now: float, pwm: bool) -> None:
        if pwm is not self.pwm:
            self.pwm, self.since = pwm, now
        if self.kind not in {"asks", "ventilation"}:
            self.s2 = False
        elif now - self.since >= self.reacts_s - 1e-9:
            self.s2 = pwm or self.stubborn

    @property
    def busy(self) -> bool:
        """S2 is about to move."""
        return self.s2 is not ((self.pwm or (self.stubborn and self.s2)) and self.kind in {"asks", "ventilation"})


@dataclass(slots=True)
class Connector:
    """duty in 0.01 %: 0 is -12 V, X1_FROM and more +12 V. forced: faults that a person has made."""

    duty: int = 10001
    allowed: bool = False
    relay: bool = False
    letter: int = 0
    errors: set[str] = field(default_factory=set)
    forced: set[str] = field(default_factory=set)
    phases: int = 3
    next_phases: int = 3
    bolt: int = 1
    ventilated: bool = False
    vehicle: Vehicle = field(default_factory=Vehicle)
    pp: int = 0
    weld: bool = False
    lock: str = "ok"
    rcd: str = "ok"
    testing: bool = False
    tripped: bool = False
    closings: int = 0
    _closes_at: float = NEVER
    _bolt_at: float = NEVER
    _bolt_to: int = 1
    _test_at: float = NEVER
    _over_since: float = NEVER

    @property
    def pwm(self) -> bool:
        return 0 < self.duty < X1_FROM

    @property
    def offered_a(self) -> float:
        """What a vehicle reads from the duty cycle."""
        percent = self.duty / 100
        if not self.pwm or percent < 8 or percent > 97:
            return 0.0
        if percent <= 85:
            return max(6.0, percent * 0.6)
        return min((percent - 64) * 2.5, 80.0)

    @property
    def current_a(self) -> float:
        if not (self.relay and self.vehicle.s2):
            return 0.0
        return min(self.vehicle.draw_a, self.offered_a) if self.vehicle.obeys else self.vehicle.draw_a

    def clear(self) -> None:
        """As after a reset; what is connected, and what is broken, stays."""
        self.duty, self.allowed, self.relay, self.letter = 10001, False, self.weld and self.relay, 0
        self.errors.clear()
        self.phases = self.next_phases = 3
        self.testing = self.tripped = False
        self._closes_at = self._bolt_at = self._test_at = self._over_since = NEVER

    # --- orders of the host ---

    def move_bolt(self, locked: bool, now: float, *, tells_way: bool) -> None:
        if self.lock == "silent":
            return
        self._bolt_to, self._bolt_at = 2 if locked else 1, now + BOLT_S
        if tells_way and self.bolt != self._bolt_to:
            self.bolt = 3 if locked else 4

    def test_rcd(self, test: bool, reset: bool, now: float) -> None:
        if test and not self.testing and self.rcd != "dead":
            self._test_at = now + TRIPS_S
        self.testing = test
        if not test:
            self._test_at = NEVER
        if reset and not test and self.rcd != "stuck":
            self.tripped = False

    # --- life ---

    def busy(self) -> bool:
        """It changes within the next steps."""
        waits = min(self._closes_at, self._bolt_at, self._test_at) < NEVER
        return (
            waits
            or self.vehicle.busy
            or self.vehicle.pwm is not self.pwm
            or self._over_since < NEVER
            or self._unsettled()
        )

    def _unsettled(self) -> bool:
        return (
            self.letter != self._reading()
            or (self.relay and not self._may_close() and not self.weld)
            or (not self.relay and self._may_close())
            or self._wanted_errors() != self.errors
        )

    def _reading(self) -> int:
        """The state that the pilot's voltage shows: 0 to 5 are A to F."""
        vehicle = self.vehicle
        if vehicle.kind == "short":
            return 4
        if self.duty == 0:
            return 5
        if vehicle.kind == "none":
            return 0
        return (3 if vehicle.kind == "ventilation" else 2) if vehicle.s2 else 1

    def _wanted_errors(self) -> set[str]:
        found = set(self.forced)
        if self.vehicle.kind == "no_diode" and self.pwm:
            found.add("diode")
        if self.letter == 3 and not self.ventilated:
            found.add("ventilation")
        if self.tripped:
            found.add("rcd")
        if self.rcd == "selftest" and self._test_at < NEVER:
            found.add("rcd_selftest")
        if "over_current" in self.errors and self.vehicle.kind != "none":
            found.add("over_current")  # until it is unplugged
        if "rcd_selftest" in self.errors:
            found.add("rcd_selftest")  # until a reset
        return found

    def _may_close(self) -> bool:
        asks = self.letter == 2 or (self.letter == 3 and self.ventilated)
        return self.allowed and asks and not self.errors

    def step(self, now: float) -> None:
        """Everything that has become due by `now`. It opens at once, and closes a little later."""
        self.vehicle.step(now, self.pwm)
        self.letter = self._reading()
        if now >= self._test_at and self.rcd in {"ok", "stuck"}:
            self.tripped, self._test_at = True, NEVER
        self._watch_current(now)
        before = self.errors
        self.errors = self._wanted_errors() | ({"over_current"} if now - self._over_since >= TOO_MUCH_S else set())
        if self.errors - before:
            self.allowed = False  # asked for anew after a fault
        self._switch(now)
        if now >= self._bolt_at:
            self.bolt, self._bolt_at = (3 - self._bolt_to if self.lock == "jam" else self._bolt_to), NEVER

    def _switch(self, now: float) -> None:
        if not self._may_close():
            self._closes_at = NEVER
            self.relay = self.relay and self.weld
        elif not self.relay:
            self._closes_at = min(self._closes_at, now + CLOSES_S)
            if now >= self._closes_at:
                self.relay, self.phases, self._closes_at = True, self.next_phases, NEVER
                self.closings += 1

    def _watch_current(self, now: float) -> None:
        too_much = self.current_a > (self.offered_a + 0.5) * 1.1 and self.offered_a > 0
        if not too_much:
            self._over_since = NEVER
        elif self._over_since == NEVER:
            self._over_since = now
