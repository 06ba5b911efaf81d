"""GetLog, UpdateFirmware and their notifications in the words of 2.0.1."""

from __future__ import annotations

import pytest

from station.clock import Now, parse_iso
from station.core.events import GetLog, TriggerFirmwareStatus, TriggerLogStatus, UpdateFirmware
from station.core.facts import FirmwareStatusFact, LogStatusFact
from station.core.types import Verdict
from station.ocpp.v201 import files
from station.security.api import Outcome

NOW = Now(5.0, 1_750_000_000.0)
URL = "https://user:secret@example.com/logs"
TIME = "2026-05-01T10:00:00Z"
LATER = "2026-05-02T12:30:00+02:00"


def test_get_log(station, valid):
    station.verdict = Verdict("Accepted", data={"filename": "CS-1.zip"})
    answer = station.ask(
        "GetLog",
        {
            "logType": "DiagnosticsLog",
            "requestId": 12,
            "retries": 2,
            "retryInterval": 30,
            "log": {"remoteLocation": URL, "oldestTimestamp": TIME, "latestTimestamp": LATER},
        },
    )
    assert answer == {"status": "Accepted", "filename": "CS-1.zip"}
    assert station.commands() == [
        GetLog(7, 12, "DiagnosticsLog", URL, parse_iso(TIME), parse_iso(LATER), 2, 30),
    ]


def test_get_log_rejected_has_no_filename(station):
    station.verdict = Verdict("Rejected", "NotFound", "nothing there", {"filename": "x"})
    answer = station.ask("GetLog", {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": URL}})
    assert answer == {
        "status": "Rejected",
        "statusInfo": {"reasonCode": "NotFound", "additionalInfo": "nothing there"},
    }


def test_get_log_in_place_of_another(station):
    station.verdict = Verdict("AcceptedCanceled", data={"filename": "y" * 300})
    answer = station.ask("GetLog", {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": URL}})
    assert answer == {"status": "AcceptedCanceled", "filename": "y" * 255}


@pytest.mark.parametrize("field", ["oldestTimestamp", "latestTimestamp"])
def test_a_time_that_is_none(station, field):
    log = {"remoteLocation": URL, field: "yesterday"}
    answer = station.ask("GetLog", {"logType": "SecurityLog", "requestId": 1, "log": log})
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "InvalidValue"
    assert station.commands() == []


@pytest.mark.parametrize(
    "status",
    [
        "Uploading",
        "Uploaded",
        "UploadFailure",
        "BadMessage",
        "PermissionDenied",
        "NotSupportedOperation",
        "AcceptedCanceled",
    ],
)
def test_log_statuses(station, valid, status):
    rendered = station.dialect.record(LogStatusFact(status, NOW, 3), {}, NOW, offline=False)
    assert rendered.frame.action == "LogStatusNotification"
    assert valid("LogStatusNotificationRequest", rendered.frame.payload) == {"status": status, "requestId": 3}


def test_idle_statuses_name_no_request(valid):
    assert valid("LogStatusNotificationRequest", files.log_status(LogStatusFact("Idle", NOW)).payload) == {
        "status": "Idle"
    }
    frame = files.firmware_status(FirmwareStatusFact("Idle", NOW))
    assert valid("FirmwareStatusNotificationRequest", frame.payload) == {"status": "Idle"}


FIRMWARE = {"location": URL, "retrieveDateTime": TIME}
SIGNED = {**FIRMWARE, "installDateTime": LATER, "signingCertificate": "pem", "signature": "c2ln"}


def test_update_firmware(station):
    """L01.FR.21: the certificate is checked first."""
    answer = station.ask("UpdateFirmware", {"requestId": 4, "retries": 1, "retryInterval": 5, "firmware": SIGNED})
    assert answer == {"status": "Accepted"}
    assert station.firmware.checked == ["pem"]
    assert station.commands() == [
        UpdateFirmware(7, 4, URL, parse_iso(TIME), parse_iso(LATER), "pem", "c2ln", 1, 5, "Accepted"),
    ]


@pytest.mark.parametrize("word", ["InvalidCertificate", "RevokedCertificate"])
def test_the_finding_goes_to_the_core(station, word):
    station.firmware.outcome = Outcome(word)
    station.verdict = Verdict(word)
    assert station.ask("UpdateFirmware", {"requestId": 4, "firmware": SIGNED}) == {"status": word}
    assert station.commands()[0].finding == word


def test_without_a_signature_there_is_nothing_to_check(station):
    """The core decides (L02, TC_L_18); Home Assistant probes with a signature and no certificate."""
    station.verdict = Verdict("Rejected", "MissingParam")
    probe = {"location": "dummy://dummy", "retrieveDateTime": TIME, "signature": "☺"}
    assert station.ask("UpdateFirmware", {"requestId": 4, "firmware": probe})["status"] == "Rejected"
    assert station.firmware.checked == []
    assert station.commands()[0].certificate is None


@pytest.mark.parametrize("field", ["retrieveDateTime", "installDateTime"])
def test_an_update_at_no_time(station, field):
    answer = station.ask("UpdateFirmware", {"requestId": 4, "firmware": {**SIGNED, field: "soon"}})
    assert answer["statusInfo"]["reasonCode"] == "InvalidValue"
    assert station.commands() == []


@pytest.mark.parametrize("status", ["DownloadScheduled", "SignatureVerified", "InstallRebooting", "InvalidSignature"])
def test_firmware_statuses(station, valid, status):
    rendered = station.dialect.record(FirmwareStatusFact(status, NOW, 9), {}, NOW, offline=True)
    assert rendered.frame.action == "FirmwareStatusNotification"
    assert valid("FirmwareStatusNotificationRequest", rendered.frame.payload) == {"status": status, "requestId": 9}


@pytest.mark.parametrize(
    ("message", "command"),
    [("LogStatusNotification", TriggerLogStatus), ("FirmwareStatusNotification", TriggerFirmwareStatus)],
)
def test_triggers(station, message, command):
    """F06."""
    assert station.ask("TriggerMessage", {"requestedMessage": message}) == {"status": "Accepted"}
    assert station.commands() == [command(7)]
