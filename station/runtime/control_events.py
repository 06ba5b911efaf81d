"""Telling subscribers what happens: state, frames, facts, refusals, commands.

No timer runs while nothing changes: virtual time may jump.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from station.clock import Now, iso
from station.core.effects import Effect, Record, Refused
from station.core.events import Event
from station.core.facts import AlertFact, Fact, FirmwareStatusFact, LogStatusFact, SecurityFact, TxFact
from station.runtime.control_frames import FrameRow
from station.runtime.control_history import fact_json
from station.runtime.control_host import Host
from station.runtime.control_state import state
from station.runtime.control_types import Json, Listener
from station.runtime.control_wire import WireTopics
from station.runtime.fence import Fence, told

__all__ = ["Broadcaster"]

log = logging.getLogger("station.control")

APART_S = 0.1  # at most ten states a second
VOLATILE = ("time", "wall", "mono")


@dataclass(eq=False, slots=True)
class _Subscriber:
    topics: frozenset[str]
    listener: Listener


class Broadcaster:
    """One per host. A subscriber that raises is logged and not called again."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._subscribers: list[_Subscriber] = []
        self._told_state: Json | None = None
        self._told_at: float | None = None
        self._due: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wire = WireTopics(host.wall, self._tell)
        host.hear_turns(self._turn)
        host.memory.hear_rows(self._frame)

    def subscribe(self, topics: frozenset[str], listener: Listener) -> Callable[[], None]:
        """Who subscribes to the state is told it once at the beginning."""
        subscriber = _Subscriber(topics, listener)
        self._subscribers.append(subscriber)
        self._wire.want(self._topics())
        if "state" in topics:
            asyncio.get_running_loop().call_soon(self._tell_one, subscriber, {"event": "state", **state(self._host)})
        return lambda: self._drop(subscriber)

    def command(self, name: str, arguments: Mapping[str, object], result: Json) -> None:
        """A command was carried out. arguments: without secrets."""
        self._tell("command", {"name": name, "arguments": dict(arguments), "result": result, "wall": self._host.wall()})
        self.changed(at_once=True)

    def changed(self, *, at_once: bool = False) -> None:
        """The state may be another. at_once: somebody did something, and wants to see what came of it."""
        if self._due is not None or not self._wanted("state"):
            return
        loop = asyncio.get_running_loop()
        # While time stands still no timer fires, but then only what a command sets off can change anything.
        since = None if self._told_at is None else loop.time() - self._told_at
        if at_once or self._host.standing_still or since is None or since >= APART_S:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._due = loop.call_soon(self._tell_state)
        elif self._timer is None:
            self._timer = loop.call_later(APART_S - since, self._tell_state)

    # --- what is heard ------------------------------------------------------------------------------------------------

    def _turn(self, _event: Event | None, effects: list[Effect], _now: Now) -> None:
        if not self._subscribers:
            return
        self.changed()
        for effect in effects:
            if isinstance(effect, Record) and self._wanted("fact"):
                self._tell("fact", _fact(effect.fact))
            elif isinstance(effect, Refused):
                self._tell("refused", {"evse": effect.evse, "reason": effect.reason, "wall": self._host.wall()})

    def _frame(self, row: FrameRow) -> None:
        if self._subscribers:
            self._tell("frame", row.json())
            self.changed()

    # --- telling ------------------------------------------------------------------------------------------------------

    def _wanted(self, topic: str) -> bool:
        return any(topic in subscriber.topics for subscriber in self._subscribers)

    def _topics(self) -> frozenset[str]:
        return frozenset().union(*(subscriber.topics for subscriber in self._subscribers))

    def _tell_state(self) -> None:
        self._due = self._timer = None
        found = state(self._host)
        seen = {**found, "station": {name: value for name, value in found["station"].items() if name not in VOLATILE}}
        if seen == self._told_state:
            return
        self._told_state = seen
        self._told_at = asyncio.get_running_loop().time()
        self._tell("state", found)

    def _tell(self, topic: str, body: Json) -> None:
        event = {"event": topic, **body}
        for subscriber in tuple(self._subscribers):
            if topic in subscriber.topics:
                self._tell_one(subscriber, event)

    def _tell_one(self, subscriber: _Subscriber, event: Json) -> None:
        if subscriber not in self._subscribers:
            return
        with Fence() as fence:
            subscriber.listener(event)
        if fence.error is not None:
            self._drop(subscriber)
            log.error("a subscriber failed and hears no more: %r", fence.error, exc_info=told(fence.error))

    def _drop(self, subscriber: _Subscriber) -> None:
        if subscriber in self._subscribers:
            self._subscribers.remove(subscriber)
            self._wire.want(self._topics())


def _fact(fact: Fact) -> Json:
    match fact:
        case TxFact():
            return {"kind": "transaction", "transaction": fact.tx_id, "evse": fact.evse, **fact_json(fact)}
        case SecurityFact():
            return {"kind": "security", "at": iso(fact.at.wall), "what": fact.kind, "info": fact.info}
        case LogStatusFact():
            return {"kind": "log", "at": iso(fact.at.wall), "what": fact.status, "request": fact.request_id}
        case FirmwareStatusFact():
            return {"kind": "firmware", "at": iso(fact.at.wall), "what": fact.status, "request": fact.request_id}
        case AlertFact():
            what = {"what": fact.code, "active": fact.active, "evse": fact.evse, "info": fact.info}
            return {"kind": "alert", "at": iso(fact.at.wall), **what}
