"""The residual-current device of a simulated EVSE, which can test itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hal.errors import BusError, DeviceError
from hal.sim.world import World

# From the pulse on the test coil until the output has come back (a real one needs about three seconds).
TEST_S = 3.0


class SimRcd:
    """away: nobody is plugged in and the contactor is open. broken: it does not trip in its test any more. tests: that it has run."""

    __slots__ = ("_away", "_number", "_powered", "_world", "broken", "tests")

    def __init__(self, world: World, number: int, powered: Callable[[], bool], away: Callable[[], bool]) -> None:
        self._world = world
        self._number = number
        self._powered = powered
        self._away = away
        self.broken = False
        self.tests = 0

    async def self_test(self) -> None:
        """Takes `TEST_S`. Raises BusError without power, DeviceError when it does not trip or must not be tested now."""
        self._require_power()
        if not self._away():
            raise DeviceError(
                f"EVSE {self._number}: the RCD is tested with no vehicle connected and the contactor open"
            )
        over = asyncio.Event()
        timer = self._world.scheduler.call_later(TEST_S, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()
        self._require_power()
        self.tests += 1
        if self.broken:
            raise DeviceError("the RCD does not trip")

    def _require_power(self) -> None:
        if not self._powered():
            raise BusError(f"EVSE {self._number}: the RCD does not answer: no power")
