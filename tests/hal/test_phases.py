"""Phases of the simulated board and cars: switched only while open, rotated on the supply, told per phase by the meter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import PilotSignal, PowerPathChanged
from hal.errors import ConfigError
from hal.registry import create_board
from hal.sim.car import Car
from hal.sim.car_settings import CarSettings
from hal.sim.grid import ROTATIONS, on_lines, seen_by


def charging(bench, settings, car: CarSettings, phases: int, evse: int = 1):
    b = bench(settings)
    start(b, car, phases, evse)
    return b


def start(b, car: CarSettings, phases: int, evse: int = 1) -> None:
    b.sim.plug(evse, Car(car))
    b.signal(PilotSignal.PWM, 16.0, evse)
    b.permit(True, phases, evse)
    b.run(5.0)


@pytest.mark.parametrize(
    ("permitted", "car", "drawn"), [(3, 3, 3), (3, 2, 2), (3, 1, 1), (2, 3, 2), (1, 3, 1), (1, 2, 1), (1, 1, 1)]
)
def test_the_car_draws_on_the_phases_that_both_have(bench, permitted: int, car: int, drawn: int) -> None:
    b = charging(bench, {"phase_switching": True}, CarSettings(phases=car, max_a=16.0), permitted)
    reading = b.read()
    assert reading.current_a == pytest.approx((16.0,) * drawn + (0.0,) * (3 - drawn))
    assert [power > 3000.0 for power in reading.power_phase_w] == [True] * drawn + [False] * (3 - drawn)


def test_a_host_that_withdraws_the_offer_first_switches_without_load(bench) -> None:
    b = charging(bench, {"phase_switching": True}, CarSettings(), 3)
    b.signal(PilotSignal.OFF)
    b.run(5.0)
    b.permit(False)
    b.run(1.0)
    b.permit(True, 1)
    b.signal(PilotSignal.PWM, 16.0)
    b.run(5.0)
    assert b.read().current_a == pytest.approx((16.0, 0.0, 0.0))
    assert b.sim.evse(1).loaded_openings == 0


def test_a_host_that_switches_under_load_wears_the_contacts(bench) -> None:
    b = charging(bench, {"phase_switching": True}, CarSettings(), 3)
    b.take()
    b.permit(True, 1)
    assert b.sim.evse(1).contactor.poles == 3
    b.run(5.0)
    assert b.take() == [PowerPathChanged(1, False), PowerPathChanged(1, True)]
    assert b.sim.evse(1).loaded_openings == 1
    assert b.read().current_a == pytest.approx((16.0, 0.0, 0.0))


def test_a_car_that_keeps_its_phases_leaves_new_ones_alone_until_it_is_replugged(bench) -> None:
    b = charging(bench, {"phase_switching": True}, CarSettings(keeps_phases=True), 1)
    b.permit(True, 3)
    b.run(10.0)
    assert b.sim.evse(1).contactor.poles == 3
    assert b.read().current_a == pytest.approx((16.0, 0.0, 0.0))
    car = b.sim.car(1)
    b.sim.unplug(1)
    b.run(1.0)
    b.sim.plug(1, car)
    b.run(5.0)
    assert b.read().current_a == pytest.approx((16.0, 16.0, 16.0))


def test_phases_are_rotated_on_the_supply_and_not_in_the_meter(bench) -> None:
    b = bench({"source_ohm": 0.1, "evse": [{"rotation": "RST"}, {"rotation": "STR"}]})
    start(b, CarSettings(phases=1, max_a=16.0), 3, 1)
    start(b, CarSettings(phases=1, max_a=10.0), 3, 2)
    assert b.sim.grid.line_a() == pytest.approx((16.0, 10.0, 0.0))
    assert b.read(2).current_a == pytest.approx((10.0, 0.0, 0.0))
    assert b.read(1).voltage_v == pytest.approx((228.4, 229.0, 230.0))
    assert b.read(2).voltage_v == pytest.approx((229.0, 230.0, 228.4))
    b.sim.grid.lose_phase(2)  # what EVSE 2 calls L1
    assert b.read(2).current_a == pytest.approx((0.0, 0.0, 0.0))
    assert b.read(1).current_a == pytest.approx((16.0, 0.0, 0.0))


def test_a_single_phase_evse_is_on_the_line_that_its_rotation_begins_with(bench) -> None:
    b = charging(bench, {"phases": 1, "rotation": "TRS"}, CarSettings(), 1)
    assert b.read().current_a == pytest.approx((16.0,))
    assert b.sim.grid.line_a() == pytest.approx((0.0, 0.0, 16.0))


def test_the_grid_remembers_the_most_that_each_line_has_carried(bench) -> None:
    b = charging(bench, {}, CarSettings(phases=2), 3)
    b.sim.grid.set_base_load(1.0, 2.0, 3.0)
    b.signal(PilotSignal.PWM, 6.0)
    b.run(10.0)
    assert b.sim.grid.line_a() == pytest.approx((7.0, 8.0, 3.0))
    assert b.sim.grid.peak_a == pytest.approx((17.0, 18.0, 3.0))
    b.sim.grid.forget_peak()
    assert b.sim.grid.peak_a == pytest.approx((7.0, 8.0, 3.0))


def test_a_lower_offer_is_followed_after_the_car_has_taken_its_time(bench) -> None:
    b = charging(bench, {}, CarSettings(follow_s=4.0), 3)
    b.signal(PilotSignal.PWM, 8.0)
    b.run(3.9)
    assert b.read().current_a[0] == pytest.approx(16.0)
    b.run(0.2)
    assert b.read().current_a[0] == pytest.approx(8.0)


def test_a_rotation_that_is_none(bench) -> None:
    with pytest.raises(ConfigError, match=r"board\.rotation: must be one of RST, .* is 'RRT'"):
        create_board("sim", {"rotation": "RRT"})


@given(st.sampled_from(list(ROTATIONS.values())), st.tuples(*[st.floats(0, 80)] * 3))
def test_lines_and_phases_are_two_views_of_the_same(lines, values) -> None:
    assert on_lines(lines, seen_by(lines, values)) == values
    assert seen_by(lines, on_lines(lines, values)) == values
