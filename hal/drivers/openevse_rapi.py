"""RAPI, the line protocol of OpenEVSE boards (firmware 8.2, RAPI 5.2): bytes to messages and back, without I/O.

A line is `$word parameters :SS^XK` and a carriage return. XK is the XOR of every character before `^`, as two hexadecimal
digits; SS is a sequence id (01 to FF) that the answer repeats. Lines that begin with A or WF come unasked, also between a
command and its answer. Source: OpenEVSE/open_evse firmware/open_evse/rapi_proc.h and rapi_proc.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import xor

from hal.errors import DeviceError

START = ord("$")
END = 0x0D
BOARD_BUFFER = 32
"""Characters that the board keeps of a line, `$` and the end included; it drops longer ones without an answer."""
BOARD_TOKENS = 10
LONGEST_LINE = 120
"""More than any answer has; what is longer is noise."""
NO_SENSOR = -2560
"""Temperature of a sensor that is not there (0.1 degrees Celsius)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`$OK` or `$NK`. sequence: that of the command, None when the board did not repeat one (it could not read the command)."""

    ok: bool
    fields: tuple[str, ...] = ()
    sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """State of the board. amps: offered current, where the message tells it. elapsed_s: of this or the last charge."""

    state: int
    pilot: int
    vflags: int
    amps: int | None = None
    elapsed_s: int | None = None


@dataclass(frozen=True, slots=True)
class Booted:
    """The board has started. post: 0, or the fault state of its self-test. firmware: "" if it does not say."""

    post: int
    firmware: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """Its front button, while that does nothing by itself."""

    long: bool


@dataclass(frozen=True, slots=True)
class Other:
    """A line with a good checksum that means nothing to us."""

    words: tuple[str, ...]


Message = Reply | Status | Booted | Button | Other


def checksum(text: bytes) -> int:
    """XOR of all bytes, the leading `$` included."""
    return reduce(xor, text, 0)


def encode(command: str, sequence: int | None = None) -> bytes:
    """One command line, for example `encode("SC 16 V")`. Raises ValueError for one that the board would drop or misread.

    sequence: 1 to 255; None sends none.
    """
    text = f"${command}" if sequence is None else f"${command} :{sequence:02X}"
    tokens = text.split(" ")
    if sequence is not None and not 1 <= sequence <= 0xFF:
        raise ValueError(f"a sequence id is 1 to 255, not {sequence}")
    if (
        not command
        or not all(token and token.isascii() and token.isprintable() for token in tokens)
        or set(command) & set("$^*")
    ):
        raise ValueError(f"not a RAPI command: {command!r}")
    if len(tokens) > BOARD_TOKENS:
        raise ValueError(f"more than {BOARD_TOKENS} words: {command!r}")
    raw = text.encode("ascii")
    line = raw + b"^%02X" % checksum(raw)
    if len(line) >= BOARD_BUFFER:
        raise ValueError(f"longer than {BOARD_BUFFER - 1} characters: {command!r}")
    return line + bytes([END])


class Decoder:
    """Takes bytes as they come, gives whole messages. Whatever it meets, the next good line is understood.

    spoilt: lines with a wrong or missing checksum, without an end, or that do not say what their word promises.
    """

    __slots__ = ("_line", "spoilt")

    def __init__(self) -> None:
        self._line: bytearray | None = None
        self.spoilt = 0

    def feed(self, data: bytes) -> list[Message]:
        """The messages that end in `data`."""
        found: list[Message] = []
        for byte in data:
            if byte == START:  # also in the middle of a line: then that one has lost its end
                self.spoilt += self._line is not None
                self._line = bytearray([byte])
            elif self._line is None:
                continue
            elif byte == END:
                message = parse(bytes(self._line))
                self._line = None
                if message is None:
                    self.spoilt += 1
                else:
                    found.append(message)
            elif len(self._line) >= LONGEST_LINE:
                self._line = None
                self.spoilt += 1
            else:
                self._line.append(byte)
        return found


def parse(line: bytes) -> Message | None:
    """A line from `$` to before its end; None when it is spoilt."""
    text, mark, told = line.partition(b"^")
    if not mark or not line.isascii() or len(told) != 2:
        return None
    try:
        if int(told, 16) != checksum(text):
            return None
        return _message(text[1:].decode("ascii").split())
    except (ValueError, IndexError):
        return None


def _message(words: list[str]) -> Message:
    """Raises ValueError or IndexError when the words do not fit."""
    match words[0]:
        case "OK" | "NK":
            sequence = None
            if words[-1].startswith(":"):
                sequence = int(words.pop()[1:], 16)
            return Reply(words[0] == "OK", tuple(words[1:]), sequence)
        case "AT":
            return Status(int(words[1], 16), int(words[2], 16), int(words[4], 16), amps=int(words[3]))
        case "AB":
            return Booted(int(words[1], 16), " ".join(words[2:]))
        case "AN":
            return Button(long=int(words[1]) != 0)
        case _:
            return Other(tuple(words))


# --- what the answers say ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Capacity:
    """`GC`: the least current, what the hardware can, what is offered now, what is configured at most. All in A."""

    least_a: int
    hardware_a: int
    offered_a: int
    configured_a: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """`GY` and `SY`: the supervision of the host. missed: 0 never, 1 once and acknowledged, 2 and still reduced."""

    interval_s: int
    fallback_a: int
    missed: int


def _numbers(reply: Reply, count: int, bases: Sequence[int]) -> list[int]:
    """The first `count` fields. Raises DeviceError."""
    try:
        return [int(field, base) for field, base in zip(reply.fields[:count], bases, strict=True)]
    except ValueError as error:
        raise DeviceError(f"OpenEVSE answers nonsense: {' '.join(reply.fields)!r}") from error


def status_of(reply: Reply) -> Status:
    """`GS`. Older firmware ends after the elapsed time; such a board cannot be driven. Raises DeviceError."""
    state, elapsed, pilot, vflags = _numbers(reply, 4, (16, 10, 16, 16))
    return Status(state, pilot, vflags, elapsed_s=elapsed)


def capacity_of(reply: Reply) -> Capacity:
    """`GC`. Raises DeviceError."""
    return Capacity(*_numbers(reply, 4, (10, 10, 10, 10)))


def settings_of(reply: Reply) -> tuple[int, int]:
    """`GE`: offered current in A, and the flags of `hal.drivers.openevse_state.CHECKS`. Raises DeviceError."""
    amps, flags = _numbers(reply, 2, (10, 16))
    return amps, flags


def heartbeat_of(reply: Reply) -> Heartbeat:
    """`GY`, `SY`. Raises DeviceError."""
    return Heartbeat(*_numbers(reply, 3, (10, 10, 10)))


def flow_of(reply: Reply) -> tuple[float | None, float]:
    """`GG`: current in A (None: the board has no ammeter) and voltage in V. Raises DeviceError."""
    milliamps, millivolts = _numbers(reply, 2, (10, 10))
    return (None if milliamps < 0 else milliamps / 1000), millivolts / 1000


def energy_of(reply: Reply) -> tuple[int, int]:
    """`GU`: watt-seconds of this session, watt-hours of all sessions that have ended. Raises DeviceError."""
    session_ws, total_wh = _numbers(reply, 2, (10, 10))
    return session_ws, total_wh


def hottest_of(reply: Reply) -> float | None:
    """`GP`: the highest of three temperatures, in degrees Celsius; None without any sensor. Raises DeviceError."""
    there = [tenths for tenths in _numbers(reply, 3, (10, 10, 10)) if tenths != NO_SENSOR]
    return max(there) / 10 if there else None


def faults_of(reply: Reply) -> tuple[int, int, int]:
    """`GF`: how often the GFI tripped, ground was missing, the relay stuck (255 at most). Raises DeviceError."""
    gfi, ground, stuck = _numbers(reply, 3, (16, 16, 16))
    return gfi, ground, stuck
