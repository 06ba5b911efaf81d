"""Partial matching of payloads and views: dotted paths, and conditions on what is found there.

A path is names and positions joined by dots; `*` stands for every element of a list (or every value of a table), and
one that satisfies the condition is enough. A condition is a value that must be equal, or a text that begins with an
operator:

    "!= Local"   "> 10"   ">= 10"   "< 10"   "<= 10"   "~ regular expression"   "one of Local, Remote"
    "present"    "absent"   "= present" (the very word, or any text that looks like an operator)

Comparisons of size take numbers in quotes too (OCPP 1.6 sends meter values as texts).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Condition", "ConditionError", "mismatches", "parse_conditions", "select"]

_SIZES: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_ONE_OF = "one of "
_SHORT = 60


class ConditionError(ValueError):
    """A condition that cannot be understood; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold at a path. `test` is one of = != < <= > >= ~ in present absent."""

    path: str
    test: str
    value: Any = None

    def holds(self, root: Any) -> bool:
        found = list(select(root, self.path))
        if self.test == "absent":
            return not found
        if self.test == "present":
            return bool(found)
        if self.test == "!=":
            return all(not _equal(item, self.value) for item in found)
        return any(self._fits(item) for item in found)

    def _fits(self, item: Any) -> bool:
        if self.test == "=":
            return _equal(item, self.value)
        if self.test == "in":
            return any(_equal(item, word) for word in self.value)
        if self.test == "~":
            return isinstance(item, str) and re.search(self.value, item) is not None
        number = _number(item)
        return number is not None and _SIZES[self.test](number, self.value)

    def __str__(self) -> str:
        if self.test in {"present", "absent"}:
            return f"{self.path} {self.test}"
        if self.test == "in":
            return f"{self.path} one of {', '.join(self.value)}"
        return f"{self.path} {self.test} {_short(self.value)}"


def parse_conditions(table: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Conditions of a table; tables inside it are longer paths. Raises ConditionError."""
    return tuple(_parse(table, ""))


def _parse(table: Mapping[str, Any], before: str) -> Iterator[Condition]:
    for name, value in table.items():
        path = f"{before}{name}"
        if not name or not all(path.split(".")):
            raise ConditionError(f"{path!r} is not a path: write names joined by single dots")
        if isinstance(value, Mapping):
            yield from _parse(value, f"{path}.")
        elif isinstance(value, str):
            yield _operator(path, value)
        elif isinstance(value, bool | int | float | list):
            yield Condition(path, "=", value)
        else:
            raise ConditionError(f"write the value of {path} as a text in quotes")


def _operator(path: str, text: str) -> Condition:
    if text in {"present", "absent"}:
        return Condition(path, text)
    if text.startswith(_ONE_OF):
        return Condition(path, "in", tuple(word.strip() for word in text.removeprefix(_ONE_OF).split(",")))
    for sign, test in (("!=", "!="), ("<=", "<="), (">=", ">="), ("<", "<"), (">", ">"), ("~", "~"), ("=", "=")):
        if not text.startswith(sign):
            continue
        rest = text.removeprefix(sign).strip()
        if test in _SIZES:
            number = _number(rest)
            if number is None:
                raise ConditionError(f"{path}: {sign} needs a number, as in {path} = '{sign} 10'")
            return Condition(path, test, number)
        if test == "~":
            try:
                re.compile(rest)
            except (re.error, OverflowError, RecursionError) as error:
                raise ConditionError(f"{path}: {rest!r} is not a regular expression: {error}") from error
        return Condition(path, test, rest)
    return Condition(path, "=", text)


def select(root: Any, path: str) -> Iterator[Any]:
    """Everything at a path."""
    name, _, rest = path.partition(".")
    if isinstance(root, Mapping):
        items = list(root.values()) if name == "*" else [root[name]] if name in root else []
    elif isinstance(root, list | tuple):
        items = list(root) if name == "*" else _position(root, name)
    else:
        items = []
    for item in items:
        if rest:
            yield from select(item, rest)
        else:
            yield item


def _position(root: list[Any] | tuple[Any, ...], name: str) -> list[Any]:
    if not re.fullmatch(r"-?[0-9]{1,6}", name):
        return []
    index = int(name)
    return [root[index]] if -len(root) <= index < len(root) else []


def mismatches(conditions: tuple[Condition, ...], root: Any) -> list[str]:
    """What does not hold, in words; empty when everything does."""
    return [_explain(condition, root) for condition in conditions if not condition.holds(root)]


def _explain(condition: Condition, root: Any) -> str:
    found = list(select(root, condition.path))
    if not found:
        return f"{condition.path} is missing (wanted: {condition})"
    shown = ", ".join(_short(item) for item in found[:3]) + (", ..." if len(found) > 3 else "")
    return f"{condition.path} is {shown} (wanted: {condition})"


def _equal(item: Any, wanted: Any) -> bool:
    if isinstance(item, bool) or isinstance(wanted, bool):
        return item is wanted or (isinstance(item, bool) and isinstance(wanted, str) and str(item).lower() == wanted)
    if isinstance(item, int | float) and isinstance(wanted, str):
        return _number(wanted) == item
    return bool(item == wanted)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _short(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _SHORT else text[: _SHORT - 3] + "..."
