"""TriggerMessage (section 5.17). The answer always leaves before the message that it announces."""

from __future__ import annotations

from collections.abc import Callable

from station.core.events import Event, TriggerMeterValues, TriggerStatus
from station.ocpp.dialect import Call, DialectSettings, Services
from station.ocpp.v16.common import Handler, accepted_or_rejected, answer_status, knows_connector


def requested(call: Call, services: Services, settings: DialectSettings) -> None:
    """Answer, and have sent what was asked for."""
    requested = call.payload["requestedMessage"]
    match requested:
        # Where a connectorId is not relevant, it is ignored and the message is sent nevertheless.
        case "BootNotification":
            # Accepted also when the CSMS knows us: a CSMS that has restarted waits for exactly this. (2.x refuses.)
            answer_status(call, "Accepted")
            services.trigger_boot(force=True)
        case "Heartbeat":
            answer_status(call, "Accepted")
            services.trigger_heartbeat()
        case "MeterValues":
            _for_connector(call, services, settings, TriggerMeterValues)
        case "StatusNotification":
            _for_connector(call, services, settings, TriggerStatus)
        case _:
            # Diagnostics and firmware: the profiles that these messages belong to are not ours (yet).
            answer_status(call, "NotImplemented")


def _for_connector(
    call: Call, services: Services, settings: DialectSettings, command: Callable[[int, int | None], Event]
) -> None:
    """Absent connectorId: all of them; 0: the station itself. TC_055: an unknown one is Rejected."""
    connector = call.payload.get("connectorId")
    if connector is not None and connector != 0 and not knows_connector(settings, connector):
        answer_status(call, "Rejected")
        return
    # The core's reply leaves before the notices that it announces.
    services.command(lambda ref: command(ref, connector), accepted_or_rejected(call))


HANDLERS: dict[str, Handler] = {"TriggerMessage": requested}
