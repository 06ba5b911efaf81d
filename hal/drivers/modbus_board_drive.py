"""Brings a Modbus EVSE board to the level that the station wants, sets it up, and notices when it has forgotten."""

from __future__ import annotations

import asyncio
import logging
import math

from hal.api import PilotSignal
from hal.boards.model import Place, Write
from hal.drivers.modbus_board_registers import Registers
from hal.drivers.modbus_board_settings import ModbusBoardSettings
from hal.drivers.modbus_board_state import OPEN_S, Contactor, Level
from hal.errors import DeviceError

log = logging.getLogger("hal.modbus_board")

UNPERMITTED_S = 3.0
"""So long may current flow that nobody has permitted: the permission is on its way."""
TRY_AGAIN_S = 30.0
"""When a current that the board has made smaller is told again."""
LEAVE_S, LEFT_S = 3.0, 4.5
"""At the end of the program: so long the vehicle has to let go before it is opened under load, and so long it is waited for. A station
gives a driver 5 s to close, and the safe command of its service has 6 s."""
QUICK_S = 0.5
"""Pause between looks while the contactor is to open."""


class Drive:
    """level: what is wanted. Every word that is written is read back."""

    def __init__(self, settings: ModbusBoardSettings, registers: Registers) -> None:
        self.level = Level()
        self._settings = settings
        self._model = settings.model
        self._registers = registers
        self._contactor = Contactor(settings.model)
        self._cutting = False  # the contactor is being opened under load
        self._cut_written = False
        self._late_since: float | None = None  # the contactor is closed, and should not be
        self._lowered: tuple[int, int, float] | None = None  # told, taken by the board, when to try again
        self._applying = asyncio.Lock()
        self._orders = 0  # under way

    # --- what is known ------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """The contactor, as far as is known."""
        return self._contactor.closed

    async def look(self) -> None:
        """Read what is due. Raises BusError, DeviceError."""
        await self._registers.look()
        now = asyncio.get_running_loop().time()
        self._contactor.look(self._registers.words, now, cut=self._cutting and self._cut_written)

    @property
    def own_f(self) -> bool:
        """State F is what was wanted."""
        cut = self._model.cut
        return cut is not None and cut.state_f and self.level.signal is PilotSignal.FAULT

    def _word(self) -> int:
        """The current of the level, never rounded up."""
        return math.floor(self.level.amps / self._model.amps.scale_of(self._registers.words) + 1e-6)

    def moving(self) -> bool:
        """The contactor is to open."""
        return self.closed and not (self.level.on and self.level.permitted)

    def forget(self) -> None:
        self._registers.forget()
        self._lowered = None

    # --- the level ----------------------------------------------------------------------------------------------------

    async def order(self) -> None:
        """As `obey`, for a new level: what is known of the board may be a look old, so an order to be off is always written."""
        if not self.level.on:
            self._registers.words.pop(self._off()[0].place, None)
        await self.obey()

    async def obey(self) -> None:
        """Bring the board to the level; what restricts goes ahead of everything that is under way. Raises HalError."""
        self._orders += 1
        try:
            await self.restrict()
            await self.converge()
        finally:
            self._orders -= 1

    def cut(self) -> None:
        """From now on until it is open: open the contactor under load, if the board has an order for that."""
        self._cutting, self._cut_written = self._model.cut is not None, False

    async def restrict(self) -> None:
        """Whatever takes something away, at once; nothing is read before."""
        level, words, amps = self.level, self._registers.words, self._model.amps
        if not level.on:
            if self._cutting:
                await self._write_cut(verify=False)
            write, off = self._off()
            if words.get(write.place) != off:
                await self._registers.write(write, off)
            return
        known = words.get(amps.write.place)
        if known is None or known > self._word():  # None: an older, higher current may be under way
            number = level.number
            await self._registers.write(amps.write, self._word(), lambda: self.level.number == number)

    def _off(self) -> tuple[Write, int]:
        enable = self._model.enable
        return (self._model.amps.write, 0) if enable is None else (enable.write, enable.off)

    async def converge(self) -> None:
        async with self._applying:
            while True:
                number = self.level.number
                await (self._switch_on(number) if self.level.on else self._switch_off(number))
                if number == self.level.number:
                    await self._write_cut()
                    return

    async def _switch_on(self, number: int) -> None:
        def wanted() -> bool:
            return self.level.number == number and self.level.on

        amps, enable, word = self._model.amps, self._model.enable, self._word()
        if not self._holds_lowered(await self._registers.known(amps.write.place), word):
            await self._registers.write(amps.write, word, wanted)
            taken = await self._registers.read(amps.write.place)
            if wanted():
                await self._judge(taken, word)
        if enable is not None and wanted() and await self._registers.known(enable.write.place) != enable.on:
            await self._registers.write(enable.write, enable.on, wanted)
            if await self._registers.read(enable.write.place) != enable.on and wanted():
                raise DeviceError(
                    f"{self._model.name}: {enable.write.place} does not become {enable.on}; was it enabled at its switches?"
                )

    def _holds_lowered(self, known: int, word: int) -> bool:
        """The board is at the current, or at a smaller one that it has chosen lately."""
        if known == word:
            return True
        if self._lowered is None:
            return False
        told, taken, until = self._lowered
        return (told, taken) == (word, known) and asyncio.get_running_loop().time() < until

    async def _judge(self, taken: int, word: int) -> None:
        """Less than wanted is safe (its own limit); more is not."""
        if taken > word:
            self.level.offer(PilotSignal.OFF, 0.0)
            await self._switch_off(self.level.number)
            raise DeviceError(f"{self._model.name}: took {taken} where {word} was written; it was switched off")
        if taken < word:
            log.warning("%s: took %d where %d was written: its own limit?", self._registers.name, taken, word)
            self._lowered = (word, taken, asyncio.get_running_loop().time() + TRY_AGAIN_S)
        else:
            self._lowered = None

    async def _switch_off(self, number: int) -> None:
        write, off = self._off()
        if await self._registers.known(write.place) == off:
            return
        for _ in range(2):
            await self._registers.write(write, off)
            if await self._registers.read(write.place) == off or self.level.number != number:
                return
        self.cut()
        await self._write_cut()
        raise DeviceError(f"{self._model.name}: {write.place} does not become {off}; the board does not switch off")

    async def _write_cut(self, *, verify: bool = True) -> None:
        cut = self._model.cut
        if cut is None:
            return
        value = cut.value if self._cutting or self.own_f else cut.restore
        word = await self._registers.known(cut.write.place)
        if word & cut.mask != value:
            await self._registers.write(cut.write, word & ~cut.mask | value)
            self._cut_written = value == cut.value
            if verify:
                await self._registers.read(cut.write.place)

    async def correct(self, now: float) -> None:
        """After a look: the level again, the cut taken back when it is open, and no current for long that nobody permits."""
        closed, level = self.closed, self.level
        if not closed:
            self._cutting = False
        if not closed or (level.on and level.permitted):
            self._late_since = None
        elif self._late_since is None:
            self._late_since = now
        elif level.on and now - self._late_since > UNPERMITTED_S:
            log.warning("%s: the vehicle charges and nobody has permitted it; switched off", self._registers.name)
            level.withhold()
            self.cut()
            self._late_since = now
        elif not level.on and now - self._late_since > OPEN_S:
            log.warning("%s: the contactor is still closed; opened under load", self._registers.name)
            self.cut()
            self._late_since = now
        await self.obey()

    # --- setting it up ------------------------------------------------------------------------------------------------

    def _setup(self) -> list[tuple[Write, int, int, bool, str]]:
        """Where, mask, value, whether it must stick, why."""
        settings, watchdog, boot = self._settings, self._model.watchdog, self._model.boot
        found = []
        for init in self._model.init:
            given = init.otherwise is None or settings.ventilated
            value = init.value if given else init.otherwise or 0
            found.append((init.write, init.mask, value, init.required, init.why))
        if boot is not None and settings.boot_a is not None:
            word = math.floor(settings.boot_a / boot.scale + 1e-6)
            found.append((boot.write, 0xFFFF, word, False, "what it offers after a power cut"))
        if watchdog is not None and settings.host_loss_s is not None:
            word = math.floor(settings.host_loss_a / watchdog.fail_safe_scale + 1e-6)
            found.append((watchdog.fail_safe, 0xFFFF, word, True, "its fail-safe current"))
            word = math.floor(settings.host_loss_s / watchdog.unit_s + 1e-6)
            found.append((watchdog.write, 0xFFFF, word, True, "its watchdog, which supervises this program"))
        return found

    async def set_up(self) -> None:
        """Write what differs, and read it back. Raises DeviceError when something that must stick does not."""
        for write, mask, value, required, why in self._setup():
            word = self._registers.words.get(write.place)
            if word is None or word & mask == value:
                continue
            try:
                await self._registers.write(write, word & ~mask | value)
                stuck = await self._registers.read(write.place) & mask == value
            except DeviceError as error:
                log.info("%s: %s", self._registers.name, error)
                self._registers.words[write.place] = word
                stuck = False
            if not stuck and required:
                raise DeviceError(
                    f"{self._model.name}: {write.place} does not become {value} ({why}); is it write-protected, or set otherwise "
                    "at its switches?"
                )
            if not stuck:
                log.warning("%s: %s does not become %d: %s", self._registers.name, write.place, value, why)

    def forgotten(self) -> Place | None:
        """A word that is not what it was set to: the board has restarted, or somebody else writes. Call right after a look."""
        if self._orders or self._applying.locked():
            return None
        words, level = self._registers.words, self.level
        for write, mask, value, required, _ in self._setup():
            if required and words.get(write.place, value) & mask != value:
                return write.place
        amps, enable = self._model.amps.write.place, self._model.enable
        if level.on:
            word = self._word()
            if not self._holds_told(words.get(amps, word), word):
                return amps
            if enable is not None and words.get(enable.write.place, enable.on) != enable.on:
                return enable.write.place
            return None
        write, off = self._off()
        return write.place if words.get(write.place, off) != off else None

    def _holds_told(self, known: int, word: int) -> bool:
        return known == word or (self._lowered is not None and self._lowered[:2] == (word, known))

    # --- the end ------------------------------------------------------------------------------------------------------

    async def make_safe(self) -> None:
        """Off, and the contactor seen open; under load when the vehicle does not let go. Raises BusError, DeviceError."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if not self._registers.words:
            self._contactor.closed = True  # nobody has looked: it counts as closed until it is seen open
        self.level = Level()
        await self.order()
        await self.look()
        cut_at, over = began + LEAVE_S, began + LEFT_S
        while self.closed:
            if loop.time() > over:
                raise DeviceError(
                    f"{self._model.name}: is switched off, but its contactor does not open; switch off its supply"
                )
            if loop.time() > cut_at:
                self.cut()
                await self.obey()
            await asyncio.sleep(QUICK_S)
            await self.look()
        self._cutting = False
        await self.obey()
