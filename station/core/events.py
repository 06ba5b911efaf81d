"""Everything that can happen to a station: hardware events (hal.api), commands, and news from the shell around the core.

Commands carry no reply slot of their own: the gateway pairs an event with the `Reply` effects that its handling emits
(`Reply.ref` is the `ref` of the command).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hal.api import HalEvent, MeterReading, SignedMoment
from station.core.charging.policy import RULES_201, Rules
from station.core.charging.profiles import LimitSource, Profile, Purpose, RateUnit
from station.core.types import Credentials, IdToken, NetworkProfile, ResetKind, TokenInfo


@dataclass(frozen=True, slots=True)
class RemoteStart:
    """F01, F02. `evse` None: the station chooses. `profile`: for the transaction to come (K05), judged by `rules`."""

    ref: int
    token: IdToken
    remote_start_id: int | None = None
    evse: int | None = None
    group: IdToken | None = None
    profile: Profile | None = None
    rules: Rules = RULES_201


@dataclass(frozen=True, slots=True)
class RemoteStop:
    """F03."""

    ref: int
    tx_id: str


@dataclass(frozen=True, slots=True)
class Unlock:
    """F05. `stops_transaction`: 1.6 ends a running transaction first, 2.x refuses."""

    ref: int
    evse: int
    connector: int = 1
    stops_transaction: bool = False


@dataclass(frozen=True, slots=True)
class ChangeAvailability:
    """G03, G04. `evse` 0: the whole station; `connector` None: every connector of the EVSE."""

    ref: int
    operative: bool
    evse: int = 0
    connector: int | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """B11, B12. `evse` 0: the whole station."""

    ref: int
    kind: ResetKind
    evse: int = 0


@dataclass(frozen=True, slots=True)
class VariableWrite:
    """One item of SetVariables (B05). Names as in the 2.x device model."""

    component: str
    variable: str
    value: str = field(repr=False)  # may be a password
    component_instance: str | None = None
    variable_instance: str | None = None
    evse: int | None = None
    connector: int | None = None
    attribute: str = "Actual"


@dataclass(frozen=True, slots=True)
class SetVariables:
    """`by_technician` may also write read-only variables (front panel, scenario)."""

    ref: int
    writes: tuple[VariableWrite, ...]
    by_technician: bool = False


@dataclass(frozen=True, slots=True)
class ClearCache:
    """C11."""

    ref: int


@dataclass(frozen=True, slots=True)
class TriggerStatus:
    """F06: announce the status of one EVSE's connectors, or of all (None); 0 is the station itself (1.6)."""

    ref: int
    evse: int | None = None


@dataclass(frozen=True, slots=True)
class TriggerMeterValues:
    """F06: read and report AlignedDataMeasurands now."""

    ref: int
    evse: int | None = None


@dataclass(frozen=True, slots=True)
class TriggerTransaction:
    """F06: a TransactionEvent with trigger reason Trigger for running transactions."""

    ref: int
    evse: int | None = None


@dataclass(frozen=True, slots=True)
class SetNetworkProfile:
    """B09: write one network connection profile into its slot (numbered from 1)."""

    ref: int
    slot: int
    profile: NetworkProfile


@dataclass(frozen=True, slots=True)
class RaiseSecurityProfile:
    """A05 of the 1.6 security whitepaper: reach the same CSMS with a higher security profile, at once."""

    ref: int
    profile: int


@dataclass(frozen=True, slots=True)
class GetLog:
    """N01, and GetLog of the 1.6 security whitepaper. log: "DiagnosticsLog" or "SecurityLog".

    url: where to; `oldest`, `latest`: wall seconds of the first and last entry wanted. retries after the first attempt, `interval_s`
    apart (None: ours to choose).
    """

    ref: int
    request_id: int
    log: str
    url: str = field(repr=False)  # may hold credentials
    oldest: float | None = None
    latest: float | None = None
    retries: int | None = None
    interval_s: float | None = None


@dataclass(frozen=True, slots=True)
class UpdateFirmware:
    """L01, and SignedUpdateFirmware of the 1.6 security whitepaper. Times are wall seconds, certificate is PEM, signature base64.

    finding: what the check of the certificate has found: "Accepted", "InvalidCertificate", "RevokedCertificate". signed: which of the
    two messages of 1.6 it came with.
    """

    ref: int
    request_id: int
    url: str = field(repr=False)  # may hold credentials
    retrieve_at: float
    install_at: float | None = None
    certificate: str | None = None
    signature: str | None = None
    retries: int | None = None
    interval_s: float | None = None
    finding: str = "Accepted"
    signed: bool = True


@dataclass(frozen=True, slots=True)
class TriggerLogStatus:
    """F06: tell how the upload of a log stands, Idle when there is none."""

    ref: int


@dataclass(frozen=True, slots=True)
class TriggerFirmwareStatus:
    """F06: tell the status of the firmware update that was told last, Idle when there is none or it was Installed."""

    ref: int
    signed: bool = True


@dataclass(frozen=True, slots=True)
class InstallProfile:
    """K01, 1.6 5.16: install a charging profile at `evse` (0: the station), judged by the rules of the version it came in."""

    ref: int
    profile: Profile
    evse: int
    rules: Rules = RULES_201
    source: LimitSource = LimitSource.CSO


@dataclass(frozen=True, slots=True)
class ClearProfiles:
    """K10, 1.6 5.5: an id alone, or everything that fits all that is given. Accepted, or Unknown when nothing fits.

    External constraints are never cleared by a CSMS (K10.FR.06): `by` tells whose profiles may go.
    """

    ref: int
    profile_id: int | None = None
    evse: int | None = None
    purpose: Purpose | None = None
    stack_level: int | None = None
    by: LimitSource = LimitSource.CSO


@dataclass(frozen=True, slots=True)
class GetComposite:
    """K08, 1.6 5.7: the verdict's data has `composite` (station.core.charging.composite), and the `tx` and `zone` that it was made for.

    merge_causes False keeps neighbours apart that differ only in who binds (for people).
    """

    ref: int
    evse: int
    duration_s: int
    unit: RateUnit | None = None
    merge_causes: bool = True


@dataclass(frozen=True, slots=True)
class SetNeeds:
    """What the driver at `evse` wants of this session: when to leave (wall), how much energy until then, priority among the EVSEs.

    None leaves a wish as it was; `clear` forgets all of them first.
    """

    ref: int
    evse: int
    departs: float | None = None
    energy_wh: float | None = None
    priority: int | None = None
    clear: bool = False


@dataclass(frozen=True, slots=True)
class ResetFault:
    """A person has looked at the faults of an EVSE (0: of the station) that stand until then, and wants them gone."""

    ref: int
    evse: int


Command = (
    RemoteStart
    | RemoteStop
    | Unlock
    | ChangeAvailability
    | Reset
    | SetVariables
    | ClearCache
    | TriggerStatus
    | TriggerMeterValues
    | TriggerTransaction
    | SetNetworkProfile
    | RaiseSecurityProfile
    | GetLog
    | UpdateFirmware
    | TriggerLogStatus
    | TriggerFirmwareStatus
    | InstallProfile
    | ClearProfiles
    | GetComposite
    | SetNeeds
    | ResetFault
)


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The CSMS has accepted us and records may flow. `offline_s`: how long it had not been so (None: first time)."""

    offline_s: float | None = None


@dataclass(frozen=True, slots=True)
class LinkDown:
    """Answers cannot be had from the CSMS for now."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The CSMS answered `Ask` number `ask`."""

    ask: int
    info: TokenInfo


@dataclass(frozen=True, slots=True)
class Unanswered:
    """It did not: offline, time-out or refusal."""

    ask: int


@dataclass(frozen=True, slots=True)
class TokenReported:
    """The answer to a transaction record carried news about the token (E05, C10)."""

    tx_id: str
    token: IdToken
    info: TokenInfo


@dataclass(frozen=True, slots=True)
class SaveFailed:
    """A commit failed: no new sessions, running ones end safely (LAW 2)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Saved:
    """Commits work again after SaveFailed."""


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock moved by `by_s` seconds; wall-clock deadlines must be computed anew."""

    by_s: float


@dataclass(frozen=True, slots=True)
class SecurityNoted:
    """The shell noticed a security event (A04), e.g. a server certificate that does not fit. `kind`: the OCA's word for it."""

    kind: str
    info: str | None = None


@dataclass(frozen=True, slots=True)
class CredentialsChanged:
    """The certificate store tells what is in it: at start, and after every change."""

    credentials: Credentials


@dataclass(frozen=True, slots=True)
class NetworkUsed:
    """The CSMS has accepted us over the network connection profile in this slot.

    security_profile: of that connection; the slot may have been written since. password: what proved us: "text" or "bytes" of
    BasicAuthPassword (the latter for a 1.6 key in hex), "old" for the password before it, "" for the configured one or none.
    profile: what the connection was made with, None: what is in the slot.
    """

    slot: int
    security_profile: int
    password: str = ""
    profile: NetworkProfile | None = None


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is; volatile. `data` is the handler's own."""

    job: str
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobDone:
    """A job has ended: with `result`, with `error` (why it failed or was given up), or because it was cancelled."""

    job: str
    kind: str
    result: dict[str, Any] | None = None
    error: str | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class MeterFailed:
    """A reading was asked for and could not be had."""

    evse: int
    reason: str


@dataclass(frozen=True, slots=True)
class SignedReading:
    """The meter was asked to sign. reading None: it could not, `info` says why; its `signed` None: the record comes later."""

    evse: int
    moment: SignedMoment
    reading: MeterReading | None
    info: str = ""


@dataclass(frozen=True, slots=True)
class SelfTested:
    """The residual-current device has tested itself. passed None: the test could not be run, `info` says why."""

    evse: int
    passed: bool | None
    info: str = ""


@dataclass(frozen=True, slots=True)
class ShutdownRequested:
    """The program is asked to stop (SIGTERM): end nothing, save everything, forbid power."""


Event = (
    HalEvent
    | Command
    | LinkUp
    | LinkDown
    | Answered
    | Unanswered
    | TokenReported
    | SaveFailed
    | Saved
    | ClockStepped
    | SecurityNoted
    | CredentialsChanged
    | NetworkUsed
    | JobProgress
    | JobDone
    | MeterFailed
    | SignedReading
    | SelfTested
    | ShutdownRequested
)
