"""Who is at the other ends: an echo on a pseudo terminal, and a CSMS in a process of its own that can be busy.

`python -m tests.perf.wire_peers echo` prints its port, then answers every byte with its clock.
`python -m tests.perf.wire_peers csms` prints its URL, then reads calls per second, a number a line.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import pty
import sys
import time
import tty
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from hal.bus.serial import Line, SerialPort
from tests.perf.payloads import STAMP

ANSWERS: dict[str, Any] = {
    "BootNotification": {"status": "Accepted", "currentTime": STAMP, "interval": 86_400},
    "Heartbeat": {"currentTime": STAMP},
    "Authorize": {"idTokenInfo": {"status": "Accepted"}},
}
QUESTION = {"getVariableData": [{"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}]}


# --- this side ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _child(kind: str) -> AsyncIterator[tuple[Process, str]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.perf.wire_peers", kind, stdin=PIPE, stdout=PIPE
    )
    assert process.stdout is not None
    try:
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        assert process.stdin is not None
        process.stdin.close()  # the end of its input is its end
        await process.communicate()


class PtyEcho:
    """Somebody who says when he has read a byte."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        async with _child("echo") as (_, name):
            port = SerialPort(Line(name))
            await port.open()
            try:
                yield cls(port)
            finally:
                await port.close()

    async def trip(self) -> tuple[float, float]:
        """Seconds there, and seconds back."""
        began = time.monotonic()
        await self._port.write(b"$FS^35\r")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += await self._port.read()
        ended = time.monotonic()
        there = float(answer)
        return there - began, ended - there


class BusyCsms:
    """Accepts everybody; asks the station as often as it is told to."""

    def __init__(self, process: Process, url: str) -> None:
        self._process = process
        self.url = url

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        async with _child("csms") as (process, url):
            yield cls(process, url)

    async def calls_per_s(self, rate: float) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{rate}\n".encode())
        await self._process.stdin.drain()


# --- the other side -----------------------------------------------------------------------------------------------------


async def _orders(obey: Any) -> None:
    """Lines of standard input, until it ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        obey(line)


async def _echo() -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    print(os.ttyname(theirs), flush=True)

    def readable() -> None:
        if os.read(ours, 4096):
            os.write(ours, f"{time.monotonic():.6f}\n".encode())

    asyncio.get_running_loop().add_reader(ours, readable)
    await _orders(lambda _line: None)


class _Csms:
    def __init__(self) -> None:
        self.rate = 0.0
        self.changed = asyncio.Event()

    async def serve(self, connection: ServerConnection) -> None:
        asking = asyncio.create_task(self._ask(connection))
        with suppress(ConnectionClosed):
            while True:
                message = orjson.loads(await connection.recv())
                if message[0] == 2:
                    answer = [3, message[1], ANSWERS.get(message[2], {})]
                    await connection.send(orjson.dumps(answer).decode())
        asking.cancel()

    async def _ask(self, connection: ServerConnection) -> None:
        await self.changed.wait()
        for number in itertools.count():
            await connection.send(orjson.dumps([2, f"q{number}", "GetVariables", QUESTION]).decode())
            await asyncio.sleep(1.0 / self.rate)

    def obey(self, line: bytes) -> None:
        self.rate = float(line)
        self.changed.set()


async def _csms() -> None:
    csms = _Csms()
    options: dict[str, Any] = {"compression": None, "ping_interval": None, "close_timeout": 1}
    async with serve(csms.serve, "127.0.0.1", 0, subprotocols=[Subprotocol("ocpp2.0.1")], **options) as server:
        print(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}", flush=True)
        await _orders(csms.obey)


if __name__ == "__main__":
    asyncio.run({"echo": _echo, "csms": _csms}[sys.argv[1]]())
