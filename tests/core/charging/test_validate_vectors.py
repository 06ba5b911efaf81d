"""Every accept-or-reject case of K01 to K28 and Q that others have published, over the wire's JSON.

The table is complete by itself; where the published file is at hand, what it expects is compared with the table.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from station.core.charging.policy import RULES_21, RULES_201, Policy, Rules
from station.core.charging.profiles import Installed, LimitSource, ProfileError, Purpose, RateUnit
from station.core.charging.validate import replaced
from station.ocpp.v201.charging_profiles import read_profile
from tests.core.charging.profiles_made import NOON, judge, station

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "validation" / "k01_k28_q_validation.json"

BOTH = ("2.0.1", "2.1")
NEW = ("2.1",)
RULES = {"2.0.1": RULES_201, "2.1": replace(RULES_21, modes=frozenset())}
Json = dict[str, Any]
Change = Callable[[Json], object]
EMS = LimitSource.EMS


@dataclass(frozen=True)
class Row:
    """change: to the base profile. Each of `installed`: change, and its EVSE. reason None: accepted."""

    change: Change
    reason: str | None
    versions: tuple[str, ...] = BOTH
    evse: int = 1
    station: Json = field(default_factory=dict)
    rules: Json = field(default_factory=dict)
    installed: tuple[tuple[Change, int], ...] = ()
    policy: Policy = field(default_factory=Policy)
    remote_start: bool = False


def base() -> Json:
    return {
        "id": 1,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "stackLevel": 1,
        "transactionId": "TX1",
        "chargingSchedule": [
            {
                "id": 1,
                "chargingRateUnit": "A",
                "startSchedule": "2024-01-17T17:00:00Z",
                "chargingSchedulePeriod": [{"startPeriod": 0, "numberPhases": 1, "limit": 5.0}],
            }
        ],
    }


def made(change: Change) -> Json:
    wire = base()
    change(wire)
    return wire


def top(**fields: Any) -> Change:
    """Set fields of the profile; None takes one away. `id` is `number`."""
    return lambda wire: _set(wire, fields)


def default(number: int = 1, **fields: Any) -> Change:
    return top(number=number, chargingProfilePurpose="TxDefaultProfile", transactionId=None, **fields)


def in_schedule(*, profile: Json | None = None, **fields: Any) -> Change:
    return lambda wire: (_set(wire, profile or {}), _set(wire["chargingSchedule"][0], fields))


def in_period(*, profile: Json | None = None, unit: str = "A", **fields: Any) -> Change:
    def change(wire: Json) -> None:
        _set(wire, profile or {})
        wire["chargingSchedule"][0]["chargingRateUnit"] = unit
        _set(wire["chargingSchedule"][0]["chargingSchedulePeriod"][0], fields)

    return change


def starts(*seconds: int) -> Change:
    return in_schedule(chargingSchedulePeriod=[{"startPeriod": second, "limit": 6} for second in seconds])


def twice(*, schedules: bool) -> Change:
    def change(wire: Json) -> None:
        wire["chargingProfileKind"] = "Dynamic"
        wire["chargingSchedule"][0].pop("startSchedule")
        if schedules:
            wire["chargingSchedule"] *= 2
        else:
            wire["chargingSchedule"][0]["chargingSchedulePeriod"].append({"startPeriod": 10, "limit": 6})

    return change


def _set(target: Json, fields: Json) -> None:
    for name, value in fields.items():
        key = "id" if name == "number" else name
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value


MAX = {"chargingProfilePurpose": "ChargingStationMaxProfile", "transactionId": None}
PRIORITY = {"chargingProfilePurpose": "PriorityCharging", "transactionId": None}
GENERATION = {"chargingProfilePurpose": "LocalGeneration", "transactionId": None}
DEFAULT = {"chargingProfilePurpose": "TxDefaultProfile", "transactionId": None}
DYNAMIC = {"chargingProfileKind": "Dynamic"}
CURVE = [{"frequency": 49.8, "power": 5000}, {"frequency": 50.2, "power": -5000}]
CENTRAL = {"operationMode": "CentralSetpoint"}
LOCAL = {"operationMode": "LocalFrequency", "limit": None}
HAS_PRIORITY = {"purposes": frozenset({"PriorityCharging"})}
FEW_MODES = {"modes": frozenset({"ChargingOnly", "Idle"})}
DC = {"phases": {0: 3, 1: 0, 2: 0}}

TABLE: dict[str, Row] = {
    "K01.FR.03": Row(top(transactionId=None), "MissingParam"),
    "K01.FR.16": Row(top(), "InvalidValue", evse=0),
    "K01.FR.33": Row(top(transactionId="OTHER"), "TxNotFound"),
    "K01.FR.09": Row(top(), "TxNotFound", station={"transactions": {}}),
    "K01.FR.19/48": Row(in_period(numberPhases=3, phaseToUse=1), "InvalidSchedule"),
    "K01.FR.20/48": Row(in_period(phaseToUse=1), "InvalidSchedule"),
    "K01.FR.20": Row(in_period(phaseToUse=1), None, station={"phase_switching": True}),
    "K01.FR.26": Row(in_schedule(chargingRateUnit="W"), "UnsupportedRateUnit", station={"units": {RateUnit.A}}),
    "K01-noperiod": Row(in_schedule(chargingSchedulePeriod=[]), "InvalidSchedule"),
    "K01.FR.31": Row(starts(1), "InvalidSchedule"),
    "K01.FR.35": Row(starts(0, 10, 5), "InvalidSchedule"),
    "K01-nan": Row(in_period(limit=float("nan")), "InvalidSchedule"),
    "K01.FR.38a": Row(top(**MAX), None, evse=0),
    "K01.FR.38b": Row(top(**MAX, chargingProfileKind="Recurring", recurrencyKind="Daily"), None, evse=0),
    "K01.FR.38c": Row(
        in_schedule(profile=MAX | {"chargingProfileKind": "Relative"}, startSchedule=None), "InvalidValue", evse=0
    ),
    "K04.FR.03": Row(top(**MAX), "InvalidValue"),
    "K01.FR.39": Row(top(number=2), "InvalidStackLevel", installed=((top(), 1),)),
    "K01.FR.40a": Row(in_schedule(startSchedule=None), "InvalidSchedule"),
    "K01.FR.40b": Row(
        in_schedule(profile={"chargingProfileKind": "Recurring", "recurrencyKind": "Daily"}, startSchedule=None),
        "InvalidSchedule",
    ),
    "K01.FR.41": Row(top(chargingProfileKind="Relative"), "InvalidSchedule"),
    "K01.FR.28": Row(top(), "UnknownEvse", evse=3),
    "K01.FR.52": Row(default(2), "DuplicateProfile", evse=0, installed=((default(), 1),)),
    "K01.FR.52-same": Row(default(), None, evse=0, installed=((default(), 0),)),
    "K01.FR.53": Row(default(2), "DuplicateProfile", installed=((default(), 0),)),
    "K01.FR.53-diff": Row(default(2), None, evse=2, installed=((default(), 1),)),
    "K01.FR.44a": Row(in_period(numberPhases=1), "InvalidSchedule", ("2.0.1",), station=DC),
    "K01.FR.44b": Row(in_period(numberPhases=None, phaseToUse=1), "NoPhaseForDC", NEW, station=DC),
    "K01.FR.44c": Row(in_period(phaseToUse=1), None, NEW, station=DC | {"dc_input_phase_control": True}),
    "K01.FR.45": Row(in_period(numberPhases=3), "InvalidSchedule", station={"phases": {0: 1, 1: 1, 2: 1}}),
    "K01.FR.49": Row(in_period(numberPhases=None), None),
    "K01.FR.05": Row(default(), None, evse=2, installed=((default(), 1),)),
    "K01.FR.06-a": Row(
        default(2, validFrom="2024-01-17T13:00:00Z", validTo="2024-01-17T14:00:00Z"),
        "DuplicateProfile",
        installed=((default(), 1),),
    ),
    "K01.FR.06-b": Row(
        default(2, validTo="2024-01-17T13:00:00Z"),
        "DuplicateProfile",
        installed=((default(validFrom="2024-01-17T13:00:00Z"), 1),),
        policy=Policy(touching_overlaps=True),
    ),
    "K01.FR.06-c": Row(
        default(2, validFrom="2024-01-17T12:30:00Z", validTo="2024-01-17T14:00:00Z"),
        "DuplicateProfile",
        installed=((default(validFrom="2024-01-17T12:00:00Z", validTo="2024-01-17T13:00:00Z"), 1),),
    ),
    "K01.FR.22": Row(
        top(chargingProfilePurpose="ChargingStationExternalConstraints", transactionId=None), "InvalidValue", evse=0
    ),
    "K05.FR.02": Row(default(), "InvalidProfile", remote_start=True),
    "K01.FR.56": Row(default(), "RateLimitExceeded", NEW, rules={"update_rate_s": 5000}, installed=((default(), 1),)),
    "K01.FR.70": Row(in_schedule(profile=PRIORITY, duration=60), "InvalidSchedule", NEW, rules=HAS_PRIORITY),
    "K01.FR.71a": Row(
        in_period(profile=PRIORITY, operationMode="ExternalLimits"), "InvalidSchedule", NEW, rules=HAS_PRIORITY
    ),
    "K01.FR.71b": Row(in_period(profile=PRIORITY, operationMode="ChargingOnly"), None, NEW, rules=HAS_PRIORITY),
    "K01.FR.81a": Row(top(), "InvalidProfileId", NEW, rules={"external_ids_up_to": 25}),
    "K01.FR.81b": Row(top(number=26), None, NEW, rules={"external_ids_up_to": 25}),
    "K01.FR.120a": Row(top(**PRIORITY), "UnsupportedPurpose", NEW),
    "K01.FR.120b": Row(top(**GENERATION), "UnsupportedPurpose", NEW),
    "K01.FR.121": Row(in_schedule(profile=DYNAMIC, startSchedule=None), "UnsupportedKind", NEW),
    "K01.FR.122": Row(top(dynUpdateInterval=20), "InvalidProfile", NEW, rules={"dynamic": True}),
    "K01.FR.123": Row(in_schedule(useLocalTime=True), "InvalidSchedule", NEW),
    "K01.FR.124": Row(in_schedule(randomizedDelay=10), "InvalidSchedule", NEW),
    "K01.FR.95": Row(
        in_schedule(profile=MAX, randomizedDelay=10), "InvalidSchedule", NEW, evse=0, rules={"randomized_delay": True}
    ),
    "K01.FR.125": Row(in_schedule(limitAtSoC={"soc": 80, "limit": 3}), "InvalidSchedule", NEW),
    "K01.FR.126a": Row(in_period(evseSleep=True, operationMode="ChargingOnly"), "InvalidSchedule", NEW),
    "K01.FR.126b": Row(
        in_period(evseSleep=True, operationMode="ChargingOnly"), "InvalidSchedule", NEW, rules={"evse_sleep": True}
    ),
    "Q10.FR.05": Row(in_period(evseSleep=True, operationMode="Idle", limit=None), None, NEW),
    "K01.FR.115a": Row(
        in_period(operationMode="CentralSetpoint", setpoint=4), "InvalidOperationMode", NEW, rules=FEW_MODES
    ),
    "K01.FR.115b": Row(in_period(operationMode="Idle", limit=None), None, NEW, rules=FEW_MODES),
    "Q09.FR.01": Row(
        in_period(operationMode="LocalLoadBalancing", limit=None), "UnsupportedParam", NEW, rules=FEW_MODES
    ),
    "Q08.FR.02a": Row(in_period(unit="W", **LOCAL, v2xBaseline=0), "NoFreqWattCurve", NEW),
    "Q08.FR.02b": Row(in_period(unit="W", **LOCAL, v2xBaseline=0, v2xFreqWattCurve=CURVE[:1]), "NoFreqWattCurve", NEW),
    "Q08.FR.02c": Row(in_period(unit="W", **LOCAL, v2xFreqWattCurve=CURVE), "NoFreqWattCurve", NEW),
    "Q08.FR.05a": Row(in_period(**LOCAL, v2xBaseline=0, v2xFreqWattCurve=CURVE), "UnsupportedRateUnit", NEW),
    "Q08.FR.05b": Row(in_period(unit="W", **LOCAL, v2xBaseline=0, v2xFreqWattCurve=CURVE), None, NEW),
    "V2X-sign": Row(
        in_period(**CENTRAL, limit=None, setpoint=10, setpoint_L2=-10, setpoint_L3=10), "InvalidSchedule", NEW
    ),
    "V2X.05a": Row(in_period(unit="W", **CENTRAL, setpoint=8000, limit=5000), "InvalidSchedule", NEW),
    "V2X.05b": Row(
        in_period(unit="W", **CENTRAL, setpoint=-5000, dischargeLimit=-3000, limit=None), "InvalidSchedule", NEW
    ),
    "V2X.05c": Row(in_period(unit="W", **CENTRAL, setpoint=5000, limit=7000, dischargeLimit=-3000), None, NEW),
    "V2X.05d": Row(in_period(unit="W", **CENTRAL, setpoint=5000, limit=None), None, NEW),
    "V2X.10a": Row(
        in_period(profile=DEFAULT, **CENTRAL, setpoint=4, dischargeLimit=-3, dischargeLimit_L2=-3), "PhaseConflict", NEW
    ),
    "V2X.10b": Row(in_period(profile=MAX, limit_L3=3), "PhaseConflict", NEW, evse=0),
    "V2X.10c": Row(in_period(**CENTRAL, setpoint=4, dischargeLimit=-3, dischargeLimit_L2=-3), None, NEW),
    "K28.FR.01a": Row(twice(schedules=True), "InvalidSchedule", NEW, rules={"dynamic": True}),
    "K28.FR.01b": Row(twice(schedules=False), "InvalidSchedule", NEW, rules={"dynamic": True}),
    "K28.FR.02": Row(
        in_schedule(profile=DYNAMIC, startSchedule=None, chargingSchedulePeriod=[{"startPeriod": 10, "limit": 6}]),
        "InvalidSchedule",
        NEW,
        rules={"dynamic": True},
    ),
    "K28.FR.05": Row(in_schedule(profile=DYNAMIC, startSchedule=None), None, NEW, rules={"dynamic": True}),
}

ANOTHER_REASON = {
    "K01.FR.28": "K01.FR.28 names no reason, the list has UnknownEvse for just this",
    "K05.FR.02": "F01, F02: InvalidProfile or InvalidSchedule",
    "K01.FR.44a in 2.1": "2.1 K01.FR.44: NoPhaseForDC",
    "V2X.10b": "setpointReactive is not for ChargingOnly at all (Q02.FR.02): the row here has limit_L3 (K01.FR.144)",
}
"""Where the specification says something else than the implementation that the cases come from, and its clause."""

ELSEWHERE = {
    "K01.FR.29": "the answer is a CALLERROR, given before a profile is read: the adapters",
    "K10.FR.07": "ClearChargingProfile: the core's smart charging",
    "K08.FR.05": "GetCompositeSchedule: the core's smart charging",
    "K08.FR.07": "GetCompositeSchedule: the core's smart charging",
    "K02.FR.05": "end of a transaction: the core's smart charging",
    "K28.FR.06": "UpdateDynamicSchedule is of 2.1 only",
    "K28.FR.11a": "UpdateDynamicSchedule is of 2.1 only",
    "K28.FR.11b": "UpdateDynamicSchedule is of 2.1 only",
    "K28.FR.10": "PullDynamicScheduleUpdate is of 2.1 only",
    "K28.FR.13": "a schedule's end: the composite schedule",
}


def answer(row: Row, version: str) -> str | None:
    rules: Rules = replace(RULES[version], **row.rules)
    installed = [Installed(read_profile(made(change)), evse, at=NOON) for change, evse in row.installed]
    try:
        asked = read_profile(made(row.change))
    except ProfileError as error:
        return error.reason
    verdict = judge(
        asked,
        row.evse,
        installed=installed,
        at=station(**row.station),
        rules=rules,
        policy=row.policy,
        remote_start=row.remote_start,
    )
    return None if verdict is None else verdict.reason


def rows() -> Iterator[Any]:
    for name, row in TABLE.items():
        for version in row.versions:
            yield pytest.param(row, version, id=f"{name} {version}")


@pytest.mark.parametrize(("row", "version"), list(rows()))
def test_case(row: Row, version: str) -> None:
    assert answer(row, version) == row.reason


def test_dc_in_21_has_its_own_word() -> None:
    """2.1 K01.FR.44."""
    assert answer(replace(TABLE["K01.FR.44a"], reason=None), "2.1") == "NoPhaseForDC"


def test_dc_ignores_phases_nowhere_but_in_21_with_input_control() -> None:
    """K01.FR.54 is of 2.1: what an installer set there does not change the answer of 2.0.1."""
    assert answer(TABLE["K01.FR.44c"], "2.0.1") == "InvalidSchedule"


@pytest.mark.parametrize("version", BOTH)
def test_profile_with_a_known_id_moves_to_the_other_evse(version: str) -> None:
    """K01.FR.05."""
    there = Installed(read_profile(made(default())), 1)
    assert replaced(read_profile(made(default())), 2, [there], RULES[version]) == (1,)


def test_touching_validities_do_not_overlap() -> None:
    """K01.FR.37: validTo is exclusive, unless the policy says otherwise."""
    assert answer(replace(TABLE["K01.FR.06-b"], policy=Policy()), "2.0.1") is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "change",
    [
        lambda value: in_period(limit=value),
        lambda value: in_schedule(minChargingRate=value),
        lambda value: in_schedule(limitAtSoC={"soc": 80, "limit": value}),
        lambda value: in_schedule(limitAtSoC={"soc": value, "limit": 3}),
        lambda value: in_period(setpoint=value),
        lambda value: in_period(startPeriod=value),
        lambda value: in_schedule(duration=value),
    ],
)
def test_no_number_at_all(change: Callable[[float], Change], value: float) -> None:
    with pytest.raises(ProfileError) as refused:
        read_profile(made(change(value)))
    assert refused.value.reason == "InvalidSchedule"


@pytest.mark.parametrize("purpose", [MAX, PRIORITY, GENERATION])
def test_randomized_delay_is_for_transactions(purpose: Json) -> None:
    """K01.FR.95."""
    row = Row(
        in_schedule(profile=purpose, randomizedDelay=10),
        "InvalidSchedule",
        evse=0,
        rules={"randomized_delay": True, "purposes": frozenset({"PriorityCharging", "LocalGeneration"})},
    )
    assert answer(row, "2.1") == row.reason


# --- the published file ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published() -> Json:
    if not VECTORS.is_file():
        pytest.skip("the published cases are not at hand")
    found: Json = json.loads(VECTORS.read_text())
    return found


def test_every_published_case_is_here_or_elsewhere(published: Json) -> None:
    names = {case["id"] for case in published["cases"]}
    assert names == TABLE.keys() | ELSEWHERE.keys()
    assert not TABLE.keys() & ELSEWHERE.keys()


def test_base_profile_is_the_published_one(published: Json) -> None:
    mine = copy.deepcopy(base())
    mine.pop("id")
    mine["chargingSchedule"][0].pop("id")
    assert mine == published["base_profile"]


def test_table_says_what_is_published(published: Json) -> None:
    for case in published["cases"]:
        row = TABLE.get(case["id"])
        if row is None:
            continue
        accepted = case["status"] == "Accepted"
        assert (row.reason is None) == accepted, case["id"]
        if case["id"] not in ANOTHER_REASON and "reasonCode" in case:
            assert row.reason == case["reasonCode"], case["id"]
        for version in case["versions"]:
            assert version in row.versions or f"{case['id']} in {version}" in ANOTHER_REASON


def test_operation_modes_by_purpose(published: Json) -> None:
    """2.1 Part 2 K table 95; errata K01.FR.111 to FR.114."""
    fields: dict[str, Json] = {
        "ChargingOnly": {},
        "LocalFrequency": {"limit": None, "v2xBaseline": 0, "v2xFreqWattCurve": CURVE},
        "CentralFrequency": {"limit": None, "setpoint": 4},
        "ExternalSetpoint": {},
    }
    rules = replace(RULES["2.1"], purposes=frozenset({"PriorityCharging", "LocalGeneration"}))
    judged = published["operation_mode_by_purpose"]["rows"]
    assert len(judged) == 42
    for row in judged:
        mode, purpose = row["operationMode"], row["purpose"]
        tx = "TX1" if purpose == Purpose.TX.value else None
        change = in_period(
            profile={"chargingProfilePurpose": purpose, "transactionId": tx},
            unit="W",
            operationMode=mode,
            **fields.get(mode, {"limit": None}),
        )
        external = purpose == Purpose.EXTERNAL.value
        verdict = judge(
            read_profile(made(change)),
            0 if purpose == Purpose.STATION_MAX.value else 1,
            rules=rules,
            **({"source": EMS} if external else {}),
        )
        assert (verdict is None) == row["allowed"], (row, verdict)
        if verdict is not None:
            expected = "InvalidSchedule" if purpose == Purpose.PRIORITY.value else "InvalidOperationMode"
            assert verdict.reason == expected, row


def test_fields_by_operation_mode(published: Json) -> None:
    """2.1 Part 2, "Limits and setpoints per operation mode"."""
    values = {"limit": 7000, "dischargeLimit": -3000, "setpoint": 5000, "setpointReactive": 100}
    judged = published["fields_by_operation_mode"]["rows"]
    assert len(judged) == 34
    for row in judged:
        given = {name: value if row[name] else None for name, value in values.items()}
        if row["operationMode"] == "LocalFrequency":
            given |= {"v2xBaseline": 0, "v2xFreqWattCurve": CURVE}
        asked = read_profile(made(in_period(profile=DEFAULT, unit="W", operationMode=row["operationMode"], **given)))
        verdict = judge(asked, rules=RULES["2.1"])
        assert (verdict is None) == row["valid"], (row, verdict)
        assert verdict is None or verdict.reason == "InvalidSchedule"
