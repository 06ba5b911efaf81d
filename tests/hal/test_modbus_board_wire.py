"""Modbus boards over real ports: emulators in their own processes, meters on the same line, probing, and pymodbus as a stranger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.bit_message import WriteSingleCoilRequest
from pymodbus.pdu.register_message import WriteMultipleRegistersRequest, WriteSingleRegisterRequest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hal import registry
from hal.api import FaultCode, PilotSignal, PilotState
from hal.boards.parse import SHELF
from hal.bus.modbus_rtu import Function, ModbusBus, Request
from hal.bus.serial import Line, SerialPort
from hal.drivers import modbus_board, modbus_board_evse_wb, modbus_board_heidelberg, modbus_board_phoenix_ev_ser
from hal.drivers.modbus_board_probe import probe, probe_all, probe_on
from hal.drivers.modbus_meter import Buses, meter_from
from hal.emulators.modbus_board import create
from hal.emulators.modbus_board.device import EmulatedBoard
from hal.emulators.modbus_meter import ModbusMeters
from hal.emulators.modbus_meter import create as create_meters
from hal.emulators.process import EmulatorProcess
from hal.errors import BusError, ConfigError, DeviceError
from hal.found import FoundKind
from station.sim.loop import run as run_virtual
from tests.hal.cable import Cable
from tests.hal.openevse_bench import PATIENCE_S, Listener

PATIENT: dict[str, object] = {"timeout_s": 2.0, "poll_s": 0.2}
"""A loaded machine may stop an emulator for longer than a board ever is silent."""


# --- emulators in their own processes -----------------------------------------------------------------------------------


async def test_a_session_over_a_pty_with_an_adapter_that_is_pulled(tmp_path: Path) -> None:
    async with EmulatorProcess("modbus_board", link=tmp_path / "rs485", board="evse_wb", options=0x80) as emulator:
        board = registry.create_board("evse_wb", {"port": emulator.port, **PATIENT, "gap_s": 0.02})
        listener = Listener()
        unit = board.units[0]
        await board.devices[0].start(listener)
        await emulator.tell(car="asks")
        await listener.pilot(PilotState.B)
        await unit.pilot.signal(PilotSignal.PWM, 13.5)
        await listener.pilot(PilotState.C)
        await unit.power.permit(True, 3)
        facts = await emulator.tell(look=True)
        assert (facts["relay"], facts["amps"]) == (True, 13.5)
        await emulator.tell(hang_up=0.5)
        fault = await listener.fault(FaultCode.INTERNAL_ERROR, True)
        assert "adapter" in fault.info
        await listener.fault(FaultCode.INTERNAL_ERROR, False)
        await emulator.tell(noise=0.5)
        await unit.pilot.signal(PilotSignal.OFF, 0.0)
        await emulator.tell(noise=0.0)
        await listener.relay(False)
        await board.devices[0].close()
        facts = await emulator.tell(look=True)
        assert (facts["relay"], facts["amps"]) == (False, 0.0)


async def test_even_parity_over_tcp_and_a_brown_out() -> None:
    async with EmulatorProcess("modbus_board", tcp="127.0.0.1:0", board="heidelberg") as emulator:
        board = registry.create_board("heidelberg", {"port": emulator.port, **PATIENT, "gap_s": 0.02, "timeout_s": 0.7})
        listener = Listener()
        unit = board.units[0]
        await emulator.tell(car="asks")
        await board.devices[0].start(listener)
        await unit.pilot.signal(PilotSignal.PWM, 12.0)
        await listener.relay(True)
        await unit.power.permit(True, 3)
        await emulator.tell(brown_out=0.05)
        async with asyncio.timeout(PATIENCE_S):
            while (await emulator.tell(look=True))["amps"] != 12.0:
                await asyncio.sleep(0.05)
        await board.devices[0].close()
        assert (await emulator.tell(look=True))["relay"] is False
        # The program that drove it is gone, and the vehicle charges.
        await emulator.tell(set={"261": 160})
        assert (await emulator.tell(look=True))["amps"] == 16.0
        assert await registry.make_safe("heidelberg", {"port": emulator.port, **PATIENT})
        facts = await emulator.tell(look=True)
        assert (facts["relay"], facts["amps"]) == (False, 0.0)
        found = await modbus_board_heidelberg.probe({"port": emulator.port, "timeout_s": 2.0})
        assert found is not None
        assert found.who == "Heidelberg Energy Control, layout 1.0.7, highest current (A) 16, software 872"


async def test_emulators_name_what_they_do_not_know() -> None:
    async with EmulatorProcess("modbus_board", board="phoenix_ev_ser", address=3) as emulator:
        with pytest.raises(ConfigError, match="fault: must be one of none, contactor"):
            await emulator.tell(fault="gremlins")
        with pytest.raises(ConfigError, match="colour: unknown; known are car"):
            await emulator.tell(colour="red")
        found = await modbus_board_phoenix_ev_ser.probe({"port": emulator.port, "address": 3, "timeout_s": 2.0})
        assert found is not None
        assert "type EV-CC-AC1-M3-CBC-SER-HS-XP, serial number 1234567890AB, firmware 4601" in found.who
        assert found.settings == {"port": emulator.port, "address": 3}
        own = str(SHELF.folder / "phoenix_ev_ser.toml")
        found = await modbus_board.probe(
            {"port": emulator.port, "address": 3, "timeout_s": 2.0, "model": own, "max_a": 20}
        )
        assert found is not None
        assert (found.driver, found.settings["model"]) == ("modbus_board", own)
    with pytest.raises(ConfigError, match="board: must be one of"):
        create({"board": "toaster"})
    with pytest.raises(BusError, match="no such port"):
        await modbus_board_evse_wb.probe({"port": "/dev/does-not-exist"})


# --- one line for all ---------------------------------------------------------------------------------------------------


def shared(board: EmulatedBoard, meters: ModbusMeters) -> Cable:
    return Cable(
        lambda data, now: [(0.02, answer) for answer in (board.feed(data, now), meters.feed(data, now)) if answer]
    )


def test_a_board_and_meters_share_a_line() -> None:
    async def main() -> None:
        device, meters = create({"board": "evse_wb"}), create_meters({"meters": "sdm630@2,sdm120@3"})
        cable = shared(device, meters)
        buses = Buses()
        buses._buses["/dev/cable"] = ModbusBus(cable)
        board = registry.create_board("evse_wb", {"port": "/dev/cable"}, buses)
        first = meter_from({"model": "sdm630", "port": "/dev/cable", "address": 2}, buses)
        second = meter_from({"model": "sdm120", "port": "/dev/cable", "address": 3}, buses)
        listener = Listener()
        await board.devices[0].start(listener)

        async def read_on() -> None:
            for _ in range(50):
                await asyncio.gather(first.read(), second.read())

        reading = asyncio.ensure_future(read_on())
        device.control({"car": "asks"}, asyncio.get_running_loop().time())
        await board.units[0].pilot.signal(PilotSignal.PWM, 16.0)
        await listener.relay(True)
        loop = asyncio.get_running_loop()
        began = loop.time()
        order = asyncio.ensure_future(board.units[0].power.permit(False, 3))
        while device.control({"look": True}, loop.time())["relay"]:
            await asyncio.sleep(0.005)
        assert loop.time() - began < 0.6
        await order
        await reading
        await board.devices[0].close()
        await first.read()  # opens the line again
        await buses.close()

    run_virtual(main())


def test_one_port_has_one_setting() -> None:
    buses = Buses()
    registry.create_board("evse_wb", {"port": "/dev/x"}, buses)
    with pytest.raises(ConfigError, match=r"board\.port: /dev/x is used as /dev/x \(9600 8N1\) and as"):
        registry.create_board("heidelberg", {"port": "/dev/x", "address": 2}, buses)
    assert registry.create_board("sim", {"evses": 1}, buses).name


# --- probing --------------------------------------------------------------------------------------------------------------


def test_probing_tells_who_it_is_and_changes_nothing() -> None:
    async def main() -> None:
        for name in ("evse_wb", "heidelberg", "phoenix_ev_ser"):
            device = create({"board": name, "address": 5})
            device.control({"car": "asks"}, 0.0)
            bus = ModbusBus(Cable(lambda data, now: [(0.02, answer)] if (answer := device.feed(data, now)) else []))  # noqa: B023
            found = await probe_all(bus, (1, 5, 9))
            assert [(one.kind, one.driver, one.settings["address"]) for one in found] == [(FoundKind.BOARD, name, 5)]
            assert device.writes == []
            again = await probe_on(bus, name, 5)
            assert again is not None
            assert [label for label, _ in again.readout] == [label for label, _ in found[0].readout]
            readout = dict(again.readout)
            assert readout["state"].startswith("C" if name != "phoenix_ev_ser" else "B")
            assert readout["faults"] == "none"
            if name == "heidelberg":
                assert readout["watchdog"] == "15 s, then 0 A"
                assert readout["temperature"] == "30.0 C"

    run_virtual(main())


def test_a_meter_is_no_board() -> None:
    async def main() -> None:
        for meter in ("sdm630", "iem3155", "bsm_ws36a"):
            meters = create_meters({"meters": f"{meter}@1"})
            meters.control({"power_w": 1000.0}, 0.0)
            bus = ModbusBus(Cable(lambda data, now: [(0.02, answer)] if (answer := meters.feed(data, now)) else []))  # noqa: B023
            assert await probe_all(bus, (1,)) == ()

    run_virtual(main())


async def test_probing_a_port() -> None:
    async with EmulatorProcess("modbus_board", board="evse_wb", address=2) as emulator:
        line = Line(emulator.port, 9600)
        found = await probe(line, "evse_wb", (2,), 2.0)
        assert found is not None
        assert found.who.startswith("EVSE-WB / EVSE-DIN, firmware 18")
        assert await probe(line, "heidelberg", (2,), 2.0) is None
        assert await probe(line, "evse_wb", (1,), 0.05) is None


# --- pymodbus, which knows nothing of us ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "theirs", "golden"),
    [
        # EVSE-WB: 16 A, and off; Phoenix: enable, 20 A; Heidelberg: 16 A, watchdog of 15 s, unlock.
        (
            Request(1, Function.WRITE_REGISTERS, 1000, values=(16,)),
            WriteMultipleRegistersRequest,
            "011003e8000102001083b4",
        ),
        (
            Request(1, Function.WRITE_REGISTERS, 1000, values=(0,)),
            WriteMultipleRegistersRequest,
            "011003e800010200008278",
        ),
        (Request(1, Function.WRITE_COIL, 20000, values=(1,)), WriteSingleCoilRequest, "01054e20ff009ad8"),
        (Request(1, Function.WRITE_REGISTER, 22000, values=(20,)), WriteSingleRegisterRequest, "010655f00014983a"),
        (Request(1, Function.WRITE_REGISTER, 261, values=(160,)), WriteSingleRegisterRequest, "0106010500a0984f"),
        (Request(1, Function.WRITE_REGISTER, 257, values=(15000,)), WriteSingleRegisterRequest, "010601013a98cafc"),
        (Request(1, Function.WRITE_REGISTER, 259, values=(1,)), WriteSingleRegisterRequest, "010601030001b9f6"),
    ],
)
def test_golden_frames(request_: Request, theirs: type, golden: str) -> None:
    values = list(request_.values)
    if theirs is WriteSingleCoilRequest:
        pdu = theirs(address=request_.address, bits=[bool(values[0])], dev_id=1)
    else:
        pdu = theirs(address=request_.address, registers=values, dev_id=1)
    assert FramerRTU(DecodePDU(True)).buildFrame(pdu).hex() == request_.encode().hex() == golden


@asynccontextmanager
async def strangers(device: SimDevice) -> AsyncIterator[str]:
    """RTU frames over TCP, as a serial server passes them on."""
    server = ModbusTcpServer([device], framer=FramerType.RTU, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    try:
        yield f"socket://127.0.0.1:{server.transport.sockets[0].getsockname()[1]}"
    finally:
        await server.shutdown()


def registers(start: int, *values: int) -> SimData:
    return SimData(start, values=list(values), datatype=DataType.REGISTERS)


def bits(start: int, count: int) -> SimData:
    return SimData(start, values=[False] * count, datatype=DataType.BITS)


def stranger(name: str) -> SimDevice:
    """The registers of a board that stands still, with a vehicle that is not there."""
    none = [bits(0, 16)]
    if name == "evse_wb":
        holding = [registers(1000, 16, 0, 1, 32, 0, 17, 1), registers(2000, 16, 1, 6, 0, 0, 0x60A0, 0, 0)]
        return SimDevice(1, (none, none, holding, [registers(0, 0)]))
    if name == "heidelberg":
        holding = [registers(257, 0, 0, 0, 0, 160, 160)]
        inputs = [registers(4, 0x107, 3, 0, 0, 0, 250, 230, 230, 230, 1, 0, 0, 0, 0, 500)]
        return SimDevice(1, (none, none, holding, inputs))
    holding = [registers(4000, 1, *[0] * 13), registers(22000, 13)]
    inputs = [registers(24000, 0x4131, 0, 0, 0, *[0] * 30)]
    return SimDevice(1, ([bits(20000, 16)], none, holding, inputs))


@pytest.mark.parametrize(
    ("name", "amps", "expected"),
    [
        ("evse_wb", 13.37, {1000: 1337, 1004: 0, 2000: 0, 2005: 0x00A0}),
        ("heidelberg", 13.37, {257: 15000, 258: 4, 259: 1, 261: 133, 262: 0}),
        ("phoenix_ev_ser", 13.37, {4000: 3, 22000: 13}),
    ],
)
async def test_the_driver_and_a_server_of_pymodbus(name: str, amps: float, expected: dict[int, int]) -> None:
    async with strangers(stranger(name)) as port:
        board = registry.create_board(name, {"port": port, "gap_s": 0.0, "baud": 115200})
        listener = Listener()
        await board.devices[0].start(listener)
        await listener.pilot(PilotState.A)
        await board.units[0].pilot.signal(PilotSignal.PWM, amps)
        driver = board.devices[0]
        device = driver._registers.device  # type: ignore[attr-defined]  # the same connection: it serves one at a time
        for address, value in expected.items():
            assert await device.read(3, address, 1) == (value,)
        if name == "phoenix_ev_ser":
            assert await device.read_coils(20000, 1) == (1,)
        await driver.close()


async def test_a_server_of_pymodbus_that_lacks_registers_is_not_driven() -> None:
    none = [bits(0, 16)]
    lacking = SimDevice(1, (none, none, [registers(1000, 0, 0, 1, 32, 0, 17, 1)], [registers(0, 0)]))
    async with strangers(lacking) as port:
        board = registry.create_board("evse_wb", {"port": port, "gap_s": 0.0})
        with pytest.raises(DeviceError, match=r"function 3, address 2000 .* refused: illegal data address"):
            await board.devices[0].start(Listener())
        bus = ModbusBus(SerialPort(Line(port)))
        assert await probe_on(bus, "evse_wb", 1) is None
        await bus.close()
