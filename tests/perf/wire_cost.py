"""What drivers cost while nothing happens: memory, CPU, wake-ups of `station run` with OpenEVSE, SDM630, PN532. Linux only."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from hal.emulators.process import EmulatorProcess
from tests.perf import startup
from tests.perf.rows import Row
from tests.perf.timing import Effort
from tests.perf.wire_peers import BusyCsms

MOST_RSS_MB = 60.0  # docs/performance.md
MOST_CPU_MS = 600.0
"""A minute: one per cent of a core."""
MOST_WAKEUPS = 600.0
"""A minute: ten a second are nothing to a core that may sleep in between."""
PATIENCE_S = 30.0
SETTLE_S = 3.0

CONFIG = """
[station]
id = "CS001"
[csms]
url = "{url}"
versions = ["2.0.1"]
[store]
path = "{folder}/station.db"
[[board]]
driver = "openevse"
evses = [1]
port = "{openevse}"
meter = false
[[meter]]
evse = 1
model = "sdm630"
port = "{modbus_meter}"
[[reader]]
kind = "pn532"
port = "{pn532}"
"""


class Cost(NamedTuple):
    """rss_mb: resident; per minute: CPU milliseconds, and how often it was woken up."""

    rss_mb: float
    cpu_ms: float
    wakeups: float


def rows(effort: Effort) -> list[Row]:
    if not Path("/proc/self/schedstat").exists():
        return []
    seconds = effort.times(20, 1)
    drivers, simulated = asyncio.run(_both(seconds))
    note = f"a minute, from {seconds} s with nobody plugged in"
    return [
        Row(
            group="wire",
            what="resident memory of `station run`, OpenEVSE + SDM630 + PN532",
            unit="MB",
            ours=drivers.rss_mb,
            against="simulated board",
            other=simulated.rss_mb,
            most=MOST_RSS_MB,
        ),
        Row(group="wire", what="idle: CPU", unit="ms CPU", ours=max(drivers.cpu_ms, 1e-3), most=MOST_CPU_MS, note=note),
        Row(
            group="wire",
            what="idle: wake-ups",
            unit="times",
            ours=max(drivers.wakeups, 1.0),
            most=MOST_WAKEUPS,
            note=f"{note}; a pulse to the board every 2 s, a look for cards every 6 s",
        ),
    ]


async def _both(seconds: float) -> tuple[Cost, Cost]:
    return tuple(await asyncio.gather(_cost(CONFIG, seconds), _cost(startup.CONFIG, seconds)))  # type: ignore[return-value]  # two


async def _cost(template: str, seconds: float) -> Cost:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pilotwire-perf-"))
        csms = await stack.enter_async_context(BusyCsms.running())
        ports = {}
        if "openevse" in template:
            for name in ("openevse", "modbus_meter", "pn532"):
                ports[name] = (await stack.enter_async_context(EmulatorProcess(name))).port
        config = Path(folder) / "station.toml"
        config.write_text(template.format(url=csms.url, folder=folder, **ports), encoding="utf-8")
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "station", "run", "--config", str(config), stderr=asyncio.subprocess.DEVNULL,
            env=dict(os.environ),
        )  # fmt: skip
        try:
            await asyncio.sleep(SETTLE_S)
            before = _used(child.pid)
            await asyncio.sleep(seconds)
            after = _used(child.pid)
        finally:
            child.terminate()
            await child.wait()
        share = 60.0 / seconds
        return Cost(after.rss_mb, (after.cpu_ms - before.cpu_ms) * share, (after.wakeups - before.wakeups) * share)


def _used(pid: int) -> Cost:
    """So far, of all its threads. Raises RuntimeError when it has ended."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        cpu_ms = sum(int((each / "schedstat").read_text(encoding="ascii").split()[0]) for each in threads) / 1e6
        wakeups = sum(int(_fields(each)["voluntary_ctxt_switches"]) for each in threads)
        return Cost(float(_fields(Path(f"/proc/{pid}"))["VmRSS"].split()[0]) / 1024, cpu_ms, wakeups)
    except (FileNotFoundError, KeyError) as error:
        raise RuntimeError("`station run` has ended; its configuration may be wrong") from error


def _fields(process: Path) -> dict[str, str]:
    lines = (process / "status").read_text(encoding="ascii").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
