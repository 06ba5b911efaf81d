"""Commands of a CSMS or a technician: check, do, and reply with a 2.x status word."""

from __future__ import annotations

from hal.api import LockState
from station.core import authorize, metering, session
from station.core import evse as rules
from station.core.effects import Output, Reboot, Record, Reply, Save, SettingChanged
from station.core.events import (
    ChangeAvailability,
    RemoteStart,
    RemoteStop,
    Reset,
    SetVariables,
    TriggerMeterValues,
    TriggerStatus,
    TriggerTransaction,
    Unlock,
)
from station.core.facts import SecurityFact
from station.core.state import EvseState, Turn
from station.core.transaction import Ending
from station.core.types import ConnectorState, ResetKind, StopReason, Trigger, Verdict

ACCEPTED = Verdict("Accepted")
UNLOCK_WAIT_S = 5.0
_RESET_REASON = {
    ResetKind.IMMEDIATE: StopReason.IMMEDIATE_RESET,
    ResetKind.ON_IDLE: StopReason.IMMEDIATE_RESET,
    ResetKind.HARD: StopReason.HARD_RESET,
    ResetKind.SOFT: StopReason.SOFT_RESET,
}


def rejected(reason: str, info: str | None = None) -> Verdict:
    return Verdict("Rejected", reason, info)


def reply(turn: Turn, ref: int, verdict: Verdict) -> None:
    turn.emit(Reply(ref, verdict))


# --- remote start and stop ------------------------------------------------------------------------------------------


def remote_start(turn: Turn, command: RemoteStart) -> None:
    """F01, F02. The reply comes first; authorisation and everything after it follow from the same turn."""
    if turn.state.save_failed or turn.state.reset is not None or turn.state.stopping:
        reply(turn, command.ref, rejected("InternalError" if turn.state.save_failed else "ReadyToReset"))
        return
    evse = _evse_for_remote_start(turn, command)
    if isinstance(evse, Verdict):
        reply(turn, command.ref, evse)
        return
    tx = evse.open_tx
    reply(turn, command.ref, Verdict("Accepted", data={"transactionId": tx.tx_id} if tx else {}))
    if turn.model.boolean("AuthCtrlr", "AuthorizeRemoteStart"):  # F01.FR.01, F02.FR.01
        session.begin_authorization(
            turn, evse, command.token, remote_start_id=command.remote_start_id, remote=True, group=command.group
        )
    else:
        session.begin_accepted(turn, evse, command.token, remote_start_id=command.remote_start_id, group=command.group)


def _evse_for_remote_start(turn: Turn, command: RemoteStart) -> EvseState | Verdict:
    evses = turn.state.evses
    if command.evse is not None:
        evse = evses.get(command.evse)
        if evse is None:
            return rejected("UnknownEvse", f"evse {command.evse}")
        return _can_start(turn, evse) or evse
    free = [evse for evse in evses.values() if _can_start(turn, evse) is None]
    # F02: the station chooses; a vehicle that already waits is the likeliest one.
    waiting = [evse for evse in free if evse.pilot.connected]
    chosen = waiting or free
    return chosen[0] if chosen else rejected("NoEvse" if not evses else "Occupied", "no EVSE is free")


def _can_start(turn: Turn, evse: EvseState) -> Verdict | None:
    """None when it can, else the refusal (F01.FR.21-24)."""
    state = evse.connector.availability
    if state is ConnectorState.FAULTED or rules.stopping_fault(turn, evse) is not None:
        return rejected("InternalError", "the EVSE is faulted")
    if state is ConnectorState.UNAVAILABLE or evse.connector.inoperative:
        return rejected("NotEnabled", "the EVSE is unavailable")
    if evse.auth is not None or evse.lock_holder is not None:
        return rejected("TxInProgress", "the EVSE is authorised for another token")
    if evse.tx is not None and not evse.tx.open:
        return rejected("TxInProgress", "the EVSE is ending a transaction")
    return None


def remote_stop(turn: Turn, command: RemoteStop) -> None:
    """F03."""
    for evse in turn.state.evses.values():
        tx = evse.open_tx
        if tx is not None and tx.tx_id == command.tx_id:
            reply(turn, command.ref, ACCEPTED)
            if evse.auth is not None:
                session.deauthorize(turn, evse, Trigger.REMOTE_STOP, StopReason.REMOTE)
            else:  # nobody is authorised: what is left of it ends (F03.FR.02)
                session.begin_ending(turn, evse, Ending(StopReason.REMOTE, Trigger.REMOTE_STOP, turn.now))
                session.settle(turn, evse)
            return
    reply(turn, command.ref, rejected("TxNotFound", command.tx_id))


# --- unlock ---------------------------------------------------------------------------------------------------------


def unlock(turn: Turn, command: Unlock) -> None:
    """F05; in 1.6 it stops a running transaction first."""
    evse = turn.state.evses.get(command.evse)
    if evse is None or not 1 <= command.connector <= len(evse.connectors):
        reply(turn, command.ref, Verdict("UnknownConnector", "UnknownConnectorId"))
        return
    if evse.authorized and evse.open_tx is not None:
        if not command.stops_transaction:  # F05.FR.02
            reply(turn, command.ref, Verdict("OngoingAuthorizedTransaction"))
            return
        session.deauthorize(turn, evse, Trigger.UNLOCK_COMMAND, StopReason.UNLOCK_COMMAND)
    if not evse.info.has_lock or evse.info.fixed_cable:
        reply(turn, command.ref, Verdict("UnlockFailed", "NotEnabled", "this connector has no lock"))
        return
    evse.lock_holder = None
    if evse.lock is LockState.UNLOCKED and not evse.relay_closed:
        reply(turn, command.ref, Verdict("Unlocked"))
        return
    if evse.unlock_ref is not None:
        reply(turn, evse.unlock_ref, Verdict("UnlockFailed", info="asked again"))
    evse.unlock_ref = command.ref
    turn.timer("unlock", evse.number, UNLOCK_WAIT_S)
    session.settle(turn, evse)
    if evse.output is not None and evse.lock is LockState.JAMMED:
        turn.emit(Output(evse.number, False, 0.0, evse.output.pilot, False, evse.output.phases, evse.output.cause))


def unlock_done(turn: Turn, evse: EvseState, *, unlocked: bool) -> None:
    """The lock moved, or did not in time: answer whoever asked."""
    if evse.unlock_ref is None:
        return
    reply(turn, evse.unlock_ref, Verdict("Unlocked") if unlocked else Verdict("UnlockFailed"))
    evse.unlock_ref = None
    turn.cancel("unlock", evse.number)


# --- availability ---------------------------------------------------------------------------------------------------


def change_availability(turn: Turn, command: ChangeAvailability) -> None:
    """G03, G04: persistent; during a transaction it is scheduled for its end."""
    state = turn.state
    if command.evse == 0:
        targets = list(state.evses.values())
    elif command.evse in state.evses:
        targets = [state.evses[command.evse]]
    else:
        reply(turn, command.ref, rejected("UnknownEvse", f"evse {command.evse}"))
        return
    if command.connector is not None and not 1 <= command.connector <= len(targets[0].connectors):
        reply(turn, command.ref, rejected("UnknownConnectorId", f"connector {command.connector}"))
        return
    if command.evse == 0:
        state.operative = command.operative
        rules.announce_station(turn)
    scheduled = False
    for evse in targets:
        scheduled |= _set_operative(turn, evse, command.connector, operative=command.operative)
    turn.save("availability", "station", {"operative": state.operative})
    reply(turn, command.ref, Verdict("Scheduled") if scheduled else ACCEPTED)


def _set_operative(turn: Turn, evse: EvseState, number: int | None, *, operative: bool) -> bool:
    """True when a transaction delays it."""
    busy = evse.tx is not None or evse.auth is not None
    for connector in evse.connectors:
        if number is not None and connector.number != number:
            continue
        key = f"{evse.number}/{connector.number}"
        turn.save("availability", key, {"operative": operative})
        if busy and not operative:
            connector.inoperative = True  # in force when the transaction ends
        else:
            connector.set_operative(operative)
    session.settle(turn, evse)
    return busy and not operative


# --- reset ----------------------------------------------------------------------------------------------------------


def reset(turn: Turn, command: Reset) -> None:
    """B11, B12; 1.6 Hard and Soft end transactions with their own reason."""
    state = turn.state
    if command.evse != 0:
        _reset_evse(turn, command)
        return
    if state.reset is not None:
        reply(turn, command.ref, rejected("ReadyToReset", "a reset is under way"))
        return
    state.reset = command.kind
    busy = any(evse.tx is not None for evse in state.evses.values())
    on_idle = command.kind is ResetKind.ON_IDLE
    reply(turn, command.ref, Verdict("Scheduled") if busy and on_idle else ACCEPTED)
    turn.emit(Record(SecurityFact("ResetOrReboot", turn.now, command.kind.value)))
    if not on_idle:
        for evse in state.evses.values():
            _end_for_reset(turn, evse, command.kind)
    continue_reset(turn)


def _end_for_reset(turn: Turn, evse: EvseState, kind: ResetKind) -> None:
    if evse.open_tx is not None:
        session.begin_ending(turn, evse, Ending(_RESET_REASON[kind], Trigger.RESET_COMMAND, turn.now))
    evse.auth = None
    session.settle(turn, evse)


def _reset_evse(turn: Turn, command: Reset) -> None:
    """B11.FR.08, B12.FR.07: only this EVSE; its transaction ends and its outputs start from nothing."""
    evse = turn.state.evses.get(command.evse)
    if evse is None:
        reply(turn, command.ref, rejected("UnknownEvse", f"evse {command.evse}"))
        return
    if evse.tx is not None and command.kind is ResetKind.ON_IDLE:
        reply(turn, command.ref, Verdict("Scheduled"))
        return
    reply(turn, command.ref, ACCEPTED)
    _end_for_reset(turn, evse, command.kind)


def continue_reset(turn: Turn) -> None:
    """Reboot as soon as no transaction is left."""
    state = turn.state
    if state.reset is None or state.reset_ready or any(evse.tx is not None for evse in state.evses.values()):
        return
    state.reset_ready = True
    reason = "ScheduledReset" if state.reset is ResetKind.ON_IDLE else "RemoteReset"
    turn.save("station", "boot", {"reason": reason})
    turn.emit(Reboot(reason))


# --- settings and triggers ------------------------------------------------------------------------------------------


def set_variables(turn: Turn, command: SetVariables) -> None:
    """B05: every item for itself, in order."""
    results = []
    for write in command.writes:
        result = turn.model.write(write, by_technician=command.by_technician)
        results.append(result)
        key = result.key
        if key is None or not result.changed:
            continue
        definition = turn.model.find(
            key.component,
            key.variable,
            component_instance=key.component_instance,
            variable_instance=key.variable_instance,
            evse=key.evse,
            connector=key.connector,
        )
        if definition is not None and definition.persistent:
            turn.emit(Save("variable", key.row, {"value": turn.model.value(key)}))
        turn.emit(SettingChanged(key.component, key.variable))
        if key.component in ("SampledDataCtrlr", "AlignedDataCtrlr") and "Interval" in key.variable:
            metering.interval_changed(turn)
    reply(turn, command.ref, Verdict("Accepted", data={"results": results}))


def clear_cache(turn: Turn, ref: int) -> None:
    """C11."""
    reply(turn, ref, ACCEPTED if authorize.forget_all(turn) else rejected("NotEnabled", "the cache is off"))


def _targets(turn: Turn, number: int | None) -> list[EvseState] | None:
    if number is None or number == 0:
        return list(turn.state.evses.values())
    evse = turn.state.evses.get(number)
    return None if evse is None else [evse]


def trigger_status(turn: Turn, command: TriggerStatus) -> None:
    """F06: announce states again, changed or not."""
    targets = _targets(turn, command.evse)
    if targets is None:
        reply(turn, command.ref, rejected("UnknownEvse"))
        return
    reply(turn, command.ref, ACCEPTED)
    if command.evse is None or command.evse == 0:
        rules.announce_station(turn, forced=True)
    if command.evse != 0:
        for evse in targets:
            rules.announce(turn, evse, forced=True)


def trigger_meter_values(turn: Turn, command: TriggerMeterValues) -> None:
    """F06: AlignedDataMeasurands now."""
    targets = _targets(turn, command.evse)
    if targets is None:
        reply(turn, command.ref, rejected("UnknownEvse"))
        return
    reply(turn, command.ref, ACCEPTED)
    for evse in targets:
        if evse.info.has_meter:
            metering.trigger(turn, evse, transaction=False)


def trigger_transaction(turn: Turn, command: TriggerTransaction) -> None:
    """F06.FR.07: one fact per running transaction; rejected when none runs."""
    targets = [evse for evse in _targets(turn, command.evse) or [] if evse.open_tx is not None]
    if not targets:
        reply(turn, command.ref, rejected("TxNotFound", "no transaction is running"))
        return
    reply(turn, command.ref, ACCEPTED)
    for evse in targets:
        metering.trigger(turn, evse, transaction=True)
