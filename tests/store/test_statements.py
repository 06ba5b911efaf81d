import sqlite3

import pytest

from station.store import remedy
from station.store.ops import AddRecord, Done, PutContext, PutRow
from station.store.statements import encode, parse, parse_optional


def test_the_highest_added_id_is_found() -> None:
    statements, highest = encode([AddRecord(5, {}), AddRecord(3, {}), Done(9)])
    assert highest == 5
    assert len(statements) == 3
    assert encode([PutRow("a", "b", None)])[1] == 0


def test_values_survive_as_text() -> None:
    value = {"b": 1, "a": [1.1, 0.1 + 0.2, True, None, "ü\n"]}
    ((statement,), _) = encode([PutRow("k", "x", value)])
    text = statement.values[2]
    assert isinstance(text, str)
    assert list(parse(text).items()) == list(value.items()), "the order of the words too"
    assert parse_optional(None) is None


def test_a_context_needs_its_version() -> None:
    with pytest.raises(ValueError, match="tx1"):
        encode([PutContext("tx1", None, {})])
    encode([PutContext("tx1", None, None)])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "No space left"),
        (sqlite3.OperationalError("something else"), "not saved: something else"),
    ],
)
def test_every_error_names_the_file(error: Exception, words: str) -> None:
    said = str(remedy.store_error("/var/lib/s.db", error))
    assert said.startswith("/var/lib/s.db: ")
    assert words in said


def test_a_store_error_passes_unchanged() -> None:
    error = remedy.damaged("f", "page 3")
    assert remedy.store_error("other", error) is error
