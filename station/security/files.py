"""Files for their owner only, written so that a power cut leaves the old content or the new one, never a part of either.

Every function raises SecurityError, with the file's name and never its content.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from station.errors import SecurityError

__all__ = ["private_folder", "read", "remove", "rename", "write"]

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private_folder(folder: Path) -> None:
    """Make it, and every missing one above it; take it away from others when it is there already and ours."""
    with _telling("the folder", folder):
        if not folder.parent.exists():
            private_folder(folder.parent)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        if folder.stat().st_mode & _OTHERS:
            with suppress(PermissionError):  # root's folder in a container: the files in it are private all the same
                folder.chmod(FOLDER_MODE)


def write(file: Path, content: bytes) -> None:
    """The whole content, durably, or the old one. Never readable by others, not for an instant."""
    beside = file.with_name(f".{file.name}.new")
    with _telling("the file", file):
        with suppress(FileNotFoundError):  # left by a crash, and perhaps with another mode
            os.unlink(beside)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(beside, file)
        _sync_folder(file.parent)


def read(file: Path) -> bytes | None:
    """None when there is no such file. One that others may read is taken away from them first, as far as we may."""
    with _telling("the file", file):
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as stream:
            if os.fstat(descriptor).st_mode & _OTHERS:
                with suppress(PermissionError):
                    os.fchmod(descriptor, FILE_MODE)
            return stream.read()


def rename(file: Path, new: Path) -> None:
    """What had the new name is gone. Atomic and durable."""
    with _telling("the file", file):
        os.replace(file, new)
        _sync_folder(new.parent)
        if new.parent != file.parent:
            _sync_folder(file.parent)


def remove(file: Path) -> None:
    """Idempotent and durable."""
    with _telling("the file", file):
        try:
            os.unlink(file)
        except FileNotFoundError:
            return
        _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """A new name is durable only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _telling(what: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or "it cannot be used"
        raise SecurityError(f"{what} {path}: {reason}; it must belong to the user that the station runs as") from error
