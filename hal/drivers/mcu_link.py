"""The line to an EVerest-MCU board: messages out, what the board tells in. Nothing is acknowledged on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from hal.drivers.mcu_boards import McuBoard
from hal.drivers.mcu_messages import Told, decode, recognise
from hal.drivers.mcu_wire import Frames, encode
from hal.errors import BusError

log = logging.getLogger("hal.mcu")


class Port(Protocol):
    """What is needed of `hal.bus.serial.SerialPort`."""

    async def open(self) -> None: ...
    async def read(self, most: int = 4096) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    async def close(self) -> None: ...


class McuLink:
    """One board behind one port. heard: takes what it tells, one after the other. `lost` is set once the line has failed.

    stranger: another board of the family that tells of itself there.
    """

    def __init__(self, name: str, port: Port, board: McuBoard, heard: Callable[[Told], None]) -> None:
        self._name = name
        self._port = port
        self._board = board
        self._heard = heard
        self._frames = Frames()
        self._reader: asyncio.Task[None] | None = None
        self._failure: BusError | None = None
        self.stranger: McuBoard | None = None
        self.lost = asyncio.Event()

    @property
    def spoilt(self) -> int:
        """Frames that came damaged since the port was opened."""
        return self._frames.spoilt

    async def open(self) -> None:
        """Open the port, listen. Raises BusError."""
        await self._port.open()
        self._frames = Frames()
        self._failure = self.stranger = None
        self.lost.clear()
        self._reader = asyncio.get_running_loop().create_task(self._listen())

    async def close(self) -> None:
        """Release the port. Idempotent."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            (ended,) = await asyncio.gather(reader, return_exceptions=True)
            if isinstance(ended, Exception):
                log.error("%s: a receiver of messages failed", self._name, exc_info=ended)
        self._fail(BusError(f"{self._name}: the port is closed"))
        await self._port.close()

    async def send(self, *payloads: bytes, twice: bool = False) -> None:
        """Hand messages to the line in one write. Raises BusError.

        twice: what restricts. A board that has just heard noise drops the first frame after it, and finds its step by that.
        """
        self.check()
        try:
            await self._port.write(b"".join(encode(payload) for payload in payloads) * (2 if twice else 1))
        except BusError as error:
            self._fail(error)
            raise

    def check(self) -> None:
        """Raises BusError when the line has failed."""
        if self._failure is not None:
            raise BusError(str(self._failure))

    async def _listen(self) -> None:
        try:
            while True:
                for payload in self._frames.feed(await self._port.read()):
                    self._take(payload)
        except BusError as error:
            self._fail(error)
        except Exception:
            self._fail(BusError(f"{self._name}: the driver failed; see the log"))
            raise

    def _take(self, payload: bytes) -> None:
        who = recognise(payload)
        if who is not None and who.orders.keep_alive != self._board.orders.keep_alive:
            self.stranger = who
        elif (told := decode(self._board, payload)) is not None:
            self._heard(told)

    def _fail(self, error: BusError) -> None:
        if self._failure is None:
            self._failure = error
        self.lost.set()
