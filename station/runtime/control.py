"""THE command table: everything that a person or a rig can do to a station, once.

REST, JSON lines, `station ctl`, scenario steps, the Python client and docs/control.md are generated from `TABLE`. To add a command:
a frozen dataclass in the module of its group, and its place in that group's row at the end of the module.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from hal.errors import HalError
from station.config_fields import Text, setting
from station.errors import ControlError, Problem, StationError
from station.runtime.control_accidents import ACCIDENTS
from station.runtime.control_car import CAR
from station.runtime.control_charging import CHARGING
from station.runtime.control_command import Command, describe, read
from station.runtime.control_events import Broadcaster
from station.runtime.control_faults import BreakRcd, ResetFaults
from station.runtime.control_host import Host
from station.runtime.control_link import LINK
from station.runtime.control_look import LOOK
from station.runtime.control_meter import AcceptMeter
from station.runtime.control_people import PEOPLE
from station.runtime.control_settings import SETTINGS
from station.runtime.control_station import STATION
from station.runtime.control_time import TIME
from station.runtime.control_types import TOPICS, Json, Listener

__all__ = ["TABLE", "Controller", "describe_table", "read_command"]


class CommandRow(TypedDict):
    """One command. parameters, returns: JSON Schemas of its arguments and of its result."""

    name: str
    group: str
    doc: str
    reads: bool
    needs_bench: bool
    passes_time: bool
    parameters: dict[str, Any]
    returns: dict[str, Any]


class HelpResult(TypedDict):
    """The table, or one row of it."""

    commands: list[CommandRow]


@dataclass(frozen=True, slots=True)
class Help(Command):
    """The table of commands: what each does, takes and gives."""

    name: ClassVar[str] = "help"
    group: ClassVar[str] = "look"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = HelpResult
    command: str | None = setting(Text(40), "Only this one.", default=None, example="plug")

    async def act(self, host: Host) -> Json:
        if self.command is None:
            return {"commands": describe_table()}
        if self.command not in TABLE:
            raise ControlError("invalid", [Problem("command", _no_such(self.command))])
        return {"commands": [describe(TABLE[self.command])]}


_ALL: tuple[type[Command], ...] = (
    *PEOPLE,
    *CAR,
    *ACCIDENTS,
    BreakRcd,
    *CHARGING,
    *STATION,
    ResetFaults,
    AcceptMeter,
    *SETTINGS,
    *LINK,
    *TIME,
    *LOOK,
    Help,
)
TABLE: dict[str, type[Command]] = {cls.name: cls for cls in _ALL}
"""Every command by its name."""


def describe_table() -> list[Json]:
    """The table with JSON Schemas, in its order."""
    return [describe(cls) for cls in TABLE.values()]


def read_command(name: str, arguments: Mapping[str, object]) -> Command:
    """A command of the table. Raises ControlError that names every field that is wrong."""
    cls = TABLE.get(name) if isinstance(name, str) else None
    if cls is None:
        raise ControlError("unknown", [Problem("", _no_such(name))])
    return read(cls, arguments)


def _no_such(name: object) -> str:
    shown = str(name)[:40]
    near = difflib.get_close_matches(shown.casefold(), TABLE, n=1)
    return f"there is no command {shown!r}" + (f"; did you mean {near[0]}?" if near else "; see help")


class Controller:
    """`Control` over a host: the table carried out, and what happens told to whoever subscribes. One per host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._broadcaster = Broadcaster(host)
        self._alone = asyncio.Lock()

    async def do(self, name: str, arguments: Mapping[str, object]) -> Json:
        """Carry out one command of the table. Raises ControlError, and then nothing has changed."""
        return await self.carry_out(read_command(name, arguments))

    async def carry_out(self, command: Command) -> Json:
        """The same for a command that has been read already."""
        self._check(command)
        async with self._turn(command):
            try:
                result = await command.act(self._host)
            except (HalError, StationError) as error:
                if isinstance(error, ControlError):
                    raise
                problems = [Problem("", line) for line in str(error).splitlines()] or [Problem("", repr(error))]
                raise ControlError("conflict", problems) from error
        if not command.reads:
            self._broadcaster.command(command.name, command.told(), result)
        return result

    def describe(self) -> list[Json]:
        """The table: per command name, doc, group, reads, needs_bench, passes_time, parameters and returns (JSON Schemas)."""
        return describe_table()

    def subscribe(self, topics: frozenset[str], listener: Listener) -> Callable[[], None]:
        """Hear events of these topics from now on; the returned function ends that. Raises ControlError for an unknown topic."""
        strange = sorted(str(topic) for topic in topics if topic not in TOPICS)
        if strange:
            known = ", ".join(TOPICS)
            raise ControlError(
                "invalid", [Problem("topics", f"there is no topic {t!r}; known are {known}") for t in strange]
            )
        return self._broadcaster.subscribe(topics, listener)

    # --- carrying out -------------------------------------------------------------------------------------------------

    def _check(self, command: Command) -> None:
        """What depends on the station, and not on what it is doing."""
        if command.needs_bench and self._host.bench is None:
            problem = "this station has no simulated board; it can be done with `station sim`"
            raise ControlError("unsupported", [Problem("", problem)])
        evse = getattr(command, "evse", None)
        known = self._host.about.evses
        if isinstance(evse, int) and evse != 0 and evse not in known:
            numbers = ", ".join(str(number) for number in known)
            raise ControlError("invalid", [Problem("evse", f"this station has no EVSE {evse}; it has {numbers}")])

    @asynccontextmanager
    async def _turn(self, command: Command) -> AsyncIterator[None]:
        """Boots and shutdowns one after the other; everything else at once."""
        if not command.exclusive:
            yield
            return
        async with self._alone:
            yield
