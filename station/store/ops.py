"""What can be asked of the store in one database transaction, and what it gives back at start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from station.errors import StoreError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PutRow:
    """Write one row of durable state; value None deletes it."""

    kind: str
    key: str
    value: Json | None


@dataclass(frozen=True, slots=True)
class AddRecord:
    """A fact that must arrive. `record` comes from `Store.next_record_id`; `tx_id` None for facts outside transactions."""

    record: int
    fact: Json
    tx_id: str | None = None


@dataclass(frozen=True, slots=True)
class Freeze:
    """First send: from now on this record is these words in this version, whatever happens."""

    record: int
    version: str
    action: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Attempted:
    """`attempts` sends have failed with a refusal or a time-out (survives a restart)."""

    record: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Done:
    """The CSMS has answered, or this version has no words for the fact: forget the record."""

    record: int


@dataclass(frozen=True, slots=True)
class Bury:
    """It can never be delivered: move it to the dead letters with the reason. `at` wall seconds."""

    record: int
    why: str
    at: float


@dataclass(frozen=True, slots=True)
class PutContext:
    """A transaction's delivery context (pinned version and the dialect's own data); data None deletes it."""

    tx_id: str
    version: str | None
    data: Json | None


Op = PutRow | AddRecord | Freeze | Attempted | Done | Bury | PutContext


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """An undelivered record as found at start."""

    record: int
    fact: Json
    tx_id: str | None
    version: str | None
    action: str | None
    payload: Json | None
    attempts: int


@dataclass(frozen=True, slots=True)
class StoredContext:
    version: str
    data: Json


@dataclass(frozen=True, slots=True)
class DeadLetter:
    record: int
    fact: Json
    tx_id: str | None
    version: str | None
    action: str | None
    payload: Json | None
    why: str
    at: float


class StorePort(Protocol):
    """The durable state of one station. Rows, records and contexts are read once, at start; afterwards memory is the mirror."""

    @property
    def boot(self) -> int:
        """How often this database was opened for running; unique per start, counted durably when opening."""

    def rows(self) -> dict[str, dict[str, Json]]:
        """kind -> key -> value."""

    def records(self) -> list[StoredRecord]:
        """Undelivered records, oldest first."""

    def contexts(self) -> Mapping[str, StoredContext]: ...

    def dead_letters(self) -> list[DeadLetter]: ...

    def next_record_id(self) -> int:
        """Ids rise and never repeat, not even after the record was delivered and the station restarted."""

    def commit(self, ops: Sequence[Op], done: Callable[[StoreError | None], None]) -> None:
        """One durable transaction (all or nothing, fsynced before `done(None)`).

        Commits are carried out in the order of the calls; neighbours may share an fsync. `done` is called exactly once: by an inline
        store before this returns, by a threaded one in the event loop's thread.
        """

    def close(self) -> None:
        """Wait for pending commits, checkpoint, close. Idempotent."""
