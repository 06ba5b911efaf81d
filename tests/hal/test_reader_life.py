"""The life of a reader on virtual time: start, loss, return, failure, end."""

from __future__ import annotations

import asyncio

import pytest

from hal.api import ButtonPressed, Fault, FaultCode, HalEvent
from hal.drivers.reader_life import RETURN_FIRST_S, RETURN_MOST_S, ReaderLife
from hal.errors import BusError
from station.sim.loop import run


class Reader(ReaderLife):
    """Fails when told to."""

    def __init__(self, evse: int | None = None) -> None:
        super().__init__("/dev/reader", evse)
        self.reachable = True
        self.failure: Exception | None = None
        self.reached: list[float] = []
        self.is_open = False

    async def _reach(self) -> None:
        self.reached.append(asyncio.get_running_loop().time())
        self.is_open = True
        if not self.reachable:
            raise BusError("not there")

    async def _watch(self) -> None:
        self._emit(ButtonPressed(1))
        while self.failure is None:
            await asyncio.sleep(0.1)
        failure, self.failure = self.failure, None
        raise failure

    async def _release(self) -> None:
        self.is_open = False


def test_a_start_that_fails_leaves_nothing_open() -> None:
    async def main() -> None:
        reader = Reader()
        reader.reachable = False
        with pytest.raises(BusError, match="not there"):
            await reader.start([].append)
        assert not reader.is_open
        await reader.close()

    run(main())


def test_lost_and_reached_again_with_longer_and_longer_pauses() -> None:
    async def main() -> None:
        reader, heard = Reader(evse=2), list[HalEvent]()
        await reader.start(heard.append)
        await asyncio.sleep(1.0)
        reader.failure, reader.reachable = BusError("pulled out"), False
        await asyncio.sleep(60.0)
        assert heard == [ButtonPressed(1), Fault(2, FaultCode.READER_FAILURE, True, "pulled out")]
        pauses = [after - before for before, after in zip(reader.reached[1:], reader.reached[2:], strict=False)]
        assert pauses[:4] == pytest.approx([2 * RETURN_FIRST_S, 4 * RETURN_FIRST_S, 8 * RETURN_FIRST_S, RETURN_MOST_S])
        assert max(pauses) == pytest.approx(RETURN_MOST_S)
        reader.reachable = True
        await asyncio.sleep(RETURN_MOST_S + 0.1)
        assert heard[2:] == [Fault(2, FaultCode.READER_FAILURE, False), ButtonPressed(1)]
        await reader.close()
        assert not reader.is_open

    run(main())


def test_nothing_is_told_after_the_end_and_it_can_start_again() -> None:
    async def main() -> None:
        reader, heard = Reader(), list[HalEvent]()
        await reader.start(heard.append)
        await asyncio.sleep(0)
        await reader.close()
        reader.failure = BusError("late")
        await asyncio.sleep(5.0)
        assert heard == [ButtonPressed(1)]
        reader.failure = None
        await reader.start(heard.append)
        await asyncio.sleep(0.1)
        assert heard == [ButtonPressed(1)] * 2
        await reader.close()

    run(main())


def test_a_mistake_in_a_driver_is_a_fault_of_the_station() -> None:
    async def main() -> None:
        reader, heard = Reader(), list[HalEvent]()
        await reader.start(heard.append)
        reader.failure = KeyError("x")
        await asyncio.sleep(1.0)
        assert heard[1:] == [Fault(0, FaultCode.READER_FAILURE, True, "the driver failed: KeyError")]
        await reader.close()

    run(main())
