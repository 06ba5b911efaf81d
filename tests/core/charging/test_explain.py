"""Why this current: each kind of sentence, and that there is one for every change of cause."""

from __future__ import annotations

import json
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from station.core.charging.composite import Composite, CompositePeriod, PhaseLimits, Site, Source, Tx, compose
from station.core.charging.explain import Change, explain
from station.core.charging.explain_reasons import Moment, again, begin, end
from station.core.charging.explain_words import amount, local_time, phases_text, plain, rates, span, who
from station.core.charging.policy import Gaps, Policy
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
from station.core.charging.totals import TOGETHER

T0 = 1_736_899_200  # 2025-01-15T00:00:00Z
H = 3600
DAY = 24 * H
A, W = RateUnit.A, RateUnit.W
TX = Tx("tx", T0)


class Plus:
    """A zone with one offset."""

    def __init__(self, hours: float) -> None:
        self.seconds = int(hours * H)

    def offset_s(self, _wall: int) -> int:
        return self.seconds


def profile(
    number: int,
    purpose: Purpose,
    *periods: tuple[int, float],
    level: int = 0,
    kind: Kind = Kind.ABSOLUTE,
    start: int | None = T0,
    duration: int | None = None,
    unit: RateUnit = A,
    phases: int | None = None,
    recurrency: Recurrency | None = None,
    valid: tuple[int | None, int | None] = (None, None),
    local: bool = False,
) -> Installed:
    """periods: (second, ampere or watt)."""
    schedule = Schedule(
        unit=unit,
        periods=tuple(Period(second, Rates(round(rate * 1000)), phases=phases) for second, rate in periods),
        start=None if kind is Kind.RELATIVE else start,
        duration=duration,
        local_time=local,
    )
    made = Profile(
        number,
        level,
        purpose,
        kind,
        (schedule,),
        recurrency=recurrency,
        valid_from=valid[0],
        valid_to=valid[1],
        tx_id="tx" if purpose is Purpose.TX else None,
    )
    return Installed(made, 0 if purpose in {Purpose.STATION_MAX, Purpose.EXTERNAL} else 1, at=T0)


def changes(
    *installed: Installed, hours: float = 24, unit: RateUnit = A, max_a: int | None = None, zone=None
) -> tuple[Change, ...]:
    site = Site(1, maximum_a=None if max_a is None else Fraction(max_a), zone=zone)
    made = compose(
        installed, site, TX, start=T0, duration=int(hours * H), unit=unit, policy=Policy(), merge_causes=False
    )
    return explain(made, zone, installed=installed, tx=TX)


def told(*installed: Installed, **more) -> list[str]:
    return [f"{(change.at - T0) / H:g} {change.sentence}" for change in changes(*installed, **more)]


MAX = profile(1, Purpose.STATION_MAX, (0, 32))
DEFAULT = profile(2, Purpose.TX_DEFAULT, (0, 16))


# --- sentences --------------------------------------------------------------------------------------------------------


def test_the_first_says_who_binds_and_what_the_others_would_allow() -> None:
    assert told(MAX, DEFAULT) == [
        "0 At first 16 A on 3 phases: TxDefaultProfile 2 (stack level 0) binds; "
        "ChargingStationMaxProfile 1 (stack level 0) would allow 32 A."
    ]


def test_nothing_limits() -> None:
    assert told() == ["0 At first no limit: no profile applies."]


def test_a_period_of_the_same_profile() -> None:
    assert told(profile(2, Purpose.TX_DEFAULT, (0, 16), (2 * H, 10.5), (3 * H, 0), (4 * H, 16)))[1:] == [
        "2 Down from 16 A to 10.5 A: TxDefaultProfile 2 (stack level 0) goes on to its next period with 10.5 A.",
        "3 Charging pauses, from 10.5 A to 0 A: TxDefaultProfile 2 (stack level 0) goes on to its next period with 0 A.",
        "4 Up from 0 A to 16 A: TxDefaultProfile 2 (stack level 0) goes on to its next period with 16 A.",
    ]


def test_another_purpose_binds() -> None:
    station = profile(1, Purpose.STATION_MAX, (0, 32), (2 * H, 10), (3 * H, 32))
    assert told(station, DEFAULT)[1:] == [
        "2 Down from 16 A to 10 A: ChargingStationMaxProfile 1 (stack level 0) goes on to its next period with 10 A; "
        "TxDefaultProfile 2 (stack level 0) would allow 16 A.",
        "3 Up from 10 A to 16 A: ChargingStationMaxProfile 1 (stack level 0) goes on to its next period with 32 A; "
        "TxDefaultProfile 2 (stack level 0) binds now with 16 A.",
    ]


def test_a_duration_is_over_and_a_lower_level_applies() -> None:
    high = profile(3, Purpose.TX_DEFAULT, (0, 6), level=2, start=T0 + H, duration=90 * 60)
    assert told(DEFAULT, high)[1:] == [
        "1 Down from 16 A to 6 A: TxDefaultProfile 3 (stack level 2) begins (its startSchedule has come) and takes the place of "
        "TxDefaultProfile 2 (stack level 0) with 6 A.",
        "2.5 Up from 6 A to 16 A: TxDefaultProfile 3 (stack level 2) ends (its duration of 1 h 30 min is over); "
        "TxDefaultProfile 2 (stack level 0) applies instead with 16 A.",
    ]


def test_validity() -> None:
    own = profile(3, Purpose.TX, (0, 20), start=T0, valid=(T0 + H, T0 + 2 * H))
    assert told(DEFAULT, own)[1:] == [
        "1 Up from 16 A to 20 A: TxProfile 3 (stack level 0) begins (its validFrom has come) and takes the place of "
        "TxDefaultProfile 2 (stack level 0) with 20 A.",
        "2 Down from 20 A to 16 A: TxProfile 3 (stack level 0) ends (its validTo has come); "
        "TxDefaultProfile 2 (stack level 0) applies instead with 16 A.",
    ]


def test_a_limit_ends_and_begins_anew() -> None:
    daily = profile(
        4, Purpose.TX_DEFAULT, (0, 8), start=T0, duration=H, kind=Kind.RECURRING, recurrency=Recurrency.DAILY
    )
    assert told(daily, hours=25)[1:] == [
        "1 No limit any more: TxDefaultProfile 4 (stack level 0) ends (its duration of 1 h is over); no other profile gives a limit.",
        "24 Limited to 8 A: TxDefaultProfile 4 (stack level 0) begins (its daily repetition) with 8 A.",
    ]
    relative = profile(5, Purpose.TX, (0, 8), kind=Kind.RELATIVE, duration=H)
    assert told(relative)[1].endswith("(its duration of 1 h is over); no other profile gives a limit.")


def test_a_repetition_without_a_pause() -> None:
    weekly = profile(
        4,
        Purpose.TX_DEFAULT,
        (0, 8),
        (H, 16),
        start=T0 + 5 * H - 7 * DAY,
        kind=Kind.RECURRING,
        recurrency=Recurrency.WEEKLY,
    )
    assert told(weekly)[1] == (
        "5 Down from 16 A to 8 A: TxDefaultProfile 4 (stack level 0) begins again (its weekly repetition) with 8 A."
    )


def test_the_hardware() -> None:
    short = profile(4, Purpose.TX_DEFAULT, (0, 8), duration=H)
    assert told(short, max_a=32)[1] == (
        "1 Up from 8 A to 32 A: TxDefaultProfile 4 (stack level 0) ends (its duration of 1 h is over); "
        "hardware binds now with 32 A."
    )


def test_watts_and_phases() -> None:
    own = profile(3, Purpose.TX, (0, 11_000), (H, 3680), unit=W)
    assert told(own) == [
        "0 At first 15.94 A on 3 phases: TxProfile 3 (stack level 0) binds with 11000 W (15.94 A).",
        "1 Down from 15.94 A to 5.33 A (below 6 A: a car is paused): TxProfile 3 (stack level 0) goes on to its next period with "
        "3680 W (5.33 A).",
    ]
    single = profile(6, Purpose.STATION_MAX, (0, 32), start=T0 + 2 * H, phases=1)
    assert told(own, single)[2] == (
        "2 From 5.33 A on 3 phases to 16 A on 1 phase: ChargingStationMaxProfile 6 (stack level 0) begins (its startSchedule has come) "
        "with 32 A."
    )


def test_fewer_phases_are_neither_up_nor_down() -> None:
    legacy = profile(3, Purpose.TX, (0, 16), (2 * H, 0))
    single = profile(6, Purpose.STATION_MAX, (0, 32), start=T0 + H, phases=1)
    assert [each.partition(":")[0] for each in told(legacy, single)] == [
        "0 At first 16 A on 3 phases",
        "1 From 16 A on 3 phases to 16 A on 1 phase",
        "2 Charging pauses, from 16 A to 0 A",
    ]


def test_less_than_a_car_can_be_offered() -> None:
    low = profile(3, Purpose.TX, (0, 5.9), (H, 6), (2 * H, 0))
    assert [each.partition(":")[0] for each in told(low)] == [
        "0 At first 5.9 A on 3 phases (below 6 A",
        "1 Up from 5.9 A to 6 A",
        "2 Charging pauses, from 6 A to 0 A",
    ]
    assert "is paused" not in told(low, unit=W)[0]


def test_several_bind() -> None:
    """EVSEs together are plural."""
    grid = Source("ChargingStationMaxProfile", Purpose.STATION_MAX, 1, 0, Fraction(32), 3, Fraction(32))
    all_of_them = Source(TOGETHER, None, None, None, Fraction(20), None)
    one = CompositePeriod(0, PhaseLimits(Fraction(32)), 3, binding=grid, sources=(grid,))
    two = one._replace(start=10, limit=PhaseLimits(Fraction(20)), binding=all_of_them, sources=(grid, all_of_them))
    three = two._replace(start=20, limit=PhaseLimits(Fraction(10)))
    found = [change.sentence for change in explain(Composite(0, T0, 30, A, (one, two, three)))]
    assert found[1:] == [
        "Down from 32 A to 20 A: EVSEs together bind now with 20 A; ChargingStationMaxProfile 1 (stack level 0) would allow 32 A.",
        "Down from 20 A to 10 A: EVSEs together stay the cause.",
    ]
    assert explain(Composite(0, T0, 30, A, (two,)))[0].sentence.startswith(
        "At first 20 A on 3 phases: EVSEs together bind;"
    )


def test_a_profile_of_which_nothing_else_is_known() -> None:
    """A composite of somebody else: what happened is told, why is not."""
    made = compose([DEFAULT], Site(1), TX, start=T0 - H, duration=DAY, unit=A, policy=Policy(), merge_causes=False)
    assert [change.sentence for change in explain(made)] == [
        "At first no limit: no profile applies.",
        "Limited to 16 A: TxDefaultProfile 2 (stack level 0) begins with 16 A.",
    ]


def test_what_2_1_adds() -> None:
    source = Source("TxProfile", Purpose.TX, 7, 1, Fraction(16), 3, Fraction(16))
    whole = CompositePeriod(0, PhaseLimits(Fraction(16)), 3, binding=source, sources=(source,))
    turned = whole._replace(
        start=10,
        mode=OperationMode.CENTRAL_SETPOINT,
        setpoint=PhaseLimits(Fraction(-8)),
        discharge=PhaseLimits(Fraction(-10)),
    )
    lined = whole._replace(start=20, limit=PhaseLimits(Fraction(16), Fraction(10), Fraction(8)))
    assert [change.sentence for change in explain(Composite(1, T0, 30, A, (whole, turned, lined)))][1:] == [
        "Still 16 A, operation mode CentralSetpoint, setpoint -8 A, discharge limit -10 A: "
        "TxProfile 7 (stack level 1) stays the cause.",
        "Changed from 16 A to 16 A on L1, 10 A on L2, 8 A on L3: TxProfile 7 (stack level 1) stays the cause.",
    ]


def test_local_generation() -> None:
    sun = profile(9, Purpose.LOCAL_GENERATION, (0, 4), (H, 6), start=T0 + H)
    assert told(DEFAULT, sun)[1:] == [
        "1 Up from 16 A to 20 A: LocalGeneration 9 (stack level 0) begins (its startSchedule has come) with 4 A.",
        "2 Up from 20 A to 22 A: LocalGeneration 9 (stack level 0) goes on to its next period with 6 A.",
    ]


# --- what a change holds ----------------------------------------------------------------------------------------------


def test_json_is_plain() -> None:
    own = profile(3, Purpose.TX, (0, 11_000), unit=W)
    [first] = changes(MAX, own, zone=Plus(1))
    row = json.loads(json.dumps(first.to_json()))
    assert row["at"] == T0
    assert row["local"] == "2025-01-15T01:00:00+01:00"
    assert row["limit"] == 15.942
    assert (row["unit"], row["phases"], row["new_cause"], row["cause"]) == ("A", 3, True, "TxProfile 3 (stack level 0)")
    assert [(s["profile"], s["binding"], s["given"], s["given_unit"]) for s in row["sources"]] == [
        (3, True, 11000.0, "W"),
        (1, False, 32.0, "A"),
    ]


def test_a_change_says_whether_the_cause_is_another() -> None:
    station = profile(1, Purpose.STATION_MAX, (0, 32), (2 * H, 10), (3 * H, 9))
    assert [change.new_cause for change in changes(station, DEFAULT)] == [True, True, False]


def test_a_source_below_the_limit_is_no_change() -> None:
    station = profile(1, Purpose.STATION_MAX, (0, 32), (2 * H, 20), (3 * H, 10))
    assert [(c.at - T0) // H for c in changes(station, DEFAULT)] == [0, 3]
    assert changes(station, DEFAULT)[1].sentence.startswith(
        "Down from 16 A to 10 A: ChargingStationMaxProfile 1 (stack level 0) goes on"
    )


# --- words ------------------------------------------------------------------------------------------------------------


def test_amounts() -> None:
    assert [plain(Fraction(text), 2) for text in ("16", "15.942", "0.005", "0.006", "-3.5", "100", "0")] == [
        "16",
        "15.94",
        "0",
        "0.01",
        "-3.5",
        "100",
        "0",
    ]
    assert amount(Fraction(11040), W) == "11040 W"
    assert rates(PhaseLimits(Fraction(16), Fraction(10)), A) == "16 A on L1, 10 A on L2"
    assert [phases_text(3), phases_text(1, 2), phases_text(None), phases_text(0)] == [
        " on 3 phases",
        " on 1 phase (L2)",
        "",
        "",
    ]
    assert [span(second) for second in (0, 45, 5400, DAY, 3 * DAY + 60)] == [
        "0 s",
        "45 s",
        "1 h 30 min",
        "24 h",
        "3 d 1 min",
    ]
    assert who(Source("hardware", None, None, None, None, None)) == "hardware"


def test_local_time() -> None:
    assert local_time(T0, None) == "2025-01-15T00:00:00Z"
    assert local_time(T0, Plus(-3.5)) == "2025-01-14T20:30:00-03:30"
    assert local_time(T0, Plus(0)) == "2025-01-15T00:00:00+00:00"
    assert local_time(10**15, None) == str(10**15)


def test_reasons_fit_to_the_second() -> None:
    timed = profile(
        4, Purpose.TX_DEFAULT, (0, 8), start=T0, duration=H, kind=Kind.RECURRING, recurrency=Recurrency.DAILY
    ).profile
    at = [Moment(T0 + second, T0, None, TX) for second in (0, 1, H, DAY, DAY + H, -DAY)]
    assert [begin(timed, moment) for moment in at] == [
        "its startSchedule has come",
        "",
        "",
        "its daily repetition",
        "",
        "",
    ]
    assert [again(timed, moment) for moment in at][3] == "its daily repetition"
    assert [end(timed, moment) for moment in at][2:5] == [
        "its duration of 1 h is over",
        "",
        "its duration of 1 h is over",
    ]
    local = profile(4, Purpose.TX_DEFAULT, (0, 8), start=T0 + H, local=True).profile
    assert begin(local, Moment(T0, T0, Plus(1), TX)) == "its startSchedule has come"


# --- always -----------------------------------------------------------------------------------------------------------

hours = st.integers(0, 30).map(lambda n: n * H)
some_profiles = st.builds(
    lambda number, purpose, starts, rates, level, kind, start, duration, unit, phases, valid: profile(
        number,
        purpose,
        *zip(sorted({0, *starts}), rates, strict=False),
        level=level,
        kind=kind,
        start=T0 + start - 10 * H,
        duration=duration,
        unit=unit,
        phases=phases,
        recurrency=Recurrency.DAILY if kind is Kind.RECURRING else None,
        valid=valid,
    ),
    st.integers(1, 99),
    st.sampled_from(Purpose),
    st.lists(hours, max_size=4),
    st.lists(st.sampled_from((0, 6, 10, 16.1, 3680)), min_size=5, max_size=5),
    st.integers(0, 3),
    st.sampled_from((Kind.ABSOLUTE, Kind.RECURRING, Kind.RELATIVE)),
    hours,
    st.none() | hours,
    st.sampled_from(RateUnit),
    st.sampled_from((None, 1, 3)),
    st.tuples(st.none() | hours.map(lambda n: T0 + n), st.none() | hours.map(lambda n: T0 + n)),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(some_profiles, max_size=6, unique_by=lambda one: one.profile.id),
    st.sampled_from(RateUnit),
    st.sampled_from(Gaps),
    st.booleans(),
)
def test_one_sentence_for_every_change_of_cause(
    installed: list[Installed], unit: RateUnit, gaps: Gaps, known: bool
) -> None:
    made = compose(
        installed, Site(1), TX, start=T0, duration=DAY, unit=unit, policy=Policy(gaps=gaps), merge_causes=False
    )
    found = explain(made, installed=installed if known else (), tx=TX)
    cause = object()
    wanted = []
    for period in made.periods:
        binding = period.binding and (period.binding.name, period.binding.profile)
        if binding != cause:
            wanted.append(made.start + period.start)
            cause = binding
    assert [change.at for change in found if change.new_cause] == wanted
    assert sorted({change.at for change in found}) == [change.at for change in found]
    for change in found:
        assert change.sentence.endswith(".")
        assert change.sentence[0].isupper()
        assert ": ." not in change.sentence
        json.dumps(change.to_json(), allow_nan=False)
        if change.new_cause and change.cause is not None:
            assert change.cause in change.sentence
