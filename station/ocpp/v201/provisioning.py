"""Block B, the life of the station: BootNotification (B01-B03) and Reset (B11, B12); also `variables`, `reports`."""

from __future__ import annotations

from collections.abc import Mapping

from station.core import events
from station.core.types import ResetKind
from station.ocpp.dialect import BootAnswer, Call, Frame, Payload, Services, StationIdentity
from station.ocpp.v201.fields import ACCEPTED_REJECTED_SCHEDULED, Handler, cut, read_time, verdict_status

_REASONS = frozenset(
    {
        "ApplicationReset",
        "FirmwareUpdate",
        "LocalReset",
        "PowerUp",
        "RemoteReset",
        "ScheduledReset",
        "Triggered",
        "Unknown",
        "Watchdog",
    }
)
_REGISTRATION = frozenset({"Accepted", "Pending", "Rejected"})


def boot(identity: StationIdentity, reason: str) -> Frame:
    """BootNotification; a reason that 2.0.1 has no word for becomes Unknown (B01.FR.03)."""
    station: Payload = {"vendorName": cut(identity.vendor, 50), "model": cut(identity.model, 20)}
    if identity.serial:
        station["serialNumber"] = cut(identity.serial, 25)
    if identity.firmware:
        station["firmwareVersion"] = cut(identity.firmware, 50)
    modem = {
        name: cut(value, 20)
        for name, value in (("iccid", identity.iccid), ("imsi", identity.imsi))
        if value is not None
    }
    if modem:
        station["modem"] = modem
    return Frame(
        "BootNotification", {"reason": reason if reason in _REASONS else "Unknown", "chargingStation": station}
    )


def boot_answer(payload: Payload) -> BootAnswer:
    """What cannot be read counts as Rejected with our own waiting time (B02.FR.07): we ask again."""
    status = payload.get("status")
    interval = payload.get("interval")
    usable = isinstance(interval, int | float) and not isinstance(interval, bool) and interval > 0
    return BootAnswer(
        status=status if isinstance(status, str) and status in _REGISTRATION else "Rejected",
        interval_s=float(interval) if usable and interval is not None else 0.0,
        wall=read_time(payload.get("currentTime")),
    )


def reset(call: Call, services: Services) -> None:
    """B11, B12. Without evseId the whole station; so with 0, which is no EVSE."""
    kind = ResetKind(call.payload["type"])
    evse = call.payload.get("evseId", 0)
    services.command(
        lambda ref: events.Reset(ref, kind, evse),
        lambda verdict: call.answer(verdict_status(verdict, ACCEPTED_REJECTED_SCHEDULED)),
    )


HANDLERS: Mapping[str, Handler] = {"Reset": reset}
