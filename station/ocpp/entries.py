"""What the queue of records holds: one fact on its way, the version's context of a transaction, and which readings can be spared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from station.core.facts import Fact, TxFact
from station.core.types import Trigger, TxPhase
from station.ocpp.dialect import Frame

LOST = "lost"
"""Key of a delivery context: true, or the reason as text, when later facts of the transaction can no longer be told.

A dialect sets it in `record`, `record_answer` or `record_dropped`; whatever follows becomes a dead letter."""

_LOST_WHY = "the CSMS never took the start of this transaction"


def why_lost(data: Mapping[str, Any]) -> str:
    why = data[LOST]
    return why if isinstance(why, str) else _LOST_WHY


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


def sparable(entries: Iterable[Entry], wanted: int) -> list[Entry]:
    """Every second periodic reading, oldest transaction first, `wanted` at most (E04.FR.07)."""
    by_tx: dict[str | None, list[Entry]] = {}
    for entry in entries:
        if entry.droppable:
            by_tx.setdefault(entry.tx_id, []).append(entry)
    return [entry for readings in by_tx.values() for entry in readings[1::2]][:wanted]
