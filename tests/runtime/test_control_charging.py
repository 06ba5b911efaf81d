"""`station.runtime.control_charging`: charging profiles by hand, on a bench with a real core."""

from __future__ import annotations

from typing import Any

import pytest

from station.core.charging.memory import ChargingSetup
from station.runtime.control_charging import CHARGING
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
        ({"steps": [[0, -1]]}, "steps"),
        ({"steps": [[0, float("nan")]]}, "steps"),
        ({"steps": [[0, 16]], "start": "tomorrow"}, "start"),
        ({"steps": [[0, 16]], "repeat": "Daily"}, "start"),
        ({"steps": [[0, 16]], "unit": "kW"}, "unit"),
        ({"steps": [[0, 16]], "evse": 7}, "evse"),
        ({"steps": [[5, 16]]}, ""),
        ({"steps": [[0, 16]], "purpose": "ChargingStationMaxProfile", "start": "now"}, ""),
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

    play(work, charging=ChargingSetup(station_max_a=20.0), evses=2)


def test_the_group_is_whole() -> None:
    assert [cls.name for cls in CHARGING] == ["profiles", "profile_add", "profile_clear", "plan", "needs"]
