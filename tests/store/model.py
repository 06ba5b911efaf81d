"""What the store must hold, kept in plain dictionaries, and a source of random commits for it."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from typing import Any

from station.store.ops import AddRecord, Attempted, Bury, Done, Freeze, Op, PutContext, PutRow, StorePort
from station.store.statements import SECURITY_LOG, SECURITY_LOG_ROWS


@dataclass
class Model:
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[int, dict[str, Any]] = field(default_factory=dict)
    contexts: dict[str, tuple[str, Any]] = field(default_factory=dict)
    dead: dict[int, dict[str, Any]] = field(default_factory=dict)

    def apply(self, ops: list[Op]) -> None:
        for op in ops:
            match op:
                case PutRow(kind, key, None):
                    self.rows.get(kind, {}).pop(key, None)
                case PutRow(kind, key, value):
                    self.rows.setdefault(kind, {})[key] = value
                    while kind == SECURITY_LOG and len(self.rows[kind]) > SECURITY_LOG_ROWS:
                        del self.rows[kind][next(iter(self.rows[kind]))]
                case AddRecord(record, fact, tx_id):
                    self.records[record] = {"fact": fact, "tx_id": tx_id, "sent": None, "attempts": 0}
                case Freeze(record, version, action, payload):
                    self.records[record]["sent"] = (version, action, payload)
                case Attempted(record, attempts):
                    self.records[record]["attempts"] = attempts
                case Done(record):
                    self.records.pop(record, None)
                case Bury(record, why, at):
                    buried = self.records.pop(record)
                    self.dead[record] = {k: buried[k] for k in ("fact", "tx_id", "sent")} | {"why": why, "at": at}
                case PutContext(tx_id, _, None):
                    self.contexts.pop(tx_id, None)
                case PutContext(tx_id, version, data):
                    self.contexts[tx_id] = (str(version), data)

    def snapshot(self) -> Any:
        rows = {kind: list(values.items()) for kind, values in self.rows.items() if values}
        return copy.deepcopy((rows, self.records, self.contexts, self.dead))


def contents(store: StorePort) -> Any:
    """The same picture of a store."""
    records = {
        r.record: {"fact": r.fact, "tx_id": r.tx_id, "sent": _sent(r), "attempts": r.attempts} for r in store.records()
    }
    assert list(records) == sorted(records), "oldest first"
    dead = {
        d.record: {"fact": d.fact, "tx_id": d.tx_id, "sent": _sent(d), "why": d.why, "at": d.at}
        for d in store.dead_letters()
    }
    contexts = {tx_id: (c.version, c.data) for tx_id, c in store.contexts().items()}
    return {kind: list(values.items()) for kind, values in store.rows().items()}, records, contexts, dead


def _sent(stored: Any) -> Any:
    return None if stored.version is None else (stored.version, stored.action, stored.payload)


def random_ops(dice: random.Random, model: Model, store: StorePort, issued: list[int]) -> list[Op]:
    """One commit that must succeed. `model` is what the commits before it leave; ids go to `issued`."""
    plan = copy.deepcopy(model)
    ops: list[Op] = []
    for _ in range(dice.randint(1, 4)):
        op = _random_op(dice, plan, store, issued)
        plan.apply([op])
        ops.append(op)
    return ops


def _random_op(dice: random.Random, plan: Model, store: StorePort, issued: list[int]) -> Op:
    tx_id = f"tx{dice.randint(1, 3)}"
    unsent = [record for record, values in plan.records.items() if values["sent"] is None]
    choices: list[str] = ["row", "drop", "add", "add", "context", "log"]
    choices += ["attempted", "done", "bury"] if plan.records else []
    choices += ["freeze"] if unsent else []
    match dice.choice(choices):
        case "row":
            return PutRow(dice.choice("ab"), str(dice.randint(1, 4)), _value(dice))
        case "drop":
            return PutRow(dice.choice("ab"), str(dice.randint(1, 4)), None)
        case "log":
            return PutRow(SECURITY_LOG, str(dice.getrandbits(40)), _value(dice))
        case "context":
            return PutContext(tx_id, dice.choice(["1.6", "2.0.1"]), dice.choice([None, _value(dice)]))
        case "freeze":
            return Freeze(dice.choice(unsent), "2.0.1", "TransactionEvent", _value(dice))
        case "attempted":
            return Attempted(dice.choice(list(plan.records)), dice.randint(1, 9))
        case "done":
            return Done(dice.choice(list(plan.records)))
        case "bury":
            return Bury(dice.choice(list(plan.records)), "refused", dice.random() * 2e9)
        case _:
            issued.append(store.next_record_id())
            return AddRecord(issued[-1], _value(dice), dice.choice([None, tx_id]))


def _value(dice: random.Random) -> dict[str, Any]:
    # Up to several pages, so that one commit is many writes.
    return {
        "n": dice.getrandbits(50),
        "x": dice.random(),
        "t": "Zürich " * dice.choice([0, 1, 30, 900]),
        "l": [None, True],
    }
