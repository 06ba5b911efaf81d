"""What passed on a wire as rows of JSON, one for each line: what `station hal monitor --save` writes and the running station tells.

    {"wall": 1760000000.25, "port": "/dev/ttyUSB0", "speaks": "modbus", "direction": "sent", "verdict": "ok",
     "text": "unit 1: read input registers 0x0034 (1)", "hex": "01 04 00 34 00 01 70 04"}

`hex` has `**` for each byte that is hidden: such a row cannot be decoded again, and is shown as it was saved.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator

from hal.errors import ConfigError
from hal.monitor import Direction, Seen, Wire
from hal.monitor_base import HIDDEN

__all__ = ["Row", "Wires", "read_row", "row_of"]

Row = dict[str, object]
_TEXTS = ("port", "speaks", "direction", "verdict", "text", "hex")


def row_of(seen: Seen, port: str, speaks: str) -> Row:
    """One line as JSON has it."""
    return {
        "wall": seen.wall,
        "port": port,
        "speaks": speaks,
        "direction": seen.direction.value,
        "verdict": seen.verdict.value,
        "text": seen.text,
        "hex": seen.hex,
    }


class Wires:
    """Several lines at once, by the names of their ports. speaks: protocol of all of them, instead of what each says."""

    def __init__(self, *, speaks: str = "", show_cards: bool = False) -> None:
        self._speaks = speaks
        self._show_cards = show_cards
        self._wires: dict[str, Wire] = {}

    def wire(self, port: str, speaks: str = "") -> Wire:
        """The line of that port, new if need be."""
        found = self._wires.get(port)
        if found is None:
            found = self._wires[port] = Wire(self._speaks or speaks, show_cards=self._show_cards)
        return found

    def feed(self, port: str, speaks: str, direction: Direction, data: bytes, wall: float) -> list[Row]:
        """The lines that end in `data`."""
        wire = self.wire(port, speaks)
        return [row_of(seen, port, wire.speaks) for seen in wire.feed(direction, data, wall)]

    def flush(self, port: str) -> list[Row]:
        """That line is silent: what waits."""
        wire = self.wire(port)
        return [row_of(seen, port, wire.speaks) for seen in wire.flush()]

    def replay(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Rows that `read_row` has checked, decoded anew as far as nothing in them is hidden."""
        for row in rows:
            port, saved = str(row["port"]), str(row["hex"])
            if HIDDEN in saved:
                yield from self.flush(port)
                yield row
                continue
            wall = row["wall"]
            at = float(wall) if isinstance(wall, int | float) else 0.0
            yield from self.feed(port, str(row["speaks"]), Direction(row["direction"]), bytes.fromhex(saved), at)
        for port in self._wires:
            yield from self.flush(port)


def read_row(line: str, where: str) -> Row:
    """One line of a capture file. where: its name for messages. Raises ConfigError that names the field."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{where}: is not JSON ({error}); is it a file of `station hal monitor --save`?") from error
    if not isinstance(row, dict):
        raise ConfigError(f"{where}: must be a JSON object; is it a file of `station hal monitor --save`?")
    for name in _TEXTS:
        if not isinstance(row.get(name), str):
            raise ConfigError(f"{where}: {name} must be a text, is {row.get(name)!r}")
    wall = row.get("wall")
    if isinstance(wall, bool) or not isinstance(wall, int | float) or not math.isfinite(wall):
        raise ConfigError(f"{where}: wall must be a number of seconds, is {wall!r}")
    if row["direction"] not in {direction.value for direction in Direction}:
        raise ConfigError(f"{where}: direction must be sent or received, is {row['direction']!r}")
    try:
        bytes.fromhex(row["hex"].replace(HIDDEN, "00"))
    except ValueError:
        raise ConfigError(f"{where}: hex must be bytes in hexadecimal, is {row['hex'][:40]!r}") from None
    return row
