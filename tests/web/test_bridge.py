"""The bridge between two loops: one of them virtual, standing still, gone, or closed in the middle."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from station.errors import ControlError
from station.sim.loop import VirtualLoop
from station.web.answers import RefusedError
from station.web.bridge import Bridge
from tests.web.small import TABLE, SmallControl


@contextmanager
def station(speed: float | None) -> Iterator[tuple[SmallControl, VirtualLoop]]:
    """A Control on a virtual loop in a thread of its own, with a timer far away so that it has somewhere to jump to."""
    ready = threading.Event()
    found: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        found.extend([SmallControl(), loop, ended])
        loop.call_later(1e5, lambda: None)
        ready.set()
        await ended.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(speed=speed)) as runner:
            runner.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    control, loop, ended = found
    try:
        yield control, loop
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        assert not thread.is_alive()


def in_its_loop(loop: VirtualLoop, work: Callable[[], object]) -> None:
    done = threading.Event()
    loop.call_soon_threadsafe(lambda: (work(), done.set()))
    assert done.wait(10)


async def soon(work: Coroutine[Any, Any, Any]) -> Any:
    return await asyncio.wait_for(work, 10)


@pytest.mark.parametrize("speed", [0.0, 1.0], ids=["standing still", "in pace"])
async def test_a_loop_that_waits_is_woken(speed: float) -> None:
    with station(speed) as (control, loop):
        bridge = Bridge(control, loop)
        assert await soon(bridge.do("plug", {"evse": 3})) == {}
        assert await soon(bridge.do("state", {})) == {"plugged": [3]}
        assert await soon(bridge.describe()) == TABLE
        with pytest.raises(ControlError, match="there is a car already"):
            await soon(bridge.do("plug", {"evse": 3}))
        mailbox = await soon(bridge.subscribe(frozenset({"fact"})))
        in_its_loop(loop, lambda: control.tell({"event": "fact", "n": 1}))
        assert await mailbox.take(10) == [{"event": "fact", "n": 1}]
        bridge.unsubscribe(mailbox)
        await soon(bridge.do("state", {}))
        assert control.listeners == []


async def test_a_loop_that_is_busy_is_served_in_between() -> None:
    """As fast as possible: the loop never waits."""
    with station(None) as (control, loop):

        def again() -> None:
            loop.call_later(1.0, again)

        in_its_loop(loop, again)
        bridge = Bridge(control, loop)
        for evse in range(50):
            await soon(bridge.do("plug", {"evse": evse}))
        assert len(control.plugged) == 50
        before = loop.time()
        await asyncio.sleep(0.05)
        assert loop.time() > before + 100


async def test_a_mistake_reaches_whoever_asked() -> None:
    bridge = Bridge(SmallControl(), asyncio.get_running_loop())
    with pytest.raises(ZeroDivisionError):
        await bridge.do("crash", {})
    with pytest.raises(ControlError, match="weather"):
        await bridge.subscribe(frozenset({"weather"}))


async def test_giving_up_reaches_the_command() -> None:
    with station(0.0) as (control, loop):
        bridge = Bridge(control, loop)
        asking = asyncio.ensure_future(bridge.do("wait", {}))
        await soon(bridge.do("state", {}))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await soon(bridge.do("state", {}))
        await soon(bridge.do("state", {}))
        assert control.given_up.is_set()


async def test_closing_lets_nobody_wait() -> None:
    with station(0.0) as (control, loop):
        bridge = Bridge(control, loop)
        asking = asyncio.ensure_future(bridge.do("stuck", {}))
        mailbox = await soon(bridge.subscribe(frozenset({"fact"})))
        in_its_loop(loop, bridge.close)
        with pytest.raises(RefusedError, match="switched off") as caught:
            await soon(asking)
        assert caught.value.code == "unavailable"
        assert await mailbox.take(10) == []
        assert mailbox.closed
        assert control.listeners == []
        for again in (bridge.do("state", {}), bridge.describe(), bridge.subscribe(frozenset())):
            with pytest.raises(RefusedError):
                await soon(again)
        in_its_loop(loop, bridge.close)
        bridge.unsubscribe(mailbox)


async def test_a_loop_that_is_gone() -> None:
    with station(1.0) as (control, loop):
        bridge = Bridge(control, loop)
        mailbox = await soon(bridge.subscribe(frozenset({"fact"})))
    assert loop.is_closed()
    with pytest.raises(RefusedError, match="switched off"):
        await soon(bridge.do("state", {}))
    bridge.unsubscribe(mailbox)


async def test_a_command_that_was_handed_over_to_a_loop_that_stops() -> None:
    """It never began; nobody may wait for it for ever, and nothing is left behind that complains."""
    loop = asyncio.new_event_loop()  # it does not run
    bridge = Bridge(SmallControl(), loop)
    asking = asyncio.ensure_future(bridge.do("plug", {}))
    await asyncio.sleep(0)
    bridge.close()
    with pytest.raises(RefusedError):
        await soon(asking)
    loop.close()
