"""A command table over a whole simulated station in virtual time, and results that are checked against their schemas."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import jsonschema
import orjson
import pytest

from station.errors import ControlError
from station.runtime.control import TABLE
from station.runtime.control_command import describe
from station.runtime.control_types import Json
from station.sim.lab import Lab, LabSettings, run_lab

VERSIONS = ("1.6", "2.0.1")


class Rig:
    """`do` checks every result against the schema that the table promises; `used` is what was carried out."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.control = lab.control()
        self.used: set[str] = set()

    async def do(self, command: str, /, **arguments: Any) -> Json:
        result = await self.control.do(command, arguments)
        self.used.add(command)
        assert orjson.loads(orjson.dumps(result)) == result, "plain JSON"
        jsonschema.validate(result, describe(TABLE[command])["returns"])
        return result

    async def refused(self, command: str, /, **arguments: Any) -> ControlError:
        """The refusal; nothing that can be seen of the station may have changed."""
        before = await self.seen()
        with pytest.raises(ControlError) as caught:
            await self.control.do(command, arguments)
        assert caught.value.problems
        assert await self.seen() == before, f"{command} was refused and has changed something"
        return caught.value

    async def seen(self) -> bytes:
        """Everything that the table shows, as one text. No time passes."""
        found = [await self.control.do("state", {}), await self.control.do("transactions", {})]
        found.append(await self.control.do("frames", {"limit": 5000}))
        if self.lab.powered:
            found += [await self.control.do(name, {}) for name in ("variables", "keys", "queue", "dead_letters")]
        found.append({"register": [evse.meter.register_wh for evse in self.lab.board.evses]})
        return orjson.dumps(found)

    async def state(self) -> Json:
        return await self.do("state")

    async def evse(self, number: int = 1) -> Json:
        return dict((await self.do("state"))["evses"][number - 1])

    async def charging(self, **car: Any) -> None:
        """A car charges at EVSE 1."""
        await self.do("wait", duration=5)
        await self.do("plug", evse=1, car=car)
        await self.do("swipe")
        await self.do("wait", duration=30)
        assert (await self.evse())["relay_closed"]

    async def frames(self, **wanted: Any) -> list[Json]:
        return list((await self.do("frames", **wanted))["frames"])


def play(work: Callable[[Rig], Coroutine[Any, Any, Any]], version: str = "2.0.1", **settings: Any) -> Any:
    """Run `work` on a bench of its own."""

    async def main(lab: Lab) -> Any:
        return await work(Rig(lab))

    settings.setdefault("versions", (version,))
    return run_lab(LabSettings(csms_fast=True, **settings), main)


async def turns(count: int = 5) -> None:
    """Let what is ready happen; no time passes."""
    for _ in range(count):
        await asyncio.sleep(0)
