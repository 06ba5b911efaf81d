"""Joint rules of one EVSE: the second table, which ties pilot, lock, faults, authorisation and transaction together.

`show` brings everything visible in line with the state: output level, connector notices, lamp. It decides nothing about transactions.

    permit   = C or D with PWM, authorised, no energy-stopping fault, lock confirmed, commits work, and a transaction that is open
               (or about to be opened by the energy itself: TxStartPoint EnergyTransfer); and, no fault standing, a few seconds more
               after the PWM has ended, so that the vehicle stops before the contactor opens (station.core.safety)
    PWM      = connected, and everything above except that the vehicle need not ask for energy yet
    locked   = a session needs the cable, or its owner has yet to fetch it, or power is not off yet
"""

from __future__ import annotations

from hal.api import FaultCode, Lamp, LockState, PilotSignal, PilotState
from station.core import allowance, faults, safety, sharing
from station.core.charging import limits
from station.core.effects import ConnectorNotice, Indicate, Notice, Output
from station.core.state import AuthState, EvseState, Shown, Turn
from station.core.types import ChargingState, ConnectorPhase, ConnectorState, TxPoint

# How long the bolt may take to confirm before it counts as failed; saving comes before moving it, and a disk may be slow.
LOCK_WAIT_S = 15.0
# How long a vehicle may take to react to an offer before it counts as the one that pauses (SuspendedEV).
EV_REACTION_S = 10.0
SWITCHING = "switching phases"
UNCODED = "rating of the cable unknown"


def tx_points(turn: Turn, variable: str) -> frozenset[TxPoint]:
    """TxStartPoint or TxStopPoint as a set."""
    return frozenset(TxPoint(word) for word in turn.model.members("TxCtrlr", variable))


def may_begin(turn: Turn, evse: EvseState) -> bool:
    """New sessions only where nothing forbids them."""
    state = turn.state
    return (
        not state.save_failed
        and not state.stopping
        and state.reset is None
        and not evse.resetting
        and (state.accepted or turn.model.boolean("TxCtrlr", "TxBeforeAcceptedEnabled"))
        and evse.connector.availability not in (ConnectorState.UNAVAILABLE, ConnectorState.FAULTED)
    )


def points(evse: EvseState) -> frozenset[TxPoint]:
    """Which transaction points hold now (E01, E06)."""
    held = set()
    if evse.bay_occupied:
        held.add(TxPoint.PARKING_BAY_OCCUPANCY)
    if evse.pilot.connected:
        held.add(TxPoint.EV_CONNECTED)
    if evse.authorized:
        held.add(TxPoint.AUTHORIZED)
    if evse.pilot.connected and evse.authorized:
        # Despite its name the point is the AND of these two, not the state of a relay (TxStartStopPointEnumType).
        held.add(TxPoint.POWER_PATH_CLOSED)
        if evse.signed:
            held.add(TxPoint.DATA_SIGNED)
    if _flows(evse) or (evse.held_back and evse.authorized and evse.pilot.connected):
        held.add(TxPoint.ENERGY_TRANSFER)
    return frozenset(held)


def _flows(evse: EvseState) -> bool:
    """Energy is transferred because we offer it; what a vehicle draws until it lets go of a withdrawn offer is no transfer any more."""
    output = evse.output
    offered = output is not None and output.permit and output.pilot is PilotSignal.PWM
    return evse.relay_closed and evse.pilot.wants_energy and offered


def _holds_back(turn: Turn, evse: EvseState) -> bool:
    """Whether energy that flowed is paused by a limit of ours, or by switching phases, or the vehicle is on its way back from that.

    The transfer is not over then: else every shortage would end the transactions of stations with TxStopPoint EnergyTransfer.
    """
    if TxPoint.ENERGY_TRANSFER not in evse.held or _flows(evse) or not energy_allowed(turn, evse):
        return False
    if evse.limit.current_a <= 0 or (evse.output is not None and evse.output.cause is SWITCHING):
        return True
    declined = evse.pilot.offered and evse.ev_reacted and not evse.pilot.wants_energy
    return evse.held_back and not declined


def stopping_fault(turn: Turn, evse: EvseState) -> FaultCode | None:
    """The first fault, of this EVSE or of the station, that forbids energy."""
    for source in (evse.faults, turn.state.faults):
        for code in source:
            if faults.stops_energy(code):
                return code
    return None


def lock_confirmed(evse: EvseState) -> bool:
    return evse.info.fixed_cable or not evse.info.has_lock or evse.lock is LockState.LOCKED


def energy_allowed(turn: Turn, evse: EvseState) -> bool:
    """Everything but the vehicle, the lock and the limit agrees that energy may flow."""
    auth = evse.auth
    if auth is None or auth.state is AuthState.PENDING or turn.state.save_failed or turn.state.stopping:
        return False
    if auth.state is AuthState.INVALID and not _within_invalid_allowance(turn, evse):
        return False
    if evse.rcd is not None and evse.rcd.hindrance(connected=evse.pilot.connected) is not None:
        return False
    return _has_transaction(turn, evse) and stopping_fault(turn, evse) is None


def _has_transaction(turn: Turn, evse: EvseState) -> bool:
    """Energy without a transaction would be given away: one is open, or the energy itself opens it (E01.FR.06)."""
    if evse.tx is not None:
        return evse.tx.open
    return TxPoint.ENERGY_TRANSFER in tx_points(turn, "TxStartPoint") and may_begin(turn, evse)


def _within_invalid_allowance(turn: Turn, evse: EvseState) -> bool:
    """E05.FR.03: with StopTxOnInvalidId false, MaxEnergyOnInvalidId (Wh) may still be delivered."""
    tx = evse.tx
    if tx is None or tx.wh_at_invalid is None or tx.last_wh is None:
        return False
    return tx.last_wh - tx.wh_at_invalid < turn.model.integer("TxCtrlr", "MaxEnergyOnInvalidId")


def bounds(evse: EvseState, *, shared: bool = True) -> tuple[limits.Limit, ...]:
    """Every bound of the current that applies now; without `shared`, what the EVSE might have if it were alone."""
    uncoded = limits.Limit(0.0, UNCODED) if _uncoded(evse) else None
    hot = None if evse.derated_a is None else limits.Limit(evse.derated_a, limits.TEMPERATURE)
    return tuple(
        limits.candidates(
            board_a=evse.info.max_a,
            cable_a=None if evse.info.fixed_cable else evse.cable_a,
            configured_a=evse.info.configured_a,
            others=(uncoded, allowance.limit(evse), hot, evse.share if shared else None),
        )
    )


def _uncoded(evse: EvseState) -> bool:
    """A vehicle at a socket whose cable nobody has rated (IEC 61851-1 annex B). Boards with a pilot of their own look after that."""
    return evse.cable_a is None and evse.pilot.connected and evse.info.has_pilot and not evse.info.fixed_cable


def share_out(turn: Turn) -> None:
    """Let the EVSEs that want energy share what the station may draw (K04)."""
    charging = turn.state.charging
    if not charging.sharing:
        return
    supply = sharing.supply(turn)
    if supply is None:
        sharing.nothing_shared(turn)
        charging.sharing = bool(charging.profiles)
        return
    own = {}
    for evse in turn.state.evses.values():
        if evse.pilot.connected and energy_allowed(turn, evse):
            alone = limits.binding(bounds(evse, shared=False), min_a=evse.info.min_a).current_a
            # A vehicle that has had its time and asks for nothing keeps the least that lets it wake up.
            idle = sharing.asks_nothing(turn, evse)
            own[evse.number] = sharing.Wish(alone, min(alone, evse.info.min_a) if idle else alone, idle=idle)
    sharing.share_out(turn, supply, own)


def desired_output(turn: Turn, evse: EvseState) -> Output:
    """The level that follows from the state."""
    limit = limits.binding(bounds(evse), min_a=evse.info.min_a)
    evse.limit = limit
    ready = evse.pilot.connected and energy_allowed(turn, evse) and limit.current_a > 0
    phases = allowance.wanted_phases(evse)
    switching = _must_switch(evse, phases)
    if switching and evse.output is not None:
        phases = evse.output.phases  # the contactor opens first: phases are not switched under load
    hindrance = safety.hindrance(turn, evse) if ready else None
    offer = ready and lock_confirmed(evse) and not switching and hindrance is None
    wants = evse.pilot.wants_energy and not _lacks_ventilation(evse)
    fault = stopping_fault(turn, evse)
    permit = offer and wants and evse.pilot.offered
    drawn = safety.lets_go(turn, evse) if wants and fault is None and lock_confirmed(evse) else None
    if drawn is not None and not offer:
        permit, phases = True, drawn.phases
    if offer:
        cause = limit.cause
    elif ready and switching:
        cause = SWITCHING
    else:
        cause = hindrance or _cause_of_none(turn, evse)
    return Output(
        evse=evse.number,
        permit=permit,
        current_a=safety.steady_a(turn, evse, limit.current_a) if offer else 0.0,
        pilot=_pilot_signal(evse, fault, offer=offer),
        locked=_locked(evse, ready=ready),
        phases=phases,
        cause=cause,
        lock_attempt=evse.lock_attempt,
    )


def _pilot_signal(evse: EvseState, fault: FaultCode | None, *, offer: bool) -> PilotSignal:
    step = safety.step_signal(evse)
    if step is not None:
        return step
    if evse.rcd is not None and evse.rcd.asks and fault in (FaultCode.GROUND_FAILURE, FaultCode.INTERNAL_ERROR):
        return PilotSignal.OFF  # it is about to be tested, if nobody is there: that has to be seen
    if fault is not None and evse.pilot.seen is PilotState.A and FaultCode.PILOT_FAULT not in evse.faults:
        return PilotSignal.FAULT  # only where nobody is for certain: under -12 V nobody sees the plug being pulled
    return PilotSignal.PWM if offer else PilotSignal.OFF


def _must_switch(evse: EvseState, phases: int) -> bool:
    """Whether the number of phases is another than the one that the closed contactor has."""
    return evse.output is not None and evse.output.phases != phases and (evse.relay_closed or evse.output.permit)


def _lacks_ventilation(evse: EvseState) -> bool:
    """State D at an EVSE without ventilation gets no power (IEC 61851-1)."""
    return evse.pilot.wants_ventilation and not evse.info.ventilated


def _locked(evse: EvseState, *, ready: bool) -> bool:
    if evse.info.fixed_cable or not evse.info.has_lock:
        return False
    tx = evse.open_tx
    # E10.FR.01: stays locked until the id is presented; but a plug that cannot be locked is given back.
    suspended = tx is not None and evse.authorized and tx.was_connected and not evse.jammed_locking
    checking = evse.auth is not None and not evse.auth.holds and evse.lock is LockState.LOCKED
    return ready or suspended or checking or evse.lock_holder is not None or evse.relay_closed


def _cause_of_none(turn: Turn, evse: EvseState) -> str:
    """Why nothing is offered, in words a person understands."""
    fault = stopping_fault(turn, evse)
    if fault is not None:
        return f"fault {fault.value}"
    if turn.state.save_failed:
        return "storage failed"
    if turn.state.stopping:
        return "the station is stopping"
    if not evse.pilot.connected:
        return "no vehicle"
    if evse.auth is None:
        return "not authorised"
    if evse.auth.state is AuthState.PENDING:
        return "asking the CSMS"
    if evse.auth.state is AuthState.INVALID:
        return "authorisation withdrawn"
    untested = None if evse.rcd is None else evse.rcd.hindrance(connected=True)
    if untested is not None or not _has_transaction(turn, evse):
        return untested or "no transaction"
    if evse.limit.current_a > 0 and not lock_confirmed(evse):
        return "waiting for the lock"
    return evse.limit.cause


def charging_state(turn: Turn, evse: EvseState) -> ChargingState:
    """ChargingStateEnumType from everything else."""
    if not evse.pilot.connected:
        return ChargingState.IDLE
    if not evse.authorized:
        return ChargingState.EV_CONNECTED
    if not energy_allowed(turn, evse) or evse.limit.current_a <= 0 or _lacks_ventilation(evse):
        return ChargingState.SUSPENDED_EVSE
    tx = evse.open_tx
    before = tx.charging_state if tx else ChargingState.EV_CONNECTED
    if evse.pilot.wants_energy:
        if evse.relay_closed:  # without an offer it only stops drawing, until the next one
            return ChargingState.CHARGING if evse.pilot.offered else ChargingState.SUSPENDED_EVSE
        return before if before is not ChargingState.IDLE else ChargingState.EV_CONNECTED  # the contactor is on its way
    if evse.ev_reacted and (evse.pilot.offered or evse.safety.tries):  # it is being woken up: still asleep
        return ChargingState.SUSPENDED_EV
    if before is ChargingState.SUSPENDED_EVSE or (before is ChargingState.CHARGING and not evse.pilot.offered):
        return ChargingState.SUSPENDED_EVSE  # it is on its way back from a pause, or phases are being switched
    return ChargingState.EV_CONNECTED  # the vehicle has not had its time to react yet


def phase(evse: EvseState) -> ConnectorPhase:
    """The finer state of the connector in use (the nine words of 1.6)."""
    state = evse.connector.availability
    if state is not ConnectorState.AVAILABLE and state is not ConnectorState.OCCUPIED:
        return ConnectorPhase(state.value)
    tx = evse.tx
    if tx is not None and not tx.open and evse.shown:
        # Until the end is recorded, nothing looks different (a Finishing must not overtake it).
        return _last_phase(evse)
    if tx is not None and tx.was_connected and tx.token is not None:
        if evse.authorized:
            return _running_phase(tx.charging_state)
        return ConnectorPhase.SUSPENDED_EVSE  # stopped, but by TxStopPoint the transaction goes on: not yet Finishing
    if state is ConnectorState.OCCUPIED and evse.session_done and evse.auth is None:
        return ConnectorPhase.FINISHING
    if state is ConnectorState.OCCUPIED or evse.authorized:
        return ConnectorPhase.PREPARING
    return ConnectorPhase.AVAILABLE


def _last_phase(evse: EvseState) -> ConnectorPhase:
    return evse.shown[evse.connectors.index(evse.connector)][1]


def _running_phase(state: ChargingState) -> ConnectorPhase:
    match state:
        case ChargingState.CHARGING:
            return ConnectorPhase.CHARGING
        case ChargingState.SUSPENDED_EVSE:
            return ConnectorPhase.SUSPENDED_EVSE
        case ChargingState.EV_CONNECTED:
            return ConnectorPhase.PREPARING
        case ChargingState.SUSPENDED_EV | ChargingState.IDLE:
            return ConnectorPhase.SUSPENDED_EV


def lamp(turn: Turn, evse: EvseState) -> Lamp:
    if stopping_fault(turn, evse) is not None or turn.state.save_failed:
        return Lamp.FAULT
    if evse.connector.availability is ConnectorState.UNAVAILABLE:
        return Lamp.UNAVAILABLE
    if evse.open_tx is not None and evse.authorized and evse.pilot.connected:
        return Lamp.CHARGING if evse.open_tx.charging_state is ChargingState.CHARGING else Lamp.PAUSED
    if evse.pilot.connected and evse.tx is not None and not evse.tx.open:
        return Lamp.OCCUPIED
    if evse.pilot.connected and not evse.authorized and not evse.session_done:
        return Lamp.WAITING_FOR_AUTHORIZATION
    if evse.pilot.connected or evse.auth is not None:
        return Lamp.OCCUPIED
    return Lamp.AVAILABLE


def show(turn: Turn, evse: EvseState) -> None:
    """Emit whatever of output and lamp differs from what was last emitted."""
    allowance.refresh(turn, evse)
    share_out(turn)
    _signal(turn, evse, desired_output(turn, evse).pilot)
    # Only now does the pilot count as offered: a second look, so that a vehicle already in C gets its permit at once.
    output = desired_output(turn, evse)
    if output != evse.output:
        safety.changed(turn, evse, evse.output, output)
        _time_the_change(turn, evse, output)
        evse.output = output
        turn.emit(output)
        if output.cause is SWITCHING and not evse.relay_closed:
            turn.state.charging.unsettled.add(evse.number)  # nothing has to open: go on at once
    evse.held_back = _holds_back(turn, evse)
    safety.watch(turn, evse, output, evse.limit.current_a)
    _watch_lock(turn, evse, output)
    shown_lamp = lamp(turn, evse)
    if shown_lamp is not evse.lamp:
        evse.lamp = shown_lamp
        turn.emit(Indicate(evse.number, shown_lamp))


def _signal(turn: Turn, evse: EvseState, signal: PilotSignal) -> None:
    """The signal as the vehicle will see it. An offer that begins, also after a pause, gives it its time to react."""
    before = evse.pilot.offered
    evse.pilot.signal(signal)
    if evse.pilot.offered and not before and not evse.pilot.wants_energy and not evse.safety.tries:
        evse.ev_reacted = False
        turn.timer("react", evse.number, EV_REACTION_S)


def _time_the_change(turn: Turn, evse: EvseState, output: Output) -> None:
    """When less was offered than before, and when the offer last changed: readings of before say nothing about it."""
    before = evse.output.current_a if evse.output is not None else 0.0
    if output.current_a != before:
        evse.steady = turn.now.mono
    if output.current_a < before:
        evse.eased = turn.now.mono


def _watch_lock(turn: Turn, evse: EvseState, output: Output) -> None:
    """A bolt that does not answer has failed as well as one that jams (G05.FR.01)."""
    awaited = output.locked and evse.lock is LockState.UNLOCKED and FaultCode.CONNECTOR_LOCK_FAILURE not in evse.faults
    if not awaited:
        turn.cancel("lock", evse.number)
    elif ("lock", evse.number) not in turn.state.timers:
        turn.timer("lock", evse.number, LOCK_WAIT_S)


def announce(turn: Turn, evse: EvseState, *, forced: bool = False) -> None:
    """Notices of the connectors' states: of those that changed, or of all when asked to."""
    fault = next(iter(evse.faults), None) or next(iter(turn.state.faults), None)
    in_use = evse.connector
    shown = tuple((c.availability, phase(evse) if c is in_use else _plain(c.availability)) for c in evse.connectors)
    if shown == evse.shown and fault is evse.shown_fault and not forced:
        return
    if shown != evse.shown or fault is not evse.shown_fault or evse.shown_since is None:
        evse.shown_since = turn.now
    before, evse.shown = evse.shown, shown
    all_of_them = forced or fault is not evse.shown_fault or not before
    evse.shown_fault = fault
    for index, connector in enumerate(evse.connectors):
        if not all_of_them and shown[index] == before[index]:
            continue
        state, finer = shown[index]
        turn.emit(
            Notice(
                ConnectorNotice(
                    evse=evse.number,
                    connector=connector.number,
                    state=state,
                    phase=finer,
                    since=evse.shown_since,
                    fault=fault,
                    info=_info(turn, evse, fault, finer),
                    forced=forced,
                )
            )
        )


def _info(turn: Turn, evse: EvseState, fault: FaultCode | None, finer: ConnectorPhase) -> str:
    """In words: what is wrong, or what keeps the vehicle waiting."""
    if fault is not None:
        return evse.faults.get(fault, turn.state.faults.get(fault, ""))
    if finer is ConnectorPhase.SUSPENDED_EVSE and evse.output is not None:
        return evse.output.cause
    return ""


def _plain(state: ConnectorState) -> ConnectorPhase:
    return ConnectorPhase.PREPARING if state is ConnectorState.OCCUPIED else ConnectorPhase(state.value)


def announce_station(turn: Turn, *, forced: bool = False) -> None:
    """Notice of the station itself (connector 0 of 1.6)."""
    state = turn.state
    stopping = next((code for code in state.faults if faults.stops_energy(code)), None)
    if stopping is not None:
        summary = ConnectorState.FAULTED
    else:
        summary = ConnectorState.AVAILABLE if state.operative else ConnectorState.UNAVAILABLE
    fault = next(iter(state.faults), None)
    shown: Shown = (summary, ConnectorPhase(summary.value))
    if shown == state.shown and fault is state.shown_fault and not forced:
        return
    state.shown, state.shown_fault = shown, fault
    turn.emit(
        Notice(
            ConnectorNotice(
                evse=0,
                connector=0,
                state=summary,
                phase=shown[1],
                since=turn.now,
                fault=fault,
                info=state.faults.get(fault, "") if fault else "",
                forced=forced,
            )
        )
    )
