"""The vocabulary of keys and certificates, and the seams behind which they are kept.

Values of the enums are the words of OCPP 2.x. Certificates travel as PEM text. Everything here is slow or touches files:
call it in a worker thread (see `station.runtime.certificates`), never from the core.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

__all__ = [
    "CertificateUse",
    "HashData",
    "Installed",
    "KeyAlgorithm",
    "KeyStore",
    "LeafKind",
    "Outcome",
    "TlsKey",
]


class CertificateUse(Enum):
    """What a stored certificate is for (GetCertificateIdUseEnumType, and our own leaf for the CSMS connection)."""

    CSMS_ROOT = "CSMSRootCertificate"
    MANUFACTURER_ROOT = "ManufacturerRootCertificate"
    V2G_ROOT = "V2GRootCertificate"
    MO_ROOT = "MORootCertificate"
    V2G_CHAIN = "V2GCertificateChain"
    STATION = "ChargingStationCertificate"


class LeafKind(Enum):
    """Which certificate of our own is meant (CertificateSigningUseEnumType)."""

    STATION = "ChargingStationCertificate"
    V2G = "V2GCertificate"


class KeyAlgorithm(Enum):
    """Kinds of keys that a station may have (A00: RSA of at least 2048 bits, elliptic curves of at least 224)."""

    EC_P256 = "EC-P256"
    EC_P384 = "EC-P384"
    EC_P521 = "EC-P521"
    RSA_2048 = "RSA-2048"
    RSA_3072 = "RSA-3072"
    RSA_4096 = "RSA-4096"


@dataclass(frozen=True, slots=True)
class HashData:
    """How OCPP names a certificate (CertificateHashDataType). Hashes are lower-case hex; the serial has no leading zeros.

    Compare with `same`: what a CSMS sends may differ in case and in leading zeros of the serial.
    """

    algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str

    def same(self, other: HashData) -> bool:
        """Whether both name the same certificate."""
        return self._folded() == other._folded()

    def _folded(self) -> tuple[str, str, str, str]:
        return (
            self.algorithm.upper(),
            self.issuer_name_hash.lower(),
            self.issuer_key_hash.lower(),
            self.serial_number.lower().lstrip("0"),
        )


@dataclass(frozen=True, slots=True)
class Installed:
    """One certificate in the store; `children` are the sub-CAs of a V2G chain, leaf's issuer first."""

    use: CertificateUse
    hash: HashData
    children: tuple[HashData, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: a 2.x status word (Accepted, Rejected, Failed, NotFound), an OCA reason code, and words.

    changed: False when it was so before.
    """

    status: str
    reason: str | None = None
    info: str | None = None
    changed: bool = field(default=True, compare=False)


class TlsKey(Protocol):
    """A key of our own that TLS uses where it is, as there is no file of it."""

    def load(self, context: ssl.SSLContext, cert_file: str) -> None:
        """The context, which nobody uses yet, proves itself with this key and the chain in cert_file. Raises SecurityError."""


class KeyStore(Protocol):
    """Where private keys live: files (0600), a PKCS#11 token, a TPM. A key never leaves it. Labels are file-name safe.

    All methods raise `station.errors.SecurityError` when the store cannot be used.
    """

    def generate(self, label: str, algorithm: KeyAlgorithm) -> None:
        """Make a new key pair under this label; an older one of the same label is replaced."""

    def key(self, label: str) -> CertificateIssuerPrivateKeyTypes:
        """Something that signs like a key of `cryptography`. Raises SecurityError when there is none."""

    def has(self, label: str) -> bool: ...

    def rename(self, label: str, new_label: str) -> None:
        """A pending key becomes the one in use; what had the new label is deleted. Atomic, or all the old."""

    def delete(self, label: str) -> None:
        """Idempotent."""

    def pem_for_tls(self, label: str) -> str | None:
        """Path of a PEM file that `ssl` can load; None when the key cannot leave its token (then `tls_key` helps)."""

    def tls_key(self, label: str) -> TlsKey | None:
        """For a key that cannot leave its token; None when it is in a file. Nothing is asked of the token before it is used."""
