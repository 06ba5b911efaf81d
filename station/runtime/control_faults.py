"""Commands: faults that wait for a person, and the residual-current device that fails its test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from station.config_fields import Flag, setting
from station.core.events import ResetFault
from station.runtime.control_command import Command, evse_field
from station.runtime.control_host import Host, ask, conflict
from station.runtime.control_kinds import EVSE_OR_STATION
from station.runtime.control_station import VerdictResult
from station.runtime.control_types import Json

__all__ = ["BreakRcd", "ResetFaults"]


@dataclass(frozen=True, slots=True)
class ResetFaults(Command):
    """Somebody has looked at the faults that stand until then (docs/faults.md: recovery "person") and resets them; refused while the
    board reports that one is still there. An RCD that failed its self-test is tested again, as soon as no vehicle is connected; the
    fault ends when it passes.
    """

    name: ClassVar[str] = "reset_fault"
    group: ClassVar[str] = "station"
    returns: ClassVar[Any] = VerdictResult
    evse: int = setting(EVSE_OR_STATION, "Number of the EVSE; 0: faults of the station as a whole.", default=1)

    async def act(self, host: Host) -> Json:
        verdict = await ask(host, lambda ref: ResetFault(ref, self.evse))
        if verdict.status != "Accepted":
            raise conflict(f"the station refuses: {verdict.info or verdict.status}")
        return {"status": verdict.status}


@dataclass(frozen=True, slots=True)
class BreakRcd(Command):
    """The residual-current device does not trip any more when it is tested, or does again (boards with `rcd_test`)."""

    name: ClassVar[str] = "break_rcd"
    group: ClassVar[str] = "accidents"
    needs_bench: ClassVar[bool] = True
    evse: int = evse_field()
    broken: bool = setting(Flag(), "false: it is repaired.", default=True)

    async def act(self, host: Host) -> Json:
        if host.bench is not None:
            host.bench.break_rcd(self.evse, self.broken)
        return {}
