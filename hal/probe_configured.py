"""Asks what a configuration names: whether it answers, who it is, what it shows, and what its board does when this program dies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from hal.api import Board
from hal.bus.serial import SerialPort
from hal.errors import BusError, HalError
from hal.found import Found, FoundKind
from hal.probe import Trouble, trouble_of
from hal.registry import create_board, create_meter, prober

__all__ = ["Check", "check_board", "check_meter", "check_reader"]


@dataclass(frozen=True, slots=True)
class Check:
    """What came of asking one table of the configuration. answered: None: it cannot be asked. on_host_loss: in words, of a board."""

    kind: FoundKind
    name: str
    port: str
    answered: bool | None
    found: Found | None = None
    trouble: Trouble | None = None
    problem: str = ""
    on_host_loss: str = ""


async def check_board(driver: str, settings: Mapping[str, object]) -> Check:
    """Never starts the board. Raises ConfigError: settings that do not fit."""
    board = create_board(driver, settings)
    ask = prober(driver)
    port = _port(settings)
    if ask is None:
        problem = "its driver has no way to ask without changing it"
        return Check(FoundKind.BOARD, driver, port, None, problem=problem, on_host_loss=_loss(board))
    try:
        found = await ask(settings)
    except BusError as error:
        return _failed(FoundKind.BOARD, driver, port, error, _loss(board))
    problem = "" if found is not None else "nobody answers, or somebody else"
    return Check(FoundKind.BOARD, driver, port, found is not None, found, problem=problem, on_host_loss=_loss(board))


def _loss(board: Board) -> str:
    """What is declared, and how it is armed."""
    amps = "" if board.on_host_loss_a is None else f" to {board.on_host_loss_a:g} A"
    return f"{board.on_host_loss.value}{amps}" + (f" ({board.supervision})" if board.supervision else "")


async def check_meter(settings: Mapping[str, object]) -> Check:
    """Reads it once. Raises ConfigError."""
    from hal.drivers.modbus_meter import ModbusMeter
    from hal.drivers.modbus_probe import readout

    meter = create_meter(settings)
    name, port = str(settings.get("model", "meter")), _port(settings)
    try:
        reading = await meter.read()
    except HalError as error:
        return _failed(FoundKind.METER, name, port, error)
    finally:
        if isinstance(meter, ModbusMeter):
            await meter.close()
    who = meter.model.name if isinstance(meter, ModbusMeter) else name
    found = Found(FoundKind.METER, name, who, dict(settings), readout(reading))
    return Check(FoundKind.METER, name, port, True, found)


async def check_reader(kind: str, settings: Mapping[str, object]) -> Check:
    """Asks it, if it can be asked; else whether its port can be opened. Raises ConfigError."""
    ask, port = prober(kind, reader=True), _port(settings)
    try:
        if ask is not None:
            found = await ask(settings)
            problem = "" if found is not None else "nobody answers, or somebody else"
            return Check(FoundKind.READER, kind, port, found is not None, found, problem=problem)
        await _open(kind, settings)
    except BusError as error:
        return _failed(FoundKind.READER, kind, port, error)
    return Check(FoundKind.READER, kind, port, None, problem="its port can be opened; it speaks only when it is used")


async def _open(kind: str, settings: Mapping[str, object]) -> None:
    """Whether the port is there and ours. Raises BusError, ConfigError."""
    port = _port(settings)
    if kind == "serial":
        from hal.drivers.serial_reader import read_settings

        line = SerialPort(read_settings(settings).line)
        await line.open()
        await line.close()
    else:
        _check_file(port)


def _check_file(port: str) -> None:
    """Raises BusError."""
    try:
        os.close(os.open(port, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        raise BusError(f"{port} cannot be opened: {error.strerror}") from error


def _failed(kind: FoundKind, name: str, port: str, error: HalError, loss: str = "") -> Check:
    trouble = trouble_of(error) if isinstance(error, BusError) else Trouble.OTHER
    return Check(kind, name, port, False, trouble=trouble, problem=str(error), on_host_loss=loss)


def _port(settings: Mapping[str, object]) -> str:
    return str(settings.get("port", ""))
