"""Events as a stream of server-sent events, to readers that may be slower than the station.

A mailbox is filled in the station's loop and emptied in the server's. Of states only the newest is kept; of everything else the
newest `MAX_EVENTS`, at most `MAX_CHARACTERS` of text, and the reader is told how many it missed.
https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from station.runtime.control_types import Json
from station.web.answers import encode

__all__ = ["EventStream", "Mailbox"]

MAX_EVENTS = 1000
MAX_CHARACTERS = 4_000_000
COALESCED = "state"
HEARTBEAT_S = 15.0
"""A comment so often, so that proxies and both ends notice a dead connection."""
PAUSE_S = 0.05
"""Between two writes: at most twenty a second, however fast the station runs, each with everything that has come since."""
LINE_ENDS = tuple((char.encode(), b"\\u%04x" % ord(char)) for char in "\x85\u2028\u2029")
HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]


class Mailbox:
    """What one reader has not got yet."""

    def __init__(self, reader: asyncio.AbstractEventLoop) -> None:
        """reader: the loop in which `take` is awaited."""
        self._reader = reader
        self._lock = threading.Lock()
        self._filled = asyncio.Event()
        self._events: deque[Json] = deque()
        self._state: Json | None = None
        self._characters = 0
        self._lost = 0
        self.closed = False

    def put(self, event: Json) -> None:
        """Keep an event; any thread. It is written later and elsewhere: nobody may change it any more."""
        with self._lock:
            if self.closed:
                return
            was_empty = not self._events and self._state is None
            if event.get("event") == COALESCED:
                self._state = event
            else:
                self._events.append(event)
                self._characters += _size(event)
                while len(self._events) > MAX_EVENTS or (self._characters > MAX_CHARACTERS and len(self._events) > 1):
                    self._characters -= _size(self._events.popleft())
                    self._lost += 1
        if was_empty:
            self._wake()

    def close(self) -> None:
        """The reader gets what there is, and then the end; any thread."""
        with self._lock:
            self.closed = True
        self._wake()

    def _wake(self) -> None:
        try:
            self._reader.call_soon_threadsafe(self._filled.set)
        except RuntimeError:  # the server's loop is closed, nobody reads
            return

    async def take(self, patience_s: float) -> list[Json]:
        """What has come, at least one unless `patience_s` have passed or the mailbox is closed."""
        try:
            async with asyncio.timeout(patience_s):
                await self._filled.wait()
        except TimeoutError:
            return []
        self._filled.clear()
        with self._lock:
            events = list(self._events)
            self._events.clear()
            self._characters = 0
            if self._lost:
                events.insert(0, {"event": "gap", "lost": self._lost})
                self._lost = 0
            if self._state is not None:
                events.append(self._state)
                self._state = None
            if self.closed:
                self._filled.set()
        return events


def _size(event: Json) -> int:
    text = event.get("text")
    return 200 + (len(text) if isinstance(text, str) else 0)


def render(event: Json) -> bytes:
    """One event on the wire: JSON on one `data:` line, also for readers who know more line ends than the standard."""
    lines = [b"event: " + str(event.get("event", "message")).encode()]
    number = event.get("n")
    if isinstance(number, int):
        lines.append(b"id: %d" % number)
    data = encode(event)
    for char, escape in LINE_ENDS:
        data = data.replace(char, escape)
    lines.append(b"data: " + data)
    return b"\n".join(lines) + b"\n\n"


class EventStream:
    """An ASGI answer that lasts until the reader goes away or the mailbox is closed; then `end` is called."""

    def __init__(self, mailbox: Mailbox, first: list[Json], end: Callable[[], None]) -> None:
        """first: events that are sent before those of the mailbox."""
        self._mailbox = mailbox
        self._first = first
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writing = asyncio.ensure_future(self._write(send))
        leaving = asyncio.ensure_future(left(receive))
        try:
            await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._end()
            for task in (writing, leaving):
                task.cancel()
            results = await asyncio.gather(writing, leaving, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError):  # OSError: the reader has gone
                raise result

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        begun = b"retry: 1000\n\n" + b"".join(map(render, self._first))
        await send({"type": "http.response.body", "body": begun, "more_body": True})
        while True:
            events = await self._mailbox.take(HEARTBEAT_S)
            if not events and self._mailbox.closed:
                break
            chunk = b"".join(map(render, events)) or b": still here\n\n"
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(PAUSE_S)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def left(receive: Receive) -> None:
    """Returns when whoever asked has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
