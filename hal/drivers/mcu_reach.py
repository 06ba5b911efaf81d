"""How an EVerest-MCU board is woken up: reset, keep-alives, configuration, and the proof that it notices a silent host."""

from __future__ import annotations

import asyncio
import logging

from hal.api import OnHostLoss
from hal.drivers.gpio_lines import Gpio, LineOfChip, OutputLine
from hal.drivers.mcu_boards import Flag
from hal.drivers.mcu_link import McuLink
from hal.drivers.mcu_messages import ConfigRequest, ErrorsTold, KeepAlive, ResetDone, Speech, Told
from hal.drivers.mcu_settings import McuSettings
from hal.errors import BusError, DeviceError

log = logging.getLogger("hal.mcu")

GREET_S = 5.0
"""Longest wait for the first keep-alive of a board."""
RESET_S, RESET_TRIES = 1.0, 2
"""Longest wait for its word that it has started."""
PULSE_S = 0.01
RESYNC = 3
"""Keep-alives that let a board find its step in the stream again."""
ASK_S = 1.0
LISTEN_S = 1.3
CONFIG_S, CONFIG_TRIES, CONFIG_RESETS = 0.1, 20, 3


class Reach:
    """The first words with a board. hello: who it is. alive_at: when it last said so. watchdog: why it has started."""

    def __init__(self, settings: McuSettings, link: McuLink, gpio: Gpio) -> None:
        self._settings = settings
        self._link = link
        self._gpio = gpio
        self._line: OutputLine | None = None
        self._speech = Speech(settings.board)
        self._started = asyncio.Event()
        self._news = asyncio.Event()
        self._host_missed = False
        self._host_loss_seen = settings.host_loss_s == 0.0
        self.hello: KeepAlive | None = None
        self.alive_at = 0.0
        self.watchdog = False
        self.wants_config = False

    @property
    def _name(self) -> str:
        return f"{self._settings.line.port}: {self._settings.board.title}"

    @property
    def restarted(self) -> bool:
        """It has started anew since it was reached: it has told so, or has lost its configuration."""
        return self._started.is_set() or (self.hello is not None and not self.hello.configured)

    def begin(self) -> None:
        """Nothing is known of it."""
        self.hello = None
        self.wants_config = self._host_missed = False

    def heard(self, told: Told, now: float) -> None:
        match told:
            case KeepAlive():
                self.hello, self.alive_at = told, now
            case ResetDone(watchdog=watchdog):
                self.watchdog = watchdog
                self.begin()  # what it says from now on is of its new life
                self._started.set()
            case ConfigRequest():
                self.wants_config = True
            case ErrorsTold(flags=flags):
                self._host_missed = Flag.HEARTBEAT in flags
            case _:
                return
        self._news.set()

    def let_go(self) -> None:
        """Give the reset line back."""
        line, self._line = self._line, None
        if line is not None:
            line.release()

    # --- words ----------------------------------------------------------------------------------------------------------

    async def keep_alive(self) -> None:
        """Raises BusError."""
        await self._link.send(self._speech.keep_alive())

    async def configure(self) -> None:
        """Answer its question, if it has one."""
        if self.wants_config:
            self.wants_config = False
            await self._link.send(self._speech.configure(self._settings.ports))

    async def reset(self) -> None:
        """Into a known state, by message or by its line. A board that does not tell of it is greeted all the same."""
        how = self._settings.reset
        for _ in range(RESET_TRIES if how != "none" else 0):
            self._started.clear()
            if how == "gpio":
                await self._pulse()
            else:
                await self._link.send(self._speech.reset())
            try:
                async with asyncio.timeout(RESET_S):
                    await self._started.wait()
                    break
            except TimeoutError:
                log.warning("%s did not tell that it was reset", self._name)
        self._started.clear()

    async def _pulse(self) -> None:
        """High, low, high, 10 ms each. The line is kept: nobody knows what it shows when it is let go."""
        if self._line is None:
            self._line = self._gpio.output(LineOfChip(self._settings.reset_chip, self._settings.reset_line), True)
        for level in (True, False, True):
            self._line.set(level)
            await asyncio.sleep(PULSE_S)

    async def greet(self) -> KeepAlive:
        """Let it find its step, wait until it says who it is, and is configured. Raises BusError when it does not."""
        self._started.clear()
        by_host = self._settings.board.configured_by_host
        for attempt in range(CONFIG_RESETS if by_host else 1):
            if attempt:
                await self.reset()
            if by_host and not attempt:
                await self._listen_first()
            for _ in range(RESYNC):
                await self.keep_alive()
            tries, pause_s = (CONFIG_TRIES, CONFIG_S) if by_host else (int(GREET_S / ASK_S), ASK_S)
            for _ in range(tries):
                hello = await self._answer_within(pause_s)
                self._refuse_stranger()
                if hello is not None:
                    return hello
                await self.keep_alive()
        self._link.check()
        known = "tells who it is, but is not configured" if self.hello else "does not answer"
        raise BusError(
            f"{self._name} {known}; check that the driver's name fits the board, its supply, the wires (RX to TX, 3.3 V) and "
            "its reset line"
        )

    async def meet(self) -> None:
        """Wait for its keep-alive, configured or not. Raises BusError when none comes."""
        silence_s = self._settings.board.silence_s
        try:
            async with asyncio.timeout(silence_s):
                while self.hello is None:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            self._link.check()
            raise BusError(f"{self._name} has said nothing for {silence_s:g} s; check its supply and wires") from None

    async def _listen_first(self) -> None:
        """The number of a phyVERSO's keep-alive starts a firmware update of a TIDA-010939, which tells of itself every second."""
        try:
            async with asyncio.timeout(LISTEN_S):
                while self.hello is None and not self.wants_config:
                    self._refuse_stranger()
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        self._refuse_stranger()

    def _refuse_stranger(self) -> None:
        who = self._link.stranger
        if who is not None:
            raise DeviceError(f'{self._name} is not there, but {who.title}; set board.driver to "{who.name}"')

    async def _answer_within(self, seconds: float) -> KeepAlive | None:
        """Its keep-alive, once it is configured; its questions are answered meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                while self.hello is None or not self.hello.configured:
                    await self.configure()
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None
        return self.hello

    async def see_host_loss(self) -> None:
        """Once in the life of this program: leave the board alone until it says that it misses us. Raises DeviceError.

        It is at X1 and may not close meanwhile. That it then opens is its maker's word.
        """
        if self._host_loss_seen or self._settings.host_loss is not OnHostLoss.OPENS:
            return
        self._host_missed = False
        try:
            if not await self._until_missed(True, self._settings.host_loss_s):
                raise DeviceError(
                    f"{self._name} does not notice within {self._settings.host_loss_s:g} s that this program is silent; give it "
                    'more time (board.host_loss_s), or set board.host_loss = "nothing"'
                )
        finally:
            await self.keep_alive()
        self._host_loss_seen = True
        await self._until_missed(False, ASK_S)

    async def _until_missed(self, missed: bool, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while self._host_missed is not missed:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True


def supervision(settings: McuSettings) -> str:
    """In words: what becomes of a charge when this program dies."""
    if settings.host_loss is not OnHostLoss.OPENS:
        return (
            "keep-alive every second; what this board does without it depends on its firmware and is not known to be safe "
            '(if yours opens, see that it does, and declare board.host_loss = "opens")'
        )
    if settings.host_loss_s:
        return (
            "keep-alive every second; at its first start this program is silent until the board raises heartbeat_timeout "
            f"(within {settings.host_loss_s:g} s, else it is refused); that the board then opens is its maker's word"
        )
    return "keep-alive every second; that the board opens without it is declared by board.host_loss, and not verified"
