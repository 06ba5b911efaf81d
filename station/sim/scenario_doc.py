"""The page about scenarios, made from the tables that also read and play them.

`python -m station.sim.scenario_doc` prints the page that docs/scenarios.md holds.
"""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from station.clock import iso
from station.config_fields import Kind, kind_of
from station.runtime.control_command import GROUPS
from station.sim import scenario_match
from station.sim.scenario import STEP_FIELDS, CsmsTable, Head, StationTable, load, shipped_files
from station.sim.scenario_charging import PROFILE_STEPS
from station.sim.scenario_csms import CSMS_COMMANDS
from station.sim.scenario_expect import EXPECTATIONS
from station.sim.scenario_kinds import WallTime
from station.sim.scenario_time import TIME_STEPS
from station.sim.steps import COMMANDS

__all__ = ["document"]

WIDTH = 118
INTRODUCTION = """
A scenario is a TOML file: a station, a CSMS, and steps that do something or expect something. `station play FILE` plays it on
virtual time, shows the conversation and ends with a verdict: exit code 0 when everything came as expected, 1 when not, 2 when
the file is wrong. `station play NAME` plays a shipped one (its number will do), `station play` lists them. It is played in
every OCPP version that it claims, unless `--ocpp` names one. The same seed gives the same output, byte for byte (`--plain`).
`--speed 60` shows a minute in a second.

Steps are played in order. Deeds take no time, but people take `pause` seconds before each. An expectation waits until it is
fulfilled or its time is over; the time is that of the station. Messages are expected in the order in which they come:
`message` looks after the message that was matched last, or since the last deed if that is later. Answers without content are
not shown, nor are periodic samples after the second. In the end the CSMS must have nothing to complain of.
"""
STATE_FIELDS = """
`state` looks at: `pilot` (A to F), `state` (the five words of 2.0.1), `phase` (the nine words of 1.6), `lock`, `relay_closed`,
`permit`, `authorized`, `token`, `faults`, `operative`, `cable_a`, `offered_a`, `cause` (why this current), `lamp`, `power_w`,
`transaction.charging_state`, `transaction.energy_wh`, `transaction.seq`, `transaction.token`, `online`, `station_operative`,
`powered`, `register_wh`, `car.soc`, `car.power_w`, `car.current_a` (per phase), `car.phases` (on which it draws). What there is none of
is absent.
"""

TABLE_NOTE = """
What follows is the [table of commands](control.md) of the station: the same can be done by hand, over REST, by `station ctl` and
from a test.
"""


def document() -> str:
    """The page in Markdown."""
    parts = ["# Scenarios\n", *_prose(INTRODUCTION), "This page is generated: `python -m station.sim.scenario_doc`.\n"]
    parts += ["## Shipped scenarios\n", *_shipped()]
    parts += ["## The file\n", *_rows("Above the tables", _fields(Head))]
    parts += ["`[station]`: " + _first(StationTable) + "\n", *_rows("Key", _fields(StationTable))]
    parts += ["`[csms]`: " + _first(CsmsTable) + "\n", *_rows("Key", _fields(CsmsTable))]
    parts += ["`[charging]`: as in the station's own [configuration](configuration.md).\n"]
    common = [(name, kind.words, "none", doc) for name, (kind, doc) in STEP_FIELDS.items()]
    parts += [
        "`[[step]]`: either `do` or `expect`, and the fields of what is done or expected.\n",
        *_rows("Key", common),
    ]
    parts += _prose(TABLE_NOTE)
    for group in GROUPS:
        rows = {name: cls for name, cls in COMMANDS.items() if cls.group == group}
        if rows:
            parts += [f"## What can be done: {group}\n", *_entries("do", rows)]
        if group == "time":
            parts += _entries("do", TIME_STEPS)
    parts += ["## What can be done: the CSMS\n", *_entries("do", {**CSMS_COMMANDS, **PROFILE_STEPS})]
    parts += ["## What can be expected\n", *_entries("expect", EXPECTATIONS), *_prose(STATE_FIELDS)]
    parts += ["## Conditions\n", inspect.cleandoc(scenario_match.__doc__ or "").partition("\n\n")[2], ""]
    return "\n".join(parts)


def _shipped() -> Iterator[str]:
    for name in shipped_files():
        head = load(name).head
        yield f"**{name}** ({', '.join(head.ocpp)}): {head.title}.\n"
        yield from _prose(head.teaches)


def _entries(word: str, table: Mapping[str, type[Any]]) -> Iterator[str]:
    for name, cls in table.items():
        yield f'### `{word} = "{name}"`\n'
        yield from _prose(inspect.getdoc(cls) or "")
        yield from _rows("Field", _fields(cls))


def _fields(cls: type[Any]) -> list[tuple[str, str, str, str]]:
    found = []
    for field in fields(cls):
        kind: Kind = kind_of(field.metadata)
        default = "**required**" if field.default is MISSING else _value(field.default)
        if isinstance(kind, WallTime) and isinstance(field.default, float):
            default = f"`{iso(field.default)}`"
        found.append((field.name, kind.words, default, str(field.metadata["doc"])))
    return found


def _value(value: Any) -> str:
    if value is None or value == () or (isinstance(value, Mapping) and not value):
        return "none"
    return f"`{json.dumps(dict(value) if isinstance(value, Mapping) else value)}`"


def _rows(first: str, rows: Iterable[tuple[str, str, str, str]]) -> list[str]:
    lines = [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in (f"`{name}`", words, default, doc)) + " |"
        for name, words, default, doc in rows
    ]
    return [f"| {first} | Value | Default | Meaning |", "|---|---|---|---|", *lines, ""] if lines else []


def _first(cls: type[Any]) -> str:
    return " ".join((inspect.getdoc(cls) or "").split())


def _prose(text: str) -> list[str]:
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]
    return [line for paragraph in paragraphs for line in (*textwrap.wrap(paragraph, WIDTH, break_on_hyphens=False), "")]


if __name__ == "__main__":
    print(document(), end="")
