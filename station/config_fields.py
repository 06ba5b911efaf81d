"""Kinds of settings: how a TOML value is read, what is wrong with it, and how documentation describes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, Protocol

__all__ = [
    "IDENTITY",
    "TOKEN",
    "Flag",
    "Integer",
    "IntegerList",
    "Kind",
    "Number",
    "Text",
    "WordList",
    "WrongValueError",
    "kind_of",
    "kind_word",
    "setting",
]


class WrongValueError(Exception):
    """A value does not fit. `expected` completes "must be ..."; `remedy` says what to write."""

    def __init__(self, expected: str, remedy: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.remedy = remedy


class Kind(Protocol):
    """How one setting is read."""

    @property
    def words(self) -> str:
        """What a value must be, for messages and documentation."""

    def read(self, value: object) -> object:
        """The value as the program wants it. Raises WrongValueError."""

    def schema(self) -> dict[str, Any]:
        """JSON Schema of what `read` takes; it may let pass what only `read` can refuse."""


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text. `pattern` must match all of it; `what` says in words what it is. `choices`: nothing else."""

    longest: int = 255
    pattern: str = ""
    what: str = ""
    choices: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        if self.choices:
            return "one of " + ", ".join(f'"{choice}"' for choice in self.choices)
        return self.what or f"a text of 1 to {self.longest} characters"

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            remedy = f'put it in quotes: "{value}"' if isinstance(value, int | float) else ""
            raise WrongValueError(self.words, remedy)
        if self.choices:
            if value not in self.choices:
                raise WrongValueError(self.words)
            return value
        fits = 0 < len(value) <= self.longest and value.isprintable()
        if not fits or (self.pattern and not re.fullmatch(self.pattern, value)):
            raise WrongValueError(self.words)
        return value

    def schema(self) -> dict[str, Any]:
        if self.choices:
            return {"type": "string", "enum": list(self.choices)}
        found: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": self.longest}
        return {**found, "pattern": f"^(?:{self.pattern})$"} if self.pattern else found


# identifierString of 2.0.1 part 4, and what SteVe allows.
IDENTITY = Text(48, r"[A-Za-z0-9*\-_=:+|@.#]+", "1 to 48 letters, digits and * - _ = : + | @ . #")
# identifierString of idToken (2.0.1 part 2, 3.41); 1.6 takes the first 20 characters.
TOKEN = Text(36, r"[A-Za-z0-9*\-_=:+|@.]+", "1 to 36 letters, digits and * - _ = : + | @ .")


@dataclass(frozen=True, slots=True)
class Number:
    """A number within finite bounds, both included."""

    low: float
    high: float
    unit: str = ""

    @property
    def words(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}" + (f" ({self.unit})" if self.unit else "")

    def read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise WrongValueError(self.words, _unquote(value))
        if not self.low <= value <= self.high:
            raise WrongValueError(self.words)
        return float(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number within bounds, both included; `choices`: nothing else is allowed."""

    low: int
    high: int
    choices: tuple[int, ...] = ()

    @property
    def words(self) -> str:
        if self.choices:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        return f"a whole number from {self.low} to {self.high}"

    def read(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongValueError(self.words, _unquote(value))
        if not self.low <= value <= self.high or (self.choices and value not in self.choices):
            raise WrongValueError(self.words)
        return value

    def schema(self) -> dict[str, Any]:
        if self.choices:
            return {"type": "integer", "enum": list(self.choices)}
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    @property
    def words(self) -> str:
        return "true or false"

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise WrongValueError(self.words, "write true or false without quotes")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class WordList:
    """A list of different words out of `choices`, at least one."""

    choices: tuple[str, ...]

    @property
    def words(self) -> str:
        return "a list of one or more of " + ", ".join(f'"{choice}"' for choice in self.choices)

    def read(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise WrongValueError(self.words)
        if any(not isinstance(word, str) or word not in self.choices for word in value):
            raise WrongValueError(self.words)
        if len(set(value)) < len(value):
            raise WrongValueError(self.words, "name each only once")
        return tuple(value)

    def schema(self) -> dict[str, Any]:
        items = {"type": "string", "enum": list(self.choices)}
        return {"type": "array", "items": items, "minItems": 1, "uniqueItems": True}


@dataclass(frozen=True, slots=True)
class IntegerList:
    """A list of different whole numbers, at least one."""

    low: int
    high: int

    @property
    def words(self) -> str:
        return f"a list of one or more whole numbers from {self.low} to {self.high}"

    def read(self, value: object) -> tuple[int, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise WrongValueError(self.words)
        numbers = tuple(Integer(self.low, self.high).read(item) for item in value)
        if len(set(numbers)) < len(numbers):
            raise WrongValueError(self.words, "name each only once")
        return numbers

    def schema(self) -> dict[str, Any]:
        items = Integer(self.low, self.high).schema()
        return {"type": "array", "items": items, "minItems": 1, "uniqueItems": True}


def setting(kind: Kind, doc: str, *, default: Any = MISSING, example: object = None, secret: bool = False) -> Any:
    """A dataclass field with what reading and documenting it takes. Without a default it must be given.

    example: shown in the example file where there is no default. secret: never shown in messages, repr or logs.
    """
    metadata = {"kind": kind, "doc": doc, "example": example, "secret": secret}
    return field(default=default, repr=not secret, metadata=metadata)


def kind_of(metadata: Mapping[str, Any]) -> Kind:
    """The kind that `setting` put into a field's metadata."""
    kind: Kind = metadata["kind"]
    return kind


def kind_word(value: object) -> str:
    """A TOML type's name, for messages."""
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "a boolean"),
        ((int, float), "a number"),
        (str, "a text"),
        ((list, tuple), "a list"),
        (Mapping, "a table"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "a date or time")


def _unquote(value: object) -> str:
    return "write it without quotes" if isinstance(value, str) and re.fullmatch(r"[-+.\d]+", value) else ""
