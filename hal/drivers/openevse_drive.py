"""Brings an OpenEVSE board to the level that the station wants, and keeps it there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hal.api import PilotSignal, PilotState
from hal.drivers.openevse_commands import Commands
from hal.drivers.openevse_rapi import Status
from hal.drivers.openevse_state import UNKNOWN, Level, Target, is_closed, letter_of
from hal.errors import DeviceError

log = logging.getLogger("hal.openevse")

OPEN_S = 4.0
"""The board lets a vehicle stop before it opens, for 3 s at most; after this the relay is opened under load."""
UNPERMITTED_S = 3.0
"""So long may current flow that nobody has permitted: the permission is on its way."""
QUICK_S = 0.25
"""Pause between looks while something is about to change that the board does not tell."""
TRY_AGAIN_S = 30.0
"""When a current that the board did not accept (it is hot...) is offered again."""


class Drive:
    """name: of the port, for the log. saw: is told every state that was asked for, and gives it to `note`.

    status, amps: the board as far as we know (amps None: we do not know what it offers).
    """

    def __init__(self, name: str, commands: Commands, saw: Callable[[Status], None]) -> None:
        self.level = Level()
        self.status = Status(UNKNOWN, UNKNOWN, 0)
        self.amps: int | None = None
        self._name = name
        self._commands = commands
        self._saw = saw
        self._refused: tuple[int, float] | None = None  # a current that it did not accept, and when to try again
        self._late_since: float | None = None  # the relay is closed, and should not be
        self._applying = asyncio.Lock()

    def note(self, status: Status) -> None:
        self.status = status
        if status.amps is not None:
            self.amps = status.amps

    def forget(self) -> None:
        """The board may have restarted: nobody knows what it offers."""
        self.amps = self._refused = None

    @property
    def asking(self) -> bool:
        """The vehicle is in C or D, or the relay is closed."""
        return is_closed(self.status) or letter_of(self.status) in {PilotState.C, PilotState.D}

    async def look(self) -> None:
        await self._commands.status(self._saw)

    async def obey(self) -> None:
        """Bring the board to the level; what restricts goes ahead of everything that is under way. Raises HalError."""
        await self.restrict()
        await self.converge()

    async def open_now(self) -> None:
        """Open the relay, under load if need be."""
        await self._commands.switch(Target.DISABLED, _always)
        await self.look()

    async def restrict(self) -> None:
        target = self.level.target
        if target is not Target.ENABLED:
            if not target.reached(self.status):
                await self._commands.switch(target, _always)
        elif self.amps is None or self.amps > self.level.amps:
            await self._offer()

    async def converge(self) -> None:
        async with self._applying:
            while True:
                self.level.settle(asking=self.asking)
                target, amps = self.level.target, self.level.amps
                await self._apply(target)
                if (target, amps) == (self.level.target, self.level.amps):
                    return

    async def _apply(self, target: Target) -> None:
        if target is Target.ENABLED:
            if self.amps != self.level.amps and not self._refused_lately():
                await self._offer()
            if not target.reached(self.status):
                await self._commands.switch(target, lambda: self.level.target is Target.ENABLED)
                await self.look()
        elif not target.reached(self.status):
            await self._commands.switch(target, _always)
            await self.look()

    def _refused_lately(self) -> bool:
        if self._refused is None or self.amps is None or self.amps > self.level.amps:
            return False
        amps, until = self._refused
        return amps == self.level.amps and asyncio.get_running_loop().time() < until

    async def _offer(self) -> None:
        """Tell the current. Less than wanted is safe (the board is hot, or configured to less); more is not."""
        wanted = self.level.amps
        self.amps = offered = await self._commands.offer(wanted)
        if offered > wanted and self.level.target is Target.ENABLED:
            self.level.offer(PilotSignal.OFF, 0)
            await self._commands.switch(Target.ASLEEP, _always)
            raise DeviceError(f"OpenEVSE offers {offered} A where {wanted} A were wanted; it was put to sleep")
        if offered < wanted:
            if self._refused is None or self._refused[0] != wanted:
                log.warning("%s: offers %d A instead of %d A: hot, or configured to less", self._name, offered, wanted)
            self._refused = (wanted, asyncio.get_running_loop().time() + TRY_AGAIN_S)
        else:
            self._refused = None

    async def make_safe(self) -> None:
        self.level = Level()
        over = asyncio.get_running_loop().time() + OPEN_S
        await self.obey()
        while is_closed(self.status):
            if asyncio.get_running_loop().time() > over:
                await self.open_now()
                return
            await asyncio.sleep(QUICK_S)
            await self.look()

    def moving(self) -> bool:
        """Something is about to change that the board may not tell by itself (it never tells that its relay opens)."""
        should_be_open = not (self.level.target is Target.ENABLED and self.level.permitted)
        return self.status.state == UNKNOWN or (is_closed(self.status) and should_be_open)

    async def correct(self, now: float) -> None:
        """The level again, whatever has moved the board from it; and no current for long that nobody permits."""
        wanted = self.level.target is Target.ENABLED
        if not is_closed(self.status) or (wanted and self.level.permitted):
            self._late_since = None
        elif self._late_since is None:
            self._late_since = now
        elif wanted and now - self._late_since > UNPERMITTED_S:
            log.warning("%s: the vehicle charges and nobody has permitted it; put to sleep", self._name)
            self.level.withhold()
            self._late_since = now
        elif not wanted and now - self._late_since > OPEN_S:
            log.warning("%s: the relay is still closed; opened under load", self._name)
            self._late_since = None
            await self.open_now()
        await self.converge()


def _always() -> bool:
    return True
