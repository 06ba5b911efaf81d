"""Validation of certificate chains against roots that are given: what CertificateSigned brings, what signed a firmware.

The path rules of RFC 5280 section 6 as far as OCPP's hierarchies use them: signatures, names, dates, basicConstraints with path length,
keyUsage, strength, revocation by the CRLs at hand. Time comes in as `wall`, seconds since 1970; None: the clock is not known, and
dates are not looked at.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from station.errors import SecurityError
from station.security import certificates
from station.security.api import LeafKind

__all__ = ["ChainError", "Checked", "Wanted", "check_leaf", "check_path", "host_matches", "revoked"]

MAX_PATH = 10
_LEAF_USES = {
    LeafKind.STATION: ExtendedKeyUsageOID.CLIENT_AUTH,
    LeafKind.V2G: ExtendedKeyUsageOID.SERVER_AUTH,
}


class ChainError(SecurityError):
    """A chain cannot be trusted; `reason` is a reason code of OCPP's appendix 5, the message says why."""

    def __init__(self, message: str, reason: str = "InvalidCertificate") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """What our leaf must be: the one that the signing request asked for."""

    kind: LeafKind
    key: PublicKeyTypes
    common_name: str
    organisation: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A good chain in order: leaf, then its issuers without the root; `root` is the trusted one it ends in."""

    chain: tuple[x509.Certificate, ...]
    root: x509.Certificate

    @property
    def leaf(self) -> x509.Certificate:
        return self.chain[0]


def check_leaf(
    text: str,
    wanted: Wanted,
    roots: Sequence[x509.Certificate],
    wall: float | None,
    *,
    crls: Sequence[x509.CertificateRevocationList] = (),
    max_size: int | None = None,
) -> Checked:
    """The chain that CertificateSigned brought, in any order and with or without its root. Raises ChainError (A02.FR.06, .16).

    max_size: MaxCertificateChainSize in characters. A leaf that is not valid yet is fine: we change to it when it is (A02.FR.08).
    """
    if max_size is not None and len(text) > max_size:
        raise ChainError(f"the chain has {len(text)} characters, at most {max_size} are taken", "TooLargeElement")
    try:
        brought = certificates.load_all(text, "the chain")
    except SecurityError as error:
        raise ChainError(str(error)) from error
    leaf = next((one for one in brought if certificates.same_key(one.public_key(), wanted.key)), None)
    if leaf is None:
        raise ChainError("no certificate of the chain belongs to the key of our signing request")
    _check_subject(leaf, wanted)
    _check_use(leaf, _LEAF_USES[wanted.kind])
    return check_path(leaf, brought, roots, wall, crls=crls, early=True)


def _check_subject(leaf: x509.Certificate, wanted: Wanted) -> None:
    # A00.FR.511: the CN is our serial number, and what the CSMS tells us apart by.
    if certificates.common_name(leaf) != wanted.common_name:
        raise ChainError(
            f"the certificate is for the common name {certificates.common_name(leaf)[:64]!r}, we are {wanted.common_name!r}"
        )
    # A00.FR.509
    if wanted.organisation not in certificates.rdn(leaf.subject, NameOID.ORGANIZATION_NAME):
        raise ChainError(f"the certificate does not name the organisation {wanted.organisation!r} (O)")


def _check_use(leaf: x509.Certificate, purpose: x509.ObjectIdentifier) -> None:
    """A00.FR.512: no more than it is for; A00.FR.514: extended key usage is better left out, but if there, it must fit."""
    if certificates.is_ca(leaf):
        raise ChainError("the certificate is a CA's and not for a station")
    usage = certificates.key_usage(leaf)
    if usage is not None and not usage.digital_signature:
        raise ChainError("the certificate's key usage does not allow digital signatures, which TLS needs")
    extended = certificates.extended_usage(leaf)
    if extended is not None and not extended & {purpose, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}:
        raise ChainError("the certificate's extended key usage does not allow what it is for")


def check_path(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    wall: float | None,
    *,
    crls: Sequence[x509.CertificateRevocationList] = (),
    early: bool = False,
) -> Checked:
    """A path from the leaf over some of the others to one of the roots. Raises ChainError with the first thing that is wrong.

    early: a leaf that is not valid yet is accepted.
    """
    if not roots:
        raise ChainError("there is no root certificate installed that could vouch for it; install the root first")
    chain = [leaf]
    # Roots first: what is installed here needs no voucher, whatever the chain brings for it.
    while (root := _signer(chain[-1], roots, wall)) is None:
        issuer = _signer(chain[-1], [one for one in others if one not in chain], wall)
        if issuer is None:
            raise ChainError(
                f"{certificates.named(chain[-1])} is signed neither by an installed root nor by a certificate of the chain"
            )
        chain.append(issuer)
        if len(chain) > MAX_PATH:
            raise ChainError(f"the chain has more than {MAX_PATH} certificates")
    _check_dates(leaf, wall, early=early)
    for below, issuer in enumerate([*chain[1:], root]):
        _check_issuer(issuer, below, wall)
    for one in (*chain, *(() if certificates.self_issued(root) else (root,))):
        if weak := certificates.weakness(one):
            raise ChainError(f"{certificates.named(one)} is too weak: {weak}")
    for one, issuer in zip(chain, [*chain[1:], root], strict=True):
        if revoked(one, issuer, crls):
            raise ChainError(f"{certificates.named(one)} has been revoked by its issuer")
    return Checked(tuple(chain), root)


def _signer(one: x509.Certificate, among: Sequence[x509.Certificate], wall: float | None) -> x509.Certificate | None:
    """Who signed it; the ones that are valid now come first (a root may be there twice, renewed with the same key)."""
    signers = [other for other in among if certificates.issued_by(one, other)]
    if wall is not None:
        signers.sort(key=lambda other: not certificates.not_before(other) <= wall <= certificates.not_after(other))
    return signers[0] if signers else None


def _check_dates(one: x509.Certificate, wall: float | None, *, early: bool = False) -> None:
    if wall is None:
        return
    if wall > certificates.not_after(one):
        raise ChainError(f"{certificates.named(one)} has expired on {one.not_valid_after_utc:%Y-%m-%d}")
    if wall < certificates.not_before(one) and not early:
        raise ChainError(f"{certificates.named(one)} is not valid before {one.not_valid_before_utc:%Y-%m-%d}")


def _check_issuer(issuer: x509.Certificate, below: int, wall: float | None) -> None:
    """`below`: how many CA certificates stand between it and the leaf."""
    if not certificates.is_ca(issuer):
        raise ChainError(f"{certificates.named(issuer)} is not a CA's certificate and may not sign others")
    limit = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    if limit is not None and below > limit:
        raise ChainError(f"{certificates.named(issuer)} allows {limit} CAs below it, the chain has {below}")
    _check_dates(issuer, wall)


def revoked(one: x509.Certificate, issuer: x509.Certificate, crls: Sequence[x509.CertificateRevocationList]) -> bool:
    """Whether a revocation list of that issuer names it. An outdated list still counts: what was revoked stays so.

    RFC 5280 5.3.1: "removeFromCRL" takes an entry back.
    """
    for crl in crls:
        entry = crl.get_revoked_certificate_by_serial_number(one.serial_number) if one.serial_number > 0 else None
        if entry is None or crl.issuer != one.issuer or not certificates.issued_by(crl, issuer):
            continue
        try:
            reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        except x509.ExtensionNotFound:
            return True
        except ValueError:  # malformed: on the list all the same
            return True
        return reason is not x509.ReasonFlags.remove_from_crl
    return False


def host_matches(certificate: x509.Certificate, host: str) -> bool:
    """Whether a server's certificate is for that host: the rules of RFC 6125, and of OCPP (A00.FR.309).

    subjectAltName decides when it is there; without dNSName entries the CN counts (A00.FR.510). A wildcard stands for the whole
    leftmost label. An IP address is matched by iPAddress entries only. These are also OpenSSL's rules, which decide in a handshake.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns, addresses = names.get_values_for_type(x509.DNSName), names.get_values_for_type(x509.IPAddress)
    except x509.ExtensionNotFound:
        dns, addresses = [], []
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        patterns = dns or list(certificates.rdn(certificate.subject, NameOID.COMMON_NAME))
        return any(_pattern_matches(pattern, host) for pattern in patterns)
    return address in addresses


def _pattern_matches(pattern: str, host: str) -> bool:
    pattern, host = pattern.rstrip(".").lower(), host.rstrip(".").lower()
    if pattern == host:
        return bool(host)
    star, dot, rest = pattern.partition(".")
    label, host_dot, host_rest = host.partition(".")
    return star == "*" and bool(dot and host_dot and label) and "." in rest and rest == host_rest
