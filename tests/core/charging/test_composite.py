"""`station.core.charging.composite` and its helpers: local time, bounds of time and memory, and what must hold for every profile."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from station.core.charging import blend, leads, rates, shapes, telling, timeline, totals
from station.core.charging.composite import (
    MOST_STEPS,
    Composite,
    CompositePeriod,
    Member,
    PhaseLimits,
    Site,
    Source,
    Tx,
    compose,
    limit_at,
    station_caps_at,
)
from station.core.charging.delays import delayed
from station.core.charging.policy import Gaps, PhaseRule, Policy
from station.core.charging.profiles import (
    Installed,
    Kind,
    OperationMode,
    Period,
    Profile,
    Purpose,
    Rates,
    RateUnit,
    Recurrency,
    Schedule,
)
from tests.core.charging import any_profile
from tests.core.charging.any_profile import NOW

DAY = 86_400
HOUR = 3600
SITE = Site(1)
POLICY = Policy()
TX = Tx("tx", NOW)

slow = settings(
    max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None
)


class Local:
    """A time zone of the IANA database."""

    def __init__(self, name: str) -> None:
        self._zone = ZoneInfo(name)

    def offset_s(self, wall: int) -> int:
        offset = datetime.fromtimestamp(wall, self._zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())


def profile(
    *periods: tuple[int, float] | Period,
    number: int = 1,
    purpose: Purpose = Purpose.TX_DEFAULT,
    kind: Kind = Kind.ABSOLUTE,
    level: int = 0,
    start: int | None = NOW,
    duration: int | None = None,
    unit: RateUnit = RateUnit.A,
    local: bool = False,
    recurrency: Recurrency | None = None,
    **more: object,
) -> Profile:
    made = tuple(one if isinstance(one, Period) else Period(one[0], Rates(round(one[1] * 1000))) for one in periods)
    schedule = Schedule(unit, made, start, duration, local_time=local)
    return Profile(number, level, purpose, kind, (schedule,), recurrency, **more)  # type: ignore[arg-type]  # fields by name


def told(composite: Composite) -> list[tuple[int, Fraction | None]]:
    return [(one.start, one.limit and one.limit.total) for one in composite.periods]


def ask(
    *found: Profile, start: int = NOW, duration: int = DAY, site: Site = SITE, tx: Tx | None = TX, evse: int = 1,
    policy: Policy = POLICY, unit: RateUnit = RateUnit.A,
) -> Composite:  # fmt: skip
    installed = [Installed(one, evse if one.purpose in timeline.TX_PURPOSES else 0) for one in found]
    return compose(installed, site, tx, start=start, duration=duration, unit=unit, policy=policy)


# --- local time ---


def test_a_daily_profile_keeps_its_local_time_over_the_change_of_clocks() -> None:
    """K01.FR.90, FR.91: 18:00 in Berlin is 17:00 UTC in winter and 16:00 UTC in summer; that day has 23 hours."""
    evening = profile(
        (0, 10), start=18 * HOUR, duration=2 * HOUR, local=True, kind=Kind.RECURRING, recurrency=Recurrency.DAILY
    )
    site = replace(SITE, zone=Local("Europe/Berlin"))
    midnight = NOW - HOUR  # 2024-03-31T00:00Z
    ours = ask(evening, start=midnight - DAY, duration=3 * DAY, site=site)
    winter, summer, next_day = 17 * HOUR, DAY + 16 * HOUR, 2 * DAY + 16 * HOUR
    expected = [begin + length for begin in (winter, summer, next_day) for length in (0, 2 * HOUR)]
    assert [start for start, _ in told(ours)] == [0, *expected]
    assert summer - winter == 23 * HOUR


def test_the_night_of_25_hours() -> None:
    autumn = 1_729_987_200  # 2024-10-27T00:00Z; the clocks go back at 01:00Z
    evening = profile(
        (0, 10), start=18 * HOUR, duration=HOUR, local=True, kind=Kind.RECURRING, recurrency=Recurrency.DAILY
    )
    ours = ask(evening, start=autumn - DAY, duration=2 * DAY, site=replace(SITE, zone=Local("Europe/Berlin")))
    starts = [start for start, limit in told(ours) if limit is not None]
    assert starts[1] - starts[0] == 25 * HOUR


def test_periods_are_skipped_and_repeated_with_the_local_clock() -> None:
    """K01.FR.91: part of the periods is skipped when the clocks go forward, and repeated when they go back."""
    hourly = profile(
        *((hour * HOUR, hour) for hour in range(24)),
        start=0,
        local=True,
        kind=Kind.RECURRING,
        recurrency=Recurrency.DAILY,
    )
    site = replace(SITE, zone=Local("Europe/Berlin"))
    spring = ask(hourly, start=NOW - 2 * HOUR, duration=4 * HOUR, site=site)
    assert told(spring) == [(0, 0), (HOUR, 1), (2 * HOUR, 3), (3 * HOUR, 4)]
    back = 1_729_990_800  # 2024-10-27T01:00Z
    autumn = ask(hourly, start=back - 2 * HOUR, duration=5 * HOUR, site=site)
    assert told(autumn) == [(0, 1), (HOUR, 2), (3 * HOUR, 3), (4 * HOUR, 4)]


def test_without_a_zone_local_time_is_utc() -> None:
    assert told(ask(profile((0, 10), local=True), duration=10)) == [(0, 10)]


# --- bounded in time and memory ---


def test_a_schedule_that_began_long_ago_costs_no_more() -> None:
    day = tuple((minute * 60, 6 + minute % 20) for minute in range(0, 1440, 60))
    old = profile(*day, start=0, kind=Kind.RECURRING, recurrency=Recurrency.DAILY)
    new = replace(old, schedules=(replace(old.schedules[0], start=NOW // DAY * DAY - DAY),))
    assert told(ask(old)) == told(ask(new))
    costs = [_cpu(lambda one=one: ask(one)) for one in (old, new)]  # type: ignore[misc]  # mypy cannot see the type of a default
    assert costs[0] < 5 * costs[1] + 0.01


@pytest.mark.parametrize("local", [False, True])
def test_an_endless_window_ends(local: bool) -> None:
    busy = profile(
        *((second, second % 7) for second in range(1024)),
        kind=Kind.RECURRING,
        recurrency=Recurrency.DAILY,
        duration=2**31 - 1,
        local=local,
    )
    ours = ask(busy, duration=2**31 - 1, site=replace(SITE, zone=any_profile.Berlin()))
    assert 0 < ours.duration < 2**31 - 1
    assert len(ours.periods) <= MOST_STEPS
    assert ours.duration > 20 * DAY


def test_a_million_seconds_of_a_recurring_profile() -> None:
    ours = ask(profile((0, 10), (5, 11), kind=Kind.RECURRING, recurrency=Recurrency.DAILY), duration=1_000_000)
    assert ours.duration == 1_000_000
    assert len(ours.periods) == 2 * 12


def test_a_long_window_of_nothing_is_one_period() -> None:
    ours = ask(profile((0, 10)), duration=2**31 - 1)
    assert (ours.duration, told(ours)) == (2**31 - 1, [(0, 10)])


def _cpu(what: object) -> float:
    assert callable(what)
    best = 1.0
    for _ in range(5):
        before = time.thread_time()
        what()
        best = min(best, time.thread_time() - before)
    return best


# --- one rule at a time ---


def test_exact_tenths_do_not_drift() -> None:
    ours = ask(profile(*((index, 6 + index / 10) for index in range(100))), duration=100)
    assert told(ours) == [(index, Fraction(60 + index, 10)) for index in range(100)]
    watts = ask(profile((0, 16.1)), unit=RateUnit.W).periods[0].limit
    assert watts == PhaseLimits(Fraction(11_109))


def test_phases_of_the_supply_bound_those_of_a_profile() -> None:
    single = ask(profile((0, 7360), unit=RateUnit.W), site=Site(1, phases=1))
    assert told(single) == [(0, 32)]
    assert single.periods[0].phases == 1


def test_dc_has_no_phases() -> None:
    ours = ask(profile((0, 50_000), unit=RateUnit.W), site=Site(1, Fraction(400), 0), unit=RateUnit.W)
    assert told(ours) == [(0, 50_000)]
    assert ours.periods[0].phases is None
    period, _ = limit_at(
        [Installed(profile((0, 50_000), unit=RateUnit.W), 1)], Site(1, Fraction(400), 0), TX, now=NOW, policy=POLICY
    )
    assert period.limit == PhaseLimits(Fraction(125))


def test_the_phase_in_use_takes_its_own_limit() -> None:
    one = Period(0, Rates(10_000, 12_000, 14_000), phases=1, phase_to_use=2)
    (period,) = ask(profile(one)).periods
    assert (period.limit, period.phase_to_use, period.phases) == (PhaseLimits(Fraction(12)), 2, 1)


def test_of_equal_limits_the_first_named_gives_the_phases() -> None:
    """PhaseRule.WINNER: 16 A on three phases and 11,040 W on one are the same power, and stay so."""
    mine = profile(Period(0, Rates(16_000), phases=3))
    cap = profile(Period(0, Rates(11_040_000), phases=1), number=2, purpose=Purpose.STATION_MAX, unit=RateUnit.W)
    (period,) = ask(mine, cap, unit=RateUnit.W, policy=Policy(phases=PhaseRule.WINNER)).periods
    assert (period.limit, period.phases) == (PhaseLimits(Fraction(11_040)), 3)


def test_idle_is_no_charging() -> None:
    (period,) = ask(profile(Period(0, None, mode=OperationMode.IDLE))).periods
    assert (period.limit, period.mode) == (PhaseLimits(Fraction(0)), OperationMode.IDLE)


def test_an_external_setpoint_rules_where_the_mode_says_so() -> None:
    inside = profile(Period(0, None, setpoint=Rates(20_000), mode=OperationMode.EXTERNAL_SETPOINT))
    outside = profile(Period(0, Rates(16_000), setpoint=Rates(8_000)), number=2, purpose=Purpose.EXTERNAL)
    (period,) = ask(inside, outside).periods
    assert (period.limit, period.setpoint) == (PhaseLimits(Fraction(16)), PhaseLimits(Fraction(8)))


def test_a_transaction_that_is_not_ready_has_no_relative_profile_in_force() -> None:
    """K01.FR.42; the answer to GetCompositeSchedule supposes that it is ready now."""
    relative = profile((0, 10), (60, 20), kind=Kind.RELATIVE, start=None)
    waiting = Tx("tx", None)
    period, change = limit_at([Installed(relative, 1)], SITE, waiting, now=NOW, policy=POLICY)
    assert (period.limit, change) == (None, None)
    assert told(ask(relative, tx=waiting)) == [(0, 10), (60, 20)]


def test_out_of_reach_for_too_long_and_for_ever() -> None:
    """K01.FR.101, FR.102; a maxOfflineDuration of 0 ends at once."""
    high = Installed(profile((0, 20), number=1, level=1, max_offline_s=600), 1)
    low = Installed(profile((0, 10), number=2), 1)
    for offline, limit, change in ((None, 20, None), (599, 20, NOW + 1), (600, 10, None)):
        site = replace(SITE, offline_s=offline)
        period, until = limit_at([high, low], site, TX, now=NOW, policy=POLICY)
        assert (period.limit, until) == (PhaseLimits(Fraction(limit)), change), offline
    period, _ = limit_at([replace(high, spent=True), low], SITE, TX, now=NOW, policy=POLICY)
    assert period.limit == PhaseLimits(Fraction(10))


def test_the_total_of_two_evses_and_of_one() -> None:
    """K08.FR.03."""
    cap = Installed(profile((0, 40), number=9, purpose=Purpose.STATION_MAX), 0)
    each = Installed(profile((0, 16), number=1, kind=Kind.RELATIVE, start=None), 0)
    sites = [Site(number, maximum_a=Fraction(32)) for number in range(3)]
    members = [Member(sites[1]), Member(sites[2])]

    def total(
        *found: Installed, policy: Policy = POLICY, behind: list[Member] = members
    ) -> list[tuple[int, Fraction | None]]:
        return told(
            compose(found, sites[0], None, start=NOW, duration=HOUR, unit=RateUnit.A, policy=policy, members=behind)
        )

    assert total(cap, each) == [(0, 32)]
    assert total(cap) == [(0, 40)]
    assert total(each) == [(0, 32)]
    assert total() == [(0, 64)]
    assert total(cap, each, behind=members[:1]) == [(0, 16)]
    assert total(cap, each, policy=Policy(station_total=False)) == [(0, 40)]


def test_caps_bind_what_is_added_too() -> None:
    cap = Source("breaker", None, None, None, Fraction(20), None)
    found = [
        Installed(profile((0, 16)), 1),
        Installed(profile((0, 10), number=2, purpose=Purpose.LOCAL_GENERATION), 0),
    ]
    ours = compose(
        found, SITE, TX, start=NOW, duration=10, unit=RateUnit.A, policy=POLICY, caps=[cap], merge_causes=False
    )
    (period,) = ours.periods
    assert (period.limit, period.binding) == (PhaseLimits(Fraction(20)), cap)
    assert [source.limit for source in period.sources] == [16, 10, 20]


# --- what holds for every profile ---


@slow
@given(
    any_profile.sets, any_profile.sites, any_profile.txs, any_profile.policies, st.sampled_from(RateUnit), st.booleans()
)
def test_nothing_raises(
    found: list[Installed], site: Site, tx: Tx | None, policy: Policy, unit: RateUnit, merge_causes: bool
) -> None:
    ours = compose(
        found, site, tx, start=NOW, duration=400, unit=unit, policy=policy, merge_causes=merge_causes,
        members=[Member(replace(site, evse=1), tx), Member(replace(site, evse=2))],
    )  # fmt: skip
    assert ours.start >= NOW
    assert ours.start + ours.duration <= NOW + 400
    starts = [period.start for period in ours.periods]
    assert starts == sorted(set(starts))
    assert not starts or starts[0] == 0
    _, change = limit_at(found, site, tx, now=NOW, policy=policy)
    assert change is None or change > NOW
    _, change = station_caps_at(found, replace(site, evse=0), now=NOW, policy=policy)
    assert change is None or change > NOW


@slow
@given(any_profile.sets, any_profile.sites, any_profile.txs, any_profile.policies, st.sampled_from(RateUnit))
def test_never_above_a_cap(found: list[Installed], site: Site, tx: Tx | None, policy: Policy, unit: RateUnit) -> None:
    cap = Source("breaker", None, None, None, Fraction(71, 10), None, unit=unit)
    ours = compose(found, site, tx, start=NOW, duration=4000, unit=unit, policy=policy, caps=[cap])
    for period in ours.periods:
        assert period.limit is not None
        lines = [rate for rate in (period.limit.total, period.limit.l2, period.limit.l3) if rate is not None]
        assert (sum(lines) if unit is RateUnit.W else max(lines)) <= Fraction(71, 10)


@slow
@given(any_profile.sets, any_profile.sites, any_profile.txs, any_profile.policies, st.sampled_from(RateUnit))
def test_never_above_a_source_unless_something_adds(
    found: list[Installed], site: Site, tx: Tx | None, policy: Policy, unit: RateUnit
) -> None:
    """K08.FR.04; and never above any External constraint or station maximum that counts."""
    found = [one for one in found if one.profile.purpose is not Purpose.LOCAL_GENERATION]
    ours = compose(found, site, tx, start=NOW, duration=4000, unit=unit, policy=policy, merge_causes=False)
    for period in ours.periods:
        for source in period.sources:
            if source.limit is not None:
                assert period.limit is not None
                assert period.limit.total <= source.limit


def test_periods_in_which_nothing_limits_are_one_though_a_setpoint_had_lines() -> None:
    """A setpoint of a station maximum means nothing; that it was given per phase must not show."""
    periods = (Period(0, None, setpoint=Rates(0, None, 0)), Period(1, None))
    profile = Profile(0, 0, Purpose.STATION_MAX, Kind.ABSOLUTE, (Schedule(RateUnit.A, periods, start=NOW),))
    ours = compose(
        [Installed(profile, 0)],
        replace(SITE, maximum_a=None),
        None,
        start=NOW,
        duration=60,
        unit=RateUnit.A,
        policy=POLICY,
    )
    assert len(ours.periods) == 1


@slow
@given(any_profile.sets, any_profile.sites, any_profile.policies, st.sampled_from(RateUnit), st.integers(1, 3999))
def test_a_window_is_its_two_parts(
    found: list[Installed], site: Site, policy: Policy, unit: RateUnit, middle: int
) -> None:
    policy = replace(policy, gaps=Gaps.HARDWARE)

    def part(begin: int, end: int) -> list[CompositePeriod]:
        made = compose(found, site, TX, start=NOW + begin, duration=end - begin, unit=unit, policy=policy)
        return [period._replace(start=period.start + begin) for period in made.periods]

    def same(one: CompositePeriod, other: CompositePeriod) -> bool:
        return one._replace(start=0, binding=None, sources=()) == other._replace(start=0, binding=None, sources=())

    whole, parts = part(0, 4000), [*part(0, middle), *part(middle, 4000)]
    merged = [period for index, period in enumerate(parts) if not index or not same(parts[index - 1], period)]
    assert [period.start for period in merged] == [period.start for period in whole]
    assert all(same(*pair) for pair in zip(merged, whole, strict=True))


@slow
@given(any_profile.sets, any_profile.sites, any_profile.txs, any_profile.policies, st.sampled_from(RateUnit))
def test_neighbours_are_merged(
    found: list[Installed], site: Site, tx: Tx | None, policy: Policy, unit: RateUnit
) -> None:
    ours = compose(found, site, tx, start=NOW, duration=4000, unit=unit, policy=policy)
    bare = [period._replace(start=0, binding=None, sources=()) for period in ours.periods]
    assert all(one != other for one, other in pairwise(bare))


@slow
@given(any_profile.sets, any_profile.sites, any_profile.policies)
def test_the_limit_now_is_the_composite_of_this_second(found: list[Installed], site: Site, policy: Policy) -> None:
    site = replace(site, evse=max(1, site.evse))
    ours = compose(
        found, replace(site, maximum_a=None), TX, start=NOW, duration=1, unit=RateUnit.A,
        policy=replace(policy, gaps=Gaps.HARDWARE), merge_causes=False,
    )  # fmt: skip
    period, _ = limit_at(found, site, TX, now=NOW, policy=policy)
    assert period == ours.periods[0]


@given(
    st.integers(-(10**12), 10**12),
    st.integers(1, 3),
    st.sampled_from((Fraction(230), Fraction(120), Fraction(2301, 10))),
    st.sampled_from(RateUnit),
)
@example(16_100, 3, Fraction(230), RateUnit.A)
def test_units_there_and_back(milli: int, phases: int, voltage: Fraction, unit: RateUnit) -> None:
    scale = rates.Scale(voltage)
    steps = scale.steps(milli, unit, phases)
    assert scale.told(steps, unit, phases) == Fraction(milli, 1000)
    assert scale.bound(Fraction(milli, 1000), unit, phases) == steps
    assert scale.each(milli, unit)[phases] == steps
    factor = voltage * phases
    other = RateUnit.W if unit is RateUnit.A else RateUnit.A
    assert scale.told(steps, other, phases) == Fraction(milli, 1000) * (factor if unit is RateUnit.A else 1 / factor)


@slow
@given(any_profile.schedules())
def test_delays_keep_the_order_and_the_first_period(schedule: Schedule) -> None:
    found = delayed(schedule)
    starts = [period.start for period in found]
    assert starts == sorted(set(starts))
    assert found[-1].limit == schedule.periods[-1].limit


@slow
@given(any_profile.sets, any_profile.sites, any_profile.txs, st.sampled_from(RateUnit))
def test_the_quick_way_is_the_thorough_way(found: list[Installed], site: Site, tx: Tx | None, unit: RateUnit) -> None:
    """`_blend_plain` against `_blend_any`."""
    moment = timeline.Moment(site, tx, NOW, POLICY, assume=True)
    leading = []
    for term in timeline.terms(found, moment):
        term.move(NOW)
        if term.lead is not None:
            leading.append(term.lead)
    blender = blend.Blender(site, unit, PhaseRule.LOWEST, fill=True)
    quick = blender.blend(tuple(leading))
    lowest = min([lead.own for lead in leading], default=min(3, max(1, site.phases)))
    thorough = blender._blend_any(tuple(leading), lowest)
    assert quick == thorough


def test_the_words_are_where_they_were() -> None:
    """What other modules import from here lives in small modules beside it."""
    assert (shapes.Composite, shapes.Site) == (Composite, Site)
    assert {telling.MAXIMUM, totals.TOGETHER} == {"hardware", "EVSEs together"}
    assert leads.Shape(False, 3, None, None).limit is None
