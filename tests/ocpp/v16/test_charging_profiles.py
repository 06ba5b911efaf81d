"""Charging profiles read from the wire of 1.6, and composite schedules written to it."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.charging.composite import Composite, CompositePeriod, PhaseLimits
from station.core.charging.profiles import Kind, Period, ProfileError, Purpose, Rates, RateUnit, Recurrency
from station.ocpp.schemas import Schemas
from station.ocpp.v16.charging_profiles import read_profile, write_composite
from tests.ocpp.v16.conftest import check_schema

VECTORS = Path(__file__).parents[4] / "shared" / "vectors"
NOW = 1_705_492_800.5  # 2024-01-17T12:00:00.5Z


def wire(**changes: Any) -> dict[str, Any]:
    """A profile on the wire; members of the schedule by their names."""
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}
    profile = {
        "chargingProfileId": 7,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    for name, value in changes.items():
        inside = name in {"duration", "startSchedule", "chargingRateUnit", "chargingSchedulePeriod", "minChargingRate"}
        (schedule if inside else profile)[name] = value
    return profile


def read(tx_of: dict[int, str] | None = None, **changes: Any) -> Any:
    return read_profile(wire(**changes), (tx_of or {}).get, now=NOW, most_periods=10)


def test_everything_that_a_profile_says_is_read():
    profile = read(
        stackLevel=3,
        chargingProfileKind="Recurring",
        recurrencyKind="Weekly",
        validFrom="2024-01-17T13:00:00+01:00",  # quirk 7: offsets and six digits
        validTo="2024-01-17T12:00:01.123456Z",
        duration=86400,
        startSchedule="2024-01-17T12:00:00Z",
        chargingRateUnit="W",
        minChargingRate=6.1,
        chargingSchedulePeriod=[{"startPeriod": 0, "limit": 16.1}, {"startPeriod": 60, "limit": 0, "numberPhases": 1}],
    )
    assert (profile.id, profile.stack_level, profile.purpose) == (7, 3, Purpose.TX_DEFAULT)
    assert (profile.kind, profile.recurrency) == (Kind.RECURRING, Recurrency.WEEKLY)
    assert (profile.valid_from, profile.valid_to) == (1_705_492_800, 1_705_492_801)
    [schedule] = profile.schedules
    assert (schedule.unit, schedule.start, schedule.duration) == (RateUnit.W, 1_705_492_800, 86400)
    assert schedule.min_rate == 6100
    assert schedule.periods == (Period(0, Rates(16_100)), Period(60, Rates(0), phases=1))


@pytest.mark.parametrize(
    ("word", "purpose"),
    [
        ("ChargePointMaxProfile", Purpose.STATION_MAX),
        ("TxDefaultProfile", Purpose.TX_DEFAULT),
        ("TxProfile", Purpose.TX),
    ],
)
def test_purposes(word, purpose):
    assert read(chargingProfilePurpose=word).purpose is purpose


def test_a_transaction_is_the_cores_own_whatever_number_the_csms_gave_it():
    tx_of = {0: "tx-a"}  # quirk 8: 0 may be a real id
    assert read(tx_of, chargingProfilePurpose="TxProfile", transactionId=0).tx_id == "tx-a"


def test_a_tx_profile_may_leave_its_transaction_out():
    """Quirk 11: it is meant for the one that runs."""
    assert read(chargingProfilePurpose="TxProfile").tx_id is None


@pytest.mark.parametrize("purpose", ["TxDefaultProfile", "ChargePointMaxProfile"])
def test_a_transaction_means_nothing_in_other_profiles(purpose):
    """7.8: valid in a TxProfile only."""
    assert read(chargingProfilePurpose=purpose, transactionId=99).tx_id is None


def test_tc_058_2_an_unknown_transaction_is_an_error_that_names_it():
    with pytest.raises(ProfileError, match="transactionId: 99 is no transaction") as caught:
        read({1: "tx"}, chargingProfilePurpose="TxProfile", transactionId=99)
    assert (caught.value.field, caught.value.reason) == ("transactionId", "TxNotFound")


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"chargingProfileKind": "Absolute"}, None),  # 7.13: relative to the start of charging
        ({"chargingProfileKind": "Absolute", "chargingProfilePurpose": "ChargePointMaxProfile"}, 1_705_492_800),
        ({"chargingProfileKind": "Recurring", "recurrencyKind": "Daily"}, 1_705_492_800),
        ({"chargingProfileKind": "Relative"}, None),
    ],
)
def test_quirk_11_a_schedule_without_start(changes, start):
    assert read(**changes).schedules[0].start == start


def test_a_relative_schedule_has_no_use_for_a_start_but_keeps_it():
    [schedule] = read(chargingProfileKind="Relative", startSchedule="2024-01-17T12:00:00Z").schedules
    assert (schedule.start, schedule.extra) == (None, {"startSchedule": "2024-01-17T12:00:00Z"})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stackLevel": -1}, "stackLevel"),
        ({"chargingProfileKind": "Recurring"}, "recurrencyKind"),
        ({"validFrom": "tomorrow"}, "validFrom"),
        ({"validTo": ""}, "validTo"),
        ({"startSchedule": "2024-13-01T00:00:00Z"}, "chargingSchedule.startSchedule"),
        ({"duration": -1}, "chargingSchedule.duration"),
        ({"minChargingRate": float("nan")}, "chargingSchedule.minChargingRate"),
        ({"chargingSchedulePeriod": []}, "chargingSchedule.chargingSchedulePeriod"),
        (
            {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": float("inf")}]},
            "chargingSchedule.chargingSchedulePeriod[0].limit",
        ),
        (
            {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1}, {"startPeriod": -1, "limit": 1}]},
            "chargingSchedule.chargingSchedulePeriod[1].startPeriod",
        ),
        (
            {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1, "numberPhases": -3}]},
            "chargingSchedule.chargingSchedulePeriod[0].numberPhases",
        ),
    ],
)
def test_what_cannot_be_read_is_named(changes, field):
    with pytest.raises(ProfileError) as caught:
        read(**changes)
    assert caught.value.field == field


def test_a_schedule_that_is_too_long_is_refused_unread():
    """9.3.3: the periods themselves are nonsense, which nobody finds out."""
    with pytest.raises(ProfileError, match="has 1000000 periods, at most 10"):
        read(chargingSchedulePeriod=[None] * 1_000_000)


_MEMBERS = st.fixed_dictionaries(
    {
        "chargingProfileId": st.integers(),
        "stackLevel": st.integers(),
        "chargingProfilePurpose": st.sampled_from(["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]),
        "chargingProfileKind": st.sampled_from(["Absolute", "Recurring", "Relative"]),
        "chargingSchedule": st.fixed_dictionaries(
            {
                "chargingRateUnit": st.sampled_from("AW"),
                "chargingSchedulePeriod": st.lists(
                    st.fixed_dictionaries(
                        {"startPeriod": st.integers(), "limit": st.floats() | st.integers() | st.decimals()},
                        optional={"numberPhases": st.integers()},
                    ),
                    max_size=12,
                ),
            },
            optional={
                "duration": st.integers(),
                "startSchedule": st.text() | st.datetimes().map(lambda t: t.isoformat()),
                "minChargingRate": st.floats(),
            },
        ),
    },
    optional={
        "transactionId": st.integers(),
        "recurrencyKind": st.sampled_from(["Daily", "Weekly"]),
        "validFrom": st.text() | st.datetimes().map(lambda t: t.isoformat() + "Z"),
        "validTo": st.text(),
    },
)


@given(_MEMBERS)
def test_every_profile_is_read_or_refused_with_a_name(payload):
    profile, fields = None, []
    try:
        profile = read_profile(payload, lambda number: f"tx-{number}", now=NOW, most_periods=10)
    except ProfileError as error:
        fields.append(error.field)
    if profile is None:
        assert all(fields)
    else:
        assert profile.stack_level >= 0
        assert all(isinstance(period.limit.total, int) for period in profile.schedules[0].periods)


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared vectors are not here")
def test_every_profile_of_the_vectors_is_read():
    """Except the one that says that it recurs, and not how often."""
    told = json.loads((VECTORS / "everest-libocpp" / "v16_e2e_profiles.json").read_text())["items"]
    requests = {name: item["payload"] for name, item in told.items() if item["kind"] == "request"}
    refused = []
    for name, request in requests.items():
        if "csChargingProfiles" not in request:
            continue
        try:
            read_profile(request["csChargingProfiles"], {1: "tx"}.get, now=NOW, most_periods=1024)
        except ProfileError as error:
            refused.append((name, error.field))
    assert refused == [("rec_req1_test1", "recurrencyKind")]


# --- composite schedules ----------------------------------------------------------------------------------------------


def written(*periods: CompositePeriod, unit: RateUnit = RateUnit.A) -> dict[str, Any]:
    made = write_composite(Composite(1, 1_705_492_800, 400, unit, periods))
    assert Schemas.for_version("1.6").response("GetCompositeSchedule").is_valid(made)
    return check_schema("GetCompositeScheduleResponse", made)


def period(start: int, limit: Any, phases: int | None = None) -> CompositePeriod:
    return CompositePeriod(start, PhaseLimits(Fraction(limit)), phases)


def test_a_composite_schedule_begins_when_scheduleStart_says():
    """Errata 3.57: no startSchedule within the schedule."""
    assert written(period(0, 16, 3), period(60, "6.5"), unit=RateUnit.W) == {
        "status": "Accepted",
        "connectorId": 1,
        "scheduleStart": "2024-01-17T12:00:00.000Z",
        "chargingSchedule": {
            "duration": 400,
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [
                {"startPeriod": 0, "limit": 16, "numberPhases": 3},
                {"startPeriod": 60, "limit": 6.5},
            ],
        },
    }


@pytest.mark.parametrize(
    ("exact", "told"), [("16", 16), ("16.1", 16.1), ("16.19", 16.1), ("16.999", 16.9), ("0.05", 0), ("1/3", 0.3)]
)
def test_limits_have_one_digit_and_never_promise_too_much(exact, told):
    [one] = written(period(0, exact))["chargingSchedule"]["chargingSchedulePeriod"]
    assert one["limit"] == told


@given(st.fractions(min_value=0, max_value=10**9))
def test_every_limit_is_valid_on_the_wire(limit):
    [one] = written(period(0, limit))["chargingSchedule"]["chargingSchedulePeriod"]
    told = Decimal(json.dumps(one["limit"]))
    assert told % Decimal("0.1") == 0
    assert 0 <= limit - Fraction(told) < Fraction(1, 10)


def test_where_phases_differ_the_lowest_is_told():
    [one] = written(CompositePeriod(0, PhaseLimits(Fraction(16), Fraction(10), Fraction(12))))["chargingSchedule"][
        "chargingSchedulePeriod"
    ]
    assert one["limit"] == 10


def test_where_nothing_limits_there_is_no_schedule():
    """A schedule without periods is refused by strict CSMSs."""
    assert "chargingSchedule" not in written()
    assert "chargingSchedule" not in written(CompositePeriod(0, None))
