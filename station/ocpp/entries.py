"""What the queue of records holds: one fact on its way, the version's context of a transaction, the facts of transactions
that the connected version cannot tell yet, and which readings can be spared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from station.core.facts import Fact, TxFact, from_json
from station.core.types import Trigger, TxPhase
from station.ocpp.dialect import Frame
from station.store.ops import StoredRecord

LOST = "lost"
"""Key of a delivery context: true, or the reason as text, when later facts of the transaction can no longer be told.

A dialect sets it in `record`, `record_answer` or `record_dropped`; whatever follows becomes a dead letter."""

_LOST_WHY = "the CSMS never took the start of this transaction"


def why_lost(data: Mapping[str, Any]) -> str:
    why = data[LOST]
    return why if isinstance(why, str) else _LOST_WHY


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """MessageAttempts and MessageAttemptInterval (E13), TransactionMessageAttempts and -RetryInterval (1.6)."""

    attempts: int = 3
    interval_s: float = 60.0


@dataclass(slots=True)
class Entry:
    """A record in the queue. `session`: the connection during which it came in, -1 for none."""

    record: int
    fact: Fact
    session: int
    version: str | None = None
    frame: Frame | None = None
    attempts: int = 0

    @property
    def tx_id(self) -> str | None:
        return self.fact.tx_id if isinstance(self.fact, TxFact) else None

    @property
    def droppable(self) -> bool:
        """Nothing but periodic readings, and never yet sent (E04.FR.07, J02)."""
        return (
            self.frame is None
            and isinstance(self.fact, TxFact)
            and self.fact.phase is TxPhase.UPDATED
            and self.fact.trigger in (Trigger.METER_VALUE_PERIODIC, Trigger.METER_VALUE_CLOCK)
            and self.fact.token is None
        )


@dataclass(frozen=True, slots=True)
class Context:
    """What one version remembers of a transaction."""

    version: str
    data: Mapping[str, Any]


@dataclass(slots=True)
class _Unspoken:
    entries: list[Entry]
    data: Mapping[str, Any]


class SetAside:
    """Facts without words in the connected version, of transactions of which it has told nothing at all yet.

    They hold nobody up, pin nothing and live as long as the connection: as before, they are records in the store. What the
    dialect remembers of such a transaction (`data`) is in memory only.
    """

    __slots__ = ("_count", "_unspoken")

    def __init__(self) -> None:
        self._unspoken: dict[str, _Unspoken] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Entry]:
        return (entry for unspoken in self._unspoken.values() for entry in unspoken.entries)

    def data(self, tx_id: str) -> Mapping[str, Any] | None:
        """What the dialect remembers; None when nothing of this transaction is set aside."""
        unspoken = self._unspoken.get(tx_id)
        return None if unspoken is None else unspoken.data

    def add(self, tx_id: str, entry: Entry, data: Mapping[str, Any]) -> None:
        """One more fact, later than those already here; `data` replaces what was remembered."""
        unspoken = self._unspoken.get(tx_id)
        if unspoken is None:
            unspoken = self._unspoken[tx_id] = _Unspoken([], data)
        unspoken.entries.append(entry)
        unspoken.data = data
        self._count += 1

    def take(self, tx_id: str) -> list[Entry]:
        """The facts of a transaction, oldest first; they are here no more."""
        unspoken = self._unspoken.pop(tx_id, None)
        entries = [] if unspoken is None else unspoken.entries
        self._count -= len(entries)
        return entries

    def take_all(self) -> list[Entry]:
        """Every fact, in record order; nothing remains."""
        entries = sorted(self, key=attrgetter("record"))
        self._unspoken.clear()
        self._count = 0
        return entries

    def drop(self, gone: set[int]) -> None:
        """These records are given up; what the dialect remembers stays."""
        for unspoken in self._unspoken.values():
            unspoken.entries = [entry for entry in unspoken.entries if entry.record not in gone]
        self._count = sum(len(unspoken.entries) for unspoken in self._unspoken.values())


def sparable(entries: Iterable[Entry], wanted: int) -> list[Entry]:
    """Every second periodic reading, oldest transaction first, `wanted` at most (E04.FR.07)."""
    by_tx: dict[str | None, list[Entry]] = {}
    for entry in entries:
        if entry.droppable:
            by_tx.setdefault(entry.tx_id, []).append(entry)
    return [entry for readings in by_tx.values() for entry in readings[1::2]][:wanted]


def revived(found: StoredRecord, speaks: Callable[[str], bool]) -> Entry | str:
    """A record as the store has kept it; a text says why it can never be delivered."""
    if found.version is not None and not speaks(found.version):
        return f"written for OCPP {found.version}, which this program does not speak"
    try:
        fact = from_json(found.fact)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        return f"unreadable fact: {error!r}"
    entry = Entry(found.record, fact, -1, found.version, None, found.attempts)
    if found.version is not None and found.action is not None and found.payload is not None:
        entry.frame = Frame(found.action, found.payload)
    return entry
