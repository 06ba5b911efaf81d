"""The store on SQLite: WAL, synchronous=FULL, one writer, neighbouring commits share an fsync.

A commit is all or nothing and durable before its `done(None)`. One that fails leaves nothing behind, tells why, and
the next ones work again as soon as the cause is gone.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from station.errors import StoreError
from station.store import reserve
from station.store.connection import ID_BLOCK, MEMORY, connect, count_boot
from station.store.lock import FileLock
from station.store.ops import DeadLetter, Json, Op, StoredContext, StoredRecord
from station.store.recover import finish_interrupted, recover_locked
from station.store.remedy import DamagedError, DiskFullError, check_writable, store_error
from station.store.statements import Statement, encode, parse, parse_optional

_GROUP = 256  # commits that may share one transaction: bounds what one failure makes us repeat
_RECORDS = "SELECT record, fact, tx_id, version, action, payload, attempts FROM record ORDER BY record"
_DEAD_LETTERS = "SELECT record, fact, tx_id, version, action, payload, why, at FROM dead_letter ORDER BY record"
_log = logging.getLogger(__name__)

# What applying a statement may raise: the database, text that is no Unicode, an integer beyond 64 bits.
_FAILURES = (sqlite3.Error, ValueError, OverflowError, StoreError)

DoneCallback = Callable[[StoreError | None], None]


@dataclass(frozen=True, slots=True)
class _Commit:
    statements: tuple[Statement, ...]
    highest: int
    done: DoneCallback
    refused: StoreError | None = None


class SqliteStore:
    """A `StorePort`. Made by `open`; every method is called in one thread (the event loop's, when threaded)."""

    __slots__ = (
        "_boot",
        "_closed",
        "_connection",
        "_file",
        "_finished",
        "_issued",
        "_lock",
        "_loop",
        "_mutex",
        "_queue",
        "_reserved",
        "_thread",
    )

    def __init__(self, file: str, connection: sqlite3.Connection, lock: FileLock | None) -> None:
        self._file = file
        self._connection = connection
        self._lock = lock
        self._mutex = threading.Lock()
        self._queue: queue.SimpleQueue[_Commit | None] = queue.SimpleQueue()
        self._finished: deque[tuple[DoneCallback, StoreError | None]] = deque()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._boot, self._issued = count_boot(connection)
        self._reserved = self._issued + ID_BLOCK

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        threaded: bool,
        loop: asyncio.AbstractEventLoop | None = None,
        now_wall: Callable[[], float],
        recover: bool = False,
        durable: bool = True,
    ) -> SqliteStore:
        """Open, check, migrate, and count this start durably.

        path: the file, created when missing (its directory is not: an unmounted disk shall not look like an empty
        station), or ":memory:".
        threaded: commits run in a thread of their own, `done` in `loop` (default: the running one); otherwise both
        inline.
        now_wall: wall seconds, for the names of files that are kept.
        recover: when the file is damaged, keep it, save what can be read into a new database, say so in the log and
        go on (`station.store.recover.recover`); otherwise refuse.
        durable: False leaves it to the system when a commit reaches the disk: for a bench whose power cuts are
        simulated and whose database nobody keeps. What this program's death cannot lose, the machine's then can.

        Raises StoreError (DamagedError for a damaged file) that names the file and the way out; nothing is changed
        then.
        """
        if str(path) == MEMORY:
            store = cls(MEMORY, connect(MEMORY, check=False), None)
        else:
            store = cls._open_file(Path(path).absolute(), now_wall, recover)
        if not durable:
            store._connection.execute("PRAGMA synchronous = OFF")
        if threaded:
            store._start(loop or asyncio.get_running_loop())
        return store

    @classmethod
    def _open_file(cls, file: Path, now_wall: Callable[[], float], recover: bool) -> SqliteStore:
        lock = FileLock(file)
        try:
            try:
                store = cls._open_locked(file, lock, now_wall, recover)
                reserve.hold(file)
            except DiskFullError as error:
                if not reserve.release(file):
                    raise
                _log.critical("%s; the reserve of %d bytes was given up to start", error, reserve.SIZE)
                store = cls._open_locked(file, lock, now_wall, recover)
            return store
        except StoreError:
            lock.release()
            raise

    @classmethod
    def _open_locked(cls, file: Path, lock: FileLock, now_wall: Callable[[], float], recover: bool) -> SqliteStore:
        try:
            finish_interrupted(file)
            check_writable(file)
            try:
                connection = connect(file)
            except DamagedError:
                if not recover:
                    raise
                _log.critical("%s", recover_locked(file, now_wall()))
                connection = connect(file)
        except OSError as error:
            raise store_error(file, error) from error
        try:
            return cls(str(file), connection, lock)
        except sqlite3.Error as error:
            connection.close()
            raise store_error(file, error) from error

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # A daemon, so that a program that crashes without `close` can end; what was asked to be saved is, before it does.
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._thread.start()
        atexit.register(self._drain)

    def _drain(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    @property
    def boot(self) -> int:
        return self._boot

    def rows(self) -> dict[str, dict[str, Json]]:
        """kind -> key -> value; keys in the order in which they were first written."""
        found: dict[str, dict[str, Json]] = {}
        for kind, key, value in self._select("SELECT kind, key, value FROM state ORDER BY seq"):
            found.setdefault(kind, {})[key] = parse(value)
        return found

    def records(self) -> list[StoredRecord]:
        return [
            StoredRecord(record, parse(fact), tx_id, version, action, parse_optional(payload), attempts)
            for record, fact, tx_id, version, action, payload, attempts in self._select(_RECORDS)
        ]

    def contexts(self) -> Mapping[str, StoredContext]:
        return {
            tx_id: StoredContext(version, parse(data))
            for tx_id, version, data in self._select("SELECT tx_id, version, data FROM context ORDER BY seq")
        }

    def dead_letters(self) -> list[DeadLetter]:
        return [
            DeadLetter(record, parse(fact), tx_id, version, action, parse_optional(payload), why, at)
            for record, fact, tx_id, version, action, payload, why, at in self._select(_DEAD_LETTERS)
        ]

    def next_record_id(self) -> int:
        self._issued += 1
        return self._issued

    def commit(self, ops: Sequence[Op], done: DoneCallback) -> None:
        try:
            statements, highest = encode(ops)
            refused = None
        except (TypeError, ValueError) as error:
            statements, highest, refused = (), 0, StoreError(f"{self._file}: not saved: {error}")
        if self._closed or (self._thread is not None and not self._thread.is_alive()):
            statements, refused = (), StoreError(f"{self._file}: not saved: the store is closed")
        commit = _Commit(statements, highest, done, refused)
        if self._loop is None:
            ((_, error_or_none),) = self._run([commit])
            done(error_or_none)
        elif self._thread is not None and self._thread.is_alive() and not self._closed:
            self._queue.put(commit)
        else:
            self._finished.append((done, refused))
            self._loop.call_soon(self._deliver)

    def close(self) -> None:
        """Wait for pending commits (every `done` has been called afterwards), checkpoint, close, release the file.
        Idempotent.
        """
        if self._closed:
            return
        self._closed = True
        self._drain()
        atexit.unregister(self._drain)
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            # Nothing is lost: the write-ahead log is durable and is read at the next start.
            _log.warning("%s", store_error(self._file, error))
        self._connection.close()
        if self._lock is not None:
            self._lock.release()
        self._deliver()

    def _select(self, sql: str) -> list[Any]:
        with self._mutex:
            try:
                return self._connection.execute(sql).fetchall()
            except sqlite3.Error as error:
                raise store_error(self._file, error) from error

    # The writer thread

    def _work(self) -> None:
        batch: list[_Commit] = []
        try:
            while (first := self._queue.get()) is not None:
                batch = [first]
                ending = self._gather(batch)
                self._finish(self._run(batch))
                batch = []
                if ending:
                    return
        finally:
            # Only a mistake in this program leaves something here; nobody shall wait for it for ever.
            self._finish([(commit.done, StoreError(f"{self._file}: the writer has died")) for commit in batch])

    def _gather(self, batch: list[_Commit]) -> bool:
        """Take what has piled up during the last fsync; True when the end was among it."""
        while len(batch) < _GROUP:
            try:
                commit = self._queue.get_nowait()
            except queue.Empty:
                return False
            if commit is None:
                return True
            batch.append(commit)
        return False

    def _finish(self, results: list[tuple[DoneCallback, StoreError | None]]) -> None:
        if not results or self._loop is None:
            return
        self._finished.extend(results)
        with contextlib.suppress(RuntimeError):  # the loop was closed before us: `close` tells them
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        while self._finished:
            done, error = self._finished.popleft()
            try:
                done(error)
            finally:
                # A callback that raises must not keep the news from the others.
                if self._finished and self._loop is not None and not self._loop.is_closed():
                    self._loop.call_soon(self._deliver)

    # Transactions

    def _run(self, batch: list[_Commit]) -> list[tuple[DoneCallback, StoreError | None]]:
        """Carry out a batch in order: in one transaction if that works, one by one if not."""
        with self._mutex:
            good = [commit for commit in batch if commit.refused is None]
            failed = self._transact(good) if good else None
            if failed is None:
                return [(commit.done, commit.refused) for commit in batch]
            if len(good) == 1:
                return [(commit.done, commit.refused or failed) for commit in batch]
            return [(commit.done, commit.refused or self._transact([commit])) for commit in batch]

    def _transact(self, commits: list[_Commit]) -> StoreError | None:
        connection = self._connection
        # Every id that may have been used lies at or below the mark that this very transaction makes durable.
        issued = max(self._issued, *(commit.highest for commit in commits))
        reserved = issued + ID_BLOCK if issued + ID_BLOCK // 2 > self._reserved else self._reserved
        try:
            connection.execute("BEGIN IMMEDIATE")
            if reserved != self._reserved:
                connection.execute("UPDATE meta SET value = ? WHERE name = 'ids'", (reserved,))
            for commit in commits:
                for statement in commit.statements:
                    touched = connection.execute(statement.sql, statement.values).rowcount
                    if touched == 0 and statement.refusal:
                        raise StoreError(f"{self._file}: not saved: {statement.refusal}")
            connection.execute("COMMIT")
        except _FAILURES as error:
            self._roll_back()
            return store_error(self._file, error)
        self._reserved = reserved
        return None

    def _roll_back(self) -> None:
        if not self._connection.in_transaction:
            return  # after an I/O error or on a full disk SQLite has done it itself
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            _log.error("%s", store_error(self._file, error))
