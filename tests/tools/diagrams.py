"""Writes docs/state_machines.md from the tables themselves: `python -m tests.tools.diagrams [--check]`.

Every module-level `MACHINE` of the package `station.core` becomes a mermaid picture and a table of its events.
`--check` writes nothing, and exits with 1 when the page differs from what would be written.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from transitions import Machine, Transition

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "state_machines.md"
# The order in which one charge meets them; any other machine of the core follows by name.
FIRST = ("pilot", "connector", "transaction")
# So many sources of one event are drawn as one box, else the picture is a hedgehog.
GROUPED = 4

_HEADER = """\
# State machines

Generated from the tables in `station/core` by `python -m tests.tools.diagrams`: do not edit.

How to read the pictures: a rounded box "any of ..." stands for all the states that it names. An arrow from a state to itself
and events that change nothing are left out; the tables have them. A guard in brackets must hold, and rows of one event are
tried from top to bottom. An event in a state that the table does not allow is a mistake in our program and raises `MachineError`.

The rules that tie the three together (when power is permitted, when the cable is locked, which transaction points hold) are
the second table, `station/core/evse.py`. [Why tables](decisions/0002-why-transitions-tables.md)
"""


@dataclass(frozen=True, slots=True)
class Move:
    """One event from the same sources to one destination; `dest` None changes nothing."""

    event: str
    sources: tuple[str, ...]
    dest: str | None
    guard: str


def machines() -> dict[str, ModuleType]:
    """Modules of the core that have a table, by their short name, in the order of the page."""
    found: dict[str, ModuleType] = {}
    for path in sorted((ROOT / "station" / "core").rglob("*.py")):
        if "MACHINE = " not in path.read_text(encoding="utf-8"):
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        module = importlib.import_module(name)
        if isinstance(getattr(module, "MACHINE", None), Machine):
            found[name.removeprefix("station.core.")] = module
    order = [name for name in FIRST if name in found] + [name for name in found if name not in FIRST]
    return {name: found[name] for name in order}


def moves(machine: Machine) -> list[Move]:
    """The table back from the machine: sources with the same rows for an event are one move per row, in the order tried."""
    result: list[Move] = []
    for event in machine.events.values():
        merged: dict[tuple[tuple[str | None, str], ...], list[str]] = {}
        for source, transitions in event.transitions.items():
            merged.setdefault(tuple((row.dest, _guard(row)) for row in transitions), []).append(source)
        for rows, sources in merged.items():
            result += [Move(event.name, tuple(sources), dest, guard) for dest, guard in rows]
    return result


def _guard(row: Transition) -> str:
    """The conditions of one row in words: `is_plugged` reads "plugged"."""
    return " and ".join(
        ("" if condition.target else "not ") + str(condition.func).removeprefix("is_").replace("_", " ")
        for condition in row.conditions
    )


def picture(machine: Machine) -> str:
    """A mermaid stateDiagram-v2 of one machine."""
    lines = ["stateDiagram-v2", f"    [*] --> {machine.initial}"]
    groups: dict[tuple[str, ...], str] = {}
    edges: dict[tuple[str, str], list[str]] = {}
    for move in moves(machine):
        if move.dest is None:
            continue
        label = move.event + (f" [{move.guard}]" if move.guard else "")
        for source in _boxes(move, groups):
            edges.setdefault((source, move.dest), []).append(label)
    for sources, name in groups.items():
        words = "any state" if len(sources) == len(machine.states) else f"any of {', '.join(sources)}"
        lines.append(f'    state "{words}" as {name}')
    lines += [f"    {source} --> {dest} : {' / '.join(labels)}" for (source, dest), labels in edges.items()]
    return "\n".join(lines)


def _boxes(move: Move, groups: dict[tuple[str, ...], str]) -> Iterator[str]:
    """The boxes that the arrows of one move start from."""
    if len(move.sources) >= GROUPED:
        yield groups.setdefault(move.sources, f"any{len(groups) + 1}")
        return
    for source in move.sources:
        if source != move.dest:
            yield source


def events(machine: Machine) -> str:
    """A Markdown table: what each event does where, and where it is forbidden."""
    lines = ["| Event | in | leads to | if |", "|---|---|---|---|"]
    table = moves(machine)
    for name in machine.events:
        rows = [(move.sources, move.dest or "no change", move.guard) for move in table if move.event == name]
        allowed = {source for sources, _, _ in rows for source in sources}
        forbidden = tuple(state for state in machine.states if state not in allowed)
        if forbidden:
            rows.append((forbidden, "*forbidden*", ""))
        event = f"`{name}`"
        before: tuple[str, ...] = ()
        for sources, dest, guard in rows:
            place = "" if sources == before else ", ".join(sources)
            lines.append(f"| {event} | {place} | {dest} | {guard or ('else' if sources == before else '')} |")
            event, before = "", sources
    return "\n".join(lines)


def page() -> str:
    """The whole page. The text of a section is the doc string of its module."""
    parts = [_HEADER]
    for name, module in machines().items():
        summary, *rest = (module.__doc__ or "").strip().split("\n\n")
        path = module.__name__.replace(".", "/") + ".py"
        parts.append(f"## {name.replace('_', ' ').capitalize()}\n\n`{path}`: {summary}\n")
        parts += [_paragraph(text) + "\n" for text in rest]
        parts.append(f"```mermaid\n{picture(module.MACHINE)}\n```\n")
        parts.append(events(module.MACHINE) + "\n")
    return "\n".join(parts)


def _paragraph(text: str) -> str:
    """A drawing in the doc string stays one."""
    return f"```text\n{text}\n```" if text.startswith("    ") else text


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.diagrams", description="Write docs/state_machines.md.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when the page is not current")
    check = parser.parse_args(arguments).check
    wanted = page()
    if not check:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    present = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if present == wanted:
        return 0
    diff = difflib.unified_diff(
        present.splitlines(), wanted.splitlines(), "docs/state_machines.md", "the tables", lineterm=""
    )
    print("\n".join(diff))
    print("docs/state_machines.md is not current: python -m tests.tools.diagrams", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
