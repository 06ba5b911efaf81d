"""Restarting the station or one EVSE (B11, B12; Hard and Soft of 1.6)."""

from __future__ import annotations

from station.core import metering, session
from station.core.effects import Reboot, Reply
from station.core.events import Reset
from station.core.recording import security
from station.core.state import EvseState, Turn
from station.core.transaction import Ending
from station.core.types import ResetKind, StopReason, Trigger, Verdict

ACCEPTED = Verdict("Accepted")
SCHEDULED = Verdict("Scheduled")
_REASON = {
    ResetKind.IMMEDIATE: StopReason.IMMEDIATE_RESET,
    ResetKind.ON_IDLE: StopReason.IMMEDIATE_RESET,
    ResetKind.HARD: StopReason.HARD_RESET,
    ResetKind.SOFT: StopReason.SOFT_RESET,
}


def reset(turn: Turn, command: Reset) -> None:
    """A reset asked for again is answered as if it were the first; an immediate one overtakes one that waits."""
    if command.evse != 0:
        _reset_evse(turn, command)
        return
    state = turn.state
    waits = command.kind is ResetKind.ON_IDLE and _busy(turn)
    turn.emit(Reply(command.ref, SCHEDULED if waits else ACCEPTED))  # B11.FR.01, B12.FR.01, FR.02
    if state.reset is not None and (state.reset is not ResetKind.ON_IDLE or command.kind is ResetKind.ON_IDLE):
        return
    state.reset = command.kind
    for evse in state.evses.values():
        if command.kind is ResetKind.ON_IDLE:
            session.settle(turn, evse)
        else:
            _end(turn, evse, command.kind)


def _busy(turn: Turn) -> bool:
    return any(evse.tx is not None for evse in turn.state.evses.values())


def _end(turn: Turn, evse: EvseState, kind: ResetKind) -> None:
    """B12.FR.04, FR.08; whoever was authorised and still waits for a vehicle is so no more."""
    session.begin_ending(turn, evse, Ending(_REASON[kind], Trigger.RESET_COMMAND, turn.now))
    evse.auth = None
    for timer in ("connect", "react", "ask"):
        turn.cancel(timer, evse.number)
    session.settle(turn, evse)


def _reset_evse(turn: Turn, command: Reset) -> None:
    evse = turn.state.evses.get(command.evse)
    if evse is None:
        turn.emit(Reply(command.ref, Verdict("Rejected", "UnknownEvse", f"evse {command.evse}")))
        return
    waits = evse.tx is not None and command.kind is ResetKind.ON_IDLE
    turn.emit(Reply(command.ref, SCHEDULED if waits else ACCEPTED))  # B11.FR.08, B12.FR.07
    evse.resetting = True
    if command.kind is ResetKind.ON_IDLE:
        session.settle(turn, evse)
    else:
        _end(turn, evse, command.kind)


def proceed(turn: Turn) -> None:
    """Carry out what waited for transactions to end: called after everything else of a turn."""
    state = turn.state
    for evse in state.evses.values():
        if evse.resetting and evse.tx is None:
            _restart_evse(turn, evse)
    if state.reset is None or state.reset_ready or _busy(turn):
        return
    state.reset_ready = True
    reason = "ScheduledReset" if state.reset is ResetKind.ON_IDLE else "RemoteReset"
    security(turn, "ResetOrReboot", reason)
    turn.save("station", "boot", {"reason": reason})
    turn.emit(Reboot(reason))


def _restart_evse(turn: Turn, evse: EvseState) -> None:
    """As after a start: nobody authorised, no cable held, the hardware told its level and asked for its register again.

    What the hardware itself reported (pilot, faults, lock) stays: it would only report it again.
    """
    evse.resetting = False
    evse.auth = evse.lock_holder = evse.output = evse.lamp = None
    evse.session_done = evse.jammed_locking = False
    evse.meter_failures = 0
    session.settle(turn, evse)
    if evse.info.has_meter:
        metering.read(turn, evse)
