"""The driver for Modbus meters against its emulator: in one process on virtual time, over a pty, over TCP; and pymodbus."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pyocmf import OCMF

from hal.api import Meter, SignedMoment, SigningMeter
from hal.bus.modbus_rtu import ModbusBus, ModbusDevice, RefusedError, Timing
from hal.bus.serial import Line
from hal.drivers.meter_signing import SigningModbusMeter, iskra_template, shortest_der
from hal.drivers.modbus_meter import Buses, ModbusMeter, meter_from
from hal.emulators.modbus_meter import ModbusMeters, create
from hal.emulators.modbus_signing import SIGN_S
from hal.emulators.process import EmulatorProcess
from hal.emulators.serve import PtyPlug, Server
from hal.errors import BusError, ConfigError, DeviceError
from hal.meters.model import load, names
from station.sim.loop import run as run_virtual
from tests.hal.cable import Cable

PLAIN = [name for name in names() if not load(name).signing]


def virtually(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(main())


def cabled(meters: str) -> tuple[ModbusMeters, Cable]:
    """Emulated meters at the end of a cable in this process."""
    device = create({"meters": meters})
    return device, Cable(lambda data, now: [(0.02, device.feed(data, now))])


def on(cable: Cable, name: str, unit: int | None = None) -> ModbusMeter:
    model = load(name)
    device = ModbusDevice(ModbusBus(cable), unit or model.unit, Timing(model.timeout_s))
    return SIGNING.get(model.signing, ModbusMeter)(model, device)


def _signers() -> dict[str, type[SigningModbusMeter]]:
    from hal.drivers.meter_signing import SIGNERS

    return dict(SIGNERS)


SIGNING = _signers()


@pytest.mark.parametrize("name", names())
def test_every_meter_is_read_as_its_emulator_means_it(name: str) -> None:
    async def main() -> None:
        device, cable = cabled(name)
        meter = on(cable, name)
        phases = meter.model.phases
        powers = [3680.0, 2300.0, 1150.0][:phases]
        device.control({"power_w": powers, "voltage_v": 230.0, "energy_import_wh": 12_345_600.0}, 0.0)
        device.control({"energy_export_wh": 700.0}, 0.0)
        found = await meter.read()
        assert found.energy_import_wh == pytest.approx(12_345_600.0, abs=1.5)
        assert found.energy_export_wh == pytest.approx(700.0, abs=0.1)
        assert found.power_w == pytest.approx(sum(powers), rel=1e-3)
        quantities = meter.model.quantities
        if "power_phase_w" in quantities:
            assert found.power_phase_w == pytest.approx(powers, rel=1e-3)
        if "voltage_v" in quantities:
            assert found.voltage_v == pytest.approx([230.0] * phases, rel=1e-3)
            assert found.current_a == pytest.approx([power / 230 for power in powers], abs=0.011)
        if "frequency_hz" in quantities:
            assert found.frequency_hz == pytest.approx(50.0)
        assert len(cable.sent) == len(meter.model.blocks)

    virtually(main)


@pytest.mark.parametrize("name", names())
def test_every_meter_counts(name: str) -> None:
    """An hour at 3 kW, read every ten seconds, nothing of it doubted."""

    async def main() -> None:
        device, cable = cabled(name)
        meter = on(cable, name)
        device.control({"power_w": 3000.0 / meter.model.phases}, 0.0)
        first = (await meter.read()).energy_import_wh
        for _ in range(360):
            await asyncio.sleep(10.0)
            last = (await meter.read()).energy_import_wh
        assert last - first == pytest.approx(3000.0, abs=120.0)

    virtually(main)


def test_what_cannot_be_believed_is_not_given_out() -> None:
    async def main() -> None:
        device, cable = cabled("sdm630@1")
        meter = on(cable, "sdm630")
        await meter.start(lambda event: None)
        device.control({"energy_import_wh": 900.0}, 0.0)
        with pytest.raises(DeviceError, match=r"Eastron SDM630.*unit 1 on /dev/cable.*runs backwards"):
            await meter.read()
        device.control({"energy_import_wh": 2_000_000.0}, 0.0)
        with pytest.raises(DeviceError, match="jumps"):
            await meter.read()
        meter.accept()
        await meter.read()
        device.control({"power_w": 3000.0, "frozen": False}, asyncio.get_running_loop().time())
        device.control({"frozen": True}, asyncio.get_running_loop().time())
        with pytest.raises(DeviceError, match="frozen"):
            await read_for(meter, 1000.0)

    virtually(main)


async def read_for(meter: ModbusMeter, duration_s: float) -> None:
    for _ in range(int(duration_s / 10.0)):
        await asyncio.sleep(10.0)
        await meter.read()


def test_what_goes_wrong_on_the_way_says_who_erred() -> None:
    async def main() -> None:
        device, cable = cabled("sdm630@1")
        meter = on(cable, "sdm630")
        device.control({"wrong_checksum": 2}, 0.0)
        await meter.read()  # the third attempt
        device.control({"foreign": 2}, 0.0)
        await meter.read()
        device.control({"wrong_checksum": 3}, 0.0)
        with pytest.raises(BusError, match="damaged"):
            await meter.read()
        device.control({"refuse": 4}, 0.0)
        with pytest.raises(RefusedError, match="device failure"):
            await meter.read()
        device.control({"refuse": 0, "mute": True}, 0.0)
        with pytest.raises(BusError, match="no answer"):
            await meter.read()
        device.control({"mute": False, "absent": ["energy_import_wh"]}, 0.0)
        with pytest.raises(DeviceError, match="no energy value"):
            await meter.read()
        device.control({"absent": ["frequency_hz", "voltage_v"]}, 0.0)
        found = await meter.read()
        assert found.frequency_hz is None
        assert found.voltage_v == ()

    virtually(main)


@pytest.mark.parametrize("order", [{"most": 24}, {"most": 4}, {"holes": True}, {"most": 11, "holes": True}])
@pytest.mark.parametrize("name", names())
def test_a_meter_that_refuses_large_blocks_is_asked_for_smaller_ones(name: str, order: dict[str, object]) -> None:
    async def main() -> None:
        device, cable = cabled(name)
        meter = on(cable, name)
        whole = await meter.read()
        device.control(order, 0.0)
        assert await meter.read() == whole
        requests = len(cable.sent)
        assert await meter.read() == whole
        again = len(cable.sent) - requests
        assert again <= 20
        await meter.read()
        assert len(cable.sent) - requests == 2 * again  # it has learnt: nothing is refused any more

    virtually(main)


def test_the_wrong_meter_in_the_configuration() -> None:
    async def main() -> None:
        _, cable = cabled("sdm120@1")
        with pytest.raises(RefusedError, match="illegal"):
            await on(cable, "abb_b2x").start(lambda event: None)

    virtually(main)


@given(st.binary(max_size=300))
def test_an_emulator_survives_arbitrary_bytes(data: bytes) -> None:
    device = create({"meters": "sdm630@1,bsm_ws36a"})
    device.feed(data, 0.0)
    assert device.feed(bytes.fromhex("0104000000027" + "1cb"), 10.0)[:3] == b"\x01\x04\x04"


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"unit": 9}, "unit: must be one of 1"),
        ({"power_w": [1, 2]}, "power_w: must be a number, or 3"),
        ({"power_w": "x"}, "power_w"),
        ({"refuse": -1}, "refuse"),
        ({"wrong_checksum": 1.5}, "wrong_checksum"),
        ({"absent": ["x"]}, "absent: must be a list"),
        ({"what": 1}, "what: unknown"),
    ],
)
def test_a_wrong_order_is_named(order: dict[str, object], field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        create({"meters": "sdm630@1"}).control(order, 0.0)


@pytest.mark.parametrize("meters", ["x@1", "sdm630@0", "sdm630@a", "sdm630@1,sdm120@1", 5])
def test_a_wrong_line_of_meters_is_named(meters: object) -> None:
    with pytest.raises(ConfigError, match="meters: "):
        create({"meters": meters})


# --- the factory ------------------------------------------------------------------------------------------------------


def test_a_meter_from_its_settings() -> None:
    meter = meter_from({"model": "iem3155", "port": "/dev/ttyUSB0"})
    assert meter.device.bus.line == Line("/dev/ttyUSB0", 19200, "E")
    meter = meter_from({"model": "em580", "port": "/dev/a", "address": 7, "baud": 115200, "gap_s": 0.05, "retries": 0})
    assert meter.device.unit == 7
    assert meter.device.timing == Timing(1.5, 0.05, 0)
    assert meter.device.bus.line.baud == 115200
    signing = meter_from({"model": "bsm_ws36a", "port": "/dev/a"})
    assert isinstance(signing, SigningModbusMeter)
    as_hal: tuple[Meter, SigningMeter] = (meter, signing)  # what hal.api asks for
    assert all(as_hal)


def test_meters_on_one_port_share_its_bus(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/ttyUSB0")
    buses = Buses()
    first = meter_from({"model": "sdm630", "port": "/dev/ttyUSB0", "address": 1}, buses)
    second = meter_from({"model": "sdm120", "port": str(tmp_path / "link"), "address": 2}, buses)
    assert first.device.bus is second.device.bus
    with pytest.raises(ConfigError, match=r"meter\.port: .*give all devices on it the same baud"):
        meter_from({"model": "iem3155", "port": "/dev/ttyUSB0"}, buses)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, r"meter\.model: is missing; meter\.port: is missing"),
        ({"model": "sdm999", "port": "/dev/a"}, r"meter\.model: unknown meter 'sdm999'"),
        ({"model": "sdm630", "port": "/dev/a", "address": 0}, r"meter\.address: must be"),
        ({"model": "sdm630", "port": "/dev/a", "parity": "X"}, r"meter\.parity: must be one of"),
        ({"model": "sdm630", "port": "/dev/a", "bauds": 1}, r"meter\.bauds: unknown"),
        ({"model": "sdm630", "port": "tcp://a"}, r"meter\.port: must be /dev/"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        meter_from(settings)


# --- signed values ----------------------------------------------------------------------------------------------------


def verified(record: str, key_hex: str) -> bool:
    """By a foreign implementation."""
    return bool(OCMF.from_string(record).verify_signature(key_hex))


def test_a_bauer_bsm_signs_begin_and_end() -> None:
    async def main() -> None:
        device, cable = cabled("bsm_ws36a")
        meter = on(cable, "bsm_ws36a")
        assert isinstance(meter, SigningModbusMeter)
        key = await meter.public_key()
        device.control({"energy_import_wh": 99_840.0}, 0.0)
        begin = await meter.sign(SignedMoment.BEGIN, "04A1B2C3D4E5F6", 1_657_267_228.0)
        device.control({"power_w": 1000.0}, asyncio.get_running_loop().time())
        await asyncio.sleep(324.0)
        end = await meter.sign(SignedMoment.END, "04A1B2C3D4E5F6", 1_657_267_552.0)
        assert begin.signed is not None
        assert end.signed is not None
        assert verified(begin.signed, key)
        assert verified(end.signed, key)
        assert not verified(end.signed.replace("04A1B2C3D4E5F6", "04A1B2C3D4E5F7"), key)
        first, last = (json.loads(reading.signed.split("|")[1]) for reading in (begin, end) if reading.signed)
        assert (first["RD"][0]["TX"], last["RD"][0]["TX"]) == ("B", "E")
        assert first["RD"][0]["TM"] == "2022-07-08T08:00:28,000+0000 S"
        assert first["ID"] == last["ID"] == "04A1B2C3D4E5F6"
        assert last["RD"][0]["RV"] - first["RD"][0]["RV"] == pytest.approx(0.27, abs=0.02)
        assert end.energy_import_wh >= begin.energy_import_wh

    virtually(main)


def test_a_bsm_that_lost_power_says_that_its_snapshot_failed() -> None:
    async def main() -> None:
        device, cable = cabled("bsm_ws36a")
        meter = on(cable, "bsm_ws36a")
        assert isinstance(meter, SigningModbusMeter)
        signing = asyncio.ensure_future(meter.sign(SignedMoment.CURRENT, "X", None))
        await asyncio.sleep(SIGN_S)
        device.power(False, asyncio.get_running_loop().time())
        device.power(True, asyncio.get_running_loop().time())
        with pytest.raises(DeviceError, match=r"could not make a snapshot \(status 1\)"):
            await signing
        await meter.sign(SignedMoment.CURRENT, "X", None)

    virtually(main)


def test_an_iskra_signs_begin_and_end_as_one_record() -> None:
    async def main() -> None:
        device, cable = cabled("wm3m4c")
        meter = on(cable, "wm3m4c")
        assert isinstance(meter, SigningModbusMeter)
        key = await meter.public_key()
        with pytest.raises(DeviceError, match="no charge has begun"):
            await meter.sign(SignedMoment.END, "04A1", 1_700_000_000.0)
        with pytest.raises(DeviceError, match=r"could not sign \(status 128\)"):
            await meter.sign(SignedMoment.BEGIN, "04A1", None)
        begin = await meter.sign(SignedMoment.BEGIN, "04A1|B2", 1_700_000_000.0)
        assert begin.signed is None
        device.control({"power_w": 4000.0}, asyncio.get_running_loop().time())
        await asyncio.sleep(900.0)
        end = await meter.sign(SignedMoment.END, "04A1|B2", 1_700_000_900.0)
        assert end.signed is not None
        assert verified(end.signed, key)
        record = json.loads(end.signed.split("|")[1])
        assert [item["TX"] for item in record["RD"]] == ["B", "E"]
        assert record["ID"] == "04A1 B2"
        assert record["RD"][1]["RV"] - record["RD"][0]["RV"] == pytest.approx(3.0, abs=0.01)

    virtually(main)


def test_an_iskra_ends_a_charge_that_a_power_cut_interrupted() -> None:
    async def main() -> None:
        device, cable = cabled("wm3m4c")
        meter = on(cable, "wm3m4c")
        assert isinstance(meter, SigningModbusMeter)
        key = await meter.public_key()
        await meter.sign(SignedMoment.BEGIN, "04A1", 1_700_000_000.0)
        device.power(False, asyncio.get_running_loop().time())
        device.power(True, asyncio.get_running_loop().time())
        end = await meter.sign(SignedMoment.END, "04A1", 1_700_000_100.0)
        assert end.signed is not None
        assert verified(end.signed, key)
        # A begin finds a charge that nobody ended, and ends it.
        await meter.sign(SignedMoment.BEGIN, "04A1", 1_700_000_200.0)
        await meter.sign(SignedMoment.BEGIN, "04A2", 1_700_000_300.0)
        assert (await meter.sign(SignedMoment.END, "04A2", 1_700_000_400.0)).signed is not None

    virtually(main)


def test_a_published_record_of_a_real_meter_is_verified_by_the_same_foreign_code() -> None:
    """So that `verified` proves something. From chargeITmobility/bsm-python, doc/examples/data/ev-charging-ocmf.xml."""
    text, key = Path(__file__).with_name("bsm_record.txt").read_text(encoding="utf-8").splitlines()
    assert verified(text, key)
    assert not verified(text.replace('"RV":0.15', '"RV":0.16'), key)


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ("300602010102010a", "300602010102010a"),
        ("3008020200010202000a", "300602010102010a"),
        ("3008020200800202000a", "30070202008002010a"),  # a zero that keeps the number positive stays
        ("300802020000" + "0202000a", "300602010002010a"),
        ("300602010102020a", "300602010102020a"),  # not what it says: left alone
        ("310602010102010a", "310602010102010a"),
        ("", ""),
    ],
)
def test_leading_zeros_of_a_signature(given_: str, wanted: str) -> None:
    assert shortest_der(bytes.fromhex(given_)).hex() == wanted


@given(st.binary(max_size=80))
def test_any_signature_is_survived(data: bytes) -> None:
    assert len(shortest_der(data)) <= len(data) + 2


def test_the_template_fits_and_is_json() -> None:
    template = iskra_template("é|" * 20)
    assert json.loads(template)["ID"] == "é " * 20
    assert template.isascii()
    assert len(template) <= 1024


# --- real lines -------------------------------------------------------------------------------------------------------


async def test_two_meters_on_one_bus_with_the_emulator_in_its_own_process(tmp_path: Path) -> None:
    async with EmulatorProcess("modbus_meter", link=tmp_path / "rs485", meters="sdm630@1,sdm120@2") as emulator:
        buses = Buses()
        first = meter_from({"model": "sdm630", "port": emulator.port, "address": 1}, buses)
        second = meter_from({"model": "sdm120", "port": emulator.port, "address": 2}, buses)
        await emulator.tell(unit=1, power_w=[3680, 0, 0], energy_import_wh=5000.0)
        await emulator.tell(unit=2, power_w=1150, energy_import_wh=7000.0)
        for _ in range(5):
            one, two = await asyncio.gather(first.read(), second.read())
            assert (one.power_w, two.power_w) == (3680.0, 1150.0)
            assert 5000.0 <= one.energy_import_wh < 5100.0
            assert 7000.0 <= two.energy_import_wh < 7100.0

        # Noise before half of all answers, a bit inverted in one of five: each reading is right, or an error.
        await emulator.tell(noise=0.5, flip=0.2)
        failed = 0
        quick = Timing(0.1, retries=3)
        first.device = ModbusDevice(first.device.bus, 1, quick)
        for _ in range(20):
            try:
                assert (await first.read()).power_w == 3680.0
            except BusError:
                failed += 1
        assert failed < 10
        await emulator.tell(noise=0.0, flip=0.0)
        await first.read()

        # The adapter is pulled out, and plugged in again.
        await emulator.tell(hang_up=True)
        with pytest.raises(BusError, match="rs485"):
            await first.read()
        await emulator.tell(plug_in=True)
        assert (await first.read()).power_w == 3680.0

        # The meter is without power for a while.
        await emulator.tell(brown_out=True)
        with pytest.raises(BusError, match="no answer"):
            await first.read()
        await emulator.tell(power_on=True)
        assert (await second.read()).power_w == 1150.0
        await buses.close()


async def test_a_line_with_parity_over_tcp() -> None:
    """8E1 in settings and timing; the parity itself is the serial server's."""
    async with EmulatorProcess("modbus_meter", tcp="127.0.0.1:0", meters="bsm_ws36a") as emulator:
        buses = Buses()
        meter = meter_from({"model": "bsm_ws36a", "port": emulator.port}, buses)
        assert meter.device.bus.line.parity == "E"
        await emulator.tell(power_w=2300.0)
        assert (await meter.read()).power_w == 6900.0
        assert isinstance(meter, SigningModbusMeter)
        record = (await meter.sign(SignedMoment.BEGIN, "04A1", 1_700_000_000.0)).signed
        assert record is not None
        assert verified(record, await meter.public_key())
        await buses.close()


# --- pymodbus, which knows nothing of us ------------------------------------------------------------------------------


@asynccontextmanager
async def pymodbus_slaves(devices: list[SimDevice]) -> AsyncIterator[str]:
    """RTU frames over TCP, as a serial server passes them on."""
    server = ModbusTcpServer(devices, framer=FramerType.RTU, address=("127.0.0.1", 0))
    serving = asyncio.ensure_future(server.serve_forever(background=True))
    await serving
    try:
        yield f"socket://127.0.0.1:{server.transport.sockets[0].getsockname()[1]}"
    finally:
        await server.shutdown()


async def test_our_master_and_the_slave_of_pymodbus() -> None:
    registers = SimData(0, values=[(7 * at + 3) & 0xFFFF for at in range(300)], datatype=DataType.REGISTERS)
    async with pymodbus_slaves([SimDevice(1, [registers])]) as port:
        bus = Buses().on(Line(port, 115200))
        slave = ModbusDevice(bus, 1)
        for function in (3, 4):
            for start, count in ((0, 1), (5, 125), (299, 1)):
                got = await slave.read(function, start, count)
                assert got == tuple((7 * at + 3) & 0xFFFF for at in range(start, start + count))
        await slave.write_register(10, 0xBEEF)
        await slave.write_registers(20, (1, 2, 0xFFFF))
        assert await slave.read(3, 10, 1) == (0xBEEF,)
        assert await slave.read(3, 20, 3) == (1, 2, 0xFFFF)
        with pytest.raises(RefusedError, match="illegal data address"):
            await slave.read(3, 5000, 2)
        await bus.close()


async def test_our_master_and_the_coils_of_pymodbus() -> None:
    coils = SimData(20000, values=[at % 3 == 0 for at in range(32)], datatype=DataType.BITS)
    none = SimData(0, values=[0], datatype=DataType.REGISTERS)
    async with pymodbus_slaves(
        [SimDevice(3, ([coils], [SimData(0, values=[False] * 16, datatype=DataType.BITS)], [none], [none]))]
    ) as port:
        bus = Buses().on(Line(port, 115200))
        slave = ModbusDevice(bus, 3)
        assert await slave.read_coils(20000, 11) == tuple(int(at % 3 == 0) for at in range(11))
        await slave.write_coil(20001, True)
        await slave.write_coil(20000, False)
        assert await slave.read_coils(20000, 3) == (0, 1, 0)
        await bus.close()


async def test_the_master_of_pymodbus_and_our_emulator() -> None:
    server = Server(create({"meters": "sdm630@1,bsm_ws36a@42"}), PtyPlug(), random.Random(1))
    server.start()
    client = AsyncModbusSerialClient(server.port, baudrate=9600, timeout=2)
    assert await client.connect()
    server.obey({"power_w": 1000.0, "unit": 1})
    found = await client.read_input_registers(0x34, count=2, device_id=1)
    assert client.convert_from_registers(found.registers, client.DATATYPE.FLOAT32) == 3000.0
    assert (await client.read_input_registers(0x4000, count=2, device_id=1)).exception_code == 2
    written = await client.write_registers(40524, [2], device_id=42)
    assert not written.isError()
    assert (await client.read_holding_registers(40524, count=1, device_id=42)).registers == [2]
    client.close()
    server.stop()
