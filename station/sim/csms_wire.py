"""What the embedded CSMS speaks through: one connection to one station, over a real websocket or in memory."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from ssl import ALERT_DESCRIPTION_HANDSHAKE_FAILURE
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from station.errors import StationError

if TYPE_CHECKING:
    from ssl import SSLContext

    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response
    from websockets.typing import Subprotocol

__all__ = ["Connection", "PeerGoneError", "Serve", "WebsocketListener", "station_of"]


class PeerGoneError(StationError):
    """The other side is gone: nothing can be received or sent any more."""


class Connection(Protocol):
    """One open connection, seen from the CSMS."""

    @property
    def subprotocol(self) -> str | None: ...

    async def recv(self) -> str:
        """The next text. Raises PeerGoneError."""

    async def send(self, message: str) -> None:
        """Raises PeerGoneError."""

    async def close(self, code: int = 1000, reason: str = "", *, abrupt: bool = False) -> None:
        """Say goodbye, or (abrupt) just vanish. Idempotent."""


Serve = Callable[[str, Connection], Awaitable[None]]
"""Serves one connection of the station with this id until it ends."""


def station_of(path: str) -> str:
    """Identity of the station that opened this path: its last segment, decoded."""
    return unquote(urlsplit(path).path.rstrip("/").rpartition("/")[2])


class _WebsocketConnection:
    """`Connection` over the websockets package."""

    def __init__(self, websocket: ServerConnection) -> None:
        self._websocket = websocket

    @property
    def subprotocol(self) -> str | None:
        return self._websocket.subprotocol

    async def recv(self) -> str:
        from websockets.exceptions import ConnectionClosed

        try:
            message = await self._websocket.recv()
        except ConnectionClosed as error:
            raise PeerGoneError(str(error)) from error
        return message if isinstance(message, str) else message.decode("utf-8", "replace")

    async def send(self, message: str) -> None:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._websocket.send(message)
        except ConnectionClosed as error:
            raise PeerGoneError(str(error)) from error

    async def close(self, code: int = 1000, reason: str = "", *, abrupt: bool = False) -> None:
        if abrupt:
            self._websocket.transport.abort()
        else:
            await self._websocket.close(code, reason)


class WebsocketListener:
    """A websocket server for stations. It can vanish and come back on the same port.

    subprotocols: what is supported. offer_subprotocol False: open the socket without one, as some CSMSs do.
    password: when set, Basic auth with the station's id as user is asked for; a mapping has a password per id, others get in
        without. known: identities that may connect (404 for others); None: every one.
    """

    def __init__(
        self,
        serve: Serve,
        *,
        subprotocols: Sequence[str],
        host: str = "127.0.0.1",
        port: int = 0,
        password: str | Mapping[str, str] | None = None,
        known: frozenset[str] | None = None,
        ssl: SSLContext | None = None,
        ping_interval_s: float | None = None,
    ) -> None:
        self._serve = serve
        self._subprotocols = tuple(subprotocols)
        self._host = host
        self._port = port
        self._password = password
        self._ssl = ssl
        self._ping_interval_s = ping_interval_s
        self._server: Server | None = None
        self.known = known
        self.refuse_tls = False
        """True: every TLS handshake fails, until it is False again."""
        if ssl is not None:
            ssl.sni_callback = self._handshake
        self.offer_subprotocol = True

    @property
    def url(self) -> str:
        """Where stations connect, without their id. Valid once opened."""
        scheme = "wss" if self._ssl else "ws"
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{scheme}://{host}:{self._port}/ocpp"

    @property
    def listening(self) -> bool:
        return self._server is not None

    async def open(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        from websockets.asyncio.server import serve

        if self._server is not None:
            return
        self._server = await serve(
            self._handle,
            self._host,
            self._port,
            ssl=self._ssl,
            subprotocols=None,
            select_subprotocol=self._select,
            process_request=self._check,
            compression=None,
            ping_interval=self._ping_interval_s,
            close_timeout=1,
            max_size=2**22,
        )
        self._port = next(iter(self._server.sockets)).getsockname()[1]

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            server, self._server = self._server, None
            server.close()
            await server.wait_closed()

    async def _handle(self, websocket: ServerConnection) -> None:
        path = websocket.request.path if websocket.request else "/"
        await self._serve(station_of(path), _WebsocketConnection(websocket))

    def _select(self, _connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        from websockets.exceptions import NegotiationError

        if not self.offer_subprotocol:
            return None
        for subprotocol in offered:
            if subprotocol in self._subprotocols:
                return subprotocol
        raise NegotiationError(f"none of {list(offered)} is supported")

    def _handshake(self, _socket: object, _name: str | None, _context: object) -> int | None:
        """Called for every TLS handshake, right after the hello of the client."""
        return ALERT_DESCRIPTION_HANDSHAKE_FAILURE if self.refuse_tls else None

    def set_password(self, station: str, password: str | None) -> None:
        """The password of one station from its next connection on (A01); None: it needs none."""
        passwords = dict(self._password) if isinstance(self._password, Mapping) else {}
        if password is None:
            passwords.pop(station, None)
        else:
            passwords[station] = password
        self._password = passwords

    def _password_of(self, station: str) -> str | None:
        return self._password.get(station) if isinstance(self._password, Mapping) else self._password

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        station = station_of(request.path)
        if self.known is not None and station not in self.known:
            return connection.respond(HTTPStatus.NOT_FOUND, f"no station is called {station!r} here\n")
        password = self._password_of(station)
        if password is None:
            return None
        wanted = f"{station}:{password}"
        if hmac.compare_digest(_basic(request.headers.get("Authorization", "")), wanted.encode()):
            return None
        response = connection.respond(HTTPStatus.UNAUTHORIZED, "wrong user or password\n")
        response.headers["WWW-Authenticate"] = "Basic"
        return response


def _basic(header: str) -> bytes:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return b""
