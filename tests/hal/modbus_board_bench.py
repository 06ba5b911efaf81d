"""A driver of an emulated Modbus board on the running (virtual) loop, with somebody who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hal.api import Board, EvseUnit, PilotSignal, PilotState
from hal.bus.modbus_rtu import ModbusBus
from hal.drivers.modbus_board import ModbusBoard
from hal.drivers.modbus_board_settings import read_settings
from hal.emulators.modbus_board.device import EmulatedBoard, create
from tests.hal.cable import Cable
from tests.hal.openevse_bench import Listener

ANSWER_S = 0.02


class Bench:
    """board: evse_wb, phoenix_ev_ser or heidelberg. device: the emulator's settings."""

    def __init__(self, board: str, device: Mapping[str, object] | None = None, **settings: object) -> None:
        self.device: EmulatedBoard = create({"board": board, **(device or {})})
        read = read_settings({"port": "/dev/cable", **settings}, board)
        self.powered = True
        self.cable = Cable(self._heard, read.line)
        self.bus = ModbusBus(self.cable)
        self.driver = ModbusBoard(read, self.bus)
        self.listener = Listener()

    def _heard(self, data: bytes, now: float) -> list[tuple[float, bytes]]:
        answer = self.device.feed(data, now) if self.powered else b""
        return [(ANSWER_S, answer)] if answer else []

    @property
    def board(self) -> Board:
        return self.driver.board

    @property
    def unit(self) -> EvseUnit:
        return self.driver.board.units[0]

    async def start(self) -> Bench:
        await self.driver.start(self.listener)
        return self

    def order(self, **order: object) -> dict[str, object]:
        return self.device.control(order, asyncio.get_running_loop().time())

    def look(self) -> dict[str, object]:
        return self.order(look=True)

    def holding(self, address: int) -> int:
        found = self.look()["holding"]
        assert isinstance(found, dict)
        return int(found[str(address)])

    @property
    def writes(self) -> list[tuple[int, int, int]]:
        return self.device.writes

    async def brown_out(self, seconds: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        self.powered = False
        self.device.power(False, loop.time())
        await asyncio.sleep(seconds)
        self.device.power(True, loop.time())
        self.powered = True

    async def offer(self, amps: float) -> None:
        await self.unit.pilot.signal(PilotSignal.PWM, amps)

    async def charging(self, amps: float = 16.0) -> Bench:
        """Started, and a vehicle charges."""
        await self.start()
        self.order(car="asks")
        await self.listener.pilot(PilotState.B)
        await self.offer(amps)
        await self.listener.pilot(PilotState.C)
        await self.unit.power.permit(True, 3)
        while not self.look()["relay"]:
            await asyncio.sleep(0.1)
        return self
