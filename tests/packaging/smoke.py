"""The Debian package on this machine: `python3 -m tests.packaging.smoke [--install[=if-free]]`. Needs nothing but Debian's Python.

Builds it, unpacks it (with --install, as root: installs it, and purges it in the end), and starts the service under the emulated
service manager: status by `station ctl`, watchdog, kill -9, restart, stop. Exit code 0 when all held.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.packaging.service_manager import ServiceManager
from tests.packaging.unit import read_unit

ROOT = Path(__file__).parents[2]
CONFIG = """\
[station]
id = "SMOKE"
[csms]
url = "ws://127.0.0.1:9"
[store]
path = "{state}/station.db"
[control]
socket = "{runtime}/control.sock"
[[board]]
driver = "sim"
evses = [1, 2]
"""
QUICK = "WatchdogSec=4s\nRestartSec=100ms\n"
# Emulated processors: they take their time, and write the code that they execute.
SLOW = "WatchdogSec=20s\nRestartSec=100ms\nTimeoutStartSec=180s\nTimeoutStopSec=90s\nMemoryDenyWriteExecute=no\n"
INSTALLED = tuple(
    Path(place)
    for place in (
        "/etc/pilotwire",
        "/opt/pilotwire",
        "/usr/bin/station",
        "/usr/lib/systemd/system/pilotwire.service",
        "/usr/lib/udev/rules.d/75-pilotwire.rules",
        "/var/lib/pilotwire",
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the package is. station: the command. unit: the service's file. config: its configuration. runtime: of the socket."""

    station: tuple[str, ...]
    unit: Path
    config: Path
    state: Path
    runtime: Path
    places: Mapping[str, tuple[str, ...]] | None
    user: str | None


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(prog="python3 -m tests.packaging.smoke", description="Try the Debian package.")
    options.add_argument(
        "--install",
        nargs="?",
        const="always",
        default="never",
        choices=["always", "if-free", "never"],
        help="install it on this machine and purge it in the end; if-free: when root asks and none is installed",
    )
    options.add_argument("--package", type=Path, metavar="FILE", help="this one (default: build it)")
    read = options.parse_args(arguments)
    obstacles = [] if os.geteuid() == 0 else ["only root may install"]
    obstacles += [f"{place} is there" for place in INSTALLED if place.exists() or place.is_symlink()]
    if read.install == "always" and obstacles:
        options.error(f"--install: {', '.join(obstacles)}")
    install = read.install != "never" and not obstacles
    if read.install == "if-free" and obstacles:
        print(f"unpacked, not installed: {', '.join(obstacles)}", flush=True)
    # An end in the middle of it purges, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="smoke-") as folder:
        work = Path(folder)
        package = read.package or timed("built", lambda: build(work))
        print(f"{package.name}: {package.stat().st_size / 1e6:.1f} MB", flush=True)
        if install:
            with_installed(package)
        else:
            try_it(unpacked(package, work))
    return 0


def build(work: Path) -> Path:
    said = run(sys.executable, "systemd/build_deb.py", "--output", str(work))
    return Path(said.splitlines()[-1])


def with_installed(package: Path) -> None:
    apt = ("apt-get", "install", "-qq", "-y", "--no-install-recommends")
    timed("installed", lambda: run(*apt, str(package.resolve()), environ={"DEBIAN_FRONTEND": "noninteractive"}))
    try:
        assert set(run("id", "-Gn", "pilotwire").split()) == {"pilotwire", "dialout", "input", "gpio"}
        run("systemd-analyze", "verify", "--man=no", "pilotwire.service")
        place = Place(
            ("/usr/bin/station",),
            Path("/usr/lib/systemd/system/pilotwire.service"),
            Path("/etc/pilotwire/station.toml"),
            Path("/var/lib/pilotwire"),
            Path("/run/pilotwire"),
            None,
            "pilotwire",
        )
        try_it(place)
        assert oct(place.config.stat().st_mode & 0o777) == "0o640", "the password in it is for the station alone"
        run("dpkg", "--remove", "pilotwire")
        assert (place.state / "station.db").exists(), "what is removed may come again: its state stays"
        assert not Path("/opt/pilotwire").exists(), "compiled files are left"
    finally:
        timed("purged", lambda: run("dpkg", "--purge", "pilotwire"))
    left = [str(place) for place in INSTALLED if place.exists() or place.is_symlink()]
    assert not left, f"still there after purge: {left}"


def unpacked(package: Path, work: Path) -> Place:
    tree = work / "tree"
    run("dpkg-deb", "--extract", str(package), str(tree))
    station = (str(tree / "opt/pilotwire/bin/python3"), "-I", "-m", "station")
    config = work / "station.toml"
    return Place(
        station,
        tree / "usr/lib/systemd/system/pilotwire.service",
        config,
        work,
        work,
        {"/usr/bin/station": station, "/etc/pilotwire/station.toml": (str(config),)},
        None,
    )


def try_it(place: Place) -> None:
    print(run(*place.station, "--version").strip(), flush=True)
    write_config(place.config, place.state, place.runtime)
    if place.user is not None:
        run("systemd-tmpfiles", "--create", "pilotwire.conf")  # what the page says after the file is written
    as_user = () if place.user is None else ("runuser", "-u", place.user, "--")
    said = run(*as_user, *place.station, "check", str(place.config))
    assert "good, 2 EVSEs" in said, said
    timed("service", lambda: asyncio.run(service(place)))


def write_config(file: Path, state: Path, runtime: Path) -> None:
    file.write_text(CONFIG.format(state=state, runtime=runtime), encoding="utf-8")


async def service(place: Place, root: Path | None = None) -> None:
    """root: where the program sees its "/"."""
    quick = QUICK if root is None else SLOW
    async with ServiceManager(read_unit(place.unit, quick), place.places, root=root) as manager:
        assert manager.program is not None
        first = manager.program.pid
        if place.user is not None:
            assert run("stat", "-c", "%U", f"/proc/{first}").strip() == place.user
        state = status(place)
        assert len(state["evses"]) == 2, state
        assert await manager.watch(2) is None, manager.log
        await manager.kill()
        assert [post.code for post in manager.after] == [0], manager.after
        assert "simulated" in manager.after[0].text
        await manager.restart_after()
        assert manager.program.pid != first
        status(place)
        mark = len(manager.said)
        ended = await manager.stop()
        assert ended.code == 0, ended.text
        assert "STOPPING=1" in manager.said[mark:], manager.said
        assert len(manager.after) == 2
        assert "Traceback" not in ended.text, ended.text


def status(place: Place) -> dict[str, list[object]]:
    """`station ctl`, which finds the service by itself."""
    socket = {} if place.user is not None else {"PILOTWIRE_SOCKET": str(place.runtime / "control.sock")}
    found: dict[str, list[object]] = json.loads(run(*place.station, "ctl", "--json", "state", environ=socket))
    return found


def run(*words: str, environ: Mapping[str, str] | None = None) -> str:
    """What a program says; it must succeed."""
    environ = {**os.environ, **(environ or {})}
    done = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(what: str, step: Callable[[], object]) -> object:
    begun = time.monotonic()
    result = step()
    print(f"{what} in {time.monotonic() - begun:.1f} s", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
