"""What `station.ocpp.rpc` makes of a received text, and of time passing. Payloads never show in a repr or a log."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from station.ocpp.explain import Problem

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A valid CALL from the CSMS, to be answered once with `Rpc.answer` or `Rpc.refuse`."""

    call_id: str
    action: str
    payload: Payload = field(repr=False)


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """A CALL that must not reach a handler; `reply` is the CALLERROR to be sent. `action` None: unreadable."""

    call_id: str
    action: str | None
    code: str
    description: str
    reply: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DuplicateCall:
    """The id of a CALL that is still being worked on came again; its one answer will serve both."""

    call_id: str
    action: str


@dataclass(frozen=True, slots=True)
class IncomingSend:
    """A valid SEND (2.1): no answer."""

    call_id: str
    action: str
    payload: Payload = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """The valid answer to our CALL. `latency_s`: seconds since `Rpc.call`."""

    call_id: str
    action: str
    payload: Payload = field(repr=False)
    latency_s: float


@dataclass(frozen=True, slots=True)
class CallError:
    """The CSMS refused our CALL. `description` is the peer's text, at most 255 characters."""

    call_id: str
    action: str
    code: str
    description: str
    latency_s: float


@dataclass(frozen=True, slots=True)
class BadResult:
    """An answer to our CALL that breaks the schema: the CALL is over, its outcome unknown.

    reply: the CALLRESULTERROR to be sent (2.1), None in the other versions.
    """

    call_id: str
    action: str
    problem: Problem
    payload: Any = field(repr=False)
    latency_s: float
    reply: str | None = field(default=None, repr=False)


class Stray(Enum):
    """Why an answer belongs to no open CALL."""

    LATE = "late"  # after its time-out
    TWICE = "twice"  # the CALL has been answered before
    UNKNOWN = "unknown"  # we never sent this id on this connection, or so long ago that it is forgotten
    UNREADABLE = "unreadable"  # "-1": the CSMS could not read the id of something that we sent


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer that nobody waits for. It changes nothing: an open CALL stays open. `action` None: unknown."""

    call_id: str
    why: Stray
    action: str | None = None


@dataclass(frozen=True, slots=True)
class ResultRefused:
    """2.1: the CSMS found our CALLRESULT invalid (CALLRESULTERROR)."""

    call_id: str
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Garbage:
    """A text that is no message. `head`: its beginning, too short for a payload; `reply`: what to send, if anything."""

    reason: str
    head: str
    size: int
    reply: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Our CALL was not answered in time; the next one may be sent. `waited_s` seconds since `Rpc.call`."""

    call_id: str
    action: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ended while our CALL was open: it may or may not have arrived."""

    call_id: str
    action: str


Received = (
    IncomingCall
    | RefusedCall
    | DuplicateCall
    | IncomingSend
    | Result
    | CallError
    | BadResult
    | LateAnswer
    | ResultRefused
    | Garbage
)
