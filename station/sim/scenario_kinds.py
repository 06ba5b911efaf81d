"""Kinds of fields that scenario files have besides those of the configuration and of the command table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    "Words",
    "render_duration",
]


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
