"""A02, M03 to M05 in words: TC_A_11, TC_A_12, TC_A_14, TC_M_01 to TC_M_23 (what the store makes of it: tests/conformance)."""

from __future__ import annotations

import pytest

from station.ocpp.v201 import certificates, remote
from station.security.api import CertificateUse, HashData, Installed, LeafKind, Outcome

HASH = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "a" * 64,
    "issuerKeyHash": "b" * 64,
    "serialNumber": "1f",
}
DATA = HashData("SHA256", "a" * 64, "b" * 64, "1f")
PEM = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"


class Port:
    """Certificates in memory: remembers what was asked, answers at once with `outcome` or `found`."""

    def __init__(self) -> None:
        self.asked = []
        self.outcome = Outcome("Accepted")
        self.found = ()

    def install(self, use, pem, done):
        self.asked.append((use, pem))
        done(self.outcome)

    def delete(self, which, done, *, keep_in_use=False):
        assert not keep_in_use
        self.asked.append(which)
        done(self.outcome)

    def installed(self, uses, done):
        self.asked.append(uses)
        done(self.found)

    def signed(self, chain_pem, kind, done):
        self.asked.append((kind, chain_pem))
        done(self.outcome)

    def sign(self, kind):
        self.asked.append(kind)
        return self.outcome


@pytest.fixture
def port(station):
    station.certificates = Port()
    return station.certificates


def test_every_action_has_its_handler(station):
    assert set(certificates.HANDLERS) == {
        "CertificateSigned",
        "DeleteCertificate",
        "GetInstalledCertificateIds",
        "InstallCertificate",
    }
    assert all(station.dialect.supports(action) for action in certificates.HANDLERS)


@pytest.mark.parametrize(
    ("word", "use"),
    [
        ("CSMSRootCertificate", CertificateUse.CSMS_ROOT),
        ("ManufacturerRootCertificate", CertificateUse.MANUFACTURER_ROOT),
        ("V2GRootCertificate", CertificateUse.V2G_ROOT),
        ("MORootCertificate", CertificateUse.MO_ROOT),
    ],
)
def test_install(station, port, word, use):  # TC_M_01 to TC_M_04
    assert station.ask("InstallCertificate", {"certificateType": word, "certificate": PEM}) == {"status": "Accepted"}
    assert port.asked == [(use, PEM)]


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        (
            Outcome("Rejected", "InvalidCertificate", "expired"),
            {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidCertificate", "additionalInfo": "expired"}},
        ),
        (Outcome("Failed", "OutOfStorage"), {"status": "Failed", "statusInfo": {"reasonCode": "OutOfStorage"}}),
        (Outcome("NotFound"), {"status": "Failed"}),  # no word of this answer
        (
            Outcome("Rejected", "x" * 30, "y" * 600),
            {"status": "Rejected", "statusInfo": {"reasonCode": "x" * 20, "additionalInfo": "y" * 512}},
        ),
    ],
)
def test_an_installation_that_fails(station, port, outcome, answer):  # TC_M_07
    port.outcome = outcome
    asked = {"certificateType": "CSMSRootCertificate", "certificate": PEM}
    assert station.ask("InstallCertificate", asked) == answer


@pytest.mark.parametrize("status", ["Accepted", "Failed", "NotFound"])
def test_delete(station, port, status):  # TC_M_20, TC_M_22, TC_M_23
    port.outcome = Outcome(status)
    assert station.ask("DeleteCertificate", {"certificateHashData": HASH}) == {"status": status}
    assert port.asked == [DATA]


def test_installed_of_some_kinds(station, port):  # TC_M_12 to TC_M_17
    port.found = (Installed(CertificateUse.CSMS_ROOT, DATA), Installed(CertificateUse.MANUFACTURER_ROOT, DATA))
    asked = {"certificateType": ["CSMSRootCertificate", "ManufacturerRootCertificate"]}
    assert station.ask("GetInstalledCertificateIds", asked) == {
        "status": "Accepted",
        "certificateHashDataChain": [
            {"certificateType": "CSMSRootCertificate", "certificateHashData": HASH},
            {"certificateType": "ManufacturerRootCertificate", "certificateHashData": HASH},
        ],
    }
    assert port.asked == [frozenset({CertificateUse.CSMS_ROOT, CertificateUse.MANUFACTURER_ROOT})]


def test_all_installed_but_our_own(station, port):  # TC_M_18
    """GetCertificateIdUseEnumType has no word for the certificate towards the CSMS."""
    children = tuple(HashData("SHA256", "a" * 64, "b" * 64, str(n)) for n in range(6))
    port.found = (Installed(CertificateUse.STATION, DATA), Installed(CertificateUse.V2G_CHAIN, DATA, children))
    answer = station.ask("GetInstalledCertificateIds", {})
    (row,) = answer["certificateHashDataChain"]
    assert row["certificateType"] == "V2GCertificateChain"  # M03.FR.05
    assert [child["serialNumber"] for child in row["childCertificateHashData"]] == ["0", "1", "2", "3"]
    assert port.asked == [frozenset(CertificateUse) - {CertificateUse.STATION}]


@pytest.mark.parametrize("found", [(), (Installed(CertificateUse.STATION, DATA),)])
def test_nothing_installed(station, port, found):  # TC_M_19
    port.found = found
    assert station.ask("GetInstalledCertificateIds", {}) == {
        "status": "NotFound",
        "statusInfo": {"reasonCode": "NotFound"},
    }


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ({"certificateType": "ChargingStationCertificate"}, LeafKind.STATION),
        ({"certificateType": "V2GCertificate"}, LeafKind.V2G),
        ({}, None),
    ],
)
def test_signed(station, port, kind, meant):
    assert station.ask("CertificateSigned", {"certificateChain": PEM, **kind}) == {"status": "Accepted"}
    assert port.asked == [(meant, PEM)]


def test_signed_but_not_valid(station, port):  # TC_A_14
    port.outcome = Outcome("Rejected", "InvalidCertificate")
    answer = station.ask("CertificateSigned", {"certificateChain": PEM})
    assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidCertificate"}}


@pytest.mark.parametrize(
    ("message", "kind"),
    [("SignChargingStationCertificate", LeafKind.STATION), ("SignV2GCertificate", LeafKind.V2G)],
)
def test_triggered(station, port, message, kind):
    assert station.ask("TriggerMessage", {"requestedMessage": message}) == {"status": "Accepted"}
    assert port.asked == [kind]
    port.outcome = Outcome("Rejected", "MissingDevModelInfo", "set the name")
    answer = station.ask("TriggerMessage", {"requestedMessage": message})
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"] == {"reasonCode": "MissingDevModelInfo", "additionalInfo": "set the name"}


def test_one_certificate_for_both_connections_is_not_ours(station, port):  # A02.FR.13
    assert "SignCombinedCertificate" not in certificates.TRIGGERS
    assert station.ask("TriggerMessage", {"requestedMessage": "SignCombinedCertificate"}) == {
        "status": "NotImplemented"
    }
    assert port.asked == []
    assert "TriggerMessage" in remote.HANDLERS


def test_what_the_csms_sends_back_names_the_same_certificate():
    assert certificates.read_hash({**HASH, "serialNumber": "001F", "issuerNameHash": "A" * 64}).same(DATA)
