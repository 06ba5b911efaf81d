"""Who may come in: an ASGI layer around the application that looks at every request before anything else does.

- Without a token (loopback only) the Host must be a name of this computer: a web page whose name was made to point at 127.0.0.1
  (DNS rebinding) is refused.
- An Origin, if there is one, must be this server: another site's page cannot press buttons here.
- With a token everybody shows it: `Authorization: Bearer`, or a cookie that the page `/` gives in exchange for it. The cookie
  holds a keyed hash, is HttpOnly and SameSite=Strict.
- Every answer carries headers that forbid whatever the pages do not need.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from station.web.answers import RefusedError, refusal

__all__ = ["MAX_BODY", "Guard", "read_body"]

MAX_BODY = 1 << 20
MAX_DISCARDED = 1 << 24
BODY_WITHIN_S = 20.0
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
DEFAULT_PORTS = {"http": "80", "https": "443"}
LOGIN = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Pilotwire</title>
<h1>Pilotwire</h1>
<p>{words}</p>
<form method="post" action="/login">
<label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Open</button>
</form>
</html>
"""


class Guard:
    """Lets through to `app` what may pass.

    local: the server is bound to a loopback address. token: what everybody must show, or None. port: makes the cookie's name this
    server's own (cookies do not know ports). free: paths that begin so need no token, because they hold a secret themselves.
    """

    def __init__(self, app: ASGIApp, *, local: bool, token: str | None, port: int = 0, free: str | None = None) -> None:
        self._free = free
        self._app = app
        self._local = local
        self._token = None if token is None else token.encode()
        self._cookie = f"pilotwire-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # there are no websockets and no lifespan here
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = await self._answer(scope, receive)
        await (answer or self._app)(scope, receive, dressed)

    async def _answer(self, scope: Scope, receive: Receive) -> Response | None:
        """What is answered in the application's place; None when the request may pass."""
        headers = Headers(scope=scope)
        problem = _wrong_host(headers, local=self._local and self._token is None) or _foreign_origin(headers)
        if problem is not None:
            return refusal(RefusedError("host", problem))
        if self._token is None or (self._free is not None and scope["path"].startswith(self._free)):
            return None
        request = Request(scope, receive)
        if scope["path"] == "/login" and scope["method"] == "POST":
            return await self._log_in(request)
        if self._may_pass(headers):
            return None
        if scope["path"] == "/" and scope["method"] == "GET":
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
            if given and self._is_token(given[0].encode()):
                return self._welcome(scope)
            return _login_page("This token is not the right one." if given else "This station wants to see a token.")
        return refusal(
            RefusedError("auth", "show the token: Authorization: Bearer TOKEN"),
            {"www-authenticate": 'Bearer realm="station"'},
        )

    def _is_token(self, given: bytes) -> bool:
        return self._token is not None and hmac.compare_digest(given, self._token)

    def _ticket(self) -> str:
        """What the cookie holds: whoever reads it from a browser's disk has not got the token."""
        return hmac.new(self._token or b"", b"pilotwire front panel", hashlib.sha256).hexdigest()

    def _may_pass(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._is_token(given.strip().encode("utf-8", "surrogateescape"))
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(headers.get("cookie", ""))
        except CookieError:
            return False
        shown = cookies.get(self._cookie)
        return shown is not None and hmac.compare_digest(shown.value.encode(), self._ticket().encode())

    async def _log_in(self, request: Request) -> Response:
        try:
            form = parse_qs((await read_body(request)).decode("utf-8", "replace"), max_num_fields=4)
        except RefusedError as error:
            return refusal(error)
        except ValueError:  # too many fields
            form = {}
        if self._is_token(form.get("token", [""])[0].strip().encode()):
            return self._welcome(request.scope)
        return _login_page("This token is not the right one.")

    def _welcome(self, scope: Scope) -> Response:
        answer = RedirectResponse("/", 303)  # the address bar and the history forget the token
        answer.set_cookie(
            self._cookie, self._ticket(), path="/", secure=scope["scheme"] == "https", httponly=True, samesite="strict"
        )
        return answer


def _login_page(words: str) -> Response:
    return Response(
        LOGIN.format(words=words), 401, {"www-authenticate": 'Bearer realm="station"'}, "text/html; charset=utf-8"
    )


def _wrong_host(headers: Headers, *, local: bool) -> str | None:
    hosts = headers.getlist("host")
    if len(hosts) != 1:
        return "one Host header is needed"
    if local and not _names_this_computer(_host(hosts[0])):
        return "this station answers to localhost only; use http://localhost or listen on another address with a token"
    return None


def _host(authority: str) -> str:
    """The host of "host:port", without brackets; an empty text when it is no authority."""
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def _names_this_computer(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 6.3: never asked of a foreign name server
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _foreign_origin(headers: Headers) -> str | None:
    """What is wrong with the Origin; the scheme may differ, because a proxy may speak TLS for us."""
    for origin in headers.getlist("origin"):
        scheme, _, authority = origin.partition("://")
        port = DEFAULT_PORTS.get(scheme)
        if port is None or _plain(authority, port) != _plain(headers["host"], port):
            return "a page of another site (Origin) may not use this station"
    if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
        return "a page of another site may not use this station"
    return None


def _plain(authority: str, port: str) -> str:
    return authority.lower().removesuffix(f":{port}")


async def read_body(request: Request) -> bytes:
    """The whole body. Raises RefusedError when it is too large or does not come.

    One that is too large is read on for a while and thrown away: an answer to somebody who still sends would be lost with the
    connection.
    """
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= MAX_BODY:
                    body += chunk
                elif size > MAX_DISCARDED:
                    break
    except TimeoutError as error:
        raise RefusedError("timeout", f"the body did not come within {BODY_WITHIN_S:g} seconds") from error
    if size > MAX_BODY:
        raise RefusedError("too_large", f"the body has more than {MAX_BODY} bytes")
    return bytes(body)
