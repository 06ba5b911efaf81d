import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.errors import StoreError
from station.store.ops import AddRecord, Done, PutContext, PutRow
from station.store.recover import finish_interrupted, recover
from station.store.remedy import DamagedError
from station.store.sqlite import SqliteStore
from tests.store.powercut import PowerCut

NOW = 1_700_000_000.0
RECORDS = 120


def open_store(file: Path) -> SqliteStore:
    return SqliteStore.open(file, threaded=False, now_wall=lambda: NOW)


def filled(file: Path) -> int:
    """A database of many pages; returns the last id that was used (by a record that is gone)."""
    store = open_store(file)
    facts = [{"n": number, "t": "x" * 300} for number in range(RECORDS)]
    store.commit([AddRecord(store.next_record_id(), fact) for fact in facts], lambda error: None)
    store.commit([PutRow("k", str(fact["n"]), fact) for fact in facts], lambda error: None)
    store.commit([PutContext("tx", "1.6", {"a": 1})], lambda error: None)
    gone = store.next_record_id()
    store.commit([AddRecord(gone, {})], lambda error: None)
    store.commit([Done(gone)], lambda error: None)
    store.close()
    return gone


def test_recovering_a_whole_file_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    used = filled(file)
    report = recover(file, NOW)
    assert report.incomplete == ()
    assert report.saved == {"meta": 2, "state": RECORDS, "record": RECORDS, "context": 1, "dead_letter": 0}
    assert str(report.kept) in str(report)
    store = open_store(file)
    assert store.boot == 2
    assert [record.fact["n"] for record in store.records()] == list(range(RECORDS))
    assert store.contexts()["tx"].data == {"a": 1}
    assert store.next_record_id() > used
    store.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.db", report.kept.name, "s.db.lock", "s.db.reserve"]


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_damaged_pages_cost_only_their_rows(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("damage")
    file = folder / "s.db"
    used = filled(file)
    dice = random.Random(seed)
    content = bytearray(file.read_bytes())
    pages = len(content) // 4096
    for page in dice.sample(range(12, pages), 2):  # leaves; the first pages are the roots of the tables
        content[page * 4096 : page * 4096 + 4096] = dice.randbytes(4096)
    file.write_bytes(content)
    report = recover(file, NOW)
    assert report.kept.read_bytes() == content
    store = open_store(file)
    records, rows = store.records(), store.rows().get("k", {})
    assert len(records) + len(rows) >= 2 * RECORDS - 60, "about 12 rows to a page"
    assert all(record.fact == {"n": record.record - 1, "t": "x" * 300} for record in records)
    assert store.boot == 2
    assert store.next_record_id() > used
    store.close()


def test_a_changed_text_is_noticed_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    filled(file)
    content = file.read_bytes()
    assert content.count(b'{"n":77,"t"') == 2
    file.write_bytes(content.replace(b'{"n":77,"t"', b'{"n":77\xff"t"'))
    with pytest.raises(DamagedError, match="unreadable value in table state"):
        open_store(file)
    report = recover(file, NOW)
    assert report.incomplete == ("state", "record")
    assert (report.saved["state"], report.saved["record"]) == (RECORDS - 1, RECORDS - 1)
    store = open_store(file)
    assert 77 not in {record.fact["n"] for record in store.records()}
    store.close()


def test_a_file_of_noise_is_kept_and_the_numbers_go_on_above(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    used = filled(file)
    file.write_bytes(noise := os.urandom(20_000))
    report = recover(file, NOW)
    assert report.kept.read_bytes() == noise
    assert "record" in report.incomplete
    store = open_store(file)
    assert store.records() == []
    assert store.boot > 2
    assert store.next_record_id() > used
    store.close()
    assert recover(file, NOW).kept != report.kept, "never written over"


def test_rows_in_the_log_of_a_killed_process_are_saved(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with PowerCut(folder) as power:
        store = open_store(power.directory / "s.db")
        store.commit([AddRecord(store.next_record_id(), {"n": 1})], lambda error: None)
        cut = power.position
        store.close()
    file = power.image_at(cut, 0) / "s.db"
    assert recover(file, NOW).saved["record"] == 1
    store = open_store(file)
    assert [record.fact for record in store.records()] == [{"n": 1}]
    store.close()


def test_a_recovery_that_was_cut_off_is_finished_by_the_next_start(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    filled(file)
    file.rename(tmp_path / "s.db.recovered")
    file.write_bytes(b"damaged")
    (tmp_path / "s.db-wal").write_bytes(b"old log")
    store = open_store(file)
    assert len(store.records()) == RECORDS
    store.close()
    assert not (tmp_path / "s.db.recovered").exists()
    finish_interrupted(file)  # nothing left to do
    assert file.exists()


def test_a_missing_or_used_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        recover(tmp_path / "s.db", NOW)
    store = open_store(tmp_path / "s.db")
    with pytest.raises(StoreError, match="is using it"):
        recover(tmp_path / "s.db", NOW)
    store.close()
