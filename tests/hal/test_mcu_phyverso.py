"""The EVerest-MCU driver at a phyVERSO, on virtual time: two connectors on one link, configured by the host, supervised."""

from __future__ import annotations

import asyncio

import pytest

from hal.api import (
    EvseUnit,
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
from hal.registry import create_board
from tests.hal.mcu_bench import McuBench, charging, now
from tests.hal.test_openevse_virtual import virtual

X1 = 10000
SOCKET = {"number": 2, "fixed_cable": False, "lock": "hella", "feedback_pull": "up", "max_a": 20}


def second(bench: McuBench) -> EvseUnit:
    return bench.board.units[1]


@virtual
async def test_two_evses_on_one_link() -> None:
    bench = await McuBench("phyverso").start()
    assert bench.listener.heard == [
        PilotChanged(1, PilotState.A),
        PowerPathChanged(1, False),
        PilotChanged(2, PilotState.A),
        PowerPathChanged(2, False),
    ]
    assert [connector["duty"] for connector in bench.look()["connectors"]] == [X1, X1]
    await charging(bench)
    bench.order(connector=2, car="asks", draw_a=10.0)
    await second(bench).pilot.signal(PilotSignal.PWM, 8.0)
    await bench.listener.until(PilotChanged(2, PilotState.C))
    await second(bench).power.permit(True, 3)
    await bench.listener.until(PowerPathChanged(2, True))
    await bench.unit.power.permit(False, 3)
    await bench.listener.relay(False)
    first, other = bench.look()["connectors"]
    assert (first["relay"], first["duty"], other["relay"], other["duty"]) == (False, 2667, True, 1333)
    bench.order(connector=2, fault="diode")
    await bench.listener.until(lambda event: event == Fault(2, FaultCode.PILOT_FAULT, True, getattr(event, "info", "")))
    await bench.listener.until(PowerPathChanged(2, False))
    assert not any(isinstance(event, Fault) and event.evse == 1 for event in bench.listener.heard)
    await bench.close()
    assert [connector["duty"] for connector in bench.look()["connectors"]] == [X1, X1]


@virtual
async def test_it_is_told_what_is_connected_to_it() -> None:
    bench = await McuBench("phyverso", connector=[{"number": 1, "feedback_active_low": False}, SOCKET]).start()
    assert bench.look()["ports"] == [
        {"type": 1, "active_low": 0, "pull": 2, "lock": -1, "socket": 0},
        {"type": 1, "active_low": 1, "pull": 1, "lock": 1, "socket": 1},
    ]
    first, other = bench.board.units
    assert (first.lock, first.connector_type, other.connector_type, other.max_a) == (None, "cType2", "sType2", 20.0)
    await bench.close()


@virtual
async def test_one_connector_alone_is_evse_1_and_the_other_one_is_off() -> None:
    bench = await McuBench("phyverso", connector=[SOCKET]).start()
    assert [port["type"] for port in bench.look()["ports"]] == [0, 1]
    assert [unit.evse for unit in bench.board.units] == [1]
    bench.order(connector=2, car="asks", pp="32")
    await bench.listener.until(ProximityChanged(1, 32.0))
    bench.order(connector=1, car="asks")
    await bench.unit.pilot.signal(PilotSignal.PWM, 20.0)
    await bench.listener.pilot(PilotState.C)
    await bench.unit.power.permit(True, 3)
    await bench.listener.relay(True)
    first, other = bench.look()["connectors"]
    assert (first["relay"], other["relay"]) == (False, True)
    await bench.close()


@virtual
async def test_its_lock_tells_the_way() -> None:
    bench = await McuBench("phyverso", connector=[SOCKET]).start()
    assert bench.unit.lock is not None
    await bench.unit.lock.set_locked(True)
    await bench.listener.until(LockChanged(1, LockState.LOCKED))
    bench.order(connector=2, lock="jam")
    began = now()
    await bench.unit.lock.set_locked(False)
    await bench.listener.until(LockChanged(1, LockState.JAMMED))
    assert now() - began < 1.0
    await bench.close()


@virtual
async def test_a_restart_that_nobody_told_of_shows_in_its_configuration() -> None:
    bench = await charging(McuBench("phyverso"))
    bench.order(lose=1, reset="user")
    await bench.listener.relay(False)
    await bench.listener.relay(True)
    facts = bench.look()
    assert (facts["configured"], facts["duty"]) == (True, 2667)
    await bench.close()


@virtual
async def test_a_board_that_is_never_configured_is_reset_again_and_given_up_with_a_reason() -> None:
    bench = McuBench("phyverso")
    bench.port.device._take_config = lambda value: None  # type: ignore[method-assign]
    began = now()
    with pytest.raises(BusError, match="tells who it is, but is not configured"):
        await bench.start()
    assert bench.look()["resets"] >= 2
    assert now() - began < 20.0


# --- supervision ------------------------------------------------------------------------------------------------------------


@virtual
async def test_that_it_notices_a_silent_host_is_verified_at_the_first_start() -> None:
    bench = McuBench("phyverso", {"heartbeat_s": 6.0})
    assert bench.board.on_host_loss is OnHostLoss.OPENS
    assert "silent until the board raises heartbeat_timeout" in bench.board.supervision
    began = now()
    await bench.start()
    assert 6.0 < now() - began < 11.0
    await asyncio.sleep(5.0)
    assert not any(isinstance(event, Fault) for event in bench.listener.heard)
    await bench.close()
    began = now()
    await bench.start()
    assert now() - began < 3.5
    await bench.close()


@virtual
async def test_a_board_that_does_not_notice_is_refused_unless_that_is_declared() -> None:
    deaf = {"heartbeat_s": 0.0}
    with pytest.raises(DeviceError, match=r"does not notice within 10 s .*board\.host_loss = \"nothing\""):
        await McuBench("phyverso", deaf).start()
    bench = await McuBench("phyverso", deaf, host_loss="nothing").start()
    assert bench.board.on_host_loss is OnHostLoss.NOTHING
    await bench.close()
    bench = await McuBench("phyverso", deaf, host_loss_s=0).start()
    assert "not verified" in bench.board.supervision
    await bench.close()


@virtual
async def test_a_dead_program_leaves_an_open_contactor() -> None:
    bench = await charging(McuBench("phyverso"))
    await bench.driver._end_task()  # the program hangs
    assert bench.look()["relay"] is True
    await asyncio.sleep(4.5)
    assert bench.look()["relay"] is False
    await bench.driver.start(bench.listener)
    assert (bench.look()["relay"], bench.look()["errors"]) == (False, [])
    await bench.close()


@virtual
async def test_a_heartbeat_that_was_missed_is_a_fault_of_both_evses() -> None:
    bench = await McuBench("phyverso").start()
    bench.order(skip_s=5.0)
    for evse in (1, 2):
        await bench.listener.until(
            lambda event, evse=evse: isinstance(event, Fault) and (event.evse, event.active) == (evse, True)
        )
    for evse in (1, 2):
        await bench.listener.until(Fault(evse, FaultCode.INTERNAL_ERROR, False))
    await bench.close()


# --- settings ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("connector", "words"),
    [
        ([{"number": 3}], r"board\.connector 3\.number: must be a whole number of 1 to 2"),
        ([{}], r"board\.connector\.number: is missing"),
        ([{"number": 1}, {"number": 1}], r"board\.connector\.number: 1 is there twice"),
        ([{"number": 1, "fixed_cable": False}], r"board\.lock: a socket needs one"),
        ([{"number": 1, "lock": "hella"}], r"board\.lock: a fixed cable has no lock"),
        ([{"number": 1, "lock": "yale"}], r"board\.connector 1\.lock: must be one of none, hella, valeo"),
        ([{"number": 1, "feedback_pull": 2}], r"board\.connector 1\.feedback_pull"),
        ([{"number": 1, "max_a": 100}], r"board\.connector 1\.max_a"),
        ("both", r"board\.connector: must be a list of tables"),
    ],
)
def test_wrong_settings_name_their_field(connector: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        create_board("phyverso", {"port": "/dev/x", "connector": connector})
