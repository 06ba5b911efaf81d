"""The life that all boards have: reached, kept up with, lost, reached again, and left safe."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import ClassVar

from hal.api import Fault, FaultCode, HalEvent, Sink
from hal.errors import BusError, HalError

log = logging.getLogger("hal.board")

EVSE = 1
"""The number of the only EVSE that most boards have."""
RETURN_FIRST_S = 0.5
RETURN_MOST_S = 5.0
"""Seconds between two attempts to reach a lost board."""


class BoardLife(ABC):
    """A hal.api.Device; what is special is in the methods below. It may be started again after `close`.

    name: of the port, for messages. left: what was not done to a board that cannot be reached when it is closed.
    """

    left: ClassVar[str] = "was not left safe"

    def __init__(self, name: str) -> None:
        self._name = name
        self._sink: Sink | None = None
        self._up = False
        self._why_down = "it was not started"
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- Device -------------------------------------------------------------------------------------------------------

    async def start(self, sink: Sink) -> None:
        """Reach the board, leave it safe, tell how everything is. Raises BusError, DeviceError, ConfigError."""
        await self._end_task()
        self._begin()
        self._sink = sink
        try:
            await self._arrive()
        except BaseException:
            self._up = False
            self._sink = None
            await self._release()
            raise
        self._task = asyncio.get_running_loop().create_task(self._supervise())

    async def close(self) -> None:
        """Leave the board safe, see its contactor open, release the port. Raises BusError when it cannot be reached, DeviceError."""
        started = self._task is not None
        await self._end_task()
        was_up, self._up, self._sink = self._up, False, None
        why, self._why_down = self._why_down, "it was closed"
        try:
            if was_up:
                await self._leave_safe()
        finally:
            await self._release()
        if started and not was_up:
            raise BusError(f"{self._name}: {self.left}, it is not reached: {why}")

    @property
    def life(self) -> asyncio.Task[None] | None:
        """See hal.api.Living."""
        return self._task

    async def _end_task(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # --- what is special ----------------------------------------------------------------------------------------------

    @abstractmethod
    def _begin(self) -> None:
        """Whatever was wanted before is forgotten: nothing is permitted."""

    @abstractmethod
    async def _arrive(self) -> None:
        """Open it and bring it to the level, tell how everything is, set `_up`. Raises HalError."""

    @abstractmethod
    async def _watch(self) -> None:
        """Keep up with it; never returns. Raises HalError when it has to be reached anew."""

    @abstractmethod
    async def _leave_safe(self) -> None:
        """Forbid, see it open. Raises BusError, DeviceError."""

    @abstractmethod
    async def _release(self) -> None:
        """Let go of the port. Idempotent."""

    async def _abandon(self) -> None:
        """It is lost: before every attempt to reach it again."""
        await self._release()

    def _tell_lost(self, why: str) -> None:
        self._emit(Fault(EVSE, FaultCode.INTERNAL_ERROR, True, why))

    def _tell_back(self) -> None:
        self._emit(Fault(EVSE, FaultCode.INTERNAL_ERROR, False))

    # --- for all ------------------------------------------------------------------------------------------------------

    def _emit(self, event: HalEvent) -> None:
        if self._sink is not None:
            self._sink(event)

    async def _supervise(self) -> None:
        """Keep up with the board; when it is lost, say so and come back. Until cancelled."""
        try:
            while True:
                try:
                    await self._watch()
                except HalError as error:
                    self._lost(str(error))
                await self._return()
        except Exception as error:
            log.exception("%s: the driver failed", self._name)
            self._lost(f"the driver failed: {type(error).__name__}")
            await self._abandon()
            raise

    def _lost(self, why: str) -> None:
        self._up = False
        self._why_down = why
        log.error("%s: lost, tried again: %s", self._name, why)
        self._tell_lost(why)

    async def _return(self) -> None:
        """Reach the board again, however long it takes."""
        delay = RETURN_FIRST_S
        while not self._up:
            await self._abandon()
            await asyncio.sleep(delay)
            delay = min(delay * 2, RETURN_MOST_S)
            try:
                await self._arrive()
            except HalError as error:
                self._up = False
                if str(error) != self._why_down:
                    self._why_down = str(error)
                    log.info("%s: not yet: %s", self._name, error)
        log.info("%s: answers again", self._name)
        self._tell_back()
