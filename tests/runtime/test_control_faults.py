"""`reset_fault` and `break_rcd` on a whole simulated station, and what the CSMS hears of it."""

from __future__ import annotations

import json

import pytest

from station.runtime.control import TABLE
from station.runtime.control_faults import BreakRcd, ResetFaults
from tests.runtime.control_rig import Rig, play


def test_they_are_in_the_table() -> None:
    assert (TABLE["reset_fault"], TABLE["break_rcd"]) == (ResetFaults, BreakRcd)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_a_broken_rcd_is_found_and_reset_after_its_repair(version: str) -> None:
    async def work(rig: Rig) -> None:
        await rig.do("break_rcd", evse=1)
        await rig.do("wait", duration=5)
        assert (await rig.evse())["faults"] == ["GroundFailure"]
        assert (await rig.evse(2))["faults"] == []
        assert "no fault waits" in str(await rig.refused("reset_fault", evse=2))
        await rig.do("reset_fault")
        await rig.do("wait", duration=5)
        assert (await rig.evse())["faults"] == ["GroundFailure"], "it fails again"
        await rig.do("break_rcd", broken=False)
        await rig.do("restart")
        await rig.do("wait", duration=120)
        assert (await rig.evse())["faults"] == ["GroundFailure"]
        await rig.do("plug")
        await rig.do("reset_fault")
        await rig.do("wait", duration=60)
        assert (await rig.evse())["faults"] == ["GroundFailure"], "it is not tested while somebody is connected"
        await rig.do("unplug")
        await rig.do("wait", duration=5)
        assert (await rig.evse())["faults"] == []
        await rig.charging()
        calls = [json.loads(f["text"]) for f in await rig.frames(action="NotifyEvent")]
        told = [call[3]["eventData"][0] for call in calls if call[0] == 2]
        events = [(event["techCode"], event["actualValue"]) for event in told]
        # 1.6 has StatusNotification, and nothing more.
        assert events == ([("CX002", "true"), ("CX002", "false")] if version == "2.0.1" else [])

    play(work, version, board={"rcd_test": True})


def test_a_board_without_such_a_device_says_so() -> None:
    async def work(rig: Rig) -> None:
        assert "rcd_test" in str(await rig.refused("break_rcd"))

    play(work)
