"""Outputs are levels, not commands: one task per board converges on the newest level of each EVSE (LAW 2).

An older pending level is void. So a late commit can never switch on what a fault has just switched off.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace

from hal.api import Board, EvseUnit, Fault, FaultCode, PilotSignal
from hal.errors import HalError
from station.core.effects import Output

log = logging.getLogger("station.outputs")

RETRY_FIRST_S = 0.5
RETRY_MOST_S = 30.0


class BoardOutputs:
    """Drives the EVSEs of one board. `submit` takes the faults that a board which does not obey causes.

    A permission that is taken away overtakes whatever the board is being told at that moment (LAW 2): drivers send it ahead.
    """

    __slots__ = (
        "_applied",
        "_applying",
        "_board",
        "_changed",
        "_failing",
        "_forbidding",
        "_overtaken",
        "_seen_waiting",
        "_submit",
        "_units",
        "_wanted",
    )

    def __init__(self, board: Board, submit: Callable[[Fault], None]) -> None:
        self._board = board
        self._submit = submit
        self._units: dict[int, EvseUnit] = {unit.evse: unit for unit in board.units}
        self._wanted: dict[int, Output] = {}
        self._applied: dict[int, Output] = {}
        self._applying: int | None = None
        self._forbidding: set[asyncio.Task[None]] = set()
        self._overtaken: set[int] = set()  # forbidden while the task was in the driver
        self._failing: set[int] = set()
        self._seen_waiting: dict[int, Output] = {}
        self._changed = asyncio.Event()

    def want(self, output: Output) -> None:
        """Make `output` the level to converge on; returns at once."""
        before = self._wanted.get(output.evse)
        self._wanted[output.evse] = output
        self._changed.set()
        if self._applying is not None and before is not None and before.permit and not output.permit:
            task = asyncio.get_running_loop().create_task(self._forbid(self._units[output.evse], output))
            self._forbidding.add(task)
            task.add_done_callback(self._forbidding.discard)

    async def _forbid(self, unit: EvseUnit, output: Output) -> None:
        """Ahead of the task, which is in its driver; that does it again when its turn comes, and says so when it fails."""
        newest = self._wanted.get(unit.evse, output)  # a later level may forbid as well, and has nothing to take away
        if not newest.permit:
            self._overtaken.add(unit.evse)
            with contextlib.suppress(HalError):
                await unit.power.permit(False, output.phases)

    def stuck(self) -> bool:
        """A level has been waiting since the last time this was asked: the task hangs in its driver."""
        waiting = {
            evse: output for evse, output in self._wanted.items() if not output.same_level(self._applied.get(evse))
        }
        hanging = any(self._seen_waiting.get(evse) is output for evse, output in waiting.items())
        self._seen_waiting = waiting
        return hanging and not self._failing

    async def run(self) -> None:
        """Converge until cancelled."""
        delay = RETRY_FIRST_S
        try:
            while True:
                if await self._converge():
                    delay = RETRY_FIRST_S
                    await self._changed.wait()
                else:
                    await self._changed_within(delay)
                    delay = min(delay * 2, RETRY_MOST_S)
                self._changed.clear()
        finally:
            for task in self._forbidding:
                task.cancel()

    async def _changed_within(self, seconds: float) -> None:
        """Wait for the next attempt; a new level is tried at once, it may be the one that the board obeys."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _converge(self) -> bool:
        """One pass over every EVSE that is not at its level; False when one failed and must be retried."""
        good = True
        for evse, unit in self._units.items():
            while (wanted := self._wanted.get(evse)) is not None and not wanted.same_level(self._applied.get(evse)):
                self._applying = evse
                self._overtaken.discard(evse)
                try:
                    reached = await self._apply(unit, wanted, self._applied.get(evse))
                except HalError as error:
                    self._failed(evse, error)
                    good = False
                    break
                finally:
                    self._applying = None
                if evse in self._overtaken:
                    self._overtaken.discard(evse)
                    reached = replace(reached, permit=False)
                self._applied[evse] = reached
                self._obeys(evse)
        return good

    async def _apply(self, unit: EvseUnit, wanted: Output, before: Output | None) -> Output:
        """Whatever restricts goes first, whatever raises goes last; between steps a newer level may take over.

        Returns the level that is in force then. Raises HalError.
        """
        if not wanted.permit and (before is None or before.permit):
            await unit.power.permit(False, wanted.phases)
        signal = (wanted.pilot, wanted.current_a if wanted.pilot is PilotSignal.PWM else 0.0)
        if before is None or signal != (before.pilot, before.current_a if before.pilot is PilotSignal.PWM else 0.0):
            await unit.pilot.signal(*signal)
        bolt = (wanted.locked, wanted.lock_attempt)
        if unit.lock is not None and (before is None or bolt != (before.locked, before.lock_attempt)):
            await unit.lock.set_locked(wanted.locked)
        if wanted.permit and (before is None or not before.permit or before.phases != wanted.phases):
            if self._wanted.get(unit.evse) is not wanted:
                return replace(wanted, permit=False)  # a newer level is here: this permission is void
            await unit.power.permit(True, wanted.phases)
        return wanted

    def _failed(self, evse: int, error: HalError) -> None:
        self._applied.pop(evse, None)  # nobody knows what the board did of it: start from nothing
        if evse not in self._failing:
            self._failing.add(evse)
            log.error("EVSE %d: board %s does not obey: %s", evse, self._board.name, error)
            self._submit(Fault(evse, FaultCode.INTERNAL_ERROR, True, f"board: {error}"))

    def _obeys(self, evse: int) -> None:
        if evse in self._failing:
            self._failing.discard(evse)
            log.info("EVSE %d: board %s obeys again", evse, self._board.name)
            self._submit(Fault(evse, FaultCode.INTERNAL_ERROR, False))
