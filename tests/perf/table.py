"""The table: every measurement once, side by side, in one run. `python -m tests.perf` prints it.

A figure over its budget is told, never raised: machines differ, and a busy one is no bug.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from tests.perf import charging, codec, core, durable, footprint, latency, roundtrip, startup, virtual, wire
from tests.perf.rows import OVER, Row, as_json, table
from tests.perf.timing import QUICK, Effort

GROUPS: dict[str, Callable[[Effort], list[Row]]] = {
    "roundtrip": roundtrip.rows,
    "codec": codec.rows,
    "core": core.rows,
    "charging": charging.rows,
    "latency": latency.rows,
    "durable": durable.rows,
    "virtual": virtual.rows,
    "memory": footprint.rows,
    "startup": startup.rows,
    "wire": wire.rows,
}
PACKAGES = ("websockets", "orjson", "jsonschema-rs", "ocpp", "transitions")


def measure(effort: Effort, only: Iterable[str] = ()) -> list[Row]:
    """The rows of the groups `only` (none: all), in the order of the table."""
    wanted = set(only) or GROUPS.keys()
    found: list[Row] = []
    for name, rows in GROUPS.items():
        if name in wanted:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            found.extend(rows(effort))
    return found


def about() -> dict[str, str]:
    """The machine and the versions that the figures belong to."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _load() -> str:
    """How many others wanted a core in the last minute, ourselves included."""
    return f"{os.getloadavg()[0]:.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.perf", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a shorter and rougher run")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows there as well")
    parser.add_argument("--only", metavar="NAME", action="append", choices=GROUPS, default=[], help=", ".join(GROUPS))
    chosen = parser.parse_args(arguments)
    before = _load()
    rows = measure(QUICK if chosen.quick else Effort(), chosen.only)
    machine = {**about(), "load before and after": f"{before} and {_load()}"}
    print(table(rows))
    print("; ".join(f"{name} {value}" for name, value in machine.items()))
    over = [f"{row.group}: {row.what}" for row in rows if row.verdict == OVER]
    print(f"{len(rows)} rows, {len(over)} over their budget" + "".join(f"\n  {name}" for name in over))
    if chosen.json is not None:
        chosen.json.write_text(as_json(rows, machine), encoding="utf-8")
    return 0
