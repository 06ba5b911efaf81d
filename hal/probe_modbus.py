"""Asks a Modbus line which boards and meters are on it. Only reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hal.bus.modbus_rtu import Function, ModbusBus, RefusedError, Request, Timing
from hal.bus.serial import Line, SerialPort
from hal.drivers import relay_probe
from hal.drivers.modbus_board_probe import probe_all
from hal.drivers.modbus_probe import probe_unit
from hal.errors import BusError
from hal.found import Found, FoundKind

__all__ = ["scan"]

_KNOCKS = (Function.READ_INPUT, Function.READ_HOLDING, Function.READ_COILS)


async def scan(line: Line, addresses: Sequence[int], timeout_s: float) -> tuple[Found, ...]:
    """Who answers at these addresses. Raises BusError when the port cannot be opened."""
    bus = ModbusBus(SerialPort(line, speaks="modbus"))
    await bus.open()
    found: list[Found] = []
    try:
        for address in addresses:
            if await _anybody(bus, address, timeout_s):
                found += await _who(bus, address, timeout_s)
    finally:
        await bus.close()
    if line.port.startswith("socket://"):
        return tuple(replace(one, settings=_without_line(one.settings)) for one in found)
    return tuple(found)


def _without_line(settings: Mapping[str, object]) -> dict[str, object]:
    """Over a serial server its settings are those that count, and nobody here knows them."""
    return {name: value for name, value in settings.items() if name not in {"baud", "parity", "stop_bits"}}


async def _anybody(bus: ModbusBus, address: int, timeout_s: float) -> bool:
    """One register or coil, in one way or another: a refusal is an answer too."""
    for function in _KNOCKS:
        try:
            await bus.ask(Request(address, function, 0), Timing(timeout_s, retries=0))
        except RefusedError:
            return True
        except BusError:
            continue
        return True
    return False


async def _who(bus: ModbusBus, address: int, timeout_s: float) -> tuple[Found, ...]:
    boards = await probe_all(bus, (address,), timeout_s=timeout_s)
    if boards:
        return boards[:1]
    try:
        found = await probe_unit(bus, address, timeout_s)
    except BusError:
        return ()
    if found is None:
        found = await relay_probe.probe_unit(bus, address, timeout_s)
    return (_stranger(bus.line, address),) if found is None else (found,)


def _stranger(line: Line, address: int) -> Found:
    """Somebody answers whom we do not know: worth telling, for a table of one's own."""
    settings = {"port": line.port, "address": address, "baud": line.baud, "parity": line.parity}
    return Found(FoundKind.METER, "", "a Modbus device that fits no table of boards or meters", settings)
