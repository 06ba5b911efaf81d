"""hal.sim.grid: voltages under load, lost phases, loads that see each other."""

from __future__ import annotations

import pytest

from hal.api import PilotState
from hal.sim.car import Car
from hal.sim.car_settings import CarSettings
from hal.sim.grid import Grid
from hal.sim.world import World


def test_base_load_makes_the_voltage_sag(heap):
    clock = heap()
    grid = Grid(World(clock.now, clock), voltage_v=230.0, source_ohm=0.1)
    assert grid.open_v() == (230.0, 230.0, 230.0)
    grid.set_base_load(10.0, 0.0, 0.0)
    assert grid.open_v() == (229.0, 230.0, 230.0)
    grid.lose_phase(2)
    assert grid.open_v() == (229.0, 0.0, 230.0)
    grid.restore_phase(2)
    grid.set_voltage(240.0, 230.0, 220.0)
    assert grid.open_v() == (239.0, 230.0, 220.0)


def test_two_cars_sag_the_phase_that_they_share(bench):
    b = bench({"evses": 2, "source_ohm": 0.1})
    b.sim.plug(1, Car(CarSettings(phases=3, max_a=16.0)))
    b.sim.plug(2, Car(CarSettings(phases=1, max_a=32.0)))
    b.offer(16.0, 1)
    b.run(5.0)
    assert b.read(1).voltage_v == pytest.approx((228.4, 228.4, 228.4))
    b.offer(32.0, 2)
    b.run(5.0)
    for evse, current in ((1, (16.0, 16.0, 16.0)), (2, (32.0, 0.0, 0.0))):
        reading = b.read(evse)
        assert reading.voltage_v == pytest.approx((225.2, 228.4, 228.4))
        assert reading.current_a == pytest.approx(current, abs=1e-3)


def test_a_lost_phase_leaves_the_others(bench):
    b = bench()
    b.sim.plug(1, Car())
    b.offer(16.0)
    b.run(5.0)
    b.sim.grid.lose_phase(3)
    reading = b.read()
    assert reading.current_a[2] == 0.0
    assert reading.voltage_v[2] == 0.0
    assert reading.current_a[:2] == pytest.approx((16.0, 16.0))
    b.sim.grid.lose_phase(1)
    b.sim.grid.lose_phase(2)
    before = b.read().energy_import_wh
    b.run(600.0)
    assert b.read().energy_import_wh == before
    b.sim.grid.restore_phase(1)
    b.run(600.0)
    assert b.read().energy_import_wh > before
    assert b.sim.evse(1).state is PilotState.C
