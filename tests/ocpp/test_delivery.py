"""What is sent next, retried, kept, given up: by example, and model-based against a store that may lose uncommitted ops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hal.api import TokenKind
from station.clock import Now
from station.core.effects import Ask, ConnectorNotice, MeterNotice
from station.core.events import Answered, TokenReported, Unanswered
from station.core.facts import Fact, SecurityFact, TxFact, to_json
from station.core.types import (
    AuthStatus,
    ChargingState,
    ConnectorPhase,
    ConnectorState,
    IdToken,
    TokenInfo,
    Trigger,
    TxPhase,
)
from station.ocpp.coalesce import NoticeBoard, key_of
from station.ocpp.delivery import FREE_LIMIT, MOST_SERIES, Delivery, Kind
from station.ocpp.dialect import FactAnswer, Frame, Rendered
from station.ocpp.entries import LOST, Entry, RetryPolicy, sparable
from station.ocpp.records import RecordQueue
from station.store.ops import (
    AddRecord,
    Attempted,
    Bury,
    Done,
    Freeze,
    Op,
    PutContext,
    StoredContext,
    StoredRecord,
)

TOKEN = IdToken("04A1B2C3", TokenKind.ISO14443)
INFO = TokenInfo(AuthStatus.ACCEPTED)


class Words:
    """A small dialect. "old" needs an id from the CSMS before it can tell more of a transaction; "new" does not."""

    def __init__(self, version: str, *, needs_id: bool) -> None:
        self.version = version
        self.subprotocol = f"ocpp{version}"
        self.needs_id = needs_id

    def record(self, fact: Fact, context: Mapping[str, Any], now: Now, *, offline: bool) -> Rendered:
        if isinstance(fact, SecurityFact):
            return Rendered(None if self.needs_id else Frame("Security", {"kind": fact.kind}), {})
        if self.needs_id and context.get(LOST):
            return Rendered(None, context)
        if self.needs_id and not fact.authorized and "id" not in context:
            return Rendered(None, {"waiting": context.get("waiting", 0) + 1})
        payload = {"tx": fact.tx_id, "seq": fact.seq, "offline": offline, "id": context.get("id")}
        return Rendered(Frame(fact.phase.value, payload), {**context, "told": True})

    def record_answer(self, fact: Fact, context: Mapping[str, Any], payload: dict[str, Any]) -> FactAnswer:
        if self.needs_id and "id" not in context and isinstance(fact, TxFact):
            if "id" not in payload:
                return FactAnswer({**context, LOST: True})
            return FactAnswer({**context, "id": payload["id"]}, (TokenReported(fact.tx_id, TOKEN, INFO),))
        return FactAnswer(context)

    def repeats(self, fact: Fact) -> bool:
        return not (self.needs_id and isinstance(fact, SecurityFact))

    def record_dropped(self, fact: Fact, context: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**context, LOST: True} if self.needs_id and "id" not in context else context

    def finished(self, fact: Fact, context: Mapping[str, Any]) -> bool:
        return isinstance(fact, TxFact) and fact.phase is TxPhase.ENDED

    def ask(self, token: IdToken, services: Any) -> Frame:
        return Frame("Authorize", {"idTag": token.value})

    def ask_answer(self, payload: dict[str, Any]) -> TokenInfo:
        return TokenInfo(AuthStatus(payload["status"]))

    def notice(self, body: ConnectorNotice | MeterNotice, services: Any) -> list[Frame]:
        if isinstance(body, MeterNotice):
            return [Frame("MeterValues", {"evse": body.evse})]
        payload = {"evse": body.evse, "status": body.phase.value, "timestamp": body.since.wall}
        return [Frame("Status", payload)]


# Delivery needs but a part of a dialect, and of the services nothing.
OLD: Any = Words("old", needs_id=True)
NEW: Any = Words("new", needs_id=False)
NOBODY: Any = None
DIALECTS: Any = {"old": OLD, "new": NEW}


def at(mono: float) -> Now:
    return Now(mono, 1_000_000.0 + mono)


START, LATER = at(0), at(1000)


def tx_fact(tx_id: str = "T", seq: int = 0, phase: TxPhase = TxPhase.UPDATED, **more: Any) -> TxFact:
    values: dict[str, Any] = {
        "tx_id": tx_id,
        "seq": seq,
        "phase": phase,
        "trigger": Trigger.METER_VALUE_PERIODIC if phase is TxPhase.UPDATED else Trigger.AUTHORIZED,
        "at": at(0),
        "evse": 1,
        "connector": 1,
        "charging_state": ChargingState.CHARGING,
        "authorized": True,
        "connected": True,
    }
    return TxFact(**(values | more))


def status(evse: int, phase: ConnectorPhase, *, mono: float = 0.0, forced: bool = False) -> ConnectorNotice:
    occupied = ConnectorState.AVAILABLE if phase is ConnectorPhase.AVAILABLE else ConnectorState.OCCUPIED
    return ConnectorNotice(evse, 1, occupied, phase, at(mono), forced=forced)


@dataclass
class Disk:
    """What is durable: ops take effect in one step or not at all."""

    rows: dict[int, StoredRecord] = field(default_factory=dict)
    contexts: dict[str, StoredContext] = field(default_factory=dict)
    dead: dict[int, str] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)

    def commit(self, ops: Sequence[Op]) -> None:
        for op in ops:
            match op:
                case AddRecord(record, fact, tx_id):
                    self.rows[record] = StoredRecord(record, fact, tx_id, None, None, None, 0)
                case Freeze(record, version, action, payload):
                    assert self.rows[record].version is None, "frozen twice"
                    row = self.rows[record]
                    self.rows[record] = replace(row, version=version, action=action, payload=payload)
                case Attempted(record, attempts):
                    self.rows[record] = replace(self.rows[record], attempts=attempts)
                case Done(record):
                    del self.rows[record]
                    self.done.add(record)
                case Bury(record, why, _):
                    del self.rows[record]
                    self.dead[record] = why
                case PutContext(tx_id, version, data):
                    if data is None or version is None:
                        del self.contexts[tx_id]
                    else:
                        self.contexts[tx_id] = StoredContext(version, data)
                case _:
                    raise AssertionError(op)


class Desk:
    """A delivery with its disk; every op is committed at once."""

    def __init__(self, *, limit: int = 10_000, disk: Disk | None = None, hold_s: float = 0.0) -> None:
        self.disk = disk or Disk()
        self.resolve = dict(DIALECTS)
        self.queue = RecordQueue(self.resolve.get, limit)
        self.queue.load(list(self.disk.rows.values()), self.disk.contexts, at(0))
        self.delivery = Delivery(self.queue, NOBODY, policy=lambda: RetryPolicy(3, 10.0), hold_s=lambda: hold_s)
        self.next_id = max([*self.disk.rows, *self.disk.done, *self.disk.dead], default=0)

    def up(self, words: Any, now: Now = START, *, everything: bool = True) -> None:
        self.delivery.connected(words)
        self.delivery.accepted(now, everything=everything)

    def fact(self, fact: Fact, now: Now = START) -> int:
        self.next_id += 1
        tx_id = fact.tx_id if isinstance(fact, TxFact) else None
        self.disk.commit([AddRecord(self.next_id, to_json(fact), tx_id)])
        self.delivery.record(self.next_id, fact, now)
        return self.next_id

    def flush(self, now: Now) -> None:
        while ops := self.delivery.prepare(now):
            self.disk.commit(ops)
            self.delivery.committed()

    def send(self, now: Now = LATER) -> Any:
        self.flush(now)
        out = self.delivery.next(now)
        return None if out is None else (out.frame.action, out.frame.payload)

    def action(self, now: Now = LATER) -> str | None:
        sent = self.send(now)
        return None if sent is None else sent[0]


def test_questions_before_records_before_states_before_free_frames() -> None:
    desk = Desk()
    desk.up(NEW)
    desk.delivery.send(Frame("Report", {}))
    desk.delivery.notice(status(1, ConnectorPhase.PREPARING), at(0))
    desk.fact(tx_fact(phase=TxPhase.STARTED))
    desk.delivery.ask(Ask(7, TOKEN, 30.0), at(0))
    order = []
    for _ in range(4):
        order.append(desk.action())
        desk.delivery.answered({"status": "Accepted"})
    assert order == ["Authorize", "Started", "Status", "Report"]
    assert desk.action() is None


def test_one_call_at_a_time() -> None:
    desk = Desk()
    desk.up(NEW)
    desk.fact(tx_fact(phase=TxPhase.STARTED))
    desk.fact(tx_fact(seq=1))
    assert desk.action() == "Started"
    desk.delivery.ask(Ask(7, TOKEN, 30.0), at(0))
    assert desk.send() is None
    desk.delivery.answered({})
    assert desk.action() == "Authorize"


def test_nothing_is_sent_before_its_words_are_durable() -> None:
    desk = Desk()
    desk.up(NEW)
    desk.fact(tx_fact(phase=TxPhase.STARTED))
    ops = desk.delivery.prepare(at(0))
    assert [type(op) for op in ops] == [Freeze, PutContext]
    assert desk.delivery.next(at(0)) is None
    assert desk.delivery.prepare(at(0)) == ()
    desk.disk.commit(ops)
    desk.delivery.committed()
    out = desk.delivery.next(at(0))
    assert out is not None
    assert out.kind is Kind.RECORD


def test_an_answer_and_the_next_words_share_one_commit() -> None:
    desk = Desk()
    desk.up(OLD)
    desk.fact(tx_fact(phase=TxPhase.STARTED))
    desk.fact(tx_fact(seq=1))
    desk.send()
    events = desk.delivery.answered({"id": 0})
    assert events == (TokenReported("T", TOKEN, INFO),)
    assert [type(op) for op in desk.delivery.prepare(at(0))] == [Done, PutContext, Freeze]
    desk.delivery.committed()
    out = desk.delivery.next(at(0))
    assert out is not None
    assert out.frame.payload["id"] == 0, "0 may be a real transaction id"


def test_a_lost_link_costs_no_attempt_and_changes_no_word() -> None:
    desk = Desk()
    desk.up(NEW)
    record = desk.fact(tx_fact(phase=TxPhase.STARTED))
    first = desk.send()
    for _ in range(5):
        desk.delivery.disconnected()
        desk.up(NEW)
        assert desk.send() == first
    assert desk.disk.rows[record].attempts == 0
    again = Desk(disk=desk.disk)
    again.up(NEW)
    assert again.send() == first
    again.delivery.answered({})
    again.flush(at(0))
    assert not again.disk.rows


@pytest.mark.parametrize("how", ["refused", "timed_out"])
def test_attempts_are_counted_spaced_and_bounded(how: str) -> None:
    desk = Desk()
    desk.up(NEW)
    first = desk.fact(tx_fact(phase=TxPhase.STARTED))
    desk.fact(tx_fact(seq=1))
    desk.delivery.notice(status(1, ConnectorPhase.PREPARING), at(0))
    fail = {"refused": lambda now: desk.delivery.refused("no", now), "timed_out": desk.delivery.timed_out}[how]
    assert desk.action(at(0)) == "Started"
    fail(at(0))
    assert desk.action(at(0)) == "Status", "other kinds flow while the record waits"
    desk.delivery.answered({})
    assert desk.send(at(9.9)) is None, "later records wait for their turn"
    assert desk.delivery.deadline(at(9.9)) == 10.0
    assert desk.action(at(10)) == "Started"
    fail(at(10))
    assert desk.disk.rows[first].attempts == 1
    assert desk.send(at(29.9)) is None
    assert desk.disk.rows[first].attempts == 2
    assert desk.action(at(30)) == "Started"
    fail(at(30))
    assert desk.action(at(30)) == "Updated"
    assert "3 attempts" in desk.disk.dead[first]


def test_attempts_survive_a_restart() -> None:
    desk = Desk()
    desk.up(NEW)
    record = desk.fact(tx_fact(phase=TxPhase.STARTED))
    for mono in (0, 10):
        desk.send(at(mono))
        desk.delivery.timed_out(at(mono))
    desk.flush(at(11))
    again = Desk(disk=desk.disk)
    again.up(NEW)
    assert again.action(at(0)) == "Started"
    again.delivery.timed_out(at(0))
    again.flush(at(0))
    assert record in again.disk.dead


def test_without_its_start_a_transaction_goes_to_the_dead_letters_with_a_reason() -> None:
    desk = Desk()
    desk.up(OLD)
    records = [desk.fact(tx_fact(seq=n, phase=p)) for n, p in enumerate(TxPhase)]
    other = desk.fact(tx_fact("U", phase=TxPhase.STARTED))
    for mono in (0, 10, 30):
        desk.send(at(mono))
        desk.delivery.refused("InternalError", at(mono))
    assert desk.send(at(30)) == ("Started", {"tx": "U", "seq": 0, "offline": False, "id": None})
    assert set(desk.disk.dead) == set(records)
    assert "never took the start" in desk.disk.dead[records[2]]
    assert other in desk.disk.rows
    assert set(desk.disk.contexts) == {"U"}


def test_a_start_answered_without_an_id_loses_the_transaction_too() -> None:
    desk = Desk()
    desk.up(OLD)
    records = [desk.fact(tx_fact(seq=n, phase=p)) for n, p in enumerate(TxPhase)]
    desk.send()
    desk.delivery.answered_badly({"nonsense": 1}, "schema", at(0))
    assert desk.send() is None
    assert desk.disk.done == {records[0]}
    assert set(desk.disk.dead) == set(records[1:])


def early(tx_id: str = "T", seq: int = 0, phase: TxPhase = TxPhase.UPDATED, **more: Any) -> TxFact:
    """A fact that "old" has no words for."""
    return tx_fact(tx_id, seq, phase, authorized=False, **({"trigger": Trigger.CABLE_PLUGGED_IN} | more))


def test_facts_without_words_that_belong_to_no_transaction_are_done_at_once() -> None:
    desk = Desk()
    desk.up(OLD)
    security = desk.fact(SecurityFact("StartupOfTheDevice", at(0)))
    assert desk.send() is None
    assert desk.disk.done == {security}


def test_facts_before_the_first_words_wait_without_holding_up_others() -> None:
    desk = Desk()
    desk.up(OLD)
    before = [desk.fact(early(seq=n)) for n in range(2)]
    assert desk.send() is None
    assert set(desk.disk.rows) == set(before)
    assert not desk.disk.contexts
    assert not desk.queue.queued(), "nothing of it is a message in this version"
    assert desk.queue.pinned_versions() == set()
    desk.fact(tx_fact("U", phase=TxPhase.STARTED))
    assert desk.send()[1]["tx"] == "U"
    desk.delivery.answered({"id": 1})
    first = desk.fact(tx_fact(seq=2))
    ops = desk.delivery.prepare(at(0))
    assert ops[:2] == (Done(3), PutContext("U", "old", {"told": True, "id": 1}))
    words = {"tx": "T", "seq": 2, "offline": False, "id": None}
    assert ops[2:] == (
        Freeze(first, "old", "Updated", words),
        *(Done(record) for record in before),
        PutContext("T", "old", {"waiting": 2, "told": True}),
    ), "one commit"
    assert desk.queue.pinned_versions() == {"old"}


def test_a_transaction_that_never_has_words_leaves_nothing_behind() -> None:
    desk = Desk()
    desk.up(OLD)
    records = {desk.fact(early(seq=n, phase=phase)) for n, phase in enumerate(TxPhase)}
    assert desk.send() is None
    assert desk.disk.done == records
    assert not desk.disk.rows
    assert not desk.disk.contexts


@pytest.mark.parametrize("restart", [False, True])
def test_an_untold_transaction_goes_whole_into_the_version_that_comes_next(restart: bool) -> None:
    desk = Desk()
    desk.up(OLD)
    desk.fact(early(phase=TxPhase.STARTED))
    desk.fact(early("U", phase=TxPhase.STARTED))
    desk.fact(early(seq=1))
    assert desk.send() is None
    desk.delivery.disconnected()
    assert desk.queue.queued("T"), "whoever comes next may have words for it"
    if restart:
        desk = Desk(disk=desk.disk)
    desk.fact(tx_fact(seq=2))
    assert desk.queue.pinned_versions() == set()
    desk.up(NEW)
    told = []
    while (sent := desk.send()) is not None:
        assert sent[1]["offline"]
        told.append((sent[1]["tx"], sent[1]["seq"]))
        desk.delivery.answered({})
    assert told == [("T", 0), ("U", 0), ("T", 1), ("T", 2)]
    assert not desk.disk.rows
    assert {tx: context.data for tx, context in desk.disk.contexts.items()} == {tx: {"told": True} for tx in "TU"}


def test_the_same_version_again_sets_the_same_facts_aside() -> None:
    desk = Desk()
    desk.up(OLD)
    desk.fact(early(phase=TxPhase.STARTED))
    desk.fact(tx_fact("U", phase=TxPhase.STARTED))
    first = desk.send()
    desk.delivery.disconnected()
    desk.up(OLD)
    assert desk.send() == first, "the frozen one is next again, unchanged"
    desk.delivery.answered({"id": 1})
    desk.fact(tx_fact(seq=1))
    assert desk.send()[1]["seq"] == 1
    assert desk.disk.contexts["T"].data == {"waiting": 1, "told": True}, "each fact counted once"


def test_thinning_takes_only_periodic_readings_of_what_is_set_aside() -> None:
    desk = Desk(limit=20)
    desk.up(OLD)
    kept = [desk.fact(early(phase=TxPhase.STARTED)), desk.fact(early(seq=1))]
    readings = []
    for n in range(2, 22):
        readings.append(desk.fact(early(seq=n, trigger=Trigger.METER_VALUE_PERIODIC)))
        desk.flush(at(0))
    assert set(desk.disk.dead) == set(readings[1:6:2])
    desk.delivery.disconnected()
    assert len(desk.queue) == len(desk.disk.rows) == 19
    assert set(kept) <= set(desk.disk.rows)


def test_a_transaction_that_is_lost_before_it_was_told_is_buried_whole() -> None:
    class Forgetful(Words):
        def record(self, fact: Fact, context: Mapping[str, Any], now: Now, *, offline: bool) -> Rendered:
            if isinstance(fact, TxFact) and fact.seq == 1:
                return Rendered(None, {**context, LOST: True})
            return super().record(fact, context, now, offline=offline)

    desk = Desk()
    words: Any = Forgetful("old", needs_id=True)
    desk.resolve["old"] = words
    desk.up(words)
    records = [desk.fact(early(phase=TxPhase.STARTED))]
    desk.flush(at(0))
    records += [desk.fact(early(seq=1)), desk.fact(tx_fact(seq=2, phase=TxPhase.ENDED))]
    assert desk.send() is None
    assert set(desk.disk.dead) == set(records)
    assert not desk.disk.contexts
    assert not desk.queue.queued()


def test_one_untold_fact_that_nobody_can_word_does_not_hold_up_the_rest() -> None:
    words: Any = Speechless("old", needs_id=True)
    words.over = early(seq=1)
    desk = Desk()
    desk.resolve["old"] = words
    desk.up(words)
    first, bad = desk.fact(early(phase=TxPhase.STARTED)), desk.fact(words.over)
    assert desk.send() is None
    assert set(desk.disk.dead) == {bad}
    assert not desk.disk.contexts, "no version has told anything"
    desk.fact(tx_fact(seq=2))
    assert desk.send()[1]["seq"] == 2
    assert desk.disk.done == {first}


def test_an_untold_transaction_ends_also_when_nobody_can_word_its_end() -> None:
    words: Any = Speechless("old", needs_id=True)
    words.over = early(seq=1, phase=TxPhase.ENDED)
    desk = Desk()
    desk.up(words)
    first, bad = desk.fact(early(phase=TxPhase.STARTED)), desk.fact(words.over)
    assert desk.send() is None
    assert (desk.disk.done, set(desk.disk.dead)) == ({first}, {bad})
    assert not desk.disk.rows


def test_a_refused_security_event_is_not_repeated() -> None:
    desk = Desk()
    desk.up(NEW)
    record = desk.fact(SecurityFact("StartupOfTheDevice", at(0)))
    desk.send()
    desk.delivery.refused("InternalError", at(0))
    assert desk.send(at(0)) is None
    assert record in desk.disk.dead


def test_a_transaction_is_finished_in_the_version_it_began_in() -> None:
    desk = Desk()
    desk.up(OLD)
    desk.fact(tx_fact(phase=TxPhase.STARTED))
    desk.send()
    desk.delivery.answered({"id": 5})
    desk.flush(at(0))
    assert desk.queue.pinned_versions() == {"old"}
    desk.delivery.disconnected()
    desk.up(NEW)
    desk.fact(tx_fact(seq=1, phase=TxPhase.ENDED))
    desk.fact(tx_fact("U", phase=TxPhase.STARTED))
    assert desk.send() is None
    assert desk.queue.blocked_by("new") == "old"
    desk.delivery.notice(status(1, ConnectorPhase.FINISHING), at(0))
    assert desk.action() == "Status", "a blocked record holds nothing else up"
    desk.delivery.answered({})
    desk.delivery.disconnected()
    desk.up(OLD)
    assert desk.send() == ("Ended", {"tx": "T", "seq": 1, "offline": True, "id": 5})
    desk.delivery.answered({})
    desk.delivery.disconnected()
    assert desk.queue.pinned_versions() == set(), "what was never sent is rendered in whatever is connected"
    desk.up(NEW)
    assert desk.send() == ("Started", {"tx": "U", "seq": 0, "offline": True, "id": None})


def test_a_version_that_nobody_speaks_any_more_is_buried_at_start() -> None:
    disk = Disk()
    disk.commit([AddRecord(1, to_json(tx_fact(seq=1)), "T"), AddRecord(2, to_json(tx_fact("U")), "U")])
    disk.commit([Freeze(1, "0.9", "X", {}), PutContext("T", "0.9", {}), PutContext("U", "0.9", {})])
    disk.commit([AddRecord(3, {"fact": "riddle"}), AddRecord(4, to_json(tx_fact("V")), "V")])
    desk = Desk(disk=disk)
    assert desk.queue.pinned_versions() == set()
    desk.up(NEW)
    assert desk.send() == ("Updated", {"tx": "V", "seq": 0, "offline": True, "id": None})
    assert set(disk.dead) == {1, 2, 3}
    assert "0.9" in disk.dead[1]
    assert "0.9" in disk.dead[2]
    assert "unreadable" in disk.dead[3]


def test_an_operator_may_give_a_version_up() -> None:
    desk = Desk()
    desk.up(OLD)
    first = desk.fact(tx_fact(phase=TxPhase.STARTED))
    desk.send()
    desk.delivery.disconnected()
    assert desk.queue.abandon("old", "the CSMS speaks 1.6 no more", at(0)) == 1
    later = desk.fact(tx_fact(seq=1, phase=TxPhase.ENDED))
    assert desk.queue.pinned_versions() == set()
    desk.up(NEW)
    assert desk.send() is None
    assert set(desk.disk.dead) == {first, later}
    assert not desk.disk.contexts


def test_too_many_records_drop_every_second_periodic_reading_of_the_oldest_transaction() -> None:
    desk = Desk(limit=100)
    kept = [
        desk.fact(tx_fact(phase=TxPhase.STARTED)),
        desk.fact(tx_fact(seq=1, trigger=Trigger.CHARGING_STATE_CHANGED)),
    ]
    readings = [desk.fact(tx_fact(seq=n)) for n in range(2, 30)]
    kept.append(desk.fact(tx_fact(seq=30, phase=TxPhase.ENDED)))
    later = [desk.fact(tx_fact("U", seq=n)) for n in range(70)]
    desk.flush(at(0))
    assert set(desk.disk.dead) == set(readings[1::2][:11])
    assert all("more than 100" in why for why in desk.disk.dead.values())
    assert len(desk.queue) == len(desk.disk.rows) == 90
    assert set(kept) | set(later) <= set(desk.disk.rows)
    for n in range(70, 500):
        desk.fact(tx_fact("W", seq=n, phase=TxPhase.STARTED))
    desk.flush(at(0))
    assert not [record for record in desk.disk.dead if record in kept]


def test_nothing_overtakes_a_record_that_is_about_to_be_sent() -> None:
    """Finishing comes after StopTransaction, also while the words of the latter are being saved."""
    desk = Desk()
    desk.up(NEW)
    desk.delivery.notice(status(1, ConnectorPhase.FINISHING), at(0))
    desk.fact(tx_fact(phase=TxPhase.ENDED))
    ops = desk.delivery.prepare(at(0))
    assert desk.delivery.next(at(0)) is None
    desk.disk.commit(ops)
    desk.delivery.committed()
    assert desk.action() == "Ended"


def test_a_failing_disk_stops_records_only() -> None:
    desk = Desk()
    desk.up(NEW)
    desk.delivery.notice(status(1, ConnectorPhase.FINISHING), at(0))
    desk.fact(tx_fact(phase=TxPhase.ENDED))
    ops = desk.delivery.prepare(at(0))
    desk.queue.stalled()
    out = desk.delivery.next(at(0))
    assert out is not None
    assert out.kind is Kind.NOTICE
    desk.delivery.answered({})
    desk.disk.commit(ops)
    desk.delivery.committed()
    assert desk.action() == "Ended"


def test_a_backlog_does_not_starve_a_report() -> None:
    desk = Desk()
    desk.up(NEW)
    for n in range(10):
        desk.fact(tx_fact(seq=n))
    desk.delivery.send(Frame("Report", {}))
    sent = []
    for _ in range(6):
        sent.append(desk.action())
        desk.delivery.answered({})
    assert sent == ["Updated"] * 4 + ["Report", "Updated"]


def test_unsendable_words_are_given_up_at_once() -> None:
    desk = Desk()
    desk.up(NEW)
    record = desk.fact(tx_fact(phase=TxPhase.STARTED))
    desk.send()
    desk.delivery.unsendable("schema", at(0))
    desk.flush(at(0))
    assert record in desk.disk.dead


# --- questions ------------------------------------------------------------------------------------------------------


def test_questions_are_answered_exactly_once() -> None:
    desk = Desk()
    assert desk.delivery.ask(Ask(1, TOKEN, 30.0), at(0)) == (Unanswered(1),), "offline"
    desk.up(NEW)
    assert desk.delivery.ask(Ask(2, TOKEN, 30.0), at(0)) == ()
    assert desk.delivery.ask(Ask(3, TOKEN, 5.0), at(0)) == ()
    assert desk.send() == ("Authorize", {"idTag": TOKEN.value})
    assert desk.delivery.deadline(at(0)) == 5.0
    assert desk.delivery.expire(at(5)) == (Unanswered(3),)
    assert desk.delivery.answered({"status": "Blocked"}) == (Answered(2, TokenInfo(AuthStatus.BLOCKED)),)
    assert desk.send() is None
    desk.delivery.ask(Ask(4, TOKEN, 30.0), at(6))
    desk.send(at(6))
    assert desk.delivery.expire(at(30)) == (Unanswered(4),)
    assert desk.delivery.answered({"status": "Accepted"}) == (), "too late"
    desk.delivery.ask(Ask(5, TOKEN, 90.0), at(31))
    desk.send(at(31))
    assert desk.delivery.refused("no", at(31)) == (Unanswered(5),)
    desk.delivery.ask(Ask(6, TOKEN, 90.0), at(32))
    desk.send(at(32))
    assert desk.delivery.answered_badly({"status": "Accepted"}, "schema", at(32)) == (Unanswered(6),)
    desk.delivery.ask(Ask(7, TOKEN, 90.0), at(33))
    desk.send(at(33))
    assert desk.delivery.disconnected() == (Unanswered(7),)
    assert desk.delivery.disconnected() == ()


def test_every_second_reading_can_be_spared_oldest_transaction_first() -> None:
    readings = [Entry(n, tx_fact("AB"[n % 2], n), -1) for n in range(10)]
    readings[2].frame = Frame("Updated", {})
    assert [entry.record for entry in sparable(readings, 99)] == [4, 8, 3, 7]
    assert [entry.record for entry in sparable(readings, 3)] == [4, 8, 3]


# --- what a dialect cannot put into words -------------------------------------------------------------------------------


class Speechless(Words):
    """Stumbles over what `over` says."""

    over: Any = None

    def _look(self, what: object) -> None:
        if what == self.over:
            raise OSError("year 10000 is out of range")

    def record(self, fact: Fact, context: Mapping[str, Any], now: Now, *, offline: bool) -> Rendered:
        self._look(fact)
        return super().record(fact, context, now, offline=offline)

    def record_dropped(self, fact: Fact, context: Mapping[str, Any]) -> Mapping[str, Any]:
        self._look(fact)
        return super().record_dropped(fact, context)

    def ask(self, token: IdToken, services: Any) -> Frame:
        self._look(token)
        return super().ask(token, services)

    def notice(self, body: ConnectorNotice | MeterNotice, services: Any) -> list[Frame]:
        self._look(body)
        return super().notice(body, services)


@pytest.mark.parametrize("needs_id", [False, True])
def test_a_fact_without_words_becomes_a_dead_letter_and_the_next_goes_on(needs_id: bool) -> None:
    words: Any = Speechless("new", needs_id=needs_id)
    words.over = tx_fact(phase=TxPhase.STARTED)
    desk = Desk()
    desk.resolve["new"] = words
    desk.up(words)
    bad = desk.fact(words.over)
    desk.fact(tx_fact("U", phase=TxPhase.STARTED))
    assert desk.send()[1]["tx"] == "U"
    assert "new" in desk.disk.dead[bad]
    assert "year 10000 is out of range" in desk.disk.dead[bad]


def test_a_state_without_words_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    words: Any = Speechless("new", needs_id=False)
    words.over = status(1, ConnectorPhase.PREPARING)
    desk = Desk()
    desk.up(words)
    desk.delivery.notice(words.over, at(0))
    desk.delivery.notice(status(2, ConnectorPhase.PREPARING), at(0))
    assert desk.send()[1]["evse"] == 2
    assert "year 10000 is out of range" in caplog.text
    desk.delivery.answered({})
    assert desk.send() is None


def test_a_question_without_words_is_unanswered_at_once(caplog: pytest.LogCaptureFixture) -> None:
    words: Any = Speechless("new", needs_id=False)
    words.over = TOKEN
    desk = Desk()
    desk.up(words)
    desk.delivery.ask(Ask(7, TOKEN, 5_000.0), LATER)
    desk.delivery.ask(Ask(8, replace(TOKEN, value="OTHER"), 5_000.0), LATER)
    assert desk.send()[1]["idTag"] == "OTHER"
    assert "year 10000 is out of range" in caplog.text
    assert desk.delivery.deadline(LATER) < LATER.mono, "it is due at once"
    assert desk.delivery.expire(LATER) == (Unanswered(7),)


# --- frames that nobody keeps -------------------------------------------------------------------------------------------


def test_too_many_free_frames_push_out_the_oldest(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.up(NEW)
    heard: list[tuple[int, Any]] = []
    for number in range(FREE_LIMIT + 2):
        desk.delivery.send(Frame(f"F{number}", {}), lambda answer, number=number: heard.append((number, answer)))
    assert heard == [(0, None), (1, None)], "whoever waits learns that there is no answer"
    assert "F0" in caplog.text
    assert desk.action() == "F2"


def test_a_series_is_made_frame_by_frame_and_takes_turns() -> None:
    desk = Desk()
    desk.up(NEW)
    made: list[int] = []

    def series() -> Iterator[Frame]:
        for number in range(3):
            made.append(number)
            yield Frame(f"Part{number}", {})

    assert not desk.delivery.sending_series
    desk.delivery.send_series(series())
    assert desk.delivery.sending_series
    assert desk.action() == "Part0"
    assert made == [0, 1], "one ahead"
    desk.delivery.send(Frame("Triggered", {}))
    desk.delivery.answered({})
    assert desk.action() == "Triggered"
    desk.delivery.answered({})
    for number in range(6):
        desk.fact(tx_fact(seq=number))
    order = []
    for _ in range(8):
        order.append(desk.action())
        desk.delivery.answered({})
    assert order == ["Updated"] * 4 + ["Part1"] + ["Updated"] * 2 + ["Part2"]
    assert not desk.delivery.sending_series
    assert desk.action() is None


def test_series_wait_for_each_other_up_to_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.up(NEW)
    for number in range(MOST_SERIES + 1):
        assert desk.delivery.takes_series
        desk.delivery.send_series(iter([Frame(f"Series{number}", {})] * 2))
    assert not desk.delivery.takes_series
    desk.delivery.send_series(iter([Frame("OneTooMany", {})]))
    assert "a series is dropped" in caplog.text
    order = []
    while (action := desk.action()) is not None:
        order.append(action)
        desk.delivery.answered({})
    assert order == [f"Series{number}" for number in range(MOST_SERIES + 1) for _ in range(2)]
    desk.delivery.send_series(iter(()))
    assert not desk.delivery.sending_series
    assert desk.delivery.takes_series


def test_a_series_ends_with_the_link_and_with_a_mistake(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.up(NEW)
    desk.delivery.send_series(iter([Frame("Part0", {}), Frame("Part1", {})]))
    assert desk.action() == "Part0"
    desk.delivery.disconnected()
    desk.delivery.send_series(iter([Frame("Part0", {})]))
    assert not desk.delivery.sending_series, "nobody is there"
    desk.up(NEW)

    def broken() -> Iterator[Frame]:
        yield Frame("Part0", {})
        raise OSError("no more")

    desk.delivery.send_series(broken())
    assert desk.action() == "Part0"
    desk.delivery.answered({})
    desk.delivery.send(Frame("Triggered", {}))
    assert desk.action() == "Triggered"
    desk.delivery.answered({})
    assert desk.action() is None
    assert not desk.delivery.sending_series
    assert "no more" in caplog.text


# --- states ---------------------------------------------------------------------------------------------------------


def test_latest_state_wins_and_known_words_are_not_repeated() -> None:
    desk = Desk()
    desk.delivery.notice(status(1, ConnectorPhase.PREPARING), at(0))
    desk.delivery.notice(status(1, ConnectorPhase.CHARGING), at(1))
    desk.delivery.notice(status(2, ConnectorPhase.AVAILABLE), at(1))
    desk.up(NEW)
    assert desk.send()[1]["status"] == "Charging"
    desk.delivery.answered({})
    assert desk.send()[1]["status"] == "Available"
    desk.delivery.answered({})
    desk.delivery.notice(status(1, ConnectorPhase.CHARGING, mono=50), at(50))
    assert desk.send() is None, "only the timestamp differs"
    desk.delivery.notice(status(1, ConnectorPhase.CHARGING, mono=50, forced=True), at(50))
    assert desk.action() == "Status"


def test_after_a_short_break_only_what_changed_is_said() -> None:
    desk = Desk()
    desk.up(NEW)
    for evse in (1, 2, 3):
        desk.delivery.notice(status(evse, ConnectorPhase.AVAILABLE), at(0))
    for _ in range(3):
        assert desk.action() == "Status"
        desk.delivery.answered({})
    desk.delivery.notice(status(3, ConnectorPhase.PREPARING), at(1))
    desk.action()  # it is unknown whether this one arrives
    desk.delivery.disconnected()
    desk.delivery.notice(status(2, ConnectorPhase.PREPARING), at(2))
    desk.delivery.notice(status(3, ConnectorPhase.AVAILABLE), at(2))
    desk.up(NEW, everything=False)
    said = []
    while (sent := desk.send()) is not None:
        said.append((sent[1]["evse"], sent[1]["status"]))
        desk.delivery.answered({})
    assert said == [(2, "Preparing"), (3, "Available")]
    desk.delivery.disconnected()
    desk.up(NEW, everything=True)
    assert [desk.send()[1]["evse"], desk.delivery.answered({})] == [1, ()]


def test_another_version_hears_everything() -> None:
    desk = Desk()
    desk.up(NEW)
    desk.delivery.notice(status(1, ConnectorPhase.AVAILABLE), at(0))
    desk.send()
    desk.delivery.answered({})
    desk.delivery.disconnected()
    desk.up(OLD, everything=False)
    assert desk.action() == "Status"


def test_minimum_status_duration_swallows_what_does_not_last() -> None:
    desk = Desk(hold_s=5.0)
    desk.up(NEW)
    desk.delivery.notice(status(1, ConnectorPhase.AVAILABLE), at(0))
    assert desk.send(at(4.9)) is None
    assert desk.delivery.deadline(at(4.9)) == 5.0
    assert desk.send(at(5))[1]["status"] == "Available"
    desk.delivery.answered({})
    desk.delivery.notice(status(1, ConnectorPhase.PREPARING), at(6))
    desk.delivery.notice(status(1, ConnectorPhase.AVAILABLE), at(8))
    assert desk.send(at(20)) is None


def test_states_that_are_refused_or_unanswered() -> None:
    desk = Desk()
    desk.up(NEW)
    desk.delivery.notice(status(1, ConnectorPhase.AVAILABLE), at(0))
    desk.send()
    desk.delivery.refused("NotImplemented", at(0))
    assert desk.send() is None
    desk.delivery.notice(status(1, ConnectorPhase.PREPARING), at(0))
    for _ in range(2):
        assert desk.action() == "Status"
        desk.delivery.timed_out(at(0))
    assert desk.send() is None, "once more, not for ever"


def test_readings_outside_transactions_are_worth_nothing_offline() -> None:
    desk = Desk()
    desk.delivery.notice(MeterNotice(1, ()), at(0))
    desk.up(NEW)
    assert desk.send() is None
    desk.delivery.notice(MeterNotice(1, ()), at(0))
    assert desk.action() == "MeterValues"
    desk.delivery.answered({})
    desk.delivery.notice(MeterNotice(1, ()), at(60))
    assert desk.action() == "MeterValues", "the same words at another time are another reading"


def test_while_pending_only_what_the_csms_asked_for_is_sent() -> None:
    desk = Desk()
    desk.fact(tx_fact(phase=TxPhase.STARTED))
    desk.delivery.connected(NEW)
    desk.delivery.notice(status(1, ConnectorPhase.PREPARING), at(0))
    assert desk.send() is None
    desk.delivery.notice(status(1, ConnectorPhase.PREPARING, forced=True), at(0))
    assert desk.action() == "Status"
    desk.delivery.answered({})
    desk.delivery.send(Frame("Report", {}))
    assert desk.action() == "Report"


def test_a_notice_of_two_frames_is_acknowledged_as_a_whole() -> None:
    class Two(Words):
        def notice(self, body: ConnectorNotice | MeterNotice, services: Any) -> list[Frame]:
            return [Frame("A", {"status": key_of(body)}), Frame("B", {})]

    board, words = NoticeBoard(), cast("Any", Two("two", needs_id=False))
    board.put(status(1, ConnectorPhase.AVAILABLE), at(0), connected=True)
    board.link_up("two", at(0), everything=False)
    first = board.next(words, NOBODY, at(0))
    assert board.next(words, NOBODY, at(0)) is None
    board.answered()
    second = board.next(words, NOBODY, at(0))
    board.answered()
    assert first is not None
    assert second is not None
    assert (first.action, second.action) == ("A", "B")
    board.put(status(1, ConnectorPhase.AVAILABLE), at(0), connected=True)
    assert board.next(words, NOBODY, at(0)) is None


# --- the model ------------------------------------------------------------------------------------------------------


class Deliveries(RuleBasedStateMachine):
    """Facts, link losses, refusals, time-outs and power cuts in any order.

    Every record is in exactly one place; words never change; order holds; attempts are bounded; versions stay. A
    transaction is told in one version, whole; one of which nothing was told pins none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.disk = Disk()
        self.mono = 0.0
        self.cuts = 0
        self.ids = 0
        self.seqs: dict[str, int] = {}
        self.added: list[int] = []
        self.where: dict[tuple[str, int], int] = {}
        self.pending: tuple[Op, ...] = ()
        self.sent: list[int] = []
        self.words: dict[int, tuple[str, Any]] = {}
        self.failures: dict[int, int] = {}
        self.version_of: dict[str, str] = {}
        self.frozen: dict[str, str] = {}
        self.told: set[int] = set()
        self.heard: dict[str, int] = {}
        self.facts: dict[int, TxFact] = {}
        self.connected = ""
        self.start()

    def start(self) -> None:
        self.queue = RecordQueue(DIALECTS.get, 40)
        self.queue.load(list(self.disk.rows.values()), self.disk.contexts, self.now)
        self.delivery = Delivery(self.queue, NOBODY, policy=lambda: RetryPolicy(3, 10.0))
        self.pending = ()
        self.connected = ""
        self.sent = []

    @property
    def now(self) -> Now:
        return at(self.mono)

    @rule(tx=st.sampled_from("ABC"), kind=st.sampled_from(["go", "go", "end", "plug", "plug", "unplug", "security"]))
    def fact(self, tx: str, kind: str) -> None:
        self.ids += 1
        if kind == "security":
            fact: Fact = SecurityFact(f"S{self.ids}", self.now)
        else:
            seq = self.seqs.get(tx, 0)
            over = kind in ("end", "unplug")
            phase = TxPhase.ENDED if over else TxPhase.UPDATED if seq else TxPhase.STARTED
            name = f"{tx}{self.ids - seq if seq == 0 else self.seqs[tx + 'start']}"
            self.seqs[tx + "start"] = self.seqs.get(tx + "start", 0) if seq else self.ids - seq
            fact = tx_fact(name, seq, phase, authorized="plug" not in kind)
            self.seqs[tx] = 0 if over else seq + 1
            self.facts[self.ids] = fact
            self.where[(name, seq)] = self.ids
        tx_id = fact.tx_id if isinstance(fact, TxFact) else None
        self.disk.commit([AddRecord(self.ids, to_json(fact), tx_id)])
        self.added.append(self.ids)
        self.delivery.record(self.ids, fact, self.now)

    @rule(words=st.sampled_from([OLD, NEW]))
    def link_up(self, words: Any) -> None:
        pins = self.queue.pinned_versions()
        assert len(pins) <= 1
        version = next(iter(pins), words.version)
        self.delivery.disconnected()
        self.delivery.connected(DIALECTS[version])
        self.delivery.accepted(self.now, everything=False)
        self.connected = version
        self.sent = []

    @rule()
    def link_down(self) -> None:
        self.delivery.disconnected()
        self.connected = ""

    @rule(seconds=st.sampled_from([1.0, 10.0, 20.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.mono += seconds

    @rule()
    def prepare(self) -> None:
        if not self.pending:
            self.pending = self.delivery.prepare(self.now)

    @precondition(lambda self: self.pending)
    @rule()
    def commit(self) -> None:
        self.disk.commit(self.pending)
        for op in self.pending:
            if isinstance(op, Freeze):
                self.told.add(op.record)
                if op.record in self.facts:
                    assert self.frozen.setdefault(self.facts[op.record].tx_id, op.version) == op.version
        self.pending = ()
        self.delivery.committed()

    @precondition(lambda self: self.connected)
    @rule()
    def send(self) -> None:
        out = self.delivery.next(self.now)
        if out is None:
            return
        assert out.kind is Kind.RECORD
        payload = out.frame.payload
        record = self.where[(payload["tx"], payload["seq"])] if "tx" in payload else int(payload["kind"][1:])
        row = self.disk.rows[record]
        assert (row.version, row.action, row.payload) == (self.connected, out.frame.action, payload), "not saved first"
        assert self.words.setdefault(record, (self.connected, payload)) == (self.connected, payload), "words changed"
        assert not self.sent or record >= self.sent[-1], "order"
        self.sent.append(record)
        if "tx" in payload:
            seq = payload["seq"]
            assert self.heard.get(payload["tx"], 0) <= seq, "order within the transaction"
            self.heard[payload["tx"]] = seq
            assert self.version_of.setdefault(payload["tx"], self.connected) == self.connected, "version changed"

    @precondition(lambda self: self.delivery.in_flight)
    @rule(readable=st.booleans())
    def answer(self, readable: bool) -> None:
        self.delivery.answered({"id": 3} if readable else {})

    @precondition(lambda self: self.delivery.in_flight)
    @rule(refused=st.booleans())
    def fail(self, refused: bool) -> None:
        record = self.sent[-1]
        self.failures[record] = self.failures.get(record, 0) + 1
        assert self.failures[record] <= 3 + self.cuts, "attempts without bound"
        if refused:
            self.delivery.refused("InternalError", self.now)
        else:
            self.delivery.timed_out(self.now)

    @precondition(lambda self: self.connected)
    @rule(rounds=st.integers(1, 5))
    def flow(self, rounds: int) -> None:
        """As it goes on most days; the single steps above seldom line up so."""
        for _ in range(rounds):
            if self.delivery.in_flight:
                self.delivery.answered({"id": 3})
            self.prepare()
            if self.pending:
                self.commit()
            self.send()

    @rule()
    def power_cut(self) -> None:
        self.cuts += 1
        self.start()

    @invariant()
    def every_record_is_in_one_place(self) -> None:
        places = [set(self.disk.rows), self.disk.done, set(self.disk.dead)]
        assert sum(map(len, places)) == len(self.added)
        assert set().union(*places) == set(self.added)

    @invariant()
    def a_transaction_is_told_whole_in_one_version(self) -> None:
        silent = self.disk.done - self.told
        for record in silent & set(self.facts):
            fact = self.facts[record]
            assert self.frozen.get(fact.tx_id) != "new", "new has words for everything"
            assert not fact.authorized, "old has words for this"
            ended = any(f.tx_id == fact.tx_id and f.phase is TxPhase.ENDED for f in self.facts.values())
            assert ended or fact.tx_id in self.frozen, "done although it may still be told"

    @invariant()
    def what_was_never_told_pins_nothing(self) -> None:
        assert set(self.disk.contexts) <= set(self.frozen)
        if not self.pending:  # else the queue knows more than the disk
            assert set(self.queue.contexts()) <= set(self.frozen)

    def teardown(self) -> None:
        """However it went: with a CSMS that answers, everything finds its end when the transactions do."""
        self.power_cut()
        for tx in "ABC":
            if self.seqs.get(tx):
                self.fact(tx, "unplug")
        for _ in range(1000):
            if not self.disk.rows:
                break
            self.link_up(NEW)
            self.mono += 100.0
            self.prepare()
            if self.pending:
                self.commit()
            self.send()
            if self.delivery.in_flight:
                self.delivery.answered({"id": 3})
                self.prepare()
                self.commit()
        self.prepare()
        if self.pending:
            self.commit()
        assert not self.disk.rows
        self.every_record_is_in_one_place()


Deliveries.TestCase.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
TestDeliveries = Deliveries.TestCase
