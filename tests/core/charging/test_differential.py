"""The engine against the naive evaluator: thousands of random sets of profiles, second by second (hypothesis).

`PILOTWIRE_CASES=20000` makes it try so many of each kind.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.core.charging.composite import (
    Composite,
    CompositePeriod,
    Site,
    Source,
    Tx,
    compose,
    limit_at,
    station_caps_at,
)
from station.core.charging.policy import Gaps, PhaseRule, Policy
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
from tests.core.charging.naive import UPPER, Moment, leads, moment, rate_of, second

CASES = int(os.environ.get("PILOTWIRE_CASES", "120"))
BASE = 1_780_000_000
WINDOW_S = 300
TX_ID = "tx-1"
many = settings(max_examples=CASES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

TX_PURPOSES = (Purpose.TX_DEFAULT, Purpose.TX, Purpose.PRIORITY)
offsets = st.one_of(st.integers(-30, WINDOW_S + 30), st.sampled_from((-86_400, 0, 1, WINDOW_S - 1, WINDOW_S)))


@dataclass(frozen=True, slots=True)
class ChangingZone:
    """So many seconds ahead of UTC; from second `at` on an hour more or less, or (0) the same."""

    ahead_s: int
    change_s: int = 0
    at: int = 0

    def offset_s(self, wall: int) -> int:
        return self.ahead_s + (self.change_s if wall >= self.at else 0)


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked."""

    profiles: tuple[Installed, ...]
    site: Site
    tx: Tx | None
    duration: int
    unit: RateUnit
    policy: Policy

    def at(self, t: int, asked_at: int = BASE, *, now: bool = False) -> Moment:
        """now: what is in force at the EVSE. Else as in a composite schedule."""
        return moment(
            self.profiles,
            self.site,
            self.tx,
            t,
            asked_at=asked_at,
            unit=self.unit,
            policy=self.policy,
            assume=not now,
        )


@st.composite
def periods(draw: st.DrawFn, dc: bool) -> tuple[Period, ...]:
    starts = [0, *sorted(draw(st.sets(st.integers(1, WINDOW_S), max_size=4)))]
    found = []
    for start in starts:
        limit = draw(st.one_of(st.sampled_from((0, 6000, 16_000, 16_100, 32_000, 11_040_000)), st.integers(0, 80_000)))
        phases = None if dc else draw(st.sampled_from((None, None, 1, 2, 3)))
        found.append(Period(start, Rates(limit), phases))
    return tuple(found)


@st.composite
def schedules(draw: st.DrawFn, kind: Kind, recurrency: Recurrency | None, purpose: Purpose, site: Site) -> Schedule:
    unit = RateUnit.W if site.phases == 0 else draw(st.sampled_from(RateUnit))
    rows = draw(periods(site.phases == 0))
    if purpose is Purpose.TX and draw(st.booleans()):
        rows = tuple(replace(row, phase_to_use=2) if row.phases == 1 else row for row in rows)
    local = site.zone is not None and draw(st.booleans())
    start = None
    if kind in {Kind.ABSOLUTE, Kind.RECURRING}:
        start = BASE + draw(offsets)
        if recurrency is not None:
            start -= draw(st.integers(-1, 3)) * recurrency.seconds
        if local and site.zone is not None:
            start += site.zone.offset_s(start)
    duration = draw(st.one_of(st.none(), st.integers(0, 60), st.integers(0, WINDOW_S + 60), st.just(90_000)))
    delays: tuple[int, ...] = ()
    if purpose in {Purpose.TX, Purpose.TX_DEFAULT} and draw(st.booleans()):
        delays = (0, *(draw(st.integers(0, 90)) for _ in rows[1:]))
    return Schedule(
        unit,
        rows,
        start=start,
        duration=duration,
        local_time=local,
        randomized_delay=max(delays, default=0),
        delays=delays,
    )


@st.composite
def installed(draw: st.DrawFn, number: int, site: Site, purposes: tuple[Purpose, ...]) -> Installed:
    purpose = draw(st.sampled_from(purposes))
    kinds = [Kind.ABSOLUTE, Kind.RECURRING, Kind.DYNAMIC]
    if purpose in TX_PURPOSES:
        kinds.append(Kind.RELATIVE)
    kind = draw(st.sampled_from(kinds))
    recurrency = draw(st.sampled_from(Recurrency)) if kind is Kind.RECURRING else None
    schedule = draw(schedules(kind, recurrency, purpose, site))
    if kind is Kind.DYNAMIC:
        schedule = replace(schedule, periods=schedule.periods[:1], delays=())
    window = st.one_of(st.none(), offsets.map(lambda offset: BASE + offset))
    profile = Profile(
        number,
        draw(st.integers(0, 4)),
        purpose,
        kind,
        (schedule,),
        recurrency,
        valid_from=draw(window),
        valid_to=draw(window),
        tx_id=draw(st.sampled_from((TX_ID, TX_ID, None, "another"))) if purpose is Purpose.TX else None,
        max_offline_s=draw(st.sampled_from((None, None, 50, 500))),
        dyn_updated=BASE + draw(offsets) if kind is Kind.DYNAMIC and draw(st.booleans()) else None,
    )
    evse = {Purpose.STATION_MAX: 0, Purpose.TX: site.evse}.get(purpose, draw(st.sampled_from((0, site.evse))))
    return Installed(profile, evse, at=BASE + draw(offsets), spent=draw(st.integers(0, 19)) == 0)


def _compatible(profiles: list[Installed]) -> tuple[Installed, ...]:
    """Without those that SetChargingProfile would have refused: the same purpose and level, valid at the same time (K01.FR.06)."""
    kept: list[Installed] = []
    for one in profiles:
        if all(_apart(one.profile, other.profile) for other in kept):
            kept.append(one)
    return tuple(kept)


def _apart(one: Profile, other: Profile) -> bool:
    if (one.purpose, one.stack_level) != (other.purpose, other.stack_level):
        return True
    if None not in (one.tx_id, other.tx_id) and one.tx_id != other.tx_id:
        return True
    return _ends(one) <= _begins(other) or _ends(other) <= _begins(one)


def _begins(profile: Profile) -> float:
    return float("-inf") if profile.valid_from is None else profile.valid_from


def _ends(profile: Profile) -> float:
    return float("inf") if profile.valid_to is None else profile.valid_to


@st.composite
def cases(
    draw: st.DrawFn,
    purposes: tuple[Purpose, ...] = tuple(Purpose),
    evse: int | None = None,
) -> Case:
    phases = draw(st.sampled_from((3, 3, 3, 1, 0)))
    site = Site(
        draw(st.sampled_from((1, 1, 1, 2, 0))) if evse is None else evse,
        voltage_v=draw(st.sampled_from((Fraction(230), Fraction(120), Fraction(2307, 10)))),
        phases=phases,
        maximum_a=draw(st.sampled_from((None, Fraction(32), Fraction(63)))),
        zone=draw(
            st.one_of(
                st.none(),
                st.builds(
                    ChangingZone,
                    st.sampled_from((7200, -18_000)),
                    st.sampled_from((0, 3600, -3600)),
                    st.integers(-10, WINDOW_S).map(lambda offset: BASE + offset),
                ),
            )
        ),
        offline_s=draw(st.sampled_from((None, 0, 20, 499))),
    )
    chosen = [draw(installed(number, site, purposes)) for number in range(1, draw(st.integers(1, 7)) + 1)]
    ready = st.one_of(st.integers(-60, WINDOW_S).map(lambda offset: BASE + offset), st.none())
    running = Tx(TX_ID, draw(ready), draw(st.booleans())) if site.evse and draw(st.integers(0, 3)) else None
    unit = draw(st.sampled_from(RateUnit))
    policy = Policy(
        gaps=draw(st.sampled_from(Gaps)),
        phases=draw(st.sampled_from(PhaseRule)),
        recurring_before_start=draw(st.booleans()),
        zero_duration_ends=draw(st.booleans()),
    )
    return Case(_compatible(chosen), site, running, draw(st.integers(1, WINDOW_S)), unit, policy)


caps = st.lists(st.sampled_from((Fraction(10), Fraction(20), Fraction(9000))), max_size=2)


def composed(case: Case, bounds: list[Fraction], merge: bool = True) -> Composite:
    return compose(
        case.profiles,
        case.site,
        case.tx,
        start=BASE,
        duration=case.duration,
        unit=case.unit,
        policy=case.policy,
        caps=tuple(Source(f"cap {n}", None, None, None, cap, None, cap, case.unit) for n, cap in enumerate(bounds)),
        merge_causes=merge,
    )


def spread(composite: Composite) -> dict[int, CompositePeriod]:
    """The period in force at each wall second."""
    found: dict[int, CompositePeriod] = {}
    if not composite.periods:
        return found
    ends = [period.start for period in composite.periods[1:]] + [composite.duration]
    for period, end in zip(composite.periods, ends, strict=True):
        for offset in range(period.start, end):
            found[composite.start + offset] = period
    return found


@many
@given(cases(), caps)
def test_a_composite_schedule_is_what_every_second_says(case: Case, bounds: list[Fraction]) -> None:
    if case.policy.gaps is Gaps.OMIT:
        bounds = []
    composite = composed(case, bounds)
    _is_in_order_and_merged(case, composite)
    seconds = {t: case.at(t) for t in range(BASE, BASE + case.duration)}
    _names_its_sources(case, seconds)
    told = spread(composite)
    if told and case.policy.gaps is Gaps.OMIT:
        assert None not in (seconds[min(told)].limit, seconds[max(told)].limit)
    assert set(told) <= set(range(BASE, BASE + case.duration))
    for t, now in seconds.items():
        if t not in told:
            assert case.policy.gaps is Gaps.OMIT
            assert now.limit is None, t - BASE
            continue
        period = told[t]
        shown = None if period.limit is None else period.limit.total
        assert shown == second(now, case.site, case.unit, bounds), t - BASE
        if shown is not None and case.site.phases:
            assert period.phases == (now.phases or case.site.phases), t - BASE
        if shown is not None and case.policy.phases is PhaseRule.LOWEST:
            assert period.phase_to_use == now.phase_to_use, t - BASE


def _is_in_order_and_merged(case: Case, composite: Composite) -> None:
    starts = [period.start for period in composite.periods]
    assert starts == sorted(set(starts))
    assert all(0 <= start < composite.duration for start in starts)
    if case.policy.gaps is Gaps.HARDWARE:
        assert (composite.start, composite.duration, starts[0]) == (BASE, case.duration, 0)
    for one, other in zip(composite.periods, composite.periods[1:], strict=False):
        assert (one.limit, one.phases, one.phase_to_use) != (other.limit, other.phases, other.phase_to_use)


def _names_its_sources(case: Case, seconds: dict[int, Moment]) -> None:
    """The sources are the leading profiles, and the least of them binds."""
    for t, period in spread(composed(case, [], merge=False)).items():
        now = seconds[t]
        assert {source.profile for source in period.sources} - {None} == now.leads, t - BASE
        if now.least:
            assert period.binding is not None
            assert period.binding.profile in now.least, t - BASE


@many
@given(cases(evse=1))
def test_the_limit_now_and_when_it_may_change(case: Case) -> None:
    case = replace(case, unit=RateUnit.A)
    t, asked = BASE, 0
    while t is not None and t < BASE + case.duration and asked < 12:
        # Asked anew: what is relative to the moment of asking is so to this one.
        site = (
            case.site if case.site.offline_s is None else replace(case.site, offline_s=case.site.offline_s + t - BASE)
        )
        here = replace(case, site=site)
        period, changes = limit_at(case.profiles, site, case.tx, now=t, policy=case.policy)
        first = here.at(t, asked_at=t, now=True)
        assert (None if period.limit is None else period.limit.total) == first.limit
        assert first.limit is None or not site.phases or period.phases == first.phases
        assert changes is None or changes > t
        for later in range(t + 1, min(changes or BASE + case.duration, BASE + case.duration)):
            assert here.at(later, asked_at=t, now=True) == first, later - t
        t, asked = changes, asked + 1


@many
@given(cases(UPPER, evse=0))
def test_the_caps_of_the_grid_connection(case: Case) -> None:
    found, changes = station_caps_at(case.profiles, case.site, now=BASE, policy=case.policy)
    for t in range(BASE, min(changes or BASE + case.duration, BASE + case.duration)):
        rates = [rate_of(lead) for lead in leads(case.profiles, case.site, None, t, BASE, case.policy).values()]
        amperes = min((rate for unit, rate in rates if unit is RateUnit.A), default=None)
        watts = min((rate for unit, rate in rates if unit is RateUnit.W), default=None)
        assert (found.per_phase_a, found.total_w) == (amperes, watts), t - BASE
