"""The wire of the EVerest-MCU family as a board's firmware reads and writes it, byte by byte."""

from __future__ import annotations

import struct

BUFFER = 2048
Value = int | float | bytes
Message = dict[int, list[Value]]


def _table() -> list[int]:
    found = []
    for index in range(256):
        register = index
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
        found.append(register)
    return found


_TABLE = _table()


def crc(data: bytes) -> int:
    """CRC-32/JAMCRC."""
    register = 0xFFFFFFFF
    for byte in data:
        register = register >> 8 ^ _TABLE[(register ^ byte) & 0xFF]
    return register


def frame(payload: bytes) -> bytes:
    """COBS over payload and checksum, and the 00."""
    out = bytearray(b"\0")
    mark, code = 0, 1
    for byte in payload + struct.pack("<I", crc(payload)):
        if code == 0xFF:
            out[mark] = code
            mark, code = len(out), 1
            out.append(0)
        if byte:
            out.append(byte)
            code += 1
        else:
            out[mark] = code
            mark, code = len(out), 1
            out.append(0)
    out[mark] = code
    return bytes(out) + b"\0"


class Receiver:
    """The state machine of a firmware: code, block, buffer."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._code, self._block = 0xFF, 0
        self.spoilt = 0

    def _reset(self) -> None:
        self._buffer.clear()
        self._code, self._block = 0xFF, 0

    def take(self, byte: int) -> bytes | None:
        """One byte; a payload when it completes one."""
        if len(self._buffer) >= BUFFER - 1 and byte:
            self.spoilt += 1
            self._reset()
        if self._block:
            if not byte:
                self.spoilt += 1
                self._reset()
                return None
            self._buffer.append(byte)
            self._block -= 1
            return None
        if not byte:
            packet = bytes(self._buffer)
            self._reset()
            return self._checked(packet)
        if self._code != 0xFF:
            self._buffer.append(0)
        self._code, self._block = byte, byte - 1
        return None

    def _checked(self, packet: bytes) -> bytes | None:
        if not packet:
            return None
        if len(packet) < 4 or crc(packet) != 0:
            self.spoilt += 1
            return None
        return packet[:-4]


def _number(value: int) -> bytes:
    value %= 1 << 64
    out = b""
    while True:
        part, value = value % 128, value // 128
        if not value:
            return out + bytes([part])
        out += bytes([part + 128])


def put(tag: int, value: Value | str) -> bytes:
    """One field: a float as fixed32, text and bytes with their length, all else as a varint."""
    if isinstance(value, float):
        return _number(tag * 8 + 5) + struct.pack("<f", value)
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return _number(tag * 8 + 2) + _number(len(value)) + value
    return _number(tag * 8) + _number(value)


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self.data[self.at]
            self.at += 1
            value += (byte % 128) << shift
            shift += 7
            if byte < 128:
                return value
        raise ValueError("a varint is too long")

    def cut(self, length: int) -> bytes:
        if length > len(self.data) - self.at:
            raise ValueError("a field is cut off")
        self.at += length
        return self.data[self.at - length : self.at]


def get(data: bytes) -> Message | None:
    """Values by tag; None when it is no message."""
    cursor = _Cursor(data)
    found: Message = {}
    try:
        while cursor.at < len(data):
            head = cursor.number()
            value: Value
            match head % 8:
                case 0:
                    value = cursor.number()
                case 1:
                    value = cursor.cut(8)
                case 2:
                    value = cursor.cut(cursor.number())
                case 5:
                    (value,) = struct.unpack("<f", cursor.cut(4))
                case _:
                    return None
            found.setdefault(head // 8, []).append(value)
    except (IndexError, ValueError):
        return None
    return found
