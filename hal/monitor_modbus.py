"""Modbus RTU for people who watch the wire: unit, function, registers, values, exceptions by name.

A frame has no mark where it begins (Modbus over serial line V1.02, 2.5.1.1): it is what its function says it is, with a CRC that fits.
What fits nowhere is told when the line falls silent.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hal.bus.modbus_rtu import EXCEPTIONS, crc16
from hal.monitor_base import Cut, Decoder, Direction, Verdict, text_spans

__all__ = ["ModbusDecoder"]

FUNCTIONS = {
    1: "read coils",
    2: "read discrete inputs",
    3: "read holding registers",
    4: "read input registers",
    5: "write coil",
    6: "write register",
    15: "write coils",
    16: "write registers",
}
_BITS = frozenset({1, 2})
_WORDS = frozenset({3, 4})
_READS = _BITS | _WORDS
_MANY = frozenset({15, 16})
_LEAST = 4
_MOST_UNIT = 247
_SHOWN = 16
"""Registers of one frame that are shown in words."""


class _Asked(NamedTuple):
    function: int
    address: int
    amount: int


class ModbusDecoder(Decoder):
    """Knows from the requests what the answers are about. On a tap both come from the same side."""

    name = "modbus"
    idle_s = 0.1
    most = 512

    def __init__(self, *, show_cards: bool = False) -> None:
        super().__init__(show_cards=show_cards)
        self._asked: dict[int, _Asked] = {}

    def cut(self, direction: Direction, waiting: bytes, *, final: bool) -> Cut | None:
        fitting = self._fitting(direction, waiting)
        if fitting is not None:
            return fitting
        for later in range(1, len(waiting) - _LEAST + 1):
            if self._starts(direction, waiting[later:]):
                return self._damaged(waiting[:later])
        return self._damaged(waiting) if final else None

    # --- frames -------------------------------------------------------------------------------------------------------

    def _fitting(self, direction: Direction, data: bytes) -> Cut | None:
        for size, words in self._readings(direction, data):
            if size <= len(data) and _intact(data[:size]):
                body = data[: size - 2]
                return Cut(size, words(body), private=_private(body))
        return None

    def _starts(self, direction: Direction, data: bytes) -> bool:
        return any(size <= len(data) and _intact(data[:size]) for size, _ in self._readings(direction, data))

    def _readings(self, direction: Direction, data: bytes) -> Iterator[tuple[int, Callable[[bytes], str]]]:
        """How long a frame would be that begins here, and what it would say: the likely reading first."""
        if len(data) < 2 or data[0] > _MOST_UNIT:
            return
        request, reply = self._request_size(data), self._reply_size(data)
        asked = direction is Direction.RECEIVED and data[0] in self._asked
        order = [(reply, self._reply), (request, self._request)] if asked else [(request, self._request)]
        if not asked and direction is Direction.RECEIVED:
            order.append((reply, self._reply))
        yield from ((size, words) for size, words in order if size)

    @staticmethod
    def _request_size(data: bytes) -> int:
        if data[1] in _MANY:
            return 9 + data[6] if len(data) > 6 else 0
        return 8 if data[1] in FUNCTIONS else 0

    @staticmethod
    def _reply_size(data: bytes) -> int:
        function = data[1]
        if function & 0x80 and function & 0x7F in FUNCTIONS:
            return 5
        if function in _READS:
            return 5 + data[2] if len(data) > 2 else 0
        return 8 if function in FUNCTIONS else 0

    def _damaged(self, data: bytes) -> Cut:
        """What fits nowhere. What has the length of a frame is told as one."""
        for direction in (Direction.RECEIVED, Direction.SENT):
            if any(size == len(data) for size, _ in self._readings(direction, data)):
                told = f"{data[-2:].hex()}, should be {crc16(data[:-2]).to_bytes(2, 'little').hex()}"
                words = f"unit {data[0]}: {_name(data[1] & 0x7F)}: wrong checksum {told}"
                return Cut(len(data), words, Verdict.DAMAGED, _private(data))
        return Cut(len(data), "", Verdict.NOISE, _private(data))

    # --- words --------------------------------------------------------------------------------------------------------

    def _request(self, body: bytes) -> str:
        unit, function, address = body[0], body[1], _word(body, 2)
        if function in _READS or function in _MANY:
            count = _word(body, 4)
            self._asked[unit] = _Asked(function, address, count)
            told = f"unit {unit}: {_name(function)} {_range(address, count)}"
            return told if function in _READS else f"{told} = {self._values(body[7:], function, count)}"
        self._asked[unit] = _Asked(function, address, 1)
        return f"unit {unit}: {_name(function)} {address:#06x} = {_written(body)}"

    def _reply(self, body: bytes) -> str:
        unit, function = body[0], body[1]
        asked = self._asked.pop(unit, None)
        if function & 0x80:
            why = EXCEPTIONS.get(body[2], "no exception of the standard")
            return f"unit {unit}: {_name(function & 0x7F)}: exception {body[2]}, {why}"
        if function in _READS:
            known = asked is not None and asked.function == function
            count = asked.amount if asked is not None and known else 8 * body[2] if function in _BITS else body[2] // 2
            where = (
                _range(asked.address, asked.amount) if asked is not None and known else f"{count} of unknown address"
            )
            return f"unit {unit}: {where} = {self._values(body[3:], function, count)}"
        if function in _MANY:
            return f"unit {unit}: {_name(function)} {_range(_word(body, 2), _word(body, 4))}: done"
        return f"unit {unit}: {_name(function)} {_word(body, 2):#06x} = {_written(body)}: done"

    def _values(self, payload: bytes, function: int, count: int) -> str:
        if function in {1, 2, 15}:
            bits = "".join(str(payload[at // 8] >> at % 8 & 1) for at in range(min(count, 8 * len(payload))))
            return bits or "nothing"
        spans = text_spans(payload)
        if spans:
            first = payload[spans[0][0] : spans[-1][1]]
            return (
                repr(first.decode("ascii", "replace"))
                if self.show_cards
                else f"text of {len(first)} characters, hidden"
            )
        words = [_word(payload, at) for at in range(0, len(payload) - 1, 2)]
        shown = " ".join(f"{word:04x}" for word in words[:_SHOWN])
        rest = f" ... ({len(words)} registers)" if len(words) > _SHOWN else ""
        return (shown or "nothing") + rest + _as_floats(payload)


def _private(data: bytes) -> tuple[tuple[int, int], ...]:
    """Identifications and signed records, which name a card, pass as text."""
    return text_spans(data)


def _intact(frame: bytes) -> bool:
    return len(frame) >= _LEAST and crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little")


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _name(function: int) -> str:
    return FUNCTIONS.get(function, f"function {function}")


def _range(address: int, count: int) -> str:
    return f"{address:#06x}" if count == 1 else f"{address:#06x}..{address + count - 1:#06x} ({count})"


def _written(body: bytes) -> str:
    value = _word(body, 4)
    if body[1] == 5:
        return {0xFF00: "on", 0x0000: "off"}.get(value, f"{value} ({value:#06x})")
    return f"{value} ({value:#06x})"


def _as_floats(payload: bytes) -> str:
    """Meters that count in f32 are easily known: all of their registers make sensible numbers."""
    if len(payload) < 4 or len(payload) % 4:
        return ""
    values = [value for (value,) in struct.iter_unpack(">f", payload)]
    if not any(values) or not all(
        value == 0.0 or (math.isfinite(value) and 1e-4 <= abs(value) < 1e9) for value in values
    ):
        return ""
    return f" (f32: {' '.join(f'{value:.6g}' for value in values[:_SHOWN])})"
