"""TOML with line numbers: `tomllib` gives none, and an operator wants to know where."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from station.errors import ConfigError

__all__ = ["Key", "Report", "lines_of", "read_toml", "render"]

Key = tuple[str | int, ...]
"""Where a setting is: names of tables and keys, and 1-based positions in arrays of tables."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"\s*{_PART}\s*(?:\.\s*{_PART}\s*)*"
_HEADER = re.compile(rf"\s*\[({_DOTTED})\]\s*(?:#.*)?")
_ARRAY_HEADER = re.compile(rf"\s*\[\[({_DOTTED})\]\]\s*(?:#.*)?")
_ASSIGNMENT = re.compile(rf"({_DOTTED})=")
_SYNTAX = re.compile(r"(.*) \(at line (\d+), column (\d+)\)")


def render(key: Key) -> str:
    """`board[1].port`, with quotes where TOML needs them."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if _BARE.fullmatch(part) else json.dumps(part)
            text += f".{word}" if text else word
    return text


class Report:
    """Collects mistakes and warnings, each with line (where known), key path and remedy."""

    def __init__(self, lines: Mapping[Key, int] | None = None) -> None:
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._lines = dict(lines or {})
        for key, line in (lines or {}).items():
            # [variables] are names with dots; whoever leaves out the quotes writes nested tables.
            if key[0] == "variables":
                self._lines.setdefault(("variables", ".".join(str(part) for part in key[1:])), line)

    def problem(self, key: Key, text: str, remedy: str = "") -> None:
        self.problems.append(self._line(key, text, remedy))

    def warn(self, key: Key, text: str, remedy: str = "") -> None:
        self.warnings.append(self._line(key, text, remedy))

    def _line(self, key: Key, text: str, remedy: str) -> str:
        number = self._find(key)
        where = f"line {number}: " if number else ""
        if remedy:
            text += f". Remedy: {remedy}"
        return f"{where}{render(key)}: {text}" + ("" if text.endswith("?") else ".")

    def _find(self, key: Key) -> int | None:
        """The line of the key itself, or of the table that should hold it."""
        while key:
            if key in self._lines:
                return self._lines[key]
            key = key[:-1]
        return None


def read_toml(path: Path) -> tuple[dict[str, Any], dict[Key, int]]:
    """The content of a file and the line of each key. Raises ConfigError with a way out."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file. Remedy: station config example > {path}."]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start}). Remedy: save it as UTF-8."]) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError([f"{path}: cannot be read: {reason}."]) from error
    try:
        return tomllib.loads(text), lines_of(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(str(error), path)]) from error
    except RecursionError as error:
        raise ConfigError([f"{path}: is nested too deeply."]) from error


def _syntax(message: str, path: Path) -> str:
    found = _SYNTAX.fullmatch(message)
    if found is None:
        return f"{path}: is not TOML: {message}."
    what, line, column = found.groups()
    return f"line {line}: {path}: is not TOML at column {column}: {what}."


def lines_of(text: str) -> dict[Key, int]:
    """The line on which each table begins and each key is given. Best effort: it need not understand values."""
    lines: dict[Key, int] = {}
    table: Key = ()
    counts: dict[Key, int] = {}
    inside: str | None = None  # the quotes of a text that spans lines
    for number, line in enumerate(text.splitlines(), start=1):
        if inside is not None:
            inside = None if line.count(inside) % 2 else inside
            continue
        array = _ARRAY_HEADER.fullmatch(line)
        header = _HEADER.fullmatch(line)
        assignment = _ASSIGNMENT.match(line)
        if array is not None:
            name = _with_positions(_parts(array[1]), counts)
            counts[name] = counts.get(name, 0) + 1
            table = (*name, counts[name])
            lines.setdefault(table, number)
            lines.setdefault(name, number)
        elif header is not None:
            table = _with_positions(_parts(header[1]), counts, through_end=True)
            lines.setdefault(table, number)
        elif assignment is not None:
            key = (*table, *_parts(assignment[1]))
            for end in range(len(table) + 1, len(key) + 1):
                lines.setdefault(key[:end], number)
        inside = next((quotes for quotes in ('"""', "'''") if line.count(quotes) % 2), None)
    return lines


def _parts(dotted: str) -> list[str]:
    return [_unquoted(part) for part in re.findall(_PART, dotted)]


def _unquoted(part: str) -> str:
    if part[0] == "'":
        return part[1:-1]
    if part[0] == '"':
        try:
            return str(json.loads(part))
        except ValueError:  # TOML has escapes that JSON has not
            return part[1:-1]
    return part


def _with_positions(names: Sequence[str], counts: Mapping[Key, int], *, through_end: bool = False) -> Key:
    """[board.evse] after two [[board]] is the table of the second: board[2].evse."""
    key: Key = ()
    for index, name in enumerate(names):
        key = (*key, name)
        if key in counts and (through_end or index < len(names) - 1):
            key = (*key, counts[key])
    return key
