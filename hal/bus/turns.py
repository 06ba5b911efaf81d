"""Whose turn it is on a shared line: first come, first served, but whoever is urgent goes ahead of all who wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """One at a time. Urgent ones keep their order among themselves. Fair: a turn is handed on, never snatched."""

    __slots__ = ("_plain", "_taken", "_urgent")

    def __init__(self) -> None:
        self._taken = False
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._plain: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self, *, urgent: bool = False) -> AsyncIterator[None]:
        """Wait for the turn, and pass it on afterwards."""
        await self._wait(self._urgent if urgent else self._plain)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, queue: deque[asyncio.Future[None]]) -> None:
        if not self._taken:
            self._taken = True
            return
        given = asyncio.get_running_loop().create_future()
        queue.append(given)
        try:
            await given
        except asyncio.CancelledError:
            if given.cancelled():
                queue.remove(given)
            else:  # the turn came in the same moment: it is not ours to keep
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        for queue in (self._urgent, self._plain):
            while queue:
                given = queue.popleft()
                if not given.done():
                    given.set_result(None)
                    return
        self._taken = False
