"""The driver of table-driven Modbus boards against their emulators on virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Coroutine

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.api import (
    ControlLevel,
    Fault,
    FaultCode,
    OnHostLoss,
    PilotChanged,
    PilotSignal,
    PilotState,
    PowerPathChanged,
    ProximityChanged,
)
from hal.boards.model import Identity
from hal.drivers.modbus_board_drive import Drive
from hal.drivers.modbus_board_registers import Registers
from hal.emulators.modbus_board.firmware import Phoenix
from hal.errors import BusError, DeviceError
from station.sim.loop import run
from tests.hal.modbus_board_bench import Bench

BOARDS = ("evse_wb", "heidelberg", "phoenix_ev_ser")
EVERY = pytest.mark.parametrize("board", BOARDS)


def virtual(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def wrapper(*args: object, **kwargs: object) -> None:
        async def main() -> None:
            await test(*args, **kwargs)

        run(main())

    return wrapper


# --- every board ------------------------------------------------------------------------------------------------------


@EVERY
@virtual
async def test_a_session(board: str) -> None:
    bench = await Bench(board).start()
    assert bench.listener.heard == [PilotChanged(1, PilotState.A), PowerPathChanged(1, False)]
    bench.order(car="asks")
    await bench.listener.pilot(PilotState.B)
    assert bench.look()["amps"] == 0.0
    await bench.offer(16.0)
    assert bench.look()["amps"] == 16.0
    await bench.listener.pilot(PilotState.C)
    await bench.listener.relay(True)
    await bench.unit.power.permit(True, 3)
    await bench.offer(10.0)
    assert bench.look()["amps"] == 10.0
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    assert bench.look()["amps"] == 0.0
    await bench.listener.relay(False)
    await bench.unit.power.permit(False, 3)
    bench.order(car="none")
    await bench.listener.pilot(PilotState.A)
    await bench.driver.close()
    assert not any(isinstance(event, Fault) for event in bench.listener.heard)


@EVERY
@virtual
async def test_it_is_switched_off_before_anything_is_set_up(board: str) -> None:
    """A board that still charges: from a run before, or by itself since it has power."""
    bench = Bench(board)
    bench.order(
        car="asks",
        set={"22000": 32} if board == "phoenix_ev_ser" else {"261": 160} if board == "heidelberg" else {"1000": 16},
    )
    if board == "phoenix_ev_ser":
        bench.order(set={"4000": 3, "20000": 1})
    assert bench.look()["amps"] > 0
    await bench.start()
    off = {"evse_wb": (16, 1000, 0), "heidelberg": (6, 261, 0), "phoenix_ev_ser": (5, 20000, 0)}[board]
    assert bench.writes[0] == off
    assert bench.look()["amps"] == 0.0
    await bench.driver.close()


@EVERY
@virtual
async def test_a_permission_taken_away_switches_off_and_given_back_charges_again(board: str) -> None:
    bench = await Bench(board).charging()
    await bench.unit.power.permit(False, 3)
    assert bench.look()["amps"] == 0.0
    await bench.listener.relay(False)
    await asyncio.sleep(60.0)
    assert bench.look()["relay"] is False
    await bench.unit.power.permit(True, 3)
    await bench.listener.relay(True)
    await bench.driver.close()
    assert PilotChanged(1, PilotState.F) not in bench.listener.heard


@pytest.mark.parametrize("board", ["evse_wb", "heidelberg"])
@virtual
async def test_a_stubborn_vehicle_is_opened_under_load_at_once(board: str) -> None:
    bench = await Bench(board).charging()
    bench.order(obeys_s=1000.0)
    began = asyncio.get_running_loop().time()
    order = asyncio.ensure_future(bench.unit.power.permit(False, 3))
    while bench.look()["relay"]:
        await asyncio.sleep(0.005)
    assert asyncio.get_running_loop().time() - began < 0.5
    await order
    cut = {"evse_wb": (16, 1004, 1), "heidelberg": (6, 259, 0)}[board]
    off = {"evse_wb": (16, 1000, 0), "heidelberg": (6, 261, 0)}[board]
    assert bench.writes.index(cut) < bench.writes.index(off, bench.writes.index(cut))
    await bench.listener.relay(False)
    await asyncio.sleep(20.0)
    assert bench.holding(cut[1]) == {"evse_wb": 0, "heidelberg": 1}[board]  # taken back when it is open
    assert (
        PilotChanged(1, PilotState.F) not in bench.listener.heard
    )  # it stood for ten seconds, and the vehicle never left
    await bench.unit.power.permit(True, 3)
    await bench.listener.relay(True)
    await bench.driver.close()


@EVERY
@virtual
async def test_an_offer_that_is_withdrawn_lets_the_vehicle_stop(board: str) -> None:
    bench = await Bench(board).charging()
    bench.order(obeys_s=2.0)
    began = asyncio.get_running_loop().time()
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    assert bench.look()["relay"] is True
    await bench.listener.relay(False)
    assert 2.0 <= asyncio.get_running_loop().time() - began < 3.0
    assert not [write for write in bench.writes if write[1] in {1004, 259}]
    await bench.driver.close()


@pytest.mark.parametrize("board", ["evse_wb", "heidelberg"])
@virtual
async def test_a_vehicle_that_does_not_let_go_is_opened_under_load_after_six_seconds(board: str) -> None:
    bench = await Bench(board).charging()
    bench.order(obeys_s=1000.0)
    began = asyncio.get_running_loop().time()
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    await bench.listener.relay(False)
    assert 6.0 < asyncio.get_running_loop().time() - began < 8.5
    await bench.driver.close()


@EVERY
@virtual
async def test_current_that_nobody_permits_is_stopped(board: str) -> None:
    bench = await Bench(board).start()
    bench.order(car="asks")
    await bench.offer(16.0)
    await bench.listener.relay(True)
    began = asyncio.get_running_loop().time()
    await bench.listener.relay(False)
    assert asyncio.get_running_loop().time() - began < 5.5
    await asyncio.sleep(30.0)
    assert bench.look()["relay"] is False
    await bench.unit.power.permit(True, 3)  # late, but there
    await bench.listener.relay(True)
    await bench.driver.close()


@EVERY
@virtual
async def test_currents_that_cannot_be_offered(board: str) -> None:
    bench = await Bench(board, max_a=16).charging(10.0)
    with pytest.raises(DeviceError, match=r"its limit \(max_a\) is 16 A"):
        await bench.offer(16.5)
    assert bench.look()["amps"] == 10.0
    for amps in (5.9, float("nan")):
        with pytest.raises(DeviceError, match="6 A is the least"):
            await bench.offer(amps)
        assert bench.look()["amps"] == 0.0
    with pytest.raises(DeviceError, match="4 phases"):
        await bench.unit.power.permit(True, 4)
    await bench.driver.close()


@pytest.mark.parametrize(
    ("board", "device", "word"),
    [
        ("evse_wb", {}, 15),
        ("evse_wb", {"options": 0x80, "firmware": 17}, 1599),
        ("evse_wb", {"options": 0x80, "firmware": 16}, 15),
        ("evse_wb", {"options": 0x20, "firmware": 20}, 15),
        ("heidelberg", {}, 159),
        ("phoenix_ev_ser", {}, 15),
    ],
)
@virtual
async def test_current_in_steps_of_the_board_never_rounded_up(board: str, device: dict[str, object], word: int) -> None:
    bench = await Bench(board, device).start()
    await bench.offer(15.99)
    assert bench.holding({"evse_wb": 1000, "heidelberg": 261, "phoenix_ev_ser": 22000}[board]) == word
    await bench.offer(6.0)
    assert bench.look()["amps"] == 6.0
    await bench.driver.close()


@EVERY
@virtual
async def test_an_idle_board_is_asked_no_faster_than_needed_and_written_never(board: str) -> None:
    bench = await Bench(board).start()
    reads, writes = bench.device.reads, len(bench.writes)
    await asyncio.sleep(3600.0)
    assert bench.device.reads - reads < {"evse_wb": 2000, "heidelberg": 3650, "phoenix_ev_ser": 5200}[board]
    assert len(bench.writes) == writes
    await bench.driver.close()


@EVERY
@virtual
async def test_a_silent_board_is_reported_and_recovers_without_a_restart(board: str) -> None:
    bench = await Bench(board).charging()
    bench.order(mute=True)
    began = asyncio.get_running_loop().time()
    fault = await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    assert asyncio.get_running_loop().time() - began < 6.0
    assert "no answer, 4 times; check power, address, baud rate" in fault.info
    with pytest.raises(BusError, match=r"not reached: .*no answer"):
        await bench.unit.power.permit(False, 3)
    with pytest.raises(BusError, match="not reached"):
        await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    await asyncio.sleep(300.0)
    told = len(bench.listener.heard)
    bench.order(mute=False, car="none")
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    # Heidelberg's watchdog has fallen: it answers, and is ready ten seconds later.
    news = [event for event in bench.listener.heard[told:] if not (isinstance(event, Fault) and event.active)]
    assert set(news[:-1]) == {PilotChanged(1, PilotState.A), PowerPathChanged(1, False)}
    assert news[-1] == Fault(1, FaultCode.INTERNAL_ERROR, False)
    assert bench.look()["amps"] == 0.0  # what was wanted meanwhile
    await bench.driver.close()


@EVERY
@virtual
async def test_the_adapter_is_pulled_and_plugged_in_again(board: str) -> None:
    bench = await Bench(board).charging()
    bench.cable.unplug()
    fault = await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    assert "plug" in fault.info
    await asyncio.sleep(9.0)
    told = len(bench.listener.heard)
    bench.cable.unplugged = False
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    assert PilotChanged(1, PilotState.C) in bench.listener.heard[told:]
    assert bench.look()["amps"] == 16.0
    await bench.driver.close()


@EVERY
@virtual
async def test_a_brown_out_between_two_looks_is_made_good(board: str) -> None:
    bench = await Bench(board).charging(12.0)
    faults = sum(isinstance(event, Fault) for event in bench.listener.heard)
    await bench.brown_out()
    await asyncio.sleep(8.0)
    assert bench.look()["amps"] == 12.0
    assert bench.look()["relay"] is True
    assert sum(isinstance(event, Fault) for event in bench.listener.heard) == faults
    await bench.driver.close()


@EVERY
@virtual
async def test_a_long_brown_out_is_a_loss_and_the_level_of_now_counts(board: str) -> None:
    bench = await Bench(board).charging(12.0)
    back = asyncio.ensure_future(bench.brown_out(30.0))
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    with pytest.raises(BusError):
        await bench.unit.power.permit(False, 3)
    await back
    for _ in range(100):
        assert bench.look()["relay"] is False or board == "heidelberg"  # that one boots at its maximum
        await asyncio.sleep(0.1)
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    assert bench.look()["amps"] == 0.0
    await bench.driver.close()


@EVERY
@virtual
async def test_a_board_that_refuses_is_lost_and_found(board: str) -> None:
    bench = await Bench(board).start()
    bench.order(refuse=4)
    fault = await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    assert "refused: device failure" in fault.info
    bench.order(refuse=0)
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    await bench.driver.close()


@EVERY
@virtual
async def test_damaged_answers_are_asked_for_again(board: str) -> None:
    bench = await Bench(board).charging()
    for _ in range(20):
        bench.order(wrong_checksum=3)
        await asyncio.sleep(5.0)
    assert not any(isinstance(event, Fault) for event in bench.listener.heard)
    await bench.driver.close()


@EVERY
@virtual
async def test_a_board_that_does_not_obey_is_told(board: str) -> None:
    bench = await Bench(board).charging(10.0)
    bench.order(refuse_writes=True)
    with pytest.raises(DeviceError, match="refused: illegal data address"):
        await bench.offer(8.0)
    bench.order(refuse_writes=False)
    await bench.offer(8.0)
    assert bench.look()["amps"] == 8.0
    await bench.driver.close()


@EVERY
@virtual
async def test_closing_switches_off_and_waits_for_the_contactor(board: str) -> None:
    bench = await Bench(board).charging()
    bench.order(obeys_s=3.0)
    await bench.driver.close()
    assert (bench.look()["relay"], bench.look()["amps"]) == (False, 0.0)
    assert not bench.cable.is_open
    with pytest.raises(BusError, match="it was closed"):
        await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    await bench.driver.close()
    await bench.driver.start(bench.listener)
    await bench.driver.close()


@EVERY
@virtual
async def test_closing_without_a_board_says_so_once(board: str) -> None:
    bench = await Bench(board).charging()
    bench.order(mute=True)
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    with pytest.raises(BusError, match="was not switched off"):
        await bench.driver.close()
    await bench.driver.close()


@EVERY
@virtual
async def test_no_board_is_an_error_with_a_remedy(board: str) -> None:
    bench = Bench(board)
    bench.order(mute=True)
    with pytest.raises(BusError, match="check power, address, baud rate"):
        await bench.start()
    assert not bench.cable.is_open
    bench.order(mute=False)
    await bench.start()
    await bench.driver.close()


# --- what only one of them has ----------------------------------------------------------------------------------------


@virtual
async def test_options_of_evse_wb_keep_their_other_bits() -> None:
    bench = await Bench("evse_wb", {"options": 0x62A0, "boot_a": 16}).start()
    assert bench.holding(2005) == 0x02A0
    assert bench.holding(2000) == 0
    await bench.driver.close()
    again = len(bench.writes)
    await bench.driver.start(bench.listener)
    assert [write for write in bench.writes[again:] if write[1] >= 2000] == []  # its memory wears out
    await bench.driver.close()


@virtual
async def test_a_current_after_power_up_that_does_not_stick_is_only_told(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench("evse_wb", {"boot_a": 16})
    bench.order(keeps=[2000])
    await bench.start()
    assert "register 2000 does not become 0" in caplog.text
    assert bench.board.on_host_loss is OnHostLoss.NOTHING
    assert "after a power cut it offers 0 A (register 2000)" in bench.board.supervision
    await bench.driver.close()


@virtual
async def test_phoenix_is_told_to_obey_its_coil() -> None:
    bench = await Bench("phoenix_ev_ser", ventilated=True).start()
    assert (bench.holding(4000), bench.holding(4010)) == (3, 1)
    await bench.driver.close()
    bench = Bench("phoenix_ev_ser")
    bench.order(keeps=[4000])
    with pytest.raises(DeviceError, match=r"register 4000 does not become 3 \(else coil 20000 enables nothing\)"):
        await bench.start()


@virtual
async def test_phoenix_without_its_error_register() -> None:
    bench = await Bench("phoenix_ev_ser", {"has_errors": False}).charging()
    await asyncio.sleep(10.0)
    assert not any(isinstance(event, Fault) for event in bench.listener.heard)
    await bench.driver.close()


@virtual
async def test_heidelberg_arms_its_watchdog_reads_it_back_and_feeds_it() -> None:
    bench = await Bench("heidelberg", host_loss_s=20, host_loss_a=0).start()
    assert (bench.board.level, bench.board.on_host_loss, bench.board.on_host_loss_a) == (
        ControlLevel.CURRENT,
        OnHostLoss.OPENS,
        None,
    )
    assert "watchdog of 20 s (register 257), then 0 A (register 262)" in bench.board.supervision
    assert (bench.holding(257), bench.holding(262), bench.holding(258)) == (20000, 0, 4)
    bench.order(car="asks")
    await bench.offer(16.0)
    await bench.listener.relay(True)
    await bench.unit.power.permit(True, 3)
    await asyncio.sleep(3600.0)
    assert bench.look()["relay"] is True
    await bench.driver.close()


@virtual
async def test_a_dead_host_opens_heidelberg() -> None:
    bench = await Bench("heidelberg").charging()
    await bench.driver._end_task()  # the program hangs
    await asyncio.sleep(14.0)
    assert bench.look()["relay"] is True
    await asyncio.sleep(3.0)
    assert bench.look()["relay"] is False
    told = len(bench.listener.heard)
    await bench.driver.start(bench.listener)
    await asyncio.sleep(20.0)  # it needs ten seconds to come back from state F, which is not told
    assert bench.listener.heard[told:] == [PowerPathChanged(1, False), PilotChanged(1, PilotState.B)]
    await bench.driver.close()


@virtual
async def test_a_dead_host_leaves_heidelberg_at_the_declared_current() -> None:
    bench = await Bench("heidelberg", host_loss_a=8).charging()
    assert (bench.board.on_host_loss, bench.board.on_host_loss_a) == (OnHostLoss.REDUCES, 8.0)
    await bench.driver._end_task()
    await asyncio.sleep(17.0)
    assert (bench.look()["relay"], bench.look()["amps"]) == (True, 8.0)


@pytest.mark.parametrize("address", [257, 258, 262])
@virtual
async def test_a_watchdog_that_does_not_stick_is_refused(address: int) -> None:
    bench = Bench("heidelberg", host_loss_s=10, host_loss_a=6)
    bench.order(keeps=[address])
    with pytest.raises(DeviceError, match=rf"register {address} does not become .*write-protected"):
        await bench.start()
    assert bench.listener.heard == []


@virtual
async def test_without_supervision_nothing_is_declared_and_a_left_over_is_disarmed() -> None:
    bench = await Bench("heidelberg", host_loss_s=0).start()
    assert bench.board.on_host_loss is OnHostLoss.NOTHING
    assert bench.holding(257) == 0
    await bench.driver.close()


@virtual
async def test_somebody_who_disarms_the_watchdog_is_overruled_and_reported_when_he_insists() -> None:
    bench = await Bench("heidelberg").start()
    bench.order(set={"257": 0})
    await asyncio.sleep(5.0)
    assert bench.holding(257) == 15000
    assert not any(isinstance(event, Fault) for event in bench.listener.heard)
    insists = asyncio.ensure_future(_insist(bench, 257, 0))
    fault = await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    assert "register 257" in fault.info
    insists.cancel()
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    await bench.driver.close()


async def _insist(bench: Bench, address: int, value: int) -> None:
    while True:
        bench.order(set={str(address): value})
        await asyncio.sleep(1.3)


@virtual
async def test_the_pilot_fault_signal_is_state_f_where_the_board_can() -> None:
    bench = await Bench("heidelberg").start()
    await bench.unit.pilot.signal(PilotSignal.FAULT, 0.0)
    await bench.listener.pilot(PilotState.F)
    await asyncio.sleep(60.0)
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    await bench.listener.pilot(PilotState.A)
    assert bench.holding(259) == 1
    await bench.driver.close()
    bench = await Bench("evse_wb").start()
    await bench.unit.pilot.signal(PilotSignal.FAULT, 0.0)
    assert bench.look()["amps"] == 0.0
    await bench.driver.close()


@pytest.mark.parametrize(
    ("board", "fault", "code"),
    [
        ("evse_wb", "failure", FaultCode.PILOT_FAULT),
        ("heidelberg", "error", FaultCode.INTERNAL_ERROR),
        ("heidelberg", "derating", FaultCode.CABLE_OVER_TEMP_DERATE),
        ("heidelberg", "locked", FaultCode.INTERNAL_ERROR),
        ("phoenix_ev_ser", "contactor", FaultCode.EVSE_CONTACTOR_FAULT),
        ("phoenix_ev_ser", "diode", FaultCode.PILOT_FAULT),
        ("phoenix_ev_ser", "rcm", FaultCode.GROUND_FAILURE),
        ("phoenix_ev_ser", "lock", FaultCode.CONNECTOR_LOCK_FAILURE),
        ("phoenix_ev_ser", "pp", FaultCode.PROXIMITY_FAULT),
    ],
)
@virtual
async def test_faults_begin_and_end(board: str, fault: str, code: FaultCode) -> None:
    bench = await Bench(board).charging()
    bench.order(fault=fault)
    began = await bench.listener.fault(code, True)
    assert began.info.startswith(bench.driver.settings.model.name)
    if fault != "derating":
        await bench.listener.relay(False)
    bench.order(fault="none")
    await bench.listener.fault(code, False)
    assert sum(isinstance(event, Fault) for event in bench.listener.heard) == 2
    await bench.driver.close()


@pytest.mark.parametrize("board", ["evse_wb", "phoenix_ev_ser"])
@virtual
async def test_the_cable_in_a_socket(board: str) -> None:
    bench = await Bench(board, fixed_cable=False).start()
    bench.device.firmware.cable_a = 20  # type: ignore[attr-defined]  # both have one
    bench.order(car="plugged")
    await bench.listener.until(ProximityChanged(1, 20.0))
    assert bench.listener.heard.index(PilotChanged(1, PilotState.B)) < bench.listener.heard.index(
        ProximityChanged(1, 20.0)
    )
    bench.order(car="none")
    await bench.listener.until(ProximityChanged(1, None))
    assert bench.unit.connector_type == "sType2"
    await bench.driver.close()


@virtual
async def test_state_d() -> None:
    bench = await Bench("evse_wb", ventilated=True).start()
    bench.order(car="ventilation")
    await bench.offer(16.0)
    await bench.listener.pilot(PilotState.D)
    await bench.unit.power.permit(True, 3)
    assert bench.look()["relay"] is True
    assert bench.unit.ventilated
    await bench.driver.close()


@virtual
async def test_heidelberg_measures() -> None:
    bench = await Bench("heidelberg").charging(12.0)
    meter = bench.unit.meter
    assert meter is not None
    before = await meter.read()
    await asyncio.sleep(3600.0)
    after = await meter.read()
    assert after.current_a == (12.0, 12.0, 12.0)
    assert after.voltage_v == (230.0, 231.0, 229.0)
    assert after.power_w == 8280.0
    assert after.temperature_c == 30.0
    assert 8200 < after.energy_import_wh - before.energy_import_wh < 8400
    await bench.driver.close()
    assert Bench("heidelberg", meter=False).unit.meter is None


@virtual
async def test_a_board_that_takes_less_is_left_in_peace() -> None:
    bench = await Bench("evse_wb").charging(16.0)
    bench.order(keeps=[1000])
    await bench.offer(20.0)
    writes = len(bench.writes)
    await asyncio.sleep(20.0)
    assert len(bench.writes) == writes
    bench.order(keeps=[])
    await asyncio.sleep(20.0)
    assert bench.look()["amps"] == 20.0
    await bench.driver.close()


@virtual
async def test_a_board_that_keeps_more_than_it_is_told_is_an_error() -> None:
    bench = await Bench("evse_wb").charging(16.0)
    bench.order(keeps=[1000])
    with pytest.raises(DeviceError, match=r"took 16 where 10 was written|does not switch off"):
        await bench.offer(10.0)
    assert bench.look()["relay"] is False  # its order to open at once is left
    bench.order(keeps=[])
    with pytest.raises(DeviceError, match="6 A is the least"):
        await bench.offer(1.0)
    assert bench.look()["amps"] == 0.0
    await bench.driver.close()


@virtual
async def test_a_state_that_no_table_knows() -> None:
    bench = await Bench("evse_wb").start()
    sane = bench.device.firmware.read
    bench.device.firmware.read = lambda function, address: 9 if address == 1002 else sane(function, address)  # type: ignore[method-assign]
    fault = await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    assert "register 1002 says 9, a state that its table does not know" in fault.info
    bench.device.firmware.read = sane  # type: ignore[method-assign]
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    await bench.driver.close()


@virtual
async def test_another_device_at_the_address_is_not_written_to() -> None:
    bench = Bench("evse_wb")
    bench.device.firmware.read = lambda function, address: 0xFFFF  # type: ignore[method-assign]  # something else
    with pytest.raises(DeviceError, match=r"does not look like one, register 1002 says 65535; check board.address"):
        await bench.start()
    assert bench.writes == []


# --- parts ------------------------------------------------------------------------------------------------------------


@virtual
async def test_a_contactor_that_never_opens_is_told_when_the_board_is_made_safe() -> None:
    bench = Bench("phoenix_ev_ser")
    bench.order(car="asks", set={"4000": 3, "20000": 1})
    firmware = bench.device.firmware
    assert isinstance(firmware, Phoenix)
    firmware.read = lambda function, address: 0x4332 if address == 24000 else Phoenix.read(firmware, function, address)  # type: ignore[method-assign]
    drive = Drive(bench.driver.settings, bench.driver._registers)
    with pytest.raises(DeviceError, match="its contactor does not open; switch off its supply"):
        await drive.make_safe()
    assert bench.look()["coils"] == {"20000": 0, "20001": 0}


@pytest.mark.parametrize("board", ["evse_wb", "heidelberg"])
@virtual
async def test_a_vehicle_that_keeps_its_contactor_does_not_outlast_the_end_of_the_program(board: str) -> None:
    """The station gives a driver 5 s to close, the safe command of the service 6 s: by then it is opened under load."""
    bench = await Bench(board).charging()
    bench.order(obeys_s=1000.0)
    began = asyncio.get_running_loop().time()
    await bench.driver.close()
    assert asyncio.get_running_loop().time() - began < 5.0
    assert bench.look()["relay"] is False


@EVERY
@virtual
async def test_the_safe_command_switches_off_before_it_asks_anything(board: str) -> None:
    bench = await Bench(board).charging()
    await bench.driver._end_task()
    bench.cable.sent.clear()
    began = asyncio.get_running_loop().time()
    await Drive(
        bench.driver.settings, Registers(bench.driver._registers.device, bench.driver.settings.model)
    ).make_safe()
    assert bench.cable.sent[0][1][1] in {5, 6, 16}
    assert asyncio.get_running_loop().time() - began < 5.0
    assert bench.look()["relay"] is False


@virtual
async def test_words_are_unknown_from_the_write_until_they_are_read_back() -> None:
    bench = Bench("evse_wb")
    registers = Registers(bench.driver._registers.device, bench.driver.settings.model)
    await registers.look()
    write = bench.driver.settings.model.amps.write
    assert registers.words[write.place] == 16
    await registers.write(write, 10, lambda: False)
    assert (registers.words[write.place], bench.writes) == (16, [])
    await registers.write(write, 10)
    assert write.place not in registers.words
    assert await registers.known(write.place) == 10
    reads = bench.device.reads
    assert await registers.known(write.place) == 10
    await registers.look()  # of the two blocks one is due
    assert bench.device.reads == reads + 1


@virtual
async def test_who_it_is() -> None:
    bench = Bench("phoenix_ev_ser")
    registers = bench.driver._registers
    for identity, words in (
        (Identity("type", 4, 1000, 13, "text"), "EV-CC-AC1-M3-CBC-SER-HS-XP"),
        (Identity("firmware", 4, 1031, 1, "hex"), "4601"),
        (Identity("cable", 4, 24001, 1, "number"), "0"),
        (Identity("version", 4, 1031, 1, "version"), "70.0.1"),
        (Identity("nothing", 4, 9, 1, "number"), ""),
    ):
        assert await registers.identify(identity) == words


# --- whose turn it is -------------------------------------------------------------------------------------------------


@virtual
async def test_a_restriction_goes_ahead_of_everybody_who_waits() -> None:
    bench = await Bench("heidelberg").charging()
    loop = asyncio.get_running_loop()
    meters = [asyncio.ensure_future(bench.driver._registers.device.read(4, 4, 15)) for _ in range(50)]
    await asyncio.sleep(0.01)
    began = loop.time()
    order = asyncio.ensure_future(bench.unit.power.permit(False, 3))
    while bench.look()["relay"]:
        await asyncio.sleep(0.005)
    assert loop.time() - began < 0.4  # the request under way, and the board's own pause
    await order
    await asyncio.gather(*meters)
    await bench.driver.close()


@EVERY
@virtual
async def test_an_older_raise_is_never_sent_after_a_newer_restriction(board: str) -> None:
    bench = await Bench(board).start()
    bench.order(car="asks")
    for pause in (0.0, 0.001, 0.05, 0.15, 0.25, 0.4, 0.7, 1.0):
        bench.order(mute=pause > 0.1)  # its first attempt is lost
        older = asyncio.ensure_future(bench.offer(16.0))
        await asyncio.sleep(pause)
        bench.order(mute=False)
        await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
        assert bench.look()["amps"] == 0.0
        await asyncio.gather(older, return_exceptions=True)
        await asyncio.sleep(3.0)
        assert bench.look()["amps"] == 0.0
    await bench.driver.close()


# --- anything, in any order -------------------------------------------------------------------------------------------

STEPS = st.one_of(
    st.tuples(st.just("offer"), st.sampled_from([6.0, 10.0, 16.0])),
    st.tuples(st.just("off"), st.none()),
    st.tuples(st.just("permit"), st.booleans()),
    st.tuples(st.just("car"), st.sampled_from(["none", "plugged", "asks"])),
    st.tuples(st.just("mute"), st.booleans()),
    st.tuples(st.just("damage"), st.integers(1, 6)),
    st.tuples(st.just("brown_out"), st.sampled_from([0.0, 3.0])),
    st.tuples(st.just("unplug"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.05, 0.3, 2.0, 9.0])),
)


@EVERY
@settings(max_examples=10)
@given(steps=st.lists(STEPS, max_size=14), background=st.booleans())
def test_whatever_happens_the_board_ends_where_it_is_wanted(
    board: str, steps: list[tuple[str, object]], background: bool
) -> None:
    """background: orders are given while older ones are still under way."""

    async def main() -> None:
        bench = await Bench(board).start()
        orders = []
        for name, value in steps:
            order = _order(bench, name, value)
            if order is None:
                await _happens(bench, name, value)
            elif background:
                orders.append(asyncio.ensure_future(order))
            else:
                with contextlib.suppress(BusError, DeviceError):
                    await order
                    if name == "off" or (name == "permit" and not value and not bench.driver._drive.level.on):
                        assert bench.look()["amps"] == 0.0
        bench.order(mute=False, wrong_checksum=0, car="asks", obeys_s=0.2)
        bench.cable.unplugged = False
        await asyncio.gather(*orders, return_exceptions=True)
        with contextlib.suppress(BusError, DeviceError):
            await bench.unit.power.permit(True, 3)
        await asyncio.sleep(60.0)
        level = bench.driver._drive.level
        assert bench.look()["amps"] == (level.amps if level.on else 0.0)
        assert bench.look()["relay"] is level.on
        assert bench.listener.heard[-1] != Fault(1, FaultCode.INTERNAL_ERROR, True)
        assert (bench.driver._announcer.closed, bench.driver._up) == (level.on, True)
        await bench.driver.close()
        assert bench.look()["amps"] == 0.0

    run(main())


def _order(bench: Bench, name: str, value: object) -> Coroutine[object, object, None] | None:
    if name == "offer":
        assert isinstance(value, float)
        return bench.offer(value)
    if name == "off":
        return bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    return bench.unit.power.permit(value is True, 3) if name == "permit" else None


async def _happens(bench: Bench, name: str, value: object) -> None:
    if name == "wait":
        assert isinstance(value, float)
        await asyncio.sleep(value)
    elif name == "brown_out":
        assert isinstance(value, float)
        await bench.brown_out(value)
    elif name == "unplug":
        if value:
            bench.cable.unplug()
        else:
            bench.cable.unplugged = False
    else:
        bench.order(**{"damage": {"wrong_checksum": value}}.get(name, {name: value}))
