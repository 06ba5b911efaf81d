"""randomizedDelay of 2.1: periods that start a little late, so that not all stations change at the same second (K01.FR.92-97)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from station.core.charging.profiles import Period, Profile, Schedule


def drawn(profile: Profile, draw: Callable[[int], int]) -> Profile:
    """The profile with its delays chosen; the same profile when it has none to choose.

    draw(n) gives a whole number from 0 to n. Done once, when the transaction starts or the profile is set during one: a composite
    schedule must not change from one question to the next (K01.FR.93).
    """
    if not any(schedule.randomized_delay > 0 for schedule in profile.schedules):
        return profile
    return replace(profile, schedules=tuple(_drawn(schedule, draw) for schedule in profile.schedules))


def _drawn(schedule: Schedule, draw: Callable[[int], int]) -> Schedule:
    most = schedule.randomized_delay
    if most <= 0:
        return schedule
    # K01.FR.92: the first period is never late.
    return replace(schedule, delays=tuple(draw(most) if period.start > 0 else 0 for period in schedule.periods))


def delayed(schedule: Schedule) -> tuple[Period, ...]:
    """The periods at the seconds at which they really start.

    K01.FR.97: one that is overtaken by a later one is dropped. startSchedule and duration are as they were (K01.FR.94).
    """
    if not schedule.delays:
        return schedule.periods
    late = [
        (period.start + delay, period) for period, delay in zip(schedule.periods, schedule.delays, strict=False)
    ] + [(period.start, period) for period in schedule.periods[len(schedule.delays) :]]
    kept: list[Period] = []
    overtaking: int | None = None
    for start, period in reversed(late):
        if overtaking is None or start < overtaking:
            kept.append(period if start == period.start else replace(period, start=start))
            overtaking = start
    return tuple(reversed(kept))
