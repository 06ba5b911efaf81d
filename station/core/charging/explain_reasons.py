"""Why a profile begins, repeats or ends at a moment. Words only: what applies is decided in `composite`.

Each function returns a reason that fits the moment to the second, or "" when none does.
"""

from __future__ import annotations

from dataclasses import dataclass

from station.core.charging.composite import Tx, Zone
from station.core.charging.explain_words import span
from station.core.charging.profiles import Kind, Profile, Schedule

__all__ = ["Moment", "again", "begin", "end"]

STARTED = {
    Kind.ABSOLUTE: "its startSchedule has come",
    Kind.RELATIVE: "the transaction is ready",
    Kind.DYNAMIC: "its limit was updated",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """at: wall second looked at. start: of the composite schedule, where a Relative schedule without transaction begins."""

    at: int
    start: int
    zone: Zone | None
    tx: Tx | None


def begin(profile: Profile, moment: Moment) -> str:
    """Why it gives a limit from now on."""
    if profile.valid_from == moment.at:
        return "its validFrom has come"
    elapsed = _elapsed(profile, moment)
    if elapsed is None or elapsed < 0:
        return ""
    repeats = _repeats(profile)
    if repeats and profile.recurrency is not None and elapsed % repeats == 0:
        return f"its {profile.recurrency.value.lower()} repetition" if elapsed else "its startSchedule has come"
    return STARTED.get(profile.kind, "") if elapsed == 0 else ""


def again(profile: Profile, moment: Moment) -> str:
    """The daily or weekly repetition that begins anew while the last one still applied."""
    elapsed, repeats = _elapsed(profile, moment), _repeats(profile)
    if not repeats or not elapsed or elapsed % repeats or profile.recurrency is None:
        return ""
    return f"its {profile.recurrency.value.lower()} repetition"


def end(profile: Profile, moment: Moment) -> str:
    """Why it gives no limit any more."""
    if profile.valid_to == moment.at:
        return "its validTo has come"
    elapsed, duration = _elapsed(profile, moment), _schedule(profile).duration if profile.schedules else None
    if elapsed is None or duration is None or elapsed < duration:
        return ""
    repeats = _repeats(profile)
    if (elapsed % repeats if repeats else elapsed) == duration:
        return f"its duration of {span(duration)} is over"
    return ""


def _schedule(profile: Profile) -> Schedule:
    return profile.schedules[0]


def _repeats(profile: Profile) -> int | None:
    return profile.recurrency.seconds if profile.kind is Kind.RECURRING and profile.recurrency is not None else None


def _elapsed(profile: Profile, moment: Moment) -> int | None:
    """Seconds since the schedule's (first) start."""
    if not profile.schedules:
        return None
    schedule = _schedule(profile)
    if profile.kind is Kind.RELATIVE or (profile.kind is Kind.ABSOLUTE and schedule.start is None):
        ready = None if moment.tx is None else moment.tx.ready
        return moment.at - (moment.start if ready is None else ready)
    start = profile.dyn_updated if profile.kind is Kind.DYNAMIC else schedule.start
    if start is None:
        return None
    local = moment.zone.offset_s(moment.at) if schedule.local_time and moment.zone is not None else 0
    return moment.at + local - start
