"""The life that all readers, keypads and buttons have: reached, watched, lost, reached again."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod

from hal.api import Fault, FaultCode, HalEvent, Sink
from hal.errors import HalError

log = logging.getLogger("hal.reader")

RETURN_FIRST_S = 0.5
RETURN_MOST_S = 5.0
"""Seconds between two attempts to reach a lost reader."""


class ReaderLife(ABC):
    """A hal.api.Device; what is special is in `_reach`, `_watch` and `_release`.

    name: of the port, for messages. evse: where a ReaderFailure belongs; None: to the whole station.
    """

    def __init__(self, name: str, evse: int | None) -> None:
        self.name = name
        self._evse = evse or 0
        self._sink: Sink | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def evse(self) -> int:
        """Where it stands; 0: for the whole station."""
        return self._evse

    @property
    def life(self) -> asyncio.Task[None] | None:
        """See hal.api.Living."""
        return self._task

    async def start(self, sink: Sink) -> None:
        """Reach it. Raises BusError, DeviceError."""
        await self.close()
        try:
            await self._reach()
        except BaseException:
            await self._release()
            raise
        self._sink = sink
        self._task = asyncio.get_running_loop().create_task(self._live())

    async def close(self) -> None:
        """Release it. Idempotent."""
        task, self._task = self._task, None
        self._sink = None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._release()

    @abstractmethod
    async def _reach(self) -> None:
        """Open it and see that it answers. Raises HalError."""

    @abstractmethod
    async def _watch(self) -> None:
        """Tell what happens; never returns. Raises HalError when it has to be reached anew."""

    @abstractmethod
    async def _release(self) -> None:
        """Let go of it. Idempotent."""

    def _emit(self, event: HalEvent) -> None:
        if self._sink is not None:
            self._sink(event)

    def _fault(self, active: bool, info: str = "") -> None:
        self._emit(Fault(self._evse, FaultCode.READER_FAILURE, active, info))

    async def _live(self) -> None:
        try:
            while True:
                try:
                    await self._watch()
                except HalError as error:
                    log.error("%s: lost, tried again: %s", self.name, error)
                    self._fault(True, str(error))
                    await self._return(str(error))
        except Exception as error:
            log.exception("%s: the driver failed", self.name)
            self._fault(True, f"the driver failed: {type(error).__name__}")
            raise

    async def _return(self, why: str) -> None:
        """Reach it again, however long it takes."""
        delay = RETURN_FIRST_S
        while True:
            await self._release()
            await asyncio.sleep(delay)
            delay = min(delay * 2, RETURN_MOST_S)
            try:
                await self._reach()
            except HalError as error:
                if str(error) != why:
                    why = str(error)
                    log.info("%s: not yet: %s", self.name, error)
            else:
                log.info("%s: answers again", self.name)
                self._fault(False)
                return
