"""The bare relay board on a Modbus relay board: emulated at a cable on virtual time, and over a pty in its own process."""

from __future__ import annotations

import asyncio
import functools
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.api import Fault, FaultCode, OnHostLoss, PilotChanged, PilotSignal, PilotState, PowerPathChanged
from hal.bus.modbus_rtu import Function, ModbusBus, Request, Timing
from hal.bus.serial import Line
from hal.drivers import relay_probe
from hal.drivers.modbus_meter import Buses, meter_from
from hal.drivers.relay import Relay, create, create_on, make_safe, make_wiring_safe
from hal.drivers.relay_settings import read_settings
from hal.drivers.relay_wiring import FLASH_ON, VERSION, Wiring
from hal.emulators.modbus_frames import checksum
from hal.emulators.process import EmulatorProcess
from hal.emulators.relay_coils import create as emulated
from hal.errors import BusError, ConfigError, DeviceError
from hal.found import FoundKind
from hal.probe_configured import check_board
from hal.registry import prober
from tests.hal.openevse_bench import PATIENCE_S, Listener
from tests.hal.relay_bench import CoilBench, PlayedChip, allow
from tests.hal.test_openevse_virtual import virtual

ALL = ("mirror", "vehicle", "demand", "emergency_stop")
PULSED = {"pulse_s": 6.0, "test_coil": 7}


def now() -> float:
    return asyncio.get_running_loop().time()


# --- charging ---------------------------------------------------------------------------------------------------------


@virtual
async def test_a_charge_over_coils() -> None:
    bench = await CoilBench(*ALL).charge()
    assert bench.order(look=True)["closed"]
    await bench.unit.power.permit(False, 1)
    await bench.listener.relay(False)
    bench.order(vehicle=False)
    await bench.listener.pilot(PilotState.A)
    await bench.driver.close()
    assert bench.order(look=True)["coils"] == [False] * 8


@virtual
async def test_the_command_goes_out_within_a_poll() -> None:
    bench = await CoilBench(*ALL).charge()
    for step in range(20):
        await asyncio.sleep(0.537)
        before = now()
        await bench.unit.power.permit(False, 1)
        assert now() - before < 0.1, step
        assert bench.order(look=True)["coils"][0] is False  # type: ignore[index]  # a list of what the coils are
        await bench.listener.relay(False)
        await allow(bench.unit)
        await bench.listener.relay(True)
    await bench.driver.close()


@virtual
async def test_it_polls_no_faster_than_needed() -> None:
    bench = await CoilBench("mirror").start()
    await asyncio.sleep(10.0)
    bench.cable.sent.clear()
    await asyncio.sleep(60.0)
    assert len(bench.cable.sent) <= 2 * 31  # coil and inputs every 2 s
    await allow(bench.unit)
    await bench.listener.relay(True)
    await asyncio.sleep(10.0)
    bench.cable.sent.clear()
    await asyncio.sleep(60.0)
    assert len(bench.cable.sent) <= 2 * 121  # every 0.5 s
    await bench.driver.close()


@virtual
async def test_a_board_that_lost_its_supply_for_a_moment_closes_again() -> None:
    bench = await CoilBench("mirror").charge()
    bench.power(False)
    await asyncio.sleep(0.1)
    bench.power(True)
    await bench.listener.relay(False)
    await bench.listener.relay(True)
    assert not [event for event in bench.listener.heard if isinstance(event, Fault)]
    await bench.driver.close()


@virtual
async def test_a_relay_that_somebody_else_closes_is_opened() -> None:
    bench = await CoilBench("mirror").start()
    await asyncio.sleep(0.2)
    bench.order(coil=0)
    await asyncio.sleep(2.1)
    assert not bench.order(look=True)["closed"]
    await bench.driver.close()


@virtual
async def test_welded_and_stuck_over_coils() -> None:
    bench = await CoilBench(*ALL).charge()
    bench.order(weld=True)
    before = now()
    await bench.unit.power.permit(False, 1)
    assert "welded" in (await bench.listener.fault(FaultCode.EVSE_CONTACTOR_FAULT, True)).info
    assert now() - before < 1.3
    bench.order(weld=False)
    await bench.listener.fault(FaultCode.EVSE_CONTACTOR_FAULT, False)
    bench.order(stuck=True)
    before = now()
    await allow(bench.unit)
    assert "does not close" in (await bench.listener.fault(FaultCode.EVSE_CONTACTOR_FAULT, True)).info
    assert now() - before < 0.8
    await bench.driver.close()


@virtual
async def test_without_mirror_the_coil_tells() -> None:
    bench = await CoilBench().start()
    await allow(bench.unit)
    await bench.listener.relay(True)
    await bench.unit.pilot.signal(PilotSignal.OFF, 0.0)
    await bench.listener.relay(False)
    await bench.driver.close()


# --- who opens when we are gone (LAW 4) ---------------------------------------------------------------------------------


@virtual
async def test_pulses_are_renewed_and_end_by_themselves() -> None:
    bench = await CoilBench("mirror", contactor=PULSED).charge()
    board = bench.driver.board
    assert board.on_host_loss is OnHostLoss.OPENS
    assert "6 s after the last order, verified at every start on coil 7" in board.supervision
    assert bench.driver.identity == "Waveshare, firmware 2.00"
    bench.order(look=True)
    await asyncio.sleep(60.0)
    facts = bench.order(look=True)
    assert facts["closed"]
    assert facts["closings"] == 1
    written = [request for request in facts["requests"] if request.startswith("05")]  # type: ignore[attr-defined]  # a list
    assert set(written) == {f"05{FLASH_ON:04x}003c"}
    assert 28 <= len(written) <= 32
    # The program dies: nobody says anything any more.
    assert bench.driver._task is not None
    bench.driver._task.cancel()
    await asyncio.sleep(6.1)
    assert not bench.order(look=True)["closed"]


@virtual
async def test_a_slow_host_closes_again_and_says_so() -> None:
    bench = await CoilBench("mirror", contactor=PULSED).charge()
    await asyncio.sleep(0.2)
    bench.order(coil=0)  # as if the pulse had ended
    await bench.listener.relay(False)
    await bench.listener.relay(True)
    await bench.driver.close()


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"no_timer": True}, "does not open by itself"),
        ({"no_flash": True}, "has no pulses; set board.contactor.pulse_s to 0"),
    ],
)
@virtual
async def test_a_timer_that_does_not_work_is_found_at_the_start(order: dict[str, bool], words: str) -> None:
    bench = CoilBench("mirror", contactor=PULSED)
    bench.order(**order)
    with pytest.raises(DeviceError, match=words):
        await bench.start()
    assert bench.order(look=True)["coils"] == [False] * 8


def test_what_is_not_verified_is_not_promised() -> None:
    table = {"port": "/dev/a", "coil": 0, "pulse_s": 5}
    board = create({"contactor": table, "rating_a": 16})
    assert board.on_host_loss is OnHostLoss.NOTHING
    assert "not verified (test_coil)" in board.supervision


def test_a_line_may_be_shared_with_meters() -> None:
    buses = Buses()
    meter = meter_from({"model": "sdm630", "port": "/dev/a", "address": 2}, buses)
    device = create_on({"contactor": {"port": "/dev/a", "coil": 0}, "rating_a": 16}, buses).devices[0]
    assert isinstance(device, Relay)
    assert device._wiring._device is not None
    assert device._wiring._device.bus is meter.device.bus
    with pytest.raises(ConfigError, match="same baud"):
        create_on({"contactor": {"port": "/dev/a", "coil": 0, "baud": 19200}, "rating_a": 16}, buses)


@virtual
async def test_a_relay_that_an_input_switches_is_refused() -> None:
    bench = CoilBench("mirror")
    bench.order(mode=1)
    with pytest.raises(DeviceError, match=r"control mode 1.*write 0 to register 0x1000"):
        await bench.start()
    await CoilBench("mirror", device={"version": 0}).start()  # another make has no such thing


# --- loss ---------------------------------------------------------------------------------------------------------------


@virtual
async def test_a_bus_that_is_lost_and_comes_back() -> None:
    bench = await CoilBench(*ALL).charge()
    before = now()
    bench.order(mute=True)
    assert "no answer" in (await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)).info
    assert now() - before < 4.0
    with pytest.raises(BusError, match="not reached"):
        await bench.unit.power.permit(False, 1)
    await asyncio.sleep(60.0)
    bench.cable.sent.clear()
    await asyncio.sleep(60.0)
    assert len(bench.cable.sent) <= 3 * 13
    bench.order(mute=False)
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    assert bench.order(look=True)["coils"][0] is False  # type: ignore[index]  # a list of what the coils are
    told = bench.listener.heard[-3:-1]
    assert told == [PilotChanged(1, PilotState.C), PowerPathChanged(1, False)]
    await allow(bench.unit)
    await bench.listener.relay(True)
    bench.cable.unplug()
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    with pytest.raises(BusError, match="was not opened"):
        await bench.driver.close()


@virtual
async def test_noise_is_no_loss() -> None:
    bench = await CoilBench(*ALL).charge()
    for _ in range(10):
        bench.order(wrong_checksum=1)
        await asyncio.sleep(3.0)
    assert not [event for event in bench.listener.heard if isinstance(event, Fault)]
    await bench.driver.close()


@virtual
async def test_an_order_to_close_is_never_sent_after_one_to_open() -> None:
    """A closing whose answer is lost is not repeated by the bus; what is wanted by then decides."""
    bench = await CoilBench("mirror").start()
    await bench.unit.pilot.signal(PilotSignal.PWM, 16.0)
    bench.order(wrong_checksum=1)
    closing = asyncio.ensure_future(bench.unit.power.permit(True, 1))
    await asyncio.sleep(0.001)
    await asyncio.gather(closing, bench.unit.power.permit(False, 1), return_exceptions=True)
    await asyncio.sleep(10.0)
    writes = [frame for _, frame in bench.cable.sent if frame[1] == 5]
    assert writes[-1][4:6] == b"\x00\x00"
    assert not bench.order(look=True)["closed"]
    await bench.driver.close()


def _crowd(bench: CoilBench, many: int = 6) -> list[asyncio.Future[object]]:
    """Meters on the same line that wait for their turn, and do not answer."""
    ask = functools.partial(bench.bus.ask, Request(9, Function.READ_INPUT, 0, 2), Timing(0.5, retries=0))
    return [asyncio.ensure_future(ask()) for _ in range(many)]


@virtual
async def test_opening_goes_ahead_of_everybody_who_waits_for_the_line() -> None:
    """LAW 2: the line is shared with meters."""
    bench = await CoilBench("mirror").charge()
    crowd = _crowd(bench)
    await asyncio.sleep(0.1)
    bench.cable.sent.clear()
    await bench.unit.power.permit(False, 1)
    assert bench.cable.sent[0][1][:6] == bytes.fromhex("010500000000")
    await asyncio.gather(*crowd, return_exceptions=True)
    await bench.driver.close()


@virtual
async def test_an_order_to_close_that_still_waits_for_the_line_is_void_once_it_is_to_open() -> None:
    bench = await CoilBench("mirror").start()
    await bench.unit.pilot.signal(PilotSignal.PWM, 16.0)
    crowd = _crowd(bench)
    await asyncio.sleep(0.1)
    closing = asyncio.ensure_future(bench.unit.power.permit(True, 1))
    await asyncio.sleep(0.1)
    bench.cable.sent.clear()
    await bench.unit.power.permit(False, 1)
    await asyncio.gather(closing, *crowd, return_exceptions=True)
    await asyncio.sleep(5.0)
    assert bytes.fromhex("0105 0000 ff00") not in {frame[:6] for _, frame in bench.cable.sent}
    await bench.driver.close()


@virtual
async def test_a_line_that_cannot_be_had_does_not_keep_the_coil_closed() -> None:
    """The safe command opens before it asks for anything that it needs only to see."""
    bench = await CoilBench().charge()
    await bench.driver._end_task()
    bench.cable.sent.clear()
    settings = read_settings({"contactor": {"port": "/dev/cable", "coil": 0}, "mirror": {"line": 27}, "rating_a": 16})
    chip = PlayedChip()
    chip.gone = True
    with pytest.raises(BusError, match="it is gone"):
        await make_wiring_safe(Wiring(settings, lambda: None, chip, bench.bus), "the contactor")
    assert bench.cable.sent[0][1][:6] == bytes.fromhex("010500000000")
    assert bench.order(look=True)["coils"] == [False] * 8


# --- the emulator -----------------------------------------------------------------------------------------------------


def asked(hexes: str, device: object = None) -> str:
    frame = bytes.fromhex(hexes)
    answer = emulated({}).feed(frame + checksum(frame), 1.0) if device is None else b""
    assert answer[-2:] == checksum(answer[:-2])
    return answer[:-2].hex()


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("01050000ff00", "01050000ff00"),  # as printed by the maker
        ("010502000007", "010502000007"),
        ("010100000008", "01010100"),
        ("010200000004", "01020109"),  # mirror and stop conduct
        ("010380000001", "01030200c8"),  # version 2.00
        ("010340000001", "0103020001"),
        ("010310070001", "0103020000"),
        ("010300000001", "018302"),
        ("010500000001", "018503"),
        ("010500090000", "018502"),
        ("010100050004", "018102"),
        ("010600000001", "018601"),
    ],
)
def test_the_emulated_board_answers_as_the_real_one(request_: str, answer: str) -> None:
    assert asked(request_) == answer


@given(st.binary(max_size=64))
def test_the_emulated_board_survives_arbitrary_bytes(data: bytes) -> None:
    device = emulated({})
    device.feed(data, 0.0)
    frame = bytes.fromhex("010100000008")
    assert device.feed(frame + checksum(frame), 10.0)[:3] == b"\x01\x01\x01"


@pytest.mark.parametrize(
    ("settings", "field"),
    [({"unit": 0}, "unit"), ({"contactor": 9}, "contactor"), ({"what": 1}, "what"), ({"mirror": "x"}, "mirror")],
)
def test_wrong_settings_of_the_emulated_board(settings: dict[str, object], field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        emulated(settings)
    with pytest.raises(ConfigError, match="weld"):
        emulated({}).control({"weld": 1}, 0.0)
    with pytest.raises(ConfigError, match="unknown"):
        emulated({}).control({"x": 1}, 0.0)


# --- over a pty -------------------------------------------------------------------------------------------------------


async def test_a_session_with_the_board_in_its_own_process(tmp_path: Path) -> None:
    async with EmulatorProcess("relay_coils", link=tmp_path / "relays") as emulator:
        settings: dict[str, object] = {
            "contactor": {"port": emulator.port, "coil": 0, "pulse_s": 2.0, "test_coil": 7},
            "mirror": {"input": 0},
            "vehicle": {"input": 1},
            "emergency_stop": {"input": 3},
            "rating_a": 16,
        }
        board = create(settings)
        listener = Listener()
        device, unit = board.devices[0], board.units[0]
        await device.start(listener)
        await listener.pilot(PilotState.A)
        await emulator.tell(vehicle=True)
        await listener.pilot(PilotState.C)
        await allow(unit)
        await listener.relay(True)
        await emulator.tell(hang_up=0.3)
        await listener.fault(FaultCode.INTERNAL_ERROR, True)
        await listener.fault(FaultCode.INTERNAL_ERROR, False)
        # Nobody has taken the permission away: it goes on (where this program was kept from its pulses, with the next of them).
        async with asyncio.timeout(PATIENCE_S):
            while not (await emulator.tell(look=True))["closed"]:
                await asyncio.sleep(0.05)
        await unit.power.permit(False, 1)
        await listener.relay(False)

        # The program dies while it charges; the one after it makes the board safe.
        await allow(unit)
        await listener.relay(True)
        await device._end_task()  # type: ignore[attr-defined]  # what a crash would do
        await device._wiring.close()  # type: ignore[attr-defined]
        await make_safe(settings)
        assert not (await emulator.tell(look=True))["closed"]

        found = await relay_probe.probe(Line(emulator.port))
        assert found is not None
        assert (found.kind, found.driver, found.who) == (
            FoundKind.BOARD,
            "relay",
            "Waveshare relay board, firmware 2.00",
        )
        await emulator.tell(look=True, mute=True)
        assert await relay_probe.probe(Line(emulator.port), timeout_s=0.05) is None


async def test_a_configured_board_is_asked_without_changing_it() -> None:
    async with EmulatorProcess("relay_coils", unit=3) as emulator:
        table = {"port": emulator.port, "coil": 2, "address": 3}
        await emulator.tell(vehicle=True)
        ask = prober("relay")
        assert ask is not None
        found = await ask({"contactor": table, "rating_a": 16})
        assert found is not None
        assert found.who == "Waveshare relay board, firmware 2.00"
        assert found.settings["contactor"] == {**table, "baud": 9600, "parity": "N"}
        assert await ask({"contactor": {**table, "address": 4}, "rating_a": 16}) is None
        check = await check_board("relay", {"contactor": table, "rating_a": 16})
        assert check.answered
        assert check.on_host_loss.startswith("nothing (nobody opens the contactor")
    with pytest.raises(BusError):
        await ask({"contactor": table, "rating_a": 16})
    with pytest.raises(ConfigError, match="rating_a"):
        await ask({"contactor": {"line": 17}})


@virtual
async def test_a_probe_writes_nothing() -> None:
    bench = CoilBench()
    found = await relay_probe.probe_unit(ModbusBus(bench.cable), 1, 0.2)
    assert found is not None
    assert dict(found.readout)["relay 0"] == "open"
    assert {frame[1] for _, frame in bench.cable.sent} <= {1, 2, 3}
    assert struct.unpack(">H", bench.cable.sent[0][1][2:4]) == (VERSION,)
