"""Commands: the station's program, its identity, and what a technician asks of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from hal.api import TokenKind
from station.config_fields import IDENTITY, TOKEN, Flag, Text, setting
from station.core.events import ChangeAvailability, RemoteStart, RemoteStop, Unlock
from station.core.events import Reset as ResetAsked
from station.core.types import IdToken, ResetKind, Verdict
from station.errors import Problem
from station.runtime.control_accidents import BootResult
from station.runtime.control_command import Command, evse_field
from station.runtime.control_host import Host, ask, conflict, program_of
from station.runtime.control_kinds import EVSE_OR_STATION, VERSIONS, Words
from station.runtime.control_people import TOKEN_KINDS
from station.runtime.control_types import Json

__all__ = ["STATION"]

# BootReasonEnumType of 2.0.1 (part 2, 3.9).
BOOT_REASONS = (
    "ApplicationReset",
    "FirmwareUpdate",
    "LocalReset",
    "PowerUp",
    "RemoteReset",
    "ScheduledReset",
    "Triggered",
    "Unknown",
    "Watchdog",
)


class VerdictResult(TypedDict):
    """What the station says to it: Accepted, or Scheduled for later."""

    status: str


class StartedResult(TypedDict):
    """The transaction, if there is one already."""

    status: str
    transaction: str | None


class _Station(Command):
    __slots__ = ()
    group: ClassVar[str] = "station"


@dataclass(frozen=True, slots=True)
class Start(_Station):
    """The program is started."""

    name: ClassVar[str] = "start"
    exclusive: ClassVar[bool] = True
    returns: ClassVar[Any] = BootResult

    async def act(self, host: Host) -> Json:
        if not host.powered:
            raise conflict("the station has no power: power_on")
        if host.program is not None:
            raise conflict("the program runs already")
        await host.start()
        return {"boots": host.boots}


@dataclass(frozen=True, slots=True)
class Stop(_Station):
    """The program is stopped in good order, as by the service manager: no power, everything saved; what ran is closed at the next
    start.
    """

    name: ClassVar[str] = "stop"
    exclusive: ClassVar[bool] = True

    async def act(self, host: Host) -> Json:
        program_of(host)
        await host.stop()
        return {}


@dataclass(frozen=True, slots=True)
class Identify(_Station):
    """Who the station is, and what it gives as reason of its next start. Applies at the next start (restart, power_on, start)."""

    name: ClassVar[str] = "identify"
    needs_bench: ClassVar[bool] = True
    id: str | None = setting(IDENTITY, "Identity towards the CSMS.", default=None, example="CP-7")
    boot_reason: str | None = setting(
        Text(choices=BOOT_REASONS), "Reason in the next BootNotification of 2.0.1; once.", default=None
    )
    versions: tuple[str, ...] = setting(Words(VERSIONS), "OCPP versions to offer, best first.", default=())
    vendor: str | None = setting(Text(20), "Name of the vendor.", default=None)
    model: str | None = setting(Text(20), "Name of the model.", default=None)
    serial: str | None = setting(Text(25), "Serial number.", default=None)

    def problems(self) -> Iterator[Problem]:
        if not self.changes():
            yield Problem("id", "nothing to change: give id, boot_reason, versions, vendor, model or serial")

    def changes(self) -> Json:
        found = {
            "identity": self.id,
            "boot_reason": self.boot_reason,
            "versions": self.versions,
            "vendor": self.vendor,
            "model": self.model,
            "serial": self.serial,
        }
        return {name: value for name, value in found.items() if value}

    async def act(self, host: Host) -> Json:
        if host.bench is not None:
            host.bench.reconfigure(**self.changes())
        return {}


def _accepted(verdict: Verdict) -> Json:
    """Raises ControlError when the station refuses."""
    if verdict.status == "Rejected":
        why = ": ".join(part for part in (verdict.reason, verdict.info) if part)
        raise conflict(f"the station refuses: {why or 'as things are'}")
    return {"status": verdict.status}


@dataclass(frozen=True, slots=True)
class Reset(_Station):
    """A technician resets the station or one EVSE, as the CSMS can (Immediate, OnIdle: 2.x; Hard, Soft: 1.6)."""

    name: ClassVar[str] = "reset"
    returns: ClassVar[Any] = VerdictResult
    evse: int = setting(EVSE_OR_STATION, "Number of the EVSE; 0: the whole station.", default=0)
    kind: str = setting(
        Text(choices=tuple(kind.value for kind in ResetKind)), "How.", default=ResetKind.IMMEDIATE.value
    )

    async def act(self, host: Host) -> Json:
        return _accepted(await ask(host, lambda ref: ResetAsked(ref, ResetKind(self.kind), self.evse)))


@dataclass(frozen=True, slots=True)
class UnlockPlug(_Station):
    """The plug is released, as the CSMS can do it; not while a transaction runs there."""

    name: ClassVar[str] = "unlock"
    returns: ClassVar[Any] = VerdictResult
    evse: int = evse_field()

    async def act(self, host: Host) -> Json:
        if host.standing_still:
            raise conflict("time stands still, and the bolt needs some: resume")
        verdict = await ask(host, lambda ref: Unlock(ref, self.evse))
        if verdict.status != "Unlocked":
            why = ": ".join(part for part in (verdict.status, verdict.reason, verdict.info) if part)
            raise conflict(f"the station refuses: {why}")
        return {"status": verdict.status}


@dataclass(frozen=True, slots=True)
class Availability(_Station):
    """An EVSE, or the station, is put out of service or back into it; it outlives a restart. Scheduled: when its transaction ends."""

    name: ClassVar[str] = "availability"
    returns: ClassVar[Any] = VerdictResult
    operative: bool = setting(Flag(), "true: in service.")
    evse: int = setting(EVSE_OR_STATION, "Number of the EVSE; 0: the whole station.", default=0)

    async def act(self, host: Host) -> Json:
        return _accepted(await ask(host, lambda ref: ChangeAvailability(ref, self.operative, self.evse)))


@dataclass(frozen=True, slots=True)
class StartTransaction(_Station):
    """A technician starts a session for a token, as the CSMS can do it remotely."""

    name: ClassVar[str] = "start_transaction"
    returns: ClassVar[Any] = StartedResult
    token: str = setting(TOKEN, "For whom.")
    evse: int = evse_field()
    type: str = setting(Text(choices=TOKEN_KINDS), "Kind of the token.", default=TokenKind.ISO14443.value)

    async def act(self, host: Host) -> Json:
        token = IdToken(self.token, TokenKind(self.type))
        result = _accepted(await ask(host, lambda ref: RemoteStart(ref, token, evse=self.evse)))
        view = program_of(host).gateway.view().evse(self.evse)
        return {**result, "transaction": view.transaction.tx_id if view.transaction is not None else None}


@dataclass(frozen=True, slots=True)
class StopTransaction(_Station):
    """A technician ends a running transaction, as the CSMS can do it remotely."""

    name: ClassVar[str] = "stop_transaction"
    returns: ClassVar[Any] = VerdictResult
    transaction: str = setting(Text(64), "Its id, as `state` shows it.")

    async def act(self, host: Host) -> Json:
        return _accepted(await ask(host, lambda ref: RemoteStop(ref, self.transaction)))


STATION: tuple[type[Command], ...] = (
    Start,
    Stop,
    Identify,
    Reset,
    UnlockPlug,
    Availability,
    StartTransaction,
    StopTransaction,
)
