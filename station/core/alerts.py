"""Faults as facts for the CSMS (N07, G05): one when a fault begins, one when it ends, also when a restart lies between.

These are hard-wired notifications: the CSMS neither installs nor clears monitors for them, so neither the monitoring base nor the
level (N03, N05, which this station does not offer) keeps them back. What happens offline is kept for later, up to the severity in
MonitoringCtrlr.OfflineQueuingSeverity (N07.FR.04). The end of a fault of which nobody heard is not told either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hal.api import FaultCode
from station.core.effects import Record
from station.core.facts import AlertFact
from station.core.faults import POLICY
from station.core.problems import EVSE, STATION, part_of, place
from station.core.state import EvseState, StationState, Turn
from station.core.variables import VariableKey

KIND = "alert"
TIMER = "alerts"
# After a start the boards have told within this time what is wrong. What nobody has spoken of by then is over (N07.FR.14).
SETTLED_S = 60.0
# Event numbers do not repeat over restarts, and fit into 31 bits (a CSMS may keep them in no more).
_PER_BOOT = 100_000
_BOOTS = 20_000
_CODES = frozenset(code.value for code in FaultCode)


def changed(turn: Turn, evse: EvseState | None, code: FaultCode, *, active: bool, info: str) -> None:
    """A fault of an EVSE, or (None) of the station, has begun or ended."""
    state, severity = turn.state, POLICY[code].severity
    problem = _show(turn, evse, code)
    key = f"{0 if evse is None else evse.number}/{code.value}"
    if active:
        # Known before a restart: it has never ended.
        if key in state.alerted or not (state.online or severity <= _kept(turn)):
            return
        state.alerted.add(key)
        turn.save(KIND, key, {"wall": turn.now.wall})
    elif key in state.alerted:
        state.alerted.discard(key)
        turn.save(KIND, key, None)
    else:
        return
    state.alerts += 1
    tx = None if evse is None else evse.tx
    turn.emit(
        Record(
            AlertFact(
                event=turn.now.boot % _BOOTS * _PER_BOOT + state.alerts % _PER_BOOT,
                code=code.value,
                active=active,
                problem=problem,
                at=turn.now,
                evse=0 if evse is None else evse.number,
                connector=0 if evse is None else evse.connector.number,
                severity=severity,
                info=info,
                tx_id=None if tx is None else tx.tx_id,
            )
        )
    )


def _show(turn: Turn, evse: EvseState | None, code: FaultCode) -> bool:
    """Bring the variables `Problem` in line; returns what that of the part concerned is now."""
    number, connector = (0, 0) if evse is None else (evse.number, evse.connector.number)
    part = part_of(code, number)
    faults = turn.state.faults if evse is None else evse.faults
    broken = any(part in (EVSE, STATION) or part_of(other, number) == part for other in faults)
    if evse is not None:
        if part.of_connector:  # it may have been another connector that was in use when it began
            for one in evse.connectors:
                _put(turn, place(part, number, one.number), broken and one.number == connector)
        _put(turn, place(EVSE, number, 0), bool(evse.faults))
    if not part.of_connector:
        _put(turn, place(part, number, 0), broken)
    # "Problem" includes what is propagated from any part that it contains (appendix 3).
    anywhere = bool(turn.state.faults) or any(each.faults for each in turn.state.evses.values())
    _put(turn, place(STATION, 0, 0), anywhere)
    return broken


def _put(turn: Turn, key: VariableKey, value: bool) -> None:
    turn.model.put(key, "true" if value else "false")


def _kept(turn: Turn) -> int:
    return turn.model.integer("MonitoringCtrlr", "OfflineQueuingSeverity")


def restore(turn: Turn, rows: Mapping[str, Any]) -> None:
    """What the CSMS believes to be broken."""
    turn.state.alerted.update(rows)
    if rows:
        turn.timer(TIMER, 0, SETTLED_S)


def show_all(turn: Turn) -> None:
    """Faults that stand from before the start, as those do that are latched."""
    for evse in (None, *turn.state.evses.values()):
        for code, info in (turn.state.faults if evse is None else evse.faults).items():
            changed(turn, evse, code, active=True, info=info)


def settled(turn: Turn) -> None:
    """Everybody has told how things are: what is not broken any more has ended while we were away."""
    for key in sorted(turn.state.alerted):
        number, _, name = key.partition("/")
        evse = turn.state.evses.get(int(number)) if number.isdecimal() else None
        holder: EvseState | StationState | None = turn.state if number == "0" else evse
        if holder is None or name not in _CODES:
            turn.state.alerted.discard(key)  # of an EVSE that is not there any more
            turn.save(KIND, key, None)
        elif FaultCode(name) not in holder.faults:
            changed(turn, evse, FaultCode(name), active=False, info="")
