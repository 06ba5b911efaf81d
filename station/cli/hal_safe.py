"""`station hal safe`: the contactors open after a program that is gone, however it ended. ExecStopPost of the service.

Only the [[board]] tables of the file are read: a mistake elsewhere in it must not keep a contactor closed.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hal.errors import BusError, ConfigError, HalError
from hal.registry import claims, make_safe
from station import logs
from station.config_toml import read_toml

__all__ = ["run"]

SAFE, NOT_SAFE = 0, 1
LIMIT_S = 6.0
"""For one board. A board that lets its vehicle stop first takes four seconds, then it opens under load."""
AGAIN_S = 0.3
"""A port that has just lost its user may need a moment."""
OURS = frozenset({"driver", "evses"})
SIMULATED = "sim"

log = logging.getLogger("station.safe")


@dataclass(frozen=True, slots=True)
class _Named:
    """One [[board]]. place: in words, for messages."""

    place: str
    driver: str
    settings: Mapping[str, object]


def run(config: Path) -> int:
    """Returns the exit code: 0 every board is safe, 1 one is not, or nobody knows. Raises ConfigError: the file cannot be read."""
    boards, complete = _boards(read_toml(config)[0].get("board"))
    logs.set_up("INFO", "text", os.environ)
    if not complete:
        log.error("%s: a [[board]] cannot be read, nothing is known of it; station check tells what is wrong", config)
    safe = asyncio.run(_all(boards))
    return SAFE if safe and complete else NOT_SAFE


def _boards(tables: object) -> tuple[list[_Named], bool]:
    """The boards of the file; False when some, or all, cannot be read."""
    if not isinstance(tables, list) or not tables:
        return [], False
    found = []
    for number, table in enumerate(tables, 1):
        driver = table.get("driver") if isinstance(table, Mapping) else None
        if isinstance(driver, str):
            settings = {name: value for name, value in table.items() if name not in OURS}
            found.append(_Named(f"board[{number}] ({driver})", driver, settings))
    return found, len(found) == len(tables)


async def _all(boards: Sequence[_Named]) -> bool:
    """All ports side by side; boards on one line take turns, as a port is opened for one only."""
    lines: dict[object, list[_Named]] = {}
    for board in boards:
        lines.setdefault(_line(board), []).append(board)
    results = await asyncio.gather(*(_in_turn(line) for line in lines.values()))
    return all(results)


def _line(board: _Named) -> object:
    """What boards must share to have to take turns: their first port; a board without one shares nothing."""
    try:
        ports = sorted(port for port, _ in claims(board.driver, board.settings))
    except HalError:
        ports = []
    return ports[0] if ports else board.place


async def _in_turn(boards: Sequence[_Named]) -> bool:
    return all([await _one(board) for board in boards])


async def _one(board: _Named) -> bool:
    """Whether it is safe now; a board that is not there is told of, and keeps nobody waiting."""
    try:
        async with asyncio.timeout(LIMIT_S):
            had_command = await _twice(board)
    except TimeoutError:
        log.error("%s: not known to be safe: it took longer than %g s", board.place, LIMIT_S)
        return False
    except (HalError, OSError) as error:
        log.error("%s: not known to be safe: %s", board.place, error)
        return False
    if had_command:
        log.info("%s: safe, its contactor is open", board.place)
        return True
    if board.driver == SIMULATED:
        log.info("%s: simulated, gone with its program", board.place)
        return True
    log.error("%s: not known to be safe: its driver has no command for that", board.place)
    return False


async def _twice(board: _Named) -> bool:
    try:
        return await make_safe(board.driver, board.settings)
    except ConfigError:
        raise
    except BusError as error:
        log.warning("%s: %s; once more", board.place, error)
    await asyncio.sleep(AGAIN_S)
    return await make_safe(board.driver, board.settings)
