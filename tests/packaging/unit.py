"""Reads a systemd unit as far as tests need it: settings that may stand more than once, and lengths of time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_UNITS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "min": 60.0, "": 1.0}


@dataclass(frozen=True, slots=True)
class Unit:
    """settings: name -> values in their order. An empty value takes back those before it (systemd.syntax(7))."""

    settings: dict[str, list[str]]

    def all(self, name: str) -> list[str]:
        return self.settings.get(name, [])

    def one(self, name: str) -> str:
        """The value that counts: the last. Raises KeyError."""
        return self.settings[name][-1]

    def seconds(self, name: str) -> float:
        """A length of time, "1min 30s". Raises ValueError."""
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]*)", self.one(name))
        if not parts:
            raise ValueError(f"{name}: no time: {self.one(name)!r}")
        return sum(float(number) * _UNITS[unit] for number, unit in parts)


def read_unit(file: Path, drop_in: str = "") -> Unit:
    """The unit, with further lines as a drop-in would have them."""
    settings: dict[str, list[str]] = {}
    text = re.sub(r"\\\n", " ", file.read_text(encoding="utf-8") + "\n" + drop_in)
    for line in text.splitlines():
        name, mark, value = line.strip().partition("=")
        if not mark or line.lstrip().startswith(("#", ";", "[")):
            continue
        if value:
            settings.setdefault(name, []).append(value)
        else:
            settings[name] = []
    return Unit(settings)
