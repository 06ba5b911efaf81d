"""LAW 5 against a power cut at every sync, and the proof that this harness would notice a store that loses
something.
"""

import asyncio
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.errors import StoreError
from station.store import migrate
from station.store.connection import connect
from station.store.ops import AddRecord, PutRow
from station.store.sqlite import SqliteStore
from tests.store.model import Model, contents, random_ops
from tests.store.powercut import PowerCut


class Session:
    """A recorded run of several starts; remembers what was promised, and when."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.power = PowerCut(folder)
        self.model = Model()
        self.snapshots: list[Any] = [self.model.snapshot()]
        self.acknowledged: list[tuple[int, int]] = [(0, 0)]  # (log position, number of snapshot)
        self.boots: list[tuple[int, int]] = []
        self.issued: list[tuple[int, int]] = []

    def run(self, seed: int, starts: int, commits: int, pragma: str | None = None) -> None:
        dice = random.Random(seed)
        with self.power:
            for _ in range(starts):
                store = SqliteStore.open(self.power.directory / "s.db", threaded=False, now_wall=lambda: 0.0)
                # Checkpoints and a log that starts over must happen within the few commits of a test.
                store._connection.execute("PRAGMA wal_autocheckpoint = 12")
                if pragma:
                    store._connection.execute(pragma)
                self.boots.append((self.power.position, store.boot))
                for _ in range(commits):
                    self._commit(dice, store)
                store.close()

    def _commit(self, dice: random.Random, store: SqliteStore) -> None:
        ids: list[int] = []
        ops = random_ops(dice, self.model, store, ids)
        self.issued += [(self.power.position, record) for record in ids]
        self.model.apply(ops)
        self.snapshots.append(self.model.snapshot())
        store.commit(ops, self._done)

    def _done(self, error: StoreError | None) -> None:
        assert error is None
        self.acknowledged.append((self.power.position, len(self.snapshots) - 1))

    def check(self, point: int, seed: int, target: Path) -> None:
        """Raises AssertionError when a cut at `point` breaks a promise made until then."""
        folder = self.power.image_at(point, seed, target)
        try:
            store = SqliteStore.open(folder / "s.db", threaded=False, now_wall=lambda: 0.0)
        except StoreError as error:
            raise AssertionError(f"cut {point}, seed {seed}: {error}") from error
        try:
            self._compare(store, point, seed)
        finally:
            store.close()

    def _compare(self, store: SqliteStore, point: int, seed: int) -> None:
        promised = max(number for position, number in self.acknowledged if position <= point)
        assert contents(store) in self.snapshots[promised:], f"cut {point}, seed {seed}: lost or torn"
        assert store.boot > max((boot for position, boot in self.boots if position <= point), default=0)
        assert store.next_record_id() > max((i for position, i in self.issued if position <= point), default=0)


@pytest.fixture
def images() -> Iterator[Path]:
    """Where images are opened: in memory where there is such a place, because each start syncs."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name).resolve()


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_a_cut_at_any_sync_keeps_what_was_acknowledged(seed: int, images: Path) -> None:
    folder = images / str(seed)
    folder.mkdir(exist_ok=True)
    shutil.rmtree(folder / "disk", ignore_errors=True)
    session = Session(folder / "disk")
    session.run(seed, starts=2, commits=6)
    for point in session.power.cut_points():
        session.check(point, random.Random(seed + point).choice([0, 1, 2, 5, 7]), folder / "image")


def test_a_cut_at_any_write_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    session = Session(tmp_path / "disk")
    session.run(7, starts=2, commits=4)
    for point in session.power.cut_points(every_write=True):
        session.check(point, point % 12, tmp_path / "image")


@pytest.mark.parametrize("pragma", ["PRAGMA synchronous = OFF", "PRAGMA synchronous = NORMAL"])
def test_the_harness_notices_a_store_that_does_not_sync(pragma: str, tmp_path: Path) -> None:
    session = Session(tmp_path / "disk")
    session.run(3, starts=1, commits=6, pragma=pragma)
    lost = 0
    for point in {position for position, _ in session.acknowledged}:
        try:
            session.check(point, 0, tmp_path / "image")
        except AssertionError:
            lost += 1
    assert lost > 0


def test_the_harness_notices_torn_writes(tmp_path: Path) -> None:
    """Without a journal a transaction is torn; some random image must show it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with PowerCut(folder) as power:
        plain = sqlite3.connect(folder / "s.db", isolation_level=None)
        plain.execute("PRAGMA journal_mode = OFF")
        plain.execute("CREATE TABLE t (n INTEGER, x BLOB)")
        plain.execute(
            "INSERT INTO t SELECT value, zeroblob(3000) FROM (SELECT 1 AS value UNION SELECT 2 UNION SELECT 3)"
        )
        before = power.position
        plain.execute("UPDATE t SET n = n + 10")
        after = power.position
        plain.close()
    seen: set[object] = set()
    for point in range(before, after + 1):
        for seed in range(12):
            image = sqlite3.connect(power.image_at(point, seed) / "s.db")
            try:
                seen.add(tuple(n for (n,) in image.execute("SELECT n FROM t ORDER BY rowid")))
            except sqlite3.DatabaseError:
                seen.add("damaged")
            image.close()
    assert seen - {(1, 2, 3), (11, 12, 13)}, "neither before nor after"


async def test_a_threaded_store_acknowledges_only_what_is_durable(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    acknowledged: list[tuple[int, int]] = []
    with PowerCut(tmp_path / "disk") as power:

        def done(number: int) -> Callable[[StoreError | None], None]:
            return lambda error: acknowledged.append((power.position, number)) if error is None else None

        store = SqliteStore.open(power.directory / "s.db", threaded=True, now_wall=lambda: 0.0)
        for number in range(1, 41):
            store.commit(
                [AddRecord(store.next_record_id(), {"n": number}), PutRow("last", "n", {"n": number})], done(number)
            )
            if number % 7 == 0:
                await asyncio.sleep(0)
        store.close()
    assert [number for _, number in acknowledged] == list(range(1, 41))
    for point in power.cut_points():
        image = SqliteStore.open(power.image_at(point, point % 9) / "s.db", threaded=False, now_wall=lambda: 0.0)
        found = [record.fact["n"] for record in image.records()]
        assert found == list(range(1, len(found) + 1))
        assert len(found) >= max((number for position, number in acknowledged if position <= point), default=0)
        assert image.rows() == ({"last": {"n": {"n": len(found)}}} if found else {})
        image.close()


def test_a_cut_during_a_migration_leaves_the_old_or_the_new_schema(tmp_path: Path) -> None:
    second = migrate.Migration(2, "ALTER TABLE record ADD COLUMN colour TEXT; UPDATE record SET colour = 'red';")
    both = (*migrate.load(), second)
    (tmp_path / "disk").mkdir()
    with PowerCut(tmp_path / "disk") as power:
        store = SqliteStore.open(power.directory / "s.db", threaded=False, now_wall=lambda: 0.0)
        store.commit([AddRecord(store.next_record_id(), {"n": 1})], lambda error: None)
        store.close()
        before = power.position
        connect(power.directory / "s.db", migrations=both).close()
    versions = set()
    for point in (p for p in power.cut_points(every_write=True) if p >= before):
        file = power.image_at(point, point % 9) / "s.db"
        image = sqlite3.connect(file)
        version = image.execute("PRAGMA user_version").fetchone()[0]
        columns = {row[1] for row in image.execute("PRAGMA table_info(record)")}
        assert ("colour" in columns) == (version == 2)
        image.close()
        versions.add(version)
        image = connect(file, migrations=both)
        assert image.execute("SELECT record, colour FROM record").fetchall() == [(1, "red")]
        image.close()
    assert versions == {1, 2}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    first=st.integers(0, 40),
    length=st.integers(1, 15),
    code=st.sampled_from([sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC]),
)
def test_a_disk_that_fails_for_a_while(
    seed: int, first: int, length: int, code: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every commit says truly whether it is there, and they work again when the disk does."""
    folder = tmp_path_factory.mktemp("fault").resolve()
    dice = random.Random(seed)
    model, calls = Model(), 0
    answers: list[StoreError | None] = []

    def fault(verb: str, name: str) -> int:
        nonlocal calls
        calls += 1
        wanted = "sync" if code == sqlite3.SQLITE_IOERR_FSYNC else "write"
        return code if verb == wanted and first <= calls < first + length else 0

    with PowerCut(folder) as power:
        store = SqliteStore.open(folder / "s.db", threaded=False, now_wall=lambda: 0.0)
        store._connection.execute("PRAGMA wal_autocheckpoint = 10")
        power.fault = fault
        for _ in range(12):
            ops = random_ops(dice, model, store, [])
            store.commit(ops, answers.append)
            if answers[-1] is None:
                model.apply(ops)
            else:
                assert str(folder / "s.db") in str(answers[-1])
                assert "disk" in str(answers[-1])
            assert contents(store) == model.snapshot()
        power.fault = None
        store.commit([PutRow("after", "all", {})], answers.append)
        assert answers[-1] is None, "the cause is gone"
        model.apply([PutRow("after", "all", {})])
        store.close()
        again = SqliteStore.open(folder / "s.db", threaded=False, now_wall=lambda: 0.0)
        assert contents(again) == model.snapshot()
        again.close()
