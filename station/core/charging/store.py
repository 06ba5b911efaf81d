"""Rows of installed profiles: plain JSON, the same for every version."""

from __future__ import annotations

from typing import Any

from station.core.charging.profiles import Installed, Profile


def to_row(installed: Installed) -> dict[str, Any]:
    raise AssertionError("to be written")


def from_row(row: dict[str, Any]) -> Installed:
    """Inverse of `to_row`. Raises KeyError, TypeError or ValueError on a row that is none."""
    raise AssertionError("to be written")


def profile_to_json(profile: Profile) -> dict[str, Any]:
    raise AssertionError("to be written")


def profile_from_json(value: dict[str, Any]) -> Profile:
    raise AssertionError("to be written")
