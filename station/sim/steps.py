"""What one can do in a scenario: the command table of the station, with what only a scenario has. Nothing of it is spelled twice.

Commands of the CSMS are in station.sim.scenario_csms, expectations in station.sim.scenario_expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from hal.errors import HalError
from station.config_fields import Flag, setting
from station.errors import ControlError, StationError
from station.runtime.control import TABLE
from station.runtime.control_command import Command, evse_field
from station.runtime.control_kinds import EVSE, VERSIONS
from station.runtime.control_people import Unplug
from station.sim.scenario_stage import Stage, StepFailed

__all__ = ["COMMANDS", "EVSE", "VERSIONS", "WRONG_HANDS", "Deed", "DeedBase", "carry_out", "evse_field"]


class Deed(Protocol):
    """One thing to do that is no command of the station."""

    passes_time: ClassVar[bool]
    """True when it only lets time pass: expectations after it still see what came before."""

    async def act(self, stage: Stage) -> str:
        """Do it; returns what came of it in a few words. Raises StepFailed, StationError, HalError."""


class DeedBase:
    """Base of deeds that do something."""

    __slots__ = ()
    passes_time: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class UnplugOrNot(Unplug):
    """The driver pulls the plug: the whole cable, or only at the car."""

    held: bool = setting(Flag(), "The lock of the socket is expected to hold the plug.", default=False)


TIME_OF_THE_PLAY = frozenset({"speed", "pause", "resume"})
"""How fast a play passes, its caller says."""

COMMANDS: dict[str, type[Command]] = {
    name: cls for name, cls in TABLE.items() if not cls.reads and name not in TIME_OF_THE_PLAY
} | {"unplug": UnplugOrNot}
"""What people, accidents and time do: the table without what only looks."""

WRONG_HANDS = (StationError, HalError)
"""What a step lets through besides StepFailed: something that cannot be done as things are."""


async def carry_out(stage: Stage, command: Command) -> str:
    """Do what a step says; returns what came of it in a few words. Raises StepFailed."""
    held: Any = getattr(command, "held", False)
    try:
        result = await stage.control.carry_out(command)
    except ControlError as error:
        lines = [f"{p.field}: {p.problem}" if p.field else p.problem for p in error.problems]
        if held and any("locked" in line for line in lines):
            return "the lock holds it"
        raise StepFailed(*lines) from error
    if held:
        raise StepFailed("the plug came out, but the lock should have held it")
    return command.words(result)
