"""`station sim --wire`: the real drivers, emulators in processes of their own, and people who act on them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hal.api import FaultCode, PilotState, TokenKind
from hal.errors import ConfigError, DeviceError
from station.errors import ConfigError as StationConfigError
from station.errors import StationError
from station.sim.lab import Lab, run_lab
from station.sim.lab_board import SimHardware
from station.sim.lab_settings import LabSettings
from station.sim.options import SimOptions, settings_of
from station.sim.wire import WireBoard
from station.sim.wire_evse import FAULTS_TOLD
from station.sim.wire_meter import WireMeter
from station.sim.wire_part import WirePart
from tests.sim.console import ROOT, Console

CAR = {"soc_percent": 20.0, "s2_close_s": 0.05, "start_s": 0.05, "follow_s": 0.1, "stop_s": 0.2}
PATIENCE_S = 60.0


def on_wires(test: Callable[[Lab], Awaitable[None]], **settings: Any) -> None:
    """Run `test` on a bench with one EVSE on wires, the station up."""

    async def main(lab: Lab) -> None:
        await until(lambda: lab.view().evse(1).pilot is PilotState.A, "the board")
        await test(lab)

    run_lab(LabSettings(wire=True, speed=1.0, evses=1, meter_poll_s=0.3, csms_fast=True, **settings), main)


async def until(done: Callable[[], Any], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not done():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what}") from None


def wire_of(lab: Lab) -> WireBoard:
    assert isinstance(lab.devices, WireBoard)
    return lab.devices


def alive(pids: tuple[int, ...]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        return b"hal.emulators" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


async def charging(lab: Lab) -> None:
    lab.plug(1, CAR)
    await until(lambda: lab.view().evse(1).transaction, "a transaction")
    assert lab.swipe()
    await until(lambda: wire_of(lab).evse(1).relay_closed, "the relay")
    await until(lambda: _power_w(lab) > 3000, "power in the meter")


def _power_w(lab: Lab) -> float:
    reading = lab.view().evse(1).reading
    return (reading.power_w or 0.0) if reading is not None else 0.0


# --- people and accidents -----------------------------------------------------------------------------------------------


def test_a_car_charges_and_what_breaks_is_told() -> None:
    async def test(lab: Lab) -> None:
        await charging(lab)
        wire = wire_of(lab)
        lab.devices.temperature(1, 60.0)  # the board halves its offer by itself
        await until(lambda: wire.evse(1).offered_a == 16.0, "half the offer")
        lab.devices.temperature(1, 25.0)
        lab.fault(FaultCode.GROUND_FAILURE)
        await until(lambda: FaultCode.GROUND_FAILURE in lab.view().evse(1).faults, "the RCD")
        await until(lambda: not wire.evse(1).relay_closed, "an open relay")
        lab.clear(FaultCode.GROUND_FAILURE)
        await until(lambda: not lab.view().evse(1).faults, "an RCD that is reset")
        await until(lambda: wire.evse(1).asleep, "a board put to sleep")
        with pytest.raises(DeviceError, match="sleeps"):
            lab.fault(FaultCode.EVSE_CONTACTOR_FAULT)
        lab.fault(FaultCode.READER_FAILURE)
        assert not lab.swipe()

    on_wires(test)


def test_a_car_without_a_diode() -> None:
    async def test(lab: Lab) -> None:
        await charging(lab)
        lab.fault(FaultCode.PILOT_FAULT)
        await until(lambda: FaultCode.PILOT_FAULT in lab.view().evse(1).faults, "a missing diode")
        lab.unplug()
        await until(lambda: FaultCode.PILOT_FAULT not in lab.view().evse(1).faults, "the end of it")

    on_wires(test)


def test_what_an_openevse_has_not_is_refused_in_words() -> None:
    async def test(lab: Lab) -> None:
        devices = lab.devices
        with pytest.raises(DeviceError, match="fixed cable and no lock"):
            devices.jam(1)
        with pytest.raises(DeviceError, match="no keypad"):
            lab.pin("1234")
        with pytest.raises(DeviceError, match="8, 14 or 20 hexadecimal digits"):
            lab.swipe("a token that no card has")
        with pytest.raises(DeviceError, match="hexadecimal"):
            lab.swipe("04A1B2C3", kind=TokenKind.EMAID)
        with pytest.raises(DeviceError, match="EmergencyStop") as refused:
            lab.fault(FaultCode.EMERGENCY_STOP)
        assert all(code.value in str(refused.value) for code in FAULTS_TOLD)
        with pytest.raises(DeviceError, match="name an EVSE"):
            lab.fault(FaultCode.GROUND_FAILURE, evse=0)
        with pytest.raises(DeviceError, match="no vehicle's doing"):
            devices.evse(1).hold_pilot(PilotState.E)
        with pytest.raises(DeviceError, match="without warning"):
            devices.power_cut(warning=True)
        with pytest.raises(ConfigError, match="EVSE 1 to 1"):
            devices.evse(2)
        with pytest.raises(ConfigError, match="board, meter, reader"):
            lab.hardware.adapter("lamp", 1)
        with pytest.raises(StationError, match="real time"):
            lab.set_speed(10.0)
        with pytest.raises(StationError, match="no simulated board"):
            _ = lab.board
        assert lab.button(1)

    on_wires(test)


def test_the_supply_fails_and_the_meter_has_not_forgotten(tmp_path: Path) -> None:
    """Then the program crashes, which leaves its ports to the next, and another run goes on from the same register."""
    found: list[float] = []

    async def test(lab: Lab) -> None:
        await charging(lab)
        await lab.power_cut()
        assert not lab.swipe()
        before = wire_of(lab).evse(1).meter.register_wh
        await asyncio.sleep(0.2)
        assert wire_of(lab).evse(1).meter.register_wh == before
        await lab.power_on()
        await until(lambda: lab.view().evse(1).pilot is PilotState.B, "the car again")
        await lab.restart()
        await until(lambda: lab.view().evse(1).pilot is PilotState.B, "the car, a third time")
        assert lab.boots == 3
        found.append(wire_of(lab).evse(1).meter.register_wh)

    async def later(lab: Lab) -> None:
        assert wire_of(lab).evse(1).meter.register_wh == pytest.approx(found[0], abs=0.01)

    on_wires(test, folder=tmp_path)
    assert found[0] > 0.01
    on_wires(later, folder=tmp_path)
    assert list((tmp_path / "ports").iterdir()) == [], "no port is left behind"


def test_inside_a_program_there_is_no_wire() -> None:
    async def main(lab: Lab) -> None:
        assert isinstance(lab.hardware, SimHardware)
        assert lab.hardware.words == ""
        with pytest.raises(DeviceError, match="start with --wire"):
            lab.hardware.adapter("board", 1)

    run_lab(LabSettings(csms_fast=True), main)


def test_parts_are_what_they_are_called(tmp_path: Path) -> None:
    part = WirePart("SDM630", "modbus_meter", tmp_path / "rs485", {"meters": "sdm630@7"})

    async def main() -> None:
        await part.start()
        try:
            now = asyncio.get_running_loop().time
            meter = WireMeter(part, 7, now)
            meter.set_register(500.0)
            began = now()
            await meter.flow((3600.0, 0.0, 0.0), (230.0, 230.0, 230.0))
            await asyncio.sleep(0.1)
            assert 500.05 < meter.register_wh <= 500.0 + now() - began, "1 Wh in every second"
            meter.pretend(0.0)
            await meter.flow((3600.0, 0.0, 0.0), (230.0, 230.0, 230.0))
            before = meter.register_wh
            await asyncio.sleep(0.05)
            assert meter.register_wh == before
            with pytest.raises(ConfigError, match="must be a number"):
                meter.restore({"energy_import_wh": "much"})
        finally:
            await part.stop()

    asyncio.run(main())
    assert not (tmp_path / "rs485").is_symlink()


def test_an_emulator_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "ports").mkdir()
    (tmp_path / "ports" / "pn532").write_text("a file in the way")

    async def test(lab: Lab) -> None:
        raise AssertionError("it runs")

    with pytest.raises(ConfigError, match="is no symbolic link"):
        on_wires(test, folder=tmp_path)
    assert sorted(path.name for path in (tmp_path / "ports").iterdir()) == ["pn532"]


# --- the program --------------------------------------------------------------------------------------------------------


def test_a_person_watches_real_drivers_at_work() -> None:
    with Console("sim", "--wire", "--no-panel", columns=120, lines=34) as console:
        screen = console.see("EVSE 1  Charging", "A on 1 phase", "real drivers on /")
        assert "speed x1" in screen
        assert "pause" not in screen
        folder = re.search(r"on (/\S+/ports)", screen)
        assert folder is not None, screen
        ports = Path(folder[1])
        assert sorted(path.name for path in ports.iterdir()) == ["openevse1", "openevse2", "pn532", "rs485"]
        console.press("n")
        console.see("the wire of OpenEVSE 1 is disturbed")
        console.press("n")
        console.see("is quiet again")
        console.press("m")
        console.see("the adapter of SDM630 is pulled out")
        console.press("m")
        console.press("w")
        console.see("EVSE 1  Faulted", "InternalError")
        console.press("w")
        console.see("EVSE 1  Charging")
        console.press("+")
        console.see("the speed is 1")
        console.press("f")
        console.see("EVSE 1  Faulted", "GroundFailure")
        console.press("\x03")
        end = console.end()
    assert console.code == 0
    assert "Traceback" not in end
    assert not ports.exists()


def test_plain_lines_and_an_end_without_remains() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "station", "sim", "--wire", "--plain", "--no-panel", "--evses", "1", "--duration", "5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0
    assert ": openevse1, rs485, pn532 (emulated)" in done.stdout
    assert "ChargingStateChanged Charging" in done.stdout
    assert "Traceback" not in done.stderr
    folder = re.search(r"on (/\S+)/ports", done.stdout)
    assert folder is not None
    assert not Path(folder[1]).exists()


def test_killed_without_a_word_it_leaves_no_process_and_no_port() -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "station", "sim", "--wire", "--plain", "--no-panel", "--evses", "1", "--no-demo"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    with program.stdout:
        text = program.stdout.readline() + program.stdout.readline()
        folder = re.search(r"on (/\S+/ports)", text)
        assert folder is not None
        ports = Path(folder[1])
        assert len(list(ports.iterdir())) == 3
        children = _children(program.pid)
        assert len(alive(children)) == 3
        program.send_signal(signal.SIGKILL)
        program.wait()
    over = time.monotonic() + PATIENCE_S
    while alive(children) or list(ports.iterdir()):
        assert time.monotonic() < over, "emulators outlive the program"
        time.sleep(0.05)
    for name in os.listdir(ports.parent):
        if name != "ports":
            (ports.parent / name).unlink()
    ports.rmdir()
    ports.parent.rmdir()


def _children(pid: int) -> tuple[int, ...]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return tuple(int(word) for word in text.split())


@pytest.mark.parametrize("speed", [10.0, None])
def test_real_drivers_know_no_other_time(speed: float | None) -> None:
    with pytest.raises(StationConfigError, match="--speed: drivers and devices live in real time"):
        settings_of(SimOptions(wire=True, speed=speed))
    assert settings_of(SimOptions(wire=True, speed=1.0)).wire
