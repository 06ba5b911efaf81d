"""The password towards the CSMS, from wherever the configuration says that it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from station.errors import ConfigError

__all__ = ["SOURCES", "read_secret"]

SOURCES = ("password", "password_file", "password_env")


def read_secret(source: str, value: str, environ: Mapping[str, str]) -> str:
    """The password. source: one of `SOURCES`, and what it says. Raises ConfigError when it cannot be had."""
    if source == "password_env":
        if not environ.get(value):
            raise ConfigError([f"csms.password_env: the environment variable {value} is not set."])
        return environ[value]
    if source == "password_file":
        try:
            lines = Path(value).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigError([f"csms.password_file: cannot read {value}: {reason}."]) from error
        if not lines or not lines[0]:
            raise ConfigError([f"csms.password_file: the first line of {value} is empty."])
        return lines[0]
    return value
