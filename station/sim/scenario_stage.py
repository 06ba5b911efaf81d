"""The bench as the steps of a scenario see it, and how a step says that it did not come out as wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hal.sim.car import Car
from station.errors import StationError
from station.runtime.control import Controller
from station.sim.csms import EmbeddedCsms
from station.sim.csms_journal import SeenFrame, SeenTransaction
from station.sim.lab import Lab

__all__ = ["Stage", "StepFailed", "evse_of"]

POLL_S = 5.0
"""How often a condition is looked at when nothing at all happens."""


class StepFailed(Exception):  # noqa: N818 - not an error of the program: the play goes on to its verdict
    """A step did not come out as wanted; the lines say what was expected and what came instead."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Stage:
    """The bench as steps see it. `since`: place in the journal where the last deed began; `cursor`: after the last match."""

    def __init__(self, lab: Lab, version: str) -> None:
        if lab.csms is None:
            raise StationError("a scenario needs the embedded CSMS")
        self.lab = lab
        self.csms: EmbeddedCsms = lab.csms
        self.station = lab.settings.identity
        self.started = version
        self.since = self.cursor = 0
        self.control: Controller = lab.control()
        self.cars: dict[int, list[tuple[Car, float]]] = {}
        lab.on_plug(self._plugged)
        self.registers = {evse.number: evse.meter.register_wh for evse in lab.board.evses}
        self._news = asyncio.Event()
        lab.on_turn(lambda *_turn: self._news.set())
        self.csms.journal.listeners.append(lambda _frame: self._news.set())

    def _plugged(self, evse: int, car: Car, energy_wh: float, again: bool) -> None:
        if not again:
            self.cars.setdefault(evse, []).append((car, energy_wh))

    @property
    def version(self) -> str:
        """The OCPP version that is spoken, or was last."""
        return self.csms.station(self.station).version or self.started

    @property
    def time(self) -> float:
        """Seconds of station time since the play began."""
        return self.lab.scheduler.time()

    def frames(self, since: int) -> list[SeenFrame]:
        """What passed since a place in the journal."""
        return [frame for frame in self.csms.journal.frames if frame.number >= since and frame.station == self.station]

    async def until(self, check: Callable[[], bool], within: float) -> bool:
        """Wait until `check` holds, looking whenever something happened; False when `within` seconds went by."""
        deadline = self.time + within
        while True:
            self._news.clear()
            if check():
                return True
            left = deadline - self.time
            if left <= 0:
                return False
            try:
                async with asyncio.timeout(min(left, POLL_S)):
                    await self._news.wait()
            except TimeoutError:
                continue

    def evse(self, number: int) -> int:
        """The number, when there is such an EVSE."""
        if number > len(self.lab.board.evses):
            raise StepFailed(f"there is no EVSE {number}: the station has {len(self.lab.board.evses)}")
        return number

    def transaction(self, evse: int, *, running: bool) -> SeenTransaction:
        """The newest transaction of an EVSE that the CSMS knows."""
        for seen in reversed(self.csms.station(self.station).transactions.values()):
            if evse_of(seen) == evse and not (running and seen.ended):
                return seen
        raise StepFailed(f"the CSMS knows of no {'running ' if running else ''}transaction at EVSE {evse}")


def evse_of(seen: SeenTransaction) -> int | None:
    """Where a transaction is, as the CSMS was told."""
    if seen.start is not None:
        return int(seen.start["connectorId"])
    return next((int(event["evse"]["id"]) for event in seen.events if "evse" in event), None)
