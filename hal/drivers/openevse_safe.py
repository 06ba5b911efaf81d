"""Leaves an OpenEVSE board safe when the program that drove it has gone: from the shell, from the service manager."""

from __future__ import annotations

from collections.abc import Mapping

from hal.bus.serial import SerialPort
from hal.drivers.openevse_commands import Commands
from hal.drivers.openevse_drive import Drive
from hal.drivers.openevse_link import Port, RapiLink
from hal.drivers.openevse_rapi import Message, Status
from hal.drivers.openevse_settings import OpenEvseSettings, read_settings
from hal.drivers.openevse_state import is_closed
from hal.errors import DeviceError

__all__ = ["let_go", "make_safe"]


async def make_safe(settings: Mapping[str, object]) -> None:
    """Put the board to sleep (`$FS^31`) and see its relay open; one that does not open within 4 s is disabled, which opens it
    under load. Takes 5 s at most while the board answers. What the other program had half sent does no harm: `$` begins a line anew.

    Raises ConfigError; BusError when the board cannot be reached, DeviceError when its relay stays closed.
    """
    read = read_settings(settings)
    await let_go(read, SerialPort(read.line, speaks="rapi"))


async def let_go(settings: OpenEvseSettings, port: Port) -> None:
    """`make_safe` over a port. Raises BusError, DeviceError."""
    name = settings.line.port

    def saw(status: Status) -> None:
        drive.note(status)

    def unasked(message: Message) -> None:
        if isinstance(message, Status):
            saw(message)

    link = RapiLink(name, port, unasked, settings.timeout_s)
    drive = Drive(name, Commands(link), saw)
    await link.open()
    try:
        await drive.make_safe()
    finally:
        await link.close()
    if is_closed(drive.status):
        raise DeviceError(
            f"{name}: OpenEVSE says that its relay is still closed (state {drive.status.state:02X}); switch the supply off"
        )
