"""TLS towards the CSMS: what OCPP's security profiles 2 and 3 require (A00.FR.3xx, A00.FR.4xx).

Versions: TLS 1.2 or newer (A00.FR.313). Suites: ECDHE with AES-GCM, and last the two RSA ones that every CSMS must have (A00.FR.318);
OpenSSL's security level 2 refuses what is weaker than 112 bits (A00.FR.501). No compression (A00.FR.321).

Revocation: OpenSSL's own CRL check refuses every certificate for whose issuer it has no CRL, or only an outdated one. OCPP has no
message that brings CRLs, so a station would lock itself out when the one it was given ends. Ours refuses what a CRL names, and only
that; an outdated CRL still counts.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509

    from station.security.api import TlsKey

__all__ = ["SUITES", "TlsSettings", "client_context", "server_context", "verified_chain"]

SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
)
"""Of TLS 1.2, the preferred first; those of TLS 1.3 are all good (A00.FR.319, .320)."""

_CERT_REVOKED = 23  # X509_V_ERR_CERT_REVOKED
_MAX_CONTEXTS = 16


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Files for one kind of connection; all PEM.

    ca_file: the roots to trust, None for the system's. more_ca_files, system_roots: trusted besides. crl_file: revocation lists, None
    for no check. cert_file, key_file: our own certificate with its chain, and its key (profile 3); token_key: instead of key_file, one
    in a token. verify_hostname: False only on a test bench.
    """

    ca_file: str | None = None
    crl_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = field(default=None, repr=False)
    verify_hostname: bool = True
    more_ca_files: tuple[str, ...] = ()
    system_roots: bool = False
    token_key: TlsKey | None = field(default=None, repr=False)


_CONTEXTS: dict[tuple[object, ...], ssl.SSLContext] = {}
_LOCK = Lock()


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """The context for a connection to a CSMS or a file server. Made once for all stations with the same files, until one changes.
    With a key in a token it is made anew each time: a token may have been away, and no file tells.

    Raises OSError (a file is missing), ssl.SSLError (a file is no PEM, the key does not fit) or SecurityError (the CRLs, the token).
    """
    if settings.token_key is not None:
        return _build(settings)
    names = (settings.ca_file, settings.crl_file, settings.cert_file, settings.key_file, *settings.more_ca_files)
    key = (*(_stamp(name) for name in names), settings.verify_hostname, settings.system_roots)
    with _LOCK:
        context = _CONTEXTS.get(key)
        if context is None:
            context = _build(settings)
            while len(_CONTEXTS) >= _MAX_CONTEXTS:
                del _CONTEXTS[next(iter(_CONTEXTS))]
            _CONTEXTS[key] = context
        return context


def _stamp(name: str | None) -> tuple[str, int, int, int] | None:
    """What changes when a file does: replaced ones have another inode, rewritten ones another time or size."""
    if name is None:
        return None
    status = Path(name).stat()
    return name, status.st_mtime_ns, status.st_ino, status.st_size


def _build(settings: TlsSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=settings.ca_file)
    for name in settings.more_ca_files:
        context.load_verify_locations(cafile=name)
    if settings.system_roots:
        context.load_default_certs()
    _harden(context)
    # A root that its predecessor signed is trusted by itself, without the predecessor (M05.FR.12).
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = settings.verify_hostname
    if settings.cert_file is not None and settings.token_key is not None:
        settings.token_key.load(context, settings.cert_file)
    elif settings.cert_file is not None:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    crls = _crls(settings.crl_file)
    # Both are made anew for every context: they carry its lists.
    context.sslobject_class = type("StationSSLObject", (CheckedSSLObject,), {"crls": crls})
    context.sslsocket_class = type("StationSSLSocket", (CheckedSSLSocket,), {"crls": crls})
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # A00.FR.313
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION  # A00.FR.321
    context.set_ciphers(":".join((*SUITES, "@SECLEVEL=2")))


def _crls(name: str | None) -> Sequence[x509.CertificateRevocationList]:
    if name is None:
        return ()
    from station.security import certificates

    return certificates.load_crls(Path(name).read_text(encoding="ascii", errors="replace"), name)


class _Checked:
    """What both kinds of TLS connection do at the end of the handshake, and what a failed one leaves for `classify`."""

    crls: Sequence[x509.CertificateRevocationList] = ()

    def look(self, connection: ssl.SSLObject | ssl.SSLSocket) -> None:
        if self.crls:
            _refuse_revoked(_chain_of(connection), self.crls)


class CheckedSSLObject(ssl.SSLObject, _Checked):
    """For asyncio. A handshake that fails says in `negotiated` whether a cipher suite had been agreed on."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLError as error:
            error.negotiated = self.cipher() is not None  # type: ignore[attr-defined]  # read by tls_errors.classify
            raise
        self.look(self)


class CheckedSSLSocket(ssl.SSLSocket, _Checked):
    """For blocking sockets."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except ssl.SSLError as error:
            error.negotiated = self.cipher() is not None  # type: ignore[attr-defined]  # read by tls_errors.classify
            raise
        self.look(self)


def _chain_of(connection: ssl.SSLObject | ssl.SSLSocket) -> list[bytes]:
    """The verified chain as DER, leaf first. Python 3.13 has a method for it; before, only the inner object had."""
    verified = getattr(connection, "get_verified_chain", None)
    if verified is not None:
        return list(verified())
    inner: Any = getattr(connection, "_sslobj", None)
    if inner is not None and hasattr(inner, "get_verified_chain"):
        return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in inner.get_verified_chain()]
    leaf = connection.getpeercert(binary_form=True)
    return [leaf] if leaf is not None else []


def verified_chain(connection: ssl.SSLObject | ssl.SSLSocket | None) -> tuple[bytes, ...]:
    """What vouched for the peer, as DER: its certificate first, the trusted one last. Empty without TLS."""
    return () if connection is None else tuple(_chain_of(connection))


def _refuse_revoked(chain: list[bytes], crls: Sequence[x509.CertificateRevocationList]) -> None:
    from station.security import certificates
    from station.security.chain import revoked

    read = [certificates.load(ssl.DER_cert_to_PEM_cert(der), "the CSMS") for der in chain]
    for one, issuer in pairwise(read):
        if revoked(one, issuer, crls):
            error = ssl.SSLCertVerificationError(1, f"certificate verify failed: {certificates.named(one)} is revoked")
            error.verify_code = _CERT_REVOKED
            error.verify_message = "certificate revoked"
            raise error


def server_context(
    cert_file: str, key_file: str, *, client_ca_file: str | None = None, crl_file: str | None = None
) -> ssl.SSLContext:
    """For a CSMS on a test bench. client_ca_file: profile 3, a certificate of these roots is demanded; crl_file: and checked there,
    strictly: every issuer needs a current list. Raises as `client_context`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    context.load_cert_chain(cert_file, key_file)
    if client_ca_file is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cafile=client_ca_file)
    if crl_file is not None:
        context.load_verify_locations(cafile=crl_file)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context
