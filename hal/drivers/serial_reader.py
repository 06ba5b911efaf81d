"""Card readers that write a line for each card: RFID modules, 1-wire bridges, barcode readers, a microcontroller's printf.

Such a reader cannot be asked whether it lives: only a port that is gone is noticed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hal.api import CardPresented
from hal.bus.serial import Line, SerialPort
from hal.drivers.card_token import MOST_CHARACTERS, Presence, TokenOptions, read_options
from hal.drivers.pn532 import read_line
from hal.drivers.reader_life import ReaderLife
from hal.settings import SettingsReader

log = logging.getLogger("hal.serial_reader")

BAUD = 9600
LONGEST_LINE = 128
STALL_S = 1.0
"""A line that stands still for so long is no line: what comes then is the beginning of the next."""
SIZES = (4, 7, 8, 10)
"""Bytes of a UID: ISO 14443 has 4, 7 or 10, ISO 15693 has 8."""
_ENDS = b"\r\n\x03\x00"
_STARTS = b"\x02"
_SEPARATORS = str.maketrans("", "", " :-.")


class LineSplitter:
    """Bytes in, lines out. CR, LF, ETX and NUL end a line, STX begins one; a line that is too long is none."""

    __slots__ = ("_at", "_line", "_skipping")

    def __init__(self) -> None:
        self._line = bytearray()
        self._skipping = False
        self._at = 0.0

    def feed(self, data: bytes, now: float) -> Iterator[bytes]:
        """`now`: seconds, for lines that stand still."""
        if now - self._at > STALL_S:
            self._line.clear()
            self._skipping = False
        self._at = now
        for byte in data:
            if byte in _ENDS:
                if self._line and not self._skipping:
                    yield bytes(self._line)
                self._line.clear()
                self._skipping = False
            elif byte in _STARTS:
                self._line.clear()
                self._skipping = False
            elif len(self._line) < LONGEST_LINE:
                self._line.append(byte)
            else:
                self._skipping = True


@dataclass(frozen=True, slots=True)
class LineFormat:
    """How a line names a card. format: hex, decimal or text. begins: what each such line begins with; others are no cards.

    sizes: bytes that a UID may have; a decimal number has the fewest of them that it fits into.
    """

    format: str
    begins: str
    sizes: tuple[int, ...]

    def event(self, line: bytes, options: TokenOptions) -> tuple[bytes, CardPresented | None] | None:
        """What tells this card from others, and what to tell of it; None: it is no card's line."""
        try:
            text = line.decode("ascii").strip()
        except UnicodeDecodeError:
            return None
        if not text.startswith(self.begins):
            return None
        text = text[len(self.begins) :].strip()
        if self.format == "text":
            return self._text(text, options)
        uid = self.uid(text)
        return None if uid is None else (uid, options.event(uid))

    def uid(self, text: str) -> bytes | None:
        if self.format == "decimal":
            if not text.isdecimal() or len(text) > 25:
                return None
            number = int(text)
            size = next((size for size in sorted(self.sizes) if number < 1 << 8 * size), None)
            return None if size is None or number == 0 else number.to_bytes(size, "big")
        digits = text.translate(_SEPARATORS).removeprefix("0x")
        try:
            uid = bytes.fromhex(digits)
        except ValueError:
            return None
        return uid if len(uid) in self.sizes and any(uid) else None

    @staticmethod
    def _text(text: str, options: TokenOptions) -> tuple[bytes, CardPresented] | None:
        token = options.prefix + text
        if not text or not text.isprintable() or len(token) > MOST_CHARACTERS:
            return None
        return text.encode(), CardPresented(options.evse, token, options.kind)


def read_format(reader: SettingsReader) -> LineFormat:
    return LineFormat(
        format=reader.text("format", "hex", ("hex", "decimal", "text")),
        begins=reader.text("begins", " ").strip(),
        sizes=reader.integers("bytes", 3, 12) or SIZES,
    )


@dataclass(frozen=True, slots=True)
class SerialReaderSettings:
    """debounce_s: a reader that repeats a card while it is there is heard once; so long after the last time it counts again."""

    line: Line
    options: TokenOptions
    format: LineFormat
    debounce_s: float


def read_settings(settings: Mapping[str, object]) -> SerialReaderSettings:
    """Raises ConfigError naming every field that is wrong."""
    reader = SettingsReader("reader", settings)
    form = read_format(reader)
    found = SerialReaderSettings(
        line=read_line(reader, settings, BAUD),
        options=read_options(reader, longest=max(form.sizes)),
        format=form,
        debounce_s=reader.number("debounce_s", 2.0, 0.0, 60.0),
    )
    reader.finish()
    return found


class SerialReader(ReaderLife):
    """One reader on one port; tells CardPresented once for each presentation, ReaderFailure when the port is gone."""

    def __init__(self, settings: SerialReaderSettings) -> None:
        super().__init__(settings.line.port, settings.options.evse)
        self.settings = settings
        self._port = SerialPort(settings.line, speaks="line")
        self._splitter = LineSplitter()
        self._presence = Presence(settings.debounce_s)

    async def _reach(self) -> None:
        await self._port.open()
        self._splitter = LineSplitter()
        self._port.discard()  # who held a card before we listened has gone away

    async def _release(self) -> None:
        await self._port.close()

    async def _watch(self) -> None:
        while True:
            data = await self._port.read()
            now = asyncio.get_running_loop().time()
            for line in self._splitter.feed(data, now):
                self._heard(line, now)

    def _heard(self, line: bytes, now: float) -> None:
        found = self.settings.format.event(line, self.settings.options)
        if found is None:
            log.debug("%s: a line of %d bytes names no card", self.name, len(line))
            return
        uid, event = found
        if self._presence.look([uid], now) is None:
            return
        if event is None:
            log.info("%s: a card with a random UID is ignored (reader.random)", self.name)
        else:
            self._emit(event)


def create(settings: Mapping[str, object]) -> SerialReader:
    """Factory of reader "serial". Raises ConfigError naming every field that is wrong."""
    return SerialReader(read_settings(settings))


def claims(settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """The whole port."""
    port = settings.get("port")
    return {(port, 0)} if isinstance(port, str) else set()
