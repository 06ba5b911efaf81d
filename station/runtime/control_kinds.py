"""Kinds of arguments that commands have besides those of the configuration: durations, tables, cars, speeds."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from station.config_fields import Flag, Integer, Kind, Number, Text, WrongValueError
from station.config_read import got

__all__ = [
    "CAR_FIELDS",
    "EMPTY",
    "EVSE",
    "EVSE_OR_STATION",
    "VERSIONS",
    "CarTable",
    "Duration",
    "Fixed",
    "Line",
    "OrNull",
    "Scalars",
    "Speed",
    "Table",
    "Watts",
    "Words",
    "WrongFieldsError",
    "plain",
    "render_duration",
]

VERSIONS = ("1.6", "2.0.1")
EVSE = Integer(1, 64)
EVSE_OR_STATION = Integer(0, 64)
MOST_NESTED = 32


class Fixed(Mapping[str, Any]):
    """A table that does not change and may be the default of a field (a `MappingProxyType` has no hash before 3.12)."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any]) -> None:
        self._items = dict(items)

    def __getitem__(self, name: str) -> Any:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(tuple(self._items))

    def __repr__(self) -> str:
        return repr(self._items)


class WrongFieldsError(WrongValueError):
    """Names in a table are wrong, or values of them: `problems` has each with the reason."""

    def __init__(self, expected: str, problems: list[tuple[str, str]]) -> None:
        super().__init__(expected, "; ".join(f"{name} {problem}" for name, problem in problems))
        self.problems = problems


EMPTY: Mapping[str, Any] = Fixed({})
LONGEST_S = 366 * 86_400.0
_SECONDS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION_PATTERN = r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*(s|min|m|h|d)\s*"
_DURATION = re.compile(_DURATION_PATTERN, re.ASCII)


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds of station time, as a number or as a text with a unit."""

    @property
    def words(self) -> str:
        return 'a duration: seconds, or a text such as "90 s", "10 min", "8 h", "2 d"'

    def read(self, value: object) -> float:
        if isinstance(value, str):
            found = _DURATION.fullmatch(value)
            if found is None:
                raise WrongValueError(self.words, 'write a number and s, min, h or d: "10 min"')
            value = float(found[1]) * _SECONDS[found[2]]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_S:
            raise WrongValueError(f"{self.words}, from 0 to a year")
        return float(value)

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": 0, "maximum": LONGEST_S}
        text = {"type": "string", "pattern": f"^{_DURATION_PATTERN}$"}
        return {
            "anyOf": [number, text],
            "description": 'Seconds, or with a unit: "90 s", "10 min" ("10m"), "8 h", "2 d".',
        }


def render_duration(seconds: float) -> str:
    """The shortest text that `Duration` reads back."""
    for unit in ("h", "min"):
        if seconds >= _SECONDS[unit] and math.isclose(seconds % _SECONDS[unit], 0.0):
            return f"{seconds / _SECONDS[unit]:g} {unit}"
    return f"{seconds:g} s"


@dataclass(frozen=True, slots=True)
class Words:
    """A list of texts, at least one. `choices`: nothing else is allowed."""

    choices: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        if self.choices:
            return "a list of one or more of " + ", ".join(f'"{choice}"' for choice in self.choices)
        return "a list of texts"

    def read(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise WrongValueError(self.words, "put it in square brackets" if isinstance(value, str) else "")
        if any(not isinstance(word, str) or not word or not word.isprintable() for word in value):
            raise WrongValueError(self.words)
        if self.choices and any(word not in self.choices for word in value):
            raise WrongValueError(self.words)
        return tuple(value)

    def schema(self) -> dict[str, Any]:
        items: dict[str, Any] = {"type": "string", "minLength": 1}
        if self.choices:
            items = {"type": "string", "enum": list(self.choices)}
        return {"type": "array", "items": items, "minItems": 1}


@dataclass(frozen=True, slots=True)
class Line:
    """Any text, empty ones and several lines included, up to `longest` characters."""

    longest: int

    @property
    def words(self) -> str:
        return f"a text of at most {self.longest} characters"

    def read(self, value: object) -> str:
        if not isinstance(value, str) or len(value) > self.longest or not _encodes(value):
            raise WrongValueError(self.words)
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.longest}


def _encodes(text: str) -> bool:
    """Half of a surrogate pair (JSON can write one) cannot be sent or saved."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


@dataclass(frozen=True, slots=True)
class OrNull:
    """Of a kind, or null, where null means something of its own."""

    kind: Kind

    @property
    def words(self) -> str:
        return f"{self.kind.words}, or null"

    def read(self, value: object) -> object:
        return None if value is None else self.kind.read(value)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.kind.schema(), {"type": "null"}]}


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast simulated time passes: a number, or "max"; None stands for "max"."""

    @property
    def words(self) -> str:
        return 'a number from 0 (stand still) to 100000, or "max"'

    def read(self, value: object) -> float | None:
        if value == "max":
            return None
        try:
            return Number(0, 100_000).read(value)
        except WrongValueError as error:
            raise WrongValueError(self.words, error.remedy) from error

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "number", "minimum": 0, "maximum": 100_000}, {"enum": ["max"]}]}


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is passed on as it is: an OCPP payload, settings of the simulated board."""

    what: str = "a table"

    @property
    def words(self) -> str:
        return f'{self.what}, such as {{ type = "Soft" }}'

    def read(self, value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise WrongValueError(self.words, "write it in braces: { name = value }")
        if not plain(value):
            raise WrongValueError(self.words, "write dates and times as texts in quotes")
        return Fixed(dict(value))

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


@dataclass(frozen=True, slots=True)
class Scalars:
    """A table of names and single values; they are kept as OCPP writes them."""

    what: str

    @property
    def words(self) -> str:
        return f"a table of {self.what}"

    def read(self, value: object) -> Mapping[str, str]:
        if not isinstance(value, Mapping):
            raise WrongValueError(self.words, "write it as a table: name = value")
        found: dict[str, str] = {}
        self._take(value, "", found, 0)
        return Fixed(found)

    def _take(self, table: Mapping[str, Any], before: str, found: dict[str, str], depth: int) -> None:
        for name, item in table.items():
            if isinstance(item, Mapping) and depth < MOST_NESTED:  # a dotted name without quotes
                self._take(item, f"{before}{name}.", found, depth + 1)
            elif isinstance(item, bool):
                found[before + name] = "true" if item else "false"
            elif isinstance(item, str | int | float):
                found[before + name] = str(item)
            else:
                raise WrongValueError(self.words, f"give {before}{name} a text, a number, true or false")

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "object"]}}


class _Curve:
    """Points (SoC in percent, watts into the battery)."""

    words = "a list of points [SoC percent, W]"

    def read(self, value: object) -> tuple[tuple[float, float], ...]:
        if not isinstance(value, list | tuple) or not value:
            raise WrongValueError(self.words)
        points = []
        for point in value:
            if not isinstance(point, list | tuple) or len(point) != 2:
                raise WrongValueError(self.words)
            points.append((Number(0, 100).read(point[0]), Number(0, 1e9).read(point[1])))
        return tuple(points)

    def schema(self) -> dict[str, Any]:
        point = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
        return {"type": "array", "items": point, "minItems": 1}


CAR_FIELDS: Mapping[str, tuple[Kind, str]] = {
    "name": (Text(100), "How it is called."),
    "capacity_wh": (Number(100, 2_000_000, "Wh"), "Usable energy of the battery."),
    "soc_percent": (Number(0, 100, "%"), "State of charge."),
    "target_percent": (Number(0, 100, "%"), "Up to here it wants to charge."),
    "max_power_w": (Number(100, 10_000_000, "W"), "Most that its battery takes."),
    "curve": (_Curve(), "What its battery takes over the state of charge."),
    "phases": (Integer(1, 3), "Phases of its onboard charger."),
    "keeps_phases": (Flag(), "It leaves phases alone that come only after it has begun to draw."),
    "max_a": (Number(6, 80, "A"), "Most that its onboard charger draws, per phase."),
    "min_a": (Number(6, 80, "A"), "Below this offer it does not charge."),
    "efficiency": (Number(0.1, 1), "Share of the energy that reaches the battery."),
    "power_factor": (Number(0.1, 1), "Power factor of its onboard charger."),
    "ventilation": (Flag(), "It needs ventilation (pilot state D)."),
    "s2_close_s": (Number(0, 600, "s"), "From an offer to pilot state C."),
    "start_s": (Number(0, 600, "s"), "From voltage to current."),
    "follow_s": (Number(0, 5, "s"), "To a changed offer."),
    "stop_s": (Number(0, 3, "s"), "From the end of an offer to no current."),
    "ignores_x1": (Flag(), "It goes on drawing though the offer has ended."),
    "sleeps_after_s": (Number(0, 1e9, "s"), "It no longer answers to an offer that comes later than this."),
    "departure_after_s": (Number(0, 1e9, "s"), "So long after plugging in it leaves by itself."),
}
"""What can be said of a simulated car. The board that makes the car has the last word."""


@dataclass(frozen=True, slots=True)
class CarTable:
    """What a simulated car is."""

    @property
    def words(self) -> str:
        return "a table of car fields, such as { soc_percent = 40, max_a = 16 }"

    def read(self, value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise WrongValueError(self.words, "write it in braces: { soc_percent = 40 }")
        found: dict[str, Any] = {}
        wrong: list[tuple[str, str]] = []
        for name, item in value.items():
            if name not in CAR_FIELDS:
                shown = "".join(char if char.isprintable() else "?" for char in str(name))[:40]
                wrong.append((shown, f"is no field of a car; known are {', '.join(CAR_FIELDS)}"))
                continue
            try:
                found[name] = CAR_FIELDS[name][0].read(item)
            except WrongValueError as error:
                wrong.append((name, f"must be {error.expected} {got(item)}"))
        if wrong:
            raise WrongFieldsError(self.words, wrong)
        return Fixed(found)

    def schema(self) -> dict[str, Any]:
        fields = {name: {**kind.schema(), "description": doc} for name, (kind, doc) in CAR_FIELDS.items()}
        return {"type": "object", "properties": fields, "additionalProperties": False}


def plain(value: object, depth: int = 0) -> bool:
    """Only what JSON has too, and not nested without end."""
    if depth > MOST_NESTED:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and plain(item, depth + 1) for name, item in value.items())
    if isinstance(value, list | tuple):
        return all(plain(item, depth + 1) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return _encodes(value)
    return value is None or isinstance(value, int | bool)


@dataclass(frozen=True, slots=True)
class Watts:
    """A power, or the word "real"."""

    @property
    def words(self) -> str:
        return 'a number from 0 to 1000000 (W), or "real"'

    def read(self, value: object) -> float | str:
        if value == "real":
            return "real"
        try:
            return Number(0, 1e6).read(value)
        except WrongValueError as error:
            raise WrongValueError(self.words, error.remedy) from error

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [Number(0, 1e6).schema(), {"enum": ["real"]}]}
