"""LAW 5 as assertions over everything that a CSMS has ever seen of a station."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from station.clock import iso
from station.core.facts import TxFact
from station.core.types import StopReason, TxPhase
from station.ocpp.v16.transactions import REASONS
from station.sim.csms import SeenFrame

Payload = dict[str, Any]
ENERGY = "Energy.Active.Import.Register"


@dataclass(slots=True)
class Told:
    """One transaction as the CSMS was told, first tellings only. 1.6 has several `ids` when its start came twice."""

    name: str
    evse: int
    begin_wh: float | None = None
    end_wh: float | None = None
    ends: list[str] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    times: set[str] = field(default_factory=set)
    seqs: list[int] = field(default_factory=list)


def ids_never_repeat(frames: Iterable[SeenFrame]) -> None:
    """Message ids over the whole life of the station."""
    ids = Counter(frame.id for frame in frames if frame.is_call and not frame.sent)
    repeated = [name for name, count in ids.items() if count > 1]
    assert not repeated, f"message ids came again: {repeated}"


def repeats_are_identical(frames: Iterable[SeenFrame], actions: frozenset[str], losses: int) -> list[Payload]:
    """CALLs without their repetitions, which follow the first telling directly and are rarer than lost connections."""
    once: list[Payload] = []
    again = 0
    for frame in frames:
        if not frame.is_call or frame.sent or frame.action not in actions:
            continue
        call = {"action": frame.action, **frame.payload}
        if once and once[-1] == call:
            again += 1
        else:
            assert call not in once, f"came again, and not directly: {call}"
            once.append(call)
    assert again <= losses, f"{again} repetitions, but only {losses} connections were lost"
    return once


# --- OCPP 2.0.1 ---------------------------------------------------------------------------------------------------------


def told_201(frames: Sequence[SeenFrame], losses: int) -> dict[str, Told]:
    """Transactions by id. Raises AssertionError over whatever is out of order, repeated or different."""
    found: dict[str, Told] = {}
    for event in repeats_are_identical(frames, frozenset({"TransactionEvent"}), losses):
        name = event["transactionInfo"]["transactionId"]
        tx = found.get(name)
        if tx is None:
            tx = found[name] = Told(name, event["evse"]["id"])
            assert event["eventType"] == "Started", f"{name} begins with {event['eventType']}"
        assert event["seqNo"] == len(tx.seqs), f"{name}: seqNo {event['seqNo']} after {tx.seqs}"
        assert not tx.ends, f"{name}: told of after its end"
        tx.seqs.append(event["seqNo"])
        for element in event.get("meterValue", ()):
            _register(tx, element)
        if event["eventType"] == "Ended":
            tx.ends.append(event["transactionInfo"].get("stoppedReason", "Local"))
    return found


def _register(tx: Told, element: Payload) -> None:
    for value in element["sampledValue"]:
        if value.get("measurand", ENERGY) != ENERGY:
            continue
        if value.get("context") == "Transaction.Begin":
            tx.begin_wh = float(value["value"])
        elif value.get("context") == "Transaction.End":
            tx.end_wh = float(value["value"])


# --- OCPP 1.6 -----------------------------------------------------------------------------------------------------------

_ACTIONS_16 = frozenset({"StartTransaction", "MeterValues", "StopTransaction"})


def told_16(frames: Sequence[SeenFrame], losses: int) -> dict[str, Told]:
    """Transactions by "connector/timestamp of the start"; the same demands as of 2.0.1."""
    repeats_are_identical(frames, _ACTIONS_16, losses)
    answers = {f.id: f.payload for f in frames if f.sent and f.kind == 3 and isinstance(f.payload, dict)}
    given = {f.id: _given(f, answers) for f in frames if f.is_call and f.action == "StartTransaction"}
    found: dict[str, Told] = {}
    by_id: dict[int, Told] = {}
    stops: dict[str, Payload] = {}
    for frame in frames:
        if not frame.is_call or frame.sent or frame.action not in _ACTIONS_16:
            continue
        call = frame.payload
        if frame.action == "StartTransaction":
            name = f"{call['connectorId']}/{call['timestamp']}"
            tx = found.setdefault(name, Told(name, call["connectorId"], float(call["meterStart"])))
            csms_id = given[frame.id]
            if csms_id is not None:
                tx.ids.append(csms_id)
                by_id[csms_id] = tx
        elif "transactionId" in call:
            assert call["transactionId"] in by_id, f"{frame.action} of transaction {call['transactionId']}: not given"
            tx = by_id[call["transactionId"]]
            assert call["transactionId"] == tx.ids[-1], f"{frame.action} with an id that was superseded"
            _told_16(tx, call, stops)
    return found


def _given(frame: SeenFrame, answers: Mapping[str | None, Payload]) -> int | None:
    """The transactionId in the answer to a start; None when there was none, or none that could be one."""
    given = answers.get(frame.id, {}).get("transactionId")
    return given if isinstance(given, int) else None


def _told_16(tx: Told, call: Payload, stops: dict[str, Payload]) -> None:
    if "meterStop" not in call:
        assert not tx.ends, f"{tx.name}: MeterValues after its end"
        tx.times |= {element["timestamp"] for element in call["meterValue"]}
    elif tx.name not in stops:
        stops[tx.name] = call
        tx.ends.append(call.get("reason", "Local"))
        tx.end_wh = float(call["meterStop"])
    elif stops[tx.name] != call:
        tx.ends.append(call.get("reason", "Local"))


# --- both ---------------------------------------------------------------------------------------------------------------


def energy_is_whole(
    told: Iterable[Told], before: Mapping[int, float], after: Mapping[int, float], slack: float
) -> None:
    """What the transactions were told to have drawn is what the meters counted, without a gap in between."""
    at = dict(before)
    for tx in told:
        assert tx.end_wh is not None, f"{tx.name} was never closed"
        if tx.begin_wh is not None:
            assert abs(tx.begin_wh - at[tx.evse]) <= slack, f"{tx.name} begins at {tx.begin_wh}, not at {at[tx.evse]}"
        else:
            assert abs(tx.end_wh - at[tx.evse]) <= slack, f"{tx.name}: energy without a beginning"
        at[tx.evse] = tx.end_wh
    for evse, register in after.items():
        assert abs(at[evse] - register) <= slack, f"EVSE {evse}: told up to {at[evse]}, the meter says {register}"


def reason_word(reason: StopReason, version: str) -> str:
    """The stop reason as this version says it."""
    return (REASONS[reason] or "Local") if version == "1.6" else reason.value


def start_16(facts: Sequence[TxFact]) -> TxFact | None:
    """The fact at which a transaction exists for 1.6: authorised and plugged, before its end."""
    for fact in sorted(facts, key=lambda f: f.seq):
        if fact.phase is not TxPhase.ENDED and fact.authorized and fact.connected and fact.tx_token is not None:
            return fact
    return None


def name_16(start: TxFact) -> str:
    """How `told_16` calls the transaction that this fact starts."""
    return f"{start.evse}/{iso(start.at.wall)}"


def everything_told(facts: Sequence[TxFact], told: Mapping[str, Told], version: str) -> None:
    """Every durable fact of every transaction has reached the CSMS, and every transaction was closed once."""
    by_tx: dict[str, list[TxFact]] = {}
    for fact in facts:
        by_tx.setdefault(fact.tx_id, []).append(fact)
    for tx_id, of_tx in by_tx.items():
        if version == "1.6":
            start = start_16(of_tx)
            if start is None:
                continue
            assert name_16(start) in told, f"{tx_id} is durable, and its start was never told"
            tx = told[name_16(start)]
            wanted = {
                iso(s.at.wall) for f in of_tx if f.phase is TxPhase.UPDATED and f.seq > start.seq for s in f.samples
            }
            assert wanted <= tx.times, f"{tx_id}: readings lost: {sorted(wanted - tx.times)}"
        else:
            assert tx_id in told, f"{tx_id} is durable and was never told"
            tx = told[tx_id]
            missing = {fact.seq for fact in of_tx} - set(tx.seqs)
            assert not missing, f"{tx_id}: facts lost: {sorted(missing)}"
        assert len(tx.ends) == 1, f"{tx_id} ended {len(tx.ends)} times: {tx.ends}"
