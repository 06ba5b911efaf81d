"""Virtual time: a loop that jumps to the next timer instead of waiting, and a scheduler that runs N times as fast.

`VirtualLoop` replaces the loop of the whole process, so it suits in-process peers only. Real I/O is polled without
waiting; only when nothing is ready does the clock jump. It stands still while an executor job runs or a `hold()` is
open, because what they wait for happens outside of virtual time. At a given speed it does not jump, and executor jobs (an
upload to a server that does not answer) let it pass.

Towards a foreign process the link keeps the real loop, and the core and the physics get a `ScaledScheduler` over it.
Both, and every plain asyncio loop, satisfy `Scheduler`.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import math
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar, TypeVarTuple

from station.clock import Clock

__all__ = [
    "DEFAULT_WALL",
    "ScaledScheduler",
    "ScaledTimer",
    "Scheduler",
    "StuckError",
    "Timer",
    "VirtualLoop",
    "run",
    "sleep",
]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

DEFAULT_WALL = 1_767_225_600.0
"""2026-01-01T00:00:00Z: where the wall clock of a simulation starts unless told otherwise."""

MAX_LAG_S = 1.0
"""A paced loop that fell behind by more than this (the laptop slept) goes on from here instead of rushing after."""

LONGEST_WAIT_S = 3600.0
"""Real seconds of one wait: at a tiny speed the next timer is further away than the system can count."""


class StuckError(RuntimeError):
    """Virtual time has nothing to jump to, nothing is ready, and no thread reports within the patience given."""


class Timer(Protocol):
    def cancel(self) -> None: ...


class Scheduler(Protocol):
    """What the core's shell and the physics need of a loop. Seconds."""

    def time(self) -> float: ...

    def call_at(self, when: float, callback: Callable[[*Ts], object], /, *args: *Ts) -> Timer: ...

    def call_later(self, delay: float, callback: Callable[[*Ts], object], /, *args: *Ts) -> Timer: ...


async def sleep(scheduler: Scheduler, delay_s: float) -> None:
    """Sleep in the scheduler's own time."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    timer = scheduler.call_later(delay_s, _wake, future)
    try:
        await future
    finally:
        timer.cancel()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class _VirtualSelector(selectors.DefaultSelector):
    """Asks its loop what to do whenever asyncio wants to wait."""

    owner: VirtualLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = self.poll(0)
        if events or self.owner is None or (timeout is not None and timeout <= 0):
            return events
        return self.owner._idle(timeout)

    def poll(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for I/O in real seconds."""
        return list(super().select(timeout))

    def sockets(self) -> int:
        """How many files are watched."""
        return len(self.get_map())


class VirtualLoop(asyncio.SelectorEventLoop):
    """Loop whose `time()` starts at 0 and jumps from timer to timer.

    start_wall: wall time (seconds since the epoch) at loop time 0.
    speed: None jumps at once; N lets N virtual seconds pass per real second; 0 stands still. See `set_speed`.
    patience_s: real seconds to wait for a thread when nothing at all is scheduled, before `StuckError`.
    """

    def __init__(
        self, *, start_wall: float = DEFAULT_WALL, speed: float | None = None, patience_s: float = 10.0
    ) -> None:
        self._virtual_now = 0.0
        self._virtual_selector = _VirtualSelector()
        super().__init__(self._virtual_selector)
        # asyncio fires timers that are due within the resolution. Its default of 1e-9 is less than one step of a float
        # once time() is large, and the loop would then spin for ever on a timer that is due "now".
        self._clock_resolution = 1e-6
        self._start_wall = start_wall
        self._patience_s = patience_s
        self._jobs = 0
        self._threads = ThreadPoolExecutor(thread_name_prefix="asyncio")
        self.set_default_executor(self._threads)
        self._holds: dict[int, float] = {}
        self._hold_numbers = itertools.count()
        self._calm: list[asyncio.Future[None]] = []
        self._speed: float | None = None
        self._anchor = (0.0, 0.0)
        self.set_speed(speed)
        self._own_sockets = self._virtual_selector.sockets()  # the self-pipe that threads and signals wake us with
        self._virtual_selector.owner = self

    def time(self) -> float:
        return self._virtual_now

    def wall(self) -> float:
        """Wall clock that runs with virtual time."""
        return self._start_wall + self._virtual_now

    def clock(self, *, boot: int = 0, trusted: bool = True) -> Clock:
        """A station's clock on this loop."""
        return Clock(self.time, self.wall, boot=boot, trusted=trusted)

    @property
    def speed(self) -> float | None:
        return self._speed

    def set_speed(self, speed: float | None) -> None:
        """Change how fast virtual time passes from now on. Raises ValueError for a negative or infinite speed."""
        if speed is not None and not 0 <= speed < math.inf:
            raise ValueError(f"speed must be a number >= 0 or None, got {speed!r}")
        self._speed = speed
        self._anchor = (time.monotonic(), self._virtual_now)

    @contextmanager
    def hold(self, limit_s: float = 30.0) -> Iterator[None]:
        """No jump while this is open: something outside of virtual time is being waited for.

        limit_s: real seconds after which time moves on all the same, so that a time-out can strike.
        """
        number = next(self._hold_numbers)
        self._holds[number] = time.monotonic() + limit_s
        try:
            yield
        finally:
            del self._holds[number]

    async def quiet(self) -> None:
        """Wait until all that can happen now has happened: nothing is ready and no thread is at work. No time passes."""
        calm: asyncio.Future[None] = self.create_future()
        self._calm.append(calm)
        await calm

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        job = (self._threads if executor is None else executor).submit(func, *args)
        self._jobs += 1
        future = asyncio.wrap_future(job, loop=self)
        # After `wrap_future`, so that the result has come when the job counts no more. And not on `future`: when that is
        # cancelled, its thread is still at work.
        job.add_done_callback(self._thread_is_free)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's own signature
        """Wait for the threads without a limit: `asyncio.run` sets one (Python 3.12), and virtual time would jump to it."""
        del timeout
        await super().shutdown_default_executor()

    def _thread_is_free(self, _job: Future[Any]) -> None:
        """In the thread, or in ours when the job was cancelled before it began."""
        with suppress(RuntimeError):  # the loop is closed already
            self.call_soon_threadsafe(self._job_done)

    def _job_done(self) -> None:
        self._jobs -= 1

    def _idle(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Nothing is ready: wait for threads, jump to the next timer (`timeout` seconds ahead), or pace."""
        if self._jobs and self._speed is None:
            return self._virtual_selector.poll(None)
        if self._calm:
            for calm in self._calm:
                _wake(calm)
            self._calm.clear()
            return []
        if self._holds:
            left = max(self._holds.values()) - time.monotonic()
            if left > 0:
                return self._virtual_selector.poll(left)
        if timeout is None:
            return self._wait_for_outside()
        target = self._next_timer(timeout)
        if self._speed is None:
            self._virtual_now = target
            return []
        return self._pace(target, self._speed)

    def _next_timer(self, timeout: float) -> float:
        # `now + timeout` may miss the timer's own time by a rounding error, and code that compares time() with its
        # deadline would find itself too early.
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # not in typeshed
        return max(scheduled[0].when() if scheduled else self._virtual_now + timeout, self._virtual_now)

    def _wait_for_outside(self) -> list[tuple[selectors.SelectorKey, int]]:
        if self._virtual_selector.sockets() > self._own_sockets:
            return self._virtual_selector.poll(None)
        events = self._virtual_selector.poll(self._patience_s)
        if not events:
            raise StuckError(
                f"virtual time is stuck at {self._virtual_now:.3f} s: no timer is set, nothing is ready, and no thread "
                f"has reported for {self._patience_s:g} real seconds"
            )
        return events

    def _pace(self, target: float, speed: float) -> list[tuple[selectors.SelectorKey, int]]:
        if speed == 0:
            return self._virtual_selector.poll(None)
        real, virtual = self._anchor
        wait = real + (target - virtual) / speed - time.monotonic()
        if wait < -MAX_LAG_S:
            self._anchor = (time.monotonic(), target)
        events = self._virtual_selector.poll(max(0.0, min(wait, LONGEST_WAIT_S)))
        if events or wait > LONGEST_WAIT_S:
            reached = self._anchor[1] + (time.monotonic() - self._anchor[0]) * speed
            self._virtual_now = min(target, max(self._virtual_now, reached))
        else:
            self._virtual_now = target
        return events


def run(
    main: Coroutine[Any, Any, T],
    *,
    start_wall: float = DEFAULT_WALL,
    speed: float | None = None,
    patience_s: float = 10.0,
    debug: bool | None = None,
) -> T:
    """Like `asyncio.run`, on a new `VirtualLoop`."""
    with asyncio.Runner(
        debug=debug, loop_factory=lambda: VirtualLoop(start_wall=start_wall, speed=speed, patience_s=patience_s)
    ) as runner:
        return runner.run(main)


class ScaledTimer:
    """A callback set on a `ScaledScheduler`."""

    __slots__ = ("_args", "_callback", "_context", "_handle", "cancelled", "when")

    def __init__(self, when: float, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.when = when
        self.cancelled = False
        self._callback = callback
        self._args = args
        self._context = contextvars.copy_context()
        self._handle: asyncio.Handle | None = None

    def cancel(self) -> None:
        self.cancelled = True
        if self._handle is not None:
            self._handle.cancel()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand the callback to the loop, which also reports what it raises."""
        self._handle = loop.call_soon(self._callback, *self._args, context=self._context)


class ScaledScheduler:
    """Timers on a real loop whose seconds are 1/speed as long. Speed 0 (`pause`) stops the time.

    Its time starts where the loop's is, so that at speed 1 the two agree until the first change.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, speed: float = 1.0) -> None:
        self._loop = loop
        self._real = self._scaled = self._floor = loop.time()
        self._speed = _checked(speed)
        self._resume_speed = self._speed or 1.0
        self._queue: list[tuple[float, int, ScaledTimer]] = []
        self._numbers = itertools.count()
        self._armed: asyncio.TimerHandle | None = None

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def paused(self) -> bool:
        return self._speed == 0

    def time(self) -> float:
        """Never goes back, and is never before the `when` of a timer that has fired."""
        self._floor = max(self._floor, self._scaled + (self._loop.time() - self._real) * self._speed)
        return self._floor

    def clock(self, *, start_wall: float, boot: int = 0, trusted: bool = True) -> Clock:
        """A clock that starts at `start_wall` now and runs with this scheduler."""
        origin = self.time()
        return Clock(self.time, lambda: start_wall + self.time() - origin, boot=boot, trusted=trusted)

    def set_speed(self, speed: float) -> None:
        """Run at this speed from now on. Raises ValueError for a negative or infinite speed."""
        speed = _checked(speed)
        self._scaled = self.time()
        self._real = self._loop.time()
        self._speed = speed
        if speed:
            self._resume_speed = speed
        self._arm()

    def pause(self) -> None:
        self.set_speed(0.0)

    def resume(self) -> None:
        """Go on at the speed before `pause`."""
        self.set_speed(self._resume_speed)

    def call_at(self, when: float, callback: Callable[[*Ts], object], /, *args: *Ts) -> ScaledTimer:
        timer = ScaledTimer(when, callback, args)
        heapq.heappush(self._queue, (when, next(self._numbers), timer))
        if self._queue[0][2] is timer:
            self._arm()
        return timer

    def call_later(self, delay: float, callback: Callable[[*Ts], object], /, *args: *Ts) -> ScaledTimer:
        return self.call_at(self.time() + delay, callback, *args)

    def _arm(self) -> None:
        if self._armed is not None:
            self._armed.cancel()
            self._armed = None
        while self._queue and self._queue[0][2].cancelled:
            heapq.heappop(self._queue)
        if self._queue and self._speed:
            due = self._real + (self._queue[0][0] - self._scaled) / self._speed
            self._armed = self._loop.call_at(due, self._fire)

    def _fire(self) -> None:
        self._armed = None
        # The loop may fire a moment early (its resolution) or the division may round: the head is due by contract.
        now = max(self.time(), self._queue[0][0]) if self._queue else self.time()
        while self._queue and self._queue[0][0] <= now:
            when, _, timer = heapq.heappop(self._queue)
            if not timer.cancelled:
                self._floor = max(self._floor, when)
                timer.start(self._loop)
        self._arm()


def _checked(speed: float) -> float:
    if not 0 <= speed < math.inf:
        raise ValueError(f"speed must be a finite number >= 0, got {speed!r}")
    return float(speed)
