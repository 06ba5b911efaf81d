"""The life of a board on virtual time: start, loss, return, a bug in its driver, end."""

from __future__ import annotations

import asyncio

import pytest

from hal.api import Fault, FaultCode, HalEvent
from hal.drivers.board_life import EVSE, RETURN_FIRST_S, RETURN_MOST_S, BoardLife
from hal.errors import BusError
from station.sim.loop import run


class Board(BoardLife):
    """Fails when told to."""

    left = "was not opened"

    def __init__(self) -> None:
        super().__init__("/dev/board")
        self.reachable = True
        self.failure: Exception | None = None
        self.reached: list[float] = []
        self.is_open = self.permitted = False

    def _begin(self) -> None:
        self.permitted = False

    async def _arrive(self) -> None:
        self.reached.append(asyncio.get_running_loop().time())
        self.is_open = True
        if not self.reachable:
            raise BusError("not there")
        self._up = True

    async def _watch(self) -> None:
        while self.failure is None:
            await asyncio.sleep(0.1)
        failure, self.failure = self.failure, None
        raise failure

    async def _leave_safe(self) -> None:
        self.permitted = False

    async def _release(self) -> None:
        self.is_open = False


def lost(info: str) -> Fault:
    return Fault(EVSE, FaultCode.INTERNAL_ERROR, True, info)


def test_a_start_that_fails_leaves_nothing_open_and_may_be_tried_again() -> None:
    async def main() -> None:
        board, heard = Board(), list[HalEvent]()
        board.reachable = False
        with pytest.raises(BusError, match="not there"):
            await board.start(heard.append)
        assert not board.is_open
        await board.close()
        board.reachable = board.permitted = True
        await board.start(heard.append)
        assert not board.permitted, "what was wanted before a start is void"
        await board.close()
        assert (heard, board.is_open) == ([], False)

    run(main())


def test_lost_told_once_and_reached_again_with_longer_and_longer_pauses() -> None:
    async def main() -> None:
        board, heard = Board(), list[HalEvent]()
        await board.start(heard.append)
        await asyncio.sleep(1.0)
        board.failure, board.reachable = BusError("pulled out"), False
        await asyncio.sleep(60.0)
        assert heard == [lost("pulled out")]
        pauses = [after - before for before, after in zip(board.reached[1:], board.reached[2:], strict=False)]
        assert pauses[:4] == pytest.approx([2 * RETURN_FIRST_S, 4 * RETURN_FIRST_S, 8 * RETURN_FIRST_S, RETURN_MOST_S])
        assert max(pauses) == pytest.approx(RETURN_MOST_S)
        board.reachable = True
        await asyncio.sleep(RETURN_MOST_S + 0.1)
        assert heard[1:] == [Fault(EVSE, FaultCode.INTERNAL_ERROR, False)]
        await board.close()
        assert not board.is_open

    run(main())


def test_closing_a_board_that_is_lost_says_what_was_not_done() -> None:
    async def main() -> None:
        board = Board()
        await board.start([].append)
        board.failure, board.reachable = BusError("pulled out"), False
        await asyncio.sleep(10.0)
        with pytest.raises(BusError, match=r"/dev/board: was not opened, it is not reached: not there"):
            await board.close()
        assert not board.is_open
        await board.close()  # idempotent

    run(main())


def test_a_bug_in_a_driver_is_told_and_lets_go_of_the_port() -> None:
    async def main() -> None:
        board, heard = Board(), list[HalEvent]()
        await board.start(heard.append)
        board.failure = ZeroDivisionError("a bug")
        await asyncio.sleep(1.0)
        assert heard == [lost("the driver failed: ZeroDivisionError")]
        assert not board.is_open
        with pytest.raises(BusError, match="was not opened"):
            await board.close()

    run(main())
