"""What a station answers, for people: plain text, in colour on a terminal that has `rich`, or JSON as it came."""

from __future__ import annotations

import importlib.util
import json
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TextIO

from station.cli.ctl_block import Block
from station.cli.ctl_charging import CHARGING_BLOCKS
from station.clock import iso

__all__ = ["Block", "JsonShow", "PlainShow", "Show", "blocks_of", "event_line", "help_blocks", "show_on"]

WIDEST_TABLE = 8
"""Columns from which on things with fields inside of fields get a column each, and every field a row."""
LONGEST_CELL = 60
WHOLE = frozenset({"cause"})
"""Fields that are shown in full, however long."""
WALLS = frozenset({"departs"})
"""Fields that are wall seconds, for people a time."""


class Show(Protocol):
    """Where results and events go."""

    def result(self, name: str, result: Mapping[str, Any]) -> None: ...

    def event(self, event: Mapping[str, Any]) -> None: ...

    def help(self, rows: Sequence[Mapping[str, Any]], *, one: bool) -> None: ...


def show_on(stream: TextIO, *, as_json: bool) -> Show:
    """The best that this stream can do."""
    if as_json:
        return JsonShow(stream)
    if stream.isatty() and importlib.util.find_spec("rich") is not None:
        from station.cli.ctl_rich import RichShow

        return RichShow(stream)
    return PlainShow(stream)


class JsonShow:
    """One JSON value per line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def result(self, name: str, result: Mapping[str, Any]) -> None:
        del name
        self._write(result)

    def event(self, event: Mapping[str, Any]) -> None:
        self._write(event)

    def help(self, rows: Sequence[Mapping[str, Any]], *, one: bool) -> None:
        self._write(rows[0] if one else {"commands": rows})

    def _write(self, value: Any) -> None:
        self._stream.write(json.dumps(value, ensure_ascii=False) + "\n")


class PlainShow:
    """Aligned text."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._width = shutil.get_terminal_size((118, 24)).columns if stream.isatty() else None

    def result(self, name: str, result: Mapping[str, Any]) -> None:
        self._write(blocks_of(name, result))

    def event(self, event: Mapping[str, Any]) -> None:
        line = event_line(event)
        self._stream.write((line if self._width is None else line[: self._width]) + "\n")

    def help(self, rows: Sequence[Mapping[str, Any]], *, one: bool) -> None:
        self._write(help_blocks(rows, one=one))

    def _write(self, blocks: Sequence[Block]) -> None:
        for number, block in enumerate(blocks):
            if number:
                self._stream.write("\n")
            self._stream.writelines(f"{line}\n" for line in _plain(block))


def _plain(block: Block) -> Iterator[str]:
    if block.title:
        yield block.title
    lines = ([block.head] if block.head else []) + list(block.rows)
    indent = "  " if block.title else ""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))] if lines else []
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        yield (indent + "  ".join(cells)).rstrip()


# --- results ----------------------------------------------------------------------------------------------------------


def blocks_of(name: str, result: Mapping[str, Any]) -> list[Block]:
    """A result as tables: what is one value first, then every list."""
    if not result:
        return [Block("", (), ((f"{name}: done",),))]
    if name in CHARGING_BLOCKS:
        return [_printable(block) for block in CHARGING_BLOCKS[name](result)]
    pairs: list[tuple[str, str]] = []
    blocks: list[Block] = []
    for key, value in result.items():
        if _is_table(value):
            blocks.append(_table(key, value))
        else:
            pairs += _pairs(key, value)
    return ([Block("", (), tuple(pairs))] if pairs else []) + blocks


def _printable(block: Block) -> Block:
    return Block(block.title, block.head, tuple(tuple(printable(cell) for cell in row) for row in block.rows))


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _pairs(key: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [pair for name, each in value.items() for pair in _pairs(f"{key}.{name}" if key else name, each)]
    if key.rpartition(".")[2] in WALLS and isinstance(value, int | float) and not isinstance(value, bool):
        return [(key, f"{iso(value)[:19]}Z")]
    return [(key, _text(value))]


def _table(title: str, rows: list[dict[str, Any]]) -> Block:
    names = list(dict.fromkeys(name for row in rows for name in row))
    nested = any(isinstance(value, dict) for row in rows for value in row.values())
    if len(rows) != 1 and (len(names) <= WIDEST_TABLE or not nested):
        return Block(title, tuple(names), tuple(tuple(_cell(row.get(name)) for name in names) for row in rows))
    flat = [dict(_pairs("", row)) for row in rows]
    keys = list(dict.fromkeys(key for row in flat for key in row))
    return Block(title, (), tuple((key, *(_cut(key, row.get(key, "-")) for row in flat)) for key in keys))


def _cut(key: str, text: str) -> str:
    return text if key in WHOLE else _short(text)


def _cell(value: object) -> str:
    return _short(_text(value))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 3] + "..."


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list) and all(_is_word(each) for each in value):
        return ", ".join(_text(each) for each in value) or "-"
    if isinstance(value, dict) and _is_word(value):
        name, number = value.values()
        return f"{_text(name)} {_text(number)} A"
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _is_word(value: object) -> bool:
    """What can be told in a word or two: a value, or a name with its current (`limits`)."""
    if isinstance(value, dict):
        kinds = [type(each) for each in value.values()]
        return len(kinds) == 2 and kinds[0] is str and kinds[1] in (int, float) and list(value)[1].endswith("_a")
    return not isinstance(value, list)


def printable(text: str) -> str:
    """What comes from a CSMS must not move the cursor."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


# --- events -----------------------------------------------------------------------------------------------------------


def event_line(event: Mapping[str, Any]) -> str:
    """One line for one event."""
    topic = str(event.get("event"))
    wall = event.get("wall")
    when = iso(wall)[11:23] if isinstance(wall, int | float) else " " * 12
    if topic == "frame":
        return f"{when} {_frame(event)}"
    if topic == "state":
        return " | ".join(_state(event))
    rest = {key: value for key, value in event.items() if key not in {"event", "wall"}}
    return f"{when} {topic} " + " ".join(f"{key}={_text(value)}" for key, value in rest.items())


def _frame(frame: Mapping[str, Any]) -> str:
    arrow = "station >" if frame.get("direction") == "sent" else "   < CSMS"
    latency = frame.get("latency_ms")
    verdict = frame.get("verdict", "ok")
    notes = [f"{latency:.1f} ms"] if isinstance(latency, int | float) else []
    notes += [f"WRONG: {verdict}"] if verdict != "ok" else []
    told = f" ({', '.join(notes)})" if notes else ""
    return printable(f"{arrow} {frame.get('type')} {frame.get('action') or '-'}{told} {frame.get('text', '')}")


def _state(event: Mapping[str, Any]) -> Iterator[str]:
    station = event.get("station", {})
    yield f"{str(station.get('time', ''))[11:23]} {station.get('identity')} {'online' if station.get('online') else 'offline'}"
    for evse in event.get("evses", ()):
        reading, tx = evse.get("reading") or {}, evse.get("transaction")
        energy = f", {(tx.get('energy_wh') or 0) / 1000:.3f} kWh" if tx else ""
        power = f", {(reading.get('power_w') or 0) / 1000:.1f} kW" if reading else ""
        yield f"EVSE {evse.get('evse')} {evse.get('connector_state')} {evse.get('pilot')}{power}{energy}"


# --- help -------------------------------------------------------------------------------------------------------------


def help_blocks(rows: Sequence[Mapping[str, Any]], *, one: bool) -> list[Block]:
    """The table by groups, or everything about one command."""
    if one:
        return _explained(rows[0])
    groups: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        fields = _fields(row)
        usage = " ".join([row["name"], *(name if name in _required(row) else f"[{name}]" for name in fields)])
        groups.setdefault(str(row["group"]), []).append((usage, _sentence(str(row["doc"]))))
    return [Block(group, (), tuple(lines)) for group, lines in groups.items()]


def _explained(row: Mapping[str, Any]) -> list[Block]:
    notes = []
    if row.get("needs_bench"):
        notes.append("Only in a simulator.")
    if row.get("reads"):
        notes.append("Changes nothing.")
    text = textwrap.wrap(" ".join([str(row["doc"]), *notes]), 100)
    fields = tuple(
        (name, _kind(schema), "required" if name in _required(row) else _default(schema), schema.get("description", ""))
        for name, schema in _fields(row).items()
    )
    blocks = [Block(str(row["name"]), (), tuple((line,) for line in text))]
    return blocks + ([Block("fields", (), fields)] if fields else [])


def _fields(row: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = row["parameters"].get("properties", {})
    return found


def _required(row: Mapping[str, Any]) -> Sequence[str]:
    found: Sequence[str] = row["parameters"].get("required", ())
    return found


def _default(schema: Mapping[str, Any]) -> str:
    value = schema.get("default")
    return "" if value in (None, [], {}) else f"default {_text(value)}"


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_kind(each) for each in several if each.get("type") != "null")
    if choices := schema.get("enum"):
        return _short("|".join(str(choice) for choice in choices))
    kind = str(schema.get("type", "anything"))
    return f"{kind} of {_kind(schema['items'])}" if kind == "array" and "items" in schema else kind


def _sentence(text: str) -> str:
    """The first one."""
    head, dot, _ = text.partition(". ")
    return head + "." if dot else text
