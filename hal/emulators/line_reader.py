"""An emulated card reader that writes a line for each card.

Orders: `card` (hexadecimal UID, or "none": taken away), `repeat_s` (says it again so often while it is there; 0: once),
`style` (hex, colons, decimal, framed: STX and ETX), `begins` (text before), `end` (text after), `say` (any text, as it is),
`look`. Every answer tells `lines`, how many it has written.
"""

from __future__ import annotations

from collections.abc import Mapping

from hal.errors import ConfigError

STYLES = ("hex", "colons", "decimal", "framed")


class EmulatedLineReader:
    """Hears nothing, says what lies on it."""

    def __init__(self, style: str, begins: str, end: str, repeat_s: float) -> None:
        self.style = style
        self.begins = begins
        self.end = end
        self.repeat_s = repeat_s
        self.lines = 0
        self._card = b""
        self._say: list[bytes] = []
        self._next: float | None = None

    def feed(self, data: bytes, now: float) -> bytes:
        return b""

    def due(self, now: float) -> float | None:
        return now if self._say else self._next

    def tick(self, now: float) -> bytes:
        out = b"".join(self._say)
        self._say.clear()
        if self._next is not None and now >= self._next:
            out += self._line()
            self._next = now + self.repeat_s if self.repeat_s else None
        return out

    def _line(self) -> bytes:
        self.lines += 1
        card = self._card
        if self.style == "framed":
            return b"\x02" + card.hex().upper().encode() + b"\x03"
        text = {
            "hex": card.hex().upper(),
            "colons": card.hex(":"),
            "decimal": f"{int.from_bytes(card, 'big'):010d}",
        }[self.style]
        return f"{self.begins}{text}{self.end}".encode()

    def power(self, on: bool, now: float) -> None:
        """With its supply back it sees the card anew."""
        self._say.clear()
        self._next = now if on and self._card else None

    def control(self, order: Mapping[str, object], now: float) -> dict[str, object]:
        """Raises ConfigError naming the order."""
        for name, value in order.items():
            if name == "card":
                self._card = _uid(value)
                self._next = now if self._card else None
            elif name == "say" and isinstance(value, str):
                self._say.append(value.encode())
            elif name == "style" and value in STYLES:
                self.style = str(value)
            elif name in {"begins", "end"} and isinstance(value, str):
                setattr(self, name, value)
            elif name == "repeat_s" and isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
                self.repeat_s = float(value)
            elif name != "look":
                raise ConfigError(f"{name}: no such order, or not with {value!r}")
        return {"lines": self.lines}


def _uid(value: object) -> bytes:
    if value == "none":
        return b""
    try:
        return bytes.fromhex(str(value))
    except ValueError:
        raise ConfigError(f"card: must be a UID in hexadecimal, or none, is {value!r}") from None


def create(settings: Mapping[str, object]) -> EmulatedLineReader:
    """style, begins, end, repeat_s, card: as the orders of these names. Raises ConfigError."""
    found = EmulatedLineReader("hex", "", "\r\n", 0.0)
    known = {"style", "begins", "end", "repeat_s", "card"}
    if settings.keys() - known:
        unknown = ", ".join(sorted(settings.keys() - known))
        raise ConfigError(f"line_reader: unknown settings: {unknown}; known are {', '.join(sorted(known))}")
    found.control(settings, 0.0)
    return found
