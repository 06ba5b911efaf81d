"""Reads tables of a configuration into settings classes, by the fields of those classes.

A table with a mistake is read as far as it can be (`Found`), so that what is right in it can still be checked against
the rest and everything is told at once.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from station.config_fields import WrongValueError, kind_of, kind_word
from station.config_toml import Key, Report

__all__ = [
    "Found",
    "find_boards",
    "find_devices",
    "find_list",
    "find_table",
    "find_variables",
    "got",
    "read_table",
    "unknown",
]

T = TypeVar("T")

LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A table as far as it could be read.

    values: what is good, defaults included. wrong: fields whose value was refused, or is missing. whole: nothing in the
    table is wrong (a name that nobody knows makes it wrong, too).
    """

    cls: type[T]
    key: Key
    values: Mapping[str, Any]
    wrong: frozenset[str]
    whole: bool

    def get(self, name: str) -> Any:
        """The value; None where there is none that can be used."""
        return self.values.get(name)

    def given(self, name: str) -> bool:
        """Whether the file gives it, be it well or badly."""
        return name in self.wrong or self.values.get(name) is not None

    def build(self) -> T:
        """The settings. Only for a table that is `whole`."""
        return self.cls(**self.values)


def got(value: object) -> str:
    """A wrong value as a message shows it. What is in tables is not shown: it may be a secret."""
    if isinstance(value, list | tuple):
        if any(isinstance(item, Mapping | list | tuple) for item in value):
            return f"(got {kind_word(value)})"
        return f"(got {_shortened(_hidden(json.dumps(value, ensure_ascii=False, default=str)))})"
    if isinstance(value, Mapping):
        return f"(got {kind_word(value)})"
    if isinstance(value, str):
        return f"(got {_shortened(_hidden(value))!r})"
    return f"(got {_shortened(str(value))})"


def _hidden(text: str) -> str:
    return re.sub(r"//[^/@]*@", "//...@", text)  # credentials in a URL


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."


def unknown(name: str, known: Iterable[str], key: Key, report: Report) -> None:
    """Report a key that nobody reads."""
    known = list(known)
    near = difflib.get_close_matches(name.casefold(), known, n=1)
    report.problem(key, "is not a setting", f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(known)}")


def read_table(cls: type[T], data: Mapping[str, Any], key: Key, report: Report) -> T | None:
    """One table of the file, all defaults when it is absent; None when something in it is wrong (and reported)."""
    found = find_table(cls, data, key, report)
    return found.build() if found.whole else None


def find_table(cls: type[T], data: Mapping[str, Any], key: Key, report: Report) -> Found[T]:
    """One table of the file, as far as it can be read."""
    table = data.get(str(key[0]), {})
    if not isinstance(table, Mapping):
        report.problem(key, f"must be a table {got(table)}", f"write [{key[0]}] on a line of its own")
        return Found(cls, key, {}, frozenset(field.name for field in _settings_of(cls)), whole=False)
    return _read(cls, table, key, report)


def find_list(cls: type[T], data: Mapping[str, Any], name: str, report: Report) -> list[Found[T]]:
    """An array of tables."""
    return [_read(cls, table, key, report) for table, key in _tables(data, name, report)]


def find_boards(cls: type[T], data: Mapping[str, Any], report: Report) -> list[Found[T]]:
    """[[board]] tables, at least one."""
    boards = find_devices(cls, data, "board", report)
    if "board" not in data:
        report.problem(("board",), "is missing", "write at least one [[board]] with driver and evses")
    return boards


def find_devices(cls: type[T], data: Mapping[str, Any], array: str, report: Report) -> list[Found[T]]:
    """An array of tables of which the class does not know all: the rest goes into its `settings`, for the driver to judge."""
    ours = {field.name for field in _settings_of(cls)}
    devices: list[Found[T]] = []
    for table, key in _tables(data, array, report):
        own = {name: value for name, value in table.items() if name in ours}
        rest = {name: value for name, value in table.items() if name not in ours}
        devices.append(_read(cls, own, key, report, settings=MappingProxyType(rest)))
    return devices


def find_variables(data: Mapping[str, Any], report: Report) -> Mapping[str, str]:
    """[variables]: device-model names with or without quotes, any scalar or a list of words; values in wire form."""
    table = data.get("variables", {})
    found: dict[str, str] = {}
    if isinstance(table, Mapping):
        _flatten(table, ("variables",), found, report)
    else:
        report.problem(("variables",), f"must be a table {got(table)}", "write [variables] on a line of its own")
    return MappingProxyType(found)


def _flatten(table: Mapping[str, Any], key: Key, found: dict[str, str], report: Report) -> None:
    for name, value in table.items():
        here = (*key, name)
        if isinstance(value, Mapping):
            _flatten(value, here, found, report)
            continue
        row = ".".join(str(part) for part in here[1:])
        text = _wire(value)
        if text is None:
            # Not what it is: a variable may be a password.
            kind = f"(got {kind_word(value)})"
            report.problem(here, f"must be a text, a number, true or false, or a list of words {kind}")
        elif row in found:
            report.problem(here, "is given twice, with and without quotes", "remove one of them")
        else:
            found[row] = text


def _wire(value: object) -> str | None:
    """A TOML value as OCPP writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(value) if all(isinstance(word, str) for word in value) else None
    return str(value) if isinstance(value, int | float | str) else None


def _tables(data: Mapping[str, Any], name: str, report: Report) -> list[tuple[Mapping[str, Any], Key]]:
    tables = data.get(name, [])
    if not isinstance(tables, list | tuple):
        report.problem((name,), f"must be an array of tables {got(tables)}", f"write [[{name}]] with double brackets")
        return []
    good: list[tuple[Mapping[str, Any], Key]] = []
    for position, table in enumerate(tables, start=1):
        if isinstance(table, Mapping):
            good.append((table, (name, position)))
        else:
            report.problem((name, position), f"must be a table {got(table)}", f"write [[{name}]] with double brackets")
    return good


def _settings_of(cls: type[Any]) -> list[Field[Any]]:
    return [field for field in fields(cls) if "kind" in field.metadata]


def _read(cls: type[T], table: Mapping[str, Any], key: Key, report: Report, **extra: object) -> Found[T]:
    values: dict[str, object] = dict(extra)
    wrong: set[str] = set()
    before = len(report.problems)
    known = _settings_of(cls)
    for name in table:
        if name not in {field.name for field in known}:
            unknown(name, [field.name for field in known], (*key, name), report)
    for field in known:
        here = (*key, field.name)
        kind = kind_of(field.metadata)
        if field.name not in table:
            if field.default is MISSING:
                wrong.add(field.name)
                report.problem(here, "is missing", f"add {field.name} = ..., {kind.words}")
            else:
                values[field.name] = field.default
            continue
        value = table[field.name]
        try:
            values[field.name] = kind.read(value)
        except WrongValueError as error:
            wrong.add(field.name)
            shown = "" if field.metadata["secret"] else " " + got(value)
            report.problem(here, f"must be {error.expected}{shown}", "" if field.metadata["secret"] else error.remedy)
    return Found(cls, key, values, frozenset(wrong), whole=len(report.problems) == before)
