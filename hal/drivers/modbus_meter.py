"""An energy meter on Modbus RTU, by its table in hal/meters: one request a block, every reading checked."""

from __future__ import annotations

import asyncio
import os.path
from collections.abc import Mapping

from hal.api import MeterReading, Sink
from hal.bus.modbus_rtu import ModbusBus, ModbusDevice, RefusedError, Timing
from hal.bus.serial import Line, SerialPort
from hal.errors import ConfigError
from hal.meters.decode import reading, words_of
from hal.meters.identity import Identity
from hal.meters.model import Block, MeterModel, halves, load
from hal.meters.plausible import Plausibility
from hal.settings import SettingsReader

_MOST_V = 277.0
"""Phase voltage that max_a is multiplied with: the highest in public grids."""
_TOO_MUCH = {2, 3}
"""Exceptions (illegal data address, illegal data value) with which meters refuse a block that is too large for them."""


class ModbusMeter:
    """A Meter and a Device. Readings of it wait for each other; meters on one bus take turns by block."""

    def __init__(self, model: MeterModel, device: ModbusDevice, max_a: float | None = None) -> None:
        self.model = model
        self.device = device
        self.name = f"{model.name} (unit {device.unit} on {device.bus.line.port})"
        self._lock = asyncio.Lock()
        self._blocks = model.blocks
        self._plausible = Plausibility(self.name, model.phases * (max_a or model.max_a) * _MOST_V)

    async def start(self, sink: Sink) -> None:
        """Return when it answers with a reading. Raises BusError, DeviceError."""
        del sink  # it says nothing by itself
        await self.read()

    async def close(self) -> None:
        """Release the bus: the next reading opens it again."""
        await self.device.bus.close()

    def accept(self) -> None:
        """Believe the next reading whatever it says: the meter was replaced."""
        self._plausible.accept()

    async def identify(self) -> Identity:
        """Who it says that it is; what it refuses to say is left out. Raises BusError when it does not answer at all."""
        said: dict[str, str] = {}
        async with self._lock:
            for field in self.model.identity:
                try:
                    value = field.decode(await self.device.read(field.function, field.address, field.words))
                except RefusedError:
                    continue
                said[field.name] = "" if value is None else str(value)
        return Identity(**said)

    async def read(self) -> MeterReading:
        """Read everything now. Raises BusError; DeviceError when it refuses, has no energy, or cannot be believed."""
        async with self._lock:
            words: dict[int, int] = {}
            taken: list[Block] = []
            for block in self._blocks:
                words |= await self._read_block(block, taken)
            self._blocks = tuple(taken)
            found = reading(self.model, words)
            self._plausible.check(found, asyncio.get_running_loop().time())
            return found

    async def _read_block(self, block: Block, taken: list[Block]) -> dict[int, int]:
        """Address -> word. A meter that refuses so many registers, or those between, is asked for fewer from now on."""
        try:
            registers = await self.device.read(block.function, block.start, block.count)
        except RefusedError as error:
            smaller = halves(self.model, block) if error.code in _TOO_MUCH else None
            if smaller is None:
                raise
            first, second = smaller
            return await self._read_block(first, taken) | await self._read_block(second, taken)
        taken.append(block)
        return words_of(block.start, registers)


class Buses:
    """The Modbus lines of a station: devices on the same port share one bus."""

    def __init__(self) -> None:
        self._buses: dict[str, ModbusBus] = {}

    def on(self, line: Line, *, local_echo: bool = False) -> ModbusBus:
        """The bus on that line. Raises ConfigError when the port is in use with other settings."""
        key = os.path.realpath(line.port) if os.path.isabs(line.port) else line.port
        bus = self._buses.get(key)
        if bus is None:
            bus = self._buses[key] = ModbusBus(SerialPort(line, speaks="modbus"), local_echo=local_echo)
        elif (bus.line.baud, bus.line.parity, bus.line.stop_bits) != (line.baud, line.parity, line.stop_bits):
            raise ConfigError(
                f"meter.port: {line.port} is used as {bus.line} and as {line}; "
                "give all devices on it the same baud, parity and stop_bits"
            )
        return bus

    async def close(self) -> None:
        """Release all ports. Idempotent."""
        for bus in self._buses.values():
            await bus.close()


def meter_from(settings: Mapping[str, object], buses: Buses | None = None) -> ModbusMeter:
    """A meter, not yet started. buses: shared by all devices of the station. Raises ConfigError naming the field.

    settings: `model` (a name of hal/meters, or a path to a .toml file) and `port` are needed; `address`, `baud`,
    `parity`, `stop_bits`, `timeout_s`, `gap_s` and `max_a` are the model's unless given; `retries` 2; `local_echo` for
    adapters that hear themselves; `utc_offset_min` for signed records.
    """
    reader = SettingsReader("meter", settings)
    for needed in ("model", "port"):
        if needed not in settings:
            reader.problems.append(f"meter.{needed}: is missing")
    name, port = reader.text("model", "sdm630"), reader.text("port", "/dev/null")
    try:
        model = load(name)
    except ConfigError as error:
        reader.problems.append(str(error))
        model = load("sdm630")
    values = {
        "baud": reader.integer("baud", model.baud, 50, 4_000_000),
        "stop_bits": reader.integer("stop_bits", model.stop_bits, 1, 2),
    }
    parity = reader.text("parity", model.parity, ("N", "E", "O"))
    unit = reader.integer("address", model.unit, 1, 247)
    timing = Timing(
        reader.number("timeout_s", model.timeout_s, 0.01, 60.0),
        reader.number("gap_s", model.gap_s, 0.0, 10.0),
        reader.integer("retries", 2, 0, 10),
    )
    max_a = reader.number("max_a", model.max_a, 1.0, 10_000.0)
    echo = reader.flag("local_echo", False)
    offset_min = reader.integer("utc_offset_min", 0, -14 * 60, 14 * 60)
    reader.finish()
    try:
        line = Line(port, parity=parity, **values)
    except ConfigError as error:
        raise ConfigError(str(error).replace("line.", "meter.", 1)) from error
    bus = (buses or Buses()).on(line, local_echo=echo)
    device = ModbusDevice(bus, unit, timing)
    if not model.signing:
        return ModbusMeter(model, device, max_a)
    from hal.drivers.meter_signing import SIGNERS

    return SIGNERS[model.signing](model, device, max_a, offset_min)


def claims(settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """Its address on its port; nothing when the settings do not fit (`meter_from` says why)."""
    port, name = settings.get("port"), settings.get("model")
    if not isinstance(port, str) or not isinstance(name, str):
        return set()
    try:
        address = settings.get("address", load(name).unit)
    except ConfigError:
        return set()
    return {(port, address)} if isinstance(address, int) else set()
