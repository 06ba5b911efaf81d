"""Taking over what was saved: availability, cache, registers, and transactions that a restart interrupted (LAW 5).

Rows that cannot be read are reported and left where they are; a station that refuses to start over one bad cache entry helps nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hal.api import MeterReading
from station.core import authorize, session
from station.core.effects import Refused
from station.core.state import EvseState, Turn
from station.core.transaction import Ending, Transaction
from station.core.types import StopReason, Trigger

_UNREADABLE = (KeyError, TypeError, ValueError)

Rows = Mapping[str, Mapping[str, Any]]


def restore_state(turn: Turn, rows: Rows, cause: StopReason) -> None:
    """`cause`: why a transaction found open ended."""
    _availability(turn, rows.get("availability", {}))
    for key, row in rows.get("cache", {}).items():
        try:
            turn.state.cache[key] = authorize.entry_from_row(row)
        except _UNREADABLE as error:
            turn.emit(Refused(None, f"cache entry cannot be read: {error!r}"))
    for evse in turn.state.evses.values():
        _register(turn, evse, rows.get("meter", {}).get(str(evse.number)))
        saved = rows.get("tx", {}).get(str(evse.number))
        if saved is not None:
            _transaction(turn, evse, saved, cause)


def _availability(turn: Turn, rows: Mapping[str, Any]) -> None:
    """G03.FR.04, B11.FR.05: Unavailable survives a reset and a power cut."""
    turn.state.operative = bool(rows.get("station", {}).get("operative", True))
    for evse in turn.state.evses.values():
        for connector in evse.connectors:
            saved = rows.get(f"{evse.number}/{connector.number}")
            if saved is not None and not saved["operative"]:
                connector.set_operative(False)


def _register(turn: Turn, evse: EvseState, row: Mapping[str, Any] | None) -> None:
    """Until the meter answers, the last saved register stands for it."""
    if row is not None:
        evse.reading = MeterReading(energy_import_wh=float(row["wh"]))
        evse.reading_at = turn.now


def _transaction(turn: Turn, evse: EvseState, row: dict[str, Any], cause: StopReason) -> None:
    """Close it with the reason that was settled before the cut, or with `cause`.

    The meter kept counting or stood still while we were away: its register, not our last saved one, is the end. It is awaited.
    """
    try:
        tx = Transaction.from_row(row)
    except _UNREADABLE as error:
        turn.emit(Refused(evse.number, f"saved transaction cannot be read: {error!r}"))
        return
    evse.tx = tx
    if tx.last_wh is not None and evse.reading is None:
        evse.reading = MeterReading(energy_import_wh=tx.last_wh)
        evse.reading_at = turn.now
    if tx.ending is None:
        tx.finish(Ending(cause, Trigger.ABNORMAL_CONDITION, turn.now))
        turn.save("tx", str(evse.number), tx.to_row())
    turn.timer("ending", evse.number, session.FINAL_READING_WAIT_S)
