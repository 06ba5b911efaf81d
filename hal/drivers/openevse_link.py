"""Commands and answers over a line to an OpenEVSE board: matched by sequence id, repeated once, with a time limit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

from hal.drivers.openevse_rapi import Decoder, Message, Reply, encode
from hal.errors import BusError

log = logging.getLogger("hal.openevse")

ATTEMPTS = 2


class Port(Protocol):
    """What is needed of `hal.bus.serial.SerialPort`."""

    async def open(self) -> None: ...
    async def read(self, most: int = 4096) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    async def close(self) -> None: ...


class _Waiting(NamedTuple):
    answer: asyncio.Future[Reply]
    taken: Callable[[Reply], None]


def _nothing(_: Reply) -> None:
    return


class RapiLink:
    """One board behind one port. Ordinary commands go one at a time; an urgent one waits for none of them.

    name: of the port, for messages. unasked: takes what the board says by itself. timeout_s: for one answer; the firmware
    itself counts on 0.5 s. `lost` is set once the line has failed, until the next `open`.
    """

    def __init__(self, name: str, port: Port, unasked: Callable[[Message], None], timeout_s: float) -> None:
        self._name = name
        self._port = port
        self._unasked = unasked
        self._timeout_s = timeout_s
        self._waiting: dict[int, _Waiting] = {}  # in the order in which they were sent
        self._turn = asyncio.Lock()
        self._sequence = 0
        self._decoder = Decoder()
        self._reader: asyncio.Task[None] | None = None
        self._failure: BusError | None = None
        self.lost = asyncio.Event()

    async def open(self) -> None:
        """Open the port, listen. Raises BusError."""
        await self._port.open()
        self._decoder = Decoder()
        self._failure = None
        self.lost.clear()
        self._reader = asyncio.get_running_loop().create_task(self._listen())

    async def close(self) -> None:
        """Release the port; commands under way raise BusError. Idempotent."""
        reader, self._reader = self._reader, None
        self._fail(BusError(f"{self._name}: the port is closed"))
        if reader is not None:
            reader.cancel()
            (ended,) = await asyncio.gather(reader, return_exceptions=True)
            if isinstance(ended, Exception):
                log.error("%s: a receiver of states failed", self._name, exc_info=ended)
        await self._port.close()

    @property
    def spoilt(self) -> int:
        """Lines that came damaged since the port was opened."""
        return self._decoder.spoilt

    async def ask(
        self,
        command: str,
        *,
        urgent: bool = False,
        wanted: Callable[[], bool] | None = None,
        taken: Callable[[Reply], None] = _nothing,
    ) -> Reply | None:
        """Send a command, wait for its answer.

        urgent: do not queue behind other commands. wanted: asked right before every sending; once it is not, nothing is
        sent and None returned. taken: gets the answer at once, in the order in which the board spoke: whoever waits here
        only wakes after what the board said next. Raises BusError: the line failed, or nobody answers.
        """
        if urgent:
            return await self._try(command, wanted, taken)
        async with self._turn:
            return await self._try(command, wanted, taken)

    async def _try(
        self, command: str, wanted: Callable[[], bool] | None, taken: Callable[[Reply], None]
    ) -> Reply | None:
        garbled: Reply | None = None
        for _ in range(ATTEMPTS):
            if wanted is not None and not wanted():
                return None
            reply = await self._once(command, taken)
            if reply is not None and (reply.ok or reply.sequence is not None):
                return reply
            garbled = reply or garbled
        # `$NK` without our id, twice: our bytes arrive damaged, or the firmware is older than RAPI 3.
        if garbled is not None:
            return garbled
        raise BusError(
            f"{self._name}: OpenEVSE does not answer {command!r}; check its supply, the wires (RX to TX) and that no WiFi "
            "module is on the same pins"
        )

    async def _once(self, command: str, taken: Callable[[Reply], None]) -> Reply | None:
        """One attempt; None after the time limit."""
        sequence = self._next_sequence()
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self._failure is not None:
            raise BusError(str(self._failure))
        self._waiting[sequence] = _Waiting(answer, taken)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._port.write(encode(command, sequence))
                return await answer
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(sequence, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen, also when the write failed first

    def _next_sequence(self) -> int:
        while True:
            self._sequence = self._sequence % 0xFF + 1  # 00 means "none" to the board
            if self._sequence not in self._waiting:
                return self._sequence

    async def _listen(self) -> None:
        try:
            while True:
                for message in self._decoder.feed(await self._port.read()):
                    if isinstance(message, Reply):
                        self._answered(message)
                    else:
                        self._unasked(message)
        except BusError as error:
            self._fail(error)
        except Exception:
            self._fail(BusError(f"{self._name}: the driver failed; see the log"))
            raise

    def _answered(self, reply: Reply) -> None:
        """Without an id it answers the oldest command; with one that nobody waits for, it is too late."""
        if reply.sequence is None:
            waiting = next((one for one in self._waiting.values() if not one.answer.done()), None)
        else:
            waiting = self._waiting.get(reply.sequence)
        if waiting is not None and not waiting.answer.done():
            waiting.taken(reply)
            waiting.answer.set_result(reply)

    def _fail(self, error: BusError) -> None:
        self._failure = error
        self.lost.set()
        for answer, _ in self._waiting.values():
            if not answer.done():
                answer.set_exception(BusError(str(error)))
