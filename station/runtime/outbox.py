"""Lines that wait until their reader takes them: bounded, whatever the reader does.

Answers are always kept: who gives them carries out no further command before they are read. Events come by themselves, so a reader
that falls behind hears the newest state only, and instead of the rest how many events it has missed.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from station.runtime.control_types import Json

__all__ = ["MOST_WAITING", "Outbox", "encode"]

MOST_WAITING = 1 << 20
"""Bytes of events that wait for a reader before it is told of a gap."""

LEVELS = frozenset({"state"})
"""Topics whose newest event makes the earlier ones worthless."""


def encode(message: Json) -> bytes:
    """One line. Raises TypeError when the message is not JSON."""
    return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)


class _Entry:
    """What waits: a line, or a gap as long as `lost` is not 0."""

    __slots__ = ("line", "lost")

    def __init__(self, line: bytes = b"", lost: int = 0) -> None:
        self.line = line
        self.lost = lost

    def written(self) -> bytes:
        return encode({"event": "gap", "lost": self.lost}) if self.lost else self.line


class Outbox:
    """A queue of lines in the order in which they will be read.

    wake: called when there is something to take. lossless: keep every event; then whoever fills it must wait until it is taken.
    """

    __slots__ = ("_entries", "_levels", "_lossless", "_most", "_wake", "waiting")

    def __init__(self, wake: Callable[[], None], *, most: int = MOST_WAITING, lossless: bool = False) -> None:
        self._wake = wake
        self._most = most
        self._lossless = lossless
        self._entries: list[_Entry] = []
        self._levels: dict[str, _Entry] = {}
        self.waiting = 0
        """Bytes that were not taken yet."""

    def answer(self, line: bytes) -> None:
        """Put the answer to a request."""
        self._put(line)
        self._wake()

    def tell(self, event: Json) -> None:
        """Put an event. Raises TypeError when it is not JSON."""
        line = encode(event)
        topic = event.get("event")
        if self._lossless:
            self._put(line)
        elif isinstance(topic, str) and topic in LEVELS:
            self._tell_level(topic, line)
        elif self.waiting + len(line) <= self._most:
            self._put(line)
        else:
            self._lose()
        self._wake()

    def take(self) -> bytes:
        """Everything that waits, to be written as it is; empty when nothing waits."""
        entries, self._entries = self._entries, []
        self._levels.clear()
        self.waiting = 0
        return b"".join(entry.written() for entry in entries)

    def _put(self, line: bytes) -> _Entry:
        entry = _Entry(line)
        self._entries.append(entry)
        self.waiting += len(line)
        return entry

    def _tell_level(self, topic: str, line: bytes) -> None:
        waiting = self._levels.get(topic)
        if waiting is None:
            self._levels[topic] = self._put(line)
            return
        self.waiting += len(line) - len(waiting.line)
        waiting.line = line

    def _lose(self) -> None:
        if not self._entries or not self._entries[-1].lost:
            self._entries.append(_Entry())
        self._entries[-1].lost += 1
