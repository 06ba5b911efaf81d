#!/usr/bin/env python3
"""Builds the Debian package of the station: `python3 systemd/build_deb.py` leaves dist/pilotwire_VERSION_ARCH.deb.

Needs Debian's dpkg-deb, pip or python3-venv, and the network for the wheels. The package holds everything in /opt/pilotwire, for the
Python of the system that it is built on (or --python), for this processor (or --arch: a laptop builds for a Raspberry Pi). Nothing is
written to the working tree but the result. The same tree gives the same package, as far as the wheels are the same.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "pilotwire"
PREFIX = Path("opt/pilotwire")
EXTRAS = "gpio,sftp"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC = range(17, 37)
"""2.17 is the oldest that wheels are made for, 2.36 that of Debian 12."""
PAGES = ("README.md", "docs/raspberry-pi.md", "docs/hardware.md", "docs/configuration.md", "docs/command-line.md")
NOT_NEEDED = ("*/tests", "*/test", "*.pyi", "*/direct_url.json", "*.c", "*.h", "*.pyx", "*.pxd")
MAINTAINER = "Pilotwire developers <maintainers@pilotwire.invalid>"

CONTROL = """\
Package: {name}
Version: {version}
Architecture: {arch}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: python{python}, libc6 (>= 2.28), systemd, ca-certificates, tzdata
Suggests: chrony | systemd-timesyncd
Section: misc
Priority: optional
Description: Charging station for electric vehicles: OCPP 1.6J and 2.0.1
 Firmware of a charging station: drives EVSE boards, energy meters and card
 readers, and speaks OCPP 1.6J and 2.0.1 to any CSMS. With systemd unit, udev
 rules and an example configuration; /usr/share/doc/pilotwire/raspberry-pi.md
 leads from a blank SD card to a charging station.
"""

POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    systemd-sysusers pilotwire.conf
    # The sandbox of a container may keep it from some of that; the service makes its directories, too.
    systemd-tmpfiles --create pilotwire.conf || true
    # The station may not write there: without this every start would compile everything.
    /opt/pilotwire/bin/python3 -I -m compileall -q -j 0 /opt/pilotwire/lib >/dev/null || true
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        udevadm control --reload || true
        udevadm trigger --action=change --subsystem-match=tty --subsystem-match=gpio || true
        if [ -e /run/pilotwire.upgraded ]; then
            systemctl start pilotwire.service || true
        fi
    fi
    rm -f /run/pilotwire.upgraded
fi
"""

PRERM = """\
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    # While files are replaced the program must not run: it loads parts of itself when it needs them.
    if [ "$1" = upgrade ] && systemctl --quiet is-active pilotwire.service; then
        touch /run/pilotwire.upgraded
    fi
    systemctl stop pilotwire.service || true
fi
if [ "$1" = remove ] && command -v systemctl >/dev/null; then
    systemctl --no-reload disable pilotwire.service >/dev/null 2>&1 || true
fi
find /opt/pilotwire -name __pycache__ -type d -prune -exec rm -rf {} +
"""

POSTRM = """\
#!/bin/sh
set -e
if [ "$1" = purge ]; then
    # The database with what the CSMS has not had yet, keys, and the configuration. The user stays, as Debian has it.
    rm -rf /var/lib/pilotwire /var/log/pilotwire /etc/pilotwire
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    udevadm control --reload || true
fi
"""

STATION = """\
#!/opt/pilotwire/bin/python3 -I
import sys

from station.__main__ import main

sys.argv[0] = "station"
sys.exit(main())
"""

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: {name}

Files: *
Copyright: 2026 The Pilotwire authors
License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.

Files: opt/pilotwire/lib/*/site-packages/*
Copyright: 2026 the authors of each package
License: as told in its .dist-info folder
 Python packages as their authors publish them on https://pypi.org.
"""

OVERRIDES = """\
# An environment with wheels of its own in /opt, as their authors built them: not for Debian's archive.
{name}: dir-or-file-in-opt
{name}: unstripped-binary-or-object
{name}: wrong-path-for-interpreter
{name}: unusual-interpreter
{name}: script-not-executable
{name}: executable-not-elf-or-script
# The exact minor version instead.
{name}: python3-script-but-no-python3-dep
# Guarded by /run/systemd/system; debhelper is not needed to build this.
{name}: maintainer-script-calls-systemctl
# station --help, and the pages in /usr/share/doc/pilotwire.
{name}: no-manual-page
"""


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or last_change())
    with tempfile.TemporaryDirectory(prefix="build-deb-") as folder:
        work = Path(folder)
        tree = work / "tree"
        python = options.python or system_python()
        install_wheels(work, tree, python, options.arch, options.extras)
        lay_out(tree, python)
        documents(tree, epoch)
        size = sum(file.lstat().st_size for file in tree.rglob("*")) // 1024
        control(tree, python, options.arch, size)
        same_time(tree, epoch)
        options.output.mkdir(parents=True, exist_ok=True)
        package = options.output / f"{NAME}_{debian_version()}_{options.arch}.deb"
        run(
            *("dpkg-deb", "--build", "--root-owner-group", "-Zxz", "-z3", str(tree), str(package)),
            environ={"SOURCE_DATE_EPOCH": str(epoch)},
        )
    print(package)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build_deb.py", description="Build the Debian package of the station.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR", help="where to (default: dist)")
    parser.add_argument("--arch", choices=sorted(MACHINES), help="for another processor (default: this one)")
    parser.add_argument(
        "--python", metavar="3.N", help="for another Debian: 3.11 is 12, 3.13 is 13 (default: this one's)"
    )
    parser.add_argument("--extras", default=EXTRAS, metavar="NAMES", help=f"of pyproject.toml (default: {EXTRAS})")
    options = parser.parse_args(arguments)
    if shutil.which("dpkg-deb") is None:
        parser.error("dpkg-deb is missing: build on Debian, Ubuntu or Raspberry Pi OS")
    options.arch = options.arch or said("dpkg", "--print-architecture")
    if options.arch not in MACHINES:
        parser.error(f"there are no wheels for {options.arch}: use a 64-bit system ({', '.join(MACHINES)})")
    return options


# --- what goes into it ------------------------------------------------------------------------------------------------


def install_wheels(work: Path, tree: Path, python: str, arch: str, extras: str) -> None:
    """Our wheel and those that it needs, unpacked for another place, another Python and perhaps another processor."""
    pip = find_pip(work)
    source = work / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("station", "hal"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(work), str(source))
    (wheel,) = work.glob("*.whl")
    platforms = [f"--platform=manylinux_2_{minor}_{MACHINES[arch]}" for minor in reversed(GLIBC)]
    platforms.append(f"--platform=manylinux2014_{MACHINES[arch]}")
    target = tree / PREFIX / f"lib/python{python}/site-packages"
    run(
        *pip,
        *("install", "--quiet", "--no-compile", "--only-binary=:all:", f"--target={target}"),
        *("--implementation=cp", f"--python-version={python}", *platforms),
        f"{NAME}[{extras}] @ {wheel.as_uri()}",
    )
    shutil.rmtree(target / "bin", ignore_errors=True)
    for pattern in NOT_NEEDED:
        for path in [path for path in target.rglob("*") if path.match(pattern)]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def lay_out(tree: Path, python: str) -> None:
    """The environment around the wheels, and what the system finds by itself."""
    prefix = tree / PREFIX
    (prefix / "bin").mkdir()
    (prefix / "bin/python3").symlink_to(f"/usr/bin/python{python}")
    (prefix / "bin/python").symlink_to("python3")
    (prefix / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {python}\n", encoding="utf-8"
    )
    put(prefix / "bin/station", STATION, executable=True)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/station").symlink_to("/opt/pilotwire/bin/station")
    for source, place in {
        "pilotwire.service": "systemd/system/pilotwire.service",
        "udev.rules": "udev/rules.d/75-pilotwire.rules",
        "sysusers.conf": "sysusers.d/pilotwire.conf",
        "tmpfiles.conf": "tmpfiles.d/pilotwire.conf",
    }.items():
        put(tree / "usr/lib" / place, (ROOT / "systemd" / source).read_text(encoding="utf-8"))
    put(tree / "etc/pilotwire/station.example.toml", example())


def example() -> str:
    """What `station config example` prints, with the control socket of the service."""
    code = "from station.config_doc import example; print(example(), end='')"
    text = said(sys.executable, "-B", "-c", code, cwd=ROOT)
    mark = '# socket = "/run/pilotwire/control.sock"'
    if mark not in text:
        raise SystemExit("station/config_doc.py: the example does not show the control socket as it did")
    return text.replace(mark, mark.removeprefix("# ")) + "\n"


def documents(tree: Path, epoch: int) -> None:
    place = tree / "usr/share/doc" / NAME
    for name in PAGES:
        put(place / Path(name).name, (ROOT / name).read_text(encoding="utf-8"))
    put(place / "copyright", COPYRIGHT.format(name=NAME))
    date = said("date", "-u", "-R", "-d", f"@{epoch}")
    entry = f"{NAME} ({debian_version()}) stable; urgency=medium\n\n  * See changelog.md.\n\n -- {MAINTAINER}  {date}\n"
    squeezed(place / "changelog.gz", entry)
    squeezed(place / "changelog.md.gz", (ROOT / "docs/changelog.md").read_text(encoding="utf-8"))
    put(tree / "usr/share/lintian/overrides" / NAME, OVERRIDES.format(name=NAME))


def control(tree: Path, python: str, arch: str, size: int) -> None:
    inside = (path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    files = sorted(path for path in inside if path.relative_to(tree).parts[0] != "etc")
    sums = [f"{hashlib.md5(file.read_bytes()).hexdigest()}  {file.relative_to(tree)}\n" for file in files]  # noqa: S324  # dpkg's format
    place = tree / "DEBIAN"
    values = {"version": debian_version(), "arch": arch, "python": python, "size": size}
    put(place / "control", CONTROL.format(name=NAME, maintainer=MAINTAINER, **values))
    put(place / "md5sums", "".join(sums))
    put(place / "conffiles", "/etc/pilotwire/station.example.toml\n")
    for name, text in {"postinst": POSTINST, "prerm": PRERM, "postrm": POSTRM}.items():
        put(place / name, text, executable=True)


# --- tools ------------------------------------------------------------------------------------------------------------


def put(file: Path, text: str, *, executable: bool = False) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755 if executable else 0o644)


def squeezed(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def same_time(tree: Path, epoch: int) -> None:
    """Modes that do not depend on anybody's umask, and one time for all."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def find_pip(work: Path) -> list[str]:
    """This Python's, or one made for the occasion."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        return [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    venv.create(work / "pip", with_pip=True)
    return [str(work / "pip/bin/python"), "-m", "pip", "--disable-pip-version-check"]


def system_python() -> str:
    """ "3.11": of the system, whatever else is installed."""
    return said("/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")


def debian_version() -> str:
    for node in ast.parse((ROOT / "station/__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            return for_dpkg(str(node.value.value))
    raise SystemExit("station/__init__.py: there is no __version__")


def for_dpkg(version: str) -> str:
    """1.2.0.dev3 and 1.2.0rc1 come before 1.2.0, which ~ says to dpkg."""
    return re.sub(r"\.?(dev|a|b|rc)(\d+)", r"~\1\2", version)


def last_change() -> str:
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or str(int((ROOT / "pyproject.toml").stat().st_mtime))


def said(*words: str, cwd: Path | None = None) -> str:
    return subprocess.run(words, cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


def run(*words: str, environ: dict[str, str] | None = None) -> None:
    subprocess.run(words, check=True, env={**os.environ, **(environ or {})}, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
