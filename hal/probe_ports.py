"""Which ports a machine has, each device once, by the name that stays when it is plugged in elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ports", "holder", "ports"]

SERIAL = ("dev/serial/by-id/*", "dev/ttyUSB*", "dev/ttyACM*", "dev/ttyAMA*")
"""The stable names first."""
INPUTS = "dev/input/by-id/*"
CHIPS = "dev/gpiochip*"


@dataclass(frozen=True, slots=True)
class Ports:
    """serial: that can be asked. consoles: serial ports on which this machine talks to its administrator. inputs: keyboards and
    readers that act as one. chips: of GPIO lines.
    """

    serial: tuple[str, ...] = ()
    consoles: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    chips: tuple[str, ...] = ()


def ports(root: Path = Path("/")) -> Ports:
    """What is there now. root: of the file system."""
    consoles = _consoles(root)
    found = {name: os.path.basename(os.path.realpath(root / name.lstrip("/"))) for name in _once(root)}
    return Ports(
        serial=tuple(name for name, device in found.items() if device not in consoles),
        consoles=tuple(name for name, device in found.items() if device in consoles),
        inputs=_named(root, INPUTS),
        chips=_named(root, CHIPS),
    )


def _once(root: Path) -> list[str]:
    seen: dict[str, str] = {}  # device -> the first name of it
    for pattern in SERIAL:
        for path in sorted(root.glob(pattern)):
            seen.setdefault(os.path.realpath(path), _name(root, path))
    return list(seen.values())


def _named(root: Path, pattern: str) -> tuple[str, ...]:
    return tuple(_name(root, path) for path in sorted(root.glob(pattern)))


def _name(root: Path, path: Path) -> str:
    return f"/{path.relative_to(root)}"


def _consoles(root: Path) -> set[str]:
    """Names of terminals to which the kernel writes (proc(5), /proc/consoles)."""
    try:
        lines = (root / "proc/consoles").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    return {line.split()[0] for line in lines if line.strip()}


def holder(port: str, proc: Path = Path("/proc")) -> str:
    """Who has that port open, "process 812 (station run)"; "" when it cannot be told: another user's processes are not shown."""
    locker = _locker(port, proc)
    if locker:
        return f"process {locker} ({_words(proc / locker)})"
    wanted = os.path.realpath(port)
    for process in _processes(proc):
        with contextlib.suppress(OSError):
            if any(_target(link) == wanted for link in (process / "fd").iterdir()):
                return f"process {process.name} ({_words(process)})"
    return ""


def _locker(port: str, proc: Path) -> str:
    """Number of the process that has locked it; "" when none has. Locks of all users are shown (proc(5), /proc/locks)."""
    try:
        status = os.stat(port)
        lines = (proc / "locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ""
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for words in map(str.split, lines):
        # 1: FLOCK  ADVISORY  WRITE 812 00:18:5 0 EOF; who waits for a lock has "->" in the second place
        if len(words) > 5 and words[1] == "FLOCK" and words[5] == place:
            return words[4]
    return ""


def _processes(proc: Path) -> Iterator[Path]:
    own = str(os.getpid())
    with contextlib.suppress(OSError):
        yield from (entry for entry in proc.iterdir() if entry.name.isdecimal() and entry.name != own)


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _words(process: Path) -> str:
    """Its command line, without the interpreter, short."""
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "?"
    shown = " ".join(os.path.basename(word) if at < 2 else word for at, word in enumerate(words) if word)
    return "".join(char if char.isprintable() else "?" for char in shown)[:60]
