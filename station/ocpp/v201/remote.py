"""Block F: RequestStartTransaction, RequestStopTransaction, UnlockConnector, TriggerMessage."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from station.core import events
from station.core.charging.policy import RULES_201
from station.core.charging.profiles import Profile, ProfileError, Purpose
from station.core.types import Verdict
from station.core.view import StationView
from station.ocpp.dialect import Call, Payload, Services
from station.ocpp.v201 import certificates, charging, files
from station.ocpp.v201.authorization import read_token
from station.ocpp.v201.fields import ACCEPTED_OR_REJECTED, Handler, cut, read_address, status, verdict_status

_UNLOCK = frozenset({"Unlocked", "UnlockFailed", "OngoingAuthorizedTransaction", "UnknownConnector"})
_TRIGGER = frozenset({"Accepted", "Rejected", "NotImplemented"})


def request_start(call: Call, services: Services) -> None:
    """F01, F02. The core judges EVSE, reservation and running transactions."""
    payload = call.payload
    token = read_token(payload["idToken"])
    if services.registration() != "Accepted":
        call.answer(status("Rejected", "CSNotAccepted"))  # B02.FR.05
    elif token is None:
        call.answer(status("Rejected", "InvalidIdToken"))
    elif payload.get("evseId") == 0:
        call.answer(status("Rejected", "UnknownEvse"))  # an evseId is greater than 0
    else:
        try:
            profile = _profile(payload, services)
        except ProfileError as error:
            call.answer(charging.refused(error))  # K05.FR.05
            return
        group = read_token(payload.get("groupIdToken"))
        services.command(
            lambda ref: events.RemoteStart(
                ref,
                token,
                remote_start_id=payload["remoteStartId"],
                evse=payload.get("evseId"),
                group=group if group is not None and group.value else None,
                profile=profile,
                rules=RULES_201,
            ),
            lambda verdict: call.answer(_start_answer(verdict)),
        )


def request_stop(call: Call, services: Services) -> None:
    """F03."""
    if services.registration() != "Accepted":
        call.answer(status("Rejected", "CSNotAccepted"))  # B02.FR.05
        return
    tx_id = call.payload["transactionId"]
    services.command(
        lambda ref: events.RemoteStop(ref, tx_id),
        lambda verdict: call.answer(verdict_status(verdict, ACCEPTED_OR_REJECTED)),
    )


def unlock_connector(call: Call, services: Services) -> None:
    """F05: an authorised transaction keeps its connector locked (F05.FR.02)."""
    evse, connector = call.payload["evseId"], call.payload["connectorId"]
    services.command(
        lambda ref: events.Unlock(ref, evse, connector),
        lambda verdict: call.answer(verdict_status(verdict, _UNLOCK, "UnlockFailed")),
    )


def trigger_message(call: Call, services: Services) -> None:
    """F06: the answer leaves first, the message follows (F06.FR.04)."""
    trigger = _TRIGGERS.get(call.payload["requestedMessage"])
    if trigger is None:
        call.answer(status("NotImplemented"))  # F06.FR.08
    else:
        trigger(call, services)


def _trigger_boot(call: Call, services: Services) -> None:
    if services.registration() == "Accepted":
        call.answer(status("Rejected"))  # F06.FR.17
        return
    call.answer(status("Accepted"))
    services.trigger_boot()


def _trigger_heartbeat(call: Call, services: Services) -> None:
    call.answer(status("Accepted"))
    services.trigger_heartbeat()


def _trigger_status(call: Call, services: Services) -> None:
    """F06.FR.12 would let us refuse a request without connector; we tell all that it may mean (F06.FR.11)."""
    evse, connector = read_address(call.payload.get("evse"))
    if evse is not None and not _knows(services.view(), evse):
        call.answer(status("Rejected", "UnknownEvse"))
    elif evse is not None and connector is not None and not _has_connector(services, evse, connector):
        call.answer(status("Rejected", "UnknownConnectorId"))
    else:
        _pass_on(call, services, lambda ref: events.TriggerStatus(ref, evse))


def _trigger_meter_values(call: Call, services: Services) -> None:
    """EVSE 0 is the main meter (J01)."""
    evse, _ = read_address(call.payload.get("evse"))
    if evse and not _knows(services.view(), evse):
        call.answer(status("Rejected", "UnknownEvse"))
    else:
        _pass_on(call, services, lambda ref: events.TriggerMeterValues(ref, evse))


def _trigger_transaction(call: Call, services: Services) -> None:
    """F06.FR.10: what is accepted must be sent, so without a transaction we refuse."""
    evse, _ = read_address(call.payload.get("evse"))
    view: StationView = services.view()
    if evse is not None and not _knows(view, evse):
        call.answer(status("Rejected", "UnknownEvse"))
    elif not any(one.transaction is not None for one in view.evses if evse is None or one.evse == evse):
        call.answer(status("Rejected", "TxNotFound"))
    else:
        _pass_on(call, services, lambda ref: events.TriggerTransaction(ref, evse))


def _pass_on(call: Call, services: Services, make: Callable[[int], events.Event]) -> None:
    services.command(make, lambda verdict: call.answer(verdict_status(verdict, _TRIGGER)))


def _knows(view: StationView, evse: int) -> bool:
    return any(one.evse == evse for one in view.evses)


def _has_connector(services: Services, evse: int, connector: int) -> bool:
    view: StationView = services.view()
    known: bool = services.model.has_component("Connector", evse=evse, connector=connector)
    return known or view.evse(evse).connector == connector


def _profile(payload: Payload, services: Services) -> Profile | None:
    """The profile for a transaction that does not exist yet (K05). Raises ProfileError; the core judges the rest."""
    wire = payload.get("chargingProfile")
    if wire is None or not charging.enabled(services.model):
        return None  # F01.FR.12, K05.FR.04
    profile = charging.read_wire(wire, services.model)
    # F01, F02.FR.17, FR.19
    if profile.purpose is not Purpose.TX:
        raise ProfileError("chargingProfilePurpose", "must be TxProfile")  # K05.FR.02
    if profile.tx_id is not None:
        raise ProfileError("transactionId", "must be left out: the transaction is to come")
    return profile


def _start_answer(verdict: Verdict) -> Payload:
    answer = verdict_status(verdict, ACCEPTED_OR_REJECTED)
    tx_id = verdict.data.get("transactionId")
    if answer["status"] == "Accepted" and isinstance(tx_id, str):
        answer["transactionId"] = cut(tx_id, 36)  # F01: the transaction runs already
    return answer


_TRIGGERS: Mapping[str, Handler] = {
    "BootNotification": _trigger_boot,
    "Heartbeat": _trigger_heartbeat,
    "MeterValues": _trigger_meter_values,
    "StatusNotification": _trigger_status,
    "TransactionEvent": _trigger_transaction,
    **certificates.TRIGGERS,
    **files.TRIGGERS,
}

HANDLERS: Mapping[str, Handler] = {
    "RequestStartTransaction": request_start,
    "RequestStopTransaction": request_stop,
    "UnlockConnector": unlock_connector,
    "TriggerMessage": trigger_message,
}
