"""A person resets what stands until then: the faults that are latched (station.core.latched)."""

from __future__ import annotations

from hal.api import FaultCode
from station.core import hardware, latched, rcd
from station.core.effects import Reply
from station.core.events import ResetFault
from station.core.latched import Holder
from station.core.state import EvseState, Turn
from station.core.types import Verdict


def reset_faults(turn: Turn, command: ResetFault) -> None:
    """Every latched fault of the EVSE (0: of the station) ends, unless the hardware tells that it is still there."""
    holder: Holder | None = turn.state if command.evse == 0 else turn.state.evses.get(command.evse)
    turn.emit(Reply(command.ref, _refused("there is no such EVSE") if holder is None else _reset(turn, holder)))


def _reset(turn: Turn, holder: Holder) -> Verdict:
    if not holder.latched:
        return _refused("no fault waits to be reset")
    there = holder.latched.keys() & (holder.reported | _seen(holder))
    still = sorted(code.value for code in there if not _tests_itself(holder, code))
    if still:
        return _refused(f"the hardware tells that it is still there: {', '.join(still)}")
    verdict = Verdict("Accepted")
    for code in tuple(holder.latched):
        if isinstance(holder, EvseState) and _tests_itself(holder, code):
            verdict = rcd.reset(turn, holder)
        elif isinstance(holder, EvseState):
            latched.unlatch(turn, holder, code)
            hardware.set_fault(turn, holder, code, active=False)
        else:
            latched.unlatch(turn, holder, code)
            hardware.set_station_fault(turn, code, active=False)
    return verdict


def _seen(holder: Holder) -> frozenset[FaultCode]:
    """What the core sees by itself: a mirror contact that tells that the contactor is still closed."""
    welded = isinstance(holder, EvseState) and holder.relay_closed
    return frozenset({FaultCode.EVSE_CONTACTOR_FAULT}) if welded else frozenset()


def _tests_itself(holder: Holder, code: FaultCode) -> bool:
    """The RCD's own word does not count: its test decides."""
    return isinstance(holder, EvseState) and holder.rcd is not None and code is FaultCode.GROUND_FAILURE


def _refused(why: str) -> Verdict:
    return Verdict("Rejected", "InternalError", why)
