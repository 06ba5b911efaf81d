"""Commands: what breaks, and how it is repaired."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from hal.api import Fault as FaultNoticed
from hal.api import FaultCode
from station.config_fields import Flag, Number, Text, setting
from station.errors import Problem
from station.runtime.control_command import Command, evse_field
from station.runtime.control_host import Host, conflict
from station.runtime.control_kinds import EVSE_OR_STATION, VERSIONS, Line, Words
from station.runtime.control_types import Json

__all__ = ["ACCIDENTS", "BootResult"]

FAULT = Text(choices=tuple(code.value for code in FaultCode))


class BootResult(TypedDict):
    """How often the program has been started by now."""

    boots: int


class _Accident(Command):
    __slots__ = ()
    group: ClassVar[str] = "accidents"


@dataclass(frozen=True, slots=True)
class Fault(_Accident):
    """Something breaks, by its MREC name. GroundFailure is the residual-current device, EmergencyStop the mushroom button. On real
    hardware it is a technician's test: the station behaves as if the board had reported it.
    """

    name: ClassVar[str] = "fault"
    code: str = setting(FAULT, "What breaks.")
    evse: int = setting(EVSE_OR_STATION, "Number of the EVSE; 0: the station as a whole.", default=1)
    info: str = setting(Line(50), "A word from the board about it.", default="")

    async def act(self, host: Host) -> Json:
        return _told(host, FaultNoticed(self.evse, FaultCode(self.code), True, self.info))


@dataclass(frozen=True, slots=True)
class Clear(_Accident):
    """It is repaired."""

    name: ClassVar[str] = "clear"
    code: str = setting(FAULT, "What broke.")
    evse: int = setting(EVSE_OR_STATION, "Number of the EVSE; 0: the station as a whole.", default=1)

    async def act(self, host: Host) -> Json:
        return _told(host, FaultNoticed(self.evse, FaultCode(self.code), False))


def _told(host: Host, event: FaultNoticed) -> Json:
    if not host.inject(event):
        raise conflict("the program does not run, so nobody would notice")
    return {}


@dataclass(frozen=True, slots=True)
class Jam(_Accident):
    """The bolt of the lock does not move any more, or can move again: it does when the station next tries, as at `unlock`."""

    name: ClassVar[str] = "jam"
    needs_bench: ClassVar[bool] = True
    evse: int = evse_field()
    jammed: bool = setting(Flag(), "false: it moves again.", default=True)

    async def act(self, host: Host) -> Json:
        if host.bench is not None:
            host.bench.jam(self.evse, self.jammed)
        return {}


@dataclass(frozen=True, slots=True)
class Wire(_Accident):
    """The wire to a device: its USB adapter is pulled out or plugged in, or it is disturbed. `station sim --wire` has wires. All meters
    hang on one adapter. What is not given stays as it is.
    """

    name: ClassVar[str] = "wire"
    needs_bench: ClassVar[bool] = True
    part: str = setting(Text(choices=("board", "meter", "reader")), "Whose wire.", default="board")
    evse: int = evse_field()
    plugged: bool | None = setting(Flag(), "false: the adapter is pulled out.", default=None)
    noise: float | None = setting(
        Number(0, 1), "Share of the device's answers that random bytes spoil; 0: none.", default=None
    )

    def problems(self) -> Iterator[Problem]:
        if self.plugged is None and self.noise is None:
            yield Problem("plugged", "nothing to change: give plugged or noise")

    async def act(self, host: Host) -> Json:
        if host.bench is not None:
            host.bench.wire(self.part, self.evse, plugged=self.plugged, noise=self.noise)
        return {}


@dataclass(frozen=True, slots=True)
class Offline(_Accident):
    """The network cable is pulled."""

    name: ClassVar[str] = "offline"
    needs_bench: ClassVar[bool] = True
    exclusive: ClassVar[bool] = True

    async def act(self, host: Host) -> Json:
        if host.bench is not None:
            await host.bench.offline()
        return {}


@dataclass(frozen=True, slots=True)
class Online(_Accident):
    """The network cable is plugged in again; the station reconnects when its back-off lets it."""

    name: ClassVar[str] = "online"
    needs_bench: ClassVar[bool] = True
    exclusive: ClassVar[bool] = True

    async def act(self, host: Host) -> Json:
        if host.bench is not None:
            await host.bench.go_online()
        return {}


@dataclass(frozen=True, slots=True)
class PowerCut(_Accident):
    """The supply fails: station, board and meter are dead at once."""

    name: ClassVar[str] = "power_cut"
    needs_bench: ClassVar[bool] = True
    exclusive: ClassVar[bool] = True
    warning: bool = setting(Flag(), "The board has a capacitor and says so some milliseconds before.", default=False)

    async def act(self, host: Host) -> Json:
        if not host.powered:
            raise conflict("the station has no power already")
        if host.bench is not None:
            await host.bench.power_cut(warning=self.warning)
        return {}


@dataclass(frozen=True, slots=True)
class PowerOn(_Accident):
    """The supply is back, and the station boots. Nothing happens when it was there."""

    name: ClassVar[str] = "power_on"
    needs_bench: ClassVar[bool] = True
    exclusive: ClassVar[bool] = True
    returns: ClassVar[Any] = BootResult

    async def act(self, host: Host) -> Json:
        if host.bench is not None:
            await host.bench.power_on()
        return {"boots": host.boots}

    def words(self, result: Json) -> str:
        return f"start number {result['boots']}"


@dataclass(frozen=True, slots=True)
class Restart(_Accident):
    """The program ends and is started again; the board keeps its power. A simulated one ends without a word, as if it had crashed."""

    name: ClassVar[str] = "restart"
    exclusive: ClassVar[bool] = True
    returns: ClassVar[Any] = BootResult
    versions: tuple[str, ...] = setting(
        Words(VERSIONS), "OCPP versions that it offers from now on, best first (simulated stations only).", default=()
    )

    async def act(self, host: Host) -> Json:
        if not host.powered:
            raise conflict("the station has no power: power_on")
        if self.versions:
            if host.bench is None:
                raise conflict("what this station offers stands in its configuration file", "versions")
            host.bench.reconfigure(versions=self.versions)
        await host.restart()
        return {"boots": host.boots}

    def words(self, result: Json) -> str:
        return f"start number {result['boots']}"


ACCIDENTS: tuple[type[Command], ...] = (Fault, Clear, Jam, Wire, Offline, Online, PowerCut, PowerOn, Restart)
