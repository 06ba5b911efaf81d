"""`station ctl`: one command to a station that runs on this machine, by its local socket.

Knows no command by name: the station describes its table, and this reads arguments by it and shows what comes back.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from station.cli.kinds import seconds

if TYPE_CHECKING:
    from station.cli.ctl_show import Show
    from station.runtime.client_base import ControlClient

OK, FAILED, WRONG = 0, 1, 2
OUR_FAULT = frozenset({"unknown", "invalid"})
DESCRIPTION = """One command to a running station, firmware or simulator, over its local socket. `station ctl help` lists the
commands, `station ctl help NAME` explains one. Arguments are written field=value, or bare in the order of the command's fields:
`station ctl plug 1 cable_a=20`. `station ctl watch TOPIC...` shows events as they come (frame, state, fact, refused, command). Exit
code 1: the station refused or cannot be reached; 2: no such command, or a wrong argument."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `ctl` to the command line."""
    ctl = commands.add_parser("ctl", help="one command to a running station", description=" ".join(DESCRIPTION.split()))
    ctl.add_argument(
        "--socket",
        type=Path,
        metavar="PATH",
        help="the station's socket (default: PILOTWIRE_SOCKET, else the usual places)",
    )
    ctl.add_argument("--json", action="store_true", help="print what the station answers, as JSON")
    ctl.add_argument(
        "--timeout",
        type=seconds,
        metavar="S",
        help="give up after so many seconds; without it wait as long as it takes",
    )
    ctl.add_argument("command", metavar="COMMAND", help="what to do: `help` lists the commands")
    ctl.add_argument("arguments", nargs="*", metavar="FIELD=VALUE", help="what the command takes")
    ctl.set_defaults(handler=run)


def run(options: argparse.Namespace) -> int:
    """Carry it out; returns the exit code. Raises ClientError when no station answers."""
    from station.cli.ctl_show import show_on
    from station.errors import ControlError

    show = show_on(sys.stdout, as_json=options.json)
    with connect(options.socket, options.timeout) as client:
        try:
            if options.command == "watch":
                return _watch(client, options.arguments or ["frame"], show, options.timeout)
            return _command(client, options.command, options.arguments, show)
        except ControlError as error:
            return _refused(error, as_json=options.json)


def connect(named: Path | None, timeout_s: float | None) -> ControlClient:
    """A client of the station at `named`, or where one usually is. Raises ClientError when none answers."""
    from station.runtime.client_base import ClientError, ControlClient
    from station.runtime.control_path import VARIABLE, candidates, distrust

    places = [named] if named is not None else candidates(os.environ)
    problems = []
    for place in places:
        problem = distrust(place) if named is None else None
        if problem is not None:
            problems.append(problem)
            continue
        try:
            return ControlClient.over_socket(place, timeout_s=timeout_s)
        except ClientError as error:
            problems.append(str(error))
    raise ClientError(
        "; ".join(problems) + f". Remedy: name the socket of a station that runs with --socket or {VARIABLE}; "
        "a station has one if its configuration says [control] socket, or `station sim --socket PATH`"
    )


def _command(client: ControlClient, name: str, words: list[str], show: Show) -> int:
    if name == "help":
        rows = client.do("help", {"command": words[0]} if words else {})["commands"]
        show.help(rows, one=bool(words))
        return OK
    from station.cli.ctl_arguments import read

    row: dict[str, Any] = client.do("help", {"command": name})["commands"][0]
    show.result(name, client.do(name, read(words, row["parameters"])))
    return OK


def _watch(client: ControlClient, topics: list[str], show: Show, timeout_s: float | None) -> int:
    client.subscribe(*topics)
    for event in client.events(timeout_s):
        show.event(event)
        sys.stdout.flush()
    return OK


def _refused(error: Any, *, as_json: bool) -> int:
    if as_json:
        problems = [{"field": each.field, "problem": each.problem} for each in error.problems]
        print(json.dumps({"code": error.code, "error": str(error), "problems": problems}), file=sys.stderr)
    else:
        for each in error.problems:
            print(f"error: {each.field}: {each.problem}" if each.field else f"error: {each.problem}", file=sys.stderr)
    return WRONG if error.code in OUR_FAULT else FAILED
