"""Blocks N and L as far as files move: GetLog, LogStatusNotification (N01), UpdateFirmware, FirmwareStatusNotification (L01, L02)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from station.core import events
from station.core.facts import FirmwareStatusFact, LogStatusFact
from station.core.types import Verdict
from station.ocpp.dialect import Call, Frame, Payload, Services
from station.ocpp.v201.fields import ACCEPTED_OR_REJECTED, Handler, cut, read_time, status, verdict_status
from station.security.api import Outcome

_GET_LOG = frozenset({"Accepted", "Rejected", "AcceptedCanceled"})
_UPDATE = frozenset({"Accepted", "Rejected", "AcceptedCanceled", "InvalidCertificate", "RevokedCertificate"})
_FILENAME = 255
_OPTIONAL_TIMES = ("oldestTimestamp", "latestTimestamp")


def get_log(call: Call, services: Services) -> None:
    """N01."""
    payload = call.payload
    log = payload["log"]
    unreadable = [name for name in _OPTIONAL_TIMES if name in log and read_time(log[name]) is None]
    if unreadable:
        call.answer(status("Rejected", "InvalidValue", f"{unreadable[0]} is no time"))
        return
    services.command(
        lambda ref: events.GetLog(
            ref,
            payload["requestId"],
            payload["logType"],
            log["remoteLocation"],
            oldest=read_time(log.get("oldestTimestamp")),
            latest=read_time(log.get("latestTimestamp")),
            retries=payload.get("retries"),
            interval_s=payload.get("retryInterval"),
        ),
        lambda verdict: call.answer(_log_answer(verdict)),
    )


def _log_answer(verdict: Verdict) -> Payload:
    answer = verdict_status(verdict, _GET_LOG)
    filename = verdict.data.get("filename")
    if answer["status"] != "Rejected" and isinstance(filename, str):
        answer["filename"] = cut(filename, _FILENAME)  # N01.FR.01
    return answer


def log_status(fact: LogStatusFact) -> Frame:
    """LogStatusNotification."""
    payload: Payload = {"status": fact.status}
    if fact.request_id is not None:
        payload["requestId"] = fact.request_id  # N01.FR.07
    return Frame("LogStatusNotification", payload)


def update_firmware(call: Call, services: Services) -> None:
    """L01, L02: the certificate is looked at before anything is promised (L01.FR.21)."""
    firmware = call.payload["firmware"]
    times = {name: read_time(firmware.get(name)) for name in ("retrieveDateTime", "installDateTime")}
    unreadable = [name for name, wall in times.items() if name in firmware and wall is None]
    if unreadable:
        call.answer(status("Rejected", "InvalidValue", f"{unreadable[0]} is no time"))
        return

    def checked(outcome: Outcome) -> None:
        services.command(
            lambda ref: _update(ref, call.payload, times, outcome.status),
            lambda verdict: call.answer(verdict_status(verdict, _UPDATE)),
        )

    certificate = firmware.get("signingCertificate")
    if certificate and firmware.get("signature"):
        services.firmware.check(certificate, checked)
    else:
        checked(Outcome("Accepted"))  # whether it may come without is the core's question


def _update(ref: int, payload: Payload, times: Mapping[str, float | None], finding: str) -> events.UpdateFirmware:
    firmware: Mapping[str, Any] = payload["firmware"]
    return events.UpdateFirmware(
        ref,
        payload["requestId"],
        firmware["location"],
        retrieve_at=times["retrieveDateTime"] or 0.0,
        install_at=times["installDateTime"],
        certificate=firmware.get("signingCertificate") or None,
        signature=firmware.get("signature") or None,
        retries=payload.get("retries"),
        interval_s=payload.get("retryInterval"),
        finding=finding,
    )


def firmware_status(fact: FirmwareStatusFact) -> Frame:
    """FirmwareStatusNotification."""
    payload: Payload = {"status": fact.status}
    if fact.request_id is not None:
        payload["requestId"] = fact.request_id  # L01.FR.10, FR.20
    return Frame("FirmwareStatusNotification", payload)


def _trigger_log_status(call: Call, services: Services) -> None:
    services.command(
        events.TriggerLogStatus, lambda verdict: call.answer(verdict_status(verdict, ACCEPTED_OR_REJECTED))
    )


def _trigger_firmware_status(call: Call, services: Services) -> None:
    services.command(
        events.TriggerFirmwareStatus, lambda verdict: call.answer(verdict_status(verdict, ACCEPTED_OR_REJECTED))
    )


TRIGGERS: Mapping[str, Handler] = {
    "LogStatusNotification": _trigger_log_status,
    "FirmwareStatusNotification": _trigger_firmware_status,
}

HANDLERS: Mapping[str, Handler] = {"GetLog": get_log, "UpdateFirmware": update_firmware}
