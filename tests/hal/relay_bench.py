"""A bare relay board with somebody who listens: GPIO lines that are played here, or an emulated board at a cable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hal.api import EvseUnit, PilotSignal
from hal.bus.modbus_rtu import ModbusBus
from hal.drivers.gpio_lines import LineOfChip
from hal.drivers.relay import Relay
from hal.drivers.relay_settings import read_settings
from hal.emulators.relay_coils import RelayCoils, create
from hal.errors import BusError
from tests.hal.cable import Answers, Cable
from tests.hal.openevse_bench import Listener

CONTACTOR, MIRROR, VEHICLE, DEMAND, STOP, WATCHDOG = 17, 27, 22, 23, 24, 25
TRAVEL_S = 0.03


class PlayedInput:
    def __init__(self, chip: PlayedChip, where: LineOfChip, changed: Callable[[], None]) -> None:
        self._chip, self.where, self.changed = chip, where, changed
        self.released = False

    def active(self) -> bool:
        self._chip.check()
        assert not self.released
        return self._chip.level(self.where)

    def release(self) -> None:
        self.released = True
        self._chip.inputs.pop(self.where.line, None)


class PlayedOutput:
    def __init__(self, chip: PlayedChip, where: LineOfChip) -> None:
        self._chip, self.where = chip, where
        self.released = False

    def set(self, active: bool) -> None:
        self._chip.check()
        assert not self.released
        self._chip.drive(self.where, active)

    def release(self) -> None:
        self.released = True


class PlayedChip:
    """A Gpio: the electrical levels of its lines, edges told to who listens; a contactor behind line CONTACTOR.

    The mirror contact conducts to ground while the contactor is open. weld, stuck: as in the emulator.
    """

    def __init__(self) -> None:
        self.high: dict[int, bool] = {}  # inputs; what nobody pulls down is high
        self.inputs: dict[int, PlayedInput] = {}
        self.driven: list[tuple[float, int, bool]] = []
        self.gone = False
        self.cut: set[int] = set()
        self.weld = self.stuck = False
        self.closed = False
        self._pulled = False
        self.wire(MIRROR, conducts=True)
        self.wire(STOP, conducts=True)

    def check(self) -> None:
        if self.gone:
            raise BusError("/dev/gpiochip0: it is gone: plug it in again")

    def input(self, where: LineOfChip, changed: Callable[[], None]) -> PlayedInput:
        self.check()
        assert where.line not in self.inputs
        self.inputs[where.line] = PlayedInput(self, where, changed)
        return self.inputs[where.line]

    def output(self, where: LineOfChip, active: bool) -> PlayedOutput:
        self.check()
        self.drive(where, active)
        return PlayedOutput(self, where)

    def level(self, where: LineOfChip) -> bool:
        return self.high.get(where.line, True) is not where.active_low

    def wire(self, line: int, *, conducts: bool) -> None:
        """A contact to ground closes or opens."""
        conducts = conducts and line not in self.cut
        changes = self.high.get(line, True) is conducts
        self.high[line] = not conducts
        if changes and line in self.inputs:
            self.inputs[line].changed()

    def drive(self, where: LineOfChip, active: bool) -> None:
        loop = asyncio.get_running_loop()
        self.driven.append((loop.time(), where.line, active))
        if where.line == CONTACTOR:
            self._pulled = active
            loop.call_later(TRAVEL_S, self.move)

    def move(self) -> None:
        self.closed = (self._pulled and not self.stuck) or (self.closed and self.weld)
        self.wire(MIRROR, conducts=not self.closed)


class GpioBench:
    """A started driver over a played chip on the running loop. wired: names of contacts."""

    def __init__(self, *wired: str, **settings: object) -> None:
        self.chip = PlayedChip()
        lines = {"mirror": MIRROR, "vehicle": VEHICLE, "demand": DEMAND, "emergency_stop": STOP, "watchdog": WATCHDOG}
        tables = {name: {"line": lines[name]} for name in wired}
        self.driver = Relay(
            read_settings({"contactor": {"line": CONTACTOR}, "rating_a": 16, **tables, **settings}), self.chip
        )
        self.listener = Listener()

    @property
    def unit(self) -> EvseUnit:
        return self.driver.board.units[0]

    async def start(self) -> GpioBench:
        await self.driver.start(self.listener)
        return self

    async def charge(self) -> GpioBench:
        """Started, a vehicle there that asks, the contactor closed."""
        await self.start()
        self.chip.wire(VEHICLE, conducts=True)
        self.chip.wire(DEMAND, conducts=True)
        await allow(self.unit)
        await self.listener.relay(True)
        return self


async def allow(unit: EvseUnit) -> None:
    await unit.pilot.signal(PilotSignal.PWM, unit.max_a)
    await unit.power.permit(True, unit.phases)


class CoilBench:
    """A started driver and an emulated relay board at one cable on the running loop. `contactor`: more fields of its table."""

    def __init__(
        self,
        *wired: str,
        contactor: dict[str, object] | None = None,
        device: dict[str, object] | None = None,
        **settings: object,
    ) -> None:
        self.device: RelayCoils = create(device or {})
        self.cable = Cable(self._feed)
        self._timer: asyncio.TimerHandle | None = None
        inputs = {"mirror": 0, "vehicle": 1, "demand": 2, "emergency_stop": 3}
        tables = {name: {"input": inputs[name]} for name in wired}
        table = {"port": "/dev/cable", "coil": 0, **(contactor or {})}
        self.bus = ModbusBus(self.cable)
        self.driver = Relay(read_settings({"contactor": table, "rating_a": 16, **tables, **settings}), bus=self.bus)
        self.listener = Listener()

    def _feed(self, data: bytes, now: float) -> Answers:
        answer = self.device.feed(data, now)
        self._schedule()
        return [(0.015, answer)] if answer and not self.cable.unplugged else []

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        due = self.device.due(loop.time())
        self._timer = None if due is None else loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self.device.tick(asyncio.get_running_loop().time())
        self._schedule()

    def order(self, **order: object) -> dict[str, object]:
        facts = self.device.control(order, asyncio.get_running_loop().time())
        self._schedule()
        return facts

    def power(self, on: bool) -> None:
        self.device.power(on, asyncio.get_running_loop().time())
        self.device.flags["mute"] = not on

    @property
    def unit(self) -> EvseUnit:
        return self.driver.board.units[0]

    async def start(self) -> CoilBench:
        await self.driver.start(self.listener)
        return self

    async def charge(self) -> CoilBench:
        await self.start()
        self.order(vehicle=True, asks=True)
        await allow(self.unit)
        await self.listener.relay(True)
        return self
