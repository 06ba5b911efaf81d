"""Why an attempt to connect came to nothing: in words for people, and in the terms that decide what happens next."""

from __future__ import annotations

from dataclasses import dataclass

from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from station.logs import one_line
from station.security.tls_errors import classify

__all__ = ["UNAUTHORIZED", "Trouble", "plainly", "trouble_of"]

UNAUTHORIZED = 401
_MEANING = {
    UNAUTHORIZED: "it does not accept this identity with this password",
    403: "it knows us and does not let us in",
    404: "it does not know this identity, or the path of the URL is wrong",
    426: "it wants a newer protocol; is the URL that of a WebSocket?",
}
_MEANS_US = frozenset({UNAUTHORIZED, 403, 404})
# A04: the CSMS does not take our credentials. The connection stands again before it can hear that.
_NOT_AUTHENTICATED = "FailedToAuthenticateAtCsms"


@dataclass(frozen=True, slots=True)
class Trouble:
    """words: one line, nothing that we sent. status: of HTTP, when the CSMS refused the upgrade. event: the security event it is.

    doubts_us: the CSMS was there and may have turned us away for what proves us; not when nobody answered, nor when it was we who
    did not trust it.
    """

    words: str
    status: int | None = None
    event: str | None = None
    doubts_us: bool = False


def trouble_of(error: Exception) -> Trouble:
    """What an attempt ended with. Nothing of the peer's in it can command a terminal."""
    words = one_line(plainly(error))
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        meaning = _MEANING.get(status)
        event = _NOT_AUTHENTICATED if status == UNAUTHORIZED else None
        return Trouble(f"{words}: {meaning}" if meaning else words, status, event, status in _MEANS_US)
    problem = classify(error) if isinstance(error, OSError) else None
    if problem is not None:
        return Trouble(one_line(problem.words), event=problem.event, doubts_us=problem.event == _NOT_AUTHENTICATED)
    return Trouble(words, doubts_us=_hung_up(error))


def _hung_up(error: Exception) -> bool:
    """The CSMS ended the connection instead of answering: so it looks when TLS 1.3 does not like our certificate."""
    return isinstance(error, InvalidMessage | EOFError | ConnectionResetError | BrokenPipeError)


def plainly(error: Exception) -> str:
    """Words for an error of the connection."""
    if isinstance(error, InvalidStatus):
        response = error.response
        return f"refused with HTTP {response.status_code} {response.reason_phrase}".rstrip()
    if isinstance(error, InvalidMessage) and isinstance(error.__cause__, EOFError):
        # So look a proxy without its server, and a CSMS that finds our certificate wanting after the handshake.
        return (
            "the CSMS ended the connection instead of answering; with security profile 3 it may refuse our certificate"
        )
    if isinstance(error, ConnectionClosed):
        if error.rcvd is not None:
            return f"closed by the CSMS: {error.rcvd.code} {error.rcvd.reason}".rstrip()
        if error.sent is not None:
            return f"closed by the station: {error.sent.code} {error.sent.reason}".rstrip()
        return "the connection was lost"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
