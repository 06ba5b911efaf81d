"""What a bench keeps from one run to the next, beside the station's database: all that is not the station's own.

A meter never forgets its register and time does not go back, so a station that starts again must find neither behind
what it has saved. The file is written before each commit: whatever the database knows, the meters know, too.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from station.errors import StoreError
from station.store.ops import DeadLetter, Json, Op, StoredContext, StoredRecord, StorePort
from station.store.private import opener

__all__ = ["NAME", "KeepingStore", "Kept", "load", "save"]

log = logging.getLogger("station.lab")

NAME = "bench.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """registers: `SimBoard.state()`. host_boots: how often the machine was switched on. wall: seconds since the epoch."""

    registers: Mapping[str, Mapping[str, float]]
    host_boots: int
    wall: float


def load(folder: Path) -> Kept | None:
    """What the last run in `folder` left; None when there was none. What cannot be read is not used, and the log says so."""
    file = folder / NAME
    try:
        return _read(json.loads(file.read_text(encoding="ascii")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("%s cannot be read (%s): meters and clock start anew", file, error)
        return None


def _read(data: Any) -> Kept:
    registers = {
        str(evse): {str(name): _number(value) for name, value in state.items()}
        for evse, state in _table(data["registers"]).items()
        if _table(state)
    }
    return Kept(registers, int(_number(data["host_boots"])), _number(data["wall"]))


def _table(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no table")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return value


def save(folder: Path, what: Kept) -> None:
    """All or nothing: whoever dies in between leaves the old one. A disk that takes nothing is the database's to report."""
    new = folder / f"{NAME}.new"
    try:
        with open(new, "w", encoding="ascii", opener=opener) as stream:
            json.dump({"registers": what.registers, "host_boots": what.host_boots, "wall": what.wall}, stream)
        os.replace(new, folder / NAME)
    except OSError as error:
        log.warning("%s cannot be written: %s", folder / NAME, error.strerror)


class KeepingStore:
    """A store that calls `keep` before each commit."""

    def __init__(self, store: StorePort, keep: Callable[[], None]) -> None:
        self._store = store
        self._keep = keep
        self.rows: Callable[[], dict[str, dict[str, Json]]] = store.rows
        self.records: Callable[[], list[StoredRecord]] = store.records
        self.contexts: Callable[[], Mapping[str, StoredContext]] = store.contexts
        self.dead_letters: Callable[[], list[DeadLetter]] = store.dead_letters
        self.next_record_id: Callable[[], int] = store.next_record_id
        self.close: Callable[[], None] = store.close

    @property
    def boot(self) -> int:
        return self._store.boot

    def commit(self, ops: Sequence[Op], done: Callable[[StoreError | None], None]) -> None:
        self._keep()
        self._store.commit(ops, done)
