"""The connection to the CSMS: one WebSocket at a time, for ever.

A `Link` connects, hands texts over in both directions, and connects again when the connection ends, however it ended:
close frame, refusal (401, 404, 500), TLS error, time-out or a bare end of TCP. It knows no OCPP beyond the subprotocol.
All time is the running loop's; all randomness comes from the injected `random.Random`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from enum import Enum
from typing import Final, Protocol, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from station.errors import SecurityError
from station.logs import one_line
from station.ocpp.link_settings import BackOff, LinkSettings, tls_context
from station.ocpp.trouble import Trouble, plainly, trouble_of
from station.security.tls import verified_chain

__all__ = ["BackOff", "Link", "LinkHooks", "LinkSettings", "LinkState"]

_log = logging.getLogger("station.link")
# websockets logs headers at DEBUG, the password among them: its logger never goes below INFO.
_wire_log = logging.getLogger("station.link.websocket")
_wire_log.setLevel(logging.INFO)

_MAX_QUEUED: Final = 1000  # texts that wait for a peer that does not read
_LEAST_WAIT_S: Final = 0.01  # a back-off of 0 must not become a busy loop
_MAX_DOUBLINGS: Final = 30
_MOST_WAIT_S: Final = 86_400.0  # whatever a CSMS sets: a station that nobody can reach must come back by itself


class LinkHooks(Protocol):
    """Who uses the link. All are plain calls from the loop; they may call `send` and `reconnect`."""

    def on_open(self, subprotocol: str) -> None:
        """A connection stands, with a subprotocol that we offered."""

    def on_text(self, text: str) -> None: ...

    def on_closed(self, reason: str) -> None:
        """It has ended: once after each on_open, when the socket is fully closed. `reason` is for people."""

    def on_failed(self, trouble: Trouble) -> None:
        """An attempt came to nothing. `configure` from here counts for the next one."""


class LinkState(Enum):
    """What the link is doing."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"


class Link:
    """See the module. Run it with `run()` under a supervisor, or `start()`; end it with `close()`."""

    __slots__ = (
        "_attempts",
        "_closing",
        "_ending",
        "_hooks",
        "_hurry",
        "_pong_timer",
        "_queue",
        "_reason",
        "_rng",
        "_settings",
        "_skip",
        "_stale",
        "_task",
        "_timer",
        "_wake",
        "_want_ping",
        "_ws",
        "last_error",
        "pings",
        "state",
    )

    def __init__(self, settings: LinkSettings, hooks: LinkHooks, rng: random.Random) -> None:
        self._settings = settings
        self._hooks = hooks
        self._rng = rng
        self.state = LinkState.IDLE
        self.last_error: str | None = None  # why the last attempt or connection failed, for people
        self._ws: ClientConnection | None = None
        self._queue: list[str] = []
        self._wake: asyncio.Future[None] | None = None  # set to make the writer look at its work
        self._skip: asyncio.Future[None] | None = None  # set to end a back-off wait
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None  # closes the socket for reconnect()
        self._attempts = 0  # waits since the last success
        self._closing = False
        self._stale = False  # settings changed while an attempt was under way
        self._hurry = False  # no back-off before the next attempt
        self._reason: str | None = None  # why we ourselves end the connection
        self._timer: asyncio.TimerHandle | None = None
        self._pong_timer: asyncio.TimerHandle | None = None
        self._want_ping = False
        self.pings = 0  # sent, over all connections

    # -- for the owner -------------------------------------------------------------------------------------------

    def configure(self, settings: LinkSettings) -> None:
        """Use other settings from the next attempt on; `reconnect` makes it come."""
        self._settings = settings

    def send(self, text: str) -> bool:
        """Queue a text; they leave in this order. False: there is no connection, and it was dropped."""
        if self._ws is None:
            return False
        self._queue.append(text)
        if self._wake is not None:
            self._wake_writer()
        elif len(self._queue) > _MAX_QUEUED:
            self._abort("the CSMS does not read what we send")
        return True

    def reconnect(self, reason: str, *, at_once: bool = False) -> None:
        """End the connection and make a new one, after the first back-off wait, or at once if it had been a good one.

        While there is none: a running attempt is repeated with the present settings, `at_once` ends a wait.
        """
        if self._ws is not None and self._ending is None:
            self._reason = self._reason or reason
            self._hurry = at_once and self._attempts == 0
            self._ending = asyncio.get_running_loop().create_task(self._shut(self._ws))
        elif self.state is LinkState.CONNECTING:
            self._stale = True
        elif self._skip is not None and at_once and not self._skip.done():
            self._skip.set_result(None)

    def ping_interval_changed(self) -> None:
        """WebSocketPingInterval has a new value: count from now."""
        if self._ws is not None and self._pong_timer is None:
            self._arm_ping()

    def start(self) -> None:
        """Run in a task of its own. Needs a running loop."""
        self._task = asyncio.get_running_loop().create_task(self.run())

    async def close(self) -> None:
        """End for good; the socket is closed when this returns."""
        self._closing = True
        self._reason = self._reason or "closed by the station"
        task = self._task
        if task is None or task.done() or task is asyncio.current_task():
            self.state = LinkState.CLOSED
            return
        task.cancel()
        await asyncio.wait([task])

    async def run(self) -> None:
        """Connect, for ever; returns after `close()`. What a hook raises ends it, with the socket closed."""
        task = self._task = asyncio.current_task()
        try:
            while not self._closing:
                ws = await self._attempt()
                if ws is not None:
                    await self._session(ws)
                await self._pause()
        except asyncio.CancelledError:
            if not self._closing or task is None:
                raise
            task.uncancel()
        finally:
            self.state = LinkState.CLOSED

    # -- one connection ------------------------------------------------------------------------------------------

    async def _attempt(self) -> ClientConnection | None:
        """Try to connect once. None: failed, and `last_error` tells."""
        self.state = LinkState.CONNECTING
        self._stale = False
        settings = self._settings
        offered = [Subprotocol(name) for name in settings.subprotocols()]
        if settings.refusal is not None or not offered:
            self._failed(Trouble(settings.refusal or "no OCPP version is configured"))
            return None
        try:
            # In a thread: it reads files.
            context = await asyncio.to_thread(tls_context, settings) if settings.secure else None
            ws = await connect(
                settings.endpoint(),
                subprotocols=offered,
                additional_headers=settings.headers(),
                compression=None,  # 3 times the memory per connection, for messages of 200 bytes
                proxy=None,
                open_timeout=settings.open_timeout_s,
                close_timeout=settings.close_timeout_s,
                ping_interval=None,  # the interval changes while connected: see _arm_ping
                max_size=settings.max_bytes,
                logger=_wire_log,
                ssl=context,
                local_addr=(settings.local_address, 0) if settings.local_address else None,
            )
        except (OSError, WebSocketException, ValueError, EOFError, SecurityError) as error:
            # ValueError: a host name that IDNA cannot encode, a redirect to nowhere. SecurityError: our own certificates.
            self._failed(trouble_of(error))
            return None
        if self._stale:
            await self._shut(ws)
            self._hurry = True
            return None
        if ws.subprotocol not in offered:
            # Some CSMSs open without a subprotocol, and then stay silent for ever.
            await self._shut(ws, 1002, "no subprotocol agreed")
            self._failed(Trouble(f"the CSMS chose none of the subprotocols offered ({', '.join(offered)})"))
            return None
        settings.vouched(verified_chain(ws.transport.get_extra_info("ssl_object")))
        return ws

    def _failed(self, trouble: Trouble) -> None:
        level = logging.INFO if trouble.words == self.last_error else logging.WARNING
        self.last_error = trouble.words
        _log.log(level, "cannot connect to %s: %s", self._settings.place, trouble.words, extra=self._extra)
        self._hooks.on_failed(trouble)

    async def _session(self, ws: ClientConnection) -> None:
        """Serve an open connection until it has ended and its socket is closed."""
        self._ws = ws
        self._reason = None
        self._wake = None
        self._want_ping = False
        self._queue.clear()
        self.state = LinkState.OPEN
        _log.info("connected to %s with %s", self._settings.place, ws.subprotocol, extra=self._extra)
        writer = asyncio.get_running_loop().create_task(self._write(ws))
        reason = "closed by the station"
        try:
            self._arm_ping()
            self._hooks.on_open(str(ws.subprotocol))
            reason = await self._read(ws)
        finally:
            await self._end(ws, writer)
            reason = self._reason or reason
            self.last_error = reason
            _log.info("connection to %s ended: %s", self._settings.place, reason, extra=self._extra)
            self._hooks.on_closed(reason)

    async def _read(self, ws: ClientConnection) -> str:
        """Hand over what comes, until the connection ends; returns why it did."""
        recv, on_text = ws.recv, self._hooks.on_text
        try:
            while True:
                message = await recv()
                # What counts as success for the back-off: an agreed subprotocol and a first message. A CSMS that lets
                # everybody in and then closes must not be called every RetryBackOffWaitMinimum.
                self._attempts = 0
                # OCPP is text; a CSMS that sends binary frames is understood all the same.
                on_text(message if isinstance(message, str) else message.decode("utf-8", "replace"))
        except ConnectionClosed as error:
            return one_line(plainly(error))

    async def _write(self, ws: ClientConnection) -> None:
        """Send what is queued, and pings, until cancelled or the connection ends."""
        queue = self._queue
        loop = asyncio.get_running_loop()
        with suppress(ConnectionClosed):  # _read tells
            while True:
                while queue:
                    await ws.send(queue.pop(0))
                if self._want_ping:
                    self._want_ping = False
                    self.pings += 1
                    pong = await ws.ping(str(self.pings))
                    cast("asyncio.Future[float]", pong).add_done_callback(self._ponged)
                    continue
                self._wake = loop.create_future()
                await self._wake
                self._wake = None

    async def _end(self, ws: ClientConnection, writer: asyncio.Task[None]) -> None:
        """Leave nothing behind: no timer, no task, no socket."""
        self._ws = None
        self._queue.clear()
        for timer in (self._timer, self._pong_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._pong_timer = None
        writer.cancel()
        if self._ending is not None:
            await self._ending
            self._ending = None
        else:
            await self._shut(ws)
        await asyncio.wait([writer])
        self._wake = None

    async def _shut(self, ws: ClientConnection, code: int = 1000, why: str = "") -> None:
        """Close the socket, politely if the peer plays along within the close time-out."""
        try:
            async with asyncio.timeout(self._settings.close_timeout_s):
                await ws.close(code, why)
        except TimeoutError:
            pass  # it waits for a peer that does not read
        finally:
            ws.transport.abort()
        await ws.wait_closed()

    def _abort(self, reason: str) -> None:
        """End the connection without waiting for the peer."""
        if self._ws is not None:
            self._reason = self._reason or reason
            self._ws.transport.abort()

    def _wake_writer(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    # -- ping ----------------------------------------------------------------------------------------------------

    def _arm_ping(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        interval = self._settings.ping_interval()
        if interval > 0:  # WebSocketPingInterval 0: no pings
            self._timer = asyncio.get_running_loop().call_later(interval, self._ping_due)

    def _ping_due(self) -> None:
        self._timer = None
        self._want_ping = True
        # Armed now, not when the ping leaves: a writer that is stuck is a dead link as well.
        self._pong_timer = asyncio.get_running_loop().call_later(
            self._settings.pong_timeout_s, self._abort, "no pong from the CSMS"
        )
        self._wake_writer()

    def _ponged(self, pong: asyncio.Future[float]) -> None:
        if pong.cancelled() or pong.exception() is not None or self._pong_timer is None:
            return
        self._pong_timer.cancel()
        self._pong_timer = None
        self._arm_ping()

    # -- back-off ------------------------------------------------------------------------------------------------

    async def _pause(self) -> None:
        """Wait before the next attempt (2.0.1 Part 4, 5.3)."""
        if self._hurry:
            self._hurry = False
            return
        self.state = LinkState.WAITING
        wait = self.next_wait(self._settings.back_off())
        self._skip = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(wait):
                await self._skip
        except TimeoutError:
            pass  # the usual way: it is time
        finally:
            self._skip = None

    def next_wait(self, back_off: BackOff) -> float:
        """Seconds to wait now: the minimum, doubled after each failed attempt, `repeat_times` times at most.

        Every time a random part of 0 to `random_range_s` is added. Counts as an attempt.
        """
        doublings = min(self._attempts, max(back_off.repeat_times, 0), _MAX_DOUBLINGS)
        self._attempts += 1
        wait = back_off.wait_minimum_s * 2.0**doublings + self._rng.uniform(0, back_off.random_range_s)
        return min(max(wait, _LEAST_WAIT_S), _MOST_WAIT_S)

    @property
    def _extra(self) -> dict[str, str]:
        return {"station": self._settings.identity}
