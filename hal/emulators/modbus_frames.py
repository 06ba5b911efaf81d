"""Modbus RTU as a device hears and says it, with framing and CRC made here: independent of the drivers' own."""

from __future__ import annotations

import struct
from collections.abc import Iterator

STALE_S = 0.05
"""A request that stands still for so long is forgotten. Generous: the scheduler may split what was written at once."""
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3


def checksum(data: bytes) -> bytes:
    """CRC of a frame, low byte first: bit by bit, as the standard draws it."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc, out = crc >> 1, crc & 1
            if out:
                crc ^= 0xA001
    return struct.pack("<H", crc)


class Frames:
    """Requests out of bytes, and answers with their checksum. wrong_checksum: so many answers get a wrong one."""

    def __init__(self) -> None:
        self.wrong_checksum = 0
        self._received = b""
        self._heard_s = 0.0

    def feed(self, data: bytes, now: float) -> Iterator[bytes]:
        """The requests that are whole by now, their checksum included; what is damaged is passed over byte by byte."""
        if now - self._heard_s > STALE_S:
            self._received = b""
        self._heard_s = now
        self._received += data
        while len(self._received) >= 8:
            length = 9 + self._received[6] if self._received[1] == 16 else 8
            frame = self._received[:length]
            if len(frame) < length:
                return
            if frame[-2:] != checksum(frame[:-2]):
                self._received = self._received[1:]
                continue
            self._received = self._received[length:]
            yield frame

    def forget(self) -> None:
        """The device has lost its supply."""
        self._received = b""

    def seal(self, body: bytes) -> bytes:
        """An answer as it goes onto the wire."""
        check = checksum(body)
        if self.wrong_checksum:
            self.wrong_checksum -= 1
            check = bytes((check[0] ^ 0x5A, check[1]))
        return body + check
