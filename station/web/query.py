"""Arguments in a query string: texts that become what the command's JSON Schema asks for.

Only the notation is read here. A text that is no number stays a text, and the command says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from station.errors import ControlError, Problem
from station.runtime.control_types import Json

__all__ = ["kinds_of", "read_query"]


def read_query(parameters: Mapping[str, Any], items: Iterable[tuple[str, str]]) -> Json:
    """Arguments from `name=value` pairs; lists comma-separated or repeated. Raises ControlError for one that is given twice."""
    properties: Mapping[str, Any] = parameters.get("properties", {})
    arguments: Json = {}
    for name, text in items:
        schema = properties.get(name, {})
        value = _list(schema, text) if "array" in kinds_of(schema) else _scalar(schema, text)
        if name not in arguments:
            arguments[name] = value
        elif isinstance(value, list):
            arguments[name] += value
        else:
            raise ControlError("invalid", [Problem(name, "is given twice")])
    return arguments


def kinds_of(schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a schema allows."""
    found: set[str] = set()
    kind = schema.get("type")
    found.update([kind] if isinstance(kind, str) else kind or ())
    for name in ("anyOf", "oneOf"):
        for choice in schema.get(name, ()):
            found |= kinds_of(choice)
    for value in [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]:
        found.add(_KINDS.get(type(value), "object"))
    return found


_KINDS = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", list: "array"}


def _list(schema: Mapping[str, Any], text: str) -> list[object]:
    items = schema.get("items", {})
    return [_scalar(items, part) for part in text.split(",")] if text else []


def _scalar(schema: Mapping[str, Any], text: str) -> object:
    kinds = kinds_of(schema)
    if kinds & {"integer", "number", "boolean", "object", "null"}:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
        kind = _KINDS.get(type(value), "object")
        if kind in kinds or (kind in {"integer", "number"} and kinds & {"integer", "number"}):
            return value
    return text
