"""`station hal probe --config`: whether everything that the configuration names answers."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Iterator

from hal.found import FoundKind
from hal.probe import Trouble
from hal.probe_configured import Check, check_board, check_meter, check_reader
from station.cli.hal_probe_show import printable, readout_lines, trouble_words
from station.config import Settings

__all__ = ["run"]

ANSWERS, SILENT = 0, 1
WATCH_S = 1.0


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises ConfigError."""
    from station.firmware import load_settings

    return asyncio.run(_run(load_settings(arguments.config), arguments))


async def _run(settings: Settings, arguments: argparse.Namespace) -> int:
    while True:
        checks = [check async for check in _checks(settings)]
        for check in checks:
            print(_json(check) if arguments.json else "\n".join(lines_of(check)), flush=True)
        if not arguments.watch:
            return SILENT if any(check.answered is False for check in checks) else ANSWERS
        await asyncio.sleep(WATCH_S)


async def _checks(settings: Settings) -> AsyncIterator[Check]:
    """One after the other: they may share a line."""
    for board in settings.boards:
        yield await check_board(board.driver, board.settings)
    for meter in settings.meters:
        yield await check_meter(meter.of_driver)
    for reader in settings.readers:
        yield await check_reader(reader.kind, reader.of_driver)


def lines_of(check: Check) -> Iterator[str]:
    """One table of the configuration, for people."""
    name = f"[[{check.kind.value}]] {check.name}" + (f" on {check.port}" if check.port else "")
    if check.found is not None:
        yield f"{name}: {printable(check.found.who)}"
        yield from readout_lines(check.found)
    elif check.trouble in {Trouble.IN_USE, Trouble.NO_PERMISSION}:
        yield f"{name}: {trouble_words(check.port, check.trouble, check.problem)}"
    else:
        yield f"{name}: {printable(check.problem)}"
    if check.kind is FoundKind.BOARD:
        yield f"  on_host_loss: {printable(check.on_host_loss)}"


def _json(check: Check) -> str:
    row = {
        "kind": check.kind.value,
        "name": check.name,
        "port": check.port,
        "answered": check.answered,
        "who": None if check.found is None else check.found.who,
        "readout": {} if check.found is None else dict(check.found.readout),
        "problem": check.problem,
        "on_host_loss": check.on_host_loss,
    }
    return json.dumps(row, ensure_ascii=False)
