"""A connection to a checked and migrated database, set up so that a commit is durable."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from station.errors import StoreError
from station.store import migrate, private
from station.store.remedy import damaged, store_error
from station.store.statements import HIGHEST_RECORD, JSON_COLUMNS, is_json

MEMORY = ":memory:"
ID_BLOCK = 1000
"""Record ids are reserved in blocks of this many, so that reserving costs a write per block and not per record."""


def connect(
    file: Path | str, *, check: bool = True, migrations: tuple[migrate.Migration, ...] | None = None
) -> sqlite3.Connection:
    """A checked and migrated connection. `file` ":memory:" or a path whose lock the caller holds. Raises StoreError."""
    on_disk = isinstance(file, Path)
    # psow=0: do not trust that the neighbours of bytes being written survive a power cut, on an SD card they may not.
    name = f"{file.as_uri()}?psow=0" if isinstance(file, Path) else MEMORY
    steps = migrations or migrate.load()
    connection: sqlite3.Connection | None = None
    try:
        if isinstance(file, Path):
            private.create(file)
        connection = sqlite3.connect(name, uri=on_disk, isolation_level=None, check_same_thread=False, timeout=0.3)
        if isinstance(file, Path):
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # and no shared-memory file beside the database
            # Before anything is written: somebody else's file stays as it is.
            migrate.check_ours(connection, steps[-1].version, str(file))
            private.narrow(file)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(
                "PRAGMA fullfsync = ON"
            )  # macOS: fsync alone leaves it in the drive; elsewhere no effect
            connection.execute("PRAGMA secure_delete = ON")  # what was deleted, a PIN or a password, is overwritten
            connection.execute("PRAGMA journal_size_limit = 4194304")
        else:
            connection.execute("PRAGMA page_size = 1024")  # a fleet has thousands of these
        connection.execute("PRAGMA cache_size = -512")
        if check:
            _check(connection, file)
        migrate.migrate(connection, steps, file if isinstance(file, Path) else None)
        if check:
            _check_texts(connection, file)
        return connection
    except (sqlite3.Error, OSError, StoreError) as error:
        if connection is not None:
            connection.close()
        raise store_error(file, error) from error


def _check_texts(connection: sqlite3.Connection, file: Path | str) -> None:
    """SQLite has no checksums: what changed inside a text shows only when it is read."""
    connection.text_factory = bytes
    for table, columns in JSON_COLUMNS.items():
        for column in columns:
            for (text,) in connection.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"):  # noqa: S608 - constants
                if not is_json(text):
                    raise damaged(file, f"unreadable {column} in table {table}")
    connection.text_factory = str


def _check(connection: sqlite3.Connection, file: Path | str) -> None:
    """Every page, before anything is believed: a page that lies would be found in the middle of a charge."""
    problems = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    if problems != ["ok"]:
        raise damaged(file, "; ".join(problems))


def count_boot(connection: sqlite3.Connection) -> tuple[int, int]:
    """Count this start and reserve the first block of record ids; (boot, last id that may have been used)."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'boot'")
    meta = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    used = max(int(meta["ids"]), int(connection.execute(HIGHEST_RECORD).fetchone()[0]))
    connection.execute("UPDATE meta SET value = ? WHERE name = 'ids'", (used + ID_BLOCK,))
    connection.execute("COMMIT")
    return int(meta["boot"]), used
