from pathlib import Path

import pytest

from station.errors import StoreError
from station.store.lock import FileLock, check_free, lock_path


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    check_free(file)
    lock = FileLock(file)
    with pytest.raises(StoreError, match=r"s\.db: process \d+ is using it"):
        FileLock(file)
    with pytest.raises(StoreError, match="is using it"):
        check_free(file)
    lock.release()
    lock.release()
    check_free(file)
    FileLock(file).release()


def test_a_lock_file_left_by_the_dead_means_nothing(tmp_path: Path) -> None:
    lock_path(tmp_path / "s.db").write_text("1\n")
    FileLock(tmp_path / "s.db").release()


def test_a_lock_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"s\.db\.lock: No such file"):
        FileLock(tmp_path / "nowhere" / "s.db")
    assert not list(tmp_path.iterdir())
