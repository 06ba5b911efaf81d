"""Reads tables of a configuration into settings classes, by the fields of those classes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any, TypeVar

from station.config_fields import WrongValueError, kind_of, kind_word
from station.config_toml import Key, Report

__all__ = ["got", "read_boards", "read_list", "read_table", "read_variables", "unknown"]

T = TypeVar("T")

LONGEST_SHOWN = 60


def got(value: object) -> str:
    """A wrong value as a message shows it."""
    if isinstance(value, Mapping | list | tuple):
        return f"(got {kind_word(value)})"
    if isinstance(value, str):
        value = re.sub(r"//[^/@]*@", "//...@", value)  # credentials in a URL
    shown = str(value) if len(str(value)) <= LONGEST_SHOWN else str(value)[:LONGEST_SHOWN] + "..."
    return f"(got {shown!r})" if isinstance(value, str) else f"(got {shown})"


def unknown(name: str, known: Iterable[str], key: Key, report: Report) -> None:
    """Report a key that nobody reads."""
    known = list(known)
    near = difflib.get_close_matches(name.casefold(), known, n=1)
    report.problem(key, "is not a setting", f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(known)}")


def read_table(cls: type[T], data: Mapping[str, Any], key: Key, report: Report) -> T | None:
    """One table of the file, all defaults when it is absent; None when something in it is wrong (and reported)."""
    table = data.get(str(key[0]), {})
    if not isinstance(table, Mapping):
        report.problem(key, f"must be a table {got(table)}", f"write [{key[0]}] on a line of its own")
        return None
    return _read(cls, table, key, report)


def read_list(cls: type[T], data: Mapping[str, Any], name: str, report: Report) -> tuple[T, ...] | None:
    """An array of tables; None when something in it is wrong."""
    before = len(report.problems)
    found = [_read(cls, table, key, report) for table, key in _tables(data, name, report)]
    return tuple(item for item in found if item is not None) if len(report.problems) == before else None


def read_boards(cls: type[T], data: Mapping[str, Any], report: Report) -> tuple[T, ...] | None:
    """[[board]] tables: what the class does not know goes into its `settings`, for the driver to judge."""
    ours = {field.name for field in fields(cls)} - {"settings"}  # type: ignore[arg-type]  # a settings dataclass
    before = len(report.problems)
    boards: list[T | None] = []
    for table, key in _tables(data, "board", report):
        own = {name: value for name, value in table.items() if name in ours}
        rest = {name: value for name, value in table.items() if name not in ours}
        boards.append(_read(cls, own, key, report, settings=MappingProxyType(rest)))
    if "board" not in data:
        report.problem(("board",), "is missing", "write at least one [[board]] with driver and evses")
    return tuple(board for board in boards if board is not None) if len(report.problems) == before else None


def read_variables(data: Mapping[str, Any], report: Report) -> Mapping[str, str] | None:
    """[variables]: device-model names with or without quotes, any scalar or a list of words; values in wire form."""
    table = data.get("variables", {})
    if not isinstance(table, Mapping):
        report.problem(("variables",), f"must be a table {got(table)}", "write [variables] on a line of its own")
        return None
    found: dict[str, str] = {}
    if not _flatten(table, ("variables",), found, report):
        return None
    return MappingProxyType(found)


def _flatten(table: Mapping[str, Any], key: Key, found: dict[str, str], report: Report) -> bool:
    good = True
    for name, value in table.items():
        here = (*key, name)
        if isinstance(value, Mapping):
            good &= _flatten(value, here, found, report)
            continue
        row = ".".join(str(part) for part in here[1:])
        text = _wire(value)
        if text is None:
            report.problem(here, f"must be a text, a number, true or false, or a list of words {got(value)}")
            good = False
        elif row in found:
            report.problem(here, "is given twice, with and without quotes", "remove one of them")
            good = False
        else:
            found[row] = text
    return good


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


def _read(cls: type[T], table: Mapping[str, Any], key: Key, report: Report, **extra: object) -> T | None:
    values: dict[str, object] = dict(extra)
    before = len(report.problems)
    known = [field for field in fields(cls) if "kind" in field.metadata]  # type: ignore[arg-type]  # as above
    for name in table:
        if name not in {field.name for field in known}:
            unknown(name, [field.name for field in known], (*key, name), report)
    for field in known:
        here = (*key, field.name)
        kind = kind_of(field.metadata)
        if field.name not in table:
            if field.default is MISSING:
                report.problem(here, "is missing", f"add {field.name} = ..., {kind.words}")
            continue
        value = table[field.name]
        try:
            values[field.name] = kind.read(value)
        except WrongValueError as error:
            shown = "" if field.metadata["secret"] else " " + got(value)
            report.problem(here, f"must be {error.expected}{shown}", "" if field.metadata["secret"] else error.remedy)
    return cls(**values) if len(report.problems) == before else None
