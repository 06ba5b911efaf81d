"""Meters put into boards."""

from __future__ import annotations

import asyncio

import pytest

from hal.api import EvseUnit, MeterReading
from hal.assemble import Lines, with_meters
from hal.bus.serial import Line
from hal.drivers.modbus_meter import Buses, meter_from
from hal.emulators.process import EmulatorProcess
from hal.errors import BusError, ConfigError
from hal.registry import create_board


class Fixed:
    """A meter that stands still."""

    async def read(self) -> MeterReading:
        return MeterReading(1.0)


def test_a_meter_takes_the_place_of_the_boards_own() -> None:
    board = create_board("sim", {"evses": 2})
    meter = Fixed()
    found = with_meters(board, {2: meter}, None)

    def unit(number: int) -> EvseUnit:
        return next(unit for unit in found.units if unit.evse == number)

    assert unit(2).meter is meter
    assert unit(1) == board.units[0]
    assert found.devices == board.devices
    assert board.units[1].meter is not meter


def test_the_lines_are_closed_after_everybody_on_them() -> None:
    board = create_board("sim", {})
    found = with_meters(board, {1: Fixed()}, Buses())
    assert isinstance(found.devices[0], Lines)
    assert found.devices[1:] == board.devices


def test_an_evse_that_the_board_does_not_have() -> None:
    with pytest.raises(ConfigError, match="has no EVSE 3 for a meter, it has 2"):
        with_meters(create_board("sim", {"evses": 2}), {3: Fixed()}, None)


async def test_a_line_opens_when_somebody_asks_and_only_then() -> None:
    async with EmulatorProcess("modbus_meter", meters="sdm630") as emulator:
        buses = Buses()
        meter = meter_from({"model": "sdm630", "port": emulator.port}, buses)
        board = with_meters(create_board("sim", {}), {1: meter}, buses)
        lines = board.devices[0]
        await lines.start(lambda _event: None)
        second = Buses().on(Line(emulator.port))
        await second.open()  # a port is for one alone: the lines did not take it
        with pytest.raises(BusError, match="another program has it"):
            await meter.read()
        await second.close()
        assert (await meter.read()).energy_import_wh >= 0.0
        await lines.close()
        await second.open()
        await second.close()
        await lines.close()
        await asyncio.sleep(0)
