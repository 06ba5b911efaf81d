"""Private keys in files: unencrypted PKCS#8 PEM, `LABEL.key`, mode 0600 in a folder of mode 0700.

Whoever can read the disk has the keys; a token keeps them better (`station.security.pkcs11`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from station.errors import SecurityError
from station.security import files
from station.security.api import KeyAlgorithm, TlsKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

__all__ = ["FileKeys", "check_label", "new_key"]

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class FileKeys:
    """A KeyStore in one folder, which is made. Raises SecurityError when it cannot be used.

    make: where keys come from; tests with many stations hand out a few ready ones instead.
    """

    def __init__(
        self, folder: Path, make: Callable[[KeyAlgorithm], CertificateIssuerPrivateKeyTypes] | None = None
    ) -> None:
        self.folder = folder
        self._make = make or new_key
        files.private_folder(folder)

    def generate(self, label: str, algorithm: KeyAlgorithm) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        file = self._file(label)
        key = self._make(algorithm)
        files.write(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def key(self, label: str) -> CertificateIssuerPrivateKeyTypes:
        content = files.read(self._file(label))
        if content is None:
            raise SecurityError(f"there is no key {label!r} in {self.folder}")
        return load_key(content, f"the key {label!r} in {self.folder}")

    def has(self, label: str) -> bool:
        return self._file(label).is_file()

    def rename(self, label: str, new_label: str) -> None:
        if not self.has(label):
            raise SecurityError(f"there is no key {label!r} in {self.folder}")
        files.rename(self._file(label), self._file(new_label))

    def delete(self, label: str) -> None:
        files.remove(self._file(label))

    def pem_for_tls(self, label: str) -> str | None:
        return str(self._file(label))

    def tls_key(self, label: str) -> TlsKey | None:
        check_label(label)
        return None

    def _file(self, label: str) -> Path:
        return self.folder / f"{check_label(label)}.key"


def check_label(label: str) -> str:
    """The label, when it is safe as a file name. Raises SecurityError."""
    if not _LABEL.fullmatch(label):
        raise SecurityError(f"the key label {label!r} is not 1 to 64 letters, digits, dots, dashes and underscores")
    return label


def new_key(algorithm: KeyAlgorithm) -> CertificateIssuerPrivateKeyTypes:
    """A new key pair from the operating system's randomness."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    curves: dict[KeyAlgorithm, ec.EllipticCurve] = {
        KeyAlgorithm.EC_P256: ec.SECP256R1(),
        KeyAlgorithm.EC_P384: ec.SECP384R1(),
        KeyAlgorithm.EC_P521: ec.SECP521R1(),
    }
    if algorithm in curves:
        return ec.generate_private_key(curves[algorithm])
    return rsa.generate_private_key(public_exponent=65537, key_size=int(algorithm.value.removeprefix("RSA-")))


def load_key(content: bytes, what: str) -> CertificateIssuerPrivateKeyTypes:
    """An unencrypted EC, RSA or Edwards key from PEM. Raises SecurityError, which never quotes the content."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        raise SecurityError(f"{what} is encrypted; store it without a passphrase, or put it on a token") from None
    except (ValueError, UnsupportedAlgorithm):
        raise SecurityError(f"{what} is not a private key in PEM format") from None
    kinds = (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)
    if not isinstance(key, kinds):
        raise SecurityError(f"{what} is neither an elliptic-curve nor an RSA key")
    return key
