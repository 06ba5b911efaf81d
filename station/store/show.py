"""What an operator sees of a store: one JSON object per line, so that any tool can go on with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from hal.api import TokenKind
from station.clock import Clock, iso
from station.store.offline import read_dead_letters, read_queue
from station.store.recover import recover
from station.store.remedy import DamagedError

MASK = "***"
_KEY_CODE = TokenKind.KEY_CODE.value


def queue(path: Path) -> str:
    """Records that wait for delivery, oldest first. Raises StoreError."""
    return "".join(_line(asdict(record)) for record in read_queue(path))


def dead(path: Path) -> str:
    """Dead letters with the reason and the time. Raises StoreError."""
    return "".join(_line({**asdict(letter), "at": iso(letter.at)}) for letter in read_dead_letters(path))


def recovered(path: Path) -> str:
    """Salvage a damaged database; says what came of it. A sound one is left as it is. Raises StoreError."""
    try:
        read_queue(path)
    except DamagedError:
        return f"{recover(path, Clock().now().wall)}\n"
    return f"{path}: the database is sound; there is nothing to recover, and it was left as it is\n"


def _moments(value: Any) -> Any:
    """The same with every moment (`station.clock.Now` as facts save it) as RFC 3339."""
    match value:
        case [int() | float(), int() | float() as wall, int(), bool() as trusted]:
            return iso(wall) if trusted else f"{iso(wall)} (the clock was not set)"
        case Mapping():
            return {key: _moments(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_moments(inner) for inner in value]
    return value


def _line(record: Mapping[str, Any]) -> str:
    """JSON without PINs (C04): 1.6 does not say what kind an idTag is, but the fact behind it does."""
    return orjson.dumps(_moments(_masked(record, frozenset(_pins(record))))).decode() + "\n"


def _pins(value: Any) -> Iterator[str]:
    """PINs in facts (`[value, kind]`) and in 2.x payloads (`idToken` beside `type`)."""
    match value:
        case {"idToken": str(pin), "type": str(kind)} if kind == _KEY_CODE:
            yield pin
        case [str(pin), str(kind)] if kind == _KEY_CODE:
            yield pin
        case Mapping():
            for inner in value.values():
                yield from _pins(inner)
        case list() | tuple():
            for inner in value:
                yield from _pins(inner)


def _masked(value: Any, pins: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _masked(inner, pins) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner, pins) for inner in value]
    return MASK if isinstance(value, str) and value in pins else value


NOTHING: Mapping[str, str] = {"queue": "no record waits for delivery", "dead": "no record was given up"}
"""What to tell a person when there is no line."""

MAKERS: Mapping[str, Callable[[Path], str]] = {"queue": queue, "dead": dead, "recover": recovered}
