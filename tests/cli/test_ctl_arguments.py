"""Words of a command line become what a command takes; what does not fit goes to the station, which says why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.cli.ctl_arguments import read, value_of
from station.errors import ControlError

PLUG = {
    "properties": {
        "evse": {"type": "integer", "default": 1},
        "car": {"type": "object", "properties": {"max_a": {"type": "number"}, "name": {"type": "string"}}},
        "cable_a": {"type": "integer", "enum": [13, 20, 32, 63]},
        "again": {"type": "boolean"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    }
}
SET = {
    "properties": {"variables": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}}
}
GET = {"properties": {"variables": {"type": "array", "items": {"type": "string"}}}}
SPEED = {"properties": {"factor": {"anyOf": [{"type": "number"}, {"enum": ["max"]}]}}}
SEND = {"properties": {"action": {"type": "string"}, "payload": {"type": "object"}}, "required": ["action", "payload"]}


@pytest.mark.parametrize(
    ("schema", "line", "found"),
    [
        (PLUG, "", {}),
        (PLUG, "evse=2 cable_a=20", {"evse": 2, "cable_a": 20}),
        (PLUG, "2", {"evse": 2}),
        (PLUG, "cable_a=20 2", {"evse": 2, "cable_a": 20}),
        (PLUG, "again=true car.max_a=16 car.name=7", {"again": True, "car": {"max_a": 16, "name": "7"}}),
        (PLUG, 'car={"max_a":16}', {"car": {"max_a": 16}}),
        (PLUG, "evse=two again=maybe", {"evse": "two", "again": "maybe"}),
        (PLUG, "evse=1.5", {"evse": "1.5"}),
        (PLUG, "evze=1", {"evze": "1"}),
        (PLUG, "note=null", {"note": None}),
        (PLUG, "note=a=b", {"note": "a=b"}),
        (SET, "TxCtrlr.EVConnectionTimeOut=60", {"variables": {"TxCtrlr.EVConnectionTimeOut": 60}}),
        (SET, "A.B[c]#1=x variables.C.D=true", {"variables": {"A.B[c]#1": "x", "C.D": True}}),
        (SET, '{"A.B":1}', {"variables": {"A.B": 1}}),
        (GET, "A.B C.D", {"variables": ["A.B", "C.D"]}),
        (GET, "A.B,C.D", {"variables": ["A.B", "C.D"]}),
        (GET, 'variables=["A.B"]', {"variables": ["A.B"]}),
        (SPEED, "max", {"factor": "max"}),
        (SPEED, "10", {"factor": 10}),
        (SPEED, "0.5", {"factor": 0.5}),
        (SEND, "Heartbeat {}", {"action": "Heartbeat", "payload": {}}),
        (SEND, "Reset payload.type=Immediate", {"action": "Reset", "payload": {"type": "Immediate"}}),
        (SEND, '{"a":"b=c"} action=X', {"payload": {"a": "b=c"}, "action": "X"}),
    ],
)
def test_words(schema: dict[str, Any], line: str, found: dict[str, Any]) -> None:
    assert read(line.split(), schema) == found


def test_a_word_too_many_is_refused() -> None:
    with pytest.raises(ControlError, match="'3': there is no field left for it"):
        read(["2", "3"], {"properties": {"evse": {"type": "integer"}}})


@given(st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_and_flags_come_through(value: float) -> None:
    kind = "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "number"
    assert value_of(json.dumps(value), {"type": kind}) == value


@given(st.text(), st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null"]))
def test_any_text_is_read_as_something_that_json_can_write(text: str, kind: str) -> None:
    json.dumps(value_of(text, {"type": kind}))
