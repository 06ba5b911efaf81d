"""Frames of the PN532 for people who watch the wire (NXP UM0701-02, chapters 6.2 and 7). What names a card is private."""

from __future__ import annotations

from typing import NamedTuple

from hal.drivers import pn532_frames as frames
from hal.monitor_base import Cut, Decoder, Direction, Span, Verdict, mask

__all__ = ["Pn532Decoder"]

COMMANDS = {
    0x00: "Diagnose",
    0x02: "GetFirmwareVersion",
    0x04: "GetGeneralStatus",
    0x06: "ReadRegister",
    0x08: "WriteRegister",
    0x10: "SetSerialBaudRate",
    0x12: "SetParameters",
    0x14: "SAMConfiguration",
    0x16: "PowerDown",
    0x32: "RFConfiguration",
    0x40: "InDataExchange",
    0x42: "InCommunicateThru",
    0x44: "InDeselect",
    0x4A: "InListPassiveTarget",
    0x52: "InRelease",
    0x60: "InAutoPoll",
}
_START = b"\x00\xff"
_WAKE = 0x55
_TO_CHIP, _TO_HOST, _ERROR = 0xD4, 0xD5, 0x7F
_HEAD = 5
"""Bytes that every frame shows: start code, length and its checksum."""
_OF_CARDS = frozenset({0x40, 0x42, 0x4A, 0x60})
"""Commands whose answers may name a card or hold what is on it."""


class _Frame(NamedTuple):
    """A whole frame: where its body (TFI to before DCS) begins and ends, and how long it is."""

    start: int
    end: int
    size: int


class Pn532Decoder(Decoder):
    """Skips the preamble and the zeros between frames together with what follows them."""

    name = "pn532"
    most = 600

    def cut(self, direction: Direction, waiting: bytes, *, final: bool) -> Cut | None:
        start = waiting.find(_START)
        wake = _wake_up(waiting[: start if start >= 0 else len(waiting)])
        if wake:
            return Cut(wake, "wake up")
        if start < 0:
            return self._between(waiting, final=final)
        zeros = len(waiting[:start]) - len(waiting[:start].rstrip(b"\x00"))
        if start > zeros:
            return self._hidden_noise(direction, waiting[: start - zeros])
        return self._framed(direction, waiting, start, final=final)

    def _between(self, waiting: bytes, *, final: bool) -> Cut | None:
        """No start code yet. Zeros alone are what stands between frames."""
        if not waiting.strip(b"\x00"):
            return Cut(len(waiting), "zeros between frames") if final else None
        if final or waiting[-1] != 0:
            return Cut(len(waiting), "", Verdict.NOISE, ((0, len(waiting)),))
        kept = len(waiting.rstrip(b"\x00"))
        return Cut(kept, "", Verdict.NOISE, ((0, kept),))

    @staticmethod
    def _hidden_noise(direction: Direction, data: bytes) -> Cut:
        private: tuple[Span, ...] = ((0, len(data)),) if direction is Direction.RECEIVED else ()
        return Cut(len(data), "", Verdict.NOISE, private)

    def _framed(self, direction: Direction, waiting: bytes, start: int, *, final: bool) -> Cut | None:
        """At `start` is a start code, with nothing but zeros before it."""
        at = start + 2
        if len(waiting) < at + 2:
            return None if not final else self._broken(waiting, "cut off")
        size, check = waiting[at], waiting[at + 1]
        if (size, check) in {(0x00, 0xFF), (0xFF, 0x00)}:
            told = "ACK" if size == 0 else "NACK: once more"
            return Cut(_ending(waiting, at + 2), told)
        body = _body(waiting, at)
        if body is None:
            return None if not final else self._broken(waiting, "cut off")
        if body.size == 0:
            return self._broken(
                waiting[: at + 2], f"wrong checksum of its length {waiting[at]:02x} {waiting[at + 1]:02x}"
            )
        if len(waiting) < body.size:
            if not final:
                return None
            later = waiting.find(_START, at)
            return self._broken(waiting[:later] if later > 0 else waiting, "cut off")
        return self._whole(direction, waiting, body)

    def _whole(self, direction: Direction, waiting: bytes, frame: _Frame) -> Cut:
        body, told = waiting[frame.start : frame.end], waiting[frame.end]
        right = -sum(body) & 0xFF
        if told != right:
            later = waiting.find(
                _START, frame.start, frame.size
            )  # the next frame may begin inside of what this one claims
            data = waiting[:later] if later > 0 else waiting[: frame.size]
            return self._broken(data, f"wrong checksum {told:02x}, should be {right:02x}")
        size = _ending(waiting, frame.size)
        text, private_from = self._meaning(body)
        del direction  # the frame itself says where it goes
        private = ((frame.start + private_from, frame.end + 1),) if private_from else ()
        return Cut(size, text, private=private)

    @staticmethod
    def _broken(data: bytes, why: str) -> Cut:
        private = ((_HEAD, len(data)),) if len(data) > _HEAD else ()
        return Cut(len(data), f"frame: {why}", Verdict.DAMAGED, private)

    def _meaning(self, body: bytes) -> tuple[str, int]:
        """Words, and from which byte of the body on it is private (0: nothing is)."""
        if body[0] == _ERROR:
            return "refused: the chip does not know this command", 0
        if len(body) < 2 or body[0] not in {_TO_CHIP, _TO_HOST}:
            return f"a frame that we do not know: {body[:2].hex(' ')}", 2 if len(body) > 2 else 0
        if body[0] == _TO_CHIP:
            name = COMMANDS.get(body[1], f"command {body[1]:02X}")
            if body[1] in {0x40, 0x42}:
                return f"{name}: {len(body) - 2} bytes to the card", 2 if len(body) > 2 else 0
            return f"{name} {body[2:].hex(' ')}".rstrip(), 0
        code, data = body[1] - 1, body[2:]
        name = COMMANDS.get(code, f"command {code:02X}")
        if code == 0x02 and len(data) >= 3:
            return f"{name}: PN5{data[0]:02x}, version {data[1]}.{data[2]}", 0
        if code in {0x4A, 0x60}:
            return f"{name}: {self._cards(code, data)}", 3 if len(data) > 1 else 0
        if code in _OF_CARDS:
            return f"{name}: {len(data)} bytes from the card", 2 if data else 0
        return f"{name}: {data.hex(' ') or 'done'}", 0

    def _cards(self, code: int, data: bytes) -> str:
        try:
            uids = frames.listed(data) if code == 0x4A else frames.polled(data)
        except ValueError as error:
            return f"cards in a wrong form ({error})"
        if not uids:
            return "no card"
        return ", ".join(f"card {mask(uid, show=self.show_cards)}" for uid in uids)


def _wake_up(data: bytes) -> int:
    """Length of the wake-up at the beginning: 55 55 and the zeros after it, of which two belong to a frame that follows."""
    if data[:1] != bytes((_WAKE,)):
        return 0
    rest = data.lstrip(bytes((_WAKE,)))
    zeros = len(rest) - len(rest.lstrip(b"\x00"))
    return len(data) - len(rest) + zeros


def _body(waiting: bytes, at: int) -> _Frame | None:
    """Where the body is; a size of 0: the checksum of its length is wrong. None: more bytes are needed."""
    size, check, start = waiting[at], waiting[at + 1], at + 2
    if (size, check) == (0xFF, 0xFF):  # an extended frame
        if len(waiting) < start + 3:
            return None
        size = waiting[start] << 8 | waiting[start + 1]
        right = (waiting[start] + waiting[start + 1] + waiting[start + 2]) & 0xFF == 0 and 0 < size <= 265
        start += 3
    else:
        right = (size + check) & 0xFF == 0 and size > 0
    return _Frame(start, start + size, start + size + 1) if right else _Frame(0, 0, 0)


def _ending(waiting: bytes, size: int) -> int:
    """The zero after a frame belongs to it, if it is not the first of a start code."""
    if waiting[size : size + 1] == b"\x00" and waiting[size + 1 : size + 2] != b"\xff":
        return size + 1
    return size
