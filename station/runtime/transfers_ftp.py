"""Files over FTP, and over FTPS: explicit (AUTH TLS), or implicit on port 990. Always passive, for NAT and firewalls."""

from __future__ import annotations

import ftplib
import posixpath
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from station.runtime.transfers import (
    CHUNK,
    BadMessageError,
    NotSupportedError,
    PermissionDeniedError,
    Place,
    Sink,
    Tools,
    TransferError,
    connect,
    secure,
)

IMPLICIT_PORT = 990
_DENIED = frozenset({"530", "532", "430", "534"})
_NO_SUCH_COMMAND = frozenset({"500", "502", "504"})
_BAD_NAME = frozenset({"501", "553"})


class _Ftp(ftplib.FTP):
    """FTP on connections that can be cut."""

    def __init__(self, tools: Tools) -> None:
        super().__init__()
        self._tools = tools

    def connect(self, host: str = "", port: int = 0, *_: Any, **__: Any) -> str:
        """As in ftplib."""
        self.host, self.port, self.timeout = host, port, self._tools.stall_timeout_s
        self._begin(connect(host, port, self._tools))
        self.welcome = self.getresp()
        return self.welcome

    def _begin(self, line: socket.socket) -> None:
        self.af, self.sock = line.family, line
        self.file = line.makefile("r", encoding=self.encoding)

    def data(self, command: str) -> socket.socket:
        """The data connection of a command."""
        line, _size = self.ntransfercmd(command)
        line.settimeout(self._tools.stall_timeout_s)
        self._tools.stop.at_cut(lambda: _shut(line))
        self._tools.stop.check()
        return line


class _SecureFtp(_Ftp):
    """FTPS. Many servers want the data connections in the TLS session of the control connection."""

    def __init__(self, tools: Tools, *, implicit: bool) -> None:
        super().__init__(tools)
        self._context = tools.tls()
        self._implicit = implicit

    def _begin(self, line: socket.socket) -> None:
        super()._begin(secure(line, self.host, self._tools, self._context) if self._implicit else line)

    def login(self, user: str = "", passwd: str = "", acct: str = "") -> str:
        """RFC 4217: TLS before the password, and for the data."""
        if not self._implicit:
            self.voidcmd("AUTH TLS")
            line = self.sock
            if line is None or self.file is None:
                raise TransferError("the connection is lost")
            self.file.close()
            _Ftp._begin(self, secure(line, self.host, self._tools, self._context))
        answer = super().login(user, passwd, acct)
        self.voidcmd("PBSZ 0")
        self.voidcmd("PROT P")
        return answer

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        line, size = super().ntransfercmd(cmd, rest)
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        return secure(line, self.host, self._tools, self._context, session), size


def _shut(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


@contextmanager
def _session(place: Place, tools: Tools) -> Iterator[_Ftp]:
    """Logged in and binary."""
    ftp = _SecureFtp(tools, implicit=place.port == IMPLICIT_PORT) if place.scheme == "ftps" else _Ftp(tools)
    try:
        ftp.connect(place.host, place.port)
        ftp.login(place.user or "anonymous", place.password or "anonymous@")
        ftp.voidcmd("TYPE I")
        yield ftp
        with suppress(OSError, EOFError, ftplib.Error):
            ftp.quit()
    finally:
        ftp.close()


def _finish(line: socket.socket) -> None:
    """A TLS connection is closed with a good-bye: without it, some servers keep nothing of what came."""
    if isinstance(line, ssl.SSLSocket):
        with suppress(OSError, ssl.SSLError):
            line.unwrap()
    line.close()


def upload(place: Place, source: Path, filename: str, tools: Tools) -> None:
    with _words(), _session(place, tools) as ftp:
        name = _go_to(ftp, place.path, filename)
        line = ftp.data(f"STOR {name}")
        try:
            with source.open("rb") as stream:
                while piece := stream.read(CHUNK):
                    tools.stop.check()
                    line.sendall(piece)
        finally:
            _finish(line)
        ftp.voidresp()


def _go_to(ftp: ftplib.FTP, path: str, filename: str) -> str:
    """Into the folder that the address names; returns the name to store under.

    RFC 1738: the path begins where the login leads to. An address that is no folder names the file itself.
    """
    path = _checked(path).lstrip("/")
    if not path:
        return filename
    try:
        ftp.cwd(path)
        return filename
    except ftplib.error_perm as error:
        folder, name = posixpath.split(path)
        if not name:
            raise BadMessageError(f"the server has no such folder ({_code(error)})") from None
        if folder:
            ftp.cwd(folder)
        return name


def download(place: Place, sink: Sink, tools: Tools) -> None:
    with _words(), _session(place, tools) as ftp:
        path = _checked(place.path).lstrip("/")
        with suppress(ftplib.error_perm):  # SIZE is an extension
            size = ftp.size(path)
            if size is not None:
                sink.expect(size)
        line = ftp.data(f"RETR {path}")
        try:
            while piece := line.recv(CHUNK):
                tools.stop.check()
                sink.write(piece)
        finally:
            _finish(line)
        ftp.voidresp()


def _checked(path: str) -> str:
    """A line break would be a command of its own."""
    if any(c in path for c in "\r\n\0"):
        raise BadMessageError("the address has a line break in its path")
    return path


@contextmanager
def _words() -> Iterator[None]:
    """The server's refusals as TransferErrors. Its own text is left out: it may repeat the name and the path."""
    try:
        yield
    except ftplib.Error as error:
        code = _code(error)
        words = f"FTP reply {code}" if code else "the server does not speak FTP"
        if code in _DENIED:
            raise PermissionDeniedError(f"{words}: the login is refused") from None
        if code in _NO_SUCH_COMMAND:
            raise NotSupportedError(words) from None
        if code in _BAD_NAME:
            raise BadMessageError(f"{words}: the server does not take the file's name") from None
        if code == "550":
            raise PermissionDeniedError(f"{words}: the file or folder is not there, or not for us") from None
        raise TransferError(words) from None


def _code(error: BaseException) -> str:
    code = str(error)[:3]
    return code if code.isdecimal() else ""
