"""Files of the store are for their owner only: they hold card numbers, PINs and the password towards the CSMS.

SQLite gives its log and shared memory the mode of the database, so making the database first is enough for those.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MODE", "create", "narrow", "opener", "readable_by_others"]

MODE = 0o600
# What the store puts beside the database, and nothing that only begins with its name.
_BESIDE = re.compile(
    r"(-wal|-shm|-journal|\.lock|\.reserve|\.v\d+(\.partial)?|\.(corrupt-\d{8}T\d{6}Z(-\d+)?|recovered|new|salvage)"
    r"(-wal|-shm|-journal)?)?"
)


def create(file: Path) -> None:
    """An empty file, where there is none yet. Raises OSError."""
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE))
    except FileExistsError:
        return


def opener(name: str, flags: int) -> int:
    """For `open(..., opener=opener)`."""
    return os.open(name, flags | os.O_CLOEXEC, MODE)


def readable_by_others(file: Path) -> bool:
    """Whether anybody but the owner may read or write it; False when there is no such file."""
    try:
        return bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False


def narrow(file: Path) -> None:
    """Take the database and what belongs to it away from others, as far as we may.

    An earlier version of this program, or `cp`, made them. Whoever does not own them cannot change that and must not be
    kept from starting; `station check` tells.
    """
    for part in _parts(file):
        if readable_by_others(part):
            try:
                # By name: opening and closing the file would drop SQLite's locks on it.
                os.chmod(part, MODE)
            except OSError:
                continue


def _parts(file: Path) -> Iterator[Path]:
    for part in file.parent.iterdir():
        if part.name.startswith(file.name) and _BESIDE.fullmatch(part.name[len(file.name) :]) and part.is_file():
            yield part
