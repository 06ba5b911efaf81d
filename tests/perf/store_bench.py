"""Durable commits per second, beside the raw fdatasync of the same bytes on the same disk."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from station.errors import StoreError
from station.store.ops import AddRecord, Op
from station.store.sqlite import SqliteStore

# About a TransactionEvent with 12 samples.
FACT = {"kind": "tx", "samples": [{"measurand": "Power.Active.Import", "value": 7360.5, "unit": "W"}] * 30}


@dataclass(frozen=True, slots=True)
class Commits:
    """n commits by `producers` that each wait for their own; seconds each, wall clock. `raw_s`: one write +
    fdatasync.
    """

    n: int
    producers: int
    wall_s: float
    cpu_s: float
    p99_s: float
    raw_s: float

    @property
    def each_s(self) -> float:
        return self.wall_s / self.n

    @property
    def per_second(self) -> float:
        return self.n / self.wall_s

    @property
    def over_raw(self) -> float:
        """A commit's share of the wall time over a raw fdatasync; below 1 where commits share one."""
        return self.each_s / self.raw_s


def measure_commits(path: Path, n: int, producers: int) -> Commits:
    """Commit `n` records into a new database `path` (threaded store), `producers` at a time."""
    raw_s = measure_fdatasync(path.with_name(path.name + ".raw"), min(n, 300))
    return asyncio.run(_measure(path, n, producers, raw_s))


def measure_fdatasync(path: Path, n: int) -> float:
    """Median seconds of appending about one record and waiting for the disk. The file is removed."""
    times = []
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        for index in range(n):
            began = time.perf_counter()
            os.pwrite(descriptor, b"x" * 4120, index * 4120)
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return sorted(times)[n // 2]


async def _measure(path: Path, n: int, producers: int, raw_s: float) -> Commits:
    loop = asyncio.get_running_loop()
    store = SqliteStore.open(path, threaded=True, now_wall=time.time)
    latencies: list[float] = []

    async def produce(count: int) -> None:
        for _ in range(count):
            told: asyncio.Future[None] = loop.create_future()
            began = time.perf_counter()
            ops: list[Op] = [AddRecord(store.next_record_id(), FACT)]
            store.commit(ops, partial(_settle, told))
            await told
            latencies.append(time.perf_counter() - began)

    shares = [n // producers + (index < n % producers) for index in range(producers)]
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(produce(share) for share in shares))
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    store.close()
    return Commits(n, producers, wall_s, cpu_s / n, sorted(latencies)[int(n * 0.99)], raw_s)


def _settle(told: asyncio.Future[None], error: StoreError | None) -> None:
    if error is not None:
        told.set_exception(error)
    else:
        told.set_result(None)
