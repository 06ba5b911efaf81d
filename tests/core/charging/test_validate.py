"""What is wrong with a charging profile: per version, in bounded time and memory, with a reason of the OCA's list."""

from __future__ import annotations

import ast
import csv
import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, SupportsIndex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.charging import case, validate, validate_21, validate_schedule
from station.core.charging.case import Fault
from station.core.charging.numbers import HIGHEST_INTEGER, HIGHEST_RATE
from station.core.charging.policy import RULES_16, RULES_21, RULES_201, Policy, Rules
from station.core.charging.profiles import (
    MILLI,
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
from station.core.charging.validate import refusal, replaced
from tests.core.charging.profiles_made import (
    NOON,
    TX,
    any_installed,
    any_profiles,
    judge,
    period,
    plain_profiles,
    profile,
    reason,
    schedule,
    station,
    with_periods,
)

APPENDICES = Path(__file__).parents[4] / "shared" / "vectors" / "appendices"
ALL_RULES = (RULES_16, RULES_201, RULES_21, replace(RULES_21, modes=frozenset(), dynamic=True, local_time=True))
EVERY_21 = replace(
    RULES_21, modes=frozenset(), dynamic=True, purposes=frozenset({"PriorityCharging", "LocalGeneration"})
)
FOREVER = 253_402_300_799

every_version = pytest.mark.parametrize("rules", [RULES_16, RULES_201, RULES_21], ids=lambda rules: rules.name)
both = pytest.mark.parametrize("rules", [RULES_201, RULES_21], ids=lambda rules: rules.name)


def test_words_name_the_field() -> None:
    bad = with_periods(profile(), period(), period(60, -1))
    verdict = judge(bad)
    assert verdict is not None
    assert (verdict.status, verdict.reason) == ("Rejected", "InvalidSchedule")
    assert verdict.info is not None
    assert verdict.info.startswith("chargingSchedule[0].chargingSchedulePeriod[1].limit: must be from 0 to")


# --- 1.6 -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "evse", "expected"),
    [
        (profile(purpose=Purpose.STATION_MAX), 0, None),
        (profile(purpose=Purpose.STATION_MAX), 1, "InvalidValue"),
        (profile(purpose=Purpose.STATION_MAX, kind=Kind.RELATIVE), 0, None),
        (profile(purpose=Purpose.TX), 1, None),
        (profile(purpose=Purpose.TX, tx_id=None), 1, None),
        (profile(purpose=Purpose.TX), 0, "InvalidValue"),
        (profile(purpose=Purpose.TX), 2, "TxNotFound"),
        (profile(purpose=Purpose.TX, tx_id=None), 2, "TxNotFound"),
        (profile(purpose=Purpose.TX, tx_id="OTHER"), 1, "TxNotFound"),
        (profile(tx_id="OTHER"), 1, None),
        (profile(), 0, None),
        (profile(), 3, "UnknownEvse"),
        (profile(), -1, "UnknownEvse"),
        (profile(stack_level=0), 1, None),
        (profile(stack_level=20), 1, None),
        (profile(stack_level=21), 1, "InvalidStackLevel"),
        (profile(stack_level=-1), 1, "InvalidStackLevel"),
        (profile(1, Purpose.TX_DEFAULT, schedule(start=None)), 1, None),
        (profile(1, Purpose.TX_DEFAULT, schedule(start=NOON), kind=Kind.RELATIVE), 1, None),
        (profile(kind=Kind.RECURRING, recurrency=Recurrency.DAILY), 1, None),
        (profile(kind=Kind.RECURRING), 1, "MissingParam"),
        (profile(kind=Kind.DYNAMIC), 1, "InvalidProfile"),
        (profile(purpose=Purpose.PRIORITY), 1, "InvalidProfile"),
        (profile(purpose=Purpose.EXTERNAL), 0, "InvalidValue"),
        (with_periods(profile()), 1, "InvalidSchedule"),
        (replace(profile(), schedules=()), 1, "InvalidProfile"),
        (with_periods(profile(), period(phases=0)), 1, "InvalidSchedule"),
        (with_periods(profile(), period(phases=4)), 1, "InvalidSchedule"),
        (with_periods(profile(), Period(0, None)), 1, "InvalidSchedule"),
    ],
)
def test_rules_of_16(asked: Profile, evse: int, expected: str | None) -> None:
    assert reason(asked, evse, rules=RULES_16) == expected


@pytest.mark.parametrize("phases", [0, 1, 3])
@pytest.mark.parametrize("asked", [1, 2, 3])
def test_16_has_no_rule_about_the_phases_of_the_supply(phases: int, asked: int) -> None:
    at = station(phases={0: 3, 1: phases})
    assert reason(with_periods(profile(), period(phases=asked)), at=at, rules=RULES_16) is None


@every_version
def test_unit_that_is_not_offered(rules: Rules) -> None:
    """K01.FR.26; 1.6 ChargingScheduleAllowedChargingRateUnit."""
    at = station(units=frozenset({RateUnit.A}))
    watts = profile(1, Purpose.TX_DEFAULT, schedule(unit=RateUnit.W))
    verdict = judge(watts, at=at, rules=rules)
    assert verdict is not None
    assert verdict.reason == "UnsupportedRateUnit"
    assert verdict.info == "chargingSchedule[0].chargingRateUnit: must be A"


def test_16_replaces_the_same_level_purpose_and_connector() -> None:
    """1.6 5.16.4."""
    there = [
        Installed(profile(1), 1),
        Installed(profile(2), 2),
        Installed(profile(3), 0),
        Installed(profile(4, stack_level=2), 1),
        Installed(profile(5, Purpose.TX), 1),
        Installed(profile(6, Purpose.EXTERNAL), 0, LimitSource.EMS),
    ]
    assert replaced(profile(9), 1, there, RULES_16) == (1,)
    assert replaced(profile(9), 0, there, RULES_16) == (3,)
    assert replaced(profile(4), 1, there, RULES_16) == (1, 4)
    assert replaced(profile(9, Purpose.TX, tx_id=None), 1, there, RULES_16) == (5,)
    assert replaced(profile(9), 1, there, RULES_201) == ()
    assert reason(profile(9), installed=there, rules=RULES_16) is None


# --- ids, stack levels, places ------------------------------------------------------------------------------------------


@every_version
def test_external_constraints_are_not_replaced_by_a_csms(rules: Rules) -> None:
    """K01.FR.05."""
    external = profile(7, Purpose.EXTERNAL)
    there = [Installed(external, 0, LimitSource.EMS)]
    assert replaced(profile(7), 1, there, rules) == ()
    verdict = judge(profile(7), installed=there, rules=rules)
    assert verdict is not None
    assert verdict.info == "id: 7 is the id of an external constraint; choose another"
    assert replaced(external, 0, there, rules) == (7,)
    assert reason(external, 0, installed=there, rules=rules, source=LimitSource.EMS) is None
    mine = [Installed(profile(7), 1)]
    assert replaced(external, 0, mine, rules) == ()
    assert reason(external, 0, installed=mine, rules=rules, source=LimitSource.EMS) == "InvalidProfile"


@both
def test_same_level_at_another_place_or_time(rules: Rules) -> None:
    """K01.FR.06, FR.52, FR.53."""
    old = profile(1, valid_from=NOON, valid_to=NOON + 100)
    there = [Installed(old, 1)]
    assert reason(profile(2), 2, installed=there, rules=rules) is None
    assert reason(profile(2, stack_level=2), installed=there, rules=rules) is None
    assert reason(profile(2, valid_to=NOON), installed=there, rules=rules) is None
    assert reason(profile(2, valid_from=NOON + 100), installed=there, rules=rules) is None
    assert reason(profile(2, valid_from=NOON + 99), installed=there, rules=rules) == "DuplicateProfile"
    # FR.52 asks for no overlap
    assert reason(profile(2, valid_from=NOON + 100), 0, installed=there, rules=rules) == "DuplicateProfile"
    assert reason(profile(2, Purpose.STATION_MAX), 0, installed=there, rules=rules) is None


@both
def test_same_level_in_another_transaction(rules: Rules) -> None:
    """K01.FR.39: the level counts per transaction; what is left over of an ended one does not matter."""
    there = [Installed(profile(1, Purpose.TX, tx_id="OLD"), 1)]
    assert reason(profile(2, Purpose.TX), installed=there, rules=rules) is None
    there = [Installed(profile(1, Purpose.TX), 1)]
    assert reason(profile(2, Purpose.TX), installed=there, rules=rules) == "InvalidStackLevel"
    assert reason(profile(1, Purpose.TX, stack_level=3), installed=there, rules=rules) is None


@every_version
def test_no_more_than_fit(rules: Rules) -> None:
    """ChargingProfileEntries.maxLimit; an external constraint takes no place."""
    at = station(max_profiles=2)
    there = [Installed(profile(1, stack_level=1), 1), Installed(profile(2, stack_level=2), 1)]
    assert reason(profile(3, stack_level=3), at=at, installed=there, rules=rules) == "TooManyElements"
    assert reason(profile(2, stack_level=3), at=at, installed=there, rules=rules) is None
    if rules is RULES_16:
        assert reason(profile(3, stack_level=2), at=at, installed=there, rules=rules) is None
    external = profile(9, Purpose.EXTERNAL)
    assert reason(external, 0, at=at, installed=there, rules=rules, source=LimitSource.SO) is None
    there[1] = Installed(external, 0, LimitSource.SO)
    assert reason(profile(3, stack_level=3), at=at, installed=there, rules=rules) is None


# --- remote start --------------------------------------------------------------------------------------------------------


@every_version
def test_remote_start_takes_a_tx_profile_without_transaction(rules: Rules) -> None:
    """K05.FR.02, 1.6 5.11; TC_060."""
    asked = profile(1, Purpose.TX, tx_id=None)
    there = [Installed(profile(2, Purpose.TX, tx_id=None), 2)]
    for evse in (0, 1, 2):
        assert reason(asked, evse, rules=rules, installed=there, remote_start=True) is None
    assert reason(asked, 3, rules=rules, remote_start=True) == "UnknownEvse"
    for purpose in (Purpose.TX_DEFAULT, Purpose.STATION_MAX, Purpose.EXTERNAL):
        assert reason(profile(1, purpose), 0, rules=rules, remote_start=True) == "InvalidProfile"
    assert reason(with_periods(asked), rules=rules, remote_start=True) == "InvalidSchedule"


# --- phases ---------------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("phases", "use", "supply", "switching", "expected"),
    [
        (None, None, 3, False, None),
        (None, None, 1, False, None),
        (1, None, 3, False, None),
        (3, None, 3, False, None),
        (3, None, 1, False, "InvalidSchedule"),
        (2, None, 1, True, "InvalidSchedule"),
        (1, 2, 3, True, None),
        (1, 2, 3, False, "InvalidSchedule"),
        (2, 2, 3, True, "InvalidSchedule"),
        (None, 2, 3, True, "InvalidSchedule"),
        (1, 4, 3, True, "InvalidSchedule"),
        (1, 0, 3, True, "InvalidSchedule"),
        (0, None, 3, True, "InvalidSchedule"),
        (None, None, 0, True, None),
    ],
)
def test_phases(
    rules: Rules, phases: int | None, use: int | None, supply: int, switching: bool, expected: str | None
) -> None:
    """K01.FR.19, FR.20, FR.45, FR.48, FR.49."""
    at = station(phases={0: 3, 1: supply}, phase_switching=switching)
    asked = with_periods(profile(), period(phases=phases, phase_to_use=use))
    assert reason(asked, at=at, rules=rules) == expected


@pytest.mark.parametrize("switching", [False, True])
def test_fewer_phases_than_the_supply_read_strictly(switching: bool) -> None:
    """K01.FR.43, which the default rules leave to the vehicle."""
    at, rules = station(leaves_phases_out=switching), replace(RULES_201, phases_ensured=True)
    assert reason(with_periods(profile(), period(phases=1)), at=at, rules=rules) == (
        None if switching else "InvalidSchedule"
    )


@both
def test_default_of_all_evses_may_use_what_the_best_one_has(rules: Rules) -> None:
    at = station(phases={0: 1, 1: 1, 2: 3})
    three = with_periods(profile(), period(phases=3))
    assert reason(three, 0, at=at, rules=rules) is None
    assert reason(three, 1, at=at, rules=rules) == "InvalidSchedule"
    assert reason(replace(three, purpose=Purpose.STATION_MAX), 0, at=at, rules=rules) == "InvalidSchedule"


@pytest.mark.parametrize(
    ("asked", "evse", "there", "expected"),
    [
        # errata 2025-06, K01.FR.141: its own example
        (profile(2, Purpose.TX), 1, (profile(1, Purpose.STATION_MAX), 0), "PhaseConflict"),
        (profile(2, Purpose.STATION_MAX), 0, (profile(1, Purpose.TX), 1), "PhaseConflict"),
        # a TxProfile takes the place of the default, they never meet
        (profile(2, Purpose.TX), 1, (profile(1), 1), None),
        # other EVSEs, other times
        (profile(2, Purpose.TX), 1, (profile(1, Purpose.LOCAL_GENERATION), 2), None),
        (profile(2, Purpose.TX), 1, (profile(1, Purpose.LOCAL_GENERATION), 1), "PhaseConflict"),
        (profile(2, valid_to=NOON), 1, (profile(1, Purpose.STATION_MAX, valid_from=NOON), 0), None),
        (
            profile(2, Purpose.TX_DEFAULT, schedule(start=NOON + 60)),
            1,
            (profile(1, Purpose.STATION_MAX, schedule(duration=60)), 0),
            None,
        ),
        (
            profile(2, Purpose.TX_DEFAULT, schedule(start=NOON + 59)),
            1,
            (profile(1, Purpose.STATION_MAX, schedule(duration=60)), 0),
            "PhaseConflict",
        ),
    ],
)
def test_phase_conflict(asked: Profile, evse: int, there: tuple[Profile, int], expected: str | None) -> None:
    at = station(phase_switching=True)
    other, place = there

    def using(one: Profile, phase: int | None) -> Profile:
        return with_periods(one, period(phases=1, phase_to_use=phase))

    def answer(mine: int | None, theirs: int | None, rules: Rules = EVERY_21, *, spent: bool = False) -> str | None:
        installed = [Installed(using(other, theirs), place, spent=spent)]
        return reason(using(asked, mine), evse, installed=installed, at=at, rules=rules)

    assert answer(3, 1) == expected
    assert answer(3, 3) is None
    assert answer(None, 1) is None
    assert answer(3, None) is None
    assert answer(3, 1, spent=True) is None
    assert answer(3, 1, RULES_201) is None


# --- 2.1 -----------------------------------------------------------------------------------------------------------------


def test_rate_limit_counts_per_evse_and_says_when_to_retry() -> None:
    """K01.FR.56, FR.57 as of the errata of 2025-09."""
    rules = replace(RULES_21, update_rate_s=60)
    there = [Installed(profile(1), 1, at=NOON), Installed(profile(2), 2, at=NOON - 30)]
    verdict = judge(profile(1), installed=there, rules=rules, now=NOON + 20)
    assert verdict is not None
    assert (verdict.reason, verdict.info) == ("RateLimitExceeded", "40 seconds before retry")
    assert reason(profile(1), installed=there, rules=rules, now=NOON + 60) is None
    assert reason(profile(2), 2, installed=there, rules=rules, now=NOON + 30) is None
    assert reason(profile(3, Purpose.STATION_MAX), 0, installed=there, rules=rules) is None
    assert reason(profile(1), installed=there, rules=rules, source=LimitSource.EMS) is None
    # a clock that was set back by a year
    verdict = judge(profile(1), installed=there, rules=rules, now=NOON - 31_536_000)
    assert verdict is not None
    assert verdict.info == "60 seconds before retry"


def test_external_systems_may_give_what_a_csms_leaves_to_them() -> None:
    asked = with_periods(
        profile(1, Purpose.EXTERNAL), period(mode=OperationMode.EXTERNAL_SETPOINT, setpoint=Rates(4000, 4000))
    )
    assert reason(asked, 0, rules=EVERY_21, source=LimitSource.EMS) is None
    assert reason(asked, 0, rules=EVERY_21) == "InvalidValue"
    late = replace(profile(1, Purpose.EXTERNAL), schedules=(schedule(randomized_delay=9),))
    assert reason(late, 0, rules=replace(EVERY_21, randomized_delay=True), source=LimitSource.EMS) is None


def test_what_the_station_supports_is_accepted() -> None:
    rules = replace(EVERY_21, local_time=True, randomized_delay=True, limit_at_soc=True)
    asked = schedule(local_time=True, randomized_delay=60, soc_limit=(80, 4000), min_rate=100)
    assert reason(profile(1, Purpose.TX_DEFAULT, asked), rules=rules) is None
    assert reason(profile(1, Purpose.LOCAL_GENERATION), 0, rules=rules) is None
    dynamic = profile(1, Purpose.TX_DEFAULT, schedule(start=None, duration=60), kind=Kind.DYNAMIC, dyn_interval_s=60)
    assert reason(dynamic, rules=rules) is None
    assert reason(profile(1, Purpose.TX_DEFAULT, schedule(soc_limit=(101, 4000))), rules=rules) == "InvalidSchedule"


def test_modes_that_nothing_advertises() -> None:
    """K01.FR.115: without SupportedOperationModes there is ChargingOnly."""
    asked = with_periods(profile(), Period(0, None, mode=OperationMode.IDLE))
    assert reason(asked, rules=RULES_21) == "InvalidOperationMode"
    assert reason(with_periods(profile(), period(mode=OperationMode.CHARGING_ONLY)), rules=RULES_21) is None


# --- bad profiles, bounded ------------------------------------------------------------------------------------------------


class Counting(tuple[Any, ...]):
    """A tuple that says it is very long and counts how often anybody looks into it."""

    __slots__ = ()
    looks = 0
    length = 1_000_000

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        type(self).looks += 1
        return super().__iter__()

    def __getitem__(self, key: SupportsIndex | slice) -> Any:
        type(self).looks += 1
        return super().__getitem__(key)


@every_version
@pytest.mark.parametrize("kind", [Kind.ABSOLUTE, Kind.RELATIVE, Kind.RECURRING])
def test_a_million_periods_are_refused_unread(rules: Rules, kind: Kind) -> None:
    Counting.looks = 0
    asked = replace(with_periods(profile(kind=kind, recurrency=Recurrency.DAILY)), id=1)
    asked = replace(asked, schedules=(replace(asked.schedules[0], periods=Counting([period()])),))
    verdict = judge(asked, rules=rules)
    assert verdict is not None
    assert verdict.reason == "TooManyElements"
    assert verdict.info == "chargingSchedule[0].chargingSchedulePeriod: at most 1000 periods, not 1000000"
    assert Counting.looks == 0


def test_dynamic_with_a_million_periods_is_refused_unread() -> None:
    Counting.looks = 0
    asked = profile(kind=Kind.DYNAMIC)
    asked = replace(asked, schedules=(replace(asked.schedules[0], periods=Counting([period()])),))
    assert reason(asked, rules=EVERY_21) == "InvalidSchedule"
    assert Counting.looks == 0


@every_version
def test_a_million_schedules_are_refused_unread(rules: Rules) -> None:
    Counting.looks = 0
    assert reason(replace(profile(), schedules=Counting([schedule()])), rules=rules) == "TooManyElements"
    assert Counting.looks == 0


def test_reading_grows_with_the_periods_allowed_and_no_faster() -> None:
    """Each period is looked at once, in order; with phases, once more."""
    at = station(max_periods=1000, phase_switching=True)
    read: list[int] = []

    class Noted(Counting):
        length = 1000

        def __iter__(self) -> Iterator[Any]:
            for one in super().__iter__():
                read.append(one.start)
                yield one

    for phase in (None, 1):
        read.clear()
        periods = Noted(period(start, phases=1, phase_to_use=phase) for start in range(1000))
        asked = replace(profile(), schedules=(replace(profile().schedules[0], periods=periods),))
        there = [Installed(profile(n, stack_level=n), 1) for n in range(2, 20)]
        assert reason(asked, at=at, rules=EVERY_21, installed=there) is None
        assert len(read) <= 2 * 1000


@every_version
def test_stops_at_the_first_fault(rules: Rules) -> None:
    read: list[int] = []

    class Noted(Counting):
        length = 1000

        def __iter__(self) -> Iterator[Any]:
            for one in super().__iter__():
                read.append(one.start)
                yield one

    periods = Noted([period(0), period(10), period(5), *(period(start) for start in range(20, 1017))])
    asked = replace(profile(), schedules=(replace(profile().schedules[0], periods=periods),))
    assert reason(asked, rules=rules) == "InvalidSchedule"
    assert read == [0, 10, 5]


@every_version
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (with_periods(profile(), period(amps=-0.001)), "InvalidSchedule"),
        (with_periods(profile(), Period(0, Rates(HIGHEST_RATE * MILLI + 1))), "InvalidSchedule"),
        (with_periods(profile(), Period(0, Rates(HIGHEST_RATE * MILLI))), None),
        (with_periods(profile(), period(), period(60), period(60)), "InvalidSchedule"),
        (with_periods(profile(), period(), period(60), period(30)), "InvalidSchedule"),
        (with_periods(profile(), period(5)), "InvalidSchedule"),
        (with_periods(profile(), period(-5)), "InvalidSchedule"),
        (with_periods(profile(), period(), period(HIGHEST_INTEGER)), None),
        (with_periods(profile(), period(), period(HIGHEST_INTEGER + 1)), "InvalidSchedule"),
        (with_periods(profile(), period(), period(10**400)), "InvalidSchedule"),
        (profile(1, Purpose.TX_DEFAULT, schedule(duration=0)), None),
        (profile(1, Purpose.TX_DEFAULT, schedule(duration=HIGHEST_INTEGER)), None),
        (profile(1, Purpose.TX_DEFAULT, schedule(duration=HIGHEST_INTEGER + 1)), "InvalidSchedule"),
        (profile(1, Purpose.TX_DEFAULT, schedule(duration=-1)), "InvalidSchedule"),
        (profile(1, Purpose.TX_DEFAULT, schedule(min_rate=-1)), "InvalidSchedule"),
        (profile(1, Purpose.TX_DEFAULT, schedule(randomized_delay=-1)), "InvalidSchedule"),
        (profile(1, Purpose.TX_DEFAULT, schedule(start=FOREVER)), "InvalidSchedule"),
        (profile(1, Purpose.TX_DEFAULT, schedule(start=-62_135_596_800)), "InvalidSchedule"),
        (profile(1, Purpose.TX_DEFAULT, schedule(start=10**30)), "InvalidSchedule"),
        (profile(1, Purpose.TX_DEFAULT, schedule(start=0)), None),
        (profile(stack_level=10**30), "InvalidStackLevel"),
        (profile(2**31), "InvalidProfile"),
        (profile(-(2**31)), None),
        (profile(valid_from=NOON, valid_to=NOON - 1), "InvalidProfile"),
        (profile(valid_from=NOON, valid_to=NOON), "InvalidProfile"),
        (profile(valid_from=-62_135_596_800, valid_to=FOREVER), None),
        (profile(valid_to=FOREVER + 1), "InvalidProfile"),
        (profile(valid_from=-(10**30)), "InvalidProfile"),
        (profile(valid_to=NOON - 86_400), None),
        (profile(max_offline_s=-1), "InvalidProfile"),
        (profile(max_offline_s=2**31), "InvalidProfile"),
    ],
)
def test_bad_numbers(rules: Rules, asked: Profile, expected: str | None) -> None:
    assert reason(asked, rules=rules) == expected


def test_words_stay_short_whatever_was_sent() -> None:
    huge = 10**4000
    for asked in (
        profile(stack_level=huge),
        profile(huge),
        profile(valid_to=huge),
        profile(1, Purpose.TX_DEFAULT, schedule(start=huge)),
        profile(1, Purpose.TX_DEFAULT, schedule(duration=huge)),
        with_periods(profile(), Period(0, Rates(huge))),
        profile(purpose=Purpose.TX, tx_id="x" * 100_000),
    ):
        verdict = judge(asked)
        assert verdict is not None
        assert verdict.info is not None
        assert len(verdict.info) < 200
    assert reason(profile(), 10**9000) == "UnknownEvse"


# --- reasons ---------------------------------------------------------------------------------------------------------------


def reasons(module: Any) -> set[str]:
    """Every word that the module can give as a reason: the first argument of its Faults."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == Fault.__name__:
            words = [one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)]
            assert words, ast.unparse(node)
            found.update(str(word) for word in words)
    return found


def listed(version: str) -> set[str]:
    path = APPENDICES / version / "reason_codes.csv"
    if not path.is_file():
        pytest.skip("the OCA's list is not at hand")
    with path.open(newline="") as file:
        return {
            row["Reason code" if "Reason code" in row else "Reason Code"] for row in csv.DictReader(file, delimiter=";")
        }


NOT_LISTED = {
    "InvalidOperationMode": "errata 2025-06 K01.FR.114 and 2025-09 K01.FR.115 of 2.1: SHALL, newer than the list",
    "PhaseConflict": "errata 2025-06 K01.FR.141, FR.144, FR.146 of 2.1: SHALL, newer than the list",
}
ONLY_21 = {"NoPhaseForDC"}


def test_reasons_of_21_are_of_its_list() -> None:
    known = listed("2.1-v2.0")
    mine = reasons(validate) | reasons(validate_schedule) | reasons(validate_21) | reasons(case)
    assert mine - known == NOT_LISTED.keys()
    assert max(map(len, mine)) <= 20


def test_reasons_of_201_are_of_its_list() -> None:
    """Also those that 1.6 writes to its log. What `validate_21` says, it says in 2.1 only: see below."""
    mine = reasons(validate) | reasons(validate_schedule)
    assert mine - listed("2.0.1-v1.4") == ONLY_21


@given(any_profiles | plain_profiles, st.integers(0, 2), st.sampled_from([0, 1, 3]), st.booleans())
def test_words_of_21_are_not_said_to_others(asked: Profile, evse: int, phases: int, switching: bool) -> None:
    mine = reasons(validate) | reasons(validate_schedule)
    at = station(phases={0: 3, 1: phases, 2: 3}, phase_switching=switching, max_schedules=3)
    for rules in (RULES_16, RULES_201):
        assert reason(asked, evse, at=at, rules=rules) in (mine - ONLY_21) | {None}


# --- any profile -----------------------------------------------------------------------------------------------------------


@given(
    any_profiles | plain_profiles,
    st.integers(-2, 4),
    st.lists(any_installed, max_size=4),
    st.sampled_from(ALL_RULES),
    st.booleans(),
    st.sampled_from(LimitSource),
    st.integers(0, 3),
)
def test_any_profile_is_accepted_or_refused_with_words(
    asked: Profile,
    evse: int,
    installed: list[Installed],
    rules: Rules,
    remote_start: bool,
    source: LimitSource,
    phases: int,
) -> None:
    verdict = refusal(
        asked,
        evse,
        iter(installed),
        station(phases={0: phases, 1: phases}, max_schedules=3),
        rules,
        Policy(),
        now=NOON,
        remote_start=remote_start,
        source=source,
    )
    if verdict is not None:
        assert verdict.status == "Rejected"
        assert verdict.reason
        assert verdict.info
    assert set(replaced(asked, evse, installed, rules)) <= {one.profile.id for one in installed}


@given(
    st.lists(st.tuples(plain_profiles | any_profiles, st.integers(0, 2)), min_size=1, max_size=8),
    st.sampled_from(ALL_RULES),
)
def test_what_was_accepted_is_accepted_again(asked: list[tuple[Profile, int]], rules: Rules) -> None:
    """Installing twice is installing once, among whatever else is there; ids stay unique, the number bounded."""
    at = station(max_profiles=3)
    installed: dict[int, Installed] = {}
    for one, evse in asked:
        if judge(one, evse, installed=tuple(installed.values()), at=at, rules=rules) is not None:
            continue
        for _ in range(2):
            assert judge(one, evse, installed=tuple(installed.values()), at=at, rules=rules) is None
            for old in replaced(one, evse, installed.values(), rules):
                del installed[old]
            assert one.id not in installed
            installed[one.id] = Installed(one, evse, at=NOON)
    assert len(installed) <= 3


@given(st.lists(st.tuples(plain_profiles, st.integers(0, 2)), max_size=12), st.sampled_from([RULES_201, RULES_21]))
def test_no_two_of_one_level_are_valid_at_once(asked: list[tuple[Profile, int]], rules: Rules) -> None:
    """What K01.FR.06, FR.39, FR.52 and FR.53 are for."""
    installed: dict[int, Installed] = {}
    for one, evse in asked:
        if judge(one, evse, installed=tuple(installed.values()), rules=rules) is None:
            installed[one.id] = Installed(one, evse)
    for moment in (NOON - 1, NOON, NOON + 50):
        for evse in (1, 2):
            valid = [
                (there.profile.purpose, there.profile.stack_level)
                for there in installed.values()
                if there.evse in (0, evse)
                and (there.profile.valid_from is None or there.profile.valid_from <= moment)
                and (there.profile.valid_to is None or moment < there.profile.valid_to)
                and there.profile.tx_id in (None, TX)
            ]
            assert len(valid) == len(set(valid))


@given(plain_profiles)
def test_sound_profiles_are_accepted(asked: Profile) -> None:
    """The strategy is not vacuous."""
    place = 0 if asked.purpose is Purpose.STATION_MAX else 1
    for rules in (RULES_16, RULES_201, RULES_21):
        assert reason(asked, place, rules=rules) is None


def test_schedule_is_a_schedule() -> None:
    """`Schedule` of the helpers is sound, so that each test above has one fault only."""
    assert reason(profile(1, Purpose.TX_DEFAULT, Schedule(RateUnit.W, (period(),), start=NOON))) is None
