"""Partial matching: paths, operators, and what is said when something does not hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.sim.scenario_match import ConditionError, mismatches, parse_conditions, select

EVENT = {
    "eventType": "Ended",
    "seqNo": 7,
    "offline": True,
    "transactionInfo": {"stoppedReason": "Local"},
    "meterValue": [{"sampledValue": [{"value": "10.5"}, {"value": "200"}]}, {"sampledValue": [{"value": "300"}]}],
}


@pytest.mark.parametrize(
    "table",
    [
        {"eventType": "Ended"},
        {"transactionInfo.stoppedReason": "Local"},
        {"transactionInfo": {"stoppedReason": "one of Remote, Local"}},
        {"seqNo": 7},
        {"seqNo": "> 6.5"},
        {"seqNo": "<= 7"},
        {"seqNo": "= 7"},
        {"offline": True},
        {"eventType": "!= Started"},
        {"eventType": "~ ^End"},
        {"eventType": "present", "nothing": "absent"},
        {"meterValue.0.sampledValue.1.value": ">= 200"},
        {"meterValue.-1.sampledValue.0.value": "300"},
        {"meterValue.*.sampledValue.*.value": "> 299"},
        {"*": "Ended"},
        {},
    ],
)
def test_what_holds(table: dict[str, Any]) -> None:
    assert mismatches(parse_conditions(table), EVENT) == []


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"eventType": "Started"}, 'eventType is "Ended" (wanted: eventType = "Started")'),
        ({"transactionInfo.reason": "x"}, "transactionInfo.reason is missing"),
        ({"seqNo": "> 7"}, "seqNo is 7 (wanted: seqNo > 7)"),
        ({"offline": False}, "offline is True"),
        ({"seqNo": "absent"}, "seqNo is 7 (wanted: seqNo absent)"),
        ({"eventType": "> 3"}, "eventType is"),
        ({"meterValue.5.sampledValue": "present"}, "is missing"),
        ({"meterValue.*.sampledValue.*.value": "> 300"}, '"10.5", "200", "300"'),
        ({"eventType": "!= Ended"}, "eventType is"),
        ({"offline": 1}, "offline is True"),
    ],
)
def test_what_does_not_hold_is_explained(table: dict[str, Any], says: str) -> None:
    (found,) = mismatches(parse_conditions(table), EVENT)
    assert says in found


def test_words_that_look_like_operators_can_be_wanted() -> None:
    assert mismatches(parse_conditions({"a": "= present"}), {"a": "present"}) == []
    assert mismatches(parse_conditions({"a": "= > 3"}), {"a": "> 3"}) == []


@pytest.mark.parametrize("table", [{"": 1}, {"a.": 1}, {"a": "> x"}, {"a": "~ ("}, {"a": None}])
def test_conditions_that_make_no_sense(table: dict[str, Any]) -> None:
    with pytest.raises(ConditionError):
        parse_conditions(table)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON, st.text("ab01*.-", max_size=8), st.text(max_size=8))
def test_any_path_and_condition_meet_any_payload(root: Any, path: str, wanted: str) -> None:
    list(select(root, path))
    try:
        conditions = parse_conditions({path: wanted})
    except ConditionError:
        return
    for line in mismatches(conditions, root):
        assert path in line


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers() | st.booleans(), max_size=4))
def test_a_payload_matches_itself(payload: dict[str, Any]) -> None:
    assert mismatches(parse_conditions(payload), payload) == []
