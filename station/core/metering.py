"""When meters are read, and what becomes of the readings (J01, J02, E06).

Energy flows only while the contactor is closed, so between transactions the last reading stays true and nothing is polled (one
reading follows the opening, because a meter shows the power of the last second a little longer). During a transaction
the plan has three clocks: TxUpdatedInterval (periodic facts), TxEndedInterval (samples kept for the Ended fact) and the clock-aligned
intervals; between their ticks the register is looked at every `meter_poll_s` for whoever watches and for energy limits.
"""

from __future__ import annotations

from hal.api import MeterReading
from station.clock import Now
from station.core import measurands
from station.core.effects import MeterNotice, Notice, ReadMeter
from station.core.recording import record, save_tx
from station.core.state import Due, EvseState, Turn
from station.core.transaction import Transaction
from station.core.types import MeterSample, ReadingContext, Trigger, TxPhase

FAILURES_BEFORE_FAULT = 3
# A meter that did not answer is asked again, so that a fault can end and a transaction knows its register.
RETRY_S = 10.0
COOLING_LOOK_S = 60.0
# A clock-aligned timer that fires this much too early still means its own moment, not the next one.
EARLY_S = 0.5

_SAMPLED = "SampledDataCtrlr"
_ALIGNED = "AlignedDataCtrlr"
# Clock-aligned timers of the station and what they are for.
ALIGNED = {"aligned": (Due.CLOCK, "Interval"), "aligned_ended": (Due.CLOCK_COLLECT, "TxEndedInterval")}


def read(turn: Turn, evse: EvseState) -> None:
    """Ask for a reading; MeterRead or MeterFailed follows."""
    effect = ReadMeter(evse.number)
    if effect not in turn.effects:
        turn.emit(effect)


# --- the plan -------------------------------------------------------------------------------------------------------


def plan(turn: Turn, evse: EvseState) -> None:
    """Start the transaction's clocks."""
    _again(turn, evse, "sample", "TxUpdatedInterval")
    _again(turn, evse, "collect", "TxEndedInterval")


def _again(turn: Turn, evse: EvseState, kind: str, variable: str) -> None:
    interval = turn.model.integer(_SAMPLED, variable)
    if interval > 0 and evse.info.has_meter and turn.model.boolean(_SAMPLED, "Enabled"):
        turn.timer(kind, evse.number, interval)
    else:
        turn.cancel(kind, evse.number)


def settings_changed(turn: Turn) -> None:
    """An interval has a new value: it counts from now on."""
    for evse in turn.state.evses.values():
        if evse.open_tx is not None:
            plan(turn, evse)
    plan_aligned(turn)


def plan_aligned(turn: Turn) -> None:
    """The next clock-aligned moments, after the start or when wall clock or settings changed."""
    for kind in ALIGNED:
        _plan_aligned(turn, kind, turn.now.wall)


def _plan_aligned(turn: Turn, kind: str, after: float) -> None:
    """J01.FR.06: counted from midnight."""
    interval = turn.model.integer(_ALIGNED, ALIGNED[kind][1])
    if interval <= 0 or not turn.model.boolean(_ALIGNED, "Enabled"):
        turn.cancel(kind, 0)
    else:
        turn.timer(kind, 0, measurands.aligned(after, interval) - turn.now.wall)


def poll(turn: Turn, evse: EvseState) -> None:
    """Keep looking while power can flow, once more when it has just stopped, and now and then until a hot connector has cooled down."""
    stopped = ("poll", evse.number) in turn.state.timers
    if not evse.info.has_meter or turn.state.meter_poll_s <= 0:
        turn.cancel("poll", evse.number)
    elif evse.relay_closed or stopped:
        turn.timer("poll", evse.number, turn.state.meter_poll_s)
    elif evse.derated_a is not None:
        turn.timer("poll", evse.number, COOLING_LOOK_S)
    else:
        turn.cancel("poll", evse.number)


def tick(turn: Turn, kind: str, evse: EvseState) -> None:
    """One of the clocks of an EVSE."""
    if kind == "sample" and evse.open_tx is not None:
        evse.due.add(Due.SAMPLE)
        _again(turn, evse, "sample", "TxUpdatedInterval")
    elif kind == "collect" and evse.open_tx is not None:
        evse.due.add(Due.COLLECT)
        _again(turn, evse, "collect", "TxEndedInterval")
    poll(turn, evse)
    read(turn, evse)


def aligned_tick(turn: Turn, kind: str) -> None:
    """A clock-aligned moment: every EVSE reports, in its transaction or outside, or keeps a sample for the end."""
    due = ALIGNED[kind][0]
    idle_only = due is Due.CLOCK and turn.model.boolean(_ALIGNED, "SendDuringIdle")  # J01.FR.19
    for evse in turn.state.evses.values():
        wanted = evse.open_tx is not None if due is Due.CLOCK_COLLECT else not (idle_only and evse.tx is not None)
        if evse.info.has_meter and wanted:
            evse.due.add(due)
            read(turn, evse)
    _plan_aligned(turn, kind, turn.now.wall + EARLY_S)


def trigger(turn: Turn, evse: EvseState, *, transaction: bool) -> None:
    """F06: report now, as a transaction fact or outside."""
    evse.due.add(Due.TRIGGER_TX if transaction else Due.TRIGGER)
    if evse.info.has_meter:
        read(turn, evse)
    else:
        _use(turn, evse, turn.now)


# --- readings -------------------------------------------------------------------------------------------------------


def on_reading(turn: Turn, evse: EvseState, reading: MeterReading) -> None:
    """A reading came; give it to everything that was due."""
    evse.reading = reading
    evse.reading_at = turn.now
    evse.meter_failures = 0
    turn.cancel("retry", evse.number)
    tx = evse.tx
    if tx is not None:
        if tx.start_wh is None:
            tx.start_wh = reading.energy_import_wh
        tx.last_wh = reading.energy_import_wh
    _use(turn, evse, turn.now)


def on_failure(turn: Turn, evse: EvseState) -> bool:
    """A reading could not be had. True when it has now failed often enough to be a fault."""
    evse.meter_failures += 1
    # What was triggered was promised (F06.FR.10): it is sent with what is known. Periodic readings are left out.
    evse.due &= {Due.TRIGGER_TX, Due.TRIGGER}
    _use(turn, evse, evse.reading_at or turn.now)
    if evse.info.has_meter:
        turn.timer("retry", evse.number, RETRY_S)
    return evse.meter_failures == FAILURES_BEFORE_FAULT and evse.info.has_meter


def _use(turn: Turn, evse: EvseState, at: Now) -> None:
    due, evse.due = evse.due, set()
    for what in sorted(due, key=lambda d: d.value):
        _report(turn, evse, what, at)


def _report(turn: Turn, evse: EvseState, what: Due, at: Now) -> None:
    tx = evse.open_tx
    if what is Due.TRIGGER:
        _notice(turn, evse, ReadingContext.TRIGGER, at, forced=True)
    elif tx is None:
        if what is Due.CLOCK:
            _notice(turn, evse, ReadingContext.SAMPLE_CLOCK, at)
    elif what is Due.COLLECT:
        _keep(tx, _sample(turn, evse, ReadingContext.SAMPLE_PERIODIC, _SAMPLED, "TxEndedMeasurands", at))
        save_tx(turn, evse, tx)
    elif what is Due.CLOCK_COLLECT:
        _keep(tx, _sample(turn, evse, ReadingContext.SAMPLE_CLOCK, _ALIGNED, "TxEndedMeasurands", at))
        save_tx(turn, evse, tx)
    else:
        _fact(turn, evse, tx, what, at)


_FACTS = {
    Due.SAMPLE: (ReadingContext.SAMPLE_PERIODIC, Trigger.METER_VALUE_PERIODIC, _SAMPLED, "TxUpdatedMeasurands"),
    Due.CLOCK: (ReadingContext.SAMPLE_CLOCK, Trigger.METER_VALUE_CLOCK, _ALIGNED, "Measurands"),
    Due.TRIGGER_TX: (ReadingContext.TRIGGER, Trigger.TRIGGER, _SAMPLED, "TxUpdatedMeasurands"),
}


def _fact(turn: Turn, evse: EvseState, tx: Transaction, what: Due, at: Now) -> None:
    context, why, component, variable = _FACTS[what]
    samples = _sample(turn, evse, context, component, variable, at)
    if samples or why is Trigger.TRIGGER:
        record(turn, evse, tx, TxPhase.UPDATED, why, samples=samples)
        save_tx(turn, evse, tx)


def _notice(turn: Turn, evse: EvseState, context: ReadingContext, at: Now, *, forced: bool = False) -> None:
    samples = _sample(turn, evse, context, _ALIGNED, "Measurands", at)
    if samples:
        turn.emit(Notice(MeterNotice(evse.number, samples, forced=forced)))


def _keep(tx: Transaction, samples: tuple[MeterSample, ...]) -> None:
    for sample in samples:
        tx.keep(sample)


def begin_samples(turn: Turn, evse: EvseState, tx: Transaction) -> tuple[MeterSample, ...]:
    """Samples of the Started fact; the Ended fact will repeat its own measurands for the beginning (E06.FR.11)."""
    begin = ReadingContext.TRANSACTION_BEGIN
    _keep(tx, _sample(turn, evse, begin, _SAMPLED, "TxEndedMeasurands", turn.now))
    return _sample(turn, evse, begin, _SAMPLED, "TxStartedMeasurands", turn.now)


def begin_signed(turn: Turn, evse: EvseState, tx: Transaction) -> None:
    """The signed reading of the beginning takes the place of the one that was not, and is told (SignedDataReceived)."""
    begin = ReadingContext.TRANSACTION_BEGIN
    tx.ended_samples = [sample for sample in tx.ended_samples if sample.context is not begin]
    tx.ended_samples[:0] = _sample(turn, evse, begin, _SAMPLED, "TxEndedMeasurands", turn.now)
    told = _sample(turn, evse, begin, _SAMPLED, "TxStartedMeasurands", turn.now)
    record(turn, evse, tx, TxPhase.UPDATED, Trigger.SIGNED_DATA_RECEIVED, samples=told)
    save_tx(turn, evse, tx)


def end_samples(
    turn: Turn, evse: EvseState, tx: Transaction, last: MeterReading | None = None
) -> tuple[MeterSample, ...]:
    """Samples of the Ended fact: what was kept, and the last reading (`last`, else the EVSE's newest)."""
    end = ReadingContext.TRANSACTION_END
    return (*tx.ended_samples, *_sample(turn, evse, end, _SAMPLED, "TxEndedMeasurands", turn.now, last))


def _sample(
    turn: Turn,
    evse: EvseState,
    context: ReadingContext,
    component: str,
    variable: str,
    at: Now,
    other: MeterReading | None = None,
) -> tuple[MeterSample, ...]:
    model = turn.model
    reading = other or evse.reading
    if reading is None or not (context is ReadingContext.TRIGGER or model.boolean(component, "Enabled")):
        return ()
    values = measurands.sample(
        model.members(component, variable),
        reading,
        offered_a=evse.output.current_a if evse.output is not None else 0.0,
        phases=evse.info.phases,
        voltage_v=evse.info.voltage_v,
        signed=model.boolean(component, "SignReadings"),
    )
    return (MeterSample(at, context, values),) if values else ()


def save_register(turn: Turn, evse: EvseState) -> None:
    """The last register, so that a start without a meter still knows it."""
    if evse.reading is not None:
        turn.save("meter", str(evse.number), {"wh": evse.reading.energy_import_wh, "wall": turn.now.wall})
