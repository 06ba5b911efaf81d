"""Where and how to connect: address, credentials, TLS, ping, back-off. Nothing here is ever logged with a secret."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

from station.errors import ConfigError
from station.security.tls import TlsSettings, client_context

MAX_PASSWORD = 40  # BasicAuthPassword is passwordString[40] (A00.FR.205)
MAX_IDENTITY = 48  # identifierString[48] (2.0.1 Part 4, 3.1.1)


@dataclass(frozen=True, slots=True)
class BackOff:
    """The variables RetryBackOffWaitMinimum, RetryBackOffRandomRange (seconds) and RetryBackOffRepeatTimes."""

    wait_minimum_s: float = 10.0
    random_range_s: float = 10.0
    repeat_times: int = 5


def _default_back_off() -> BackOff:
    return BackOff()


def _default_ping_interval() -> float:
    return 60.0


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """One CSMS endpoint. Raises ConfigError, with every mistake, when it cannot work.

    url: the CSMS without our identity, `ws://` or `wss://`; a query is kept.
    subprotocols: asked at every attempt; best first ("ocpp2.0.1", "ocpp1.6").
    password: Basic auth with the identity as user; None sends none.
    ca_file: PEM of the roots to trust, None for the system's. cert_file, key_file: client certificate
    (profile 3). context: makes the TLS context instead of these files, at every attempt.
    vouched: told what vouched for the CSMS (DER, its own certificate first), empty without TLS, whenever a connection stands.
    refusal: why no attempt is to be made: something is missing.
    ping_interval: WebSocketPingInterval in seconds, 0 turns pings off. back_off: asked before every wait.
    pong_timeout_s: without a pong for so long the link is dead. open_timeout_s: for TCP, TLS and upgrade together.
    max_bytes: longest message accepted; a longer one ends the connection (close code 1009).
    local_address: source IP address, None for the system's choice.
    """

    url: str = field(repr=False)  # may hold a token
    identity: str
    subprotocols: Callable[[], Sequence[str]]
    password: str | bytes | None = field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify_hostname: bool = True
    ping_interval: Callable[[], float] = _default_ping_interval
    back_off: Callable[[], BackOff] = _default_back_off
    pong_timeout_s: float = 20.0
    open_timeout_s: float = 30.0
    close_timeout_s: float = 5.0
    max_bytes: int = 1 << 20
    local_address: str | None = None
    context: Callable[[], ssl.SSLContext] | None = field(default=None, repr=False)
    vouched: Callable[[tuple[bytes, ...]], None] = field(default=lambda _chain: None, repr=False)
    refusal: str | None = None

    def __post_init__(self) -> None:
        problems = [*self._url_problems(), *self._identity_problems()]
        if self.key_file and not self.cert_file:
            problems.append("key_file: needs cert_file, the certificate that belongs to the key")
        if problems:
            raise ConfigError(problems)

    def endpoint(self) -> str:
        """The URL to open: the identity is %-encoded once, and joined by one slash (2.0.1 Part 4, 3.1.1)."""
        parts = urlsplit(self.url)
        # A colon is legal in a path, and CSMSs that take "a:b" literally exist; everything else unusual is encoded.
        path = f"{parts.path.rstrip('/')}/{quote(self.identity, safe=':')}"
        return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))

    def headers(self) -> dict[str, str]:
        """Extra headers of the upgrade. Holds the password: never log it."""
        if self.password is None:
            return {}
        # A00.FR.204: user name is the identity, the same as in the URL.
        password = self.password.encode() if isinstance(self.password, str) else self.password
        secret = base64.b64encode(f"{self.identity}:".encode() + password).decode()
        return {"Authorization": f"Basic {secret}"}

    @property
    def secure(self) -> bool:
        return self.url.lower().startswith("wss:")

    @property
    def place(self) -> str:
        """Host and port for messages: neither path nor query, which may hold a token."""
        return urlsplit(self.url).netloc

    def _url_problems(self) -> list[str]:
        try:
            parts = urlsplit(self.url)
            host, _port, userinfo = parts.hostname, parts.port, "@" in parts.netloc
        except ValueError as error:  # urllib names what it dislikes: a port, a bracket
            return [f"url: {error}"]
        problems = []
        if parts.scheme not in ("ws", "wss"):
            problems.append("url: must begin with ws:// or wss://")
        if not host:
            problems.append("url: names no host; write it as wss://csms.example.com/ocpp")
        if userinfo:
            problems.append("url: holds credentials; the user is the identity, the password has its own field")
        if parts.fragment:
            problems.append("url: a fragment (#...) is not sent to a server; remove it")
        return problems

    def _identity_problems(self) -> list[str]:
        problems = []
        if not 0 < len(self.identity) <= MAX_IDENTITY:
            problems.append(f"identity: must have 1 to {MAX_IDENTITY} characters")
        if self.password is not None:
            if ":" in self.identity:
                problems.append("identity: must not hold ':' when a password is used (RFC 7617)")
            if len(self.password) > MAX_PASSWORD:
                problems.append(f"password: must have at most {MAX_PASSWORD} characters")
        return problems


def tls_context(settings: LinkSettings) -> ssl.SSLContext | None:
    """The TLS context for these settings, None for ws://. Stations with the same files share it, until one changes.

    Raises OSError (a file is missing), ssl.SSLError (a file is no PEM, the key does not fit) or SecurityError.
    """
    if not settings.secure:
        return None
    if settings.context is not None:
        return settings.context()
    files = TlsSettings(
        ca_file=settings.ca_file,
        cert_file=settings.cert_file,
        key_file=settings.key_file,
        verify_hostname=settings.verify_hostname,
    )
    return client_context(files)
