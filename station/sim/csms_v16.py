"""The embedded CSMS in OCPP 1.6J."""

from __future__ import annotations

from typing import Any

from ocpp.v16 import call_result

from station.clock import iso
from station.sim.csms_journal import Payload
from station.sim.csms_point import Point, add_empty_answers, answers
from station.sim.csms_policy import STATUSES_16, Token

__all__ = ["Point16"]


class Point16(Point):
    """Handlers for every message that a 1.6 station sends, the security extension included."""

    _ocpp_version = "1.6"
    _transaction_id = 0

    def note(self, action: str, payload: Payload) -> None:
        seen = self.seen
        match action:
            case "BootNotification":
                seen.boots.append(payload)
            case "StatusNotification":
                connector = payload["connectorId"]
                seen.statuses[connector, 1 if connector else 0] = payload
            case "StartTransaction":
                self._transaction_id = self.policy.next_transaction_id()
                seen.transaction(str(self._transaction_id)).start = payload
            case "StopTransaction":
                if str(payload["transactionId"]) not in seen.transactions:
                    seen.complaints.append(f"StopTransaction of unknown transaction {payload['transactionId']}")
                seen.transaction(str(payload["transactionId"])).add_stop(payload)
            case "MeterValues":
                seen.meter_values.append(payload)
                if "transactionId" in payload:
                    seen.transaction(str(payload["transactionId"])).samples.append(payload)
            case "SecurityEventNotification":
                seen.security_events.append(payload)

    def _info(self, id_tag: str) -> dict[str, Any]:
        token: Token = self.policy.look_up(id_tag)
        return {
            "status": token.status if token.status in STATUSES_16 else "Invalid",
            "parent_id_tag": token.group,
            "expiry_date": iso(token.expires) if token.expires is not None else None,
        }

    @answers("BootNotification")
    def on_boot16(self, **_payload: Any) -> Any:
        status, interval = self.policy.boot()
        self.seen.registration = status
        return call_result.BootNotification(current_time=self.policy.time(), interval=interval, status=status)

    @answers("Heartbeat")
    def on_heartbeat16(self, **_payload: Any) -> Any:
        return call_result.Heartbeat(current_time=self.policy.time())

    @answers("Authorize")
    def on_authorize16(self, id_tag: str, **_payload: Any) -> Any:
        return call_result.Authorize(id_tag_info=self._info(id_tag))

    @answers("StartTransaction")
    def on_start16(self, id_tag: str, **_payload: Any) -> Any:
        return call_result.StartTransaction(transaction_id=self._transaction_id, id_tag_info=self._info(id_tag))

    @answers("StopTransaction")
    def on_stop16(self, id_tag: str | None = None, **_payload: Any) -> Any:
        return call_result.StopTransaction(id_tag_info=self._info(id_tag) if id_tag else None)

    @answers("DataTransfer")
    def on_data_transfer16(self, **_payload: Any) -> Any:
        return call_result.DataTransfer(status="UnknownVendorId")

    @answers("SignCertificate")
    def on_sign_certificate16(self, csr: str, **_payload: Any) -> Any:
        return call_result.SignCertificate(status=self.sign(csr, "ChargingStationCertificate"))


add_empty_answers(
    Point16,
    call_result,
    (
        "StatusNotification",
        "MeterValues",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "LogStatusNotification",
        "SecurityEventNotification",
        "SignedFirmwareStatusNotification",
    ),
)
