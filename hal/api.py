"""What a charging station needs from hardware: events that come in, small protocols that go out.

Units are in the names: `_a` ampere (per phase), `_w` watt, `_wh` watt-hour, `_v` volt, `_hz` hertz, `_s` second.
EVSE numbers start at 1; `evse=0` means the station as a whole (main meter, station-wide fault).

Drivers push `HalEvent`s into the `Sink` they were started with, from the event loop's thread, and never block in it.
Events carry no time: whoever receives them stamps them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable


class PilotState(Enum):
    """Control-pilot state as seen by the EVSE (IEC 61851-1 table A.1)."""

    A = "A"  # +12 V: no vehicle
    B = "B"  # +9 V: vehicle connected, not ready
    C = "C"  # +6 V: vehicle wants energy
    D = "D"  # +3 V: vehicle wants energy and ventilation
    E = "E"  # 0 V: short circuit or no pilot supply
    F = "F"  # -12 V: EVSE not available


class PilotSignal(Enum):
    """What the EVSE puts on the pilot."""

    OFF = "X1"  # steady +12 V: no energy offered
    PWM = "X2"  # 1 kHz: duty says how many amperes
    FAULT = "F"  # steady -12 V


class LockState(Enum):
    """Retention lock of the plug, as confirmed by its feedback contact."""

    UNLOCKED = "Unlocked"
    LOCKED = "Locked"
    JAMMED = "Jammed"


class Lamp(Enum):
    """What the user-visible indicator of an EVSE tells."""

    AVAILABLE = "Available"
    OCCUPIED = "Occupied"
    WAITING_FOR_AUTHORIZATION = "WaitingForAuthorization"
    CHARGING = "Charging"
    PAUSED = "Paused"
    REFUSED = "Refused"
    FAULT = "Fault"
    UNAVAILABLE = "Unavailable"


class TokenKind(Enum):
    """How a reader learnt an identifier. Values are the OCPP 2.x IdTokenEnumType names."""

    ISO14443 = "ISO14443"
    ISO15693 = "ISO15693"
    KEY_CODE = "KeyCode"
    LOCAL = "Local"
    CENTRAL = "Central"
    EMAID = "eMAID"
    MAC_ADDRESS = "MacAddress"
    NO_AUTHORIZATION = "NoAuthorization"


class FaultCode(Enum):
    """Faults by their MREC name (ChargeX minimum required error codes), plus two of our own for parts MREC has no word for."""

    CONNECTOR_LOCK_FAILURE = "ConnectorLockFailure"
    GROUND_FAILURE = "GroundFailure"
    HIGH_TEMPERATURE = "HighTemperature"
    OVER_CURRENT_FAILURE = "OverCurrentFailure"
    OVER_VOLTAGE = "OverVoltage"
    UNDER_VOLTAGE = "UnderVoltage"
    WEAK_SIGNAL = "WeakSignal"
    EMERGENCY_STOP = "EmergencyStop"
    INVALID_VEHICLE_MODE = "InvalidVehicleMode"
    PILOT_FAULT = "PilotFault"
    POWER_LOSS = "PowerLoss"
    EVSE_CONTACTOR_FAULT = "EVSEContactorFault"
    CABLE_OVER_TEMP_DERATE = "CableOverTempDerate"
    CABLE_OVER_TEMP_STOP = "CableOverTempStop"
    PROXIMITY_FAULT = "ProximityFault"
    BROKEN_LATCH = "BrokenLatch"
    CUT_CABLE = "CutCable"
    METER_FAILURE = "MeterFailure"
    READER_FAILURE = "ReaderFailure"
    INTERNAL_ERROR = "InternalError"


class ControlLevel(Enum):
    """Who runs IEC 61851: PILOT = the host sets the duty cycle; CURRENT = the board does, the host sets amperes."""

    PILOT = "pilot"
    CURRENT = "current"


class OnHostLoss(Enum):
    """What the board does by itself when the host falls silent (LAW 4)."""

    OPENS = "opens"
    REDUCES = "reduces"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class MeterReading:
    """One consistent set of registers. `energy_import_wh` is the only value that every meter has.

    `current_a`, `voltage_v` and `power_phase_w` hold one value per phase present (1 or 3), or are empty.
    `signed` passes a meter's signed record (OCMF...) through untouched; `public_key` checks it (DER in hex), empty where unknown.
    """

    energy_import_wh: float
    energy_export_wh: float | None = None
    power_w: float | None = None
    current_a: tuple[float, ...] = ()
    voltage_v: tuple[float, ...] = ()
    power_phase_w: tuple[float, ...] = ()
    frequency_hz: float | None = None
    soc_percent: float | None = None
    temperature_c: float | None = None
    signed: str | None = None
    public_key: str = ""


# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PilotChanged:
    evse: int
    state: PilotState


@dataclass(frozen=True, slots=True)
class ProximityChanged:
    """Current rating of the plugged cable, coded by its PP resistor; None: no cable in the socket."""

    evse: int
    cable_a: float | None


@dataclass(frozen=True, slots=True)
class PowerPathChanged:
    """The contactor as its mirror contact tells it, not as it was commanded."""

    evse: int
    closed: bool


@dataclass(frozen=True, slots=True)
class LockChanged:
    evse: int
    state: LockState


@dataclass(frozen=True, slots=True)
class BayChanged:
    """A parking-bay sensor sees a vehicle."""

    evse: int
    occupied: bool


@dataclass(frozen=True, slots=True)
class MeterRead:
    evse: int
    reading: MeterReading


@dataclass(frozen=True, slots=True)
class CardPresented:
    """`evse` is None when one reader serves the whole station.

    random: the card makes up another identifier each time (a phone, a passport): it names nobody, so never keep it in a list.
    """

    evse: int | None
    value: str
    kind: TokenKind = TokenKind.ISO14443
    random: bool = False


@dataclass(frozen=True, slots=True)
class KeyEntered:
    """A PIN typed on a keypad. Never logged."""

    evse: int | None
    pin: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ButtonPressed:
    """The start/stop button of an EVSE without a reader (C02)."""

    evse: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault begins (`active`) or ends. `evse=0` concerns the whole station."""

    evse: int
    code: FaultCode
    active: bool
    info: str = ""


@dataclass(frozen=True, slots=True)
class PowerFailing:
    """The supply is going; a capacitor gives us milliseconds to write down what must not be lost."""


HalEvent = (
    PilotChanged
    | ProximityChanged
    | PowerPathChanged
    | LockChanged
    | BayChanged
    | MeterRead
    | CardPresented
    | KeyEntered
    | ButtonPressed
    | Fault
    | PowerFailing
)

Sink = Callable[[HalEvent], None]


# --- protocols ------------------------------------------------------------------------------------------------------


class Device(Protocol):
    """Anything that is opened and closed. `start` returns when the device answers; raises HalError when it cannot."""

    async def start(self, sink: Sink) -> None: ...

    async def close(self) -> None:
        """Leave the hardware in its safe state (forbid, X1) and release the port. Idempotent."""


@runtime_checkable
class Living(Device, Protocol):
    """A device with a task of its own that keeps up with the hardware."""

    @property
    def life(self) -> Awaitable[None] | None:
        """That task (an asyncio.Task), between `start` and `close`. When it ends before, the driver has failed: it is started anew."""


class Reader(Device, Protocol):
    """A card reader, keypad or button. name: of its port, for messages. evse: where it stands, 0: for the whole station."""

    @property
    def name(self) -> str: ...

    @property
    def evse(self) -> int: ...


class Pilot(Protocol):
    """Control pilot of one EVSE. Current-level boards map PWM to "enable at that current" and OFF to "sleep"."""

    async def signal(self, signal: PilotSignal, current_a: float) -> None: ...


class PowerPath(Protocol):
    """Permission that power may flow; the board decides when it really closes (LAW 4)."""

    async def permit(self, allowed: bool, phases: int) -> None:
        """False opens at once, under load if need be. Whoever wants a vehicle to stop gently withdraws the offer first
        (`PilotSignal.OFF`), keeps the permission until the vehicle has let go (IEC 61851-1 A.6 seq 10: 6 s), then forbids.
        """


class Lock(Protocol):
    async def set_locked(self, locked: bool) -> None:
        """Start to move the bolt; the result comes as LockChanged."""


class Meter(Protocol):
    async def read(self) -> MeterReading:
        """Read the registers now. Raises BusError or DeviceError."""


@runtime_checkable
class CheckedMeter(Meter, Protocol):
    """A meter whose readings are compared with earlier ones, and refused when they cannot be believed."""

    def accept(self) -> None:
        """Believe the next reading whatever it says: the meter was replaced, or reset."""


class SignedMoment(Enum):
    """What a signed record is about. Values are those of TX in OCMF."""

    BEGIN = "B"
    CURRENT = "C"
    END = "E"


@runtime_checkable
class SigningMeter(Meter, Protocol):
    """A meter that signs its values itself, for billing under calibration law."""

    async def sign(self, moment: SignedMoment, identification: str, wall_s: float | None) -> MeterReading:
        """Have a record signed (seconds!); it comes in `signed`, untouched. `signed` is None when it comes later.

        identification: who pays, as the record is to show. wall_s: seconds since 1970, None while nobody knows.
        Raises BusError, DeviceError.
        """

    async def public_key(self) -> str:
        """The key that checks the records, DER (SubjectPublicKeyInfo) in hex. Raises BusError, DeviceError."""


class Thermometer(Protocol):
    """The sensors of a board at contactor, plug or circuit board."""

    async def temperature_c(self) -> float | None:
        """The hottest of them in degrees Celsius, None when none of them tells. Raises BusError, DeviceError."""


class Rcd(Protocol):
    """Residual-current detection that can test itself (IEC 62955, IEC 62752)."""

    async def self_test(self) -> None:
        """Run the self-test: vehicle away, contactor open. Seconds. Raises DeviceError when it fails, BusError."""


class Indicator(Protocol):
    async def show(self, lamp: Lamp) -> None: ...


@dataclass(frozen=True, slots=True)
class EvseUnit:
    """The hardware of one EVSE and what it can do. `min_a` is the least current that it can offer (IEC 61851: 6 A).

    thermometer: asked with each reading of a meter that tells no temperature.
    """

    evse: int
    pilot: Pilot
    power: PowerPath
    meter: Meter | None = None
    lock: Lock | None = None
    indicator: Indicator | None = None
    rcd: Rcd | None = None
    thermometer: Thermometer | None = None
    max_a: float = 32.0
    min_a: float = 6.0
    phases: int = 3
    voltage_v: float = 230.0
    fixed_cable: bool = False
    phase_switching: bool = False
    ventilated: bool = False
    connector_type: str = "sType2"


@dataclass(frozen=True, slots=True)
class Board:
    """Everything behind one driver: the EVSEs it drives and the devices to start and close, in order.

    on_host_loss is what the board does when this program dies, on_host_loss_a the current that it then reduces to, and
    supervision says in words how that is armed and verified at the start ("keep-alive every second, checked: ...").
    """

    name: str
    units: tuple[EvseUnit, ...]
    devices: tuple[Device, ...]
    level: ControlLevel = ControlLevel.PILOT
    on_host_loss: OnHostLoss = OnHostLoss.NOTHING
    on_host_loss_a: float | None = None
    supervision: str = ""
