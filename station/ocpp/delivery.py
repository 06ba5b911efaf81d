"""What is sent next, retried, kept, given up. Pure: no socket, no clock; `now` comes in, frames and ops go out.

One sender, one CALL at a time, in this order: Ask > Record > Notice > free frames (BootNotification and Heartbeat are
registration's; the client asks it first). A free frame (a report part, something triggered) gets a turn after every
few records, so that a long backlog does not starve it; a series (the parts of a report) is made frame by frame and goes
last of all, as nothing else may wait for it. A notice never overtakes a record that is about to be sent
(Finishing comes after StopTransaction).
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from station.clock import Now
from station.core.effects import Ask, NoticeBody
from station.core.events import Answered, Event, Unanswered
from station.core.facts import Fact
from station.ocpp.coalesce import NoticeBoard
from station.ocpp.dialect import Dialect, Frame, Services
from station.ocpp.entries import RetryPolicy
from station.ocpp.records import RecordQueue
from station.runtime.fence import Fence, told
from station.store.ops import Op

_log = logging.getLogger("station.ocpp")

_RECORDS_PER_FREE_FRAME = 4
_NO_FRAMES: Iterator[Frame] = iter(())
_OVER = -math.inf  # deadline of a question that cannot be asked
FREE_LIMIT = 100
MOST_SERIES = 8  # waiting behind the one under way
"""Free frames that may wait. Whoever causes more (a CSMS that triggers and does not answer) loses the oldest."""

Done = Callable[[dict[str, Any] | None], None]
"""Hears the payload of the answer; None when there will be none (refused, timed out, no link)."""


class Kind(Enum):
    """What a CALL is about. BOOT and HEARTBEAT belong to registration."""

    BOOT = "boot"
    ASK = "ask"
    RECORD = "record"
    NOTICE = "notice"
    FREE = "free"
    HEARTBEAT = "heartbeat"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A CALL to be sent now. `ask` is the number of the question, else None; `done` hears the answer of a free frame."""

    kind: Kind
    frame: Frame
    ask: int | None = None
    done: Done | None = None


class Delivery:
    """Everything that one station wants to tell its CSMS.

    policy: MessageAttempts and MessageAttemptInterval, looked up at every failure.
    hold_s: MinimumStatusDuration, looked up at every state.
    """

    __slots__ = (
        "_asks",
        "_dialect",
        "_flight",
        "_free",
        "_hold_s",
        "_part",
        "_policy",
        "_series",
        "_series_after",
        "_services",
        "_streak",
        "_up",
        "notices",
        "records",
    )

    def __init__(
        self,
        records: RecordQueue,
        services: Services,
        *,
        policy: Callable[[], RetryPolicy] = RetryPolicy,
        hold_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.records = records
        self.notices = NoticeBoard()
        self._services = services
        self._policy = policy
        self._hold_s = hold_s
        self._asks: dict[int, Ask] = {}
        self._free: list[tuple[Frame, Done | None]] = []
        self._series: Iterator[Frame] = _NO_FRAMES
        self._part: Frame | None = None  # of the series, the next to be sent
        self._series_after: deque[Iterator[Frame]] = deque()
        self._dialect: Dialect | None = None
        self._up = False
        self._flight: Outgoing | None = None
        self._streak = 0

    # --- coming in -----------------------------------------------------------------------------------------------

    def record(self, record: int, fact: Fact, now: Now) -> None:
        """A durable fact."""
        self.records.add(record, fact, now)

    def notice(self, body: NoticeBody, now: Now) -> None:
        """A state; readings outside transactions are worth nothing offline."""
        self.notices.put(body, now, connected=self._dialect is not None, hold_s=self._hold_s())

    def ask(self, ask: Ask, now: Now) -> tuple[Event, ...]:
        """A question; offline it is Unanswered at once."""
        if not self._up or ask.deadline <= now.mono:
            return (Unanswered(ask.ask),)
        self._asks[ask.ask] = ask
        return ()

    def send(self, frame: Frame, done: Done | None = None) -> None:
        """A frame of the connected version that is not kept: without a link, or when too many wait after it, it is dropped.

        `done` is called once; with None when the frame was dropped.
        """
        if self._dialect is None:
            if done is not None:
                done(None)
            return
        self._free.append((frame, done))
        if len(self._free) > FREE_LIMIT:
            oldest, unheard = self._free.pop(0)
            _log.warning("%s dropped: more than %d frames wait for the CSMS", oldest.action, FREE_LIMIT)
            if unheard is not None:
                unheard(None)

    @property
    def sending_series(self) -> bool:
        """A series is under way: frames of it are still to be sent."""
        return self._part is not None

    @property
    def takes_series(self) -> bool:
        """Another series may be given: it is sent now, or after the one under way."""
        return len(self._series_after) < MOST_SERIES

    def send_series(self, frames: Iterator[Frame]) -> None:
        """Frames of the connected version, made one ahead of what is sent. Without a link none is. One series after the other;
        dropped when too many wait.
        """
        if self._dialect is None:
            return
        if not self.takes_series:
            _log.warning("a series is dropped: %d others wait for the CSMS", MOST_SERIES)
            return
        self._series_after.append(frames)
        if self._part is None:
            self._next_part()

    def _next_part(self) -> None:
        """Make the next frame of the series now: only so is it known whether there is one. A mistake ends the series."""
        self._part = None
        with Fence() as fence:
            self._part = next(self._series, None)
        if fence.error is not None:
            _log.error("a series ends before its time: %r", fence.error, exc_info=told(fence.error))
        if self._part is None:
            self._series = self._series_after.popleft() if self._series_after else _NO_FRAMES
            if self._series is not _NO_FRAMES:
                self._next_part()

    # --- link ----------------------------------------------------------------------------------------------------

    def connected(self, dialect: Dialect) -> None:
        """There is a link in this version; until `accepted` only what the CSMS itself asked for flows (B02.FR.02)."""
        self._dialect = dialect
        self._up = False
        self._streak = 0

    def accepted(self, now: Now, *, everything: bool) -> None:
        """The CSMS has accepted us. `everything`: all states anew (B04.FR.01)."""
        dialect = self._dialect
        if dialect is None or self._up:
            return
        self._up = True
        self.records.link_up()
        self.notices.link_up(dialect.version, now, everything=everything)

    def suspended(self) -> tuple[Event, ...]:
        """Not accepted any more (Pending, Rejected) though connected: records and questions stop."""
        self._up = False
        self.records.link_down()
        self.notices.link_down()
        return self._give_up_asks()

    def disconnected(self) -> tuple[Event, ...]:
        """The link is gone: what was in flight will not be answered. Idempotent."""
        self._dialect = None
        flight, self._flight = self._flight, None
        waiting = [flight.done if flight is not None else None, *(done for _, done in self._free)]
        self._free.clear()
        self._series, self._part = _NO_FRAMES, None
        self._series_after.clear()
        for done in waiting:
            if done is not None:
                done(None)
        return self.suspended()

    def _give_up_asks(self) -> tuple[Event, ...]:
        events = tuple(Unanswered(number) for number in self._asks)
        self._asks.clear()
        return events

    # --- towards the database ------------------------------------------------------------------------------------

    def prepare(self, now: Now) -> tuple[Op, ...]:
        """Ops to be committed now, then `committed()`; empty when there are none (see `RecordQueue.prepare`)."""
        return self.records.prepare(self._dialect if self._up else None, now)

    def committed(self) -> None:
        self.records.committed()

    # --- towards the CSMS ----------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> Outgoing | None:
        return self._flight

    def next(self, now: Now) -> Outgoing | None:
        """The CALL to be sent now; it is in flight until answered, refused, timed out or disconnected."""
        dialect = self._dialect
        if dialect is None or self._flight is not None:
            return None
        self._flight = self._choose(dialect, now)
        return self._flight

    def _choose(self, dialect: Dialect, now: Now) -> Outgoing | None:
        if not self._up:
            return self._low(dialect, now)
        question = self._question(dialect)
        if question is not None:
            return question
        if self._streak >= _RECORDS_PER_FREE_FRAME:
            self._streak = 0
            free = self._free_frame()
            if free is not None:
                return free
        frame = self.records.next(dialect, now)
        if frame is not None:
            self._streak += 1
            return Outgoing(Kind.RECORD, frame)
        if self.records.pressing(dialect.version):
            return None
        return self._low(dialect, now)

    def _question(self, dialect: Dialect) -> Outgoing | None:
        """The oldest question. One that has no words is over: `expire` says so."""
        for number, ask in self._asks.items():
            if ask.deadline == _OVER:
                continue
            with Fence() as fence:
                return Outgoing(Kind.ASK, dialect.ask(ask.token, self._services), number)
            _log.error("question %d has no words: %r", number, fence.error)
            self._asks[number] = replace(ask, deadline=_OVER)
        return None

    def _low(self, dialect: Dialect, now: Now) -> Outgoing | None:
        frame = self.notices.next(dialect, self._services, now)
        if frame is not None:
            return Outgoing(Kind.NOTICE, frame)
        return self._free_frame()

    def _free_frame(self) -> Outgoing | None:
        if self._free:
            frame, done = self._free.pop(0)
            return Outgoing(Kind.FREE, frame, done=done)
        part = self._part
        if part is None:
            return None
        self._next_part()
        return Outgoing(Kind.FREE, part)

    def answered(self, payload: dict[str, Any]) -> tuple[Event, ...]:
        """The CSMS answered the CALL in flight; returns what the core must learn (before the ops are committed).

        Raises what the dialect raises over an answer that it cannot read; the CALL is then still in flight.
        """
        out, dialect = self._flight, self._dialect
        if out is None or dialect is None:
            return ()
        events: tuple[Event, ...] = ()
        match out.kind:
            case Kind.ASK:
                if out.ask is not None and out.ask in self._asks:
                    events = (Answered(out.ask, dialect.ask_answer(payload)),)
                    del self._asks[out.ask]
            case Kind.RECORD:
                events = self.records.answered(payload)
            case Kind.NOTICE:
                self.notices.answered()
            case _:
                pass
        self._flight = None
        if out.done is not None:
            out.done(payload)
        return events

    def answered_badly(self, payload: Any, why: str, now: Now) -> tuple[Event, ...]:
        """The CSMS answered the CALL in flight with something that breaks the schema or makes no sense.

        It has the message, so a record is not sent again (the CSMS would count it twice); what can be read of the
        answer counts. A question stays without answer: nobody charges on nonsense.
        """
        out = self._flight
        if out is None or out.kind is Kind.ASK:
            return self.refused(why, now)
        if out.kind is not Kind.RECORD:
            return self.answered({})
        readings: tuple[Any, ...] = (payload, {})
        for readable in readings:
            if not isinstance(readable, dict):
                continue
            try:
                return self.answered(readable)
            except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError):
                continue  # not even readable in parts
        return self.unsendable(f"the answer cannot be read: {why}", now)

    def refused(self, why: str, now: Now) -> tuple[Event, ...]:
        """The CSMS answered with a CALLERROR (or with something that is no answer)."""
        out, self._flight = self._flight, None
        if out is None:
            return ()
        match out.kind:
            case Kind.ASK:
                return self._unanswered(out)
            case Kind.RECORD:
                # E13 is about transactions. Any other fact was received: saying it again changes nothing.
                self.records.failed(why, now, self._policy(), final=not self.records.in_transaction())
            case Kind.NOTICE:
                self.notices.refused()
            case _:
                _unheard(out)
        return ()

    def timed_out(self, now: Now) -> tuple[Event, ...]:
        """No answer within MessageTimeout."""
        out, self._flight = self._flight, None
        if out is None:
            return ()
        match out.kind:
            case Kind.ASK:
                return self._unanswered(out)
            case Kind.RECORD:
                self.records.failed("no answer in time", now, self._policy(), final=not self._repeats())
            case Kind.NOTICE:
                self.notices.timed_out(now)
            case _:
                _unheard(out)
        return ()

    def _repeats(self) -> bool:
        fact = next(iter(self.records.facts()), None)
        return self._dialect is None or fact is None or self._dialect.repeats(fact)

    def unsendable(self, why: str, now: Now) -> tuple[Event, ...]:
        """The frame in flight is not schema-valid, which no further attempt would change."""
        out = self._flight
        if out is not None and out.kind is Kind.RECORD:
            self._flight = None
            self.records.failed(why, now, self._policy(), final=True)
            return ()
        return self.refused(why, now)

    def _unanswered(self, out: Outgoing) -> tuple[Event, ...]:
        if out.ask is None or self._asks.pop(out.ask, None) is None:
            return ()
        return (Unanswered(out.ask),)

    # --- time ----------------------------------------------------------------------------------------------------

    def deadline(self, now: Now) -> float | None:
        """When something becomes due without anything happening (monotonic), None when nothing does."""
        times = [ask.deadline for ask in self._asks.values()]
        if self._dialect is not None and self._flight is None:
            held = self.notices.deadline(now)
            times += [] if held is None else [held]
            wait = self.records.wait_until
            times += [] if wait is None or not self._up else [wait]
        return min(times, default=None)

    def expire(self, now: Now) -> tuple[Event, ...]:
        """Questions whose deadline has passed, in flight or not; a later answer is ignored."""
        late = [number for number, ask in self._asks.items() if ask.deadline <= now.mono]
        for number in late:
            del self._asks[number]
        return tuple(Unanswered(number) for number in late)


def _unheard(out: Outgoing) -> None:
    """Whoever waits for the answer of a free frame learns that there is none."""
    if out.done is not None:
        out.done(None)
