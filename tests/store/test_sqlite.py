"""The store as its users see it: what comes back, what is refused and how, who is told when."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from station.errors import StoreError
from station.store.connection import ID_BLOCK
from station.store.ops import AddRecord, Attempted, Bury, Done, Freeze, Op, PutContext, PutRow, StorePort
from station.store.remedy import DamagedError
from station.store.sqlite import SqliteStore
from station.store.statements import SECURITY_LOG, SECURITY_LOG_ROWS
from tests.store.powercut import PowerCut

Answers = list[StoreError | None]


def open_store(file: Path | str, *, recover: bool = False) -> SqliteStore:
    return SqliteStore.open(file, threaded=False, now_wall=lambda: 1_700_000_000.0, recover=recover)


def commit(store: StorePort, *ops: Op) -> None:
    answers: Answers = []
    store.commit(ops, answers.append)
    assert answers == [None]


def refused(store: StorePort, *ops: Op) -> str:
    answers: Answers = []
    store.commit(ops, answers.append)
    assert len(answers) == 1
    assert answers[0] is not None
    return str(answers[0])


@contextmanager
def as_nobody() -> Iterator[None]:
    """Permissions mean nothing to root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_everything_comes_back_after_a_restart(tmp_path: Path) -> None:
    store: StorePort = open_store(tmp_path / "s.db")
    first, second, third = (store.next_record_id() for _ in range(3))
    commit(
        store,
        PutRow("tx", "1", {"a": [1, 2.5, None, "é"]}),
        PutRow("tx", "2", {}),
        AddRecord(first, {"n": 1}, "tx1"),
        AddRecord(second, {"n": 2}),
        AddRecord(third, {"n": 3}),
        PutContext("tx1", "1.6", {"id": 7}),
    )
    commit(store, Freeze(first, "1.6", "StartTransaction", {"connectorId": 1}), Attempted(first, 2), Done(second))
    commit(store, Bury(third, "refused", 12.5), PutRow("tx", "2", None))
    store.close()
    store = open_store(tmp_path / "s.db")
    assert store.boot == 2
    assert store.rows() == {"tx": {"1": {"a": [1, 2.5, None, "é"]}}}
    (record,) = store.records()
    assert (record.record, record.fact, record.tx_id, record.attempts) == (first, {"n": 1}, "tx1", 2)
    assert (record.version, record.action, record.payload) == ("1.6", "StartTransaction", {"connectorId": 1})
    assert store.contexts()["tx1"].version == "1.6"
    assert store.contexts()["tx1"].data == {"id": 7}
    (dead,) = store.dead_letters()
    assert (dead.record, dead.why, dead.at, dead.version) == (third, "refused", 12.5, None)
    assert store.next_record_id() > third
    store.close()


def test_ids_do_not_repeat_when_all_records_were_delivered(tmp_path: Path) -> None:
    seen: list[int] = []
    for _ in range(3):
        store = open_store(tmp_path / "s.db")
        for _ in range(ID_BLOCK // 90 + 2):
            ids = [store.next_record_id() for _ in range(90)]
            commit(store, *(AddRecord(record, {}) for record in ids))
            commit(store, *(Done(record) for record in ids))
            seen += ids
        store.close()
    assert seen == sorted(set(seen))


def test_a_commit_is_all_or_nothing(tmp_path: Path) -> None:
    store = open_store(":memory:")
    commit(store, AddRecord(store.next_record_id(), {}))
    assert "UNIQUE" in refused(store, PutRow("a", "b", {}), AddRecord(1, {}))
    assert "record 99 is not there" in refused(store, PutRow("a", "b", {}), Attempted(99, 1))
    assert "JSON" in refused(store, PutRow("a", "b", {}), PutRow("a", "c", {"x": object()}))
    assert refused(store, PutRow("a", "b", {}), PutRow("\ud800", "c", {}))
    assert refused(store, PutRow("a", "b", {}), Attempted(1, 1 << 70))
    assert store.rows() == {}
    commit(store, PutRow("a", "b", {}))
    store.close()


def test_a_sent_record_keeps_its_words() -> None:
    store = open_store(":memory:")
    commit(store, AddRecord(store.next_record_id(), {}), Freeze(1, "1.6", "StopTransaction", {"a": 1}))
    commit(store, Freeze(1, "1.6", "StopTransaction", {"a": 1}))
    assert "already sent" in refused(store, Freeze(1, "2.0.1", "TransactionEvent", {"a": 1}))
    assert store.records()[0].version == "1.6"
    store.close()


def test_a_dict_changed_after_the_call_is_saved_as_it_was(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    store = SqliteStore.open(tmp_path / "s.db", threaded=True, loop=loop, now_wall=lambda: 0.0)
    value = {"n": 1}
    store.commit([PutRow("a", "b", value)], lambda error: None)
    value["n"] = 2
    store.close()
    loop.close()
    store = open_store(tmp_path / "s.db")
    assert store.rows() == {"a": {"b": {"n": 1}}}
    store.close()


def test_the_security_log_keeps_its_newest_rows() -> None:
    store = open_store(":memory:")
    for number in range(SECURITY_LOG_ROWS + 5):
        commit(store, PutRow(SECURITY_LOG, f"{number * 7919 % 5000}", {"n": number}), PutRow("other", str(number), {}))
    kept = [value["n"] for value in store.rows()[SECURITY_LOG].values()]
    assert kept == list(range(5, SECURITY_LOG_ROWS + 5))
    assert len(store.rows()["other"]) == SECURITY_LOG_ROWS + 5
    store.close()


async def test_threaded_answers_come_in_order_and_in_the_loop(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s.db", threaded=True, now_wall=lambda: 0.0)
    answers: list[tuple[int, bool, threading.Thread]] = []
    all_told = asyncio.Event()

    def done(number: int, error: StoreError | None) -> None:
        answers.append((number, error is None, threading.current_thread()))
        if len(answers) == 100:
            all_told.set()

    for number in range(100):
        op = Attempted(999, 1) if number % 10 == 3 else AddRecord(store.next_record_id(), {"n": number})
        store.commit([op, PutRow("last", "n", {"n": number})], partial(done, number))
    assert answers == [], "never before commit returns"
    await all_told.wait()
    # A bad one among neighbours fails alone.
    assert [(n, good) for n, good, _ in answers] == [(n, n % 10 != 3) for n in range(100)]
    assert {thread for _, _, thread in answers} == {threading.main_thread()}
    assert [record.fact["n"] for record in store.records()] == [n for n in range(100) if n % 10 != 3]
    store.close()


async def test_close_waits_for_what_is_pending_and_tells_everybody(tmp_path: Path) -> None:
    store = SqliteStore.open(tmp_path / "s.db", threaded=True, now_wall=lambda: 0.0)
    answers: Answers = []
    for number in range(500):
        store.commit([PutRow("a", str(number), {})], answers.append)
    store.close()
    store.close()
    assert answers == [None] * 500
    store.commit([PutRow("a", "late", {})], answers.append)
    await asyncio.sleep(0)
    assert "closed" in str(answers[500])
    again = open_store(tmp_path / "s.db")
    assert len(again.rows()["a"]) == 500
    again.close()


async def test_a_callback_that_raises_does_not_silence_the_others(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    problems: list[object] = []
    loop.set_exception_handler(lambda _, context: problems.append(context["exception"]))
    store = SqliteStore.open(tmp_path / "s.db", threaded=True, now_wall=lambda: 0.0)
    told = asyncio.Event()

    def bad(error: StoreError | None) -> None:
        raise ZeroDivisionError

    store.commit([PutRow("a", "b", {})], bad)
    store.commit([PutRow("a", "c", {})], lambda error: told.set())
    await told.wait()
    assert [type(problem) for problem in problems] == [ZeroDivisionError]
    store.close()


def test_a_program_that_ends_without_closing_ends_and_saves(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from station.store.ops import PutRow\n"
        "from station.store.sqlite import SqliteStore\n"
        "async def main():\n"
        "    store = SqliteStore.open(sys.argv[1], threaded=True, now_wall=lambda: 0.0)\n"
        "    for n in range(50): store.commit([PutRow('a', str(n), {})], lambda error: None)\n"
        "    raise SystemExit(3)\n"
        "asyncio.run(main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "s.db"], capture_output=True, text=True, timeout=20
    )
    assert (ended.returncode, ended.stderr) == (3, "")
    store = open_store(tmp_path / "s.db")
    assert len(store.rows()["a"]) == 50
    store.close()


def test_a_second_process_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    store = open_store(file)
    program = (
        "import sys; from station.store.sqlite import SqliteStore; from station.errors import StoreError\n"
        "try: SqliteStore.open(sys.argv[1], threaded=False, now_wall=lambda: 0.0)\n"
        "except StoreError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, check=True).stdout
    assert str(file) in said
    assert f"process {os.getpid()}" in said
    assert "stop" in said
    commit(store, PutRow("a", "b", {}))
    store.close()


def test_a_foreign_program_that_writes_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    open_store(file).close()
    foreign = sqlite3.connect(file, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program"):
        open_store(file)
    foreign.close()
    open_store(file).close()


def test_a_full_disk_is_named_and_forgiven(tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    with PowerCut(folder) as power:
        store = open_store(folder / "s.db")
        power.fault = lambda verb, name: sqlite3.SQLITE_FULL if verb == "write" else 0
        for _ in range(3):
            said = refused(store, PutRow("a", "b", {}))
            assert f"{folder}/s.db: the disk is full" in said
        power.fault = None
        commit(store, PutRow("a", "c", {}))
        assert store.rows() == {"a": {"c": {}}}
        power.fault = lambda verb, name: sqlite3.SQLITE_FULL if verb == "write" else 0
        store.close()
        with pytest.raises(StoreError, match="the disk is full"):
            open_store(folder / "s.db")
        power.fault = None
        store = open_store(folder / "s.db")
        assert store.rows() == {"a": {"c": {}}}
        store.close()


def test_read_only_file_and_directory() -> None:
    # Not in tmp_path, which nobody but its owner may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "s.db"
        open_store(file).close()
        file.chmod(0o444)
        (folder / "s.db.lock").chmod(0o666)
        folder.chmod(0o555)
        with as_nobody():
            with pytest.raises(StoreError, match=r"s\.db: it cannot be written; check owner"):
                open_store(file)
            with pytest.raises(StoreError, match=r"other\.db.*directory must"):
                open_store(folder / "other.db")
        folder.chmod(0o755)
        file.chmod(0o644)
        open_store(file).close()


def test_a_missing_directory_is_not_made_up(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="directory must exist"):
        open_store(tmp_path / "not-mounted" / "s.db")
    assert not (tmp_path / "not-mounted").exists()


def test_a_damaged_file_is_refused_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    store = open_store(file)
    commit(store, *(AddRecord(store.next_record_id(), {"t": "x" * 500}) for _ in range(50)))
    store.close()
    file.write_bytes(file.read_bytes()[:4096] + os.urandom(8192) + file.read_bytes()[12288:])
    before = file.read_bytes()
    with pytest.raises(DamagedError, match=r"s\.db: it is damaged; nothing was deleted; `station store recover"):
        open_store(file)
    assert file.read_bytes() == before
    open_store(file, recover=True).close()
    (kept,) = tmp_path.glob("s.db.corrupt-*")
    assert kept.name == "s.db.corrupt-20231114T221320Z"
    assert kept.read_bytes() == before


def test_a_text_file_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_text("no database at all\n" * 100)
    with pytest.raises(DamagedError, match="no database"):
        open_store(tmp_path / "s.db")
    assert (tmp_path / "s.db").read_text().startswith("no database")


def test_failing_open_releases_the_file(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_text("no database at all\n" * 100)
    for _ in range(2):
        with pytest.raises(DamagedError):
            open_store(tmp_path / "s.db")


@pytest.mark.parametrize("durable", [True, False])
def test_only_a_durable_store_survives_a_power_cut(durable: bool, tmp_path: Path) -> None:
    """And either survives the end of the program."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with PowerCut(folder) as power:
        store = SqliteStore.open(power.directory / "s.db", threaded=False, now_wall=lambda: 0.0, durable=durable)
        commit(store, PutRow("tx", "1", {"n": 1}))
        cut = power.position
        store.close()
    reopened = open_store(folder / "s.db")
    assert reopened.rows() == {"tx": {"1": {"n": 1}}}
    reopened.close()
    after = open_store(power.image_at(cut, 0, tmp_path / "image") / "s.db")
    assert (after.rows() == {"tx": {"1": {"n": 1}}}) is durable
    after.close()
