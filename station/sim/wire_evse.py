"""One EVSE of `station sim --wire`: the simulated car at the cable of an emulated OpenEVSE, and the meter behind it.

The car is physics of this program; what it feels (pilot, relay) is what the emulated board says of itself, and what it does goes
to the board and to the meter as orders. Between the station and the board there is nothing but their wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from hal.api import FaultCode, PilotSignal, PilotState
from hal.errors import ConfigError, DeviceError
from hal.pilot import duty_percent
from hal.sim.car import Car
from hal.sim.grid import STRAIGHT, Grid, Lines, Phases
from station.sim.wire_meter import WireMeter
from station.sim.wire_part import WirePart

__all__ = ["BOARD_FAULTS", "FAULTS_TOLD", "WireEvse"]

LOOK_S = 0.2
"""How often the board is looked at while nothing happens: a car takes longer to react."""
SIGNALS = {"PWM": PilotSignal.PWM, "P12": PilotSignal.OFF, "N12": PilotSignal.FAULT}
HELD = {PilotState.A: "none", PilotState.B: "plugged", PilotState.C: "asks", PilotState.D: "ventilation"}
ASLEEP = ("FE", "FF")
LEAST_A = 6.0
HOT_C, NORMAL_C = 80.0, 25.0
NOTHING: Phases = (0.0, 0.0, 0.0)

BOARD_FAULTS = {
    FaultCode.GROUND_FAILURE: "gfi",
    FaultCode.EVSE_CONTACTOR_FAULT: "stuck_relay",
    FaultCode.PROXIMITY_FAULT: "pp_missing",
    FaultCode.INTERNAL_ERROR: "eeprom",
}
"""Faults that the emulated board can have, with its words for them. HighTemperature is its sensor, PilotFault a car without diode."""
FAULTS_TOLD = (
    *BOARD_FAULTS,
    FaultCode.HIGH_TEMPERATURE,
    FaultCode.PILOT_FAULT,
    FaultCode.OVER_CURRENT_FAILURE,
    FaultCode.METER_FAILURE,
)
EXCESS_A = 8.0  # an OpenEVSE (EU build) trips at 5 A more than it offers, after 10 s


class WireEvse:
    """The Socket of a car. `live` runs as long as the bench does. offered_a: what the board's pilot would say, while it is on.

    asleep: the board looks at nothing but the cable.
    """

    lock = None
    cable_a: float | None = None
    """The cable is fixed: there is no socket to read."""

    def __init__(self, number: int, board: WirePart, meter: WireMeter, grid: Grid, max_a: float) -> None:
        self.number = number
        self.board = board
        self.meter = meter
        self.car: Car | None = None
        self.powered = True
        self.relay_closed = False
        self.faults: set[FaultCode] = set()
        self._grid = grid
        self._max_a = max_a
        self._signal, self.offered_a = PilotSignal.OFF, 0.0
        self.asleep = False
        self._held: PilotState | None = None
        self._news = asyncio.Event()

    # --- its life -----------------------------------------------------------------------------------------------------

    async def live(self) -> None:
        """Keep car, board and meter in step until cancelled. Raises HalError when an emulator is gone."""
        while True:
            self._news.clear()
            if self.powered:
                self._saw(await self.board.tell(**self._orders()))
                await self.meter.flow(self._power_w(), self._voltage_v())
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _orders(self) -> dict[str, object]:
        """The car as the board's pilot and ammeter feel it. It decides itself when its S2 opens (stubborn) and what it draws."""
        draw_a = self._current_a()
        if FaultCode.OVER_CURRENT_FAILURE in self.faults:
            draw_a = self.offered_a + EXCESS_A
        return {"car": self._kind(), "draw_a": draw_a, "obeys": False, "stubborn": True}

    def _kind(self) -> str:
        car = self.car
        if car is None:
            return "none"
        if FaultCode.PILOT_FAULT in self.faults or car.diode_shorted:
            return "no_diode"
        if self._held is not None:
            return HELD[self._held]
        if not car.s2_closed:
            return "plugged"
        return "ventilation" if car.ventilation else "asks"

    def _saw(self, facts: Mapping[str, Any]) -> None:
        """What the board does to the car."""
        self.relay_closed = facts["relay"] is True
        self.asleep = facts["state"] in ASLEEP
        self._signal, self.offered_a = SIGNALS[str(facts["mode"])], float(facts["amps"])
        self._tell_car()

    def _tell_car(self) -> None:
        if self.car is not None:
            offers = self._signal is PilotSignal.PWM and self.offered_a >= LEAST_A
            self.car.offer(self._signal, duty_percent(self.offered_a) if offers else 100.0)
            self.car.energise(1 if self.relay_closed else 0)

    def _current_a(self) -> float:
        return self.car.currents()[0] if self.car is not None else 0.0

    def _voltage_v(self) -> Phases:
        open_v = self._grid.open_v(self.car)
        return (open_v[0] - self._grid.source_ohm * self._current_a(), open_v[1], open_v[2])

    def _power_w(self) -> Phases:
        if self.car is None:
            return NOTHING
        return (self._voltage_v()[0] * self._current_a() * self.car.settings.power_factor, 0.0, 0.0)

    # --- the Socket of a car --------------------------------------------------------------------------------------------

    @property
    def grid(self) -> Grid:
        return self._grid

    @property
    def lines(self) -> Lines:
        return STRAIGHT

    def metered(self, energy_wh: float) -> None:
        """The emulated meter counts for itself, by the power that it is told."""

    def car_changed(self) -> None:
        self._news.set()

    def departs(self) -> None:
        self.unplug()

    # --- people and accidents -------------------------------------------------------------------------------------------

    def plug(self, car: Car) -> None:
        """Raises ConfigError when a car is there, or this one is elsewhere."""
        if self.car is not None:
            raise ConfigError(f"EVSE {self.number}: a car is plugged in already")
        self.car = car
        car.attach(self, self._max_a)
        self._tell_car()
        self._news.set()

    def unplug(self) -> None:
        if self.car is not None:
            car, self.car = self.car, None
            self._held = None
            car.detach()
        self._news.set()

    def hold_pilot(self, state: PilotState | None) -> None:
        """The pilot reads this, whatever the car does. Raises DeviceError for E and F, which no vehicle makes."""
        if state is not None and state not in HELD:
            raise DeviceError(f"state {state.value} is no vehicle's doing, and the emulated OpenEVSE has no way to it")
        self._held = state
        if self.car is not None:
            if state is PilotState.D or state is PilotState.C:
                self.car.ventilation = state is PilotState.D
            self.car.force(None if state is None else state in {PilotState.C, PilotState.D})
        self._news.set()

    def set_fault(self, code: FaultCode, active: bool) -> None:
        """A fault of the board, the car or the meter begins or ends. Raises DeviceError for one that they cannot have.

        A board that sleeps, as it does while the station offers nothing, would notice it when it wakes.
        """
        word = BOARD_FAULTS.get(code)
        if code not in FAULTS_TOLD:
            known = ", ".join(sorted(each.value for each in FAULTS_TOLD))
            raise DeviceError(f"an OpenEVSE has nothing that tells {code.value}; over the wire there are {known}")
        if word is not None and active and self.asleep:
            raise DeviceError(
                f"the OpenEVSE of EVSE {self.number} sleeps and looks at nothing; it wakes when a session begins (plug, swipe)"
            )
        (self.faults.add if active else self.faults.discard)(code)
        if word is not None:
            self.board.order(fault=word if active else "none")
        elif code is FaultCode.HIGH_TEMPERATURE:
            self.set_temperature(HOT_C if active else NORMAL_C)
        elif code is FaultCode.METER_FAILURE:
            (self.meter.fail if active else self.meter.answer)()
        self._news.set()

    def set_temperature(self, celsius: float) -> None:
        """What its sensor reads; from 52 degrees on the board halves its offer, at 71 it stops."""
        self.board.order(celsius=celsius)

    def press(self) -> None:
        """The button at its front."""
        self.board.order(button="short")

    def power(self, on: bool) -> None:
        """The supply goes or comes. The board has forgotten whatever it was told."""
        self.powered = on
        self.meter.power(on)
        if not on:
            self.relay_closed, self._signal, self.offered_a = False, PilotSignal.OFF, 0.0
            self._tell_car()
        self._news.set()
