"""The security whitepaper of 1.6 in words: TC_074 to TC_077 (what the store makes of it: tests/conformance)."""

from __future__ import annotations

import dataclasses

import pytest

from station.clock import Now
from station.core.events import TriggerFirmwareStatus, TriggerLogStatus, TriggerMeterValues, TriggerStatus
from station.core.facts import SecurityFact
from station.ocpp.v16 import security
from station.ocpp.v16.dialect import Dialect16
from station.security.api import CertificateUse, HashData, Installed, LeafKind, Outcome

NOW = Now(1000.0, 1_790_000_000.0)
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "a" * 64, "issuerKeyHash": "b" * 64, "serialNumber": "1f"}
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
        assert keep_in_use  # M04.FR.06
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
def port(rig):
    rig.services.certificates = Port()
    return rig.services.certificates


def test_every_message_is_handled(rig):
    assert all(rig.dialect.supports(action) for action in security.HANDLERS)


# --- A04 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("StartupOfTheDevice", "StartupOfTheDevice"),
        ("InvalidChargingStationCertificate", "InvalidChargePointCertificate"),  # TC_077
        ("InvalidCsmsCertificate", "InvalidCentralSystemCertificate"),  # TC_078
        ("FailedToAuthenticateAtCsms", "FailedToAuthenticationAtCentralSystem"),
        ("CsmsFailedToAuthenticate", "CentralSystemFailedToAuthentication"),
    ],
)
def test_events_have_the_names_of_section_8(rig, kind, word):
    frame = security.event(SecurityFact(kind, NOW, "x" * 300), NOW)
    assert frame.action == "SecurityEventNotification"
    assert rig.check(frame) == {"type": word, "timestamp": "2026-09-21T14:13:20.000Z", "techInfo": "x" * 255}


@pytest.mark.parametrize("profile", [0, 1, 2, 3])
def test_events_are_told_where_the_whitepaper_is_in_use(rig, profile):
    """Plain 1.6 CSMSs answer with an error: see docs/decisions/0008."""
    settings = dataclasses.replace(rig.settings, security_profile=lambda: profile)
    rendered = Dialect16(settings).record(SecurityFact("ResetOrReboot", NOW), {}, NOW, offline=False)
    assert (rendered.frame is not None) is (profile > 0)
    assert rendered.context == {}


def test_an_event_without_answer_is_not_repeated(rig):
    assert not rig.dialect.repeats(SecurityFact("ResetOrReboot", NOW))


# --- certificates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "use"),
    [
        ("CentralSystemRootCertificate", CertificateUse.CSMS_ROOT),
        ("ManufacturerRootCertificate", CertificateUse.MANUFACTURER_ROOT),
    ],
)
def test_tc_075_install(rig, port, word, use):
    assert rig.status("InstallCertificate", certificateType=word, certificate=PEM) == "Accepted"
    assert port.asked == [(use, PEM)]


@pytest.mark.parametrize(("status", "told"), [("Rejected", "Rejected"), ("Failed", "Failed"), ("NotFound", "Failed")])
def test_m05_an_installation_that_fails(rig, port, status, told):
    port.outcome = Outcome(status, "InvalidCertificate", "1.6 has no field for this")
    asked = {"certificateType": "CentralSystemRootCertificate", "certificate": PEM}
    assert rig.call("InstallCertificate", **asked) == {"status": told}


@pytest.mark.parametrize(
    ("status", "told"), [("Accepted", "Accepted"), ("Failed", "Failed"), ("NotFound", "NotFound"), ("Odd", "Failed")]
)
def test_tc_076_delete(rig, port, status, told):
    port.outcome = Outcome(status)
    assert rig.status("DeleteCertificate", certificateHashData=HASH) == told
    assert port.asked == [DATA]


def test_tc_076_installed(rig, port):
    port.found = (Installed(CertificateUse.CSMS_ROOT, DATA),)
    answer = rig.call("GetInstalledCertificateIds", certificateType="CentralSystemRootCertificate")
    assert answer == {"status": "Accepted", "certificateHashData": [HASH]}
    assert port.asked == [frozenset({CertificateUse.CSMS_ROOT})]


def test_m03_nothing_installed(rig, port):
    answer = rig.call("GetInstalledCertificateIds", certificateType="ManufacturerRootCertificate")
    assert answer == {"status": "NotFound"}
    assert port.asked == [frozenset({CertificateUse.MANUFACTURER_ROOT})]


@pytest.mark.parametrize(
    ("status", "told"), [("Accepted", "Accepted"), ("Rejected", "Rejected"), ("Failed", "Rejected")]
)
def test_tc_074_signed(rig, port, status, told):
    port.outcome = Outcome(status)
    assert rig.status("CertificateSigned", certificateChain=PEM) == told
    assert port.asked == [(LeafKind.STATION, PEM)]


# --- ExtendedTriggerMessage -----------------------------------------------------------------------------------------


def test_tc_074_sign_charge_point_certificate(rig, port):
    assert rig.status("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate") == "Accepted"
    assert port.asked == [LeafKind.STATION]
    port.outcome = Outcome("Rejected", "MissingDevModelInfo")
    assert rig.status("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate") == "Rejected"


@pytest.mark.parametrize(("message", "follows"), [("BootNotification", ("boot", True)), ("Heartbeat", "heartbeat")])
def test_what_follows_the_answer(rig, message, follows):
    assert rig.status("ExtendedTriggerMessage", requestedMessage=message) == "Accepted"
    assert rig.services.log == ["answer", follows]


@pytest.mark.parametrize(
    ("message", "command"),
    [
        ("MeterValues", TriggerMeterValues(1, 2)),
        ("StatusNotification", TriggerStatus(1, 2)),
        ("LogStatusNotification", TriggerLogStatus(1)),
        ("FirmwareStatusNotification", TriggerFirmwareStatus(1, signed=True)),
    ],
)
def test_what_the_core_tells(rig, message, command):
    assert rig.status("ExtendedTriggerMessage", requestedMessage=message, connectorId=2) == "Accepted"
    assert rig.services.commands == [command]


def test_an_unknown_connector(rig):
    assert rig.status("ExtendedTriggerMessage", requestedMessage="MeterValues", connectorId=9) == "Rejected"
    assert rig.services.commands == []


# --- configuration keys ---------------------------------------------------------------------------------------------


def test_keys_of_section_7(rig):
    names = [
        "AdditionalRootCertificateCheck",
        "CertificateSignedMaxChainSize",
        "CertificateStoreMaxLength",
        "CertSigningRepeatTimes",
        "CertSigningWaitMinimum",
        "CpoName",
    ]
    told = {entry["key"]: entry for entry in rig.call("GetConfiguration", key=names)["configurationKey"]}
    assert {name: (told[name]["value"], told[name]["readonly"]) for name in names} == {
        "AdditionalRootCertificateCheck": ("false", True),
        "CertificateSignedMaxChainSize": ("10000", True),
        "CertificateStoreMaxLength": ("64", True),
        "CertSigningRepeatTimes": ("3", False),
        "CertSigningWaitMinimum": ("30", False),
        "CpoName": ("", False),
    }
    assert rig.status("ChangeConfiguration", key="CpoName", value="Example Charging") == "Accepted"
    assert rig.services.model.text("SecurityCtrlr", "OrganizationName") == "Example Charging"
