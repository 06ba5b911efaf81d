"""Nobody but its owner reads a station's database, or anything that is made of it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from station.store import migrate, private, reserve
from station.store.connection import connect
from station.store.ops import PutRow
from station.store.recover import recover
from station.store.sqlite import SqliteStore

SECRET = "a-password-that-nobody-may-read"


@pytest.fixture(autouse=True)
def _everybody_may_read_what_is_made() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {file.name: oct(file.stat().st_mode & 0o777) for file in folder.iterdir()}


def open_store(file: Path) -> SqliteStore:
    return SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0)


def put(store: SqliteStore, value: dict[str, object] | None) -> None:
    store.commit([PutRow("variable", "x", value)], lambda error: None)


def test_every_file_of_a_new_station_is_private(tmp_path: Path) -> None:
    store = open_store(tmp_path / "station.db")
    put(store, {"value": SECRET})
    assert modes(tmp_path).keys() >= {"station.db", "station.db-wal", "station.db.lock", "station.db.reserve"}
    assert set(modes(tmp_path).values()) == {"0o600"}
    store.close()
    assert set(modes(tmp_path).values()) == {"0o600"}


def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "station.db"
    open_store(file).close()
    ours = ("", ".lock", ".reserve", ".v1", ".corrupt-20260101T000000Z", ".corrupt-20260101T000000Z-2-wal")
    theirs = ("2", ".toml", ".corrupt-notes")
    for suffix in ours[3:] + theirs:
        (tmp_path / f"station.db{suffix}").touch()
    for suffix in ours:
        (tmp_path / f"station.db{suffix}").chmod(0o644)
    open_store(file).close()
    after = modes(tmp_path)
    assert {after[f"station.db{suffix}"] for suffix in ours} == {"0o600"}
    assert {after[f"station.db{suffix}"] for suffix in theirs} == {"0o666"}, "that is not the store's"


def test_backups_and_salvaged_copies_are_private(tmp_path: Path) -> None:
    file = tmp_path / "station.db"
    open_store(file).close()
    raw = bytearray(file.read_bytes())
    raw[4096 * 2 : 4096 * 3] = os.urandom(4096)
    file.write_bytes(raw)
    file.chmod(0o644)
    kept = recover(file, 0.0).kept
    connect(file, migrations=(*migrate.load(), migrate.Migration(len(migrate.load()) + 1, "SELECT 1"))).close()
    assert {kept.name, f"station.db.v{len(migrate.load())}"} <= modes(tmp_path).keys()
    assert set(modes(tmp_path).values()) == {"0o600"}


def test_somebody_elses_database_keeps_its_mode(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    other.chmod(0o644)
    with pytest.raises(Exception, match="some other program's"):
        open_store(other)
    assert modes(tmp_path)["other.db"] == "0o644"


def test_what_was_deleted_is_gone_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "station.db"
    store = open_store(file)
    put(store, {"value": SECRET})
    store.close()
    assert SECRET.encode() in file.read_bytes()
    store = open_store(file)
    put(store, None)
    store.close()
    assert SECRET.encode() not in file.read_bytes()


def test_commits_reach_the_medium_on_every_system(tmp_path: Path) -> None:
    connection = connect(tmp_path / "station.db")
    assert [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "fullfsync")] == [2, 1]
    connection.close()


def test_the_parts(tmp_path: Path) -> None:
    file = tmp_path / "x"
    private.create(file)
    private.create(file)
    assert not private.readable_by_others(file)
    file.chmod(0o640)
    assert private.readable_by_others(file)
    assert not private.readable_by_others(tmp_path / "none")
    assert reserve.hold(file)
    assert modes(tmp_path)["x.reserve"] == "0o600"
