"""Block G: StatusNotification, Heartbeat, ChangeAvailability."""

from __future__ import annotations

from collections.abc import Mapping

from station.clock import Now, best_wall, iso
from station.core import events
from station.core.effects import ConnectorNotice
from station.ocpp.dialect import Call, Frame, Payload, Services
from station.ocpp.v201.fields import (
    ACCEPTED_REJECTED_SCHEDULED,
    Handler,
    read_address,
    read_time,
    status,
    verdict_status,
)


def heartbeat() -> Frame:
    """G02."""
    return Frame("Heartbeat", {})


def heartbeat_answer(payload: Payload) -> float | None:
    return read_time(payload.get("currentTime"))


def notice(body: ConnectorNotice, now: Now) -> list[Frame]:
    """G01. The station itself has no StatusNotification in 2.0.1, and CSMSs refuse EVSE 0."""
    if body.evse <= 0 or body.connector <= 0:
        return []
    payload: Payload = {
        "timestamp": iso(best_wall(body.since, now)),
        "connectorStatus": body.state.value,
        "evseId": body.evse,
        "connectorId": body.connector,
    }
    return [Frame("StatusNotification", payload)]


def change_availability(call: Call, services: Services) -> None:
    """G03 with an evse, G04 without. EVSE 0 is taken for the station too; it has no connectors of its own."""
    evse, connector = read_address(call.payload.get("evse"))
    operative = call.payload["operationalStatus"] == "Operative"
    if not evse and connector is not None:
        call.answer(status("Rejected", "UnknownEvse"))
        return
    services.command(
        lambda ref: events.ChangeAvailability(ref, operative, evse or 0, connector),
        lambda verdict: call.answer(verdict_status(verdict, ACCEPTED_REJECTED_SCHEDULED)),
    )


HANDLERS: Mapping[str, Handler] = {"ChangeAvailability": change_availability}
