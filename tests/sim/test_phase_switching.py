"""Three phases or one, from the balancer to the contacts of the simulated board, and never more power than may be drawn."""

from __future__ import annotations

import asyncio

from station.core.charging.memory import ChargingSetup
from station.sim.lab import Lab, LabSettings, run_lab

LIMIT_W = 5000.0  # three phases of 6 A need 4140 W, so that two cars can only charge on one phase each


async def _switch(lab: Lab) -> None:
    await asyncio.sleep(2)
    cars = [lab.plug(1), lab.plug(2)]
    await asyncio.sleep(2)
    lab.swipe(evse=1)
    await asyncio.sleep(30)
    assert sum(current > 6 for current in cars[0].currents()) == 3
    lab.swipe("DEADBEEF", evse=2)
    most = 0.0
    for _ in range(1200):
        await asyncio.sleep(0.5)
        most = max(most, sum(car.power_w() for car in cars))
    assert [sum(current > 6 for current in car.currents()) for car in cars] == [1, 1]
    assert 0.9 * LIMIT_W < most <= LIMIT_W


def test_two_cars_within_a_power_that_only_one_phase_each_can_share() -> None:
    settings = LabSettings(
        charging=ChargingSetup(station_max_w=LIMIT_W), board={"phase_switching": True, "source_ohm": 0.0}
    )
    run_lab(settings, _switch)


async def _beside_each_other(lab: Lab) -> None:
    await asyncio.sleep(2)
    cars = [lab.plug(evse, {"phases": 1, "max_a": 16.0}) for evse in (1, 2)]
    await asyncio.sleep(2)
    lab.swipe(evse=1)
    lab.swipe("DEADBEEF", evse=2)
    await asyncio.sleep(600)
    assert [round(max(car.currents()), 1) for car in cars] == [16.0, 16.0]
    assert [round(current, 1) for current in lab.board.grid.peak_a] == [16.0, 16.0, 0.0]


def test_single_phase_evses_on_different_lines_do_not_share() -> None:
    settings = LabSettings(
        charging=ChargingSetup(station_max_a=16.0),
        variables={"OCPP16LegacyCtrlr.ConnectorPhaseRotation": "1.RST,2.STR"},
        board={"source_ohm": 0.0, "phases": 1, "evse": [{"rotation": "RST"}, {"rotation": "STR"}]},
    )
    run_lab(settings, _beside_each_other)
