"""The schema grows by migrations/NNNN_name.sql, each applied in one transaction; PRAGMA user_version says how far a
file has come.
"""

from __future__ import annotations

import os
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from station.errors import StoreError
from station.store import private

APPLICATION_ID = 0x50577374  # "PWst", set by 0001
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_FOLDER = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    sql: str


def load(folder: Path = _FOLDER) -> tuple[Migration, ...]:
    """The migrations of a folder in order. Raises StoreError when numbers are missing or twice (a broken
    installation).
    """
    found = sorted((int(m[1]), file) for file in folder.iterdir() if (m := _NAME.fullmatch(file.name)))
    if [number for number, _ in found] != list(range(1, len(found) + 1)) or not found:
        raise StoreError(f"{folder}: the migrations are not numbered 1, 2, 3...; install the program again")
    return tuple(Migration(number, file.read_text(encoding="utf-8")) for number, file in found)


def check_ours(connection: sqlite3.Connection, newest: int, shown: str) -> None:
    """Raise StoreError for a database that is not ours or newer than we are; only reads. `shown`: its name."""
    version = _pragma(connection, "user_version")
    if _pragma(connection, "application_id") != APPLICATION_ID and (version or _has_tables(connection)):
        raise StoreError(f"{shown}: this is some other program's database; give the station a file of its own")
    if version > newest:
        raise StoreError(
            f"{shown}: its version is {version}, this program knows versions up to {newest}; install the newer "
            f"program again, or put back the copy {backup_name(shown, newest)} if there is one (what was recorded "
            f"since is not in it)"
        )


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...], file: Path | None) -> None:
    """Bring a database that passed `check_ours` to the newest version. `file` None: in memory, no backup.

    Raises sqlite3.Error when a step fails (nothing of it stays), OSError when there can be no copy.
    """
    version = _pragma(connection, "user_version")
    newest = migrations[-1].version
    if 0 < version < newest and file is not None:
        _backup(connection, Path(backup_name(str(file), version)))
    for step in migrations[version:]:
        try:
            # executescript commits an open transaction first, so BEGIN belongs into the script.
            connection.executescript(f"BEGIN IMMEDIATE;\n{step.sql}\n;PRAGMA user_version = {step.version};\nCOMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def backup_name(file: str, version: int) -> str:
    """Where the copy of a file of `version` is kept when it is migrated."""
    return f"{file}.v{version}"


def sync_directory(folder: Path) -> None:
    """Make creations, renames and deletions in a directory durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _backup(connection: sqlite3.Connection, target: Path) -> None:
    """A whole copy under its final name only once it is durable."""
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    private.create(partial)
    copy = sqlite3.connect(partial)
    try:
        connection.backup(copy)
    finally:
        copy.close()
    with partial.open("rb") as stream:
        os.fsync(stream.fileno())
    partial.replace(target)
    sync_directory(target.parent)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is not None
