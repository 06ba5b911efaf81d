"""Errors of the station: they say who erred, and what to do next.

StationError
|-- ConfigError     the operator's file; `problems` lists every mistake with key path and remedy
|-- StoreError      the database: locked, read-only, full, corrupt, newer than we are
|-- LinkError       the connection to the CSMS
`-- ScenarioError   a scenario file that cannot be played
"""

from __future__ import annotations


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
