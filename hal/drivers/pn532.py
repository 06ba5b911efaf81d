"""Card reader: NXP PN532 on a UART (HSU, 115200 8N1). Reads UIDs of ISO 14443 type A cards.

The chip looks for cards by itself (InAutoPoll), so that an idle reader costs one exchange in six seconds. Its field is off
between two looks at a card that is there: each look finds the card as if it had just come, also one that is in a protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from hal.bus.serial import Line, SerialPort
from hal.drivers import pn532_frames as frames
from hal.drivers.card_token import Presence, TokenOptions, read_options
from hal.drivers.reader_life import ReaderLife
from hal.errors import BusError, ConfigError, DeviceError
from hal.found import Found
from hal.settings import SettingsReader

log = logging.getLogger("hal.pn532")

T = TypeVar("T")

BAUD = 115200
IDLE_S = 6.0
"""How long the chip looks by itself before it tells that nobody came: what a silent reader costs until it is noticed."""
WAKE_S = 0.01  # 2 ms for the oscillator (data sheet, T_osc_start), and the driver of the adapter
STALL_S = 0.1
"""A frame that stands still for so long does not go on: at 115200 baud the longest takes 24 ms."""
ATTEMPTS = 3
LONGEST_UID = 10


@dataclass(frozen=True, slots=True)
class Pn532Settings:
    """poll_s: seconds between two looks. debounce_s: away for so long, a card counts as presented again. timeout_s: for one
    answer. auto: the chip looks by itself; else it is told to look each time.
    """

    line: Line
    options: TokenOptions
    poll_s: float
    debounce_s: float
    timeout_s: float
    auto: bool


def read_settings(settings: Mapping[str, object]) -> Pn532Settings:
    """Raises ConfigError naming every field that is wrong."""
    reader = SettingsReader("reader", settings)
    poll_s = reader.number("poll_s", 0.3, 0.15, 2.25)
    found = Pn532Settings(
        line=read_line(reader, settings, BAUD),
        options=read_options(reader, longest=LONGEST_UID),
        poll_s=poll_s,
        debounce_s=reader.number("debounce_s", max(2.0, 3 * poll_s), 2 * poll_s, 60.0),
        timeout_s=reader.number("timeout_s", 0.5, 0.1, 5.0),
        auto=reader.text("mode", "auto", ("auto", "list")) == "auto",
    )
    reader.finish()
    return found


def read_line(reader: SettingsReader, settings: Mapping[str, object], baud: int) -> Line:
    """`port`, which is needed, and `baud`, `parity`, `stop_bits`."""
    if "port" not in settings:
        reader.problems.append(
            "reader.port: is missing; must be /dev/... (see /dev/serial/by-id) or socket://host:port"
        )
    port = reader.text("port", "/dev/null")
    baud = reader.integer("baud", baud, 50, 4_000_000)
    parity = reader.text("parity", "N", ("N", "E", "O"))
    try:
        return Line(port, baud, parity, reader.integer("stop_bits", 1, 1, 2))
    except ConfigError as error:
        reader.problems.append(str(error).replace("line.", "reader.", 1))
        return Line("/dev/null")


class Port(Protocol):
    """What is needed of `hal.bus.serial.SerialPort`."""

    @property
    def is_open(self) -> bool: ...
    async def open(self) -> None: ...
    async def read(self, most: int = 4096) -> bytes: ...
    def discard(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    async def close(self) -> None: ...


class Pn532(ReaderLife):
    """One chip on one port; tells CardPresented once for each presentation, ReaderFailure when it is lost."""

    def __init__(self, settings: Pn532Settings, port: Port | None = None) -> None:
        super().__init__(settings.line.port, settings.options.evse)
        self.settings = settings
        self.version = ""
        self._port: Port = port or SerialPort(settings.line, speaks="pn532")
        self._decoder = frames.Decoder()
        self._arrived: deque[frames.Frame] = deque()
        self._auto = settings.auto
        self._presence = Presence(settings.debounce_s)

    # --- life -----------------------------------------------------------------------------------------------------------

    async def _reach(self) -> None:
        await self._port.open()
        self._auto = self.settings.auto
        await self._patiently(self._initialise)

    async def _release(self) -> None:
        """The field is off, the port free."""
        if self._port.is_open:
            with contextlib.suppress(BusError):  # it is lost, or was pulled out: then its field is off anyway
                await self._port.write(frames.ACK + frames.encode(frames.RF_OFF))
        await self._port.close()

    async def _watch(self) -> None:
        while True:
            seen = await self._patiently(self._look)
            now = asyncio.get_running_loop().time()
            come = self._presence.look(seen, now)
            if come is not None:
                self._tell(come)
            if seen:
                await self._patiently(self._field_off)
            if seen or not self._auto or self._presence.anybody(now):
                await asyncio.sleep(self.settings.poll_s)

    def _tell(self, uid: bytes) -> None:
        event = self.settings.options.event(uid)
        if event is None:
            log.info("%s: a card with a random UID is ignored (reader.random)", self.name)
        else:
            self._emit(event)

    async def greet(self) -> list[bytes]:
        """For a probe: open the port, wake the chip, ask who it is, look once. UIDs that are there; `version` is known then.

        The port is free and the field off afterwards. Raises BusError and DeviceError: no PN532 answers.
        """
        await self._port.open()
        answered = False
        try:
            await self._initialise()
            answered = True
            return await self._look()
        finally:
            if answered:
                await self._release()
            else:
                await self._port.close()  # without a word more to whoever that is

    # --- what the chip does -----------------------------------------------------------------------------------------------

    async def _initialise(self) -> None:
        """Out of its sleep, whatever it was doing; then as a reader."""
        await self._port.write(frames.ACK)  # an ACK of the host ends the command under way (UM0701-02, 6.2.1.3)
        await self._port.write(frames.WAKE_UP)
        await asyncio.sleep(WAKE_S)
        await self._ask(frames.SAM_CONFIGURATION)
        version = await self._ask(frames.GET_FIRMWARE_VERSION)
        if len(version) < 3 or version[0] != 0x32:
            raise DeviceError(f"{self.name}: it answers, but is no PN532; check reader.port")
        self.version = f"{version[1]}.{version[2]}"
        await self._ask(frames.TRY_ONCE)

    async def _look(self) -> list[bytes]:
        """UIDs that are there. Waits as long as nobody comes, at most IDLE_S, when the chip looks by itself."""
        try:
            if self._auto:
                waits = not self._presence.anybody(asyncio.get_running_loop().time())
                steps = max(1, min(frames.MOST_STEPS, round(self.settings.poll_s / frames.STEP_S)))
                looks = max(1, round(IDLE_S / (steps * frames.STEP_S))) if waits else 1
                takes_s = looks * steps * frames.STEP_S * 1.2  # its oscillator is its own
                return frames.polled(await self._ask(frames.auto_poll(looks, steps), takes_s))
            return frames.listed(await self._ask(frames.IN_LIST_PASSIVE_TARGET))
        except ValueError as error:
            raise BusError(f"{self.name}: PN532 told of a card in a wrong form: {error}") from error
        except DeviceError:
            if not self._auto:
                raise
            log.warning("%s: it does not look for cards by itself (InAutoPoll); it is asked each time", self.name)
            self._auto = False
            return []

    async def _field_off(self) -> None:
        await self._ask(frames.RF_OFF)

    # --- exchange ---------------------------------------------------------------------------------------------------------

    async def _patiently(self, what: Callable[[], Awaitable[T]]) -> T:
        """A wire with noise is not a lost reader: it is woken up and tried again. Raises BusError, DeviceError."""
        for attempt in range(1, ATTEMPTS):
            try:
                if attempt > 1:
                    await self._initialise()
                return await what()
            except BusError as error:
                if not self._port.is_open:
                    raise
                log.debug("%s: attempt %d: %s", self.name, attempt, error)
        await self._initialise()
        return await what()

    async def _ask(self, command: bytes, takes_s: float = 0.0) -> bytes:
        """Send a command, wait for ACK and response, at most `takes_s` longer than usual. Returns what follows its code.

        Raises BusError: silence or the line; DeviceError: the chip does not know the command.
        """
        self._decoder.forget()
        self._arrived.clear()
        self._port.discard()
        loop = asyncio.get_running_loop()
        await self._port.write(frames.encode(command))
        until = loop.time() + self.settings.timeout_s
        repeats = 2
        while True:
            frame = await self._frame(until)
            match frame:
                case frames.Acknowledged():
                    until = loop.time() + takes_s + self.settings.timeout_s
                case frames.Response(code, data) if code == command[0] + 1:  # also when its ACK was lost
                    await self._port.write(frames.ACK)
                    return data
                case frames.Refused():
                    raise DeviceError(f"{self.name}: PN532 refuses command {command[:1].hex().upper()}; is it a clone?")
                case frames.Damaged() if repeats:
                    repeats -= 1
                    await self._port.write(frames.NACK)  # the chip sends its last frame again
                    until = max(until, loop.time() + self.settings.timeout_s)
                case None:
                    raise BusError(
                        f"{self.name}: PN532 does not answer; check its supply, the wires (RX to TX), and its switches or "
                        "solder bridges for HSU (UART)"
                    )
                case _:
                    log.debug("%s: unexpected %r", self.name, type(frame).__name__)

    async def _frame(self, until: float) -> frames.Frame | None:
        """The next frame; None when it is `until`. A frame that stops in its middle is a damaged one."""
        loop = asyncio.get_running_loop()
        while not self._arrived:
            stalls = loop.time() + STALL_S
            waiting = self._decoder.pending and stalls < until
            try:
                async with asyncio.timeout_at(stalls if waiting else until):
                    data = await self._port.read()
            except TimeoutError:
                self._decoder.forget()
                return frames.Damaged() if waiting else None
            self._arrived.extend(self._decoder.feed(data))
        return self._arrived.popleft()


def create(settings: Mapping[str, object]) -> Pn532:
    """Factory of reader "pn532". Raises ConfigError naming every field that is wrong."""
    return Pn532(read_settings(settings))


async def probe(settings: Mapping[str, object]) -> Found | None:
    """Ask the chip of these settings who it is. Raises ConfigError, BusError (the port cannot be opened)."""
    from hal.drivers import pn532_probe

    found = read_settings(settings)
    return await pn532_probe.probe(found.line, found.timeout_s)


def claims(settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """The whole port."""
    port = settings.get("port")
    return {(port, 0)} if isinstance(port, str) else set()
