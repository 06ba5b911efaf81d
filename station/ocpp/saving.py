"""Saves what delivery owes the database. A commit that fails is tried again until it succeeds; only records wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from station.clock import Now
from station.errors import StoreError
from station.ocpp.delivery import Delivery
from station.store.ops import Bury, Op, StorePort

_log = logging.getLogger("station.ocpp")


class Saver:
    """retry_s: pause before a failed commit is tried again. wake: called when a commit has changed what may be sent."""

    __slots__ = ("_closed", "_closing", "_delivery", "_extra", "_open", "_retry_s", "_store", "_timer", "_wake")

    def __init__(
        self,
        store: StorePort,
        delivery: Delivery,
        retry_s: float,
        wake: Callable[[], None],
        extra: Mapping[str, str],
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._retry_s = retry_s
        self._wake = wake
        self._extra = extra
        self._timer: asyncio.TimerHandle | None = None
        self._open = False  # a commit is on its way
        self._closed = False
        self._closing: asyncio.Future[None] | None = None

    def save(self, now: Now) -> None:
        """Commit what is owed. With a store that commits at once, go on until nothing is owed."""
        while ops := self._delivery.prepare(now):
            for op in ops:
                if isinstance(op, Bury):
                    _log.warning("record %d becomes a dead letter: %s", op.record, op.why, extra=self._extra)
            if not self._commit(ops):
                return

    def abort(self) -> None:
        """Save nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def close(self, now: Now) -> None:
        """Save what is still owed and wait for it. What the disk refuses is owed again after the next start."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            return
        self.save(now)
        while self._open:
            self._closing = asyncio.get_running_loop().create_future()
            await self._closing
            self.save(now)

    def _commit(self, ops: tuple[Op, ...]) -> bool:
        """True when the ops are durable already."""
        outcome: list[StoreError | None] = []
        inline = True

        def done(error: StoreError | None) -> None:
            outcome.append(error)
            self._open = False
            if self._closing is not None and not self._closing.done():
                self._closing.set_result(None)
            if error is not None:
                self._failed(error, ops)
                return
            self._delivery.committed()
            if not inline:
                self._wake()

        self._store.commit(ops, done)
        inline = False
        self._open = not outcome
        return outcome == [None]

    def _failed(self, error: StoreError, ops: tuple[Op, ...]) -> None:
        self._delivery.records.stalled()
        if self._closed:
            return
        _log.error("records cannot be saved, their delivery waits: %s", error, extra=self._extra)
        self._timer = asyncio.get_running_loop().call_later(self._retry_s, self._again, ops)
        self._wake()

    def _again(self, ops: tuple[Op, ...]) -> None:
        self._timer = None
        if self._commit(ops):
            self._wake()
