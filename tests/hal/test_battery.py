"""hal.sim.battery: closed form against small steps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.sim.battery import Battery

CURVE = ((0.0, 4000.0), (20.0, 9000.0), (80.0, 9000.0), (100.0, 500.0))


@st.composite
def curves(draw):
    socs = sorted(draw(st.sets(st.integers(0, 100), min_size=1, max_size=6)))
    return tuple((float(soc), draw(st.floats(100.0, 50_000.0))) for soc in socs)


@settings(max_examples=60)
@given(curves(), st.floats(1000.0, 30_000.0), st.floats(0.0, 1.0))
def test_closed_form_equals_small_steps(curve, cap, start):
    battery = Battery(10_000.0, 10_000.0 * start, curve)
    stepped = battery.energy_wh
    probe = Battery(10_000.0, stepped, curve)
    for _ in range(1800):
        probe.energy_wh = stepped
        stepped = min(10_000.0, stepped + probe.power_w(cap) / 3600.0)
    battery.charge(1800.0, cap, 10_000.0)
    assert battery.energy_wh == pytest.approx(stepped, abs=20.0)


@given(curves(), st.floats(1000.0, 30_000.0), st.lists(st.floats(0.0, 5000.0), max_size=20))
def test_it_does_not_matter_how_often_one_looks(curve, cap, steps):
    often, once = Battery(50_000.0, 3_000.0, curve), Battery(50_000.0, 3_000.0, curve)
    gains = [often.charge(step, cap, 40_000.0) for step in steps]
    once.charge(sum(steps), cap, 40_000.0)
    assert often.energy_wh == pytest.approx(once.energy_wh, rel=1e-9)
    assert sum(gains) == pytest.approx(often.energy_wh - 3_000.0, abs=1e-6)
    assert once.energy_wh <= 40_000.0


@given(curves(), st.floats(500.0, 60_000.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_walking_from_event_to_event_ends_at_the_target(curve, cap, start, aim):
    battery = Battery(1000.0, 1000.0 * start, curve)
    target = max(battery.energy_wh, 1000.0 * aim)
    for _ in range(40):
        if battery.energy_wh >= target - 1e-6:
            break
        wait = battery.time_to_next(cap, target)
        assert math.isfinite(wait)
        battery.charge(max(wait, 1e-3), cap, target)
    assert battery.energy_wh == pytest.approx(target, abs=1e-6)


def test_power_follows_the_curve_and_the_cap():
    battery = Battery(10_000.0, 0.0, CURVE)
    assert battery.power_w(20_000.0) == 4000.0
    assert battery.power_w(3000.0) == 3000.0
    battery.energy_wh = 9_000.0
    assert battery.power_w(20_000.0) == pytest.approx(4750.0)
    assert battery.soc_percent == 90.0


def test_nothing_flows_without_power_or_beyond_the_target():
    battery = Battery(10_000.0, 5_000.0, CURVE)
    assert battery.charge(3600.0, 0.0, 10_000.0) == 0.0
    assert battery.time_to_next(0.0, 10_000.0) == math.inf
    assert battery.charge(36_000.0, 9000.0, 6_000.0) == 1_000.0
    assert battery.charge(36_000.0, 9000.0, 6_000.0) == 0.0
