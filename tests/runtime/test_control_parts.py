"""Parts of the command table by themselves: kinds, schemas of results, reading and describing a command, the page."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypedDict

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.sim.car_settings import CarSettings, car_settings
from station.config_fields import TOKEN, Flag, Integer, IntegerList, Number, Text, WordList, WrongValueError, setting
from station.errors import ControlError
from station.runtime import (
    control_accidents,
    control_car,
    control_link,
    control_look,
    control_people,
    control_settings,
    control_station,
    control_time,
)
from station.runtime.control_command import Command, describe, plain_json, read
from station.runtime.control_doc import document
from station.runtime.control_host import conflict
from station.runtime.control_kinds import (
    CAR_FIELDS,
    CarTable,
    Fixed,
    Line,
    OrNull,
    Scalars,
    Speed,
    Table,
    Watts,
    Words,
    plain,
)
from station.runtime.control_schema import schema_of
from station.runtime.control_state import StateResult

ROOT = Path(__file__).parents[2]


# --- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Text(3), ["a", "abc"], ["", "abcd", 1, None, "\n"]),
        (Text(choices=("a", "b")), ["a"], ["c", ""]),
        (TOKEN, ["04A1"], ["0 4", "x" * 37]),
        (Number(0, 2), [0, 1.5, 2], [-1, 3, "1", True, math.nan, math.inf]),
        (Integer(1, 3), [1, 3], [0, 4, 1.5, True, "1"]),
        (Integer(1, 9, (2, 4)), [2], [3]),
        (Flag(), [True, False], [0, "true", None]),
        (WordList(("a", "b")), [["a"], ["b", "a"]], [[], ["a", "a"], ["c"], "a"]),
        (IntegerList(1, 3), [[1, 2]], [[], [1, 1], [4]]),
        (Words(("a",)), [["a", "a"]], [[], ["b"], "a", [1]]),
        (Line(3), ["", "a\nb"], ["abcd", 1, "\ud800"]),
        (OrNull(Flag()), [True, None], [0, "null"]),
        (Speed(), [0, 10, "max"], [-1, "fast", math.inf, None]),
        (Watts(), [0, 11_000, "real"], [-1, "unreal", 1e7]),
        (Table(), [{}, {"a": [1, {"b": None}]}], [[], {"a": math.nan}, {"a": {1, 2}}, {"a": "\udfff"}]),
        (Scalars("x"), [{"a": 1, "b": {"c": True}}], [[], {"a": None}, {"a": [1]}]),
        (CarTable(), [{}, {"soc_percent": 5, "curve": [[0, 1000]]}], [[], {"soc": 5}, {"max_a": 5}, {"curve": [[1]]}]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_kind_and_its_schema(kind: Any, good: list[Any], bad: list[Any]) -> None:
    """What is taken fits the schema. What is refused often does not, but only the kind has the last word."""
    jsonschema.Draft202012Validator.check_schema(kind.schema())
    for value in good:
        kind.read(value)
        jsonschema.validate(value, kind.schema())
    for value in bad:
        with pytest.raises(WrongValueError):
            kind.read(value)
    assert kind.words


def test_a_scalars_table_is_flat_and_in_wire_form() -> None:
    assert dict(Scalars("x").read({"A": {"B": True}, "C.D": 1.5})) == {"A.B": "true", "C.D": "1.5"}
    nested: Any = 1
    for _ in range(2000):
        nested = {"a": nested}
    with pytest.raises(WrongValueError):
        Scalars("x").read(nested)
    assert not plain(nested)


def test_the_fields_of_a_car_are_those_of_the_simulated_car() -> None:
    assert list(CAR_FIELDS) == [field.name for field in dataclasses.fields(CarSettings)]
    for field in dataclasses.fields(CarSettings):
        if field.default is not None:
            CAR_FIELDS[field.name][0].read(field.default)


@given(st.sampled_from([name for name in CAR_FIELDS if name != "curve"]), st.floats() | st.integers() | st.booleans())
def test_what_a_car_may_be_is_what_the_simulated_car_takes(name: str, value: float) -> None:
    """The bounds stand in two places; the simulated car is never stricter than the table says."""
    try:
        CarTable().read({name: value})
    except WrongValueError:
        return
    car_settings({name: value})


def test_fixed_tables() -> None:
    table = Fixed({"a": 1})
    assert (dict(table), len(table), hash(table) == hash(Fixed({"a": 2})), repr(table)) == (
        {"a": 1},
        1,
        True,
        "{'a': 1}",
    )


# --- results ----------------------------------------------------------------------------------------------------------


class Inner(TypedDict):
    """What is inside."""

    word: Literal["a", "b"]
    number: float | None


class Outer(TypedDict, total=False):
    rows: list[Inner]
    names: dict[str, int]
    anything: Any


def test_schemas_of_typed_dicts() -> None:
    schema = schema_of(Outer)
    assert schema["required"] == []
    row = schema["properties"]["rows"]["items"]
    assert row["description"] == "What is inside."
    jsonschema.validate({"rows": [{"word": "a", "number": None}], "names": {"x": 1}, "anything": [1]}, schema)
    for wrong in ({"rows": [{"word": "c", "number": 1}]}, {"names": {"x": "y"}}, {"rows": [{"word": "a"}]}, {"z": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    with pytest.raises(TypeError, match="no JSON Schema"):
        schema_of(bytes)


def test_every_result_has_a_schema() -> None:
    groups = (
        *(control_people.PEOPLE, control_car.CAR, control_accidents.ACCIDENTS, control_station.STATION),
        *(control_settings.SETTINGS, control_link.LINK, control_time.TIME, control_look.LOOK),
    )
    for cls in (each for group in groups for each in group):
        jsonschema.Draft202012Validator.check_schema(schema_of(cls.returns))
        assert schema_of(cls.returns)["description"], cls.name
    assert "station" in schema_of(StateResult)["properties"]


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Try(Command):
    """Something is tried."""

    name: ClassVar[str] = "try"
    group: ClassVar[str] = "look"
    code: str = setting(Text(4), "The code.", secret=True)
    count: int = setting(Integer(1, 9), "How often.", default=2, example=3)
    limit: float | None = setting(Number(0, 1), "Up to here.", default=None)

    async def act(self, host: Any) -> Any:
        return {}


def wrong(**arguments: Any) -> dict[str, str]:
    with pytest.raises(ControlError) as caught:
        read(Try, arguments)
    return {problem.field: problem.problem for problem in caught.value.problems}


def test_reading() -> None:
    assert read(Try, {"code": "1234"}) == Try("1234")
    assert read(Try, {"code": "1234", "limit": None, "count": 3}) == Try("1234", 3)
    assert wrong() == {"code": "is missing: give a text of 1 to 4 characters"}
    assert wrong(code="12345") == {"code": "must be a text of 1 to 4 characters"}, "a secret is not repeated"
    assert wrong(code="1", count=None) == {"count": "must be a whole number from 1 to 9 (got None)"}
    assert "did you mean count?" in wrong(code="1", cuont=1)["cuont"]
    assert list(wrong(code="1", **{"\x00" * 100: 1})) == ["?" * 40 + "..."]


def test_describing() -> None:
    row = describe(Try)
    assert (row["name"], row["doc"], row["reads"]) == ("try", "Something is tried.", False)
    assert row["parameters"]["required"] == ["code"]
    fields = row["parameters"]["properties"]
    assert fields["code"]["writeOnly"] is True
    assert (fields["count"]["default"], fields["count"]["examples"]) == (2, [3])
    assert fields["limit"]["anyOf"][1] == {"type": "null"}
    assert plain_json((1, 2)) == [1, 2]
    assert plain_json(Fixed({"a": 1})) == {"a": 1}


def test_what_is_told_of_a_command() -> None:
    assert Try("1234", 3, 0.5).told() == {"code": "***", "count": 3, "limit": 0.5}
    assert control_settings.SetKey("HeartbeatInterval", "60").told() == {"key": "HeartbeatInterval", "value": "60"}
    assert control_settings.SetKey("authorizationKey", "60").told()["value"] == "***"
    assert control_settings.SetKey("WebSocketPingInterval", "60").told()["value"] == "60"
    assert conflict("x", "y").problems[0].field == "y"


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_is_up_to_date() -> None:
    page = ROOT / "docs" / "control.md"
    assert page.read_text(encoding="utf-8") == document(), "python -m station.runtime.control_doc > docs/control.md"
