"""What an attempt that came to nothing is called, and which security event it is."""

from __future__ import annotations

import ssl

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.http11 import Response

from station.ocpp.trouble import Trouble, trouble_of


def refused(status: int, reason: str = "") -> InvalidStatus:
    return InvalidStatus(Response(status, reason, Headers()))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not accept this identity with this password"),
        (403, "does not let us in"),
        (404, "does not know this identity, or the path"),
        (500, "refused with HTTP 500 Nope"),
    ],
)
def test_http_in_words(status: int, words: str) -> None:
    trouble = trouble_of(refused(status, "Nope"))
    assert words in trouble.words
    assert f"HTTP {status} Nope" in trouble.words
    assert trouble.status == status
    assert trouble.event == ("FailedToAuthenticateAtCsms" if status == 401 else None)


def test_tls_is_classified() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    assert trouble_of(error) == Trouble(
        "the certificate of the CSMS is refused: certificate has expired", event="InvalidCsmsCertificate"
    )


def test_a_network_that_is_away_is_no_security_event() -> None:
    assert trouble_of(ConnectionRefusedError(111, "refused")).event is None
    assert trouble_of(TimeoutError("timed out during opening handshake")).event is None


def test_an_end_without_an_answer() -> None:
    error = InvalidMessage("did not receive a valid HTTP response")
    assert trouble_of(error).words == "InvalidMessage: did not receive a valid HTTP response"
    error.__cause__ = EOFError()
    assert "instead of answering" in trouble_of(error).words


def test_what_a_csms_says_cannot_command_a_terminal() -> None:
    assert "\x1b" not in trouble_of(refused(400, "\x1b[31mred")).words


def test_what_may_be_about_our_certificate() -> None:
    """A02.FR.28: a CSMS that nobody reached, or that we do not trust, says nothing of it."""
    hung_up = InvalidMessage("did not receive a valid HTTP response")
    hung_up.__cause__ = EOFError()
    assert trouble_of(hung_up).doubts_us
    assert trouble_of(ConnectionResetError()).doubts_us
    refused = ssl.SSLError(1, "alert")
    refused.reason = "TLSV1_ALERT_UNKNOWN_CA"
    assert trouble_of(refused).doubts_us
    distrusted = ssl.SSLCertVerificationError(1, "expired")
    distrusted.verify_message = "certificate has expired"
    for error in (ConnectionRefusedError(), TimeoutError(), OSError("no route"), ValueError("a name"), distrusted):
        assert not trouble_of(error).doubts_us
