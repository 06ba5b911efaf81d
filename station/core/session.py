"""How a session goes: what authorisation, cable and time do to the transaction of one EVSE.

`settle` is the heart: after any change it compares which points hold with which held before, and starts, continues or ends the
transaction. Everything else in the core changes one thing and then settles.
"""

from __future__ import annotations

from hal.api import FaultCode, MeterReading, SignedMoment
from station.core import allowance, availability, metering, safety, sharing, signing, smart
from station.core import evse as rules
from station.core.effects import Refused
from station.core.events import SignedReading
from station.core.facts import token_to_json
from station.core.recording import record, save_tx
from station.core.state import AuthState, EvseState, Turn
from station.core.transaction import Ending, Transaction, starts, stops
from station.core.types import IdToken, StopReason, Trigger, TxPhase, TxPoint

# Once forbidden, the contactor opens within 100 ms (LAW 4). Only its mirror contact says that it has; a welded one is a fault before
# this time is over, and then the last reading is taken anyway.
OPEN_WAIT_S = safety.OPENING_S + 1.0
FINAL_READING_WAIT_S = 2.0

_POWER_QUALITY = frozenset({FaultCode.OVER_VOLTAGE, FaultCode.UNDER_VOLTAGE})


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
    availability.apply(turn, evse)
    # Shown twice: whether energy flows depends on what we permit, and what we permit on the transaction.
    rules.show(turn, evse)
    held = rules.points(evse)
    risen, fallen = held - evse.held, evse.held - held
    evse.held = held
    if TxPoint.POWER_PATH_CLOSED not in held:
        evse.signed = False
    tx = evse.tx
    if tx is None:
        _maybe_open(turn, evse, trigger, risen)
    elif not tx.open:
        evse.risen_late = (evse.risen_late | risen) & held
    elif stops(rules.tx_points(turn, "TxStopPoint"), fallen, held):
        # What was settled when the driver stopped (or was stopped) stays the reason.
        why = tx.reason or reason or _reason(turn, evse, fallen)
        begin_ending(turn, evse, Ending(why, trigger or _trigger(turn, evse), turn.now, token))
    else:
        _continue(turn, evse, tx, trigger, token)
    rules.show(turn, evse)
    rules.announce(turn, evse)
    _save_owner(turn, evse)


def _save_owner(turn: Turn, evse: EvseState) -> None:
    """Whose cable is kept locked must survive a power cut, or nothing would make it wait for its owner."""
    owner = evse.lock_holder
    if owner is not evse.lock_holder_saved:
        evse.lock_holder_saved = owner
        turn.save("owner", str(evse.number), None if owner is None else {"token": token_to_json(owner)})


def _maybe_open(turn: Turn, evse: EvseState, trigger: Trigger | None, risen: frozenset[TxPoint]) -> None:
    wanted = rules.tx_points(turn, "TxStartPoint")
    if starts(wanted, risen, evse.held) and rules.may_begin(turn, evse):
        _open(turn, evse, trigger or _trigger_of(risen))
    elif TxPoint.DATA_SIGNED in wanted and TxPoint.POWER_PATH_CLOSED in risen and not signing.begin(turn, evse, None):
        metering.read(turn, evse)  # E01.S4: the first signed reading starts the transaction


_RISEN = (
    (TxPoint.AUTHORIZED, Trigger.AUTHORIZED),
    (TxPoint.EV_CONNECTED, Trigger.CABLE_PLUGGED_IN),
    (TxPoint.PARKING_BAY_OCCUPANCY, Trigger.EV_DETECTED),
)


def _trigger_of(risen: frozenset[TxPoint]) -> Trigger:
    """What started a transaction that could not start when it happened."""
    return next((trigger for point, trigger in _RISEN if point in risen), Trigger.CHARGING_STATE_CHANGED)


def _open(turn: Turn, evse: EvseState, trigger: Trigger) -> None:
    """E01: a new transaction, with its Started fact and its meter plan."""
    evse.session_done = False
    register = evse.reading.energy_import_wh if evse.reading else None
    tx = Transaction(turn.state.new_id(), evse.number, evse.connector.number, turn.now, register)
    evse.tx = tx
    _adopt(turn, evse, tx)
    tx.was_connected = evse.pilot.connected
    begin = metering.begin_samples(turn, evse, tx)
    tx.move(rules.charging_state(turn, evse), turn.now)
    record(turn, evse, tx, TxPhase.STARTED, trigger, samples=begin)
    metering.plan(turn, evse)
    signing.begin(turn, evse, tx)
    save_tx(turn, evse, tx)


def _adopt(turn: Turn, evse: EvseState, tx: Transaction) -> None:
    """The transaction runs under the authorisation that holds."""
    if evse.auth is not None and evse.auth.holds:
        tx.token = evse.auth.token
        tx.group = evse.auth.group
        smart.transaction_begins(turn, evse, tx)


def _continue(turn: Turn, evse: EvseState, tx: Transaction, trigger: Trigger | None, token: IdToken | None) -> None:
    _adopt(turn, evse, tx)
    tx.was_connected = tx.was_connected or evse.pilot.connected
    signing.begin(turn, evse, tx)
    changed = tx.move(rules.charging_state(turn, evse), turn.now)
    if trigger is not None or changed:
        record(turn, evse, tx, TxPhase.UPDATED, trigger or Trigger.CHARGING_STATE_CHANGED, token=token)
        save_tx(turn, evse, tx)


def _trigger(turn: Turn, evse: EvseState) -> Trigger:
    faulted = rules.stopping_fault(turn, evse) is not None
    return Trigger.ABNORMAL_CONDITION if faulted else Trigger.CHARGING_STATE_CHANGED  # E06.FR.16


def _reason(turn: Turn, evse: EvseState, fallen: frozenset[TxPoint]) -> StopReason:
    """The most appropriate word (E07.FR.06) for a stop that nobody gave a reason for."""
    if TxPoint.EV_CONNECTED in fallen or TxPoint.PARKING_BAY_OCCUPANCY in fallen:
        return StopReason.EV_DISCONNECTED
    fault = rules.stopping_fault(turn, evse)
    if fault is not None:
        return StopReason.POWER_QUALITY if fault in _POWER_QUALITY else StopReason.OTHER
    if fallen == {TxPoint.ENERGY_TRANSFER}:
        # The vehicle still asks for energy: then it was not the vehicle that stopped.
        return StopReason.OTHER if evse.pilot.wants_energy else StopReason.STOPPED_BY_EV
    return StopReason.LOCAL


def begin_ending(turn: Turn, evse: EvseState, ending: Ending) -> None:
    """Settle why the transaction ends, take power away, and wait for the last reading (never for long)."""
    tx = evse.tx
    if tx is None or not tx.open:
        return
    evse.auth = None
    tx.move(rules.charging_state(turn, evse), turn.now)
    tx.finish(ending)
    evse.held = rules.points(evse)
    evse.risen_late = frozenset()
    evse.due.clear()
    for kind in ("connect", "sample", "collect", "react", "ask"):
        turn.cancel(kind, evse.number)
    save_tx(turn, evse, tx)
    rules.show(turn, evse)
    if evse.relay_closed:
        letting_go = evse.output is not None and evse.output.permit
        turn.timer("opening", evse.number, OPEN_WAIT_S + (safety.LET_GO_S if letting_go else 0.0))
    else:
        ask_final_reading(turn, evse)


def ask_final_reading(turn: Turn, evse: EvseState) -> None:
    """Power is off: the register can be read for the last time."""
    turn.cancel("opening", evse.number)
    if not evse.info.has_meter:
        close(turn, evse)
    elif not signing.end(turn, evse, evse.tx):
        unsigned_end(turn, evse)


def unsigned_end(turn: Turn, evse: EvseState) -> None:
    """The register as it is: the meter does not sign, or could not."""
    turn.cancel(signing.TIMER, evse.number)
    turn.timer("ending", evse.number, FINAL_READING_WAIT_S)
    metering.read(turn, evse)


def signature_came(turn: Turn, evse: EvseState, event: SignedReading) -> None:
    """The meter has signed, or could not."""
    if event.reading is None:
        turn.emit(Refused(evse.number, f"the meter did not sign: {event.info}"))
        if event.moment is SignedMoment.END and signing.awaited(turn, evse):
            unsigned_end(turn, evse)
    elif event.moment is SignedMoment.END:
        if signing.awaited(turn, evse):
            turn.cancel(signing.TIMER, evse.number)
            reading_came(turn, evse, event.reading)
            close(turn, evse)  # even if the contactor is still closed
    else:
        tx = evse.open_tx
        reading_came(turn, evse, event.reading)
        if tx is not None and evse.open_tx is tx and event.reading.signed is not None:
            metering.begin_signed(turn, evse, tx)


def close(turn: Turn, evse: EvseState, last: MeterReading | None = None) -> None:
    """The last reading is here, or will not come: report the end and free the EVSE. `last`: instead of the EVSE's newest reading."""
    tx = evse.tx
    if tx is None or tx.ending is None:
        return
    for kind in ("ending", "opening", signing.TIMER):
        turn.cancel(kind, evse.number)
    record(turn, evse, tx, TxPhase.ENDED, tx.ending.trigger, samples=metering.end_samples(turn, evse, tx, last))
    tx.close()
    evse.tx = None
    turn.save("tx", str(evse.number), None)
    smart.transaction_over(turn, evse, tx.tx_id)
    metering.save_register(turn, evse)
    evse.session_done = tx.was_connected and tx.token is not None and evse.connector.plugged
    evse.held -= evse.risen_late
    evse.risen_late = frozenset()
    settle(turn, evse)


def reading_came(turn: Turn, evse: EvseState, reading: MeterReading) -> None:
    """A meter reading: it feeds whatever was due, ends what waits for its last one, and counts against energy limits."""
    tx = evse.tx
    last = None if tx is None else _before_another_meter(turn, tx, reading)
    metering.on_reading(turn, evse, reading)
    if turn.state.charging.sharing:
        sharing.watch_appetite(turn, evse)
        allowance.watch_phases(turn, evse)
    if reading.temperature_c is not None:
        allowance.derate(turn, evse, reading)
    if tx is not None and last is not None:
        tx.last_wh = last.energy_import_wh
    if tx is not None and not tx.open:
        if not evse.relay_closed and not signing.awaited(turn, evse):
            close(turn, evse, last)
    elif evse.auth is not None and evse.auth.state is AuthState.INVALID:
        settle(turn, evse)  # the allowance of MaxEnergyOnInvalidId may be used up
    elif _is_first_signed(turn, evse, reading):
        evse.signed = True
        settle(turn, evse, Trigger.SIGNED_DATA_RECEIVED if tx is None else None)


def _before_another_meter(turn: Turn, tx: Transaction, reading: MeterReading) -> MeterReading | None:
    """A register that is lower after a restart is another meter, or a reset one: then the last one saved is the end.

    Energy is told once too little at most by what flowed since that row, and never negative.
    """
    if tx.open or tx.started.boot == turn.now.boot or tx.last_wh is None or reading.energy_import_wh >= tx.last_wh:
        return None
    shown = f"{reading.energy_import_wh:.0f} Wh, less than {tx.last_wh:.0f} Wh before the restart"
    turn.emit(Refused(tx.evse, f"the meter shows {shown}: the transaction ends with the last register saved"))
    return MeterReading(energy_import_wh=tx.last_wh)


def _is_first_signed(turn: Turn, evse: EvseState, reading: MeterReading) -> bool:
    """E01.FR.04: the meter can sign, it is asked to, and it did, for somebody authorised at a connected vehicle."""
    return (
        reading.signed is not None
        and not evse.signed
        and TxPoint.POWER_PATH_CLOSED in evse.held
        and turn.model.boolean("SampledDataCtrlr", "SignReadings")
    )


def reading_failed(turn: Turn, evse: EvseState) -> bool:
    """No reading. True when it has now failed often enough to be a fault."""
    failed_for_good = metering.on_failure(turn, evse)
    tx = evse.tx
    if tx is not None and not tx.open and not evse.relay_closed and not signing.awaited(turn, evse):
        close(turn, evse)  # the last register known must do
    return failed_for_good
