"""One EVSE of an EVerest-MCU board: its levers, and the level that they make.

The board acknowledges nothing, so a level is said again with the next keep-alives, until the board shows that it obeys. Duty cycles
and what restricts are said twice at once and wait for nothing; what permits is asked for again right before it is said (LAW 2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from hal.api import PilotSignal, PilotState
from hal.drivers.mcu_boards import Flag
from hal.drivers.mcu_messages import LockTold, PilotTold, RelayTold, Speech, Told
from hal.drivers.mcu_settings import ConnectorSettings, McuSettings
from hal.drivers.mcu_state import Announcer, BoltWatch
from hal.errors import DeviceError
from hal.pilot import duty_percent

STATE_F = 0
REPEATS = 3
"""Keep-alives with which a new level is said again."""
REFRESH_S = 30.0
"""How often it is said again anyway: a board may have started anew and nobody have heard of it."""
OPENS_S = 1.5
"""A contactor takes less to open."""
ASKING = {PilotState.C, PilotState.D}


class Host(Protocol):
    """The board that it is of."""

    @property
    def title(self) -> str: ...

    def require_up(self) -> None:
        """Raises BusError when the board is not reached."""

    async def send(self, *payloads: bytes, twice: bool = False) -> None: ...

    def tell(self, announcer: Announcer) -> None:
        """Pass on what is new."""


@dataclass(frozen=True, slots=True)
class Level:
    """What the station wants: amperes are 0 without PWM."""

    signal: PilotSignal = PilotSignal.OFF
    amps: float = 0.0
    permitted: bool = False
    phases: int = 3


class Connector:
    """Pilot, PowerPath, Lock and Rcd of one EVSE. level: as wanted. most_a: what the board says it can carry."""

    def __init__(self, evse: int, settings: ConnectorSettings, board: McuSettings, host: Host) -> None:
        self.evse = evse
        self.settings = settings
        self.level = Level(phases=settings.phases)
        self.most_a = settings.max_a
        self.bolt = BoltWatch(board.lock_s, has_feedback=board.lock_feedback)
        self.announcer = Announcer(evse, self.bolt, socket=not settings.fixed_cable, one_phase=settings.phases == 1)
        self._board = board
        self._host = host
        self._speech = Speech(board.board)
        self._phases_told: int | None = None
        self._repeats = 0
        self._refresh_at = 0.0
        self._changed = asyncio.Event()
        self._testing = False

    @property
    def number(self) -> int:
        """Of the board's connector."""
        return self.settings.number

    # --- levers ---------------------------------------------------------------------------------------------------------

    async def signal(self, signal: PilotSignal, current_a: float) -> None:
        """OFF is X1, FAULT is state F. PWM offers that current, or what the board says it can carry at most.

        Raises BusError when the board cannot be reached (the level is then applied when it can), DeviceError for a current
        that may not be offered; too little a one withdraws the offer first.
        """
        settings = self.settings
        amps = 0.0
        if signal is PilotSignal.PWM:
            if not current_a >= settings.min_a:
                await self._say_signal(PilotSignal.OFF, 0.0)
                raise DeviceError(f"{self._name}: cannot offer {current_a:g} A; {settings.min_a:g} A is the least")
            if current_a > settings.max_a:
                raise DeviceError(
                    f"{self._name}: cannot offer {current_a:g} A; its limit (max_a) is {settings.max_a:g} A"
                )
            amps = current_a
        await self._say_signal(signal, amps)

    async def _say_signal(self, signal: PilotSignal, amps: float) -> None:
        self.level = replace(self.level, signal=signal, amps=amps)
        self._repeats = REPEATS
        self._host.require_up()
        await self._host.send(self._duty(), twice=True)

    async def permit(self, allowed: bool, phases: int) -> None:
        """Permission that power may flow; False opens at once. The number of phases is told before, with an open contactor.

        Raises BusError when the board cannot be reached, DeviceError for phases that it cannot switch.
        """
        if allowed and not 1 <= phases <= 3:
            raise DeviceError(f"{self._name}: cannot switch {phases} phases")
        if allowed and self._testing:
            raise DeviceError(f"{self._name}: its residual current device is being tested")
        self.level = replace(self.level, permitted=allowed, phases=phases if allowed else self.level.phases)
        self._repeats = REPEATS
        self._host.require_up()
        if allowed:
            await self._allow(self.level.phases)
        else:
            await self._host.send(self._speech.power(False, self.number), twice=True)

    async def _allow(self, phases: int) -> None:
        wanted = 3 if phases > 1 else 1
        if self._board.phase_switching and wanted != self._phases_told:
            if self.announcer.closed:
                await self._host.send(self._speech.power(False, self.number), twice=True)
                if not await self._until(lambda: not self.announcer.closed, OPENS_S):
                    raise DeviceError(f"{self._name}: the contactor stays closed; its phases cannot be switched")
            if not self._still(phases):
                return
            await self._host.send(self._speech.three_phases(wanted == 3), twice=True)
            self._phases_told = wanted
        if self._still(phases):
            await self._host.send(self._speech.power(True, self.number))

    def _still(self, phases: int) -> bool:
        """Nobody has wanted anything else meanwhile."""
        return self.level.permitted and self.level.phases == phases

    async def set_locked(self, locked: bool) -> None:
        """Move the bolt; LockChanged tells where it ended. Raises BusError."""
        self._host.require_up()
        self.bolt.move(locked, asyncio.get_running_loop().time())
        self.announcer.tell_lock_again()
        await self._host.send(self._speech.lock(locked, self.number), twice=True)
        self._host.tell(self.announcer)

    # --- residual current device ----------------------------------------------------------------------------------------

    async def self_test(self) -> None:
        """Raise the device's TEST pin, see it trip, lower it, reset it, see it ready (IEC 62955: with open contactor).

        Raises DeviceError when it does not trip, stays tripped or the board says that it failed; BusError.
        """
        self._host.require_up()
        if self.level.permitted or self.announcer.closed:
            raise DeviceError(f"{self._name}: a residual current device is tested with an open contactor only")
        if self._testing:
            raise DeviceError(f"{self._name}: its residual current device is being tested already")
        announcer, rcd_s = self.announcer, self._board.rcd_s
        self._testing = True
        announcer.quiet = frozenset({Flag.RCD})
        try:
            await self._host.send(self._rcd(test=True), twice=True)
            tripped = await self._until(lambda: bool(announcer.flags & {Flag.RCD, Flag.RCD_SELFTEST}), rcd_s)
            failed = Flag.RCD_SELFTEST in announcer.flags
            await self.reset()
            ready = await self._until(lambda: Flag.RCD not in announcer.flags, rcd_s)
        finally:
            self._testing = False
            announcer.quiet = frozenset()
            self._host.tell(announcer)
        if failed or Flag.RCD_SELFTEST in announcer.flags:
            raise DeviceError(f"{self._name}: the residual current device failed its self-test")
        if not tripped:
            raise DeviceError(
                f"{self._name}: the residual current device did not trip in its test within {rcd_s:g} s; if there is none, "
                "set rcd to false"
            )
        if not ready:
            raise DeviceError(f"{self._name}: the residual current device stays tripped after its test")

    async def reset(self) -> None:
        """Lower the TEST pin and reset a tripped residual current device. Raises BusError."""
        await self._host.send(self._rcd(test=False, reset=True), twice=True)

    def _rcd(self, *, test: bool, reset: bool = False) -> bytes:
        return self._speech.rcd(test=test, reset=reset, connector=self.number)

    # --- for the board --------------------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return self._host.title if self._board.board.connectors == 1 else f"{self._host.title} connector {self.number}"

    def _duty(self) -> bytes:
        level, board = self.level, self._board.board
        if level.signal is PilotSignal.FAULT:
            hundredths = STATE_F
        elif level.signal is PilotSignal.OFF:
            hundredths = board.x1
        else:
            hundredths = round(duty_percent(min(level.amps, self.most_a)) * 100)
        return self._speech.duty(hundredths, self.number)

    def safe_words(self) -> tuple[bytes, bytes]:
        """Forbid, and X1 (or F, where that is wanted)."""
        signal = STATE_F if self.level.signal is PilotSignal.FAULT else self._board.board.x1
        return self._speech.power(False, self.number), self._speech.duty(signal, self.number)

    def forget(self) -> None:
        """The board may have restarted."""
        self._phases_told = None
        self.announcer.forget()

    def lose(self) -> None:
        """The board cannot be reached: nothing is permitted until somebody says so anew."""
        self.level = replace(self.level, permitted=False)

    async def apply(self) -> None:
        """The whole level, to a board of which only is known that it is safe. Raises BusError."""
        self._repeats = REPEATS
        await self._host.send(self._duty())
        if self.level.permitted:
            await self._allow(self.level.phases)
        if self.settings.lock and self.bolt.wanted is not None:
            self.bolt.move(self.bolt.wanted, asyncio.get_running_loop().time())
            await self._host.send(self._speech.lock(self.bolt.wanted, self.number))

    async def repeat(self, now: float) -> None:
        """With a keep-alive: the level again, as long as the board may have missed it. Raises BusError."""
        announcer, level = self.announcer, self.level
        if now >= self._refresh_at:
            self._refresh_at = now + REFRESH_S
            self._repeats = max(self._repeats, 1)
        if not level.permitted and (announcer.closed or self._repeats):
            await self._host.send(self._speech.power(False, self.number), twice=bool(announcer.closed))
        if self._repeats:
            self._repeats -= 1
            await self._host.send(self._duty())
            # A board that has opened by itself, for a fault, is not asked again.
            waits = announcer.letter in ASKING and not announcer.closed and not announcer.flags
            if level.permitted and waits:
                await self._allow(level.phases)
        if self.bolt.deadline is not None and self.bolt.wanted is not None:
            await self._host.send(self._speech.lock(self.bolt.wanted, self.number))
        # A device that has tripped is reset when the vehicle has gone, as a person would do it.
        tripped = Flag.RCD in announcer.flags and not self._testing
        if tripped and self.settings.rcd and announcer.letter is PilotState.A and not announcer.closed:
            await self.reset()

    def see(self, told: Told) -> bool:
        """What the board says of it; True when it has closed without permission, and has to be told again."""
        before = self.announcer.letter
        self.announcer.see(told)
        match told:
            case LockTold(bolt=bolt) if self.settings.lock:
                self.bolt.see(bolt)
            case PilotTold(state=state) if state in ASKING and state is not before:
                self._repeats = REPEATS
            case _:
                pass
        self._changed.set()
        self._changed = asyncio.Event()
        return isinstance(told, RelayTold) and told.closed and not self.level.permitted

    async def _until(self, shown: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not shown():
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def see_open(self) -> bool:
        """Wait for an open contactor."""
        return await self._until(lambda: not self.announcer.closed, OPENS_S)
