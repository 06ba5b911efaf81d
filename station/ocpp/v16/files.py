"""Logs and firmware of the security whitepaper (edition 3): GetLog (N01) and SignedUpdateFirmware (L01), with their notifications.

GetDiagnostics and UpdateFirmware of the first 1.6 (profile FirmwareManagement) are not among the messages of this station.
"""

from __future__ import annotations

from station.core.events import GetLog, UpdateFirmware
from station.core.facts import FirmwareStatusFact, LogStatusFact
from station.core.types import Verdict
from station.ocpp.dialect import Call, DialectSettings, Frame, Payload, Services
from station.ocpp.v16.common import Handler, answer_status, wall_time
from station.security.api import Outcome

_GET_LOG = frozenset({"Accepted", "AcceptedCanceled"})
_UPDATE = frozenset({"Accepted", "AcceptedCanceled", "InvalidCertificate", "RevokedCertificate"})
_FILENAME = 255


def _get_log(call: Call, services: Services, _settings: DialectSettings) -> None:
    """N01."""
    payload = call.payload
    log = payload["log"]
    oldest, latest = wall_time(log.get("oldestTimestamp")), wall_time(log.get("latestTimestamp"))
    if ("oldestTimestamp" in log and oldest is None) or ("latestTimestamp" in log and latest is None):
        answer_status(call, "Rejected")
        return

    def done(verdict: Verdict) -> None:
        answer: Payload = {"status": verdict.status if verdict.status in _GET_LOG else "Rejected"}
        filename = verdict.data.get("filename")
        if answer["status"] in _GET_LOG and isinstance(filename, str):
            answer["filename"] = filename[:_FILENAME]  # N01.FR.01
        call.answer(answer)

    services.command(
        lambda ref: GetLog(
            ref,
            payload["requestId"],
            payload["logType"],
            log["remoteLocation"],
            oldest,
            latest,
            payload.get("retries"),
            payload.get("retryInterval"),
        ),
        done,
    )


def log_status(fact: LogStatusFact) -> Frame:
    """LogStatusNotification. 1.6 has no word for an upload that another request has ended: it has failed."""
    status = "UploadFailure" if fact.status == "AcceptedCanceled" else fact.status
    payload: Payload = {"status": status}
    if fact.request_id is not None:
        payload["requestId"] = fact.request_id  # N01.FR.07
    return Frame("LogStatusNotification", payload)


def _signed_update(call: Call, services: Services, _settings: DialectSettings) -> None:
    """L01: the certificate is looked at before anything is promised (L01.FR.23)."""
    payload = call.payload
    firmware = payload["firmware"]
    retrieve, install = wall_time(firmware["retrieveDateTime"]), wall_time(firmware.get("installDateTime"))
    if retrieve is None or ("installDateTime" in firmware and install is None):
        answer_status(call, "Rejected")
        return
    retrieve_at = retrieve

    def checked(outcome: Outcome) -> None:
        services.command(
            lambda ref: UpdateFirmware(
                ref,
                payload["requestId"],
                firmware["location"],
                retrieve_at,
                install,
                firmware["signingCertificate"],
                firmware["signature"],
                payload.get("retries"),
                payload.get("retryInterval"),
                finding=outcome.status,
            ),
            lambda verdict: answer_status(call, verdict.status if verdict.status in _UPDATE else "Rejected"),
        )

    services.firmware.check(firmware["signingCertificate"], checked)


def firmware_status(fact: FirmwareStatusFact) -> Frame | None:
    """SignedFirmwareStatusNotification; FirmwareStatusNotification for an update that is not signed."""
    if not fact.signed:
        return Frame("FirmwareStatusNotification", {"status": fact.status}) if fact.status in _PLAIN else None
    payload: Payload = {"status": fact.status}
    if fact.request_id is not None:
        payload["requestId"] = fact.request_id  # L01.FR.10, FR.21
    return Frame("SignedFirmwareStatusNotification", payload)


_PLAIN = frozenset(
    {"Downloaded", "DownloadFailed", "Downloading", "Idle", "InstallationFailed", "Installing", "Installed"}
)
"""Statuses of the first 1.6 (7.25); it has no words for the others."""


HANDLERS: dict[str, Handler] = {"GetLog": _get_log, "SignedUpdateFirmware": _signed_update}
