"""Block P: DataTransfer in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from station.ocpp.dialect import Call, Frame, Payload, Services
from station.ocpp.v201.fields import Handler

_STATUSES = frozenset({"Accepted", "Rejected", "UnknownMessageId", "UnknownVendorId"})


def request(vendor: str, message: str | None = None, data: Any = None) -> Frame:
    """DataTransfer to the CSMS (P02). Raises ValueError for a name over its length (cut, it would mean another)."""
    if len(vendor) > 255 or (message is not None and len(message) > 50):
        raise ValueError("vendorId has at most 255 characters, messageId at most 50")
    payload: Payload = {"vendorId": vendor}
    if message is not None:
        payload["messageId"] = message
    if data is not None:
        payload["data"] = data
    return Frame("DataTransfer", payload)


def data_transfer(call: Call, services: Services) -> None:
    """P01: the vendor registry decides (P01.FR.05, FR.06)."""
    payload = call.payload
    status, data = services.data_transfer(payload["vendorId"], payload.get("messageId"), payload.get("data"))
    answer: Payload = {"status": status if status in _STATUSES else "Rejected"}
    if data is not None:
        answer["data"] = data
    call.answer(answer)


HANDLERS: Mapping[str, Handler] = {"DataTransfer": data_transfer}
