"""`station.runtime.control_charging`: charging profiles by hand, on a bench with a real core."""

from __future__ import annotations

from typing import Any

import pytest

from station.clock import parse_iso
from station.core.charging.memory import ChargingSetup
from station.core.types import Verdict
from station.runtime import control_charging_rows
from station.runtime.control import TABLE
from station.runtime.control_charging import CHARGING
from station.runtime.control_command import describe
from station.runtime.control_refusal import refusal
from station.zone import find_zone
from tests.runtime.control_rig import VERSIONS, Rig, play


@pytest.mark.parametrize("version", VERSIONS)
def test_a_profile_by_hand_lowers_the_current_is_listed_planned_and_goes(version: str) -> None:
    async def work(rig: Rig) -> None:
        await rig.charging()
        added = await rig.do("profile_add", steps=[[0, 16], [3600, 8]], start="now")
        assert added == {"id": 1}
        evse = await rig.evse()
        assert (evse["offered_a"], evse["cause"]) == (16.0, "profile 1 (TxDefaultProfile)")
        assert {"cause": "profile 1 (TxDefaultProfile)", "current_a": 16.0} in evse["limits"]
        (row,) = (await rig.do("profiles"))["profiles"]
        assert (row["id"], row["kind"], row["source"], row["evse"]) == (1, "Absolute", "CSO", 1)
        assert [(step["start"], step["limit"]) for step in row["schedules"][0]["periods"]] == [(0, 16.0), (3600, 8.0)]
        plan = await rig.do("plan", duration="2h")
        assert [period["limit"] for period in plan["periods"]] == [16.0, 8.0]
        assert len(plan["changes"]) == 2
        assert all(change["sentence"] for change in plan["changes"])
        assert {source["profile"] for period in plan["periods"] for source in period["sources"]} == {1}
        await rig.do("wait", duration="61 min")
        assert (await rig.evse())["offered_a"] == 8.0
        assert (await rig.do("profile_clear", purpose="TxDefaultProfile")) == {"cleared": 1}
        assert (await rig.do("profile_clear")) == {"cleared": 0}
        assert (await rig.evse())["offered_a"] == 32.0

    play(work, version)


def test_a_transaction_profile_by_hand_belongs_to_the_running_transaction() -> None:
    async def work(rig: Rig) -> None:
        error = await rig.refused("profile_add", steps=[[0, 10]], purpose="TxProfile")
        assert (error.code, "transaction" in error.problems[0].problem.lower()) == ("conflict", True)
        await rig.charging()
        await rig.do("profile_add", steps=[[0, 10, 3]], purpose="TxProfile", duration="1 h")
        (row,) = (await rig.do("profiles"))["profiles"]
        assert row["transaction"] == (await rig.evse())["transaction"]["id"]

    play(work)


@pytest.mark.parametrize("version", VERSIONS)
def test_profiles_and_plan_say_that_smart_charging_is_switched_off(version: str) -> None:
    async def work(rig: Rig) -> None:
        await rig.charging()
        await rig.do("profile_add", steps=[[0, 16]])
        assert (await rig.do("profiles"))["enabled"] is True
        assert (await rig.do("plan"))["enabled"] is True
        await rig.do("set", variables={"SmartChargingCtrlr.Enabled": False})
        told, plan = await rig.do("profiles"), await rig.do("plan")
        assert (told["enabled"], len(told["profiles"])) == (False, 1)
        assert (plan["enabled"], plan["periods"][0]["limit"]) == (False, 32.0)

    play(work, version)


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("90 min", 5400), ("24h", 86_400), ("7d", 604_800)])
def test_a_duration_has_its_usual_spellings(text: str, seconds: int) -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=1)
        assert (await rig.do("plan", duration=text))["duration"] == seconds

    play(work)


def test_help_says_how_times_and_durations_are_written() -> None:
    fields = describe(TABLE["profile_add"])["parameters"]["properties"]
    assert '"2026-11-22T18:00:00Z", or "now"' in fields["start"]["description"]
    assert '"8 h"' in fields["duration"]["description"]


def test_every_day_from_a_moment_on() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        await rig.do(
            "profile_add",
            steps=[[0, 0], [7200, 16]],
            start="now",
            repeat="Daily",
            duration="1 d",
            valid_to="2099-01-01T00:00:00Z",
        )
        plan = await rig.do("plan", duration="26h", unit="W")
        assert [period["limit"] for period in plan["periods"]] == [0.0, 16 * 230 * 3, 0.0]

    play(work)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"steps": []}, "steps"),
        ({"steps": [[0, -1]]}, "steps.0"),
        ({"steps": [[0, 16], [60, float("nan")]]}, "steps.1"),
        ({"steps": [[0, 16], [60, 8, 3, 1]]}, "steps.1"),
        ({"steps": [[0, 16]], "start": "tomorrow"}, "start"),
        ({"steps": [[0, 16]], "repeat": "Daily"}, "start"),
        ({"steps": [[0, 16]], "unit": "kW"}, "unit"),
        ({"steps": [[0, 16]], "evse": 7}, "evse"),
        ({"steps": [[5, 16]]}, "steps.0"),
        ({"steps": [[0, 16], [60, 10], [60, 8]]}, "steps.2"),
        ({"steps": [[0, 16]], "stack_level": 99}, "stack_level"),
        ({"steps": [[0, 16]], "valid_from": "2026-02-01T00:00Z", "valid_to": "2026-01-01T00:00Z"}, "valid_to"),
        ({"steps": [[0, 16]], "purpose": "TxProfile"}, "purpose"),
        ({"steps": [[0, 16]], "purpose": "ChargingStationMaxProfile", "start": "now"}, "evse"),
        ({"steps": [[0, 16]], "purpose": "ChargingStationMaxProfile", "evse": 0}, "start"),
    ],
)
def test_a_wrong_profile_names_its_field_and_changes_nothing(arguments: dict[str, Any], field: str) -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        error = await rig.refused("profile_add", **arguments)
        assert error.problems[0].field == field

    play(work)


def test_wishes_move_the_shares() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        for evse in (1, 2):
            await rig.do("plug", evse=evse)
            await rig.do("swipe", evse=evse, token=("04A1B2C3", "0BADCAFE")[evse - 1])
        await rig.do("wait", duration="2 min")
        both = [evse["offered_a"] for evse in (await rig.state())["evses"]]
        assert both == [10.0, 10.0]
        await rig.refused("needs", evse=5)
        await rig.do("needs", evse=2, departs_in="4h", energy_wh=20_000, priority=3)
        told = [evse["needs"] for evse in (await rig.state())["evses"]]
        assert told[0] is None
        assert (told[1]["energy_wh"], told[1]["priority"]) == (20_000, 3)
        await rig.do("needs", evse=2, clear=True)
        assert (await rig.state())["evses"][1]["needs"] is None

    play(work, charging=ChargingSetup(station_max_a=20.0), evses=2)


def test_the_state_tells_that_profiles_have_changed() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        before = (await rig.state())["station"]
        await rig.do("profile_add", steps=[[0, 16]])
        added = (await rig.state())["station"]
        assert (before["profiles"], added["profiles"]) == (0, 1)
        assert added["profiles_version"] != before["profiles_version"]
        await rig.do("profile_clear")
        cleared = (await rig.state())["station"]
        assert cleared["profiles"] == 0
        assert cleared["profiles_version"] != added["profiles_version"]

    play(work)


def test_local_time_is_put_back_inside_the_plan() -> None:
    async def work(rig: Rig) -> None:
        await rig.do("wait", duration=5)
        plan = await rig.do("plan", duration="24h")
        assert [row["offset_s"] for row in plan["local"]] == [3600]
        to = parse_iso("2026-10-24T12:00:00Z") - (await rig.state())["station"]["wall"]
        await rig.do("clock_jump", by_s=to)
        plan = await rig.do("plan", duration="24h")
        assert plan["local"] == [
            {"at": plan["start"], "offset_s": 7200},
            {"at": int(parse_iso("2026-10-25T01:00:00Z")), "offset_s": 3600},
        ]

    play(work, charging=ChargingSetup(zone=find_zone("Europe/Amsterdam")))


def test_refusals_that_are_about_no_field_of_the_command() -> None:
    assert refusal(Verdict("Rejected")).problems[0].field == ""
    full = refusal(
        Verdict("Rejected", "TooManyElements", "100 charging profiles are installed already; clear one first")
    )
    assert (full.code, full.problems[0].field) == ("conflict", "")
    assert "clear one first" in full.problems[0].problem
    assert refusal(Verdict("Rejected", "InvalidProfile", "dynUpdateInterval: no")).problems[0].field == ""


def test_the_group_is_whole() -> None:
    assert control_charging_rows.PlanResult.__required_keys__ >= {"periods", "changes", "local"}
    assert [cls.name for cls in CHARGING] == ["profiles", "profile_add", "profile_clear", "plan", "needs"]
