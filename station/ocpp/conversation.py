"""One connection's worth of talk: our CALL in flight, the CALLs of the CSMS, and what each answer means for whom."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from station.clock import Now
from station.core.events import Event, SecurityNoted
from station.logs import one_line
from station.ocpp.delivery import Delivery, Kind, Outgoing
from station.ocpp.dialect import BootAnswer, Dialect, Payload
from station.ocpp.registration import ACCEPTED, PENDING, REJECTED, Registration
from station.ocpp.rpc import InvalidPayloadError, Rpc, RpcUsageError
from station.ocpp.rpc_events import (
    BadResult,
    CallError,
    DuplicateCall,
    Garbage,
    IncomingCall,
    IncomingSend,
    LateAnswer,
    Received,
    RefusedCall,
    Result,
    ResultRefused,
)
from station.ocpp.services import CallFromCsms, StationServices
from station.ocpp.wirelog import WireLog

_log = logging.getLogger("station.ocpp")

_UNREADABLE = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError)
"""What a translation raises over data that the schema lets pass and that it did not expect."""

_NOT_OURS = frozenset({"NotImplemented", "NotSupported"})
"""Codes for a CALL that is a good message, but none that this station knows."""


class Owner(Protocol):
    """What a conversation needs of the client."""

    registration: Registration
    delivery: Delivery
    services: StationServices
    wire: WireLog

    @property
    def answer_within_s(self) -> float: ...
    @property
    def boot_reason(self) -> str: ...
    def now(self) -> Now: ...
    def timeout_s(self) -> float: ...
    def submit(self, events: Iterable[Event]) -> None: ...
    def clock_told(self, wall: float | None) -> None: ...
    def booted(self, answer: BootAnswer, now: Now) -> None: ...


class Conversation:
    """Lives as long as its connection; replies to it that come later are dropped."""

    __slots__ = ("_flight", "_invalid_noted", "_open", "_owner", "_rpc", "_send", "_timers", "dialect")

    def __init__(self, owner: Owner, dialect: Dialect, send: Callable[[str], bool], new_id: Callable[[], str]) -> None:
        self._owner = owner
        self.dialect = dialect
        self._send = send
        self._rpc = Rpc(dialect.version, new_id)
        self._flight: Outgoing | None = None
        self._open = True
        self._invalid_noted = False
        self._timers: set[asyncio.TimerHandle] = set()

    @property
    def busy(self) -> bool:
        """Our CALL is out; the next one waits."""
        return self._rpc.outstanding is not None

    def deadline(self) -> float | None:
        """When (monotonic) our open CALL times out."""
        return self._rpc.next_deadline()

    def close(self) -> None:
        """The connection has ended."""
        self._open = False
        self._rpc.disconnected()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    # --- ours ----------------------------------------------------------------------------------------------------

    def send_next(self, now: Now) -> bool:
        """Send the CALL whose turn it is. True: nothing was sent after all, ask again."""
        out = self._choose(now)
        if out is None:
            return False
        try:
            text = self._rpc.call(out.frame.action, out.frame.payload, now, self._owner.timeout_s())
        except InvalidPayloadError as error:
            _log.error("cannot send %s, it breaks its schema: %s", error.action, error.problem)
            self._unsendable(out, f"not valid: {error.problem}", now)
            return True
        except RpcUsageError as error:
            _log.error("cannot send %s: %s", out.frame.action, error)
            self._unsendable(out, str(error), now)
            return True
        self._flight = out
        self._owner.registration.message_sent(now)
        self._put(text, out.frame.action, "call")
        return False

    def _choose(self, now: Now) -> Outgoing | None:
        registration = self._owner.registration
        if registration.boot_due(now):
            boot = self.dialect.boot(registration.boot_reason(self._owner.boot_reason))
            registration.boot_sent()
            return Outgoing(Kind.BOOT, boot)
        if not registration.may_call():
            return None
        out = self._owner.delivery.next(now)
        if out is not None:
            return out
        if registration.heartbeat_due(now):
            registration.heartbeat_sent()
            return Outgoing(Kind.HEARTBEAT, self.dialect.heartbeat())
        return None

    def _unsendable(self, out: Outgoing, why: str, now: Now) -> None:
        if out.kind is Kind.BOOT:
            self._owner.registration.boot_failed(now)
        elif out.kind is Kind.HEARTBEAT:
            self._owner.registration.heartbeat_failed(now)
        else:
            self._owner.submit(self._owner.delivery.unsendable(why, now))

    def expire(self, now: Now) -> None:
        """Give up our CALL when its time is over."""
        for event in self._rpc.expire(now):
            _log.warning("no answer to %s within %.0f s", event.action, event.waited_s)
            out, self._flight = self._flight, None
            if out is not None:
                self._timed_out(out, now)

    def _timed_out(self, out: Outgoing, now: Now) -> None:
        if out.kind is Kind.BOOT:
            self._owner.registration.boot_failed(now)
        elif out.kind is Kind.HEARTBEAT:
            self._owner.registration.heartbeat_failed(now)
        else:
            self._owner.submit(self._owner.delivery.timed_out(now))

    def put(self, text: str, action: str | None, verdict: str) -> None:
        """Send a text that is not ours to answer for (`station.ocpp.expert`)."""
        self._put(text, action, verdict)

    def _put(self, text: str, action: str | None, verdict: str) -> None:
        self._send(text)
        if self._owner.wire.wanted:
            self._owner.wire.frame("out", text, action, verdict)

    # --- theirs --------------------------------------------------------------------------------------------------

    def receive(self, text: str, now: Now) -> None:
        """A text has come. Never raises over what it says."""
        for event in self._rpc.receive(text, now):
            if self._owner.wire.wanted:
                self._owner.wire.frame("in", text, getattr(event, "action", None), _verdict(event))
            self._handle(event, now)

    def _handle(self, event: Received, now: Now) -> None:
        match event:
            case Result():
                self._answered(event.payload, now)
            case CallError():
                self._refused(one_line(f"{event.code}: {event.description}"), event.action, now)
            case BadResult():
                _log.warning("the answer to %s breaks its schema: %s", event.action, event.problem)
                self._invalid(f"the answer to {event.action} breaks its schema")
                self._reply_with(event.reply)
                self._answered_badly(event, now)
            case IncomingCall():
                self._called(event)
            case RefusedCall():
                _log.warning("refused %s: %s %s", event.action, event.code, event.description)
                if event.code not in _NOT_OURS:
                    self._invalid(f"{event.action or 'a CALL'}: {event.code}")
                self._reply_with(event.reply)
            case Garbage():
                _log.warning("received garbage: %s (%d characters)", event.reason, event.size)
                self._invalid(event.reason)
                self._reply_with(event.reply)
            case LateAnswer() | DuplicateCall() | IncomingSend() | ResultRefused():
                _log.info("ignored: %r", event)

    def _invalid(self, what: str) -> None:
        """A04.FR.04: into the security log. Once per connection, so that a flood of them does not wash the rest out of it."""
        if not self._invalid_noted:
            self._invalid_noted = True
            self._owner.submit([SecurityNoted("InvalidMessages", one_line(what)[:100])])

    def _reply_with(self, reply: str | None) -> None:
        if reply is not None:
            self._put(reply, None, "error")

    def _answered(self, payload: Payload, now: Now) -> None:
        out, self._flight = self._flight, None
        if out is None:
            return
        owner = self._owner
        if out.kind is Kind.BOOT:
            self._boot_answered(payload, now)
        elif out.kind is Kind.HEARTBEAT:
            owner.registration.heartbeat_answered(now)
            owner.clock_told(self.dialect.heartbeat_answer(payload))
        else:
            try:
                events = owner.delivery.answered(payload)
            except _UNREADABLE as error:
                _log.exception("the answer to %s cannot be understood", out.frame.action)
                events = owner.delivery.answered_badly(payload, repr(error), now)
            owner.submit(events)

    def _boot_answered(self, payload: Any, now: Now) -> None:
        """What can be read of the answer counts, valid or not: the station must get on its feet."""
        try:
            answer = self.dialect.boot_answer(payload, now)
        except _UNREADABLE:
            answer = None
        if answer is None or answer.status not in (ACCEPTED, PENDING, REJECTED):
            self._owner.registration.boot_failed(now)
        else:
            self._owner.booted(answer, now)

    def _refused(self, why: str, action: str, now: Now) -> None:
        out, self._flight = self._flight, None
        if out is None:
            return
        _log.warning("the CSMS refused %s: %s", action, why)
        if out.kind in (Kind.BOOT, Kind.HEARTBEAT):
            self._timed_out(out, now)
        else:
            self._owner.submit(self._owner.delivery.refused(why, now))

    def _answered_badly(self, event: BadResult, now: Now) -> None:
        out, self._flight = self._flight, None
        if out is None:
            return
        if out.kind is Kind.BOOT:
            self._boot_answered(event.payload, now)
        elif out.kind is Kind.HEARTBEAT:
            self._owner.registration.heartbeat_failed(now)
        else:
            self._owner.submit(self._owner.delivery.answered_badly(event.payload, str(event.problem), now))

    # --- answering -----------------------------------------------------------------------------------------------

    def _called(self, event: IncomingCall) -> None:
        def reply(payload: Payload | None, code: str, description: str) -> None:
            self._reply(event.call_id, event.action, payload, code, description)

        call = CallFromCsms(event.action, event.payload, reply)
        if self._owner.registration.silent:  # B03.FR.07, B03.FR.08; 1.6 4.2 lets us be unreachable, we say so instead
            call.refuse("SecurityError", "this station was rejected")
            return
        if not self.dialect.supports(event.action):
            call.refuse("NotSupported", "")
            return
        try:
            self.dialect.handle(call, self._owner.services)
        except _UNREADABLE:
            # The CSMS gets an answer, whatever mistake of ours it has hit.
            _log.exception("%s could not be handled", event.action)
            call.refuse("InternalError", "")
        if not call.done:
            self._watch(call)

    def _watch(self, call: CallFromCsms) -> None:
        """No CALL stays without answer: InternalError when it takes too long, and the late reply is dropped."""

        def too_late() -> None:
            self._timers.discard(timer)
            if not call.done:
                _log.error("%s was not answered within %.1f s", call.action, self._owner.answer_within_s)
                call.refuse("InternalError", "no answer in time")

        timer = asyncio.get_running_loop().call_later(self._owner.answer_within_s, too_late)
        self._timers = {t for t in self._timers if not t.cancelled()}
        self._timers.add(timer)

    def _reply(self, call_id: str, action: str, payload: Payload | None, code: str, description: str) -> None:
        if not self._open:
            return
        rpc = self._rpc
        reply = rpc.refuse(call_id, code, description) if payload is None else rpc.answer(call_id, payload)
        if reply.problem is not None:
            _log.error("our answer to %s breaks its schema: %s", action, reply.problem)
        if reply.text is not None:
            self._owner.registration.message_sent(self._owner.now())
            self._put(reply.text, action, "result" if payload is not None and reply.problem is None else "error")


def _verdict(event: Received) -> str:
    match event:
        case Result():
            return "result"
        case IncomingCall():
            return "call"
        case CallError():
            return f"error: {event.code}"
        case RefusedCall():
            return f"refused: {event.code}"
        case BadResult():
            return f"invalid: {event.problem}"
        case Garbage():
            return f"garbage: {event.reason}"
        case LateAnswer():
            return f"ignored: {event.why.value}"
        case _:
            return "ignored"
