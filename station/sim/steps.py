"""What one can do to a station on the bench: one table of commands, from which reading, checking, documentation and execution derive.

A command is a frozen dataclass. Its fields carry kind, unit and meaning (`setting`), its docstring says what happens,
`act` does it and returns what came of it in a few words. Expectations are another table (station.sim.scenario_expect).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from hal.api import FaultCode, TokenKind
from hal.errors import DeviceError, HalError
from hal.sim.car import Car
from station.config_fields import TOKEN, Flag, Integer, Number, Text, setting
from station.core.events import SetVariables, VariableWrite
from station.core.types import Verdict
from station.core.variables import VariableKey
from station.errors import StationError
from station.sim.lab import KNOWN_TOKENS
from station.sim.scenario_kinds import EMPTY, CarFields, Duration, Scalars, Words, render_duration
from station.sim.scenario_stage import Stage, StepFailed

__all__ = ["COMMANDS", "EVSE", "VERSIONS", "WRONG_HANDS", "Command", "evse_field"]

VERSIONS = ("1.6", "2.0.1")
EVSE = Integer(1, 64)
FAULT = Text(choices=tuple(code.value for code in FaultCode))


class Command(Protocol):
    """One thing to do."""

    passes_time: ClassVar[bool]
    """True when it only lets time pass: expectations after it still see what came before."""

    async def act(self, stage: Stage) -> str:
        """Do it. Raises StepFailed, StationError, HalError."""


def evse_field(doc: str = "Number of the EVSE.") -> Any:
    """The field `evse`, 1 unless given."""
    return setting(EVSE, doc, default=1)


class Deed:
    """Base of commands that do something."""

    __slots__ = ()
    passes_time: ClassVar[bool] = False


class Pastime(Deed):
    """Base of commands that let time pass."""

    __slots__ = ()
    passes_time: ClassVar[bool] = True


# --- people at the station ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plug(Deed):
    """A driver plugs a car in (a new one, unless the last one at this EVSE was unplugged and is to come back)."""

    evse: int = evse_field()
    car: Mapping[str, Any] = setting(CarFields(), "What the car is: fields of the simulated car.", default=EMPTY)
    cable_a: int = setting(Integer(13, 63, (13, 20, 32, 63)), "Rating of the cable, amperes.", default=32)
    again: bool = setting(Flag(), "The car that was last at this EVSE comes back.", default=False)

    async def act(self, stage: Stage) -> str:
        evse = stage.evse(self.evse)
        known = stage.cars.setdefault(evse, [])
        if not self.again:
            car = stage.lab.plug(evse, self.car, self.cable_a)
            known.append((car, car.battery.energy_wh))
        elif known:
            car = known[-1][0]
            stage.lab.board.plug(evse, car, self.cable_a)
        else:
            raise StepFailed(f"no car was at EVSE {evse} that could come back")
        return f"{car.settings.name} at {car.soc_percent:.0f} %"


@dataclass(frozen=True, slots=True)
class Unplug(Deed):
    """The driver pulls the plug: the whole cable, or only at the car."""

    evse: int = evse_field()
    at_car: bool = setting(Flag(), "Only at the car; the cable stays in the socket.", default=False)
    held: bool = setting(Flag(), "The lock of the socket is expected to hold the plug.", default=False)

    async def act(self, stage: Stage) -> str:
        try:
            stage.lab.unplug(stage.evse(self.evse), at_car=self.at_car)
        except DeviceError as error:
            if self.held:
                return "the lock holds it"
            raise StepFailed(f"the plug cannot be pulled: {error}") from error
        if self.held:
            raise StepFailed("the plug came out, but the lock should have held it")
        return ""


@dataclass(frozen=True, slots=True)
class Swipe(Deed):
    """Somebody holds a card to the reader."""

    evse: int = evse_field()
    token: str = setting(TOKEN, "What the card says.", default=KNOWN_TOKENS[0])

    async def act(self, stage: Stage) -> str:
        if not stage.lab.swipe(self.token, stage.evse(self.evse), TokenKind.ISO14443):
            raise StepFailed("nobody read the card: the station has no power, or the reader is broken")
        return ""


@dataclass(frozen=True, slots=True)
class Pin(Deed):
    """Somebody types a PIN. It is never shown."""

    digits: str = setting(TOKEN, "The PIN.", secret=True)
    evse: int = evse_field()

    async def act(self, stage: Stage) -> str:
        if not stage.lab.pin(self.digits, stage.evse(self.evse)):
            raise StepFailed("nobody read the PIN: the station has no power")
        return ""


@dataclass(frozen=True, slots=True)
class Button(Deed):
    """Somebody presses the start/stop button."""

    evse: int = evse_field()

    async def act(self, stage: Stage) -> str:
        if not stage.lab.button(stage.evse(self.evse)):
            raise StepFailed("nobody noticed the button: the station has no power")
        return ""


@dataclass(frozen=True, slots=True)
class SetVariable(Deed):
    """A technician changes settings at the station, by their names in the 2.x device model."""

    variables: Mapping[str, str] = setting(
        Scalars("device-model variables and their values"), 'New values: { "TxCtrlr.EVConnectionTimeOut" = 30 }.'
    )

    async def act(self, stage: Stage) -> str:
        writes = tuple(_write(row, value) for row, value in self.variables.items())
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        stage.lab.running.gateway.command(lambda ref: SetVariables(ref, writes, by_technician=True), answer.set_result)
        results: Any = (await answer).data.get("results", [])
        wrong = [
            f"{row}: {result.status} {result.info or result.reason or ''}".rstrip()
            for row, result in zip(self.variables, results, strict=False)
            if result.status not in {"Accepted", "RebootRequired"}
        ]
        if wrong or not results:
            raise StepFailed("the station does not take these settings:", *wrong)
        return ""


def _write(row: str, value: str) -> VariableWrite:
    try:
        key = VariableKey.from_row(row)
    except ValueError as error:
        raise StepFailed(str(error)) from error
    return VariableWrite(
        component=key.component,
        variable=key.variable,
        value=value,
        component_instance=key.component_instance,
        variable_instance=key.variable_instance,
        evse=key.evse,
        connector=key.connector,
    )


# --- accidents ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fault(Deed):
    """Something breaks. GroundFailure is the residual-current device, EmergencyStop the mushroom button."""

    code: str = setting(FAULT, "What breaks.")
    evse: int = setting(Integer(0, 64), "Number of the EVSE; 0: the station as a whole.", default=1)
    info: str = setting(Text(50), "A word from the board about it.", default="")

    async def act(self, stage: Stage) -> str:
        stage.lab.fault(FaultCode(self.code), stage.evse(self.evse), self.info)
        return ""


@dataclass(frozen=True, slots=True)
class Clear(Deed):
    """It is repaired."""

    code: str = setting(FAULT, "What broke.")
    evse: int = setting(Integer(0, 64), "Number of the EVSE; 0: the station as a whole.", default=1)

    async def act(self, stage: Stage) -> str:
        stage.lab.clear(FaultCode(self.code), stage.evse(self.evse))
        return ""


@dataclass(frozen=True, slots=True)
class Jam(Deed):
    """The bolt of the lock does not move any more, or moves again."""

    evse: int = evse_field()
    jammed: bool = setting(Flag(), "false: it moves again.", default=True)

    async def act(self, stage: Stage) -> str:
        stage.lab.board.jam(stage.evse(self.evse), self.jammed)
        return ""


@dataclass(frozen=True, slots=True)
class Offline(Deed):
    """The network cable is pulled."""

    async def act(self, stage: Stage) -> str:
        await stage.lab.offline()
        return ""


@dataclass(frozen=True, slots=True)
class Online(Deed):
    """The network cable is plugged in again; the station reconnects when its back-off lets it."""

    async def act(self, stage: Stage) -> str:
        await stage.lab.go_online()
        return ""


@dataclass(frozen=True, slots=True)
class PowerCut(Deed):
    """The supply fails: station, board and meter are dead at once."""

    warning: bool = setting(Flag(), "The board has a capacitor and says so some milliseconds before.", default=False)

    async def act(self, stage: Stage) -> str:
        await stage.lab.power_cut(warning=self.warning)
        return ""


@dataclass(frozen=True, slots=True)
class PowerOn(Deed):
    """The supply is back, and the station boots."""

    async def act(self, stage: Stage) -> str:
        await stage.lab.power_on()
        return f"start number {stage.lab.boots}"


@dataclass(frozen=True, slots=True)
class Restart(Deed):
    """The program crashes and is started again; the board keeps its power."""

    versions: tuple[str, ...] = setting(
        Words(VERSIONS), "OCPP versions that it offers from now on, best first.", default=()
    )

    async def act(self, stage: Stage) -> str:
        if self.versions:
            stage.lab.reconfigure(versions=self.versions)
        await stage.lab.restart()
        return f"start number {stage.lab.boots}"


# --- time -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wait(Pastime):
    """Time passes."""

    duration: float = setting(Duration(), "How long.")

    async def act(self, stage: Stage) -> str:
        await asyncio.sleep(self.duration)
        return render_duration(self.duration)


@dataclass(frozen=True, slots=True)
class Charge(Pastime):
    """The car charges until it has what it should have (give one of the three), or for a time."""

    evse: int = evse_field()
    until_soc: float | None = setting(Number(0, 100, "%"), "State of charge of the car.", default=None, example=80)
    until_wh: float | None = setting(
        Number(0, 1e7, "Wh"), "Energy that passed the meter since this step began.", default=None, example=5000
    )
    duration: float | None = setting(Duration(), "So long, whatever flows.", default=None, example="10 min")
    within: float = setting(Duration(), "Give up after so long.", default=86_400.0)

    async def act(self, stage: Stage) -> str:
        board = stage.lab.board.evse(stage.evse(self.evse))
        car = board.car
        if car is None:
            raise StepFailed(f"no car is plugged in at EVSE {self.evse}")
        before = board.meter.register_wh
        if self.duration is not None:
            await asyncio.sleep(self.duration)
        elif not await stage.until(lambda: self._reached(car, board.meter.register_wh - before), self.within):
            raise StepFailed(*self._why(stage, car, board.meter.register_wh - before))
        return f"{(board.meter.register_wh - before) / 1000:.2f} kWh, car at {car.soc_percent:.0f} %"

    def _reached(self, car: Car, energy_wh: float) -> bool:
        if self.until_wh is not None:
            return energy_wh >= self.until_wh
        # A battery approaches its target, it need not touch it.
        return car.soc_percent >= (self.until_soc if self.until_soc is not None else 100.0) - 0.01

    def _why(self, stage: Stage, car: Car, energy_wh: float) -> list[str]:
        goal = f"{self.until_wh:g} Wh" if self.until_wh is not None else f"{self.until_soc or 100:g} %"
        lines = [
            f"expected: {goal} within {render_duration(self.within)}",
            f"came: {energy_wh:.0f} Wh, the car is at {car.soc_percent:.1f} % and draws {car.power_w():.0f} W",
        ]
        if stage.lab.powered:
            view = stage.lab.view().evse(self.evse)
            lines.append(f"the station offers {view.offered_a:g} A; reason: {view.cause}")
        return lines


COMMANDS: dict[str, type[Command]] = {
    "plug": Plug,
    "unplug": Unplug,
    "swipe": Swipe,
    "pin": Pin,
    "button": Button,
    "set": SetVariable,
    "fault": Fault,
    "clear": Clear,
    "jam": Jam,
    "offline": Offline,
    "online": Online,
    "power_cut": PowerCut,
    "power_on": PowerOn,
    "restart": Restart,
    "wait": Wait,
    "charge": Charge,
}
"""What people, accidents and time do. The commands of the CSMS are in station.sim.scenario_csms."""

WRONG_HANDS = (StationError, HalError)
"""What a command lets through besides StepFailed: something that cannot be done as things are."""
