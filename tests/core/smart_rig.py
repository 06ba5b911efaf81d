"""Profiles of a station that runs: short ways to install, clear and look, for the tests of `smart`, `allowance` and `sharing`."""

from __future__ import annotations

from typing import Any

from station.core.charging.composite import Composite
from station.core.charging.policy import RULES_16, RULES_201, Rules
from station.core.charging.profiles import Kind, Period, Profile, Purpose, Rates, RateUnit, Schedule
from station.core.events import ClearProfiles, GetComposite, InstallProfile
from station.core.types import Verdict
from tests.core.rig import WALL, Rig

__all__ = ["RULES_16", "at", "clear", "composite", "install", "limited"]


def at(rig: Rig) -> int:
    """The wall second of now."""
    return int(WALL + rig.mono)


def limited(
    number: int,
    purpose: Purpose,
    *steps: tuple[int, float],
    kind: Kind = Kind.RELATIVE,
    unit: RateUnit = RateUnit.A,
    start: int | None = None,
    duration: int | None = None,
    phases: int | None = None,
    **more: Any,
) -> Profile:
    """A profile of (seconds, limit) steps."""
    periods = tuple(Period(second, Rates(round(rate * 1000)), phases) for second, rate in steps)
    schedule = Schedule(unit, periods, start=start, duration=duration)
    return Profile(number, more.pop("stack_level", 0), purpose, kind, (schedule,), **more)


def install(rig: Rig, profile: Profile, evse: int = 1, rules: Rules = RULES_201) -> Verdict:
    return rig.command(lambda ref: InstallProfile(ref, profile, evse, rules))


def clear(rig: Rig, **which: Any) -> Verdict:
    return rig.command(lambda ref: ClearProfiles(ref, **which))


def composite(rig: Rig, evse: int, duration_s: int, unit: RateUnit | None = None) -> Composite:
    verdict = rig.command(lambda ref: GetComposite(ref, evse, duration_s, unit))
    assert verdict.status == "Accepted", verdict
    found = verdict.data["composite"]
    assert isinstance(found, Composite)
    return found
