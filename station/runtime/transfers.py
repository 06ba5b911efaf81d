"""Files to and from a server: http, https, ftp, ftps, sftp.

The libraries block, so every transfer has a worker thread; memory is bounded by `CHUNK`, time by time-outs, size by the caller.
Cancelling the coroutine cuts the connection. An address may hold a password: no error, log line or repr has more of it than the host.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar, cast
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = [
    "CHUNK",
    "BadMessageError",
    "FullError",
    "NotSupportedError",
    "PermissionDeniedError",
    "Place",
    "Roots",
    "Sink",
    "Stop",
    "StoppedError",
    "Tools",
    "TransferError",
    "Transfers",
    "connect",
    "no_roots",
    "parse_place",
    "protocols",
    "secure",
]

CHUNK = 256 * 1024
CONNECT_TIMEOUT_S = 15.0
STALL_TIMEOUT_S = 60.0
DEFAULT_MOST_BYTES = 512 * 1024 * 1024
# How long a cancelled transfer is waited for: its connection is cut, but a name look-up cannot be.
CUT_WAIT_S = 2.0
FILE_MODE = 0o600

log = logging.getLogger("station.transfers")

T = TypeVar("T")
_PORTS = {"http": 80, "https": 443, "ftp": 21, "ftps": 21, "sftp": 22}
_MODULES = {"http": "http", "https": "http", "ftp": "ftp", "ftps": "ftp", "sftp": "sftp"}
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


# --- errors ---------------------------------------------------------------------------------------------------------


class TransferError(Exception):
    """It did not work; words for people. `status`: the UploadLogStatusEnumType word. `final`: trying again is of no use."""

    status = "UploadFailure"
    final = False


class PermissionDeniedError(TransferError):
    """The server knows us not, or does not allow it."""

    status = "PermissionDenied"
    final = True


class BadMessageError(TransferError):
    """The address, or what the server makes of our request, is malformed."""

    status = "BadMessage"
    final = True


class NotSupportedError(TransferError):
    """We, or the server, have no such way of transferring."""

    status = "NotSupportedOperation"
    final = True


class FullError(TransferError):
    """There is no room here: the disk is full, or the file over the limit."""

    final = True


class StoppedError(TransferError):
    """Cancelled by us."""

    final = True


# --- addresses ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A parsed address. `path` is decoded, `target` is path and query as they came (of http)."""

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)
    target: str = field(repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def named(self) -> str:
        """What may be told of it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_place(url: str) -> Place:
    """Raises BadMessageError for what is no address, NotSupportedError for a protocol that we do not have."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise BadMessageError("the address is malformed") from error
    scheme = parts.scheme.lower()
    if not scheme or "://" not in url:
        raise BadMessageError(
            "the address has no protocol: it must begin with http://, https://, ftp://, ftps:// or sftp://"
        )
    if scheme not in _PORTS:
        known = "".join(c for c in scheme[:16] if c.isalnum())
        raise NotSupportedError(f"files cannot be transferred by {known}: use one of {', '.join(sorted(_PORTS))}")
    host = parts.hostname
    if not host or any(c.isspace() or not c.isprintable() for c in url.strip()):
        raise BadMessageError("the address has no host, or characters that must be percent-encoded")
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise BadMessageError("the address has a malformed host name") from error
    if port == 0:
        raise BadMessageError("the address has port 0")
    return Place(
        scheme,
        host,
        port or _PORTS[scheme],
        unquote(parts.path),
        _target(parts),
        None if parts.username is None else unquote(parts.username),
        None if parts.password is None else unquote(parts.password),
    )


def _target(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


# --- threads --------------------------------------------------------------------------------------------------------


class Stop:
    """Tells a thread to stop: `cut` is called in the loop's thread, everything else in the worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cuts: list[Callable[[], None]] = []
        self.stopped = False

    def check(self) -> None:
        """Raises StoppedError."""
        if self.stopped:
            raise StoppedError("cancelled")

    def at_cut(self, action: Callable[[], None]) -> None:
        """Something that ends a blocking call. Called at once when it is too late."""
        with self._lock:
            self._cuts.append(action)
            late = self.stopped
        if late:
            action()

    def cut(self) -> None:
        with self._lock:
            self.stopped = True
            cuts = tuple(self._cuts)
        for action in cuts:
            action()


def connect(host: str, port: int, tools: Tools) -> socket.socket:
    """A connection that `tools.stop` can cut; every later call on it waits for `stall_timeout_s` at most. Raises StoppedError."""
    tools.stop.check()
    line = socket.create_connection((host, port), tools.connect_timeout_s)
    line.settimeout(tools.stall_timeout_s)
    _cut_with(line, tools)
    return line


def secure(
    line: socket.socket, host: str, tools: Tools, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> ssl.SSLSocket:
    """TLS on a connection; on failure it is closed. Raises OSError."""
    try:
        wrapped = context.wrap_socket(line, server_hostname=host, do_handshake_on_connect=False, session=session)
    except BaseException:
        line.close()
        raise
    _cut_with(wrapped, tools)
    try:
        wrapped.do_handshake()
    except BaseException:
        wrapped.close()
        raise
    return wrapped


def _cut_with(line: socket.socket, tools: Tools) -> None:
    def cut() -> None:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    tools.stop.at_cut(cut)


@dataclass(frozen=True, slots=True)
class Tools:
    """What a protocol's module works with. known_hosts: file of the SSH host keys seen so far."""

    stop: Stop
    tls: Callable[[], ssl.SSLContext]
    known_hosts: Path | None
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    stall_timeout_s: float = STALL_TIMEOUT_S


class Sink:
    """Takes the bytes of a file that is being downloaded, up to a limit."""

    def __init__(self, stream: BinaryIO, most_bytes: int) -> None:
        self._stream = stream
        self._most = most_bytes
        self.size = 0

    def expect(self, size: int) -> None:
        """The server announced so many bytes. Raises FullError at once when they cannot be had."""
        if size > self._most:
            raise FullError(f"the file has {size} bytes, at most {self._most} are taken")
        state = os.fstatvfs(self._stream.fileno())
        if size > state.f_bavail * state.f_frsize:
            raise FullError(f"the disk has no room for the {size} bytes of the file")

    def write(self, data: bytes) -> None:
        """Raises FullError."""
        self.size += len(data)
        if self.size > self._most:
            raise FullError(f"the file is longer than {self._most} bytes, which is the most that is taken")
        with _our_file():
            rest = memoryview(data)
            while rest:
                rest = rest[self._stream.write(rest) or 0 :]


@contextmanager
def _sink(file: Path, most_bytes: int) -> Iterator[Sink]:
    """A private file, complete and durable after the block, or not there."""
    part = file.with_name(file.name + ".part")
    with _our_file():
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            yield Sink(stream, most_bytes)
            with _our_file():
                os.fsync(stream.fileno())
        with _our_file():
            os.replace(part, file)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


@contextmanager
def _our_file() -> Iterator[None]:
    """Turns a full disk, and any other trouble with our own file, into words."""
    try:
        yield
    except OSError as error:
        words = "the disk is full" if error.errno in _FULL else f"the file cannot be written here: {error.strerror}"
        raise FullError(words) from error


class TransferModule(Protocol):
    """What the module of a protocol has. Both raise TransferError, or OSError, which means the same with fewer words."""

    def upload(self, place: Place, source: Path, filename: str, tools: Tools) -> None: ...

    def download(self, place: Place, sink: Sink, tools: Tools) -> None: ...


def protocols() -> tuple[str, ...]:
    """What FileTransferProtocols announces."""
    return ("FTP", "FTPS", "HTTP", "HTTPS", *(("SFTP",) if find_spec("asyncssh") else ()))


Roots = Callable[[], Awaitable[str]]
"""PEM text of root certificates to trust besides the system's; empty when there are none."""


async def no_roots() -> str:
    return ""


def _context(ca_file: str | None, pem: str) -> ssl.SSLContext:
    """Trusts the system's roots (N01.FR.16) and those of the CSMS (N01.FR.15); always verifies, host name included."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    if pem:
        context.load_verify_locations(cadata=pem)
    return context


class Transfers:
    """Uploads and downloads of one station."""

    __slots__ = ("_ca_file", "_known_hosts", "_limits", "_roots", "most_bytes")

    def __init__(
        self,
        roots: Roots = no_roots,
        *,
        ca_file: str | None = None,
        known_hosts: Path | None = None,
        most_bytes: int = DEFAULT_MOST_BYTES,
        limits: Mapping[str, float] | None = None,
    ) -> None:
        """roots, ca_file: whom to trust over https and ftps besides the system's roots. known_hosts: see `Tools`.

        most_bytes: the largest file that is downloaded. limits: other time-outs than usual, as in `Tools`.
        """
        self._roots = roots
        self._ca_file = ca_file
        self._known_hosts = known_hosts
        self._limits = dict(limits or {})
        self.most_bytes = most_bytes

    async def upload(self, url: str, source: Path, filename: str) -> None:
        """Bring a file to `url`. Raises TransferError.

        http(s): PUT to the address, with the file's name added when it ends with a slash; POST as a form (N01.FR.19) when the
        server knows no PUT. ftp(s), sftp: into the address if it is a folder, else under that name.
        """
        place = parse_place(url)
        await self._in_thread(place, lambda tools: _module(place.scheme).upload(place, source, filename, tools))

    async def download(self, url: str, file: Path) -> int:
        """Get the file at `url`; returns its size in bytes. Raises TransferError, and then there is no file."""
        place = parse_place(url)

        def work(tools: Tools) -> int:
            module = _module(place.scheme)
            with _sink(file, self.most_bytes) as sink:
                module.download(place, sink, tools)
                tools.stop.check()  # what nobody waits for any more does not become a file
            return sink.size

        return await self._in_thread(place, work)

    async def _in_thread(self, place: Place, work: Callable[[Tools], T]) -> T:
        stop = Stop()
        pem = await self._roots() if place.scheme in {"https", "ftps"} else ""
        tools = Tools(stop, lambda: _context(self._ca_file, pem), self._known_hosts, **self._limits)
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(None, _attempt, place, work, tools)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            stop.cut()
            await asyncio.wait({future}, timeout=CUT_WAIT_S)
            future.add_done_callback(_unheard)
            raise


def _unheard(future: asyncio.Future[Any]) -> None:
    """Nobody else will ask for the error of a cancelled transfer, however late it comes."""
    if not future.cancelled():
        future.exception()


def _module(scheme: str) -> TransferModule:
    """Call it in the thread: asyncssh takes most of a second to import on a small computer."""
    if scheme == "sftp" and "SFTP" not in protocols():
        raise NotSupportedError("sftp needs the package asyncssh: install pilotwire[sftp]")
    module: TransferModule = cast("Any", import_module(f"station.runtime.transfers_{_MODULES[scheme]}"))
    return module


def _attempt(place: Place, work: Callable[[Tools], T], tools: Tools) -> T:
    """In the thread. The system's errors in words; the chain of causes ends here, for it may hold the address."""
    try:
        tools.stop.check()
        return work(tools)
    except TransferError as error:
        tools.stop.check()
        raise type(error)(f"{place.named}: {error}") from None
    except ssl.SSLCertVerificationError as error:
        raise PermissionDeniedError(f"{place.named}: its certificate is not trusted: {error.verify_message}") from None
    except TimeoutError:
        tools.stop.check()
        raise TransferError(f"{place.named}: no answer in time") from None
    except OSError as error:
        tools.stop.check()
        raise TransferError(f"{place.named}: {error.strerror or type(error).__name__}") from None
    except EOFError:
        tools.stop.check()
        raise TransferError(f"{place.named}: the server has closed the connection") from None
