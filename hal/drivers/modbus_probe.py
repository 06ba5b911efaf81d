"""Asks the addresses of a Modbus line who is there: meters of hal/meters, relay boards. It only ever reads.

First by what a meter says of itself (`[identity]` of its table); one that says nothing is tried with every table that it
has not contradicted, and is what shows a plausible mains voltage there.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable

from hal.api import MeterReading
from hal.bus.modbus_rtu import Function, ModbusBus, ModbusDevice, RefusedError, Request, Timing
from hal.bus.serial import Line, SerialPort
from hal.drivers import relay_probe
from hal.drivers.modbus_meter import ModbusMeter
from hal.errors import BusError, DeviceError
from hal.found import Found, FoundKind
from hal.meters.identity import IdentityField
from hal.meters.model import MeterModel, load, names

log = logging.getLogger("hal.probe")

TIMEOUT_S = 0.3
VOLTS = (80.0, 300.0)
HERTZ = (45.0, 65.0)
_KNOCKS = (Function.READ_INPUT, Function.READ_HOLDING, Function.READ_COILS)
_Place = tuple[int, int, int]
"""Function, address, registers."""


async def scan(line: Line, addresses: Iterable[int], timeout_s: float = TIMEOUT_S) -> AsyncIterator[Found]:
    """Everybody who is known at these addresses, as soon as found. Raises BusError when the port cannot be used."""
    bus = ModbusBus(SerialPort(line, speaks="modbus"))
    await bus.open()
    try:
        for unit in addresses:
            found = await probe_unit(bus, unit, timeout_s)
            if found is not None:
                yield found
    finally:
        await bus.close()


async def probe_unit(bus: ModbusBus, unit: int, timeout_s: float = TIMEOUT_S) -> Found | None:
    """Who is at that address; None: nobody, or nobody whom we know. Raises BusError when the port cannot be used."""
    await bus.open()
    if not await _somebody(bus, unit, timeout_s):
        return None
    said = await _ask_identity(bus, unit, timeout_s)
    models = {name: load(name) for name in names()}
    verdicts = {name: _verdict(model, said) for name, model in models.items()}
    for name in (name for name, verdict in verdicts.items() if verdict):
        found = await _read_as(bus, unit, models[name], timeout_s)
        if found is not None:
            return await _found(name, *found, certain=True)
    relays = await relay_probe.probe_unit(bus, unit, timeout_s)
    if relays is not None:
        return relays
    return await _guess(
        bus, unit, {name: models[name] for name, verdict in verdicts.items() if verdict is None}, timeout_s
    )


async def _somebody(bus: ModbusBus, unit: int, timeout_s: float) -> bool:
    """An exception is an answer too. Not every meter answers what it does not know."""
    for function in _KNOCKS:
        try:
            await bus.ask(Request(unit, function, 0, 2), Timing(timeout_s, retries=0))
        except RefusedError:
            return True
        except BusError:
            await bus.open()  # the port itself is gone: says so
            continue
        return True
    return False


async def _ask_identity(bus: ModbusBus, unit: int, timeout_s: float) -> dict[_Place, tuple[int, ...]]:
    """What it says at every place where some model says what it is."""
    said: dict[_Place, tuple[int, ...]] = {}
    for name in names():
        for field in load(name).identity:
            place = _place(field)
            if not (field.codes or field.starts) or place in said:
                continue
            try:
                device = ModbusDevice(bus, unit, Timing(timeout_s, retries=1))
                said[place] = await device.read(*place)
            except (BusError, DeviceError):
                said[place] = ()
    return said


def _place(field: IdentityField) -> _Place:
    return field.function, field.address, field.words


def _verdict(model: MeterModel, said: dict[_Place, tuple[int, ...]]) -> bool | None:
    """Whether it says that it is this model; None: it does not say."""
    for field in model.identity:
        words = said.get(_place(field), ())
        verdict = field.speaks_for(field.decode(words)) if words else None
        if verdict is not None:
            return verdict
    return None


async def _read_as(
    bus: ModbusBus, unit: int, model: MeterModel, timeout_s: float
) -> tuple[ModbusMeter, MeterReading] | None:
    meter = ModbusMeter(model, ModbusDevice(bus, unit, Timing(max(timeout_s, model.timeout_s), model.gap_s, 1)))
    try:
        return meter, await meter.read()
    except (BusError, DeviceError) as error:
        log.debug("address %d is no %s: %s", unit, model.name, error)
        return None


async def _guess(bus: ModbusBus, unit: int, models: dict[str, MeterModel], timeout_s: float) -> Found | None:
    """The table that shows the most of a plausible mains."""
    best: tuple[int, str, ModbusMeter, MeterReading] | None = None
    for name, model in models.items():
        read = await _read_as(bus, unit, model, timeout_s)
        if read is None:
            continue
        score = plausible(read[1])
        if score and (best is None or score > best[0]):
            best = (score, name, *read)
    return None if best is None else await _found(*best[1:], certain=False)


def plausible(reading: MeterReading) -> int:
    """How many phases (and a frequency) look like mains; 0: these are not the registers of that meter."""
    live = [volts for volts in reading.voltage_v if volts]
    if not live or not all(VOLTS[0] <= volts <= VOLTS[1] for volts in live):
        return 0
    if reading.frequency_hz is not None and not HERTZ[0] <= reading.frequency_hz <= HERTZ[1]:
        return 0
    return len(live) + (reading.frequency_hz is not None)


async def _who(meter: ModbusMeter, *, certain: bool) -> str:
    try:
        words = (await meter.identify()).words(meter.model.name)
    except BusError:
        words = meter.model.name
    return words if certain else f"{words} (by its values; it does not say who it is)"


def readout(reading: MeterReading) -> tuple[tuple[str, str], ...]:
    """A reading in words; the same names each time."""

    def phases(values: tuple[float, ...], unit: str) -> str:
        return " / ".join(f"{value:.1f}" for value in values) + f" {unit}" if values else "-"

    return (
        ("import", f"{reading.energy_import_wh / 1000:.3f} kWh"),
        ("export", "-" if reading.energy_export_wh is None else f"{reading.energy_export_wh / 1000:.3f} kWh"),
        ("power", "-" if reading.power_w is None else f"{reading.power_w:.1f} W"),
        ("voltage", phases(reading.voltage_v, "V")),
        ("current", phases(reading.current_a, "A")),
        ("frequency", "-" if reading.frequency_hz is None else f"{reading.frequency_hz:.2f} Hz"),
    )


async def _found(name: str, meter: ModbusMeter, reading: MeterReading, *, certain: bool) -> Found:
    line, model = meter.device.bus.line, meter.model
    settings: dict[str, object] = {"port": line.port, "address": meter.device.unit}
    as_delivered = {"baud": model.baud, "parity": model.parity, "stop_bits": model.stop_bits}
    now = {"baud": line.baud, "parity": line.parity, "stop_bits": line.stop_bits}
    settings |= {key: value for key, value in now.items() if value != as_delivered[key]}
    return Found(FoundKind.METER, name, await _who(meter, certain=certain), settings, readout(reading))
