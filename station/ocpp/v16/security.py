"""The security whitepaper (edition 3) of 1.6: certificates (A02, M03-M05), security events (A04), ExtendedTriggerMessage.

The log and the firmware of the whitepaper are in `files`. Words only: every check is made behind
`station.ocpp.dialect.CertificatePort`.
"""

from __future__ import annotations

from station.clock import Now, best_wall, iso
from station.core.events import TriggerFirmwareStatus, TriggerLogStatus
from station.core.facts import SecurityFact
from station.ocpp.dialect import Call, DialectSettings, Frame, Payload, Services
from station.ocpp.v16 import trigger
from station.ocpp.v16.common import Handler, accepted_or_rejected, answer_status
from station.security.api import CertificateUse, HashData, Installed, LeafKind, Outcome

_USES = {
    "CentralSystemRootCertificate": CertificateUse.CSMS_ROOT,
    "ManufacturerRootCertificate": CertificateUse.MANUFACTURER_ROOT,
}

_EVENTS = {
    "FailedToAuthenticateAtCsms": "FailedToAuthenticationAtCentralSystem",
    "CsmsFailedToAuthenticate": "CentralSystemFailedToAuthentication",
    "InvalidCsmsCertificate": "InvalidCentralSystemCertificate",
    "InvalidChargingStationCertificate": "InvalidChargePointCertificate",
}
"""Section 8 spells four of the events of 2.x in the words of 1.6."""


# --- A04 ------------------------------------------------------------------------------------------------------------


def event(fact: SecurityFact, now: Now) -> Frame:
    """SecurityEventNotification."""
    payload: Payload = {"type": _EVENTS.get(fact.kind, fact.kind)[:50], "timestamp": iso(best_wall(fact.at, now))}
    if fact.info:
        payload["techInfo"] = fact.info[:255]
    return Frame("SecurityEventNotification", payload)


# --- M03, M04, M05, A02 ---------------------------------------------------------------------------------------------


def _install(call: Call, services: Services, _settings: DialectSettings) -> None:
    """M05."""
    services.certificates.install(
        _USES[call.payload["certificateType"]],
        call.payload["certificate"],
        lambda outcome: _answer(call, outcome, ("Accepted", "Rejected", "Failed"), "Failed"),
    )


def _delete(call: Call, services: Services, _settings: DialectSettings) -> None:
    """M04. A root that vouches for the CSMS now is kept (M04.FR.06)."""
    data = call.payload["certificateHashData"]
    which = HashData(data["hashAlgorithm"], data["issuerNameHash"], data["issuerKeyHash"], data["serialNumber"])
    services.certificates.delete(
        which,
        lambda outcome: _answer(call, outcome, ("Accepted", "Failed", "NotFound"), "Failed"),
        keep_in_use=True,
    )


def _installed_ids(call: Call, services: Services, _settings: DialectSettings) -> None:
    """M03."""

    def done(found: tuple[Installed, ...]) -> None:
        if found:
            call.answer({"status": "Accepted", "certificateHashData": [_hash(one.hash) for one in found]})
        else:
            answer_status(call, "NotFound")  # M03.FR.02

    services.certificates.installed(frozenset({_USES[call.payload["certificateType"]]}), done)


def _signed(call: Call, services: Services, _settings: DialectSettings) -> None:
    """A02: 1.6 knows one kind of certificate of our own."""
    services.certificates.signed(
        call.payload["certificateChain"],
        LeafKind.STATION,
        lambda outcome: _answer(call, outcome, ("Accepted", "Rejected"), "Rejected"),
    )


def _answer(call: Call, outcome: Outcome, words: tuple[str, ...], otherwise: str) -> None:
    """1.6 has no field for the reason; the log has it."""
    answer_status(call, outcome.status if outcome.status in words else otherwise)


def _hash(data: HashData) -> Payload:
    return {
        "hashAlgorithm": data.algorithm,
        "issuerNameHash": data.issuer_name_hash,
        "issuerKeyHash": data.issuer_key_hash,
        "serialNumber": data.serial_number,
    }


# --- ExtendedTriggerMessage -----------------------------------------------------------------------------------------


def _extended_trigger(call: Call, services: Services, settings: DialectSettings) -> None:
    """As TriggerMessage, with messages of the whitepaper. The answer leaves before what it announces."""
    match call.payload["requestedMessage"]:
        case "SignChargePointCertificate":
            outcome = services.certificates.sign(LeafKind.STATION)  # A02.FR.02: the key is made after the answer
            _answer(call, outcome, ("Accepted", "Rejected", "NotImplemented"), "Rejected")
        case "LogStatusNotification":
            services.command(TriggerLogStatus, accepted_or_rejected(call))
        case "FirmwareStatusNotification":
            # L01.FR.28: this trigger means SignedFirmwareStatusNotification, that of 1.6 itself the plain one.
            services.command(lambda ref: TriggerFirmwareStatus(ref, signed=True), accepted_or_rejected(call))
        case _:
            trigger.requested(call, services, settings)


HANDLERS: dict[str, Handler] = {
    "CertificateSigned": _signed,
    "DeleteCertificate": _delete,
    "ExtendedTriggerMessage": _extended_trigger,
    "GetInstalledCertificateIds": _installed_ids,
    "InstallCertificate": _install,
}
