"""One process per database file.

The lock is the kernel's (flock on FILE.lock), so it ends with its process: after a SIGKILL or a power cut nothing is
stale and the file that remains means nothing. It is never deleted, because deleting it would let two processes hold
two different locks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from station.errors import StoreError
from station.store import private
from station.store.remedy import store_error


def lock_path(file: Path) -> Path:
    return file.with_name(file.name + ".lock")


class FileLock:
    """Exclusive right to a database file, from construction to `release`. Raises StoreError when somebody else has
    it.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, file: Path) -> None:
        name = lock_path(file)
        try:
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, private.MODE)
        except OSError as error:
            raise store_error(name, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _taken(file, _holder(descriptor)) from error
        except OSError as error:
            os.close(descriptor)
            raise store_error(name, error) from error
        # The number is for people only: a full disk that does not take it must not keep the station from starting.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def check_free(file: Path) -> None:
    """Raise StoreError when a running station holds `file`; changes nothing on disk."""
    try:
        descriptor = os.open(lock_path(file), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise store_error(lock_path(file), error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _taken(file, _holder(descriptor)) from error
    os.close(descriptor)


def _holder(descriptor: int) -> str:
    """Who wrote its number into the lock file; closes the descriptor."""
    text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    os.close(descriptor)
    return f"process {text}" if text.isdigit() else "another process"


def _taken(file: Path, holder: str) -> StoreError:
    return StoreError(
        f"{file}: {holder} is using it; stop that station first, or give this one a database file of its own "
        f"(two stations must not share one)"
    )
