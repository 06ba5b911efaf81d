"""What a log upload consists of: the diagnostics archive (zip) and the security log (JSON lines).

Neither holds a password, a PIN, a key or an address's user: secret variables are left out, frames come in masked, addresses lose
everything that could let somebody in. Sizes are bounded by the rings that feed them. Writing is for a worker thread; what the loop
owns is copied first (`Archive.snapshot`).
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import orjson

from station import __version__
from station.clock import Now, best_wall, iso
from station.core.device_model import DeviceModel
from station.core.effects import Effect, Save
from station.core.events import Event
from station.core.types import IdToken, TokenKind
from station.logs import MASK, TextFormatter, masked_addresses
from station.store.statements import SECURITY_LOG, SECURITY_LOG_ROWS

__all__ = ["Archive", "Entry", "RecentLines", "Ring", "SecurityLog", "Snapshot", "public", "write"]

FRAMES_KEPT = 300
LINES_KEPT = 1000
LONGEST = 4096  # characters of one frame or line
FILE_MODE = 0o600

_PACKAGES = ("ocpp", "websockets", "orjson", "jsonschema-rs", "fastjsonschema", "transitions", "pyserial", "python-can")


@dataclass(frozen=True, slots=True)
class Entry:
    """One text with its wall time."""

    wall: float
    text: str


class Ring:
    """The newest texts. `add` may be called from any thread."""

    __slots__ = ("_entries",)

    def __init__(self, most: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=most)

    def add(self, wall: float, text: str) -> None:
        self._entries.append(Entry(wall, text if len(text) <= LONGEST else text[:LONGEST] + " ..."))

    def between(self, oldest: float | None, latest: float | None) -> tuple[Entry, ...]:
        return tuple(entry for entry in tuple(self._entries) if _within(entry.wall, oldest, latest))


def _within(wall: float, oldest: float | None, latest: float | None) -> bool:
    return (oldest is None or wall >= oldest) and (latest is None or wall <= latest)


class RecentLines(logging.Handler):
    """Keeps the newest log lines of the program."""

    def __init__(self, most: int = LINES_KEPT, level: int = logging.INFO) -> None:
        super().__init__(level)
        self.ring = Ring(most)
        self.setFormatter(TextFormatter(journal=False))

    def emit(self, record: logging.LogRecord) -> None:
        """One entry per record; what cannot be formatted is the caller's mistake, and not ours to raise here."""
        try:
            self.ring.add(record.created, masked_addresses(self.format(record)))
        except (TypeError, ValueError, KeyError):
            self.handleError(record)


class SecurityLog:
    """The rows of the security log, oldest first: those found at the start, and what the core has saved since.

    `heard` is a listener of the gateway. Like the table, it keeps the newest `SECURITY_LOG_ROWS`.
    """

    __slots__ = ("_rows",)

    def __init__(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self._rows: deque[tuple[str, Mapping[str, Any]]] = deque(
            sorted(rows.items(), key=lambda item: item[0]), maxlen=SECURITY_LOG_ROWS
        )

    def heard(self, event: Event | None, effects: list[Effect], now: Now) -> None:
        del event, now
        for effect in effects:
            if isinstance(effect, Save) and effect.kind == SECURITY_LOG and effect.value is not None:
                self._rows.append((effect.key, effect.value))

    def entries(self, now: Now, oldest: float | None = None, latest: float | None = None) -> list[dict[str, Any]]:
        """type, timestamp, info; times of this boot are corrected when the clock became known only later."""
        found = []
        for key, row in tuple(self._rows):
            try:
                mono, wall, boot, trusted = row["at"]
                at = best_wall(Now(mono, wall, boot, trusted), now)
                if _within(at, oldest, latest):
                    found.append({"id": key, "timestamp": iso(at), "type": row["kind"], "info": row.get("info")})
            except (KeyError, TypeError, ValueError):
                continue  # a row of another program
        return found


def public(value: object) -> Any:
    """Plain JSON of a settings object or a view: without the fields that its repr leaves out, addresses masked."""
    if isinstance(value, IdToken):
        return {"value": MASK if value.kind is TokenKind.KEY_CODE else value.value, "kind": value.kind.value}  # C04
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: public(getattr(value, field.name)) for field in fields(value) if field.repr}
    if isinstance(value, Mapping):
        return {str(key): public(item) for key, item in value.items()}
    if isinstance(value, str):
        return masked_addresses(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, Iterable):
        return [public(item) for item in value]
    return repr(value)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a file is written from; nothing in it changes any more. members: name in the archive -> content."""

    members: Mapping[str, bytes]


class Archive:
    """Makes the files of one station. What is looked at belongs to the loop; call `snapshot` there.

    settings, state: looked at afresh for every archive. lines: shared by all stations of the process.
    """

    __slots__ = ("_lines", "_model", "_now", "_settings", "_state", "frames", "security_log")

    def __init__(
        self,
        model: DeviceModel,
        now: Callable[[], Now],
        security_log: SecurityLog,
        *,
        settings: Callable[[], object],
        state: Callable[[], object],
        lines: Ring,
    ) -> None:
        self._model = model
        self._now = now
        self._settings = settings
        self._state = state
        self._lines = lines
        self.security_log = security_log
        self.frames = Ring(FRAMES_KEPT)

    def frame(self, direction: str, text: str, action: str | None, verdict: str) -> None:
        """A `FrameListener`; the text is masked already, but for addresses."""
        line = orjson.dumps(
            [iso(self._now().wall), direction, action, verdict, masked_addresses(text)[:LONGEST]]
        ).decode()
        self.frames.add(self._now().wall, line)

    def snapshot(self, log: str, oldest: float | None, latest: float | None) -> Snapshot:
        """The content of a log: `SecurityLog` has one member, `DiagnosticsLog` all of them."""
        entries = self.security_log.entries(self._now(), oldest, latest)
        security = b"".join(orjson.dumps(entry) + b"\n" for entry in entries)
        if log == "SecurityLog":
            return Snapshot({"security.jsonl": security})
        return Snapshot(
            {
                "about.json": _pretty({**_about(), "made": iso(self._now().wall)}),
                "settings.json": _pretty(self._public_settings()),
                "variables.json": _pretty(self._variables()),
                "state.json": _pretty(public(self._state())),
                "frames.jsonl": _lines(self.frames.between(oldest, latest)),
                "log.txt": _lines(self._lines.between(oldest, latest)),
                "security.jsonl": security,
            }
        )

    def _public_settings(self) -> Any:
        """Overrides of secret variables are among the settings, by the names of the variables."""
        secret = {d.key.row.casefold() for d in self._model.definitions() if d.secret}
        found = public(self._settings())
        variables = found.get("variables") if isinstance(found, dict) else None
        if isinstance(variables, dict):
            found["variables"] = {k: v for k, v in variables.items() if k.casefold() not in secret}
        return found

    def _variables(self) -> dict[str, str | None]:
        """Every variable that may be told, with its value."""
        open_ones = (d for d in self._model.definitions() if not d.secret and d.mutability != "WriteOnly")
        values = {d.key.row: self._model.value(d.key) for d in open_ones}
        return {row: None if value is None else masked_addresses(value) for row, value in values.items()}


def _lines(entries: Iterable[Entry]) -> bytes:
    return "".join(entry.text + "\n" for entry in entries).encode(errors="replace")


def _pretty(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE, default=repr)


def _about() -> dict[str, Any]:
    import platform
    from importlib import metadata

    packages: dict[str, str | None] = {}
    for name in _PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = None
    return {
        "program": f"pilotwire {__version__}",
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "packages": packages,
    }


def write(snapshot: Snapshot, file: Path) -> int:
    """In a worker thread: one member as it is, several as a zip; for its owner only. Returns the size. Raises OSError."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "w+b") as stream:
        if len(snapshot.members) == 1:
            stream.writelines(snapshot.members.values())
        else:
            import zipfile

            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in snapshot.members.items():
                    archive.writestr(name, content)
    return file.stat().st_size
