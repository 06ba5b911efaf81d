"""What every decoder of hal.monitor is built on: bytes with a direction and a time in, lines of text out, every byte in one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar

from hal.bus.trace import Direction

__all__ = ["HIDDEN", "Cut", "Decoder", "Direction", "Seen", "Span", "Verdict", "joined", "mask", "text_spans"]

Span = tuple[int, int]
"""From a byte to before another."""
HIDDEN = "**"
"""Stands for a byte that is somebody's."""
_LONGEST_HEX = 64
_LEAST_TEXT = 8


class Verdict(Enum):
    """OK: whole, its checksum fits. DAMAGED: it began like a frame. NOISE: nothing that we know."""

    OK = "ok"
    DAMAGED = "damaged"
    NOISE = "noise"


@dataclass(frozen=True, slots=True)
class Cut:
    """The first `size` bytes of what waits, and what they mean. private: bytes that name a person's card."""

    size: int
    text: str
    verdict: Verdict = Verdict.OK
    private: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """One line for people. wall: seconds since 1970 at which its last byte passed."""

    wall: float
    direction: Direction
    data: bytes
    text: str
    verdict: Verdict = Verdict.OK
    private: tuple[Span, ...] = ()

    @property
    def hex(self) -> str:
        """All bytes, in hexadecimal, without the private ones."""
        return " ".join(
            HIDDEN if any(start <= at < end for start, end in self.private) else f"{byte:02x}"
            for at, byte in enumerate(self.data)
        )

    @property
    def short_hex(self) -> str:
        """The same for a line on a screen."""
        shown = self.hex
        room = 3 * _LONGEST_HEX - 1
        return shown if len(shown) <= room else f"{shown[:room]} ... ({len(self.data)} bytes)"


class Decoder(ABC):
    """One line of one protocol. show_cards: nothing is private.

    idle_s: bytes that are followed by so long a silence are not continued. most: bytes that may wait for the rest of a frame.
    """

    name: ClassVar[str]
    idle_s: ClassVar[float] = 0.5
    most: ClassVar[int] = 1024

    def __init__(self, *, show_cards: bool = False) -> None:
        self.show_cards = show_cards
        self._waiting = {direction: bytearray() for direction in Direction}
        self._at = dict.fromkeys(Direction, 0.0)

    @abstractmethod
    def cut(self, direction: Direction, waiting: bytes, *, final: bool) -> Cut | None:
        """What `waiting` (at least a byte) begins with; None: more is needed. final: nothing more comes."""

    @property
    def pending(self) -> bool:
        """Bytes wait for the rest of their frame: `flush` after `idle_s` of silence."""
        return any(self._waiting.values())

    def feed(self, direction: Direction, data: bytes, wall: float) -> list[Seen]:
        """The lines that end in `data`."""
        found: list[Seen] = []
        waiting = self._waiting[direction]
        # A clock that was set back says nothing about silence.
        if waiting and wall - self._at[direction] > self.idle_s:
            found += self._drain(direction, self._at[direction], final=True)
        self._at[direction] = wall
        for start in range(0, len(data), self.most):
            waiting += data[start : start + self.most]
            found += self._drain(direction, wall, final=False)
            if len(waiting) > self.most:
                found += self._drain(direction, wall, final=True)
        return joined(found)

    def flush(self) -> list[Seen]:
        """What still waits, as far as it means anything: the line is silent, or it is the end."""
        return joined([seen for way in Direction for seen in self._drain(way, self._at[way], final=True)])

    def _drain(self, direction: Direction, wall: float, *, final: bool) -> list[Seen]:
        waiting = self._waiting[direction]
        found: list[Seen] = []
        while waiting:
            cut = self.cut(direction, bytes(waiting), final=final)
            if cut is None:
                if not final:
                    break
                cut = self.noise(1)
            data = bytes(waiting[: cut.size])
            del waiting[: cut.size]
            private = () if self.show_cards else cut.private
            found.append(Seen(wall, direction, data, cut.text, cut.verdict, private))
        return joined(found)

    def noise(self, size: int) -> Cut:
        """Bytes that mean nothing."""
        return Cut(size, "", Verdict.NOISE)


def joined(found: list[Seen]) -> list[Seen]:
    """Neighbouring noise as one line."""
    result: list[Seen] = []
    for seen in found:
        last = result[-1] if result else None
        if last is not None and last.verdict is seen.verdict is Verdict.NOISE and last.direction is seen.direction:
            shifted = tuple((start + len(last.data), end + len(last.data)) for start, end in seen.private)
            result[-1] = replace(seen, data=last.data + seen.data, private=last.private + shifted)
        else:
            result.append(seen)
    return [replace(seen, text=_count(seen.data)) if seen.verdict is Verdict.NOISE else seen for seen in result]


def _count(data: bytes) -> str:
    return f"noise, {len(data)} byte{'s' if len(data) != 1 else ''}"


def mask(uid: bytes, *, show: bool) -> str:
    """An identifier as it may be shown: its first byte, and how long it is."""
    if show:
        return uid.hex().upper()
    return f"{uid[:1].hex().upper()}{HIDDEN * 2} ({len(uid)} bytes)" if len(uid) > 1 else HIDDEN


def text_spans(data: bytes, offset: int = 0) -> tuple[Span, ...]:
    """Where `data` reads like text: an identification, a signed record. offset: added to each place."""
    spans: list[Span] = []
    start: int | None = None
    for at, byte in enumerate((*data, 0)):
        printable = 0x20 <= byte < 0x7F
        if printable and start is None:
            start = at
        elif not printable and start is not None:
            if at - start >= _LEAST_TEXT:
                spans.append((offset + start, offset + at))
            start = None
    return tuple(spans)
