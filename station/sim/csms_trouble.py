"""Commands of `station csms` that make trouble: wrong answers, no TLS, connections that end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from station.config_fields import Flag, Integer, Number, Text, setting
from station.errors import ControlError, Problem
from station.runtime.control_kinds import EMPTY, Line, Table
from station.runtime.control_types import Json
from station.sim.csms_command import ACTION, STATION, CsmsCommand, connected, over_the_link, station_field
from station.sim.csms_faults import FaultKind
from station.sim.csms_host import CsmsHost, FaultRow

__all__ = ["TROUBLE"]

FAULTS = Text(choices=tuple(kind.value for kind in FaultKind))


class FaultsResult(TypedDict):
    """Everything that is planned, in the order in which it strikes."""

    faults: list[FaultRow]
    refuse_tls: bool


@dataclass(frozen=True, slots=True)
class FaultList(CsmsCommand):
    """The misbehaviour that is planned and has not struck yet."""

    name: ClassVar[str] = "faults"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = FaultsResult

    async def work(self, host: CsmsHost) -> Json:
        return {"faults": host.fault_rows(), "refuse_tls": host.csms.refuses_tls}


@dataclass(frozen=True, slots=True)
class PlanFault(CsmsCommand):
    """Misbehave in answering a CALL of a station: late, never, twice, wrong id, garbage, CALLERROR, another payload, or close."""

    name: ClassVar[str] = "fault"
    group: ClassVar[str] = "accidents"
    kind: str = setting(FAULTS, "What happens to the answer.", example="late")
    action: str | None = setting(ACTION, "Only for this message; without: for any.", default=None)
    station: str | None = setting(STATION, "Only for this station; without: for any.", default=None)
    times: int | None = setting(Integer(1, 1_000_000), "So often; null: until cleared.", default=None)
    delay: float = setting(Number(0, 86_400, "s"), "late: so much later.", default=60.0)
    text: str = setting(Line(1 << 16), "garbage: what comes in its place.", default="{]")
    code: str = setting(ACTION, "refuse: the code of the CALLERROR.", default="InternalError")
    payload: Mapping[str, Any] = setting(Table("the payload"), "replace: the answer's payload.", default=EMPTY)
    abrupt: bool = setting(Flag(), "close: cut the connection without a word.", default=False)

    async def work(self, host: CsmsHost) -> Json:
        host.csms.fault(
            FaultKind(self.kind),
            self.action,
            station=self.station,
            times=self.times,
            delay_s=self.delay,
            text=self.text,
            code=self.code,
            payload=dict(self.payload),
            abrupt=self.abrupt,
        )
        return {}


@dataclass(frozen=True, slots=True)
class ClearFaults(CsmsCommand):
    """Behave again: nothing is planned any more, TLS is welcome, connections get a subprotocol."""

    name: ClassVar[str] = "clear_faults"
    group: ClassVar[str] = "accidents"

    async def work(self, host: CsmsHost) -> Json:
        host.csms.faults.clear()
        host.csms.refuse_tls(False)
        host.csms.offer_subprotocol(True)
        return {}


@dataclass(frozen=True, slots=True)
class RefuseTls(CsmsCommand):
    """Every TLS handshake fails from now on, or works again. Connections that stand are not touched."""

    name: ClassVar[str] = "refuse_tls"
    group: ClassVar[str] = "accidents"
    refuse: bool = setting(Flag(), "false: it works again.", default=True)

    async def work(self, host: CsmsHost) -> Json:
        if not host.csms.speaks_tls:
            raise ControlError(
                "conflict", [Problem("", "this CSMS does not speak TLS: start it with --pki, or --cert and --key")]
            )
        host.csms.refuse_tls(self.refuse)
        return {}


@dataclass(frozen=True, slots=True)
class NoSubprotocol(CsmsCommand):
    """Open connections without choosing a subprotocol and stay silent, as some CSMSs do; or behave again."""

    name: ClassVar[str] = "no_subprotocol"
    group: ClassVar[str] = "accidents"
    silent: bool = setting(Flag(), "false: behave again.", default=True)

    async def work(self, host: CsmsHost) -> Json:
        host.csms.offer_subprotocol(not self.silent)
        return {}


@dataclass(frozen=True, slots=True)
class Close(CsmsCommand):
    """Close a station's connection, politely or by cutting it."""

    name: ClassVar[str] = "close"
    group: ClassVar[str] = "link"
    station: str = station_field()
    code: int = setting(Integer(1000, 4999), "Close code.", default=1000)
    reason: str = setting(Line(120), "Reason in the close frame.", default="")
    abrupt: bool = setting(Flag(), "Cut it without a word.", default=False)

    def problems(self) -> Iterator[Problem]:
        # RFC 6455 7.4: these never stand in a frame, or mean nothing.
        if self.code in {1004, 1005, 1006, 1015} or 1016 <= self.code < 3000:
            yield Problem("code", "must be a close code that may be sent: 1000-1003, 1007-1014, 3000-4999")

    async def work(self, host: CsmsHost) -> Json:
        station = connected(host, self.station)
        await over_the_link(host.csms.close(station, self.code, self.reason, abrupt=self.abrupt))
        return {}


@dataclass(frozen=True, slots=True)
class Offline(CsmsCommand):
    """The CSMS vanishes: connections are cut, new ones refused, until `online`."""

    name: ClassVar[str] = "offline"
    group: ClassVar[str] = "link"
    exclusive: ClassVar[bool] = True
    abrupt: bool = setting(Flag(), "Without a word; false: with close code 1001.", default=True)

    async def work(self, host: CsmsHost) -> Json:
        await host.csms.go_offline(abrupt=self.abrupt)
        return {}


@dataclass(frozen=True, slots=True)
class Online(CsmsCommand):
    """The CSMS is back, on the same port."""

    name: ClassVar[str] = "online"
    group: ClassVar[str] = "link"
    exclusive: ClassVar[bool] = True

    async def work(self, host: CsmsHost) -> Json:
        await host.csms.go_online()
        return {}


TROUBLE: tuple[type[CsmsCommand], ...] = (
    FaultList,
    PlanFault,
    ClearFaults,
    RefuseTls,
    NoSubprotocol,
    Close,
    Offline,
    Online,
)
