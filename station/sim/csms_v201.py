"""The embedded CSMS in OCPP 2.0.1."""

from __future__ import annotations

from typing import Any

from ocpp.v201 import call_result

from station.clock import iso
from station.sim.csms_journal import Payload
from station.sim.csms_point import Point, add_empty_answers, answers

__all__ = ["Point201"]


class Point201(Point):
    """Handlers for every message that a 2.0.1 station sends."""

    _ocpp_version = "2.0.1"

    def note(self, action: str, payload: Payload) -> None:
        seen = self.seen
        match action:
            case "BootNotification":
                seen.boots.append(payload)
            case "StatusNotification":
                seen.statuses[payload["evseId"], payload["connectorId"]] = payload
            case "TransactionEvent":
                self._note_event(payload)
            case "MeterValues":
                seen.meter_values.append(payload)
            case "NotifyReport":
                seen.variables.extend(payload.get("reportData", ()))
            case "SecurityEventNotification":
                seen.security_events.append(payload)

    def _note_event(self, payload: Payload) -> None:
        tx = self.seen.transaction(payload["transactionInfo"]["transactionId"])
        wrong = tx.add_event(payload)
        if wrong:
            self.seen.complaints.append(f"transaction {tx.id}: {wrong}")

    def signed(self, chain: str, kind: str) -> Payload:
        return {"certificateChain": chain, "certificateType": kind}

    def _info(self, id_token: dict[str, Any]) -> dict[str, Any]:
        # C02.FR.03, C05.FR.01: start button and central identifiers need no list.
        if id_token["type"] in {"NoAuthorization", "Central"}:
            return {"status": "Accepted"}
        token = self.policy.look_up(id_token["id_token"])
        return {
            "status": token.status,
            "cache_expiry_date_time": iso(token.expires) if token.expires is not None else None,
            "group_id_token": {"id_token": token.group, "type": token.group_kind} if token.group else None,
            "evse_id": list(token.evses) or None,
        }

    @answers("BootNotification")
    def on_boot201(self, **_payload: Any) -> Any:
        status, interval = self.policy.boot()
        self.seen.registration = status
        return call_result.BootNotification(current_time=self.policy.time(), interval=interval, status=status)

    @answers("Heartbeat")
    def on_heartbeat201(self, **_payload: Any) -> Any:
        return call_result.Heartbeat(current_time=self.policy.time())

    @answers("Authorize")
    def on_authorize201(self, id_token: dict[str, Any], **_payload: Any) -> Any:
        return call_result.Authorize(id_token_info=self._info(id_token))

    @answers("TransactionEvent")
    def on_transaction_event201(self, id_token: dict[str, Any] | None = None, **_payload: Any) -> Any:
        return call_result.TransactionEvent(id_token_info=self._info(id_token) if id_token else None)

    @answers("DataTransfer")
    def on_data_transfer201(self, **_payload: Any) -> Any:
        return call_result.DataTransfer(status="UnknownVendorId")

    @answers("SignCertificate")
    def on_sign_certificate201(
        self, csr: str, certificate_type: str = "ChargingStationCertificate", **_payload: Any
    ) -> Any:
        return call_result.SignCertificate(status=self.sign(csr, certificate_type))

    @answers("NotifyEVChargingNeeds")
    def on_charging_needs201(self, **_payload: Any) -> Any:
        return call_result.NotifyEVChargingNeeds(status="Rejected")

    @answers("NotifyEVChargingSchedule")
    def on_charging_schedule201(self, **_payload: Any) -> Any:
        return call_result.NotifyEVChargingSchedule(status="Accepted")

    @answers("GetCertificateStatus")
    def on_certificate_status201(self, **_payload: Any) -> Any:
        return call_result.GetCertificateStatus(status="Failed")

    @answers("Get15118EVCertificate")
    def on_ev_certificate201(self, **_payload: Any) -> Any:
        return call_result.Get15118EVCertificate(status="Failed", exi_response="")


add_empty_answers(
    Point201,
    call_result,
    (
        "ClearedChargingLimit",
        "FirmwareStatusNotification",
        "LogStatusNotification",
        "MeterValues",
        "NotifyChargingLimit",
        "NotifyCustomerInformation",
        "NotifyDisplayMessages",
        "NotifyEvent",
        "NotifyMonitoringReport",
        "NotifyReport",
        "PublishFirmwareStatusNotification",
        "ReportChargingProfiles",
        "ReservationStatusUpdate",
        "SecurityEventNotification",
        "StatusNotification",
    ),
)
