"""Says which rule of a schema a payload breaks: path, rule, and a message that repeats none of the payload's values.

Runs only after a validator has said no, so it may be slow; it is deterministic, so that the same fault has the same
error code on every machine. It knows the keywords that the OCPP schemas use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

Rule = Literal[
    "type",
    "enum",
    "maxLength",
    "minLength",
    "minimum",
    "maximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "required",
    "additionalProperties",
    "schema",
]

_MAX_NAME = 40


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule. `path` is "" for the payload itself, else like `meterValue[0].sampledValue[2].unit`."""

    path: str
    rule: Rule
    message: str

    def __str__(self) -> str:
        return f"{self.path or 'payload'}: {self.message}"


def explain(schema: dict[str, Any], payload: Any) -> Problem:
    """The first broken rule, parents before children, in the schema's order."""
    found = _find(schema, schema, payload, "")
    return found or Problem("", "schema", "does not match the schema")


def facet(schema: dict[str, Any], path: str, keyword: str) -> Any:
    """Value of `keyword` for the field at `path`, looking through references and lists; None when it has none.

    Raises KeyError when there is no such field.
    """
    node = _resolve(schema, schema)
    for name in path.split("."):
        node = _items(schema, node)
        node = _resolve(schema, node.get("properties", {})[name])
    return _items(schema, node).get(keyword)


def _items(root: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while isinstance(inner := node.get("items"), dict):
        node = _resolve(root, inner)
    return node


def _resolve(root: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while (ref := node.get("$ref")) is not None:
        node = root["definitions"][ref.rpartition("/")[2]]
    return node


def _find(root: dict[str, Any], node: dict[str, Any], value: Any, path: str) -> Problem | None:
    node = _resolve(root, node)
    wanted = node.get("type")
    if wanted is not None and not _is_type(value, wanted):
        return _problem(path, "type", f"is not of type {wanted}")
    allowed = node.get("enum")
    if allowed is not None and value not in allowed:
        return _problem(path, "enum", "is not one of the allowed words")
    if isinstance(value, str):
        return _first(_text(node, value, path))
    if isinstance(value, dict):
        return _first(_object(root, node, value, path))
    if isinstance(value, (list, tuple)):
        return _first(_list(root, node, value, path))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _first(_numeric(node, value, path))
    return None


def _is_type(value: Any, wanted: str) -> bool:
    match wanted:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
        case "boolean":
            return isinstance(value, bool)
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, (list, tuple))
        case _:
            return value is None


def _text(node: dict[str, Any], value: str, path: str) -> Iterator[Problem]:
    if len(value) > node.get("maxLength", len(value)):
        yield _problem(path, "maxLength", f"is longer than {node['maxLength']} characters")
    if len(value) < node.get("minLength", 0):
        yield _problem(path, "minLength", f"is shorter than {node['minLength']} characters")


def _numeric(node: dict[str, Any], value: float, path: str) -> Iterator[Problem]:
    if value < node.get("minimum", value):
        yield _problem(path, "minimum", f"is less than {node['minimum']}")
    if value > node.get("maximum", value):
        yield _problem(path, "maximum", f"is greater than {node['maximum']}")
    step = node.get("multipleOf")
    # Decimal: in binary 0.3 is no multiple of 0.1.
    if step is not None and not _is_multiple(value, step):
        yield _problem(path, "multipleOf", f"is not a multiple of {step}")


def _is_multiple(value: float, step: float) -> bool:
    from decimal import Decimal  # rarely needed, and 7 ms to import

    return (Decimal(repr(value)) / Decimal(repr(step))).as_integer_ratio()[1] == 1


def _list(root: dict[str, Any], node: dict[str, Any], value: Any, path: str) -> Iterator[Problem]:
    if len(value) < node.get("minItems", 0):
        yield _problem(path, "minItems", f"has fewer than {node['minItems']} items")
    if len(value) > node.get("maxItems", len(value)):
        yield _problem(path, "maxItems", f"has more than {node['maxItems']} items")
    items = node.get("items")
    if isinstance(items, dict):
        for index, item in enumerate(value):
            if (found := _find(root, items, item, f"{path}[{index}]")) is not None:
                yield found


def _object(root: dict[str, Any], node: dict[str, Any], value: dict[Any, Any], path: str) -> Iterator[Problem]:
    for name in node.get("required", ()):
        if name not in value:
            yield _problem(_join(path, name), "required", "is missing")
    properties = node.get("properties", {})
    if node.get("additionalProperties") is False:
        for name in value:
            if name not in properties:
                yield _problem(_join(path, _foreign(name)), "additionalProperties", "is not a field of this message")
    for name, child in properties.items():
        if name in value and (found := _find(root, child, value[name], _join(path, name))) is not None:
            yield found


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _first(problems: Iterator[Problem]) -> Problem | None:
    return next(problems, None)


def _problem(path: str, rule: Rule, message: str) -> Problem:
    return Problem(path, rule, message)


def _foreign(name: Any) -> str:
    """A name that the peer chose: printable and short."""
    text = name if isinstance(name, str) else type(name).__name__
    shown = "".join(c if c.isprintable() else "?" for c in text[: _MAX_NAME + 1])
    return shown if len(shown) <= _MAX_NAME else f"{shown[: _MAX_NAME - 3]}..."
