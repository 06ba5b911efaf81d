"""When meters are read, and what becomes of the readings (J01, J02, E06).

Energy flows only while the contactor is closed, so between transactions the last reading stays true and nothing is polled. During one
the plan has three clocks: TxUpdatedInterval (periodic facts), TxEndedInterval (samples kept for the Ended fact) and the clock-aligned
interval; between their ticks the register is looked at every `meter_poll_s` for whoever watches and for energy limits.
"""

from __future__ import annotations

from hal.api import MeterReading
from station.clock import Now
from station.core import measurands
from station.core.effects import MeterNotice, Notice, ReadMeter
from station.core.recording import record
from station.core.state import EvseState, Turn
from station.core.transaction import Transaction
from station.core.types import MeterSample, ReadingContext, Trigger, TxPhase

FAILURES_BEFORE_FAULT = 3


def read(turn: Turn, evse: EvseState) -> None:
    """Ask for a reading; MeterRead or MeterFailed follows."""
    effect = ReadMeter(evse.number)
    if effect not in turn.effects:
        turn.emit(effect)


def plan(turn: Turn, evse: EvseState) -> None:
    """Start the transaction's clocks."""
    _again(turn, evse, "sample", "TxUpdatedInterval")
    _again(turn, evse, "collect", "TxEndedInterval")


def _again(turn: Turn, evse: EvseState, kind: str, variable: str) -> None:
    interval = turn.model.integer("SampledDataCtrlr", variable)
    if interval > 0 and evse.info.has_meter:
        turn.timer(kind, evse.number, interval)
    else:
        turn.cancel(kind, evse.number)


def interval_changed(turn: Turn) -> None:
    """An interval has a new value: it counts from now on."""
    for evse in turn.state.evses.values():
        if evse.open_tx is not None:
            plan(turn, evse)
    plan_aligned(turn)


def plan_aligned(turn: Turn) -> None:
    """Next clock-aligned moment (J01.FR.06: counted from midnight)."""
    interval = turn.model.integer("AlignedDataCtrlr", "Interval")
    if interval <= 0:
        turn.cancel("aligned", 0)
        turn.state.aligned_wall = None
        return
    turn.state.aligned_wall = measurands.aligned(turn.now.wall, interval)
    turn.timer("aligned", 0, turn.state.aligned_wall - turn.now.wall)


def poll(turn: Turn, evse: EvseState) -> None:
    """Keep looking while power can flow."""
    if evse.relay_closed and evse.info.has_meter and turn.state.meter_poll_s > 0:
        turn.timer("poll", evse.number, turn.state.meter_poll_s)
    else:
        turn.cancel("poll", evse.number)


def tick(turn: Turn, kind: str, evse: EvseState) -> None:
    """One of the clocks of an EVSE."""
    if kind == "sample" and evse.open_tx is not None:
        evse.due.add(ReadingContext.SAMPLE_PERIODIC)
        _again(turn, evse, "sample", "TxUpdatedInterval")
    elif kind == "collect" and evse.open_tx is not None:
        evse.due.add(ReadingContext.OTHER)
        _again(turn, evse, "collect", "TxEndedInterval")
    poll(turn, evse)
    read(turn, evse)


def aligned_tick(turn: Turn) -> None:
    """The clock-aligned moment: every EVSE reports, in its transaction or outside."""
    only_idle = turn.model.boolean("AlignedDataCtrlr", "SendDuringIdle")
    for evse in turn.state.evses.values():
        if evse.info.has_meter and not (only_idle and evse.tx is not None):  # J01.FR.19
            evse.due.add(ReadingContext.SAMPLE_CLOCK)
            read(turn, evse)
    plan_aligned(turn)


def trigger(turn: Turn, evse: EvseState, *, transaction: bool) -> None:
    """F06: report now, as a transaction fact or outside."""
    if transaction:
        evse.due.add(ReadingContext.TRIGGER)
    else:
        evse.due_aligned = True
    read(turn, evse)


def on_reading(turn: Turn, evse: EvseState, reading: MeterReading) -> None:
    """A reading came; give it to everything that was due."""
    evse.reading = reading
    evse.reading_at = turn.now
    evse.meter_failures = 0
    tx = evse.tx
    if tx is not None:
        if tx.start_wh is None:
            tx.start_wh = reading.energy_import_wh
        tx.last_wh = reading.energy_import_wh
    if evse.due_aligned:
        evse.due_aligned = False
        _notice(turn, evse, ReadingContext.TRIGGER, forced=True)
    due, evse.due = evse.due, set()
    for context in sorted(due, key=lambda c: c.value):
        _report(turn, evse, context)


def _report(turn: Turn, evse: EvseState, context: ReadingContext) -> None:
    tx = evse.open_tx
    if tx is None:
        if context is ReadingContext.SAMPLE_CLOCK:
            _notice(turn, evse, context)
        return
    match context:
        case ReadingContext.OTHER:
            _keep(turn, evse, tx, ReadingContext.SAMPLE_PERIODIC)
            turn.save("tx", str(evse.number), tx.to_row())
        case ReadingContext.SAMPLE_CLOCK:
            _fact(turn, evse, tx, context, Trigger.METER_VALUE_CLOCK, "AlignedDataCtrlr", "Measurands")
        case ReadingContext.TRIGGER:
            _fact(turn, evse, tx, context, Trigger.TRIGGER, "SampledDataCtrlr", "TxUpdatedMeasurands")
        case _:
            _fact(turn, evse, tx, context, Trigger.METER_VALUE_PERIODIC, "SampledDataCtrlr", "TxUpdatedMeasurands")


def _fact(
    turn: Turn, evse: EvseState, tx: Transaction, context: ReadingContext, why: Trigger, component: str, variable: str
) -> None:
    samples = _sample(turn, evse, context, component, variable, turn.now)
    if samples or why is Trigger.TRIGGER:
        record(turn, evse, tx, TxPhase.UPDATED, why, samples=samples)
        turn.save("tx", str(evse.number), tx.to_row())


def _notice(turn: Turn, evse: EvseState, context: ReadingContext, *, forced: bool = False) -> None:
    samples = _sample(turn, evse, context, "AlignedDataCtrlr", "Measurands", turn.now)
    if samples:
        turn.emit(Notice(MeterNotice(evse.number, samples, forced=forced)))


def _keep(turn: Turn, evse: EvseState, tx: Transaction, context: ReadingContext) -> None:
    for sample in _sample(turn, evse, context, "SampledDataCtrlr", "TxEndedMeasurands", turn.now):
        tx.keep(sample)


def begin_samples(turn: Turn, evse: EvseState, tx: Transaction) -> tuple[MeterSample, ...]:
    """Samples of the Started fact; the Ended fact will repeat its own measurands for the beginning (E06.FR.11)."""
    _keep(turn, evse, tx, ReadingContext.TRANSACTION_BEGIN)
    return _sample(turn, evse, ReadingContext.TRANSACTION_BEGIN, "SampledDataCtrlr", "TxStartedMeasurands", turn.now)


def end_samples(turn: Turn, evse: EvseState, tx: Transaction) -> tuple[MeterSample, ...]:
    """Samples of the Ended fact: what was kept, and the last reading."""
    last = _sample(turn, evse, ReadingContext.TRANSACTION_END, "SampledDataCtrlr", "TxEndedMeasurands", turn.now)
    return (*tx.ended_samples, *last)


def _sample(
    turn: Turn, evse: EvseState, context: ReadingContext, component: str, variable: str, at: Now
) -> tuple[MeterSample, ...]:
    if evse.reading is None:
        return ()
    values = measurands.sample(
        turn.model.members(component, variable),
        evse.reading,
        offered_a=evse.output.current_a if evse.output is not None else 0.0,
        phases=evse.info.phases,
        voltage_v=evse.info.voltage_v,
    )
    return (MeterSample(at, context, values),) if values else ()


def on_failure(evse: EvseState) -> bool:
    """A reading could not be had. True when it has now failed often enough to be a fault."""
    evse.meter_failures += 1
    return evse.meter_failures == FAILURES_BEFORE_FAULT


def save_register(turn: Turn, evse: EvseState) -> None:
    """The last register, so that a start without a meter still knows it."""
    if evse.reading is not None:
        turn.save("meter", str(evse.number), {"wh": evse.reading.energy_import_wh, "wall": turn.now.wall})
