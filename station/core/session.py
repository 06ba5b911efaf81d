"""How a session goes: what authorisation, cable and time do to the transaction of one EVSE.

`settle` is the heart: after any change it compares which points hold with which held before, and starts, continues or ends the
transaction. Everything else here changes one thing and then settles.
"""

from __future__ import annotations

from hal.api import MeterReading
from station.core import authorize, metering
from station.core import evse as rules
from station.core.authorize import Answer
from station.core.effects import Ask, Refused
from station.core.recording import record
from station.core.state import Authorization, AuthState, EvseState, Question, Turn
from station.core.transaction import Ending, Transaction, starts, stops
from station.core.types import (
    ConnectorState,
    IdToken,
    StopReason,
    TokenInfo,
    Trigger,
    TxPhase,
    TxPoint,
)

ASK_TIMEOUT_S = 30.0
# How long a vehicle may take to react to an offer before it counts as the one that pauses (SuspendedEV).
EV_REACTION_S = 10.0
# The contactor opens within 100 ms (LAW 4); if no feedback comes in this time, the last reading is taken anyway.
OPEN_WAIT_S = 1.0
FINAL_READING_WAIT_S = 2.0


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
        and evse.connector.availability not in (ConnectorState.UNAVAILABLE, ConnectorState.FAULTED)
    )


def settle(
    turn: Turn,
    evse: EvseState,
    trigger: Trigger | None = None,
    *,
    reason: StopReason | None = None,
    token: IdToken | None = None,
) -> None:
    """Bring transaction and everything visible in line with what holds now.

    trigger: what happened, for the fact that reports it; None when nothing but the charging state may have changed.
    reason: why the transaction ends, should it end. token: the one presented to end it.
    """
    # Twice: an output that changes may change the charging state, and never needs a third look.
    rules.show(turn, evse)
    held = rules.points(evse)
    risen, fallen = held - evse.held, evse.held - held
    evse.held = held
    tx = evse.tx
    if tx is None:
        if starts(tx_points(turn, "TxStartPoint"), risen) and may_begin(turn, evse):
            _open(turn, evse, trigger or Trigger.CHARGING_STATE_CHANGED)
    elif not tx.open:
        evse.risen_late = (evse.risen_late | risen) & held
    elif stops(tx_points(turn, "TxStopPoint"), fallen, held):
        _end(turn, evse, tx, trigger, reason, token, fallen)
    else:
        _continue(turn, evse, tx, trigger)
    rules.show(turn, evse)
    rules.announce(turn, evse)


def _open(turn: Turn, evse: EvseState, trigger: Trigger) -> None:
    """E01: a new transaction, with its Started fact and its meter plan."""
    evse.session_done = False
    register = evse.reading.energy_import_wh if evse.reading else None
    tx = Transaction(turn.state.new_id(), evse.number, evse.connector.number, turn.now, register)
    evse.tx = tx
    _adopt(evse, tx)
    tx.was_connected = evse.pilot.connected
    begin = metering.begin_samples(turn, evse, tx)
    tx.move(rules.charging_state(turn, evse), turn.now)
    record(turn, evse, tx, TxPhase.STARTED, trigger, samples=begin)
    metering.plan(turn, evse)
    turn.save("tx", str(evse.number), tx.to_row())


def _adopt(evse: EvseState, tx: Transaction) -> None:
    """The transaction runs under the authorisation that holds."""
    if evse.auth is not None and evse.auth.holds:
        tx.token = evse.auth.token
        tx.group = evse.auth.group


def _continue(turn: Turn, evse: EvseState, tx: Transaction, trigger: Trigger | None) -> None:
    _adopt(evse, tx)
    tx.was_connected = tx.was_connected or evse.pilot.connected
    changed = tx.move(rules.charging_state(turn, evse), turn.now)
    if trigger is not None or changed:
        record(turn, evse, tx, TxPhase.UPDATED, trigger or Trigger.CHARGING_STATE_CHANGED)
        turn.save("tx", str(evse.number), tx.to_row())


def _end(
    turn: Turn,
    evse: EvseState,
    tx: Transaction,
    trigger: Trigger | None,
    reason: StopReason | None,
    token: IdToken | None,
    fallen: frozenset[TxPoint],
) -> None:
    why = tx.reason or reason or _reason_from(fallen)
    begin_ending(turn, evse, Ending(why, trigger or Trigger.CHARGING_STATE_CHANGED, turn.now, token))


def _reason_from(fallen: frozenset[TxPoint]) -> StopReason:
    if TxPoint.EV_CONNECTED in fallen or TxPoint.PARKING_BAY_OCCUPANCY in fallen:
        return StopReason.EV_DISCONNECTED
    if fallen == {TxPoint.ENERGY_TRANSFER}:
        return StopReason.STOPPED_BY_EV
    return StopReason.LOCAL


def begin_ending(turn: Turn, evse: EvseState, ending: Ending) -> None:
    """Settle why the transaction ends, take power away, and wait for the last reading (never for long)."""
    tx = evse.tx
    if tx is None or not tx.open:
        return
    tx.move(rules.charging_state(turn, evse), turn.now)
    tx.finish(ending)
    evse.auth = None
    evse.held = rules.points(evse)
    evse.risen_late = frozenset()
    evse.due.clear()
    for kind in ("connect", "sample", "collect", "react"):
        turn.cancel(kind, evse.number)
    turn.save("tx", str(evse.number), tx.to_row())
    rules.show(turn, evse)
    if evse.relay_closed:
        turn.timer("opening", evse.number, OPEN_WAIT_S)
    else:
        ask_final_reading(turn, evse)


def ask_final_reading(turn: Turn, evse: EvseState) -> None:
    """Power is off: the register can be read for the last time."""
    turn.cancel("opening", evse.number)
    if evse.info.has_meter:
        turn.timer("ending", evse.number, FINAL_READING_WAIT_S)
        metering.read(turn, evse)
    else:
        close(turn, evse)


def close(turn: Turn, evse: EvseState) -> None:
    """The last reading is here, or will not come: report the end and free the EVSE."""
    tx = evse.tx
    if tx is None or tx.ending is None:
        return
    turn.cancel("ending", evse.number)
    turn.cancel("opening", evse.number)
    ending = tx.ending
    samples = metering.end_samples(turn, evse, tx)
    record(turn, evse, tx, TxPhase.ENDED, ending.trigger, samples=samples)
    tx.close()
    evse.tx = None
    turn.save("tx", str(evse.number), None)
    metering.save_register(turn, evse)
    evse.session_done = tx.was_connected and tx.token is not None
    evse.ev_reacted = False
    evse.remote_start_id = None
    if evse.connector.inoperative:  # G03.FR.05: scheduled during the transaction, in force now
        for connector in evse.connectors:
            connector.set_operative(not connector.inoperative)
    evse.held -= evse.risen_late
    evse.risen_late = frozenset()
    settle(turn, evse)


def reading_came(turn: Turn, evse: EvseState, reading: MeterReading) -> None:
    """A meter reading: it feeds whatever was due, ends what waits for its last one, and counts against energy limits."""
    metering.on_reading(turn, evse, reading)
    tx = evse.tx
    if tx is not None and not tx.open and not evse.relay_closed:
        close(turn, evse)
    elif evse.auth is not None and evse.auth.state is AuthState.INVALID:
        settle(turn, evse)  # the allowance of MaxEnergyOnInvalidId may be used up


def reading_failed(turn: Turn, evse: EvseState) -> bool:
    """No reading. True when it has now failed often enough to be a fault."""
    tx = evse.tx
    if tx is not None and not tx.open and not evse.relay_closed:
        close(turn, evse)  # the last register known must do
    return metering.on_failure(evse)


# --- authorisation --------------------------------------------------------------------------------------------------


def present(turn: Turn, evse: EvseState, token: IdToken) -> None:
    """A token is presented at an EVSE: it stops, unlocks, or wants to start."""
    if evse.lock_holder is not None and _owns_cable(turn, evse, token):
        evse.lock_holder = None
        settle(turn, evse)
        return
    auth = evse.auth
    if auth is not None and auth.holds:
        _present_to_stop(turn, evse, auth, token)
        return
    if auth is not None:
        turn.emit(Refused(evse.number, "another token is being checked"))
        return
    if not may_begin(turn, evse):
        turn.emit(Refused(evse.number, "this EVSE is not available"))
        return
    begin_authorization(turn, evse, token)


def _owns_cable(turn: Turn, evse: EvseState, token: IdToken) -> bool:
    holder = evse.lock_holder
    if holder is None:
        return False
    known, owner = authorize.lookup(turn, token), authorize.lookup(turn, holder)
    return token == holder or (
        known is not None and owner is not None and authorize.same_group(known.group, owner.group)
    )


def _present_to_stop(turn: Turn, evse: EvseState, auth: Authorization, token: IdToken) -> None:
    if token == auth.token:  # C01.FR.03, E07: the same id needs no Authorize
        deauthorize(turn, evse, Trigger.STOP_AUTHORIZED, StopReason.LOCAL, token=token)
        return
    known = authorize.lookup(turn, token)
    same_group = known is not None and authorize.same_group(known.group, auth.group)
    if known is not None and same_group and authorize.usable(known, turn.now, evse.number):  # C09.FR.03, E08
        deauthorize(turn, evse, Trigger.STOP_AUTHORIZED, StopReason.LOCAL, token=token)
        return
    if turn.state.online:
        _ask(turn, evse, token, stops=True)  # C09.FR.04: an unknown one may turn out to be of the group
    else:
        turn.emit(Refused(evse.number, "another token's session"))


def begin_authorization(
    turn: Turn,
    evse: EvseState,
    token: IdToken,
    *,
    remote_start_id: int | None = None,
    remote: bool = False,
    group: IdToken | None = None,
) -> None:
    """Decide about a token, or ask; the EVSE is taken meanwhile."""
    evse.auth = Authorization(token, AuthState.PENDING, group, remote=remote, remote_start_id=remote_start_id)
    decision = authorize.decide(turn, token, evse.number)
    match decision.answer:
        case Answer.ACCEPT:
            accept(turn, evse, decision.info)
        case Answer.REFUSE:
            refuse(turn, evse, decision.why)
        case Answer.ASK:
            evse.auth.ask = _ask(turn, evse, token, stops=False)
            settle(turn, evse)


def begin_accepted(
    turn: Turn, evse: EvseState, token: IdToken, *, remote_start_id: int | None, group: IdToken | None
) -> None:
    """A remote start that needs no authorisation of its own (AuthorizeRemoteStart false)."""
    evse.auth = Authorization(token, AuthState.PENDING, group, remote=True, remote_start_id=remote_start_id)
    accept(turn, evse, None)


def _ask(turn: Turn, evse: EvseState, token: IdToken, *, stops: bool) -> int:
    ask = turn.state.next_ask
    turn.state.next_ask += 1
    turn.state.asks[ask] = Question(evse.number, token, stops)
    turn.emit(Ask(ask, token, turn.now.mono + ASK_TIMEOUT_S, evse.number))
    return ask


def accept(turn: Turn, evse: EvseState, info: TokenInfo | None) -> None:
    """The token may charge here."""
    auth = evse.auth
    if auth is None:
        return
    auth.state = AuthState.ACCEPTED
    auth.group = info.group if info is not None and info.group is not None else auth.group
    evse.unreported_token = auth.token
    evse.remote_start_id = auth.remote_start_id
    evse.ev_reacted = False
    if evse.open_tx is not None:
        evse.open_tx.reason = None
    if not evse.pilot.connected:
        timeout = turn.model.integer("TxCtrlr", "EVConnectionTimeOut")
        if timeout > 0:
            turn.timer("connect", evse.number, timeout)
    else:
        turn.timer("react", evse.number, EV_REACTION_S)
    settle(turn, evse, Trigger.REMOTE_START if auth.remote else Trigger.AUTHORIZED)


def refuse(turn: Turn, evse: EvseState, why: str) -> None:
    """It may not; a transaction that runs without authorisation stays as it is (E05)."""
    evse.auth = None
    turn.emit(Refused(evse.number, why))
    settle(turn, evse)


def answered(turn: Turn, ask: int, info: TokenInfo | None) -> None:
    """The CSMS answered question `ask`, or (info None) did not."""
    question = turn.state.asks.pop(ask, None)
    if question is None:
        return
    if info is not None:
        authorize.remember(turn, question.token, info)
    evse = turn.state.evses[question.evse]
    if question.stops:
        _answered_to_stop(turn, evse, question.token, info)
        return
    auth = evse.auth
    if auth is None or auth.ask != ask or auth.state is not AuthState.PENDING:
        return  # the session went on without this answer
    if info is None:
        was_online, turn.state.online = turn.state.online, False
        decision = authorize.decide(turn, question.token, evse.number)  # unanswered is as good as offline
        turn.state.online = was_online
        if decision.answer is Answer.ACCEPT:
            accept(turn, evse, decision.info)
        else:
            refuse(turn, evse, decision.why)
    elif authorize.usable(info, turn.now, evse.number):
        accept(turn, evse, info)
    else:
        refuse(turn, evse, f"the CSMS says {info.status.value}")


def _answered_to_stop(turn: Turn, evse: EvseState, token: IdToken, info: TokenInfo | None) -> None:
    auth = evse.auth
    if auth is None or not auth.holds:
        return
    # C09.FR.05-07: only an Accepted token of the same group may stop another's session.
    if (
        info is not None
        and authorize.usable(info, turn.now, evse.number)
        and authorize.same_group(info.group, auth.group)
    ):
        deauthorize(turn, evse, Trigger.STOP_AUTHORIZED, StopReason.LOCAL, token=token)
    else:
        turn.emit(Refused(evse.number, "another token's session"))


def deauthorize(
    turn: Turn, evse: EvseState, trigger: Trigger, reason: StopReason, *, token: IdToken | None = None
) -> None:
    """The right to charge ends; the transaction ends too when a stop point says so, else it goes on without energy."""
    evse.auth = None
    evse.unreported_token = None
    turn.cancel("connect", evse.number)
    turn.cancel("react", evse.number)
    tx = evse.open_tx
    if tx is not None:
        tx.reason = reason
        if token is not None:
            evse.unreported_token = token
    settle(turn, evse, trigger, reason=reason, token=token)


def token_reported(turn: Turn, tx_id: str, token: IdToken, info: TokenInfo) -> None:
    """An answer to a transaction record spoke of the token (E05, C10.FR.05)."""
    authorize.remember(turn, token, info)
    for evse in turn.state.evses.values():
        tx, auth = evse.open_tx, evse.auth
        if tx is None or tx.tx_id != tx_id or auth is None or auth.token != token:
            continue
        if info.group is not None:
            auth.group = tx.group = info.group
        if authorize.usable(info, turn.now, evse.number):
            if auth.state is AuthState.INVALID:
                auth.state = AuthState.ACCEPTED
                tx.wh_at_invalid = None
                settle(turn, evse, Trigger.AUTHORIZED)
            return
        _withdraw(turn, evse, tx, auth)


def _withdraw(turn: Turn, evse: EvseState, tx: Transaction, auth: Authorization) -> None:
    if auth.state is AuthState.INVALID:
        return
    if turn.model.boolean("TxCtrlr", "StopTxOnInvalidId"):  # E05.FR.10
        if evse.pilot.connected and evse.info.has_lock and not evse.info.fixed_cable:
            evse.lock_holder = auth.token  # keep the cable until its owner comes (1.6 section 4.8)
        deauthorize(turn, evse, Trigger.DEAUTHORIZED, StopReason.DE_AUTHORIZED)
        return
    auth.state = AuthState.INVALID  # E05.FR.02, FR.03
    tx.wh_at_invalid = tx.last_wh
    tx.reason = StopReason.DE_AUTHORIZED
    settle(turn, evse, Trigger.DEAUTHORIZED)


# --- the cable ------------------------------------------------------------------------------------------------------


def vehicle_came(turn: Turn, evse: EvseState) -> None:
    """The pilot shows a vehicle (E02, E03)."""
    turn.cancel("connect", evse.number)
    evse.session_done = False
    evse.ev_reacted = False
    evse.connector.set_plugged(True)
    if evse.authorized:
        turn.timer("react", evse.number, EV_REACTION_S)
    settle(turn, evse, Trigger.CABLE_PLUGGED_IN)


def vehicle_left(turn: Turn, evse: EvseState, *, trigger: Trigger = Trigger.EV_COMMUNICATION_LOST) -> None:
    """The pilot lost the vehicle: E09 (deauthorise) or E10 (wait for it to come back)."""
    _update_plugged(evse)
    auth = evse.auth
    deauthorizes = turn.model.boolean("TxCtrlr", "StopTxOnEVSideDisconnect")
    if auth is None or not auth.holds or (evse.open_tx is not None and not deauthorizes):
        settle(turn, evse, trigger, reason=StopReason.EV_DISCONNECTED)
        return
    cable_stays = evse.cable_a is not None and evse.info.has_lock and not evse.info.fixed_cable
    if cable_stays and not turn.model.boolean("OCPPCommCtrlr", "UnlockOnEVSideDisconnect"):
        evse.lock_holder = auth.token  # E09.FR.04
    deauthorize(turn, evse, trigger, StopReason.EV_DISCONNECTED)


def _update_plugged(evse: EvseState) -> None:
    """A detachable cable still in the socket keeps the connector occupied."""
    cable_in_socket = evse.cable_a is not None and not evse.info.fixed_cable
    evse.connector.set_plugged(evse.pilot.connected or cable_in_socket)
    if not evse.connector.plugged:
        evse.session_done = False


def cable_changed(turn: Turn, evse: EvseState, cable_a: float | None) -> None:
    """The proximity contact tells another cable rating, or none."""
    evse.cable_a = cable_a
    if cable_a is None and not evse.pilot.connected:
        evse.lock_holder = None
    _update_plugged(evse)
    settle(turn, evse)
