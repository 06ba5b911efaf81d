"""Block E: TransactionEvent, its answer, GetTransactionStatus."""

from __future__ import annotations

from collections.abc import Mapping

from station.clock import Now, best_wall, iso
from station.core import events
from station.core.facts import TxFact
from station.core.types import StopReason, TxPhase
from station.ocpp.dialect import Call, Frame, Payload, Services
from station.ocpp.v201.authorization import id_token, read_token_info
from station.ocpp.v201.fields import Handler, address, cut, whole
from station.ocpp.v201.metering import meter_values

# The words of 1.6 for resets and unlocking have no twin. Local may be left out (E06), but two certification cases want to read it.
_STOPPED_REASONS: Mapping[StopReason, str] = {
    StopReason.HARD_RESET: StopReason.IMMEDIATE_RESET.value,
    StopReason.SOFT_RESET: StopReason.IMMEDIATE_RESET.value,
    StopReason.UNLOCK_COMMAND: StopReason.OTHER.value,
}


def event(fact: TxFact, now: Now, *, offline: bool) -> Frame:
    """TransactionEvent. `offline`: this is sent later than it happened because there was no link (E04, E11, E12)."""
    payload: Payload = {
        "eventType": fact.phase.value,
        "timestamp": iso(best_wall(fact.at, now)),
        "triggerReason": fact.trigger.value,
        "seqNo": fact.seq,  # E01.FR.07
        "transactionInfo": _info(fact),
    }
    if fact.offline or offline:
        payload["offline"] = True
    if fact.evse > 0:
        # E01.FR.16 asks for it once, the schema allows it always; Home Assistant books an event without it on EVSE 1.
        payload["evse"] = address(fact.evse, fact.connector if fact.connector > 0 else None)
    if fact.token is not None:
        payload["idToken"] = id_token(fact.token)  # E02, E03, E07: in the event that it belongs to
    for name, value in (
        ("numberOfPhasesUsed", fact.phases_used),
        ("cableMaxCurrent", whole(fact.cable_max_a)),
        ("reservationId", fact.reservation_id),
    ):
        if value is not None:
            payload[name] = value
    values = meter_values(fact.samples, now)
    if values:
        payload["meterValue"] = values
    return Frame("TransactionEvent", payload)


def answer(fact: TxFact, payload: Payload) -> tuple[events.Event, ...]:
    """E05, C10.FR.05: news about the token that the event carried. An answer without them is fine."""
    info = read_token_info(payload.get("idTokenInfo"))
    if fact.token is None or info is None:
        return ()
    return (events.TokenReported(fact.tx_id, fact.token, info),)


def get_transaction_status(call: Call, services: Services) -> None:
    """E14: without an id only whether anything is queued, with one also whether it runs."""
    tx_id = call.payload.get("transactionId")
    reply: Payload = {"messagesInQueue": services.queued(tx_id)}
    if tx_id is not None:
        reply["ongoingIndicator"] = services.view().transaction(tx_id) is not None
    call.answer(reply)


def _info(fact: TxFact) -> Payload:
    info: Payload = {"transactionId": cut(fact.tx_id, 36), "chargingState": fact.charging_state.value}
    seconds = whole(fact.seconds_charging)
    if seconds is not None:
        info["timeSpentCharging"] = seconds
    if fact.phase is TxPhase.ENDED and fact.stop_reason is not None:
        info["stoppedReason"] = _STOPPED_REASONS.get(fact.stop_reason, fact.stop_reason.value)
    if fact.remote_start_id is not None:
        info["remoteStartId"] = fact.remote_start_id  # F01, F02.FR.21
    return info


HANDLERS: Mapping[str, Handler] = {"GetTransactionStatus": get_transaction_status}
