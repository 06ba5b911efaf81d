"""What an EVerest-MCU board tells and is told, by name: one codec for all boards over the tables of `mcu_boards`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from hal.api import PilotState
from hal.drivers.mcu_boards import PHYVERSO, TIDA, YETI, Flag, Kind, McuBoard
from hal.drivers.mcu_wire import FIXED32, Field, bytes_field, fields, number_field

PILOT_STATES = (PilotState.A, PilotState.B, PilotState.C, PilotState.D, PilotState.E, PilotState.F)
COIL_AC = 1
_TEXT = 64
"""Characters of a version that are kept."""


class Proximity(IntEnum):
    """The cable's rating as the board reads it from PP."""

    NONE = 0
    A13 = 1
    A20 = 2
    A32 = 3
    A70 = 4
    FAULT = 5


class Bolt(IntEnum):
    """The lock as the board reads it."""

    UNDEFINED = 0
    UNLOCKED = 1
    LOCKED = 2
    LOCKING = 3
    UNLOCKING = 4


# --- from the board -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Who it is and what it can. None: it does not say. configured: of boards that the host configures."""

    hw_type: int = 0
    hw_revision: int = 0
    protocol: tuple[int, int] | None = None
    software: str = ""
    max_a: float | None = None
    min_a: float | None = None
    max_phases: int | None = None
    min_phases: int | None = None
    phase_switching: bool = False
    configured: bool = False


@dataclass(frozen=True, slots=True)
class ResetDone:
    """It has just started. watchdog: because its own watchdog bit."""

    watchdog: bool


@dataclass(frozen=True, slots=True)
class PilotTold:
    connector: int
    state: PilotState


@dataclass(frozen=True, slots=True)
class RelayTold:
    connector: int
    closed: bool


@dataclass(frozen=True, slots=True)
class ErrorsTold:
    connector: int
    flags: frozenset[Flag]


@dataclass(frozen=True, slots=True)
class ProximityTold:
    connector: int
    cable: Proximity


@dataclass(frozen=True, slots=True)
class LockTold:
    connector: int
    bolt: Bolt


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Values by name, in the board's own units."""

    connector: int
    values: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class PowerMeter:
    """V and A of L1 to L3, A of N, Wh (of all phases together), degrees of L1 to L3 and N, W of L1 to L3, Hz."""

    voltage_v: tuple[float, float, float]
    current_a: tuple[float, float, float]
    neutral_a: float
    energy_wh: float
    temperature_c: tuple[float, ...]
    power_w: tuple[float, float, float]
    frequency_hz: float
    wrong_sequence: bool


@dataclass(frozen=True, slots=True)
class ConfigRequest:
    """It wants to know what is connected to it."""


Told = (
    KeepAlive
    | ResetDone
    | PilotTold
    | RelayTold
    | ErrorsTold
    | ProximityTold
    | LockTold
    | Telemetry
    | PowerMeter
    | ConfigRequest
)


def decode(board: McuBoard, payload: bytes) -> Told | None:
    """What a message says; None for what this driver has no use for, and for nonsense with a right checksum."""
    outer = fields(payload)
    if outer is None:
        return None
    connector = _connector(board, outer)
    # Of a oneof the last one counts.
    found = next((item for item in reversed(outer) if item.tag in board.tells), None)
    if found is None or connector is None:
        return None
    kind = board.tells[found.tag]
    if found.number is not None:
        return _scalar(kind, connector, found.number)
    inner = fields(found.inner) if found.inner is not None else None
    return None if inner is None else _message(board, kind, connector, inner)


def _connector(board: McuBoard, outer: tuple[Field, ...]) -> int | None:
    """1 for a board with a single one; 0 where it means the whole board; None: there is none of that number."""
    if not board.connector:
        return 1
    number = next((item.number for item in reversed(outer) if item.tag == board.connector), 0)
    return number if number is not None and number <= board.connectors else None


def _scalar(kind: Kind, connector: int, number: int) -> Told | None:
    match kind:
        case Kind.RESET:
            return ResetDone(number == 1)
        case Kind.PILOT if number < len(PILOT_STATES):
            return PilotTold(connector, PILOT_STATES[number])
        case Kind.RELAY:
            return RelayTold(connector, number != 0)
        case Kind.PROXIMITY if number <= max(Proximity):
            return ProximityTold(connector, Proximity(number))
        case Kind.LOCK if number <= max(Bolt):
            return LockTold(connector, Bolt(number))
    return None


def _message(board: McuBoard, kind: Kind, connector: int, inner: tuple[Field, ...]) -> Told | None:
    numbers = {item.tag: item.number for item in inner if item.number is not None}
    match kind:
        case Kind.KEEP_ALIVE:
            return _keep_alive(board, inner, numbers)
        case Kind.RELAY if board.orders.coil:
            return RelayTold(connector, numbers.get(2, 0) != 0)
        case Kind.ERRORS:
            return ErrorsTold(connector, frozenset(flag for tag, flag in board.flags.items() if numbers.get(tag, 0)))
        case Kind.TELEMETRY:
            return Telemetry(connector, tuple(_telemetry(board, inner)))
        case Kind.POWER_METER:
            return _power_meter(inner)
        case Kind.CONFIG_REQUEST:
            return ConfigRequest()
    return None


def _reals(inner: tuple[Field, ...]) -> dict[int, float]:
    return {item.tag: item.real for item in inner if item.real is not None}


def _telemetry(board: McuBoard, inner: tuple[Field, ...]) -> Iterator[tuple[str, float]]:
    for item in inner:
        value = item.real if item.real is not None else item.number
        if item.tag in board.telemetry and value is not None and math.isfinite(value):
            yield board.telemetry[item.tag], float(value)


def _keep_alive(board: McuBoard, inner: tuple[Field, ...], numbers: dict[int, int]) -> KeepAlive:
    texts = {item.tag: item.inner for item in inner if item.inner is not None}
    software = texts.get(6, b"").decode("utf-8", "replace")[:_TEXT]
    printable = "".join(character if character.isprintable() else "?" for character in software)
    if not board.capabilities:
        return KeepAlive(numbers.get(2, 0), numbers.get(3, 0), software=printable, configured=bool(numbers.get(7, 0)))
    reals = _reals(inner)
    return KeepAlive(
        hw_type=numbers.get(2, 0),
        hw_revision=numbers.get(3, 0),
        protocol=(numbers.get(4, 0), numbers.get(5, 0)),
        software=printable,
        max_a=_sane(reals.get(7)),
        min_a=_sane(reals.get(8)),
        max_phases=numbers.get(9) or None,
        min_phases=numbers.get(10) or None,
        phase_switching=bool(numbers.get(11, 0)),
        configured=True,
    )


def _sane(amps: float | None) -> float | None:
    """0 and what is no current mean that the firmware does not say."""
    return amps if amps is not None and 0.0 < amps < 1000.0 else None


def _power_meter(inner: tuple[Field, ...]) -> PowerMeter | None:
    """A message of it holds all values of one moment; a field that is left out is 0 (proto3). None: one is no number."""
    reals = _reals(inner)
    if not all(math.isfinite(value) for value in reals.values()):
        return None

    def three(first: int) -> tuple[float, float, float]:
        return reals.get(first, 0.0), reals.get(first + 1, 0.0), reals.get(first + 2, 0.0)

    return PowerMeter(
        voltage_v=three(2),
        current_a=three(5),
        neutral_a=reals.get(8, 0.0),
        energy_wh=reals.get(12, 0.0),
        temperature_c=tuple(reals[tag] for tag in (13, 14, 15, 16) if tag in reals),
        power_w=three(17),
        frequency_hz=reals.get(20, 0.0),
        wrong_sequence=any(item.tag == 23 and item.number for item in inner),
    )


def recognise(payload: bytes) -> McuBoard | None:
    """Which board tells of itself in a message; Yeti for AD-ACEVSE22KWZ too, which speaks alike."""
    outer = fields(payload)
    if not outer or len(outer) > 2 or outer[0].inner is None:
        return None
    tag, inner = outer[0].tag, fields(outer[0].inner)
    if inner is None:
        return None
    if YETI.tells.get(tag) is Kind.KEEP_ALIVE:
        return YETI
    if PHYVERSO.tells.get(tag) is Kind.CONFIG_REQUEST:
        return PHYVERSO
    return _tida_or_phyverso(inner) if TIDA.tells.get(tag) is Kind.KEEP_ALIVE else None


def _tida_or_phyverso(inner: tuple[Field, ...]) -> McuBoard | None:
    """Both use tag 1. 4, 5 and 7 to 10 are of TIDA-010939 (7 is a float there); 7 of phyVERSO is a bool."""
    if any(item.tag in {4, 5, 8, 9, 10} or (item.tag == 7 and item.kind == FIXED32) for item in inner):
        return TIDA
    if all(item.tag in {1, 2, 3, 6, 7} for item in inner) and any(item.tag == 6 for item in inner):
        return PHYVERSO
    return None


# --- to the board ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PortConfig:
    """What is connected to a connector of a phyVERSO. kind: 0 off, 1 AC. pull: 0 none, 1 up, 2 down. lock: -1 none, 1, 2."""

    kind: int = 0
    feedback_active_low: bool = True
    pull: int = 2
    lock: int = -1
    socket: bool = False

    def encoded(self) -> bytes:
        return (
            number_field(1, self.kind)
            + number_field(2, self.feedback_active_low)
            + number_field(3, self.pull)
            + bytes_field(4, number_field(1, self.lock))
            + number_field(5, self.socket)
        )


@dataclass(frozen=True, slots=True)
class Speech:
    """Makes the messages for one kind of board. Whoever asks for an order that the board does not have gets ValueError."""

    board: McuBoard

    def _to(self, connector: int) -> bytes:
        tag = self.board.orders.connector
        return number_field(tag, connector) if tag and connector else b""

    def _scalar(self, tag: int, value: int, connector: int) -> bytes:
        if not tag:
            raise ValueError(f"{self.board.title} has no such order")
        return number_field(tag, value) + self._to(connector)

    def keep_alive(self) -> bytes:
        """What these boards' own hosts say: no time, no hardware, no version."""
        return bytes_field(self.board.orders.keep_alive, bytes_field(6, b"n/a"))

    def duty(self, hundredths: int, connector: int) -> bytes:
        """Duty cycle in 0.01 %; 0 is state F, `board.x1` steady +12 V."""
        return self._scalar(self.board.orders.duty, hundredths, connector)

    def power(self, allowed: bool, connector: int) -> bytes:
        tag = self.board.orders.power
        if not self.board.orders.coil:
            return self._scalar(tag, allowed, connector)
        return bytes_field(tag, number_field(1, COIL_AC) + number_field(2, allowed)) + self._to(connector)

    def reset(self) -> bytes:
        return self._scalar(self.board.orders.reset, 1, 0)

    def lock(self, locked: bool, connector: int) -> bytes:
        return self._scalar(self.board.orders.lock, locked, connector)

    def three_phases(self, three: bool) -> bytes:
        return self._scalar(self.board.orders.phases, three, 0)

    def rcd(self, *, test: bool, reset: bool, connector: int) -> bytes:
        """test: level of the TEST pin. reset: of the tripped device."""
        if not self.board.orders.rcd:
            raise ValueError(f"{self.board.title} has no such order")
        return bytes_field(self.board.orders.rcd, number_field(1, test) + number_field(2, reset)) + self._to(connector)

    def configure(self, ports: tuple[PortConfig, ...], hardware_revision: int = 1) -> bytes:
        """Answer to ConfigRequest."""
        inner = number_field(1, hardware_revision) + b"".join(bytes_field(6, port.encoded()) for port in ports)
        return bytes_field(self.board.orders.config, inner)
