import sqlite3
from pathlib import Path

import pytest

from station.store.ops import PutRow
from station.store.remedy import DiskFullError
from station.store.reserve import SIZE, hold, release, reserve_path
from station.store.sqlite import SqliteStore
from tests.store.powercut import PowerCut


def test_space_is_held_once_and_given_once(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    assert hold(file)
    assert hold(file)
    assert reserve_path(file).stat().st_blocks * 512 >= SIZE, "no hole"
    assert release(file)
    assert not release(file)
    assert not hold(tmp_path / "nowhere" / "s.db")


def test_a_station_starts_on_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path.resolve() / "s.db"
    SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0).close()
    with PowerCut(file.parent) as power:
        power.fault = lambda verb, name: sqlite3.SQLITE_FULL if verb == "write" and reserve_path(file).exists() else 0
        store = SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0)
        assert store.boot == 2
        store.commit([PutRow("tx", "1", {})], lambda error: None)
        assert store.rows() == {"tx": {"1": {}}}
        assert "s.db: the disk is full" in caplog.text
        store.close()
        power.fault = lambda verb, name: sqlite3.SQLITE_FULL if verb == "write" else 0
        with pytest.raises(DiskFullError, match="the disk is full"):
            SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0)
        power.fault = None
    SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0).close()
    assert reserve_path(file).exists(), "made again"
