"""OCTT cases of the 1.6 security whitepaper that concern certificates (074 to 077), and which security events a 1.6 CSMS hears.

The certificates are real: a test PKI issues them, and the station's store judges them.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from station.security import certificates
from station.security.testpki import TestPki
from station.sim.csms import FaultKind
from tests.conformance.stage16 import NAME, Stage, octt

SECRET = "0123456789abcdef"  # security profile 1: the whitepaper is in use
CENTRAL = "CentralSystemRootCertificate"
MANUFACTURER = "ManufacturerRootCertificate"


def pki_of(s: Stage) -> TestPki:
    return TestPki(s.lab.clock.now().wall, organisation="Operator")


async def install(s: Stage, use: str, pem: str, status: str = "Accepted") -> None:
    await s.order("InstallCertificate", status, certificateType=use, certificate=pem)


async def installed(s: Stage, use: str) -> list[dict[str, Any]]:
    answer = await s.call("GetInstalledCertificateIds", certificateType=use)
    found: list[dict[str, Any]] = answer.get("certificateHashData", [])
    assert answer["status"] == ("Accepted" if found else "NotFound")
    return found


async def request(s: Stage) -> str:
    """The CSMS wants the certificate renewed; the request that it gets."""
    await s.configure(CpoName="Operator")
    s.skip()
    await s.order("ExtendedTriggerMessage", "Accepted", requestedMessage="SignChargePointCertificate")
    asked = await s.expect("SignCertificate")
    return str(asked["csr"])


@octt(password=SECRET)
async def test_tc_074_update_charge_point_certificate(s: Stage) -> None:
    pki = pki_of(s)
    await s.ready()
    await install(s, CENTRAL, pki.csms_root.pem)
    s.csms.policy.signer = lambda *_asked: None
    csr = await request(s)
    await s.order("CertificateSigned", "Accepted", certificateChain=pki.sign_station_csr(csr))
    await s.quiet(600.0, "SignCertificate")
    manager = s.lab.running.certificates
    assert manager is not None
    assert manager.standing.credentials.station_certificate


@octt(password=SECRET)
async def test_tc_075_1_install_manufacturer_root(s: Stage) -> None:
    pki = pki_of(s)
    await s.ready()
    await install(s, MANUFACTURER, pki.get("manufacturer/root").pem)
    assert len(await installed(s, MANUFACTURER)) == 1
    assert await installed(s, CENTRAL) == []


@octt(password=SECRET)
async def test_tc_075_2_install_central_system_root(s: Stage) -> None:
    pki = pki_of(s)
    await s.ready()
    await install(s, CENTRAL, pki.csms_root.pem)
    (told,) = await installed(s, CENTRAL)
    data = certificates.hash_data(pki.csms_root.certificate, pki.csms_root.certificate)
    assert told == {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": data.issuer_name_hash,
        "issuerKeyHash": data.issuer_key_hash,
        "serialNumber": data.serial_number,
    }
    await install(s, CENTRAL, pki.get("bad/root-expired").pem, "Rejected")  # M05.FR.06


@octt(password=SECRET)
async def test_tc_076_delete_a_certificate(s: Stage) -> None:
    await s.ready()
    await install(s, CENTRAL, pki_of(s).csms_root.pem)
    (told,) = await installed(s, CENTRAL)
    await s.order("DeleteCertificate", "Accepted", certificateHashData=told)
    await s.order("DeleteCertificate", "NotFound", certificateHashData=told)
    assert await installed(s, CENTRAL) == []


@octt(password=SECRET)
async def test_tc_077_invalid_charge_point_certificate(s: Stage) -> None:
    pki = pki_of(s)
    await s.ready()
    await install(s, CENTRAL, pki.csms_root.pem)
    s.csms.policy.signer = lambda *_asked: None
    csr = await request(s)
    chain = pki.sign_station_csr(csr, issuer="csms/other-root")
    await s.order("CertificateSigned", "Rejected", certificateChain=chain)
    await s.expect("SecurityEventNotification", type="InvalidChargePointCertificate")
    await s.quiet(600.0, "SignCertificate")


@octt(password=SECRET)
async def test_keys_of_the_whitepaper(s: Stage) -> None:
    await s.ready()
    names = ["CertificateSignedMaxChainSize", "CertificateStoreMaxLength", "AdditionalRootCertificateCheck"]
    answer = await s.call("GetConfiguration", key=names)
    assert all(entry["readonly"] for entry in answer["configurationKey"])
    assert [entry["value"] for entry in answer["configurationKey"]] == ["10000", "64", "false"]


# --- A04: docs/decisions/0008-legacy-security-events.md -------------------------------------------------------------


@octt()
async def test_a_plain_1_6_csms_hears_no_security_events(s: Stage) -> None:
    await s.ready()
    await s.quiet(60.0, "SecurityEventNotification")


@octt(password=SECRET)
async def test_with_a_security_profile_it_hears_them(s: Stage) -> None:
    await s.expect("SecurityEventNotification", type="StartupOfTheDevice")


@pytest.mark.parametrize("kind", [FaultKind.NEVER, FaultKind.REFUSE])
def test_a_csms_that_does_not_know_the_message_gets_each_event_once(kind: FaultKind) -> None:
    """And the transactions behind it do not wait for it."""

    @octt(password=SECRET, complaints=True, variables={"OCPPCommCtrlr.MessageTimeout[Default]": "5"})
    async def case(s: Stage) -> None:
        s.csms.fault(kind, "SecurityEventNotification", times=1)
        await s.ready()
        s.lab.plug()
        s.lab.swipe()
        await s.expect("StartTransaction", within=30.0)
        await asyncio.sleep(600.0)
        assert len(s.csms.journal.calls(NAME, "SecurityEventNotification")) == 1

    case()
