"""One simulated EVSE: pilot generator, contactor, lock, meter, and the little controller that keeps them safe.

The controller does what LAW 4 asks of a board: power flows only while the host permits, the pilot is PWM and reads
C (or D, if ventilated), and no fault stands; everything else opens the contactor, without asking the host.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hal.api import (
    EvseUnit,
    Fault,
    FaultCode,
    HalEvent,
    Lamp,
    LockChanged,
    LockState,
    PilotChanged,
    PilotSignal,
    PilotState,
    PowerPathChanged,
    ProximityChanged,
)
from hal.errors import BusError, ConfigError, DeviceError
from hal.pilot import duty_percent
from hal.sim import pilot
from hal.sim.car import Car
from hal.sim.contactor import Contactor
from hal.sim.grid import ROTATIONS, Grid, Lines, Phases, seen_by
from hal.sim.lock import SimLock
from hal.sim.meter import Flow, SimMeter
from hal.sim.rcd import SimRcd
from hal.sim.world import Timer

X1_GRACE_S = 6.0  # IEC 61851-1 table A.6 seq 10.2: a vehicle that stays in C after X1 is cut off under load
_COOL_DOWN_C = 5.0

# Faults that a host has to hear of, but that do not make the power path unsafe.
HARMLESS = frozenset(
    {
        FaultCode.CONNECTOR_LOCK_FAILURE,
        FaultCode.BROKEN_LATCH,
        FaultCode.WEAK_SIGNAL,
        FaultCode.METER_FAILURE,
        FaultCode.READER_FAILURE,
    }
)


@dataclass(frozen=True, slots=True)
class EvseSettings:
    """What one simulated EVSE is. phases: 1 or 3. Checked by hal.sim.board, which reads them from a configuration.

    rotation: which supply lines are on its L1, L2 and L3, a key of `hal.sim.grid.ROTATIONS`; a single-phase one is on the first.
    """

    max_a: float = 32.0
    phases: int = 3
    rotation: str = "RST"
    voltage_v: float = 230.0
    fixed_cable: bool = False
    phase_switching: bool = False
    ventilated: bool = False
    connector_type: str = "sType2"
    initial_wh: float = 0.0
    meter_error_percent: float = 0.0
    report_soc: bool = False
    temperature_limit_c: float = 80.0
    rcd_test: bool = False


class SimEvse:
    """emit: where events go; the board drops them while it has no power or no host. loaded_openings: how often the contacts have
    opened while current flowed, which wears them.

    It is the Pilot, the PowerPath and the Indicator of its EvseUnit, and the Socket of a car.
    """

    def __init__(
        self, number: int, settings: EvseSettings, grid: Grid, emit: Callable[[HalEvent], bool], rng: random.Random
    ) -> None:
        self.number = number
        self.settings = settings
        self.lamp = Lamp.AVAILABLE
        self.car: Car | None = None
        self.cable_a: float | None = None
        self.bay_occupied = False
        self.temperature_c = 25.0
        self.faults: dict[FaultCode, str] = {}
        self.station_blocked = False
        self.powered = True
        self.state = PilotState.A
        self.loaded_openings = 0
        self._grid = grid
        self._emit = emit
        self._signal = PilotSignal.OFF
        self._duty = 100.0
        self._permitted = False
        self._phases = settings.phases
        self._pilot_shorted = False
        self._held: PilotState | None = None
        self._diode_fault = False
        self._x1 = Timer(grid.world)
        self.contactor = Contactor(grid.world, self._contacts_moved, self._contacts_stuck)
        self.lock = None if settings.fixed_cable else SimLock(grid.world, self._lock_reported, lambda: self.powered)
        self.rcd = SimRcd(grid.world, number, lambda: self.powered, self._away) if settings.rcd_test else None
        self.meter = SimMeter(
            self.flow,
            lambda: self.powered,
            rng,
            phases=settings.phases,
            initial_wh=settings.initial_wh,
            error_percent=settings.meter_error_percent,
            now=grid.world.now,
        )

    def unit(self) -> EvseUnit:
        """This EVSE as the host sees it."""
        settings = self.settings
        return EvseUnit(
            evse=self.number,
            pilot=self,
            power=self,
            meter=self.meter,
            lock=self.lock,
            indicator=self,
            rcd=self.rcd,
            max_a=settings.max_a,
            min_a=6.0,
            phases=settings.phases,
            voltage_v=settings.voltage_v,
            fixed_cable=settings.fixed_cable,
            phase_switching=settings.phase_switching,
            ventilated=settings.ventilated,
            connector_type=settings.connector_type,
        )

    # --- the host's side: Pilot, PowerPath, Indicator -----------------------------------------------------------------

    async def signal(self, signal: PilotSignal, current_a: float) -> None:
        """Put a signal on the pilot. Raises BusError without power, DeviceError for a current it cannot offer.

        Too little a current withdraws the offer before it is refused: the mistake must not leave more flowing.
        """
        self._require_power("pilot")
        if signal is not PilotSignal.PWM:
            self._set_signal(signal, 100.0)
        elif not current_a >= 6.0:
            self._set_signal(PilotSignal.OFF, 100.0)
            raise DeviceError(f"EVSE {self.number}: cannot offer {current_a:g} A; 6 A is the least (IEC 61851-1 A.8)")
        elif current_a > self.settings.max_a:
            raise DeviceError(
                f"EVSE {self.number}: cannot offer {current_a:g} A; its limit is {self.settings.max_a:g} A"
            )
        else:
            self._set_signal(signal, duty_percent(current_a))

    async def permit(self, allowed: bool, phases: int) -> None:
        """Permission that power may flow on 1..3 phases. Raises BusError (no power), DeviceError (other phases)."""
        self._require_power("power path")
        if allowed and not 1 <= phases <= 3:
            raise DeviceError(f"EVSE {self.number}: cannot switch {phases} phases")
        self._permitted = allowed
        if allowed:
            self._phases = min(phases, self.settings.phases) if self.settings.phase_switching else self.settings.phases
        self._review()

    async def show(self, lamp: Lamp) -> None:
        """Light the indicator. Raises BusError without power."""
        self._require_power("indicator")
        self.lamp = lamp

    def make_safe(self) -> None:
        """What the board does by itself when the host is gone: forbid, X1."""
        self._permitted = False
        self._review()
        self._set_signal(PilotSignal.OFF, 100.0)

    def _require_power(self, part: str) -> None:
        if not self.powered:
            raise BusError(f"EVSE {self.number}: the {part} does not answer: no power")

    def snapshot(self) -> Iterable[HalEvent]:
        """Everything that a host needs to know when it starts."""
        yield PilotChanged(self.number, self.state)
        if not self.settings.fixed_cable:
            yield ProximityChanged(self.number, self.cable_a)
        yield PowerPathChanged(self.number, self.contactor.closed)
        if self.lock is not None:
            yield LockChanged(self.number, self.lock.state)
        for code, info in self.faults.items():
            yield Fault(self.number, code, True, info)

    def _away(self) -> bool:
        return self.car is None and not self.contactor.closed

    # --- people and accidents -----------------------------------------------------------------------------------------

    def plug(self, car: Car | None, cable_a: float, proximity_ohm: float | None = None) -> None:
        """Put a cable in and a car at its other end (None: a cable alone). Raises ConfigError: taken, or no such cable.

        proximity_ohm: a PP resistor other than the one that `cable_a` has.
        """
        if self.car is not None:
            raise ConfigError(f"EVSE {self.number}: a car is plugged in already")
        if car is not None and car.plugged:
            raise ConfigError(f"{car.settings.name} is plugged in already")
        if self.settings.fixed_cable:
            rating = self.settings.max_a
        else:
            if cable_a not in pilot.PP_OHM:
                known = ", ".join(f"{rating:g}" for rating in pilot.PP_OHM)
                raise ConfigError(f"no cable is rated {cable_a:g} A; known are {known} A")
            rating = cable_a
            if self.cable_a is None:
                self._insert_cable(proximity_ohm or pilot.PP_OHM[cable_a])
        if car is not None:
            self.car = car
            car.attach(self, rating)
            self._tell_car()
        self._pilot_moved()

    def _insert_cable(self, ohm: float) -> None:
        self.cable_a = pilot.cable_rating_a(ohm)
        if self.cable_a is None:
            self.set_fault(FaultCode.PROXIMITY_FAULT, True, f"PP reads {ohm:g} ohm")
        self._emit(ProximityChanged(self.number, self.cable_a))

    def unplug(self, at_car: bool = False) -> None:
        """Pull the plug: at the car only (the cable stays in the socket), or all of it.

        Raises DeviceError when the bolt of the socket holds it.
        """
        keep_cable = at_car and not self.settings.fixed_cable
        if not keep_cable and self.lock is not None and self.lock.bolt_in:
            raise DeviceError(f"EVSE {self.number}: the plug is locked")
        if self.car is not None:
            car, self.car = self.car, None
            self._held = None
            car.detach()
        self._pilot_moved()
        if not keep_cable and not self.settings.fixed_cable:
            self.set_fault(FaultCode.PROXIMITY_FAULT, False)
            if self.cable_a is not None:
                self.cable_a = None
                self._emit(ProximityChanged(self.number, None))

    def short_pilot(self, shorted: bool) -> None:
        """A short circuit between pilot and earth comes or goes."""
        self._pilot_shorted = shorted
        self._pilot_moved()

    def hold_pilot(self, state: PilotState | None) -> None:
        """The pilot reads this, whatever the car does; the car's S2 follows. None, or unplugging: what the car does again.

        A is an open wire, E a short circuit, F a dead pilot generator.
        """
        self._held = state
        if self.car is not None:
            if state is PilotState.D or state is PilotState.C:
                self.car.ventilation = state is PilotState.D
            self.car.force(None if state is None else state in {PilotState.C, PilotState.D})
        self._pilot_moved()

    def weld(self, welded: bool) -> None:
        """The contacts weld (as soon as they are closed), or are repaired."""
        self.contactor.weld(welded)
        if not welded:
            self.set_fault(FaultCode.EVSE_CONTACTOR_FAULT, False)

    def set_temperature(self, celsius: float) -> None:
        """Its inside has this temperature; above the limit it stops until it has cooled down."""
        self.temperature_c = celsius
        limit = self.settings.temperature_limit_c
        if celsius > limit:
            self.set_fault(FaultCode.HIGH_TEMPERATURE, True, f"{celsius:g} degrees Celsius")
        elif celsius <= limit - _COOL_DOWN_C:
            self.set_fault(FaultCode.HIGH_TEMPERATURE, False)

    def set_fault(self, code: FaultCode, active: bool, info: str = "") -> None:
        """A fault begins or ends; told once."""
        if active is (code in self.faults):
            return
        if active:
            self.faults[code] = info
        else:
            del self.faults[code]
        if code is FaultCode.METER_FAILURE:
            if active:
                self.meter.fail(info or "meter failure")
            else:
                self.meter.repair()
        self._review()
        self._emit(Fault(self.number, code, active, info))

    def block(self, blocked: bool) -> None:
        """A fault of the whole station stands, or is gone."""
        self.station_blocked = blocked
        self._review()

    def power_down(self) -> None:
        """The supply is gone: contacts fall open, the pilot is dead, nobody answers."""
        self.meter.settle()
        self.powered = False
        self._permitted = False
        self._signal, self._duty = PilotSignal.OFF, 100.0
        self._x1.cancel()
        self.contactor.drop()
        if self.lock is not None:
            self.lock.halt()
        self._tell_car()

    def power_up(self) -> None:
        """The supply is back; the host has to permit anew."""
        self.powered = True
        self._tell_car()
        self._pilot_moved()

    # --- the Socket of a car ------------------------------------------------------------------------------------------

    @property
    def grid(self) -> Grid:
        return self._grid

    @property
    def lines(self) -> Lines:
        return ROTATIONS[self.settings.rotation]

    def metered(self, energy_wh: float) -> None:
        self.meter.count(energy_wh)

    def car_changed(self) -> None:
        self._pilot_moved()

    def departs(self) -> None:
        self.unplug(at_car=self.lock is not None and self.lock.bolt_in)

    def flow(self) -> Flow:
        """What passes the meter now."""
        voltage = seen_by(self.lines, self._grid.open_v(self.car)) if self.powered else (0.0, 0.0, 0.0)
        current: Phases = (0.0, 0.0, 0.0)
        power: Phases = (0.0, 0.0, 0.0)
        if self.car is not None:
            current = self.car.currents()
            ohm, factor = self._grid.source_ohm, self.car.settings.power_factor
            voltage = (
                voltage[0] - ohm * current[0] if voltage[0] else 0.0,
                voltage[1] - ohm * current[1] if voltage[1] else 0.0,
                voltage[2] - ohm * current[2] if voltage[2] else 0.0,
            )
            power = (
                voltage[0] * current[0] * factor,
                voltage[1] * current[1] * factor,
                voltage[2] * current[2] * factor,
            )
        soc = self.car.battery.soc_percent if self.car is not None and self.settings.report_soc else None
        return Flow(voltage, current, power, self._grid.frequency_hz, soc, self.temperature_c)

    # --- the controller -----------------------------------------------------------------------------------------------

    def _set_signal(self, signal: PilotSignal, duty: float) -> None:
        if (signal, duty) == (self._signal, self._duty):
            return
        if signal is PilotSignal.PWM:
            self._x1.cancel()
        elif self._signal is PilotSignal.PWM and self.contactor.wanted:
            self._x1.start(X1_GRACE_S, self._review)
        self._signal, self._duty = signal, duty
        self._tell_car()
        self._pilot_moved()

    def _tell_car(self) -> None:
        if self.car is not None:
            self.car.offer(self._signal, self._duty)
            self.car.energise(self.contactor.poles if self.powered else 0)

    def _pilot_moved(self) -> None:
        if not self.powered:
            return
        ohm: float | None = self.car.pilot_ohm if self.car is not None else None
        if self._pilot_shorted:
            ohm = 0.0
        shorted_diode = self.car is not None and self.car.diode_shorted
        state = pilot.state_of(self._signal, ohm, shorted_diode) if self._held is None else self._held
        changed, self.state = state is not self.state, state
        if pilot.diode_missing(self._signal, ohm, shorted_diode):
            self._diode_fault = True
            self.set_fault(FaultCode.PILOT_FAULT, True, "no diode in the vehicle's pilot circuit")
        elif self._diode_fault and not shorted_diode:  # without PWM it cannot be seen: then the fault stands
            self._diode_fault = False
            self.set_fault(FaultCode.PILOT_FAULT, False)
        self._review()
        if changed:
            self._emit(PilotChanged(self.number, state))

    def _poles_allowed(self) -> int:
        """How many phases may be closed now: the one place that decides."""
        if not (self.powered and self._permitted) or self.station_blocked or not self.faults.keys() <= HARMLESS:
            return 0
        if self.state is not PilotState.C and not (self.state is PilotState.D and self.settings.ventilated):
            return 0
        if self._signal is PilotSignal.PWM:
            return self._phases
        return self.contactor.wanted if self._x1.running else 0

    def _review(self) -> None:
        poles = self._poles_allowed()
        if self.contactor.closed and 0 < poles != self.contactor.poles:
            poles = 0  # the number of phases is changed with open contacts only
        self.contactor.command(poles)

    def _contacts_moved(self) -> None:
        if self.car is not None:
            if not self.contactor.closed and any(self.car.currents()):
                self.loaded_openings += 1
            self.car.energise(self.contactor.poles if self.powered else 0)
        self._emit(PowerPathChanged(self.number, self.contactor.closed))
        self._review()

    def _contacts_stuck(self) -> None:
        self.set_fault(FaultCode.EVSE_CONTACTOR_FAULT, True, "contacts stay closed: welded")

    def _lock_reported(self, state: LockState) -> None:
        self._emit(LockChanged(self.number, state))
