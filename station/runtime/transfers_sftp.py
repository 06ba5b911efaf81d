"""Files over SFTP, by asyncssh in a loop of its own in a worker thread.

No CSMS tells the key of its server. So the first key that a host shows is remembered, and another one later is refused: before the
password is told.
"""

from __future__ import annotations

import asyncio
import logging
import posixpath
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import asyncssh

from station.runtime.transfers import (
    CHUNK,
    BadMessageError,
    NotSupportedError,
    PermissionDeniedError,
    Place,
    Sink,
    StoppedError,
    Tools,
    TransferError,
)
from station.security import files

__all__ = ["download", "upload"]

logging.getLogger("asyncssh").setLevel(logging.WARNING)  # it tells of every connection, with its address


def upload(place: Place, source: Path, filename: str, tools: Tools) -> None:
    async def work(sftp: asyncssh.SFTPClient) -> None:
        path = _path(place) or "."
        if path.endswith("/") or await sftp.isdir(path):
            path = posixpath.join(path, filename)
        async with sftp.open(path, "wb") as remote:
            with source.open("rb") as stream:
                while piece := stream.read(CHUNK):
                    await asyncio.wait_for(remote.write(piece), tools.stall_timeout_s)

    _run(place, tools, work)


def download(place: Place, sink: Sink, tools: Tools) -> None:
    async def work(sftp: asyncssh.SFTPClient) -> None:
        async with sftp.open(_path(place), "rb") as remote:
            size = (await remote.stat()).size
            if size is not None:
                sink.expect(size)
            while piece := await asyncio.wait_for(remote.read(CHUNK), tools.stall_timeout_s):
                sink.write(cast("bytes", piece))

    _run(place, tools, work)


def _path(place: Place) -> str:
    """Relative to where the login leads to, as in ftp; a second slash makes it absolute."""
    return place.path.removeprefix("/")


class _Known(asyncssh.SSHClient):
    """Judges the server's key by what was remembered of it."""

    def __init__(self, place: Place, file: Path | None) -> None:
        self._name = f"{place.host}:{place.port}"
        self._file = file

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        shown = key.export_public_key("openssh").decode().split()[:2]
        if self._file is None:
            return True
        known = self._read()
        if self._name in known:
            return known[self._name] == shown
        known[self._name] = shown
        files.private_folder(self._file.parent)
        files.write(self._file, "".join(f"{name} {' '.join(words)}\n" for name, words in known.items()).encode())
        return True

    def _read(self) -> dict[str, list[str]]:
        content = files.read(self._file) if self._file is not None else None
        rows = (line.split() for line in (content or b"").decode(errors="replace").splitlines())
        return {row[0]: row[1:3] for row in rows if len(row) >= 3}


def _run(place: Place, tools: Tools, work: Any) -> None:
    """Raises TransferError."""
    try:
        asyncio.run(_session(place, tools, work))
    except asyncio.CancelledError:
        raise StoppedError("cancelled") from None
    except asyncssh.HostKeyNotVerifiable:
        raise PermissionDeniedError(
            "the server shows another key than before; if that is right, delete known_hosts"
        ) from None
    except asyncssh.PermissionDenied:
        raise PermissionDeniedError("the login is refused") from None
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        raise BadMessageError("the server has no such folder or file") from None
    except asyncssh.SFTPPermissionDenied:
        raise PermissionDeniedError("the folder or file is not for us") from None
    except asyncssh.SFTPOpUnsupported:
        raise NotSupportedError("the server does not do that") from None
    except asyncssh.Error as error:
        raise TransferError(f"SSH: {type(error).__name__}") from None


async def _session(place: Place, tools: Tools, work: Any) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def cut() -> None:
        with suppress(RuntimeError):  # the loop has ended already
            if task is not None:
                loop.call_soon_threadsafe(task.cancel)

    tools.stop.at_cut(cut)
    try:
        async with asyncio.timeout(tools.connect_timeout_s):
            connection = await asyncssh.connect(
                place.host,
                place.port,
                username=place.user or "anonymous",
                password=place.password,
                client_factory=lambda: _Known(place, tools.known_hosts),
                known_hosts=([], [], []),
                config=None,
                client_keys=None,
                agent_path=None,
            )
        async with connection, connection.start_sftp_client() as sftp:
            await work(sftp)
    finally:
        tools.stop.at_cut(lambda: None)
