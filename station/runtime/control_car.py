"""Commands: the car's mind, the meter's values, the temperature."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from station.config_fields import Flag, Number, Text, setting
from station.errors import Problem
from station.runtime.control_command import Command, evse_field
from station.runtime.control_host import Host, conflict
from station.runtime.control_kinds import Watts
from station.runtime.control_people import CarResult, car_json
from station.runtime.control_types import Json

__all__ = ["CAR", "EV_STATES"]

EV_STATES = ("A", "B", "C", "D", "E", "F", "asks", "sleeps")


class EvResult(TypedDict):
    """The car, if there is one, after what was changed."""

    car: CarResult | None


class MeterResult(TypedDict):
    """The import register of the meter now."""

    energy_wh: float


class _Bench(Command):
    __slots__ = ()
    group: ClassVar[str] = "car"
    needs_bench: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Ev(_Bench):
    """The car changes its mind, or its pilot circuit is set by hand. A to F: what the pilot reads, whatever the car wants (A an
    open wire, E a short circuit, F a dead pilot generator); `asks`: the car decides itself again, and wants energy; `sleeps`: it
    leaves state C and answers to no offer until it is asked again. What is not given stays as it is.
    """

    name: ClassVar[str] = "ev"
    returns: ClassVar[Any] = EvResult
    evse: int = evse_field()
    state: str | None = setting(Text(choices=EV_STATES), "State of the pilot, or what the car does.", default=None)
    demand_a: float | None = setting(
        Number(0, 80, "A"),
        "Most that the car draws per phase, whatever is offered; 80: no limit of its own.",
        default=None,
    )
    demand_w: float | None = setting(
        Number(0, 1e6, "W"), "Most power that the car draws; 1000000: no limit of its own.", default=None
    )
    soc_percent: float | None = setting(Number(0, 100, "%"), "State of charge of its battery.", default=None)
    ventilation: bool | None = setting(Flag(), "It needs ventilation (pilot state D instead of C).", default=None)

    def problems(self) -> Iterator[Problem]:
        if all(getattr(self, name) is None for name in ("state", "demand_a", "demand_w", "soc_percent", "ventilation")):
            yield Problem("state", "nothing to change: give state, demand_a, demand_w, soc_percent or ventilation")

    async def act(self, host: Host) -> Json:
        if host.bench is not None:
            host.bench.set_car(
                self.evse,
                state=self.state,
                demand_a=self.demand_a,
                demand_w=self.demand_w,
                soc_percent=self.soc_percent,
                ventilation=self.ventilation,
            )
        return {"car": car_json(host, self.evse)}


@dataclass(frozen=True, slots=True)
class Meter(_Bench):
    """The meter shows something else. What is not given stays as it is."""

    name: ClassVar[str] = "meter"
    returns: ClassVar[Any] = MeterResult
    evse: int = evse_field()
    energy_wh: float | None = setting(
        Number(0, 1e12, "Wh"), "Its import register, from which it counts on.", default=None
    )
    voltage_v: float | None = setting(
        Number(0, 1000, "V"), "Voltage of the supply without load, phase to neutral; of all EVSEs.", default=None
    )
    power_w: float | str | None = setting(
        Watts(), 'It shows and counts this power instead of what flows; "real": what flows again.', default=None
    )
    frozen: bool | None = setting(Flag(), "It goes on counting, but shows what it shows now.", default=None)
    failing: bool | None = setting(Flag(), "It refuses to be read.", default=None)

    def problems(self) -> Iterator[Problem]:
        if all(getattr(self, name) is None for name in ("energy_wh", "voltage_v", "power_w", "frozen", "failing")):
            yield Problem("energy_wh", "nothing to change: give energy_wh, voltage_v, power_w, frozen or failing")

    async def act(self, host: Host) -> Json:
        if host.bench is None:
            raise conflict("there is no simulated meter")
        host.bench.set_meter(
            self.evse,
            energy_wh=self.energy_wh,
            voltage_v=self.voltage_v,
            power_w=self.power_w,
            frozen=self.frozen,
            failing=self.failing,
        )
        return {"energy_wh": host.bench.register_wh(self.evse)}


@dataclass(frozen=True, slots=True)
class Temperature(_Bench):
    """The inside of the EVSE has another temperature; above its limit the board reports HighTemperature, until it has cooled."""

    name: ClassVar[str] = "temperature"
    celsius: float = setting(Number(-60, 250, "degrees Celsius"), "The temperature.", example=95)
    evse: int = evse_field()

    async def act(self, host: Host) -> Json:
        if host.bench is not None:
            host.bench.set_temperature(self.evse, self.celsius)
        return {}


CAR: tuple[type[Command], ...] = (Ev, Meter, Temperature)
