"""A Port for the Modbus master in this process: answers come from a function, on the loop's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hal.bus.serial import Line
from hal.errors import BusError

Answers = list[tuple[float, bytes]]
"""What comes back upon a write: seconds after it, bytes."""


class Cable:
    """device: gets each write and its moment. `sent` keeps them."""

    def __init__(self, device: Callable[[bytes, float], Answers], line: Line | None = None) -> None:
        self.device = device
        self._line = line or Line("/dev/cable", 9600)
        self.is_open = False
        self.opened = 0
        self.unplugged = False
        self.sent: list[tuple[float, bytes]] = []
        self._received = bytearray()
        self._waiter: asyncio.Future[None] | None = None

    @property
    def line(self) -> Line:
        return self._line

    async def open(self) -> None:
        if self.unplugged:
            raise BusError("/dev/cable cannot be opened: is the adapter plugged in?")
        if not self.is_open:
            self.is_open = True
            self.opened += 1

    async def write(self, data: bytes) -> None:
        self._check()
        loop = asyncio.get_running_loop()
        self.sent.append((loop.time(), data))
        for after_s, answer in self.device(data, loop.time()):
            loop.call_later(after_s, self.arrive, answer)

    def arrive(self, data: bytes) -> None:
        self._received += data
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self, most: int = 4096) -> bytes:
        while not self._received:
            self._check()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self.discard()

    def discard(self) -> bytes:
        data = bytes(self._received)
        self._received.clear()
        return data

    async def close(self) -> None:
        self.is_open = False

    def unplug(self) -> None:
        self.unplugged = True
        self.is_open = False
        self.arrive(b"")

    def _check(self) -> None:
        if not self.is_open:
            raise BusError("/dev/cable is gone: plug it in again")
