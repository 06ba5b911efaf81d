"""What an operator sees of a store."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from station.__main__ import main
from station.clock import Now
from station.core.facts import SecurityFact, TxFact, to_json
from station.core.types import ChargingState, IdToken, TokenKind, Trigger, TxPhase
from station.errors import StoreError
from station.store import show
from station.store.ops import AddRecord, Bury, Freeze
from station.store.sqlite import SqliteStore

PIN = "735100"
FACT = TxFact(
    tx_id="tx-1",
    seq=0,
    phase=TxPhase.STARTED,
    trigger=Trigger.AUTHORIZED,
    at=Now(1.0, 2.0),
    evse=1,
    connector=1,
    charging_state=ChargingState.CHARGING,
    authorized=True,
    connected=True,
    token=IdToken("04A1B2C3"),
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "station.db"
    store = SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0)
    coded = replace(FACT, token=None, tx_token=IdToken(PIN, TokenKind.KEY_CODE))
    ops = [AddRecord(store.next_record_id(), to_json(fact), "tx-1") for fact in (FACT, coded)]
    ops.append(AddRecord(store.next_record_id(), to_json(SecurityFact("StartupOfTheDevice", Now(1.0, 2.0)))))
    store.commit(ops, lambda _error: None)
    store.commit(
        [
            Freeze(2, "1.6", "StartTransaction", {"idTag": PIN, "connectorId": 1, "meterStart": 735100}),
            Freeze(3, "2.0.1", "X", {"deep": [{"idToken": {"idToken": PIN, "type": "KeyCode"}}]}),
            Bury(3, "refused", 1_767_225_600.0),
        ],
        lambda _error: None,
    )
    store.close()
    return file


def test_the_queue(database: Path) -> None:
    first, second = (json.loads(line) for line in show.MAKERS["queue"](database).splitlines())
    assert (first["record"], first["tx_id"], first["version"]) == (1, "tx-1", None)
    assert first["fact"]["at"] == "1970-01-01T00:00:02.000Z"
    assert first["fact"]["token"] == ["04A1B2C3", "ISO14443"]
    assert (second["action"], second["payload"]["connectorId"]) == ("StartTransaction", 1)


def test_a_time_that_nobody_knew_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "station.db"
    store = SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0)
    fact = replace(FACT, at=Now(1.0, 2.0, trusted=False))
    store.commit([AddRecord(store.next_record_id(), to_json(fact), "tx-1")], lambda _error: None)
    store.close()
    (row,) = (json.loads(line) for line in show.MAKERS["queue"](file).splitlines())
    assert row["fact"]["at"] == "1970-01-01T00:00:02.000Z (the clock was not set)"


@pytest.mark.parametrize("what", ["queue", "dead"])
def test_nothing_is_said_where_no_pipe_reads_it(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "station.db"
    SqliteStore.open(file, threaded=False, now_wall=lambda: 0.0).close()
    assert main(["store", what, str(file)]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{file}: ")
    assert err.count("\n") == 1


def test_dead_letters(database: Path) -> None:
    (letter,) = (json.loads(line) for line in show.MAKERS["dead"](database).splitlines())
    assert (letter["record"], letter["why"], letter["at"]) == (3, "refused", "2026-01-01T00:00:00.000Z")


def test_a_pin_is_never_shown(database: Path) -> None:
    """C04. Not even where 1.6 calls it an idTag."""
    shown = show.MAKERS["queue"](database) + show.MAKERS["dead"](database)
    assert f'"{PIN}"' not in shown
    assert f'"idTag":"{show.MASK}"' in shown
    assert f'"tx_token":["{show.MASK}","KeyCode"]' in shown
    assert f'"idToken":"{show.MASK}"' in shown


def test_a_sound_database_is_left_as_it_is(database: Path) -> None:
    before = database.read_bytes()
    assert "is sound" in show.MAKERS["recover"](database)
    assert database.read_bytes() == before
    assert not list(database.parent.glob("station.db.corrupt-*"))


def test_recover(database: Path) -> None:
    damage(database)
    text = show.MAKERS["recover"](database)
    assert "was damaged and is kept" in text
    assert list(database.parent.glob("station.db.corrupt-*"))
    assert "is sound" in show.MAKERS["recover"](database)


def damage(database: Path) -> None:
    """The last page, where rows are, becomes noise."""
    data = bytearray(database.read_bytes())
    data[-4096:] = bytes(range(256)) * 16
    database.write_bytes(bytes(data))


@pytest.mark.parametrize("what", sorted(show.MAKERS))
def test_there_is_no_such_file(what: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"gone\.db: there is no such file"):
        show.MAKERS[what](tmp_path / "gone.db")
