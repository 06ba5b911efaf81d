"""`station hal monitor`: what passes on the wire, from the running station, from a port that nobody uses, or from a file."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hal.errors import ConfigError as HalConfigError
from hal.errors import HalError
from hal.monitor_capture import Row, Wires, read_row
from station.clock import Clock, iso
from station.errors import ConfigError, StationError

if TYPE_CHECKING:
    from rich.console import Console

    from hal.bus.serial import SerialPort


__all__ = ["run"]

OK = 0
BAUDS = {"rapi": 115200, "mcu": 115200, "pn532": 115200}
DEFAULT_BAUD = 9600
ARROWS = {"sent": "->", "received": "<-"}
STYLES = {"sent": "cyan", "received": "green"}


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises ConfigError, StationError."""
    if arguments.port is not None and arguments.file is not None:
        raise ConfigError(["monitor: PORT and --file exclude each other"])
    with _Show(arguments) as show:
        try:
            if arguments.file is not None:
                _replay(arguments, show)
            elif arguments.port is not None:
                asyncio.run(_listen(arguments, show))
            else:
                _attach(arguments, show)
        except HalConfigError as error:
            raise ConfigError([str(error)]) from error
        except HalError as error:
            raise StationError(_in_use(str(error))) from error
    return OK


class _Show:
    """Where rows go: the screen, and a file if one was named."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._json = arguments.json
        self._hex = arguments.hex
        self._save = arguments.save
        self._file: TextIO | None = None
        self._console = _console() if not self._json else None

    def __enter__(self) -> _Show:
        if self._save is not None:
            # What passes may be personal data: for its owner only.
            handle = os.open(self._save, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._file = os.fdopen(handle, "w", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def row(self, row: Row) -> None:
        if self._file is not None:
            self._file.write(_json(row) + "\n")
            self._file.flush()
        if self._json:
            print(_json(row), flush=True)
            return
        text = line_of(row, with_hex=self._hex)
        if self._console is None:
            print(text, flush=True)
        else:
            self._coloured(self._console, row, text)

    @staticmethod
    def _coloured(console: Console, row: Row, text: str) -> None:
        from rich.text import Text

        style = STYLES.get(str(row["direction"]), "")
        if row["verdict"] != "ok":
            style = "bold red" if row["verdict"] == "damaged" else "yellow"
        console.print(Text(text, style=style), soft_wrap=True)  # as text: what passes is no markup

    @staticmethod
    def note(text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _json(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False)


def _console() -> Console | None:
    if not sys.stdout.isatty() or importlib.util.find_spec("rich") is None:
        return None
    from rich.console import Console

    return Console(highlight=False)


def line_of(row: Row, *, with_hex: bool) -> str:
    """One row for people: time, port, direction, words, and bytes when they are asked for or something is wrong."""
    wall = row["wall"]
    when = iso(float(wall))[11:23] if isinstance(wall, int | float) else " " * 12
    arrow = ARROWS.get(str(row["direction"]), "??")
    wrong = row["verdict"] != "ok"
    shown = f"  [{row['hex']}]" if with_hex or wrong else ""
    text = f"{when} {Path(str(row['port'])).name} {arrow} {'! ' if wrong else ''}{row['text']}{shown}"
    return "".join(char if char.isprintable() else "?" for char in text)


# --- a file -----------------------------------------------------------------------------------------------------------


def _replay(arguments: argparse.Namespace, show: _Show) -> None:
    wires = Wires(speaks=arguments.speaks or "", show_cards=arguments.show_cards)
    with open(arguments.file, encoding="utf-8", errors="replace") as lines:
        for row in wires.replay(_rows(lines, str(arguments.file))):
            if _wanted(row, arguments.only):
                show.row(row)


def _rows(lines: TextIO, name: str) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield read_row(line, f"{name}, line {number}")


def _wanted(row: Row, only: str | None) -> bool:
    return only is None or only in str(row["port"])


# --- a port that nobody uses --------------------------------------------------------------------------------------------


async def _listen(arguments: argparse.Namespace, show: _Show) -> None:
    """Read only. Raises HalError."""
    from hal.bus.serial import Line, SerialPort

    speaks = arguments.speaks or ""
    line = Line(arguments.port, arguments.baud or BAUDS.get(speaks, DEFAULT_BAUD), arguments.parity)
    port = SerialPort(line)
    await port.open()
    show.note(f"listening on {line}; nothing is sent. Ctrl-C ends it")
    try:
        async with asyncio.timeout(arguments.duration):
            await _watch(port, Wires(speaks=speaks, show_cards=arguments.show_cards), line.port, show)
    except TimeoutError:
        return
    finally:
        await port.close()


async def _watch(port: SerialPort, wires: Wires, name: str, show: _Show) -> None:
    from hal.bus.trace import Direction

    clock = Clock()
    wire = wires.wire(name)
    try:
        while True:
            try:
                async with asyncio.timeout(wire.idle_s if wire.pending else None):
                    data = await port.read()
                rows = wires.feed(name, "", Direction.RECEIVED, data, clock.now().wall)
            except TimeoutError:
                rows = wires.flush(name)
            for row in rows:
                show.row(row)
    finally:
        for row in wires.flush(name):
            show.row(row)


# --- the running station ------------------------------------------------------------------------------------------------


def _attach(arguments: argparse.Namespace, show: _Show) -> None:
    """Raises StationError when no station answers, or it goes away."""
    from station.cli.ctl import connect
    from station.runtime.control_types import WIRE, WIRE_CARDS

    clock = Clock()
    with connect(arguments.socket, None) as client:
        client.subscribe(WIRE_CARDS if arguments.show_cards else WIRE)
        show.note("watching the serial lines of the running station. Ctrl-C ends it")
        until = None if arguments.duration is None else clock.now().mono + arguments.duration
        while (left := None if until is None else until - clock.now().mono) is None or left > 0:
            event = next(client.events(left), None)
            if event is None:
                return
            if event.get("event") == "gap":
                show.note(f"{event.get('lost')} lines were lost: they came faster than they could be shown")
            elif _wanted(event, arguments.only):
                event.pop("event")
                show.row(event)


def _in_use(text: str) -> str:
    """A port of the running station is watched without PORT."""
    taken = "another program has it"
    return f"{text}; if it is the running station: `station hal monitor` without PORT" if taken in text else text
