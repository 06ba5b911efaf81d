"""The table has its rows, its words and its numbers. No time is judged here: that needs an idle machine."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.perf import table
from tests.perf.core import one_session, replay
from tests.perf.rows import OK, OPEN, OVER, Row, figure
from tests.perf.timing import TINY, percentile

LEAST_ROWS = {
    "roundtrip": 3,
    "codec": 3,
    "core": 7,
    "charging": 4,
    "latency": 2,
    "durable": 2,
    "virtual": 3,
    "wire": 7 if Path("/proc/self/schedstat").exists() else 4,
}
HAVE_PROC = Path("/proc/self/smaps_rollup").exists()


@pytest.mark.parametrize("group", LEAST_ROWS)
def test_group(group: str) -> None:
    rows = table.measure(TINY, [group])
    assert len(rows) == LEAST_ROWS[group]
    for row in rows:
        assert row.group == group
        assert row.ours > 0
        assert math.isfinite(row.ours)
        assert (row.other is None) == (row.against == "")
        assert row.verdict in {OK, OVER, OPEN}


@pytest.mark.skipif(not HAVE_PROC, reason="Linux only")
def test_a_station_takes_memory_beyond_its_connection() -> None:
    words = [row.what for row in table.measure(TINY, ["memory"])]
    assert len(words) == 2


def test_every_group_is_measured_by_a_test() -> None:
    assert LEAST_ROWS.keys() | {"memory", "startup"} == table.GROUPS.keys()


def test_startup() -> None:
    rows = table.measure(TINY, ["startup"])
    assert all(row.ours > 0 and row.other for row in rows)


def test_the_replayed_session_is_a_whole_one() -> None:
    steps = one_session(samples=3)
    told = [type(event).__name__ for event, _ in steps if event is not None]
    assert told.count("MeterRead") > 3 * 12
    assert replay(steps, 1) == replay(steps, 1)


@pytest.mark.parametrize(
    ("row", "budget", "verdict"),
    [
        (Row("g", "w", "us", 3.0), "-", OPEN),
        (Row("g", "w", "us", 3.0, "floor", 2.0, most_ratio=1.5), "<= 1.5x", OK),
        (Row("g", "w", "us", 3.1, "floor", 2.0, most_ratio=1.5), "<= 1.5x", OVER),
        (Row("g", "w", "us", 3.0, most=3.0), "<= 3 us", OK),
        (Row("g", "w", "us", 3.0, "floor", 2.0, most_ratio=2.0, most=2.9), "<= 2x, <= 2.9 us", OVER),
    ],
)
def test_verdict(row: Row, budget: str, verdict: str) -> None:
    assert (row.budget, row.verdict) == (budget, verdict)


def test_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Row("codec", "x", "us", 12.34, "floor", 5.0, most_ratio=2.0, note="n"), Row("codec", "y", "KB", 0.5)]
    monkeypatch.setattr(table, "GROUPS", {"codec": lambda _effort: rows})
    file = tmp_path / "rows.json"
    assert table.main(["--quick", "--only", "codec", "--json", str(file)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.count("|") for line in printed[:4]] == [10] * 4
    assert "12.3" in printed[2]
    assert "over" in printed[2]
    written = json.loads(file.read_text(encoding="utf-8"))
    assert [row["verdict"] for row in written["rows"]] == [OVER, OPEN]
    assert written["rows"][0]["ratio"] == pytest.approx(2.468)
    assert "python" in written["about"]


def test_figures_have_three_digits() -> None:
    assert [figure(value) for value in (12_345.6, 99.96, 1.234, 0.01234)] == ["12 346", "100.0", "1.23", "0.0123"]


def test_percentile() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([7.0], 0.99)) == (51.0, 100.0, 7.0)
