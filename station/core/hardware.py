"""What the hardware tells: pilot, proximity, contactor, lock, bay, meter and faults of one EVSE."""

from __future__ import annotations

from typing import assert_never

from hal.api import (
    BayChanged,
    FaultCode,
    LockChanged,
    LockState,
    MeterRead,
    MeterReading,
    PilotChanged,
    PilotState,
    PowerPathChanged,
    ProximityChanged,
)
from station.core import alerts, faults, latched, metering, permission, safety, session, unlocking
from station.core import evse as rules
from station.core.events import MeterFailed
from station.core.faults import Recovery
from station.core.state import EvseState, Turn
from station.core.transaction import Ending
from station.core.types import StopReason, Trigger

HardwareEvent = PilotChanged | ProximityChanged | PowerPathChanged | LockChanged | BayChanged | MeterRead | MeterFailed


def happened(turn: Turn, evse: EvseState, event: HardwareEvent) -> None:
    match event:
        case PilotChanged(state=seen):
            _pilot(turn, evse, seen)
        case ProximityChanged(cable_a=cable_a):
            _cable(turn, evse, cable_a)
        case PowerPathChanged(closed=closed):
            _power_path(turn, evse, closed=closed)
        case LockChanged(state=lock):
            _lock(turn, evse, lock)
        case BayChanged(occupied=occupied):
            if occupied is not evse.bay_occupied:
                evse.bay_occupied = occupied
                session.settle(turn, evse, Trigger.EV_DETECTED if occupied else Trigger.EV_DEPARTED)
        case MeterRead(reading=reading):
            session.reading_came(turn, evse, reading)
            overdrawn(turn, evse, reading)
            _show_derating(turn, evse)
            if FaultCode.METER_FAILURE in evse.faults:
                set_fault(turn, evse, FaultCode.METER_FAILURE, active=False)
        case MeterFailed(reason=reason):
            if session.reading_failed(turn, evse):
                set_fault(turn, evse, FaultCode.METER_FAILURE, active=True, info=reason)
        case _:
            assert_never(event)


# --- pilot and cable ------------------------------------------------------------------------------------------------


def _pilot(turn: Turn, evse: EvseState, seen: PilotState) -> None:
    if safety.own_f(turn, evse, seen):
        return
    was = evse.pilot.connected
    safety.before_seen(turn, evse, seen)
    evse.pilot.see(seen)
    if evse.pilot.wants_energy:
        evse.ev_reacted = True
        turn.cancel("react", evse.number)
    if seen is PilotState.E and FaultCode.PILOT_FAULT not in evse.faults:
        # A short or a dead pilot supply; it clears when the vehicle is unplugged (IEC 61851-1 A.4.5).
        conclude(turn, evse, FaultCode.PILOT_FAULT, active=True, info="control pilot at 0 V")
    elif seen is PilotState.A:
        _unplugged(turn, evse)
    _watch_ventilation(turn, evse)
    if evse.pilot.connected and not was:
        _vehicle_came(turn, evse)
    elif was and not evse.pilot.connected:
        broken = seen in (PilotState.E, PilotState.F)
        _vehicle_left(turn, evse, Trigger.ABNORMAL_CONDITION if broken else Trigger.EV_COMMUNICATION_LOST)
    else:
        session.settle(turn, evse)


def _unplugged(turn: Turn, evse: EvseState) -> None:
    """Faults that end by this, once their cause is gone: not while the hardware still tells it."""
    over = (evse.safety.waits | ({FaultCode.PILOT_FAULT} & evse.faults.keys())) - evse.reported
    for code in sorted(over, key=lambda code: code.value):
        set_fault(turn, evse, code, active=False)
    safety.vehicle_left(turn, evse)


def _watch_ventilation(turn: Turn, evse: EvseState) -> None:
    """State D where nothing ventilates: no power (station.core.evse), and told why."""
    code = FaultCode.INVALID_VEHICLE_MODE
    lacks = evse.pilot.wants_ventilation and not evse.info.ventilated
    if lacks is not (code in evse.faults) and (lacks or code not in evse.reported):
        conclude(turn, evse, code, active=lacks, info="the vehicle asks for ventilation" if lacks else "")


def overdrawn(turn: Turn, evse: EvseState, reading: MeterReading) -> None:
    """More than offered for too long: stopped, until the vehicle has been unplugged."""
    if not safety.draws_too_much(turn, evse, reading):
        return
    offered = evse.output.current_a if evse.output is not None else 0.0
    info = f"{max(map(abs, reading.current_a)):.1f} A of {offered:g} A offered"
    conclude(turn, evse, FaultCode.OVER_CURRENT_FAILURE, active=True, info=info)
    evse.safety.waits.add(FaultCode.OVER_CURRENT_FAILURE)


def clock(turn: Turn, kind: str, evse: EvseState) -> None:
    """A time of IEC 61851-1 is over (station.core.safety)."""
    code = safety.due(turn, kind, evse)
    if code is not None:
        info = "the contactor is closed and should be open: welded"
        latched.latch(turn, evse, code, info)
        conclude(turn, evse, code, active=True, info=info)
        if ("opening", evse.number) in turn.state.timers:
            session.ask_final_reading(turn, evse)  # it will not open: what the register shows now is the end
    session.settle(turn, evse)


def _vehicle_came(turn: Turn, evse: EvseState) -> None:
    """The pilot shows a vehicle (E02, E03)."""
    turn.cancel("connect", evse.number)
    evse.session_done = False
    evse.ev_reacted = evse.pilot.wants_energy
    evse.sated = None
    evse.used_phases = 0
    evse.connector.set_plugged(True)
    if evse.authorized:
        turn.timer("react", evse.number, permission.EV_REACTION_S)
    session.settle(turn, evse, Trigger.CABLE_PLUGGED_IN)
    permission.begin_free(turn, evse)


def _vehicle_left(turn: Turn, evse: EvseState, trigger: Trigger) -> None:
    """The pilot lost the vehicle: E09 (deauthorise) or E10 (wait for it to come back)."""
    _update_plugged(evse)
    auth = evse.auth
    deauthorizes = turn.model.boolean("TxCtrlr", "StopTxOnEVSideDisconnect")
    if auth is None or not auth.holds:
        session.settle(turn, evse, trigger, reason=StopReason.EV_DISCONNECTED)
    elif evse.open_tx is not None and not deauthorizes:
        session.settle(turn, evse, trigger, reason=StopReason.EV_DISCONNECTED)
        _await_return(turn, evse)
    else:
        if _holds_plug(evse) and not turn.model.boolean("OCPPCommCtrlr", "UnlockOnEVSideDisconnect"):
            evse.lock_holder = auth.token  # E09.FR.03
        permission.deauthorize(turn, evse, trigger, StopReason.EV_DISCONNECTED)
    _lock_recovers(turn, evse)


def _holds_plug(evse: EvseState) -> bool:
    """A detachable cable is in a socket that can lock it."""
    return evse.cable_a is not None and evse.info.has_lock and not evse.info.fixed_cable


def _await_return(turn: Turn, evse: EvseState) -> None:
    """E10.FR.02: a cable that nothing holds here is waited for as long as a first vehicle is. A locked one waits for its owner."""
    if evse.authorized and not evse.pilot.connected and not _holds_plug(evse):
        permission.await_vehicle(turn, evse)


def _update_plugged(evse: EvseState) -> None:
    """A detachable cable still in the socket keeps the connector occupied."""
    cable_in_socket = evse.cable_a is not None and not evse.info.fixed_cable
    evse.connector.set_plugged(evse.pilot.connected or cable_in_socket)
    if not evse.connector.plugged:
        evse.session_done = False


def _cable(turn: Turn, evse: EvseState, cable_a: float | None) -> None:
    """The proximity contact tells another cable rating, or none."""
    had, evse.cable_a = evse.cable_a, cable_a
    if cable_a is None and not evse.pilot.connected:
        evse.lock_holder = None
    _update_plugged(evse)
    session.settle(turn, evse)
    if had is not None and evse.open_tx is not None and evse.open_tx.was_connected:
        _await_return(turn, evse)


# --- power path, lock, faults ---------------------------------------------------------------------------------------


def _power_path(turn: Turn, evse: EvseState, *, closed: bool) -> None:
    was, evse.relay_closed = evse.relay_closed, closed
    metering.poll(turn, evse)
    if was and not closed and evse.tx is not None and not evse.tx.open:
        session.ask_final_reading(turn, evse)
    session.settle(turn, evse)


def _lock(turn: Turn, evse: EvseState, lock: LockState) -> None:
    evse.lock = lock
    failed = FaultCode.CONNECTOR_LOCK_FAILURE in evse.faults
    if lock is LockState.JAMMED:
        evse.jammed_locking = evse.output is not None and evse.output.locked
        _lock_failed(turn, evse, "the lock is jammed")
    elif lock is LockState.LOCKED and failed:
        set_fault(turn, evse, FaultCode.CONNECTOR_LOCK_FAILURE, active=False)
    elif lock is LockState.UNLOCKED:
        unlocking.done(turn, evse, unlocked=True)
        _lock_recovers(turn, evse)
    session.settle(turn, evse)


def lock_silent(turn: Turn, evse: EvseState) -> None:
    """The bolt did not confirm in time. It goes on being asked for: late is better than never."""
    _lock_failed(turn, evse, "the lock does not answer")


def _lock_failed(turn: Turn, evse: EvseState, info: str) -> None:
    """G05.FR.01: no charging. What jammed on its way in is not tried again before the vehicle was unplugged."""
    unlocking.done(turn, evse, unlocked=False)
    set_fault(turn, evse, FaultCode.CONNECTOR_LOCK_FAILURE, active=True, info=info)


def _lock_recovers(turn: Turn, evse: EvseState) -> None:
    if FaultCode.CONNECTOR_LOCK_FAILURE not in evse.faults or evse.lock is not LockState.UNLOCKED:
        return
    if not evse.jammed_locking or not evse.pilot.connected:
        evse.jammed_locking = False
        set_fault(turn, evse, FaultCode.CONNECTOR_LOCK_FAILURE, active=False)


def mark(turn: Turn, evse: EvseState | None, code: FaultCode, *, active: bool, info: str) -> None:
    """Add or remove a fault of an EVSE, or (None) of the station; the oldest stays first. The CSMS hears of a change."""
    faulted = turn.state.faults if evse is None else evse.faults
    changed = active is not (code in faulted)
    if active:
        faulted[code] = info
    else:
        faulted.pop(code, None)
    if changed:
        alerts.changed(turn, evse, code, active=active, info=info)


def set_fault(turn: Turn, evse: EvseState, code: FaultCode, *, active: bool, info: str = "") -> None:
    """A fault of this EVSE begins or ends. One that is latched goes on until somebody resets it, others until the plug is pulled."""
    if not latched.noticed(turn, evse, code, active=active, info=info):
        return
    evse.safety.waits.discard(code)
    stays = evse.pilot.seen is not PilotState.A and faults.POLICY[code].recovery is Recovery.UNPLUG
    if not active and code in evse.faults and stays:
        evse.safety.waits.add(code)
        return
    mark(turn, evse, code, active=active, info=info)
    fault_changed(turn, evse, code, active=active)


def conclude(turn: Turn, evse: EvseState, code: FaultCode, *, active: bool, info: str = "") -> None:
    """A fault that the station sees by itself begins or ends; it does not end while the hardware reports it too."""
    if active or (code not in evse.reported and not latched.is_latched(evse, code)):
        mark(turn, evse, code, active=active, info=info)
        fault_changed(turn, evse, code, active=active)


def _show_derating(turn: Turn, evse: EvseState) -> None:
    """A hot connector gets less: said, though nothing stops (MREC 18). Once, and not for every degree."""
    code, derated_a = FaultCode.CABLE_OVER_TEMP_DERATE, evse.derated_a
    if (derated_a is not None) is not (code in evse.faults):
        info = "" if derated_a is None else f"at most {derated_a:g} A for the temperature of the connector"
        conclude(turn, evse, code, active=derated_a is not None, info=info)
        if not evse.relay_closed:
            metering.poll(turn, evse)


def set_station_fault(turn: Turn, code: FaultCode, *, active: bool, info: str = "") -> None:
    """The same of the station as a whole: it concerns every EVSE."""
    if not latched.noticed(turn, turn.state, code, active=active, info=info):
        return
    mark(turn, None, code, active=active, info=info)
    rules.announce_station(turn)
    for evse in turn.state.evses.values():
        fault_changed(turn, evse, code, active=active)


def fault_changed(turn: Turn, evse: EvseState, code: FaultCode, *, active: bool) -> None:
    """What a fault of the EVSE, or of the station, means for this EVSE."""
    faulted = rules.stopping_fault(turn, evse) is not None
    for connector in evse.connectors:
        connector.set_faulted(faulted)
    if active and faults.stops_energy(code):
        safety.fault_begins(turn, evse, code)
    elif not active and not faulted:
        safety.faults_over(turn, evse)
    reason = faults.ends_with(code) if active else None
    if reason is not None and evse.open_tx is not None:
        session.begin_ending(turn, evse, Ending(reason, Trigger.ABNORMAL_CONDITION, turn.now))  # E06.FR.16
    session.settle(turn, evse)
