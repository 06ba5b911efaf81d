"""OCPP-J as a sans-IO core: texts and times in, texts and events out. OCPP 1.6J 4, 2.0.1 Part 4 4, 2.1 Part 4 4.

One `Rpc` serves one connection after the other: `disconnected()` in between forgets what was open. Nothing that a peer
sends makes it raise: every text becomes events, and where the specification wants an answer at once (a refused CALL,
garbage), the event carries it as `reply`. What the station itself gets wrong raises in `call`, where a test sees it,
and becomes InternalError in `answer`, where a CSMS waits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from station.clock import Now
from station.ocpp.explain import Problem, Rule
from station.ocpp.rpc_events import (
    BadResult,
    CallError,
    DuplicateCall,
    Garbage,
    IncomingCall,
    IncomingSend,
    LateAnswer,
    Lost,
    Payload,
    Received,
    RefusedCall,
    Result,
    ResultRefused,
    Stray,
    TimedOut,
)
from station.ocpp.schemas import Schemas

CALL: Final = 2
CALLRESULT: Final = 3
CALLERROR: Final = 4
CALLRESULTERROR: Final = 5  # 2.1
SEND: Final = 6  # 2.1

MAX_ID: Final = 36  # MessageId is string[36] in every version
MAX_DESCRIPTION: Final = 255  # ErrorDescription is string[255]
UNREADABLE_ID: Final = "-1"  # 2.0.1 Part 4, 4.2.3

DEFAULT_MAX_BYTES: Final = 1 << 20
_MAX_OPEN_CALLS: Final = 100  # CALLs of the CSMS that wait for our answer
_REMEMBERED: Final = 32  # ids of our own closed CALLs, to tell late from unknown
_HEAD: Final = 48


class RpcUsageError(Exception):
    """The station used the protocol wrongly: a bug of ours, never the peer's doing."""


class CallInProgressError(RpcUsageError):
    """A CALL is open; only one may be (2.0.1 Part 4, 4.1.1)."""


class InvalidPayloadError(RpcUsageError):
    """A payload that we built breaks its schema, or is not JSON."""

    def __init__(self, action: str, problem: Problem) -> None:
        super().__init__(f"{action}: {problem}")
        self.action = action
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Outstanding:
    """Our open CALL. `sent`, `deadline` are monotonic seconds."""

    call_id: str
    action: str
    sent: float
    deadline: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What to send as the answer to a CALL.

    text: None when there is nothing to answer (answered before, or its connection is gone).
    problem: set when our payload was invalid and `text` is an InternalError instead.
    """

    text: str | None
    problem: Problem | None = None


# Codes per version. 1.6J table 7: ProtocolError is "payload is incomplete"; 2.0.1 Part 4 table 8 counts a missing
# field as an occurrence. The PDF of 1.6J spells "OccurenceConstraintViolation"; we do as it does.
_CODES_16: Final[dict[Rule, str]] = {
    "type": "TypeConstraintViolation",
    "required": "ProtocolError",
    "additionalProperties": "FormationViolation",
    "minItems": "OccurenceConstraintViolation",
    "maxItems": "OccurenceConstraintViolation",
    "schema": "FormationViolation",
}
_CODES_2: Final[dict[Rule, str]] = {
    "type": "TypeConstraintViolation",
    "required": "OccurrenceConstraintViolation",
    "additionalProperties": "FormatViolation",
    "minItems": "OccurrenceConstraintViolation",
    "maxItems": "OccurrenceConstraintViolation",
    "schema": "FormatViolation",
}
_BAD_VALUE: Final = "PropertyConstraintViolation"  # enum, lengths, ranges; 1.6 errata say the same


class Rpc:
    """One side of an OCPP-J conversation: ours.

    version: "1.6", "2.0.1" or "2.1". new_id: an id never used before by this station on any connection (Part 4, 4.1.4).
    max_bytes: longer texts are garbage.
    """

    __slots__ = (
        "_closed",
        "_incoming",
        "_max",
        "_new_id",
        "_outstanding",
        "_schemas",
        "_v16",
        "_v21",
        "_v201",
        "version",
    )

    def __init__(
        self,
        version: str,
        new_id: Callable[[], str],
        schemas: Schemas | None = None,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        self.version = version
        self._new_id = new_id
        self._schemas = schemas or Schemas.for_version(version)
        self._max = max_bytes
        self._v16, self._v201, self._v21 = version == "1.6", version == "2.0.1", version == "2.1"
        self._outstanding: Outstanding | None = None
        self._incoming: dict[str, str] = {}
        self._closed: OrderedDict[str, tuple[str, Stray]] = OrderedDict()

    # -- ours ----------------------------------------------------------------------------------------------------

    @property
    def outstanding(self) -> Outstanding | None:
        """Our open CALL, None when the next may be sent."""
        return self._outstanding

    @property
    def unanswered(self) -> int:
        """How many CALLs of the CSMS wait for our answer."""
        return len(self._incoming)

    def call(self, action: str, payload: Payload, now: Now, timeout_s: float) -> str:
        """The text of a CALL; `outstanding` then tells its id.

        Raises CallInProgressError while one is open, InvalidPayloadError for a payload that breaks its schema.
        """
        if self._outstanding is not None:
            raise CallInProgressError(f"{action} while {self._outstanding.action} is open")
        call_id, text = self._request(CALL, action, payload)
        self._outstanding = Outstanding(call_id, action, now.mono, now.mono + timeout_s)
        return text

    def send(self, action: str, payload: Payload) -> str:
        """2.1: the text of a SEND, which has no answer and may be sent at any time. Raises as `call` does."""
        if not self._v21:
            raise RpcUsageError(f"OCPP {self.version} has no SEND")
        return self._request(SEND, action, payload)[1]

    def answer(self, call_id: str, payload: Payload) -> Reply:
        """The CALLRESULT for a CALL of the CSMS. An invalid payload becomes InternalError, and is reported."""
        action = self._incoming.pop(call_id, None)
        if action is None:
            return Reply(None)
        problem = self._schemas.response(action).problem(payload)
        if problem is None:
            text = _encode([CALLRESULT, call_id, payload])
            if isinstance(text, str) and not self._hides_null(text, action, request=False):
                return Reply(text)
            problem = text if isinstance(text, Problem) else _NOT_FINITE
        return Reply(_error(call_id, "InternalError", "the answer could not be built"), problem)

    def refuse(self, call_id: str, code: str, description: str = "") -> Reply:
        """The CALLERROR for a CALL of the CSMS. `description` must name no secret; it is cut to 255 characters."""
        if self._incoming.pop(call_id, None) is None:
            return Reply(None)
        return Reply(_error(call_id, code, description))

    def next_deadline(self) -> float | None:
        """Monotonic seconds when `expire` has something to do, None while no CALL is open."""
        return None if self._outstanding is None else self._outstanding.deadline

    def expire(self, now: Now) -> list[TimedOut]:
        """Give up our open CALL when its time is over."""
        open_call = self._outstanding
        if open_call is None or now.mono < open_call.deadline:
            return []
        self._close(open_call, Stray.LATE)
        return [TimedOut(open_call.call_id, open_call.action, now.mono - open_call.sent)]

    def disconnected(self) -> list[Lost]:
        """The connection is gone: what was open on it is forgotten, in both directions."""
        open_call = self._outstanding
        self._outstanding = None
        self._incoming.clear()
        self._closed.clear()
        return [] if open_call is None else [Lost(open_call.call_id, open_call.action)]

    # -- the peer's ----------------------------------------------------------------------------------------------

    def receive(self, text: str | bytes, now: Now) -> list[Received]:
        """What a received text means. Never raises. Replies that events carry are to be sent in their order."""
        if len(text) > self._max:
            return [self._garbage("too long", text)]
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            return [self._garbage("not JSON", text)]
        if type(message) is not list or not message:
            return [self._garbage("not a message", text)]
        kind = message[0]
        if type(kind) is int:
            if CALLRESULT <= kind <= CALLERROR:
                return [self._answered(kind, message, text, now)]
            if kind == CALL:
                return [self._called(message)]
            if self._v21 and kind == CALLRESULTERROR:
                return [self._result_refused(message, text)]
            if self._v21 and kind == SEND:
                return [self._sent(message, text)]
        return [self._unknown_type(message, text)]

    def _called(self, message: list[Any]) -> Received:
        call_id = _id_of(message)
        if call_id is None:
            return self._refused(UNREADABLE_ID, None, self._framework_code, "unreadable message id")
        if len(message) != 4:
            return self._refused(call_id, None, self._framework_code, "a CALL has four elements")
        action, payload = message[2], message[3]
        if type(action) is not str:
            return self._refused(call_id, None, self._framework_code, "the action is not a string")
        if (open_action := self._incoming.get(call_id)) is not None:
            return DuplicateCall(call_id, open_action)
        if action not in self._schemas.actions:
            return self._refused(call_id, action[:_HEAD], "NotImplemented", "unknown action")
        problem = self._schemas.request(action).problem(payload)
        if problem is not None:
            return self._refused(call_id, action, self.code_for(problem), str(problem))
        if len(self._incoming) >= _MAX_OPEN_CALLS:
            return self._refused(call_id, action, "InternalError", "too many unanswered calls")
        self._incoming[call_id] = action
        return IncomingCall(call_id, action, payload)

    def _answered(self, kind: int, message: list[Any], text: str | bytes, now: Now) -> Received:
        call_id = _id_of(message)
        if call_id is None:
            return self._garbage("an answer without a readable message id", text, answer=False)
        open_call = self._outstanding
        if open_call is None or open_call.call_id != call_id:
            return self._stray(call_id)
        self._close(open_call, Stray.TWICE)
        action, latency = open_call.action, now.mono - open_call.sent
        if kind == CALLERROR:  # 3 and 4 elements have been seen: tolerated
            return CallError(call_id, action, _string(message, 2), _string(message, 3), latency)
        payload: Any = message[2] if len(message) > 2 else None
        problem = self._schemas.response(action).problem(payload)
        if problem is None:
            return Result(call_id, action, payload, latency)
        reply = None
        if self._v21:
            reply = _error(call_id, self.code_for(problem), str(problem), kind=CALLRESULTERROR)
        return BadResult(call_id, action, problem, payload, latency, reply)

    def _stray(self, call_id: str) -> LateAnswer:
        if call_id == UNREADABLE_ID:
            return LateAnswer(call_id, Stray.UNREADABLE)
        action, why = self._closed.get(call_id, (None, Stray.UNKNOWN))
        return LateAnswer(call_id, why, action)

    def _result_refused(self, message: list[Any], text: str | bytes) -> Received:
        call_id = _id_of(message)
        if call_id is None:
            return self._garbage("an error without a readable message id", text, answer=False)
        return ResultRefused(call_id, _string(message, 2), _string(message, 3))

    def _sent(self, message: list[Any], text: str | bytes) -> Received:
        call_id = _id_of(message)
        if call_id is None or len(message) != 4 or type(message[2]) is not str:
            return self._garbage("a malformed SEND", text, answer=False)
        action, payload = message[2], message[3]
        if action not in self._schemas.sends:
            return self._garbage("a SEND of an unknown action", text, answer=False)
        problem = self._schemas.request(action).problem(payload)
        if problem is not None:
            return self._garbage(f"an invalid SEND: {problem}", text, answer=False)
        return IncomingSend(call_id, action, payload)

    def _unknown_type(self, message: list[Any], text: str | bytes) -> Received:
        # 2.0.1 Part 4, 4.4: CALLERROR MessageTypeNotSupported. 1.6J 4.1.3 and 2.1 Part 4: ignore.
        if not self._v201:
            return self._garbage("unknown message type", text, answer=False)
        call_id = _id_of(message) or UNREADABLE_ID
        return self._refused(call_id, None, "MessageTypeNotSupported", "unknown message type")

    # -- words ---------------------------------------------------------------------------------------------------

    def code_for(self, problem: Problem) -> str:
        """The CALLERROR code of this version for a payload that breaks its schema."""
        if not problem.path and problem.rule == "type":  # the payload is no object
            return "FormationViolation" if self._v16 else "FormatViolation"
        return (_CODES_16 if self._v16 else _CODES_2).get(problem.rule, _BAD_VALUE)

    @property
    def _framework_code(self) -> str:
        return "FormationViolation" if self._v16 else "RpcFrameworkError"

    def _refused(self, call_id: str, action: str | None, code: str, description: str) -> RefusedCall:
        return RefusedCall(call_id, action, code, description, _error(call_id, code, description))

    def _garbage(self, reason: str, text: str | bytes, *, answer: bool = True) -> Garbage:
        head = text[:_HEAD] if isinstance(text, str) else text[:_HEAD].decode("utf-8", "replace")
        reply = _error(UNREADABLE_ID, self._framework_code, reason) if answer else None
        return Garbage(reason, "".join(c if c.isprintable() else "?" for c in head), len(text), reply)

    def _request(self, kind: int, action: str, payload: Payload) -> tuple[str, str]:
        allowed = self._schemas.actions if kind == CALL else self._schemas.sends
        if action not in allowed:
            raise RpcUsageError(f"OCPP {self.version} has no {action}")
        problem = self._schemas.request(action).problem(payload)
        if problem is not None:
            raise InvalidPayloadError(action, problem)
        call_id = self._new_id()
        if not 0 < len(call_id) <= MAX_ID:
            raise RpcUsageError(f"message id of {len(call_id)} characters")
        text = _encode([kind, call_id, action, payload])
        if isinstance(text, Problem):
            raise InvalidPayloadError(action, text)
        if self._hides_null(text, action, request=True):
            raise InvalidPayloadError(action, _NOT_FINITE)
        return call_id, text

    def _hides_null(self, text: str, action: str, *, request: bool) -> bool:
        """JSON has no NaN: the encoder writes null, which the schema may forbid."""
        if "null" not in text:
            return False
        validator = self._schemas.request(action) if request else self._schemas.response(action)
        return not validator.is_valid(orjson.loads(text)[-1])

    def _close(self, open_call: Outstanding, why: Stray) -> None:
        self._outstanding = None
        self._closed[open_call.call_id] = (open_call.action, why)
        if len(self._closed) > _REMEMBERED:
            self._closed.popitem(last=False)


_NOT_FINITE: Final = Problem("", "type", "holds a number that JSON cannot express")


def _encode(message: list[Any]) -> str | Problem:
    try:
        return orjson.dumps(message).decode()
    except orjson.JSONEncodeError as error:  # says what it met (a type, a depth), never a value
        return Problem("", "schema", f"is not JSON: {error}")


def _error(call_id: str, code: str, description: str, *, kind: int = CALLERROR) -> str:
    # Always five elements: four-element CALLERRORs are dropped by some CSMSs.
    text = _encode([kind, call_id, code, description[:MAX_DESCRIPTION], {}])
    return text if isinstance(text, str) else orjson.dumps([kind, call_id, code, "", {}]).decode()


def _id_of(message: list[Any]) -> str | None:
    call_id = message[1] if len(message) > 1 else None
    return call_id if type(call_id) is str and len(call_id) <= MAX_ID else None


def _string(message: list[Any], index: int) -> str:
    value = message[index] if len(message) > index else ""
    return value[:MAX_DESCRIPTION] if type(value) is str else ""
