"""Frames of the PN532 (NXP UM0701-02, chapter 6.2) and what is in those that a card reader needs. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

WAKE_UP = b"\x55\x55" + bytes(14)
ACK = b"\x00\x00\xff\x00\xff\x00"
NACK = b"\x00\x00\xff\xff\x00\x00"
SAM_CONFIGURATION = b"\x14\x01\x00\x01"
"""Normal mode: no security module; the last byte is the IRQ pin."""
GET_FIRMWARE_VERSION = b"\x02"
IN_LIST_PASSIVE_TARGET = b"\x4a\x01\x00"
"""One target, 106 kbit/s type A."""
RF_OFF = b"\x32\x01\x00"
TRY_ONCE = b"\x32\x05\xff\x01\x00"
"""RFConfiguration, item 5: MxRtyATR and MxRtyPSL as at reset, MxRtyPassiveActivation 0: one look, not for ever."""

_START = b"\x00\xff"
_TO_HOST = 0xD5
_TO_CHIP = 0xD4
_ERROR = 0x7F
_LONGEST = 265  # UM0701-02, 6.2.1.2: TFI and 264 bytes
_TYPE_A = frozenset({0x00, 0x10, 0x20, 0x40})  # generic, MIFARE, ISO 14443-4A, with DEP: at 106 kbit/s
UID_SIZES = frozenset({4, 7, 10})
STEP_S = 0.15
MOST_STEPS = 15
"""Period of InAutoPoll: 1 to 15 steps."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The chip has understood a command and begins."""


@dataclass(frozen=True, slots=True)
class NotAcknowledged:
    """Somebody wants the last frame again."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The error frame: the chip does not know the command, or not in this form."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """Something that began like a frame, with a wrong checksum."""


@dataclass(frozen=True, slots=True)
class Response:
    """command: that of the response (the request's plus one). data: what follows; it may name a card."""

    command: int
    data: bytes


Frame = Acknowledged | NotAcknowledged | Refused | Damaged | Response


def encode(command: bytes) -> bytes:
    """A command (its code and parameters, at most 254 bytes) as a normal frame to the chip."""
    body = bytes((_TO_CHIP,)) + command
    if not 2 <= len(body) <= 0xFF:
        raise ValueError(f"a command has 1 to 254 bytes, not {len(command)}")
    return b"\x00\x00\xff" + bytes((len(body), -len(body) & 0xFF)) + body + bytes((-sum(body) & 0xFF, 0))


def auto_poll(looks: int, steps: int) -> bytes:
    """InAutoPoll: look so often (1 to 254), every `steps` (1 to 15) times 150 ms, for cards of type A at 106 kbit/s."""
    return bytes((0x60, looks, steps, 0x00))


class Decoder:
    """Bytes in, frames out; what is no frame is skipped. After a damaged frame it goes on behind its start code."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def forget(self) -> None:
        """Throw away what is incomplete."""
        self._buffer.clear()

    @property
    def pending(self) -> bool:
        """Whether the beginning of a frame is there, and not its end."""
        return len(self._buffer) > 1

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Frames that are complete by now."""
        self._buffer += data
        while True:
            start = self._buffer.find(_START)
            if start < 0:
                del self._buffer[: -1 if self._buffer[-1:] == b"\x00" else None]
                return
            del self._buffer[:start]
            found, used = self._frame()
            if found is None:
                return
            del self._buffer[:used]
            yield found

    def _frame(self) -> tuple[Frame | None, int]:
        """The frame at the beginning, and its length; None: more bytes are needed."""
        buffer = self._buffer
        if len(buffer) < 4:
            return None, 0
        size, check, at = buffer[2], buffer[3], 4
        if (size, check) == (0x00, 0xFF):
            return Acknowledged(), 4
        if (size, check) == (0xFF, 0x00):
            return NotAcknowledged(), 4
        if (size, check) == (0xFF, 0xFF):  # an extended frame: two bytes of length
            if len(buffer) < 7:
                return None, 0
            size, at = buffer[4] << 8 | buffer[5], 7
            right = (buffer[4] + buffer[5] + buffer[6]) & 0xFF == 0 and 0 < size <= _LONGEST
        else:
            right = (size + check) & 0xFF == 0 and size > 0
        if not right:
            return Damaged(), 2
        if len(buffer) <= at + size:
            return None, 0
        body = bytes(buffer[at : at + size])
        if (sum(body) + buffer[at + size]) & 0xFF:
            return Damaged(), 2
        return _meaning(body), at + size + 1


def _meaning(body: bytes) -> Frame:
    if body[0] == _TO_HOST and len(body) >= 2:
        return Response(body[1], body[2:])
    return Refused() if body[0] == _ERROR else Damaged()


def listed(data: bytes) -> list[bytes]:
    """UIDs in a response to InListPassiveTarget: NbTg, then for each Tg SENS_RES(2) SEL_RES length UID [ATS].

    Raises ValueError when it is none.
    """
    if not data:
        raise ValueError("no number of targets")
    if data[0] == 0:
        return []
    uid, _ = _target(data[1:])
    return [uid]  # one was asked for


def polled(data: bytes) -> list[bytes]:
    """UIDs in a response to InAutoPoll: NbTg, then for each type, length, target data. Others than type A are left out.

    Raises ValueError when it is none.
    """
    if not data or data[0] > 2:
        raise ValueError("no number of targets")
    found, at = [], 1
    for _ in range(data[0]):
        if len(data) < at + 2 or len(data) < at + 2 + data[at + 1]:
            raise ValueError("a target is cut off")
        kind, size = data[at], data[at + 1]
        if kind in _TYPE_A:
            found.append(_target(data[at + 2 : at + 2 + size])[0])
        at += 2 + size
    return found


def _target(data: bytes) -> tuple[bytes, int]:
    """UID, and where it ends."""
    if len(data) < 5 or len(data) < 5 + data[4]:
        raise ValueError("a target is cut off")
    if data[4] not in UID_SIZES:
        raise ValueError(f"a UID has 4, 7 or 10 bytes, not {data[4]}")
    return data[5 : 5 + data[4]], 5 + data[4]
