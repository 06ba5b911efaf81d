"""OCTT cases of the security whitepaper for a 1.6 station: logs and signed firmware, with a real file server on localhost."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS

from station.clock import iso
from station.security.testpki import TestPki
from station.sim.csms import Refusal
from station.sim.loop import DEFAULT_WALL
from tests.conformance.stage16 import NAME, Stage, octt
from tests.runtime.file_servers import Web, serve_web

PKI = TestPki(DEFAULT_WALL)
PASSWORD = "correct-horse-battery"
NEW = b"pilotwire-firmware 9.1\n" + b"x" * 10_000


def sign(content: bytes = NEW) -> str:
    """RSA-PSS, as L01.FR.04 has it."""
    key = PKI.get("manufacturer/firmware-rsa").key
    assert isinstance(key, rsa.RSAPrivateKey)
    return base64.b64encode(key.sign(content, PSS(MGF1(hashes.SHA256()), 32), hashes.SHA256())).decode()


def log(url: str, **times: str) -> dict[str, str]:
    return {"remoteLocation": url, **times}


def firmware(s: Stage, url: str, **more: Any) -> dict[str, Any]:
    return {
        "location": url,
        "retrieveDateTime": iso(s.lab.clock.now().wall - 1),
        "signingCertificate": PKI.get("manufacturer/firmware-rsa").pem,
        "signature": sign(),
        **more,
    }


async def trusted(s: Stage) -> None:
    root = PKI.get("manufacturer/root").pem
    await s.order("InstallCertificate", "Accepted", certificateType="ManufacturerRootCertificate", certificate=root)


@octt(password=PASSWORD)
async def test_tc_079_security_log(s: Stage) -> None:
    """N01."""
    await s.ready()
    with serve_web(Web()) as web:
        answer = await s.call("GetLog", logType="SecurityLog", requestId=7, log=log(web.url()))
        assert answer["status"] == "Accepted"
        await s.expect("LogStatusNotification", status="Uploading", requestId=7)
        await s.expect("LogStatusNotification", status="Uploaded", requestId=7)
    assert web.requests[0][1] == f"/logs/{answer['filename']}"
    assert json.loads(web.uploaded[0].splitlines()[0])["type"] == "StartupOfTheDevice"


@octt(password=PASSWORD)
async def test_diagnostics_log_and_a_failure(s: Stage) -> None:
    await s.ready()
    with serve_web(Web()) as web:
        assert (await s.call("GetLog", logType="DiagnosticsLog", requestId=1, log=log(web.url())))["filename"]
        await s.expect("LogStatusNotification", status="Uploaded", requestId=1)
    assert web.uploaded[0].startswith(b"PK")
    asked = {"logType": "DiagnosticsLog", "requestId": 2, "retries": 1, "retryInterval": 10}
    await s.call("GetLog", **asked, log=log("http://127.0.0.1:9/"))
    await s.expect("LogStatusNotification", status="UploadFailure", requestId=2)


@octt(password=PASSWORD)
async def test_tc_080_signed_firmware(s: Stage) -> None:
    """L01."""
    await s.ready()
    await trusted(s)
    with serve_web(Web(files={"/fw": NEW})) as web:
        await s.order("SignedUpdateFirmware", "Accepted", requestId=5, firmware=firmware(s, web.url("/fw")))
        for status in ("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting"):
            await s.expect("SignedFirmwareStatusNotification", status=status, requestId=5)
        boot = await s.expect("BootNotification", within=120.0)
        assert boot["firmwareVersion"] == "9.1"
        await s.expect("SignedFirmwareStatusNotification", status="Installed", requestId=5)
        await s.expect("SecurityEventNotification", type="FirmwareUpdated")


@octt(password=PASSWORD)
async def test_tc_081_invalid_signature(s: Stage) -> None:
    await s.ready()
    await trusted(s)
    with serve_web(Web(files={"/fw": NEW})) as web:
        wrong = firmware(s, web.url("/fw"), signature=sign(b"another file"))
        await s.order("SignedUpdateFirmware", "Accepted", requestId=6, firmware=wrong)
        await s.expect("SignedFirmwareStatusNotification", status="InvalidSignature", requestId=6)
        await s.expect("SecurityEventNotification", type="InvalidFirmwareSignature")


@octt(password=PASSWORD)
async def test_invalid_certificate(s: Stage) -> None:
    """L01.FR.24, FR.02."""
    await s.ready()
    asked = firmware(s, "http://127.0.0.1:9/")
    await s.order("SignedUpdateFirmware", "InvalidCertificate", requestId=6, firmware=asked)
    await s.expect("SecurityEventNotification", type="InvalidFirmwareSigningCertificate")


@octt(password=PASSWORD)
async def test_triggers_of_the_whitepaper(s: Stage) -> None:
    """L01.FR.28; N01.FR.12: Idle names no request."""
    await s.ready()
    for message, follows in (
        ("LogStatusNotification", "LogStatusNotification"),
        ("FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
    ):
        await s.order("ExtendedTriggerMessage", "Accepted", requestedMessage=message)
        assert await s.expect(follows) == {"status": "Idle"}


@octt(complaints=True)
async def test_update_firmware_without_a_signature(s: Stage) -> None:
    """L01.FR.20: NotSupported, and nothing is downloaded."""
    await s.ready()
    with serve_web(Web(files={"/fw": NEW})) as web:
        asked = {"location": web.url("/fw"), "retrieveDate": iso(s.lab.clock.now().wall)}
        answer = await s.csms.call(NAME, "UpdateFirmware", asked)
        assert isinstance(answer, Refusal)
        assert answer.code == "NotSupported"
        await s.quiet(10, "FirmwareStatusNotification")
    assert web.requests == []


@octt()
async def test_supported_file_transfer_protocols(s: Stage) -> None:
    """The key of the whitepaper."""
    await s.ready()
    answer = await s.call("GetConfiguration", key=["SupportedFileTransferProtocols"])
    key = answer["configurationKey"][0]
    assert key["readonly"] is True
    assert key["value"].split(",") == ["FTP", "FTPS", "HTTP", "HTTPS", "SFTP"]
