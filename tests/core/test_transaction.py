"""`station.core.transaction`: every state x event, the saved row, start and stop points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transitions import MachineError

from station.clock import Now
from station.core import transaction
from station.core.machine import fire
from station.core.transaction import Ending, Transaction, starts, stops
from station.core.types import (
    ChargingState,
    IdToken,
    MeterSample,
    ReadingContext,
    SampledValue,
    StopReason,
    TokenKind,
    Trigger,
    TxPoint,
)

OPEN = {state.value for state in ChargingState}


START = Now(10.0, 20.0)


def make(now: Now = START) -> Transaction:
    return Transaction("tx-1", 1, 1, now, 1000.0)


@pytest.mark.parametrize("state", transaction.STATES)
@pytest.mark.parametrize("event", sorted(transaction.MACHINE.events))
def test_every_event_is_defined_or_deliberately_forbidden(state: str, event: str) -> None:
    """An ending transaction only closes; a closed one does nothing any more."""
    tx = make()
    tx.state = state
    if (state in OPEN and event != "close") or (state == transaction.ENDING and event == "close"):
        fire(transaction.MACHINE, event, tx)
    else:
        with pytest.raises(MachineError):
            fire(transaction.MACHINE, event, tx)


def test_time_spent_charging_counts_only_charging() -> None:
    tx = make()
    assert tx.move(ChargingState.CHARGING, Now(10.0, 0.0))
    assert not tx.move(ChargingState.CHARGING, Now(15.0, 0.0))
    tx.move(ChargingState.SUSPENDED_EV, Now(40.0, 0.0))
    tx.move(ChargingState.CHARGING, Now(100.0, 0.0))
    assert tx.charging_seconds(Now(110.0, 0.0)) == 40.0
    tx.finish(Ending(StopReason.LOCAL, Trigger.STOP_AUTHORIZED, Now(120.0, 0.0)))
    assert tx.charging_seconds(Now(500.0, 0.0)) == 50.0
    assert tx.charging_state is ChargingState.CHARGING, "the last state before the end"


def test_the_saved_row_knows_the_charging_that_is_under_way() -> None:
    tx = make()
    tx.move(ChargingState.CHARGING, Now(10.0, 0.0))
    assert Transaction.from_row(tx.to_row(Now(70.0, 0.0))).seconds_charging == 60.0


tokens = st.none() | st.builds(IdToken, st.text(max_size=36), st.sampled_from(TokenKind))
moments = st.builds(Now, st.floats(0, 1e6), st.floats(0, 2e9), st.integers(0, 99), st.booleans())
samples = st.builds(
    MeterSample,
    moments,
    st.sampled_from(ReadingContext),
    st.tuples(st.builds(SampledValue, st.just("SoC"), st.floats(0, 100), st.just("Percent"))),
)


@given(
    moments,
    tokens,
    tokens,
    st.none() | st.integers(),
    st.lists(samples, max_size=3),
    st.none() | st.builds(Ending, st.sampled_from(StopReason), st.sampled_from(Trigger), moments, tokens),
    st.sampled_from(ChargingState),
)
def test_a_row_is_the_transaction(started, token, group, remote, kept, ending, state) -> None:
    tx = make(started)
    tx.token, tx.group, tx.remote_start_id, tx.ended_samples = token, group, remote, kept
    tx.move(state, started)
    for _ in range(3):
        tx.next_seq()
    if ending is not None:
        tx.finish(ending)
    again = Transaction.from_row(tx.to_row(started))
    for name in ("tx_id", "seq", "token", "group", "remote_start_id", "ended_samples", "ending", "state", "started"):
        assert getattr(again, name) == getattr(tx, name), name
    assert again.open is (ending is None)


@pytest.mark.parametrize("row", [{}, {"tx_id": "x"}])
def test_a_row_that_is_none_is_an_error(row: dict[str, object]) -> None:
    with pytest.raises((KeyError, ValueError)):
        Transaction.from_row(row)


def test_energy_is_never_negative() -> None:
    tx = make()
    tx.last_wh = 400.0  # a new meter
    assert tx.energy_wh == 0.0
    tx.last_wh = 1234.5
    assert tx.energy_wh == 234.5
    tx.start_wh = None
    assert tx.energy_wh == 0.0


def test_too_many_samples_lose_every_second_in_the_middle() -> None:
    """E06.FR.13."""
    tx = make()
    for n in range(11):
        tx.keep(MeterSample(Now(float(n), 0.0), ReadingContext.SAMPLE_PERIODIC, ()), limit=10)
    kept = [sample.at.mono for sample in tx.ended_samples]
    assert kept[0] == 0.0
    assert kept[-1] == 10.0
    assert len(kept) < 10


E = frozenset({TxPoint.EV_CONNECTED})
A = frozenset({TxPoint.AUTHORIZED})
NONE: frozenset[TxPoint] = frozenset()


@pytest.mark.parametrize(
    ("points", "risen", "held", "expected"),
    [
        (E, E, E, True),
        (A, E, E, False),
        (A | E, A, A, True),
        (E, A, A | E, True),  # plugged all along, newly authorised
        (E, NONE, E, False),
    ],
)
def test_start_points(points, risen, held, expected) -> None:
    """E01.FR.01-06."""
    assert starts(points, risen, held) is expected


@pytest.mark.parametrize(
    ("points", "fallen", "held", "expected"),
    [
        (E, E, A, True),
        (A, E, A, False),
        (A, E, NONE, True),  # nothing holds any more
        (A, NONE, NONE, False),
    ],
)
def test_stop_points(points, fallen, held, expected) -> None:
    """E06.FR.01-07."""
    assert stops(points, fallen, held) is expected
