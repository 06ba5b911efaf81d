"""Private keys in a PKCS#11 token: a TPM (through tpm2-pkcs11), a secure element, an HSM, SoftHSM. They are made there and stay there.

Needs the extra `pkcs11`. The PIN comes from a file or the environment and is never shown. One session per token, used by one thread
at a time; after an error of the token it is opened anew, once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from station.errors import SecurityError
from station.security import files
from station.security.api import KeyAlgorithm, TlsKey
from station.security.filekeys import check_label

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

__all__ = ["Pkcs11Keys", "Pkcs11Settings", "TokenKey"]

_T = TypeVar("_T")
_CURVES = {KeyAlgorithm.EC_P256: "secp256r1", KeyAlgorithm.EC_P384: "secp384r1", KeyAlgorithm.EC_P521: "secp521r1"}


@dataclass(frozen=True, slots=True)
class Pkcs11Settings:
    """Where the token is.

    module: the driver, a shared library (/usr/lib/x86_64-linux-gnu/libtpm2_pkcs11.so.1, /usr/lib/softhsm/libsofthsm2.so).
    token: its label. pin_file: its first line is the PIN; pin_variable: or this environment variable is. prefix: of our keys' labels,
    when several stations share a token.
    """

    module: str
    token: str
    pin_file: Path | None = None
    pin_variable: str = "STATION_PKCS11_PIN"
    prefix: str = ""

    def pin(self) -> str:
        """Raises SecurityError when there is none."""
        if self.pin_file is None:
            pin = os.environ.get(self.pin_variable, "")
            where = f"the environment variable {self.pin_variable}"
        else:
            content = files.read(self.pin_file)
            pin = (content or b"").decode("utf-8", "replace").partition("\n")[0].strip()
            where = f"the first line of {self.pin_file}"
        if not pin:
            raise SecurityError(f"the PIN of the token {self.token!r} is missing: put it into {where}")
        return pin


class TokenKey:
    """One private key in the token: what `station.security.token_keys` signs with."""

    def __init__(self, token: Pkcs11Keys, label: str) -> None:
        self._token = token
        self.label = label

    def public(self) -> bytes:
        """SubjectPublicKeyInfo in DER."""
        return self._token.public(self.label)

    def sign(self, data: bytes, mechanism: str, parameters: tuple[Any, ...] | None = None) -> bytes:
        """The token's signature over data, already hashed where the mechanism does not do that. Raises SecurityError."""
        return self._token.sign(self.label, data, mechanism, parameters)


class _Shared:
    """The one session with a token in this process: PKCS#11 knows one login per process and token, not per session."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.session: Any = None


_SHARED: dict[tuple[str, str], _Shared] = {}


class Pkcs11Keys:
    """A KeyStore in a token. Nothing is opened before it is needed. Raises SecurityError when the token cannot be used."""

    def __init__(self, settings: Pkcs11Settings) -> None:
        self.settings = settings
        self._shared = _SHARED.setdefault((settings.module, settings.token), _Shared())

    def generate(self, label: str, algorithm: KeyAlgorithm) -> None:
        """The older key of that label is deleted when the new one is there."""
        name = self._name(label)

        def make(session: Any) -> None:
            import pkcs11
            from pkcs11.util.ec import encode_named_curve_parameters

            older = self._find(session, name)
            identity = _next_id(session)
            how: dict[str, Any] = {
                "id": identity,
                "label": name,
                "store": True,
                "private_template": {
                    pkcs11.Attribute.PRIVATE: True,
                    pkcs11.Attribute.SENSITIVE: True,
                    pkcs11.Attribute.EXTRACTABLE: False,
                    pkcs11.Attribute.SIGN: True,
                },
                "capabilities": pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY,
            }
            if algorithm in _CURVES:
                curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVES[algorithm])}
                session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True).generate_keypair(**how)
            else:
                bits = int(algorithm.value.removeprefix("RSA-"))
                session.generate_keypair(pkcs11.KeyType.RSA, bits, **how)
            _destroy(session, older)

        self._do(f"make the key {label!r}", make)

    def key(self, label: str) -> CertificateIssuerPrivateKeyTypes:
        from station.security.token_keys import token_key

        if not self.has(label):
            raise SecurityError(f"there is no key {label!r} in the token {self.settings.token!r}")
        return token_key(TokenKey(self, label))

    def has(self, label: str) -> bool:
        name = self._name(label)
        return self._do(f"look for the key {label!r}", lambda session: bool(self._find(session, name)))

    def rename(self, label: str, new_label: str) -> None:
        """The key gets its new label first, then the one that had it is deleted; of two with one label the newer counts."""
        old, new = self._name(label), self._name(new_label)

        def change(session: Any) -> None:
            import pkcs11

            mine = self._find(session, old)
            if not mine:
                raise SecurityError(f"there is no key {label!r} in the token {self.settings.token!r}")
            replaced = self._find(session, new)
            for one in mine[:1]:
                one[pkcs11.Attribute.LABEL] = new
                for public in _publics(session, one):
                    public[pkcs11.Attribute.LABEL] = new
            _destroy(session, replaced + mine[1:])

        self._do(f"rename the key {label!r}", change)

    def delete(self, label: str) -> None:
        name = self._name(label)
        self._do(f"delete the key {label!r}", lambda session: _destroy(session, self._find(session, name)))

    def pem_for_tls(self, label: str) -> str | None:
        """None: it never leaves the token."""
        check_label(label)
        return None

    def tls_key(self, label: str) -> TlsKey:
        """TLS signs with it in the token (`station.security.token_tls`, which says where that works)."""
        from station.security.token_tls import TokenPlace, TokenTlsKey

        check_label(label)
        place = TokenPlace(self.settings.module, self.settings.token, self.settings.pin)
        return TokenTlsKey(place, label, lambda: self._identity(label))

    def check(self) -> None:
        """Open the token and log in, if that has not been done. Raises SecurityError when it cannot be used."""
        self._do("look for keys", lambda session: self._find(session, self._name("none")))

    def close(self) -> None:
        """Log out, all of this process. Opened again when it is needed."""
        with self._shared.lock:
            session, self._shared.session = self._shared.session, None
            if session is not None:
                session.close()

    # --- for TokenKey -------------------------------------------------------------------------------------------------

    def public(self, label: str) -> bytes:
        """The public half, as SubjectPublicKeyInfo in DER."""
        name = self._name(label)

        def read(session: Any) -> bytes:
            import pkcs11
            from pkcs11.util.ec import encode_ec_public_key
            from pkcs11.util.rsa import encode_rsa_public_key

            for private in self._find(session, name):
                for public in _publics(session, private):
                    if public.key_type is pkcs11.KeyType.EC:
                        return bytes(encode_ec_public_key(public))
                    return _rsa_spki(bytes(encode_rsa_public_key(public)))
            raise SecurityError(f"there is no key {label!r} in the token {self.settings.token!r}")

        return self._do(f"read the key {label!r}", read)

    def sign(self, label: str, data: bytes, mechanism: str, parameters: tuple[Any, ...] | None = None) -> bytes:
        name = self._name(label)

        def make(session: Any) -> bytes:
            import pkcs11

            found = self._find(session, name)
            if not found:
                raise SecurityError(f"there is no key {label!r} in the token {self.settings.token!r}")
            return bytes(found[0].sign(data, mechanism=pkcs11.Mechanism[mechanism], mechanism_param=parameters))

        return self._do(f"sign with the key {label!r}", make)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _identity(self, label: str) -> bytes:
        """CKA_ID, which private and public half and no other key have."""
        name = self._name(label)

        def read(session: Any) -> bytes:
            found = self._find(session, name)
            if not found:
                raise SecurityError(f"there is no key {label!r} in the token {self.settings.token!r}")
            return bytes(found[0].id)

        return self._do(f"read the key {label!r}", read)

    def _name(self, label: str) -> str:
        return f"{self.settings.prefix}{check_label(label)}"

    def _find(self, session: Any, name: str) -> list[Any]:
        """The private keys of that label, the newest first: there are two only when the power failed in between."""
        import pkcs11

        wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.Attribute.LABEL: name}
        return sorted(session.get_objects(wanted), key=lambda one: bytes(one.id), reverse=True)

    def _do(self, what: str, work: Callable[[Any], _T]) -> _T:
        """`work` with an open session; once more with a new one, when the token lost the old one (unplugged, slept, reset)."""
        with self._shared.lock:
            try:
                with self._telling(what):
                    return work(self._opened())
            except _LostError:
                self._shared.session = None
            with self._telling(what, last=True):
                return work(self._opened())

    def _opened(self) -> Any:
        if self._shared.session is None:
            self._shared.session = self._open()
        return self._shared.session

    def _open(self) -> Any:
        import pkcs11

        pin = self.settings.pin()
        try:
            library = pkcs11.lib(self.settings.module)
        except (pkcs11.PKCS11Error, RuntimeError, OSError):
            raise SecurityError(
                f"the PKCS#11 module {self.settings.module} cannot be loaded; is its package installed?"
            ) from None
        token = library.get_token(token_label=self.settings.token)
        try:
            return token.open(rw=True, user_pin=pin)
        except pkcs11.UserAlreadyLoggedIn:  # the session was lost, the login was not
            return token.open(rw=True)

    @contextmanager
    def _telling(self, what: str, *, last: bool = False) -> Iterator[None]:
        """Errors of the token in words; never with the arguments of a call, which may hold the PIN."""
        try:
            import pkcs11
        except ImportError:
            raise SecurityError(
                "keys in a token need the package python-pkcs11: pip install 'pilotwire[pkcs11]'"
            ) from None
        try:
            yield
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            raise SecurityError(
                f"the token {self.settings.token!r} refuses the PIN; a few more attempts may lock it"
            ) from None
        except pkcs11.PinLocked:
            raise SecurityError(
                f"the PIN of the token {self.settings.token!r} is locked; unlock it with its SO PIN"
            ) from None
        except pkcs11.NoSuchToken:
            raise SecurityError(f"there is no token {self.settings.token!r} at {self.settings.module}") from None
        except _lost() as error:
            if last:
                raise SecurityError(
                    f"cannot {what}: the token {self.settings.token!r} is gone ({type(error).__name__})"
                ) from None
            raise _LostError from None
        except pkcs11.PKCS11Error as error:
            raise SecurityError(f"cannot {what} in the token {self.settings.token!r}: {type(error).__name__}") from None


class _LostError(Exception):
    """The session is gone; a new one may work."""


def _lost() -> tuple[type[Exception], ...]:
    import pkcs11

    return (
        pkcs11.SessionHandleInvalid,
        pkcs11.SessionClosed,
        pkcs11.DeviceRemoved,
        pkcs11.DeviceError,
        pkcs11.TokenNotPresent,
        pkcs11.UserNotLoggedIn,
        pkcs11.ObjectHandleInvalid,
    )


def _publics(session: Any, private: Any) -> list[Any]:
    """The public half has the same id."""
    import pkcs11

    wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY, pkcs11.Attribute.ID: bytes(private.id)}
    return list(session.get_objects(wanted))


def _destroy(session: Any, privates: Sequence[Any]) -> None:
    for private in privates:
        for public in _publics(session, private):
            public.destroy()
        private.destroy()


def _next_id(session: Any) -> bytes:
    """Rising, so that of two keys the newer one is known. Eight bytes, as other tools print them well."""
    import pkcs11

    found = session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY})
    numbers = [int.from_bytes(bytes(one.id), "big") for one in found if len(bytes(one.id)) == 8]
    return (max(numbers, default=0) + 1).to_bytes(8, "big")


def _rsa_spki(pkcs1: bytes) -> bytes:
    """PKCS#1, which PKCS#11 speaks of, as SubjectPublicKeyInfo."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    return load_der_public_key(pkcs1).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
