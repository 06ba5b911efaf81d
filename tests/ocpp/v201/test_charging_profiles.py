"""Charging profiles on the wire of 2.0.1 and 2.1: read exactly, refused by name, written back as they were set."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.clock import parse_iso
from station.core.charging.composite import Composite, CompositePeriod, PhaseLimits
from station.core.charging.profiles import (
    Kind,
    OperationMode,
    Period,
    Profile,
    ProfileError,
    Purpose,
    Rates,
    RateUnit,
    Recurrency,
    Schedule,
)
from station.ocpp.schemas import Schemas
from station.ocpp.v201.charging_profiles import read_profile, tellable, write_composite, write_profile

NOON = parse_iso("2026-05-01T12:00:00Z")
WIRE: dict[str, Any] = {
    "id": 7,
    "stackLevel": 2,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Recurring",
    "recurrencyKind": "Daily",
    "validFrom": "2026-05-01T12:00:00.000Z",
    "validTo": "2026-05-08T12:00:00.250Z",
    "transactionId": "tx-1",
    "customData": {"vendorId": "org.example"},
    "chargingSchedule": [
        {
            "id": 3,
            "startSchedule": "2026-05-01T12:00:00.000Z",
            "duration": 3600,
            "chargingRateUnit": "A",
            "minChargingRate": 6.1,
            "salesTariff": {"id": 1, "salesTariffEntry": [{"relativeTimeInterval": {"start": 0}}]},
            "chargingSchedulePeriod": [
                {"startPeriod": 0, "limit": 16.1, "numberPhases": 3},
                {"startPeriod": 600, "limit": 8, "numberPhases": 1, "phaseToUse": 2},
            ],
        }
    ],
}


def wire(**more: Any) -> dict[str, Any]:
    """WIRE with other fields; None leaves one out."""
    return {name: value for name, value in {**WIRE, **more}.items() if value is not None}


def schedule(**more: Any) -> dict[str, Any]:
    fields = {**WIRE["chargingSchedule"][0], **more}
    return {"chargingSchedule": [{name: value for name, value in fields.items() if value is not None}]}


def period(**more: Any) -> dict[str, Any]:
    fields = {"startPeriod": 0, "limit": 16, **more}
    return schedule(chargingSchedulePeriod=[{name: value for name, value in fields.items() if value is not None}])


def valid(action: str, payload: dict[str, Any], version: str = "2.0.1") -> None:
    problem = Schemas.for_version(version).request(action).problem(json.loads(json.dumps(payload)))
    assert problem is None, problem


def told(profile: Profile) -> dict[str, Any]:
    """The profile as 2.0.1 reports it: valid by the schema."""
    payload = write_profile(profile)
    report = {"requestId": 1, "chargingLimitSource": "CSO", "evseId": 0, "chargingProfile": [payload]}
    valid("ReportChargingProfiles", report)
    return payload


# --- reading --------------------------------------------------------------------------------------------------------


def test_every_field_of_201() -> None:
    valid("SetChargingProfile", {"evseId": 1, "chargingProfile": WIRE})
    assert read_profile(WIRE) == Profile(
        id=7,
        stack_level=2,
        purpose=Purpose.TX,
        kind=Kind.RECURRING,
        recurrency=Recurrency.DAILY,
        valid_from=int(NOON),
        valid_to=int(NOON) + 7 * 86_400,
        tx_id="tx-1",
        invalid_after_offline=False,
        schedules=(
            Schedule(
                unit=RateUnit.A,
                start=int(NOON),
                duration=3600,
                id=3,
                min_rate=6100,
                periods=(
                    Period(0, Rates(16_100), 3),
                    Period(600, Rates(8000), 1, 2),
                ),
                extra={"salesTariff": {"id": 1, "salesTariffEntry": [{"relativeTimeInterval": {"start": 0}}]}},
            ),
        ),
        extra={"customData": {"vendorId": "org.example"}, "validTo": "2026-05-08T12:00:00.250Z"},
    )


def test_every_field_of_21() -> None:
    curve = [{"frequency": 50.0, "power": 100.0}]
    payload = wire(
        chargingProfilePurpose="LocalGeneration",
        chargingProfileKind="Dynamic",
        recurrencyKind=None,
        transactionId=None,
        maxOfflineDuration=60,
        invalidAfterOfflineDuration=True,
        dynUpdateInterval=30,
        dynUpdateTime="2026-05-01T14:00:00+02:00",
        priceScheduleSignature="sig",
        **schedule(
            startSchedule="2026-05-01T12:00:00.5+02:00",
            useLocalTime=True,
            randomizedDelay=20,
            limitAtSoC={"soc": 80, "limit": 7.5},
            powerTolerance=2.5,
            chargingSchedulePeriod=[
                {
                    "startPeriod": 0,
                    "limit": 16,
                    "limit_L2": 15.5,
                    "limit_L3": 15,
                    "dischargeLimit": -10,
                    "setpoint": 1,
                    "setpoint_L2": 2,
                    "setpoint_L3": 3,
                    "setpointReactive": 0.5,
                    "operationMode": "CentralFrequency",
                    "v2xBaseline": 3,
                    "v2xFreqWattCurve": curve,
                    "evseSleep": True,
                },
                {"startPeriod": 60, "setpoint": -4.2},
            ],
        ),
    )
    valid("SetChargingProfile", {"evseId": 1, "chargingProfile": payload}, "2.1")
    profile = read_profile(payload)
    assert profile.purpose is Purpose.LOCAL_GENERATION
    assert profile.kind is Kind.DYNAMIC
    assert (profile.max_offline_s, profile.invalid_after_offline) == (60, True)
    assert (profile.dyn_interval_s, profile.dyn_updated) == (30, int(NOON))
    assert profile.extra["priceScheduleSignature"] == "sig"
    (one,) = profile.schedules
    assert one.local_time
    assert one.start == int(NOON), "the zone does not count"
    assert one.randomized_delay == 20
    assert one.soc_limit == (80, 7500)
    assert one.extra["powerTolerance"] == 2.5
    first, second = one.periods
    assert first.limit == Rates(16_000, 15_500, 15_000)
    assert first.discharge == Rates(-10_000)
    assert first.setpoint == Rates(1000, 2000, 3000)
    assert first.reactive == Rates(500)
    assert first.mode is OperationMode.CENTRAL_FREQUENCY
    assert first.extra == {"v2xBaseline": 3, "v2xFreqWattCurve": curve, "evseSleep": True}
    assert (second.limit, second.setpoint) == (None, Rates(-4200))
    assert not tellable(profile)


def test_absent_is_the_default_of_21() -> None:
    profile = read_profile(wire(maxOfflineDuration=60))
    assert not profile.invalid_after_offline
    assert not profile.schedules[0].local_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-05-01T12:00:00Z", 0),
        ("2026-05-01T14:00:00+02:00", 0),
        ("2026-05-01t12:00:00z", 0),
        ("2026-05-01T12:00:00.999999Z", 0),
        ("2026-05-01T12:00:00", 0),  # without a zone: UTC
        ("2026-05-01T11:59:59.9Z", -1),
    ],
)
def test_times_are_whole_seconds(text: str, seconds: int) -> None:
    assert read_profile(wire(validFrom=text)).valid_from == int(NOON) + seconds


@pytest.mark.parametrize(
    "text", ["2026-05-01T12:00:00Z", "2026-05-01T12:00:00-08:00", "2026-05-01T12:00:00+0530", "2026-05-01T12:00:00.5"]
)
def test_local_time_disregards_the_zone(text: str) -> None:
    profile = read_profile(wire(**schedule(startSchedule=text, useLocalTime=True)))
    assert profile.schedules[0].start == int(NOON)
    assert profile.schedules[0].extra.keys() == {"salesTariff"}


def test_a_transaction_of_another_purpose_binds_nothing() -> None:
    payload = wire(chargingProfilePurpose="TxDefaultProfile")
    profile = read_profile(payload)
    assert profile.tx_id is None
    assert told(profile)["transactionId"] == "tx-1"


@pytest.mark.parametrize(
    ("payload", "field", "reason"),
    [
        ("x", "", "InvalidProfile"),
        (wire(id=None), ".id", "MissingParam"),
        (wire(id="7"), ".id", "InvalidProfile"),
        (wire(id=2**31), ".id", "InvalidProfile"),
        (wire(stackLevel=None), ".stackLevel", "MissingParam"),
        (wire(stackLevel=-1), ".stackLevel", "InvalidStackLevel"),
        (wire(chargingProfilePurpose="Other"), ".chargingProfilePurpose", "InvalidProfile"),
        (wire(chargingProfileKind=None), ".chargingProfileKind", "MissingParam"),
        (wire(recurrencyKind="Yearly"), ".recurrencyKind", "InvalidProfile"),
        (wire(validTo="tomorrow"), ".validTo", "InvalidProfile"),
        (wire(validTo=12), ".validTo", "InvalidProfile"),
        (wire(transactionId="x" * 37), ".transactionId", "InvalidProfile"),
        (wire(transactionId=""), ".transactionId", "InvalidProfile"),
        (wire(invalidAfterOfflineDuration=1), ".invalidAfterOfflineDuration", "InvalidProfile"),
        (wire(chargingSchedule=None), ".chargingSchedule", "MissingParam"),
        (wire(chargingSchedule=[]), ".chargingSchedule", "InvalidProfile"),
        (wire(chargingSchedule=WIRE["chargingSchedule"] * 4), ".chargingSchedule", "TooManyElements"),
        (wire(chargingSchedule=[1]), ".chargingSchedule[0]", "InvalidSchedule"),
        (wire(**schedule(chargingRateUnit="VA")), ".chargingSchedule[0].chargingRateUnit", "InvalidSchedule"),
        (wire(**schedule(duration=-1)), ".chargingSchedule[0].duration", "InvalidSchedule"),
        (wire(**schedule(duration=2**40)), ".chargingSchedule[0].duration", "InvalidSchedule"),
        (wire(**schedule(limitAtSoC={"soc": 80})), ".chargingSchedule[0].limitAtSoC.limit", "MissingParam"),
        (wire(**period(limit=float("nan"))), ".chargingSchedule[0].chargingSchedulePeriod[0].limit", "InvalidSchedule"),
        (wire(**period(limit=1e300)), ".chargingSchedule[0].chargingSchedulePeriod[0].limit", "InvalidSchedule"),
        (wire(**period(limit=True)), ".chargingSchedule[0].chargingSchedulePeriod[0].limit", "InvalidSchedule"),
        (
            wire(**period(limit=None, limit_L2=3)),
            ".chargingSchedule[0].chargingSchedulePeriod[0].limit",
            "MissingParam",
        ),
        (
            wire(**period(startPeriod=None)),
            ".chargingSchedule[0].chargingSchedulePeriod[0].startPeriod",
            "MissingParam",
        ),
        (
            wire(**period(startPeriod=0.5)),
            ".chargingSchedule[0].chargingSchedulePeriod[0].startPeriod",
            "InvalidSchedule",
        ),
        (
            wire(**period(numberPhases=4)),
            ".chargingSchedule[0].chargingSchedulePeriod[0].numberPhases",
            "InvalidSchedule",
        ),
        (
            wire(**period(operationMode="Sleep")),
            ".chargingSchedule[0].chargingSchedulePeriod[0].operationMode",
            "InvalidSchedule",
        ),
    ],
)
def test_the_field_that_is_wrong_is_named(payload: object, field: str, reason: str) -> None:
    with pytest.raises(ProfileError) as caught:
        read_profile(payload, "profile")
    assert (caught.value.field, caught.value.reason) == (f"profile{field}", reason)
    assert str(caught.value).startswith(f"profile{field}: ")


def test_a_million_periods_are_not_read() -> None:
    periods = [{"startPeriod": 0, "limit": object()}] * 1_000_000
    with pytest.raises(ProfileError, match="at most 24 are allowed") as caught:
        read_profile(wire(**schedule(chargingSchedulePeriod=periods)), most_periods=24)
    assert caught.value.reason == "TooManyElements"


@pytest.mark.parametrize("limit", [16.1, Decimal("16.1"), 16.1004])
def test_numbers_are_exact_whoever_parsed_them(limit: object) -> None:
    profile = read_profile(wire(**period(limit=limit)))
    assert profile.schedules[0].periods[0].limit == Rates(16_100)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    *[(name,) for name in WIRE],
    *[("chargingSchedule", 0, name) for name in (*WIRE["chargingSchedule"][0], "limitAtSoC", "useLocalTime")],
    *[
        ("chargingSchedule", 0, "chargingSchedulePeriod", 1, name)
        for name in ("startPeriod", "limit", "limit_L2", "setpoint", "numberPhases", "operationMode", "discharge")
    ],
]


@given(place=st.sampled_from(PLACES), value=JSON)
def test_whatever_is_sent_is_read_or_refused_by_name(place: tuple[Any, ...], value: object) -> None:
    payload = json.loads(json.dumps(WIRE))
    target = payload
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    wrong = None
    try:
        read_profile(payload)
    except ProfileError as error:
        wrong = error
    assert wrong is None or (wrong.field.startswith("chargingProfile") and wrong.info)


@given(value=JSON)
def test_what_is_no_profile_at_all_is_refused(value: object) -> None:
    with pytest.raises(ProfileError):
        read_profile(value)


# --- there and back -------------------------------------------------------------------------------------------------

SECONDS = st.integers(0, 2**31 - 1)
MOMENTS = st.integers(int(parse_iso("1970-01-01T00:00:00Z")), int(parse_iso("9000-01-01T00:00:00Z")))
RATES = st.builds(Rates, st.integers(-(10**9), 10**9))
PERIODS = st.builds(
    Period, SECONDS, RATES, phases=st.none() | st.integers(0, 3), phase_to_use=st.none() | st.integers(0, 3)
)
SCHEDULES = st.builds(
    Schedule,
    st.sampled_from(RateUnit),
    st.lists(PERIODS, min_size=1, max_size=5).map(tuple),
    start=st.none() | MOMENTS,
    duration=st.none() | SECONDS,
    id=st.integers(-(2**31), 2**31 - 1),
    min_rate=st.none() | st.integers(0, 10**9),
)
PROFILES = st.builds(
    Profile,
    id=st.integers(-(2**31), 2**31 - 1),
    stack_level=SECONDS,
    purpose=st.sampled_from([Purpose.STATION_MAX, Purpose.TX_DEFAULT, Purpose.EXTERNAL]),
    kind=st.sampled_from([Kind.ABSOLUTE, Kind.RECURRING, Kind.RELATIVE]),
    schedules=st.lists(SCHEDULES, min_size=1, max_size=3).map(tuple),
    recurrency=st.none() | st.sampled_from(Recurrency),
    valid_from=st.none() | MOMENTS,
    valid_to=st.none() | MOMENTS,
    invalid_after_offline=st.just(False),
)


@given(PROFILES, st.none() | st.text("abc-123", min_size=1, max_size=36))
def test_what_is_told_reads_as_what_was_installed(profile: Profile, tx_id: str | None) -> None:
    if tx_id is not None:
        profile = replace(profile, purpose=Purpose.TX, tx_id=tx_id)
    assert read_profile(json.loads(json.dumps(told(profile)))) == profile


def test_what_was_set_is_told_again() -> None:
    """Also parts of a second, what has no meaning to us, and the spelling of numbers."""
    assert told(read_profile(WIRE)) == WIRE


def test_fields_of_21_are_left_out() -> None:
    payload = wire(maxOfflineDuration=3, **schedule(randomizedDelay=3, powerTolerance=1))
    assert told(read_profile(payload)) == WIRE


@pytest.mark.parametrize(("unit", "limit"), [("A", 14), ("W", 45)])
def test_three_limits_become_one(unit: str, limit: int) -> None:
    profile = read_profile(wire(**period(limit=15, limit_L2=14, limit_L3=16)))
    assert told(profile)["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] == 14
    in_unit = replace(profile, schedules=(replace(profile.schedules[0], unit=RateUnit(unit)),))
    assert told(in_unit)["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] == limit


def test_what_cannot_be_told_is_not() -> None:
    with pytest.raises(ValueError, match="profile 7"):
        write_profile(read_profile(wire(**period(limit=None, setpoint=3))))
    assert not tellable(read_profile(wire(chargingProfilePurpose="PriorityCharging")))


# --- composite schedules --------------------------------------------------------------------------------------------


def composed(*periods: CompositePeriod, unit: RateUnit = RateUnit.A, duration: int = 300) -> dict[str, Any] | None:
    schedule = write_composite(Composite(2, int(NOON), duration, unit, periods))
    if schedule is not None:
        answer = {"status": "Accepted", "schedule": schedule}
        problem = Schemas.for_version("2.0.1").response("GetCompositeSchedule").problem(answer)
        assert problem is None, problem
    return schedule


def limited(start: int, limit: Fraction | int | None, **more: Any) -> CompositePeriod:
    return CompositePeriod(start, None if limit is None else PhaseLimits(Fraction(limit)), **more)


def test_a_composite_schedule_is_rounded_down() -> None:
    assert composed(limited(0, Fraction(100, 7), phases=3), limited(60, 6, phases=1, phase_to_use=2)) == {
        "evseId": 2,
        "duration": 300,
        "scheduleStart": "2026-05-01T12:00:00.000Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 14.2, "numberPhases": 3},
            {"startPeriod": 60, "limit": 6, "numberPhases": 1, "phaseToUse": 2},
        ],
    }


@given(st.fractions(0, 10**6))
def test_a_composite_never_promises_more(limit: Fraction) -> None:
    schedule = composed(limited(0, limit))
    assert schedule is not None
    told = Fraction(str(schedule["chargingSchedulePeriod"][0]["limit"]))
    assert limit - Fraction(1, 10) < told <= limit
    assert told.denominator in {1, 2, 5, 10}


def test_a_composite_is_told_from_its_first_limit_to_its_last() -> None:
    schedule = composed(limited(0, None), limited(100, 8), limited(150, 6), limited(200, None))
    assert schedule is not None
    assert (schedule["scheduleStart"], schedule["duration"]) == ("2026-05-01T12:01:40.000Z", 100)
    assert [one["startPeriod"] for one in schedule["chargingSchedulePeriod"]] == [0, 50]
    assert composed(limited(0, None)) is None
    assert composed() is None


def test_a_composite_of_three_phases_in_one_number() -> None:
    rates = PhaseLimits(Fraction(10), Fraction(8), Fraction(9))
    by_unit = {}
    for unit in RateUnit:
        schedule = composed(CompositePeriod(0, rates), unit=unit)
        assert schedule is not None
        by_unit[unit] = schedule["chargingSchedulePeriod"][0]["limit"]
    assert by_unit == {RateUnit.A: 8, RateUnit.W: 27}
