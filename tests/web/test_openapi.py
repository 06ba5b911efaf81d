"""The OpenAPI document: whole, valid, made from the table, and current in docs/."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis

from station.runtime.control import describe_table
from station.runtime.control_types import TOPICS
from station.web.answers import STATUS
from station.web.openapi import document
from tests.tools import rest
from tests.web.served import TOKEN, refused, served
from tests.web.small import TABLE, row
from tests.web.test_guard import LOCKED

Draft = jsonschema.Draft202012Validator


@pytest.fixture(scope="module")
def whole() -> Any:
    return document(describe_table())


def walk(value: Any, path: str = "#") -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, each in value.items():
            yield from walk(each, f"{path}/{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from walk(each, f"{path}/{number}")


def test_every_command_is_there(whole: Any) -> None:
    for command in describe_table():
        operation = whole["paths"][f"/api/v1/do/{command['name']}"]["post"]
        assert operation["tags"] == [command["group"]]
        assert command["doc"] in operation["description"]
        assert (f"/api/v1/look/{command['name']}" in whole["paths"]) == command["reads"]
    assert {tag["name"] for tag in whole["tags"]} >= {command["group"] for command in describe_table()}


def test_references_lead_somewhere_and_ids_are_single(whole: Any) -> None:
    everything = dict(walk(whole))
    references = {value for path, value in everything.items() if path.endswith("/$ref")}
    assert references
    assert references <= everything.keys()
    ids = [value for path, value in everything.items() if path.endswith("/operationId")]
    assert len(ids) == len(set(ids))


def test_schemas_are_schemas_and_examples_fit(whole: Any) -> None:
    for schema in whole["components"]["schemas"].values():
        Draft.check_schema(schema)
    for path, operations in whole["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                Draft.check_schema(parameter["schema"])
            body = operation.get("requestBody")
            if body is not None:
                content = body["content"]["application/json"]
                schema = {**content["schema"], "components": whole["components"]}
                assert not list(Draft(schema).iter_errors(content["example"])), path


def test_errors_are_as_answers_are(whole: Any) -> None:
    error = whole["components"]["schemas"]["Error"]
    assert error["properties"]["code"]["enum"] == list(STATUS)
    for operations in whole["paths"].values():
        for operation in operations.values():
            codes = set(map(int, operation["responses"]))
            assert codes >= {200, 400, 401, 403, 404, 503}
            assert codes <= {200, *STATUS.values()}
    for response in whole["components"]["responses"].values():
        content = response["content"]["application/json"]
        Draft(error).validate(content["example"])


def test_what_the_table_says_the_document_says() -> None:
    found = document(
        [
            row(
                "turn",
                {
                    "evse": {"type": "integer", "minimum": 2},
                    "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "description": "M."},
                    "either": {"anyOf": [{"type": "number"}, {"const": "max"}, {"type": "null"}], "default": None},
                    "words": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                    "flag": {"type": "boolean"},
                    "word": {"enum": ["a", "b"]},
                    "name": {"type": "string", "examples": ["x"]},
                    "table": {"type": "object"},
                },
                reads=True,
                passes_time=True,
                needs_bench=True,
            )
            | {"parameters": {}},
        ]
    )
    assert found["paths"]["/api/v1/look/turn"]["get"]["parameters"] == []
    parameters = {
        "type": "object",
        "required": ["evse", "words", "word", "flag", "table", "either"],
        "properties": {
            "evse": {"type": "integer", "minimum": 2},
            "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "description": "M."},
            "either": {"anyOf": [{"const": "max"}, {"type": "number"}, {"type": "null"}], "default": None},
            "words": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "flag": {"type": "boolean"},
            "word": {"enum": ["a", "b"]},
            "name": {"type": "string", "examples": ["x"]},
            "table": {"type": "object"},
        },
    }
    turn = row("turn", reads=True, passes_time=True, needs_bench=True) | {"parameters": parameters}
    found = document([turn])
    operation = found["paths"]["/api/v1/do/turn"]["post"]
    assert "501" in operation["responses"]
    assert "Simulated time passes" in operation["description"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    assert example == {
        "evse": 2,
        "either": "max",
        "words": ["text"],
        "flag": True,
        "word": "a",
        "name": "x",
        "table": {},
    }
    looks = {each["name"]: each for each in found["paths"]["/api/v1/look/turn"]["get"]["parameters"]}
    assert looks["evse"]["required"]
    assert looks["maybe"]["schema"] == {"type": "string", "description": "M."}, "what is not given is left out"
    assert looks["either"]["schema"] == {"anyOf": [{"const": "max"}, {"type": "number"}]}
    assert looks["words"]["explode"] is False


@pytest.mark.parametrize(("needed", "security"), [(None, [{}, {"token": []}]), (True, [{"token": []}]), (False, [])])
def test_who_needs_a_token(needed: bool | None, security: list[Any]) -> None:
    assert document(TABLE, token_needed=needed)["security"] == security


async def test_a_server_tells_about_itself() -> None:
    async with served() as web:
        found = (await web.http.get("/openapi.json")).json()
        assert found == document(TABLE, token_needed=False)
        topics = found["paths"]["/api/v1/events"]["get"]["parameters"][0]
        assert topics["schema"]["items"]["enum"] == list(TOPICS)
    async with served(settings=LOCKED) as web:
        refused(await web.http.get("/openapi.json"), 401, "auth")
        shown = {"authorization": f"Bearer {TOKEN}"}
        assert (await web.http.get("/openapi.json", headers=shown)).json()["security"] == [{"token": []}]


def test_tools_of_others_read_it(whole: Any) -> None:
    operations = [each.ok() for each in schemathesis.openapi.from_dict(whole).get_all_operations()]
    assert len(operations) == sum(len(each) for each in whole["paths"].values())


def test_the_file_in_docs_is_current(capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: Any) -> None:
    assert rest.is_current(), "run: python -m tests.tools.rest"
    assert rest.main(["--check"]) == 0
    monkeypatch.setattr(rest, "PAGE", tmp_path / "openapi.json")
    assert rest.main(["--check"]) == 1
    assert "is not current" in capsys.readouterr().err
    assert rest.main([]) == 0
    assert rest.main(["--check"]) == 0
