"""What the core wants done. The gateway carries effects out in LAW 2's order, whatever their order in the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hal.api import FaultCode, Lamp, PilotSignal
from station.clock import Now
from station.core.facts import Fact
from station.core.types import ConnectorPhase, ConnectorState, IdToken, MeterSample, Verdict


@dataclass(frozen=True, slots=True)
class Output:
    """The level that one EVSE's hardware shall converge on. The newest one is the only one that counts.

    cause: the name of what binds `current_a` ("why this current?").
    """

    evse: int
    permit: bool
    current_a: float
    pilot: PilotSignal
    locked: bool
    phases: int = 3
    cause: str = ""

    def restricts(self, before: Output | None) -> bool:
        """True when this must not wait for anything: power off, current down, or pilot withdrawn."""
        if before is None:
            return not self.permit
        return (
            (before.permit and not self.permit)
            or self.current_a < before.current_a
            or (before.pilot is PilotSignal.PWM and self.pilot is not PilotSignal.PWM)
        )


@dataclass(frozen=True, slots=True)
class ReadMeter:
    """Read the meter of an EVSE (0: main meter); MeterRead or MeterFailed follows."""

    evse: int


@dataclass(frozen=True, slots=True)
class Indicate:
    evse: int
    lamp: Lamp


@dataclass(frozen=True, slots=True)
class Save:
    """Write (or with value None delete) one row of durable state. Kinds: see `station.store`."""

    kind: str
    key: str
    value: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Record:
    """A fact that must arrive at the CSMS."""

    fact: Fact


@dataclass(frozen=True, slots=True)
class ConnectorNotice:
    """State of one connector. `evse` 0, connector 0 is the station itself (1.6 only).

    since: when this state began. fault, info: why it is faulted.
    """

    evse: int
    connector: int
    state: ConnectorState
    phase: ConnectorPhase
    since: Now
    fault: FaultCode | None = None
    info: str = ""
    forced: bool = False


@dataclass(frozen=True, slots=True)
class MeterNotice:
    """Readings outside a transaction (J01). Volatile: dropped when there is no link. `evse` 0: main meter."""

    evse: int
    samples: tuple[MeterSample, ...]
    forced: bool = False


NoticeBody = ConnectorNotice | MeterNotice


@dataclass(frozen=True, slots=True)
class Notice:
    """A state: the latest per key wins, coalesced while offline (B04)."""

    body: NoticeBody


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the CSMS whether `token` may charge; Answered or Unanswered follows before `deadline` (monotonic)."""

    ask: int
    token: IdToken
    deadline: float
    evse: int | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Start a job (saved before it starts, survives a restart)."""

    job: str
    kind: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cancel:
    job: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer to the command with this ref. Leaves before anything that the command produced."""

    ref: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class SettingChanged:
    """A device-model variable has a new value in force; whoever lives by it looks it up."""

    component: str
    variable: str


@dataclass(frozen=True, slots=True)
class Reboot:
    """Restart the program (evse 0) once every earlier effect is done. `reason` is a BootReasonEnumType word."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A driver's attempt was refused; a display or a log tells why. `token_key` never holds a PIN."""

    evse: int | None
    reason: str


Effect = (
    Output
    | ReadMeter
    | Indicate
    | Save
    | Record
    | Notice
    | Ask
    | Start
    | Cancel
    | Reply
    | SettingChanged
    | Reboot
    | Refused
)
