"""A driver of an OpenEVSE board with somebody who listens: over a real port, or over one on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hal.api import Board, EvseUnit, Fault, FaultCode, HalEvent, PilotChanged, PilotState, PowerPathChanged
from hal.drivers.openevse import OpenEvse
from hal.drivers.openevse_settings import read_settings
from hal.emulators.openevse.device import OpenEvseEmulator
from hal.errors import BusError

PATIENCE_S = 60.0
"""Longest wait for anything: on a loaded machine everything takes its time."""


class Listener:
    """The sink of a board. `heard` keeps all events."""

    def __init__(self) -> None:
        self.heard: list[HalEvent] = []
        self._news = asyncio.Event()
        self._read = 0

    def __call__(self, event: HalEvent) -> None:
        self.heard.append(event)
        self._news.set()

    async def until(self, wanted: Callable[[HalEvent], bool] | HalEvent) -> HalEvent:
        """The next event that fits, of those after the last one that was waited for."""
        fits = wanted if callable(wanted) else lambda event: event == wanted
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    self._news.clear()
                    while self._read < len(self.heard):
                        event = self.heard[self._read]
                        self._read += 1
                        if fits(event):
                            return event
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"never came: {wanted}; heard: {self.heard}") from None

    async def pilot(self, state: PilotState) -> None:
        await self.until(PilotChanged(1, state))

    async def relay(self, closed: bool) -> None:
        await self.until(PowerPathChanged(1, closed))

    async def fault(self, code: FaultCode, active: bool) -> Fault:
        found = await self.until(lambda e: isinstance(e, Fault) and (e.code, e.active) == (code, active))
        assert isinstance(found, Fault)
        return found


class MemoryPort:
    """The emulated board behind a port on the running loop's time; `unplugged` fails as a pulled adapter does."""

    def __init__(self, device: OpenEvseEmulator) -> None:
        self.device = device
        self.unplugged = False
        self.opened = 0
        self._open = False
        self._arrived = bytearray()
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def _check(self) -> None:
        if self.unplugged:
            self._open = False
            raise BusError("memory: the adapter is gone")
        if not self._open:
            raise BusError("memory: closed")

    async def open(self) -> None:
        self._open = not self.unplugged
        self._check()
        self.opened += 1
        self._arrived.clear()
        self.schedule()

    async def read(self, most: int = 4096) -> bytes:
        while True:
            self._check()
            if self._arrived:
                data = bytes(self._arrived[:most])
                del self._arrived[:most]
                return data
            self._news.clear()
            await self._news.wait()

    async def write(self, data: bytes) -> None:
        self._check()
        self._say(self.device.feed(data, asyncio.get_running_loop().time()))

    async def close(self) -> None:
        self._open = False
        self._news.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def unplug(self) -> None:
        self.unplugged = True
        self._news.set()

    def order(self, **order: object) -> dict[str, object]:
        facts = self.device.control(order, asyncio.get_running_loop().time())
        self.schedule()
        return facts

    def schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        due = self.device.due(loop.time())
        if self._open and due is not None:
            self._timer = loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._say(self.device.tick(asyncio.get_running_loop().time()))

    def _say(self, data: bytes) -> None:
        if data and not self.unplugged:
            self._arrived += data
            self._news.set()
        self.schedule()


class Bench:
    """A started driver over an emulated board on the running (virtual) loop."""

    def __init__(self, device: dict[str, object] | None = None, **settings: object) -> None:
        self.port = MemoryPort(OpenEvseEmulator(device or {}))
        self.driver = OpenEvse(read_settings({"port": "/dev/memory", **settings}), self.port)
        self.listener = Listener()

    @property
    def board(self) -> Board:
        return self.driver.board

    @property
    def unit(self) -> EvseUnit:
        return self.driver.board.units[0]

    async def start(self) -> Bench:
        await self.driver.start(self.listener)
        return self

    def look(self) -> dict[str, object]:
        return self.port.order(look=True)
