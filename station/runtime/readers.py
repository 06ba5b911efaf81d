"""Card readers, keypads and buttons at work: opened, kept open, closed. A reader that is lost later comes back by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hal.api import Fault, FaultCode, HalEvent, Living, Reader
from hal.errors import DeviceError, HalError
from station.runtime.fault_sources import FaultSources

__all__ = ["ReaderHost"]

log = logging.getLogger("station.readers")

START_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 5.0
OPEN_RETRY_FIRST_S = 1.0
OPEN_RETRY_MOST_S = 60.0


class ReaderHost:
    """One reader. Its events pass as they are: it knows the station's numbers. faults: see BoardHost."""

    __slots__ = ("_faults", "_lost", "_reader", "_submit")

    def __init__(self, reader: Reader, submit: Callable[[HalEvent], None], faults: FaultSources | None = None) -> None:
        self._reader = reader
        self._submit = submit
        self._faults = faults or FaultSources(submit)
        self._lost = False

    @property
    def name(self) -> str:
        return self._reader.name

    async def run(self) -> None:
        """Open it, however often that takes, and stay until cancelled.

        A reader that cannot be opened is a fault that is told, and nothing that keeps the station from working.
        """
        delay = OPEN_RETRY_FIRST_S
        try:
            while not await self._open():
                await asyncio.sleep(delay)
                delay = min(delay * 2, OPEN_RETRY_MOST_S)
            await self._stay()
        finally:
            await self.close()

    async def _stay(self) -> None:
        """Until cancelled, or until the reader's own task has failed: raises what it failed of, for nobody else waits for it."""
        life = self._reader.life if isinstance(self._reader, Living) else None
        if life is None:
            await asyncio.get_running_loop().create_future()
            return
        try:
            await asyncio.shield(life)
        except Exception as error:
            self._lost = True  # its end is reported when the reader is open again
            self._report(active=True, info=f"the driver failed: {type(error).__name__}")
            raise

    def _take(self, event: HalEvent) -> None:
        if isinstance(event, Fault):
            self._faults.report(self._source("driver"), event)
        else:
            self._submit(event)

    def _source(self, part: str) -> str:
        return f"{part} of reader {self.name}"

    async def _open(self) -> bool:
        self._faults.begin_anew(self._source("driver"))
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._reader.start(self._take)
        except TimeoutError:
            return self._failed(DeviceError(f"{self.name}: no answer within {START_TIMEOUT_S:g} s"))
        except HalError as error:
            return self._failed(error)
        self._faults.settle(self._source("driver"))
        if self._lost:
            self._lost = False
            log.info("%s: the reader answers", self.name)
            self._report(active=False)
        return True

    def _failed(self, error: HalError) -> bool:
        if not self._lost:
            log.error("%s: the reader cannot be opened, tried again: %s", self.name, error)
            self._report(active=True, info=str(error))
        self._lost = True
        return False

    def _report(self, *, active: bool, info: str = "") -> None:
        self._faults.report(self._source("host"), Fault(self._reader.evse, FaultCode.READER_FAILURE, active, info))

    async def close(self) -> None:
        """Let go of it. Idempotent."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._reader.close()
        except HalError as error:
            log.error("%s: closing: %s", self.name, error)
        except TimeoutError:
            log.error("%s: closing: no answer within %g s", self.name, CLOSE_TIMEOUT_S)
