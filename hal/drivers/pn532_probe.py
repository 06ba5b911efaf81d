"""Asks a port whether a PN532 is behind it, and which card lies on it. It forgets all of that when it loses its supply."""

from __future__ import annotations

from hal.bus.serial import Line, SerialPort
from hal.drivers.pn532 import BAUD, Pn532, read_settings
from hal.errors import BusError, DeviceError
from hal.found import Found, FoundKind
from hal.monitor_base import mask

_LEAST_S, _MOST_S = 0.1, 5.0


async def probe(line: Line, timeout_s: float = 0.5) -> Found | None:
    """None: whoever is there, if anybody, is no PN532. Raises BusError when the port cannot be opened."""
    settings: dict[str, object] = {"port": line.port}
    if line.baud != BAUD:
        settings["baud"] = line.baud
    timing = {
        "timeout_s": min(max(timeout_s, _LEAST_S), _MOST_S),
        "mode": "list",
    }  # one look, whether it can more or not
    port = SerialPort(line, speaks="pn532")
    await port.open()  # whether it can be opened is not the chip's business
    chip = Pn532(read_settings({**settings, **timing}), port)
    try:
        uids = await chip.greet()
    except (BusError, DeviceError):
        return None
    cards = ", ".join(mask(uid, show=False) for uid in uids) or "none"
    return Found(FoundKind.READER, "pn532", f"NXP PN532, firmware {chip.version}", settings, (("card", cards),))
