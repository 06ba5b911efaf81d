"""Where the control socket is: `PILOTWIRE_SOCKET`, else the user's own runtime directory, else the system's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from station.errors import ConfigError

__all__ = ["SYSTEM", "VARIABLE", "candidates", "own_path"]

VARIABLE = "PILOTWIRE_SOCKET"
SYSTEM = Path("/run/pilotwire/control.sock")
"""Where the service has it: its unit makes the directory."""
_USER = "XDG_RUNTIME_DIR"


def candidates(environ: Mapping[str, str]) -> list[Path]:
    """Where to look for a station, first the most likely; only one place when the environment names it."""
    if named := environ.get(VARIABLE):
        return [Path(named)]
    user = environ.get(_USER)
    return ([_of_user(user)] if user else []) + [SYSTEM]


def own_path(path: str, environ: Mapping[str, str]) -> Path:
    """Where a simulated station of this user listens: `path`, or when that is empty the usual place. Raises ConfigError."""
    if path:
        return Path(path)
    if named := environ.get(VARIABLE):
        return Path(named)
    user = environ.get(_USER)
    if not user:
        raise ConfigError(
            [f"--socket: name a path; there is no usual one, because neither {VARIABLE} nor {_USER} is set"]
        )
    return _of_user(user)


def _of_user(directory: str) -> Path:
    return Path(directory) / "pilotwire.sock"
