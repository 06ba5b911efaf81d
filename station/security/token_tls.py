"""TLS with a key that stays in its token: what Python's `ssl` cannot do by itself (docs/decisions/0009-token-keys-and-tls.md).

`ssl` takes private keys from files only. OpenSSL below it can leave the key in the token, by the engine `pkcs11` (Debian:
libengine-pkcs11-openssl). So we call OpenSSL directly, for three steps on a new context: its certificate chain, its key, and whether
they fit. For that we need the address of the SSL_CTX inside an `ssl.SSLContext`, the first field after the object's head.

A wrong address would crash the program, so nothing is done with it before it has proved itself: CPython of known versions, the libssl
that `_ssl` itself has loaded, and an SSL_CTX that tells the same options as the Python object and follows when that changes one. Where
any of this does not hold there is a SecurityError, and no connection.
"""

from __future__ import annotations

import ctypes
import os
import ssl
import sys
from collections.abc import Callable
from ctypes import c_char_p, c_int, c_long, c_size_t, c_uint64, c_ulong, c_void_p
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import RLock
from typing import Any

from station.errors import SecurityError

__all__ = ["TokenPlace", "TokenTlsKey", "hindrance", "pointer_of"]

PYTHONS = ((3, 11), (3, 14))  # the oldest and the newest whose SSLContext begins with its SSL_CTX
REMEDY = "apt-get install libengine-pkcs11-openssl, keep the key of the station certificate in files, or use security profile 2"

_ENGINES_DIR = 1002  # OPENSSL_INFO_ENGINES_DIR
_GET_MIN_PROTO_VERSION = 130  # SSL_CTRL_GET_MIN_PROTO_VERSION
_VERIFY = {ssl.CERT_NONE: 0, ssl.CERT_OPTIONAL: 1, ssl.CERT_REQUIRED: 3}  # SSL_VERIFY_PEER 1, _FAIL_IF_NO_PEER_CERT 2
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "OpenSSL_version": (c_char_p, (c_int,)),
    "OPENSSL_info": (c_char_p, (c_int,)),
    "SSL_CTX_get_options": (c_uint64, (c_void_p,)),
    "SSL_CTX_get_verify_mode": (c_int, (c_void_p,)),
    "SSL_CTX_ctrl": (c_long, (c_void_p, c_int, c_long, c_void_p)),
    "SSL_CTX_use_certificate_chain_file": (c_int, (c_void_p, c_char_p)),
    "SSL_CTX_use_PrivateKey": (c_int, (c_void_p, c_void_p)),
    "SSL_CTX_check_private_key": (c_int, (c_void_p,)),
    "EVP_PKEY_free": (None, (c_void_p,)),
    "ENGINE_by_id": (c_void_p, (c_char_p,)),
    "ENGINE_ctrl_cmd_string": (c_int, (c_void_p, c_char_p, c_char_p, c_int)),
    "ENGINE_init": (c_int, (c_void_p,)),
    "ENGINE_free": (c_int, (c_void_p,)),
    "ENGINE_load_private_key": (c_void_p, (c_void_p, c_char_p, c_void_p, c_void_p)),
    "ERR_get_error": (c_ulong, ()),
    "ERR_clear_error": (None, ()),
    "ERR_error_string_n": (None, (c_ulong, c_char_p, c_size_t)),
}
_LOCK = RLock()
_ENGINES: dict[str, int] = {}  # by module; there is one at most


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """A token: the driver's file and the token's label. pin: asked for when the token is opened, and never kept here."""

    module: str
    token: str
    pin: Callable[[], str] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class TokenTlsKey:
    """`station.security.api.TlsKey` of a key in a token.

    identity: CKA_ID of the key, asked for at each use: labels change, and whether the token is there at all is told at once.
    """

    place: TokenPlace
    label: str
    identity: Callable[[], bytes] = field(repr=False, compare=False)

    def load(self, context: ssl.SSLContext, cert_file: str) -> None:
        """The context proves itself with this key and the chain in cert_file; one that is used by nobody yet.

        Raises SecurityError; the context is of no use then.
        """
        identity = self.identity()
        with _LOCK:
            openssl = _openssl()
            pointer = pointer_of(context)
            key = _private_key(openssl, self.place, _uri(self.place.token, identity), self.label)
            try:
                _put(openssl, pointer, key, cert_file, self.label)
            finally:
                openssl.EVP_PKEY_free(key)
                openssl.ERR_clear_error()  # `ssl` would take what is left there for its own


def hindrance() -> str | None:
    """Why no key in a token can be used for TLS on this machine, None when it can. Opens no token."""
    try:
        with _LOCK:
            pointer_of(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
            _engine_file(_openssl())
    except SecurityError as error:
        return str(error)
    return None


def pointer_of(context: ssl.SSLContext) -> int:
    """Address of the context's SSL_CTX, proved. Raises SecurityError. The context must not be in use yet."""
    import _ssl

    openssl = _openssl()
    at = object.__basicsize__
    if not isinstance(context, _ssl._SSLContext) or at + ctypes.sizeof(c_void_p) > _ssl._SSLContext.__basicsize__:
        raise _cannot("this is no SSLContext as CPython makes them")
    pointer = c_void_p.from_address(id(context) + at).value
    if not pointer or pointer % ctypes.alignment(c_void_p) or not _same(openssl, pointer, context):
        raise _cannot("OpenSSL's context is not where it is expected in this Python")
    for _ in range(2):  # there and back
        context.options ^= ssl.OP_NO_TICKET
        if not _same(openssl, pointer, context):
            raise _cannot("OpenSSL's context does not follow the one of Python")
    return pointer


def _same(openssl: Any, pointer: int, context: ssl.SSLContext) -> bool:
    """Whether both tell the same. Options first: reading them follows no further pointer."""
    if openssl.SSL_CTX_get_options(pointer) != int(context.options):
        return False
    lowest = openssl.SSL_CTX_ctrl(pointer, _GET_MIN_PROTO_VERSION, 0, None)
    told = int(context.minimum_version)
    if lowest != max(told, 0):  # MINIMUM_SUPPORTED is -2 in Python, 0 in OpenSSL
        return False
    return bool(openssl.SSL_CTX_get_verify_mode(pointer) == _VERIFY[context.verify_mode])


@cache
def _openssl() -> Any:
    """The functions of the OpenSSL that `_ssl` is linked to, with their types. Raises SecurityError."""
    import _ssl

    oldest, newest = PYTHONS
    if sys.implementation.name != "cpython" or not oldest <= sys.version_info[:2] <= newest or sys.abiflags:
        raise _cannot(
            f"that is tried with the usual CPython {oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]} only, and this is "
            f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}{sys.abiflags}"
        )
    file: str | None = getattr(_ssl, "__file__", None)
    if file is None:
        raise _cannot("this Python has OpenSSL built in")
    try:
        library = ctypes.CDLL(file)  # it is loaded already; its symbols are those of its own libssl and libcrypto
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        raise _cannot(f"{ssl.OPENSSL_VERSION} of this Python has no engines") from None
    if library.OpenSSL_version(0) != ssl.OPENSSL_VERSION.encode():
        raise _cannot("this Python's OpenSSL cannot be told from another one")
    return library


def _engine_file(openssl: Any) -> str:
    """The engine's file for this very OpenSSL: another one's would not fit. Raises SecurityError."""
    told = os.environ.get("OPENSSL_ENGINES") or (openssl.OPENSSL_info(_ENGINES_DIR) or b"").decode()
    file = Path(told) / "pkcs11.so"
    if not told or not file.is_file():
        raise _cannot(f"there is no engine {file}")
    return str(file)


def _private_key(openssl: Any, place: TokenPlace, uri: bytes, label: str) -> int:
    """An EVP_PKEY that signs in the token; to be freed. Raises SecurityError."""
    engine = _engine(openssl, place)
    # Other stations of this process may have other tokens. By a call and not in the URI, which the engine shows in its messages.
    _tell(openssl, engine, "PIN", place.pin().encode())
    key: int | None = openssl.ENGINE_load_private_key(engine, uri, None, None)
    if not key:
        # After a reset of the token the engine keeps its dead sessions. Its command RE_ENUMERATE and a second engine are no help:
        # with libp11 0.4.12 the one crashes, the other cannot be loaded.
        raise SecurityError(
            f"the engine pkcs11 does not find the key {label!r} in the token {place.token!r}{_why(openssl)}; restart the station"
        )
    return key


def _engine(openssl: Any, place: TokenPlace) -> int:
    """The engine, which is there once in a process and never ended: that would close the driver for whoever else uses it."""
    if place.module in _ENGINES:
        return _ENGINES[place.module]
    if _ENGINES:
        raise _cannot(f"the engine pkcs11 of this process uses another PKCS#11 module, {next(iter(_ENGINES))}")
    file = _engine_file(openssl)
    engine: int | None = openssl.ENGINE_by_id(b"dynamic")
    if not engine:
        raise _cannot(f"{ssl.OPENSSL_VERSION} loads no engines{_why(openssl)}")
    try:
        _tell(openssl, engine, "SO_PATH", os.fsencode(file))
        _tell(openssl, engine, "ID", b"pkcs11")
        _tell(openssl, engine, "LIST_ADD", b"0")  # nobody else finds it: nothing but our keys goes through it
        _tell(openssl, engine, "LOAD", None)
        _tell(openssl, engine, "MODULE_PATH", os.fsencode(place.module))
        if openssl.ENGINE_init(engine) != 1:
            raise _cannot(f"the engine {file} cannot use the PKCS#11 module {place.module}{_why(openssl)}")
    except SecurityError:
        openssl.ENGINE_free(engine)
        raise
    finally:
        openssl.ERR_clear_error()  # its search leaves errors there even when it finds all
    _ENGINES[place.module] = engine
    return engine


def _tell(openssl: Any, engine: int, command: str, value: bytes | None) -> None:
    """Raises SecurityError, which has nothing of the value: it may be the PIN."""
    if openssl.ENGINE_ctrl_cmd_string(engine, command.encode(), value, 0) != 1:
        raise _cannot(f"the engine pkcs11 refuses the command {command}{_why(openssl)}")


def _put(openssl: Any, pointer: int, key: int, cert_file: str, label: str) -> None:
    openssl.ERR_clear_error()
    if openssl.SSL_CTX_use_certificate_chain_file(pointer, os.fsencode(cert_file)) != 1:
        raise SecurityError(f"the certificate chain {cert_file} cannot be used{_why(openssl)}")
    if openssl.SSL_CTX_use_PrivateKey(pointer, key) != 1 or openssl.SSL_CTX_check_private_key(pointer) != 1:
        raise SecurityError(
            f"the key {label!r} in the token does not belong to the certificate {cert_file}{_why(openssl)}"
        )


def _uri(token: str, identity: bytes) -> bytes:
    """RFC 7512; everything is encoded that might end a part."""
    name, number = ("".join(f"%{byte:02x}" for byte in part) for part in (token.encode(), identity))
    return f"pkcs11:token={name};id={number};type=private".encode()


def _why(openssl: Any) -> str:
    """OpenSSL's reasons, which it then forgets: ": reason, reason", or nothing."""
    reasons: list[str] = []
    while (code := openssl.ERR_get_error()) and len(reasons) < 8:
        text = ctypes.create_string_buffer(256)
        openssl.ERR_error_string_n(code, text, len(text))
        reason = text.value.decode("utf-8", "replace").rpartition(":")[2]
        if reason not in reasons:
            reasons.append(reason)
    openssl.ERR_clear_error()
    return f": {', '.join(reasons)}" if reasons else ""


def _cannot(why: str) -> SecurityError:
    return SecurityError(f"a key that cannot leave its token cannot be used for TLS here: {why}. Remedy: {REMEDY}")
