"""Memory of one station more in a process that has many, over what its bare connection takes. Linux only."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.perf.answering import YesCsms, run_child
from tests.perf.rows import Row
from tests.perf.timing import Effort

MOST_OVER_RAW_KB = 10.0  # docs/performance.md
KINDS = ("raw", "dict", "sqlite")


def rows(effort: Effort) -> list[Row]:
    if not Path("/proc/self/smaps_rollup").exists():
        return []
    n = effort.times(200, 10)
    found = asyncio.run(_weigh(n))
    raw = found["raw"]
    words = {
        "dict": "station 2.0.1, one EVSE, store in dictionaries",
        "sqlite": "station 2.0.1, one EVSE, SQLite in memory",
    }
    return [
        Row(
            group="memory",
            what=f"{what}: over its connection",
            unit="KB",
            ours=found[kind] - raw,
            most=MOST_OVER_RAW_KB,
            note=f"{n} stations; {found[kind]:.1f} KB with its connection, a bare one has {raw:.1f} KB",
        )
        for kind, what in words.items()
    ]


async def _weigh(n: int) -> dict[str, float]:
    """Each kind in a process of its own, at the same time: memory, unlike time, does not mind."""
    async with YesCsms(lambda _path, _action: None).listening() as csms:
        weights = await asyncio.gather(*(_weight(kind, n, csms.url) for kind in KINDS))
        return dict(zip(KINDS, weights, strict=True))


async def _weight(kind: str, n: int, url: str) -> float:
    out = await run_child(sys.executable, "-m", "tests.perf.footprint_child", kind, str(n), url, within_s=120)
    return float(json.loads(out)["kb"])
