"""Asks a port whether an EVerest-MCU board is behind it, which one, and what it shows; changes nothing on it.

These boards tell of themselves unasked, so a probe only listens. Nothing is sent: an AD-ACEVSE22KWZ that charges by itself stops
doing so when it hears a host, and the keep-alive of a phyVERSO has the number that starts a firmware update of a TIDA-010939.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from hal.bus.serial import Line, SerialPort
from hal.drivers.mcu_boards import ADKIT, YETI, Kind, McuBoard
from hal.drivers.mcu_link import Port
from hal.drivers.mcu_messages import (
    ErrorsTold,
    KeepAlive,
    PilotTold,
    PowerMeter,
    Proximity,
    ProximityTold,
    RelayTold,
    Telemetry,
    Told,
    decode,
    recognise,
)
from hal.drivers.mcu_settings import BAUD, McuSettings
from hal.drivers.mcu_wire import Frames, fields
from hal.errors import BusError
from hal.found import Found, FoundKind

PACE_S = 1.7
"""All but AD-ACEVSE22KWZ tell of themselves every second. It and Yeti speak alike: who is heard again within this is a Yeti."""
BURST_S = 0.5
"""Keep-alives that come together have waited somewhere; they say nothing of a pace."""
READOUT_S = 0.3
"""States that come with the keep-alive."""


async def ask(settings: McuSettings) -> Found | None:
    """As `probe`, for a board that a configuration names; None: it is another one."""
    found = await probe(settings.line.port, baud=settings.line.baud)
    return found if found is not None and found.driver == settings.board.name else None


async def probe(port: str, timeout_s: float = 6.0, baud: int = BAUD) -> Found | None:
    """None: whoever is there, if anybody, is no such board, or says nothing (AD-ACEVSE22KWZ, the slowest, speaks every 3 s).

    Raises BusError when the port cannot be opened.
    """
    line = SerialPort(Line(port, baud))
    await line.open()
    try:
        line.discard()
        return await listen(port, line, timeout_s)
    except BusError:
        return None
    finally:
        await line.close()


async def listen(name: str, port: Port, timeout_s: float) -> Found | None:
    """As `probe`, over a port that is open. Raises BusError."""
    ear = _Ear(port)
    end = asyncio.get_running_loop().time() + timeout_s
    if not await ear.until_known(timeout_s):
        return None
    await ear.for_a_while(READOUT_S)
    board = ear.board or YETI
    if board is YETI and not ear.saw_lock:
        before = ear.greetings
        await ear.for_a_while(min(PACE_S, max(0.0, end - asyncio.get_running_loop().time())), greetings=before + 1)
        board = YETI if ear.greetings > before else ADKIT
    return _found(name, board, ear)


class _Ear:
    """What was heard so far."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._frames = Frames()
        self.board: McuBoard | None = None
        self.hello: KeepAlive | None = None
        self.greetings = 0
        self._greeted_s = -1e9
        self.saw_lock = False
        self.heard: list[bytes] = []

    async def until_known(self, seconds: float) -> bool:
        await self.for_a_while(seconds, greetings=1)
        return self.board is not None

    async def for_a_while(self, seconds: float, greetings: int | None = None) -> None:
        """Listen for so long, or until so many keep-alives have come."""
        try:
            async with asyncio.timeout(seconds):
                while greetings is None or self.greetings < greetings:
                    for payload in self._frames.feed(await self._port.read()):
                        self._take(payload)
        except TimeoutError:
            return

    def _take(self, payload: bytes) -> None:
        board = recognise(payload)
        if board is not None:
            self.board = board
            now = asyncio.get_running_loop().time()
            self.greetings += now - self._greeted_s > BURST_S
            self._greeted_s = now
            told = decode(board, payload)
            self.hello = told if isinstance(told, KeepAlive) else self.hello
        self.heard.append(payload)
        del self.heard[:-100]
        outer = fields(payload) or ()
        self.saw_lock = self.saw_lock or any(YETI.tells.get(item.tag) is Kind.LOCK and item.tag > 100 for item in outer)


def _found(name: str, board: McuBoard, ear: _Ear) -> Found:
    hello = ear.hello or KeepAlive()
    who = f"{board.title}, hardware {hello.hw_type}.{hello.hw_revision}, firmware {hello.software or 'unnamed'}"
    settings: dict[str, object] = {"port": name}
    if hello.max_a is not None:
        settings["max_a"] = min(hello.max_a, board.most_a)
    if hello.min_a is not None and hello.min_a > 6.0:
        settings["min_a"] = hello.min_a
    if hello.max_phases == 1:
        settings["phases"] = 1
    told = [message for payload in ear.heard if (message := decode(board, payload)) is not None]
    return Found(FoundKind.BOARD, board.name, who, settings, tuple(_readout(board, told)), board.connectors)


def _readout(board: McuBoard, told: list[Told]) -> Iterator[tuple[str, str]]:
    """The same names each time, "?" for what was not told (these boards tell most of it when it changes)."""
    for number in range(1, board.connectors + 1):
        shown = dict.fromkeys(("pilot", "contactor", "cable", "errors"), "?")
        shown |= dict.fromkeys(board.telemetry.values(), "?")
        for message in told:
            if getattr(message, "connector", number) in {0, number}:
                shown |= _words(message)
        prefix = f"{number}: " if board.connectors > 1 else ""
        yield from ((f"{prefix}{name}", value) for name, value in shown.items())
    if board.meter:
        meters = [message for message in told if isinstance(message, PowerMeter)]
        yield "power", f"{sum(meters[-1].power_w):.0f} W" if meters else "?"
        yield "energy", f"{meters[-1].energy_wh:.0f} Wh" if meters else "?"


def _words(message: Told) -> dict[str, str]:
    match message:
        case PilotTold(state=state):
            return {"pilot": state.value}
        case RelayTold(closed=closed):
            return {"contactor": "closed" if closed else "open"}
        case ProximityTold(cable=cable):
            known = {Proximity.NONE: "none", Proximity.FAULT: "fault", Proximity.A70: "63 A"}
            return {"cable": known.get(cable) or f"{cable.name[1:]} A"}
        case ErrorsTold(flags=flags):
            return {"errors": ", ".join(sorted(flag.value for flag in flags)) or "none"}
        case Telemetry(values=values):
            return {name: f"{value:g}" for name, value in values}
    return {}
