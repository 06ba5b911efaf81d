"""What a probe finds on a port: who it is, how to configure it, what it shows now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class FoundKind(Enum):
    """The table of the configuration that it belongs to."""

    BOARD = "board"
    METER = "meter"
    READER = "reader"


@dataclass(frozen=True, slots=True)
class Found:
    """A device that answered, and was not changed by being asked.

    driver: name for the configuration (of a meter: its model). who: maker, model, firmware, serial number, as far as it says.
    settings: what the configuration needs beside the driver, ready to be written down.
    evses: how many it has (of a board).
    readout: name and value with unit, in words, as it is now; the same names in the same order each time.
    """

    kind: FoundKind
    driver: str
    who: str
    settings: Mapping[str, object]
    readout: tuple[tuple[str, str], ...] = ()
    evses: int = 1
