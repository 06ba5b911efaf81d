"""The wire of the EVerest-MCU family: COBS( protobuf, CRC-32/JAMCRC ) 00, in both directions.

Protobuf is what these boards use of it: varint, fixed32 (float), length-delimited; messages are flat, and nested once or twice.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MOST_RECEIVED = 2048
"""Bytes of a packet with its checksum, as the boards' own buffers."""
MOST_SENT = 1024
CHECKSUM = 4

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_VARINT_BYTES = 10
_MOST_TAG = (1 << 29) - 1
_ALL64 = (1 << 64) - 1


class Field(NamedTuple):
    """One field as it stands: an integer for VARINT, four bytes for FIXED32, any for BYTES."""

    tag: int
    kind: int
    value: int | bytes

    @property
    def number(self) -> int | None:
        """A varint, as an unsigned number."""
        return self.value if isinstance(self.value, int) and self.kind == VARINT else None

    @property
    def real(self) -> float | None:
        """A float."""
        if self.kind != FIXED32 or not isinstance(self.value, bytes):
            return None
        (found,) = struct.unpack("<f", self.value)
        return float(found)

    @property
    def inner(self) -> bytes | None:
        """A text, or a message."""
        return self.value if self.kind == BYTES and isinstance(self.value, bytes) else None


# --- protobuf -------------------------------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    """A number of 64 bits; a negative one as its two's complement, as protobuf has it for int32 and enum."""
    number &= _ALL64
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def number_field(tag: int, number: int) -> bytes:
    """A field of kind uint32, int32, bool or enum; written also when it is 0 (it may be the choice of a oneof)."""
    return varint(tag << 3 | VARINT) + varint(number)


def bytes_field(tag: int, data: bytes) -> bytes:
    """A text or a message."""
    return varint(tag << 3 | BYTES) + varint(len(data)) + data


def fields(data: bytes) -> tuple[Field, ...] | None:
    """The fields of a message in their order, or None when it is none."""
    found: list[Field] = []
    at = 0
    while at < len(data):
        head, at = _read_varint(data, at)
        tag, kind = head >> 3, head & 7
        if at < 0 or not 0 < tag <= _MOST_TAG:
            return None
        value: int | bytes
        if kind == VARINT:
            value, at = _read_varint(data, at)
            if at < 0:
                return None
        else:
            length = {FIXED32: 4, FIXED64: 8}.get(kind, -1)
            if kind == BYTES:
                length, at = _read_varint(data, at)
            if length < 0 or at < 0 or length > len(data) - at:
                return None
            value, at = data[at : at + length], at + length
        found.append(Field(tag, kind, value))
    return tuple(found)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number and where it ends; there is none when the end is negative."""
    number = 0
    for shift, byte in enumerate(data[at : at + _VARINT_BYTES]):
        number |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return (number, at + shift + 1) if number <= _ALL64 else (0, -1)
    return 0, -1


# --- frames ---------------------------------------------------------------------------------------------------------------


def checksum(data: bytes) -> int:
    """CRC-32/JAMCRC: as zlib's, without its last inversion."""
    return zlib.crc32(data) ^ 0xFFFFFFFF


def cobs(data: bytes) -> bytes:
    """`data` without zeros in it (Cheshire and Baker, 1999); no delimiter."""
    found = bytearray()
    for index, part in enumerate(blocks := data.split(b"\0")):
        rest = part
        while len(rest) >= 0xFE:
            found += b"\xff" + rest[:0xFE]
            rest = rest[0xFE:]
            if not rest and index == len(blocks) - 1:
                return bytes(found)  # a full block at the very end says itself that no zero follows
        found += bytes((len(rest) + 1,)) + rest
    return bytes(found)


def uncobs(data: bytes) -> bytes | None:
    """What `cobs` has made `data` of, or None."""
    found = bytearray()
    at = 0
    while at < len(data):
        code = data[at]
        block = data[at + 1 : at + code]
        if code == 0 or len(block) != code - 1 or 0 in block:
            return None
        found += block
        at += code
        if code != 0xFF and at < len(data):
            found.append(0)
    return bytes(found)


def encode(payload: bytes) -> bytes:
    """The frame of a message. Raises ValueError when it is longer than a board takes."""
    packet = payload + checksum(payload).to_bytes(CHECKSUM, "little")
    if len(packet) > MOST_SENT:
        raise ValueError(f"a message has {MOST_SENT - CHECKSUM} bytes at most, this one {len(payload)}")
    return cobs(packet) + b"\0"


class Frames:
    """Finds messages in a stream, whatever else is in it: a 00 ends a frame, and begins anew after nonsense.

    spoilt: frames that were dropped, because they were damaged or too long.
    """

    MOST = MOST_RECEIVED + MOST_RECEIVED // 0xFE + 1

    __slots__ = ("_line", "_overlong", "spoilt")

    def __init__(self) -> None:
        self._line = bytearray()
        self._overlong = False
        self.spoilt = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that are whole by now, without their checksums."""
        *ends, rest = data.split(b"\0")
        for part in ends:
            self._take(part)
            message = self._message()
            self._line.clear()
            self._overlong = False
            if message is not None:
                yield message
        self._take(rest)

    def _take(self, part: bytes) -> None:
        if self._overlong or len(self._line) + len(part) > self.MOST:
            self._overlong = True
            self._line.clear()
        else:
            self._line += part

    def _message(self) -> bytes | None:
        if not self._line and not self._overlong:
            return None  # a delimiter more than needed
        packet = None if self._overlong else uncobs(bytes(self._line))
        if packet is None or len(packet) < CHECKSUM or checksum(packet):  # over payload and CRC it is 0
            self.spoilt += 1
            return None
        return packet[:-CHECKSUM]
