"""The OpenEVSE driver against the emulated board in its own process, over a real pseudo terminal and over TCP."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hal.api import Board, FaultCode, PilotChanged, PilotSignal, PilotState, PowerPathChanged
from hal.bus.serial import Line
from hal.drivers.openevse import OpenEvse
from hal.drivers.openevse_probe import probe
from hal.emulators.process import EmulatorProcess
from hal.errors import BusError
from hal.found import FoundKind
from hal.registry import create_board
from station.sim.loop import run as run_virtual
from tests.hal.openevse_bench import PATIENCE_S, Bench, Listener

PATIENT: dict[str, object] = {"timeout_s": 2.0, "heartbeat_s": 30}
"""For tests that are not about time: a loaded machine may stop an emulator for longer than a board ever is silent."""


@asynccontextmanager
async def wired(
    settings: dict[str, object] | None = None, *, link: Path | None = None, tcp: str | None = None, **device: object
) -> AsyncIterator[tuple[EmulatorProcess, Board, Listener]]:
    """A started board and the emulator behind it; asleep and open afterwards."""
    async with EmulatorProcess("openevse", link=link, tcp=tcp, **device) as emulator:
        board = create_board("openevse", {"port": emulator.port, **(PATIENT if settings is None else settings)})
        listener = Listener()
        await board.devices[0].start(listener)
        try:
            yield emulator, board, listener
            await board.devices[0].close()
            facts = await emulator.tell(look=True)
            assert facts["relay"] is False
            assert facts["mode"] == "P12"
        finally:
            await board.devices[0].close()


async def charge(emulator: EmulatorProcess, board: Board, listener: Listener, amps: float = 16.0) -> None:
    unit = board.units[0]
    await emulator.tell(car="asks")
    await unit.pilot.signal(PilotSignal.PWM, amps)
    await listener.pilot(PilotState.C)
    await unit.power.permit(True, 1)
    await listener.relay(True)


async def facts_until(emulator: EmulatorProcess, name: str, value: object) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await emulator.tell(look=True))[name] != value:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("tcp", [None, "127.0.0.1:0"])
async def test_a_session(tcp: str | None) -> None:
    async with wired(tcp=tcp) as (emulator, board, listener):
        unit = board.units[0]
        await listener.pilot(PilotState.A)
        await emulator.tell(car="asks")
        await listener.pilot(PilotState.B)
        await unit.pilot.signal(PilotSignal.PWM, 16.0)
        await listener.pilot(PilotState.C)
        await unit.power.permit(True, 1)
        await listener.relay(True)
        assert (await emulator.tell(look=True))["amps"] == 16
        await unit.pilot.signal(PilotSignal.PWM, 10.0)
        assert unit.meter is not None
        reading = await unit.meter.read()
        assert (reading.current_a, reading.voltage_v) == ((10.0,), (230.0,))
        await emulator.tell(car="plugged")  # the vehicle pauses
        await listener.pilot(PilotState.B)
        await listener.relay(False)
        await emulator.tell(car="asks")
        await listener.relay(True)
        await unit.pilot.signal(PilotSignal.OFF, 0.0)
        await unit.power.permit(False, 1)
        await listener.relay(False)
        await emulator.tell(car="none")
        await listener.pilot(PilotState.A)


async def test_supervision_is_armed_verified_and_fed() -> None:
    async with wired({**PATIENT, "heartbeat_s": 3, "host_loss_a": 8}) as (emulator, board, listener):
        assert (await emulator.tell(look=True))["supervision"] == [3, 8, 0]
        await charge(emulator, board, listener, 20.0)
        before = (await emulator.tell(look=True))["pulses"]
        async with asyncio.timeout(PATIENCE_S):
            while int(str((await emulator.tell(look=True))["pulses"])) < int(str(before)) + 2:
                await asyncio.sleep(0.1)
        await emulator.tell(skip_s=4.0)  # as if this program had been stopped for so long
        await facts_until(emulator, "supervision", [3, 8, 0])
        await facts_until(emulator, "amps", 20)


FAULTS = [
    ({"fault": "gfi"}, FaultCode.GROUND_FAILURE),
    ({"fault": "ground"}, FaultCode.GROUND_FAILURE),
    ({"fault": "stuck_relay"}, FaultCode.EVSE_CONTACTOR_FAULT),
    ({"fault": "gfi_test"}, FaultCode.GROUND_FAILURE),
    ({"fault": "reserved"}, FaultCode.INTERNAL_ERROR),
    ({"fault": "relay_closure"}, FaultCode.EVSE_CONTACTOR_FAULT),
    ({"fault": "pp_shorted"}, FaultCode.PROXIMITY_FAULT),
    ({"fault": "pp_missing"}, FaultCode.PROXIMITY_FAULT),
    ({"fault": "eeprom"}, FaultCode.INTERNAL_ERROR),
    ({"celsius": 80.0}, FaultCode.HIGH_TEMPERATURE),
    ({"car": "ventilation"}, FaultCode.PILOT_FAULT),
    ({"car": "no_diode"}, FaultCode.PILOT_FAULT),
    ({"draw_a": 40.0, "obeys": False, "skip_s": 11.0}, FaultCode.OVER_CURRENT_FAILURE),
]


async def test_a_fault_opens_is_told_and_ends() -> None:
    """One of them over a real wire; the next test has them all, on virtual time."""
    order, code = FAULTS[0]
    async with wired() as (emulator, board, listener):
        unit = board.units[0]
        await charge(emulator, board, listener)
        await emulator.tell(**order)
        fault = await listener.fault(code, True)
        assert fault.info.startswith("OpenEVSE state "), order
        await listener.relay(False)
        await unit.power.permit(False, 1)
        await unit.pilot.signal(PilotSignal.OFF, 0.0)
        await emulator.tell(fault="none", car="none")
        await listener.fault(code, False)
        await facts_until(emulator, "state", "FE")


def test_every_fault_opens_is_told_and_ends() -> None:
    async def main() -> None:
        bench = await Bench().start()
        unit, listener = bench.unit, bench.listener
        for order, code in FAULTS:
            bench.port.order(car="asks")
            await unit.pilot.signal(PilotSignal.PWM, 16.0)
            await listener.pilot(PilotState.C)
            await unit.power.permit(True, 1)
            await listener.relay(True)
            bench.port.order(**order)
            if "skip_s" in order:
                bench.port.order(skip_s=11.0)
            fault = await listener.fault(code, True)
            assert fault.info.startswith("OpenEVSE state "), order
            await listener.relay(False)
            await unit.power.permit(False, 1)
            await unit.pilot.signal(PilotSignal.OFF, 0.0)
            bench.port.order(fault="none", car="none", celsius=25.0, draw_a=16.0, obeys=True)
            await listener.fault(code, False)
            await asyncio.sleep(5.0)
            assert bench.look()["state"] == "FE", order
        await bench.driver.close()

    run_virtual(main())


async def test_a_bad_wire() -> None:
    async with wired() as (emulator, board, listener):
        await emulator.tell(async_first=True)
        await charge(emulator, board, listener)
        unit = board.units[0]
        await emulator.tell(noise=0.5)
        for amps in range(6, 20):
            await unit.pilot.signal(PilotSignal.PWM, float(amps))
            assert (await emulator.tell(look=True))["amps"] == amps
        await emulator.tell(noise=0.0, delay_s=0.05)
        await unit.pilot.signal(PilotSignal.PWM, 10.0)
        await emulator.tell(delay_s=0.0)
        assert (await emulator.tell(look=True))["amps"] == 10
        assert not any(event == PilotChanged(1, PilotState.F) for event in listener.heard)


async def test_lost_and_spoilt_answers_are_asked_for_again() -> None:
    async with wired({"timeout_s": 0.5}) as (emulator, board, listener):
        await charge(emulator, board, listener)
        unit = board.units[0]
        for spoilt in ({"lose_replies": 1}, {"corrupt_replies": 1}):
            await emulator.tell(**spoilt)
            await unit.pilot.signal(PilotSignal.PWM, 12.0)
            await unit.pilot.signal(PilotSignal.PWM, 13.0)
            assert (await emulator.tell(look=True))["amps"] == 13


async def test_truncated_flipped_and_dropped_lines_end_well() -> None:
    async with wired({"timeout_s": 0.2}) as (emulator, board, listener):
        await charge(emulator, board, listener)
        await emulator.tell(truncate=0.2, flip=0.2, drop=0.1)
        await asyncio.sleep(2.5)
        await emulator.tell(truncate=0.0, flip=0.0, drop=0.0)
        unit = board.units[0]
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await unit.pilot.signal(PilotSignal.PWM, 11.0)
                    break
                except BusError:
                    await asyncio.sleep(0.2)
        await facts_until(emulator, "amps", 11)
        await facts_until(emulator, "state", "03")


async def test_unplugged_and_plugged_in_again_under_the_same_name(tmp_path: Path) -> None:
    link = tmp_path / "evse0"
    async with wired(link=link) as (emulator, board, listener):
        await charge(emulator, board, listener)
        await emulator.tell(hang_up=True)
        fault = await listener.fault(FaultCode.INTERNAL_ERROR, True)
        assert str(link) in fault.info
        assert not link.exists()
        with pytest.raises(BusError, match="not reached"):
            await board.units[0].power.permit(False, 1)
        taken = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)  # so that it comes back as another device
        try:
            await emulator.tell(plug_in=True, car="asks")
            told = len(listener.heard)
            await listener.fault(FaultCode.INTERNAL_ERROR, False)
        finally:
            os.close(taken)
        assert PilotChanged(1, PilotState.B) in listener.heard[told:]
        assert any(isinstance(event, PowerPathChanged) for event in listener.heard[told:])
        await facts_until(emulator, "state", "FE")
        await facts_until(emulator, "relay", False)
        await board.units[0].power.permit(True, 1)
        await listener.relay(True)


async def test_brown_out() -> None:
    async with wired() as (emulator, board, listener):
        await charge(emulator, board, listener, 10.0)
        await emulator.tell(brown_out=0.2)
        await listener.relay(False)
        await listener.relay(True)
        facts = await emulator.tell(look=True)
        assert (facts["amps"], facts["supervision"], facts["millivolts"]) == (10, [30, 6, 0], 230000)


async def test_a_probe_changes_nothing() -> None:
    async with EmulatorProcess("openevse", flags=0x0008, total_wh=1234, configured_a=20) as emulator:
        await emulator.tell(car="plugged")
        await facts_until(emulator, "state", "02")
        before = await emulator.tell(look=True)
        found = await probe(Line(emulator.port, 115200), timeout_s=2.0)
        assert found is not None
        assert (found.kind, found.driver) == (FoundKind.BOARD, "openevse")
        assert found.who == "OpenEVSE, firmware 8.2.3, RAPI 5.2.1, processor OPNEVS0123ABCD"
        assert found.settings == {"port": emulator.port, "max_a": 20.0}
        shown = dict(found.readout)
        assert (shown["state"], shown["vehicle"], shown["relay"], shown["temperature"]) == (
            "B",
            "connected",
            "open",
            "25.0 °C",
        )
        assert (shown["energy before"], shown["checks that are off"]) == ("1234 Wh", "ground")
        assert (shown["trips"], shown["host supervision"]) == ("GFI 0, ground 0, stuck relay 0", "not armed")
        create_board(found.driver, found.settings)
        after = await emulator.tell(look=True)
        told = {"log", "heard_at", "obeyed_at"}  # what it was asked, and when
        assert {key: value for key, value in before.items() if key not in told} == {
            key: value for key, value in after.items() if key not in told
        }
        await emulator.tell(deaf=True)
        assert await probe(Line(emulator.port, 115200), timeout_s=0.1) is None


async def test_a_port_that_is_not_there_or_taken(tmp_path: Path) -> None:
    board = create_board("openevse", {"port": str(tmp_path / "nothing")})
    with pytest.raises(BusError, match="there is no such port"):
        await board.devices[0].start(Listener())
    async with wired() as (emulator, _, _):
        second = create_board("openevse", {"port": emulator.port})
        with pytest.raises(BusError, match="another program has it"):
            await second.devices[0].start(Listener())
        assert isinstance(second.devices[0], OpenEvse)
