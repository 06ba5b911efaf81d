"""A car on the other side of the cable: pilot circuit, onboard charger, battery and what its driver wants.

It follows IEC 61851-1 annex A: it closes S2 (B -> C) when it is offered current and wants it, adapts within 5 s,
and stops drawing within 3 s when the offer ends.
"""

from __future__ import annotations

import math
from typing import Protocol

from hal.api import PilotSignal
from hal.errors import ConfigError
from hal.pilot import offered_a
from hal.sim import pilot
from hal.sim.battery import Battery
from hal.sim.car_settings import CarSettings
from hal.sim.grid import Grid, Lines, Phases
from hal.sim.world import Timer, World

_LIVE_V = 90.0  # below this the onboard charger does not run on a phase
_NEAR_WH = 1e-6  # nearer to the target than this is there
_SHORTEST_S = 1e-3  # never wake up again at the very same moment
_NOTHING: Phases = (0.0, 0.0, 0.0)


class Socket(Protocol):
    """The end of the cable as the car sees it."""

    @property
    def grid(self) -> Grid: ...

    @property
    def lines(self) -> Lines:
        """Where its phases are on the grid."""

    def metered(self, energy_wh: float) -> None:
        """So much alternating-current energy has passed."""

    def car_changed(self) -> None:
        """The car's pilot resistance is another one."""

    def departs(self) -> None:
        """The driver pulls the plug out of the car."""


class Car:
    """One car. It keeps its battery when it is unplugged and may be plugged in anywhere else.

    drawn_wh: alternating-current energy taken since it was made; battery gain = drawn_wh * efficiency + put_in_wh, the
    part that `set_soc` has put into the battery by magic.
    """

    def __init__(self, settings: CarSettings | None = None) -> None:
        self.settings = settings or CarSettings()
        power = self.settings.max_power_w
        curve = [(soc, min(accepted, power)) for soc, accepted in self.settings.curve]
        capacity = self.settings.capacity_wh
        self.battery = Battery(capacity, capacity * self.settings.soc_percent / 100.0, curve)
        self.drawn_wh = 0.0
        self.put_in_wh = 0.0
        self.ventilation = self.settings.ventilation
        self.diode_shorted = False
        self.paused = False
        self.asleep = False
        self.s2_closed = False
        self._target_wh = capacity * self.settings.target_percent / 100.0
        self._demand_a = math.inf
        self._demand_w = math.inf
        self._forced: bool | None = None
        self._sedated = False
        self._socket: Socket | None = None
        self._signal = PilotSignal.OFF
        self._offered_a = 0.0
        self._cable_a = math.inf
        self._poles = 0
        self._begun = 0  # phases that it found when it first drew in this session
        self._limit_a = 0.0
        self._cap_w = 0.0  # direct current, as of the last solve
        self._open_v: Phases = _NOTHING
        self._ohm = 0.0
        self._active: tuple[int, ...] = ()
        self._at = 0.0
        self._idle_since = 0.0

    # --- what anyone may look at --------------------------------------------------------------------------------------

    @property
    def plugged(self) -> bool:
        return self._socket is not None

    @property
    def soc_percent(self) -> float:
        """State of charge now, 0..100."""
        self.advance()
        return self.battery.soc_percent

    @property
    def full(self) -> bool:
        """True when the target is reached."""
        return self.battery.energy_wh >= self._target_wh

    @property
    def wants_energy(self) -> bool:
        return not self.paused and not self.full

    @property
    def pilot_ohm(self) -> float:
        """What the car puts on the pilot."""
        if not self.s2_closed:
            return pilot.OHM_B
        return pilot.OHM_D if self.ventilation else pilot.OHM_C

    def power_w(self) -> float:
        """Alternating-current power that it draws now."""
        self.advance()
        return self._power_w()

    def currents(self) -> Phases:
        """Amperes per phase that it draws now."""
        self.advance()
        return self._currents()

    # --- what its driver does -----------------------------------------------------------------------------------------

    def pause(self) -> None:
        """The driver stops the charge in the app: C -> B."""
        self.paused = True
        self._review()

    def resume(self) -> None:
        """The driver lets it charge again; wakes the car."""
        self.paused = False
        self.wake()

    def wake(self) -> None:
        """It answers to the pilot again."""
        self.asleep = self._sedated = False
        if self._socket is not None:
            self._idle_since = self._socket.grid.world.now()
        self._review()

    def set_target(self, percent: float) -> None:
        """Charge up to this SoC. Raises ConfigError outside 0..100."""
        if not 0.0 <= percent <= 100.0:
            raise ConfigError(f"car.target_percent: must be 0 to 100, is {percent:g}")
        self.advance()
        self._target_wh = self.battery.capacity_wh * percent / 100.0
        self._resettle()
        self._review()

    def sleep(self) -> None:
        """It leaves state C and answers to no offer until `wake`, pilot state F or the next plugging in."""
        self.asleep = self._sedated = True
        self._review()
        if self.s2_closed and self._forced is None:
            self._open_s2()

    def demand(self, max_a: float | None = None, max_w: float | None = None) -> None:
        """Draw at most so much from now on, per phase and in all; None leaves a limit as it is, infinity lifts it."""
        self.advance()
        self._demand_a = self._demand_a if max_a is None else max_a
        self._demand_w = self._demand_w if max_w is None else max_w
        if self._limit_a > 0.0:
            self._limit_a = self._wished_a()
        self._resettle()
        self._review()

    def set_soc(self, percent: float) -> None:
        """The battery is this full now. Raises ConfigError outside 0..100."""
        if not 0.0 <= percent <= 100.0:
            raise ConfigError(f"car.soc_percent: must be 0 to 100, is {percent:g}")
        self.advance()
        energy_wh = self.battery.capacity_wh * percent / 100.0
        self.put_in_wh += energy_wh - self.battery.energy_wh
        self.battery.energy_wh = energy_wh
        self._resettle()
        self._review()

    def ventilate(self, needed: bool) -> None:
        """It needs ventilation to charge, or no longer: D instead of C."""
        self.ventilation = needed
        if self._socket is not None:
            self._socket.car_changed()

    def force(self, closed: bool | None) -> None:
        """Hold S2 closed or open, whatever the car wants and is offered; None: as the car wants. Only while plugged."""
        if self._socket is None:
            return
        self._forced = closed
        self._s2.cancel()
        self._stop.cancel()
        if closed is not None and closed is not self.s2_closed:
            (self._close_s2 if closed else self._open_s2)()
        self._review()

    def short_diode(self, shorted: bool = True) -> None:
        """Break (or mend) the diode of its pilot circuit."""
        self.diode_shorted = shorted
        if self._socket is not None:
            self._socket.car_changed()

    # --- what the EVSE does -------------------------------------------------------------------------------------------

    def attach(self, socket: Socket, cable_a: float) -> None:
        """The plug is in. The socket calls `offer` and `energise` next. Raises ConfigError when already plugged."""
        if self._socket is not None:
            raise ConfigError(f"{self.settings.name} is plugged in already")
        world = socket.grid.world
        self._socket = socket
        self._cable_a = cable_a
        self._make_timers(world)
        self._at = self._idle_since = world.now()
        self.asleep = self._sedated = False
        self._forced = None
        socket.grid.connect(self, socket.lines)
        if self.settings.departure_after_s is not None:
            self._leave.start(self.settings.departure_after_s, self._depart)

    def _make_timers(self, world: World) -> None:
        self._s2 = Timer(world)
        self._follow = Timer(world)
        self._stop = Timer(world)
        self._battery_event = Timer(world)
        self._leave = Timer(world)

    def detach(self) -> None:
        """The plug is out; whatever flowed has ended. Idempotent."""
        if self._socket is None:
            return
        for timer in (self._s2, self._follow, self._stop, self._battery_event, self._leave):
            timer.cancel()
        self._socket.grid.disconnect(self)
        self._socket = None
        self.s2_closed = False
        self._signal, self._offered_a, self._poles, self._begun = PilotSignal.OFF, 0.0, 0, 0
        self._limit_a = self._cap_w = 0.0

    def offer(self, signal: PilotSignal, duty: float) -> None:
        """The pilot signal is another one. duty: percent, of a PWM."""
        if self._socket is None:
            return
        now = self._socket.grid.world.now()
        offered = offered_a(duty) if signal is PilotSignal.PWM else 0.0
        if signal is PilotSignal.FAULT:
            self.asleep, self._sedated, self._idle_since = False, False, now
        elif signal is PilotSignal.PWM and self._signal is not PilotSignal.PWM:
            patience = self.settings.sleeps_after_s
            self.asleep = self._sedated or (patience is not None and now - self._idle_since >= patience)
        elif signal is PilotSignal.OFF and self._signal is PilotSignal.PWM:
            self._idle_since = now
        self._signal, self._offered_a = signal, offered
        self._review()

    def energise(self, poles: int) -> None:
        """The contactor feeds so many phases now (0: open)."""
        if poles != self._poles:
            self._poles = poles
            if poles == 0:
                self._follow.cancel()
                self._limit_a = 0.0
            self._resettle()
            self._review()

    # --- its own mind -------------------------------------------------------------------------------------------------

    def _review(self) -> None:
        if self._socket is None:
            return
        if self._forced is not None:
            if self._forced:
                self._follow_offer()
            return
        if self._offered_a >= self.settings.min_a and self.wants_energy and not self.asleep:
            self._stop.cancel()
            if self.s2_closed:
                self._follow_offer()
            elif not self._s2.running:
                self._s2.start(self.settings.s2_close_s, self._close_s2)
            return
        self._s2.cancel()
        if not self.s2_closed:
            return
        if self.wants_energy:  # the offer ended: IEC 61851-1 table A.6 seq 10.1, within 3 s
            if not (self._stop.running or self.settings.ignores_x1):
                self._stop.start(self.settings.stop_s, self._open_s2)
        else:
            self._open_s2()

    def _close_s2(self) -> None:
        self.s2_closed = True
        if self._socket is not None:
            self._socket.car_changed()
        self._review()

    def _open_s2(self) -> None:
        """Stop drawing first, then open S2: the contactor opens without load."""
        self._stop.cancel()
        self._follow.cancel()
        self._draw(0.0)
        self.s2_closed = False
        if self._socket is not None:
            self._socket.car_changed()

    def _follow_offer(self) -> None:
        if self._poles == 0:
            return
        if self._limit_a == self._wished_a():
            self._follow.cancel()
        elif not self._follow.running:  # a running one takes the newest offer when it fires
            delay = self.settings.follow_s if self._limit_a > 0.0 else self.settings.start_s
            self._follow.start(delay, lambda: self._draw(self._wished_a()))

    def _wished_a(self) -> float:
        return min(self._offered_a, self.settings.max_a, self._cable_a, self._demand_a)

    def _draw(self, limit_a: float) -> None:
        if limit_a > 0.0 and self._begun == 0:
            self._begun = self._poles
        self._limit_a = limit_a
        self._resettle()

    def _depart(self) -> None:
        self.pause()
        if self._socket is not None:
            self._leave.start(1.0, self._socket.departs)

    def _resettle(self) -> None:
        if self._socket is not None:
            self._socket.grid.settle()

    def _battery_moved(self) -> None:
        self._resettle()
        if self.full:
            self._review()

    # --- physics: the Load of grid.py ---------------------------------------------------------------------------------

    def advance(self) -> None:
        """Move the energy up to now from the grid through the charger into the battery."""
        if self._socket is None:
            return
        now = self._socket.grid.world.now()
        duration, self._at = now - self._at, now
        if duration <= 0.0 or self._cap_w <= 0.0:
            return
        gain = self.battery.charge(duration, self._cap_w, self._target_wh)
        rest = self._target_wh - self.battery.energy_wh
        if 0.0 < rest < _NEAR_WH:
            self.battery.energy_wh = self._target_wh
            gain += rest
        drawn = gain / self.settings.efficiency
        self.drawn_wh += drawn
        self._socket.metered(drawn)

    def solve(self, open_v: Phases, source_ohm: float) -> Phases:
        """Currents under the present limits; all running phases draw the same."""
        wired = min(self._poles, self.settings.phases)
        if self.settings.keeps_phases and self._begun:
            wired = min(wired, self._begun)
        self._active = tuple(phase for phase in range(wired) if open_v[phase] >= _LIVE_V)
        self._open_v, self._ohm = open_v, source_ohm
        self._cap_w = 0.0
        if self._limit_a > 0.0 and self._active:
            total_v = sum(open_v[phase] for phase in self._active)
            volts = total_v - len(self._active) * source_ohm * self._limit_a
            drawn_w = min(self.settings.power_factor * self._limit_a * volts, self._demand_w)
            self._cap_w = drawn_w * self.settings.efficiency
        return self._currents()

    def arm(self) -> None:
        """Wake up when the battery is full or its power starts to follow another line."""
        if self._cap_w <= 0.0:
            self._battery_event.cancel()
            return
        delay = self.battery.time_to_next(self._cap_w, self._target_wh)
        if math.isfinite(delay):
            self._battery_event.start(max(delay, _SHORTEST_S), self._battery_moved)

    def _power_w(self) -> float:
        if self._cap_w <= 0.0 or self.full:
            return 0.0
        return self.battery.power_w(self._cap_w) / self.settings.efficiency

    def _currents(self) -> Phases:
        power = self._power_w()
        if power <= 0.0:
            return _NOTHING
        # power = pf * I * (V - n R I), with V the sum over the n running phases before the sag that I causes
        apparent = power / self.settings.power_factor
        total_v = sum(self._open_v[phase] for phase in self._active)
        ohms = len(self._active) * self._ohm
        root = math.sqrt(max(0.0, total_v * total_v - 4.0 * ohms * apparent))
        current = 2.0 * apparent / (total_v + root)
        l1, l2, l3 = (current if phase in self._active else 0.0 for phase in range(3))
        return (l1, l2, l3)
