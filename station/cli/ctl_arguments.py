"""Words of a command line as arguments of a command, read by the command's JSON Schema.

What cannot be read as the schema wants it goes to the station as it is: the station says what is wrong with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from station.errors import ControlError, Problem

__all__ = ["read"]

Schema = Mapping[str, Any]
_NAMED = re.compile(r"([A-Za-z_][^=\s\"'{}]*)=(.*)", re.DOTALL)
_WORDS = {"true": True, "false": False}


def read(words: list[str], parameters: Schema) -> dict[str, object]:
    """`evse=1`, `car.max_a=16` (a field of an object), bare values in the order of the fields, and for a command that takes an
    object of anything (`set`) `Component.Variable=value`. Raises ControlError for a word too many.
    """
    properties: Mapping[str, Schema] = parameters.get("properties", {})
    found: dict[str, Any] = {}
    bare: list[str] = []
    for word in words:
        named = _NAMED.fullmatch(word)
        if named is None or not _name(named[1], named[2], properties, found):
            bare.append(word)
    _fill(bare, properties, found)
    return found


def _name(name: str, text: str, properties: Mapping[str, Schema], found: dict[str, Any]) -> bool:
    """Take `name=text`; False: it rather is a value that has an equals sign in it."""
    if name in properties:
        found[name] = value_of(text, properties[name])
        return True
    head, dot, rest = name.partition(".")
    if dot and head in properties and "object" in _types(properties[head]):
        found.setdefault(head, {})[rest] = value_of(text, _member(properties[head], rest))
        return True
    tables = [field for field, schema in properties.items() if _is_open(schema)]
    if len(tables) == 1 and (dot or set(properties) == set(tables)):
        found.setdefault(tables[0], {})[name] = value_of(text, _member(properties[tables[0]], name))
        return True
    if not dot and name.isidentifier():
        found[name] = text  # the station knows the names, and says which are near
        return True
    return False


def _fill(bare: list[str], properties: Mapping[str, Schema], found: dict[str, Any]) -> None:
    """Bare values go to the fields that are not named, in their order; a list takes all that are left."""
    free = [name for name in properties if name not in found]
    while bare:
        if not free:
            raise ControlError("invalid", [Problem("", f"{bare[0]!r}: there is no field left for it")])
        name = free.pop(0)
        if "array" in _types(properties[name]):
            found[name] = [item for text in bare for item in _items(text, properties[name])]
            return
        found[name] = value_of(bare.pop(0), properties[name])


def value_of(text: str, schema: Schema) -> object:
    """The value that the schema wants, or the text itself."""
    kinds = _types(schema)
    if "boolean" in kinds and text in _WORDS:
        return _WORDS[text]
    if {"integer", "number"} & kinds:
        number = _number(text, whole="number" not in kinds)
        if number is not None:
            return number
    if {"object", "array", "null"} & kinds or not kinds:
        known, value = _json(text)
        if known and (not kinds or _type_of(value) in kinds):
            return value
    if "array" in kinds and "string" not in kinds:
        return _items(text, schema)
    return text


def _items(text: str, schema: Schema) -> list[object]:
    known, value = _json(text)
    if known and isinstance(value, list):
        return value
    return [value_of(item.strip(), _array(schema).get("items", {})) for item in text.split(",")]


def _number(text: str, *, whole: bool) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return None if whole else float(text)
    except ValueError:
        return None


def _json(text: str) -> tuple[bool, Any]:
    try:
        return True, json.loads(text)
    except ValueError:
        return False, None


def _type_of(value: object) -> str:
    if value is None:
        return "null"
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "scalar"


def _variants(schema: Schema) -> Iterator[Schema]:
    """The schema, or what it may be instead."""
    several = [each for word in ("anyOf", "oneOf") for each in schema.get(word, ())]
    if not several:
        yield schema
    for each in several:
        yield from _variants(each)


def _types(schema: Schema) -> set[str]:
    found: set[str] = set()
    for each in _variants(schema):
        kind = each.get("type", ())
        found |= {kind} if isinstance(kind, str) else set(kind)
        if not kind and "enum" in each:
            found.add("string")
    return found


def _array(schema: Schema) -> Schema:
    return next((each for each in _variants(schema) if each.get("type") == "array"), {})


def _is_open(schema: Schema) -> bool:
    """An object whose members are not named beforehand."""
    return any(
        each.get("type") == "object" and not each.get("properties") and each.get("additionalProperties") is not False
        for each in _variants(schema)
    )


def _member(schema: Schema, name: str) -> Schema:
    for each in _variants(schema):
        if name in each.get("properties", {}):
            found: Schema = each["properties"][name]
            return found
        more = each.get("additionalProperties")
        if isinstance(more, Mapping):
            return more
    return {}
