"""hal.sim.contactor, lock, meter, world and hal.timing: the small parts by themselves."""

from __future__ import annotations

import asyncio
import random

import pytest

from hal.api import LockState
from hal.errors import BusError, ConfigError, DeviceError
from hal.sim.contactor import CLOSE_S, MIRROR_CHECK_S, OPEN_S, Contactor
from hal.sim.lock import TRAVEL_S, SimLock
from hal.sim.meter import Flow, SimMeter
from hal.sim.world import Timer, World
from hal.timing import Scheduler


def test_contactor_takes_its_time_and_opens_within_100_ms(heap):
    clock = heap()
    moves: list[tuple[float, int]] = []
    contactor = Contactor(World(clock.now, clock), lambda: moves.append((clock.now(), contactor.poles)), moves.clear)
    contactor.command(3)
    clock.run(10.0)
    contactor.command(0)
    clock.run(10.0)
    assert moves == [(CLOSE_S, 3), (10.0 + OPEN_S, 0)]
    assert OPEN_S <= 0.1


def test_contactor_that_is_told_to_open_before_it_has_closed_never_closes(heap):
    clock = heap()
    moves: list[int] = []
    contactor = Contactor(World(clock.now, clock), lambda: moves.append(contactor.poles), moves.clear)
    contactor.command(3)
    clock.run(CLOSE_S / 2)
    contactor.command(0)
    clock.run(10.0)
    assert moves == []


def test_welded_contacts_are_found_by_the_mirror_and_open_when_repaired(heap):
    clock = heap()
    stuck: list[float] = []
    contactor = Contactor(World(clock.now, clock), lambda: None, lambda: stuck.append(clock.now()))
    contactor.weld(True)
    contactor.command(3)
    clock.run(1.0)
    contactor.command(0)
    clock.run(5.0)
    assert contactor.closed
    assert stuck == [1.0 + MIRROR_CHECK_S]
    contactor.drop()
    assert contactor.closed
    contactor.weld(False)
    assert not contactor.closed


def test_lock_reports_every_order_the_newest_wins_and_it_jams(heap, bench):
    clock = heap()
    seen: list[LockState] = []
    power = [True]
    lock = SimLock(World(clock.now, clock), seen.append, lambda: power[0])
    bench.finish(lock.set_locked(True))
    bench.finish(lock.set_locked(True))
    clock.run(TRAVEL_S)
    assert seen == [LockState.LOCKED]
    bench.finish(lock.set_locked(True))
    clock.run(TRAVEL_S)
    assert seen == [LockState.LOCKED] * 2
    lock.jammed = True
    bench.finish(lock.set_locked(False))
    clock.run(TRAVEL_S)
    assert seen[-1] is LockState.JAMMED
    assert lock.bolt_in
    lock.jammed = False
    bench.finish(lock.set_locked(False))
    lock.halt()
    clock.run(TRAVEL_S)
    assert lock.bolt_in
    power[0] = False
    with pytest.raises(BusError, match="no power"):
        bench.finish(lock.set_locked(False))


def flow() -> Flow:
    return Flow((230.0, 231.0, 232.0), (1.0, 2.0, 3.0), (230.0, 462.0, 696.0), 50.0, None, 20.0)


def test_meter_counts_fails_freezes_and_jumps(bench):
    power = [True]
    meter = SimMeter(flow, lambda: power[0], random.Random(1), initial_wh=100.0)
    meter.count(5.0)
    reading = bench.finish(meter.read())
    assert (reading.energy_import_wh, reading.power_w) == (105.0, 1388.0)
    assert reading.current_a == (1.0, 2.0, 3.0)
    meter.freeze()
    meter.count(5.0)
    assert bench.finish(meter.read()) == reading
    meter.repair()
    assert bench.finish(meter.read()).energy_import_wh == 110.0
    meter.jump(-20.0)
    assert bench.finish(meter.read()).energy_import_wh == 90.0
    meter.fail("sensor")
    with pytest.raises(DeviceError, match="sensor"):
        bench.finish(meter.read())
    power[0] = False
    with pytest.raises(BusError, match="no power"):
        bench.finish(meter.read())
    assert meter.register_wh == 90.0


def test_meter_pretends(bench):
    """A power that does not flow is shown and counted, while there is power; what flows is not counted then."""
    now, power = [0.0], [True]
    meter = SimMeter(flow, lambda: power[0], random.Random(1), initial_wh=100.0, now=lambda: now[0])
    meter.pretend(6930.0)
    now[0] = 1800.0
    meter.count(1000.0)
    reading = bench.finish(meter.read())
    assert (reading.energy_import_wh, reading.power_w) == (pytest.approx(3565.0), pytest.approx(6930.0))
    assert reading.current_a[0] == pytest.approx(2310.0 / 230.0)
    meter.settle()
    power[0] = False
    now[0] = 3600.0
    assert meter.register_wh == pytest.approx(3565.0)
    power[0] = True
    meter.set_register(10.0)
    meter.pretend(None)
    now[0] = 7200.0
    assert meter.register_wh == pytest.approx(10.0)
    meter.count(5.0)
    assert bench.finish(meter.read()).power_w == 1388.0
    assert meter.register_wh == pytest.approx(15.0)


def test_meter_pretends_without_voltage(bench):
    dead = Flow((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 50.0, None, 20.0)
    meter = SimMeter(lambda: dead, lambda: True, random.Random(1))
    meter.pretend(1000.0)
    assert bench.finish(meter.read()).current_a == (0.0, 0.0, 0.0)


def test_meter_thaws_and_answers_each_for_itself(bench):
    meter = SimMeter(flow, lambda: True, random.Random(1))
    meter.freeze()
    meter.fail()
    meter.thaw()
    with pytest.raises(DeviceError):
        bench.finish(meter.read())
    meter.answer()
    meter.count(5.0)
    assert bench.finish(meter.read()).energy_import_wh == 5.0


def test_meter_state_goes_through_a_file(bench):
    meter = SimMeter(flow, lambda: True, random.Random(1), initial_wh=12.5, phases=1)
    other = SimMeter(flow, lambda: True, random.Random(1), phases=1)
    other.restore(meter.state())
    assert bench.finish(other.read()).energy_import_wh == 12.5
    assert bench.finish(other.read()).voltage_v == (230.0,)
    for wrong in ({}, {"energy_import_wh": "1"}, {"energy_import_wh": float("nan")}):
        with pytest.raises(ConfigError, match="energy_import_wh"):
            other.restore(wrong)


def test_meter_noise_is_off_unless_asked_and_repeats_with_its_seed(bench):
    def readings(seed: int, error: float) -> list[float]:
        meter = SimMeter(flow, lambda: True, random.Random(seed), error_percent=error)
        meter.count(1000.0)
        return [bench.finish(meter.read()).energy_import_wh, bench.finish(meter.read()).voltage_v[0]]

    assert readings(1, 0.0) == [1000.0, 230.0]
    assert readings(1, 1.0) == readings(1, 1.0) != readings(2, 1.0)
    energy, voltage = readings(3, 1.0)
    assert energy != 1000.0
    assert energy == pytest.approx(1000.0, rel=0.01)
    assert voltage == pytest.approx(230.0, rel=0.01)


def test_timer_holds_one_callback(heap):
    clock = heap()
    fired: list[str] = []
    timer = Timer(World(clock.now, clock))
    timer.start(1.0, lambda: fired.append("first"))
    timer.start(2.0, lambda: fired.append("second"))
    assert timer.running
    clock.run(3.0)
    assert fired == ["second"]
    assert not timer.running
    timer.start(1.0, lambda: fired.append("third"))
    timer.cancel()
    clock.run(3.0)
    assert fired == ["second"]


async def test_the_running_loop_is_a_world_and_a_scheduler():
    loop = asyncio.get_running_loop()
    scheduler: Scheduler = loop
    done = loop.create_future()
    world = World.of_running_loop()
    assert abs(world.now() - loop.time()) < 1.0
    Timer(world).start(0.0, lambda: done.set_result("world"))
    assert await done == "world"
    again = loop.create_future()
    scheduler.call_later(0.0, lambda: again.set_result("loop"))
    assert await again == "loop"
