"""Devices as data: TOML files that are shipped in a folder, found by their name, or a user's own, found by its path."""

from __future__ import annotations

import tomllib
from pathlib import Path

from hal.errors import ConfigError


class Shelf:
    """The files of one kind of device. kind: what it is called in messages ("meter"), and in the setting `KIND.model`."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder

    def names(self) -> tuple[str, ...]:
        """Those that are shipped, sorted."""
        return tuple(sorted(path.stem for path in self.folder.glob("*.toml")))

    def path(self, name: str) -> Path:
        """A shipped one by its name, or a file by its path (it ends in .toml). Raises ConfigError: there is none of that name."""
        if name.endswith(".toml"):
            return Path(name).absolute()
        known = self.names()
        if name not in known:
            raise ConfigError(
                f"{self.kind}.model: unknown {self.kind} {name!r}; known are {', '.join(known)}, or a path to a .toml file"
            )
        return self.folder / f"{name}.toml"

    def values(self, path: Path) -> dict[str, object]:
        """What stands in the file. Raises ConfigError: it cannot be read, or is not TOML."""
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{self.kind}.model: {path} cannot be read: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: is not TOML: {error}") from error
