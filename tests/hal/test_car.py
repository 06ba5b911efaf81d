"""hal.sim.car: reaction times, its own will, its settings."""

from __future__ import annotations

import pytest

from hal.api import PilotChanged, PilotSignal, PilotState, PowerPathChanged
from hal.errors import ConfigError
from hal.sim.car import Car
from hal.sim.car_settings import CarSettings, car_settings


def charging(bench, settings: CarSettings | None = None, current: float = 16.0):
    b = bench()
    car = Car(settings or CarSettings())
    b.sim.plug(1, car)
    b.offer(current)
    b.run(5.0)
    b.take()
    return b, car


def test_it_answers_an_offer_with_c_and_then_draws(bench):
    b = bench()
    car = Car()
    b.sim.plug(1, car)
    b.offer(16.0)
    b.run(0.4)
    assert car.power_w() == 0.0
    assert b.sim.evse(1).state is PilotState.B
    b.run(0.2)
    assert b.sim.evse(1).state is PilotState.C
    assert car.power_w() == 0.0
    b.run(3.0)
    assert b.read().current_a == pytest.approx((16.0, 16.0, 16.0))
    assert car.power_w() == pytest.approx(b.read().power_w)


def test_it_follows_a_new_offer_within_5_s_even_when_it_keeps_changing(bench):
    b, car = charging(bench)
    for current in (15.0, 14.0, 13.0, 12.0, 11.0, 10.0):
        b.signal(PilotSignal.PWM, current)
        b.run(1.0)
    assert car.currents()[0] <= 12.0
    b.run(5.0)
    assert car.currents() == pytest.approx((10.0, 10.0, 10.0))


def test_x1_ends_the_current_within_3_s_and_pwm_wakes_it_again(bench):
    b, car = charging(bench)
    b.signal(PilotSignal.OFF)
    b.run(3.0)
    assert car.power_w() == 0.0
    assert PilotChanged(1, PilotState.B) in b.events
    assert PowerPathChanged(1, False) in b.events
    b.run(7200.0)
    b.signal(PilotSignal.PWM, 10.0)
    b.run(5.0)
    assert car.currents() == pytest.approx((10.0, 10.0, 10.0))


def test_a_short_x1_does_not_disturb_it(bench):
    b, car = charging(bench)
    b.signal(PilotSignal.OFF)
    b.run(0.3)
    b.signal(PilotSignal.PWM, 16.0)
    b.run(10.0)
    assert car.currents() == pytest.approx((16.0, 16.0, 16.0))
    assert b.take() == []


def test_a_sleepy_car_needs_state_f_to_wake_up(bench):
    b, car = charging(bench, CarSettings(sleeps_after_s=600.0))
    b.signal(PilotSignal.OFF)
    b.run(700.0)
    b.signal(PilotSignal.PWM, 16.0)
    b.run(60.0)
    assert car.asleep
    assert car.power_w() == 0.0
    b.signal(PilotSignal.FAULT)
    b.run(4.0)
    b.signal(PilotSignal.PWM, 16.0)
    b.run(5.0)
    assert car.power_w() > 0.0


def test_it_stops_by_itself_at_its_target_and_goes_on_with_a_higher_one(bench):
    b, car = charging(bench, CarSettings(soc_percent=79.0, target_percent=80.0))
    b.run(3600.0)
    assert car.soc_percent == 80.0
    assert car.full
    assert [event for event in b.take() if isinstance(event, PilotChanged)] == [PilotChanged(1, PilotState.B)]
    car.set_target(81.0)
    b.run(3600.0)
    assert car.soc_percent == 81.0
    car.set_target(50.0)
    assert car.soc_percent == 81.0
    with pytest.raises(ConfigError, match="target_percent"):
        car.set_target(101.0)


def test_pause_and_resume(bench):
    b, car = charging(bench)
    car.pause()
    assert car.power_w() == 0.0
    b.run(1.0)
    assert b.take() == [PilotChanged(1, PilotState.B), PowerPathChanged(1, False)]
    car.resume()
    b.run(5.0)
    assert car.power_w() > 0.0


def test_nothing_that_has_flowed_is_forgotten_when_nobody_looked(bench):
    b, car = charging(bench)
    power, before = car.power_w(), b.read().energy_import_wh
    b.run(3600.0)
    b.sim.unplug(1)
    assert b.read().energy_import_wh - before == pytest.approx(power)
    assert car.drawn_wh == b.read().energy_import_wh


def test_after_an_interruption_it_starts_anew_and_not_at_full_current_at_once(bench):
    b, car = charging(bench)
    b.permit(False)
    b.run(0.1)
    b.permit(True)
    b.run(1.0)
    assert b.sim.evse(1).contactor.closed
    assert car.power_w() == 0.0
    b.run(1.0)
    assert car.power_w() > 0.0


def test_its_limits_bind(bench):
    b, car = charging(bench, CarSettings(phases=1, max_a=10.0), current=32.0)
    assert car.currents() == pytest.approx((10.0, 0.0, 0.0))
    b.signal(PilotSignal.PWM, 8.0)
    b.run(5.0)
    assert car.currents() == pytest.approx((8.0, 0.0, 0.0))
    b2, weak = charging(bench, CarSettings(max_power_w=2000.0))
    assert weak.power_w() == pytest.approx(2000.0 / 0.92)
    assert b2.read().power_w == pytest.approx(weak.power_w())


def test_a_thin_cable_binds(bench):
    b = bench()
    car = Car()
    b.sim.plug(1, car, 13.0)
    b.offer(32.0)
    b.run(5.0)
    assert car.currents() == pytest.approx((13.0, 13.0, 13.0))


def test_departure_ends_the_charge_before_the_plug_is_pulled(bench):
    b, car = charging(bench, CarSettings(departure_after_s=600.0))
    b.run(700.0)
    kinds = [event.state for event in b.take() if isinstance(event, PilotChanged)]
    assert kinds == [PilotState.B, PilotState.A]
    assert not car.plugged


def test_a_car_is_in_one_place_at_a_time(bench):
    b = bench({"evses": 2})
    car = Car(CarSettings(name="blue"))
    b.sim.plug(1, car)
    with pytest.raises(ConfigError, match="blue is plugged in already"):
        b.sim.plug(2, car)
    with pytest.raises(ConfigError, match="EVSE 1: a car is plugged in already"):
        b.sim.plug(1, Car())
    b.sim.unplug(1)
    b.sim.plug(2, car)
    assert b.sim.car(2) is car


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"capacity_wh": 0}, "car.capacity_wh"),
        ({"phases": 4}, "car.phases"),
        ({"efficiency": 1.5}, "car.efficiency"),
        ({"stop_s": 10}, "car.stop_s"),
        ({"colour": "red"}, "car.colour: unknown"),
        ({"curve": [[50, 100], [20, 100]]}, "must rise"),
        ({"curve": [[0, 100], [100, 0]]}, "above 0 W"),
        ({"sleeps_after_s": -1}, "car.sleeps_after_s"),
    ],
)
def test_impossible_cars_are_refused(values, words):
    with pytest.raises(ConfigError, match=words):
        car_settings(values)


def test_settings_from_a_table_and_from_code_are_the_same_and_checked_alike():
    assert car_settings({"capacity_wh": 40_000, "curve": [[0, 7000], [100, 1000]]}) == CarSettings(
        capacity_wh=40_000.0, curve=((0.0, 7000.0), (100.0, 1000.0))
    )
    with pytest.raises(ConfigError, match=r"car\.max_a"):
        CarSettings(max_a=0.0)


# --- what somebody does to it by hand ---------------------------------------------------------------------------------


def test_it_draws_no_more_than_it_demands(bench):
    b, car = charging(bench)
    car.demand(max_a=9.0)
    assert car.currents() == pytest.approx((9.0, 9.0, 9.0))
    car.demand(max_w=2000.0)
    assert car.power_w() == pytest.approx(2000.0)
    car.demand(max_a=0.0)
    assert car.currents() == (0.0, 0.0, 0.0)
    assert b.sim.evse(1).state is PilotState.C
    car.demand(max_a=float("inf"), max_w=float("inf"))
    b.run(5.0)
    assert car.currents() == pytest.approx((16.0, 16.0, 16.0))


def test_a_demand_before_the_session_holds_in_it(bench):
    b = bench()
    car = Car()
    car.demand(max_a=8.0)
    b.sim.plug(1, car)
    b.offer(16.0)
    b.run(10.0)
    assert car.currents() == pytest.approx((8.0, 8.0, 8.0))


def test_put_to_sleep_it_answers_to_no_offer_until_it_is_woken(bench):
    b, car = charging(bench)
    car.sleep()
    assert (b.sim.evse(1).state, car.power_w()) == (PilotState.B, 0.0)
    b.signal(PilotSignal.OFF)
    b.run(10.0)
    b.signal(PilotSignal.PWM, 10.0)
    b.run(10.0)
    assert (b.sim.evse(1).state, car.asleep) == (PilotState.B, True)
    car.wake()
    b.run(10.0)
    assert car.currents() == pytest.approx((10.0, 10.0, 10.0))
    car.sleep()
    b.signal(PilotSignal.FAULT)
    b.run(1.0)
    assert not car.asleep


def test_energy_put_into_its_battery_is_accounted_for(bench):
    b, car = charging(bench)
    before = car.battery.energy_wh
    b.run(600.0)
    car.set_soc(50.0)
    b.run(600.0)
    assert car.soc_percent > 50.0
    gained = car.battery.energy_wh - before - car.put_in_wh
    assert gained == pytest.approx(car.drawn_wh * car.settings.efficiency, rel=1e-6)
    car.set_soc(100.0)
    b.run(1.0)
    assert (car.full, b.sim.evse(1).state) == (True, PilotState.B)
    car.set_soc(10.0)
    b.run(10.0)
    assert car.power_w() > 0.0
    with pytest.raises(ConfigError, match="soc_percent"):
        car.set_soc(101.0)


def test_it_may_come_to_need_ventilation(bench):
    b, car = charging(bench)
    car.ventilate(True)
    assert b.sim.evse(1).state is PilotState.D
    b.run(1.0)
    assert not b.sim.evse(1).contactor.closed
    car.ventilate(False)
    assert b.sim.evse(1).state is PilotState.C


def test_the_pilot_can_be_held(bench):
    b, car = charging(bench)
    evse = b.sim.evse(1)
    for state in (PilotState.B, PilotState.C, PilotState.D, PilotState.A, PilotState.E, PilotState.F):
        b.take()
        evse.hold_pilot(state)
        b.run(10.0)
        assert evse.state is state
        assert PilotChanged(1, state) in b.take()
        assert (car.power_w() > 0.0) is (state is PilotState.C)
        assert evse.contactor.closed is (state is PilotState.C)
    evse.hold_pilot(None)
    b.run(10.0)
    assert evse.state is PilotState.D, "the car still needs ventilation"
    car.ventilate(False)
    b.run(10.0)
    assert car.power_w() > 0.0


def test_a_held_pilot_ends_with_the_plug(bench):
    b, _car = charging(bench)
    evse = b.sim.evse(1)
    evse.hold_pilot(PilotState.C)
    b.sim.unplug(1)
    assert evse.state is PilotState.A
    b.signal(PilotSignal.OFF)
    b.sim.plug(1, Car())
    b.run(10.0)
    assert evse.state is PilotState.B


def test_c_without_an_offer_gets_no_power(bench):
    b = bench()
    car = Car()
    b.sim.plug(1, car)
    b.sim.evse(1).hold_pilot(PilotState.C)
    b.run(10.0)
    assert (b.sim.evse(1).state, b.sim.evse(1).contactor.closed, car.power_w()) == (PilotState.C, False, 0.0)
    car.force(None)
    b.run(10.0)
    loose = Car()
    loose.force(True)
    assert not loose.s2_closed, "only while it is plugged in"
