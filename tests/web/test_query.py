"""Arguments in a query string."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.errors import ControlError
from station.web.query import kinds_of, read_query

PARAMETERS = {
    "properties": {
        "whole": {"type": "integer", "minimum": 1},
        "number": {"type": "number"},
        "flag": {"type": "boolean"},
        "text": {"type": "string"},
        "maybe": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
        "speed": {"anyOf": [{"type": "number"}, {"const": "max"}]},
        "words": {"type": "array", "items": {"type": "string"}},
        "numbers": {"type": ["array", "null"], "items": {"type": "integer"}},
        "choice": {"enum": ["1", "2", 3, None, True, {}]},
        "table": {"type": "object"},
    }
}


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ([("whole", "7")], {"whole": 7}),
        ([("whole", "7.5")], {"whole": 7.5}),  # the command says what is wrong with it
        ([("whole", "seven")], {"whole": "seven"}),
        ([("whole", "true")], {"whole": "true"}),
        ([("whole", "")], {"whole": ""}),
        ([("whole", '"7"')], {"whole": '"7"'}),
        ([("number", "1e3")], {"number": 1000.0}),
        ([("number", "4")], {"number": 4}),
        ([("flag", "true")], {"flag": True}),
        ([("flag", "1")], {"flag": "1"}),
        ([("text", "007")], {"text": "007"}),
        ([("text", "null")], {"text": "null"}),
        ([("maybe", "null")], {"maybe": None}),
        ([("maybe", "12")], {"maybe": "12"}),
        ([("speed", "max")], {"speed": "max"}),
        ([("speed", "10")], {"speed": 10}),
        ([("words", "a,b")], {"words": ["a", "b"]}),
        ([("words", "a"), ("words", "b")], {"words": ["a", "b"]}),
        ([("words", "")], {"words": []}),
        ([("numbers", "1,2,x")], {"numbers": [1, 2, "x"]}),
        ([("choice", "3")], {"choice": 3}),
        ([("table", '{"a": 1}')], {"table": {"a": 1}}),
        ([("stranger", "1")], {"stranger": "1"}),
        ([], {}),
    ],
)
def test_values(query: list[tuple[str, str]], arguments: dict[str, object]) -> None:
    assert read_query(PARAMETERS, query) == arguments


def test_given_twice() -> None:
    with pytest.raises(ControlError, match="whole: is given twice"):
        read_query(PARAMETERS, [("whole", "1"), ("whole", "2")])


def test_kinds() -> None:
    assert kinds_of(PARAMETERS["properties"]["choice"]) == {"string", "integer", "null", "boolean", "object"}
    assert kinds_of({}) == set()


names = st.sampled_from([*PARAMETERS["properties"], "stranger"])


@given(st.lists(st.tuples(names, st.text())))
def test_any_query_is_arguments_or_told_so(query: list[tuple[str, str]]) -> None:
    scalars = [name for name, _ in query if name not in {"words", "numbers"}]
    if len(set(scalars)) < len(scalars):
        with pytest.raises(ControlError, match="is given twice"):
            read_query(PARAMETERS, query)
    else:
        assert read_query(PARAMETERS, query).keys() == {name for name, _ in query}
