"""Jobs over a real store: saved before they start, not forgotten, and their end is told."""

import asyncio
import logging
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from station.runtime.jobs import DEAD_JOB, JOB, JobDone, JobProgress, JobReport, JobRun, Jobs, finish_in_thread
from station.store.ops import Json
from station.store.sqlite import SqliteStore
from tests.store.powercut import PowerCut


def open_store(file: Path | str = ":memory:") -> SqliteStore:
    return SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0)


class Reports(list[JobReport]):
    """Collects reports; `ended` waits for the next JobDone."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def __call__(self, report: JobReport) -> None:
        self.append(report)
        if isinstance(report, JobDone):
            self._news.set()

    async def ended(self) -> JobDone:
        await self._news.wait()
        self._news.clear()
        last = self[-1]
        assert isinstance(last, JobDone)
        await asyncio.sleep(0)
        return last


async def never(run: JobRun) -> Json | None:
    await asyncio.Event().wait()
    return None


async def test_a_job_runs_and_tells_its_result_then_its_row_goes() -> None:
    store, reports = open_store(), Reports()
    seen: list[Any] = []

    async def download(run: JobRun) -> Json:
        seen.append(store.rows()[JOB]["j1"])
        run.progress({"percent": 50})
        return {"bytes": 7, **run.arguments}

    jobs = Jobs(store, reports)
    jobs.register("download", download)
    jobs.start("j1", "download", {"url": "ftp://x"})
    assert await reports.ended() == JobDone("j1", "download", result={"bytes": 7, "url": "ftp://x"})
    assert reports[0] == JobProgress("j1", "download", {"percent": 50})
    assert seen == [{"kind": "download", "arguments": {"url": "ftp://x"}, "attempts": 1, "state": {}}], "saved before"
    assert store.rows() == {}
    assert jobs.running == frozenset()
    store.close()


async def test_a_failure_is_told_and_is_the_end(caplog: pytest.LogCaptureFixture) -> None:
    store, reports = open_store(), Reports()

    async def bad(run: JobRun) -> Json | None:
        raise OSError(28, "full")

    jobs = Jobs(store, reports)
    jobs.register("bad", bad)
    jobs.start("j1", "bad", {})
    assert (await reports.ended()).error == "OSError: [Errno 28] full"
    assert "job j1 (bad) failed" in caplog.text
    assert store.rows() == {}
    store.close()


async def test_work_in_a_thread_that_is_waited_for() -> None:
    """However often the job is cancelled."""
    begun, go_on, done = threading.Event(), threading.Event(), list[str]()

    def work(word: str) -> str:
        begun.set()
        go_on.wait(10)
        done.append(word)
        return word.upper()

    task = asyncio.ensure_future(finish_in_thread(work, "written"))
    assert await asyncio.to_thread(begun.wait, 10)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["written"]
    assert await finish_in_thread(work, "again") == "AGAIN"


@pytest.mark.parametrize("cancelled", [False, True])
async def test_work_in_a_thread_that_fails(cancelled: bool) -> None:
    """Cancelled, nobody asks for its error; pytest would complain about one that is left over."""

    def work() -> None:
        raise OSError(28, "full")

    task = asyncio.ensure_future(finish_in_thread(work))
    await asyncio.sleep(0)
    if cancelled:
        task.cancel()
    with pytest.raises(asyncio.CancelledError if cancelled else OSError):
        await task


async def test_an_interrupted_job_starts_again_from_what_it_kept(tmp_path: Path) -> None:
    attempts: list[tuple[int, Json]] = []

    async def upload(run: JobRun) -> Json | None:
        attempts.append((run.attempt, run.state))
        if run.attempt < 3:
            run.keep({"offset": run.attempt * 10})
            await asyncio.Event().wait()
        return {"ok": True}

    reports = Reports()
    for start in range(3):
        store = open_store(tmp_path / "s.db")
        jobs = Jobs(store, reports)
        jobs.register("upload", upload)
        jobs.restore(store.rows().get(JOB, {}))
        if start == 0:
            jobs.start("j1", "upload", {"a": 1})
        if start == 2:
            assert await reports.ended() == JobDone("j1", "upload", result={"ok": True})
        await asyncio.sleep(0)
        await jobs.close()
        store.close()
    assert attempts == [(1, {}), (2, {"offset": 10}), (3, {"offset": 20})]
    assert len(reports) == 1, "closing is not the end of a job"


async def test_a_job_that_never_ends_is_given_up_and_kept(tmp_path: Path) -> None:
    reports = Reports()
    for _ in range(3):
        store = open_store(tmp_path / "s.db")
        jobs = Jobs(store, reports)
        jobs.register("x", never, max_attempts=2)
        rows = store.rows().get(JOB, {})
        jobs.restore(rows)
        if not rows and not reports:
            jobs.start("j1", "x", {"a": 1})
        await asyncio.sleep(0)
        await jobs.close()
        left = store.rows()
        store.close()
    assert [type(report) for report in reports] == [JobDone]
    assert left[DEAD_JOB]["j1"]["why"] == "given up after 2 attempts"
    assert left[DEAD_JOB]["j1"]["arguments"] == {"a": 1}
    assert not left.get(JOB)


async def test_an_unknown_kind_at_boot_is_logged_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    store, reports = open_store(), Reports()
    old = Jobs(store, reports)
    old.register("gone", never)
    old.start("j1", "gone", {"a": 1})
    await old.close()
    Jobs(store, reports).restore(store.rows()[JOB])
    assert (await reports.ended()).error == "nobody does jobs of kind gone"
    assert "job j1 (gone)" in caplog.records[-1].getMessage()
    assert store.rows()[DEAD_JOB]["j1"] == {
        "kind": "gone", "arguments": {"a": 1}, "attempts": 1, "state": {}, "why": "nobody does jobs of kind gone",
    }  # fmt: skip
    assert JOB not in store.rows()
    store.close()


async def test_cancelling() -> None:
    store, reports = open_store(), Reports()
    jobs = Jobs(store, reports)
    jobs.register("x", never)
    jobs.start("j1", "x", {})
    await asyncio.sleep(0)
    jobs.cancel("j1")
    assert await reports.ended() == JobDone("j1", "x", cancelled=True)
    assert store.rows() == {}
    jobs.cancel("j1")
    jobs.cancel("never was")
    assert len(reports) == 1
    store.close()


async def test_cancelling_while_it_is_being_saved(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s.db", threaded=True, now_wall=lambda: 0.0)
    reports = Reports()
    jobs = Jobs(store, reports)
    jobs.register("x", never)
    jobs.start("j1", "x", {})
    jobs.cancel("j1")
    assert await reports.ended() == JobDone("j1", "x", cancelled=True)
    store.close()
    assert jobs.running == frozenset()
    again = open_store(tmp_path / "s.db")
    assert again.rows() == {}
    again.close()


async def test_one_job_of_a_name_at_a_time() -> None:
    store, reports = open_store(), Reports()
    jobs = Jobs(store, reports)
    jobs.register("x", never)
    jobs.start("j1", "x", {"a": 1})
    jobs.start("j1", "x", {"a": 2})
    assert (await reports.ended()).error == "a job of this name is running"
    assert store.rows()[JOB]["j1"]["arguments"] == {"a": 1}
    await jobs.close()
    store.close()


async def test_a_report_may_start_the_next_job_of_the_same_name() -> None:
    store = open_store()
    reports: list[JobReport] = []

    def report(news: JobReport) -> None:
        reports.append(news)
        if len(reports) == 1:
            jobs.start("j1", "x", {"a": 2})

    async def quick(run: JobRun) -> Json | None:
        if run.arguments["a"] == 2:
            await asyncio.Event().wait()
        return None

    jobs = Jobs(store, report)
    jobs.register("x", quick)
    jobs.start("j1", "x", {"a": 1})
    for _ in range(4):
        await asyncio.sleep(0)
    assert reports == [JobDone("j1", "x")]
    assert store.rows()[JOB]["j1"]["arguments"] == {"a": 2}, "not swept away with the first"
    assert jobs.running == {"j1"}
    await jobs.close()
    store.close()


async def test_what_cannot_be_saved_is_not_started(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    started: list[int] = []

    async def work(run: JobRun) -> Json | None:
        started.append(run.attempt)
        return None

    with PowerCut(tmp_path) as power:
        store, reports = open_store(power.directory / "s.db"), Reports()
        jobs = Jobs(store, reports)
        jobs.register("x", work)
        power.fault = lambda verb, name: sqlite3.SQLITE_FULL if verb == "write" else 0
        jobs.start("j1", "x", {})
        done = await reports.ended()
        assert "not started" in str(done.error)
        assert "disk is full" in str(done.error)
        assert started == []
        # One that was saved earlier runs all the same.
        jobs.restore({"j0": {"kind": "x", "arguments": {}, "attempts": 1, "state": {}}})
        assert await reports.ended() == JobDone("j0", "x")
        assert started == [2]
        assert "not counted" in caplog.text
        power.fault = None
        store.close()
