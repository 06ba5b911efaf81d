"""A damaged database is kept as it is, and every row that can still be read goes into a new one.

Order of work, so that a power cut at any point loses nothing: copies of the damaged files first
(FILE.corrupt-<UTC>), then the new database under a working name, then FILE.recovered (complete), and only then does
it take FILE's place.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from station.errors import StoreError
from station.store import private
from station.store.connection import connect
from station.store.lock import FileLock
from station.store.migrate import sync_directory
from station.store.remedy import store_error
from station.store.statements import HIGHEST_RECORD, JSON_COLUMNS, is_json

_TABLES = {
    "meta": ("name", "value"),
    "state": ("seq", "kind", "key", "value"),
    "record": ("record", "fact", "tx_id", "version", "action", "payload", "attempts"),
    "context": ("seq", "tx_id", "version", "data"),
    "dead_letter": ("record", "fact", "tx_id", "version", "action", "payload", "why", "at"),
}
_ID_JUMP = 1 << 20  # ids that a lost part of the file may have used
_PROBES = 20_000  # single rows tried between the two ends that can be read in one go
_SUFFIXES = ("", "-wal", "-journal")

Row = tuple[str | int | float | bytes | None, ...]


@dataclass(frozen=True, slots=True)
class Recovery:
    """What came of it. `saved`: rows per table; `incomplete`: tables of which rows were or may have been lost."""

    file: Path
    kept: Path
    saved: dict[str, int]
    incomplete: tuple[str, ...]

    def __str__(self) -> str:
        saved = ", ".join(f"{name} {count}" for name, count in self.saved.items())
        lost = (
            f"rows of {', '.join(self.incomplete)} may be missing"
            if self.incomplete
            else "every table could be read to its end"
        )
        return f"{self.file} was damaged and is kept as {self.kept}; rows saved into the new database: {saved}; {lost}"


def recover(path: str | Path, now_wall: float) -> Recovery:
    """Salvage the database of a station that does not run (`station store recover`). `now_wall`: UTC seconds, names
    the kept file.

    Raises StoreError when the file does not exist, is in use, or the disk does not take the copies; the original is
    then untouched.
    """
    file = Path(path).absolute()
    if not file.exists():
        raise StoreError(f"{file}: there is no such file")
    lock = FileLock(file)
    try:
        finish_interrupted(file)
        return recover_locked(file, now_wall)
    finally:
        lock.release()


def recover_locked(file: Path, now_wall: float) -> Recovery:
    """The same for a caller who holds the lock."""
    work = _beside(file, ".salvage")
    try:
        kept = _keep(file, now_wall)
        _remove(work)
        _copy(file, work)
        saved, incomplete = _salvage(work, _beside(file, ".new"), now_wall)
        _remove(work)
        os.replace(_beside(file, ".new"), _beside(file, ".recovered"))
        sync_directory(file.parent)
        finish_interrupted(file)
    except (OSError, sqlite3.Error) as error:
        raise store_error(file, error) from error
    return Recovery(file, kept, saved, incomplete)


def finish_interrupted(file: Path) -> None:
    """Put a completed recovery in place, also one that a power cut stopped just before. Raises OSError."""
    recovered = _beside(file, ".recovered")
    if not recovered.exists():
        return
    # The old log first: SQLite must never find it beside the new file.
    for suffix in _SUFFIXES[1:]:
        _beside(file, suffix).unlink(missing_ok=True)
    sync_directory(file.parent)
    os.replace(recovered, file)
    sync_directory(file.parent)


def _beside(file: Path, suffix: str) -> Path:
    return file.with_name(file.name + suffix)


def _keep(file: Path, now_wall: float) -> Path:
    stamp = datetime.fromtimestamp(now_wall, UTC).strftime("%Y%m%dT%H%M%SZ")
    kept, number = _beside(file, f".corrupt-{stamp}"), 1
    while kept.exists():
        number += 1
        kept = _beside(file, f".corrupt-{stamp}-{number}")
    _copy(file, kept)
    return kept


def _copy(source: Path, target: Path) -> None:
    """The database and its logs, durable."""
    for suffix in _SUFFIXES:
        if (part := _beside(source, suffix)).exists():
            copy = _beside(target, suffix)
            with part.open("rb") as reader, open(copy, "wb", opener=private.opener) as writer:
                shutil.copyfileobj(reader, writer)
                writer.flush()
                os.fsync(writer.fileno())
    sync_directory(target.parent)


def _remove(file: Path) -> None:
    for suffix in (*_SUFFIXES, "-shm"):
        _beside(file, suffix).unlink(missing_ok=True)


def _salvage(source: Path, target: Path, now_wall: float) -> tuple[dict[str, int], tuple[str, ...]]:
    """Copy what can be read from `source` into a new, closed and durable database `target`."""
    _remove(target)
    new = connect(target)
    old = sqlite3.connect(source, isolation_level=None)
    # Text that is no longer UTF-8 must not stop the rows around it.
    old.text_factory = lambda raw: raw.decode("utf-8", "replace")
    saved: dict[str, int] = {}
    incomplete: list[str] = []
    try:
        new.execute("BEGIN IMMEDIATE")
        for table, wanted in _TABLES.items():
            columns = _columns_of(old, table, wanted)
            reader = _Reader(old, table, columns)
            saved[table], refused = 0, False
            for row in reader.rows():
                if _is_whole(table, columns, row):
                    saved[table] += _insert(new, table, columns, row)
                else:
                    refused = True
            if reader.damaged or refused:
                incomplete.append(table)
        _raise_counters(new, saved["meta"] >= 2, bool(incomplete), now_wall)
        new.execute("COMMIT")
        new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        old.close()
        new.close()
    with target.open("rb") as stream:
        os.fsync(stream.fileno())
    return saved, tuple(incomplete)


def _columns_of(old: sqlite3.Connection, table: str, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Those that the damaged file has: it may be of an earlier version. All, where that cannot be read."""
    try:
        have = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    except sqlite3.Error:
        return wanted
    return tuple(name for name in wanted if name in have) or wanted


def _is_whole(table: str, columns: Sequence[str], row: Row) -> bool:
    values = (row[columns.index(name)] for name in JSON_COLUMNS.get(table, ()) if name in columns)
    return all(value is None or (isinstance(value, str) and is_json(value)) for value in values)


def _insert(new: sqlite3.Connection, table: str, columns: Sequence[str], row: Row) -> int:
    """1 when the row was taken. Rows that break a rule of the schema are debris of the damage."""
    marks = ", ".join("?" * len(columns))
    verb = "INSERT OR REPLACE" if table == "meta" else "INSERT OR IGNORE"
    sql = f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({marks})"
    return max(0, new.execute(sql, row).rowcount)


def _raise_counters(new: sqlite3.Connection, known: bool, damaged: bool, now_wall: float) -> None:
    """Start numbers and record ids must not repeat, also when the counters or the rows that show them are lost."""
    highest = int(new.execute(HIGHEST_RECORD).fetchone()[0])
    if not known:
        # No counter is left: the wall clock in milliseconds is beyond any number that was counted one by one.
        new.execute("UPDATE meta SET value = max(value, ?) WHERE name = 'boot'", (int(now_wall),))
        highest = max(highest, int(now_wall * 1000))
    if damaged:
        highest += _ID_JUMP
    new.execute("UPDATE meta SET value = max(value, ?) WHERE name = 'ids'", (highest,))


class _Reader:
    """Reads a table of a damaged file: from its beginning, from its end, then row by row in between."""

    def __init__(self, connection: sqlite3.Connection, table: str, columns: Sequence[str]) -> None:
        self._connection = connection
        # Names are constants of this module. NOT INDEXED: an index may be damaged where its table is not.
        self._select = f"SELECT rowid, {', '.join(columns)} FROM {table} NOT INDEXED"  # noqa: S608
        self.damaged = False

    def rows(self) -> Iterator[Row]:
        first = 0  # the last row id read from the front
        for row in self._scan(f"{self._select} WHERE rowid > 0 ORDER BY rowid"):
            first = int(row[0] or 0)
            yield row[1:]
        if not self.damaged:
            return
        last = 0  # the last one read from the back
        for row in self._scan(f"{self._select} WHERE rowid > {first} ORDER BY rowid DESC"):
            last = int(row[0] or 0)
            yield row[1:]
        if first == last == 0:
            return  # not even the root can be read
        last = last or first + _PROBES
        for rowid in range(first + 1, min(last, first + _PROBES)):
            for row in self._scan(f"{self._select} WHERE rowid = {rowid}"):
                yield row[1:]

    def _scan(self, sql: str) -> Iterator[Row]:
        try:
            yield from self._connection.execute(sql)
        except sqlite3.Error:
            self.damaged = True  # what follows is on a page that cannot be read
