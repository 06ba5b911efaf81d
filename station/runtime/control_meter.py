"""A meter that was replaced or reset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from station.runtime.control_command import Command, evse_field
from station.runtime.control_host import Host, conflict, program_of
from station.runtime.control_types import Json

__all__ = ["AcceptMeter"]


@dataclass(frozen=True, slots=True)
class AcceptMeter(Command):
    """The meter of an EVSE was replaced or reset: its next reading is believed, whatever it says. Readings that run backwards, jump or
    stand still are refused until then (fault MeterFailure). Not while a transaction runs there: it ends with the old register.
    """

    name: ClassVar[str] = "meter_accept"
    group: ClassVar[str] = "station"
    evse: int = evse_field()

    async def act(self, host: Host) -> Json:
        program = program_of(host)
        if program.gateway.view().evse(self.evse).transaction is not None:
            raise conflict("a transaction runs there: stop it first, it ends with the last register that was believed")
        if not program.accept_meter(self.evse):
            raise conflict("its meter is believed as it is: nothing to accept")
        return {}
