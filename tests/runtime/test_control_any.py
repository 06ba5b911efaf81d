"""Whatever a stranger sends: nothing but ControlError comes back, and what is refused has changed nothing that can be seen."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hal.api import FaultCode
from station.config_fields import WrongValueError, kind_of
from station.errors import ControlError
from station.runtime.control import TABLE, read_command
from station.runtime.control_command import arguments_of, describe
from station.runtime.control_kinds import CAR_FIELDS
from tests.runtime.control_rig import Rig, play

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["04A1B2C3", "1.6", "2.0.1", "Accepted", "A", "asks", "max", "real", "Hard", "OnIdle", "5 s", "\ud800"]
    )
    | st.sampled_from([code.value for code in FaultCode])
    | st.sampled_from([0, 1, 2, 3, 16, 20, 32, 60, 100, -1, 1e300])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*CAR_FIELDS, "TxCtrlr.EVConnectionTimeOut", "x", ""]), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = [name for name, cls in TABLE.items() if not cls.passes_time]


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that the schema of a field lets pass; enough of JSON Schema for those that the table has."""
    if "anyOf" in schema:
        return st.one_of([fitting(each) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "boolean":
            return st.booleans()
        case "integer":
            few = [number for number in (0, 1, 2, 3, 100) if schema["minimum"] <= number <= schema["maximum"]]
            return st.sampled_from(few or [schema["minimum"]])
        case "number":
            low, high = schema.get("minimum", 0), schema.get("maximum", 100)
            return st.floats(low, high) | st.sampled_from([low, high])
        case "array":
            return st.lists(fitting(schema["items"]), min_size=1, max_size=2)
        case "object":
            inner = {name: fitting(each) for name, each in schema.get("properties", {}).items()}
            return st.fixed_dictionaries({}, optional=inner) if inner else VALUES
        case "string":
            return st.sampled_from(["04A1B2C3", "Heartbeat", "HeartbeatInterval", "60", "TxCtrlr.TxStartPoint", "5 s"])
        case _:
            return st.none()


@st.composite
def requests(draw: Any) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(NAMES))
    if draw(st.booleans()):
        parameters = describe(TABLE[name])["parameters"]
        given = {field: fitting(schema) for field, schema in parameters["properties"].items()}
        needed = {field: given.pop(field) for field in parameters["required"]}
        return name, draw(st.fixed_dictionaries(needed, optional=given))
    fields = [field.name for field in arguments_of(TABLE[name])]
    names = st.sampled_from([*fields, "nonsense"])
    return name, draw(st.dictionaries(names, VALUES, max_size=len(fields) + 1))


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(requests(), min_size=1, max_size=12), st.sampled_from(["1.6", "2.0.1"]))
def test_any_requests(asked: list[tuple[str, dict[str, Any]]], version: str) -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=2)
        for name, arguments in asked:
            before = await rig.seen()
            refusal: ControlError | None = None
            try:
                await rig.control.do(name, arguments)
            except ControlError as error:
                refusal = error
            if refusal is not None:
                assert refusal.code in {"invalid", "conflict"}
                assert all(problem.problem for problem in refusal.problems)
                assert await rig.seen() == before, f"{name} {arguments} was refused and has changed something"
            await rig.control.do("speed", {"factor": "max"})
            await rig.control.do("wait", {"duration": 1})
        with suppress(ControlError):
            await rig.control.do("start", {})
        await rig.do("power_on")
        await rig.do("online")
        await rig.do("wait", duration=600)
        assert len((await rig.state())["evses"]) == 2

    play(work, version)


@pytest.mark.parametrize("name", TABLE)
@settings(max_examples=50)
@given(data=st.data())
def test_a_schema_refuses_nothing_that_is_taken(name: str, data: st.DataObject) -> None:
    """What the schema of a field refuses, the field refuses too; so a generated client is never stricter than the station."""
    parameters = describe(TABLE[name])["parameters"]
    jsonschema.Draft202012Validator.check_schema(parameters)
    for field in arguments_of(TABLE[name]):
        value = data.draw(VALUES, label=field.name)
        try:
            kind_of(field.metadata).read(value)
        except WrongValueError:
            continue
        jsonschema.validate(value, parameters["properties"][field.name])


@given(st.sampled_from(list(TABLE)), st.dictionaries(st.text(max_size=10), VALUES, max_size=3))
def test_reading_never_crashes(name: str, arguments: dict[str, Any]) -> None:
    with suppress(ControlError):
        read_command(name, arguments)


@pytest.mark.parametrize("name", ["", "plgu", 7, None, "state ", "\ud800", "x" * 10_000])
def test_unknown_commands(name: Any) -> None:
    with pytest.raises(ControlError) as caught:
        read_command(name, {})
    assert caught.value.code == "unknown"
    assert len(str(caught.value)) < 200
