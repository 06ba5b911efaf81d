"""Taking over what was saved: availability, cache, registers, and transactions that a restart interrupted (LAW 5).

Rows that cannot be read are reported and left where they are; a station that refuses to start over one bad cache entry helps nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hal.api import MeterReading
from station.core import (
    alerts,
    authorize,
    availability,
    diagnostics,
    firmware,
    latched,
    networking,
    rcd,
    session,
    signing,
    smart,
)
from station.core import evse as rules
from station.core.effects import Refused
from station.core.facts import token_from_json
from station.core.recording import save_tx
from station.core.state import EvseState, Turn
from station.core.transaction import Ending, Transaction
from station.core.types import StopReason, Trigger

_UNREADABLE = (KeyError, TypeError, ValueError)

Rows = Mapping[str, Mapping[str, Any]]


def restore_state(turn: Turn, rows: Rows, cause: StopReason) -> None:
    """`cause`: why a transaction found open ended."""
    _availability(turn, rows.get("availability", {}))
    networking.restore(turn, rows.get(networking.KIND, {}))
    for key, row in rows.get("cache", {}).items():
        try:
            turn.state.cache[key] = authorize.entry_from_row(row)
        except _UNREADABLE as error:
            turn.emit(Refused(None, f"cache entry cannot be read: {error!r}"))
    for evse in turn.state.evses.values():
        _register(turn, evse, rows.get("meter", {}).get(str(evse.number)))
        _owner(turn, evse, rows.get("owner", {}).get(str(evse.number)))
        saved = rows.get("tx", {}).get(str(evse.number))
        if saved is not None:
            _transaction(turn, evse, saved, cause)
    latched.restore(turn, rows.get(latched.KIND, {}))
    for evse in turn.state.evses.values():
        faulted = rules.stopping_fault(turn, evse) is not None
        for connector in evse.connectors:
            connector.set_faulted(faulted)
    alerts.restore(turn, rows.get(alerts.KIND, {}))
    alerts.show_all(turn)
    rcd.begin(turn, rows.get(rcd.KIND, {}))
    smart.restore(turn, rows.get(smart.KIND, {}))
    for owner in (diagnostics, firmware):
        try:
            owner.restore(turn, rows)
        except _UNREADABLE as error:
            turn.emit(Refused(None, f"what was saved of logs and firmware cannot be read: {error!r}"))


def _availability(turn: Turn, rows: Mapping[str, Any]) -> None:
    """G03.FR.08, G04.FR.09, B11.FR.02: Unavailable survives a reset and a power cut."""

    def operative(key: str) -> bool:
        return bool(rows.get(key, {}).get("operative", True))

    turn.state.operative = operative(availability.STATION_ROW)
    for evse in turn.state.evses.values():
        evse.operative = operative(str(evse.number))
        for connector in evse.connectors:
            connector.operative = operative(f"{evse.number}/{connector.number}")


def _register(turn: Turn, evse: EvseState, row: Mapping[str, Any] | None) -> None:
    """Until the meter answers, the last saved register stands for it."""
    if row is None:
        return
    try:
        evse.reading = MeterReading(energy_import_wh=float(row["wh"]))
        evse.reading_at = turn.now
    except _UNREADABLE as error:
        turn.emit(Refused(evse.number, f"saved register cannot be read: {error!r}"))


def _owner(turn: Turn, evse: EvseState, row: Mapping[str, Any] | None) -> None:
    """The plug is kept for its owner until the board says that there is none (E05.FR.11, E09.FR.03)."""
    if row is None:
        return
    try:
        evse.lock_holder = evse.lock_holder_saved = token_from_json(row["token"])
    except _UNREADABLE as error:
        turn.emit(Refused(evse.number, f"saved owner of the cable cannot be read: {error!r}"))


def _transaction(turn: Turn, evse: EvseState, row: dict[str, Any], cause: StopReason) -> None:
    """Close it with the reason that was settled before the cut, or with `cause`.

    The meter kept counting or stood still while we were away: its register, not our last saved one, is the end. It is awaited.
    A second restart before it answers finds the reason settled and changes nothing.
    """
    try:
        tx = Transaction.from_row(row)
    except _UNREADABLE as error:
        turn.emit(Refused(evse.number, f"saved transaction cannot be read: {error!r}"))
        return
    evse.tx = tx
    if tx.last_wh is not None:  # newer than the register saved after the transaction before
        evse.reading = MeterReading(energy_import_wh=tx.last_wh)
        evse.reading_at = turn.now
    if tx.ending is None:
        tx.finish(Ending(cause, Trigger.ABNORMAL_CONDITION, turn.now))
        save_tx(turn, evse, tx)
    if not evse.info.has_meter:
        session.close(turn, evse)
    elif not signing.end(turn, evse, tx):
        turn.timer("ending", evse.number, session.FINAL_READING_WAIT_S)
