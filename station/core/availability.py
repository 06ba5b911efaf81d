"""Operative or not (G03, G04): station, EVSE and connector each have a setting of their own, and all three must agree.

A change waits while the EVSE is busy.
"""

from __future__ import annotations

from station.core.connector import Connector
from station.core.state import EvseState, Turn
from station.core.types import ResetKind

STATION_ROW = "station"


def wanted(turn: Turn, evse: EvseState, connector: Connector) -> bool:
    """Whether `connector` shall be in service. B12, step 3a: an EVSE that is free waits for a scheduled reset out of service;
    L01.FR.07: so it does for a firmware that is to be installed.
    """
    state = turn.state
    set_so = state.operative and evse.operative and connector.operative
    return set_so and not evse.resetting and state.reset is not ResetKind.ON_IDLE and not state.updating


def busy(evse: EvseState) -> bool:
    """A change to inoperative is put off (G03.FR.05)."""
    return evse.tx is not None or evse.auth is not None


def apply(turn: Turn, evse: EvseState) -> None:
    """Bring every connector of an EVSE into or out of service, as far as that can be done now."""
    for connector in evse.connectors:
        operative = wanted(turn, evse, connector)
        if operative is connector.inoperative and (operative or not busy(evse)):
            connector.set_operative(operative)


def save(turn: Turn, key: str, *, operative: bool) -> None:
    """G03.FR.08, G04.FR.09: it survives a reboot. `key`: "station", "evse" or "evse/connector"."""
    turn.save("availability", key, {"operative": operative})
