"""One emulated device of `station sim --wire`: its process, and the adapter that it hangs on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hal.emulators.process import EmulatorProcess
from hal.errors import HalError

__all__ = ["WirePart"]

log = logging.getLogger("station.wire")


class WirePart:
    """what: how people call it. port: what the driver opens, the same name after every unplugging, as udev gives it.
    settings: of the emulator.

    `tell` waits for the answer; `order` does not, but keeps the order of things. plugged, noise: as people have left the adapter.
    """

    def __init__(self, what: str, emulator: str, link: Path, settings: Mapping[str, Any] | None = None) -> None:
        self.what = what
        self.port = str(link)
        self.plugged = True
        self.noise = 0.0
        self._process = EmulatorProcess(emulator, link=link, **(settings or {}))
        self._orders: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def start(self) -> None:
        """Raises ConfigError with the emulator's own words when it does not start."""
        await self._process.start()

    async def tell(self, **order: object) -> dict[str, object]:
        """Carry out, and return the facts. Raises ConfigError when it is refused, BusError when the process is gone."""
        if self._orders:
            await asyncio.wait(tuple(self._orders))
        return await self._process.tell(**order)

    def order(self, **order: object) -> None:
        """Have it carried out soon; a refusal is logged."""
        task = asyncio.get_running_loop().create_task(self._carry_out(order))
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)

    async def _carry_out(self, order: dict[str, object]) -> None:
        try:
            await self._process.tell(**order)
        except HalError as error:
            log.error("%s: %s", self.what, error)

    def plug(self, plugged: bool) -> None:
        """The adapter is pulled out of its socket, or put in again."""
        if plugged is not self.plugged:
            self.plugged = plugged
            self.order(**{"plug_in" if plugged else "hang_up": True})

    def disturb(self, chance: float) -> None:
        """Random bytes come before so many (0 to 1) of the device's answers."""
        self.noise = chance
        self.order(noise=chance)

    async def drop_line(self) -> None:
        """Whoever drives it has gone without a word: the line is dead for a moment."""
        if self.plugged:
            await self.tell(hang_up=True)

    async def restore_line(self) -> None:
        if self.plugged:
            await self.tell(plug_in=True)

    async def stop(self) -> None:
        """End the process. Idempotent."""
        for task in tuple(self._orders):
            task.cancel()
        await asyncio.gather(*self._orders, return_exceptions=True)
        await self._process.stop()
