"""What the commands of `station csms` have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable
from typing import Any, ClassVar, cast

from station.config_fields import IDENTITY, Text, setting
from station.errors import ControlError, Problem, StationError
from station.runtime.control_command import Command, invalid
from station.runtime.control_types import Json
from station.sim.csms_host import CsmsHost

__all__ = ["ACTION", "STATION", "CsmsCommand", "connected", "known", "over_the_link", "station_field"]

ACTION = Text(64, r"[A-Za-z0-9]+", "the name of a message, such as Heartbeat")
STATION = IDENTITY


class CsmsCommand(Command):
    """Base of the commands of a CSMS."""

    __slots__ = ()
    group: ClassVar[str] = "look"

    async def act(self, host: Any) -> Json:
        return await self.work(cast(CsmsHost, host))

    @abstractmethod
    async def work(self, host: CsmsHost) -> Json:
        """Do it. Raises ControlError, and then nothing has changed."""


def station_field() -> Any:
    return setting(STATION, "Identity of the station.", example="CS001")


def known(host: CsmsHost, station: str) -> str:
    """The station, which must have come once. Raises ControlError."""
    if station not in host.csms.journal.stations:
        raise invalid("station", f"no station called {station} has connected yet")
    return station


def connected(host: CsmsHost, station: str) -> str:
    """The station, which must be connected now. Raises ControlError."""
    if not host.csms.connected(known(host, station)):
        raise ControlError("conflict", [Problem("station", f"{station} is not connected")])
    return station


async def over_the_link(work: Awaitable[None]) -> None:
    """Await something of the link; a failure becomes a ControlError."""
    try:
        await work
    except StationError as error:
        raise ControlError("conflict", [Problem("station", str(error))]) from error
