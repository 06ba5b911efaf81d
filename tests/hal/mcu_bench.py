"""A driver of an EVerest-MCU board over its emulator, on the running (virtual) loop."""

from __future__ import annotations

import asyncio
from typing import Any

from hal.api import Board, EvseUnit, LockChanged, LockState, PilotSignal, PilotState
from hal.drivers.gpio_lines import Gpio
from hal.drivers.mcu import Mcu
from hal.drivers.mcu_boards import BOARDS
from hal.drivers.mcu_settings import read_settings
from hal.emulators.mcu.device import McuEmulator
from tests.hal.openevse_bench import Listener, MemoryPort


class McuPort(MemoryPort):
    """As MemoryPort, and what the host writes is kept; `noise` bytes come before the next writes of either side."""

    def __init__(self, device: McuEmulator) -> None:
        super().__init__(device)  # type: ignore[arg-type]  # it asks for no more than serve.Emulated
        self.written = bytearray()

    async def write(self, data: bytes) -> None:
        self.written += data
        await super().write(data)


class McuBench:
    """`await McuBench("yeti").start()`; device: settings of the emulator; the rest are the driver's."""

    def __init__(
        self, board: str = "yeti", device: dict[str, object] | None = None, *, gpio: Gpio | None = None, **settings: Any
    ) -> None:
        self.port = McuPort(McuEmulator({"board": board, **(device or {})}))
        self.driver = Mcu(read_settings(BOARDS[board], {"port": "/dev/memory", **settings}), self.port, gpio)
        self.listener = Listener()

    @property
    def board(self) -> Board:
        return self.driver.board

    @property
    def unit(self) -> EvseUnit:
        return self.driver.board.units[0]

    async def start(self) -> McuBench:
        await self.driver.start(self.listener)
        return self

    async def close(self) -> None:
        await self.driver.close()

    def order(self, **order: object) -> dict[str, Any]:
        return self.port.order(**order)

    def look(self) -> dict[str, Any]:
        return self.port.order(look=True)

    async def lock_told(self, state: LockState) -> None:
        await self.listener.until(LockChanged(1, state))


async def charging(bench: McuBench, amps: float = 16.0, phases: int = 3) -> McuBench:
    """A started bench whose first EVSE charges."""
    if bench.driver._task is None:
        await bench.start()
    bench.order(car="asks")
    await bench.listener.pilot(PilotState.B)
    await bench.unit.pilot.signal(PilotSignal.PWM, amps)
    await bench.listener.pilot(PilotState.C)
    await bench.unit.power.permit(True, phases)
    await bench.listener.relay(True)
    return bench


def now() -> float:
    return asyncio.get_running_loop().time()
