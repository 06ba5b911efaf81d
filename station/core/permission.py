"""Who may charge: presented tokens, remote starts, answers of the CSMS, and the end of every permission (C, E05, E07, F01-F03)."""

from __future__ import annotations

from station.core import authorize
from station.core import evse as rules
from station.core.authorize import Answer
from station.core.effects import Ask, Refused
from station.core.session import begin_ending, settle
from station.core.state import Authorization, AuthState, EvseState, Question, Turn
from station.core.transaction import Ending, Transaction
from station.core.types import IdToken, StopReason, TokenInfo, TokenKind, Trigger, TxPoint

ASK_TIMEOUT_S = 30.0
# The outlet answers at the deadline. Should it not (a question that waits for a disk), we stop waiting a little later.
ASK_GRACE_S = 5.0
EV_REACTION_S = rules.EV_REACTION_S

NOBODY = IdToken("", TokenKind.NO_AUTHORIZATION)
"""The start button, and whoever charges where authorisation is switched off (C02.FR.01)."""

_AUTHORIZED_POINTS = frozenset({TxPoint.AUTHORIZED, TxPoint.POWER_PATH_CLOSED})


# --- presenting a token ---------------------------------------------------------------------------------------------


def present(turn: Turn, evse: EvseState, token: IdToken, *, anywhere: bool = False) -> None:
    """A token is presented at an EVSE: it stops, unlocks, or wants to start. `anywhere`: at a reader for every EVSE."""
    if _fetches_cable(turn, evse, token):
        settle(turn, evse)
        return
    auth, tx = evse.auth, evse.open_tx
    if auth is not None and auth.holds:
        _present_to_stop(turn, evse, auth, token, anywhere=anywhere)
    elif auth is not None:
        turn.emit(Refused(evse.number, "a token is being checked"))
    elif tx is not None and tx.token is not None and tx.token != token:
        turn.emit(Refused(evse.number, "this transaction belongs to another token"))  # C01.FR.23
    elif not rules.may_begin(turn, evse):
        turn.emit(Refused(evse.number, "this EVSE is not available"))
    else:
        begin_authorization(turn, evse, Authorization(token, AuthState.PENDING))


def _fetches_cable(turn: Turn, evse: EvseState, token: IdToken) -> bool:
    """The owner of a cable that was kept locked is back (E09.FR.03, E05.FR.11). True when that is all there is to do."""
    holder = evse.lock_holder
    if holder is None:
        return False
    known, owner = authorize.lookup(turn, token), authorize.lookup(turn, holder)
    family = known is not None and owner is not None and authorize.same_group(known.group, owner.group)
    if token != holder and not family:
        return False
    evse.lock_holder = None
    # E09.FR.01: plugged in again meanwhile, the card may as well start anew.
    return not evse.pilot.connected or evse.open_tx is None


def _present_to_stop(turn: Turn, evse: EvseState, auth: Authorization, token: IdToken, *, anywhere: bool) -> None:
    free = auth.token == NOBODY and not turn.model.boolean("AuthCtrlr", "Enabled")
    if token == auth.token or free:  # C01.FR.03, E07.FR.01: the same id needs no Authorize
        deauthorize(turn, evse, Trigger.STOP_AUTHORIZED, StopReason.LOCAL, token=token)
        return
    known = authorize.lookup(turn, token)
    same_group = known is not None and authorize.same_group(known.group, auth.group)
    if known is not None and same_group and authorize.usable(turn, known, evse.number):  # C09.FR.07
        deauthorize(turn, evse, Trigger.STOP_AUTHORIZED, StopReason.LOCAL, token=token)
    elif turn.state.online and authorize.may_ask(turn):
        # C09.FR.05: an unknown one may turn out to be of the group.
        _ask(turn, evse, token, stops=True, anywhere=anywhere)
    else:
        turn.emit(Refused(evse.number, "another token's session"))


# --- starting -------------------------------------------------------------------------------------------------------


def begin_authorization(turn: Turn, evse: EvseState, auth: Authorization) -> None:
    """Decide about a token, or ask; the EVSE is taken meanwhile."""
    evse.auth = auth
    decision = authorize.decide(turn, auth.token, evse.number)
    match decision.answer:
        case Answer.ACCEPT:
            accept(turn, evse, auth, decision.info)
        case Answer.REFUSE:
            refuse(turn, evse, decision.why)
        case Answer.ASK:
            auth.ask = _ask(turn, evse, auth.token, stops=False)
            turn.timer("ask", evse.number, ASK_TIMEOUT_S + ASK_GRACE_S)
            settle(turn, evse)


def begin_free(turn: Turn, evse: EvseState) -> None:
    """With AuthCtrlr.Enabled false a vehicle charges as soon as it is plugged in."""
    if evse.auth is None and not turn.model.boolean("AuthCtrlr", "Enabled") and rules.may_begin(turn, evse):
        begin_authorization(turn, evse, Authorization(NOBODY, AuthState.PENDING))


def _ask(turn: Turn, evse: EvseState, token: IdToken, *, stops: bool, anywhere: bool = False) -> int:
    ask = turn.state.next_ask
    turn.state.next_ask += 1
    turn.state.asks[ask] = Question(evse.number, token, stops, anywhere)
    turn.emit(Ask(ask, token, turn.now.mono + ASK_TIMEOUT_S, evse.number))
    return ask


def accept(turn: Turn, evse: EvseState, auth: Authorization, info: TokenInfo | None) -> None:
    """The token may charge here, unless the EVSE went out of service while it was checked."""
    if evse.open_tx is None and not rules.may_begin(turn, evse):
        refuse(turn, evse, "this EVSE is not available any more")
        return
    turn.cancel("ask", evse.number)
    auth.state = AuthState.ACCEPTED
    auth.group = info.group if info is not None and info.group is not None else auth.group
    evse.ev_reacted = False
    evse.session_done = False
    if evse.open_tx is not None:
        evse.open_tx.reason = None
    if evse.pilot.connected:
        turn.timer("react", evse.number, EV_REACTION_S)
    else:
        await_vehicle(turn, evse)
    settle(turn, evse, Trigger.REMOTE_START if auth.remote else Trigger.AUTHORIZED)


def await_vehicle(turn: Turn, evse: EvseState) -> None:
    """E03.FR.05: whoever is authorised plugs in within EVConnectionTimeOut (0: whenever)."""
    timeout = turn.model.integer("TxCtrlr", "EVConnectionTimeOut")
    if timeout > 0:
        turn.timer("connect", evse.number, timeout)


def no_vehicle(turn: Turn, evse: EvseState) -> None:
    """Nobody plugged in in time (E03.FR.05, FR.15, E10.FR.02, F02.FR.07, FR.08)."""
    if evse.auth is None or evse.pilot.connected:
        return
    deauthorize(turn, evse, Trigger.EV_CONNECT_TIMEOUT, StopReason.TIMEOUT)
    if TxPoint.PARKING_BAY_OCCUPANCY not in rules.tx_points(turn, "TxStopPoint"):
        _end_anyway(turn, evse, StopReason.TIMEOUT, Trigger.EV_CONNECT_TIMEOUT)


def refuse(turn: Turn, evse: EvseState, why: str) -> None:
    """It may not; a transaction that runs without authorisation stays as it is (C01.FR.02)."""
    evse.auth = None
    turn.cancel("ask", evse.number)
    turn.emit(Refused(evse.number, why))
    settle(turn, evse)


# --- answers --------------------------------------------------------------------------------------------------------


def answered(turn: Turn, ask: int, info: TokenInfo | None) -> None:
    """The CSMS answered question `ask`, or (info None) did not."""
    question = turn.state.asks.pop(ask, None)
    if question is None:
        return
    if info is not None:
        authorize.remember(turn, question.token, info)
    evse = turn.state.evses[question.evse]
    if question.stops:
        _answered_to_stop(turn, question, info)
        return
    auth = evse.auth
    if auth is None or auth.ask != ask or auth.state is not AuthState.PENDING:
        return  # the session went on without this answer
    if info is None:
        decision = authorize.decide(turn, question.token, evse.number, asked=True)
        if decision.answer is Answer.ACCEPT:
            accept(turn, evse, auth, decision.info)
        else:
            refuse(turn, evse, decision.why)
    elif authorize.usable(turn, info, evse.number):
        accept(turn, evse, auth, info)
    else:
        refuse(turn, evse, f"the CSMS says {info.status.value}")


def unanswered(turn: Turn, evse: EvseState) -> None:
    """Not even the outlet answered: give up asking."""
    if evse.auth is not None and evse.auth.ask is not None and evse.auth.state is AuthState.PENDING:
        answered(turn, evse.auth.ask, None)


def _answered_to_stop(turn: Turn, question: Question, info: TokenInfo | None) -> None:
    """C09.FR.03, FR.11: only an Accepted token of the same group may stop another's session."""
    evses = list(turn.state.evses.values()) if question.anywhere else [turn.state.evses[question.evse]]
    for evse in evses:
        auth = evse.auth
        if auth is None or not auth.holds or info is None:
            continue
        if authorize.usable(turn, info, evse.number) and authorize.same_group(info.group, auth.group):
            deauthorize(turn, evse, Trigger.STOP_AUTHORIZED, StopReason.LOCAL, token=question.token)
            return
    turn.emit(Refused(question.evse, "another token's session"))


def token_reported(turn: Turn, tx_id: str, token: IdToken, info: TokenInfo) -> None:
    """An answer to a transaction record spoke of the token (E05, C10.FR.05)."""
    authorize.remember(turn, token, info)
    for evse in turn.state.evses.values():
        tx, auth = evse.open_tx, evse.auth
        if tx is None or tx.tx_id != tx_id or auth is None or not auth.holds or auth.token != token:
            continue
        if info.group is not None:
            auth.group = tx.group = info.group
        if not authorize.usable(turn, info, evse.number):
            _withdraw(turn, evse, tx, auth)
        elif auth.state is AuthState.INVALID:
            auth.state = AuthState.ACCEPTED
            tx.wh_at_invalid = tx.reason = None
            settle(turn, evse, Trigger.AUTHORIZED)


def _withdraw(turn: Turn, evse: EvseState, tx: Transaction, auth: Authorization) -> None:
    if auth.state is AuthState.INVALID:
        return
    if turn.model.boolean("TxCtrlr", "StopTxOnInvalidId"):  # E05.FR.09, FR.10
        if evse.pilot.connected and evse.info.has_lock and not evse.info.fixed_cable:
            evse.lock_holder = auth.token  # E05.FR.11
        deauthorize(turn, evse, Trigger.DEAUTHORIZED, StopReason.DE_AUTHORIZED)
        return
    auth.state = AuthState.INVALID  # E05.FR.03: the allowance may still be delivered
    tx.wh_at_invalid = tx.last_wh
    tx.reason = StopReason.DE_AUTHORIZED
    settle(turn, evse)  # E05.FR.02: told as the charging state that changes


# --- the end of a permission ----------------------------------------------------------------------------------------


def deauthorize(
    turn: Turn, evse: EvseState, trigger: Trigger, reason: StopReason, *, token: IdToken | None = None
) -> None:
    """The right to charge ends; the transaction ends too when a stop point says so, else it goes on without energy."""
    evse.auth = None
    for kind in ("connect", "react", "ask"):
        turn.cancel(kind, evse.number)
    tx = evse.open_tx
    if tx is not None:
        tx.reason = reason
    settle(turn, evse, trigger, reason=reason, token=token)


def stop_remotely(turn: Turn, evse: EvseState) -> None:
    """F03: energy stops; where authorisation is a stop point the transaction ends, even if nobody was authorised yet."""
    deauthorize(turn, evse, Trigger.REMOTE_STOP, StopReason.REMOTE)
    if _AUTHORIZED_POINTS & rules.tx_points(turn, "TxStopPoint"):
        _end_anyway(turn, evse, StopReason.REMOTE, Trigger.REMOTE_STOP)


def _end_anyway(turn: Turn, evse: EvseState, reason: StopReason, trigger: Trigger) -> None:
    """The rule that names the event asks for the end, though no stop point fell."""
    if evse.open_tx is not None:
        begin_ending(turn, evse, Ending(reason, trigger, turn.now))
        settle(turn, evse)
