"""Between the server's loop and the station's: commands over, results and events back.

The station may run in virtual time, as fast as it can, or stand still. So nothing here waits inside its loop: a command is handed
over with `call_soon_threadsafe` (which wakes a loop that stands still), an event is put into a bounded mailbox. When the bridge is
closed, whoever still waits is told so at once, also when the station's loop will never turn again.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from station.runtime.control_types import Control, Json
from station.runtime.fence import Fence
from station.web.answers import RefusedError
from station.web.events import Mailbox

__all__ = ["Bridge"]

T = TypeVar("T")
Future = concurrent.futures.Future
MAX_STREAMS = 64


class Bridge:
    """One Control, used from another loop (or from another task of the same)."""

    def __init__(self, control: Control, loop: asyncio.AbstractEventLoop) -> None:
        """loop: where `control` lives."""
        self._control = control
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: set[Future[Any]] = set()
        self._tasks: set[asyncio.Task[None]] = set()  # touched in the station's loop only
        self._streams: dict[Mailbox, Callable[[], None]] = {}
        self._table: list[Json] | None = None
        self._closed = False

    # --- called in the server's loop --------------------------------------------------------------------------------

    async def do(self, name: str, arguments: Mapping[str, object]) -> Json:
        """Carry out a command. Cancelling this cancels the command. Raises ControlError."""
        return await self._over(lambda done: self._begin(name, arguments, done))

    async def describe(self) -> list[Json]:
        """The command table; asked for once. Raises RefusedError when the station is gone."""
        if self._table is None:
            self._table = await self._over(self._describe)
        return self._table

    async def subscribe(self, topics: frozenset[str]) -> Mailbox:
        """Events of these topics, from now on, until `unsubscribe`. Raises ControlError for an unknown topic."""
        if len(self._streams) >= MAX_STREAMS:
            raise RefusedError("unavailable", f"{MAX_STREAMS} streams of events are open; close one")
        mailbox = Mailbox(asyncio.get_running_loop())
        try:
            await self._over(lambda done: self._subscribe(topics, mailbox, done))
        except BaseException:
            self.unsubscribe(mailbox)
            raise
        return mailbox

    def unsubscribe(self, mailbox: Mailbox) -> None:
        """No more events into it."""
        mailbox.close()
        self._post(lambda: self._unsubscribe(mailbox))

    async def _over(self, work: Callable[[Future[T]], None]) -> T:
        """Run `work` in the station's loop, and wait for what it puts into the future."""
        done: Future[T] = concurrent.futures.Future()
        self._wait_for(done)
        if not self._post(lambda: _unless_cancelled(work, done)):
            self._forget(done)
            raise gone()
        try:
            return await asyncio.wrap_future(done)
        finally:
            self._forget(done)

    def _wait_for(self, done: Future[Any]) -> None:
        with self._lock:
            if self._closed:
                raise gone()
            self._waiting.add(done)

    def _forget(self, done: Future[Any]) -> None:
        with self._lock:
            self._waiting.discard(done)

    def _post(self, work: Callable[[], None]) -> bool:
        """False: the station's loop is closed."""
        try:
            self._loop.call_soon_threadsafe(work)
        except RuntimeError:
            return False
        return True

    # --- called in the station's loop -------------------------------------------------------------------------------

    def _begin(self, name: str, arguments: Mapping[str, object], done: Future[Json]) -> None:
        task = self._loop.create_task(self._carry_out(name, arguments, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        done.add_done_callback(lambda _: self._give_up(task) if done.cancelled() else None)

    def _give_up(self, task: asyncio.Task[None]) -> None:
        self._post(lambda: _cancel(task))

    async def _carry_out(self, name: str, arguments: Mapping[str, object], done: Future[Json]) -> None:
        fence = Fence()  # whatever goes wrong belongs to whoever asked; the server logs what it does not expect
        try:
            with fence:
                _succeed(done, await self._control.do(name, arguments))
        except asyncio.CancelledError:
            _fail(done, gone())
            raise
        if fence.error is not None:
            _fail(done, fence.error)

    def _describe(self, done: Future[list[Json]]) -> None:
        _succeed(done, self._control.describe())

    def _subscribe(self, topics: frozenset[str], mailbox: Mailbox, done: Future[None]) -> None:
        self._streams[mailbox] = self._control.subscribe(topics, mailbox.put)
        _succeed(done, None)

    def _unsubscribe(self, mailbox: Mailbox) -> None:
        end = self._streams.pop(mailbox, None)
        if end is not None:
            end()

    def close(self) -> None:
        """Nothing goes over any more: commands under way are given up, streams end. Call it in the station's loop; twice is fine."""
        with self._lock:
            self._closed = True
            waiting, self._waiting = self._waiting, set()
        for done in waiting:
            _fail(done, gone())
        for task in tuple(self._tasks):
            task.cancel()
        for mailbox in tuple(self._streams):
            self._unsubscribe(mailbox)
            mailbox.close()


def gone() -> RefusedError:
    return RefusedError("unavailable", "the station has been switched off: the program is ending")


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def _unless_cancelled(work: Callable[[Future[T]], None], done: Future[T]) -> None:
    if done.cancelled():
        return
    fence = Fence()
    with fence:
        work(done)
    if fence.error is not None:
        _fail(done, fence.error)


def _succeed(done: Future[T], result: T) -> None:
    try:
        done.set_result(result)
    except concurrent.futures.InvalidStateError:
        return  # whoever asked has gone


def _fail(done: Future[T], error: BaseException) -> bool:
    try:
        done.set_exception(error)
    except concurrent.futures.InvalidStateError:
        return False
    return True
