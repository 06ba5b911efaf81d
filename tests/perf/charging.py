"""Smart charging: a day of composite schedule, the limit now, one change of a limit, and a thousand stations at once."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from fractions import Fraction

from hal.api import MeterRead, MeterReading
from station.clock import Now
from station.core.charging.composite import Site, Tx, compose, limit_at
from station.core.charging.memory import ChargingSetup
from station.core.charging.policy import RULES_201, Policy
from station.core.charging.profiles import (
    Installed,
    Kind,
    Period,
    Profile,
    Purpose,
    Rates,
    RateUnit,
    Recurrency,
    Schedule,
)
from station.core.events import InstallProfile
from station.core.station import Station
from tests.core.rig import WALL, Rig
from tests.perf.rows import Row
from tests.perf.timing import Effort, in_turns

PROFILES, PERIODS, DAY_S = 20, 24, 86_400
MOST_DAY_MS, MOST_NOW_MS = 1.0, 0.1  # docs/performance.md
STATIONS = 1000
NOW = int(WALL) // DAY_S * DAY_S + 36_000
SITE = Site(1, Fraction(230), 3, Fraction(32))
TX = Tx("tx-1", NOW - 600)
PURPOSES = (Purpose.TX_DEFAULT, Purpose.TX, Purpose.STATION_MAX, Purpose.EXTERNAL)


def rows(effort: Effort) -> list[Row]:
    return [*_engine(effort), _change(effort), _thousand(effort)]


# --- the engine -------------------------------------------------------------------------------------------------------


def a_day(profiles: int = PROFILES, periods: int = PERIODS) -> tuple[Installed, ...]:
    """Profiles of every purpose, stacked, all but the lowest with a gap of half a day; no two boundaries of them fall together."""
    found = []
    for number in range(profiles):
        purpose = PURPOSES[number % len(PURPOSES)]
        step = DAY_S // periods
        rows = tuple(Period(n * step, Rates(6000 + (number * 7 + n * 5) % 26 * 1000), 3) for n in range(periods))
        level = number // len(PURPOSES)
        start = NOW - DAY_S + number * 61 + level * 9000
        schedule = Schedule(RateUnit.A, rows, start=start, duration=DAY_S // 2 if level else None)
        profile = Profile(
            number + 1,
            level,
            purpose,
            Kind.RECURRING,
            (schedule,),
            Recurrency.DAILY,
            tx_id="tx-1" if number % 4 == 1 else None,
        )
        found.append(Installed(profile, 1 if purpose is Purpose.TX else 0))
    return tuple(found)


def sweep(profiles: tuple[Installed, ...]) -> int:
    """The least that any evaluator does: every boundary of the day in order, and one look-up per profile at each."""
    starts = [_starts(one) for one in profiles]
    boundaries = sorted({start for one in starts for start in one})
    for boundary in boundaries:
        for one in starts:
            bisect_right(one, boundary)
    return len(boundaries)


def _starts(one: Installed) -> list[int]:
    schedule = one.profile.schedules[0]
    offset = (schedule.start or 0) - NOW
    return sorted((period.start + offset) % DAY_S for period in schedule.periods)


def _engine(effort: Effort) -> list[Row]:
    profiles, policy = a_day(), Policy()

    def composed(n: int) -> None:
        for _ in range(n):
            compose(profiles, SITE, TX, start=NOW, duration=DAY_S, unit=RateUnit.A, policy=policy)

    def swept(n: int) -> None:
        for _ in range(n):
            sweep(profiles)

    def now(n: int) -> None:
        for number in range(n):
            limit_at(profiles, SITE, TX, now=NOW + number, policy=policy)

    costs = in_turns({"day": composed, "sweep": swept, "now": now}, effort.times(100, 2), effort.rounds)
    periods = len(compose(profiles, SITE, TX, start=NOW, duration=DAY_S, unit=RateUnit.A, policy=policy).periods)
    return [
        Row(
            group="charging",
            what=f"{PROFILES} profiles of {PERIODS} periods over 24 h",
            unit="ms CPU",
            ours=costs["day"] * 1e3,
            against="a look-up per boundary",
            other=costs["sweep"] * 1e3,
            most=MOST_DAY_MS,
            note=f"{periods} periods come out; {sweep(profiles)} boundaries go in",
        ),
        Row(
            group="charging",
            what="the limit now, and until when",
            unit="ms CPU",
            ours=costs["now"] * 1e3,
            against="a day of it",
            other=costs["day"] * 1e3,
            most=MOST_NOW_MS,
            note=f"of the same {PROFILES} profiles",
        ),
    ]


# --- through the core -------------------------------------------------------------------------------------------------


def charging_station() -> tuple[Station, Rig]:
    """Two EVSEs, both charging, behind one fuse of 40 A."""
    rig = Rig(evses=2, charging=ChargingSetup(station_max_a=40.0))
    rig.charge(1)
    rig.charge(2, "DEADBEEF")
    rig.wait(60.0)
    return rig.station, rig


def maximum(amperes: int) -> Profile:
    """A station maximum."""
    schedule = Schedule(RateUnit.A, (Period(0, Rates(amperes * 1000)),), start=int(WALL))
    return Profile(1, 0, Purpose.STATION_MAX, Kind.ABSOLUTE, (schedule,))


def change(station: Station, rig: Rig, n: int) -> int:
    """Another station maximum, `n` times, each obeyed; returns how many effects came."""
    now, effects = rig.now(), 0
    drawn = MeterReading(2000.0, power_w=4140.0, current_a=(6.0, 6.0, 6.0))
    profiles = (maximum(20), maximum(30))
    for number in range(n):
        at = Now(now.mono + number * 60.0, now.wall + number * 60.0, now.boot)
        effects += len(station.handle(InstallProfile(number, profiles[number % 2], 0, RULES_201), at))
        for evse in (1, 2):
            station.handle(MeterRead(evse, drawn), replace(at, mono=at.mono + 10.0, wall=at.wall + 10.0))
    return effects


def _readings(station: Station, rig: Rig, n: int) -> None:
    now = rig.now()
    for number in range(n):
        at = Now(now.mono + number * 60.0, now.wall + number * 60.0, now.boot)
        for evse in (1, 2):
            station.handle(MeterRead(evse, MeterReading(2000.0, power_w=4140.0, current_a=(6.0, 6.0, 6.0))), at)


def _change(effort: Effort) -> Row:
    def changed(n: int) -> None:
        change(*charging_station(), n)

    def read(n: int) -> None:
        _readings(*charging_station(), n)

    n = effort.times(500, 4)
    costs = in_turns({"change": changed, "read": read}, n, effort.rounds)
    return Row(
        group="charging",
        what="one change of the station maximum, two EVSEs",
        unit="us CPU",
        ours=(costs["change"] - costs["read"]) * 1e6,
        against="two readings of the meters",
        other=costs["read"] * 1e6,
        note="from the profile to the new outputs, saved and answered",
    )


def _thousand(effort: Effort) -> Row:
    count = effort.times(STATIONS, 4)
    each = [charging_station() for _ in range(count)]
    begun, turns = each[0][1].now(), 0

    def all_at_once(n: int) -> None:
        nonlocal turns
        for _ in range(n):
            turns += 1
            now = Now(begun.mono + turns * 60.0, begun.wall + turns * 60.0, begun.boot)
            profile = maximum(20 if turns % 2 else 30)
            for station, _rig in each:
                station.handle(InstallProfile(turns, profile, 0, RULES_201), now)

    alone, rig = charging_station()

    def one_alone(n: int) -> None:
        change(alone, rig, n)

    thousand = in_turns({"all": all_at_once}, 2, effort.rounds)["all"] * STATIONS / count
    one = in_turns({"one": one_alone}, effort.times(200, 4), effort.rounds)["one"]
    return Row(
        group="charging",
        what=f"{STATIONS} stations with two EVSEs get another maximum",
        unit="ms CPU",
        ours=thousand * 1e3,
        against=f"one, {STATIONS} times",
        other=one * STATIONS * 1e3,
        note="in one process; the other has two readings of the meters besides",
    )
