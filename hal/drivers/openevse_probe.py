"""Asks a port whether an OpenEVSE board is behind it, and what it shows; changes nothing on it."""

from __future__ import annotations

from hal.bus.serial import Line, SerialPort
from hal.drivers import openevse_rapi as rapi
from hal.drivers.openevse_commands import Commands
from hal.drivers.openevse_link import RapiLink
from hal.drivers.openevse_settings import BAUD
from hal.drivers.openevse_state import CHECKS, FAULTS, is_closed, is_connected
from hal.errors import BusError, DeviceError
from hal.found import Found, FoundKind

_STATES = {0x00: "unknown", 0x01: "A", 0x02: "B", 0x03: "C", 0xFE: "asleep", 0xFF: "disabled"}
_NONE = "none"


async def probe(line: Line, timeout_s: float = 0.5) -> Found | None:
    """None: whoever is there, if anybody, is no OpenEVSE board. Raises BusError when the port cannot be opened."""

    def unasked(_: rapi.Message) -> None:
        return

    link = RapiLink(line.port, SerialPort(line, speaks="rapi"), unasked, timeout_s)
    await link.open()
    try:
        return await _look(Commands(link), line)
    except (BusError, DeviceError):
        return None
    finally:
        await link.close()


async def _look(commands: Commands, line: Line) -> Found:
    """Only commands that begin with G: they ask."""
    firmware, _, protocol = (await commands.version()).partition(" ")
    seen: list[rapi.Status] = []
    await commands.status(seen.append)
    capacity = await commands.capacity()
    identity = await commands.identity()
    who = f"OpenEVSE, firmware {firmware}, RAPI {protocol or '?'}" + (f", processor {identity}" if identity else "")
    settings: dict[str, object] = {"port": line.port, "max_a": float(capacity.configured_a)}
    if line.baud != BAUD:
        settings["baud"] = line.baud
    readout = (*_state(seen[-1], capacity), *await _values(commands), *await _safety(commands))
    return Found(FoundKind.BOARD, "openevse", who, settings, readout)


def _state(status: rapi.Status, capacity: rapi.Capacity) -> tuple[tuple[str, str], ...]:
    fault = FAULTS.get(status.state)
    words = _STATES.get(status.state) or (f"fault: {fault[1]}" if fault else f"state {status.state:02X}")
    return (
        ("state", words),
        ("vehicle", "connected" if is_connected(status) else "away"),
        ("relay", "closed" if is_closed(status) else "open"),
        ("offered current", f"{capacity.offered_a} A of {capacity.least_a} to {capacity.configured_a} A"),
    )


async def _values(commands: Commands) -> tuple[tuple[str, str], ...]:
    amps, volts = await commands.flow()
    session_ws, total_wh = await commands.energy()
    hottest_c = await commands.hottest()
    return (
        ("current", "no ammeter" if amps is None else f"{amps:.2f} A"),
        ("voltage", f"{volts:.1f} V"),
        ("energy of this session", f"{session_ws / 3600:.1f} Wh"),
        ("energy before", f"{total_wh} Wh"),
        ("temperature", "no sensor" if hottest_c is None else f"{hottest_c:.1f} °C"),
    )


async def _safety(commands: Commands) -> tuple[tuple[str, str], ...]:
    _, flags = await commands.settings()
    gfi, ground, stuck = await commands.fault_counts()
    return (
        ("checks that are off", ", ".join(name for name, flag in CHECKS.items() if flags & flag) or _NONE),
        ("trips", f"GFI {gfi}, ground {ground}, stuck relay {stuck}"),
        ("host supervision", _supervision(await commands.supervision())),
    )


def _supervision(armed: rapi.Heartbeat | None) -> str:
    """What the board does when its host falls silent, as it is armed now."""
    if armed is None:
        return "this firmware has none"
    if not armed.interval_s:
        return "not armed"
    late = (", a sign of life was missed", ", and has fallen") if armed.missed else ("", "")
    return f"armed: after {armed.interval_s} s falls to {armed.fallback_a} A{late[armed.missed == 2]}"
