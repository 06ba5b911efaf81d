import shutil
from pathlib import Path

import pytest

from station.errors import StoreError
from station.store.offline import read_dead_letters, read_queue
from station.store.ops import AddRecord, Bury
from station.store.remedy import DamagedError
from station.store.sqlite import SqliteStore


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_reading_a_store_that_does_not_run_changes_nothing(tmp_path: Path) -> None:
    running = tmp_path / "running"
    running.mkdir()
    store = SqliteStore.open(running / "s.db", threaded=False, now_wall=lambda: 0.0)
    store.commit([AddRecord(store.next_record_id(), {"n": n}) for n in (1, 2)], lambda error: None)
    store.commit([Bury(1, "refused", 3.0)], lambda error: None)
    with pytest.raises(StoreError, match="is using it"):
        read_queue(running / "s.db")
    # As a killed process leaves it: the rows are in the write-ahead log only.
    killed = tmp_path / "killed"
    shutil.copytree(running, killed)
    store.close()
    assert (killed / "s.db-wal").stat().st_size > 0
    for folder in (running, killed):
        before = state(folder)
        assert [record.fact for record in read_queue(folder / "s.db")] == [{"n": 2}]
        assert [(dead.fact, dead.why) for dead in read_dead_letters(folder / "s.db")] == [({"n": 1}, "refused")]
        assert state(folder) == before


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"s\.db: there is no such file"):
        read_queue(tmp_path / "s.db")
    assert not list(tmp_path.iterdir())
    (tmp_path / "s.db").write_text("nonsense" * 1000)
    with pytest.raises(DamagedError) as caught:
        read_dead_letters(tmp_path / "s.db")
    assert str(caught.value).startswith(f"{tmp_path}/s.db: ")
    assert f"recover {tmp_path}/s.db`" in str(caught.value)
