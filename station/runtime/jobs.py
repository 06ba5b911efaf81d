"""Work that takes long and must not be forgotten: downloads, uploads, OCSP, keys.

A job is a row of kind `job` (name -> kind, arguments, attempts, state) that is durable before its handler starts,
and goes only after its end was reported. So a power cut in between runs it once more: handlers must bear that,
reports may come twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar, TypeVarTuple

from station.core.events import JobDone, JobProgress
from station.errors import StoreError
from station.store.ops import Json, PutRow, StorePort

__all__ = ["DEAD_JOB", "JOB", "Handler", "JobDone", "JobProgress", "JobReport", "JobRun", "Jobs", "finish_in_thread"]

JOB = "job"
DEAD_JOB = "job_dead"
MAX_ATTEMPTS = 5

_log = logging.getLogger(__name__)


T = TypeVar("T")
Ts = TypeVarTuple("Ts")
JobReport = JobProgress | JobDone


@dataclass(slots=True)
class JobRun:
    """What a handler sees of its job. `attempt`: 1 at first, counted over restarts. `state`: what `keep` saved last."""

    job: str
    kind: str
    arguments: Json = field(repr=False)  # may hold an address with a password
    attempt: int
    state: Json
    _jobs: Jobs = field(repr=False)

    def progress(self, data: Json) -> None:
        """Report how far it is."""
        self._jobs.report(JobProgress(self.job, self.kind, data))

    def keep(self, state: Json) -> None:
        """Save `state` so that a later attempt can go on from there (saved in order, not waited for)."""
        self.state = state
        self._jobs.save(self)


Handler = Callable[[JobRun], Awaitable[Json | None]]


@dataclass(slots=True)
class _Kind:
    handler: Handler
    max_attempts: int


async def finish_in_thread(work: Callable[[*Ts], T], *args: *Ts) -> T:
    """Like `asyncio.to_thread`, for work that changes files: cancelled, it ends only when the thread has.

    A thread cannot be stopped. One that is left behind would go on with the files when its job has ended, and spoil
    what the next job does with them. Raises what `work` raises.
    """
    thread = asyncio.get_running_loop().run_in_executor(None, lambda: work(*args))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        while not thread.done():
            with suppress(asyncio.CancelledError):  # again: it is raised below
                await asyncio.wait({thread})
        if not thread.cancelled():
            thread.exception()  # nobody else will ask for it
        raise


class Jobs:
    """The jobs of one station. Made in the event loop's thread, used only there."""

    def __init__(self, store: StorePort, report: Callable[[JobReport], None]) -> None:
        """report: called in the loop for every JobProgress and JobDone; it must not raise."""
        self.report = report
        self._store = store
        self._kinds: dict[str, _Kind] = {}
        self._runs: dict[str, JobRun] = {}
        self._tasks: dict[str, asyncio.Task[Json | None]] = {}
        self._closing = False

    def register(self, kind: str, handler: Handler, *, max_attempts: int = MAX_ATTEMPTS) -> None:
        """Who does jobs of this kind. max_attempts: starts (the first one and those after restarts) before it is
        given up.
        """
        self._kinds[kind] = _Kind(handler, max_attempts)

    @property
    def running(self) -> frozenset[str]:
        """Names of jobs that have been started or restored and have not ended."""
        return frozenset(self._runs)

    def start(self, job: str, kind: str, arguments: Json) -> None:
        """Save the job, then start it. A job of the same name must have ended; otherwise this one is refused
        (JobDone with error).

        A job that cannot be saved, or that nobody does, is not started either: JobDone with error.
        """
        if job in self._runs:
            self.report(JobDone(job, kind, error="a job of this name is running"))
            return
        self._begin(JobRun(job, kind, arguments, 1, {}, self))

    def restore(self, rows: Mapping[str, Json]) -> None:
        """Start again what a restart interrupted. rows: `store.rows().get("job", {})`; call after all `register`.

        A job that nobody does any more, or that was attempted too often, becomes a row of kind `job_dead` and
        JobDone with error.
        """
        for job, row in rows.items():
            run = JobRun(job, str(row["kind"]), row["arguments"], int(row["attempts"]) + 1, row["state"], self)
            self._begin(run)

    def cancel(self, job: str) -> None:
        """Stop a job for good: JobDone with `cancelled` follows. Nothing happens when it has ended or never was."""
        run = self._runs.get(job)
        task = self._tasks.get(job)
        if task is not None:
            task.cancel()
        elif run is not None:  # its row is still on the way to the disk
            self._end(run, JobDone(job, run.kind, cancelled=True))

    async def close(self) -> None:
        """Stop every job without ending it: the next start goes on with them."""
        self._closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._runs.clear()

    def save(self, run: JobRun) -> None:
        """Write the row of a running job again."""
        if self._runs.get(run.job) is run:
            self._store.commit([_row(run)], _Told(f"state of job {run.job}"))

    def _begin(self, run: JobRun) -> None:
        kind = self._kinds.get(run.kind)
        if kind is None:
            self._give_up(run, f"nobody does jobs of kind {run.kind}")
            return
        if run.attempt > kind.max_attempts:
            self._give_up(run, f"given up after {run.attempt - 1} attempts")
            return
        self._runs[run.job] = run
        self._store.commit([_row(run)], lambda error: self._saved(run, kind.handler, error))

    def _saved(self, run: JobRun, handler: Handler, error: StoreError | None) -> None:
        if self._closing or self._runs.get(run.job) is not run:
            return  # closed or cancelled meanwhile
        if error is not None and run.attempt == 1:
            del self._runs[run.job]
            self.report(JobDone(run.job, run.kind, error=f"not started: {error}"))
            return
        if error is not None:
            # The row of the earlier attempt is there; only the count is behind.
            _log.error("job %s: attempt %d not counted: %s", run.job, run.attempt, error)
        task = asyncio.ensure_future(_call(handler, run))
        task.set_name(f"job {run.job}")
        self._tasks[run.job] = task
        task.add_done_callback(lambda ended: self._ended(run, ended))

    def _ended(self, run: JobRun, task: asyncio.Task[Json | None]) -> None:
        del self._tasks[run.job]
        if task.cancelled():
            if not self._closing:
                self._end(run, JobDone(run.job, run.kind, cancelled=True))
            return
        error = task.exception()
        if error is None:
            self._end(run, JobDone(run.job, run.kind, result=task.result()))
            return
        _log.error("job %s (%s) failed", run.job, run.kind, exc_info=error)
        self._end(run, JobDone(run.job, run.kind, error=f"{type(error).__name__}: {error}"))

    def _end(self, run: JobRun, done: JobDone) -> None:
        del self._runs[run.job]
        # First the news, then the row: the other way round a power cut in between would swallow the result. What the
        # news makes the core save is committed before the row goes.
        self.report(done)
        if run.job not in self._runs:  # unless the report has started one of the same name
            self._store.commit([PutRow(JOB, run.job, None)], _Told(f"end of job {run.job}"))

    def _give_up(self, run: JobRun, why: str) -> None:
        _log.error("job %s (%s): %s; kept as a %s row", run.job, run.kind, why, DEAD_JOB)
        dead = PutRow(DEAD_JOB, run.job, {**_value(run), "attempts": run.attempt - 1, "why": why})
        self.report(JobDone(run.job, run.kind, error=why))
        self._store.commit([dead, PutRow(JOB, run.job, None)], _Told(f"giving up job {run.job}"))


async def _call(handler: Handler, run: JobRun) -> Json | None:
    return await handler(run)


def _value(run: JobRun) -> Json:
    return {"kind": run.kind, "arguments": run.arguments, "attempts": run.attempt, "state": run.state}


def _row(run: JobRun) -> PutRow:
    return PutRow(JOB, run.job, _value(run))


@dataclass(frozen=True, slots=True)
class _Told:
    """A commit callback for what nothing waits for: a failure goes to the log, and the job runs once more after a
    restart.
    """

    what: str

    def __call__(self, error: StoreError | None) -> None:
        if error is not None:
            _log.error("%s: %s", self.what, error)
