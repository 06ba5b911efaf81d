"""The EVerest-MCU driver against emulated boards in their own process, over real pseudo terminals and over TCP."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hal.api import Board, FaultCode, PilotChanged, PilotSignal, PilotState, PowerPathChanged
from hal.drivers import mcu_adkit, mcu_phyverso, mcu_tida, mcu_yeti
from hal.drivers.mcu_probe import probe
from hal.emulators.process import EmulatorProcess
from hal.errors import BusError
from hal.registry import BUILT_IN, create_board, make_safe
from tests.hal.openevse_bench import PATIENCE_S, Listener


@asynccontextmanager
async def wired(
    board: str, *, link: Path | None = None, tcp: str | None = None, **settings: object
) -> AsyncIterator[tuple[EmulatorProcess, Board, Listener]]:
    """A started board and the emulator behind it; open and at X1 afterwards."""
    async with EmulatorProcess("mcu", link=link, tcp=tcp, board=board, heartbeat_s=0.0) as emulator:
        built = create_board(board, {"port": emulator.port, **settings})
        listener = Listener()
        await built.devices[0].start(listener)
        try:
            yield emulator, built, listener
            await built.devices[0].close()
            await facts_until(emulator, "allowed", False)  # it may hear of our question before it reads its line
            await facts_until(emulator, "duty", 10000 if board == "phyverso" else 10001)
            assert (await emulator.tell(look=True))["relay"] is False
        finally:
            await built.devices[0].close()


async def charge(emulator: EmulatorProcess, board: Board, listener: Listener) -> None:
    unit = board.units[0]
    await emulator.tell(car="asks")
    await listener.pilot(PilotState.B)
    await unit.pilot.signal(PilotSignal.PWM, 16.0)
    await listener.pilot(PilotState.C)
    await unit.power.permit(True, 3)
    await listener.relay(True)


async def facts_until(emulator: EmulatorProcess, name: str, value: object) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await emulator.tell(look=True))[name] != value:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("name", "tcp", "settings"),
    [("yeti", None, {}), ("tida", "127.0.0.1:0", {}), ("phyverso", None, {"host_loss": "nothing"})],
)
async def test_a_session_and_a_fault(name: str, tcp: str | None, settings: dict[str, object]) -> None:
    async with wired(name, tcp=tcp, **settings) as (emulator, board, listener):
        unit = board.units[0]
        await charge(emulator, board, listener)
        await facts_until(emulator, "duty", 2667)
        await emulator.tell(car="plugged")  # the vehicle pauses
        await listener.relay(False)
        await emulator.tell(car="asks")
        await listener.relay(True)
        await emulator.tell(fault="diode")
        await listener.fault(FaultCode.PILOT_FAULT, True)
        await listener.relay(False)
        await unit.power.permit(False, 3)
        await emulator.tell(fault="none")
        await listener.fault(FaultCode.PILOT_FAULT, False)
        await emulator.tell(noise=0.5)
        for amps in range(6, 16):
            await unit.pilot.signal(PilotSignal.PWM, float(amps))
            await facts_until(emulator, "duty", round(amps / 0.006))
        await emulator.tell(noise=0.0, car="none")
        await listener.pilot(PilotState.A)
        assert not any(event == PilotChanged(1, PilotState.F) for event in listener.heard)


async def test_unplugged_and_plugged_in_again_under_the_same_name_then_a_brown_out(tmp_path: Path) -> None:
    link = tmp_path / "evse0"
    async with wired("yeti", link=link) as (emulator, board, listener):
        await charge(emulator, board, listener)
        await emulator.tell(hang_up=True)
        fault = await listener.fault(FaultCode.INTERNAL_ERROR, True)
        assert str(link) in fault.info
        with pytest.raises(BusError, match="not reached"):
            await board.units[0].power.permit(False, 3)
        taken = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)  # so that it comes back as another device
        try:
            told = len(listener.heard)
            await emulator.tell(plug_in=True)
            await listener.fault(FaultCode.INTERNAL_ERROR, False)
        finally:
            os.close(taken)
        assert PowerPathChanged(1, False) in listener.heard[told:]
        assert (await emulator.tell(look=True))["relay"] is False
        await board.units[0].power.permit(True, 3)
        await listener.relay(True)
        await emulator.tell(brown_out=0.1)
        await listener.relay(False)
        await listener.relay(True)
        assert (await emulator.tell(look=True))["duty"] == 2667


async def test_a_probe_and_the_safe_command_at_a_board_whose_program_has_gone() -> None:
    async with EmulatorProcess("mcu", board="tida", software="4.2") as emulator:
        await emulator.tell(car="asks")
        board = create_board("tida", {"port": emulator.port})
        listener = Listener()
        await board.devices[0].start(listener)
        await board.units[0].pilot.signal(PilotSignal.PWM, 16.0)
        await listener.pilot(PilotState.C)
        await board.units[0].power.permit(True, 3)
        await listener.relay(True)
        await board.devices[0]._end_task()  # type: ignore[attr-defined]  # it dies
        await board.devices[0]._release()  # type: ignore[attr-defined]
        before = await emulator.tell(look=True)
        found = await probe(emulator.port, 10.0)
        assert found is not None
        assert (found.driver, found.who) == ("tida", "Texas Instruments TIDA-010939, hardware 1.2, firmware 4.2")
        assert (await mcu_tida.probe({"port": emulator.port})) is not None
        after = await emulator.tell(look=True)
        assert (after["relay"], after["log"]) == (True, before["log"])
        assert await make_safe("tida", {"port": emulator.port})
        await facts_until(emulator, "duty", 10001)
        facts = await emulator.tell(look=True)
        assert (facts["relay"], facts["allowed"]) == (False, False)
        assert facts["resets"] == before["resets"]


async def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    for module in (mcu_yeti, mcu_adkit, mcu_tida, mcu_phyverso):
        settings = {"port": str(tmp_path / "nothing")}
        with pytest.raises(BusError, match="there is no such port"):
            await module.create(settings).devices[0].start(Listener())
        with pytest.raises(BusError, match="there is no such port"):
            await module.make_safe(settings)
        with pytest.raises(BusError, match="there is no such port"):
            await module.probe(settings)
        assert f"{module.__name__}:create" in BUILT_IN.values()
    with pytest.raises(BusError, match="there is no such port"):
        await probe(str(tmp_path / "nothing"))
