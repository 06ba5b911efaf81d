"""X.509 certificates as OCPP sees them: PEM in and out, hash data, what a certificate says and how strong it is.

What `load` and its siblings return has been read to the last field, so nothing in this package trips over a malformed one later.
Imports `cryptography.x509`: import this module inside functions where the program must start fast.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from station.errors import SecurityError
from station.security.api import HashData

__all__ = [
    "HASHES",
    "fingerprint",
    "hash_data",
    "is_ca",
    "issued_by",
    "issuer_id",
    "load",
    "load_all",
    "load_crls",
    "named",
    "not_after",
    "not_before",
    "pem",
    "rdn",
    "same_key",
    "self_issued",
    "weakness",
]

HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "SHA256": hashes.SHA256,
    "SHA384": hashes.SHA384,
    "SHA512": hashes.SHA512,
}
"""HashAlgorithmEnumType of OCPP."""

MAX_TEXT = 100_000
_BLOCK = re.compile(r"-----BEGIN (?P<what>[A-Z0-9 ]{1,40})-----(?P<body>[^-]*)-----END (?P=what)-----")
# A malformed certificate shows itself anywhere, as any of these; a warning is an error under `-W error`.
_MALFORMED = (
    ValueError,
    TypeError,
    OverflowError,
    UserWarning,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_MIN_RSA_BITS = 2048  # A00.FR.502
_MIN_EC_BITS = 224  # A00.FR.503
_WEAK_HASHES = frozenset({"md5", "sha1"})  # A00.FR.504


def load(text: str, what: str = "the text") -> x509.Certificate:
    """The only certificate in a PEM text. Raises SecurityError."""
    found = load_all(text, what)
    if len(found) != 1:
        raise SecurityError(f"{what} holds {len(found)} certificates; it must be exactly one")
    return found[0]


def load_all(text: str, what: str = "the text") -> tuple[x509.Certificate, ...]:
    """Every certificate of a PEM text, at least one, in its order. Raises SecurityError.

    Line ends and line lengths do not matter: CSMSs send CRLF, and some no line ends at all.
    """
    found = tuple(_certificate(der, what) for der in _blocks(text, what, "CERTIFICATE"))
    if not found:
        raise SecurityError(f"{what} holds no certificate in PEM format (-----BEGIN CERTIFICATE-----)")
    return found


def load_crls(text: str, what: str = "the text") -> tuple[x509.CertificateRevocationList, ...]:
    """Every certificate revocation list of a PEM text, at least one. Raises SecurityError."""
    found = []
    for der in _blocks(text, what, "X509 CRL"):
        try:
            crl = x509.load_der_x509_crl(der)
            _ = (
                crl.issuer,
                crl.last_update_utc,
                crl.next_update_utc,
                crl.signature_hash_algorithm,
                len(crl),
                list(crl),
            )
        except _MALFORMED as error:
            raise SecurityError(f"{what} holds a malformed revocation list") from error
        found.append(crl)
    if not found:
        raise SecurityError(f"{what} holds no revocation list in PEM format (-----BEGIN X509 CRL-----)")
    return tuple(found)


def _blocks(text: str, what: str, wanted: str) -> Iterable[bytes]:
    if len(text) > MAX_TEXT:
        raise SecurityError(f"{what} is over {MAX_TEXT} characters long")
    for block in _BLOCK.finditer(text):
        if block["what"] == wanted:
            try:
                yield base64.b64decode("".join(block["body"].split()).encode(), validate=True)
            except (binascii.Error, UnicodeEncodeError) as error:
                raise SecurityError(f"{what} holds a PEM block that is not base64") from error


def _certificate(der: bytes, what: str) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = (
            certificate.version,
            certificate.subject.public_bytes(),
            certificate.issuer.public_bytes(),
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            list(certificate.extensions),
            certificate.public_key(),
        )
        negative = certificate.serial_number < 0
    except _MALFORMED as error:
        raise SecurityError(f"{what} holds a malformed certificate") from error
    if negative:
        raise SecurityError(f"{what} holds a certificate with a negative serial number")
    return certificate


def pem(certificates: Iterable[x509.Certificate | x509.CertificateRevocationList]) -> str:
    """PEM text, with line ends as OpenSSL makes them."""
    return "".join(one.public_bytes(Encoding.PEM).decode("ascii") for one in certificates)


def hash_data(certificate: x509.Certificate, issuer: x509.Certificate, algorithm: str = "SHA256") -> HashData:
    """How OCPP names it (CertificateHashDataType, the CertID of RFC 6960). A self-signed certificate is its own issuer.

    The hashes are over the DER of the issuer's name and over the content of the BIT STRING of the issuer's public key.
    Raises SecurityError for a hash algorithm that OCPP does not have.
    """
    if algorithm not in HASHES:
        raise SecurityError(f"hash algorithm {algorithm!r}: must be one of {', '.join(HASHES)}")
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, HASHES[algorithm]()).build()
    return HashData(
        algorithm=algorithm,
        issuer_name_hash=request.issuer_name_hash.hex(),
        issuer_key_hash=request.issuer_key_hash.hex(),
        serial_number=f"{certificate.serial_number:x}",
    )


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the whole certificate, hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def not_before(certificate: x509.Certificate) -> float:
    """Seconds since 1970."""
    return certificate.not_valid_before_utc.timestamp()


def not_after(certificate: x509.Certificate) -> float:
    """Seconds since 1970."""
    return certificate.not_valid_after_utc.timestamp()


def moment(wall: float) -> datetime:
    """For `cryptography`, which wants whole seconds."""
    return datetime.fromtimestamp(int(wall), UTC)


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether it may sign certificates: basicConstraints says CA, and keyUsage, if any, says keyCertSign."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    usage = key_usage(certificate)
    return constraints.ca and (usage is None or usage.key_cert_sign)


def key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def extended_usage(certificate: x509.Certificate) -> frozenset[x509.ObjectIdentifier] | None:
    try:
        return frozenset(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return None


def self_issued(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer


def issued_by(certificate: x509.Certificate | x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Whether the names fit and the signature is by that issuer's key. Says nothing of dates and constraints."""
    if isinstance(certificate, x509.CertificateRevocationList):
        key = issuer.public_key()
        verifiable = isinstance(
            key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
        )
        try:
            return certificate.issuer == issuer.subject and verifiable and certificate.is_signature_valid(key)  # type: ignore[arg-type]  # narrowed
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def find_issuer(certificate: x509.Certificate, among: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """Itself when it is self-signed, else the first among those that signed it; None when it is not there."""
    if issued_by(certificate, certificate):
        return certificate
    return next((one for one in among if issued_by(certificate, one)), None)


def issuer_id(certificate: x509.Certificate) -> bytes:
    """Tells issuers apart, also those of one name: the name, and the identifier of its key if the certificate has that."""
    try:
        key = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        key = None
    return certificate.issuer.public_bytes() + (key or b"")


def weakness(certificate: x509.Certificate) -> str | None:
    """Why key or signature are too weak for OCPP, None when they are not."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _MIN_RSA_BITS:
            return f"its RSA key has {key.key_size} bits, at least {_MIN_RSA_BITS} are needed"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.key_size < _MIN_EC_BITS:
            return f"its elliptic-curve key has {key.curve.key_size} bits, at least {_MIN_EC_BITS} are needed"
    elif not isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return "its key is neither RSA nor of an elliptic curve"
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "it is signed with an unknown algorithm"
    # A root is trusted because it is here, not for its own signature.
    if algorithm is not None and algorithm.name in _WEAK_HASHES and not self_issued(certificate):
        return f"it is signed with {algorithm.name.upper()}"
    return None


def spki(key: PublicKeyTypes) -> bytes:
    """The public key as DER SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def same_key(one: PublicKeyTypes, other: PublicKeyTypes) -> bool:
    return spki(one) == spki(other)


def rdn(name: x509.Name, kind: x509.ObjectIdentifier) -> tuple[str, ...]:
    """Every value of one kind in a subject, as text."""
    return tuple(str(attribute.value) for attribute in name.get_attributes_for_oid(kind))


def common_name(certificate: x509.Certificate) -> str:
    """The first CN of the subject, or nothing."""
    return next(iter(rdn(certificate.subject, NameOID.COMMON_NAME)), "")


def named(certificate: x509.Certificate) -> str:
    """A short name for messages: what a person calls it, and its serial number."""
    name = common_name(certificate) or certificate.subject.rfc4514_string() or "no name"
    return f"{name[:64]!r} (serial {certificate.serial_number:x})"
