"""The local socket of a station: JSON lines (`station.runtime.lines`) for `station ctl` and whatever runs on the same machine.

Who may open the file may do everything, so it is for its owner only (0600), and where the system tells who is at the other end
(Linux), nobody but the owner and root is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import select
import socket
import stat
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

from station.errors import ControlError, Problem, StationError
from station.runtime.control_types import Control
from station.runtime.lines import LineReader, LineSession, refusal
from station.runtime.outbox import Outbox, encode

__all__ = ["ControlSocket", "SocketError", "listening"]

MODE = 0o600
MOST_CLIENTS = 32
MOST_LINES_AHEAD = 64
"""Requests that one client may send ahead of their answers before we stop reading."""
LONGEST_PATH = 103
"""sun_path of a unix socket, without its NUL: 107 on Linux, 103 on macOS."""
_UCRED = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)

log = logging.getLogger("station.control")


class SocketError(StationError):
    """The socket cannot be made; the message names its path and the way out."""


@contextlib.asynccontextmanager
async def listening(control: Callable[[], Control], path: Path | None) -> AsyncIterator[None]:
    """While open, `control()` is served at `path`, if there is one. Raises SocketError."""
    if path is None:
        yield
        return
    server = ControlSocket(control(), path)
    await server.start()
    try:
        yield
    finally:
        await server.close()


class ControlSocket:
    """Serves one control at one path, from `start` to `close`, in the loop that the control lives in."""

    def __init__(self, control: Control, path: str | Path) -> None:
        self.path = Path(path)
        self._control = control
        self._server: asyncio.Server | None = None
        self._clients: set[_Client] = set()
        self._inode = 0

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    async def start(self) -> None:
        """Listen. Raises SocketError."""
        listener = _listener(self.path)
        self._inode = self.path.stat().st_ino
        self._server = await asyncio.get_running_loop().create_unix_server(self._client, sock=listener)

    async def close(self) -> None:
        """Hang up on everybody, and take the file away if it is still ours."""
        if self._server is None:
            return
        self._server.close()
        for client in tuple(self._clients):
            await client.close()
        await self._server.wait_closed()
        self._server = None
        with contextlib.suppress(OSError):
            if self.path.lstat().st_ino == self._inode:
                self.path.unlink()

    def _client(self) -> _Client:
        return _Client(self._control, self._clients)


def _listener(path: Path) -> socket.socket:
    """A bound socket that nobody else can open. Raises SocketError."""
    if len(os.fsencode(path)) > LONGEST_PATH or len(os.fsencode(path.parent)) > LONGEST_PATH - len("/.4194304"):
        raise SocketError(
            f"{path}: the path of a socket has at most {LONGEST_PATH} bytes. Remedy: choose a shorter one"
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Under another name until it listens: whoever sees the file can connect.
    early = path.with_name(f".{os.getpid()}")
    try:
        _check_room(path)
        early.unlink(missing_ok=True)
        listener.bind(str(early))
        # Before listen() nobody gets in, whatever the umask was.
        os.chmod(early, MODE)
        listener.listen()
        os.replace(early, path)
    except OSError as error:
        listener.close()
        with contextlib.suppress(OSError):
            early.unlink()
        raise SocketError(f"{path}: the control socket cannot be made: {error.strerror}. {_remedy(path)}") from error
    except SocketError:
        listener.close()
        raise
    return listener


def _remedy(path: Path) -> str:
    if not path.parent.is_dir():
        return f"Remedy: create {path.parent} for the user that runs the station (systemd: RuntimeDirectory=)"
    return "Remedy: name a place where the user that runs the station may write"


def _check_room(path: Path) -> None:
    """The socket of a station that is gone may be replaced. Raises SocketError when it is not, or is something else."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise SocketError(f"{path}: is there already and is no socket. Remedy: choose another place, or remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        reached = probe.connect_ex(str(path))
    # EAGAIN: it listens, and its queue is full.
    if reached in {0, errno.EAGAIN, errno.EINPROGRESS}:
        raise SocketError(f"{path}: another station answers there. Remedy: stop it, or choose another place")


def _stranger(connection: socket.socket) -> int | None:
    """The user at the other end, if it is neither ours nor root and the system tells."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _pid, uid, _gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _UCRED.size))
    return None if uid in {0, os.geteuid()} else int(uid)


class _Client(asyncio.Protocol):
    """One connection: a bounded backlog of lines, carried out one by one; the next only when the last answer is on its way."""

    def __init__(self, control: Control, clients: set[_Client]) -> None:
        self._clients = clients
        self._reader = LineReader()
        self._out = Outbox(self._flush)
        self._session = LineSession(control, self._out)
        self._backlog: deque[bytes | None] = deque()
        self._more = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._ended = False
        self._work: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = opened = cast(asyncio.Transport, transport)
        why = self._unwanted(opened)
        if why is not None:
            log.warning("a client of the control socket is turned away: %s", why)
            opened.write(encode(refusal(ControlError("conflict", [Problem("", why)]))))
            opened.close()
            return
        self._clients.add(self)
        self._work = asyncio.get_running_loop().create_task(self._serve(), name="control client")

    def data_received(self, data: bytes) -> None:
        self._arrived(self._reader.feed(data))

    def eof_received(self) -> bool:
        """Nothing more will be asked, but what was asked is answered, if there still is somebody."""
        self._arrived(self._reader.end())
        self._ended = True
        if self._transport is not None and _hung_up(self._transport):
            return False
        return self._work is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """What is being carried out is finished, because half of it would be worse; but nobody waits on."""
        del exc
        self._clients.discard(self)
        self._session.close()
        self._backlog.clear()
        self._ended = True
        self._more.set()
        self._writable.set()
        if self._work is not None and self._session.only_waits:
            self._work.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
        self._flush()

    # --- work -----------------------------------------------------------------------------------------------------------

    def _unwanted(self, transport: asyncio.Transport) -> str | None:
        uid = _stranger(transport.get_extra_info("socket"))
        if uid is not None:
            return f"user {uid} is neither the owner of the station nor root"
        return f"{MOST_CLIENTS} clients are connected already" if len(self._clients) >= MOST_CLIENTS else None

    def _arrived(self, lines: list[bytes | None]) -> None:
        self._backlog += lines
        self._more.set()
        if len(self._backlog) > MOST_LINES_AHEAD and self._transport is not None:
            self._transport.pause_reading()

    async def _serve(self) -> None:
        try:
            while True:
                while self._backlog:
                    await self._session.take(self._backlog.popleft())
                    await self._writable.wait()
                if self._ended and not self._session.subscribed:
                    return
                self._more.clear()
                if self._transport is not None and not self._ended:
                    self._transport.resume_reading()
                await self._more.wait()
        finally:
            if self._transport is not None:
                self._transport.close()

    def _flush(self) -> None:
        if self._transport is not None and self._writable.is_set() and not self._transport.is_closing():
            self._transport.write(self._out.take())

    async def close(self) -> None:
        """Hang up now."""
        self._session.close()
        if self._transport is not None:
            self._transport.abort()
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)


def _hung_up(transport: asyncio.Transport) -> bool:
    """The other end is gone altogether: it did not just say that it has nothing more to ask."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))
