"""SQLite and the operating system say what failed; the operator must also learn which file, and what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from station.errors import StoreError

_RECOVER = (
    "nothing was deleted; `station store recover {file}` keeps it and saves every readable row into a new database"
)

# Primary result codes (sqlite.org/rescode.html) -> what it means here, and the way out.
_REMEDIES: dict[int, str] = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, saving then goes on by itself",
    sqlite3.SQLITE_IOERR: "the disk reports an error; check cable, card and kernel log, saving goes on with the disk",
    sqlite3.SQLITE_READONLY: "it cannot be written; check owner, mode and whether the disk is mounted read-only",
    sqlite3.SQLITE_PERM: "it may not be accessed; check owner and mode",
    sqlite3.SQLITE_BUSY: "another program has it open; stop that program",
    sqlite3.SQLITE_LOCKED: "another program has it open; stop that program",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; the directory must exist and be readable and writable for this user",
    sqlite3.SQLITE_CORRUPT: "it is damaged; " + _RECOVER,
    sqlite3.SQLITE_NOTADB: "it is damaged or no database at all; " + _RECOVER,
}


def check_writable(file: Path) -> None:
    """Raise StoreError when an existing file cannot be opened for writing.

    SQLite would open it for reading and fail later, as an I/O error. Only for a file that nothing in this process
    has open: closing it here would drop the process's locks on it.
    """
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return
    except OSError as error:
        remedy = _REMEDIES[sqlite3.SQLITE_READONLY]
        raise StoreError(f"{file}: {remedy} ({error.strerror})") from error


class DamagedError(StoreError):
    """The file is damaged. The station may go on only through `station.store.recover.recover`."""


class DiskFullError(StoreError):
    """There is no space. Saving goes on by itself when there is."""


def primary_code(error: sqlite3.Error) -> int:
    """The result code without its extension; 0 where the error did not come from the SQLite library."""
    code = getattr(error, "sqlite_errorcode", 0)
    return int(code) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    return primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def store_error(file: Path | str, error: Exception) -> StoreError:
    """The StoreError for what the database or the operating system raised about `file`."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, sqlite3.Error):
        remedy = _REMEDIES.get(primary_code(error))
        if remedy is not None:
            return _kind(error)(f"{file}: {remedy.format(file=file)} (SQLite: {error})")
    if isinstance(error, OSError):
        kind = DiskFullError if error.errno == errno.ENOSPC else StoreError
        return kind(
            f"{file}: {error.strerror or error}; the directory must exist and be writable for this user, "
            f"with space left"
        )
    return StoreError(f"{file}: not saved: {error}")


def _kind(error: sqlite3.Error) -> type[StoreError]:
    if primary_code(error) == sqlite3.SQLITE_FULL:
        return DiskFullError
    return DamagedError if is_damage(error) else StoreError


def damaged(file: Path | str, what: str) -> DamagedError:
    """The StoreError for a file that opens but fails its check."""
    return DamagedError(f"{file}: it is damaged; {_RECOVER.format(file=file)} (SQLite: {what})")
