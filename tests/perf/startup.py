"""From exec to the answered BootNotification: `station run` against the least program that can do the same."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.perf.answering import YesCsms
from tests.perf.rows import Row
from tests.perf.timing import Effort

MOST_RATIO = 1.3  # docs/performance.md
MOST_RSS_MB = 40.0
PATIENCE_S = 30.0

CONFIG = """
[station]
id = "CS001"
[csms]
url = "{url}"
versions = ["2.0.1"]
[store]
path = "{folder}/station.db"
[[board]]
driver = "sim"
evses = [1]
"""


@dataclass(frozen=True, slots=True)
class Start:
    """wall_s: until the answer was handed to the socket. rss_mb: then, None where the system does not tell."""

    wall_s: float
    cpu_s: float
    rss_mb: float | None


def rows(effort: Effort) -> list[Row]:
    found = asyncio.run(_starts(effort.times(9, 1)))
    ours, bare = _middle(found["station"]), _middle(found["bare"])
    result = [
        Row(
            group="startup",
            what="exec to BootNotification answered",
            unit="ms wall",
            ours=ours.wall_s * 1e3,
            against="websockets + json",
            other=bare.wall_s * 1e3,
            most_ratio=MOST_RATIO,
            note=f"CPU {ours.cpu_s * 1e3:.0f} ms against {bare.cpu_s * 1e3:.0f} ms",
        )
    ]
    if ours.rss_mb is not None and bare.rss_mb is not None:
        result.append(
            Row(
                group="startup",
                what="resident memory of `station run`",
                unit="MB",
                ours=ours.rss_mb,
                against="websockets + json",
                other=bare.rss_mb,
                most=MOST_RSS_MB,
                note="one simulated EVSE",
            )
        )
    return result


def _middle(starts: list[Start]) -> Start:
    sizes = [start.rss_mb for start in starts if start.rss_mb is not None]
    return Start(
        statistics.median(start.wall_s for start in starts),
        statistics.median(start.cpu_s for start in starts),
        statistics.median(sizes) if sizes else None,
    )


async def _starts(n: int) -> dict[str, list[Start]]:
    answered = asyncio.Event()

    def heard(_path: str, action: str) -> None:
        if action == "BootNotification":
            answered.set()

    found: dict[str, list[Start]] = {"station": [], "bare": []}
    with tempfile.TemporaryDirectory(prefix="pilotwire-perf-") as name:
        async with YesCsms(heard).listening() as csms:
            folder = Path(name)
            config = folder / "station.toml"
            config.write_text(CONFIG.format(url=csms.url, folder=name), encoding="utf-8")
            commands = {
                "station": (sys.executable, "-m", "station", "run", "--config", str(config)),
                "bare": (sys.executable, str(Path(__file__).with_name("bare_client.py")), csms.url),
            }
            environment = _compiled(folder / "compiled")
            for number in range(n + 1):  # the first only compiles, and fills the page cache
                for kind, command in commands.items():
                    start = await _start(command, environment, answered)
                    if number:
                        found[kind].append(start)
    return found


def _compiled(folder: Path) -> dict[str, str]:
    """The environment of an installed program, whose modules are compiled: where that is switched off, they are kept in `folder`."""
    environment = dict(os.environ)
    if environment.pop("PYTHONDONTWRITEBYTECODE", None):
        environment["PYTHONPYCACHEPREFIX"] = str(folder)
    return environment


async def _start(command: Sequence[str], environment: Mapping[str, str], answered: asyncio.Event) -> Start:
    answered.clear()
    began = time.perf_counter()
    child = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await answered.wait()
        wall = time.perf_counter() - began
        return Start(wall, *_used(child.pid))
    finally:
        child.terminate()
        await child.wait()


def _used(pid: int) -> tuple[float, float | None]:
    """CPU seconds and resident MB of a process so far; nothing where there is no /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0, None
    fields = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines())
    nanoseconds = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]
    return int(nanoseconds) / 1e9, float(fields["VmRSS"].split()[0]) / 1024
