"""Transactions that were and are: a bounded history in memory, and what the database still holds of older ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from station.clock import Now, iso
from station.core.effects import Effect, Record
from station.core.facts import Fact, TxFact, from_json
from station.core.types import IdToken, MeterSample, TokenKind, TxPhase
from station.core.view import TransactionView
from station.runtime.control_host import Host
from station.runtime.control_types import Json

__all__ = ["TransactionHistory", "fact_json", "token_text"]

MOST_TRANSACTIONS = 500
MOST_FACTS = 20_000
MASK = "***"


def token_text(token: IdToken | None) -> str | None:
    """A token for people: PINs are never shown (C04)."""
    if token is None:
        return None
    return MASK if token.kind is TokenKind.KEY_CODE else token.value


@dataclass(slots=True)
class _Kept:
    """One transaction: facts by sequence number."""

    facts: dict[int, TxFact] = field(default_factory=dict)


class TransactionHistory:
    """Listens to the core. What it has not seen itself it takes from the database when it is asked."""

    def __init__(self, host: Host, *, most: int = MOST_TRANSACTIONS, most_facts: int = MOST_FACTS) -> None:
        self._host = host
        self._most = most
        self._most_facts = most_facts
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._count = 0
        host.hear_turns(self._turn)

    def _turn(self, _event: object, effects: list[Effect], _now: Now) -> None:
        for effect in effects:
            if isinstance(effect, Record) and isinstance(effect.fact, TxFact):
                self._learn(effect.fact)

    def _learn(self, fact: TxFact) -> None:
        kept = self._kept.setdefault(fact.tx_id, _Kept())
        if fact.seq not in kept.facts:
            kept.facts[fact.seq] = fact
            self._count += 1
        while len(self._kept) > self._most or (self._count > self._most_facts and len(self._kept) > 1):
            _, gone = self._kept.popitem(last=False)
            self._count -= len(gone.facts)

    # --- looking ------------------------------------------------------------------------------------------------------

    def rows(self, limit: int) -> list[Json]:
        """The newest transactions, newest first."""
        waiting, dead = self._saved()
        running = self._running()
        for tx_id in running:
            self._kept.setdefault(tx_id, _Kept())
        newest = sorted(self._kept, key=lambda tx_id: self._started(tx_id, running), reverse=True)
        return [self._row(tx_id, running.get(tx_id), waiting, dead) for tx_id in newest[:limit]]

    def row(self, tx_id: str) -> Json | None:
        """One transaction with its events, oldest first; None when it is not known (any more)."""
        waiting, dead = self._saved()
        running = self._running()
        if tx_id not in self._kept and tx_id not in running:
            return None
        kept = self._kept.get(tx_id, _Kept())
        row = self._row(tx_id, running.get(tx_id), waiting, dead)
        row["facts"] = [
            {**fact_json(fact), "state": _state((fact.tx_id, fact.seq), waiting, dead)}
            for _, fact in sorted(kept.facts.items())
        ]
        return row

    def _saved(self) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
        """(transaction, number) of what waits for the CSMS, and of what was given up; both are learnt from on the way."""
        program = self._host.program
        if program is None:
            return set(), set()
        records = program.client.records
        waiting = self._take(records.facts()) | self._take(records.aside())
        dead = self._take(from_json(letter.fact) for letter in program.store.dead_letters())
        return waiting, dead

    def _take(self, facts: Iterator[Fact]) -> set[tuple[str, int]]:
        found = set()
        for fact in facts:
            if isinstance(fact, TxFact):
                self._learn(fact)
                found.add((fact.tx_id, fact.seq))
        return found

    def _running(self) -> dict[str, TransactionView]:
        program = self._host.program
        if program is None:
            return {}
        views = (view.transaction for view in program.gateway.view().evses)
        return {view.tx_id: view for view in views if view is not None}

    def _started(self, tx_id: str, running: dict[str, TransactionView]) -> float:
        facts = self._kept[tx_id].facts
        if facts:
            return facts[min(facts)].at.wall
        return running[tx_id].started if tx_id in running else 0.0

    def _row(
        self, tx_id: str, view: TransactionView | None, waiting: set[tuple[str, int]], dead: set[tuple[str, int]]
    ) -> Json:
        facts = [fact for _, fact in sorted(self._kept.get(tx_id, _Kept()).facts.items())]
        last = facts[-1] if facts else None
        ended = last is not None and last.phase is TxPhase.ENDED
        token = next((fact.tx_token or fact.token for fact in reversed(facts) if fact.tx_token or fact.token), None)
        registers = [fact.register_wh for fact in facts if fact.register_wh is not None]
        energy = view.energy_wh if view is not None else registers[-1] - registers[0] if registers else 0.0
        events = max(last.seq + 1 if last is not None else 0, view.seq if view is not None else 0)
        open_ones = sum((tx_id, fact.seq) in waiting or (tx_id, fact.seq) in dead for fact in facts)
        started = view.started if view is not None else facts[0].at.wall if facts else None
        return {
            "id": tx_id,
            "evse": view.evse if view is not None else last.evse if last is not None else None,
            "started": iso(started) if started is not None else None,
            "ended": iso(last.at.wall) if last is not None and ended else None,
            "stop_reason": last.stop_reason.value if last is not None and ended and last.stop_reason else None,
            "energy_wh": round(energy, 3),
            "token": token_text(token if token is not None else view.token if view is not None else None),
            "events": events,
            "delivered": events - open_ones,
        }


def _state(key: tuple[str, int], waiting: set[tuple[str, int]], dead: set[tuple[str, int]]) -> str:
    if key in waiting:
        return "queued"
    return "dead" if key in dead else "sent"


def fact_json(fact: TxFact) -> Json:
    """One event of a transaction, for people and plots."""
    return {
        "seq": fact.seq,
        "phase": fact.phase.value,
        "trigger": fact.trigger.value,
        "at": iso(fact.at.wall),
        "charging_state": fact.charging_state.value,
        "register_wh": fact.register_wh,
        "offline": fact.offline,
        "token": token_text(fact.token),
        "stop_reason": fact.stop_reason.value if fact.stop_reason is not None else None,
        "samples": [_sample(sample) for sample in fact.samples],
    }


def _sample(sample: MeterSample) -> Json:
    return {
        "at": iso(sample.at.wall),
        "context": sample.context.value,
        "values": [
            {"measurand": value.measurand, "value": value.value, "unit": value.unit, "phase": value.phase}
            for value in sample.values
        ],
    }
