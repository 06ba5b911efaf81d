"""The EVerest-MCU driver (boards with one connector) against the emulated board on virtual time."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from hal.api import (
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
from hal.drivers.gpio_lines import LineOfChip
from hal.drivers.mcu_boards import BOARDS
from hal.drivers.mcu_wire import Frames, fields
from hal.errors import BusError, ConfigError, DeviceError
from hal.registry import claims, create_board
from tests.hal.mcu_bench import McuBench, charging, now
from tests.hal.test_openevse_virtual import virtual

ONE = ("yeti", "adkit", "tida")
X1 = 10001


def orders(bench: McuBench) -> list[str]:
    return [str(item) for item in bench.look()["log"]]


# --- start and end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONE)
@virtual
async def test_a_start_forbids_resets_keeps_alive_and_tells(name: str) -> None:
    bench = McuBench(name)
    bench.port.device.tick(now())
    await asyncio.sleep(1.0)  # it has been running for a while
    bench.port.device.tick(now())
    await bench.start()
    sent = [item.tag for payload in Frames().feed(bytes(bench.port.written)) for item in (fields(payload) or ())]
    own = BOARDS[name].orders
    assert sent[:5] == [own.power, own.duty, own.power, own.duty, own.reset]
    assert sent[5:9] == [own.power, own.duty, own.power, own.duty]
    assert sent[9:12] == [own.keep_alive] * 3
    facts = bench.look()
    assert (facts["resets"], facts["duty"], facts["allowed"], facts["alone"]) == (1, X1, False, False)
    assert bench.listener.heard == [PilotChanged(1, PilotState.A), PowerPathChanged(1, False)]
    assert (bench.board.level, bench.board.name) == (ControlLevel.PILOT, name)
    await bench.close()


@virtual
async def test_a_board_that_tells_nothing_of_itself_after_a_reset_is_idle() -> None:
    bench = await McuBench(device={"quiet_boot": True}).start()
    assert bench.listener.heard == [PilotChanged(1, PilotState.A), PowerPathChanged(1, False)]
    await bench.close()


@virtual
async def test_a_vehicle_that_is_there_already() -> None:
    bench = McuBench("tida")
    bench.order(car="asks", pp="20")
    await bench.start()
    assert bench.listener.heard == [PilotChanged(1, PilotState.B), PowerPathChanged(1, False)]
    await bench.close()


@virtual
async def test_without_a_reset_nothing_is_assumed() -> None:
    bench = McuBench(device={"quiet_boot": True}, reset="none")
    bench.port.device.tick(now())
    await asyncio.sleep(5.0)
    await bench.start()
    assert bench.listener.heard == []
    assert bench.look()["resets"] == 0
    bench.order(car="plugged")
    await bench.listener.pilot(PilotState.B)
    await bench.close()


class ResetLine:
    """Stands for a GPIO chip with one output, wired to the emulated board's reset."""

    def __init__(self) -> None:
        self.bench: McuBench | None = None
        self.levels: list[tuple[float, bool]] = []
        self.asked: list[LineOfChip] = []
        self.released = 0

    def input(self, where: LineOfChip, changed: object) -> Any:
        raise AssertionError((where, changed))

    def output(self, where: LineOfChip, active: bool) -> ResetLine:
        self.asked.append(where)
        self.levels.append((now(), active))
        return self

    def set(self, active: bool) -> None:
        if active and self.levels and not self.levels[-1][1] and self.bench is not None:
            self.bench.order(reset="user")
        self.levels.append((now(), active))

    def release(self) -> None:
        self.released += 1


@virtual
async def test_a_reset_by_its_line() -> None:
    line = ResetLine()
    bench = line.bench = McuBench("adkit", reset="gpio", reset_chip="/dev/gpiochip4", reset_line=27, gpio=line)
    await bench.start()
    assert line.asked == [LineOfChip("/dev/gpiochip4", 27)]
    shape = [(round(at - line.levels[1][0], 3), level) for at, level in line.levels[1:]]
    assert shape[:3] == [(0.0, True), (0.01, False), (0.02, True)]
    assert "reset 1" not in orders(bench)
    assert bench.look()["resets"] == 1
    await bench.close()
    assert line.released == 1


@virtual
async def test_no_board_is_an_error_with_a_remedy_and_the_port_is_released() -> None:
    bench = McuBench()
    bench.order(mute=True)
    with pytest.raises(BusError, match=r"Pionix Yeti does not answer; check that the driver's name fits"):
        await bench.start()
    bench.order(mute=False)
    await bench.start()
    await bench.close()
    await bench.close()
    with pytest.raises(BusError, match="it was closed"):
        await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)


@virtual
async def test_closing_waits_for_the_contactor_and_says_when_it_stays_closed() -> None:
    bench = await charging(McuBench())
    await bench.close()
    assert (bench.look()["relay"], bench.look()["duty"]) == (False, X1)
    bench = await charging(McuBench())
    bench.order(weld=True)
    with pytest.raises(DeviceError, match="the contactor of connector 1 stays closed"):
        await bench.close()
    assert bench.look()["allowed"] is False


@virtual
async def test_the_safe_command_opens_without_a_reset_or_says_why_not() -> None:
    bench = await charging(McuBench())
    await bench.driver._end_task()  # the program dies
    await bench.driver._release()
    resets = bench.look()["resets"]
    other = McuBench()
    other.port.device = bench.port.device
    await other.driver.rescue()
    facts = bench.look()
    assert (facts["relay"], facts["allowed"], facts["duty"], facts["resets"]) == (False, False, X1, resets)
    other.order(mute=True)
    with pytest.raises(BusError, match="has said nothing for 5 s"):
        await other.driver.rescue()
    other.order(mute=False)
    connector = other.port.device.connectors[0]
    connector.allowed = connector.weld = True  # it charges, and cannot open
    connector.duty = 2667
    await asyncio.sleep(2.0)
    assert other.look()["relay"] is True
    with pytest.raises(DeviceError, match="stays closed"):
        await other.driver.rescue()
    assert other.look()["allowed"] is False


# --- levers -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amps", "duty"), [(6.0, 1000), (16.0, 2667), (32.0, 5333), (51.5, 8500), (80.0, 9600)])
@virtual
async def test_amperes_as_duty_cycles(amps: float, duty: int) -> None:
    bench = await McuBench("tida", {"max_a": 80.0}, max_a=80).start()
    await bench.unit.pilot.signal(PilotSignal.PWM, amps)
    assert bench.look()["duty"] == duty
    await bench.unit.pilot.signal(PilotSignal.FAULT, 0.0)
    assert bench.look()["duty"] == 0
    await bench.listener.pilot(PilotState.F)
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    assert bench.look()["duty"] == X1
    await bench.close()


@pytest.mark.parametrize("name", ONE)
@virtual
async def test_a_session(name: str) -> None:
    bench = await charging(McuBench(name))
    await bench.unit.pilot.signal(PilotSignal.PWM, 10.0)
    assert bench.look()["duty"] == 1667
    bench.order(car="plugged")  # the vehicle pauses: the board opens by itself
    await bench.listener.pilot(PilotState.B)
    await bench.listener.relay(False)
    bench.order(car="asks")
    await bench.listener.relay(True)
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    await bench.listener.pilot(PilotState.B)
    await bench.unit.power.permit(False, 3)
    bench.order(car="none")
    await bench.listener.pilot(PilotState.A)
    assert bench.look()["relay"] is False
    assert not any(isinstance(event, Fault) for event in bench.listener.heard)
    await bench.close()


@virtual
async def test_currents_that_may_not_be_offered() -> None:
    bench = await charging(McuBench(max_a=20))
    with pytest.raises(DeviceError, match="its limit"):
        await bench.unit.pilot.signal(PilotSignal.PWM, 21.0)
    assert bench.look()["duty"] == 2667
    for amps in (5.9, float("nan")):
        with pytest.raises(DeviceError, match="6 A is the least"):
            await bench.unit.pilot.signal(PilotSignal.PWM, amps)
        assert bench.look()["duty"] == X1
    with pytest.raises(DeviceError, match="4 phases"):
        await bench.unit.power.permit(True, 4)
    await bench.close()


@virtual
async def test_a_permission_taken_away_opens_under_load_at_once() -> None:
    bench = await charging(McuBench())
    bench.order(stubborn=True)
    began = now()
    await bench.unit.power.permit(False, 3)
    assert bench.look()["relay"] is False
    await bench.listener.relay(False)
    assert now() - began < 0.1
    await bench.close()


@virtual
async def test_what_restricts_is_said_twice_and_what_was_missed_is_said_again() -> None:
    bench = await charging(McuBench())
    bench.order(deaf=True)
    await bench.unit.power.permit(False, 3)
    assert bench.look()["relay"] is True
    bench.order(deaf=False)
    began = now()
    await bench.listener.relay(False)
    assert now() - began <= 1.1
    bench.order(deaf=True)
    await bench.unit.pilot.signal(PilotSignal.PWM, 8.0)
    await bench.unit.power.permit(True, 3)
    bench.order(deaf=False)
    await bench.listener.relay(True)
    assert bench.look()["duty"] == 1333
    await asyncio.sleep(60.0)
    idle = [order for order in orders(bench) if order.startswith(("pwm", "power"))]
    assert len(idle) < 60 + 10
    await bench.close()


@virtual
async def test_a_board_that_opened_for_a_fault_is_not_asked_to_close_again() -> None:
    bench = await charging(McuBench())
    bench.order(fault="pilot")
    await bench.listener.fault(FaultCode.PILOT_FAULT, True)
    await bench.listener.relay(False)
    closings = bench.look()["closings"]
    await asyncio.sleep(10.0)
    bench.order(fault="none")
    await bench.listener.fault(FaultCode.PILOT_FAULT, False)
    await asyncio.sleep(10.0)
    assert bench.look()["closings"] == closings
    await bench.unit.power.permit(True, 3)
    await bench.listener.relay(True)
    await bench.close()


@virtual
async def test_an_older_permission_is_void_when_a_newer_level_forbids() -> None:
    bench = await McuBench(device={"phase_switching": True}, phase_switching=True).start()
    await charging(bench)
    bench.order(stubborn=True, weld=True)  # so that switching phases hangs, waiting for an open contactor
    older = asyncio.ensure_future(bench.unit.power.permit(True, 1))
    await asyncio.sleep(0.2)
    await bench.unit.power.permit(False, 3)
    mark = len(orders(bench))
    bench.order(weld=False)
    await older
    await asyncio.sleep(3.0)
    assert "power 1" not in orders(bench)[mark:]
    assert "phases 0" not in orders(bench)
    await bench.close()


@virtual
async def test_phases_are_switched_with_an_open_contactor_before_the_permission() -> None:
    bench = await charging(McuBench(device={"phase_switching": True}, phase_switching=True))
    assert bench.look()["phases"] == 3
    assert bench.unit.phase_switching
    mark = len(orders(bench))
    await bench.unit.power.permit(True, 1)
    await bench.listener.relay(False)
    await bench.listener.relay(True)
    assert bench.look()["phases"] == 1
    assert orders(bench)[mark : mark + 5] == ["power 0", "power 0", "phases 0", "phases 0", "power 1"]
    await bench.close()


@virtual
async def test_a_contactor_that_closes_without_permission_is_told_to_open() -> None:
    bench = await McuBench("adkit").start()
    bench.order(car="plugged")
    await bench.listener.pilot(PilotState.B)
    bench.order(lose=1, reset="user")  # it restarts, nobody hears of it, and it charges by itself until it hears a host
    bench.order(car="asks")
    await asyncio.sleep(4.0)
    facts = bench.look()
    assert (facts["relay"], facts["allowed"], facts["alone"]) == (False, False, False)
    await bench.close()


# --- what it can ------------------------------------------------------------------------------------------------------------


@virtual
async def test_the_board_carries_less_than_the_settings_say() -> None:
    bench = await charging(McuBench(device={"max_a": 16.0}), amps=32.0)
    assert bench.look()["duty"] == 2667
    await bench.close()


@pytest.mark.parametrize(
    ("device", "settings", "words"),
    [
        ({"min_a": 8.0}, {}, r"offers 8 A at least; set board\.min_a"),
        ({"max_phases": 1}, {}, r"has 1 phase\(s\); set board\.phases"),
        ({"max_a": 8.0}, {"min_a": 10}, r"carries 8 A only"),
        ({}, {"phase_switching": True}, r"cannot switch phases; set board\.phase_switching to false"),
    ],
)
@virtual
async def test_a_board_that_cannot_do_what_the_settings_say(
    device: dict[str, object], settings: dict[str, object], words: str
) -> None:
    bench = McuBench("yeti", device, **settings)
    with pytest.raises(DeviceError, match=words):
        await bench.start()
    assert bench.listener.heard == []


@virtual
async def test_a_board_that_does_not_say_what_it_can_is_believed_to_do_what_the_settings_say() -> None:
    bench = await McuBench(device={"max_a": 0.0, "min_a": 0.0, "max_phases": 0}).start()
    await bench.unit.pilot.signal(PilotSignal.PWM, 32.0)
    assert bench.look()["duty"] == 5333
    await bench.close()


@pytest.mark.parametrize(("configured", "there"), [("yeti", "tida"), ("phyverso", "tida"), ("tida", "phyverso")])
@virtual
async def test_another_board_of_the_family_is_refused_by_name_and_does_not_update_its_firmware(
    configured: str, there: str
) -> None:
    bench = McuBench(configured)
    bench.port.device = McuBench(there).port.device
    bench.port.device.tick(now())
    with pytest.raises(DeviceError, match=f'set board.driver to "{there}"'):
        await bench.start()
    if configured == "phyverso":  # its keep-alive is a TIDA-010939's firmware update
        tags = [
            item.tag for payload in Frames().feed(bytes(bench.port.written)) for item in (fields(payload) or ())[:1]
        ]
        assert 1 not in tags


# --- lock -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["yeti", "tida"])
@virtual
async def test_a_socket_with_lock(name: str) -> None:
    bench = await McuBench(name, fixed_cable=False).start()
    assert LockChanged(1, LockState.UNLOCKED) in bench.listener.heard
    bench.order(car="plugged", pp="20")
    await bench.listener.until(ProximityChanged(1, 20.0))
    assert bench.unit.lock is not None
    await bench.unit.lock.set_locked(True)
    await bench.lock_told(LockState.LOCKED)
    assert bench.look()["locked"] is True
    bench.order(lock="jam")
    began = now()
    await bench.unit.lock.set_locked(False)
    await bench.lock_told(LockState.JAMMED)
    assert 2.9 < now() - began < 3.2
    await bench.unit.lock.set_locked(False)  # another attempt, another answer
    await bench.lock_told(LockState.JAMMED)
    bench.order(lock="ok")
    await bench.unit.lock.set_locked(False)
    await bench.lock_told(LockState.UNLOCKED)
    bench.order(car="none", pp="none")
    await bench.listener.until(ProximityChanged(1, None))
    await bench.close()


@virtual
async def test_a_lock_without_feedback() -> None:
    bench = await McuBench(fixed_cable=False, lock_feedback=False).start()
    bench.order(lock="silent")
    assert bench.unit.lock is not None
    await bench.unit.lock.set_locked(True)
    await bench.lock_told(LockState.LOCKED)
    await bench.close()


# --- residual current device ------------------------------------------------------------------------------------------------


@virtual
async def test_a_self_test_trips_resets_and_is_no_fault() -> None:
    bench = await McuBench("tida").start()
    assert bench.unit.rcd is not None
    await bench.unit.rcd.self_test()
    facts = bench.look()
    assert (facts["testing"], facts["errors"]) == (False, [])
    assert not any(isinstance(event, Fault) for event in bench.listener.heard)
    await bench.close()


@pytest.mark.parametrize(
    ("rcd", "words"),
    [("dead", "did not trip in its test within 3 s"), ("selftest", "failed its self-test"), ("stuck", "stays tripped")],
)
@virtual
async def test_a_self_test_that_fails(rcd: str, words: str) -> None:
    bench = await McuBench("tida").start()
    bench.order(rcd=rcd)
    assert bench.unit.rcd is not None
    with pytest.raises(DeviceError, match=words):
        await bench.unit.rcd.self_test()
    assert bench.look()["testing"] is False
    tripped = [event for event in bench.listener.heard if isinstance(event, Fault)]
    assert [event.code for event in tripped] == ([] if rcd == "dead" else [FaultCode.GROUND_FAILURE])
    await bench.close()


@virtual
async def test_a_self_test_needs_an_open_contactor_and_power_waits_for_its_end() -> None:
    bench = await charging(McuBench("tida"))
    assert bench.unit.rcd is not None
    with pytest.raises(DeviceError, match="open contactor only"):
        await bench.unit.rcd.self_test()
    await bench.unit.power.permit(False, 3)
    await bench.listener.relay(False)
    test = asyncio.ensure_future(bench.unit.rcd.self_test())
    await asyncio.sleep(0.01)
    with pytest.raises(DeviceError, match="is being tested"):
        await bench.unit.power.permit(True, 3)
    with pytest.raises(DeviceError, match="is being tested already"):
        await bench.unit.rcd.self_test()
    await test
    await bench.close()


@virtual
async def test_a_tripped_device_is_reset_when_the_vehicle_has_gone() -> None:
    bench = await charging(McuBench("tida"))
    bench.port.device.connectors[0].tripped = True
    await bench.listener.fault(FaultCode.GROUND_FAILURE, True)
    await bench.listener.relay(False)
    await bench.unit.power.permit(False, 3)
    await asyncio.sleep(20.0)
    assert bench.look()["errors"] == ["rcd"]
    bench.order(car="none")
    await bench.listener.fault(FaultCode.GROUND_FAILURE, False)
    await bench.close()


# --- loss -------------------------------------------------------------------------------------------------------------------


@virtual
async def test_the_adapter_is_pulled_and_plugged_in_again() -> None:
    bench = await charging(McuBench())
    bench.port.unplug()
    fault = await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    assert "the adapter is gone" in fault.info
    for order in (
        bench.unit.pilot.signal(PilotSignal.PWM, 8.0),
        bench.unit.power.permit(False, 3),
        bench.driver.read(),
    ):
        with pytest.raises(BusError, match=r"not reached: .*the adapter is gone"):
            await order
    await asyncio.sleep(600.0)
    assert sum(isinstance(event, Fault) for event in bench.listener.heard) == 1
    told = len(bench.listener.heard)
    bench.port.unplugged = False
    began = now()
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    assert now() - began < 10.0
    assert PilotChanged(1, PilotState.B) in bench.listener.heard[told:]
    assert PowerPathChanged(1, False) in bench.listener.heard[told:]
    facts = bench.look()
    assert (facts["relay"], facts["allowed"], facts["duty"]) == (
        False,
        False,
        1333,
    )  # the pilot as wanted, no permission
    await bench.unit.power.permit(True, 3)
    await bench.listener.relay(True)
    await bench.close()


@pytest.mark.parametrize(("name", "silence_s"), [("yeti", 5.0), ("tida", 5.0), ("adkit", 7.0)])
@virtual
async def test_a_board_without_keep_alives_is_lost_and_comes_back(name: str, silence_s: float) -> None:
    bench = await charging(McuBench(name))
    bench.order(mute=True)
    began = now()
    fault = await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    assert silence_s - 3.1 <= now() - began <= silence_s + 1.1
    assert f"has said nothing for {silence_s:g} s" in fault.info
    await asyncio.sleep(30.0)
    assert bench.look()["relay"] is False
    bench.order(mute=False)
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    assert bench.look()["relay"] is False
    await bench.close()


@virtual
async def test_a_single_keep_alive_that_is_lost_is_no_loss() -> None:
    for name in ONE:
        bench = await McuBench(name).start()
        for _ in range(5):
            bench.order(lose=1 if name == "adkit" else 2)
            await asyncio.sleep(10.0)
        assert not any(isinstance(event, Fault) for event in bench.listener.heard), name
        await bench.close()


@virtual
async def test_a_brown_out_is_made_good_without_a_fault() -> None:
    bench = await charging(McuBench(), amps=10.0)
    await asyncio.sleep(600.0)
    before = (await bench.driver.read()).energy_import_wh
    bench.port.device.power(False, now())
    await asyncio.sleep(0.3)
    bench.port.device.power(True, now())
    bench.port.schedule()
    await bench.listener.relay(False)
    await bench.listener.relay(True)  # it goes on: that is the level
    assert bench.look()["duty"] == 1667
    await asyncio.sleep(10.0)
    assert (await bench.driver.read()).energy_import_wh >= before > 1000.0
    assert not any(isinstance(event, Fault) for event in bench.listener.heard)
    await bench.close()


@virtual
async def test_a_watchdog_reset_is_reported_and_the_level_applied_again() -> None:
    bench = await charging(McuBench("tida", fixed_cable=False))
    assert bench.unit.lock is not None
    await bench.unit.lock.set_locked(True)
    await bench.lock_told(LockState.LOCKED)
    mark = len(orders(bench))
    bench.order(reset="watchdog")
    fault = await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    assert "watchdog" in fault.info
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    await bench.listener.relay(True)
    after = orders(bench)[mark:]
    assert after.index("power 0") < after.index("pwm 2667") < after.index("power 1")
    assert "lock 1" in after
    await bench.close()


@virtual
async def test_a_dead_program_says_what_becomes_of_a_charge() -> None:
    for name in ONE:
        board = McuBench(name).board
        assert board.on_host_loss is OnHostLoss.NOTHING
        assert "not known to be safe" in board.supervision
    board = McuBench(host_loss="opens").board
    assert board.on_host_loss is OnHostLoss.OPENS
    assert "not verified" in board.supervision


@virtual
async def test_a_bad_wire_costs_no_session() -> None:
    bench = await charging(McuBench())
    rng = random.Random(7)
    feed = bench.port.device.feed

    def noisy(data: bytes, at: float) -> bytes:
        return feed(rng.randbytes(rng.randint(0, 9)) + data if rng.random() < 0.3 else data, at)

    bench.port.device.feed = noisy  # type: ignore[method-assign]
    for amps in range(6, 30):
        await bench.unit.pilot.signal(PilotSignal.PWM, float(amps))
        await asyncio.sleep(2.5)
        assert bench.look()["duty"] == round(amps / 0.006), amps
    assert bench.look()["spoilt"] > 3
    await bench.unit.power.permit(False, 3)
    await bench.listener.relay(False)
    assert not any(isinstance(event, Fault) for event in bench.listener.heard)
    await bench.close()


# --- meter, telemetry -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["yeti", "adkit"])
@virtual
async def test_the_meter(name: str) -> None:
    bench = await McuBench(name, voltage_v=230).start()
    assert bench.unit.meter is not None
    assert (await bench.unit.meter.read()).energy_import_wh == 0.0
    await charging(bench, 10.0)
    await asyncio.sleep(600.0)
    reading = await bench.unit.meter.read()
    assert reading.energy_import_wh == pytest.approx(1150.0, abs=5.0)
    assert reading.current_a == pytest.approx((10.0,) * 3, abs=0.01)
    assert (reading.power_w, reading.frequency_hz) == (pytest.approx(6900.0, abs=5.0), 50.0)
    assert reading.temperature_c == 32.0
    await bench.unit.power.permit(False, 3)
    await bench.listener.relay(False)
    await asyncio.sleep(60.0)
    after = await bench.unit.meter.read()
    assert (after.power_w, after.current_a) == (0.0, (0.0,) * 3)
    assert after.energy_import_wh == pytest.approx(reading.energy_import_wh, abs=3.0)
    await bench.close()


@virtual
async def test_boards_without_meter_and_telemetry() -> None:
    bench = await McuBench("tida").start()
    await asyncio.sleep(2.0)
    assert bench.unit.meter is None
    assert bench.driver.telemetry[1, "temp0_c"] == 31.5
    with pytest.raises(DeviceError, match="has no meter"):
        await bench.driver.read()
    await bench.close()
    assert McuBench(meter=False).unit.meter is None


# --- settings ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("yeti", {}, r"board\.port: is missing"),
        ("yeti", {"port": "com1://"}, r"board\.port: must be /dev/"),
        ("yeti", {"port": "/dev/x", "max_a": 5}, r"board\.max_a: must be a number of 6 to 80"),
        ("adkit", {"port": "/dev/x", "max_a": 40}, r"board\.max_a: must be a number of 6 to 32"),
        ("yeti", {"port": "/dev/x", "phases": 2}, r"board\.phases: must be 1 or 3"),
        ("yeti", {"port": "/dev/x", "reset": "gpio"}, r"board\.reset_line: is missing"),
        ("yeti", {"port": "/dev/x", "reset": "pin"}, r"board\.reset: must be one of none, message, gpio"),
        ("yeti", {"port": "/dev/x", "lock": True}, r"board\.lock: a fixed cable"),
        ("adkit", {"port": "/dev/x", "lock": True}, r"board\.lock: unknown"),
        ("tida", {"port": "/dev/x", "phase_switching": True}, r"board\.phase_switching: unknown"),
        ("yeti", {"port": "/dev/x", "host_loss": "reduces"}, r"board\.host_loss: must be one of opens, nothing"),
        ("yeti", {"port": "/dev/x", "connector": [{"number": 1}]}, r"board\.connector: unknown"),
    ],
)
def test_wrong_settings_name_their_field(name: str, settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        create_board(name, settings)


@pytest.mark.parametrize("name", BOARDS)
def test_they_are_registered_and_claim_their_port(name: str) -> None:
    board = create_board(name, {"port": "/dev/ttyUSB7", "name": "left"})
    assert (board.name, board.level, len(board.units)) == ("left", ControlLevel.PILOT, BOARDS[name].connectors)
    assert claims(name, {"port": "/dev/ttyUSB7"}) == {("/dev/ttyUSB7", 0)}
    assert claims(name, {}) == set()


@virtual
async def test_temperatures_for_derating() -> None:
    """TIDA-010939 has sensors and no meter; whatever meter is billed, they count."""
    bench = await McuBench("tida").start()
    thermometer = bench.unit.thermometer
    assert thermometer is not None
    await asyncio.sleep(3.0)
    assert await thermometer.temperature_c() == 31.5
    bench.port.unplug()
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    with pytest.raises(BusError, match="not reached"):
        await thermometer.temperature_c()


@virtual
async def test_a_driver_that_was_closed_while_its_board_was_lost_begins_without_that_fault() -> None:
    bench = await McuBench().start()
    bench.port.unplug()
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    with pytest.raises(BusError, match="was not told to open"):
        await bench.driver.close()
    bench.port.unplugged = False
    bench.listener.heard.clear()
    await bench.driver.start(bench.listener)
    await asyncio.sleep(2.0)
    assert not any(isinstance(event, Fault) and event.active for event in bench.listener.heard)
    bench.port.unplug()
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
