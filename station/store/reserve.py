"""A little space that only the store may use: on a full disk the station must still start and end its transactions
(LAW 5).

FILE.reserve is made when there is room and given up when opening the database fails for want of it. The next start
with room makes it again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from station.store import private
from station.store.migrate import sync_directory

SIZE = 1 << 19
"""Bytes; a commit takes about 8 KiB of log, which starts over every 4 MiB."""


def reserve_path(file: Path) -> Path:
    return file.with_name(file.name + ".reserve")


def hold(file: Path) -> bool:
    """Set the space aside; False when the disk has none to spare. Zeros are written: a hole in a file holds nothing."""
    name = reserve_path(file)
    if name.exists() and name.stat().st_size == SIZE:
        return True
    try:
        with open(name, "wb", opener=private.opener) as stream:
            stream.write(bytes(SIZE))
    except OSError:
        with contextlib.suppress(OSError):
            name.unlink(missing_ok=True)
        return False
    return True


def release(file: Path) -> bool:
    """Give the space to the database; False when there was none."""
    try:
        reserve_path(file).unlink()
        sync_directory(file.parent)
    except OSError:
        return False
    return True
