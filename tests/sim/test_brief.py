"""Frames in one line: the station's in words, the CSMS's whatever they are, nothing that a terminal would obey."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.sim.brief import Brief, Conversation, printable


def call(action: str, payload: object, direction: str = "out") -> Brief:
    return Conversation().brief(direction, orjson.dumps([2, "1", action, payload]).decode())


ENERGY = {"value": 1234.0, "measurand": "Energy.Active.Import.Register"}


@pytest.mark.parametrize(
    ("action", "payload", "text"),
    [
        (
            "StatusNotification",
            {"evseId": 1, "connectorId": 2, "connectorStatus": "Occupied", "timestamp": "x"},
            "EVSE 1/2 Occupied",
        ),
        (
            "StatusNotification",
            {"connectorId": 1, "status": "Charging", "errorCode": "NoError"},
            "connector 1 Charging",
        ),
        (
            "StatusNotification",
            {"connectorId": 1, "status": "Faulted", "errorCode": "GroundFailure"},
            "connector 1 Faulted (GroundFailure)",
        ),
        (
            "TransactionEvent",
            {
                "eventType": "Ended",
                "triggerReason": "StopAuthorized",
                "seqNo": 4,
                "offline": True,
                "transactionInfo": {"transactionId": "t", "chargingState": "EVConnected", "stoppedReason": "Local"},
                "meterValue": [{"sampledValue": [ENERGY, {"value": 55.4, "measurand": "SoC"}]}],
            },
            "Ended because Local 1.234 kWh 55 % EVConnected offline #4 StopAuthorized",
        ),
        (
            "MeterValues",
            {
                "connectorId": 1,
                "meterValue": [
                    {
                        "sampledValue": [
                            {"value": "10"},
                            {"value": "2000"},
                            {"value": "7400.0", "measurand": "Power.Active.Import"},
                            {"value": "2466", "measurand": "Power.Active.Import", "phase": "L1"},
                            {"value": "OCMF|x", "format": "SignedData"},
                        ]
                    }
                ],
            },
            "connector 1 2.000 kWh 7.4 kW",
        ),
        (
            "StartTransaction",
            {"connectorId": 2, "idTag": "A", "meterStart": 1500, "timestamp": "x"},
            "connector 2 by A 1.500 kWh",
        ),
        (
            "StopTransaction",
            {"transactionId": 7, "meterStop": 2500, "timestamp": "x", "reason": "EVDisconnected"},
            "transaction 7 because EVDisconnected 2.500 kWh",
        ),
        (
            "StopTransaction",
            {"transactionId": 7, "idTag": "A", "meterStop": 2500, "timestamp": "x", "transactionData": [{}]},
            "transaction 7 by A because Local 2.500 kWh",
        ),
        ("StatusNotification", {"connectorId": "?"}, "connectorId=?"),
        ("TransactionEvent", {"transactionInfo": 5, "eventType": "Ended"}, "transactionInfo=5 eventType=Ended"),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": [{"sampledValue": [{"value": "x"}]}]},
            "connectorId=1 value=x",
        ),
        ("X", {"a": True, "b": {"c": [1, {"d": None}]}, "timestamp": "left out"}, "a=true c=1 d=null"),
        ("X", {str(i): i for i in range(9)}, "0=0 1=1 2=2 3=3 4=4 5=5 …"),
    ],
)
def test_what_the_station_says(action: str, payload: object, text: str) -> None:
    assert call(action, payload) == Brief("call", action, text, routine=action == "MeterValues")


def test_what_comes_again_and_again_and_what_says_nothing() -> None:
    assert call("Heartbeat", {}) == Brief("call", "Heartbeat", "", routine=True)
    updated = {"eventType": "Updated", "triggerReason": "MeterValuePeriodic"}
    assert call("TransactionEvent", updated).routine
    assert not call("TransactionEvent", {**updated, "triggerReason": "Authorized"}).routine
    assert not call("TransactionEvent", {**updated, "eventType": "Ended"}).routine
    talk = Conversation()
    talk.brief("out", '[2,"1","Heartbeat",{}]')
    assert talk.brief("in", '[3,"1",{}]') == Brief("result", "Heartbeat", "ok", empty=True)


def test_answers_are_named_after_their_question() -> None:
    talk = Conversation()
    talk.brief("out", '[2,"1","Heartbeat",{}]')
    talk.brief("in", '[2,"1","Reset",{}]')
    assert talk.brief("in", '[3,"1",{"currentTime":"t"}]') == Brief("result", "Heartbeat", "currentTime=t")
    assert talk.brief("out", '[4,"1","NotSupported","no",{}]') == Brief("error", "Reset", "NotSupported no")
    assert talk.brief("in", '[3,"1",{}]') == Brief("result", "?", "ok")


def test_it_forgets_what_is_never_answered() -> None:
    talk = Conversation(keep=2)
    for number in "abc":
        talk.brief("out", f'[2,"{number}","Heartbeat",{{}}]')
    assert talk.brief("in", '[3,"a",{}]').action == "?"
    assert talk.brief("in", '[3,"c",{}]').action == "Heartbeat"


@pytest.mark.parametrize("action", ["StatusNotification", "TransactionEvent", "MeterValues"])
@pytest.mark.parametrize(
    "payload", [{}, {"meterValue": 3}, {"evseId": 1}, {"transactionInfo": None, "connectorId": []}]
)
def test_a_csms_that_sends_what_only_stations_send(action: str, payload: dict[str, object]) -> None:
    assert call(action, payload, "in").kind == "call"


@pytest.mark.parametrize(
    "text", ["", "{}", "[", "[2]", "[3,1,{}]", "[9,1]", '[2,"1","X",[]]', "null", "[" * 500 + "]" * 500]
)
def test_garbage(text: str) -> None:
    assert Conversation().brief("in", text).kind == "garbage"


def test_a_terminal_obeys_nothing_in_a_frame() -> None:
    """Clear screen, a forged line, a text that runs backwards."""
    for bad in ("\x1b[2J", "\n12:00 station > all is well", "\u202eabc", "\x9b2J", "\r"):
        for payload in ({"a": bad}, {bad: "a"}):
            brief = call("X", payload, "in")
            assert brief.text.isprintable()
        assert Conversation().brief("in", orjson.dumps([2, "1", bad, {}]).decode()).action.isprintable()
        assert Conversation().brief("in", bad).text.isprintable()
    assert printable("Zoë …") == "Zoë …"


def test_long_and_deep() -> None:
    assert len(call("X", {"a": "y" * 10_000}, "in").text) < 100
    deep: object = 1
    for _ in range(100):
        deep = {"a": [deep]}
    assert call("X", {"deep": deep}, "in").text == "a=…"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.text() | JSON.map(lambda value: orjson.dumps(value).decode(errors="replace")))
def test_any_text_makes_one_printable_line(text: str) -> None:
    brief = Conversation().brief("in", text)
    assert (brief.action + brief.text).isprintable()
