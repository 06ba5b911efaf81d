"""Times of IEC 61851-1 between what the station wants and what vehicle and contactor are given, per EVSE.

Whatever restricts because of a fault waits for nothing. What is merely wanted (a pause, a stop, another current) keeps these times:

    let go     6 s    after the offer was withdrawn (X1) the vehicle may stop before the contactor opens under load (A.6 seq 10.2)
    change     5 s    between two currents on the pilot; less current is told at once, it may protect a fuse (LAW 2)
    X1 step    3 s    of X1 between a withdrawn offer and the next one
    F step     4 s    of state F when a fault stops a vehicle in C or D, or to wake one up; 0.75 s of X1 follow before the next PWM
    error wait 30 s   from the end of a fault that interrupted charging to the next offer
    opening    2 s    after which a contactor that must be open and tells that it is closed counts as welded
    over       6 s    of more than (offered + 0.5 A) x 1.1, in the first 5 s after a change of the greatest that was offered before
    wake up   90 s    in B2 without asking for energy, then X1, 30 s later F: vehicles that fell asleep while they had to wait

Boards open by themselves within 100 ms, and check earth, diode and residual current (LAW 4); none of that waits for this module.
"""

from __future__ import annotations

from hal.api import FaultCode, MeterReading, PilotSignal, PilotState
from station.core.effects import Output
from station.core.pilot import UNKNOWN
from station.core.state import EvseState, Turn
from station.core.state_safety import Step

LET_GO_S = 6.0
PWM_CHANGE_S = 5.0
STEP_X1_S = 3.0
STEP_EF_S = 4.0
X1_AFTER_EF_S = 0.75
ERROR_WAIT_S = 30.0
# Mirror contacts tell within a second of the opening; another one is for slow buses.
OPENING_S = 2.0
OVER_S = 6.0
OVER_ALLOWANCE_A = 0.5
OVER_FACTOR = 1.1
OVER_LOOK_S = 1.0
WAKE_FIRST_S = 90.0
WAKE_AGAIN_S = 30.0
WAKE_TRIES = 2
# A board that was at F until now may tell so a little late.
LATE_F_S = 1.0

LET_GO, CHANGE, X1, STEP, ERROR, OPENING, WAKE = "let go", "pwm", "x1", "step", "error", "weld", "wake"
TIMERS = (LET_GO, CHANGE, X1, STEP, ERROR, OPENING, WAKE)

AFTER_FAULT = "waiting after a fault"
STEPPING = "waking the vehicle up"
BETWEEN = "waiting between two offers"

# These say nothing about the power path: charging goes on as soon as they end.
_NO_WAIT = frozenset(
    {
        FaultCode.CONNECTOR_LOCK_FAILURE,
        FaultCode.METER_FAILURE,
        FaultCode.READER_FAILURE,
        FaultCode.INTERNAL_ERROR,
    }
)
# Under state F nobody would see what becomes of these.
_NO_F = frozenset({FaultCode.PILOT_FAULT, FaultCode.PROXIMITY_FAULT})


# --- asked by station.core.evse ---------------------------------------------------------------------------------------


def hindrance(turn: Turn, evse: EvseState) -> str | None:
    """Why no offer may be made now although everything else agrees; None when it may."""
    timers, number = turn.state.timers, evse.number
    if (ERROR, number) in timers:
        return AFTER_FAULT
    if evse.safety.step is not None:
        return STEPPING
    return BETWEEN if (X1, number) in timers else None


def lets_go(turn: Turn, evse: EvseState) -> Output | None:
    """With the offer withdrawn the permission stays a little, so that a vehicle that draws can stop by itself: the level that it draws
    at. None when there is none, or no time for it.
    """
    before = evse.output
    if before is None or not before.permit or not evse.relay_closed or turn.state.stopping:
        return None
    return before if before.pilot is PilotSignal.PWM or (LET_GO, evse.number) in turn.state.timers else None


def steady_a(turn: Turn, evse: EvseState, wanted_a: float) -> float:
    """The current that may be on the pilot now, with `wanted_a` to come."""
    before = evse.output
    if before is None or before.pilot is not PilotSignal.PWM or wanted_a <= before.current_a:
        return wanted_a
    return before.current_a if turn.now.mono < evse.steady + PWM_CHANGE_S else wanted_a


def step_signal(evse: EvseState) -> PilotSignal | None:
    """What the step under way puts on the pilot, None when there is none."""
    match evse.safety.step:
        case None:
            return None
        case Step.FAULT | Step.WAKE_F:
            return PilotSignal.FAULT
        case Step.WAKE_X1:
            return PilotSignal.OFF


def own_f(turn: Turn, evse: EvseState, seen: PilotState) -> bool:
    """State F is our own: it says nothing of the vehicle, which is where it was."""
    if seen is not PilotState.F:
        return False
    at_f = evse.output is not None and evse.output.pilot is PilotSignal.FAULT
    return at_f or turn.now.mono < evse.safety.f_until + LATE_F_S


# --- told by station.core.evse and station.core.hardware ---------------------------------------------------------------


def before_seen(turn: Turn, evse: EvseState, seen: PilotState) -> None:
    """The first word of the board. A vehicle that asks for energy by then was charging before we started: it gets a clear X1 first."""
    if evse.pilot.state == UNKNOWN and seen in (PilotState.C, PilotState.D):
        turn.timer(X1, evse.number, STEP_X1_S)


def changed(turn: Turn, evse: EvseState, before: Output | None, output: Output) -> None:
    """A new level: start and stop the clocks that it is about."""
    number, timers = evse.number, turn.state.timers
    offered_a = 0.0 if before is None else before.current_a
    if output.current_a != offered_a:
        following = turn.now.mono < evse.steady + PWM_CHANGE_S
        evse.safety.before_a = max(offered_a, evse.safety.before_a if following else 0.0)
    was_pwm = before is not None and before.pilot is PilotSignal.PWM
    is_pwm = output.pilot is PilotSignal.PWM
    there = evse.pilot.seen is not PilotState.A
    if was_pwm and not is_pwm and there and (X1, number) not in timers and evse.safety.step is None:
        turn.timer(X1, number, STEP_X1_S)
    if before is not None and before.pilot is PilotSignal.FAULT and output.pilot is not PilotSignal.FAULT:
        evse.safety.f_until = turn.now.mono
        if (X1, number) not in timers:
            turn.timer(X1, number, X1_AFTER_EF_S)
    if not output.permit or is_pwm:
        turn.cancel(LET_GO, number)
    elif (LET_GO, number) not in timers:
        turn.timer(LET_GO, number, LET_GO_S)


def watch(turn: Turn, evse: EvseState, output: Output, limit_a: float) -> None:
    """After every look at the EVSE, whether its level has changed or not."""
    number, timers = evse.number, turn.state.timers
    if output.pilot is PilotSignal.PWM and output.current_a < limit_a:
        if (CHANGE, number) not in timers:
            turn.timer(CHANGE, number, max(0.0, evse.steady + PWM_CHANGE_S - turn.now.mono))
    else:
        turn.cancel(CHANGE, number)
    if not evse.relay_closed or output.permit or _out_of_touch(turn, evse):
        turn.cancel(OPENING, number)
    elif (OPENING, number) not in timers and FaultCode.EVSE_CONTACTOR_FAULT not in evse.faults:
        turn.timer(OPENING, number, OPENING_S)
    _watch_sleep(turn, evse, output)


def _out_of_touch(turn: Turn, evse: EvseState) -> bool:
    """The board does not answer: what its mirror contact told last says nothing of now. It opens by itself (LAW 4)."""
    return FaultCode.INTERNAL_ERROR in evse.reported | turn.state.reported


def _watch_sleep(turn: Turn, evse: EvseState, output: Output) -> None:
    """A vehicle that had to wait, for somebody's card or for power, may have fallen asleep meanwhile."""
    safety, number = evse.safety, evse.number
    if evse.pilot.wants_energy:
        safety.waited, safety.tries = False, 0
    elif output.pilot is not PilotSignal.PWM and safety.step is None and evse.pilot.connected:
        safety.waited = True  # without an offer; it may sleep by the time that there is one
    if safety.step is not None:
        return
    asleep = output.pilot is PilotSignal.PWM and evse.pilot.connected and not evse.pilot.wants_energy and safety.waited
    if not asleep:
        turn.cancel(WAKE, number)
    elif (WAKE, number) not in turn.state.timers and safety.tries < WAKE_TRIES:
        turn.timer(WAKE, number, WAKE_AGAIN_S if safety.tries else WAKE_FIRST_S)


# --- faults -----------------------------------------------------------------------------------------------------------


def fault_begins(turn: Turn, evse: EvseState, code: FaultCode) -> None:
    """A fault that stops energy. A vehicle in C or D is told so by state F; what was interrupted waits afterwards."""
    output = evse.output
    if (ERROR, evse.number) in turn.state.timers and code not in _NO_WAIT:
        evse.safety.interrupted = True  # the wait begins anew when this one ends
    if output is None or not output.permit:
        return
    if code not in _NO_WAIT:
        evse.safety.interrupted = True
    if evse.info.has_pilot and evse.pilot.wants_energy and code not in _NO_F and not turn.state.stopping:
        evse.safety.step = Step.FAULT
        turn.timer(STEP, evse.number, STEP_EF_S)


def faults_over(turn: Turn, evse: EvseState) -> None:
    """The last fault that stopped energy has ended."""
    if evse.safety.interrupted:
        evse.safety.interrupted = False
        turn.timer(ERROR, evse.number, ERROR_WAIT_S)


def vehicle_left(turn: Turn, evse: EvseState) -> None:
    """What was due to the vehicle is void; a step of state F is finished all the same."""
    for kind in (LET_GO, CHANGE, X1, ERROR, WAKE):
        turn.cancel(kind, evse.number)
    safety = evse.safety
    safety.waited = safety.interrupted = False
    safety.tries = 0
    safety.over_since = None
    if safety.step is not Step.FAULT:
        safety.step = None
        turn.cancel(STEP, evse.number)


# --- timers -----------------------------------------------------------------------------------------------------------


def due(turn: Turn, kind: str, evse: EvseState) -> FaultCode | None:
    """A clock has run out; what is to be done about it follows from the state. Returns the fault that it means, if any."""
    if kind == OPENING and evse.relay_closed:
        return FaultCode.EVSE_CONTACTOR_FAULT
    if kind == STEP:
        was, evse.safety.step = evse.safety.step, None
        turn.timer(X1, evse.number, X1_AFTER_EF_S if was is not Step.WAKE_X1 else 0.0)
    elif kind == WAKE:
        _wake(turn, evse)
    return None


def _wake(turn: Turn, evse: EvseState) -> None:
    """First by X1. Then by F, which wakes more of them and which some take for a fault; boards with a pilot of their own only do X1."""
    safety = evse.safety
    safety.tries += 1
    strong = safety.tries > 1 and evse.info.has_pilot
    safety.step = Step.WAKE_F if strong else Step.WAKE_X1
    turn.timer(STEP, evse.number, STEP_EF_S if strong else STEP_X1_S)


# --- over-current -----------------------------------------------------------------------------------------------------


def draws_too_much(turn: Turn, evse: EvseState, reading: MeterReading) -> bool:
    """Whether the vehicle has drawn more than it was offered for so long that it must be stopped."""
    output, safety = evse.output, evse.safety
    if output is None or output.pilot is not PilotSignal.PWM or not evse.relay_closed or not reading.current_a:
        safety.over_since = None
        return False
    following = turn.now.mono < evse.steady + PWM_CHANGE_S
    offered_a = max(output.current_a, safety.before_a) if following else output.current_a
    # Meters whose transformers are mounted the wrong way round count backwards; the wire is as hot.
    if max(map(abs, reading.current_a)) <= (offered_a + OVER_ALLOWANCE_A) * OVER_FACTOR:
        safety.over_since = None
        return False
    if safety.over_since is None:
        safety.over_since = turn.now.mono
    if turn.now.mono - safety.over_since >= OVER_S:
        return True
    turn.timer("poll", evse.number, OVER_LOOK_S)  # closer than usual, until it is certain
    return False
