"""Errors of the station: they say who erred, and what to do next.

StationError
|-- ConfigError     the operator's file; `problems` lists every mistake with key path and remedy
|-- StoreError      the database: locked, read-only, full, corrupt, newer than we are
|-- LinkError       the connection to the CSMS
|-- ScenarioError   a scenario file that cannot be played
|-- SecurityError   keys and certificates: missing, not readable, not fitting each other
`-- ControlError    a command from outside; `problems` names every field that is wrong
"""

from __future__ import annotations

from dataclasses import dataclass


class StationError(Exception):
    """Base of everything this package raises on purpose."""


class ConfigError(StationError):
    """The configuration is wrong; every mistake at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StoreError(StationError):
    """The database cannot be used; the message names the file and the way out."""


class LinkError(StationError):
    """The connection to the CSMS could not be made or kept."""


class ScenarioError(StationError):
    """A scenario file cannot be played; the message names the step and the field."""


class SecurityError(StationError):
    """A key or certificate cannot be made, read or used; the message names it and never holds key material."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One field of a command that is wrong; `field` is empty when it is the command as a whole."""

    field: str
    problem: str


class ControlError(StationError):
    """A command from outside cannot be carried out, and has changed nothing.

    code: "unknown" (no such command), "invalid" (a field is wrong), "conflict" (not as things are), "unsupported" (not by this
    station: it has no simulated board).
    """

    def __init__(self, code: str, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.problem}" if p.field else p.problem for p in problems))
        self.code = code
        self.problems = problems
