"""`station hal probe`: what is connected, who it is, what it shows."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hal.errors import ConfigError as HalConfigError
from hal.found import Found
from hal.probe import Question, Report, questions, search
from hal.probe_ports import Ports, ports
from station.cli.hal_probe_show import found_lines, readout_lines, trouble_words
from station.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

__all__ = ["run", "silent"]

FOUND, NOTHING = 0, 1
WATCH_S = 1.0


def run(arguments: argparse.Namespace) -> int:
    """Returns the exit code. Raises ConfigError."""
    try:
        if arguments.config is not None:
            from station.cli import hal_probe_config

            return hal_probe_config.run(arguments)
        return asyncio.run(_probe(arguments))
    except HalConfigError as error:
        raise ConfigError([str(error)]) from error


async def _probe(arguments: argparse.Namespace) -> int:
    there = ports() if not arguments.ports else Ports(serial=tuple(dict.fromkeys(arguments.ports)))
    if not arguments.ports and not arguments.json:
        _tell_names(there)
    reports = await _search_all(there.serial, arguments)
    found = [(report, one) for report in reports for one in report.found]
    if arguments.json:
        for report in reports:
            _print_json(report)
    else:
        for report in reports:
            _print("\n".join(_report_lines(report)))
        if not there.serial:
            _print("no serial port was found: plug the adapter in, or name a port")
    if arguments.watch and found:
        await _watch([report for report in reports if report.by is not None], as_json=arguments.json)
    return FOUND if any(one.driver for _, one in found) else NOTHING


def _tell_names(there: Ports) -> None:
    """What is there and is not asked."""
    for name in there.consoles:
        _print(f"{name}: the console of this machine; it is not asked (raspi-config: serial port, no login shell)")
    for name in there.inputs:
        _print(f'{name}: an input device; a keypad or a reader that acts as a keyboard is kind = "evdev"')
    for name in there.chips:
        _print(f'{name}: GPIO lines; a button or an emergency stop is kind = "gpio"')


async def _search_all(names: Sequence[str], arguments: argparse.Namespace) -> list[Report]:
    """All ports at once: each has a line of its own."""
    with _Progress(enabled=not arguments.json) as progress:

        async def one(port: str) -> Report:
            plan = list(
                questions(
                    port,
                    baud=arguments.baud,
                    parity=arguments.parity,
                    addresses=arguments.addresses,
                    timeout_s=arguments.timeout,
                )
            )
            return await search(port, plan, lambda question: progress.asking(port, question))

        return list(await asyncio.gather(*(one(port) for port in names)))


class _Progress:
    """What is being asked, on a terminal; elsewhere nothing."""

    def __init__(self, *, enabled: bool) -> None:
        self._console = _console(sys.stderr) if enabled else None
        self._asking: dict[str, Question] = {}
        self._status = None if self._console is None else self._console.status("")

    def __enter__(self) -> _Progress:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def asking(self, port: str, question: Question) -> None:
        self._asking[port] = question
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text("\n  ".join(f"{name}: {asked}" for name, asked in self._asking.items())))


def _console(stream: object) -> Console | None:
    if not getattr(stream, "isatty", bool)() or importlib.util.find_spec("rich") is None:
        return None
    from rich.console import Console

    return Console(stderr=stream is sys.stderr, highlight=False)


# --- what came of it ----------------------------------------------------------------------------------------------------


def _report_lines(report: Report) -> list[str]:
    lines = [line for one in report.found for line in found_lines(report.port, one, str(report.by))]
    if not lines:
        lines = [f"{report.port}: {trouble_words(report.port, report.trouble, report.problem, report.asked)}"]
    return lines


def _print_json(report: Report) -> None:
    for one in report.found:
        row = {
            "port": report.port,
            "kind": one.kind.value,
            "driver": one.driver,
            "who": one.who,
            "settings": dict(one.settings),
            "readout": dict(one.readout),
        }
        _print(json.dumps(row, ensure_ascii=False))
    if report.trouble is not None:
        row = {"port": report.port, "trouble": report.trouble.value, "problem": report.problem}
        _print(json.dumps(row, ensure_ascii=False))


def _print(text: str) -> None:
    print(text, flush=True)


# --- watching -----------------------------------------------------------------------------------------------------------


async def _watch(reports: list[Report], *, as_json: bool) -> None:
    """Ask the same questions again, every second, until Ctrl-C."""
    with _Screen(as_json=as_json) as screen:
        while True:
            await asyncio.sleep(WATCH_S)
            rows = [await _again(report) for report in reports]
            screen.show([row for some in rows for row in some])


Row = tuple[str, Found]


async def _again(report: Report) -> list[Row]:
    """The devices that answer now; those that were there and do not are told as such."""
    if report.by is None:
        return []
    again = await search(report.port, [report.by], lambda _: None)
    answered = {_key(one): one for one in again.found}
    return [(report.port, answered.get(_key(one), silent(one, again))) for one in report.found]


def _key(one: Found) -> str:
    return f"{one.driver} {one.settings}"


def silent(one: Found, again: Report) -> Found:
    """What is shown of a device that was there."""
    words = trouble_words(again.port, again.trouble, again.problem) if again.trouble else "does not answer"
    return Found(one.kind, one.driver, one.who, one.settings, (("now", words),))


class _Screen:
    """Where the readouts go: in place on a terminal, else a line for each."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        console = None if as_json else _console(sys.stdout)
        self._live: Live | None = None
        if console is not None:
            from rich.live import Live

            self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> _Screen:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()  # gives the cursor back

    def show(self, rows: list[Row]) -> None:
        if self._live is not None:
            from rich.text import Text

            lines = [line for port, one in rows for line in (f"{port}: {one.who}", *readout_lines(one))]
            self._live.update(Text("\n".join(lines)), refresh=True)
            return
        for port, one in rows:
            row = {"port": port, "driver": one.driver, "readout": dict(one.readout)}
            words = ", ".join(f"{name} {value}" for name, value in one.readout)
            _print(json.dumps(row, ensure_ascii=False) if self._json else f"{port}: {one.driver}: {words}")
