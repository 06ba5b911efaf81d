"""Facts of a transaction as StartTransaction, MeterValues and StopTransaction (sections 4.7, 4.8, 4.10).

The core opens its transaction at TxStartPoint, which may be the plug or the bay; 1.6 knows a transaction only once the
driver is authorised and the car is plugged. So StartTransaction is written at the first fact where both hold, earlier
facts have no words, and StopTransaction is written at the end.

The context (kept by the shell, one JSON object per transaction) is `TxContext`. The shell sends the facts of a
transaction strictly in order, so the CSMS's transactionId is known before the first MeterValues is written. When the
start was given up (`record_dropped`), or was answered without an id, the transaction is lost for 1.6: the context says
`"lost": true`, later facts have no words and belong into the dead-letter table. transactionId is never invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from station.clock import Now, best_wall, iso
from station.core.events import TokenReported
from station.core.facts import TxFact, token_from_json, token_to_json
from station.core.types import IdToken, ReadingContext, StopReason, Trigger, TxPhase
from station.ocpp.dialect import FactAnswer, Frame, Payload, Rendered
from station.ocpp.v16.common import id_tag, token_info
from station.ocpp.v16.metering import meter_values

REASONS = {
    StopReason.DE_AUTHORIZED: "DeAuthorized",
    StopReason.EMERGENCY_STOP: "EmergencyStop",
    StopReason.ENERGY_LIMIT_REACHED: "Other",
    StopReason.EV_DISCONNECTED: "EVDisconnected",
    StopReason.GROUND_FAULT: "Other",
    StopReason.IMMEDIATE_RESET: "Reboot",
    StopReason.LOCAL: None,
    StopReason.MASTER_PASS: "Other",
    StopReason.OTHER: "Other",
    StopReason.OVERCURRENT_FAULT: "Other",
    StopReason.POWER_LOSS: "PowerLoss",
    StopReason.POWER_QUALITY: "Other",
    StopReason.REBOOT: "Reboot",
    StopReason.REMOTE: "Remote",
    StopReason.STOPPED_BY_EV: "Other",
    StopReason.TIMEOUT: "Other",
    StopReason.HARD_RESET: "HardReset",
    StopReason.SOFT_RESET: "SoftReset",
    StopReason.UNLOCK_COMMAND: "UnlockCommand",
}
"""1.6 Reason of every stop reason; None: omitted, which 4.10 reads as Local."""


@dataclass(frozen=True, slots=True)
class TxContext:
    """What 1.6 remembers of a transaction.

    started: StartTransaction was written, at fact `start_seq`, with `id_tag`, `meter_start` (Wh) and the time `begun`.
    base_wh: what meterStart left out: 0, or, when no register was known at the start (meterStart says 0), the first
        one known since. meterStop is counted from it, lest the whole register be billed.
    csms_id: the transactionId of its answer, None until then; 0 may be a real one.
    stop_token: [value, kind] of the token presented to stop, when that was told before the end.
    lost: the CSMS never heard of the start, and never will. The shell may put its own reason there, as text.
    """

    started: bool = False
    csms_id: int | None = None
    id_tag: str | None = None
    meter_start: int | None = None
    begun: str = ""
    base_wh: float | None = None
    start_seq: int | None = None
    stop_token: list[str] | None = None
    lost: bool | str = False

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> TxContext:
        """From JSON; unknown keys, written by a later version of this program, are ignored."""
        return cls(**{name: saved[name] for name in cls.__slots__ if name in saved})

    def dump(self) -> dict[str, Any]:
        return asdict(self)


def record(fact: TxFact, context: Mapping[str, Any], now: Now) -> Rendered:
    """Words for one fact. The same fact and context give the same frame, also with the context that it returned."""
    tx = TxContext.load(context)
    if tx.lost:
        return Rendered(None, tx.dump())
    if not tx.started or (tx.csms_id is None and fact.seq == tx.start_seq):
        return _start(fact, tx, now)
    if tx.base_wh is None:
        tx = replace(tx, base_wh=fact.register_wh)
    if tx.csms_id is None:
        # Asked out of order: the start is still unanswered. Better a dead letter than an invented id.
        return Rendered(None, replace(tx, lost=True).dump())
    if fact.phase is TxPhase.ENDED:
        return Rendered(_stop(fact, tx, tx.csms_id, now), tx.dump())
    values = meter_values(fact.samples, fact.evse, now)
    payload: Payload = {"connectorId": fact.evse, "transactionId": tx.csms_id, "meterValue": values}
    return Rendered(Frame("MeterValues", payload) if values else None, _remember_stop(fact, tx).dump())


def record_answer(fact: TxFact, context: Mapping[str, Any], payload: Mapping[str, Any]) -> FactAnswer:
    """What the CSMS's answer means: the transactionId of a start, news about a token of a start or a stop."""
    tx = TxContext.load(context)
    if not tx.started or tx.lost:
        return FactAnswer(tx.dump())
    if tx.csms_id is None:
        csms_id = _integer(payload.get("transactionId"))
        tx = replace(tx, csms_id=csms_id, lost=csms_id is None)
        return FactAnswer(tx.dump(), _reported(fact, fact.tx_token, payload))
    if fact.phase is TxPhase.ENDED:
        return FactAnswer(tx.dump(), _reported(fact, _stop_token(fact, tx) or fact.tx_token, payload))
    return FactAnswer(tx.dump())


def record_dropped(fact: TxFact, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attempts for a fact are spent. Without its start a transaction is lost; other messages are missed singly."""
    tx = TxContext.load(context)
    if tx.started and tx.csms_id is None and fact.seq == tx.start_seq:
        tx = replace(tx, lost=True)
    return tx.dump()


def finished(fact: TxFact) -> bool:
    return fact.phase is TxPhase.ENDED


def _start(fact: TxFact, tx: TxContext, now: Now) -> Rendered:
    if fact.phase is TxPhase.ENDED or not (fact.authorized and fact.connected) or fact.tx_token is None:
        return Rendered(None, tx.dump())
    known = fact.register_wh is not None
    meter_start = _register(fact.register_wh or 0.0)
    payload: Payload = {
        "connectorId": fact.evse,
        "idTag": id_tag(fact.tx_token),
        "meterStart": meter_start,
        "timestamp": iso(best_wall(fact.at, now)),
    }
    if fact.reservation_id is not None:
        payload["reservationId"] = fact.reservation_id
    started = replace(
        tx,
        started=True,
        id_tag=payload["idTag"],
        meter_start=meter_start,
        begun=payload["timestamp"],
        base_wh=0.0 if known else None,
        start_seq=fact.seq,
    )
    return Rendered(Frame("StartTransaction", payload), started.dump())


def _since(begun: str, data: list[Payload]) -> list[Payload]:
    """Readings of the 1.6 transaction among those of the core's, which may have begun hours earlier with the plug.

    No energy flows before the driver is authorised, so the reading of the core's beginning is that of ours.
    """
    kept = []
    for element in data:
        if element["timestamp"] >= begun:  # one format, so texts compare as times
            kept.append(element)
        elif element["sampledValue"][0]["context"] == ReadingContext.TRANSACTION_BEGIN.value:
            kept.append({**element, "timestamp": begun})
    return kept


def _meter_stop(fact: TxFact, tx: TxContext) -> int:
    if fact.register_wh is None:
        return tx.meter_start or 0
    return _register(fact.register_wh - (tx.base_wh or 0.0))


def _register(wh: float) -> int:
    """Whole Wh. Negative registers exist (a meter being reset) and are refused by one CSMS library."""
    return max(0, round(wh))


def _stop(fact: TxFact, tx: TxContext, csms_id: int, now: Now) -> Frame:
    payload: Payload = {
        "transactionId": csms_id,
        "meterStop": _meter_stop(fact, tx),
        "timestamp": iso(best_wall(fact.at, now)),
    }
    reason = REASONS[fact.stop_reason] if fact.stop_reason is not None else None
    if reason is not None:
        payload["reason"] = reason
    token = _stop_token(fact, tx)
    if token is not None:
        payload["idTag"] = id_tag(token)
    data = _since(tx.begun, meter_values(fact.samples, fact.evse, now))
    if data:
        payload["transactionData"] = data
    return Frame("StopTransaction", payload)


def _remember_stop(fact: TxFact, tx: TxContext) -> TxContext:
    """The card that ends a charge is told when it is presented, which may be before the core's transaction ends."""
    if fact.trigger is Trigger.STOP_AUTHORIZED and fact.token is not None:
        return replace(tx, stop_token=token_to_json(fact.token))
    if fact.trigger is Trigger.AUTHORIZED:
        return replace(tx, stop_token=None)
    return tx


def _stop_token(fact: TxFact, tx: TxContext) -> IdToken | None:
    """Who stopped it with an identifier; a token that a fact introduces for another reason does not count."""
    presented = fact.token if fact.trigger is Trigger.STOP_AUTHORIZED else None
    return presented if presented is not None else token_from_json(tx.stop_token)


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _reported(fact: TxFact, token: IdToken | None, payload: Mapping[str, Any]) -> tuple[TokenReported, ...]:
    info = token_info(payload)
    if info is None or token is None:
        return ()
    return (TokenReported(fact.tx_id, token, info),)
