"""CPU of one CALL and its answer, both ends together, over a websocket on this machine.

Three peers do the same: the raw floor (websockets and orjson, nothing checked), ours (link, rpc, all four schema validations), and
the ChargePoint of the `ocpp` package with its default settings.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Protocol

import ocpp.messages
import orjson
from ocpp.charge_point import camel_to_snake_case
from ocpp.routing import on
from ocpp.v201 import ChargePoint, call, call_result
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from station.clock import Now
from station.ocpp.link import Link
from station.ocpp.link_settings import LinkSettings
from station.ocpp.rpc import Rpc
from station.ocpp.rpc_events import IncomingCall, Result
from station.ocpp.trouble import Trouble
from tests.perf.payloads import ANSWERS, FROM_CSMS, REQUESTS, WORDS
from tests.perf.rows import Row
from tests.perf.timing import Effort, in_turns_async

MOST_RATIO = 2.0  # docs/performance.md
SUBPROTOCOL = Subprotocol("ocpp2.0.1")
TIMEOUT_S = 30.0


class Peers(Protocol):
    """Station and CSMS, connected."""

    async def ask(self, action: str, n: int) -> None:
        """`n` round trips, one after the other; SetChargingProfile is asked by the CSMS, the rest by the station."""


class Accepting:
    """A websocket server for one connection, which it hands over."""

    def __init__(self) -> None:
        self.connection: asyncio.Future[ServerConnection] = asyncio.get_running_loop().create_future()
        self.url = ""

    async def _handle(self, connection: ServerConnection) -> None:
        self.connection.set_result(connection)
        await connection.wait_closed()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Accepting]:
        options: dict[str, Any] = {"compression": None, "ping_interval": None, "subprotocols": [SUBPROTOCOL]}
        async with serve(self._handle, "127.0.0.1", 0, **options) as server:
            self.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            yield self


@asynccontextmanager
async def sockets() -> AsyncIterator[tuple[ClientConnection, ServerConnection]]:
    async with (
        Accepting().listening() as accepting,
        connect(
            f"{accepting.url}/CS001", subprotocols=[SUBPROTOCOL], compression=None, ping_interval=None, proxy=None
        ) as client,
    ):
        yield client, await accepting.connection


# --- the floor --------------------------------------------------------------------------------------------------------


class Floor:
    """Frames go to and fro; nothing is checked, no id is looked at."""

    def __init__(self, station: ClientConnection, csms: ServerConnection) -> None:
        self._station, self._csms = station, csms

    async def ask(self, action: str, n: int) -> None:
        asker, other = (self._csms, self._station) if action in FROM_CSMS else (self._station, self._csms)
        answering = asyncio.create_task(self._answer(other, action, n))
        payload = REQUESTS[action]
        for number in range(n):
            await asker.send(orjson.dumps([2, str(number), action, payload]).decode())
            orjson.loads(await asker.recv())
        await answering

    async def _answer(self, other: ClientConnection | ServerConnection, action: str, n: int) -> None:
        payload = ANSWERS[action]
        for _ in range(n):
            message = orjson.loads(await other.recv())
            await other.send(orjson.dumps([3, message[1], payload]).decode())


@asynccontextmanager
async def floor() -> AsyncIterator[Peers]:
    async with sockets() as (station, csms):
        yield Floor(station, csms)


# --- ours -------------------------------------------------------------------------------------------------------------


class Side:
    """One end's protocol: an rpc, its ids and its time-outs."""

    def __init__(self, prefix: str) -> None:
        ids = itertools.count()
        self._loop = asyncio.get_running_loop()
        self._rpc = Rpc("2.0.1", lambda: f"{prefix}{next(ids)}")
        self._answered: asyncio.Future[None] = self._loop.create_future()

    def _now(self) -> Now:
        return Now(self._loop.time(), 0.0)

    def question(self, action: str) -> str:
        """The text of a CALL; `answered` waits for what comes of it."""
        self._answered = self._loop.create_future()
        return self._rpc.call(action, REQUESTS[action], self._now(), TIMEOUT_S)

    async def answered(self) -> None:
        timer = self._loop.call_later(TIMEOUT_S, self._late)
        await self._answered
        timer.cancel()

    def _late(self) -> None:
        self._answered.set_exception(TimeoutError("no answer"))

    def receive(self, text: str) -> str | None:
        """Take a text; returns what to answer."""
        (event,) = self._rpc.receive(text, self._now())
        if isinstance(event, IncomingCall):
            return self._rpc.answer(event.call_id, ANSWERS[event.action]).text
        if not isinstance(event, Result):
            raise TypeError(f"unexpected: {event}")
        self._answered.set_result(None)
        return None


class Station:
    """The station's end: a `Link` and its hooks."""

    def __init__(self, url: str) -> None:
        self.opened = asyncio.Event()
        settings = LinkSettings(url=url, identity="CS001", subprotocols=lambda: (SUBPROTOCOL,), ping_interval=lambda: 0)
        self.link = Link(settings, self, random.Random(1))
        self._side = Side("s")

    def on_open(self, _subprotocol: str) -> None:
        self.opened.set()

    def on_text(self, text: str) -> None:
        answer = self._side.receive(text)
        if answer is not None:
            self.link.send(answer)

    def on_failed(self, trouble: Trouble) -> None: ...

    def on_closed(self, reason: str) -> None: ...

    async def ask(self, action: str) -> None:
        self.link.send(self._side.question(action))
        await self._side.answered()


class Csms:
    """The other end: an rpc behind a bare websocket."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._side = Side("c")

    async def read(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                answer = self._side.receive(str(await self._connection.recv()))
                if answer is not None:
                    await self._connection.send(answer)

    async def ask(self, action: str) -> None:
        await self._connection.send(self._side.question(action))
        await self._side.answered()


class Ours:
    """`Link` and `Rpc` in front of a websocket with an `Rpc` of its own."""

    def __init__(self, station: Station, csms: Csms) -> None:
        self._station, self._csms = station, csms

    async def ask(self, action: str, n: int) -> None:
        asker = self._csms if action in FROM_CSMS else self._station
        for _ in range(n):
            await asker.ask(action)


@asynccontextmanager
async def ours() -> AsyncIterator[Peers]:
    async with Accepting().listening() as accepting:
        station = Station(accepting.url)
        station.link.start()
        await station.opened.wait()
        csms = Csms(await accepting.connection)
        reading = asyncio.create_task(csms.read())
        try:
            yield Ours(station, csms)
        finally:
            await station.link.close()
            await reading


# --- the ocpp package -------------------------------------------------------------------------------------------------


class StockStation(ChargePoint):  # type: ignore[misc]  # untyped package
    @on("SetChargingProfile")  # type: ignore[untyped-decorator]  # untyped package
    def on_profile(self, **_fields: Any) -> Any:
        return call_result.SetChargingProfile(status="Accepted")


class StockCsms(ChargePoint):  # type: ignore[misc]  # untyped package
    @on("Heartbeat")  # type: ignore[untyped-decorator]  # untyped package
    def on_heartbeat(self, **_fields: Any) -> Any:
        return call_result.Heartbeat(current_time=ANSWERS["Heartbeat"]["currentTime"])

    @on("TransactionEvent")  # type: ignore[untyped-decorator]  # untyped package
    def on_event(self, **_fields: Any) -> Any:
        return call_result.TransactionEvent()


class Stock:
    """`ocpp` at both ends, as its documentation shows it."""

    def __init__(self, station: Any, csms: Any) -> None:
        self._station, self._csms = station, csms
        self._calls = {name: getattr(call, name)(**camel_to_snake_case(REQUESTS[name])) for name in REQUESTS}

    async def ask(self, action: str, n: int) -> None:
        asker = self._csms if action in FROM_CSMS else self._station
        for _ in range(n):
            assert await asker.call(self._calls[action]) is not None


@asynccontextmanager
async def stock() -> AsyncIterator[Peers]:
    before, ocpp.messages.ASYNC_VALIDATION = ocpp.messages.ASYNC_VALIDATION, True  # its default
    async with sockets() as (station_socket, csms_socket):
        station, csms = StockStation("CS001", station_socket), StockCsms("CS001", csms_socket)
        tasks = [asyncio.create_task(station.start()), asyncio.create_task(csms.start())]
        try:
            yield Stock(station, csms)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            ocpp.messages.ASYNC_VALIDATION = before


# --- rows -------------------------------------------------------------------------------------------------------------


def rows(effort: Effort) -> list[Row]:
    """CPU of each kind of round trip, against the floor; the note tells of the stock package."""
    return asyncio.run(_rows(effort))


async def _rows(effort: Effort) -> list[Row]:
    found = []
    async with AsyncExitStack() as stack:
        peers = {kind.__name__: await stack.enter_async_context(kind()) for kind in (floor, ours, stock)}
        for action in REQUESTS:
            costs = await in_turns_async(
                {name: _asking(peer, action) for name, peer in peers.items()},
                {"floor": effort.times(1000), "ours": effort.times(1000), "stock": effort.times(60)},
                effort.rounds,
            )
            found.append(_row(action, costs))
    return found


def _asking(peer: Peers, action: str) -> Callable[[int], Awaitable[None]]:
    return lambda n: peer.ask(action, n)


def _row(action: str, costs: dict[str, float]) -> Row:
    us = {name: cost * 1e6 for name, cost in costs.items()}
    return Row(
        group="roundtrip",
        what=WORDS[action],
        unit="us CPU",
        ours=us["ours"],
        against="websockets + orjson",
        other=us["floor"],
        most_ratio=MOST_RATIO,
        note=f"ocpp 2.1.0 as it comes: {us['stock']:.0f} us, {us['stock'] / us['ours']:.0f} times ours",
    )
