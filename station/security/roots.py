"""Root certificates in the store: what may be installed, and what an installation replaces (M05)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from station.errors import SecurityError
from station.security import certificates
from station.security.api import CertificateUse
from station.security.shelf import Shelf, Step, drop, put

__all__ = [
    "FALLBACK",
    "FOLDERS",
    "RefusedError",
    "Replacement",
    "Root",
    "check",
    "dropping",
    "needed",
    "read",
    "replacing",
]

_log = logging.getLogger(__name__)

FOLDERS: Mapping[CertificateUse, str] = {
    CertificateUse.CSMS_ROOT: "csms",
    CertificateUse.MANUFACTURER_ROOT: "manufacturer",
    CertificateUse.V2G_ROOT: "v2g",
    CertificateUse.MO_ROOT: "mo",
}
FALLBACK = "csms-fallback"
"""The CSMS root that was replaced last (M05.FR.12)."""

MAX_PEM = 5500  # InstallCertificateRequest.certificate is string[0..5500]


class RefusedError(SecurityError):
    """A certificate is not taken or not given up; `reason` is a reason code of OCPP's appendix 5."""

    def __init__(self, message: str, reason: str = "InvalidCertificate") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Root:
    """A trusted certificate. issuer: itself, or who signed it as far as we know (for the hash data). file: where it is."""

    use: CertificateUse
    certificate: x509.Certificate
    issuer: x509.Certificate
    file: str
    fallback: bool = False


def read(shelf: Shelf) -> tuple[Root, ...]:
    """Every root on the shelf. A file that holds no certificate is logged and not used; one with several holds several roots."""
    found = []
    for folder, use in ((FOLDERS[use], use) for use in FOLDERS):
        found += _read_folder(shelf, folder, use, fallback=False)
        if use is CertificateUse.CSMS_ROOT:
            found += _read_folder(shelf, FALLBACK, use, fallback=True)
    return tuple(found)


def _read_folder(shelf: Shelf, folder: str, use: CertificateUse, *, fallback: bool) -> list[Root]:
    found: dict[x509.Certificate, Root] = {}
    for name in shelf.names(folder, ".pem"):
        beside = _issuer_file(name)
        text = shelf.read(beside)
        try:
            read_ones = certificates.load_all(shelf.read(name) or "", str(shelf.path(name)))
            issuers = certificates.load_all(text, str(shelf.path(beside))) if text is not None else ()
        except SecurityError as error:
            _log.warning("%s; it is not trusted", error)
            continue
        for one in read_ones:
            issuer = certificates.find_issuer(one, issuers) or one
            found.setdefault(one, Root(use, one, issuer, name, fallback))
    return list(found.values())


def _issuer_file(name: str) -> str:
    return name.removesuffix(".pem") + ".issuer"


def check(use: CertificateUse, text: str, wall: float | None) -> x509.Certificate:
    """The certificate, when it is good enough to be trusted (M05.FR.07). Raises RefusedError."""
    if use not in FOLDERS:
        raise RefusedError(f"{use.value} is not a root certificate", "UnsupportedParam")
    if len(text) > MAX_PEM:
        raise RefusedError(f"it has {len(text)} characters, at most {MAX_PEM} are taken", "TooLargeElement")
    try:
        certificate = certificates.load(text, "the request")
    except SecurityError as error:
        raise RefusedError(str(error)) from error
    if not certificates.is_ca(certificate):
        raise RefusedError("it is not a CA's certificate (basicConstraints, keyUsage)")
    if certificates.self_issued(certificate) and not certificates.issued_by(certificate, certificate):
        raise RefusedError("its own signature does not hold")
    if weak := certificates.weakness(certificate):
        raise RefusedError(weak)
    if wall is not None and wall > certificates.not_after(certificate):
        raise RefusedError(f"it has expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    return certificate


@dataclass(frozen=True, slots=True)
class Replacement:
    """What an installation changes, and how many roots there are then."""

    steps: tuple[Step, ...]
    count: int


def replacing(found: Sequence[Root], use: CertificateUse, new: x509.Certificate, *, checked: bool) -> Replacement:
    """How to install it. Nothing to do when it is there already (M05.FR.17). Raises RefusedError.

    checked: AdditionalRootCertificateCheck, which concerns CSMS roots only.
    """
    same_use = [root for root in found if root.use is use]
    current = [root for root in same_use if not root.fallback]
    if any(root.certificate == new for root in current):
        return Replacement((), len(found))
    issuer = certificates.find_issuer(new, [root.certificate for root in same_use])
    added = _putting(FOLDERS[use], new, issuer)
    if not checked or use is not CertificateUse.CSMS_ROOT or not current:
        # The one kept as a fallback is trusted again in its own right.
        gone = [root for root in same_use if root.certificate == new]
        return Replacement((*dropping(gone, found), *added), len(found) - len(gone) + 1)
    # M05.FR.10
    old = next((root for root in current if certificates.issued_by(new, root.certificate)), None)
    if old is None:
        raise RefusedError(
            "it is not signed by the CSMS root certificate that it would replace (AdditionalRootCertificateCheck)"
        )
    # M05.FR.09, .12: one, and the one before it.
    kept = _putting(FALLBACK, old.certificate, old.issuer)
    return Replacement((*dropping(same_use, found), *kept, *added), len(found) - len(same_use) + 2)


def _putting(folder: str, certificate: x509.Certificate, issuer: x509.Certificate | None) -> list[Step]:
    name = f"{folder}/{certificates.fingerprint(certificate)[:32]}.pem"
    steps = [put(name, certificates.pem([certificate]))]
    if issuer is not None and issuer != certificate:
        steps.append(put(_issuer_file(name), certificates.pem([issuer])))
    return steps


def needed(chain: Sequence[bytes], doomed: Sequence[Root], found: Sequence[Root]) -> bool:
    """Whether a connection rests on one of the doomed: no other CSMS root is in the chain.

    chain: what vouched for the CSMS, as DER.
    """
    vouching = [
        root
        for root in found
        if root.use is CertificateUse.CSMS_ROOT and root.certificate.public_bytes(Encoding.DER) in chain
    ]
    return bool(vouching) and all(root in doomed for root in vouching)


def dropping(doomed: Sequence[Root], found: Sequence[Root]) -> list[Step]:
    """The steps that remove them. A technician's file with several roots keeps the others."""
    steps = []
    for file in dict.fromkeys(root.file for root in doomed):
        rest = [root.certificate for root in found if root.file == file and root not in doomed]
        steps += [put(file, certificates.pem(rest))] if rest else [drop(file), drop(_issuer_file(file))]
    return steps
