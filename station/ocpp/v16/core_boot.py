"""BootNotification, Heartbeat, Reset and DataTransfer (sections 4.2, 4.3, 4.6, 5.6, 5.14)."""

from __future__ import annotations

import json
from typing import Any

from station.core.events import Reset
from station.core.types import ResetKind, Verdict
from station.ocpp.dialect import BootAnswer, Call, DialectSettings, Frame, Payload, Services, StationIdentity
from station.ocpp.v16.common import Handler, answer_status, wall_time


def boot(identity: StationIdentity) -> Frame:
    """BootNotification; texts are cut to the lengths of 6.3."""
    payload: Payload = {
        "chargePointVendor": identity.vendor[:20].rstrip(),
        "chargePointModel": identity.model[:20].rstrip(),
    }
    optional = (
        ("chargePointSerialNumber", identity.serial, 25),
        ("firmwareVersion", identity.firmware, 50),
        ("iccid", identity.iccid, 20),
        ("imsi", identity.imsi, 20),
        ("meterSerialNumber", identity.meter_serial, 25),
        ("meterType", identity.meter_type, 25),
    )
    payload.update({name: value[:length].rstrip() for name, value, length in optional if value})
    return Frame("BootNotification", payload)


def boot_answer(payload: Payload) -> BootAnswer:
    """An unknown status counts as Rejected, an unreadable interval as 0 (the station chooses), a bad time as none."""
    status = payload.get("status")
    interval = payload.get("interval")
    known = isinstance(interval, int | float) and not isinstance(interval, bool)
    return BootAnswer(
        status=status if status in {"Accepted", "Pending"} else "Rejected",
        interval_s=max(0.0, float(interval)) if known and interval is not None else 0.0,
        wall=wall_time(payload.get("currentTime")),
    )


def heartbeat() -> Frame:
    return Frame("Heartbeat", {})


def _reset(call: Call, services: Services, _settings: DialectSettings) -> None:
    kind = ResetKind(call.payload["type"])

    def done(verdict: Verdict) -> None:
        # 1.6 has no Scheduled: what the station will attempt is Accepted (7.41).
        answer_status(call, "Accepted" if verdict.status in {"Accepted", "Scheduled"} else "Rejected")

    services.command(lambda ref: Reset(ref, kind), done)


def _data_transfer(call: Call, services: Services, _settings: DialectSettings) -> None:
    asked = call.payload
    status, data = services.data_transfer(asked["vendorId"], asked.get("messageId"), asked.get("data"))
    answer: Payload = {"status": status}
    # 4.3: without an implementation of this vendor there is no data. 1.6 data is text.
    if data is not None and status not in {"UnknownVendorId", "UnknownMessageId"}:
        answer["data"] = _text(data)
    call.answer(answer)


def data_transfer(vendor: str, message: str | None, data: Any) -> Frame:
    """DataTransfer to the central system (4.3). Raises ValueError for a name over its length (cut, it would mean another)."""
    if len(vendor) > 255 or (message is not None and len(message) > 50):
        raise ValueError("vendorId has at most 255 characters, messageId at most 50")
    payload: Payload = {"vendorId": vendor}
    if message is not None:
        payload["messageId"] = message
    if data is not None:
        payload["data"] = _text(data)
    return Frame("DataTransfer", payload)


def _text(data: Any) -> str:
    return data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))


HANDLERS: dict[str, Handler] = {"DataTransfer": _data_transfer, "Reset": _reset}
