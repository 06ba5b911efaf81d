"""`station sim --stdio`: a bench that a program drives, JSON lines in on standard input, JSON lines out on standard output.

At speed max time stands still between commands and passes only inside commands that wait for it, so the same lines and the same seed
give the same output, byte for byte. Standard output holds nothing else; logs go to standard error.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

from station import logs
from station.clock import Clock
from station.errors import ConfigError
from station.runtime.control_socket import listening
from station.runtime.control_types import Control
from station.runtime.lines import LineReader, LineSession
from station.runtime.outbox import Outbox
from station.sim.lab import Lab, run_lab
from station.sim.loop import VirtualLoop
from station.sim.options import SimOptions, settings_of
from station.sim.panel import front_panel, panel_settings, together
from station.sim.terminal import signals

__all__ = ["run_stdio", "serve"]

CHUNK = 1 << 16
ENOUGH = 1 << 18
"""Bytes that may wait for the reader before the next command, or the next moment, has to wait too."""
FAREWELL_S = 2.0
"""Real seconds that a reader has for what still waits when the run was told to end."""
FOREVER_S = 1e6


class StandardInput:
    """Chunks of a file descriptor, read by a thread: a file, a pipe and a terminal all do, and their mode is left alone.

    The next chunk is read when it is asked for, so that nobody can send more than is carried out.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._wanted = threading.Semaphore(0)
        self._chunk: asyncio.Future[bytes] = self._loop.create_future()
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    async def next(self) -> bytes:
        """Empty at the end. Raises OSError."""
        self._chunk = self._loop.create_future()
        self._wanted.release()
        return await self._chunk

    def _read(self) -> None:
        data = b"?"
        while data:
            self._wanted.acquire()
            error = None
            try:
                data = os.read(self._descriptor, CHUNK)
            except OSError as failed:
                data, error = b"", failed
            try:
                self._loop.call_soon_threadsafe(self._arrived, data, error)
            except RuntimeError:  # the loop is closed
                return

    def _arrived(self, data: bytes, error: OSError | None) -> None:
        if self._chunk.done():
            return
        if error is None:
            self._chunk.set_result(data)
        else:
            self._chunk.set_exception(error)


class StandardOutput:
    """Writes what an outbox holds, in a thread, so that a reader who does not read stops no connection.

    lossless: keep every event; `blocked` is called with True when too much waits and with False when that is over.
    `gone` is done when nobody reads any more, and holds the OSError of a device that takes no more.
    """

    def __init__(self, descriptor: int, *, lossless: bool, blocked: Callable[[bool], None]) -> None:
        self.outbox = Outbox(self._pump, lossless=lossless)
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._blocked = blocked
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self._room = asyncio.Event()
        self._room.set()
        self._job = b""
        self._begin = threading.Semaphore(0)
        self._idle = asyncio.Event()
        self._idle.set()
        threading.Thread(target=self._write, name="stdout", daemon=True).start()

    async def room(self) -> None:
        """Wait until the reader has caught up."""
        await self._room.wait()

    async def flush(self) -> None:
        """Wait until everything is written, or nobody reads any more."""
        while not self.gone.done() and not (self._idle.is_set() and not self.outbox.waiting):
            await self._idle.wait()

    def _pump(self) -> None:
        full = self.outbox.waiting > ENOUGH
        if full == self._room.is_set():
            (self._room.clear if full else self._room.set)()
            self._blocked(full)
        if self._idle.is_set() and self.outbox.waiting and not self.gone.done():
            self._idle.clear()
            self._job = self.outbox.take()
            self._begin.release()

    def _write(self) -> None:
        error: OSError | None = None
        while error is None:
            self._begin.acquire()
            data = memoryview(self._job)
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError as failed:
                error = failed
            try:
                self._loop.call_soon_threadsafe(self._written, error)
            except RuntimeError:  # the loop is closed
                return

    def _written(self, error: OSError | None) -> None:
        self._job = b""
        self._idle.set()
        if error is None:
            self._pump()
            return
        self.outbox.take()
        self._pump()
        if isinstance(error, BrokenPipeError):
            self.gone.set_result(None)
        else:
            self.gone.set_exception(error)


class Standstill:
    """Virtual time between commands: at speed max it is held, at any other speed it goes on.

    Each reason holds it for itself. A reader that is behind holds it at any speed, so that no event has to be dropped.
    """

    def __init__(self, loop: VirtualLoop | None) -> None:
        self._loop = loop
        self._holds: dict[str, contextlib.ExitStack] = {}

    @property
    def stops(self) -> bool:
        """Time can be held at all: nobody foreign lives in it."""
        return self._loop is not None

    @property
    def jumps(self) -> bool:
        """Time takes no time."""
        return self._loop is not None and self._loop.speed is None

    @contextlib.contextmanager
    def held(self, reason: str) -> Iterator[None]:
        self.hold(reason, on=self.jumps)
        try:
            yield
        finally:
            self.hold(reason, on=False)

    def hold(self, reason: str, *, on: bool) -> None:
        stack = self._holds.pop(reason, None)
        if stack is not None:
            stack.close()
        if on and self._loop is not None:
            self._holds[reason] = stack = contextlib.ExitStack()
            stack.enter_context(self._loop.hold(FOREVER_S))

    async def settle(self) -> None:
        """What the last command has set off happens now, not whenever the next one happens to come."""
        if self.jumps and self._loop is not None:
            await self._loop.quiet()


async def serve(lab: Lab, control: Control, ended: asyncio.Future[None], *, source: int = 0, sink: int = 1) -> None:
    """Carry out what comes in, until the end of the input, or `ended`, or until nobody reads.

    source, sink: file descriptors. Raises OSError when one of them fails.
    """
    time = Standstill(lab.scheduler if isinstance(lab.scheduler, VirtualLoop) else None)
    out = StandardOutput(sink, lossless=time.stops, blocked=lambda full: time.hold("reader", on=full))
    session = LineSession(control, out.outbox)
    work = asyncio.ensure_future(_carry_out(session, StandardInput(source), out, time))
    patient = False
    try:
        await asyncio.wait({work, ended, out.gone}, return_when=asyncio.FIRST_COMPLETED)
        patient = not ended.done()
    finally:
        session.close()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await _farewell(out, time, patient=patient)
    for end in (work, out.gone):
        if end.done() and not end.cancelled():
            end.result()


async def _carry_out(session: LineSession, source: StandardInput, out: StandardOutput, time: Standstill) -> None:
    await time.settle()
    async for line in _lines(source, time):
        await session.take(line)
        await time.settle()
        with time.held("answer"):
            await out.room()


async def _lines(source: StandardInput, time: Standstill) -> AsyncIterator[bytes | None]:
    reader = LineReader()
    while True:
        with time.held("command"):
            data = await source.next()
        for line in reader.feed(data) if data else reader.end():
            yield line
        if not data:
            return


async def _farewell(out: StandardOutput, time: Standstill, *, patient: bool) -> None:
    """Write what still waits. Told to end, we do not wait for ever."""
    with time.held("farewell"):
        flushed = asyncio.ensure_future(out.flush())
        limit = threading.Timer(FAREWELL_S, _call, (asyncio.get_running_loop(), flushed.cancel))
        limit.daemon = True
        if not patient:
            limit.start()
        await asyncio.gather(flushed, return_exceptions=True)
        limit.cancel()


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(function)


def run_stdio(options: SimOptions) -> int:
    """Run until the end of the input, Ctrl-C or SIGTERM. Raises ConfigError, StationError and OSError.

    At speed max the wall clock begins at 2026-01-01T00:00:00Z too: nothing in the output comes from a real clock.
    """
    if options.duration_s is not None:
        raise ConfigError(["--duration: not together with --stdio, which runs until its input ends"])
    # Runs repeat exactly only while nobody else acts: a front panel is served only where somebody named an address for it.
    settings, web = together(lambda: settings_of(options), lambda: panel_settings(options.panel, hurried=True))
    settings = replace(settings, variables={})
    logs.set_up("WARNING", "text", os.environ)

    async def work(lab: Lab) -> None:
        async with listening(lab.control, options.socket):
            with signals() as ended, front_panel(lab.control, web, browser=False, person=False) as where:
                if where:
                    sys.stderr.write(f"{where}\n")
                await serve(lab, lab.control(), ended)

    start = None if options.speed is None else Clock().now().wall
    # Whatever prints, prints to standard error.
    with contextlib.redirect_stdout(sys.stderr), contextlib.suppress(KeyboardInterrupt):
        run_lab(settings, work, start_wall=start)
    return 0
