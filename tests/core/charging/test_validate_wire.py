"""From the wire's JSON to the verdict: published profiles are taken, nonsense is refused by name, whatever it is."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.charging.policy import RULES_16, RULES_21, RULES_201
from station.core.charging.profiles import LimitSource, ProfileError, Purpose, RateUnit
from station.ocpp.v16.charging_profiles import read_profile as read_16
from station.ocpp.v201.charging_profiles import read_profile
from tests.core.charging.profiles_made import NOON, TX, judge, station

VECTORS = Path(__file__).parents[4] / "shared" / "vectors"
OFFERED = station(phases={0: 3, 1: 3, 2: 3, 3: 3}, max_stack_level=300, transactions={1: TX, 2: TX, 3: TX})
EVERY_21 = replace(
    RULES_21,
    modes=frozenset(),
    purposes=frozenset({"PriorityCharging", "LocalGeneration"}),
    dynamic=True,
    local_time=True,
    randomized_delay=True,
    limit_at_soc=True,
)
Json = Any


# --- profiles that others have published as good ----------------------------------------------------------------------


def published(name: str) -> Json:
    path = VECTORS / name
    if not path.is_file():
        pytest.skip("the published profiles are not at hand")
    return json.loads(path.read_text())


def found(value: Json, place: str, number: str, evse: int | None = None) -> Iterator[tuple[int, Json]]:
    """Every profile in a file with the EVSE that it is for (1 where none is said)."""
    if isinstance(value, dict):
        evse = value.get(place, evse)
        for key, part in value.items():
            if key in {"profile", "csChargingProfiles"} and isinstance(part, dict) and number in part:
                yield 1 if evse is None else evse, part
            else:
                yield from found(part, place, number, evse)
    elif isinstance(value, list):
        for part in value:
            yield from found(part, place, number, evse)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("everest-libocpp/v16_composite_expected.json", 40),
        ("everest-libocpp/v16_profile_testsC_expected.json", 51),
        ("everest-libocpp/v16_e2e_profiles.json", 26),
        ("microocpp/smart_charging_16.json", 12),
    ],
)
def test_published_profiles_of_16(name: str, least: int) -> None:
    taken = 0
    for evse, wire in found(published(name), "connectorId", "chargingProfileId"):
        if wire["chargingProfileKind"] == "Recurring" and "recurrencyKind" not in wire:
            continue  # its authors expect Rejected
        asked = read_16(wire, lambda number: TX, now=NOON, most_periods=1000)
        if asked.purpose is Purpose.TX and evse == 0:
            continue  # its authors put it there past their own checks (5.16: a TxProfile is for a connector)
        verdict = judge(asked, evse, at=OFFERED, rules=RULES_16)
        assert verdict is None, (wire, verdict)
        taken += 1
    assert taken >= least


def test_published_profiles_of_201() -> None:
    taken = 0
    for evse, wire in found(published("everest-libocpp/v2_composite_expected.json"), "evseId", "id"):
        asked = read_profile(wire)
        at = replace(OFFERED, transactions=dict.fromkeys((1, 2, 3), asked.tx_id))
        external = asked.purpose is Purpose.EXTERNAL
        source = LimitSource.SO if external else LimitSource.CSO
        verdict = judge(asked, evse, at=at, rules=RULES_201, source=source)
        assert verdict is None, (wire, verdict)
        taken += 1
    assert taken >= 75


# --- a corpus of nonsense ----------------------------------------------------------------------------------------------


def sound() -> Json:
    return {
        "id": 1,
        "stackLevel": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Recurring",
        "recurrencyKind": "Daily",
        "validFrom": "2024-01-17T00:00:00Z",
        "validTo": "2025-01-17T00:00:00Z",
        "maxOfflineDuration": 600,
        "chargingSchedule": [
            {
                "id": 1,
                "chargingRateUnit": "A",
                "startSchedule": "2024-01-17T17:00:00Z",
                "duration": 80_000,
                "minChargingRate": 6,
                "randomizedDelay": 30,
                "limitAtSoC": {"soc": 80, "limit": 10},
                "chargingSchedulePeriod": [
                    {"startPeriod": 0, "limit": 16.1, "numberPhases": 3},
                    {"startPeriod": 3600, "limit": 6, "numberPhases": 1},
                ],
            }
        ],
    }


def at(*path: str | int, value: Json) -> Callable[[Json], None]:
    """Put `value` there."""

    def change(wire: Json) -> None:
        for step in path[:-1]:
            wire = wire[step]
        wire[path[-1]] = value

    return change


S = ("chargingSchedule", 0)
P = (*S, "chargingSchedulePeriod")
MILLION = [{"startPeriod": 0, "limit": 16}] * 1_000_000  # one object, a million times

CORPUS: dict[str, tuple[Callable[[Json], None], str]] = {
    "a million periods": (at(*P, value=MILLION), "TooManyElements"),
    "a million schedules": (at("chargingSchedule", value=MILLION), "TooManyElements"),
    "no schedule": (at("chargingSchedule", value=[]), "InvalidProfile"),
    "no period": (at(*P, value=[]), "InvalidSchedule"),
    "periods are an object": (at(*P, value={}), "InvalidSchedule"),
    "a period is a number": (at(*P, 1, value=7), "InvalidSchedule"),
    "a period is a list": (at(*P, 1, value=[[]]), "InvalidSchedule"),
    "NaN": (at(*P, 1, "limit", value=float("nan")), "InvalidSchedule"),
    "Infinity": (at(*P, 1, "limit", value=float("inf")), "InvalidSchedule"),
    "a number without end": (at(*P, 1, "limit", value=10**4000), "InvalidSchedule"),
    "nearly no number": (at(*P, 1, "limit", value=-5e-324), ""),
    "negative": (at(*P, 1, "limit", value=-0.1), "InvalidSchedule"),
    "true": (at(*P, 1, "limit", value=True), "InvalidSchedule"),
    "text": (at(*P, 1, "limit", value="16"), "InvalidSchedule"),
    "unsorted": (at(*P, 0, "startPeriod", value=7200), "InvalidSchedule"),
    "twice the same moment": (at(*P, 1, "startPeriod", value=0), "InvalidSchedule"),
    "half a second": (at(*P, 1, "startPeriod", value=0.5), "InvalidSchedule"),
    "a start beyond 32 bits": (at(*P, 1, "startPeriod", value=2**31), "InvalidSchedule"),
    "four phases": (at(*P, 1, "numberPhases", value=4), "InvalidSchedule"),
    "no phase": (at(*P, 1, "numberPhases", value=0), "InvalidSchedule"),
    "a duration without end": (at(*S, "duration", value=10**30), "InvalidSchedule"),
    "a negative duration": (at(*S, "duration", value=-1), "InvalidSchedule"),
    "no duration at all": (at(*S, "duration", value=0), ""),
    "a minimum that is no number": (at(*S, "minChargingRate", value=float("nan")), "InvalidSchedule"),
    "a negative minimum": (at(*S, "minChargingRate", value=-6), "InvalidSchedule"),
    "a delay of NaN": (at(*S, "randomizedDelay", value=float("nan")), "InvalidSchedule"),
    "more than full": (at(*S, "limitAtSoC", value={"soc": 101, "limit": 1}), "InvalidSchedule"),
    "never": (at(*S, "startSchedule", value="9999-12-31T23:59:59Z"), "InvalidSchedule"),
    "before the first year": (at(*S, "startSchedule", value="0000-01-01T00:00:00Z"), "InvalidSchedule"),
    "no date": (at(*S, "startSchedule", value="2024-02-30T00:00:00Z"), "InvalidSchedule"),
    "no start": (at(*S, "startSchedule", value=None), "InvalidSchedule"),
    "ends before it begins": (at("validTo", value="2023-01-17T00:00:00Z"), "InvalidProfile"),
    "valid for ever": (at("validTo", value="9999-12-31T23:59:59Z"), ""),
    "valid since ever": (at("validFrom", value="0001-01-01T00:00:00Z"), ""),
    "valid since a number": (at("validFrom", value=0), "InvalidProfile"),
    "a level without end": (at("stackLevel", value=2**31 - 1), "InvalidStackLevel"),
    "a level beyond 32 bits": (at("stackLevel", value=10**30), "InvalidStackLevel"),
    "a level below none": (at("stackLevel", value=-1), "InvalidStackLevel"),
    "an id beyond 32 bits": (at("id", value=2**31), "InvalidProfile"),
    "an unknown purpose": (at("chargingProfilePurpose", value="Party"), "InvalidProfile"),
    "an unknown kind": (at("chargingProfileKind", value=["Absolute"]), "InvalidProfile"),
    "an unknown unit": (at(*S, "chargingRateUnit", value="kW"), "InvalidSchedule"),
    "never repeated": (at("recurrencyKind", value=None), "MissingParam"),
    "offline for ever": (at("maxOfflineDuration", value=10**12), "InvalidProfile"),
    "unknown fields": (at(*P, 1, "vendorSays", value={"deep": [[[[]]]]}), ""),
}


@pytest.mark.parametrize(("change", "expected"), CORPUS.values(), ids=CORPUS.keys())
def test_nonsense_gets_its_reason(change: Callable[[Json], None], expected: str) -> None:
    wire = sound()
    change(wire)
    reason, words = answer(wire)
    assert reason == expected
    assert len(words) < 300


def answer(wire: Json) -> tuple[str, str]:
    """Reason and words of the refusal, by the reader or by the rules of 2.1; both "" when it is taken."""
    try:
        asked = read_profile(wire, most_periods=1000)
    except ProfileError as error:
        return error.reason, str(error)
    verdict = judge(asked, rules=EVERY_21, at=OFFERED)
    return ("", "") if verdict is None else (verdict.reason or "none", verdict.info or "")


def test_sound_profile_is_taken() -> None:
    """The corpus differs from it in one place each."""
    assert answer(sound()) == ("", "")
    wire = sound()
    wire["chargingSchedule"][0]["chargingRateUnit"] = RateUnit.W.value
    assert answer(wire) == ("", "")


_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    st.sampled_from(["A", "W", "TxProfile", "PriorityCharging", "Dynamic", "Relative", "Idle", "LocalFrequency"]),
)
_anything = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
_FIELDS = [
    (),
    *((name,) for name in sound()),
    ("dynUpdateInterval",),
    ("dynUpdateTime",),
    ("transactionId",),
    *((*S, name) for name in sound()["chargingSchedule"][0]),
    (*S, "useLocalTime"),
    *((*P, 1, name) for name in ("startPeriod", "limit", "limit_L2", "numberPhases", "phaseToUse", "operationMode")),
    *((*P, 1, name) for name in ("setpoint", "setpoint_L3", "dischargeLimit", "setpointReactive", "evseSleep")),
    *((*P, 1, name) for name in ("v2xFreqWattCurve", "v2xBaseline")),
]


@given(st.lists(st.tuples(st.sampled_from(_FIELDS), _anything), min_size=1, max_size=3))
def test_anything_anywhere_is_taken_or_refused(changes: list[tuple[tuple[str | int, ...], Json]]) -> None:
    wire = copy.deepcopy(sound())
    for path, value in changes:
        try:
            if path:
                at(*path, value=value)(wire)
            else:
                wire = value
        except (TypeError, KeyError, IndexError):
            continue  # an earlier change has taken that place away
    reason, words = answer(wire)
    assert bool(reason) == bool(words)
    assert len(words) < 600
