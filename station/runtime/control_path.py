"""Where the control socket is: `PILOTWIRE_SOCKET`, else the user's own runtime directory, else the system's.

Where the user has no runtime directory (root in a container, macOS) a private one below the directory of temporary files
stands in for it. Everybody may make something of that name there, so both sides look whose it is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from station.errors import ConfigError

__all__ = ["SYSTEM", "VARIABLE", "candidates", "distrust", "own_path"]

VARIABLE = "PILOTWIRE_SOCKET"
SYSTEM = Path("/run/pilotwire/control.sock")
"""Where the service has it: its unit makes the directory."""
_USER = "XDG_RUNTIME_DIR"
_PRIVATE = 0o700


def candidates(environ: Mapping[str, str]) -> list[Path]:
    """Where to look for a station, first the most likely; only one place when the environment names it.

    Ask `distrust` before connecting.
    """
    if named := environ.get(VARIABLE):
        return [Path(named)]
    if user := environ.get(_USER):
        return [_of_user(user), SYSTEM]
    try:
        return [_substitute(), SYSTEM]
    except OSError:  # there is no directory for temporary files, so nobody listens in it
        return [SYSTEM]


def own_path(path: str, environ: Mapping[str, str]) -> Path:
    """Where a simulated station of this user listens: `path`, or when that is empty the usual place, which is made if it
    is the private directory. Raises ConfigError.
    """
    if path:
        return Path(path)
    if named := environ.get(VARIABLE):
        return Path(named)
    if user := environ.get(_USER):
        return _of_user(user)
    try:
        place = _substitute()
        _make(place.parent)
        problem = distrust(place)
    except OSError as error:
        raise ConfigError(
            [f"--socket: {error.filename or 'temporary files'}: {error.strerror}; name a path"]
        ) from error
    if problem is not None:
        raise ConfigError([f"--socket: {problem}"])
    return place


def distrust(path: Path) -> str | None:
    """Why a socket at the private place must not be used; None when it may be, is not there yet, or is elsewhere."""
    folder = path.parent
    if folder.name != _name():
        return None
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        what = "is no directory"
    elif status.st_uid != os.getuid():
        what = "belongs to another user"
    elif status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        what = "is not private, others may open it"
    else:
        return None
    return f"{folder} {what}. Remedy: remove it, or name another place with --socket PATH or {VARIABLE}"


def _of_user(directory: str) -> Path:
    return Path(directory) / "pilotwire.sock"


def _name() -> str:
    return f"pilotwire-{os.getuid()}"


def _substitute() -> Path:
    """Raises OSError when there is no directory for temporary files."""
    import tempfile  # here: a shell script calls `station ctl` a hundred times

    return Path(tempfile.gettempdir()) / _name() / "control.sock"


def _make(folder: Path) -> None:
    """Make it if it is not there; what is there already keeps its mode, which `distrust` judges. Raises OSError."""
    try:
        folder.mkdir(_PRIVATE)
    except FileExistsError:
        return
    folder.chmod(_PRIVATE)  # whatever the umask took away
