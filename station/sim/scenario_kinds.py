"""Kinds of fields that scenario files have besides those of the configuration: durations, tables, cars, conditions."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hal.errors import ConfigError as HardwareConfigError
from hal.sim.car_settings import CarSettings, car_settings
from station.config_fields import WrongValueError
from station.sim.scenario_match import Condition, ConditionError, parse_conditions

__all__ = [
    "EMPTY",
    "CarFields",
    "Conditions",
    "Duration",
    "Fixed",
    "Scalars",
    "Table",
    "Tokens",
    "Words",
    "render_duration",
]


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


EMPTY: Mapping[str, Any] = Fixed({})
LONGEST_S = 366 * 86_400.0
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*(s|min|h|d)\s*")


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
        if not _plain(value):
            raise WrongValueError(self.words, "write dates and times as texts in quotes")
        return Fixed(dict(value))


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
        self._take(value, "", found)
        return Fixed(found)

    def _take(self, table: Mapping[str, Any], before: str, found: dict[str, str]) -> None:
        for name, item in table.items():
            if isinstance(item, Mapping):  # a dotted name without quotes
                self._take(item, f"{before}{name}.", found)
            elif isinstance(item, bool):
                found[before + name] = "true" if item else "false"
            elif isinstance(item, str | int | float):
                found[before + name] = str(item)
            else:
                raise WrongValueError(self.words, f"give {before}{name} a text, a number, true or false")


@dataclass(frozen=True, slots=True)
class CarFields:
    """What a simulated car is."""

    @property
    def words(self) -> str:
        return "a table of car fields, such as { soc_percent = 40, max_a = 16 }"

    def read(self, value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise WrongValueError(self.words, "write it in braces: { soc_percent = 40 }")
        try:
            car: CarSettings = car_settings(value)
        except HardwareConfigError as error:
            raise WrongValueError(self.words, "; ".join(str(error).splitlines())) from error
        return Fixed({name: getattr(car, name) for name in value})


@dataclass(frozen=True, slots=True)
class Conditions:
    """Dotted paths and what must hold for the value found there (see station.sim.scenario_match)."""

    @property
    def words(self) -> str:
        return 'a table of paths and conditions, such as { "transactionInfo.stoppedReason" = "Local", seqNo = "> 3" }'

    def read(self, value: object) -> tuple[Condition, ...]:
        if not isinstance(value, Mapping):
            raise WrongValueError(self.words, "write it in braces: { path = value }")
        try:
            return parse_conditions(value)
        except ConditionError as error:
            raise WrongValueError(self.words, str(error)) from error


def _plain(value: object) -> bool:
    """Only what JSON has too."""
    if isinstance(value, Mapping):
        return all(_plain(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_plain(item) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int | bool)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the CSMS knows: a list of tokens that may charge, or a table of tokens and what they are."""

    choices: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"a list of tokens, or a table of tokens and their status ({', '.join(self.choices)})"

    def read(self, value: object) -> Mapping[str, str]:
        if isinstance(value, list | tuple):
            value = dict.fromkeys(Words().read(value), "Accepted") if value else {}
        if not isinstance(value, Mapping) or any(not 0 < len(token) <= 36 for token in value):
            raise WrongValueError(self.words, 'write tokens = ["04A1B2C3"], each of 1 to 36 characters')
        if any(status not in self.choices for status in value.values()):
            raise WrongValueError(self.words, f"a status is one of {', '.join(self.choices)}")
        return Fixed(dict(value))
