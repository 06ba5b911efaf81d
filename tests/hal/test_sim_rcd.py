"""`hal.sim.rcd`: the residual-current device of the simulated board."""

from __future__ import annotations

import asyncio

import pytest

from hal.errors import BusError, ConfigError, DeviceError
from hal.sim.board import build
from hal.sim.car import Car
from hal.sim.car_settings import CarSettings
from hal.sim.rcd import TEST_S
from hal.sim.world import World
from station.sim.loop import run


def test_it_passes_or_says_why_not() -> None:
    async def work() -> None:
        board = build({"rcd_test": True}, World.of_running_loop())
        rcd = board.board.units[0].rcd
        assert rcd is not None
        before = asyncio.get_running_loop().time()
        await rcd.self_test()
        assert asyncio.get_running_loop().time() - before == pytest.approx(TEST_S)
        board.break_rcd(1)
        with pytest.raises(DeviceError, match="does not trip"):
            await rcd.self_test()
        board.break_rcd(1, False)
        board.plug(1, Car(CarSettings()))
        with pytest.raises(DeviceError, match="no vehicle"):
            await rcd.self_test()
        board.unplug(1)
        test = asyncio.ensure_future(rcd.self_test())
        await asyncio.sleep(1)
        board.power_cut()
        with pytest.raises(BusError, match="no power"):
            await test
        with pytest.raises(BusError, match="no power"):
            await rcd.self_test()

    run(work())


def test_boards_have_none_unless_told_so() -> None:
    async def work() -> None:
        board = build({}, World.of_running_loop())
        assert board.board.units[0].rcd is None
        with pytest.raises(ConfigError, match="rcd_test"):
            board.break_rcd(1)

    run(work())
