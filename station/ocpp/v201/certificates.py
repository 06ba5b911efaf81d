"""Blocks A and M, certificates: CertificateSigned (A02), GetInstalledCertificateIds (M03), DeleteCertificate (M04),
InstallCertificate (M05), and what TriggerMessage asks for.

Words only: every check is made behind `station.ocpp.dialect.CertificatePort`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from station.ocpp.dialect import Call, Payload, Services
from station.ocpp.v201.fields import ACCEPTED_OR_REJECTED, Handler, status
from station.security.api import CertificateUse, HashData, Installed, LeafKind, Outcome

_DELETED = frozenset({"Accepted", "Failed", "NotFound"})
_INSTALLED = frozenset({"Accepted", "Rejected", "Failed"})
_TRIGGERED = frozenset({"Accepted", "Rejected", "NotImplemented"})
_MOST_CHILDREN = 4  # CertificateHashDataChainType.childCertificateHashData
# GetCertificateIdUseEnumType: our own certificate for the CSMS is not among what can be asked for.
_TOLD = frozenset(CertificateUse) - {CertificateUse.STATION}


def install(call: Call, services: Services) -> None:
    """M05."""
    use = CertificateUse(call.payload["certificateType"])
    services.certificates.install(
        use, call.payload["certificate"], lambda outcome: call.answer(_words(outcome, _INSTALLED, "Failed"))
    )


def delete(call: Call, services: Services) -> None:
    """M04."""
    services.certificates.delete(
        read_hash(call.payload["certificateHashData"]),
        lambda outcome: call.answer(_words(outcome, _DELETED, "Failed")),
    )


def installed_ids(call: Call, services: Services) -> None:
    """M03. Without a type all of them are meant."""
    asked = call.payload.get("certificateType")
    uses = _TOLD if asked is None else frozenset(CertificateUse(one) for one in asked)

    def done(found: tuple[Installed, ...]) -> None:
        rows = [_chain(one) for one in found if one.use in _TOLD]
        if rows:
            call.answer({"status": "Accepted", "certificateHashDataChain": rows})  # M03.FR.03, FR.04
        else:
            call.answer(status("NotFound", "NotFound"))  # M03.FR.02

    services.certificates.installed(uses, done)


def signed(call: Call, services: Services) -> None:
    """A02. certificateType is only recommended (A02.FR.14): without it, the request that is open is meant."""
    kind = call.payload.get("certificateType")
    services.certificates.signed(
        call.payload["certificateChain"],
        None if kind is None else LeafKind(kind),
        lambda outcome: call.answer(_words(outcome, ACCEPTED_OR_REJECTED, "Rejected")),
    )


def _sign_station(call: Call, services: Services) -> None:
    _sign(call, services, LeafKind.STATION)


def _sign_v2g(call: Call, services: Services) -> None:
    _sign(call, services, LeafKind.V2G)


def _sign(call: Call, services: Services, kind: LeafKind) -> None:
    """The answer leaves at once; the key is made after it (A02.FR.02)."""
    call.answer(_words(services.certificates.sign(kind), _TRIGGERED, "Rejected"))


def _words(outcome: Outcome, words: frozenset[str], otherwise: str) -> Payload:
    return status(outcome.status if outcome.status in words else otherwise, outcome.reason, outcome.info)


def read_hash(data: Mapping[str, Any]) -> HashData:
    """CertificateHashDataType."""
    return HashData(
        algorithm=data["hashAlgorithm"],
        issuer_name_hash=data["issuerNameHash"],
        issuer_key_hash=data["issuerKeyHash"],
        serial_number=data["serialNumber"],
    )


def _hash(data: HashData) -> Payload:
    return {
        "hashAlgorithm": data.algorithm,
        "issuerNameHash": data.issuer_name_hash,
        "issuerKeyHash": data.issuer_key_hash,
        "serialNumber": data.serial_number,
    }


def _chain(found: Installed) -> Payload:
    row: Payload = {"certificateType": found.use.value, "certificateHashData": _hash(found.hash)}
    if found.children:
        row["childCertificateHashData"] = [_hash(child) for child in found.children[:_MOST_CHILDREN]]  # M03.FR.05
    return row


TRIGGERS: Mapping[str, Handler] = {
    "SignChargingStationCertificate": _sign_station,
    "SignV2GCertificate": _sign_v2g,
}
"""For TriggerMessage. SignCombinedCertificate is not among them: the two connections have certificates of their own."""

HANDLERS: Mapping[str, Handler] = {
    "CertificateSigned": signed,
    "DeleteCertificate": delete,
    "GetInstalledCertificateIds": installed_ids,
    "InstallCertificate": install,
}
