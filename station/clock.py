"""Time comes in as a value. Only this module and the event loop read a clock (LAW 3)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Now:
    """A moment, as everything in the core sees it.

    mono: monotonic seconds of this boot; every deadline is in these.
    wall: seconds since 1970-01-01T00:00Z as best we know.
    boot: number of this start of the program, so that a monotonic time is never compared across a restart.
    trusted: False until something told us the wall clock (CSMS, RTC, NTP).
    """

    mono: float
    wall: float
    boot: int = 0
    trusted: bool = True


class Clock:
    """Wall and monotonic clock of one station. The wall clock can be corrected without touching the system's.

    monotonic: seconds, never goes back (the loop's `time`).
    wall: seconds since the epoch; defaults to the system clock.
    """

    __slots__ = ("_monotonic", "_offset", "_wall", "boot", "trusted")

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        *,
        boot: int = 0,
        trusted: bool = True,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._offset = 0.0
        self.boot = boot
        self.trusted = trusted

    def now(self) -> Now:
        return Now(self._monotonic(), self._wall() + self._offset, self.boot, self.trusted)

    def set_wall(self, wall: float) -> float:
        """Make `wall` the current wall time; returns by how many seconds the clock stepped."""
        step = wall - (self._wall() + self._offset)
        self._offset += step
        self.trusted = True
        return step


def best_wall(at: Now, now: Now) -> float:
    """Wall time of an earlier moment `at`, corrected when the clock became known only after it (same boot)."""
    if at.trusted or not now.trusted or at.boot != now.boot:
        return at.wall
    return now.wall - (now.mono - at.mono)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# RFC 3339 has four digits for the year, and no year 0 in Python.
_FIRST_WALL = -62_135_596_800.0
_LAST_WALL = 253_402_300_799.999


def iso(wall: float) -> str:
    """RFC 3339 in UTC with Z and milliseconds, what every CSMS seen accepts (6 digits are refused by one).

    Never raises: what lies outside the years 1 to 9999 becomes the nearest moment inside, no number the first.
    """
    millis = round(min(_LAST_WALL, max(_FIRST_WALL, wall)) * 1000)
    return (_EPOCH + timedelta(milliseconds=millis)).isoformat(timespec="milliseconds")[:23] + "Z"


_LEAP = re.compile(r":60(?=[.,Zz+-]|$)")


def parse_iso(text: str) -> float:
    """Seconds since the epoch of any RFC 3339 date-time; without a zone it is taken as UTC. Raises ValueError.

    A leap second is the moment at which it ends, as it has no number of its own.
    """
    text, leaps = _LEAP.subn(":59", text.strip().upper())
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return parsed.timestamp() + leaps
