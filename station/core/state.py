"""What the core remembers, and one turn of handling: everything mutable of a station lives here, nothing of it outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from hal.api import FaultCode, Lamp, LockState, MeterReading
from station.clock import Now
from station.core.charging.limits import Limit
from station.core.connector import Connector
from station.core.device_model import DeviceModel
from station.core.effects import Effect, Output, Save
from station.core.pilot import Pilot
from station.core.transaction import Transaction
from station.core.types import (
    ConnectorPhase,
    ConnectorState,
    Credentials,
    EvseInfo,
    IdToken,
    NetworkProfile,
    ResetKind,
    TokenInfo,
    TxPoint,
)

TimerKey = tuple[str, int]
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
    """Who may charge on an EVSE. `remote_start_id` is set when a remote start brought it. `told`: a fact has named the token."""

    token: IdToken
    state: AuthState
    group: IdToken | None = None
    remote: bool = False
    remote_start_id: int | None = None
    ask: int | None = None
    told: bool = False

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

    held: the transaction points that held last time; risen_late: those that rose while a transaction was ending.
    signed: the meter has signed a reading since somebody was authorised at a connected vehicle (DataSigned).
    operative: as set for the EVSE itself (G03); resetting: it is reset when its transaction ends (B12).
    lock_holder: whose cable is kept locked though the session is over. jammed_locking: the bolt jammed on its way in.
    session_done: the cable of a finished session is still there. ev_reacted: the vehicle had its time to take the offer.
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
    reading: MeterReading | None = None
    reading_at: Now | None = None
    meter_failures: int = 0
    due: set[Due] = field(default_factory=set)
    signed: bool = False
    operative: bool = True
    resetting: bool = False
    output: Output | None = None
    limit: Limit = NO_LIMIT_YET
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
class StationState:
    """The whole station. `accepted`: the CSMS has accepted us since the start. `stopping`: power may not flow any more."""

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
    cache: dict[str, CacheEntry] = field(default_factory=dict)
    timers: dict[TimerKey, float] = field(default_factory=dict)
    asks: dict[int, Question] = field(default_factory=dict)
    next_ask: int = 1
    aligned_wall: float | None = None
    networks: dict[int, NetworkProfile] = field(default_factory=dict)
    credentials: Credentials = NO_CREDENTIALS
    shown: Shown | None = None
    shown_fault: FaultCode | None = None

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

    def timer(self, kind: str, evse: int, after_s: float) -> None:
        """(Re)start a timer that fires `after_s` seconds from now."""
        self.state.timers[(kind, evse)] = self.now.mono + after_s

    def cancel(self, kind: str, evse: int) -> None:
        self.state.timers.pop((kind, evse), None)
