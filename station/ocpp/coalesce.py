"""Notices: states of which only the newest counts. Pure.

Latest per connector wins. Offline nothing is kept but that latest state; back online B04 decides what is said.
Words that the CSMS has already acknowledged are not repeated, timestamps aside.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from station.clock import Now
from station.core.effects import ConnectorNotice, MeterNotice, NoticeBody
from station.ocpp.dialect import Dialect, Frame, Services
from station.runtime.fence import Fence, told

_log = logging.getLogger("station.ocpp")

Key = tuple[str, int, int]
Words = tuple[tuple[str, dict[str, Any]], ...]

_TRIES = (
    2  # a state that the CSMS did not answer in time is said once more; refused ones never (quirk: endless retries)
)


def key_of(body: NoticeBody) -> Key:
    """What the notice is about. Connector states sort before meters, the station itself first."""
    if isinstance(body, ConnectorNotice):
        return ("connector", body.evse, body.connector)
    return ("meter", body.evse, 0)


def words_of(frames: list[Frame]) -> Words:
    """The frames without the time at which they were made."""
    return tuple((f.action, {k: v for k, v in f.payload.items() if k != "timestamp"}) for f in frames)


@dataclass(slots=True)
class _Wish:
    """Something to be said. `must`: even if the CSMS has acknowledged the same words before."""

    body: NoticeBody
    must: bool
    due: float
    tries: int = 0


@dataclass(slots=True)
class _Flight:
    key: Key
    wish: _Wish
    words: Words
    rest: list[Frame]
    waiting: bool


class NoticeBoard:
    """States of one station on their way to the CSMS."""

    __slots__ = ("_acknowledged", "_flight", "_latest", "_up", "_version", "_wanted")

    def __init__(self) -> None:
        self._latest: dict[Key, ConnectorNotice] = {}
        self._acknowledged: dict[Key, Words] = {}
        self._wanted: dict[Key, _Wish] = {}
        self._flight: _Flight | None = None
        self._version = ""
        self._up = False

    def put(self, body: NoticeBody, now: Now, *, connected: bool, hold_s: float = 0.0) -> None:
        """A new state. `connected`: there is a link, though perhaps we are not yet accepted (then only forced ones go).

        hold_s: MinimumStatusDuration, how long a state must last before it is worth telling.
        """
        key = key_of(body)
        if isinstance(body, ConnectorNotice):
            self._latest[key] = body
        if not self._up and not (connected and body.forced):
            return
        before = self._wanted.get(key)
        must = body.forced or (before is not None and before.must)
        due = now.mono
        if isinstance(body, ConnectorNotice) and not must and hold_s > 0:
            due = now.mono + hold_s
            if before is not None and _same_state(before.body, body):
                due = before.due
        self._wanted[key] = _Wish(body, must, due)

    def link_up(self, version: str, now: Now, *, everything: bool) -> None:
        """The CSMS accepts us. B04.FR.01: everything anew; B04.FR.02: only what has changed since last acknowledged."""
        if version != self._version:
            self._acknowledged.clear()
            self._version = version
        self._up = True
        forced = {key for key, wish in self._wanted.items() if wish.must}
        for key in sorted(self._latest):
            self._wanted[key] = _Wish(self._latest[key], everything or key in forced, now.mono)

    def link_down(self) -> None:
        """Forget what waits; connector states stay known. Idempotent."""
        self._up = False
        self._flight = None
        self._wanted.clear()

    def next(self, dialect: Dialect, services: Services, now: Now) -> Frame | None:
        """The frame to be sent now; then it is in flight until `answered`, `refused`, `timed_out` or `link_down`."""
        flight = self._flight
        if flight is not None:
            if flight.waiting:
                return None
            flight.waiting = True
            return flight.rest.pop(0)
        for key, wish in list(self._wanted.items()):
            if wish.due > now.mono or not (self._up or wish.must):
                continue
            del self._wanted[key]
            with Fence() as fence:
                frames = dialect.notice(wish.body, services)
                words = words_of(frames)
            if fence.error is not None:
                _log.error("dropped, as it has no words: %r: %r", wish.body, fence.error, exc_info=told(fence.error))
                continue
            if not frames or (not wish.must and words == self._acknowledged.get(key)):
                continue
            # From here on it is unknown what the CSMS believes, until it answers.
            self._acknowledged.pop(key, None)
            self._flight = _Flight(key, wish, words, frames[1:], waiting=True)
            return frames[0]
        return None

    def answered(self) -> None:
        flight = self._flight
        if flight is None:
            return
        if flight.rest:
            flight.waiting = False
            return
        self._flight = None
        if isinstance(flight.wish.body, ConnectorNotice):
            self._acknowledged[flight.key] = flight.words

    def refused(self) -> None:
        """The CSMS does not want it: not said again before the next change or link-up."""
        self._flight = None

    def timed_out(self, now: Now) -> None:
        """Say it once more, unless something newer is to be said; readings are not worth it."""
        flight, self._flight = self._flight, None
        if flight is None or isinstance(flight.wish.body, MeterNotice) or flight.key in self._wanted:
            return
        tries = flight.wish.tries + 1
        if tries < _TRIES:
            self._wanted[flight.key] = _Wish(flight.wish.body, flight.wish.must, now.mono, tries)

    def deadline(self, now: Now) -> float | None:
        """When a held state becomes due (monotonic), None when nothing is held."""
        held = [wish.due for wish in self._wanted.values() if wish.due > now.mono]
        return min(held, default=None)


def _same_state(a: NoticeBody, b: ConnectorNotice) -> bool:
    return isinstance(a, ConnectorNotice) and (a.state, a.phase, a.fault) == (b.state, b.phase, b.fault)
