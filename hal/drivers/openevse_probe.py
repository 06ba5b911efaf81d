"""Asks a port whether an OpenEVSE board is behind it, and what it shows; changes nothing on it."""

from __future__ import annotations

from dataclasses import dataclass

from hal.bus.serial import Line, SerialPort
from hal.drivers.openevse_commands import Commands
from hal.drivers.openevse_link import RapiLink
from hal.drivers.openevse_rapi import Capacity, Heartbeat, Message, Status
from hal.drivers.openevse_state import CHECKS
from hal.errors import BusError, DeviceError


@dataclass(frozen=True, slots=True)
class Found:
    """A board as it is. version: firmware and protocol. flow: current in A (None: no ammeter) and voltage in V.

    supervision: of its host, None when its firmware has none. checks_off: safety checks that are off. trips: GFI, ground,
    stuck relay.
    """

    version: str
    identity: str
    status: Status
    capacity: Capacity
    flow: tuple[float | None, float]
    energy: tuple[int, int]
    hottest_c: float | None
    supervision: Heartbeat | None
    checks_off: tuple[str, ...]
    trips: tuple[int, int, int]


async def probe(line: Line, timeout_s: float = 0.5) -> Found | None:
    """None: whoever is there, if anybody, is no OpenEVSE board. Raises BusError when the port cannot be opened."""
    seen: list[Status] = []

    def unasked(_: Message) -> None:
        return

    link = RapiLink(line.port, SerialPort(line), unasked, timeout_s)
    await link.open()
    try:
        return await _look(Commands(link), seen)
    except (BusError, DeviceError):
        return None
    finally:
        await link.close()


async def _look(commands: Commands, seen: list[Status]) -> Found:
    version = await commands.version()
    await commands.status(seen.append)
    _, flags = await commands.settings()
    return Found(
        version=version,
        identity=await commands.identity(),
        status=seen[-1],
        capacity=await commands.capacity(),
        flow=await commands.flow(),
        energy=await commands.energy(),
        hottest_c=await commands.hottest(),
        supervision=await commands.supervision(),
        checks_off=tuple(name for name, flag in CHECKS.items() if flags & flag),
        trips=await commands.fault_counts(),
    )
