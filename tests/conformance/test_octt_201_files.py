"""OCTT cases of blocks L and N for a 2.0.1 station: secure firmware updates and logs, with a real file server on localhost."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import zipfile
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from station.clock import iso
from station.security.testpki import TestPki
from station.sim.loop import DEFAULT_WALL
from tests.conformance.stage201 import Payload, Stage201, octt
from tests.runtime.file_servers import Web, serve_web

PKI = TestPki(DEFAULT_WALL)
NEW = b"pilotwire-firmware 9.1\n" + b"x" * 10_000
NOBODY = "http://127.0.0.1:9/logs/"  # the discard port: nobody listens


async def turns() -> None:
    """What can happen without time passing happens: it stands still while a server keeps us waiting."""
    for _ in range(100):
        await asyncio.sleep(0)


# --- N01 --------------------------------------------------------------------------------------------------------------


async def get_log(
    stage: Stage201, kind: str, url: str, request: int = 11, status: str = "Accepted", **more: Any
) -> Payload:
    log = {"remoteLocation": url, **{key: more.pop(key) for key in tuple(more) if key.endswith("Timestamp")}}
    return await stage.ask(status, "GetLog", {"logType": kind, "requestId": request, "log": log, **more})


async def log_status(stage: Stage201, status: str, request: int = 11) -> None:
    await stage.told("LogStatusNotification", status=status, requestId=request)


def log_statuses(stage: Stage201) -> list[tuple[str, int | None]]:
    return [(one["status"], one.get("requestId")) for one in stage.calls("LogStatusNotification")]


@octt()
async def test_tc_n_25_diagnostics_log(stage: Stage201) -> None:
    """N01.FR.01 to FR.09."""
    with serve_web(Web()) as web:
        answer = await get_log(stage, "DiagnosticsLog", web.url(), retries=1, retryInterval=5)
        await log_status(stage, "Uploaded")
    assert log_statuses(stage) == [("Uploading", 11), ("Uploaded", 11)]
    assert web.requests[0][1] == f"/logs/{answer['filename']}"
    with zipfile.ZipFile(io.BytesIO(web.uploaded[0])) as archive:
        frames = archive.read("frames.jsonl").decode()
        assert json.loads(archive.read("settings.json"))["identity"] == stage.id
    assert "BootNotification" in frames
    assert "GetLog" in frames


@octt()
async def test_tc_n_26_diagnostics_log_upload_failed(stage: Stage201) -> None:
    """N01.FR.10, after every retry."""
    await get_log(stage, "DiagnosticsLog", NOBODY, retries=2, retryInterval=30)
    await stage.rest(50.0)
    assert log_statuses(stage) == [("Uploading", 11)]
    await log_status(stage, "UploadFailure")


@octt()
async def test_failures_by_their_names(stage: Stage201) -> None:
    with serve_web(Web(password=True)) as web:
        for request, (url, word) in enumerate(
            ((web.url(), "PermissionDenied"), ("smb://host/x", "NotSupportedOperation"), ("logs", "BadMessage"))
        ):
            await get_log(stage, "SecurityLog", url, request)
            await log_status(stage, word, request)


@octt()
async def test_tc_n_35_security_log(stage: Stage201) -> None:
    """N01.FR.03."""
    with serve_web(Web()) as web:
        await get_log(stage, "SecurityLog", web.url())
        await log_status(stage, "Uploaded")
    entries = [json.loads(line) for line in web.uploaded[0].splitlines()]
    assert entries[0]["type"] == "StartupOfTheDevice"
    assert log_statuses(stage) == [("Uploading", 11), ("Uploaded", 11)]


@octt()
async def test_security_log_of_a_time(stage: Stage201) -> None:
    """GetLog: oldest and latest; N01.FR.05 when there can be nothing."""
    await stage.rest(60.0)
    await stage.set("SecurityCtrlr.OrganizationName", "Somebody")
    with serve_web(Web()) as web:
        await get_log(stage, "SecurityLog", web.url(), oldestTimestamp=iso(DEFAULT_WALL + 50))
        await log_status(stage, "Uploaded")
    assert [json.loads(line)["type"] for line in web.uploaded[0].splitlines()] == [
        "ReconfigurationOfSecurityParameters"
    ]
    for bound in ({"latestTimestamp": iso(DEFAULT_WALL - 50)}, {"oldestTimestamp": iso(DEFAULT_WALL + 1e6)}):
        answer = await get_log(stage, "SecurityLog", NOBODY, 12, "Rejected", **bound)
        assert "filename" not in answer


@octt()
async def test_tc_n_36_second_request(stage: Stage201) -> None:
    """N01.FR.12, FR.20: the first upload hangs, and is cut."""
    with serve_web(Web(hang=True)) as slow, serve_web(Web()) as web:
        await get_log(stage, "DiagnosticsLog", slow.url(), 1)
        await turns()
        await log_status(stage, "Uploading", 1)
        await get_log(stage, "SecurityLog", web.url(), 2, "AcceptedCanceled")
        await log_status(stage, "Uploaded", 2)
    assert log_statuses(stage) == [("Uploading", 1), ("AcceptedCanceled", 1), ("Uploading", 2), ("Uploaded", 2)]


@octt()
async def test_an_upload_survives_a_power_cut(stage: Stage201) -> None:
    with serve_web(Web(statuses={"PUT": 500})) as web:
        await get_log(stage, "SecurityLog", web.url(), retries=5, retryInterval=600)
        await log_status(stage, "Uploading")
        await stage.rest(5.0)
        web.statuses.clear()
        await stage.lab.power_cut()
        await stage.lab.power_on()
        await log_status(stage, "Uploaded")
    assert len(web.uploaded) == 2


@octt()
async def test_tc_f_15_trigger_log_status_idle(stage: Stage201) -> None:
    """N01.FR.13: no upload, no request id."""
    await stage.trigger("LogStatusNotification")
    assert await stage.told("LogStatusNotification") == {"status": "Idle"}


@octt()
async def test_tc_f_16_trigger_log_status_uploading(stage: Stage201) -> None:
    with serve_web(Web(hang=True)) as web:
        await get_log(stage, "DiagnosticsLog", web.url(), 3)
        await turns()
        await log_status(stage, "Uploading", 3)
        stage.from_now()
        await stage.trigger("LogStatusNotification")
        await turns()
        await log_status(stage, "Uploading", 3)


# --- L01 --------------------------------------------------------------------------------------------------------------


def sign(content: bytes = NEW) -> str:
    key = PKI.get("manufacturer/firmware").key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return base64.b64encode(key.sign(content, ec.ECDSA(hashes.SHA256()))).decode()


async def trusted(stage: Stage201) -> None:
    """The manufacturer's root is installed."""
    root = {"certificateType": "ManufacturerRootCertificate", "certificate": PKI.get("manufacturer/root").pem}
    await stage.ask("Accepted", "InstallCertificate", root)


async def update(
    stage: Stage201, url: str, request: int = 21, status: str = "Accepted", signed: bool = True, **firmware: Any
) -> Payload:
    payload = {
        "location": url,
        "retrieveDateTime": iso(stage.lab.clock.now().wall - 1),
        **({"signingCertificate": PKI.get("manufacturer/firmware").pem, "signature": sign()} if signed else {}),
        **firmware,
    }
    asked = {"requestId": request, "retries": 0, "firmware": payload}
    return await stage.ask(status, "UpdateFirmware", asked)


async def firmware_status(stage: Stage201, status: str, request: int = 21) -> None:
    await stage.told("FirmwareStatusNotification", status=status, requestId=request)


def statuses(stage: Stage201) -> list[str]:
    return [one["status"] for one in stage.calls("FirmwareStatusNotification")]


def security_events(stage: Stage201) -> list[str]:
    return [one["type"] for one in stage.calls("SecurityEventNotification")]


DOWNLOADED = ["Downloading", "Downloaded", "SignatureVerified"]


@octt()
async def test_tc_l_01_installation_successful(stage: Stage201) -> None:
    """The new firmware tells that it is installed, and BootNotification its version."""
    await trusted(stage)
    with serve_web(Web(files={"/fw": NEW})) as web:
        await update(stage, web.url("/fw"))
        await firmware_status(stage, "Installed")
    assert statuses(stage) == [*DOWNLOADED, "Installing", "InstallRebooting", "Installed"]
    await stage.told("SecurityEventNotification", type="FirmwareUpdated")
    boot = await stage.told("BootNotification")
    assert boot["reason"] == "FirmwareUpdate"
    assert boot["chargingStation"]["firmwareVersion"] == "9.1"
    assert await stage.value("ChargingStation.FirmwareVersion") == "9.1"


@octt()
async def test_tc_l_02_install_scheduled(stage: Stage201) -> None:
    await trusted(stage)
    with serve_web(Web(files={"/fw": NEW})) as web:
        await update(stage, web.url("/fw"), installDateTime=iso(stage.lab.clock.now().wall + 60))
        await firmware_status(stage, "InstallScheduled")
        await stage.rest(40.0)
        assert statuses(stage) == [*DOWNLOADED, "InstallScheduled"]
        await firmware_status(stage, "Installed")


@octt()
async def test_tc_l_03_download_scheduled(stage: Stage201) -> None:
    await trusted(stage)
    with serve_web(Web(files={"/fw": NEW})) as web:
        await update(stage, web.url("/fw"), retrieveDateTime=iso(stage.lab.clock.now().wall + 60))
        await firmware_status(stage, "DownloadScheduled")
        await stage.rest(40.0)
        assert statuses(stage) == ["DownloadScheduled"]
        await firmware_status(stage, "Installed")


@octt()
async def test_tc_l_05_invalid_certificate(stage: Stage201) -> None:
    """L01.FR.22, FR.02: nobody has installed the root that vouches for it."""
    await update(stage, NOBODY, status="InvalidCertificate")
    await stage.told("SecurityEventNotification", type="InvalidFirmwareSigningCertificate")
    await stage.quiet("FirmwareStatusNotification")


@octt()
async def test_tc_l_06_invalid_signature(stage: Stage201) -> None:
    await trusted(stage)
    with serve_web(Web(files={"/fw": NEW})) as web:
        await update(stage, web.url("/fw"), signature=sign(b"another file"))
        await firmware_status(stage, "InvalidSignature")
    await stage.told("SecurityEventNotification", type="InvalidFirmwareSignature")
    assert statuses(stage) == ["Downloading", "Downloaded", "InvalidSignature"]


@octt()
async def test_tc_l_07_download_failed(stage: Stage201) -> None:
    await trusted(stage)
    with serve_web(Web()) as web:
        await update(stage, web.url("/none"))
        await firmware_status(stage, "DownloadFailed")
    assert statuses(stage) == ["Downloading", "DownloadFailed"]


@octt()
async def test_tc_l_08_installation_failed(stage: Stage201) -> None:
    await trusted(stage)
    for request, (order, status) in enumerate(
        (("fails", "InstallationFailed"), ("does not verify", "InstallVerificationFailed")), start=1
    ):
        content = f"pilotwire-firmware 9.2\ninstall = {order}\n".encode()
        with serve_web(Web(files={"/fw": content})) as web:
            await update(stage, web.url("/fw"), request, signature=sign(content))
            await firmware_status(stage, status, request)
    await stage.status("Available")


@octt()
async def test_tc_l_10_accepted_canceled(stage: Stage201) -> None:
    """L01.FR.24."""
    await trusted(stage)
    with serve_web(Web(hang=True)) as slow, serve_web(Web(files={"/fw": NEW})) as web:
        await update(stage, slow.url("/fw"), 1)
        await turns()
        await firmware_status(stage, "Downloading", 1)
        await update(stage, web.url("/fw"), 2, "AcceptedCanceled")
        await firmware_status(stage, "DownloadFailed", 1)
        await firmware_status(stage, "Installed", 2)


@octt()
async def test_tc_l_11_unable_to_cancel(stage: Stage201) -> None:
    """L01.FR.27: while it is being installed."""
    await trusted(stage)
    with serve_web(Web(files={"/fw": NEW})) as web:
        await update(stage, web.url("/fw"), 1)
        await firmware_status(stage, "Installing", 1)
        answer = await update(stage, web.url("/fw"), 2, "Rejected")
        assert answer["statusInfo"]["reasonCode"] == "FwUpdateInProgress"
        await firmware_status(stage, "Installed", 1)


@octt({"ChargingStation.AllowNewSessionsPendingFirmwareUpdate": "true"})
async def test_tc_l_14_waits_and_lets_sessions_begin(stage: Stage201) -> None:
    await trusted(stage)
    await stage.charging(1)
    with serve_web(Web(files={"/fw": NEW})) as web:
        await update(stage, web.url("/fw"))
        await firmware_status(stage, "InstallScheduled")
        assert stage.view(2).operative
        stage.swipe()
        await stage.event(kind="Ended")
        await firmware_status(stage, "Installed")


@octt()
async def test_tc_l_15_waits_and_lets_nobody_in(stage: Stage201) -> None:
    """L01.FR.06, FR.07."""
    await trusted(stage)
    await stage.charging(1)
    with serve_web(Web(files={"/fw": NEW})) as web:
        await update(stage, web.url("/fw"))
        await firmware_status(stage, "InstallScheduled")
        await stage.status("Unavailable", 2)
        stage.swipe()
        await stage.leave()
        await stage.status("Unavailable", 1)
        await firmware_status(stage, "Installed")
    await stage.status("Available", 1)


@octt()
async def test_tc_l_18_missing_certificate_and_signature(stage: Stage201) -> None:
    await update(stage, NOBODY, status="Rejected", signed=False)


@octt({"OCPP16LegacyCtrlr.AllowUnsignedFirmware": "true"})
async def test_non_secure_update(stage: Stage201) -> None:
    """L02."""
    with serve_web(Web(files={"/fw": NEW})) as web:
        await update(stage, web.url("/fw"), signed=False)
        await firmware_status(stage, "Installed")
    assert statuses(stage) == ["Downloading", "Downloaded", "Installing", "InstallRebooting", "Installed"]


@octt()
async def test_the_old_firmware_comes_back(stage: Stage201) -> None:
    await trusted(stage)
    content = b"pilotwire-firmware 9.3\ninstall = falls back\n"
    with serve_web(Web(files={"/fw": content})) as web:
        await update(stage, web.url("/fw"), signature=sign(content))
        await firmware_status(stage, "InstallationFailed")
    assert "FirmwareUpdated" not in security_events(stage)


@octt()
async def test_tc_f_17_trigger_firmware_status_of_an_evse(stage: Stage201) -> None:
    """The EVSE does not matter (F06.FR.03)."""
    await stage.trigger("FirmwareStatusNotification", evse=1)
    assert await stage.told("FirmwareStatusNotification") == {"status": "Idle"}


@octt()
async def test_tc_f_18_trigger_firmware_status_idle(stage: Stage201) -> None:
    """L01.FR.25."""
    await stage.trigger("FirmwareStatusNotification")
    assert await stage.told("FirmwareStatusNotification") == {"status": "Idle"}


@octt()
async def test_tc_f_19_trigger_firmware_status_while_downloading(stage: Stage201) -> None:
    """L01.FR.26."""
    await trusted(stage)
    with serve_web(Web(hang=True)) as slow:
        await update(stage, slow.url("/fw"))
        await turns()
        await firmware_status(stage, "Downloading")
        stage.from_now()
        await stage.trigger("FirmwareStatusNotification")
        await turns()
        await firmware_status(stage, "Downloading")
