"""`station.ocpp.schemas` and `station.ocpp.explain`: three validators, one verdict."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft4Validator

from station.ocpp.explain import Problem, explain, facet
from station.ocpp.schemas import Schemas, Validator, read_schema, schema_folder

VERSIONS = ("1.6", "2.0.1", "2.1")


def example(root: dict[str, Any], node: dict[str, Any], rng: random.Random, *, full: bool) -> Any:
    """A valid value; `full` fills the optional fields too."""
    while "$ref" in node:
        node = root["definitions"][node["$ref"].rpartition("/")[2]]
    if "enum" in node:
        return rng.choice(node["enum"])
    match node.get("type"):
        case "object":
            required = set(node.get("required", ()))
            properties = node.get("properties", {})
            return {
                name: example(root, child, rng, full=full)
                for name, child in properties.items()
                if full or name in required
            }
        case "array":
            count = max(node.get("minItems", 0), 1)
            return [example(root, node["items"], rng, full=full) for _ in range(count)]
        case "string":
            return "a" * min(node.get("maxLength", 5), 5)
        case "integer":
            return max(int(node.get("minimum", 1)), 1)
        case "number":
            return rng.choice([1, 16.1, 0.3, 32.0]) if node.get("minimum", 0) <= 0 else node["minimum"]
        case "boolean":
            return True
        case _:
            return {"any": [None, 1.5, "x"]}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def mutate(payload: Any, rng: random.Random) -> Any:
    """One change somewhere: most break a rule, some do not."""
    payload = copy.deepcopy(payload)
    path = rng.choice(list(places(payload)))
    odd = rng.choice(
        [None, "", "x" * 51, "x" * 3000, 0, -1, 3.0, 1e30, 16.25, 2.5, True, [], {}, [[]], {"a": 1}, "é" * 25, 2**63]
    )
    if not path:
        if isinstance(payload, dict) and rng.random() < 0.7:
            payload[rng.choice(["extra", "customData", "é", "a.b"])] = odd
            return payload
        return odd
    parent = payload
    for key in path[:-1]:
        parent = parent[key]
    match rng.randrange(3):
        case 0:
            parent[path[-1]] = odd
        case 1:
            del parent[path[-1]]
        case 2:
            value = parent[path[-1]]
            parent[path[-1]] = value * 40 if isinstance(value, (str, list)) else odd
    return payload


def both(version: str) -> Iterator[tuple[str, str, Validator, Validator, Draft4Validator]]:
    fast, slow = Schemas(version, "jsonschema_rs"), Schemas(version, "fastjsonschema")
    for path in sorted(schema_folder(version).glob("*.json")):
        kind = "response" if path.stem.endswith("Response") else "request"
        action = path.stem.removesuffix("Response").removesuffix("Request")
        raw = json.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
        oracle = Draft4Validator(raw)
        yield action, kind, getattr(fast, kind)(action), getattr(slow, kind)(action), oracle


def decimals(value: Any) -> Any:
    """As the `ocpp` package does for charging profiles: in binary floats jsonschema gets multipleOf 0.1 wrong."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, dict):
        return {key: decimals(item) for key, item in value.items()}
    return [decimals(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("version", VERSIONS)
def test_both_backends_and_the_explanation_agree_with_draft_4(version: str) -> None:
    rng = random.Random(4)
    refused = checked = 0
    rules = set()
    for action, kind, rs, fast, oracle in both(version):
        whole = example(rs.schema, rs.schema, rng, full=True)
        least = example(rs.schema, rs.schema, rng, full=False)
        for payload in (
            whole,
            least,
            *(mutate(rng.choice((whole, least)), rng) for _ in range(30 if version == "1.6" else 8)),
        ):
            expected = oracle.is_valid(decimals(payload))
            where = f"{version} {action} {kind} {payload!r:.300}"
            assert rs.is_valid(payload) is expected, where
            assert fast.is_valid(payload) is expected, where
            problem = rs.problem(payload)
            assert (problem is None) is expected, where
            assert fast.problem(payload) == problem, where
            checked += 1
            if problem is not None:
                refused += 1
                rules.add(problem.rule)
                assert problem.rule != "schema", where
    assert refused > checked / 4
    assert rules >= {"type", "enum", "maxLength", "required", "additionalProperties", "minItems"}


@pytest.mark.parametrize("backend", ["jsonschema_rs", "fastjsonschema"])
def test_tenths_of_an_ampere(backend: str) -> None:
    validator = Schemas("1.6", backend).request("SetChargingProfile")
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0.0}]}
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    payload = {"connectorId": 1, "csChargingProfiles": profile}
    for tenths in range(0, 800, 7):
        schedule["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": tenths / 10}]
        assert validator.problem(payload) is None, tenths
        schedule["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": tenths / 10 + 0.05}]
        problem = validator.problem(payload)
        assert problem is not None, tenths
        assert problem.rule == "multipleOf"
        assert problem.path == "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit"


@pytest.mark.parametrize("backend", ["jsonschema_rs", "fastjsonschema"])
def test_validation_changes_no_payload_and_survives_what_is_not_json(backend: str) -> None:
    validator = Schemas("2.0.1", backend).request("TransactionEvent")
    payload: dict[str, Any] = {"eventType": "Started"}
    validator.problem(payload)
    assert payload == {"eventType": "Started"}
    assert validator.problem({1: 2}) is not None
    deep: Any = {}
    for _ in range(600):
        deep = {"customData": deep}
    assert validator.problem(deep) is not None


def test_a_problem_names_the_place_but_no_value() -> None:
    validator = Schemas.for_version("2.0.1").request("SetVariables")
    secret = "hunter2" * 1000
    item = {"attributeValue": secret, "component": {"name": "C"}, "variable": {"name": "V"}}
    problem = validator.problem({"setVariableData": [item]})
    assert problem is not None
    assert problem == Problem("setVariableData[0].attributeValue", "maxLength", "is longer than 1000 characters")
    assert "hunter2" not in str(problem)
    long = validator.problem({"x" * 5000: 1, "setVariableData": [{**item, "attributeValue": "v"}]})
    assert long is not None
    assert len(str(long)) < 120


def test_actions_and_sends() -> None:
    assert len(Schemas.for_version("1.6").actions) == 39
    assert len(Schemas.for_version("2.0.1").actions) == 64
    assert len(Schemas.for_version("2.1").actions) == 90
    assert Schemas.for_version("2.1").sends == {"NotifyPeriodicEventStream"}
    assert Schemas.for_version("1.6") is Schemas.for_version("1.6")
    with pytest.raises(KeyError):
        Schemas.for_version("1.5")
    with pytest.raises(KeyError):
        Schemas.for_version("1.6").request("TransactionEvent")


def test_field_lengths() -> None:
    v16, v201 = Schemas.for_version("1.6"), Schemas.for_version("2.0.1")
    assert v16.max_length("BootNotification", "chargePointVendor") == 20
    assert v16.max_length("Authorize", "idTagInfo.parentIdTag", response=True) == 20
    assert v201.max_length("TransactionEvent", "meterValue.sampledValue.unitOfMeasure.unit") == 20
    assert v201.max_length("TransactionEvent", "seqNo") is None
    with pytest.raises(KeyError):
        v201.max_length("TransactionEvent", "nothing")


def test_schemas_are_read_without_their_prose() -> None:
    schema = read_schema(schema_folder("2.0.1") / "GetVariablesRequest.json")
    assert "description" not in json.dumps(schema)
    # A property may be called like an annotation; those stay.
    described = read_schema(schema_folder("2.0.1") / "NotifyMonitoringReportRequest.json")
    assert "id" in described["definitions"]["VariableMonitoringType"]["properties"]
    assert facet(schema, "getVariableData", "minItems") is None  # facets are those of the innermost item
    assert explain({"type": "string"}, 1).rule == "type"


def test_only_data_files_of_ocpp_are_used() -> None:
    code = (
        "import sys; from station.ocpp.schemas import Schemas;"
        "Schemas.for_version('2.0.1').request('Heartbeat').problem({});"
        "print([m for m in sys.modules if m.split('.')[0] in ('ocpp', 'jsonschema', 'asyncio')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_jsonschema_rs_the_other_backend_serves() -> None:
    code = (
        "import sys; sys.modules['jsonschema_rs'] = None;"
        "from station.ocpp.schemas import Schemas; s = Schemas.for_version('1.6');"
        "print(s.backend, s.request('Reset').problem({'type': 'Cold'}).rule)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["fastjsonschema", "enum"]
