"""The bare relay board on GPIO lines that are played, on virtual time; and its settings."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

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
from hal.drivers.relay import Relay
from hal.drivers.relay_settings import read_settings
from hal.drivers.relay_state import CALM_S, DOES_NOT_CLOSE, RETRY_S, STOPPED, WELDED
from hal.errors import BusError, ConfigError, DeviceError
from hal.registry import claims, create_board
from tests.hal.relay_bench import CONTACTOR, DEMAND, MIRROR, STOP, VEHICLE, WATCHDOG, GpioBench, allow
from tests.hal.test_openevse_virtual import virtual

ALL = ("mirror", "vehicle", "demand", "emergency_stop")
CONTACTOR_FAULT = FaultCode.EVSE_CONTACTOR_FAULT


def now() -> float:
    return asyncio.get_running_loop().time()


def moments(bench: GpioBench, line: int) -> list[tuple[float, bool]]:
    return [(at, active) for at, number, active in bench.chip.driven if number == line]


# --- what it is -------------------------------------------------------------------------------------------------------


def test_one_current_and_no_more() -> None:
    board = create_board("relay", {"contactor": {"line": 17}, "rating_a": 13, "phases": 3})
    unit = board.units[0]
    assert (unit.min_a, unit.max_a, unit.phases, unit.fixed_cable) == (13, 13, 3, True)
    assert (board.level, board.on_host_loss) == (ControlLevel.CURRENT, OnHostLoss.NOTHING)
    assert "nobody opens" in board.supervision
    assert "welded contactor is not seen" in board.supervision
    watched = create_board(
        "relay", {"contactor": {"line": 17}, "mirror": {"line": 27}, "watchdog": {"line": 4}, "rating_a": 13}
    )
    assert watched.on_host_loss is OnHostLoss.OPENS
    assert "every 0.25 s" in watched.supervision
    assert "welded" not in watched.supervision


def test_claims_name_lines_and_board() -> None:
    settings = {
        "contactor": {"port": "/dev/ttyUSB0", "address": 3, "coil": 1},
        "mirror": {"input": 0},
        "vehicle": {"line": 22, "chip": "/dev/gpiochip4"},
        "rating_a": 16,
    }
    assert claims("relay", settings) == {("/dev/ttyUSB0", 3), ("/dev/gpiochip4 line 22", 0)}
    assert claims("relay", {}) == set()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, r"board\.contactor: is missing"),
        ({"contactor": {"line": 1}}, r"board\.rating_a: is missing"),
        ({"contactor": 5}, r"board\.contactor: must be a table"),
        ({"contactor": {}}, r"board\.contactor: needs either `line`"),
        ({"contactor": {"line": 1, "coil": 1}}, r"board\.contactor: needs either"),
        ({"contactor": {"coil": 1}}, r"board\.contactor\.port: is missing"),
        ({"contactor": {"coil": 1, "port": "tcp://x"}}, r"board\.contactor\.port: must be"),
        ({"contactor": {"coil": 1, "port": "/dev/a", "pulse_s": 0.5}}, r"board\.contactor\.pulse_s"),
        ({"contactor": {"coil": 1, "port": "/dev/a", "pulse_s": 5, "test_coil": 1}}, r"nothing on it"),
        ({"contactor": {"coil": 1, "port": "/dev/a", "test_coil": 2}}, r"test_coil: needs pulse_s"),
        ({"contactor": {"line": 1}, "mirror": {"line": 1}}, r"board\.mirror: is at the same place as contactor"),
        ({"contactor": {"line": 1}, "mirror": {"input": 1}}, r"board\.mirror\.port: is missing"),
        ({"contactor": {"coil": 1, "port": "/dev/a"}, "mirror": {"input": 1, "address": 2}}, r"another Modbus board"),
        ({"contactor": {"line": 1, "pull": "up"}}, r"board\.contactor\.pull: unknown"),
        ({"contactor": {"line": 1}, "watchdog": {}}, r"board\.watchdog\.line: is missing"),
        ({"contactor": {"line": 1}, "demand": {"line": 2, "debounce_s": 9}}, r"board\.demand\.debounce_s"),
        ({"contactor": {"line": 1}, "phases": 2}, r"board\.phases: must be 1 or 3"),
        ({"contactor": {"line": 1}, "ratings": 2}, r"board\.ratings: unknown"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_settings(settings)


# --- charging ---------------------------------------------------------------------------------------------------------


@virtual
async def test_a_charge_from_plug_to_unplug() -> None:
    bench = await GpioBench(*ALL, fixed_cable=False).start()
    bench.chip.wire(VEHICLE, conducts=True)
    await bench.listener.until(ProximityChanged(1, 16.0))
    await bench.listener.pilot(PilotState.B)
    bench.chip.wire(DEMAND, conducts=True)
    await bench.listener.pilot(PilotState.C)
    assert not bench.chip.closed
    await allow(bench.unit)
    await bench.listener.relay(True)
    left = now()
    bench.chip.wire(DEMAND, conducts=False)  # IEC 61851-1 A.6 seq 8.1: open within 100 ms
    await bench.listener.pilot(PilotState.B)
    await bench.listener.relay(False)
    assert now() - left <= 0.1
    bench.chip.wire(VEHICLE, conducts=False)
    await bench.listener.pilot(PilotState.A)
    assert bench.listener.heard[:3] == [
        ProximityChanged(1, None),
        PilotChanged(1, PilotState.A),
        PowerPathChanged(1, False),
    ] or bench.listener.heard[:2] == [PilotChanged(1, PilotState.A), PowerPathChanged(1, False)]
    await bench.driver.close()
    await bench.driver.close()


@virtual
async def test_it_is_opened_before_anything_else() -> None:
    bench = await GpioBench(*ALL).start()
    assert moments(bench, CONTACTOR)[0][1] is False
    assert not bench.chip.closed


@pytest.mark.parametrize("how", ["permit", "off", "fault", "stop", "unplug", "less"])
@virtual
async def test_whatever_restricts_opens_at_once(how: str) -> None:
    bench = await GpioBench(*ALL).charge()
    before = now()
    if how == "permit":
        await bench.unit.power.permit(False, 1)
    elif how == "stop":
        bench.chip.wire(STOP, conducts=False)
        assert (await bench.listener.fault(FaultCode.EMERGENCY_STOP, True)).info == STOPPED
    elif how == "unplug":
        bench.chip.wire(VEHICLE, conducts=False)
    elif how == "less":
        with pytest.raises(DeviceError, match="cannot offer 10 A; 16 A"):
            await bench.unit.pilot.signal(PilotSignal.PWM, 10.0)
    else:
        await bench.unit.pilot.signal(PilotSignal.OFF if how == "off" else PilotSignal.FAULT, 0.0)
    await bench.listener.relay(False)
    assert now() - before < 0.1
    if how == "stop":
        bench.chip.wire(STOP, conducts=True)
        await bench.listener.fault(FaultCode.EMERGENCY_STOP, False)
        await bench.listener.relay(True)  # the level still stands; whether it does is the core's business
    await bench.driver.close()


@virtual
async def test_refusals() -> None:
    bench = await GpioBench(*ALL).start()
    with pytest.raises(DeviceError, match="cannot offer 32 A"):
        await bench.unit.pilot.signal(PilotSignal.PWM, 32.0)
    with pytest.raises(DeviceError, match="cannot switch 3 phases"):
        await bench.unit.power.permit(True, 3)
    await bench.driver.close()
    with pytest.raises(BusError, match="it was closed"):
        await bench.unit.power.permit(True, 1)


@virtual
async def test_a_loose_contact_does_not_make_the_contactor_chatter() -> None:
    bench = await GpioBench(*ALL).charge()
    closings = 0
    for _ in range(20):
        bench.chip.wire(DEMAND, conducts=False)
        await asyncio.sleep(0.2)
        bench.chip.wire(DEMAND, conducts=True)
        await asyncio.sleep(0.2)
    closings = sum(active for _, active in moments(bench, CONTACTOR))
    assert closings <= 1 + 8.0 / CALM_S
    await asyncio.sleep(CALM_S)
    assert bench.chip.closed
    await bench.driver.close()
    assert not bench.chip.closed


@virtual
async def test_without_inputs_a_vehicle_is_always_there_and_asks() -> None:
    bench = await GpioBench().start()
    await bench.listener.pilot(PilotState.C)
    assert PowerPathChanged(1, False) in bench.listener.heard
    await allow(bench.unit)
    await bench.listener.relay(True)
    await bench.unit.power.permit(False, 1)
    await bench.listener.relay(False)
    await bench.driver.close()


# --- the contactor ----------------------------------------------------------------------------------------------------


@virtual
async def test_a_contactor_that_does_not_close() -> None:
    bench = await GpioBench(*ALL).start()
    bench.chip.stuck = True
    bench.chip.wire(VEHICLE, conducts=True)
    bench.chip.wire(DEMAND, conducts=True)
    before = now()
    await allow(bench.unit)
    assert (await bench.listener.fault(CONTACTOR_FAULT, True)).info == DOES_NOT_CLOSE
    assert now() - before == pytest.approx(0.5, abs=0.01)
    await asyncio.sleep(0.1)
    assert moments(bench, CONTACTOR)[-1][1] is False
    await asyncio.sleep(2 * RETRY_S)  # as long as somebody wants it closed it is no better
    assert moments(bench, CONTACTOR)[-1][1] is False
    await bench.unit.power.permit(False, 1)
    await bench.listener.fault(CONTACTOR_FAULT, False)
    bench.chip.stuck = False
    await allow(bench.unit)
    await bench.listener.relay(True)
    await bench.driver.close()


@virtual
async def test_a_contactor_that_drops_out() -> None:
    bench = await GpioBench(*ALL).charge()
    bench.chip.stuck = True
    bench.chip.move()
    await bench.listener.relay(False)
    await bench.listener.fault(CONTACTOR_FAULT, True)
    bench.chip.stuck = False
    bench.chip.wire(VEHICLE, conducts=False)
    await bench.listener.fault(CONTACTOR_FAULT, False)
    assert PowerPathChanged(1, True) not in bench.listener.heard[-3:]
    await bench.driver.close()


@virtual
async def test_a_welded_contactor() -> None:
    bench = await GpioBench(*ALL).charge()
    bench.chip.weld = True
    before = now()
    await bench.unit.power.permit(False, 1)
    assert (await bench.listener.fault(CONTACTOR_FAULT, True)).info == WELDED
    assert now() - before == pytest.approx(1.0, abs=0.01)
    assert PowerPathChanged(1, False) not in bench.listener.heard[3:]
    await allow(bench.unit)
    await asyncio.sleep(60.0)
    assert moments(bench, CONTACTOR)[-1][1] is False
    await bench.unit.power.permit(False, 1)
    bench.chip.weld = False
    bench.chip.move()
    await bench.listener.relay(False)
    await bench.listener.fault(CONTACTOR_FAULT, False)
    await bench.driver.close()


@virtual
async def test_a_contactor_that_is_welded_at_the_start_and_at_the_end() -> None:
    bench = GpioBench(*ALL)
    bench.chip.closed = bench.chip.weld = True
    await bench.start()
    await bench.listener.relay(True)
    await bench.listener.fault(CONTACTOR_FAULT, True)
    with pytest.raises(DeviceError, match="welded"):
        await bench.driver.close()
    assert bench.chip.inputs == {}


@virtual
async def test_a_cut_wire_of_mirror_or_stop_is_the_dangerous_case() -> None:
    bench = GpioBench(*ALL)
    bench.chip.cut = {MIRROR, STOP}
    bench.chip.high.clear()
    await bench.start()
    await bench.listener.fault(FaultCode.EMERGENCY_STOP, True)
    assert (await bench.listener.fault(CONTACTOR_FAULT, True)).info == WELDED


# --- loss, watchdog ---------------------------------------------------------------------------------------------------


@virtual
async def test_a_chip_that_goes_and_comes_back() -> None:
    bench = await GpioBench(*ALL).charge()
    bench.chip.gone = True
    bench.chip.inputs[DEMAND].changed()
    assert "gone" in (await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)).info
    with pytest.raises(BusError, match="not reached"):
        await bench.unit.power.permit(False, 1)
    await asyncio.sleep(20.0)
    bench.chip.gone = False
    await bench.listener.until(PilotChanged(1, PilotState.C))
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    await asyncio.sleep(1.0)
    assert not bench.chip.closed
    await bench.driver.close()


@virtual
async def test_the_watchdog_gets_signs_of_life_as_long_as_the_contactor_is_in_our_hand() -> None:
    bench = await GpioBench("mirror", "watchdog").charge()
    await asyncio.sleep(5.0)
    beats = moments(bench, WATCHDOG)
    assert len(beats) >= 20
    assert all(after[1] is not before[1] for before, after in pairwise(beats[1:]))
    assert max(after[0] - before[0] for before, after in pairwise(beats)) <= 0.26
    bench.chip.gone = True
    bench.chip.inputs[next(iter(bench.chip.inputs))].changed()
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, True)
    bench.chip.driven.clear()
    await asyncio.sleep(10.0)
    assert moments(bench, WATCHDOG) == []
    bench.chip.gone = False
    await bench.listener.fault(FaultCode.INTERNAL_ERROR, False)
    await bench.driver.close()


@virtual
async def test_an_idle_line_costs_nothing() -> None:
    bench = await GpioBench(*ALL).charge()
    looks = 0
    original = bench.driver._wiring.look

    async def counted() -> object:
        nonlocal looks
        looks += 1
        return await original()

    bench.driver._wiring.look = counted  # type: ignore[assignment, method-assign]  # counts what it passes on
    await asyncio.sleep(3600.0)
    assert looks == 0
    await bench.driver.close()


def test_a_fault_event_has_its_words() -> None:
    assert Fault(1, CONTACTOR_FAULT, True, WELDED).info.endswith("replace it")
    assert isinstance(Relay(read_settings({"contactor": {"line": 1}, "rating_a": 6})).board.units[0].max_a, float)
