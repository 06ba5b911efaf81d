"""A folder of small files that are changed together or not at all, whatever instruction the power fails at.

A change is a list of steps. It is written to one file first (the moment of truth), then carried out, then forgotten. Every step may be
repeated, so opening the folder carries out again what is still written there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from station.errors import SecurityError
from station.security import files
from station.security.api import KeyStore

__all__ = ["Shelf", "Step", "drop", "drop_key", "put", "use_key"]

_log = logging.getLogger(__name__)
_JOURNAL = "change.json"

Step = tuple[Literal["put", "drop", "use_key", "drop_key"], str, str]


def put(name: str, text: str) -> Step:
    """Write a file; `name` is relative to the folder."""
    return ("put", name, text)


def drop(name: str) -> Step:
    """Remove a file."""
    return ("drop", name, "")


def use_key(label: str, new_label: str) -> Step:
    """Give a key another label, if it still has the old one."""
    return ("use_key", label, new_label)


def drop_key(label: str) -> Step:
    """Delete a key."""
    return ("drop_key", label, "")


class Shelf:
    """Files below one folder, and the keys that belong to them. One writer. Raises SecurityError."""

    def __init__(self, folder: Path, keys: KeyStore, folders: Sequence[str]) -> None:
        self.folder = folder
        self.keys = keys
        self._folders = frozenset(folders)
        for name in ("", *folders):
            files.private_folder(folder / name)
        self._finish()

    def path(self, name: str) -> Path:
        return self.folder / name

    def read(self, name: str) -> str | None:
        content = files.read(self.folder / name)
        return None if content is None else content.decode("utf-8", errors="replace")

    def names(self, folder: str, suffix: str) -> Iterator[str]:
        """Files of one folder with that ending, sorted; ours and what people put there. Hidden ones are not shown."""
        try:
            found = sorted(path.name for path in (self.folder / folder).iterdir() if path.is_file())
        except OSError as error:
            raise SecurityError(f"the folder {self.folder / folder}: {error.strerror}") from error
        return (f"{folder}/{name}" for name in found if name.endswith(suffix) and not name.startswith("."))

    def change(self, steps: Sequence[Step]) -> None:
        """All of them, or none; after the first lines have returned they happen, even if the program ends here."""
        if not steps:
            return
        self._finish()  # what a full disk kept the last one from
        journal = self.folder / _JOURNAL
        files.write(journal, json.dumps(steps).encode())
        self._carry_out(steps)
        files.remove(journal)

    def _carry_out(self, steps: Sequence[Step]) -> None:
        for what, name, text in steps:
            if what == "put":
                files.write(self.folder / name, text.encode())
            elif what == "drop":
                files.remove(self.folder / name)
            elif what == "use_key":
                if self.keys.has(name):
                    self.keys.rename(name, text)
            else:
                self.keys.delete(name)

    def _finish(self) -> None:
        """Carry out what an earlier run had decided on."""
        journal = self.folder / _JOURNAL
        content = files.read(journal)
        if content is None:
            return
        try:
            read = json.loads(content)
            if not isinstance(read, list):
                raise TypeError("no list of steps")
            steps = [self._step(raw) for raw in read]
        except (ValueError, TypeError) as error:  # not ours, or the disk lost it: nothing of it was promised to anybody
            files.rename(journal, journal.with_suffix(".unreadable"))
            _log.error("%s is damaged (%s): set aside as %s", journal, error, journal.with_suffix(".unreadable").name)
            return
        self._carry_out(steps)
        files.remove(journal)
        _log.info("finished a change of certificates that an earlier run had begun")

    def _step(self, raw: object) -> Step:
        match raw:
            case ["put" | "drop" as what, str(name), str(text)] if self._is_ours(name):
                return (what, name, text)
            case ["use_key" | "drop_key" as what, str(name), str(text)]:
                return (what, name, text)
            case _:
                raise ValueError("an unknown step")

    def _is_ours(self, name: str) -> bool:
        path = PurePosixPath(name)
        return str(path.parent) in self._folders and path.name not in ("..", "")
