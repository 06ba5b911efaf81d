"""Commands: what people do at a station."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from hal.api import ButtonPressed, CardPresented, HalEvent, KeyEntered, TokenKind
from station.config_fields import TOKEN, Flag, Integer, Text, setting
from station.errors import Problem
from station.runtime.control_command import Command, Nothing, evse_field
from station.runtime.control_host import Host, conflict
from station.runtime.control_kinds import EMPTY, EVSE, CarTable, OrNull
from station.runtime.control_types import Json

__all__ = ["PEOPLE", "CarResult", "car_json"]

FIRST_TOKEN = "04A1B2C3"  # noqa: S105 - a card number that the bench's CSMS knows
TOKEN_KINDS = tuple(kind.value for kind in TokenKind if kind is not TokenKind.KEY_CODE)


class CarResult(TypedDict):
    """The car at an EVSE."""

    name: str
    soc_percent: float
    energy_wh: float
    power_w: float
    wants: str


def car_json(host: Host, evse: int) -> Json | None:
    """The car at an EVSE, None when there is none, or no bench that knows."""
    car = host.bench.car_at(evse) if host.bench is not None else None
    if car is None:
        return None
    return {
        "name": car.name,
        "soc_percent": round(car.soc_percent, 3),
        "energy_wh": round(car.energy_wh, 3),
        "power_w": round(car.power_w, 3),
        "wants": car.wants,
    }


class PlugResult(TypedDict):
    """The car that is plugged in now."""

    car: CarResult | None


class _Person(Command):
    __slots__ = ()
    group: ClassVar[str] = "people"


@dataclass(frozen=True, slots=True)
class Plug(_Person):
    """A driver plugs a car in: a new one, or (again) the one that was last at this EVSE."""

    name: ClassVar[str] = "plug"
    needs_bench: ClassVar[bool] = True
    returns: ClassVar[Any] = PlugResult
    evse: int = evse_field()
    car: Mapping[str, Any] = setting(CarTable(), "What the car is: fields of the simulated car.", default=EMPTY)
    cable_a: int = setting(Integer(13, 63, (13, 20, 32, 63)), "Rating of the cable, amperes.", default=32)
    again: bool = setting(Flag(), "The car that was last at this EVSE comes back.", default=False)

    def problems(self) -> Iterator[Problem]:
        if self.again and self.car:
            yield Problem(
                "car", "the car that was last here comes back as it is (`ev` changes it): leave one of the two out"
            )

    async def act(self, host: Host) -> Json:
        bench = host.bench
        if bench is not None and self.again:
            bench.plug_again(self.evse, self.cable_a)
        elif bench is not None:
            bench.plug_car(self.evse, self.car, self.cable_a)
        return {"car": car_json(host, self.evse)}

    def words(self, result: Json) -> str:
        car = result["car"]
        return f"{car['name']} at {car['soc_percent']:.0f} %" if car else ""


@dataclass(frozen=True, slots=True)
class Unplug(_Person):
    """The driver pulls the plug: the whole cable, or only at the car."""

    name: ClassVar[str] = "unplug"
    needs_bench: ClassVar[bool] = True
    evse: int = evse_field()
    at_car: bool = setting(Flag(), "Only at the car; the cable stays in the socket.", default=False)

    async def act(self, host: Host) -> Json:
        if host.bench is not None:
            host.bench.unplug(self.evse, at_car=self.at_car)
        return {}


def _noticed(host: Host, event: HalEvent, what: str) -> Json:
    if not host.inject(event):
        raise conflict(f"nobody {what}: the station has no power or does not run, or the part is broken")
    return {}


@dataclass(frozen=True, slots=True)
class Swipe(_Person):
    """Somebody holds a card to the reader, or is identified in another way (type)."""

    name: ClassVar[str] = "swipe"
    returns: ClassVar[Any] = Nothing
    evse: int | None = setting(
        OrNull(EVSE), "Number of the EVSE; null: a reader that serves the whole station.", default=1
    )
    token: str = setting(TOKEN, "What the card says.", default=FIRST_TOKEN)
    type: str = setting(Text(choices=TOKEN_KINDS), "Kind of the token.", default=TokenKind.ISO14443.value)

    async def act(self, host: Host) -> Json:
        return _noticed(host, CardPresented(self.evse, self.token, TokenKind(self.type)), "read the card")


@dataclass(frozen=True, slots=True)
class Pin(_Person):
    """Somebody types a PIN. It is never shown. Without names the digits, which have no default, come before the EVSE."""

    name: ClassVar[str] = "pin"
    digits: str = setting(TOKEN, "The PIN.", secret=True)
    evse: int | None = setting(
        OrNull(EVSE), "Number of the EVSE; null: a keypad that serves the whole station.", default=1
    )

    async def act(self, host: Host) -> Json:
        return _noticed(host, KeyEntered(self.evse, self.digits), "read the PIN")


@dataclass(frozen=True, slots=True)
class Button(_Person):
    """Somebody presses the start/stop button."""

    name: ClassVar[str] = "button"
    evse: int = evse_field()

    async def act(self, host: Host) -> Json:
        return _noticed(host, ButtonPressed(self.evse), "noticed the button")


PEOPLE: tuple[type[Command], ...] = (Plug, Unplug, Swipe, Pin, Button)
