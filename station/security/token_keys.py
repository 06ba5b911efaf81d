"""Keys in a token that look like keys of `cryptography`: certificate builders sign with them, and nobody reads them."""

from __future__ import annotations

from typing import NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.asymmetric.padding import PSS, AsymmetricPadding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from station.errors import SecurityError
from station.security.pkcs11 import TokenKey

__all__ = ["EcTokenKey", "RsaTokenKey", "token_key"]

# DigestInfo of RFC 8017 9.2, note 1: what CKM_RSA_PKCS wants before the hash.
_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


def token_key(key: TokenKey) -> EcTokenKey | RsaTokenKey:
    """The right kind. Raises SecurityError for a key that is neither EC nor RSA."""
    public = load_der_public_key(key.public())
    if isinstance(public, ec.EllipticCurvePublicKey):
        return EcTokenKey(key, public)
    if isinstance(public, rsa.RSAPublicKey):
        return RsaTokenKey(key, public)
    raise SecurityError(f"the key {key.label!r} in the token is neither RSA nor of an elliptic curve")


class _StaysInside:
    """What a key in a token cannot do."""

    def _refuse(self) -> NoReturn:
        raise SecurityError("a key in a token cannot be read, copied out or used for anything but signatures")

    def private_numbers(self) -> NoReturn:
        self._refuse()

    def private_bytes(self, *_arguments: object, **_more: object) -> NoReturn:
        self._refuse()

    def exchange(self, *_arguments: object) -> NoReturn:
        self._refuse()

    def decrypt(self, *_arguments: object) -> NoReturn:
        self._refuse()


class EcTokenKey(_StaysInside, ec.EllipticCurvePrivateKey):
    """An elliptic-curve key in a token."""

    def __init__(self, key: TokenKey, public: ec.EllipticCurvePublicKey) -> None:
        self._key = key
        self._public = public

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.curve.key_size

    def sign(
        self, data: bytes | bytearray | memoryview, signature_algorithm: ec.EllipticCurveSignatureAlgorithm
    ) -> bytes:
        digest = _digest(bytes(data), signature_algorithm.algorithm)
        raw = self._key.sign(digest[: (self.key_size + 7) // 8], "ECDSA")
        half = len(raw) // 2
        return utils.encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))

    def __copy__(self) -> EcTokenKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> EcTokenKey:
        return self


class RsaTokenKey(_StaysInside, rsa.RSAPrivateKey):
    """An RSA key in a token."""

    def __init__(self, key: TokenKey, public: rsa.RSAPublicKey) -> None:
        self._key = key
        self._public = public

    def public_key(self) -> rsa.RSAPublicKey:
        return self._public

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def sign(
        self,
        data: bytes,
        padding: AsymmetricPadding,
        algorithm: utils.Prehashed | hashes.HashAlgorithm | utils.NoDigestInfo,
    ) -> bytes:
        if not isinstance(algorithm, hashes.HashAlgorithm) or algorithm.name not in _DIGEST_INFO:
            raise SecurityError("a token's RSA key signs with SHA-256, SHA-384 or SHA-512")
        digest = _digest(data, algorithm)
        if not isinstance(padding, PSS):
            return self._key.sign(_DIGEST_INFO[algorithm.name] + digest, "RSA_PKCS")
        import pkcs11

        name = algorithm.name.upper()
        # The salt is as long as the hash, which is what everybody expects (RFC 8017 9.1).
        return self._key.sign(digest, "RSA_PKCS_PSS", (pkcs11.Mechanism[name], pkcs11.MGF[name], len(digest)))

    def __copy__(self) -> RsaTokenKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> RsaTokenKey:
        return self


def _digest(data: bytes, algorithm: utils.Prehashed | hashes.HashAlgorithm) -> bytes:
    if isinstance(algorithm, utils.Prehashed):
        return data
    hasher = hashes.Hash(algorithm)
    hasher.update(data)
    return hasher.finalize()
