"""The OCA's JSON schemas, as the `ocpp` package ships them, compiled when first needed and shared by the process.

Only the data files of `ocpp` are used; its modules are not imported (they cost 100 ms and 10 MB at start).
Verdicts are those of JSON Schema draft 4 without formats: `3.0` is no integer, a date-time is any string (the
dialects parse those), schema defaults are never written into a payload. Two back-ends give the same verdicts:
`jsonschema_rs`, and `fastjsonschema` where the former has no wheel (32-bit Arm). What exactly is wrong with a refused
payload is found by `station.ocpp.explain`, so that an error code does not depend on the machine either.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from station.ocpp.explain import Problem, explain, facet

__all__ = ["FOLDERS", "Problem", "Schemas", "Validator", "schema_folder"]

# Version -> folder of the `ocpp` package.
FOLDERS: Final = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}

IsValid = Callable[[Any], bool]
Compiler = Callable[[dict[str, Any]], IsValid]

_ANNOTATIONS: Final = frozenset({"$schema", "$id", "id", "title", "description", "comment", "javaType", "default"})


def _compile_rs(schema: dict[str, Any]) -> IsValid:
    import jsonschema_rs

    is_valid = jsonschema_rs.Draft4Validator(schema, validate_formats=False).is_valid

    def check(payload: Any) -> bool:
        try:
            return is_valid(payload)
        except ValueError:  # not JSON: a key that is no string, nesting beyond its limit
            return False

    return check


def _compile_fast(schema: dict[str, Any]) -> IsValid:
    import fastjsonschema

    draft4 = {"$schema": "http://json-schema.org/draft-04/schema#", **schema}
    validate = fastjsonschema.compile(draft4, use_formats=False, use_default=False)

    def check(payload: Any) -> bool:
        try:
            validate(payload)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return True

    return check


_COMPILERS: Final[dict[str, Compiler]] = {"jsonschema_rs": _compile_rs, "fastjsonschema": _compile_fast}


def _default_backend() -> str:
    return "jsonschema_rs" if importlib.util.find_spec("jsonschema_rs") else "fastjsonschema"


def schema_folder(version: str) -> Path:
    """Where the schemas of `version` lie. Raises KeyError for an unknown version, RuntimeError without `ocpp`."""
    folder = FOLDERS[version]
    spec = importlib.util.find_spec("ocpp")  # finds the package without running it
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package 'ocpp' (the OCPP schemas) is not installed: pip install ocpp")
    return Path(spec.submodule_search_locations[0]) / folder / "schemas"


def read_schema(path: Path) -> dict[str, Any]:
    """One schema without its prose; whole numbers become integers (`minItems: 1.0` is not valid everywhere)."""
    schema = json.loads(path.read_text(encoding="utf-8-sig"), parse_float=_number)
    return _strip(schema)


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def _strip(schema: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "definitions"):  # names chosen by the protocol, not keywords
            kept[key] = {name: _strip(child) for name, child in value.items()}
        elif key not in _ANNOTATIONS:
            kept[key] = _strip(value) if isinstance(value, dict) else value
    return kept


class Validator:
    """The rules for one payload: a CALL's or a CALLRESULT's."""

    __slots__ = ("is_valid", "schema")

    def __init__(self, schema: dict[str, Any], is_valid: IsValid) -> None:
        self.schema = schema
        self.is_valid = is_valid

    def problem(self, payload: Any) -> Problem | None:
        """What is wrong with `payload`, None when nothing is. Never raises; names no value of the payload."""
        if self.is_valid(payload):
            return None
        return explain(self.schema, payload)


class Schemas:
    """The schemas of one OCPP version. Get it with `for_version`."""

    __slots__ = ("_compile", "_requests", "_responses", "actions", "backend", "sends", "version")

    actions: frozenset[str]  # those with a request and a response, in either direction
    sends: frozenset[str]  # 2.1: messages without a response

    def __init__(self, version: str, backend: str | None = None) -> None:
        """`backend`: "jsonschema_rs" or "fastjsonschema"; None takes the faster one that is installed."""
        self.version = version
        self.backend = backend or _default_backend()
        self._compile = _COMPILERS[self.backend]
        self._requests: dict[str, Validator | Path] = {}
        self._responses: dict[str, Validator | Path] = {}
        for path in sorted(schema_folder(version).glob("*.json")):
            name = path.stem
            if name.endswith("Response"):
                self._responses[name.removesuffix("Response")] = path
            else:
                self._requests[name.removesuffix("Request")] = path
        self.actions = frozenset(self._requests.keys() & self._responses.keys())
        self.sends = frozenset(self._requests.keys() - self._responses.keys())

    @staticmethod
    def for_version(version: str) -> Schemas:
        """The process-wide schemas of "1.6", "2.0.1" or "2.1". Raises KeyError for another version."""
        found = _SHARED.get(version)
        if found is None:
            found = _SHARED[version] = Schemas(version)
        return found

    def request(self, action: str) -> Validator:
        """Rules for a CALL (or SEND) payload. Raises KeyError for an action that this version does not have."""
        found = self._requests[action]
        return found if isinstance(found, Validator) else self._load(self._requests, action, found)

    def response(self, action: str) -> Validator:
        """Rules for a CALLRESULT payload. Raises KeyError for an action that this version does not have."""
        found = self._responses[action]
        return found if isinstance(found, Validator) else self._load(self._responses, action, found)

    def max_length(self, action: str, path: str, *, response: bool = False) -> int | None:
        """Longest text allowed at `path` ("idToken.idToken", list items need no index), None when there is no limit.

        Raises KeyError when the action or the field does not exist.
        """
        validator = self.response(action) if response else self.request(action)
        limit = facet(validator.schema, path, "maxLength")
        return limit if isinstance(limit, int) else None

    def _load(self, table: dict[str, Validator | Path], action: str, path: Path) -> Validator:
        schema = read_schema(path)
        validator = table[action] = Validator(schema, self._compile(schema))
        return validator


_SHARED: dict[str, Schemas] = {}
