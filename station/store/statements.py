"""Operations of `station.store.ops` as SQL. Encoding happens when the commit is called, so later changes to a dict
do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import orjson

from station.store.ops import (
    AddRecord,
    Attempted,
    Bury,
    Done,
    Freeze,
    Json,
    Op,
    PutContext,
    PutRow,
)

SECURITY_LOG = "security_log"
SECURITY_LOG_ROWS = 1000

_PUT_ROW = (
    "INSERT INTO state (kind, key, value) VALUES (?, ?, ?) "
    "ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value"
)
_DROP_ROW = "DELETE FROM state WHERE kind = ? AND key = ?"
_TRIM_LOG = (
    "DELETE FROM state WHERE kind = 'security_log' AND seq <= "
    "(SELECT seq FROM state WHERE kind = 'security_log' ORDER BY seq DESC LIMIT 1 OFFSET ?)"
)
_ADD = "INSERT INTO record (record, fact, tx_id) VALUES (?, ?, ?)"
# A record that was sent keeps its words: saying the same again is harmless, other words are refused.
_FREEZE = (
    "UPDATE record SET version = ?1, action = ?2, payload = ?3 WHERE record = ?4 "
    "AND (version IS NULL OR (version = ?1 AND action = ?2 AND payload = ?3))"
)
_ATTEMPTED = "UPDATE record SET attempts = ? WHERE record = ?"
_DONE = "DELETE FROM record WHERE record = ?"
_BURY = (
    "INSERT INTO dead_letter (record, fact, tx_id, version, action, payload, why, at) "
    "SELECT record, fact, tx_id, version, action, payload, ?, ? FROM record WHERE record = ?"
)
_PUT_CONTEXT = (
    "INSERT INTO context (tx_id, version, data) VALUES (?, ?, ?) "
    "ON CONFLICT (tx_id) DO UPDATE SET version = excluded.version, data = excluded.data"
)
_DROP_CONTEXT = "DELETE FROM context WHERE tx_id = ?"

JSON_COLUMNS = {
    "state": ("value",),
    "record": ("fact", "payload"),
    "context": ("data",),
    "dead_letter": ("fact", "payload"),
}
HIGHEST_RECORD = (
    "SELECT max(coalesce((SELECT max(record) FROM record), 0), coalesce((SELECT max(record) FROM dead_letter), 0))"
)

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `refusal`: why the commit fails when no row was touched; empty where that is fine."""

    sql: str
    values: tuple[Value, ...]
    refusal: str = ""


def encode(ops: Sequence[Op]) -> tuple[tuple[Statement, ...], int]:
    """The statements for `ops`, and the highest record id that they add (0: none).

    Raises ValueError or TypeError for what JSON cannot say.
    """
    statements: list[Statement] = []
    highest = 0
    for op in ops:
        statements += _one(op)
        if isinstance(op, AddRecord):
            highest = max(highest, op.record)
    return tuple(statements), highest


def _one(op: Op) -> list[Statement]:
    match op:
        case PutRow(kind, key, None):
            return [Statement(_DROP_ROW, (kind, key))]
        case PutRow(kind, key, value):
            put = Statement(_PUT_ROW, (kind, key, _text(value)))
            return [put, Statement(_TRIM_LOG, (SECURITY_LOG_ROWS,))] if kind == SECURITY_LOG else [put]
        case AddRecord(record, fact, tx_id):
            return [Statement(_ADD, (record, _text(fact), tx_id))]
        case Freeze(record, version, action, payload):
            words = (version, action, _text(payload), record)
            return [Statement(_FREEZE, words, f"record {record} is not there or was already sent with other words")]
        case Attempted(record, attempts):
            return [Statement(_ATTEMPTED, (attempts, record), f"record {record} is not there")]
        case Done(record):
            return [Statement(_DONE, (record,))]
        case Bury(record, why, at):
            bury = Statement(_BURY, (why, at, record), f"record {record} is not there")
            return [bury, Statement(_DONE, (record,))]
        case PutContext(tx_id, _, None):
            return [Statement(_DROP_CONTEXT, (tx_id,))]
        case PutContext(tx_id, version, data):
            if version is None:
                raise ValueError(f"context of transaction {tx_id} has data but no version")
            return [Statement(_PUT_CONTEXT, (tx_id, version, _text(data)))]
        case _:
            assert_never(op)


def _text(value: Json | None) -> str:
    return orjson.dumps(value).decode()


def is_json(text: str | bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def parse(text: str) -> Json:
    """A column written by `encode`."""
    value: Json = orjson.loads(text)
    return value


def parse_optional(text: str | None) -> Json | None:
    return None if text is None else parse(text)
