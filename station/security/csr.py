"""Certificate signing requests (PKCS#10): what the subject must say, and that it fits into SignCertificate.

Subjects: A00.FR.509 and .511 for the certificate towards the CSMS, ISO 15118-2 table F for the SECC leaf.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from station.errors import SecurityError
from station.security.api import KeyStore

__all__ = ["MAX_CSR", "Subject", "make_csr"]

MAX_CSR = 5500  # SignCertificateRequest.csr is string[0..5500]
_MAX_NAME = 64  # ub-common-name and ub-organization-name of RFC 5280
_COUNTRY = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request asks to be called. Raises SecurityError for a name that no CA may sign.

    common_name: the station's serial number (A00.FR.511); for a V2G leaf the SeccId. organisation: SecurityCtrlr.OrganizationName
    (CpoName in 1.6), for a V2G leaf ISO15118Ctrlr.OrganizationName. country: two letters. v2g: a leaf for ISO 15118, which also has
    the domain component CPO.
    """

    common_name: str
    organisation: str
    country: str | None = None
    v2g: bool = False

    def __post_init__(self) -> None:
        self._check("the common name (serial number or SeccId)", self.common_name)
        self._check("the organisation name (SecurityCtrlr.OrganizationName, CpoName)", self.organisation)
        if self.country is not None and not _COUNTRY.fullmatch(self.country):
            raise SecurityError("the country must be two capital letters, as in ISO 3166")
        if not self.v2g and _like_a_server(self.common_name):
            # A00.FR.511
            raise SecurityError(
                "the common name must not be a URL or an IP address: it would look like a CSMS's certificate"
            )

    @staticmethod
    def _check(what: str, text: str) -> None:
        if not text.strip():
            raise SecurityError(f"{what} is empty; set it first")
        if not text.isprintable() or len(text.encode()) > _MAX_NAME:
            raise SecurityError(f"{what} must be printable, and at most {_MAX_NAME} bytes long in UTF-8")


def _like_a_server(name: str) -> bool:
    if "://" in name:
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def make_csr(keys: KeyStore, label: str, subject: Subject) -> str:
    """A signed request for the key of that label, as PEM. Raises SecurityError."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    key = keys.key(label)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise SecurityError(f"the key {label!r} is neither RSA nor of an elliptic curve")
    names = [
        x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organisation),
    ]
    if subject.country is not None:
        names.append(x509.NameAttribute(NameOID.COUNTRY_NAME, subject.country))
    if subject.v2g:
        names.append(x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "CPO"))
    strength = key.curve.key_size if isinstance(key, ec.EllipticCurvePrivateKey) else 256
    digest = hashes.SHA256() if strength <= 256 else hashes.SHA384() if strength <= 384 else hashes.SHA512()
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=subject.v2g,  # ISO 15118-2 [V2G2-925]: the SECC leaf agrees on keys (ECDHE)
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    # A00.FR.512 recommends key usage, A00.FR.514 advises against extended key usage.
    request = builder.add_extension(usage, critical=True).sign(key, digest)
    text = request.public_bytes(Encoding.PEM).decode("ascii")
    if len(text) > MAX_CSR:
        raise SecurityError(
            f"the signing request has {len(text)} characters, OCPP allows {MAX_CSR}; use an elliptic-curve key"
        )
    return text
