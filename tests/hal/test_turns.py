"""hal.bus.turns: the order of those who wait, and those who give up."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from hal.bus.turns import Turns
from station.sim.loop import run


def test_urgent_ones_go_ahead_of_all_who_wait() -> None:
    async def main() -> None:
        turns, order = Turns(), list[str]()

        async def go(name: str, *, urgent: bool = False) -> None:
            async with turns.turn(urgent=urgent):
                order.append(name)
                await asyncio.sleep(1.0)

        tasks = [asyncio.ensure_future(go(name, urgent=name.isupper())) for name in ("a", "b", "C", "d", "E")]
        await asyncio.gather(*tasks)
        assert order == ["a", "C", "E", "b", "d"]

    run(main())


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0.0, 3.0), st.none() | st.floats(0.0, 4.0)), min_size=1, max_size=12)
)
def test_one_at_a_time_and_nobody_who_gives_up_keeps_the_turn(visits: list[tuple[bool, float, float | None]]) -> None:
    """visits: urgent, when it comes, when it is cancelled."""

    async def main() -> None:
        turns, inside, most = Turns(), 0, 0

        async def go(urgent: bool, comes: float) -> None:
            nonlocal inside, most
            await asyncio.sleep(comes)
            async with turns.turn(urgent=urgent):
                inside += 1
                most = max(most, inside)
                try:
                    await asyncio.sleep(0.5)
                finally:
                    inside -= 1

        tasks = []
        for urgent, comes, cancelled in visits:
            task = asyncio.ensure_future(go(urgent, comes))
            tasks.append(task)
            if cancelled is not None:
                asyncio.get_running_loop().call_later(cancelled, task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert most <= 1
        async with asyncio.timeout(1.0), turns.turn():
            pass  # it is free

    run(main())
