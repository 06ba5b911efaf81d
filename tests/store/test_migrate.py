import sqlite3
from pathlib import Path

import pytest

from station.errors import StoreError
from station.store import migrate
from station.store.connection import connect
from station.store.migrate import Migration
from station.store.ops import PutRow
from station.store.sqlite import SqliteStore


def filled(file: Path) -> None:
    store = SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0)
    store.commit([PutRow("a", "b", {"n": 1})], lambda error: None)
    store.close()


def test_a_step_is_applied_once_and_a_copy_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    filled(file)
    steps = (*migrate.load(), Migration(2, "CREATE TABLE extra (x INTEGER); INSERT INTO extra VALUES (5);"))
    for _ in range(2):
        connection = connect(file, migrations=steps)
        assert connection.execute("SELECT x FROM extra").fetchall() == [(5,)]
        connection.close()
    copy = sqlite3.connect(tmp_path / "s.db.v1")
    assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    assert copy.execute("SELECT value FROM state").fetchall() == [('{"n":1}',)]
    copy.close()


def test_a_failing_step_leaves_the_old_version(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    filled(file)
    bad = (*migrate.load(), Migration(2, "CREATE TABLE extra (x INTEGER); INSERT INTO nowhere VALUES (5);"))
    with pytest.raises(StoreError, match="nowhere"):
        connect(file, migrations=bad)
    store = SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0)
    assert store.rows() == {"a": {"b": {"n": 1}}}
    store.close()


def test_a_newer_database_is_refused_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    filled(file)
    newest = migrate.load()[-1].version
    connect(file, migrations=(*migrate.load(), Migration(newest + 1, "CREATE TABLE extra (x INTEGER);"))).close()
    with pytest.raises(
        StoreError, match=rf"s\.db: its version is {newest + 1}, this program knows .* {newest}; install"
    ):
        SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0)


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    foreign = sqlite3.connect(tmp_path / "s.db")
    foreign.execute("CREATE TABLE theirs (x)")
    foreign.close()
    before = (tmp_path / "s.db").read_bytes()
    with pytest.raises(StoreError, match="some other program"):
        connect(tmp_path / "s.db")
    assert (tmp_path / "s.db").read_bytes() == before


def test_gaps_in_the_numbers_are_a_broken_installation(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("SELECT 1;")
    (tmp_path / "0003_c.sql").write_text("SELECT 1;")
    with pytest.raises(StoreError, match="install the program again"):
        migrate.load(tmp_path)
