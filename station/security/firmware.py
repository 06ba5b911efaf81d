"""Is this firmware from its manufacturer (L01.FR.04, FR.12, FR.21): the signing certificate, and the signature over the file.

The signature is over the SHA-256 of the whole file, base64 of RSA-PSS (any salt length), RSA PKCS #1 v1.5 or ECDSA (DER). OCPP names
RSA-PSS and ECSchnorr; nobody's tools sign with the latter, what they write for EC keys is ECDSA. Reads files and computes: call it in a
worker thread.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from station.errors import SecurityError
from station.security import certificates, chain
from station.security.api import Outcome

__all__ = ["check_certificate", "verify_file"]

_CHUNK = 1 << 20
_SHA256 = Prehashed(hashes.SHA256())


def check_certificate(
    pem: str,
    roots: Sequence[x509.Certificate],
    wall: float | None,
    crls: Sequence[x509.CertificateRevocationList] = (),
) -> Outcome:
    """L01.FR.21: Accepted, InvalidCertificate or RevokedCertificate, with words for the log.

    roots: the installed manufacturer root certificates. wall: now, None when the clock is not known.
    """
    try:
        leaf, *others = certificates.load_all(pem, "signingCertificate")
        checked = chain.check_path(leaf, others, roots, wall)
        _check_use(leaf)
    except SecurityError as error:
        return Outcome("InvalidCertificate", "InvalidCertificate", str(error))
    issuers = (*checked.chain[1:], checked.root)
    for one, issuer in zip(checked.chain, issuers, strict=True):
        if chain.revoked(one, issuer, crls):
            words = f"{certificates.named(one)} has been revoked by its issuer"
            return Outcome("RevokedCertificate", "InvalidCertificate", words)
    return Outcome("Accepted")


def _check_use(leaf: x509.Certificate) -> None:
    """It signs firmware: with a key of its own, not with that of a CA."""
    usage = certificates.key_usage(leaf)
    if usage is not None and not usage.digital_signature:
        raise SecurityError("the key usage of signingCertificate does not allow signatures")
    if certificates.is_ca(leaf):
        raise SecurityError("signingCertificate is that of a CA, which must not sign firmware itself")


def verify_file(file: Path, signature: str, certificate_pem: str) -> None:
    """L01.FR.04. Raises SecurityError when the file is not what this certificate has signed, OSError when it cannot be read."""
    try:
        raw = base64.b64decode("".join(signature.split()).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise SecurityError("the signature of the firmware is not base64") from error
    key = certificates.load_all(certificate_pem, "signingCertificate")[0].public_key()
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    if isinstance(key, rsa.RSAPublicKey):
        fits = _rsa_fits(key, raw, digest.digest())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        fits = _ec_fits(key, raw, digest.digest())
    else:
        raise SecurityError("the key of signingCertificate is neither RSA nor of an elliptic curve")
    if not fits:
        raise SecurityError("the signature does not fit the firmware file and signingCertificate")


def _rsa_fits(key: rsa.RSAPublicKey, signature: bytes, digest: bytes) -> bool:
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO)
    for scheme in (pss, padding.PKCS1v15()):
        try:
            key.verify(signature, digest, scheme, _SHA256)
        except InvalidSignature:
            continue
        return True
    return False


def _ec_fits(key: ec.EllipticCurvePublicKey, signature: bytes, digest: bytes) -> bool:
    try:
        key.verify(signature, digest, ec.ECDSA(_SHA256))
    except InvalidSignature:
        return False
    return True
