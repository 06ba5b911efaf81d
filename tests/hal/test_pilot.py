"""hal.sim.pilot, hal.pilot: the circuits of IEC 61851-1, and its duty cycles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import PilotSignal, PilotState
from hal.pilot import duty_percent, offered_a
from hal.sim import pilot


@pytest.mark.parametrize(
    ("ohm", "volts", "state"),
    [
        (None, 12.0, PilotState.A),
        (pilot.OHM_B, 9.0, PilotState.B),
        (pilot.OHM_C, 6.0, PilotState.C),
        (pilot.OHM_D, 3.0, PilotState.D),
        (0.0, 0.0, PilotState.E),
    ],
)
def test_nominal_levels_of_table_a1(ohm, volts, state):
    assert pilot.positive_v(ohm) == pytest.approx(volts, abs=0.1)
    assert pilot.state_of(PilotSignal.PWM, ohm) is state
    assert pilot.state_of(PilotSignal.OFF, ohm) is state
    expected = PilotState.E if ohm == 0.0 else PilotState.F
    assert pilot.state_of(PilotSignal.FAULT, ohm) is expected


@given(st.floats(0.97, 1.03))
def test_resistor_tolerance_of_3_percent_changes_no_state(factor):
    for ohm, state in ((pilot.OHM_B, PilotState.B), (pilot.OHM_C, PilotState.C), (pilot.OHM_D, PilotState.D)):
        assert pilot.state_of(PilotSignal.PWM, ohm * factor) is state


def test_a_shorted_diode_shows_only_in_the_negative_half_wave():
    assert pilot.negative_v(pilot.OHM_B) == -12.0
    assert pilot.negative_v(pilot.OHM_B, diode_shorted=True) > -10.0
    assert pilot.diode_missing(PilotSignal.PWM, pilot.OHM_B, True)
    assert not pilot.diode_missing(PilotSignal.OFF, pilot.OHM_B, True)
    assert not pilot.diode_missing(PilotSignal.PWM, None, True)
    assert pilot.state_of(PilotSignal.PWM, pilot.OHM_B, True) is PilotState.B


@given(st.floats(6.0, 80.0))
def test_a_car_reads_from_the_duty_cycle_what_was_offered(current):
    seen = offered_a(duty_percent(current))
    if 51.0 < current < 52.5 + 1e-9:
        assert seen == pytest.approx(51.0)
    else:
        assert seen == pytest.approx(current)


@pytest.mark.parametrize("duty", [0.0, 2.0, 5.0, 7.5, 98.0, 100.0])
def test_no_current_where_the_duty_cycle_means_none(duty):
    assert offered_a(duty) == 0.0


@pytest.mark.parametrize("current", [0.0, 5.9, 80.1, -1.0])
def test_currents_without_a_code(current):
    with pytest.raises(ValueError, match="no duty cycle"):
        duty_percent(current)


def test_duty_between_8_and_10_means_6_a_and_the_top_80_a():
    assert offered_a(9.0) == 6.0
    assert offered_a(96.5) == 80.0


def test_cables_are_read_back_by_their_resistor():
    for rating, ohm in pilot.PP_OHM.items():
        for factor in (0.9, 1.0, 1.1):
            assert pilot.cable_rating_a(ohm * factor) == rating
    assert pilot.cable_rating_a(10.0) is None
    assert pilot.cable_rating_a(5000.0) is None
