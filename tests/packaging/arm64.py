"""The package for a Raspberry Pi on a laptop: `sudo python3 -m tests.packaging.arm64 [--python 3.13]`.

Builds it for arm64, unpacks it beside a Debian of that processor (mmdebstrap), and runs it by qemu-user (qemu-user-static) in a chroot:
version, check, a scenario, and the service under the emulated service manager. Nothing is installed on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.packaging.smoke import Place, run, service, timed, write_config

SUITES = {"3.11": "bookworm", "3.13": "trixie"}
MIRROR = "http://deb.debian.org/debian"
QEMU = "qemu-aarch64-static"
SCENARIO = "01-first-charge"


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(prog="python3 -m tests.packaging.arm64", description="Try the package for arm64.")
    options.add_argument("--python", choices=SUITES, default="3.11", help="3.11: Debian 12 (default), 3.13: Debian 13")
    options.add_argument("--mirror", default=MIRROR, metavar="URL", help=f"default: {MIRROR}")
    read = options.parse_args(arguments)
    missing = [tool for tool in ("mmdebstrap", QEMU, "dpkg-deb") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        options.error(f"is for root, with {', '.join(missing) or 'all tools'} installed (mmdebstrap, qemu-user-static)")
    with tempfile.TemporaryDirectory(prefix="arm64-") as folder:
        work = Path(folder)
        tree = work / "tree"
        packages = f"python{read.python},ca-certificates,tzdata"
        strap = ("mmdebstrap", "--quiet", "--variant=extract", "--arch=arm64", f"--include={packages}")
        timed("Debian for arm64", lambda: run(*strap, SUITES[read.python], str(tree), read.mirror))
        build = (sys.executable, "systemd/build_deb.py", "--arch=arm64", f"--python={read.python}")
        said = timed("built", lambda: run(*build, f"--output={work}"))
        package = Path(str(said).splitlines()[-1])
        print(f"{package.name}: {package.stat().st_size / 1e6:.1f} MB", flush=True)
        run("dpkg-deb", "--extract", str(package), str(tree))
        try_it(tree, read.python)
    return 0


def try_it(tree: Path, python: str) -> None:
    qemu = shutil.which(QEMU)
    assert qemu is not None
    shutil.copy(qemu, tree / "usr/bin")
    for name in ("bin", "lib", "sbin"):  # where everything is below /usr, from Debian 13 on
        if not (tree / name).exists():
            (tree / name).symlink_to(f"usr/{name}")
    for name in ("proc", "dev", "tmp", "run"):
        (tree / name).mkdir(exist_ok=True)
    arm = ("chroot", str(tree), f"/usr/bin/{QEMU}")
    machine = run(*arm, f"/usr/bin/python{python}", "-c", "import platform; print(platform.machine())").strip()
    assert machine == "aarch64", machine
    # As the package does when it is installed.
    compiled = (*arm, "/opt/pilotwire/bin/python3", "-I", "-m", "compileall", "-q", "/opt/pilotwire/lib")
    timed("compiled", lambda: run(*compiled))
    station = (*arm, "/opt/pilotwire/bin/python3", "-I", "-m", "station")
    print(timed("version", lambda: run(*station, "--version").strip()), flush=True)
    config = tree / "tmp/station.toml"
    write_config(config, state=Path("/tmp"), runtime=Path("/tmp"))
    said = timed("checked", lambda: run(*station, "check", "/tmp/station.toml"))
    assert "good, 2 EVSEs" in str(said), said
    timed(f"played {SCENARIO}", lambda: run(*station, "play", SCENARIO, "--plain"))
    unit = tree / "usr/lib/systemd/system/pilotwire.service"
    places = {"/usr/bin/station": station, "/etc/pilotwire/station.toml": ("/tmp/station.toml",)}
    inside = Place(station, unit, config, Path("/tmp"), Path("/tmp"), places, None)
    timed("service", lambda: asyncio.run(service(inside, root=tree)))


if __name__ == "__main__":
    sys.exit(main())
