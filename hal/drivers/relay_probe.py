"""Asks a line whether a relay board is on it that says who it is (Waveshare Modbus RTU Relay); reads only."""

from __future__ import annotations

from hal.bus.modbus_rtu import ModbusBus, ModbusDevice, RefusedError, Timing
from hal.bus.serial import Line, SerialPort
from hal.drivers.gpio_lines import Gpio, LineOfChip
from hal.drivers.relay_settings import Coils, RelaySettings
from hal.drivers.relay_wiring import version_of
from hal.errors import BusError
from hal.found import Found, FoundKind

SHOWN = 8


async def probe(line: Line, timeout_s: float = 0.3) -> Found | None:
    """The board at address 1, as delivered; None: nobody, or somebody else. Raises BusError when the port cannot be opened."""
    bus = ModbusBus(SerialPort(line, speaks="modbus"))
    await bus.open()
    try:
        return await probe_unit(bus, 1, timeout_s)
    finally:
        await bus.close()


async def probe_coils(board: Coils, coil: int, timeout_s: float = 0.3) -> Found | None:
    """As `probe`, of the board that settings name. Raises BusError when the port cannot be opened."""
    bus = ModbusBus(SerialPort(board.line, speaks="modbus"), local_echo=board.local_echo)
    await bus.open()
    try:
        return await probe_unit(bus, board.unit, timeout_s, coil)
    finally:
        await bus.close()


def probe_lines(settings: RelaySettings, gpio: Gpio) -> Found:
    """The contacts on GPIO as they are; the contactor's line is not asked for, that would switch it. Raises BusError, ConfigError."""
    readout = []
    for name, contact in settings.contacts.items():
        if isinstance(contact.where, LineOfChip):
            line = gpio.input(contact.where, lambda: None)
            try:
                readout.append((name, "yes" if contact.tells(line.active()) else "no"))
            finally:
                line.release()
    who = f"contactor on {settings.contactor}, which is not touched"
    return Found(FoundKind.BOARD, "relay", who, {}, tuple(readout))


async def probe_unit(bus: ModbusBus, unit: int, timeout_s: float = 0.3, coil: int = 0) -> Found | None:
    """The board at that address; None: nobody, or somebody else. coil: of the contactor. Raises BusError: the port."""
    timing = Timing(timeout_s, retries=0)
    version = await version_of(bus, unit, timing)
    if version is None:
        return None
    device = ModbusDevice(bus, unit, timing)
    try:
        relays = await device.read_coils(0, SHOWN)
    except (BusError, RefusedError):
        relays = ()
    try:
        inputs = await device.read_discrete(0, SHOWN)
    except (BusError, RefusedError):
        inputs = ()  # a board without
    line = bus.line
    table = {"port": line.port, "address": unit, "baud": line.baud, "parity": line.parity, "coil": coil}
    return Found(
        kind=FoundKind.BOARD,
        driver="relay",
        who=f"Waveshare relay board, firmware {version}",
        settings={"contactor": table},
        readout=(
            *((f"relay {number}", "closed" if on else "open") for number, on in enumerate(relays)),
            *((f"input {number}", "on" if on else "off") for number, on in enumerate(inputs)),
        ),
    )
