"""Real file servers on localhost, each in a thread: HTTP(S), FTP(S), SFTP. What arrives is in a folder or a list."""

from __future__ import annotations

import asyncio
import base64
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncssh

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # asyncore, up to Python 3.11
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer

USER, PASSWORD = "us er", "p@ss:/word"
LOGIN = "us%20er:p%40ss%3A%2Fword"
"""Percent-encoded, as it stands in an address."""


@dataclass
class Web:
    """An HTTP server that does as it is told.

    statuses: method -> what to answer instead. password: ask for it. files: path -> content to GET. hang: answer nothing until
    `close`. hold: answer when `released` is set. fail_first: so many requests get 503.
    """

    statuses: dict[str, int] = field(default_factory=dict)
    password: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    hold: bool = False
    fail_first: int = 0
    chunked: bool = False
    cut_short: bool = False
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    scheme: str = "http"

    def url(self, path: str = "/logs/", login: str = "") -> str:
        return f"{self.scheme}://{login}{'@' if login else ''}localhost:{self.port}{path}"

    @property
    def uploaded(self) -> list[bytes]:
        return [body for method, _, _, body in self.requests if method in {"PUT", "POST"}]


def _handler(web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _serve(self) -> None:
            web.reached.set()
            if web.hang:
                web.released.wait(30)
                self.close_connection = True
                return
            if web.hold:
                web.released.wait(30)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            web.requests.append((self.command, self.path, dict(self.headers), body))
            status = web.statuses.get(self.command, 200)
            wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if web.password and self.headers.get("Authorization") != wanted:
                status = 401
            if web.fail_first > 0:
                web.fail_first -= 1
                status = 503
            self._answer(status)

        def _answer(self, status: int) -> None:
            content = b""
            location = web.redirects.get(self.path)
            if status == 200 and self.command == "GET":
                status = 302 if location else 200 if self.path in web.files else 404
                content = web.files.get(self.path, b"")
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            if web.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if web.cut_short:
                content = content[: len(content) // 2]
                self.close_connection = True
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content) if web.chunked else content)

        do_GET = do_PUT = do_POST = _serve  # noqa: N815 - http.server's names

    return Handler


@contextmanager
def serve_web(web: Web, certificate: Any = None) -> Iterator[Web]:
    """certificate: an `Issued` of the test PKI, for https."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(web))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are part of the tests
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert_file, certificate.key_file)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        web.scheme = "https"
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.released.set()
        server.shutdown()
        thread.join(10)
        server.server_close()


@contextmanager
def serve_ftp(folder: Path, certificate: Any = None, *, may: str = "elradfmwMT") -> Iterator[int]:
    """A server with one user; yields its port. may: pyftpdlib's letters of what the user may do."""
    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(folder), perm=may)
    base = FTPHandler if certificate is None else TLS_FTPHandler
    settings: dict[str, Any] = {"authorizer": authorizer, "auth_failed_timeout": 0.01}
    if certificate is not None:
        bundle = folder.parent / "server.pem"
        bundle.write_text(Path(certificate.cert_file).read_text() + Path(certificate.key_file).read_text())
        settings |= {"certfile": str(bundle), "tls_control_required": True, "tls_data_required": True}
    handler = type("Handler", (base,), settings)
    loop = IOLoop()
    server = FTPServer(("127.0.0.1", 0), handler, ioloop=loop)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            loop.loop(timeout=0.02, blocking=False)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        stop.set()
        thread.join(10)
        server.close_all()


class _Passwords(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


@contextmanager
def serve_sftp(folder: Path, port: int = 0) -> Iterator[int]:
    """A server with one user and a key of its own; yields its port."""
    ready = threading.Event()
    found: list[Any] = []

    async def work() -> None:
        def files(channel: Any) -> asyncssh.SFTPServer:
            return asyncssh.SFTPServer(channel, chroot=str(folder).encode())

        acceptor = await asyncssh.create_server(
            _Passwords,
            "127.0.0.1",
            port,
            server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            sftp_factory=files,
        )
        over = asyncio.Event()
        found.extend([acceptor.get_port(), asyncio.get_running_loop(), over])
        ready.set()
        await over.wait()
        acceptor.close()
        await acceptor.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(work()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield found[0]
    finally:
        found[1].call_soon_threadsafe(found[2].set)
        thread.join(10)
