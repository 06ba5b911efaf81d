"""Readers that write a line for each card, for people who watch the wire. All of it is private: a card's number, or a PIN."""

from __future__ import annotations

from hal.monitor_base import Cut, Decoder, Direction, Verdict

__all__ = ["LineDecoder"]

_ENDS = b"\r\n\x03\x00"
_STX = b"\x02"
_LONGEST = 256


class LineDecoder(Decoder):
    """A line ends with CR, LF, ETX or NUL (any number of them); STX may begin it."""

    name = "line"

    def cut(self, direction: Direction, waiting: bytes, *, final: bool) -> Cut | None:
        ends = [at for at, byte in enumerate(waiting) if byte in _ENDS]
        if not ends:
            if not final and len(waiting) <= _LONGEST:
                return None
            return self._told(waiting, len(waiting), ended=False)
        size = ends[0] + 1
        while waiting[size : size + 1] and waiting[size] in _ENDS:
            size += 1
        return self._told(waiting[: ends[0]], size, ended=True)

    def _told(self, line: bytes, size: int, *, ended: bool) -> Cut:
        text = line.lstrip(_STX).decode("ascii", "backslashreplace")
        printable = line.isascii() and text.isprintable()
        if not text:
            return Cut(size, "an empty line")
        shown = repr(text) if self.show_cards else f"{len(text)} characters, hidden"
        told = f"line: {shown}" + ("" if ended else ", without an end")
        return Cut(size, told, Verdict.OK if printable and ended else Verdict.DAMAGED, ((0, len(line)),))
