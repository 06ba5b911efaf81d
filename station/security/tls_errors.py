"""Why a connection to the CSMS failed, in OCPP's words: which security event it is, and what to tell people.

Event names are those of 2.x; 1.6 calls InvalidCsmsCertificate "InvalidCentralSystemCertificate".
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

__all__ = ["TlsProblem", "classify"]


@dataclass(frozen=True, slots=True)
class TlsProblem:
    """event: a security event, None when it is none; words: for the log and the event's techInfo."""

    event: str | None
    words: str


# A00.FR.316, .419: the CSMS knows no TLS 1.2.
_VERSION = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "NO_PROTOCOLS_AVAILABLE", "VERSION_TOO_LOW"}
)
# A00.FR.323, .426: it insists on a suite, a curve or a compression that is not allowed.
_SUITE = frozenset(
    {
        "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        "WRONG_CIPHER_RETURNED",
        "UNKNOWN_CIPHER_RETURNED",
        "NO_SHARED_CIPHER",
        "NO_CIPHERS_AVAILABLE",
        "UNSUPPORTED_COMPRESSION_ALGORITHM",
        "COMPRESSION_DISABLED",
        "DH_KEY_TOO_SMALL",
        "WRONG_CURVE",
        "WRONG_SIGNATURE_TYPE",
    }
)
# The CSMS says what it dislikes about our certificate.
_REFUSED = {
    "SSLV3_ALERT_BAD_CERTIFICATE": "it is bad",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "its kind is not supported",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "it is revoked",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it has expired",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it is not acceptable",
    "TLSV1_ALERT_UNKNOWN_CA": "its issuer is not trusted there",
    "TLSV1_ALERT_ACCESS_DENIED": "it has no access",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "one is demanded and we sent none",
    "TLSV1_ALERT_DECRYPT_ERROR": "its signature does not hold",
}
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})


def classify(error: OSError) -> TlsProblem | None:
    """None when TLS is not to blame (no route, connection refused, time-out): nothing to report then.

    Works best with contexts of `station.security.tls`: their connections say how far the handshake came.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        # A00.FR.310, .413
        reason = getattr(error, "verify_message", "") or error.reason or "it cannot be verified"
        return TlsProblem("InvalidCsmsCertificate", f"the certificate of the CSMS is refused: {reason}")
    if isinstance(error, ssl.CertificateError):
        return TlsProblem("InvalidCsmsCertificate", "the certificate of the CSMS is refused: it is for another host")
    if not isinstance(error, ssl.SSLError):
        return None
    reason = error.reason or ""
    if reason in _VERSION:
        return TlsProblem("InvalidTLSVersion", "the CSMS offers no TLS 1.2 or newer")
    if reason in _SUITE:
        return TlsProblem(
            "InvalidTLSCipherSuite", f"the CSMS insists on TLS parameters that are not allowed ({reason})"
        )
    if reason in _REFUSED:
        return TlsProblem("FailedToAuthenticateAtCsms", f"the CSMS refuses our certificate: {_REFUSED[reason]}")
    if reason == "SSLV3_ALERT_HANDSHAKE_FAILURE":
        return _handshake_failure(error)
    if reason in _NOT_TLS:
        return TlsProblem(None, "what answers there does not speak TLS; is it a ws:// port?")
    return TlsProblem(None, f"TLS: {reason or error.strerror or type(error).__name__}")


def _handshake_failure(error: ssl.SSLError) -> TlsProblem:
    """The alert for both "no common suite" and, in TLS 1.2, "no client certificate": what came before tells them apart."""
    if getattr(error, "negotiated", False):
        return TlsProblem(
            "FailedToAuthenticateAtCsms", "the CSMS ends the handshake; it probably demands a client certificate"
        )
    return TlsProblem("InvalidTLSCipherSuite", "the CSMS and we have no TLS cipher suite in common")
