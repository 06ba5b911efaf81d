"""hal.sim.board and hal.sim.evse: what a host sees, and that the board is safe by itself."""

from __future__ import annotations

import json

import pytest

from hal.api import (
    BayChanged,
    ButtonPressed,
    CardPresented,
    Fault,
    FaultCode,
    KeyEntered,
    Lamp,
    LockChanged,
    LockState,
    OnHostLoss,
    PilotChanged,
    PilotSignal,
    PilotState,
    PowerFailing,
    PowerPathChanged,
    ProximityChanged,
    TokenKind,
)
from hal.errors import BusError, ConfigError, DeviceError
from hal.registry import create_board
from hal.sim.board import build, simulator_of
from hal.sim.car import Car
from hal.sim.car_settings import CarSettings
from hal.sim.contactor import OPEN_S
from hal.sim.evse import SimEvse


def charging(bench, settings=None, car: CarSettings | None = None, phases: int = 3):
    b = bench(settings)
    b.sim.plug(1, Car(car or CarSettings()))
    b.signal(PilotSignal.PWM, 16.0)
    b.permit(True, phases)
    b.run(5.0)
    assert b.sim.evse(1).contactor.closed
    assert b.read().power_w > 0.0
    b.take()
    return b


def stops(b) -> None:
    """The contacts are open within 100 ms and no energy flows any more."""
    b.run(0.1)
    assert not b.sim.evse(1).contactor.closed
    before = b.sim.evse(1).meter.register_wh
    b.run(60.0)
    assert b.sim.evse(1).meter.register_wh == before


def test_a_session_in_events(bench):
    b = bench()
    b.sim.plug(1, Car(), 20.0)
    b.lock(True)
    b.run(1.0)
    b.offer(16.0)
    b.run(5.0)
    b.permit(False)
    b.run(1.0)
    b.lock(False)
    b.run(1.0)
    b.sim.unplug(1)
    assert b.take() == [
        ProximityChanged(1, 20.0),
        PilotChanged(1, PilotState.B),
        LockChanged(1, LockState.LOCKED),
        PilotChanged(1, PilotState.C),
        PowerPathChanged(1, True),
        PowerPathChanged(1, False),
        LockChanged(1, LockState.UNLOCKED),
        PilotChanged(1, PilotState.A),
        ProximityChanged(1, None),
    ]


@pytest.mark.parametrize(
    "accident",
    [
        lambda b: b.permit(False),
        lambda b: b.signal(PilotSignal.FAULT),
        lambda b: b.sim.fault(FaultCode.GROUND_FAILURE, evse=1),
        lambda b: b.sim.fault(FaultCode.EMERGENCY_STOP),
        lambda b: b.sim.temperature(1, 95.0),
        lambda b: b.sim.short_pilot(1),
        lambda b: b.sim.car(1).short_diode(),
        lambda b: b.sim.unplug(1),
        lambda b: b.sim.power_cut(),
        lambda b: b.sim.host_lost(),
        lambda b: b.finish(b.sim.close()),
        lambda b: b.sim.car(1).pause(),
    ],
)
def test_the_board_opens_by_itself(bench, accident):
    b = charging(bench)
    accident(b)
    stops(b)


@pytest.mark.parametrize("code", [FaultCode.METER_FAILURE, FaultCode.READER_FAILURE, FaultCode.BROKEN_LATCH])
def test_faults_that_endanger_nobody_leave_the_decision_to_the_host(bench, code):
    b = charging(bench)
    b.sim.fault(code, evse=1)
    b.run(1.0)
    assert b.sim.evse(1).contactor.closed
    assert b.take() == [Fault(1, code, True)]


def test_a_fault_stands_until_cleared_and_is_told_once(bench):
    b = charging(bench)
    for _ in range(2):
        b.sim.fault(FaultCode.GROUND_FAILURE, "30 mA", evse=1)
    b.run(1.0)
    assert b.take() == [Fault(1, FaultCode.GROUND_FAILURE, True, "30 mA"), PowerPathChanged(1, False)]
    for _ in range(2):
        b.sim.clear(FaultCode.GROUND_FAILURE, evse=1)
    b.run(5.0)
    assert b.take() == [Fault(1, FaultCode.GROUND_FAILURE, False), PowerPathChanged(1, True)]


def test_emergency_stop_is_for_every_evse(bench):
    b = bench({"evses": 2})
    for evse in (1, 2):
        b.sim.plug(evse, Car())
        b.offer(16.0, evse)
    b.run(5.0)
    b.take()
    b.sim.fault(FaultCode.EMERGENCY_STOP, "button")
    b.run(1.0)
    assert b.take() == [
        Fault(0, FaultCode.EMERGENCY_STOP, True, "button"),
        PowerPathChanged(1, False),
        PowerPathChanged(2, False),
    ]
    b.sim.clear(FaultCode.EMERGENCY_STOP)
    b.run(1.0)
    assert b.sim.evse(1).contactor.closed


def test_temperature_recovers_with_hysteresis(bench):
    b = charging(bench)
    b.sim.temperature(1, 81.0)
    b.sim.temperature(1, 79.0)
    assert FaultCode.HIGH_TEMPERATURE in b.sim.evse(1).faults
    b.sim.temperature(1, 70.0)
    assert not b.sim.evse(1).faults
    assert b.read().temperature_c == 70.0


def test_x1_with_a_stubborn_car_is_cut_after_6_s(bench):
    b = charging(bench, car=CarSettings(ignores_x1=True))
    evse = b.sim.evse(1)
    b.signal(PilotSignal.OFF)
    b.run(5.9)
    assert evse.contactor.closed
    b.run(0.2)
    assert not evse.contactor.closed
    assert evse.state is PilotState.C
    stops(b)
    b.signal(PilotSignal.PWM, 16.0)
    b.run(5.0)
    assert evse.contactor.closed


def test_welded_contacts_are_reported_and_block(bench):
    b = charging(bench)
    b.sim.weld(1)
    b.permit(False)
    b.run(2.0)
    assert b.take() == [Fault(1, FaultCode.EVSE_CONTACTOR_FAULT, True, "contacts stay closed: welded")]
    assert b.read().power_w > 0.0  # honest: PWM is still there, and so is the voltage
    b.signal(PilotSignal.OFF)
    b.run(3.0)
    assert b.read().power_w == 0.0
    b.sim.weld(1, False)
    assert b.take()[-2:] == [PowerPathChanged(1, False), Fault(1, FaultCode.EVSE_CONTACTOR_FAULT, False)]


def test_ventilation_needs_an_evse_that_has_it(bench):
    for ventilated in (False, True):
        b = bench({"ventilated": ventilated})
        b.sim.plug(1, Car(CarSettings(ventilation=True)))
        b.offer(16.0)
        b.run(10.0)
        assert b.sim.evse(1).state is PilotState.D
        assert b.sim.evse(1).contactor.closed is ventilated


def test_phases_are_switched_with_open_contacts(bench):
    b = charging(bench, {"phase_switching": True}, phases=1)
    assert b.read().current_a == pytest.approx((16.0, 0.0, 0.0))
    b.permit(True, 3)
    b.run(5.0)
    assert b.take() == [PowerPathChanged(1, False), PowerPathChanged(1, True)]
    assert b.read().current_a == pytest.approx((16.0, 16.0, 16.0))
    fixed = charging(bench, phases=1)
    assert fixed.read().current_a == pytest.approx((16.0, 16.0, 16.0))
    with pytest.raises(DeviceError, match="0 phases"):
        fixed.permit(True, 0)


@pytest.mark.parametrize(("current", "withdrawn"), [(5.9, True), (0.0, True), (float("nan"), True), (33.0, False)])
def test_a_current_that_it_cannot_offer_is_refused(bench, current, withdrawn):
    b = charging(bench)
    with pytest.raises(DeviceError, match="cannot offer"):
        b.signal(PilotSignal.PWM, current)
    b.run(10.0)
    assert (b.read().power_w == 0.0) is withdrawn


def test_a_diode_is_missed_only_with_pwm_and_forgiven_with_the_next_car(bench):
    b = bench()
    car = Car()
    car.short_diode()
    b.sim.plug(1, car)
    b.run(10.0)
    assert not b.sim.evse(1).faults
    b.offer(16.0)
    b.run(10.0)
    assert FaultCode.PILOT_FAULT in b.sim.evse(1).faults
    b.signal(PilotSignal.OFF)
    assert FaultCode.PILOT_FAULT in b.sim.evse(1).faults
    b.sim.unplug(1)
    assert not b.sim.evse(1).faults
    b.sim.fault(FaultCode.PILOT_FAULT, evse=1)
    b.sim.plug(1, Car())
    assert FaultCode.PILOT_FAULT in b.sim.evse(1).faults  # set by hand: cleared by hand


def test_a_locked_plug_stays_and_the_car_end_does_not(bench):
    b = bench()
    b.sim.plug(1, Car())
    b.lock(True)
    b.run(1.0)
    with pytest.raises(DeviceError, match="locked"):
        b.sim.unplug(1)
    b.take()
    b.sim.unplug(1, at_car=True)
    assert b.take() == [PilotChanged(1, PilotState.A)]
    assert b.sim.evse(1).cable_a == 32.0
    b.sim.plug(1, Car())
    assert b.take() == [PilotChanged(1, PilotState.B)]
    b.sim.jam(1)
    b.lock(False)
    b.run(1.0)
    assert b.take() == [LockChanged(1, LockState.JAMMED)]
    with pytest.raises(DeviceError, match="locked"):
        b.sim.unplug(1)


def test_cables(bench):
    b = bench({"evse": [{}, {"fixed_cable": True, "max_a": 20}]})
    b.sim.plug(1, None, 13.0)
    assert b.take() == [ProximityChanged(1, 13.0)]
    b.sim.unplug(1)
    with pytest.raises(ConfigError, match="no cable is rated 25 A; known are 13, 20, 32, 63 A"):
        b.sim.plug(1, None, 25.0)
    b.take()
    b.sim.plug(1, Car(), proximity_ohm=5000.0)
    assert b.take()[:2] == [
        Fault(1, FaultCode.PROXIMITY_FAULT, True, "PP reads 5000 ohm"),
        ProximityChanged(1, None),
    ]
    b.sim.unplug(1)
    assert not b.sim.evse(1).faults
    b.take()
    b.sim.plug(2, Car())
    assert b.take() == [PilotChanged(2, PilotState.B)]
    assert b.sim.board.units[1].lock is None
    with pytest.raises(ConfigError, match="no lock"):
        b.sim.jam(2)


def test_people(bench):
    b = bench()
    assert b.sim.swipe("DEADBEEF", evse=1)
    assert b.sim.swipe("1234", TokenKind.KEY_CODE)
    assert b.sim.pin("0000", evse=1)
    assert b.sim.button(1)
    b.sim.bay(1, True)
    b.sim.bay(1, True)
    assert b.take() == [
        CardPresented(1, "DEADBEEF", TokenKind.ISO14443),
        CardPresented(None, "1234", TokenKind.KEY_CODE),
        KeyEntered(1, "0000"),
        ButtonPressed(1),
        BayChanged(1, True),
    ]
    assert "0000" not in repr(KeyEntered(1, "0000"))
    b.sim.fault(FaultCode.READER_FAILURE, evse=1)
    assert not b.sim.swipe("DEADBEEF", evse=1)
    with pytest.raises(ConfigError, match="EVSE 1 to 1, not 7"):
        b.sim.button(7)
    b.finish(b.sim.board.units[0].indicator.show(Lamp.CHARGING))
    assert b.sim.evse(1).lamp is Lamp.CHARGING


def test_meter_failure_is_a_fault_and_a_refusal(bench):
    b = charging(bench)
    b.sim.fault(FaultCode.METER_FAILURE, "no pulse", evse=1)
    with pytest.raises(DeviceError, match="no pulse"):
        b.read()
    b.sim.clear(FaultCode.METER_FAILURE, evse=1)
    assert b.read().power_w > 0.0


def test_power_cut_is_silent_and_keeps_the_register(bench):
    b = charging(bench)
    b.run(3600.0)
    b.sim.power_cut(warning=True)
    assert b.take() == [PowerFailing()]
    register = b.sim.evse(1).meter.register_wh
    assert register > 10_000.0
    for call in (b.read, lambda: b.permit(True), lambda: b.signal(PilotSignal.OFF), lambda: b.lock(True)):
        with pytest.raises(BusError, match="no power"):
            call()
    with pytest.raises(BusError, match="no power"):
        b.finish(b.sim.start(b.events.append))
    assert not b.sim.swipe("X")
    b.run(3600.0)
    assert b.take() == []
    b.sim.unplug(1)
    b.sim.power_on()
    assert PilotChanged(1, PilotState.A) in b.take()
    assert b.read().energy_import_wh == register


def test_after_a_power_cut_nothing_flows_before_the_host_permits_anew(bench):
    b = charging(bench)
    b.sim.power_cut()
    b.run(10.0)
    b.sim.power_on()
    register = b.read().energy_import_wh
    b.signal(PilotSignal.PWM, 16.0)
    b.run(60.0)
    assert b.read().energy_import_wh == register
    b.permit()
    b.run(60.0)
    assert b.read().energy_import_wh > register


def test_a_new_host_hears_how_everything_is(bench):
    b = charging(bench)
    b.sim.bay(1, True)
    b.sim.fault(FaultCode.WEAK_SIGNAL, "modem")
    b.sim.fault(FaultCode.BROKEN_LATCH, evse=1)
    b.finish(b.sim.close())
    b.finish(b.sim.close())
    b.run(10.0)
    fresh = []
    b.finish(b.sim.start(fresh.append))
    assert fresh == [
        Fault(0, FaultCode.WEAK_SIGNAL, True, "modem"),
        PilotChanged(1, PilotState.B),
        ProximityChanged(1, 32.0),
        PowerPathChanged(1, False),
        LockChanged(1, LockState.UNLOCKED),
        Fault(1, FaultCode.BROKEN_LATCH, True),
        BayChanged(1, True),
    ]
    assert PowerPathChanged(1, False) not in b.events  # the old host is gone and hears nothing


def test_registers_outlive_the_process(bench):
    b = charging(bench)
    b.run(600.0)
    kept = json.loads(json.dumps(b.sim.state()))
    after = build({"evses": 2}, b.world)
    after.restore(kept)
    assert after.evse(1).meter.register_wh == b.sim.evse(1).meter.register_wh
    assert after.evse(2).meter.register_wh == 0.0
    with pytest.raises(ConfigError, match=r"board state\.1"):
        after.restore({"1": 5})


def test_the_board_declares_itself_and_can_be_found():
    board = create_board("sim", {"max_a": 16, "phases": 1})
    assert board.on_host_loss is OnHostLoss.OPENS
    sim = simulator_of(board)
    assert sim is not None
    assert sim.board is board
    assert isinstance(sim.evse(1), SimEvse)
    assert (board.units[0].max_a, board.units[0].phases) == (16.0, 1)


def test_soc_is_in_a_reading_only_when_configured(bench):
    assert charging(bench).read().soc_percent is None
    assert charging(bench, {"report_soc": True}).read().soc_percent == pytest.approx(20.0, abs=0.1)


def test_open_delay_is_what_the_standard_allows(bench):
    b = charging(bench)
    b.permit(False)
    b.run(OPEN_S)
    assert b.take() == [PowerPathChanged(1, False)]
