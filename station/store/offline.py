"""Reading the store of a station that does not run, for the command line. Works on a copy: the file itself is not
touched.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from station.errors import StoreError
from station.store.lock import check_free
from station.store.ops import DeadLetter, StoredRecord
from station.store.remedy import store_error
from station.store.sqlite import SqliteStore


def read_dead_letters(path: str | Path) -> list[DeadLetter]:
    """Records that could never be delivered, oldest first. Raises StoreError (missing, in use, damaged, newer)."""
    with _copy(Path(path).absolute()) as store:
        return store.dead_letters()


def read_queue(path: str | Path) -> list[StoredRecord]:
    """Records that still wait for delivery, oldest first. Raises StoreError (missing, in use, damaged, newer)."""
    with _copy(Path(path).absolute()) as store:
        return store.records()


@contextmanager
def _copy(file: Path) -> Iterator[SqliteStore]:
    if not file.exists():
        raise StoreError(f"{file}: there is no such file; `station store` needs the path of the station's database")
    check_free(file)
    with tempfile.TemporaryDirectory(prefix="station-store-") as folder:
        copy = Path(folder).resolve() / file.name
        try:
            for suffix in ("", "-wal", "-journal"):
                part = file.with_name(file.name + suffix)
                if part.exists():
                    shutil.copyfile(part, copy.with_name(copy.name + suffix))
        except OSError as error:
            raise store_error(file, error) from error
        try:
            # An older file is migrated on the way, in the copy.
            store = SqliteStore.open(copy, threaded=False, now_wall=lambda: 0.0)
        except StoreError as error:
            raise type(error)(str(error).replace(str(copy), str(file))) from error
        try:
            yield store
        finally:
            store.close()
