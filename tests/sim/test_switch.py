"""The network cable of the bench: pulled and put in, with a CSMS at the other end or nobody."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from station.ocpp.link import LinkState
from station.ocpp.link_settings import LinkSettings
from station.ocpp.trouble import Trouble
from station.sim.csms import EmbeddedCsms
from station.sim.switch import Switch


class Hooks:
    """What the link tells."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_open(self, subprotocol: str) -> None:
        self.told.append(f"open {subprotocol}")

    def on_text(self, text: str) -> None:
        self.told.append(text)

    def on_failed(self, trouble: Trouble) -> None: ...

    def on_closed(self, reason: str) -> None:
        self.told.append(f"closed: {reason}")


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not check():
            await asyncio.sleep(0.005)


async def test_a_cable_is_pulled_and_put_in() -> None:
    async with EmbeddedCsms(websocket=True) as csms:
        hooks = Hooks()
        settings = LinkSettings(csms.url, "CS1", lambda: ("ocpp2.0.1",))
        switch = Switch(settings, hooks, random.Random(1), connected=False)
        running = asyncio.create_task(switch.run())
        await asyncio.sleep(0)
        assert switch.state is LinkState.IDLE
        assert not switch.send("x")
        switch.push()
        await until(lambda: hooks.told == ["open ocpp2.0.1"])
        assert switch.send('[2,"1","Heartbeat",{}]')
        await until(lambda: len(hooks.told) == 2)
        await switch.pull()
        assert hooks.told[2].startswith("closed: "), "told at once, not when a ping is missed"
        assert len(hooks.told) == 3
        assert switch.last_error is None
        switch.push()
        await until(lambda: hooks.told[-1] == "open ocpp2.0.1")
        await switch.close()
        async with asyncio.timeout(5):
            await running


async def test_it_ends_while_the_cable_is_out() -> None:
    switch = Switch(LinkSettings("ws://127.0.0.1:9", "CS1", tuple), Hooks(), random.Random(1), connected=False)
    running = asyncio.create_task(switch.run())
    await asyncio.sleep(0)
    await switch.close()
    async with asyncio.timeout(5):
        await running
