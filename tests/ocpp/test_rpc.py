"""`station.ocpp.rpc`: frames, ids, time-outs, error codes; and that nothing a peer sends makes it raise."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from station.clock import Now
from station.ocpp.explain import Problem
from station.ocpp.rpc import (
    CallInProgressError,
    InvalidPayloadError,
    Rpc,
    RpcUsageError,
)
from station.ocpp.rpc_events import (
    BadResult,
    CallError,
    DuplicateCall,
    Garbage,
    IncomingCall,
    IncomingSend,
    LateAnswer,
    Lost,
    Received,
    RefusedCall,
    Result,
    ResultRefused,
    Stray,
    TimedOut,
)

VERSIONS = ("1.6", "2.0.1", "2.1")
CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.bin"))
HEARTBEAT_ANSWER = {"currentTime": "2026-01-01T00:00:00Z"}
HUGE: dict[str, Callable[[], str]] = {
    "deep lists": lambda: "[" * 100_000,
    "deep objects": lambda: '{"a":' * 100_000,
    "deep but closed": lambda: '[2,"1","Heartbeat",' + "[" * 900 + "]" * 900 + "]",
    "deep custom data": lambda: '[2,"1","Heartbeat",{"customData":{"vendorId":"x","a":' + "[" * 900 + "]" * 900 + "}}]",
    "deep answer": lambda: '[3,"1",' + "[" * 900 + "]" * 900 + "]",
    "5000 digits": lambda: '[2,"1","Heartbeat",{"a":' + "9" * 5000 + "}]",
    "5000 digits as type": lambda: "[" + "9" * 5000 + "]",
    "oversize": lambda: '[2,"1","Heartbeat",{"a":"' + "x" * (1 << 20) + '"}]',
    "many elements": lambda: "[" + ",".join("2" * 100_000) + "]",
    "long action": lambda: '[2,"1","' + "x" * 100_000 + '",{}]',
    "long key": lambda: '[2,"1","Heartbeat",{"' + "k" * 100_000 + '":1}]',
}


def at(mono: float) -> Now:
    return Now(mono, 1_700_000_000.0 + mono)


def make(version: str = "2.0.1", **options: Any) -> Rpc:
    numbers = itertools.count(1)
    return Rpc(version, lambda: f"id-{next(numbers)}", **options)


def one(events: list[Received]) -> Received:
    assert len(events) == 1
    return events[0]


def frame(*parts: Any) -> str:
    return json.dumps(parts)


def reset_payload(version: str) -> dict[str, Any]:
    return {"type": "Soft" if version == "1.6" else "OnIdle"}


# -- our CALLs -----------------------------------------------------------------------------------------------------


def test_a_call_and_its_answer() -> None:
    rpc = make()
    text = rpc.call("Heartbeat", {}, at(10), 30)
    assert json.loads(text) == [2, "id-1", "Heartbeat", {}]
    assert rpc.next_deadline() == 40
    event = one(rpc.receive(frame(3, "id-1", HEARTBEAT_ANSWER), at(10.25)))
    assert event == Result("id-1", "Heartbeat", HEARTBEAT_ANSWER, 0.25)
    assert rpc.outstanding is None
    assert rpc.next_deadline() is None


def test_one_call_at_a_time_while_answering_is_free() -> None:
    rpc = make()
    rpc.call("Heartbeat", {}, at(0), 30)
    with pytest.raises(CallInProgressError):
        rpc.call("Heartbeat", {}, at(1), 30)
    for number in range(3):  # pipelined by the CSMS: all are taken
        assert isinstance(one(rpc.receive(frame(2, f"c{number}", "ClearCache", {}), at(1))), IncomingCall)
    assert rpc.unanswered == 3
    assert json.loads(rpc.answer("c1", {"status": "Accepted"}).text or "") == [3, "c1", {"status": "Accepted"}]
    assert rpc.outstanding is not None


def test_a_refused_call() -> None:
    rpc = make()
    rpc.call("Heartbeat", {}, at(0), 30)
    event = one(rpc.receive(frame(4, "id-1", "InternalError", "x" * 9000, {"a": 1}), at(2)))
    assert event == CallError("id-1", "Heartbeat", "InternalError", "x" * 255, 2)
    assert rpc.outstanding is None


@pytest.mark.parametrize("short", [[4, "id-1"], [4, "id-1", "GenericError"], [4, "id-1", 7, None]])
def test_a_short_callerror_ends_the_call_too(short: list[Any]) -> None:
    rpc = make("1.6")
    rpc.call("Heartbeat", {}, at(0), 30)
    assert isinstance(one(rpc.receive(json.dumps(short), at(1))), CallError)
    assert rpc.outstanding is None


def test_time_out_then_a_late_answer() -> None:
    rpc = make()
    rpc.call("Heartbeat", {}, at(0), 30)
    assert rpc.expire(at(29.9)) == []
    assert rpc.expire(at(30)) == [TimedOut("id-1", "Heartbeat", 30)]
    assert rpc.expire(at(31)) == []
    rpc.call("Heartbeat", {}, at(31), 30)
    late = one(rpc.receive(frame(3, "id-1", HEARTBEAT_ANSWER), at(32)))
    assert late == LateAnswer("id-1", Stray.LATE, "Heartbeat")
    assert rpc.outstanding is not None
    assert rpc.outstanding.call_id == "id-2"


def test_an_answer_with_the_wrong_id_twice_or_unreadable_changes_nothing() -> None:
    rpc = make()
    rpc.call("Heartbeat", {}, at(0), 30)
    assert one(rpc.receive(frame(3, "other", {}), at(1))) == LateAnswer("other", Stray.UNKNOWN)
    assert one(rpc.receive(frame(4, "-1", "GenericError", "", {}), at(1))) == LateAnswer("-1", Stray.UNREADABLE)
    assert rpc.outstanding is not None
    assert isinstance(one(rpc.receive(frame(3, "id-1", HEARTBEAT_ANSWER), at(1))), Result)
    again = one(rpc.receive(frame(3, "id-1", HEARTBEAT_ANSWER), at(2)))
    assert again == LateAnswer("id-1", Stray.TWICE, "Heartbeat")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("payload", [{}, None, [], {"currentTime": 5}, {**HEARTBEAT_ANSWER, "x": 1}])
def test_an_invalid_answer_ends_the_call(version: str, payload: Any) -> None:
    rpc = make(version)
    rpc.call("Heartbeat", {}, at(0), 30)
    event = one(rpc.receive(frame(3, "id-1", payload), at(3)))
    assert isinstance(event, BadResult)
    assert (event.action, event.latency_s, event.payload) == ("Heartbeat", 3, payload)
    assert rpc.outstanding is None
    if version == "2.1":
        assert json.loads(event.reply or "")[:2] == [5, "id-1"]
    else:
        assert event.reply is None


def test_what_we_get_wrong_raises_and_nothing_is_open() -> None:
    rpc = make()
    with pytest.raises(InvalidPayloadError) as caught:
        rpc.call("BootNotification", {"reason": "PowerUp"}, at(0), 30)
    assert caught.value.problem.rule == "required"
    with pytest.raises(RpcUsageError):
        rpc.call("StartTransaction", {}, at(0), 30)
    with pytest.raises(InvalidPayloadError):
        rpc.call("DataTransfer", {"vendorId": "x", "data": object()}, at(0), 30)
    with pytest.raises(RpcUsageError):
        Rpc("1.6", lambda: "x" * 37).call("Heartbeat", {}, at(0), 30)
    assert rpc.outstanding is None


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_lacks_never_becomes_null(number: float) -> None:
    rpc = make()
    sample = {"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": number}]}
    with pytest.raises(InvalidPayloadError):
        rpc.call("MeterValues", {"evseId": 1, "meterValue": [sample]}, at(0), 30)
    # where anything goes, null is fine
    assert "null" in rpc.call("DataTransfer", {"vendorId": "x", "data": None}, at(0), 30)


def test_losing_the_connection_forgets_what_was_open() -> None:
    rpc = make()
    rpc.call("Heartbeat", {}, at(0), 30)
    rpc.receive(frame(2, "c", "ClearCache", {}), at(1))
    assert rpc.disconnected() == [Lost("id-1", "Heartbeat")]
    assert rpc.disconnected() == []
    assert rpc.answer("c", {"status": "Accepted"}).text is None
    assert json.loads(rpc.call("Heartbeat", {}, at(2), 30))[1] == "id-2"
    assert one(rpc.receive(frame(3, "id-1", HEARTBEAT_ANSWER), at(3))) == LateAnswer("id-1", Stray.UNKNOWN)


# -- the CSMS's CALLs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_call_is_answered_once(version: str) -> None:
    rpc = make(version)
    event = one(rpc.receive(frame(2, "c", "Reset", reset_payload(version)), at(0)))
    assert event == IncomingCall("c", "Reset", reset_payload(version))
    assert one(rpc.receive(frame(2, "c", "Reset", reset_payload(version)), at(0))) == DuplicateCall("c", "Reset")
    assert json.loads(rpc.refuse("c", "NotSupported", "no").text or "") == [4, "c", "NotSupported", "no", {}]
    assert rpc.answer("c", {"status": "Accepted"}).text is None
    assert rpc.refuse("c", "NotSupported").text is None
    assert rpc.refuse("never", "NotSupported").text is None


def test_an_invalid_answer_of_ours_is_internal_error_and_reported() -> None:
    rpc = make()
    for payload in ({"status": "Perhaps"}, {}, {"status": object()}):
        rpc.receive(frame(2, "c", "ClearCache", {}), at(0))
        reply = rpc.answer("c", payload)
        assert json.loads(reply.text or "")[:3] == [4, "c", "InternalError"]
        assert reply.problem is not None
    rpc.receive(frame(2, "c", "DataTransfer", {"vendorId": "x"}), at(0))
    reply = rpc.answer("c", {"status": "Accepted", "data": object()})
    assert json.loads(reply.text or "")[2] == "InternalError"
    assert reply.problem is not None


SET = "SetChargingProfile"
REFUSALS: list[tuple[str, list[Any], str, str]] = [
    # version, frame, code, id
    ("1.6", [2, "c", "Foo", {}], "NotImplemented", "c"),
    ("2.0.1", [2, "c", "Foo", {}], "NotImplemented", "c"),
    ("2.1", [2, "c", "Foo", {}], "NotImplemented", "c"),
    ("2.1", [2, "c", "NotifyPeriodicEventStream", {}], "NotImplemented", "c"),
    ("1.6", [2, "c", "Reset", {"type": "Cold"}], "PropertyConstraintViolation", "c"),
    ("2.0.1", [2, "c", "Reset", {"type": "Cold"}], "PropertyConstraintViolation", "c"),
    ("1.6", [2, "c", "Reset", {"type": 1}], "TypeConstraintViolation", "c"),
    ("2.0.1", [2, "c", "Reset", {"type": 1}], "TypeConstraintViolation", "c"),
    ("1.6", [2, "c", "Reset", {}], "ProtocolError", "c"),
    ("2.0.1", [2, "c", "Reset", {}], "OccurrenceConstraintViolation", "c"),
    ("1.6", [2, "c", "Reset", {"type": "Soft", "x": 1}], "FormationViolation", "c"),
    ("2.0.1", [2, "c", "Reset", {"type": "OnIdle", "x": 1}], "FormatViolation", "c"),
    ("1.6", [2, "c", "Reset", []], "FormationViolation", "c"),
    ("2.0.1", [2, "c", "Reset", None], "FormatViolation", "c"),
    ("2.0.1", [2, "c", "GetVariables", {"getVariableData": []}], "OccurrenceConstraintViolation", "c"),
    (
        "1.6",
        [2, "c", "GetInstalledCertificateIds", {"certificateType": "CentralSystemRootCertificate", "y": 0}],
        "FormationViolation",
        "c",
    ),
    ("1.6", [2, "c", "Reset"], "FormationViolation", "c"),
    ("2.0.1", [2, "c", "Reset"], "RpcFrameworkError", "c"),
    ("2.0.1", [2, "c", ["a"], {}], "RpcFrameworkError", "c"),
    ("1.6", [2, "c", {"a": 1}, {}], "FormationViolation", "c"),
    ("2.0.1", [2, 5, "Reset", {}], "RpcFrameworkError", "-1"),
    ("1.6", [2, "x" * 37, "Reset", {}], "FormationViolation", "-1"),
    ("2.0.1", [7, "c", {}], "MessageTypeNotSupported", "c"),
    ("2.0.1", [5, "c", {}], "MessageTypeNotSupported", "c"),
    ("2.0.1", ["2", "c", "Reset", {}], "MessageTypeNotSupported", "c"),
    ("2.0.1", [True, 5], "MessageTypeNotSupported", "-1"),
]


@pytest.mark.parametrize(("version", "message", "code", "call_id"), REFUSALS)
def test_refusals(version: str, message: list[Any], code: str, call_id: str) -> None:
    event = one(make(version).receive(json.dumps(message), at(0)))
    assert isinstance(event, RefusedCall)
    reply = json.loads(event.reply)
    assert reply == [4, call_id, code, event.description, {}]
    assert (event.code, event.call_id) == (code, call_id)
    assert len(event.description) <= 255


def test_codes_of_the_version() -> None:
    minimum = Problem("x", "minItems", "")
    assert make("1.6").code_for(minimum) == "OccurenceConstraintViolation"  # as the PDF of 1.6J spells it
    assert make("2.1").code_for(minimum) == "OccurrenceConstraintViolation"


@pytest.mark.parametrize("version", ["1.6", "2.1"])
def test_unknown_message_types_are_ignored(version: str) -> None:
    event = one(make(version).receive(frame(7, "c", "Reset", {}), at(0)))
    assert isinstance(event, Garbage)
    assert event.reply is None


def test_the_types_of_2_1() -> None:
    rpc = make("2.1")
    stream = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 0, "v": "1"}]}
    assert one(rpc.receive(frame(6, "s", "NotifyPeriodicEventStream", stream), at(0))) == IncomingSend(
        "s", "NotifyPeriodicEventStream", stream
    )
    for wrong in ([6, "s", "NotifyPeriodicEventStream", {}], [6, "s", "Reset", {}], [6, 1], [5], [5, 9]):
        event = one(rpc.receive(json.dumps(wrong), at(0)))
        assert isinstance(event, Garbage)
        assert event.reply is None
    refused = one(rpc.receive(frame(5, "c", "FormatViolation", "bad", {}), at(0)))
    assert refused == ResultRefused("c", "FormatViolation", "bad")
    rpc.call("Heartbeat", {}, at(0), 30)
    assert json.loads(rpc.send("NotifyPeriodicEventStream", stream))[0] == 6  # while a CALL is open
    with pytest.raises(RpcUsageError):
        make("2.0.1").send("NotifyPeriodicEventStream", stream)


def test_a_flood_of_calls_is_bounded() -> None:
    rpc = make()
    events = [one(rpc.receive(frame(2, f"c{n}", "ClearCache", {}), at(0))) for n in range(200)]
    assert rpc.unanswered == 100
    assert [type(e) for e in events[100:]] == [RefusedCall] * 100


# -- hostile input -------------------------------------------------------------------------------------------------


def check_received(rpc: Rpc, text: str | bytes) -> None:
    """What must hold for any text."""
    before = rpc.unanswered
    for event in rpc.receive(text, at(1)):
        reply = getattr(event, "reply", None)
        if reply is not None:
            kind, call_id, code, description, details = json.loads(reply)
            assert kind in (4, 5)
            assert len(call_id) <= 36
            assert code.isalpha()
            assert len(description) <= 255
            assert details == {}
        assert len(repr(event)) < 1000
        if isinstance(event, IncomingCall):
            assert rpc.unanswered == before + 1
            reply = rpc.refuse(event.call_id, "NotSupported").text
            assert reply is not None
            assert json.loads(reply)[1] == event.call_id
        assert rpc.unanswered == before


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_corpus(path: Path) -> None:
    for version in VERSIONS:
        rpc = make(version)
        check_received(rpc, path.read_bytes())
        check_received(rpc, path.read_bytes().decode("utf-8", "surrogateescape"))
        rpc.call("Heartbeat", {}, at(0), 30)
        check_received(rpc, path.read_bytes())
        assert rpc.outstanding is not None  # none of these is an answer to us


@pytest.mark.parametrize("name", HUGE)
@pytest.mark.parametrize("version", VERSIONS)
def test_huge(version: str, name: str) -> None:
    rpc = make(version)
    rpc.call("Heartbeat", {}, at(0), 30)
    check_received(rpc, HUGE[name]())
    check_received(rpc, HUGE[name]().encode())


def test_an_echo_of_a_deep_payload_is_internal_error() -> None:
    rpc = make()
    data: Any = 1
    for _ in range(400):
        data = [data]
    rpc.receive(frame(2, "c", "DataTransfer", {"vendorId": "x"}), at(0))
    reply = rpc.answer("c", {"status": "Accepted", "data": data})
    assert json.loads(reply.text or "")[2] == "InternalError"


def test_texts_about_a_frame_hold_no_secret() -> None:
    rpc = make()
    secret = "correct horse battery"
    item = {"attributeValue": secret, "component": {"name": "SecurityCtrlr"}, "variable": {"name": 5}}
    events = rpc.receive(frame(2, "a" * 36, "SetVariables", {"setVariableData": [item]}), at(0))
    events += rpc.receive(frame(2, "b" * 36, "SetVariables", {"setVariableData": [item]})[:-1], at(0))
    events += rpc.receive(frame(2, "c", "ChangeConfiguration", secret), at(0))
    item["variable"] = {"name": "BasicAuthPassword"}
    events += rpc.receive(frame(2, "d", "SetVariables", {"setVariableData": [item]}), at(0))
    assert isinstance(events[-1], IncomingCall)
    for event in events:
        assert secret not in repr(event)
        assert secret not in (getattr(event, "reply", None) or "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FRAMES = st.one_of(
    st.text().map(lambda t: t.encode("utf-8", "surrogatepass")),
    st.binary(),
    JSON.map(lambda j: json.dumps(j).encode()),
    st.tuples(
        st.integers(0, 8) | JSON,
        st.sampled_from(["id-1", "-1", "c"]) | JSON,
        st.sampled_from(["Heartbeat", "Reset", "DataTransfer", "ClearCache"]) | JSON,
        JSON,
    ).map(lambda parts: json.dumps(parts).encode()),
    st.lists(JSON, max_size=6).map(lambda j: json.dumps([2, *j]).encode()),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(version=st.sampled_from(VERSIONS), texts=st.lists(FRAMES, max_size=4))
def test_no_text_makes_it_raise(version: str, texts: list[bytes]) -> None:
    rpc = make(version)
    rpc.call("Heartbeat", {}, at(0), 30)
    for text in texts:
        check_received(rpc, text)
        check_received(rpc, text.decode("utf-8", "surrogateescape"))


class Conversation(RuleBasedStateMachine):
    """A model of both directions: what is open, what was answered."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.rpc = make("2.0.1")
        self.clock = 0.0
        self.ours: tuple[str, float] | None = None
        self.old: set[str] = set()
        self.theirs: set[str] = set()
        self.answers = 0
        self.accepted = 0
        self.numbers = itertools.count()

    @rule(seconds=st.floats(0.1, 20))
    def time_passes(self, seconds: float) -> None:
        self.clock += seconds
        expired = self.rpc.expire(at(self.clock))
        if self.ours is not None and self.clock >= self.ours[1]:
            assert [event.call_id for event in expired] == [self.ours[0]]
            self.old.add(self.ours[0])
            self.ours = None
        else:
            assert expired == []

    @rule(timeout=st.floats(1, 30))
    def call(self, timeout: float) -> None:
        if self.ours is not None:
            with pytest.raises(CallInProgressError):
                self.rpc.call("Heartbeat", {}, at(self.clock), timeout)
            return
        call_id = json.loads(self.rpc.call("Heartbeat", {}, at(self.clock), timeout))[1]
        assert call_id not in self.old
        self.ours = (call_id, self.clock + timeout)

    @precondition(lambda self: self.ours is not None)
    @rule(kind=st.sampled_from(["good", "bad", "error"]))
    def csms_answers(self, kind: str) -> None:
        assert self.ours is not None
        call_id = self.ours[0]
        text = {
            "good": frame(3, call_id, HEARTBEAT_ANSWER),
            "bad": frame(3, call_id, {"x": 1}),
            "error": frame(4, call_id, "InternalError", "", {}),
        }[kind]
        event = one(self.rpc.receive(text, at(self.clock)))
        assert type(event) is {"good": Result, "bad": BadResult, "error": CallError}[kind]
        self.old.add(call_id)
        self.ours = None

    @precondition(lambda self: self.old)
    @rule(data=st.data())
    def csms_answers_again(self, data: st.DataObject) -> None:
        call_id = data.draw(st.sampled_from(sorted(self.old)))
        assert isinstance(one(self.rpc.receive(frame(3, call_id, HEARTBEAT_ANSWER), at(self.clock))), LateAnswer)

    @rule(target=calls)
    def csms_calls(self) -> str:
        call_id = f"c{next(self.numbers)}"
        event = one(self.rpc.receive(frame(2, call_id, "ClearCache", {}), at(self.clock)))
        if len(self.theirs) >= 100:
            assert isinstance(event, RefusedCall)
        else:
            assert event == IncomingCall(call_id, "ClearCache", {})
            self.theirs.add(call_id)
        return call_id

    @rule(call_id=calls)
    def csms_repeats(self, call_id: str) -> None:
        if call_id in self.theirs:
            event = one(self.rpc.receive(frame(2, call_id, "ClearCache", {}), at(self.clock)))
            assert event == DuplicateCall(call_id, "ClearCache")

    @rule(call_id=consumes(calls), how=st.sampled_from(["answer", "invalid", "refuse"]))
    def we_answer(self, call_id: str, how: str) -> None:
        for expected in (call_id in self.theirs, False):  # the second time there is nothing to answer
            if how == "refuse":
                reply = self.rpc.refuse(call_id, "NotSupported")
            else:
                reply = self.rpc.answer(call_id, {"status": "Accepted" if how == "answer" else 5})
            assert (reply.text is not None) is expected
            if reply.text is not None:
                assert json.loads(reply.text)[0] == (3 if how == "answer" else 4)
        self.theirs.discard(call_id)

    @rule()
    def connection_lost(self) -> None:
        lost = self.rpc.disconnected()
        assert [event.call_id for event in lost] == ([] if self.ours is None else [self.ours[0]])
        if self.ours is not None:
            self.old.add(self.ours[0])
        self.ours = None
        self.theirs.clear()

    @invariant()
    def agrees(self) -> None:
        assert self.rpc.unanswered == len(self.theirs)
        assert self.rpc.next_deadline() == (None if self.ours is None else pytest.approx(self.ours[1]))


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
