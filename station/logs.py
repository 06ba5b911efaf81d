"""Logs on standard error: readable lines for people, JSON lines for machines, journald priorities under systemd.

Nothing that is logged holds a secret: passwords and PINs never reach a logger (frames are masked in `station.ocpp.wirelog`).
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping

import orjson

from station.clock import iso

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def one_line(text: str) -> str:
    """Text without control characters: what a CSMS sends can neither forge a line of the log nor command a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


MASK = "***"
# In JSON a slash may be written with a backslash before it.
_USER = re.compile(r"(?:(?<=://)|(?<=:\\/\\/))[^/?#\s\"'\\]*@")
_QUERY = re.compile(r"(?<=[?&])([^=&#\s\"']+)=[^&#\s\"']*")


def masked_addresses(text: str) -> str:
    """The text with addresses (URLs) that let nobody in: without user and password, and without the values of their queries."""
    if "://" not in text and ":\\/\\/" not in text:
        return text
    return _QUERY.sub(rf"\1={MASK}", _USER.sub(f"{MASK}@", text))


class TextFormatter(logging.Formatter):
    """`12:00:01.123 WARNING station.link: text`; under systemd without a time, with the journal's priority prefix."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        text = f"{record.name}: {one_line(record.getMessage())}"
        station = getattr(record, "station", None)
        if station is not None:
            text += f" [{one_line(str(station))}]"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        if self._journal:
            mark = f"<{_PRIORITY.get(record.levelno, 6)}>"
            return "\n".join(mark + line for line in text.splitlines())
        return f"{iso(record.created)[11:23]} {record.levelname:<7} {text}"


class JsonFormatter(logging.Formatter):
    """One object per line: time, level, logger, message, and `station` or `error` when there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": iso(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        station = getattr(record, "station", None)
        if station is not None:
            line["station"] = station
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except orjson.JSONEncodeError:  # half a surrogate pair is no Unicode text
            whole = {key: str(value).encode(errors="replace").decode() for key, value in line.items()}
            return orjson.dumps(whole).decode()


def set_up(level: str, style: str, environ: Mapping[str, str]) -> None:
    """Send everything of at least `level` to standard error. style: "text" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    journal = "JOURNAL_STREAM" in environ
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter(journal=journal))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("transitions", "websockets", "asyncio", "ocpp"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
