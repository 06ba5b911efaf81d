"""A CSMS of a few lines behind a real websocket, to see how a station knocks, and to shut the door in its face."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from station.ocpp.link import LinkState
from station.sim.lab import Lab

NOW = "2026-01-01T00:00:00Z"


class Door:
    """refuse: HTTP statuses of the next upgrades. choose: subprotocol to select, None for none at all.

    requests: every upgrade request. texts: every frame, with the number of its connection. most_open: how many
    connections were ever open at once.
    """

    def __init__(self, choose: str | None) -> None:
        self.choose = choose
        self.refuse: list[int] = []
        self.requests: list[Request] = []
        self.frames: list[tuple[int, list[Any]]] = []
        self.lines: list[ServerConnection] = []
        self.open = 0
        self.most_open = 0
        self.port = 0
        self._news = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Door]:
        async with serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._check,
            select_subprotocol=self._select,
            close_timeout=0.2,
        ) as server:
            self.port = int(next(iter(server.sockets)).getsockname()[1])
            yield self

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        if not self.refuse:
            return None
        return connection.respond(HTTPStatus(self.refuse.pop(0)), "no\n")

    def _select(self, _connection: ServerConnection, _offered: Any) -> Subprotocol | None:
        return None if self.choose is None else Subprotocol(self.choose)

    async def _serve(self, line: ServerConnection) -> None:
        self.lines.append(line)
        number = len(self.lines)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await self._tell()
        with contextlib.suppress(ConnectionClosed):
            async for text in line:
                frame = json.loads(text)
                self.frames.append((number, frame))
                if frame[0] == 2:
                    await line.send(json.dumps([3, frame[1], self._answer(frame[2])]))
                await self._tell()
        self.open -= 1
        await self._tell()

    @staticmethod
    def _answer(action: str) -> dict[str, Any]:
        if action == "BootNotification":
            return {"status": "Accepted", "currentTime": NOW, "interval": 300}
        return {"currentTime": NOW} if action == "Heartbeat" else {}

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until something that the station does makes it so. Raises TimeoutError."""
        async with asyncio.timeout(5), self._news:
            await self._news.wait_for(condition)

    async def knocked(self, times: int) -> None:
        """Until so many upgrades were asked for. Raises TimeoutError."""
        async with asyncio.timeout(5):
            while len(self.requests) < times:
                await asyncio.sleep(0.001)

    def calls(self, action: str, line: int | None = None) -> list[dict[str, Any]]:
        return [f[3] for n, f in self.frames if f[0] == 2 and f[2] == action and line in {None, n}]


async def hurry(lab: Lab) -> None:
    """The station has decided to try again: let it do so now. (How long it waits is the business of its own tests.)"""
    line: Any = lab._line
    async with asyncio.timeout(5):
        while line.state is not LinkState.WAITING:
            await asyncio.sleep(0.001)
    line.reconnect("the test is in a hurry", at_once=True)
