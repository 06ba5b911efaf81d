"""Commands of a CSMS or a technician: check, do, and reply with a 2.x status word and a reason code of the OCA's list."""

from __future__ import annotations

from typing import assert_never

from station.core import (
    allowance,
    authorize,
    availability,
    diagnostics,
    firmware,
    metering,
    networking,
    permission,
    repair,
    resetting,
    session,
    smart,
    unlocking,
)
from station.core import evse as rules
from station.core.effects import Reply, Save, SettingChanged
from station.core.events import (
    ChangeAvailability,
    ClearCache,
    ClearProfiles,
    Command,
    GetComposite,
    GetLog,
    InstallProfile,
    RaiseSecurityProfile,
    RemoteStart,
    RemoteStop,
    Reset,
    ResetFault,
    SetNeeds,
    SetNetworkProfile,
    SetVariables,
    TriggerFirmwareStatus,
    TriggerLogStatus,
    TriggerMeterValues,
    TriggerStatus,
    TriggerTransaction,
    Unlock,
    UpdateFirmware,
)
from station.core.recording import security
from station.core.state import Authorization, AuthState, EvseState, Turn
from station.core.types import ConnectorState, Verdict

ACCEPTED = Verdict("Accepted")
# What these change must outlive a restart. While nothing can be saved they are refused whole: a command that was answered
# with Rejected must not take effect when the disk works again.
_MUST_BE_SAVED = (
    ChangeAvailability,
    ClearCache,
    Reset,
    SetVariables,
    SetNetworkProfile,
    RaiseSecurityProfile,
    GetLog,
    UpdateFirmware,
    InstallProfile,
    ClearProfiles,
    ResetFault,
)


def obey(turn: Turn, command: Command) -> None:
    """Carry out a command; exactly one Reply follows, in this turn or (Unlock) a little later."""
    if turn.state.save_failed and isinstance(command, _MUST_BE_SAVED):
        reply(turn, command.ref, _CANNOT_SAVE)
        return
    match command:
        case RemoteStart():
            remote_start(turn, command)
        case RemoteStop():
            remote_stop(turn, command)
        case Unlock():
            unlocking.unlock(turn, command)
        case ChangeAvailability():
            change_availability(turn, command)
        case Reset():
            resetting.reset(turn, command)
        case SetVariables():
            set_variables(turn, command)
        case ClearCache(ref=ref):
            clear_cache(turn, ref)
        case TriggerStatus() | TriggerMeterValues() | TriggerTransaction():
            _trigger(turn, command)
        case SetNetworkProfile() | RaiseSecurityProfile() | GetLog() | UpdateFirmware():
            _manage(turn, command)
        case _:
            _obey_owner(turn, command)


def _obey_owner(turn: Turn, command: TriggerLogStatus | TriggerFirmwareStatus | ResetFault | smart.Commands) -> None:
    """Commands whose block has a module of its own."""
    match command:
        case InstallProfile() | ClearProfiles() | GetComposite() | SetNeeds():
            smart.obey(turn, command)
        case TriggerLogStatus():
            diagnostics.trigger(turn, command)
        case TriggerFirmwareStatus():
            firmware.trigger(turn, command)
        case ResetFault():
            repair.reset_faults(turn, command)
        case _:
            assert_never(command)


def _manage(turn: Turn, command: SetNetworkProfile | RaiseSecurityProfile | GetLog | UpdateFirmware) -> None:
    """What an operator does to the station rather than to a session."""
    match command:
        case SetNetworkProfile():
            networking.set_profile(turn, command)
        case RaiseSecurityProfile():
            networking.raise_profile(turn, command)
        case GetLog():
            diagnostics.get_log(turn, command)
        case UpdateFirmware():
            firmware.update(turn, command)
        case _:
            assert_never(command)


def rejected(reason: str, info: str | None = None) -> Verdict:
    return Verdict("Rejected", reason, info)


_CANNOT_SAVE = rejected("InternalError", "the station cannot save")


def reply(turn: Turn, ref: int, verdict: Verdict) -> None:
    turn.emit(Reply(ref, verdict))


# --- remote start and stop ------------------------------------------------------------------------------------------


def remote_start(turn: Turn, command: RemoteStart) -> None:
    """F01, F02. The reply comes first; authorisation and everything after it follow from the same turn."""
    if command.group is not None and authorize.is_master_group(turn, command.group):
        reply(turn, command.ref, rejected("InvalidIdToken", "a master pass starts nothing"))  # C16.FR.03
        return
    found = _station_refusal(turn) or _evse_for_remote_start(turn, command)
    if isinstance(found, Verdict):
        reply(turn, command.ref, found)
        return
    profile = command.profile if command.profile is not None and allowance.enabled(turn) else None  # F01.FR.12
    refusal = smart.judge(turn, profile, found.number, command.rules, remote_start=True) if profile else None
    if refusal is not None:
        reply(turn, command.ref, refusal)  # K05.FR.02, FR.05
        return
    tx = found.open_tx
    reply(turn, command.ref, Verdict("Accepted", data={"transactionId": tx.tx_id} if tx else {}))
    auth = Authorization(
        command.token, AuthState.PENDING, command.group, remote=True, remote_start_id=command.remote_start_id
    )
    auth.profile = None if profile is None else (profile, command.rules)
    if turn.model.boolean("AuthCtrlr", "AuthorizeRemoteStart"):  # F01.FR.01, F02.FR.09
        permission.begin_authorization(turn, found, auth)
    else:  # F01.FR.02, F02.FR.10
        found.auth = auth
        permission.accept(turn, found, auth, None)


def _station_refusal(turn: Turn) -> Verdict | None:
    state = turn.state
    if state.save_failed:
        return _CANNOT_SAVE
    if state.reset is not None or state.stopping:
        return rejected("Unspecified", "the station is about to restart")
    return None


def _evse_for_remote_start(turn: Turn, command: RemoteStart) -> EvseState | Verdict:
    evses = turn.state.evses
    if command.evse is not None:
        evse = evses.get(command.evse)
        if evse is None:
            return rejected("UnknownEvse", f"evse {command.evse}")
        return _cannot_start(turn, evse) or evse
    refusals = [_cannot_start(turn, evse) for evse in evses.values()]
    free = [evse for evse, refusal in zip(evses.values(), refusals, strict=True) if refusal is None]
    # F02.FR.22: the station chooses; a vehicle that already waits is the likeliest one.
    waiting = [evse for evse in free if evse.pilot.connected]
    if waiting or free:
        return (waiting or free)[0]
    reasons = {refusal.reason for refusal in refusals if refusal is not None}
    return rejected((reasons.pop() if len(reasons) == 1 else None) or "Unspecified", "no EVSE is free")


def _cannot_start(turn: Turn, evse: EvseState) -> Verdict | None:
    """None when it can, else the refusal (F01.FR.21-24, F02.FR.25, FR.26)."""
    state = evse.connector.availability
    if state is ConnectorState.FAULTED or rules.stopping_fault(turn, evse) is not None:
        return rejected("InternalError", "the EVSE is faulted")
    if state is ConnectorState.UNAVAILABLE or not availability.wanted(turn, evse, evse.connector):
        return rejected("NotEnabled", "the EVSE is unavailable")
    if evse.auth is not None or evse.lock_holder is not None:
        return rejected("TxInProgress", "the EVSE is authorised for another token")
    if evse.tx is not None and (not evse.tx.open or evse.tx.token is not None):
        return rejected("TxInProgress", "the transaction at this EVSE was authorised before")
    if evse.tx is None and not rules.may_begin(turn, evse):
        return rejected("CSNotAccepted", "the CSMS has not accepted this station yet")
    return None


def remote_stop(turn: Turn, command: RemoteStop) -> None:
    """F03."""
    for evse in turn.state.evses.values():
        if evse.open_tx is not None and evse.open_tx.tx_id == command.tx_id:
            reply(turn, command.ref, ACCEPTED)  # F03.FR.07
            permission.stop_remotely(turn, evse)
            return
    reply(turn, command.ref, rejected("TxNotFound", command.tx_id))  # F03.FR.08


# --- availability ---------------------------------------------------------------------------------------------------


def change_availability(turn: Turn, command: ChangeAvailability) -> None:
    """G03, G04: persistent; during a transaction it is scheduled for its end."""
    state = turn.state
    evse = state.evses.get(command.evse)
    if command.evse != 0 and evse is None:
        reply(turn, command.ref, rejected("UnknownEvse", f"evse {command.evse}"))
        return
    if evse is None:
        state.operative = command.operative
        availability.save(turn, availability.STATION_ROW, operative=command.operative)
        rules.announce_station(turn)
    elif command.connector is None:
        evse.operative = command.operative
        availability.save(turn, str(evse.number), operative=command.operative)
    elif 1 <= command.connector <= len(evse.connectors):
        evse.connectors[command.connector - 1].operative = command.operative
        availability.save(turn, f"{evse.number}/{command.connector}", operative=command.operative)
    else:
        reply(turn, command.ref, rejected("UnknownConnectorId", f"connector {command.connector}"))
        return
    concerned = [evse] if evse is not None else list(state.evses.values())
    for each in concerned:
        session.settle(turn, each)
    # G03.FR.05: what is out of step now waits for its transaction. G03.FR.03: already there is Accepted.
    late = any(
        availability.wanted(turn, each, connector) is connector.inoperative
        for each in concerned
        for connector in each.connectors
    )
    reply(turn, command.ref, Verdict("Scheduled") if late else ACCEPTED)


# --- settings and triggers ------------------------------------------------------------------------------------------


def set_variables(turn: Turn, command: SetVariables) -> None:
    """B05: every item for itself, in order."""
    results = []
    password = networking.password(turn)
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
        if key.component == "SecurityCtrlr":
            security(turn, "ReconfigurationOfSecurityParameters", key.variable)  # A01: never the value
        if key.component in ("SampledDataCtrlr", "AlignedDataCtrlr") and key.variable.endswith(("Interval", "Enabled")):
            metering.settings_changed(turn)
    networking.password_written(turn, password)
    reply(turn, command.ref, Verdict("Accepted", data={"results": results}))
    for evse in turn.state.evses.values():
        session.settle(turn, evse)  # a limit may have changed
    if any(write.component == allowance.CONTROLLER for write in command.writes):
        smart.changed(turn)


def clear_cache(turn: Turn, ref: int) -> None:
    """C11."""
    reply(turn, ref, ACCEPTED if authorize.forget_all(turn) else rejected("NotEnabled", "the cache is off"))


def _targets(turn: Turn, number: int | None) -> list[EvseState] | None:
    if number is None or number == 0:
        return list(turn.state.evses.values())
    evse = turn.state.evses.get(number)
    return None if evse is None else [evse]


def _trigger(turn: Turn, command: TriggerStatus | TriggerMeterValues | TriggerTransaction) -> None:
    match command:
        case TriggerStatus():
            trigger_status(turn, command)
        case TriggerMeterValues():
            trigger_meter_values(turn, command)
        case TriggerTransaction():
            trigger_transaction(turn, command)
        case _:
            assert_never(command)


def trigger_status(turn: Turn, command: TriggerStatus) -> None:
    """F06: announce states again, changed or not."""
    targets = _targets(turn, command.evse)
    if targets is None:
        reply(turn, command.ref, rejected("UnknownEvse", f"evse {command.evse}"))
        return
    reply(turn, command.ref, ACCEPTED)
    if command.evse is None or command.evse == 0:
        rules.announce_station(turn, forced=True)
    if command.evse != 0:
        for evse in targets:
            rules.announce(turn, evse, forced=True)


def trigger_meter_values(turn: Turn, command: TriggerMeterValues) -> None:
    """F06.FR.06: AlignedDataMeasurands now. What is accepted is sent (F06.FR.10), so without a meter it is not accepted."""
    found = _targets(turn, command.evse)
    if found is None:
        reply(turn, command.ref, rejected("UnknownEvse", f"evse {command.evse}"))
        return
    targets = [evse for evse in found if evse.info.has_meter]
    if not targets:
        reply(turn, command.ref, rejected("UnsupportedRequest", "there is no meter"))
        return
    reply(turn, command.ref, ACCEPTED)
    for evse in targets:
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
