"""Staying alive: what systemd is told (sd_notify(3)), the watchdog, and tasks that are restarted when they crash."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

Sleep = Callable[[float], Awaitable[None]]

_log = logging.getLogger(__name__)


class Notifier:
    """Messages to the service manager. Without NOTIFY_SOCKET (not under systemd) nothing is sent; a lost one is
    logged once.
    """

    __slots__ = ("_address", "_failed", "_socket", "watchdog_s")

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        """environ, pid: os.environ and os.getpid(); WATCHDOG_PID says for whom WATCHDOG_USEC is meant.

        watchdog_s: seconds without WATCHDOG=1 after which we are killed; None when nobody watches.
        """
        name = environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the NUL byte that begins a name in the abstract namespace; other kinds (vsock:) are for
        # containers.
        self._address = f"\0{name[1:]}" if name.startswith("@") else name if name.startswith("/") else ""
        self._socket: socket.socket | None = None
        self._failed = False
        usec = environ.get("WATCHDOG_USEC", "")
        meant = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        self.watchdog_s = int(usec) / 1e6 if self._address and meant and usec.isdigit() and int(usec) > 0 else None

    def ready(self) -> None:
        """Started: whoever waits for us may go on."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("STATUS=" + " ".join(text.split()))

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def extend(self, seconds: float) -> None:
        """Starting or stopping takes this much longer from now on (a migration, a last commit)."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)
            self._socket.sendto(message.encode(), self._address)
            self._failed = False
        except OSError as error:
            # A deaf manager must not stop a station.
            if not self._failed:
                _log.warning("service manager not told %s: %s", message.partition("=")[0], error)
            self._failed = True


class Watchdog:
    """Feeds the service manager's watchdog only while every health check confirms.

    A check is asked twice per period and answers True when its owner has shown life since (the safety loop after the
    board confirmed its heartbeat, never a timer). A check that raises crashes `run`, which then does not feed either.
    """

    def __init__(
        self, notifier: Notifier, checks: Mapping[str, Callable[[], bool]], *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._notifier = notifier
        self._checks = checks
        self._sleep = sleep
        self._silent: tuple[str, ...] = ()

    def feed(self) -> bool:
        """Ask the checks; feed if all confirm. True when fed."""
        silent = tuple(name for name, confirmed in self._checks.items() if not confirmed())
        if silent != self._silent:
            if silent:
                _log.error("watchdog not fed: no sign of life from %s", ", ".join(silent))
            else:
                _log.info("watchdog fed again")
            self._silent = silent
        if silent:
            return False
        self._notifier.watchdog()
        return True

    async def run(self) -> None:
        """Feed twice per period until cancelled; returns at once when nobody watches."""
        if self._notifier.watchdog_s is None:
            return
        while True:
            self.feed()
            await self._sleep(self._notifier.watchdog_s / 2)


class Heartbeat:
    """A health check for one loop: it calls `beat` after each confirmed round, the Watchdog asks `confirmed`."""

    __slots__ = ("_beaten", "_max_age_s", "_monotonic")

    def __init__(self, monotonic: Callable[[], float], max_age_s: float) -> None:
        """monotonic: seconds that only rise (the loop's `time`). max_age_s: how old the last round may be."""
        self._monotonic = monotonic
        self._max_age_s = max_age_s
        self._beaten: float | None = None

    def beat(self) -> None:
        self._beaten = self._monotonic()

    def confirmed(self) -> bool:
        return self._beaten is not None and self._monotonic() - self._beaten <= self._max_age_s


@dataclass(frozen=True, slots=True)
class BackOff:
    """Seconds before restart n: first_s doubled each time up to max_s; a run of steady_s seconds makes it begin
    anew.
    """

    first_s: float = 0.5
    max_s: float = 30.0
    steady_s: float = 60.0

    def pause(self, crashes: int) -> float:
        return float(min(self.max_s, self.first_s * 2.0 ** min(crashes - 1, 32)))


class Supervisor:
    """Keeps tasks running: one that crashes is logged with its name and started again after a pause."""

    __slots__ = ("_on_crash", "_sleep", "_tasks")

    def __init__(
        self,
        *,
        sleep: Sleep = asyncio.sleep,
        on_crash: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        """on_crash: told of every crash besides the log (a security or diagnostics event)."""
        self._sleep = sleep
        self._on_crash = on_crash
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def names(self) -> frozenset[str]:
        """What is being kept running (also during a pause)."""
        return frozenset(self._tasks)

    def watch(
        self,
        name: str,
        make: Callable[[], Coroutine[Any, Any, None]],
        *,
        forever: bool = True,
        back_off: BackOff = BackOff(),
    ) -> None:
        """Keep `make()` running. forever: it may not return either (that counts as a crash); otherwise returning is
        its end.

        Raises ValueError when the name is taken.
        """
        if name in self._tasks:
            raise ValueError(f"task {name} is already watched")
        task = asyncio.get_running_loop().create_task(self._keep(name, make, forever, back_off), name=f"keep {name}")
        self._tasks[name] = task
        task.add_done_callback(lambda ended: self._gone(name, ended))

    async def stop(self, name: str) -> None:
        """Cancel one and wait for its end. Nothing happens when there is none of that name."""
        await self._cancel([name])

    async def close(self) -> None:
        """Cancel all and wait for their end."""
        await self._cancel(list(self._tasks))

    async def _cancel(self, names: list[str]) -> None:
        tasks = [self._tasks[name] for name in names if name in self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _keep(
        self, name: str, make: Callable[[], Coroutine[Any, Any, None]], forever: bool, back_off: BackOff
    ) -> None:
        loop = asyncio.get_running_loop()
        crashes = 0
        while True:
            started = loop.time()
            task = loop.create_task(make(), name=name)
            try:
                await asyncio.wait([task])
            finally:
                # Only when we are cancelled ourselves is it still running; its clean-up is waited for.
                if not task.done():
                    task.cancel()
                    await asyncio.wait([task])
                    self._note_last_words(name, task)
            error = _why(task, forever)
            if error is None:
                return
            crashes = 1 if loop.time() - started >= back_off.steady_s else crashes + 1
            pause = back_off.pause(crashes)
            _log.error("task %s crashed, starts again in %.1f s", name, pause, exc_info=error)
            if self._on_crash is not None:
                self._on_crash(name, error)
            await self._sleep(pause)

    def _note_last_words(self, name: str, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("task %s crashed while stopping", name, exc_info=error)

    def _gone(self, name: str, task: asyncio.Task[None]) -> None:
        del self._tasks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("task %s is no longer kept running", name, exc_info=error)


def _why(task: asyncio.Task[None], forever: bool) -> BaseException | None:
    """Why a task that ended must be started again; None when its end is fine."""
    if task.cancelled():
        return asyncio.CancelledError("cancelled by somebody else")
    error = task.exception()
    if error is None and forever:
        return RuntimeError("it returned, but should run for ever")
    return error
