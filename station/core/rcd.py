"""The self-test of the residual-current device (IEC 62955, IEC 62752): run when nobody is there, required before somebody charges.

when      at start, after every session, and every 24 h; always with no vehicle connected and the contactor open, else as soon as
          both is so
until it  no permission. A vehicle that plugs in during the test waits; the test is let finish
is passed (one passed after the last session counts through a restart, for 24 h: a vehicle connected all along may go on)
failed    the device says so, or nothing within 30 s: GroundFailure, latched until somebody resets it; the reset runs the test again
not done  the bus failed: again with back-off, and reported when that goes on while the board is not known to be lost
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hal.api import FaultCode, PilotChanged, PilotSignal, PilotState
from station.core import hardware, latched, session
from station.core.effects import Refused, SelfTest
from station.core.events import SelfTested
from station.core.state import EvseState, Turn
from station.core.state_faults import Rcd
from station.core.types import Verdict

KIND = "rcd"

ANSWER_S = 30.0
EVERY_S = 86_400.0
AGAIN_FIRST_S = 5.0
AGAIN_MOST_S = 300.0
# Tests in a row that the bus may prevent before that is a fault: the board's own loss is told by whoever keeps it open.
MISSED_BEFORE_FAULT = 3

ANSWER, DAILY, AGAIN = "rcd answer", "rcd daily", "rcd again"
TIMERS = (ANSWER, DAILY, AGAIN)

FAILED = "RCD self-test failed"
_NOT_DONE = "the RCD self-test cannot be run"


def begin(turn: Turn, rows: Mapping[str, Any]) -> None:
    """The start: every RCD that can be tested is to be."""
    for evse in turn.state.evses.values():
        if evse.info.self_test:
            evse.rcd = Rcd(ready=_fresh(turn, rows.get(str(evse.number))))


def _fresh(turn: Turn, row: object) -> bool:
    """Whether the test before the restart still counts. While the time is not known, only that there was one is."""
    at = row.get("wall") if isinstance(row, Mapping) else None
    if not isinstance(at, int | float):
        return False
    return not turn.now.trusted or 0 <= turn.now.wall - at < EVERY_S


def noticed(evse: EvseState, event: object) -> None:
    """An event of the hardware: one about the pilot says whether a vehicle is there, unless it is at F (-12 V), where a plug that
    comes is not seen.
    """
    if evse.rcd is not None and isinstance(event, PilotChanged):
        evse.rcd.told = event.state is not PilotState.F


def proceed(turn: Turn, evse: EvseState) -> None:
    """After every event: notice what makes a test due, and run one that is, if it can be now."""
    rcd = evse.rcd
    if rcd is None:
        return
    if evse.relay_closed:
        rcd.used = rcd.due = True
    elif rcd.used and _away(evse):  # its session is over; the next one needs a test of its own
        rcd.used = False
        _forget(turn, evse, rcd)
    if _may_run(turn, evse, rcd):
        rcd.running = True
        turn.timer(ANSWER, evse.number, ANSWER_S)
        turn.emit(SelfTest(evse.number))


def _may_run(turn: Turn, evse: EvseState, rcd: Rcd) -> bool:
    if not rcd.due or rcd.running or not rcd.told or (AGAIN, evse.number) in turn.state.timers:
        return False
    if FaultCode.INTERNAL_ERROR in evse.faults and not _ours(evse):
        return False  # nobody would answer
    if latched.is_latched(evse, FaultCode.GROUND_FAILURE) and not rcd.reset:
        return False  # known to be broken
    at_f = evse.info.has_pilot and evse.output is not None and evse.output.pilot is PilotSignal.FAULT
    return not turn.state.stopping and not at_f and _away(evse)


def _away(evse: EvseState) -> bool:
    """No vehicle, no power, and nobody's session that only waits for the vehicle to come back."""
    permitted = evse.output is not None and evse.output.permit
    suspended = evse.tx is not None and evse.tx.was_connected
    return evse.pilot.seen is PilotState.A and not (evse.relay_closed or permitted or suspended)


def tested(turn: Turn, evse: EvseState, event: SelfTested) -> None:
    """The device has answered. What comes after its time was over is too late: the test counts as failed already."""
    rcd = evse.rcd
    if rcd is None or not rcd.running:
        return
    rcd.running = False
    turn.cancel(ANSWER, evse.number)
    if event.passed is None:
        _not_done(turn, evse, rcd, event.info)
    elif event.passed:
        _passed(turn, evse, rcd)
    else:
        _failed(turn, evse, rcd, event.info)
    session.settle(turn, evse)


def due(turn: Turn, kind: str, evse: EvseState) -> None:
    """A clock of this module has run out."""
    rcd = evse.rcd
    if rcd is None:
        return
    if kind == DAILY:
        rcd.due = True
    elif kind == ANSWER and rcd.running:
        lost = FaultCode.INTERNAL_ERROR in evse.faults
        tested(turn, evse, SelfTested(evse.number, None if lost else False, f"no answer within {ANSWER_S:g} s"))
    # AGAIN: `proceed` follows.


def _passed(turn: Turn, evse: EvseState, rcd: Rcd) -> None:
    rcd.due, rcd.ready, rcd.reset = False, True, False
    turn.save(KIND, str(evse.number), {"wall": turn.now.wall})
    turn.timer(DAILY, evse.number, EVERY_S)
    _reached(turn, evse, rcd)
    if latched.is_latched(evse, FaultCode.GROUND_FAILURE):
        latched.unlatch(turn, evse, FaultCode.GROUND_FAILURE)
        hardware.conclude(turn, evse, FaultCode.GROUND_FAILURE, active=False)


def _failed(turn: Turn, evse: EvseState, rcd: Rcd, why: str) -> None:
    rcd.reset = False
    _forget(turn, evse, rcd)
    _reached(turn, evse, rcd)
    latched.latch(turn, evse, FaultCode.GROUND_FAILURE, f"{FAILED}: {why}")
    hardware.conclude(turn, evse, FaultCode.GROUND_FAILURE, active=True, info=f"{FAILED}: {why}")


def _not_done(turn: Turn, evse: EvseState, rcd: Rcd, why: str) -> None:
    rcd.missed += 1
    turn.timer(AGAIN, evse.number, min(AGAIN_FIRST_S * 2 ** (rcd.missed - 1), AGAIN_MOST_S))
    turn.emit(Refused(evse.number, f"{_NOT_DONE}, tried again: {why}"))
    if rcd.missed == MISSED_BEFORE_FAULT and FaultCode.INTERNAL_ERROR not in evse.faults:
        hardware.conclude(turn, evse, FaultCode.INTERNAL_ERROR, active=True, info=f"{_NOT_DONE}: {why}")


def _reached(turn: Turn, evse: EvseState, rcd: Rcd) -> None:
    """The device has answered: that it could not be reached is over, if that was the fault."""
    rcd.missed = 0
    if _ours(evse):
        hardware.conclude(turn, evse, FaultCode.INTERNAL_ERROR, active=False)


def _ours(evse: EvseState) -> bool:
    return evse.faults.get(FaultCode.INTERNAL_ERROR, "").startswith(_NOT_DONE)


def _forget(turn: Turn, evse: EvseState, rcd: Rcd) -> None:
    """No test counts any more; nor does one after a restart."""
    rcd.ready = False
    turn.save(KIND, str(evse.number), None)


def reset(turn: Turn, evse: EvseState) -> Verdict:
    """A person has looked at it: the test decides whether the fault ends. It waits for a vehicle to leave."""
    rcd = evse.rcd
    if rcd is None:
        raise AssertionError("only an RCD that can test itself is reset by its test")
    if rcd.running:
        return Verdict("Rejected", "InternalError", "the RCD is being tested at this moment")
    rcd.reset = rcd.due = True
    turn.cancel(AGAIN, evse.number)
    session.settle(turn, evse)  # the pilot leaves state F, so that it can be seen whether a vehicle is there
    return Verdict("Accepted", None, "the RCD is tested as soon as no vehicle is connected")
