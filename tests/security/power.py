"""Power cuts between any two file operations of `station.security.files`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from station.security import files

CHANGING = frozenset({"open", "write", "replace", "unlink", "fsync"})


class PowerCutError(BaseException):
    """No handler of the program catches it, as none could run."""


class CuttingOs:
    """`os`, until the power fails before the nth operation that changes something. `done`: what was called."""

    def __init__(self, at: int | None) -> None:
        self.at = at
        self.done: list[str] = []
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in CHANGING:
            return real

        def cutting(*arguments: Any, **more: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return real(*arguments, **more)
            if self.at is not None and len(self.done) >= self.at:
                raise PowerCutError
            self.done.append(name)
            # What is cut off here is a process, not a disk; and tests do not wait for one.
            return None if name == "fsync" else real(*arguments, **more)

        return cutting


@contextmanager
def power(at: int | None) -> Iterator[CuttingOs]:
    """What is inside ends before the nth operation on a file, and `failed` says so; None: they are only counted."""
    with pytest.MonkeyPatch.context() as patch:
        cutting = CuttingOs(at)
        patch.setattr(files, "os", cutting)
        try:
            yield cutting
        except PowerCutError:
            cutting.failed = True
