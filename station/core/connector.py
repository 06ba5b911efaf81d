"""Availability of one connector (G01): a table, and the underlying state that a cleared fault returns to (G03.FR.08)."""

from __future__ import annotations

from station.core.machine import Row, fire, rows, table
from station.core.types import ConnectorState

AVAILABLE = ConnectorState.AVAILABLE.value
OCCUPIED = ConnectorState.OCCUPIED.value
RESERVED = ConnectorState.RESERVED.value
UNAVAILABLE = ConnectorState.UNAVAILABLE.value
FAULTED = ConnectorState.FAULTED.value
STATES = (AVAILABLE, OCCUPIED, RESERVED, UNAVAILABLE, FAULTED)


def _underlying(event: str, source: str) -> list[Row]:
    """Rows back into the state that holds beneath: inoperative beats plugged beats reserved."""
    return [
        rows(event, [source], UNAVAILABLE, conditions="is_inoperative"),
        rows(event, [source], OCCUPIED, conditions="is_plugged"),
        rows(event, [source], RESERVED, conditions="is_reserved"),
        rows(event, [source], AVAILABLE),
    ]


MACHINE = table(
    STATES,
    [
        rows("plug", [AVAILABLE, RESERVED, OCCUPIED], OCCUPIED),
        rows("plug", [UNAVAILABLE, FAULTED], None),
        *_underlying("unplug", OCCUPIED),
        rows("unplug", [AVAILABLE, RESERVED, UNAVAILABLE, FAULTED], None),
        rows("fault", STATES, FAULTED),
        *_underlying("clear", FAULTED),
        rows("clear", [AVAILABLE, OCCUPIED, RESERVED, UNAVAILABLE], None),
        rows("disable", [AVAILABLE, OCCUPIED, RESERVED, UNAVAILABLE], UNAVAILABLE),
        rows("disable", [FAULTED], None),
        *_underlying("enable", UNAVAILABLE),
        rows("enable", [AVAILABLE, OCCUPIED, RESERVED, FAULTED], None),
        rows("reserve", [AVAILABLE, RESERVED], RESERVED),
        rows("release", [RESERVED], AVAILABLE),
    ],
    AVAILABLE,
)


class Connector:
    """One connector. The three facts beneath its state are kept so that the state can be restored from them.

    operative: as set for this very connector (G03, note 1); inoperative: out of service now, whatever the reason.
    """

    __slots__ = ("inoperative", "number", "operative", "plugged", "reserved", "state", "type")

    def __init__(self, number: int, kind: str) -> None:
        self.number = number
        self.type = kind
        self.state = AVAILABLE
        self.plugged = False
        self.operative = True
        self.inoperative = False
        self.reserved = False

    def is_plugged(self) -> bool:
        return self.plugged

    def is_inoperative(self) -> bool:
        return self.inoperative

    def is_reserved(self) -> bool:
        return self.reserved

    def set_plugged(self, plugged: bool) -> None:
        self.plugged = plugged
        fire(MACHINE, "plug" if plugged else "unplug", self)

    def set_faulted(self, faulted: bool) -> None:
        fire(MACHINE, "fault" if faulted else "clear", self)

    def set_operative(self, operative: bool) -> None:
        """Put in or out of service now."""
        self.inoperative = not operative
        fire(MACHINE, "enable" if operative else "disable", self)

    @property
    def availability(self) -> ConnectorState:
        return ConnectorState(self.state)
