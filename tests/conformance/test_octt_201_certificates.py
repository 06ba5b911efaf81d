"""OCTT cases of blocks A and M for a 2.0.1 station: its own certificates, and those that a CSMS installs.

The certificates are real: a test PKI issues them, and the station's store judges them. What is shown in a TLS handshake is in
tests/interop and in the tests of the link.
"""

from __future__ import annotations

import itertools

import pytest

from station.core.types import Credentials
from station.security import certificates
from station.security.api import LeafKind
from station.security.testpki import TestPki
from tests.conformance.stage201 import Payload, Stage201, octt

NAMED = {"SecurityCtrlr.OrganizationName": "Operator"}
V2G = {**NAMED, "ISO15118Ctrlr.SeccId": "DE*ABC*E1"}
CHECKED = {"SecurityCtrlr.AdditionalRootCertificateCheck": "true"}
ROOTS = {
    "CSMSRootCertificate": "csms/root",
    "ManufacturerRootCertificate": "manufacturer/root",
    "V2GRootCertificate": "iso2/v2g-root",
    "MORootCertificate": "iso2/mo-root",
}


def pki_of(stage: Stage201) -> TestPki:
    return TestPki(stage.lab.clock.now().wall, organisation="Operator")


async def install(
    stage: Stage201, pki: TestPki, use: str, name: str | None = None, status: str = "Accepted"
) -> Payload:
    pem = pki.get(name or ROOTS[use]).pem
    return await stage.ask(status, "InstallCertificate", {"certificateType": use, "certificate": pem})


async def hashes(stage: Stage201, *uses: str) -> dict[str, list[Payload]]:
    """What GetInstalledCertificateIds tells, by use; nothing when NotFound."""
    answer = await stage.call("GetInstalledCertificateIds", {"certificateType": list(uses)} if uses else {})
    rows = answer.get("certificateHashDataChain", [])
    assert (answer["status"] == "Accepted") == bool(rows)
    found: dict[str, list[Payload]] = {}
    for row in rows:
        found.setdefault(row["certificateType"], []).append(row)
    return found


def hash_of(pki: TestPki, name: str) -> Payload:
    root = pki.get(name).certificate
    data = certificates.hash_data(root, root)
    return {
        "hashAlgorithm": data.algorithm,
        "issuerNameHash": data.issuer_name_hash,
        "issuerKeyHash": data.issuer_key_hash,
        "serialNumber": data.serial_number,
    }


async def request(stage: Stage201, message: str = "SignChargingStationCertificate") -> Payload:
    """The CSMS triggers a request; what it gets."""
    stage.from_now()
    await stage.trigger(message)
    return await stage.told("SignCertificate")


# --- A02 ------------------------------------------------------------------------------------------------------------


@octt(NAMED)
async def test_tc_a_11_new_charging_station_certificate(stage: Stage201) -> None:
    """The answer comes before the request, which is for a new key, names its kind, and is answered with a good certificate."""
    pki = pki_of(stage)
    await install(stage, pki, "CSMSRootCertificate")
    stage.csms.policy.signer = lambda _station, csr, kind: pki.sign_station_csr(csr, kind=LeafKind(kind))
    asked = await request(stage)
    assert asked["certificateType"] == "ChargingStationCertificate"  # A02.FR.13
    assert asked["csr"].startswith("-----BEGIN CERTIFICATE REQUEST-----")  # A02.FR.03
    await stage.rest(1.0)
    assert status_of_answer(stage, "CertificateSigned") == "Accepted"
    assert stage.lab.running.certificates is not None
    assert stage.lab.running.certificates.standing.credentials == Credentials(1, station_certificate=True, entries=2)
    assert await stage.value("SecurityCtrlr.CertificateEntries") == "2"
    await stage.rest(400.0)
    assert len(stage.calls("SignCertificate")) == 1  # it is not asked for again
    other = await request(stage)
    assert other["csr"] != asked["csr"]  # A02.FR.02


def status_of_answer(stage: Stage201, action: str) -> str:
    """Status of the station's last answer to a CALL of the CSMS."""
    answers = [one for one in stage.csms.journal.frames if one.action == action and not one.is_call]
    return str(answers[-1].payload["status"])


@octt(V2G)
async def test_tc_a_12_new_v2g_certificate(stage: Stage201) -> None:
    pki = pki_of(stage)
    await install(stage, pki, "V2GRootCertificate")
    stage.csms.policy.signer = lambda *_asked: None
    asked = await request(stage, "SignV2GCertificate")
    assert asked["certificateType"] == "V2GCertificate"
    chain = pki.sign_station_csr(asked["csr"], kind=LeafKind.V2G)
    signed = {"certificateChain": chain, "certificateType": "V2GCertificate"}
    await stage.ask("Accepted", "CertificateSigned", signed)
    (row,) = (await hashes(stage, "V2GCertificateChain"))["V2GCertificateChain"]
    assert len(row["childCertificateHashData"]) == 2  # M03.FR.05


@octt(NAMED)
async def test_tc_a_14_an_invalid_certificate(stage: Stage201) -> None:
    """Rejected, a security event, and no further request (A02.FR.07, FR.20)."""
    pki = pki_of(stage)
    await install(stage, pki, "CSMSRootCertificate")
    stage.csms.policy.signer = lambda *_asked: None
    asked = await request(stage)
    chain = pki.sign_station_csr(asked["csr"], issuer="csms/other-root")
    signed = {"certificateChain": chain, "certificateType": "ChargingStationCertificate"}
    answer = await stage.ask("Rejected", "CertificateSigned", signed)
    assert answer["statusInfo"]["reasonCode"] == "InvalidCertificate"
    await stage.told("SecurityEventNotification", type="InvalidChargingStationCertificate")
    stage.from_now()
    await stage.quiet("SignCertificate", 2000.0)


@octt(NAMED)
async def test_tc_a_15_the_request_is_rejected(stage: Stage201) -> None:
    stage.csms.policy.signer = None
    await request(stage)
    stage.from_now()
    await stage.quiet("SignCertificate", 2000.0)


@octt({**NAMED, "SecurityCtrlr.CertSigningWaitMinimum": "20", "SecurityCtrlr.CertSigningRepeatTimes": "2"})
async def test_tc_a_23_no_certificate_comes(stage: Stage201) -> None:
    """The request is repeated after 20 s and 40 s, and no more (A02.FR.17 to FR.19)."""
    stage.csms.policy.signer = lambda *_asked: None
    await request(stage)
    await stage.rest(1000.0)
    frames = stage.frames("SignCertificate")
    gaps = [after.mono - before.mono for before, after in itertools.pairwise(frames)]
    assert gaps == [pytest.approx(20.0, abs=1.0), pytest.approx(40.0, abs=1.0)]
    assert len({frame.payload["csr"] for frame in frames}) == 1


@octt()
async def test_without_a_name_for_the_operator_nothing_is_asked_for(stage: Stage201) -> None:
    """A02, prerequisites. One certificate for both connections is not implemented (F06.FR.08)."""
    await stage.trigger("SignChargingStationCertificate", "Rejected")
    await stage.trigger("SignV2GCertificate", "Rejected")
    await stage.trigger("SignCombinedCertificate", "NotImplemented")
    await stage.quiet("SignCertificate")


@octt(NAMED, ready=False, boot=["Pending", "Accepted"])
async def test_a_request_while_pending(stage: Stage201) -> None:
    """B02.FR.02: what the CSMS has triggered is sent before it accepts the station."""
    await stage.told("BootNotification")
    await stage.rest(1.0)
    stage.csms.policy.signer = None
    await request(stage)


@octt(NAMED)
async def test_power_cut_between_request_and_certificate(stage: Stage201) -> None:
    """The key survives; the same request is sent again, and its certificate is good."""
    pki = pki_of(stage)
    await install(stage, pki, "CSMSRootCertificate")
    stage.csms.policy.signer = lambda *_asked: None
    asked = await request(stage)
    stage.from_now()
    await stage.lab.power_cut()
    await stage.lab.power_on()
    again = await stage.told("SignCertificate")
    assert again == asked
    signed = {"certificateChain": pki.sign_station_csr(asked["csr"])}
    await stage.ask("Accepted", "CertificateSigned", signed)


# --- M03, M04, M05 --------------------------------------------------------------------------------------------------


async def _installed(stage: Stage201, *uses: str) -> None:
    """Only what was asked for is told, with the hash data of RFC 6960."""
    pki = pki_of(stage)
    for use in ROOTS:
        await install(stage, pki, use)
    found = await hashes(stage, *uses)
    assert {use: [row["certificateHashData"] for row in rows] for use, rows in found.items()} == {
        use: [hash_of(pki, ROOTS[use])] for use in uses or ROOTS
    }


@octt()
async def test_tc_m_12_csms_root(stage: Stage201) -> None:
    await _installed(stage, "CSMSRootCertificate")


@octt()
async def test_tc_m_13_manufacturer_root(stage: Stage201) -> None:
    await _installed(stage, "ManufacturerRootCertificate")


@octt()
async def test_tc_m_14_v2g_root(stage: Stage201) -> None:
    await _installed(stage, "V2GRootCertificate")


@octt(V2G)
async def test_tc_m_15_v2g_chain(stage: Stage201) -> None:
    pki = pki_of(stage)
    await install(stage, pki, "V2GRootCertificate")
    assert await hashes(stage, "V2GCertificateChain") == {}
    stage.csms.policy.signer = lambda _station, csr, kind: pki.sign_station_csr(csr, kind=LeafKind(kind))
    await request(stage, "SignV2GCertificate")
    await stage.rest(1.0)
    (row,) = (await hashes(stage, "V2GCertificateChain"))["V2GCertificateChain"]
    below = {child["issuerNameHash"] for child in row["childCertificateHashData"]}
    assert row["certificateHashData"]["issuerNameHash"] not in below
    assert hash_of(pki, "iso2/v2g-root")["issuerNameHash"] in below


@octt()
async def test_tc_m_16_mo_root(stage: Stage201) -> None:
    await _installed(stage, "MORootCertificate")


@octt()
async def test_tc_m_17_two_kinds(stage: Stage201) -> None:
    await _installed(stage, "CSMSRootCertificate", "ManufacturerRootCertificate")


@octt()
async def test_tc_m_18_all_kinds(stage: Stage201) -> None:
    await _installed(stage)


@octt()
async def test_tc_m_19_nothing_matches(stage: Stage201) -> None:
    assert await hashes(stage) == {}
    await install(stage, pki_of(stage), "CSMSRootCertificate")
    assert await hashes(stage, "MORootCertificate") == {}


@octt()
async def test_tc_m_20_delete(stage: Stage201) -> None:
    pki = pki_of(stage)
    await install(stage, pki, "ManufacturerRootCertificate")
    data = {"certificateHashData": hash_of(pki, "manufacturer/root")}
    await stage.ask("Accepted", "DeleteCertificate", data)
    assert await hashes(stage, "ManufacturerRootCertificate") == {}
    await stage.ask("NotFound", "DeleteCertificate", data)


@octt()
async def test_tc_m_22_delete_what_is_not_there(stage: Stage201) -> None:
    await stage.ask("NotFound", "DeleteCertificate", {"certificateHashData": hash_of(pki_of(stage), "csms/root")})


@octt(NAMED)
async def test_tc_m_23_our_own_certificate_cannot_be_deleted(stage: Stage201) -> None:
    """M04.FR.06."""
    pki = pki_of(stage)
    await install(stage, pki, "CSMSRootCertificate")
    stage.csms.policy.signer = lambda _station, csr, _kind: pki.sign_station_csr(csr)
    await request(stage)
    await stage.rest(1.0)
    frame = stage.csms.journal.calls(stage.id, "CertificateSigned", sent=True)[-1]
    leaf = certificates.load_all(frame.payload["certificateChain"])[0]
    data = certificates.hash_data(leaf, pki.get("csms/station-ca").certificate)
    which = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": data.issuer_name_hash.upper(),
        "issuerKeyHash": data.issuer_key_hash,
        "serialNumber": data.serial_number.zfill(40),
    }
    await stage.ask("Failed", "DeleteCertificate", {"certificateHashData": which})


@octt()
async def test_tc_m_01_install_csms_root(stage: Stage201) -> None:
    """Also a second time, and another one beside it."""
    pki = pki_of(stage)
    await install(stage, pki, "CSMSRootCertificate")
    await install(stage, pki, "CSMSRootCertificate")
    assert len((await hashes(stage))["CSMSRootCertificate"]) == 1
    await install(stage, pki, "CSMSRootCertificate", "csms/other-root")
    assert len((await hashes(stage))["CSMSRootCertificate"]) == 2


@octt()
async def test_tc_m_02_install_manufacturer_root(stage: Stage201) -> None:
    await install(stage, pki_of(stage), "ManufacturerRootCertificate")


@octt()
async def test_tc_m_03_install_v2g_root(stage: Stage201) -> None:
    await install(stage, pki_of(stage), "V2GRootCertificate")


@octt()
async def test_tc_m_04_install_mo_root(stage: Stage201) -> None:
    await install(stage, pki_of(stage), "MORootCertificate")


@octt()
async def test_tc_m_07_an_invalid_root(stage: Stage201) -> None:
    pki = pki_of(stage)
    for name in ("bad/root-expired", "bad/root-weak", "bad/root-no-ca"):
        answer = await install(stage, pki, "CSMSRootCertificate", name, "Rejected")
        assert answer["statusInfo"]["reasonCode"] == "InvalidCertificate"
    nonsense = {"certificateType": "CSMSRootCertificate", "certificate": "no certificate at all"}
    await stage.ask("Rejected", "InstallCertificate", nonsense)
    assert await hashes(stage) == {}


@octt(CHECKED)
async def test_tc_m_09_a_root_that_the_old_one_has_not_signed(stage: Stage201) -> None:
    """AdditionalRootCertificateCheck (M05.FR.10, FR.11)."""
    pki = pki_of(stage)
    assert await stage.value("SecurityCtrlr.AdditionalRootCertificateCheck") == "true"
    await install(stage, pki, "CSMSRootCertificate")
    await install(stage, pki, "CSMSRootCertificate", "csms/other-root", "Rejected")
    await install(stage, pki, "CSMSRootCertificate", "csms/next-root")
    told = [row["certificateHashData"] for row in (await hashes(stage))["CSMSRootCertificate"]]
    assert len(told) == 2  # M05.FR.12: the old one stays as a fallback


@octt()
async def test_certificates_survive_a_power_cut(stage: Stage201) -> None:
    pki = pki_of(stage)
    for use in ROOTS:
        await install(stage, pki, use)
    await stage.lab.power_cut()
    await stage.lab.power_on()
    await stage.booted(2)
    assert set(await hashes(stage)) == set(ROOTS)
    assert await stage.value("SecurityCtrlr.CertificateEntries") == "4"
