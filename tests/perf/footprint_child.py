"""The process that is weighed: N stations, or N bare connections, against a CSMS in another process.

`python -m tests.perf.footprint_child KIND N URL` prints the kilobytes of private memory that each one more takes, and the megabytes
that the whole process has. With `--trace` it also tells which lines asked for it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from hal.api import Board
from hal.sim.board import build
from hal.sim.world import World
from station.app import EvseSetup, StationApp, StationSetup, Surroundings
from station.errors import StoreError
from station.store.ops import DeadLetter, Op, StoredContext, StoredRecord, StorePort
from station.store.sqlite import SqliteStore
from tests.perf.payloads import boot
from tests.store.model import Model

AT_ONCE = 20
PATIENCE_S = 60.0
WARM_UP = 5
ROOT = Path(__file__).resolve().parents[2]
LEAST_REPORTED_B = 100
DEPTH = 25


class DictStore:
    """A store in plain dictionaries, to tell the weight of SQLite from the station's."""

    boot = 1

    def __init__(self) -> None:
        self._model = Model()
        self._issued = 0

    def rows(self) -> dict[str, dict[str, Any]]:
        return {}

    def records(self) -> list[StoredRecord]:
        return []

    def contexts(self) -> Mapping[str, StoredContext]:
        return {}

    def dead_letters(self) -> list[DeadLetter]:
        return []

    def next_record_id(self) -> int:
        self._issued += 1
        return self._issued

    def commit(self, ops: Sequence[Op], done: Callable[[StoreError | None], None]) -> None:
        self._model.apply(list(ops))
        done(None)

    def close(self) -> None: ...


def _sqlite() -> StorePort:
    return SqliteStore.open(":memory:", threaded=False, now_wall=time.time)


async def raw(number: int, url: str) -> object:
    """A bare connection that has told of its boot."""
    connection = await connect(
        f"{url}/{number}",
        subprotocols=[Subprotocol("ocpp2.0.1")],
        compression=None,
        ping_interval=None,
        proxy=None,
    )
    await connection.send(json.dumps([2, str(number), "BootNotification", boot()]))
    await connection.recv()
    return connection


class Stations:
    """Makes stations that share what stations of one process can share."""

    def __init__(self, store: Any) -> None:
        loop = asyncio.get_running_loop()
        self._store = store
        self._world = World(loop.time, loop)
        self._dice = random.Random(1)

    def _boards(self) -> Mapping[str, Board]:
        return {"sim": build({"evses": 1}, self._world, rng=self._dice).board}

    async def __call__(self, number: int, url: str) -> StationApp:
        setup = StationSetup(
            identity=f"CS{number}",
            url=url,
            versions=("2.0.1",),
            evses=(EvseSetup(1, "sim"),),
            meter_poll_s=0.0,
        )
        around = Surroundings(boards=self._boards, open_store=self._store, host_boot=lambda: "bench")
        app = StationApp(setup, around)
        await app.start()
        async with asyncio.timeout(PATIENCE_S):
            while not app.client.online or app.client.services.queued():
                await asyncio.sleep(0.01)
        return app


def private_kb() -> float:
    """Private memory of this process in KB, what is swapped out included."""
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    fields = {line.split(":")[0]: line.split() for line in rollup.splitlines()[1:]}
    return float(fields["Private_Dirty"][1]) + float(fields["Swap"][1])


def resident_mb() -> float:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    return float(fields["VmRSS"].split()[0]) / 1024


async def _grow(kind: str, n: int, url: str, trace: bool) -> dict[str, float]:
    make: Any = raw if kind == "raw" else Stations({"sqlite": _sqlite, "dict": DictStore}[kind])
    kept: list[object] = [await make(number, url) for number in range(WARM_UP)]
    await asyncio.sleep(0.1)
    if trace:
        tracemalloc.start(DEPTH)
    gc.collect()
    before = private_kb()
    for first in range(WARM_UP, WARM_UP + n, AT_ONCE):
        some = range(first, min(first + AT_ONCE, WARM_UP + n))
        kept.extend(await asyncio.gather(*(make(number, url) for number in some)))
    await asyncio.sleep(0.5)
    gc.collect()
    after = private_kb()
    if trace:
        _report(n)
    return {"kb": (after - before) / n, "rss_mb": resident_mb(), "n": n}


def _report(n: int) -> None:
    """Where the memory of one station comes from, largest first: by the innermost line of this program that asked for it."""
    sizes: Counter[str] = Counter()
    for trace in tracemalloc.take_snapshot().traces:
        sizes[_asker(trace)] += trace.size
    for place, size in sizes.most_common():
        if size / n >= LEAST_REPORTED_B:
            print(f"{size / n:8.0f} B  {place}", file=sys.stderr)
    print(f"{sizes.total() / n:8.0f} B  in all", file=sys.stderr)


def _asker(trace: tracemalloc.Trace) -> str:
    for frame in reversed(trace.traceback):
        path = Path(frame.filename)
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in {"station", "hal", "tests"}:
            return f"{path.relative_to(ROOT)}:{frame.lineno}"
    return "others"


async def _main(kind: str, n: int, url: str, trace: bool) -> None:
    print(json.dumps(await _grow(kind, n, url, trace)), flush=True)
    # What was weighed needs no good-bye, and closing every link politely takes longer than weighing them.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), sys.argv[3], "--trace" in sys.argv))
