"""Kinds of fields that scenario files have besides those of the configuration and of the command table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from station.clock import iso, parse_iso
from station.config_fields import WrongValueError
from station.runtime.control_kinds import EMPTY, Duration, Fixed, Scalars, Table, Words, render_duration
from station.sim.scenario_match import Condition, ConditionError, parse_conditions

__all__ = [
    "EMPTY",
    "Conditions",
    "Duration",
    "Fixed",
    "Scalars",
    "Table",
    "Tokens",
    "WallTime",
    "Words",
    "next_at",
    "render_duration",
]

DAY_S = 86_400
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


@dataclass(frozen=True, slots=True)
class WallTime:
    """A moment of the wall clock in seconds since the epoch (from 2020 to 2100); with `of_day` also a time of day, below 86 400."""

    of_day: bool = False

    @property
    def words(self) -> str:
        return 'a moment such as "2026-01-15T18:00:00Z"' + (
            ' or a time of day such as "22:00" (UTC)' if self.of_day else ""
        )

    def read(self, value: object) -> float:
        found = _TIME_OF_DAY.fullmatch(value) if isinstance(value, str) and self.of_day else None
        if found is not None:
            return int(found[1]) * 3600.0 + int(found[2]) * 60.0 + int(found[3] or 0)
        if isinstance(value, datetime) and value.tzinfo is not None:
            value = iso(value.astimezone(UTC).timestamp())  # TOML has moments of its own
        try:
            wall = parse_iso(value) if isinstance(value, str) else None
        except ValueError:
            wall = None
        if wall is None or not 1_577_836_800.0 <= wall <= 4_102_444_800.0:
            raise WrongValueError(self.words, "write it with its zone, from 2020 to 2100: 2026-01-15T18:00:00Z")
        return wall

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


def next_at(at: float, wall: float) -> float:
    """Seconds from `wall` until a `WallTime`: until the moment, or until it is that time of day again. Negative: it is past."""
    if at >= DAY_S:
        return at - wall
    return (at - wall) % DAY_S


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

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


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

    def schema(self) -> dict[str, Any]:
        status = {"type": "string", "enum": list(self.choices)}
        return {"anyOf": [Words().schema(), {"type": "object", "additionalProperties": status}]}
