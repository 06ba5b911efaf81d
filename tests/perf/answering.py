"""A CSMS that knows nothing and says yes to everything: what a station or a bare client is measured against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.perf.payloads import STAMP

BOOT_ACCEPTED = {"status": "Accepted", "currentTime": STAMP, "interval": 86_400}
_ANSWERS: dict[str, Any] = {
    "BootNotification": BOOT_ACCEPTED,
    "Heartbeat": {"currentTime": STAMP},
    "Authorize": {"idTokenInfo": {"status": "Accepted"}},
}
Answered = Callable[[str, str], None]


class YesCsms:
    """`answered(path, action)` is called when an answer has been handed to the socket."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered
        self.url = ""

    async def _serve(self, connection: ServerConnection) -> None:
        path = connection.request.path if connection.request is not None else ""
        with suppress(ConnectionClosed):
            while True:
                message = orjson.loads(await connection.recv())
                if message[0] == 2:
                    answer = [3, message[1], _ANSWERS.get(message[2], {})]
                    await connection.send(orjson.dumps(answer).decode())
                    self._answered(path, message[2])

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[YesCsms]:
        options: dict[str, Any] = {"compression": None, "ping_interval": None, "close_timeout": 1}
        subprotocols = [Subprotocol("ocpp2.0.1")]
        async with serve(self._serve, "127.0.0.1", 0, subprotocols=subprotocols, backlog=1000, **options) as server:
            self.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            yield self


async def run_child(*arguments: str, within_s: float) -> bytes:
    """Run a program to its end; its standard output. Raises RuntimeError when it fails or takes longer."""
    child = await asyncio.create_subprocess_exec(
        *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(within_s):
            out, errors = await child.communicate()
    except TimeoutError:
        child.kill()
        await child.wait()
        raise RuntimeError(f"{arguments[1:4]} took longer than {within_s:g} s") from None
    if child.returncode != 0:
        raise RuntimeError(f"{arguments[1:4]} failed: {errors.decode(errors='replace')[-2000:]}")
    return out
