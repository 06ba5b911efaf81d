"""Where the web server listens, who may use it, and with which certificate: read, checked, every mistake named.

On a loopback address nobody needs a token: whoever can connect already sits at this computer. On any other address everybody does.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from station.errors import ConfigError

__all__ = ["DEFAULT_HOST", "DEFAULT_PORT", "WebSettings", "read_settings"]

T = TypeVar("T")
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8180
TRIES = 20
"""With the port nobody chose: this many ports are tried, so that several simulators run side by side."""
TOKEN_AT_LEAST = 16
TOKEN_AT_MOST = 1024
_LISTEN = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]\s]+):(?P<port>\d{1,5})")
_TOKEN = re.compile(rf"[!-~]{{{TOKEN_AT_LEAST},{TOKEN_AT_MOST}}}")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """How a web server is reached.

    host: address or name, IPv6 without brackets. port: 0 takes any free one. tries: so many ports are tried, from `port` upwards.
    token: what everybody must show; needed unless the address is loopback. tls: a server context, None for plain HTTP.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    tries: int = 1
    token: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raises ConfigError when a token is needed and missing, or is unfit."""
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise ConfigError([f"--token-file: {_TOKEN_WORDS}"])
        if self.token is None and not self.is_local:
            raise ConfigError(
                [
                    f"--token-file: {self.host} can be reached from other computers, and then a token is needed: write one into "
                    "a file, for instance with: head -c 24 /dev/urandom | base64 > token"
                ]
            )

    @property
    def is_local(self) -> bool:
        """Only programs on this computer can connect."""
        return is_loopback(self.host)

    def bind(self) -> socket.socket:
        """A listening socket. Raises ConfigError when there is none to be had."""
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
        except OSError as error:
            raise ConfigError([f"--listen: {self.host} is no address of this computer: {error.strerror}"]) from error
        problem = OSError()
        for port in range(self.port, min(self.port + max(1, self.tries), 65536)):
            listener = socket.socket(family, kind, protocol)
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((place[0], port, *place[2:]))
                listener.listen(128)
                listener.setblocking(False)
            except OSError as error:
                listener.close()
                problem = error
            else:
                return listener
        raise ConfigError(
            [f"--listen: cannot listen on {self.host}, port {self.port}: {problem.strerror}; choose another"]
        )

    def url(self, listener: socket.socket) -> str:
        """What people type into their browser; an address that means "all of them" is shown as this computer's name."""
        port = listener.getsockname()[1]
        host = self.host
        if _address(host) is not None and ipaddress.ip_address(host).is_unspecified:
            host = socket.gethostname()
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls else 'http'}://{shown}:{port}/"


_TOKEN_WORDS = f"the token must have {TOKEN_AT_LEAST} to {TOKEN_AT_MOST} visible ASCII characters and no spaces"


def is_loopback(host: str) -> bool:
    """Whether an address or a name leads to this very computer, whatever it resolves to."""
    address = _address(host)
    if address is not None:
        return address.is_loopback
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return host == "localhost" or host.endswith(".localhost")
    return all(ipaddress.ip_address(str(row[4][0]).partition("%")[0]).is_loopback for row in found)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def read_settings(
    listen: str | None = None,
    token_file: Path | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    *,
    default_port: int = DEFAULT_PORT,
) -> WebSettings:
    """Settings from what the command line says. Raises ConfigError with every mistake, each naming its option."""
    problems: list[str] = []
    host, port = _attempt(problems, lambda: _listen(listen, default_port), (DEFAULT_HOST, default_port))
    token = _attempt(problems, lambda: _read_token(token_file), None)
    tls = _attempt(problems, lambda: _context(certificate, key), None)
    if token is None and token_file is not None:  # it could not be read: do not ask for it twice
        raise ConfigError(problems)
    settings = _attempt(
        problems, lambda: WebSettings(host, port, TRIES if listen is None else 1, token, tls), WebSettings()
    )
    if problems:
        raise ConfigError(problems)
    return settings


def _attempt(problems: list[str], read: Callable[[], T], otherwise: T) -> T:
    try:
        return read()
    except ConfigError as error:
        problems += error.problems
        return otherwise


def _listen(text: str | None, default_port: int) -> tuple[str, int]:
    if text is None:
        return DEFAULT_HOST, default_port
    match = _LISTEN.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ConfigError(
            [
                f"--listen: must be HOST:PORT, for instance 127.0.0.1:8180 or [::1]:8180; 0.0.0.0 for all addresses (got {text})"
            ]
        )
    return match["host"].strip("[]"), int(match["port"])


def _read_token(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError([f"--token-file: cannot read {file}: {reason}"]) from error
    token = lines[0].strip() if lines else ""
    if not _TOKEN.fullmatch(token):
        raise ConfigError([f"--token-file: the first line of {file} is unfit: {_TOKEN_WORDS}"])
    return token


def _context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        missing = "--tls-cert" if certificate is None else "--tls-key"
        raise ConfigError([f"{missing}: is missing; TLS needs both the certificate chain and its key, as PEM files"])
    problems = [
        f"{option}: cannot read {file}: {problem}"
        for option, file in (("--tls-cert", certificate), ("--tls-key", key))
        if (problem := _unreadable(file))
    ]
    if problems:
        raise ConfigError(problems)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a callback OpenSSL would ask the terminal for the password of an encrypted key.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError, OSError) as error:
        reason = getattr(error, "reason", None) or "no PEM that can be used"
        raise ConfigError(
            [
                f"--tls-cert: {certificate} with the key {key} cannot be used: {str(reason).replace('_', ' ').lower()}; "
                "they must be PEM, belong together, and the key must have no password"
            ]
        ) from error
    return context


def _unreadable(file: Path) -> str | None:
    try:
        with file.open("rb"):
            return None
    except OSError as error:
        return error.strerror or str(error)
