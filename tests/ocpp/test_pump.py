"""Turns: when something changed, when a time has come, and after a mistake."""

from __future__ import annotations

import asyncio

from station.ocpp.pump import AGAIN_AFTER_S, STUMBLES_MOST, Pump
from station.sim.loop import run


class Work:
    def __init__(self) -> None:
        self.turns: list[float] = []
        self.delay: float | None = None
        self.bad = False
        self.speed = 1.0
        self.stumbles = 0
        self.pump = Pump(self.work, self.stumbled, lambda: self.speed, {})

    def work(self) -> float | None:
        self.turns.append(round(asyncio.get_running_loop().time(), 3))
        if self.bad:
            raise ValueError("one bug")
        return self.delay

    def stumbled(self) -> None:
        self.stumbles += 1


def test_one_turn_for_everything_that_happened_at_once() -> None:
    async def scene() -> None:
        work = Work()
        work.pump.wake()
        await asyncio.sleep(1)
        assert work.turns == [], "it does not run yet"
        work.pump.start()
        work.pump.wake()
        work.pump.wake()
        await asyncio.sleep(1)
        assert len(work.turns) == 1
        work.pump.wake()
        work.pump.now()
        await asyncio.sleep(1)
        assert len(work.turns) == 2, "the turn now was the one that was to follow"
        work.pump.end()
        work.pump.wake()
        work.pump.now()
        await asyncio.sleep(1)
        assert len(work.turns) == 2

    run(scene())


def test_a_time_that_comes() -> None:
    async def scene() -> None:
        work = Work()
        work.delay = 10.0
        work.pump.start()
        await asyncio.sleep(25)
        start = work.turns[0]
        assert [round(turn - start) for turn in work.turns] == [0, 10, 20]
        work.pump.end()
        await asyncio.sleep(25)
        assert len(work.turns) == 3

    run(scene())


def test_time_at_another_pace_is_looked_at_often() -> None:
    async def scene() -> None:
        work = Work()
        work.delay, work.speed = 10.0, 20.0
        work.pump.start()
        await asyncio.sleep(0.75)
        assert len(work.turns) == 2
        work.speed = 0.0
        await asyncio.sleep(3)
        assert 4 <= len(work.turns) <= 6, "time stands still: once a second"
        work.pump.end()

    run(scene())


def test_a_mistake_is_followed_by_another_try() -> None:
    async def scene() -> None:
        work = Work()
        work.bad = True
        work.pump.start()
        await asyncio.sleep(AGAIN_AFTER_S * 2.5)
        assert work.stumbles == len(work.turns) == 3
        assert work.pump.alive
        await asyncio.sleep(AGAIN_AFTER_S * STUMBLES_MOST)
        assert not work.pump.alive
        work.bad = False
        await asyncio.sleep(AGAIN_AFTER_S * 2)
        assert not work.pump.alive, "a turn with nothing to do proves nothing"
        work.pump.went_well()
        assert work.pump.alive
        work.pump.end()

    run(scene())
