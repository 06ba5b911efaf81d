"""Durable commits per second, beside the raw fdatasync of the same bytes on the same disk."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from station.errors import StoreError
from station.store.ops import AddRecord, Op
from station.store.sqlite import SqliteStore
from tests.perf.timing import percentile

# About a TransactionEvent with 12 samples.
FACT = {"kind": "tx", "samples": [{"measurand": "Power.Active.Import", "value": 7360.5, "unit": "W"}] * 30}


@dataclass(frozen=True, slots=True)
class Commits:
    """n commits by `producers` that each wait for their own; seconds, wall clock. cpu_s: of each. p50_s, p99_s: from asking to
    being told. raw_s: median of one write + fdatasync, measured before and after.
    """

    n: int
    producers: int
    wall_s: float
    cpu_s: float
    p50_s: float
    p99_s: float
    raw_s: float

    @property
    def each_s(self) -> float:
        return self.wall_s / self.n

    @property
    def per_second(self) -> float:
        return self.n / self.wall_s


def measure_commits(path: Path, n: int, producers: int) -> Commits:
    """Commit `n` records into a new database `path` (threaded store), `producers` at a time."""
    raw = path.with_name(path.name + ".raw")
    before = measure_fdatasync(raw, min(n, 300))
    wall_s, cpu_s, latencies = asyncio.run(_measure(path, n, producers))
    after = measure_fdatasync(raw, min(n, 300))
    raw_s = statistics.median(before + after)
    return Commits(n, producers, wall_s, cpu_s, percentile(latencies, 0.5), percentile(latencies, 0.99), raw_s)


def measure_fdatasync(path: Path, n: int) -> list[float]:
    """Seconds that each of `n` times took to append about one record and wait for the disk. The file is removed."""
    times: list[float] = []
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
    return times


async def _measure(path: Path, n: int, producers: int) -> tuple[float, float, list[float]]:
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
    return wall_s, cpu_s / n, latencies


def _settle(told: asyncio.Future[None], error: StoreError | None) -> None:
    if error is not None:
        told.set_exception(error)
    else:
        told.set_result(None)
