"""Looks for Modbus EVSE boards on a line, and changes nothing on whoever is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hal.api import MeterReading, PilotState
from hal.boards.model import BoardModel
from hal.boards.parse import load, names
from hal.bus.modbus_rtu import ModbusBus, ModbusDevice, Timing
from hal.bus.serial import Line, SerialPort
from hal.drivers.modbus_board_registers import Registers
from hal.drivers.modbus_board_state import see
from hal.errors import BusError, DeviceError
from hal.found import Found, FoundKind
from hal.meters.decode import reading

_LETTERS = {
    PilotState.A: "A, no vehicle",
    PilotState.B: "B, vehicle connected",
    PilotState.C: "C, vehicle asks for energy",
    PilotState.D: "D, vehicle asks for energy and ventilation",
    PilotState.E: "E, pilot at 0 V",
    PilotState.F: "F, not available",
}


async def probe(
    line: Line, model: str, addresses: Sequence[int] = (), timeout_s: float = 0.3, *, local_echo: bool = False
) -> Found | None:
    """The first board of that model (a name, or a path) on the line. addresses: where to ask; () is the model's own.

    Raises BusError when the port cannot be opened, ConfigError when there is no such model.
    """
    usual = load(model).unit
    bus = ModbusBus(SerialPort(line, speaks="modbus"), local_echo=local_echo)
    await bus.open()
    try:
        for address in addresses or (usual,):
            found = await probe_on(bus, model, address, timeout_s)
            if found is not None:
                return found
        return None
    finally:
        await bus.close()


async def probe_all(
    bus: ModbusBus, addresses: Sequence[int], models: Sequence[str] = (), timeout_s: float = 0.3
) -> tuple[Found, ...]:
    """Every board that is found at these addresses of an open line. models: () is all that are shipped."""
    found = [await probe_on(bus, model, address, timeout_s) for address in addresses for model in models or names()]
    return tuple(one for one in found if one is not None)


async def probe_on(bus: ModbusBus, model: str, address: int, timeout_s: float = 0.3) -> Found | None:
    """None: nobody is there, or somebody else."""
    table = load(model)
    registers = Registers(ModbusDevice(bus, address, Timing(timeout_s, table.gap_s, 1)), table)
    try:
        await registers.look()
        if not _is_one(table, registers):
            return None
        facts = [(one.label, await registers.identify(one)) for one in table.identity]
        measured = await _measured(table, registers)
    except (BusError, DeviceError):
        return None
    who = ", ".join([table.name, *(f"{label} {text}" for label, text in facts if text)])
    settings = _settings_for(table, bus.line, address)
    own = model.endswith(".toml")
    return Found(
        kind=FoundKind.BOARD,
        driver="modbus_board" if own else model,
        who=who,
        settings={**settings, "model": model} if own else settings,
        readout=tuple(_readout(table, registers, measured)),
    )


def _is_one(table: BoardModel, registers: Registers) -> bool:
    words = registers.words
    return words[table.state.place] & table.state.mask in table.state.letters and all(
        test.holds(words) for test in table.probe
    )


def _settings_for(table: BoardModel, line: Line, address: int) -> dict[str, object]:
    """What differs from the table has to be written down."""
    differing = {
        name: value
        for name, value, usual in (
            ("address", address, table.unit),
            ("baud", line.baud, table.baud),
            ("parity", line.parity, table.parity),
            ("stop_bits", line.stop_bits, table.stop_bits),
        )
        if value != usual
    }
    return {"port": line.port, **differing}


async def _measured(table: BoardModel, registers: Registers) -> MeterReading | None:
    if table.meter is None:
        return None
    words: dict[int, int] = {}
    for block in table.meter.blocks:
        values = await registers.device.read(block.function, block.start, block.count)
        words |= {block.start + at: value for at, value in enumerate(values)}
    return reading(table.meter, words)


def _readout(table: BoardModel, registers: Registers, measured: MeterReading | None) -> Iterator[tuple[str, str]]:
    words = registers.words
    seen = see(table, words)
    yield "state", "nothing is known of the vehicle" if seen.letter is None else _LETTERS[seen.letter]
    yield "contactor", "closed" if seen.closed else "open"
    yield "offered", f"{words[table.amps.write.place] * table.amps.scale_of(words):g} A"
    if table.enable is not None:
        yield "enabled", "yes" if words.get(table.enable.write.place) == table.enable.on else "no"
    if table.cable is not None:
        yield "cable", "none, or not known" if seen.cable_a is None else f"{seen.cable_a:g} A"
    if table.watchdog is not None:
        seconds = words[table.watchdog.write.place] * table.watchdog.unit_s
        amps = words[table.watchdog.fail_safe.place] * table.watchdog.fail_safe_scale
        yield "watchdog", f"{seconds:g} s, then {amps:g} A" if seconds else "off"
    yield "faults", "; ".join(rule.info for rule in table.faults if rule.test.holds(words)) or "none"
    if measured is not None:
        yield "current", ", ".join(f"{amps:.1f}" for amps in measured.current_a) + " A"
        yield "voltage", ", ".join(f"{volts:.0f}" for volts in measured.voltage_v) + " V"
        yield "energy", f"{measured.energy_import_wh:.0f} Wh"
        if measured.temperature_c is not None:
            yield "temperature", f"{measured.temperature_c:.1f} C"
