"""GetLog and SignedUpdateFirmware of the security whitepaper (1.6), and their notifications."""

from __future__ import annotations

import pytest

from station.clock import Now, parse_iso
from station.core.events import GetLog, UpdateFirmware
from station.core.facts import FirmwareStatusFact, LogStatusFact
from station.core.types import Verdict
from station.ocpp.v16 import files
from station.security.api import Outcome

NOW = Now(5.0, 1_750_000_000.0)
URL = "https://user:secret@example.com/logs"
TIME = "2026-05-01T10:00:00Z"
LATER = "2026-05-02T12:30:00+02:00"
SIGNED = {"location": URL, "retrieveDateTime": TIME, "signingCertificate": "pem", "signature": "c2ln"}


def test_get_log(rig):
    rig.services.verdicts[GetLog] = Verdict("Accepted", data={"filename": "CS-1.zip"})
    log = {"remoteLocation": URL, "oldestTimestamp": TIME, "latestTimestamp": LATER}
    answer = rig.call("GetLog", logType="SecurityLog", requestId=12, retries=2, retryInterval=30, log=log)
    assert answer == {"status": "Accepted", "filename": "CS-1.zip"}
    assert rig.services.commands == [GetLog(1, 12, "SecurityLog", URL, parse_iso(TIME), parse_iso(LATER), 2, 30)]


@pytest.mark.parametrize(("word", "told"), [("AcceptedCanceled", "AcceptedCanceled"), ("Rejected", "Rejected")])
def test_other_answers(rig, word, told):
    rig.services.verdicts[GetLog] = Verdict(word, "NotFound", "words", {})
    assert rig.call("GetLog", logType="SecurityLog", requestId=1, log={"remoteLocation": URL}) == {"status": told}


@pytest.mark.parametrize("field", ["oldestTimestamp", "latestTimestamp"])
def test_a_time_that_is_none(rig, field):
    log = {"remoteLocation": URL, field: "yesterday"}
    assert rig.status("GetLog", logType="SecurityLog", requestId=1, log=log) == "Rejected"
    assert rig.services.commands == []


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("Uploading", "Uploading"),
        ("Uploaded", "Uploaded"),
        ("PermissionDenied", "PermissionDenied"),
        ("AcceptedCanceled", "UploadFailure"),  # 1.6 has no word for it
    ],
)
def test_log_statuses(rig, status, told):
    rendered = rig.dialect.record(LogStatusFact(status, NOW, 3), {}, NOW, offline=False)
    assert rendered.frame.action == "LogStatusNotification"
    assert rig.check(rendered.frame) == {"status": told, "requestId": 3}


def test_idle_statuses_name_no_request(rig):
    assert rig.check(files.log_status(LogStatusFact("Idle", NOW))) == {"status": "Idle"}
    assert rig.check(files.firmware_status(FirmwareStatusFact("Idle", NOW))) == {"status": "Idle"}


def test_signed_update(rig):
    """L01.FR.23: the certificate is checked first."""
    firmware = {**SIGNED, "installDateTime": LATER}
    answer = rig.call("SignedUpdateFirmware", requestId=4, retries=1, retryInterval=5, firmware=firmware)
    assert answer == {"status": "Accepted"}
    assert rig.services.firmware.checked == ["pem"]
    assert rig.services.commands == [
        UpdateFirmware(1, 4, URL, parse_iso(TIME), parse_iso(LATER), "pem", "c2ln", 1, 5, "Accepted")
    ]


@pytest.mark.parametrize("word", ["InvalidCertificate", "RevokedCertificate", "AcceptedCanceled", "Rejected"])
def test_answers_to_an_update(rig, word):
    rig.services.firmware.outcome = Outcome(word if word.endswith("Certificate") else "Accepted")
    rig.services.verdicts[UpdateFirmware] = Verdict(word)
    assert rig.status("SignedUpdateFirmware", requestId=4, firmware=SIGNED) == word
    assert rig.services.commands[0].finding == rig.services.firmware.outcome.status


@pytest.mark.parametrize("field", ["retrieveDateTime", "installDateTime"])
def test_an_update_at_no_time(rig, field):
    assert rig.status("SignedUpdateFirmware", requestId=4, firmware={**SIGNED, field: "soon"}) == "Rejected"
    assert rig.services.commands == []


@pytest.mark.parametrize("status", ["DownloadScheduled", "SignatureVerified", "InvalidSignature", "InstallRebooting"])
def test_signed_statuses(rig, status):
    rendered = rig.dialect.record(FirmwareStatusFact(status, NOW, 9), {}, NOW, offline=True)
    assert rendered.frame.action == "SignedFirmwareStatusNotification"
    assert rig.check(rendered.frame) == {"status": status, "requestId": 9}


def test_statuses_of_the_first_1_6(rig):
    """Fewer words; what they lack is not told."""
    frame = files.firmware_status(FirmwareStatusFact("Installing", NOW, 9, signed=False))
    assert frame.action == "FirmwareStatusNotification"
    assert rig.check(frame) == {"status": "Installing"}
    assert files.firmware_status(FirmwareStatusFact("InstallRebooting", NOW, 9, signed=False)) is None
    rendered = rig.dialect.record(FirmwareStatusFact("DownloadPaused", NOW, 9, signed=False), {}, NOW, offline=True)
    assert rendered.frame is None


def test_update_firmware_without_signature_is_not_supported(rig):
    """L01.FR.20: the shell answers NotSupported to what has no handler."""
    assert not rig.dialect.supports("UpdateFirmware")
    assert not rig.dialect.supports("GetDiagnostics")


def test_a_csms_that_never_answers_holds_nobody_up(rig):
    assert not rig.dialect.repeats(LogStatusFact("Uploaded", NOW, 3))
    assert not rig.dialect.repeats(FirmwareStatusFact("Installed", NOW, 3))
