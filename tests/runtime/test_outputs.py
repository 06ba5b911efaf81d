"""A board converges on the newest level, whatever came in between, and whatever it refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hal.api import Board, EvseUnit, Fault, FaultCode, PilotSignal
from hal.errors import BusError
from station.core.effects import Output
from station.runtime.outputs import RETRY_FIRST_S, BoardOutputs
from station.sim.loop import VirtualLoop

OFF = Output(1, False, 0.0, PilotSignal.OFF, locked=False)
OFFER = Output(1, False, 16.0, PilotSignal.PWM, locked=True)
POWER = Output(1, True, 16.0, PilotSignal.PWM, locked=True)


class Unit:
    """One EVSE's hardware: notes what it is told; can be slow, or refuse."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.gate: asyncio.Event | None = None
        self.refuses = False
        self.tries = 0

    async def _note(self, *what: Any) -> None:
        self.tries += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.refuses:
            raise BusError("cable broken")
        self.told.append(what)

    async def signal(self, signal: PilotSignal, current_a: float) -> None:
        await self._note("pilot", signal, current_a)

    async def permit(self, allowed: bool, phases: int) -> None:
        await self._note("permit", allowed, phases)

    async def set_locked(self, locked: bool) -> None:
        await self._note("lock", locked)


@asynccontextmanager
async def running(*units: Unit) -> Any:
    events: list[Fault] = []
    evses = tuple(EvseUnit(n, pilot=u, power=u, lock=u) for n, u in enumerate(units, start=1))
    outputs = BoardOutputs(Board("test", evses, ()), events.append)
    task = asyncio.create_task(outputs.run())
    try:
        yield outputs, events
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def idle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def in_virtual_time(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test())

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


async def test_restricting_first_raising_last() -> None:
    unit = Unit()
    async with running(unit) as (outputs, _):
        outputs.want(POWER)
        await idle()
        assert unit.told == [("pilot", PilotSignal.PWM, 16.0), ("lock", True), ("permit", True, 3)]
        unit.told.clear()
        outputs.want(OFF)
        await idle()
        assert unit.told == [("permit", False, 3), ("pilot", PilotSignal.OFF, 0.0), ("lock", False)]


async def test_only_what_differs_is_told() -> None:
    unit = Unit()
    async with running(unit) as (outputs, _):
        outputs.want(POWER)
        await idle()
        unit.told.clear()
        outputs.want(Output(1, True, 10.0, PilotSignal.PWM, locked=True, cause="cable"))
        await idle()
        assert unit.told == [("pilot", PilotSignal.PWM, 10.0)]
        outputs.want(Output(1, True, 10.0, PilotSignal.PWM, locked=True, cause="another reason"))
        await idle()
        assert len(unit.told) == 1


async def test_an_older_pending_level_is_void() -> None:
    """Power was permitted, but before the board got to it, a fault forbade it."""
    unit = Unit()
    unit.gate = asyncio.Event()
    async with running(unit) as (outputs, _):
        outputs.want(POWER)
        await idle()  # hangs in the pilot
        outputs.want(OFFER)
        unit.gate.set()
        await idle()
        assert ("permit", True, 3) not in unit.told


async def test_a_void_permission_is_given_when_it_is_wanted_again() -> None:
    """What was skipped must not count as done."""
    unit = Unit()
    unit.gate = asyncio.Event()
    async with running(unit) as (outputs, _):
        outputs.want(POWER)
        await idle()
        outputs.want(Output(1, True, 13.0, PilotSignal.PWM, locked=True))
        unit.gate.set()
        await idle()
        assert unit.told[-1] == ("permit", True, 3)
        assert ("pilot", PilotSignal.PWM, 13.0) in unit.told


async def test_the_bolt_is_moved_again_on_request() -> None:
    """F05: a lock that stuck is driven again, though the level is the same."""
    unit = Unit()
    async with running(unit) as (outputs, _):
        outputs.want(OFF)
        await idle()
        unit.told.clear()
        outputs.want(Output(1, False, 0.0, PilotSignal.OFF, locked=False, lock_attempt=1))
        await idle()
        assert unit.told == [("lock", False)]


@in_virtual_time
async def test_a_board_that_does_not_obey_is_a_fault_until_it_does() -> None:
    unit = Unit()
    unit.refuses = True
    async with running(unit) as (outputs, events):
        outputs.want(POWER)
        await asyncio.sleep(RETRY_FIRST_S * 0.5)
        assert events == [Fault(1, FaultCode.INTERNAL_ERROR, True, "board: cable broken")]
        await asyncio.sleep(20)
        assert len(events) == 1, "told once"
        unit.refuses = False
        await asyncio.sleep(30)
        assert events[-1] == Fault(1, FaultCode.INTERNAL_ERROR, False)
        assert unit.told[-1] == ("permit", True, 3)


@in_virtual_time
async def test_a_new_level_is_tried_at_once_while_the_board_refuses() -> None:
    unit = Unit()
    unit.refuses = True
    async with running(unit) as (outputs, _):
        outputs.want(POWER)
        await asyncio.sleep(100)  # the back-off is at its longest
        unit.refuses = False
        outputs.want(OFF)
        await asyncio.sleep(0.01)
        assert ("permit", False, 3) in unit.told


@in_virtual_time
async def test_one_broken_unit_does_not_hold_up_the_other() -> None:
    broken, sound = Unit(), Unit()
    broken.refuses = True
    async with running(broken, sound) as (outputs, events):
        outputs.want(POWER)
        outputs.want(Output(2, True, 16.0, PilotSignal.PWM, locked=True))
        await asyncio.sleep(0.1)
        assert sound.told[-1] == ("permit", True, 3)
        assert [e.evse for e in events if isinstance(e, Fault)] == [1]


async def test_a_hanging_driver_is_noticed() -> None:
    unit = Unit()
    unit.gate = asyncio.Event()
    async with running(unit) as (outputs, _):
        assert not outputs.stuck()
        outputs.want(POWER)
        await idle()
        assert not outputs.stuck(), "seen for the first time"
        assert outputs.stuck()
        unit.gate.set()
        await idle()
        assert not outputs.stuck()


@pytest.mark.parametrize("level", [OFF, OFFER, POWER])
async def test_the_same_level_again_is_no_work(level: Output) -> None:
    unit = Unit()
    async with running(unit) as (outputs, _):
        outputs.want(level)
        await idle()
        tries = unit.tries
        outputs.want(level)
        await idle()
        assert unit.tries == tries


@in_virtual_time
async def test_a_permission_taken_away_overtakes_what_the_board_is_being_told() -> None:
    """LAW 2: a raise whose answer is late does not hold up what restricts."""
    unit = Unit()
    async with running(unit) as (outputs, _events):
        outputs.want(POWER)
        await idle()
        unit.told.clear()
        unit.gate = asyncio.Event()
        outputs.want(Output(1, True, 20.0, PilotSignal.PWM, locked=True))
        await idle()
        slow, unit.gate = unit.gate, None
        outputs.want(OFF)
        await idle()
        assert unit.told == [("permit", False, 3)], "the pilot is still on its way"
        slow.set()
        await idle()
        assert unit.told[-1] != ("permit", True, 3)
        assert ("pilot", PilotSignal.OFF, 0.0) in unit.told


@in_virtual_time
async def test_what_forbids_overtakes_also_when_a_second_level_that_forbids_follows_at_once() -> None:
    """LAW 2: a fault brings several levels in one turn of the loop; the last one has no permission to take away any more."""
    unit = Unit()
    async with running(unit) as (outputs, _events):
        outputs.want(POWER)
        await idle()
        unit.told.clear()
        unit.gate = asyncio.Event()
        outputs.want(Output(1, True, 20.0, PilotSignal.PWM, locked=True))
        await idle()
        unit.gate = None
        outputs.want(OFF)
        outputs.want(Output(1, False, 0.0, PilotSignal.FAULT, locked=True))
        await idle()
        assert unit.told == [("permit", False, 3)]


@in_virtual_time
async def test_a_permission_that_was_overtaken_is_given_again_when_it_is_wanted_again() -> None:
    unit = Unit()
    async with running(unit) as (outputs, _events):
        outputs.want(POWER)
        await idle()
        unit.gate = asyncio.Event()
        more = Output(1, True, 20.0, PilotSignal.PWM, locked=True)
        outputs.want(more)
        await idle()
        slow, unit.gate = unit.gate, None
        outputs.want(OFF)
        await idle()
        outputs.want(more)
        await idle()
        slow.set()
        await idle()
        assert [what for what in unit.told if what[0] == "permit"][-2:] == [("permit", False, 3), ("permit", True, 3)]
