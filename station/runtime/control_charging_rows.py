"""What the commands about charging profiles answer: rows of profiles, of the plan and of its sources."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

from station.core.charging.explain import Change, number, source_json
from station.core.charging.profiles import MILLI, Installed, Schedule
from station.core.charging.shapes import Composite, PhaseLimits, Source, Zone
from station.runtime.control_types import Json

__all__ = ["ClearedResult", "InstalledResult", "PlanResult", "ProfilesResult", "plan_json", "profile_row"]

QUARTER_S = 900


class PeriodRow(TypedDict):
    """A step of a schedule. limit: null where the profile gives none."""

    start: int
    limit: float | None
    phases: int | None


class ScheduleRow(TypedDict):
    """A schedule. start: wall seconds, null for one that is relative. duration: seconds."""

    unit: str
    start: int | None
    duration: int | None
    periods: list[PeriodRow]


class ProfileRow(TypedDict):
    """A charging profile that is installed. Times are wall seconds; `transaction` is the station's own id."""

    id: int
    evse: int
    purpose: str
    kind: str
    recurrency: str | None
    stack_level: int
    valid_from: int | None
    valid_to: int | None
    transaction: str | None
    source: str
    schedules: list[ScheduleRow]


class ProfilesResult(TypedDict):
    """The charging profiles that are installed. enabled: smart charging is switched on; without it they limit nothing."""

    enabled: bool
    profiles: list[ProfileRow]


class InstalledResult(TypedDict):
    """The profile's id."""

    id: int


class ClearedResult(TypedDict):
    """How many profiles went."""

    cleared: int


class SourceRow(TypedDict):
    """What one profile, or the hardware, allows: `limit` in the unit of the plan, `given` in its own."""

    name: str
    purpose: str | None
    profile: int | None
    stack_level: int | None
    limit: float | None
    phases: int | None
    given: float | None
    given_unit: str
    binding: bool


class PlanRow(TypedDict):
    """A period of the plan. start, until: seconds since its start. l2, l3: where phases differ."""

    start: int
    until: int
    limit: float | None
    l2: float | None
    l3: float | None
    phases: int | None
    cause: str | None
    sources: list[SourceRow]


class ChangeRow(TypedDict):
    """A change of the limit or of its cause, in a sentence. at: wall seconds; local: on the station's clock."""

    at: int
    local: str
    sentence: str
    limit: float | None
    unit: str
    phases: int | None
    cause: str | None
    new_cause: bool
    sources: list[SourceRow]


class OffsetRow(TypedDict):
    """Local time of the station from wall second `at` on: seconds to add to UTC."""

    at: int
    offset_s: int


class PlanResult(TypedDict):
    """The composite schedule from now on: what limits, when, and why. start: wall seconds; duration: seconds.
    enabled: smart charging is switched on; without it no profile is in the plan.
    """

    enabled: bool
    evse: int
    start: int
    duration: int
    unit: str
    local: list[OffsetRow]
    periods: list[PlanRow]
    changes: list[ChangeRow]


def profile_row(one: Installed) -> Json:
    """How an installed profile is shown."""
    profile = one.profile
    return {
        "id": profile.id,
        "evse": one.evse,
        "purpose": profile.purpose.value,
        "kind": profile.kind.value,
        "recurrency": profile.recurrency.value if profile.recurrency is not None else None,
        "stack_level": profile.stack_level,
        "valid_from": profile.valid_from,
        "valid_to": profile.valid_to,
        "transaction": profile.tx_id,
        "source": one.source.value,
        "schedules": [_schedule_row(schedule) for schedule in profile.schedules],
    }


def _schedule_row(schedule: Schedule) -> Json:
    return {
        "unit": schedule.unit.value,
        "start": schedule.start,
        "duration": schedule.duration,
        "periods": [
            {
                "start": period.start,
                "limit": None if period.limit is None else period.limit.total / MILLI,
                "phases": period.phases,
            }
            for period in schedule.periods
        ],
    }


def plan_json(made: Composite, changes: Iterable[Change], zone: Zone | None, *, enabled: bool) -> Json:
    """A composite schedule (made with `merge_causes=False`) with its sentences."""
    return {
        "enabled": enabled,
        "evse": made.evse,
        "start": made.start,
        "duration": made.duration,
        "unit": made.unit.value,
        "local": _offsets(made, zone),
        "periods": _plan_rows(made),
        "changes": [change.to_json() for change in changes],
    }


def _offsets(made: Composite, zone: Zone | None) -> list[Json]:
    """Clocks are put forward and back at whole quarters of an hour."""
    if zone is None:
        return [{"at": made.start, "offset_s": 0}]
    quarters = range(made.start - made.start % QUARTER_S + QUARTER_S, made.start + made.duration, QUARTER_S)
    found: list[Json] = []
    for at in (made.start, *quarters):
        offset = zone.offset_s(at)
        if not found or found[-1]["offset_s"] != offset:
            found.append({"at": at, "offset_s": offset})
    return found


def _plan_rows(made: Composite) -> list[Json]:
    ends = [period.start for period in made.periods[1:]] + [made.duration]
    return [
        {
            "start": period.start,
            "until": until,
            **_rates(period.limit),
            "phases": period.phases,
            "cause": None if period.binding is None else _name(period.binding),
            "sources": [source_json(source, binding=source == period.binding) for source in period.sources],
        }
        for period, until in zip(made.periods, ends, strict=True)
    ]


def _rates(limit: PhaseLimits | None) -> Json:
    if limit is None:
        return {"limit": None, "l2": None, "l3": None}
    return {"limit": number(limit.total), "l2": number(limit.l2), "l3": number(limit.l3)}


def _name(source: Source) -> str:
    return str(source_json(source, binding=True)["name"])
