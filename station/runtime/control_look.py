"""Commands: looking at the station, its transactions, and what waits for the CSMS or was given up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from station.clock import iso
from station.config_fields import Integer, Text, setting
from station.core.facts import Fact, TxFact, from_json
from station.errors import ControlError, Problem
from station.runtime.control_command import Command
from station.runtime.control_history import token_text
from station.runtime.control_host import Host, conflict, program_of
from station.runtime.control_kinds import VERSIONS
from station.runtime.control_state import StateResult, state
from station.runtime.control_types import Json

__all__ = ["LOOK"]

LIMIT = Integer(1, 1000)
KEY_CODE = "KeyCode"
MASK = "***"


class TransactionRow(TypedDict):
    """A transaction. events: how many were recorded; delivered: how many of these the CSMS has answered."""

    id: str
    evse: int | None
    started: str | None
    ended: str | None
    stop_reason: str | None
    energy_wh: float
    token: str | None
    events: int
    delivered: int


class TransactionsResult(TypedDict):
    """Transactions, newest first."""

    transactions: list[TransactionRow]


class ValueRow(TypedDict):
    """One value of a measurand."""

    measurand: str
    value: float
    unit: str
    phase: str | None


class SampleRow(TypedDict):
    """Values read at one moment."""

    at: str
    context: str
    values: list[ValueRow]


class FactRow(TypedDict):
    """One event of a transaction. state: "sent" (the CSMS has answered), "queued" or "dead"."""

    seq: int
    phase: str
    trigger: str
    at: str
    charging_state: str
    register_wh: float | None
    offline: bool
    token: str | None
    stop_reason: str | None
    samples: list[SampleRow]
    state: str


class TransactionResult(TransactionRow):
    """A transaction with its events, oldest first."""

    facts: list[FactRow]


class RecordRow(TypedDict):
    """What was recorded. seq: of a transaction's event."""

    kind: str
    at: str
    transaction: str | None
    seq: int | None
    what: str
    token: str | None


class QueueResult(TypedDict):
    """Records that wait for the CSMS, oldest first. count: all of them."""

    records: list[RecordRow]
    count: int


class DeadRow(RecordRow):
    """A record that was given up. version, action, payload: the words in which it was sent last, if it was."""

    record: int
    version: str | None
    action: str | None
    payload: dict[str, Any] | None
    why: str
    given_up: str


class DeadResult(TypedDict):
    """Records that were given up, oldest first."""

    dead_letters: list[DeadRow]


class AbandonResult(TypedDict):
    """How many records were given up."""

    count: int


class SecurityRow(TypedDict):
    """One entry of the security log."""

    at: str
    kind: str
    info: str | None


class SecurityResult(TypedDict):
    """Entries of the security log, newest first."""

    entries: list[SecurityRow]


class _Look(Command):
    __slots__ = ()
    group: ClassVar[str] = "look"
    reads: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class State(_Look):
    """Everything that can be seen of the station now."""

    name: ClassVar[str] = "state"
    returns: ClassVar[Any] = StateResult

    async def act(self, host: Host) -> Json:
        return state(host)


@dataclass(frozen=True, slots=True)
class Transactions(_Look):
    """The newest transactions, running and ended ones, newest first."""

    name: ClassVar[str] = "transactions"
    returns: ClassVar[Any] = TransactionsResult
    limit: int = setting(LIMIT, "At most so many.", default=50)

    async def act(self, host: Host) -> Json:
        return {"transactions": host.memory.history.rows(self.limit)}


@dataclass(frozen=True, slots=True)
class Transaction(_Look):
    """One transaction with its events and samples."""

    name: ClassVar[str] = "transaction"
    returns: ClassVar[Any] = TransactionResult
    id: str = setting(Text(64), "Its id, as `transactions` shows it.")

    async def act(self, host: Host) -> Json:
        row = host.memory.history.row(self.id)
        if row is None:
            raise ControlError("invalid", [Problem("id", f"transaction {self.id!r} is not known, or not any more")])
        return row


def _record(fact: Fact) -> Json:
    if isinstance(fact, TxFact):
        return {
            "kind": "transaction",
            "at": iso(fact.at.wall),
            "transaction": fact.tx_id,
            "seq": fact.seq,
            "what": f"{fact.phase.value} {fact.trigger.value}",
            "token": token_text(fact.token),
        }
    kind = type(fact).__name__.removesuffix("Fact").removesuffix("Status").lower()
    what = getattr(fact, "kind", None) or getattr(fact, "status", "")
    return {"kind": kind, "at": iso(fact.at.wall), "transaction": None, "seq": None, "what": str(what), "token": None}


@dataclass(frozen=True, slots=True)
class Queue(_Look):
    """Records that wait for the CSMS, oldest first."""

    name: ClassVar[str] = "queue"
    returns: ClassVar[Any] = QueueResult
    limit: int = setting(LIMIT, "At most so many.", default=100)

    async def act(self, host: Host) -> Json:
        records = program_of(host).client.records
        rows = [_record(fact) for fact, _ in zip(records.facts(), range(self.limit), strict=False)]
        return {"records": rows, "count": len(records)}


@dataclass(frozen=True, slots=True)
class DeadLetters(_Look):
    """Records that could never be delivered and were given up, with the reason, oldest first."""

    name: ClassVar[str] = "dead_letters"
    returns: ClassVar[Any] = DeadResult

    async def act(self, host: Host) -> Json:
        rows = []
        for letter in program_of(host).store.dead_letters():
            fact = from_json(letter.fact)
            pins = frozenset(_pins(fact))
            rows.append(
                {
                    **_record(fact),
                    "record": letter.record,
                    "version": letter.version,
                    "action": letter.action,
                    "payload": _masked(letter.payload, pins),
                    "why": letter.why,
                    "given_up": iso(letter.at),
                }
            )
        return {"dead_letters": rows}


def _pins(fact: Fact) -> Iterator[str]:
    if isinstance(fact, TxFact):
        for token in (fact.token, fact.tx_token):
            if token is not None and token.kind.value == KEY_CODE:
                yield token.value


def _masked(value: Any, pins: frozenset[str]) -> Any:
    """Without PINs (C04): 1.6 does not say what kind an idTag is, but the fact behind it does."""
    if isinstance(value, Mapping):
        return {name: _masked(item, pins) for name, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, pins) for item in value]
    return MASK if isinstance(value, str) and value in pins else value


@dataclass(frozen=True, slots=True)
class Abandon(_Look):
    """The operator knows that the CSMS speaks this version no more: what waits in it becomes dead letters, and so does what the
    transactions that began in it have yet to tell. Refused while that version is spoken.
    """

    name: ClassVar[str] = "abandon"
    reads: ClassVar[bool] = False
    returns: ClassVar[Any] = AbandonResult
    version: str = setting(Text(choices=VERSIONS), "The version.")

    async def act(self, host: Host) -> Json:
        client = program_of(host).client
        if client.version == self.version:
            raise conflict(f"OCPP {self.version} is spoken now: the CSMS still takes what waits in it", "version")
        count = client.abandon(self.version)
        host.memory.look_again()
        return {"count": count}


@dataclass(frozen=True, slots=True)
class SecurityLog(_Look):
    """The security log (A04), newest entries first."""

    name: ClassVar[str] = "security_log"
    returns: ClassVar[Any] = SecurityResult
    limit: int = setting(LIMIT, "At most so many.", default=100)

    async def act(self, host: Host) -> Json:
        rows = list(program_of(host).store.rows().get("security_log", {}).values())
        return {"entries": [_entry(row) for row in reversed(rows[-self.limit :])]}


def _entry(row: Mapping[str, Any]) -> Json:
    at = row.get("at")
    wall = at[1] if isinstance(at, list) and len(at) > 1 else at if isinstance(at, int | float) else 0.0
    info = row.get("info")
    return {"at": iso(float(wall)), "kind": str(row.get("kind", "")), "info": None if info is None else str(info)}


LOOK: tuple[type[Command], ...] = (
    State,
    Transactions,
    Transaction,
    Queue,
    DeadLetters,
    Abandon,
    SecurityLog,
)
