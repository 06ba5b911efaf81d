"""What the core remembers, and one turn of handling: everything mutable of a station lives here, nothing of it outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from hal.api import FaultCode, Lamp, LockState, MeterReading
from station.clock import Now
from station.core.charging.limits import Limit
from station.core.charging.memory import Allowed, Charging
from station.core.charging.policy import Rules
from station.core.charging.profiles import Profile
from station.core.connector import Connector
from station.core.device_model import DeviceModel
from station.core.effects import Cancel, Effect, Output, Save, Start
from station.core.events import UpdateFirmware
from station.core.pilot import Pilot
from station.core.state_faults import Rcd
from station.core.state_safety import Safety
from station.core.transaction import Transaction
from station.core.types import (
    ConnectorPhase,
    ConnectorState,
    Credentials,
    EvseInfo,
    IdToken,
    NetworkProfile,
    NetworkSetup,
    ResetKind,
    TokenInfo,
    TxPoint,
)

TimerKey = tuple[str, int]
JOB_ROW = "job"
NO_CREDENTIALS = Credentials()
NO_LIMIT_YET = Limit(0.0, "")
Shown = tuple[ConnectorState, ConnectorPhase]


class Due(Enum):
    """What the next reading of a meter is wanted for, in the order in which it is used."""

    SAMPLE = 1  # TxUpdatedInterval: an Updated fact
    COLLECT = 2  # TxEndedInterval: kept for the Ended fact
    CLOCK = 3  # clock-aligned: an Updated fact, or a MeterNotice outside transactions
    CLOCK_COLLECT = 4  # clock-aligned, kept for the Ended fact
    TRIGGER_TX = 5  # F06: a fact of the running transaction
    TRIGGER = 6  # F06: a MeterNotice


class AuthState(Enum):
    """PENDING: the CSMS is being asked. INVALID: withdrawn by the CSMS while the transaction goes on (E05)."""

    PENDING = "Pending"
    ACCEPTED = "Accepted"
    INVALID = "Invalid"


@dataclass(slots=True)
class Authorization:
    """Who may charge on an EVSE. `remote_start_id` is set when a remote start brought it. `told`: a fact has named the token.

    profile: the charging profile that came with it, for the transaction to come (K05), and the rules that it was judged by.
    """

    token: IdToken
    state: AuthState
    group: IdToken | None = None
    remote: bool = False
    remote_start_id: int | None = None
    ask: int | None = None
    told: bool = False
    profile: tuple[Profile, Rules] | None = None

    @property
    def holds(self) -> bool:
        """The transaction is authorised, even if energy was withdrawn since."""
        return self.state is not AuthState.PENDING


@dataclass(frozen=True, slots=True)
class Question:
    """Why the CSMS was asked. `stops`: the token was presented to end another token's session (C09).

    anywhere: at a reader that serves every EVSE, so that the session may be at any of them.
    """

    evse: int
    token: IdToken
    stops: bool
    anywhere: bool = False


@dataclass(slots=True)
class EvseState:
    """One EVSE.

    faults: that stand, and their words, the oldest first; of them latched: until a person resets them, reported: by the hardware now.
    rcd: None where it cannot test itself.
    held: the transaction points that held last time; risen_late: those that rose while a transaction was ending.
    signed: the meter has signed a reading since somebody was authorised at a connected vehicle (DataSigned).
    operative: as set for the EVSE itself (G03); resetting: it is reset when its transaction ends (B12).
    lock_holder: whose cable is kept locked though the session is over. jammed_locking: the bolt jammed on its way in.
    session_done: the cable of a finished session is still there. ev_reacted: the vehicle had its time to take the offer.
    allowed: by the charging profiles. share: of what the station may draw, None: not shared; share_phases: on so many of them (None:
    all). derated_a: by temperature. appetite_a: what the vehicle takes, when that has been clearly less than offered for a while.
    sated: when the vehicle last asked for nothing of what it was offered. eased: when less was last offered than before; steady: when
    the offer last changed. used_phases: most phases that the vehicle has drawn on (0: not known yet). held_back: energy that flowed is
    paused by ourselves, and the vehicle has not said yet that it wants no more.
    """

    info: EvseInfo
    pilot: Pilot = field(default_factory=Pilot)
    connectors: list[Connector] = field(default_factory=list)
    relay_closed: bool = False
    lock: LockState = LockState.UNLOCKED
    cable_a: float | None = None
    bay_occupied: bool = False
    auth: Authorization | None = None
    tx: Transaction | None = None
    held: frozenset[TxPoint] = frozenset()
    risen_late: frozenset[TxPoint] = frozenset()
    faults: dict[FaultCode, str] = field(default_factory=dict)
    latched: dict[FaultCode, str] = field(default_factory=dict)
    reported: frozenset[FaultCode] = frozenset()
    rcd: Rcd | None = None
    reading: MeterReading | None = None
    reading_at: Now | None = None
    meter_failures: int = 0
    due: set[Due] = field(default_factory=set)
    signed: bool = False
    operative: bool = True
    resetting: bool = False
    output: Output | None = None
    limit: Limit = NO_LIMIT_YET
    allowed: Allowed | None = None
    share: Limit | None = None
    share_phases: int | None = None
    derated_a: float | None = None
    used_phases: int = 0
    held_back: bool = False
    appetite_a: float | None = None
    sated: float | None = None
    eased: float = 0.0
    steady: float = 0.0
    lamp: Lamp | None = None
    lock_holder: IdToken | None = None
    lock_holder_saved: IdToken | None = None
    lock_attempt: int = 0
    jammed_locking: bool = False
    session_done: bool = False
    ev_reacted: bool = False
    unlock_ref: int | None = None
    shown: tuple[Shown, ...] = ()
    shown_fault: FaultCode | None = None
    shown_since: Now | None = None
    safety: Safety = field(default_factory=Safety)

    @property
    def number(self) -> int:
        return self.info.evse

    @property
    def connector(self) -> Connector:
        """The connector in use. EVSEs with several use one at a time; until one is plugged, the first that is in service."""
        for connector in self.connectors:
            if connector.plugged:
                return connector
        return next((c for c in self.connectors if not c.inoperative), self.connectors[0])

    @property
    def open_tx(self) -> Transaction | None:
        return self.tx if self.tx is not None and self.tx.open else None

    @property
    def accepted(self) -> bool:
        return self.auth is not None and self.auth.state is AuthState.ACCEPTED

    @property
    def authorized(self) -> bool:
        return self.auth is not None and self.auth.holds


@dataclass(slots=True)
class CacheEntry:
    """One token in the authorization cache (C10). `used` wall seconds, for eviction and AuthCacheLifeTime."""

    info: TokenInfo
    stored: float
    used: float


@dataclass(slots=True)
class Connection:
    """What is known of the way to the CSMS, beside the profiles themselves (`StationState.networks`).

    used: the slot over which a CSMS has accepted us last, proven: the security profile of that. raising: a slot that a 1.6 CSMS wants
    tried, to be kept only if it works. old_password: the one before BasicAuthPassword, while `unproven`: that has not worked yet (None:
    the configured one). password_bytes: it works as the bytes that its hex digits stand for.
    fallback: what has worked in the slot `used`, while something else is in it that has not. made_room: what was in the slot `raising`
    before, and whether NetworkConfigurationPriority named that.
    """

    setup: NetworkSetup = field(default_factory=NetworkSetup)
    used: int | None = None
    proven: int | None = None
    raising: int | None = None
    unproven: bool = False
    old_password: str | None = field(default=None, repr=False)
    password_bytes: bool | None = None
    fallback: NetworkProfile | None = None
    made_room: tuple[NetworkProfile, bool] | None = None


@dataclass(slots=True)
class LogUpload:
    """The upload of a log that is under way. `status`: what the CSMS was told last."""

    job: str
    request_id: int
    status: str = "Uploading"


class UpdateStep(Enum):
    """Where a firmware update is: what it waits for, or what is done for it."""

    RETRIEVE = "retrieve"  # the time at which to retrieve the file
    DOWNLOAD = "download"  # the job that retrieves and checks it
    WAIT = "wait"  # the time at which to install it, then the end of transactions
    INSTALL = "install"  # the job that installs it
    REBOOT = "reboot"  # the end of transactions, to activate it
    ACTIVATE = "activate"  # the restart
    DONE = "done"


@dataclass(slots=True)
class FirmwareUpdate:
    """One firmware update from its request to its end (L01). `station.core.firmware` keeps a row of it.

    plan: the request. status: what the CSMS was told last. job: the one that runs for it. before: version when it was asked for;
    expected: version that the installer promises. file: name of the file in the station's own folder.
    """

    plan: UpdateFirmware
    before: str
    step: UpdateStep = UpdateStep.RETRIEVE
    status: str = ""
    job: str | None = None
    file: str | None = None
    expected: str | None = None

    @property
    def running(self) -> bool:
        return self.step is not UpdateStep.DONE


@dataclass(slots=True)
class StationState:
    """The whole station. `accepted`: the CSMS has accepted us since the start. `stopping`: power may not flow any more.

    updating: no new session, a firmware is to be installed. first_logged: wall time of the oldest entry of the security log.
    alerts: how many the CSMS was told of since the start; alerted: which of them have not ended yet.
    """

    model: DeviceModel
    new_id: Callable[[], str]
    evses: dict[int, EvseState]
    meter_poll_s: float = 5.0
    online: bool = False
    accepted: bool = False
    save_failed: bool = False
    stopping: bool = False
    reset: ResetKind | None = None
    reset_ready: bool = False
    operative: bool = True
    security_events: int = 0
    faults: dict[FaultCode, str] = field(default_factory=dict)
    latched: dict[FaultCode, str] = field(default_factory=dict)
    reported: frozenset[FaultCode] = frozenset()
    alerts: int = 0
    alerted: set[str] = field(default_factory=set)
    cache: dict[str, CacheEntry] = field(default_factory=dict)
    timers: dict[TimerKey, float] = field(default_factory=dict)
    asks: dict[int, Question] = field(default_factory=dict)
    next_ask: int = 1
    aligned_wall: float | None = None
    networks: dict[int, NetworkProfile] = field(default_factory=dict)
    connection: Connection = field(default_factory=Connection)
    credentials: Credentials = NO_CREDENTIALS
    upload: LogUpload | None = None
    firmware: FirmwareUpdate | None = None
    updating: bool = False
    jobs_started: int = 0
    first_logged: float | None = None
    shown: Shown | None = None
    shown_fault: FaultCode | None = None
    charging: Charging = field(default_factory=Charging)

    @classmethod
    def fresh(
        cls, infos: Sequence[EvseInfo], model: DeviceModel, new_id: Callable[[], str], meter_poll_s: float
    ) -> StationState:
        evses = {
            info.evse: EvseState(
                info=info, connectors=[Connector(n, kind) for n, kind in enumerate(info.connectors, start=1)]
            )
            for info in infos
        }
        return cls(model=model, new_id=new_id, evses=evses, meter_poll_s=meter_poll_s)


class Turn:
    """Handling of one event: the state, the moment, and the effects so far."""

    __slots__ = ("effects", "now", "state")

    def __init__(self, state: StationState, now: Now) -> None:
        self.state = state
        self.now = now
        self.effects: list[Effect] = []

    @property
    def model(self) -> DeviceModel:
        return self.state.model

    def emit(self, effect: Effect) -> None:
        self.effects.append(effect)

    def save(self, kind: str, key: str, value: dict[str, object] | None) -> None:
        self.effects.append(Save(kind, key, value))

    def start_job(self, kind: str, arguments: dict[str, object]) -> str:
        """Start a job and return its name. Its row is part of this turn's commit: what we promise with the reply is not lost."""
        self.state.jobs_started += 1
        job = f"{kind}-{self.now.boot}-{self.state.jobs_started}"
        self.save(JOB_ROW, job, {"kind": kind, "arguments": arguments, "attempts": 0, "state": {}})
        self.effects.append(Start(job, kind, arguments))
        return job

    def cancel_job(self, job: str) -> None:
        """Stop a job; after a restart it does not come back."""
        self.save(JOB_ROW, job, None)
        self.effects.append(Cancel(job))

    def timer(self, kind: str, evse: int, after_s: float) -> None:
        """(Re)start a timer that fires `after_s` seconds from now."""
        self.state.timers[(kind, evse)] = self.now.mono + after_s

    def cancel(self, kind: str, evse: int) -> None:
        self.state.timers.pop((kind, evse), None)
