"""The page about control, made from the table: `python -m station.runtime.control_doc` prints what docs/control.md holds."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from typing import Any

from station.config_fields import kind_of
from station.runtime.control import TABLE
from station.runtime.control_command import GROUPS, Command, arguments_of, plain_json, summary
from station.runtime.control_schema import schema_of
from station.runtime.control_types import TOPICS

__all__ = ["document"]

WIDTH = 118
INTRODUCTION = """
Everything that a person or a rig can do to a station is one table of commands in `station/runtime/control.py`. The same table is
behind the front panel, REST, JSON lines, `station ctl`, the steps of [scenarios](scenarios.md) and the Python client, so a name, a
field and an error are the same everywhere.

A command that is refused has changed nothing, and names each field that is wrong. The codes: `unknown` (there is no such
command), `invalid` (a field is wrong), `conflict` (it cannot be done as things are), `unsupported` (not by this station: it has no
simulated board). A field that is not given has its default; `null` is the same as not given where there is no default.

`bench` marks what needs the simulated board. Everything else works on real hardware too: a card that is swiped by command, or a
fault, is then a technician's test, and the station behaves as if its board had told it. `look` marks what changes nothing. `time`
marks what lets simulated time pass. EVSEs are numbered from 1.
"""
IN_PYTHON = """
In a test, without any transport:

```python
from station.sim.lab import Lab, LabSettings, run_lab


async def work(lab: Lab) -> None:
    control = lab.control()
    await control.do("plug", {"evse": 1, "car": {"soc_percent": 40}})
    await control.do("swipe", {"token": "04A1B2C3"})
    await control.do("charge", {"until_wh": 5000})
    state = await control.do("state", {})


run_lab(LabSettings(versions=("2.0.1",)), work)
```
"""
EVENTS = """
Who subscribes hears events: JSON objects with `event` (the topic) and the fields of the topic. A state is told at once and then
when it has changed, at most ten times a second; frames, facts, refusals and commands one by one and in order.
"""


def document() -> str:
    """The page in Markdown."""
    parts = ["# Control\n", *_prose(INTRODUCTION), "This page is generated: `python -m station.runtime.control_doc`.\n"]
    parts += [IN_PYTHON.strip() + "\n"]
    parts += ["## Events\n", *_prose(EVENTS), "| Topic | What |", "|---|---|"]
    parts += [*(f"| `{topic}` | {doc} |" for topic, doc in TOPICS.items()), ""]
    parts += ["## All commands\n", "| Command | Marks | What |", "|---|---|---|"]
    parts += [f"| [`{name}`](#{name}) | {_marks(cls)} | {_cell(_first(cls))} |" for name, cls in TABLE.items()]
    parts.append("")
    for group in GROUPS:
        parts.append(f"## Group: {group}\n")
        for name, cls in TABLE.items():
            if cls.group == group:
                parts += _entry(name, cls)
    return "\n".join(parts).rstrip() + "\n"


def _marks(cls: type[Command]) -> str:
    marks = {"bench": cls.needs_bench, "look": cls.reads, "time": cls.passes_time}
    return ", ".join(mark for mark, holds in marks.items() if holds)


def _first(cls: type[Command]) -> str:
    return summary(cls).partition(". ")[0].rstrip(".")


def _entry(name: str, cls: type[Command]) -> Iterator[str]:
    yield f"### `{name}`\n"
    marks = _marks(cls)
    yield from _prose(summary(cls) + (f" ({marks})" if marks else ""))
    fields = arguments_of(cls)
    if fields:
        yield "| Field | Value | Default | Meaning |"
        yield "|---|---|---|---|"
        for field in fields:
            default = "**required**" if field.default is MISSING else _default(field.default)
            kind = kind_of(field.metadata)
            yield f"| `{field.name}` | {_cell(kind.words)} | {_cell(default)} | {_cell(str(field.metadata['doc']))} |"
        yield ""
    schema = schema_of(cls.returns)
    if schema.get("properties"):
        yield f"Result: `{_shape(schema)}`\n"


def _default(value: Any) -> str:
    if value is None or value == () or (isinstance(value, Mapping) and not value):
        return "none"
    return f"`{json.dumps(plain_json(value))}`"


def _shape(schema: Mapping[str, Any], depth: int = 0) -> str:
    """A schema in short: {"boots": integer}."""
    if "anyOf" in schema:
        return " or ".join(_shape(each, depth) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(json.dumps(word) for word in schema["enum"])
    match schema.get("type"):
        case "object" if "properties" in schema:
            inner = ", ".join(f'"{name}": {_shape(each, depth + 1)}' for name, each in schema["properties"].items())
            return f"{{{inner}}}"
        case "array":
            return f"[{_shape(schema['items'], depth + 1)}, ...]"
        case str(word):
            return word
        case _:
            return "anything"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _prose(text: str) -> list[str]:
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]
    return [line for paragraph in paragraphs for line in (*textwrap.wrap(paragraph, WIDTH, break_on_hyphens=False), "")]


if __name__ == "__main__":
    print(document(), end="")
