"""Reads the settings of a driver: every mistake is found, named by its field, and told at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from hal.errors import ConfigError

MISSING = object()


class SettingsReader:
    """Takes values out of a mapping with checks; `finish` raises ConfigError for all that was wrong.

    where: how the mapping is called in messages, for example "board". A wrong value reads as its default meanwhile.
    """

    __slots__ = ("_known", "_values", "_where", "problems")

    def __init__(self, where: str, values: Mapping[str, object]) -> None:
        self._where = where
        self._values = values
        self._known: list[str] = []
        self.problems: list[str] = []

    def _take(self, name: str) -> object:
        self._known.append(name)
        return self._values.get(name, MISSING)

    def _wrong(self, name: str, expected: str, value: object) -> None:
        self.problems.append(f"{self._where}.{name}: must be {expected}, is {value!r}")

    def number(self, name: str, default: float, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number in low..high (both included)."""
        value = self._take(name)
        if value is MISSING:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._wrong(name, "a number", value)
        elif not (math.isfinite(value) and low <= value <= high):
            self._wrong(name, _range("a number", low, high), value)
        else:
            return float(value)
        return default

    def optional_number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """As `number`, or None when the field is absent."""
        if name in self._values:
            return self.number(name, low, low, high)
        self._known.append(name)
        return None

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number in low..high (both included)."""
        value = self._take(name)
        if value is MISSING:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self._wrong(name, "a whole number", value)
        elif not low <= value <= high:
            self._wrong(name, _range("a whole number", low, high), value)
        else:
            return value
        return default

    def integers(self, name: str, low: int, high: int) -> tuple[int, ...]:
        """A whole number, or a list of them, each in low..high; empty when the field is absent."""
        value = self._take(name)
        if value is MISSING:
            return ()
        items = value if isinstance(value, list | tuple) else (value,)
        if all(isinstance(item, int) and not isinstance(item, bool) and low <= item <= high for item in items):
            return tuple(items)
        self._wrong(name, _range("a whole number, or a list of them,", low, high), value)
        return ()

    def flag(self, name: str, default: bool) -> bool:
        """true or false."""
        value = self._take(name)
        if value is MISSING:
            return default
        if isinstance(value, bool):
            return value
        self._wrong(name, "true or false", value)
        return default

    def text(self, name: str, default: str, choices: Sequence[str] = ()) -> str:
        """A non-empty text, one of `choices` when there are any."""
        value = self._take(name)
        if value is MISSING:
            return default
        if not isinstance(value, str) or not value:
            self._wrong(name, "a text", value)
        elif choices and value not in choices:
            self._wrong(name, f"one of {', '.join(choices)}", value)
        else:
            return value
        return default

    def tables(self, name: str) -> list[Mapping[str, object]]:
        """A list of tables; empty when the field is absent."""
        value = self._take(name)
        if value is MISSING:
            return []
        if isinstance(value, list | tuple) and all(isinstance(item, Mapping) for item in value):
            return list(value)
        self._wrong(name, "a list of tables", value)
        return []

    def points(self, name: str, default: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        """A list of pairs of finite numbers, for example [[0, 100000], [80, 50000]]."""
        value = self._take(name)
        if value is MISSING:
            return default
        if isinstance(value, list | tuple) and value and all(_is_pair(item) for item in value):
            return tuple((float(x), float(y)) for x, y in value)
        self._wrong(name, "a list of pairs of numbers", value)
        return default

    def finish(self) -> None:
        """Raise ConfigError naming every wrong and every unknown field."""
        self.problems += [
            f"{self._where}.{name}: unknown; known are {', '.join(sorted(self._known))}"
            for name in self._values
            if name not in self._known
        ]
        if self.problems:
            raise ConfigError("; ".join(self.problems))


def _range(kind: str, low: float, high: float) -> str:
    if math.isinf(high):
        return kind if math.isinf(low) else f"{kind} of at least {low:g}"
    return f"{kind} of {low:g} to {high:g}" if not math.isinf(low) else f"{kind} of at most {high:g}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_pair(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(_is_number(item) for item in value)
