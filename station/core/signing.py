"""When a meter signs: once at the beginning of a transaction, once at its end (E01, E06; SampledDataCtrlr.SignReadings).

A signature takes seconds. Nothing waits for the first one (unless DataSigned starts the transaction); the end of a transaction waits
for the second, but never for long: then the register is told without it.
"""

from __future__ import annotations

from hal.api import SignedMoment
from station.core.effects import SignReading
from station.core.state import EvseState, Turn
from station.core.transaction import Transaction
from station.core.types import IdToken, TokenKind

TIMER = "signing"
WAIT_S = 25.0  # the slowest meter takes 15 s, and may still be at the first signature


def wanted(turn: Turn, evse: EvseState) -> bool:
    return evse.info.signs and turn.model.boolean("SampledDataCtrlr", "SignReadings")


def begin(turn: Turn, evse: EvseState, tx: Transaction | None) -> bool:
    """Have the beginning signed, once a transaction, as soon as it is known who pays. tx None: its record is to start one.

    True when the meter is at it.
    """
    token = evse.auth.token if evse.auth is not None and evse.auth.holds else None
    if token is None or not evse.pilot.connected or not wanted(turn, evse):
        return False
    if tx is not None:
        if tx.signing or evse.signed:
            tx.signing = True
            return False
        tx.signing = True
    _sign(turn, evse, SignedMoment.BEGIN, token)
    return True


def end(turn: Turn, evse: EvseState, tx: Transaction | None) -> bool:
    """Have the end signed. False: this transaction's beginning was not, or the meter does not sign."""
    if tx is None or not tx.signing or not wanted(turn, evse):
        return False
    if not awaited(turn, evse):
        turn.timer(TIMER, evse.number, WAIT_S)
        _sign(turn, evse, SignedMoment.END, tx.token)
    return True


def awaited(turn: Turn, evse: EvseState) -> bool:
    """The end is being signed: a plain reading is not the last one."""
    return (TIMER, evse.number) in turn.state.timers


def _sign(turn: Turn, evse: EvseState, moment: SignedMoment, token: IdToken | None) -> None:
    # A PIN is a secret (C04), also in a record.
    who = "" if token is None or token.kind is TokenKind.KEY_CODE else token.value
    turn.emit(SignReading(evse.number, moment, who, turn.now.wall if turn.now.trusted else None))
