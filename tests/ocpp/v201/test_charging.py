"""Block K: the four messages of a CSMS about charging profiles, translated. TC_K_15 (not supported)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from station.core import events
from station.core.charging.composite import Composite, CompositePeriod, PhaseLimits
from station.core.charging.policy import RULES_201
from station.core.charging.profiles import Installed, LimitSource, Purpose, RateUnit
from station.core.device_model import VariableKey
from station.core.types import Verdict
from station.ocpp.v201 import charging
from station.ocpp.v201.charging_profiles import read_profile, write_profile

PROFILE = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": [
        {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1}]}
    ],
}
SET = {"evseId": 1, "chargingProfile": PROFILE}
REQUESTS = {
    "SetChargingProfile": SET,
    "GetChargingProfiles": {"requestId": 5, "chargingProfile": {}},
    "ClearChargingProfile": {"chargingProfileId": 1},
    "GetCompositeSchedule": {"evseId": 1, "duration": 60},
}


def installed(number, evse=0, source=LimitSource.CSO, **more):
    profile = read_profile({**PROFILE, "id": number})
    return Installed(replace(profile, **more), evse, source, 100)


def test_every_action_has_its_handler():
    assert charging.HANDLERS.keys() == REQUESTS.keys()


@pytest.mark.parametrize("action", REQUESTS)
def test_without_smart_charging(station, action):  # TC_K_15, K01.FR.29
    station.model.put(VariableKey("SmartChargingCtrlr", "Available"), "false")
    assert station.ask(action, REQUESTS[action]) == "NotSupported"
    assert station.commands() == []


@pytest.mark.parametrize("action", REQUESTS)
def test_a_station_whose_model_has_no_smart_charging(station_with, define, action):
    station = station_with(define("OCPPCommCtrlr", "HeartbeatInterval", "300"))
    assert station.ask(action, REQUESTS[action]) == "NotSupported"


# --- SetChargingProfile ---------------------------------------------------------------------------------------------


def test_set(station):  # TC_K_01
    assert station.ask("SetChargingProfile", SET) == {"status": "Accepted"}
    assert station.commands() == [events.InstallProfile(7, read_profile(PROFILE), 1, RULES_201, LimitSource.CSO)]


def test_set_refused_by_the_core(station):  # TC_K_14
    station.verdict = Verdict("Rejected", "UnknownEvse", "evseId: there is no EVSE 9")
    assert station.ask("SetChargingProfile", {**SET, "evseId": 9}) == {
        "status": "Rejected",
        "statusInfo": {"reasonCode": "UnknownEvse", "additionalInfo": "evseId: there is no EVSE 9"},
    }


def test_set_that_cannot_be_read(station):
    answer = station.ask("SetChargingProfile", {**SET, "chargingProfile": {**PROFILE, "validTo": "soon"}})
    assert answer == {
        "status": "Rejected",
        "statusInfo": {
            "reasonCode": "InvalidProfile",
            "additionalInfo": "validTo: is no date-time of RFC 3339",
        },
    }
    assert station.commands() == []


def test_more_periods_than_announced(station):
    periods = [{"startPeriod": second, "limit": 6} for second in range(1024)]
    schedule = {**PROFILE["chargingSchedule"][0], "chargingSchedulePeriod": periods}
    request = {**SET, "chargingProfile": {**PROFILE, "chargingSchedule": [schedule]}}
    assert station.ask("SetChargingProfile", request)["status"] == "Accepted"
    station.model.compute(VariableKey("SmartChargingCtrlr", "PeriodsPerSchedule"), lambda: "24")
    assert station.ask("SetChargingProfile", request)["statusInfo"]["reasonCode"] == "TooManyElements"


# --- ClearChargingProfile -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "command"),
    [
        ({"chargingProfileId": 0}, events.ClearProfiles(7, 0)),  # TC_K_05; 0 is an id
        (
            {"chargingProfileCriteria": {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0, "evseId": 0}},
            events.ClearProfiles(7, evse=0, purpose=Purpose.TX_DEFAULT, stack_level=0),  # TC_K_06
        ),
        ({"chargingProfileCriteria": {"evseId": 2}}, events.ClearProfiles(7, evse=2)),
        # K10.FR.04: NOT K10.FR.03, so an id alone decides
        ({"chargingProfileId": 3, "chargingProfileCriteria": {"evseId": 2}}, events.ClearProfiles(7, 3)),
        ({}, events.ClearProfiles(7)),
    ],
)
def test_clear(station, request_, command):
    assert station.ask("ClearChargingProfile", request_) == {"status": "Accepted"}
    assert station.commands() == [command]


@pytest.mark.parametrize("word", ["Unknown", "Rejected"])
def test_nothing_to_clear(station, word):  # TC_K_08, K10.FR.01
    station.verdict = Verdict(word)
    assert station.ask("ClearChargingProfile", {"chargingProfileId": 3}) == {"status": "Unknown"}


# --- GetCompositeSchedule -------------------------------------------------------------------------------------------


def test_composite(station):
    period = CompositePeriod(0, PhaseLimits(Fraction(321, 20)), phases=3)
    station.verdict = Verdict("Accepted", data={"composite": Composite(1, 1_750_000_000, 60, RateUnit.W, (period,))})
    request = {"evseId": 1, "duration": 60, "chargingRateUnit": "W"}
    assert station.ask("GetCompositeSchedule", request) == {
        "status": "Accepted",
        "schedule": {
            "evseId": 1,
            "duration": 60,
            "scheduleStart": "2025-06-15T15:06:40.000Z",
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16, "numberPhases": 3}],
        },
    }
    assert station.commands() == [events.GetComposite(7, 1, 60, RateUnit.W)]


@pytest.mark.parametrize("reason", ["UnknownEvse", "UnsupportedRateUnit"])
def test_composite_refused(station, reason):  # TC_K_42, TC_K_47: K08.FR.05, FR.07
    station.verdict = Verdict("Rejected", reason, "because", {"composite": "never shown"})
    assert station.ask("GetCompositeSchedule", REQUESTS["GetCompositeSchedule"]) == {
        "status": "Rejected",
        "statusInfo": {"reasonCode": reason, "additionalInfo": "because"},
    }
    assert station.commands() == [events.GetComposite(7, 1, 60, None)]


def test_a_composite_without_a_limit_is_refused(station):
    station.verdict = Verdict("Accepted", data={"composite": Composite(1, 0, 60, RateUnit.A, ())})
    answer = station.ask("GetCompositeSchedule", REQUESTS["GetCompositeSchedule"])
    assert answer["status"] == "Rejected"
    assert "nothing limits" in answer["statusInfo"]["additionalInfo"]


def test_a_negative_duration(station):
    answer = station.ask("GetCompositeSchedule", {"evseId": 1, "duration": -1})
    assert answer["statusInfo"]["reasonCode"] == "ValueTooLow"
    assert station.commands() == []


# --- GetChargingProfiles --------------------------------------------------------------------------------------------


def reported(station):
    """(evseId, source, ids, tbc) of every report; all have the same requestId."""
    frames = [frame for frame in station.sent() if frame.action == "ReportChargingProfiles"]
    assert {frame.payload["requestId"] for frame in frames} <= {5}  # K09.FR.01
    return [
        (
            frame.payload["evseId"],
            frame.payload["chargingLimitSource"],
            [profile["id"] for profile in frame.payload["chargingProfile"]],
            frame.payload["tbc"],
        )
        for frame in frames
    ]


@pytest.fixture
def full(station):
    station.profiles = [
        installed(1, purpose=Purpose.STATION_MAX, stack_level=1),
        installed(2),
        installed(3, 1),
        installed(4, 1, stack_level=1),
        installed(5, 2),
        installed(6, 2, purpose=Purpose.TX, tx_id="tx-2"),
        installed(-1, source=LimitSource.EMS, purpose=Purpose.EXTERNAL),
    ]
    return station


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({"chargingProfile": {}}, {-1, 1, 2, 3, 4, 5, 6}),  # TC_K_31
        ({"evseId": 0, "chargingProfile": {}}, {-1, 1, 2}),  # TC_K_29
        ({"evseId": 1, "chargingProfile": {}}, {3, 4}),  # TC_K_30
        ({"evseId": 9, "chargingProfile": {}}, set()),
        ({"chargingProfile": {"chargingProfileId": [2, 6, 99]}}, {2, 6}),  # TC_K_32
        ({"evseId": 1, "chargingProfile": {"chargingProfileId": [2, 3]}}, {3}),
        ({"evseId": 1, "chargingProfile": {"stackLevel": 0}}, {3}),  # TC_K_33
        ({"chargingProfile": {"stackLevel": 1}}, {1, 4}),
        ({"chargingProfile": {"chargingLimitSource": ["EMS", "SO"]}}, {-1}),  # TC_K_34
        ({"evseId": 1, "chargingProfile": {"chargingLimitSource": ["EMS"]}}, set()),
        ({"evseId": 2, "chargingProfile": {"chargingProfilePurpose": "TxProfile"}}, {6}),  # TC_K_35
        ({"evseId": 1, "chargingProfile": {"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 1}}, {4}),
        ({"chargingProfile": {"chargingProfilePurpose": "TxProfile", "stackLevel": 1}}, set()),
    ],
)
def test_every_criterion_must_fit(full, asked, ids):  # K09.FR.04 to FR.06
    answer = full.ask("GetChargingProfiles", {"requestId": 5, **asked})
    assert answer == {"status": "Accepted" if ids else "NoProfiles"}
    told = reported(full)
    assert {number for _, _, some, _ in told for number in some} == ids
    assert full.commands() == []


def test_one_report_per_evse_and_source(full):  # K09.FR.02
    full.ask("GetChargingProfiles", REQUESTS["GetChargingProfiles"])
    assert full.order()[0] == "answer"
    assert reported(full) == [
        (0, "CSO", [1, 2], True),
        (0, "EMS", [-1], True),
        (1, "CSO", [3, 4], True),
        (2, "CSO", [5, 6], False),
    ]
    frames = full.sent()
    assert frames[0].payload["chargingProfile"][1] == write_profile(full.profiles[1].profile)


def test_long_reports_are_split(station):
    long = read_profile(PROFILE)
    periods = tuple(replace(long.schedules[0].periods[0], start=second) for second in range(1024))
    long = replace(long, schedules=(replace(long.schedules[0], periods=periods),))
    station.profiles = [Installed(replace(long, id=number), 1) for number in range(4)]
    station.ask("GetChargingProfiles", REQUESTS["GetChargingProfiles"])
    assert reported(station) == [(1, "CSO", [number], number < 3) for number in range(4)]


def test_what_201_cannot_say_is_not_reported(station):
    station.profiles = [installed(1, purpose=Purpose.PRIORITY), installed(2, 1)]
    station.ask("GetChargingProfiles", REQUESTS["GetChargingProfiles"])
    assert reported(station) == [(1, "CSO", [2], False)]


def test_a_report_waits_for_the_one_under_way(full):
    """There is no word for "later" in the response; only where too many wait it is a CALLERROR."""
    full.keeps_series = True
    assert full.ask("GetChargingProfiles", REQUESTS["GetChargingProfiles"]) == {"status": "Accepted"}
    full.profiles.clear()
    frames = full.take_series()
    assert len(frames) == 4, "as it was when it was asked for"
    full.room = False
    full.profiles = [installed(1)]
    assert full.ask("GetChargingProfiles", REQUESTS["GetChargingProfiles"]) == "InternalError"
