"""A link without sockets: station and embedded CSMS in one process, on any loop, mostly the virtual one.

`MemoryNetwork` is the cloud between them. It delivers frames in order, can be slow, can be cut (frames on their way are
lost) and can refuse connections. `MemoryLink` takes the place of `station.ocpp.link.Link`: same settings, same hooks,
same back-off, one connection at a time.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence

from station.errors import LinkError
from station.ocpp.link import LinkHooks, LinkState
from station.ocpp.link_settings import LinkSettings
from station.ocpp.trouble import Trouble
from station.sim.csms_wire import PeerGoneError, Serve

__all__ = ["MemoryConnection", "MemoryLink", "MemoryNetwork"]

LEAST_WAIT_S = 0.01  # a back-off of 0 must not become a busy loop


class _Direction:
    """Frames on their way to one side, delivered in order after the network's latency."""

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[str | None], None]) -> None:
        self._loop = loop
        self._deliver = deliver
        self._frames: deque[str | None] = deque()
        self.lossy = False

    def put(self, frame: str | None, latency_s: float) -> None:
        """None says that the sender closes; it overtakes no frame."""
        if self.lossy:
            return
        self._frames.append(frame)
        # One timer per frame, each of which takes the oldest: equal times have no order in a loop, a queue has.
        if latency_s > 0:
            self._loop.call_later(latency_s, self._arrive)
        else:
            self._loop.call_soon(self._arrive)

    def lose(self) -> None:
        self.lossy = True
        self._frames.clear()

    def _arrive(self) -> None:
        if self._frames:
            self._deliver(self._frames.popleft())


class MemoryConnection:
    """One open connection. Its methods are the CSMS's side (`Connection`); `MemoryLink` holds the other."""

    def __init__(self, network: MemoryNetwork, station: str, subprotocol: str | None, link: MemoryLink) -> None:
        loop = asyncio.get_running_loop()
        self.station = station
        self.ended = False
        self._subprotocol = subprotocol
        self._network = network
        self.link = link
        self._reason = ""
        self._received: asyncio.Queue[str | None] = asyncio.Queue()
        self.up = _Direction(loop, self._received.put_nowait)
        self.down = _Direction(loop, self._to_station)

    @property
    def subprotocol(self) -> str | None:
        return self._subprotocol

    async def recv(self) -> str:
        message = None if self.ended and self._received.empty() else await self._received.get()
        if message is None:
            self.end(self._reason or "closed by the station")
            raise PeerGoneError(self._reason)
        return message

    async def send(self, message: str) -> None:
        if self.ended:
            raise PeerGoneError(self._reason)
        self.down.put(message, self._network.latency_s)

    async def close(self, code: int = 1000, reason: str = "", *, abrupt: bool = False) -> None:
        if self.ended:
            return
        self._reason = f"closed by the CSMS ({code} {reason})".replace(" )", ")")
        if abrupt:
            self.down.lose()
            self.link.lost(self, "connection reset")
        else:
            self.down.put(None, self._network.latency_s)
        self.end(self._reason)

    def end(self, reason: str) -> None:
        """The CSMS's side is over; whoever waits in `recv` learns of it."""
        if not self.ended:
            self.ended = True
            self._reason = self._reason or reason
            self.up.lose()
            self._received.put_nowait(None)
            self._network.forget(self)

    def lose(self) -> None:
        """The wire is cut: what is on its way is lost, and so is all that follows."""
        self.up.lose()
        self.down.lose()

    def notice_after(self, delay_s: float | None) -> None:
        """Both sides find out after so many seconds that the wire is cut; None: neither does by itself."""
        if delay_s == 0:
            self._notice()
        elif delay_s is not None:
            asyncio.get_running_loop().call_later(delay_s, self._notice)

    def _notice(self) -> None:
        self.end("the connection was lost")
        self.link.lost(self, "the connection was lost")

    def _to_station(self, frame: str | None) -> None:
        if frame is None:
            self.link.lost(self, self._reason)
        else:
            self.link.arrived(self, frame)


class MemoryNetwork:
    """Where links dial and the embedded CSMS listens. `latency_s` holds for each direction.

    Every URL leads to the same CSMS, but those in `absent`. dialled: the URLs of the last attempts.
    """

    def __init__(self, *, latency_s: float = 0.0) -> None:
        self.latency_s = latency_s
        self.offer_subprotocol = True
        self.absent: set[str] = set()
        self.dialled: deque[str] = deque(maxlen=100)
        self._serve: Serve | None = None
        self._subprotocols: tuple[str, ...] = ()
        self._connections: set[MemoryConnection] = set()
        self._down: set[str | None] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, serve: Serve, subprotocols: Sequence[str]) -> None:
        self._serve = serve
        self._subprotocols = tuple(subprotocols)

    def refuse(self) -> None:
        """No new connections from now on, until `listen`."""
        self._serve = None

    async def unlisten(self) -> None:
        """Refuse, close what is open, and wait until nobody is served any more."""
        self.refuse()
        for connection in tuple(self._connections):
            await connection.close(1001, "going away")
        if self._tasks:
            await asyncio.gather(*self._tasks)

    def cut(self, station: str | None = None, *, silent: bool = False) -> None:
        """Cut the wire of one station, or of all (None), until `restore`.

        silent: nobody is told; the station finds out by its ping (WebSocketPingInterval plus the pong time-out), if ever.
        """
        self._down.add(station)
        for connection in tuple(self._connections):
            if station is None or connection.station == station:
                connection.lose()
                connection.notice_after(connection.link.pong_overdue_s if silent else 0.0)

    def restore(self, station: str | None = None) -> None:
        """Undo `cut` for one station; None undoes every cut."""
        if station is None:
            self._down.clear()
        else:
            self._down.discard(station)

    def dial(self, station: str, offered: Sequence[str], link: MemoryLink) -> MemoryConnection:
        """Open a connection. Raises LinkError when the network or the CSMS refuses."""
        self.dialled.append(link.url)
        if station in self._down or None in self._down or link.url in self.absent:
            raise LinkError("network is unreachable")
        if self._serve is None:
            raise LinkError("connection refused")
        chosen = next((s for s in offered if s in self._subprotocols), None)
        if chosen is None and self.offer_subprotocol:
            raise LinkError(f"the CSMS supports none of {', '.join(offered)}")
        connection = MemoryConnection(self, station, chosen if self.offer_subprotocol else None, link)
        self._connections.add(connection)
        task = asyncio.ensure_future(self._attend(self._serve, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return connection

    def forget(self, connection: MemoryConnection) -> None:
        self._connections.discard(connection)

    async def _attend(self, serve: Serve, connection: MemoryConnection) -> None:
        await serve(connection.station, connection)
        await connection.close()


class MemoryLink:
    """The station's side, as `Link` is. It dials again for ever until `close`. There is neither HTTP nor TLS."""

    def __init__(self, network: MemoryNetwork, settings: LinkSettings, hooks: LinkHooks, rng: random.Random) -> None:
        self.state = LinkState.IDLE
        self.last_error: str | None = None
        self._network = network
        self._settings = settings
        self._hooks = hooks
        self._rng = rng
        self._connection: MemoryConnection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._attempts = 0  # waits since the last success
        self._over = asyncio.Event()

    def configure(self, settings: LinkSettings) -> None:
        """Use other settings from the next attempt on; `reconnect` makes it come."""
        self._settings = settings

    def start(self) -> None:
        """Dial now and keep trying. Does nothing when already started."""
        if self.state is LinkState.IDLE:
            self._dial_in(0.0)

    async def run(self) -> None:
        """As `start`; returns after `close`."""
        self.start()
        await self._over.wait()

    def send(self, text: str) -> bool:
        """False: there is no connection, and it was dropped."""
        if self._connection is None:
            return False
        self._connection.up.put(text, self._network.latency_s)
        return True

    def reconnect(self, reason: str, *, at_once: bool = False) -> None:
        """End the connection and make a new one, after a back-off wait, or at once if it had been a good one.

        While there is none, `at_once` ends the wait.
        """
        if self._connection is not None:
            hurry = at_once and self._attempts == 0
            self._hang_up(reason)
            self._dial_in(0.0 if hurry else self._next_wait())
        elif self.state is LinkState.WAITING and at_once:
            self._dial_in(0.0)

    def ping_interval_changed(self) -> None:
        """WebSocketPingInterval has a new value; the network asks for it when a wire is cut silently."""

    @property
    def url(self) -> str:
        """Where it dials now."""
        return self._settings.url

    @property
    def pong_overdue_s(self) -> float | None:
        """Seconds after which a dead line is noticed, None when pings are off."""
        interval = self._settings.ping_interval()
        return interval + self._settings.pong_timeout_s if interval > 0 else None

    async def close(self) -> None:
        """Hang up and stay away. Idempotent."""
        self.state = LinkState.CLOSED
        self._over.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._hang_up("closed by the station")

    def arrived(self, connection: MemoryConnection, text: str) -> None:
        """Called by the connection: a frame came in."""
        if connection is self._connection:
            self._attempts = 0
            self._hooks.on_text(text)

    def lost(self, connection: MemoryConnection, reason: str) -> None:
        """Called by the connection: it is over."""
        if connection is self._connection:
            self._connection = None
            self._ended(reason)
            self._dial_in(self._next_wait())

    def _hang_up(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.up.put(None, self._network.latency_s)
            self._ended(reason)

    def _ended(self, reason: str) -> None:
        self.last_error = reason
        # Never from inside a call of the owner, who may be in the middle of something.
        asyncio.get_running_loop().call_soon(self._hooks.on_closed, reason)

    def _next_wait(self) -> float:
        back_off = self._settings.back_off()
        doublings = min(self._attempts, back_off.repeat_times)
        self._attempts += 1
        wait = back_off.wait_minimum_s * 2.0**doublings + self._rng.uniform(0, back_off.random_range_s)
        return max(wait, LEAST_WAIT_S)

    def _dial_in(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.state = LinkState.WAITING
        # A handshake is one round trip, so the old connection's goodbye is there before the new one.
        delay_s += 2 * self._network.latency_s
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._dial)

    def _dial(self) -> None:
        self._timer = None
        self.state = LinkState.CONNECTING
        offered = self._settings.subprotocols()
        try:
            if self._settings.refusal is not None:
                raise LinkError(self._settings.refusal)
            connection = self._network.dial(self._settings.identity, offered, self)
        except LinkError as error:
            self._failed(str(error))
            return
        if connection.subprotocol is None:
            # OCPP-J: without an agreed subprotocol there is no common language.
            connection.up.put(None, self._network.latency_s)
            self._failed(f"the CSMS chose none of the subprotocols offered ({', '.join(offered)})")
            return
        self._connection = connection
        self.state = LinkState.OPEN
        self._hooks.on_open(connection.subprotocol)

    def _failed(self, reason: str) -> None:
        self.last_error = reason
        wait = self._next_wait()
        self._hooks.on_failed(Trouble(reason))
        if self.state is not LinkState.CLOSED:
            self._dial_in(wait)
