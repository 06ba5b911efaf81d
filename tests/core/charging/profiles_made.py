"""Short ways to write profiles, stations and judgements down, for the tests of charging profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from station.core.charging.policy import RULES_201, Policy, Rules
from station.core.charging.profiles import (
    Installed,
    Kind,
    LimitSource,
    OperationMode,
    Period,
    Profile,
    Purpose,
    Rates,
    RateUnit,
    Recurrency,
    Schedule,
)
from station.core.charging.validate import Capabilities, refusal
from station.core.types import Verdict

NOON = 1_705_492_800  # 2024-01-17T12:00:00Z
TX = "TX1"


def period(start: int = 0, amps: float = 5.0, **more: Any) -> Period:
    return Period(start, Rates(round(amps * 1000)), **more)


def schedule(*periods: Period, **more: Any) -> Schedule:
    more.setdefault("start", NOON)
    return Schedule(more.pop("unit", RateUnit.A), periods or (period(),), **more)


def profile(number: int = 1, purpose: Purpose = Purpose.TX_DEFAULT, *schedules: Schedule, **more: Any) -> Profile:
    kind = more.pop("kind", Kind.ABSOLUTE)
    if purpose is Purpose.TX:
        more.setdefault("tx_id", TX)
    given = schedules or (schedule(start=None if kind is Kind.RELATIVE else NOON),)
    return Profile(number, more.pop("stack_level", 1), purpose, kind, given, **more)


def station(**more: Any) -> Capabilities:
    """Two EVSEs with three phases, a transaction at the first."""
    more.setdefault("phases", {0: 3, 1: 3, 2: 3})
    more.setdefault("transactions", {1: TX})
    return Capabilities(**more)


def judge(
    asked: Profile,
    evse: int = 1,
    *,
    installed: Sequence[Installed] = (),
    at: Capabilities | None = None,
    rules: Rules = RULES_201,
    policy: Policy | None = None,
    now: int = NOON,
    **more: Any,
) -> Verdict | None:
    return refusal(asked, evse, installed, at or station(), rules, policy or Policy(), now=now, **more)


def reason(asked: Profile, evse: int = 1, **more: Any) -> str | None:
    """Of the refusal; None when it is accepted."""
    verdict = judge(asked, evse, **more)
    return None if verdict is None else verdict.reason


def with_periods(asked: Profile, *periods: Period) -> Profile:
    return replace(asked, schedules=(replace(asked.schedules[0], periods=periods),))


# --- any profile at all -------------------------------------------------------------------------------------------------

_numbers = st.one_of(st.integers(-3, 60), st.integers(), st.sampled_from([0, 86_400, 2**31 - 1, 2**31, -(2**31)]))
_wall = st.one_of(st.none(), st.integers(NOON - 10_000, NOON + 10_000), st.integers())
_rates = st.one_of(st.none(), st.builds(Rates, _numbers, st.none() | _numbers, st.none() | _numbers))
_extra = st.dictionaries(
    st.sampled_from(["evseSleep", "v2xFreqWattCurve", "v2xBaseline", "customData", "preconditioningRequest"]),
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=3), st.lists(st.integers(), max_size=3)),
    max_size=3,
)
_periods = st.builds(
    Period,
    start=_numbers,
    limit=_rates,
    phases=st.none() | st.integers(-1, 5),
    phase_to_use=st.none() | st.integers(-1, 5),
    discharge=_rates,
    setpoint=_rates,
    reactive=_rates,
    mode=st.none() | st.sampled_from(OperationMode),
    extra=_extra,
)
_schedules = st.builds(
    Schedule,
    unit=st.sampled_from(RateUnit),
    periods=st.lists(_periods, max_size=4).map(tuple),
    start=_wall,
    duration=st.none() | _numbers,
    min_rate=st.none() | _numbers,
    local_time=st.booleans(),
    randomized_delay=_numbers,
    soc_limit=st.none() | st.tuples(_numbers, _numbers),
)
any_profiles = st.builds(
    Profile,
    id=_numbers,
    stack_level=_numbers,
    purpose=st.sampled_from(Purpose),
    kind=st.sampled_from(Kind),
    schedules=st.lists(_schedules, max_size=3).map(tuple),
    recurrency=st.none() | st.sampled_from(Recurrency),
    valid_from=_wall,
    valid_to=_wall,
    tx_id=st.none() | st.sampled_from([TX, "OTHER"]),
    max_offline_s=st.none() | _numbers,
    dyn_interval_s=st.none() | _numbers,
    dyn_updated=_wall,
)
"""Mostly nonsense."""

_starts = st.lists(st.integers(1, 90_000), max_size=3, unique=True).map(lambda later: (0, *sorted(later)))
_plain_schedules = st.builds(
    lambda starts, unit, duration, phases: Schedule(
        unit,
        tuple(Period(start, Rates(1000 * (6 + start % 10)), phases=phases) for start in starts),
        start=NOON,
        duration=duration,
    ),
    _starts,
    st.sampled_from(RateUnit),
    st.none() | st.integers(0, 100_000),
    st.sampled_from([None, 1, 3]),
)
plain_profiles = st.builds(
    Profile,
    id=st.integers(1, 6),
    stack_level=st.integers(0, 3),
    purpose=st.sampled_from([Purpose.STATION_MAX, Purpose.TX_DEFAULT, Purpose.TX]),
    kind=st.sampled_from([Kind.ABSOLUTE, Kind.RECURRING]),
    schedules=st.tuples(_plain_schedules),
    recurrency=st.sampled_from(Recurrency),
    valid_from=st.none() | st.integers(NOON - 100, NOON),
    valid_to=st.none() | st.integers(NOON + 1, NOON + 100),
    tx_id=st.just(TX),
)
"""Mostly sound."""

any_installed = st.builds(
    Installed,
    profile=any_profiles | plain_profiles,
    evse=st.integers(0, 3),
    source=st.sampled_from(LimitSource),
    at=st.integers(NOON - 100, NOON + 100),
    spent=st.booleans(),
)
