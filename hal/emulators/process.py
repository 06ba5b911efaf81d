"""Starts an emulator in its own process and gives it orders: for tests, and for a station that runs without hardware."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import Process
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from hal.errors import BusError, ConfigError

START_S = 20.0
"""Longest wait for the first line; a loaded machine needs seconds to start Python."""


class _Running(NamedTuple):
    process: Process
    orders: asyncio.StreamWriter
    orders_answered: asyncio.StreamReader
    errors: asyncio.StreamReader


class EmulatorProcess:
    """`async with EmulatorProcess("openevse") as emulator: emulator.port`, `await emulator.tell(noise=0.1)`.

    settings: the device's. link: symbolic link to its pseudo terminal. tcp: "host:port" instead of a pseudo terminal.
    Leaving the block ends the process.
    """

    def __init__(
        self, name: str, /, *, link: Path | None = None, tcp: str | None = None, seed: int = 0, **settings: object
    ) -> None:
        self._arguments = [name, f"--seed={seed}"]
        if link is not None:
            self._arguments.append(f"--link={link}")
        if tcp is not None:
            self._arguments.append(f"--tcp={tcp}")
        self._arguments += [f"{key}={json.dumps(value)}" for key, value in settings.items()]
        self._started: _Running | None = None
        self._lock = asyncio.Lock()
        self.port = ""

    @property
    def pid(self) -> int:
        """Process id, for a test that stops or kills it. Raises BusError when it was not started."""
        return self._running().process.pid

    def _running(self) -> _Running:
        if self._started is None:
            raise BusError(f"emulator {self._arguments[0]!r} is not running; start it first")
        return self._started

    async def start(self) -> None:
        """Raises ConfigError with the emulator's own words when it does not start."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hal.emulators",
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us: the devices are needed until the drivers have let go of them
        )
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise BusError("an emulator has no pipes")  # we asked for them
        self._started = _Running(process, process.stdin, process.stdout, process.stderr)
        try:
            async with asyncio.timeout(START_S):
                self.port = (await self._started.orders_answered.readline()).decode().strip()
            if not self.port:
                raise ConfigError(f"emulator {self._arguments[0]!r} did not start: {await self._last_words()}")
        except BaseException:
            await self.stop()
            raise

    async def _last_words(self) -> str:
        return (await self._running().errors.read()).decode(errors="replace").strip()

    async def tell(self, **order: object) -> dict[str, object]:
        """Give an order, return the facts. Raises ConfigError when it is refused, BusError when the process is gone."""
        running = self._running()
        async with self._lock:
            try:
                running.orders.write(json.dumps(order).encode() + b"\n")
                await running.orders.drain()
                line = await running.orders_answered.readline()
            except ConnectionError:
                line = b""
        if not line:
            raise BusError(f"emulator {self._arguments[0]!r} is gone: {await self._last_words()}")
        answer: dict[str, object] = json.loads(line)
        if not answer.pop("ok"):
            raise ConfigError(str(answer.get("error")))
        self.port = str(answer.pop("port"))
        return answer

    async def stop(self) -> None:
        """End the process. Idempotent."""
        running, self._started = self._started, None
        if running is None:
            return
        process = running.process
        if process.returncode is None:
            process.terminate()
        await process.communicate()  # reads what is left, and closes its pipes

    async def __aenter__(self) -> EmulatorProcess:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
