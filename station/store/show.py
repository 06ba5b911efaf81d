"""What an operator sees of a store: one JSON object per line, so that any tool can go on with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import orjson

from station.clock import Clock, iso
from station.store.offline import read_dead_letters, read_queue
from station.store.recover import recover


def queue(path: Path) -> str:
    """Records that wait for delivery, oldest first. Raises StoreError."""
    return "".join(orjson.dumps(asdict(record)).decode() + "\n" for record in read_queue(path))


def dead(path: Path) -> str:
    """Dead letters with the reason and the time. Raises StoreError."""
    lines = ({**asdict(letter), "at": iso(letter.at)} for letter in read_dead_letters(path))
    return "".join(orjson.dumps(line).decode() + "\n" for line in lines)


def recovered(path: Path) -> str:
    """Salvage a damaged database; says what came of it. Raises StoreError."""
    return f"{recover(path, Clock().now().wall)}\n"


MAKERS: Mapping[str, Callable[[Path], str]] = {"queue": queue, "dead": dead, "recover": recovered}
