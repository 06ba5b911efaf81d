"""Releasing a plug from afar (F05; in 1.6 also out of a running transaction)."""

from __future__ import annotations

from hal.api import LockState
from station.core import permission, safety, session
from station.core.effects import Reply
from station.core.events import Unlock
from station.core.state import EvseState, Turn
from station.core.types import StopReason, Trigger, Verdict

# Whoever asked is answered within two seconds, even if the bolt takes longer; a vehicle that draws is let go first.
UNLOCK_WAIT_S = 1.5
UNLOCKED = Verdict("Unlocked")
FAILED = Verdict("UnlockFailed")


def unlock(turn: Turn, command: Unlock) -> None:
    """F05."""
    evse = turn.state.evses.get(command.evse)
    if evse is None or not 1 <= command.connector <= len(evse.connectors):
        turn.emit(Reply(command.ref, Verdict("UnknownConnector", "UnknownConnectorId")))  # F05.FR.03
        return
    in_use = evse.authorized and evse.open_tx is not None
    if in_use and not command.stops_transaction:
        turn.emit(Reply(command.ref, Verdict("OngoingAuthorizedTransaction")))  # F05.FR.02
        return
    if not evse.info.has_lock or evse.info.fixed_cable:
        # TC_018_2: what cannot be done has no effect, a transaction goes on.
        turn.emit(Reply(command.ref, Verdict("UnlockFailed", "NotEnabled", "this connector has no lock")))
        return
    if in_use:
        permission.deauthorize(turn, evse, Trigger.UNLOCK_COMMAND, StopReason.UNLOCK_COMMAND)
    if evse.unlock_ref is not None:
        turn.emit(Reply(evse.unlock_ref, Verdict("UnlockFailed", "Unspecified", "asked again")))
        evse.unlock_ref = None
    _try(turn, evse, command.ref)


def _try(turn: Turn, evse: EvseState, ref: int) -> None:
    """F05.FR.06: tried whatever we know of cable and bolt; a bolt that is out already has nothing to try."""
    evse.lock_holder = None
    evse.jammed_locking = False
    if evse.lock is LockState.UNLOCKED and not evse.relay_closed:
        turn.emit(Reply(ref, UNLOCKED))
        session.settle(turn, evse)
        return
    evse.unlock_ref = ref
    evse.lock_attempt += 1  # a bolt that stuck last time is moved again, though the level is the same
    draws = evse.relay_closed and evse.output is not None and evse.output.permit
    turn.timer("unlock", evse.number, UNLOCK_WAIT_S + (safety.LET_GO_S if draws else 0.0))
    session.settle(turn, evse)


def done(turn: Turn, evse: EvseState, *, unlocked: bool) -> None:
    """The lock moved, or did not in time: answer whoever asked."""
    if evse.unlock_ref is None:
        return
    turn.emit(Reply(evse.unlock_ref, UNLOCKED if unlocked else FAILED))
    evse.unlock_ref = None
    turn.cancel("unlock", evse.number)
