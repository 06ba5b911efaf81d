"""Durable events: what a fact costs until it is safe, beside the bare fdatasync of the same bytes on the same disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.perf.rows import Row
from tests.perf.store_bench import Commits, measure_commits
from tests.perf.timing import Effort

MOST_RATIO = 1.5  # docs/performance.md
MOST_SHARED_RATIO = 0.25  # of a commit alone
PRODUCERS = 50


def rows(effort: Effort) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="pilotwire-perf-") as folder:
        alone = measure_commits(Path(folder) / "alone.db", effort.times(2_000, 5), 1)
        shared = measure_commits(Path(folder) / "shared.db", effort.times(10_000, 2 * PRODUCERS), PRODUCERS)
    return [
        Row(
            group="durable",
            what="one event, saved before the next (median)",
            unit="us wall",
            ours=alone.p50_s * 1e6,
            against="append + fdatasync",
            other=alone.raw_s * 1e6,
            most_ratio=MOST_RATIO,
            note=_told(alone),
        ),
        Row(
            group="durable",
            what=f"one event of {PRODUCERS} at a time",
            unit="us wall",
            ours=shared.each_s * 1e6,
            against="one event alone",
            other=alone.each_s * 1e6,
            most_ratio=MOST_SHARED_RATIO,
            note=_told(shared),
        ),
    ]


def _told(commits: Commits) -> str:
    rate = f"{commits.per_second:,.0f}".replace(",", " ")
    return f"{rate} events/s, p99 {commits.p99_s * 1e3:.2g} ms, {commits.cpu_s * 1e6:.0f} us CPU"
