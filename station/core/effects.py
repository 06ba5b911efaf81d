"""What the core wants done. The gateway carries effects out in LAW 2's order, whatever their order in the list."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from hal.api import FaultCode, Lamp, PilotSignal, SignedMoment
from station.clock import Now
from station.core.facts import Fact
from station.core.types import ConnectorPhase, ConnectorState, IdToken, MeterSample, Verdict


@dataclass(frozen=True, slots=True)
class Output:
    """The level that one EVSE's hardware shall converge on. The newest one is the only one that counts.

    cause: the name of what binds `current_a` ("why this current?").
    lock_attempt: rises when the bolt shall be moved again although `locked` is what it was (F05).
    """

    evse: int
    permit: bool
    current_a: float
    pilot: PilotSignal
    locked: bool
    phases: int = 3
    cause: str = ""
    lock_attempt: int = 0

    def limited(self, before: Output | None) -> Output:
        """The part of this level that must wait for nothing (LAW 2): in no respect more than `before`, the level in force.

        Releasing the plug is part of it: a driver is not held by a full disk. Without `before`, nothing is in force yet.
        """
        if before is None:
            before = Output(self.evse, False, 0.0, PilotSignal.OFF, locked=False, phases=self.phases)
        raises_pilot = self.pilot is PilotSignal.PWM and before.pilot is not PilotSignal.PWM
        permit = self.permit and before.permit
        return replace(
            self,
            permit=permit,
            current_a=min(self.current_a, before.current_a),
            pilot=before.pilot if raises_pilot else self.pilot,
            locked=self.locked and before.locked,
            phases=min(self.phases, before.phases) if permit else self.phases,
            lock_attempt=before.lock_attempt if self.locked else self.lock_attempt,
        )

    def same_level(self, other: Output | None) -> bool:
        """Whether the hardware would see no difference."""
        return other is not None and replace(self, cause="") == replace(other, cause="")


@dataclass(frozen=True, slots=True)
class ReadMeter:
    """Read the meter of an EVSE (0: main meter); MeterRead or MeterFailed follows."""

    evse: int


@dataclass(frozen=True, slots=True)
class SignReading:
    """Let the meter of an EVSE sign what it shows; SignedReading follows. Arguments as in hal.api.SigningMeter."""

    evse: int
    moment: SignedMoment
    identification: str
    wall_s: float | None


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Let the residual-current device of an EVSE test itself; SelfTested follows."""

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
    value: dict[str, Any] | None = field(repr=False)  # may be a password


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
    arguments: dict[str, Any] = field(repr=False)  # may hold an address with a password


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
    | SignReading
    | SelfTest
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
