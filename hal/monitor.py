"""The wire for people: bytes with a direction and a time become lines that say what they mean. No I/O.

`decoder(name)` knows one protocol; `Wire` finds out which one it is, by the checksums, when nobody says. Every byte is in exactly one
line. Numbers of cards, PINs and what meters sign with them are hidden unless `show_cards`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace

from hal.monitor_base import Decoder, Direction, Seen, Verdict, joined

__all__ = ["DECODERS", "Direction", "Seen", "Verdict", "Wire", "decoder"]

DECODERS: Mapping[str, str] = {
    "line": "hal.monitor_line:LineDecoder",
    "mcu": "hal.monitor_mcu:McuDecoder",
    "modbus": "hal.monitor_modbus:ModbusDecoder",
    "pn532": "hal.monitor_pn532:Pn532Decoder",
    "rapi": "hal.monitor_rapi:RapiDecoder",
}
"""Names of protocols -> "module:class". Those with checksums are tried on a line of which nobody says what it speaks."""
_BY_CHECKSUM = ("mcu", "rapi", "modbus", "pn532")
"""The strongest checksum first."""
_MOST_HELD = 2048
_IDLE_S = 1.0


def decoder(name: str, *, show_cards: bool = False) -> Decoder:
    """A decoder by its name in DECODERS. Raises KeyError."""
    module, _, made = DECODERS[name].partition(":")
    found: Decoder = getattr(importlib.import_module(module), made)(show_cards=show_cards)
    return found


class Wire:
    """One line. speaks: a name in DECODERS; any other is found out.

    Until then bytes are held back, for `idle_s` of silence or 2048 bytes; then they are told as they are.
    """

    def __init__(self, speaks: str = "", *, show_cards: bool = False) -> None:
        self.show_cards = show_cards
        self._decoder = decoder(speaks, show_cards=show_cards) if speaks in DECODERS else None
        self._held: list[tuple[Direction, bytes, float]] = []
        self._trials: list[tuple[Decoder, list[Seen]]] = []  # what each decoder makes of the bytes held

    @property
    def speaks(self) -> str:
        """The protocol; "" as long as it is not known."""
        return "" if self._decoder is None else self._decoder.name

    @property
    def idle_s(self) -> float:
        """So long after the last byte `flush` is due, if something is `pending`."""
        return _IDLE_S if self._decoder is None else self._decoder.idle_s

    @property
    def pending(self) -> bool:
        return bool(self._held) if self._decoder is None else self._decoder.pending

    def feed(self, direction: Direction, data: bytes, wall: float) -> list[Seen]:
        """The lines that end in `data`. wall: seconds, of which only differences matter."""
        if not data:
            return []
        if self._decoder is not None:
            return self._decoder.feed(direction, data, wall)
        found: list[Seen] = []
        if self._held and wall - self._held[-1][2] > _IDLE_S:
            found += self._give_up()
        self._held.append((direction, data, wall))
        found += self._recognised(direction, data, wall)
        if sum(len(held) for _, held, _ in self._held) > _MOST_HELD:
            found += self._give_up()
        return found

    def flush(self) -> list[Seen]:
        """The line is silent: what waits is told."""
        return self._give_up() if self._decoder is None else self._decoder.flush()

    def _recognised(self, direction: Direction, data: bytes, wall: float) -> list[Seen]:
        """What was held back, by the first decoder that finds a good frame in it."""
        if not self._trials:
            self._trials = [(decoder(name, show_cards=self.show_cards), []) for name in _BY_CHECKSUM]
        for candidate, made in self._trials:
            made.extend(candidate.feed(direction, data, wall))
            if _convinces(made):
                self._held.clear()
                self._trials.clear()
                self._decoder = candidate
                return joined(made)
        return []

    def _give_up(self) -> list[Seen]:
        """Nobody knows whether this is a card: hidden."""
        found = [
            Seen(wall, direction, data, "", Verdict.NOISE, () if self.show_cards else ((0, len(data)),))
            for direction, data, wall in self._held
        ]
        self._held.clear()
        self._trials.clear()
        return [replace(seen, text=f"{seen.text}, protocol not known") for seen in joined(found)]


def _convinces(found: list[Seen]) -> bool:
    """A whole frame with its checksum, and little else. Zeros and wake-ups between frames may be on any line."""
    whole = sum(
        len(seen.data) for seen in found if seen.verdict is Verdict.OK and len(seen.data) >= 4 and any(seen.data)
    )
    frames = any(seen.verdict is Verdict.OK and seen.text not in {"wake up", "ACK"} for seen in found)
    return frames and 2 * whole >= sum(len(seen.data) for seen in found)
