"""Vocabulary of the core. Enum values are the names of the OCPP 2.x data model where it has one; nothing here is a message.

Units: A, W, Wh, V, s, percent. Wall times are seconds since the epoch (UTC).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from hal.api import TokenKind
from station.clock import Now

__all__ = [
    "AuthStatus",
    "ChargingState",
    "ConnectorPhase",
    "ConnectorState",
    "Credentials",
    "EvseInfo",
    "IdToken",
    "MeterSample",
    "NetworkProfile",
    "NetworkSetup",
    "ReadingContext",
    "ResetKind",
    "SampledValue",
    "StopReason",
    "TokenInfo",
    "TokenKind",
    "Trigger",
    "TxPhase",
    "TxPoint",
    "Verdict",
]


class TxPoint(Enum):
    """When a transaction starts or stops (TxStartPoint, TxStopPoint; E01, E06)."""

    PARKING_BAY_OCCUPANCY = "ParkingBayOccupancy"
    EV_CONNECTED = "EVConnected"
    AUTHORIZED = "Authorized"
    DATA_SIGNED = "DataSigned"
    POWER_PATH_CLOSED = "PowerPathClosed"
    ENERGY_TRANSFER = "EnergyTransfer"


class TxPhase(Enum):
    """Whether a fact opens, continues or closes its transaction."""

    STARTED = "Started"
    UPDATED = "Updated"
    ENDED = "Ended"


class Trigger(Enum):
    """Why a transaction fact was recorded (TriggerReasonEnumType)."""

    ABNORMAL_CONDITION = "AbnormalCondition"
    AUTHORIZED = "Authorized"
    CABLE_PLUGGED_IN = "CablePluggedIn"
    CHARGING_RATE_CHANGED = "ChargingRateChanged"
    CHARGING_STATE_CHANGED = "ChargingStateChanged"
    DEAUTHORIZED = "Deauthorized"
    ENERGY_LIMIT_REACHED = "EnergyLimitReached"
    EV_COMMUNICATION_LOST = "EVCommunicationLost"
    EV_CONNECT_TIMEOUT = "EVConnectTimeout"
    EV_DEPARTED = "EVDeparted"
    EV_DETECTED = "EVDetected"
    METER_VALUE_CLOCK = "MeterValueClock"
    METER_VALUE_PERIODIC = "MeterValuePeriodic"
    REMOTE_START = "RemoteStart"
    REMOTE_STOP = "RemoteStop"
    RESET_COMMAND = "ResetCommand"
    SIGNED_DATA_RECEIVED = "SignedDataReceived"
    STOP_AUTHORIZED = "StopAuthorized"
    TRIGGER = "Trigger"
    UNLOCK_COMMAND = "UnlockCommand"


class StopReason(Enum):
    """Why a transaction ended. HARD_RESET, SOFT_RESET and UNLOCK_COMMAND exist in 1.6 only; 2.x maps them."""

    DE_AUTHORIZED = "DeAuthorized"
    EMERGENCY_STOP = "EmergencyStop"
    ENERGY_LIMIT_REACHED = "EnergyLimitReached"
    EV_DISCONNECTED = "EVDisconnected"
    GROUND_FAULT = "GroundFault"
    IMMEDIATE_RESET = "ImmediateReset"
    LOCAL = "Local"
    MASTER_PASS = "MasterPass"  # noqa: S105 - a stop reason, not a password
    OTHER = "Other"
    OVERCURRENT_FAULT = "OvercurrentFault"
    POWER_LOSS = "PowerLoss"
    POWER_QUALITY = "PowerQuality"
    REBOOT = "Reboot"
    REMOTE = "Remote"
    STOPPED_BY_EV = "StoppedByEV"
    TIMEOUT = "Timeout"
    HARD_RESET = "HardReset"
    SOFT_RESET = "SoftReset"
    UNLOCK_COMMAND = "UnlockCommand"


class ChargingState(Enum):
    """ChargingStateEnumType."""

    IDLE = "Idle"
    EV_CONNECTED = "EVConnected"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"


class ConnectorState(Enum):
    """ConnectorStatusEnumType."""

    AVAILABLE = "Available"
    OCCUPIED = "Occupied"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


class ConnectorPhase(Enum):
    """What an occupied connector is occupied with: the finer states that a driver sees on a display.

    Values are the OCPP 1.6 ChargePointStatus words.
    """

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


class AuthStatus(Enum):
    """AuthorizationStatusEnumType."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    CONCURRENT_TX = "ConcurrentTx"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    NO_CREDIT = "NoCredit"
    NOT_ALLOWED_TYPE_EVSE = "NotAllowedTypeEVSE"
    NOT_AT_THIS_LOCATION = "NotAtThisLocation"
    NOT_AT_THIS_TIME = "NotAtThisTime"
    UNKNOWN = "Unknown"


class ReadingContext(Enum):
    """ReadingContextEnumType."""

    INTERRUPTION_BEGIN = "Interruption.Begin"
    INTERRUPTION_END = "Interruption.End"
    OTHER = "Other"
    SAMPLE_CLOCK = "Sample.Clock"
    SAMPLE_PERIODIC = "Sample.Periodic"
    TRANSACTION_BEGIN = "Transaction.Begin"
    TRANSACTION_END = "Transaction.End"
    TRIGGER = "Trigger"


class ResetKind(Enum):
    """IMMEDIATE and ON_IDLE are 2.x, HARD and SOFT are 1.6 (both end transactions first, with their own reason)."""

    IMMEDIATE = "Immediate"
    ON_IDLE = "OnIdle"
    HARD = "Hard"
    SOFT = "Soft"


@dataclass(frozen=True, slots=True)
class IdToken:
    """An identifier and its kind. Equality ignores case and anything else attached (errata C01.FR.25/26).

    random: the card made it up (hal.api.CardPresented): no list and no cache may speak of it.
    """

    value: str
    kind: TokenKind = TokenKind.ISO14443
    random: bool = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdToken) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        """A PIN is never shown (C04)."""
        value = "***" if self.kind is TokenKind.KEY_CODE else self.value
        return f"IdToken({value!r}, {self.kind.value})"

    @property
    def key(self) -> str:
        """Stable key for caches and rows."""
        return f"{self.kind.value}:{self.value.casefold()}"


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What a CSMS (or a list) says of a token. `expires` is wall time; `evses` empty means every EVSE."""

    status: AuthStatus
    group: IdToken | None = None
    expires: float | None = None
    evses: tuple[int, ...] = ()
    language: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class SampledValue:
    """One value of one measurand, in the unit that OCPP assumes for it (Wh, W, A, V, Hz, Percent, Celsius).

    signed, public_key: as in hal.api.MeterReading.
    """

    measurand: str
    value: float
    unit: str
    phase: str | None = None
    signed: str | None = None
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class MeterSample:
    """Values read at one moment for one purpose."""

    at: Now
    context: ReadingContext
    values: tuple[SampledValue, ...]


@dataclass(frozen=True, slots=True)
class EvseInfo:
    """What the core must know of an EVSE's hardware. `connectors` are their types, connector 1 first.

    max_a is what the board can do, configured_a what the installer allows (None: no lower limit), both per phase. has_pilot: the host
    makes the pilot signal itself (pilot level), so that it may give states E and F; else the board does. self_test: its RCD can test
    itself. signs: its meter can sign.
    """

    evse: int
    connectors: tuple[str, ...] = ("sType2",)
    max_a: float = 32.0
    min_a: float = 6.0
    configured_a: float | None = None
    phases: int = 3
    voltage_v: float = 230.0
    has_lock: bool = True
    fixed_cable: bool = False
    has_meter: bool = True
    ventilated: bool = False
    phase_switching: bool = False
    has_pilot: bool = True
    self_test: bool = False
    signs: bool = False


@dataclass(frozen=True, slots=True)
class NetworkProfile:
    """One network connection profile (B09): where a CSMS is and how to connect to it.

    version: OCPP version to offer there ("1.6", "2.0.1"); empty: whatever the station is configured with. security_profile: 0 to 3
    (A00). message_timeout_s: 0: as the variable MessageTimeout says. extra: parts of a SetNetworkProfile that we keep but cannot
    use (apn, vpn), in wire form.
    """

    url: str = field(repr=False)  # may hold a token
    security_profile: int
    version: str = ""
    message_timeout_s: int = 0
    interface: str = "Wired0"
    transport: str = "JSON"
    extra: dict[str, object] = field(default_factory=dict, repr=False)  # may hold passwords


@dataclass(frozen=True, slots=True)
class NetworkSetup:
    """What the operator's file says of the way to the CSMS.

    profiles: slot (from 1) -> profile. versions: OCPP versions that the station may speak. ca_file, certificate, password: whether
    the file gives roots to trust, a station certificate and a Basic auth password. secure_url: where the CSMS speaks TLS, None: at
    the host and path of the plain URL.
    """

    profiles: Mapping[int, NetworkProfile] = field(default_factory=dict)
    versions: tuple[str, ...] = ("2.0.1", "1.6")
    ca_file: bool = False
    certificate: bool = False
    password: bool = False
    secure_url: str | None = field(default=None, repr=False)  # may hold a token


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the certificate store can prove and check, as far as the core's verdicts depend on it.

    csms_roots: valid CSMS root certificates. station_certificate: a valid one of our own is there (profile 3).
    entries: certificates installed (SecurityCtrlr.CertificateEntries).
    """

    csms_roots: int = 0
    station_certificate: bool = False
    entries: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Answer of the core to a command: a 2.x status word, optionally a reason code and data for the answer."""

    status: str
    reason: str | None = None
    info: str | None = None
    data: dict[str, object] = field(default_factory=dict)
