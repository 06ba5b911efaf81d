"""Writes docs/command-line.md from the parser itself: `python -m tests.tools.command_line [--check]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from station.__main__ import parser

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
_HEADER = """# The command line

Exit codes: 0 fine, 1 it did not work, 2 wrong arguments or a wrong file. Every command explains itself with `--help`.
This page is generated from the parser: `python -m tests.tools.command_line`.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEADER, *_commands(parser(), "station")])


def _commands(above: argparse.ArgumentParser, prefix: str) -> Iterator[str]:
    """Each subcommand, and after it those below it (`station pki make`)."""
    for action in above._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, command in action.choices.items():
                yield _command(f"{prefix} {name}".removeprefix("station "), command, helps.get(name, ""))
                yield from _commands(command, f"{prefix} {name}")


def _command(name: str, command: argparse.ArgumentParser, summary: str) -> str:
    text = summary[:1].upper() + summary[1:].rstrip(".") + "."
    if command.description:
        text += f" {command.description}"
    rows = list(_rows(command))
    table = ["| Argument | Meaning |", "|---|---|", *rows] if rows else []
    return "\n".join([f"## `station {name}`\n", f"{text}\n", *table]) + "\n"


def _rows(command: argparse.ArgumentParser) -> Iterator[str]:
    formatter = argparse.HelpFormatter(command.prog)  # knows what %(default)s means
    for action in command._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        cells = (f"`{_name(action)}`", formatter._expand_help(action) if action.help else "")
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _name(action: argparse.Action) -> str:
    if action.choices is not None and not action.metavar:
        value = "|".join(str(choice) for choice in action.choices)
    else:
        value = str(action.metavar or action.dest)
    if action.nargs == "?":
        value = f"[{value}]"
    if not action.option_strings:
        return value
    if isinstance(action, argparse.BooleanOptionalAction):
        return " or ".join(action.option_strings)
    option = action.option_strings[-1]
    return option if action.nargs == 0 else f"{option} {value}"


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(prog="python -m tests.tools.command_line", description=f"Write {PAGE.name}.")
    options.add_argument("--check", action="store_true", help="write nothing, fail when the page is not current")
    check = options.parse_args(arguments).check
    wanted = page()
    if not check:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"docs/{PAGE.name} is not current: python -m tests.tools.command_line", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
