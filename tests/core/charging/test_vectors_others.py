"""Composite schedules and limits of open-ocpp, MicroOcpp, flowionab, the OCTT and the examples of the 2.1 specification."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from station.core.charging.composite import Composite, Site, Tx, compose, limit_at, station_caps_at
from station.core.charging.delays import delayed, drawn
from station.core.charging.policy import Policy
from station.core.charging.profiles import Installed, Kind, Period, Profile, Purpose, Rates, RateUnit, Schedule
from tests.core.charging.vectors import (
    FLOWION,
    OPEN_OCPP,
    a_profile,
    close,
    compare,
    composed,
    load,
    milli,
    needed,
    wall,
)

# --- open-ocpp: gaps are left out, phases are those of the winner ---

BEYOND = "test_composite_schedule1.cpp: 1 relative profile - duration more than asked"
OPEN_OCPP_WRONG = {
    BEYOND: "K08.FR.02: periods up to the duration that was asked for; theirs has one that starts after it",
    "test_composite_schedule2.cpp: 2 profiles - reference + non contiguous before": "K08.FR.02: a schedule is calculated",
    "test_composite_schedule2.cpp: 2 profiles - reference + non contiguous after": "K08.FR.02: a schedule is calculated",
}
"""Judged wrong, with the clause. The last two are answered Rejected there, because of a gap between two profiles."""

NOW = 1_700_000_000


def open_ocpp_cases() -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in load("open-ocpp/composite_16.json")["cases"]] if OPEN else []


OPEN = load("open-ocpp/composite_16.json")


def from_now(value: dict[str, Any]) -> dict[str, Any]:
    """Their times are seconds relative to now."""
    moved = dict(value)
    for name in ("validFrom", "validTo", "dynUpdateTime"):
        if moved.get(name) is not None:
            moved[name] += NOW
    schedule = dict(moved["chargingSchedule"])
    if schedule.get("startSchedule") is not None:
        schedule["startSchedule"] += NOW
    return {**moved, "chargingSchedule": schedule}


def open_ocpp_installed(case: dict[str, Any]) -> list[Installed]:
    found = [Installed(a_profile(from_now(one["profile"])), one["connectorId"], at=NOW) for one in case["profiles"]]
    if "local_limitation" in case:
        # What their station limits by itself, as an external constraint of the EVSE.
        schedule = {**case["local_limitation"], "startSchedule": NOW}
        limitation = {
            "chargingProfileId": -1,
            "stackLevel": 0,
            "chargingProfilePurpose": "ChargingStationExternalConstraints",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": schedule,
        }
        found.append(Installed(a_profile(limitation), case["request"]["connectorId"]))
    return found


def open_ocpp_transactions(case: dict[str, Any]) -> dict[int, Tx]:
    return {
        one["connectorId"]: Tx(str(one["transaction_id"]), NOW + one["transaction_start"])
        for one in case["transactions"]
    }


@needed
@pytest.mark.parametrize("case", open_ocpp_cases())
def test_open_ocpp(case: dict[str, Any]) -> None:
    request, expected, installed = case["request"], case["expected"], open_ocpp_installed(case)
    txs = open_ocpp_transactions(case)
    setpoint_of = request.get("setpoint_of_connector")
    ours = composed(
        installed,
        setpoint_of or request["connectorId"],
        start=NOW,
        duration=request.get("duration", 1),
        unit=RateUnit(request["chargingRateUnit"]),
        policy=OPEN_OCPP,
        site=Site(1),
        txs=txs,
        evses=2,
    )
    if setpoint_of:
        _same_setpoint(ours, expected["connector_setpoint"])
        # Theirs of the charge point is that of its ChargePointMaxProfile, for this connector's transaction.
        only_max = [one for one in installed if one.profile.purpose is Purpose.STATION_MAX]
        of_max = composed(
            only_max, setpoint_of, start=NOW, duration=1, unit=RateUnit.A, policy=OPEN_OCPP, site=Site(1), txs=txs
        )
        _same_setpoint(of_max, expected["charge_point_setpoint"])
        return
    if expected.get("status") == "Rejected":
        assert case["id"] in OPEN_OCPP_WRONG
        assert ours.periods  # the gap counts as the station's maximum
        return
    assert ours.duration == expected["duration"]
    assert ours.start == NOW + expected.get("schedule_start", 0)
    periods = expected["periods"]
    if case["id"] in OPEN_OCPP_WRONG:
        periods = [period for period in periods if period["startPeriod"] < request["duration"]]
    compare(ours, periods)


def _same_setpoint(ours: Composite, expected: dict[str, Any] | None) -> None:
    if expected is None:
        assert not ours.periods
        return
    (period,) = ours.periods
    assert period.limit is not None
    assert close(period.limit.total, expected["value"])
    assert period.phases == expected["number_phases"]


# --- flowionab: 2.1 ---

FLOWION_WRONG = {
    "watts_without_supply_skipped": "K01.FR.50: W is converted with the nominal voltage of the supply, which a station knows"
}
IN_FORCE = {"tx_scoped_not_applied_without_tx", "relative_unknown_tx_start_skipped", "priority_active_without_tx"}
"""What is in force, not the answer to GetCompositeSchedule, which assumes a transaction (K08.FR.06)."""


def flowion_profile(value: dict[str, Any]) -> Installed:
    wire = {
        "chargingProfilePurpose": value["purpose"],
        "chargingProfileKind": value["kind"],
        "chargingSchedule": {
            "chargingRateUnit": value["unit"],
            "chargingSchedulePeriod": value["periods"],
            "startSchedule": value.get("startSchedule"),
            "duration": value.get("duration"),
        },
        **{name: value[name] for name in value if name in {"id", "stackLevel", "recurrencyKind", "transactionId"}},
        **{name: value[name] for name in value if name in {"validFrom", "validTo", "dynUpdateTime"}},
    }
    purpose = Purpose(value["purpose"])
    own = 1 if purpose in {Purpose.TX, Purpose.TX_DEFAULT} else 0
    return Installed(a_profile(from_now(wire)), value.get("evseId", own), at=NOW)


def flowion_cases() -> list[Any]:
    found = load("flowionab/composition_21.json")
    return [pytest.param(case, id=case["id"]) for case in found["cases"]] if found else []


@needed
@pytest.mark.parametrize("case", flowion_cases())
def test_flowionab(case: dict[str, Any]) -> None:
    context, expected = case["context"], case["expected"]
    installed = [flowion_profile(value) for value in case["profiles"]]
    tx = None
    if context["transaction"]:
        begun = context["transaction_start"]
        tx = Tx(context.get("transactionId"), None if begun is None else NOW + begun, context["priority_charging"])
    supply = context.get("supply", {"voltage": 230, "phases": 3})
    site = Site(1, Fraction(supply["voltage"]), supply["phases"])
    ours = compose(
        installed,
        site,
        tx,
        start=NOW,
        duration=context["duration"],
        unit=RateUnit(context["unit"]),
        policy=FLOWION,
    )
    now, _ = limit_at(installed, site, tx, now=NOW, policy=FLOWION)
    if case["id"] in FLOWION_WRONG:
        assert ours.periods
    elif case["id"] in IN_FORCE:
        assert expected is None
        assert now.limit is None
    elif expected is None:
        assert not ours.periods
        assert now.limit is None
    elif "active_limit" in expected:
        assert now.limit is not None
        assert close(now.limit.total, expected["active_limit"])
    else:
        assert ours.start == NOW + expected.get("start", 0)
        assert ours.duration == expected.get("duration", ours.duration)
        told = [(period.start, period.limit and period.limit.total) for period in ours.periods]
        assert told == [(start, limit) for start, limit in expected["periods"]]


# --- MicroOcpp: what is in force, step by step ---

MICRO = load("microocpp/smart_charging_16.json")
WIRE = {"same_id_replaces", "same_stack_purpose_replaces", "persist_over_reboot", "max_profiles_installed", "stack_level_limit",
        "max_periods_limit", "rate_unit_allowed"}  # fmt: skip
"""About messages, not about limits: tested where the messages are."""
MICRO_WRONG = {"mixed_units": "K01.FR.50: W is converted to A per phase; theirs tells both side by side"}


def micro_cases() -> list[Any]:
    return [pytest.param(one, id=one["id"]) for one in MICRO["scenarios"] if one["id"] not in WIRE] if MICRO else []


class MicroStation:
    """Connector 1 of a 1.6 station, as far as the steps of a scenario go."""

    def __init__(self) -> None:
        self.now = wall(MICRO["initial_clock"]) or 0
        self.installed: list[Installed] = []
        self.tx: Tx | None = None

    def take(self, step: dict[str, Any], scenario: str) -> None:
        match step:
            case {"csms_sends": message}:
                self.receive(MICRO["messages"][message])
            case {"set_clock": clock}:
                self.now = wall(clock) or 0
            case {"begin_transaction": _}:
                self.tx = Tx("1", self.now)
            case {"set_transactionId": number}:
                self.tx = Tx(str(number), self.now)
            case {"end_transaction": _}:
                self.installed = [one for one in self.installed if one.profile.purpose is not Purpose.TX]
                self.tx = None
            case {"expect_active_limit_connector1": expected}:
                self.check(expected, scenario)
            case {"get_composite_schedule": request, "expected": expected}:
                self.compose(request, expected)
            case {"expect_installed_profiles": _}:
                pass  # what is accepted is a matter of the message
            case _:
                raise AssertionError(step)

    def receive(self, message: list[Any]) -> None:
        payload = message[3]
        if message[2] == "RemoteStartTransaction":
            self.tx = Tx("9", self.now)
            self.installed.append(Installed(a_profile(payload["chargingProfile"]), payload["connectorId"], at=self.now))
            return
        profile = a_profile(payload["csChargingProfiles"])
        if profile.purpose is Purpose.TX and (self.tx is None or self.tx.tx_id != profile.tx_id):
            return
        self.installed.append(Installed(profile, payload["connectorId"], at=self.now))

    def check(self, expected: dict[str, Any], scenario: str) -> None:
        period, _ = limit_at(self.installed, Site(1), self.tx, now=self.now, policy=Policy())
        assert close(period.limit and period.limit.total, expected["A"])
        if expected["numberPhases"] is not None:
            assert period.phases == expected["numberPhases"]
        assert expected["W"] is None or scenario in MICRO_WRONG

    def compose(self, request: dict[str, Any], expected: dict[str, Any]) -> None:
        unit = RateUnit(request.get("chargingRateUnit", "A"))
        ours = compose(
            self.installed, Site(1), self.tx, start=self.now, duration=request["duration"], unit=unit, policy=Policy()
        )
        assert ours.duration == request["duration"]
        assert [(one.start, one.limit and one.limit.total) for one in ours.periods] == [
            (one["startPeriod"], one["limit"]) for one in expected["periods"]
        ]


@needed
@pytest.mark.parametrize("scenario", micro_cases())
def test_microocpp(scenario: dict[str, Any]) -> None:
    station = MicroStation()
    for step in scenario["steps"]:
        station.take(step, scenario["id"])


# --- OCTT ---


def octt_cases() -> list[Any]:
    found = load("oca/tc_k_composite_201.json")
    return [pytest.param(one, id=one["id"]) for one in found["cases"] if one.get("profiles")] if found else []


@needed
@pytest.mark.parametrize("unit", RateUnit)
@pytest.mark.parametrize("phases", [1, 3])
@pytest.mark.parametrize("passed", [0, 2])
@pytest.mark.parametrize("case", octt_cases())
def test_octt(case: dict[str, Any], passed: int, phases: int, unit: RateUnit) -> None:
    """TC_K_40, TC_K_41. T0 = now - 5; x: seconds from T0 to the answer."""
    x = 5 + passed
    t0 = NOW - 5
    factor = 1 if unit is RateUnit.A else 230 * phases
    installed = []
    for number, value in enumerate(case["profiles"]):
        schedule = Schedule(
            unit,
            tuple(Period(one["startPeriod"], Rates(milli(one["limit"]) * factor), phases) for one in value["periods"]),
            t0,
            value["duration"],
        )
        profile = Profile(
            number,
            value["stackLevel"],
            Purpose(value["purpose"]),
            Kind(value["kind"]),
            (schedule,),
            valid_from=NOW - 5 if "validFrom" in value else None,
            valid_to=NOW + 5 + 401 if "validTo" in value else None,
        )
        installed.append(Installed(profile, value.get("evseId", 1)))
    duration = case["request"]["duration"]
    ours = compose(
        installed,
        Site(1, phases=phases),
        Tx("t", NOW) if case["transaction"] else None,
        start=t0 + x,
        duration=duration,
        unit=unit,
        policy=Policy(),
    )
    expected = [
        (
            0 if "x" not in one["startPeriod"] else int(one["startPeriod"].removesuffix("-x")) - x,
            int(one["limit"][:-1]) * factor,
        )
        for one in case["expected"]
    ]
    expected = [(start, limit) for start, limit in expected if start < duration]
    assert ours.duration == duration
    told = [(period.start, period.limit and period.limit.total) for period in ours.periods]
    assert told[: len(expected)] == expected
    # What is beyond the table is the end of the last duration.
    assert all(start >= expected[-1][0] for start, _ in told[len(expected) :])


def test_octt_tc_k_39() -> None:
    """TC_K_39: nothing installed; there is one period all the same, from 0 on, for the whole duration."""
    ours = compose([], Site(0, maximum_a=Fraction(32)), None, start=NOW, duration=300, unit=RateUnit.A, policy=Policy())
    assert (ours.start, ours.duration) == (NOW, 300)
    assert [(one.start, one.limit and one.limit.total) for one in ours.periods] == [(0, 32)]


# --- examples of the specification ---


@needed
def test_stacking_of_the_specification() -> None:
    """2.1 3.7.1: 2 kW in the evening, but not on Sundays and not on one Christmas."""
    example = load("oca/spec_examples.json")["stacking"]
    installed = [
        Installed(
            a_profile(
                {
                    **value,
                    "chargingProfilePurpose": value["purpose"],
                    "chargingProfileKind": value["kind"],
                    "chargingSchedule": {
                        **value,
                        "chargingRateUnit": value["unit"],
                        "chargingSchedulePeriod": [
                            {"startPeriod": start, "limit": limit} for start, limit in value["periods"]
                        ],
                    },
                }
            ),
            0,
        )
        for value in example["profiles"]
    ]
    for moment, expected in example["expected_limit_at"]:
        now = wall(moment)
        assert now is not None
        ours = compose(installed, Site(1), None, start=now, duration=1, unit=RateUnit.W, policy=Policy())
        limit = ours.periods[0].limit
        assert (limit.total if limit else None) == (None if isinstance(expected, str) else expected), moment


def a_late_schedule(starts: list[int], most: int) -> Profile:
    periods = tuple(Period(start, Rates(1000 * number)) for number, start in enumerate(starts))
    schedule = Schedule(RateUnit.A, periods, 0, 86400, randomized_delay=most)
    return Profile(1, 0, Purpose.TX_DEFAULT, Kind.ABSOLUTE, (schedule,))


@needed
def test_randomized_delay_of_the_specification() -> None:
    example = load("oca/spec_examples.json")["randomized_delay"]
    draws = iter(example["draw_order"])
    most = []

    def draw(up_to: int) -> int:
        most.append(up_to)
        return next(draws)

    profile = drawn(a_late_schedule([start for start, _ in example["periods"]], example["randomizedDelay"]), draw)
    assert [period.start for period in delayed(profile.schedules[0])] == example["expected_starts"]
    assert most == [example["randomizedDelay"]] * 4
    # K01.FR.93: fixed for the transaction; K08.FR.06: none without one.
    for tx, starts in ((Tx("t", 0), example["expected_starts"]), (None, [start for start, _ in example["periods"]])):
        ours = compose([Installed(profile, 1)], Site(1), tx, start=0, duration=86400, unit=RateUnit.A, policy=Policy())
        assert [period.start for period in ours.periods] == starts


@needed
def test_an_overtaken_period_is_dropped() -> None:
    """K01.FR.97."""
    example = load("oca/spec_examples.json")["randomized_delay_overtake"]
    draws = iter(example["draws"][1:])
    profile = drawn(a_late_schedule(example["periods"], 900), lambda _: next(draws))
    assert [period.start for period in delayed(profile.schedules[0])] == [0, 723, 987]
    ours = compose(
        [Installed(profile, 1)], Site(1), Tx("t", 0), start=0, duration=2000, unit=RateUnit.A, policy=Policy()
    )
    assert [(one.start, one.limit and one.limit.total) for one in ours.periods] == [(0, 0), (723, 2), (987, 3)]


def test_station_caps_are_what_the_grid_may_give() -> None:
    """Unconverted, and the next change."""

    def cap(number: int, purpose: Purpose, unit: RateUnit, *limits: int) -> Installed:
        periods = tuple(Period(3600 * index, Rates(limit)) for index, limit in enumerate(limits))
        return Installed(Profile(number, 0, purpose, Kind.ABSOLUTE, (Schedule(unit, periods, NOW),)), 0)

    installed = [
        cap(1, Purpose.STATION_MAX, RateUnit.A, 40_000, 63_000),
        cap(2, Purpose.EXTERNAL, RateUnit.W, 11_000_000),
        cap(3, Purpose.LOCAL_GENERATION, RateUnit.W, 2_300_000),
    ]
    caps, change = station_caps_at(installed, Site(0), now=NOW, policy=Policy())
    assert (caps.total_w, caps.per_phase_a) == (13_300, 40 + Fraction(2300, 690))
    assert caps.per_phase_by is not None
    assert caps.total_by is not None
    assert (caps.per_phase_by.profile, caps.total_by.profile, change) == (1, 2, NOW + 3600)
    later, change = station_caps_at(installed[:1], Site(0), now=NOW + 3600, policy=Policy())
    assert (later.per_phase_a, later.total_w, change) == (63, None, None)
