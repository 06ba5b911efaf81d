"""The OpenEVSE driver against the emulated board on virtual time: what takes seconds, minutes or hours."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable

import pytest

from hal.api import (
    ButtonPressed,
    ControlLevel,
    Fault,
    FaultCode,
    LockChanged,
    LockState,
    OnHostLoss,
    PilotChanged,
    PilotSignal,
    PilotState,
    PowerPathChanged,
    ProximityChanged,
)
from hal.errors import BusError, ConfigError, DeviceError
from hal.registry import claims, create_board
from station.sim.loop import run
from tests.hal.openevse_bench import Bench


def virtual(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def wrapper(*args: object, **kwargs: object) -> None:
        async def main() -> None:
            await test(*args, **kwargs)

        run(main())

    return wrapper


async def charging(device: dict[str, object] | None = None, amps: float = 16.0, **settings: object) -> Bench:
    bench = await Bench(device, **settings).start()
    bench.port.order(car="asks")
    await bench.unit.pilot.signal(PilotSignal.PWM, amps)
    await bench.listener.pilot(PilotState.C)
    await bench.unit.power.permit(True, 1)
    await bench.listener.relay(True)
    return bench


# --- levels ---------------------------------------------------------------------------------------------------------------


@virtual
async def test_the_board_is_put_to_sleep_before_anything_else_is_looked_at() -> None:
    bench = await Bench().start()
    log = bench.look()["log"]
    assert isinstance(log, list)
    assert log[:3] == ["GV", "GS", "FS"]
    assert bench.listener.heard == [PilotChanged(1, PilotState.A), PowerPathChanged(1, False)]
    await bench.driver.close()


@virtual
async def test_whole_amperes_rounded_down_and_volatile() -> None:
    bench = await charging(amps=15.9)
    assert bench.look()["amps"] == 15
    writes = bench.look()["writes"]
    for amps in (6.0, 31.99, 32.0):
        await bench.unit.pilot.signal(PilotSignal.PWM, amps)
        assert bench.look()["amps"] == int(amps)
    assert bench.look()["writes"] == writes
    await bench.driver.close()


@virtual
async def test_currents_that_cannot_be_offered() -> None:
    bench = await charging()
    with pytest.raises(DeviceError, match="its limit"):
        await bench.unit.pilot.signal(PilotSignal.PWM, 33.0)
    assert bench.look()["state"] == "03"
    for amps in (5.9, float("nan")):
        with pytest.raises(DeviceError, match="6 A is the least"):
            await bench.unit.pilot.signal(PilotSignal.PWM, amps)
        assert bench.look()["state"] == "FE"
    with pytest.raises(DeviceError, match="4 phases"):
        await bench.unit.power.permit(True, 4)
    await bench.driver.close()


@virtual
async def test_a_permission_taken_away_opens_and_given_back_closes() -> None:
    bench = await charging()
    await bench.unit.power.permit(False, 1)
    assert bench.look()["mode"] == "P12"
    await bench.listener.relay(False)
    await asyncio.sleep(60.0)
    assert bench.look()["state"] == "FE"
    await bench.unit.power.permit(True, 1)
    await bench.listener.relay(True)
    await bench.driver.close()


@virtual
async def test_a_stubborn_vehicle_is_opened_by_the_board_within_three_seconds() -> None:
    bench = await charging()
    bench.port.order(stubborn=True)
    began = asyncio.get_running_loop().time()
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    await bench.listener.relay(False)  # which the board does not tell by itself
    assert 2.9 < asyncio.get_running_loop().time() - began < 3.5
    await bench.driver.close()


@virtual
async def test_stop_at_once_opens_under_load_and_goes_on_seeing_the_vehicle() -> None:
    bench = await charging(stop_at_once=True)
    bench.port.order(stubborn=True)
    await bench.unit.power.permit(False, 1)
    assert (bench.look()["relay"], bench.look()["state"]) == (False, "FE")
    assert PilotChanged(1, PilotState.F) not in bench.listener.heard
    bench.port.order(car="none")
    await bench.listener.pilot(PilotState.A)
    await bench.driver.close()


@virtual
async def test_a_board_that_was_away_when_it_was_forbidden_is_offered_current_again() -> None:
    """The host forbids while the adapter is out, and offers anew once it is back: the vehicle needs no replugging."""
    bench = await charging()
    bench.port.unplug()
    with pytest.raises(BusError):
        await bench.unit.power.permit(False, 1)
    bench.port.unplugged = False
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    await bench.unit.power.permit(False, 1)
    told = len(bench.listener.heard)
    await bench.unit.pilot.signal(PilotSignal.PWM, 16.0)
    await asyncio.sleep(5.0)
    assert PilotChanged(1, PilotState.C) in bench.listener.heard[told:]
    await bench.driver.close()


@virtual
async def test_current_that_nobody_permits_is_stopped() -> None:
    bench = await Bench().start()
    bench.port.order(car="asks")
    await bench.unit.pilot.signal(PilotSignal.PWM, 16.0)
    await bench.listener.relay(True)
    began = asyncio.get_running_loop().time()
    await bench.listener.relay(False)
    assert asyncio.get_running_loop().time() - began < 4.0
    await asyncio.sleep(30.0)
    assert bench.look()["state"] == "FE"
    await bench.unit.power.permit(True, 1)  # late, but there
    await bench.listener.relay(True)
    await bench.driver.close()


@virtual
async def test_the_pilot_fault_signal() -> None:
    bench = await Bench().start()
    await bench.unit.pilot.signal(PilotSignal.FAULT, 0.0)
    await bench.listener.pilot(PilotState.F)
    assert bench.look()["mode"] == "N12"
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    await bench.listener.pilot(PilotState.A)
    assert bench.look()["state"] == "FE"
    await bench.driver.close()


@virtual
async def test_a_front_button_does_not_overrule_the_station() -> None:
    bench = await Bench().start()
    bench.port.order(button="short")
    await asyncio.sleep(2.5)
    assert bench.look()["state"] == "FE"
    await bench.unit.pilot.signal(PilotSignal.PWM, 16.0)
    await asyncio.sleep(1.0)
    bench.port.order(button="short")
    await asyncio.sleep(1.0)
    assert bench.look()["state"] == "01"
    await bench.driver.close()


@virtual
async def test_a_front_button_that_only_tells() -> None:
    bench = await Bench(button=True).start()
    bench.port.order(button="short")
    await bench.listener.until(ButtonPressed(1))
    bench.port.order(button="long")
    await asyncio.sleep(3.0)
    assert bench.listener.heard.count(ButtonPressed(1)) == 1
    await bench.driver.close()


# --- supervision -----------------------------------------------------------------------------------------------------------


@virtual
async def test_supervision_is_declared_armed_read_back_and_fed() -> None:
    bench = await Bench(heartbeat_s=10, host_loss_a=8).start()
    assert (bench.board.level, bench.board.on_host_loss, bench.board.on_host_loss_a) == (
        ControlLevel.CURRENT,
        OnHostLoss.REDUCES,
        8.0,
    )
    assert bench.look()["supervision"] == [10, 8, 0]
    log = bench.look()["log"]
    assert isinstance(log, list)
    assert log.index("GY") > log.index("SY 10 8")
    await bench.unit.pilot.signal(PilotSignal.PWM, 16.0)
    await asyncio.sleep(8 * 3600.0)
    assert bench.look()["supervision"] == [10, 8, 0]
    assert bench.look()["amps"] == 16
    pulses = bench.look()["pulses"]
    assert isinstance(pulses, int)
    assert 8 * 3600 / 10 < pulses < 8 * 3600 / 3
    await bench.driver.close()


@virtual
async def test_a_dead_host_leaves_the_board_at_the_declared_current() -> None:
    bench = await charging(amps=32.0)
    bench.port.order(draw_a=32.0)
    await bench.driver._end_task()  # the program hangs
    await asyncio.sleep(2.5)
    assert bench.look()["amps"] == 32
    await asyncio.sleep(3.0)
    assert bench.look()["amps"] == 6
    await bench.driver.start(bench.listener)
    assert bench.look()["state"] == "FE"
    await bench.driver.close()


@virtual
async def test_a_missed_pulse_is_made_good_without_ever_offering_more_than_wanted() -> None:
    bench = await charging(amps=10.0)
    told = len(bench.listener.heard)
    bench.port.order(skip_s=20.0)  # the host was stopped for a while
    assert bench.look()["amps"] == 6
    for _ in range(100):
        await asyncio.sleep(0.03)
        assert int(str(bench.look()["amps"])) <= 10
    assert bench.look()["amps"] == 10
    assert bench.look()["supervision"] == [5, 6, 0]
    assert len(bench.listener.heard) == told
    await bench.driver.close()


@virtual
async def test_without_supervision_nothing_is_declared_and_a_left_over_is_disarmed() -> None:
    bench = Bench(heartbeat_s=0)
    bench.port.device.firmware.eeprom.interval_s = 5
    await bench.start()
    assert (bench.board.on_host_loss, bench.board.on_host_loss_a) == (OnHostLoss.NOTHING, None)
    assert bench.look()["supervision"] == [0, 0, 0]
    await bench.driver.close()


@virtual
async def test_a_board_that_cannot_supervise_is_refused() -> None:
    bench = Bench({"supervises": False})
    with pytest.raises(DeviceError, match="update its firmware"):
        await bench.start()
    assert bench.listener.heard == []
    bench = await Bench({"supervises": False}, heartbeat_s=0).start()
    await bench.driver.close()


# --- boards that do as they please -----------------------------------------------------------------------------------------


@virtual
async def test_heat_reduces_and_cooling_does_not_raise_beyond_what_is_wanted() -> None:
    bench = await charging(amps=20.0)
    bench.port.order(celsius=55.0)
    await asyncio.sleep(60.0)
    assert bench.look()["amps"] == 16
    reading = await bench.unit.meter.read()
    assert reading.temperature_c == 55.0
    log = bench.look()["log"]
    assert isinstance(log, list)
    assert log.count("SC 20 V") <= 2  # it refuses; it is not asked all the time
    bench.port.order(celsius=40.0)
    for _ in range(60):
        await asyncio.sleep(0.03)
    assert bench.look()["amps"] == 20
    await bench.driver.close()


@virtual
async def test_a_gfi_that_is_tried_again_by_itself_does_not_charge_without_permission() -> None:
    bench = await charging()
    bench.port.order(fault="gfi")
    await bench.listener.fault(FaultCode.GROUND_FAILURE, True)
    await bench.listener.relay(False)
    await bench.unit.power.permit(False, 1)
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    assert bench.look()["state"] == "06"  # a command would hide the fault
    bench.port.order(skip_s=301.0)
    await bench.listener.fault(FaultCode.GROUND_FAILURE, False)
    told = len(bench.listener.heard)
    await asyncio.sleep(30.0)
    assert bench.look()["state"] == "FE"
    assert PowerPathChanged(1, True) not in bench.listener.heard[told:]
    await bench.driver.close()


@virtual
async def test_brown_out_while_charging() -> None:
    bench = await charging(amps=10.0)
    await asyncio.sleep(3600.0)
    before = (await bench.unit.meter.read()).energy_import_wh
    loop = asyncio.get_running_loop()
    bench.port.device.power(False, loop.time())
    bench.port.device.power(True, loop.time())
    bench.port.schedule()
    await asyncio.sleep(5.0)
    facts = bench.look()
    assert (facts["amps"], facts["supervision"], facts["millivolts"]) == (10, [5, 6, 0], 230000)
    await bench.listener.relay(False)
    await bench.listener.relay(True)  # it goes on: that is the level
    assert (await bench.unit.meter.read()).energy_import_wh >= before > 2000.0
    await bench.driver.close()


# --- the wire --------------------------------------------------------------------------------------------------------------


@virtual
async def test_the_adapter_is_pulled_and_plugged_in_again() -> None:
    bench = await charging()
    bench.port.unplug()
    fault = await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    assert "the adapter is gone" in fault.info
    for order in (
        bench.unit.pilot.signal(PilotSignal.OFF, 0.0),
        bench.unit.power.permit(False, 1),
        bench.driver.read(),
    ):
        with pytest.raises(BusError, match=r"not reached: .*the adapter is gone"):
            await order
    await asyncio.sleep(600.0)
    assert sum(isinstance(event, Fault) for event in bench.listener.heard) == 1
    bench.port.order(car="none")
    told = len(bench.listener.heard)
    bench.port.unplugged = False
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    assert bench.listener.heard[told:] == [
        PilotChanged(1, PilotState.A),
        PowerPathChanged(1, False),
        Fault(1, FaultCode.INTERNAL_ERROR, False),
    ]
    assert bench.look()["state"] == "FE"  # what was wanted meanwhile
    await bench.driver.close()


@virtual
async def test_a_silent_board_is_noticed_before_it_gives_us_up() -> None:
    bench = await charging()
    bench.port.order(deaf=True)
    began = asyncio.get_running_loop().time()
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    assert asyncio.get_running_loop().time() - began < 5.0
    bench.port.order(deaf=False)
    await bench.listener.relay(True)
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    await bench.driver.close()


@virtual
async def test_no_board_is_an_error_with_a_remedy_and_the_port_is_released() -> None:
    bench = Bench()
    bench.port.device.deaf = True
    with pytest.raises(BusError, match="check its supply, the wires"):
        await bench.start()
    bench.port.device.deaf = False
    await bench.start()
    await bench.driver.close()
    await bench.driver.close()
    with pytest.raises(BusError, match="it was closed"):
        await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)


@virtual
async def test_closing_without_a_board_says_so_once() -> None:
    bench = await charging()
    bench.port.unplug()
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    with pytest.raises(BusError, match="was not put to sleep"):
        await bench.driver.close()
    await bench.driver.close()


@virtual
async def test_closing_waits_for_the_relay() -> None:
    bench = await charging()
    bench.port.order(stubborn=True)
    await bench.driver.close()
    assert (bench.look()["relay"], bench.look()["mode"]) == (False, "P12")


@virtual
async def test_states_told_before_the_answer() -> None:
    bench = Bench()
    bench.port.device.async_first = True
    await bench.start()
    bench.port.order(car="asks")
    await bench.unit.pilot.signal(PilotSignal.PWM, 16.0)
    await bench.listener.pilot(PilotState.C)
    await bench.unit.pilot.signal(PilotSignal.PWM, 10.0)
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    await bench.listener.relay(False)
    await bench.driver.close()


@virtual
async def test_a_restriction_does_not_wait_behind_a_reading() -> None:
    bench = await charging()
    bench.port.order(lose_replies=1)  # of the reading: it hangs for a while
    loop = asyncio.get_running_loop()
    reading = asyncio.ensure_future(bench.driver.read())
    await asyncio.sleep(0)
    began = loop.time()
    order = asyncio.ensure_future(bench.unit.pilot.signal(PilotSignal.OFF, 0.0))
    while bench.look()["state"] != "FE":
        await asyncio.sleep(0.001)
    assert loop.time() - began < 0.01
    await order
    assert not reading.done()
    assert (await reading).voltage_v == (230.0,)
    await bench.driver.close()


@virtual
async def test_an_older_wish_to_enable_is_not_sent_after_a_newer_one_to_sleep() -> None:
    bench = await Bench().start()
    bench.port.order(car="asks", lose_replies=1)
    older = asyncio.ensure_future(bench.unit.pilot.signal(PilotSignal.PWM, 16.0))  # the answer to SC is lost: it hangs
    await asyncio.sleep(0.01)
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    await older
    log = bench.look()["log"]
    assert isinstance(log, list)
    assert "FE" not in log
    await asyncio.sleep(10.0)
    assert bench.look()["state"] == "FE"
    await bench.driver.close()


# --- settings, socket, lock -------------------------------------------------------------------------------------------------


@virtual
async def test_safety_checks_that_are_off_are_refused_unless_named() -> None:
    off = {"flags": 0x0008 | 0x0002}
    with pytest.raises(DeviceError, match=r"diode, ground; switch them on \(\$FF D 1, \$FF G 1\)"):
        await Bench(off).start()
    bench = await Bench(off, checks_off="ground, diode").start()
    await bench.driver.close()


@virtual
async def test_a_vehicle_in_d_at_a_board_that_does_not_check_for_it() -> None:
    bench = await Bench({"flags": 0x0004}, checks_off="ventilation").start()
    bench.port.order(car="ventilation")
    await bench.unit.pilot.signal(PilotSignal.PWM, 16.0)
    # The truth, although the board charges; what follows is the station's rule.
    await bench.listener.pilot(PilotState.D)
    await bench.unit.power.permit(False, 1)
    await bench.listener.relay(False)
    assert bench.look()["state"] == "FE"
    await bench.driver.close()


@virtual
async def test_a_board_without_ammeter_needs_another_meter() -> None:
    with pytest.raises(DeviceError, match=r"set board\.meter to false"):
        await Bench({"ammeter": False}).start()
    bench = await Bench({"ammeter": False}, meter=False).start()
    assert bench.unit.meter is None
    await bench.driver.close()


@virtual
async def test_a_socket_with_lock() -> None:
    bench = await Bench({"lock": True, "configured_a": 20}, fixed_cable=False, lock=True).start()
    assert LockChanged(1, LockState.UNLOCKED) in bench.listener.heard
    bench.port.order(car="plugged")
    await bench.listener.until(ProximityChanged(1, 20.0))
    assert bench.unit.lock is not None
    await bench.unit.lock.set_locked(True)
    await bench.listener.until(LockChanged(1, LockState.LOCKED))
    assert bench.look()["locked"] is True
    bench.port.order(reset=True)
    told = len(bench.listener.heard)
    await bench.listener.until(LockChanged(1, LockState.LOCKED))
    assert ProximityChanged(1, None) not in bench.listener.heard[told:]
    bench.port.order(car="none")
    await bench.listener.until(ProximityChanged(1, None))
    await bench.driver.close()
    with pytest.raises(DeviceError, match="has no lock"):
        await Bench(fixed_cable=False, lock=True).start()


@virtual
async def test_the_meter() -> None:
    bench = await charging({"total_wh": 5000}, phases=3)
    bench.port.order(draw_a=10.0)
    await asyncio.sleep(3600.0)
    assert bench.unit.meter is not None
    reading = await bench.unit.meter.read()
    assert reading.energy_import_wh == pytest.approx(7300.0, abs=3.0)
    assert (reading.current_a, reading.voltage_v, reading.power_w) == ((10.0,) * 3, (230.0,) * 3, 6900.0)
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    bench.port.order(car="none")
    await bench.listener.pilot(PilotState.A)
    assert (await bench.unit.meter.read()).energy_import_wh == pytest.approx(reading.energy_import_wh, abs=1.0)
    await bench.driver.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, r"board\.port: is missing"),
        ({"port": "com1://"}, r"board\.port: must be /dev/"),
        ({"port": "/dev/x", "max_a": 5}, r"board\.max_a: must be a number of 6 to 80"),
        ({"port": "/dev/x", "min_a": 5}, r"board\.min_a"),
        ({"port": "/dev/x", "heartbeat_s": 2}, r"board\.heartbeat_s: must be 0 or at least 3"),
        ({"port": "/dev/x", "heartbeat_s": 66}, r"board\.heartbeat_s"),
        ({"port": "/dev/x", "max_a": 16, "host_loss_a": 17}, r"board\.host_loss_a: must be a whole number of 6 to 16"),
        ({"port": "/dev/x", "phases": 2}, r"board\.phases: must be 1 or 3"),
        ({"port": "/dev/x", "lock": True}, r"board\.lock: a fixed cable"),
        ({"port": "/dev/x", "checks_off": "ground, brain"}, r"board\.checks_off: no check is called 'brain'"),
        ({"port": "/dev/x", "amps": 3}, r"board\.amps: unknown"),
    ],
)
def test_wrong_settings_name_their_field(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        create_board("openevse", settings)


def test_it_is_registered_and_claims_its_port() -> None:
    board = create_board("openevse", {"port": "/dev/ttyUSB7", "name": "left"})
    assert (board.name, board.level, len(board.units)) == ("left", ControlLevel.CURRENT, 1)
    assert claims("openevse", {"port": "/dev/ttyUSB7"}) == {("/dev/ttyUSB7", 0)}
    assert claims("openevse", {}) == set()
