"""A bare relay board: a contactor on a GPIO line or on a relay board with Modbus, fixed current. Factory of driver "relay".

Nothing on it runs IEC 61851: there is no pilot by which a vehicle learns its current, no residual-current detection, and
nobody but this program who opens (LAW 4), unless a relay that opens by itself or a watchdog is wired. For people who
build their own, with a vehicle or a charging cable that keeps to the declared current by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hal.api import Board, ControlLevel, EvseUnit, OnHostLoss, PilotSignal, Sink
from hal.bus.modbus_rtu import ModbusBus
from hal.drivers.board_life import BoardLife
from hal.drivers.gpio_lines import Gpio, LibGpiod, LineOfChip
from hal.drivers.relay_settings import CoilOutput, RelaySettings, read_settings
from hal.drivers.relay_state import EVSE, OPEN_S, ROUNDING_S, WELDED, Judge, Level
from hal.drivers.relay_wiring import Wiring
from hal.errors import BusError, ConfigError, DeviceError, HalError
from hal.found import Found

if TYPE_CHECKING:
    from hal.drivers.modbus_meter import Buses

log = logging.getLogger("hal.relay")

ON_POLL_S = 0.5
IDLE_POLL_S = 2.0
QUICK_POLL_S = 0.1
"""While the contactor has not yet followed its order."""
CURRENT_MARGIN_A = 0.05


class Relay(BoardLife):
    """The one Device of its Board; its Pilot and PowerPath too. It may be started again after `close`.

    gpio, bus: instead of this machine's lines, and of a bus on the settings' port.
    """

    left = "the contactor was not opened"

    def __init__(self, settings: RelaySettings, gpio: Gpio | None = None, bus: ModbusBus | None = None) -> None:
        super().__init__(str(settings.contactor))
        self.settings = settings
        self.identity = ""
        self._wiring = Wiring(settings, self._wake.set, gpio, bus)
        self._judge = self._new_judge()
        self._level = Level()
        self._told: bool | None = None  # what the contactor was told last; None: an order is under way, or nobody knows
        self._renew_at = 0.0
        self._applying = asyncio.Lock()
        self._watchdog: asyncio.Task[None] | None = None
        opens, words = supervision(settings)
        self.board = Board(
            name=settings.name,
            units=(self._unit(),),
            devices=(self,),
            level=ControlLevel.CURRENT,
            on_host_loss=OnHostLoss.OPENS if opens else OnHostLoss.NOTHING,
            supervision=words,
        )

    def _new_judge(self) -> Judge:
        socket_a = None if self.settings.fixed_cable else self.settings.rating_a
        return Judge(mirror="mirror" in self.settings.contacts, socket_a=socket_a)

    def _unit(self) -> EvseUnit:
        settings = self.settings
        return EvseUnit(
            evse=EVSE,
            pilot=self,
            power=self,
            max_a=settings.rating_a,
            min_a=settings.rating_a,
            phases=settings.phases,
            voltage_v=settings.voltage_v,
            fixed_cable=settings.fixed_cable,
            connector_type=settings.connector_type,
        )

    # --- BoardLife ----------------------------------------------------------------------------------------------------

    async def start(self, sink: Sink) -> None:
        """As every board; then the watchdog is kept awake for as long as the board is looked after."""
        await super().start(sink)
        if self.settings.watchdog is not None and self._task is not None:
            self._watchdog = asyncio.get_running_loop().create_task(self._keep_watchdog(self._task))

    async def _end_task(self) -> None:
        await super()._end_task()
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            watchdog.cancel()
            await asyncio.gather(watchdog, return_exceptions=True)

    def _begin(self) -> None:
        self._level, self._judge = Level(), self._new_judge()
        if "mirror" not in self.settings.contacts:
            log.warning("%s: no mirror contact is wired: a welded contactor is not seen", self._name)

    async def _leave_safe(self) -> None:
        await open_and_see(self._wiring, self._name)

    async def _release(self) -> None:
        await self._wiring.close()

    async def _abandon(self) -> None:
        if self._wiring.at_hand:  # what is lost is something else: without it nobody may charge
            with contextlib.suppress(HalError):
                await self._wiring.switch(False)
        await self._wiring.close()

    def _tell_lost(self, why: str) -> None:
        self._told = None
        super()._tell_lost(why)

    # --- levers: Pilot, PowerPath -------------------------------------------------------------------------------------

    async def signal(self, signal: PilotSignal, current_a: float) -> None:
        """PWM: offer the one current. OFF, FAULT: open at once, there is no pilot by which to ask a vehicle to stop.

        Raises BusError when it cannot be reached (the level is then applied when it can), DeviceError for another current;
        too little a one withdraws the offer first.
        """
        rating_a = self.settings.rating_a
        if signal is not PilotSignal.PWM:
            self._level.offered = False
        elif not current_a >= rating_a - CURRENT_MARGIN_A:
            self._level.offered = False
            await self._obey()
            raise DeviceError(f"{self._name}: cannot offer {current_a:g} A; {rating_a:g} A (rating_a) is all it has")
        elif current_a > rating_a + CURRENT_MARGIN_A:
            raise DeviceError(f"{self._name}: cannot offer {current_a:g} A; {rating_a:g} A (rating_a) is all it has")
        else:
            self._level.offered = True
        await self._obey()

    async def permit(self, allowed: bool, phases: int) -> None:
        """Permission to close; taken away it opens at once, under load. Raises BusError, DeviceError."""
        if allowed and not 1 <= phases <= self.settings.phases:
            raise DeviceError(f"{self._name}: cannot switch {phases} phases, it has {self.settings.phases}")
        self._level.permitted = allowed
        await self._obey()

    async def _obey(self) -> None:
        """Bring the contactor to the level; opening goes ahead of everything else."""
        if not self._up:
            raise BusError(f"{self._name}: the contactor is not reached: {self._why_down}")
        try:
            await self._restrict()
            await self._converge()
        finally:
            self._wake.set()

    # --- the contactor ------------------------------------------------------------------------------------------------

    @property
    def _target(self) -> bool:
        return self._level.wanted and self._judge.may_close

    async def _restrict(self) -> None:
        """Open when it should not be closed, after whatever the bus does just now."""
        if not self._target and self._told is not False:
            await self._wiring.switch(False)
            self._now_told(False)

    async def _converge(self) -> None:
        async with self._applying:
            while True:
                await self._restrict()
                renew = self._told is True and asyncio.get_running_loop().time() >= self._renew_at - ROUNDING_S
                if not self._target or (self._told is True and not renew):
                    return
                before = self._told
                self._told = None  # whoever opens meanwhile must not believe that it is open
                await self._wiring.switch(True, lambda: self._target)
                self._now_told(True, anew=before is not True)

    def _now_told(self, on: bool, *, anew: bool = True) -> None:
        now = asyncio.get_running_loop().time()
        self._told = on
        if on:
            renew_s = self._wiring.renew_s
            self._renew_at = math.inf if renew_s is None else now + renew_s
        if anew:
            self._judge.told_to(now)

    # --- life ---------------------------------------------------------------------------------------------------------

    async def _arrive(self) -> None:
        """Everything opened, the contactor at the level, all told anew. Raises HalError."""
        await self._wiring.open()
        self._told = None
        self._judge.forget()
        if not self._level.wanted:
            await self._wiring.switch(False)
            self._now_told(False)
        self.identity = await self._wiring.examine()
        await self._look()
        self._up = True
        await self._converge()
        self._wake.set()

    async def _look(self) -> None:
        """See how everything is, tell what is new, put right a relay that is not as it was told."""
        seen = await self._wiring.look()
        if seen.coil is not None and self._told is not None and seen.coil is not self._told:
            log.warning(
                "%s: the relay is %s, though told otherwise; did the board lose its supply?",
                self._name,
                "closed" if seen.coil else "open",
            )
            self._told = None if seen.coil else False
        for event in self._judge.see(seen, self._told is not False, self._level, asyncio.get_running_loop().time()):
            self._emit(event)

    async def _watch(self) -> None:
        """Look, correct. Returns never; raises HalError when it has to be reached anew."""
        while True:
            self._wake.clear()
            await self._look()
            await self._restrict()
            await self._converge()
            try:
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _pause(self) -> float | None:
        """Seconds until it has to be looked at again; None: a GPIO line tells."""
        now = asyncio.get_running_loop().time()
        moments = []
        due = self._judge.next_at(self._told is not False, now)
        if due is not None:
            moments.append(due - now)
        if self._told is True and self._wiring.renew_s is not None:
            moments.append(self._renew_at - now)
        if self._wiring.polled:
            following = self._judge.closed is not None and self._judge.closed is not (self._told is True)
            settled_s = ON_POLL_S if self._told is not False else IDLE_POLL_S
            moments.append(QUICK_POLL_S if following and self._judge.contactor_fault is None else settled_s)
        return max(0.0, min(moments)) if moments else None

    async def _keep_watchdog(self, life: asyncio.Task[None]) -> None:
        """Toggle the watchdog's line while the contactor is in our hand; whatever stops us stops that."""
        active = False
        while not life.done():
            active = not active
            if self._up:
                with contextlib.suppress(HalError):  # the next look says why
                    self._wiring.kick(active)
            await asyncio.sleep(self.settings.watchdog_s / 2.0)


async def open_and_see(wiring: Wiring, name: str) -> None:
    """Open the contactor and see it open, as far as anybody can. Raises BusError, DeviceError: it is welded."""
    await wiring.switch(False)
    loop = asyncio.get_running_loop()
    over = loop.time() + OPEN_S
    while True:
        seen = await wiring.look()
        if not (seen.closed or seen.coil):
            return
        if loop.time() > over:
            raise DeviceError(f"{name}: {WELDED if seen.closed else 'the relay board does not open its relay'}")
        await asyncio.sleep(QUICK_POLL_S)


def supervision(settings: RelaySettings) -> tuple[bool, str]:
    """Whether somebody opens the contactor when this program dies, and how that is known (LAW 4)."""
    contactor, words = settings.contactor, []
    opens = False
    if settings.watchdog is not None:
        opens = True
        words.append(
            f"{settings.watchdog} changes every {settings.watchdog_s / 2:g} s; the watchdog relay that opens when it "
            "does not is yours, nobody here verifies it"
        )
    if isinstance(contactor, CoilOutput) and contactor.pulse_s:
        verified = contactor.test_coil is not None
        opens = opens or verified
        words.append(
            f"the relay board opens {contactor.pulse_s:g} s after the last order, "
            + (f"verified at every start on coil {contactor.test_coil}" if verified else "not verified (test_coil)")
        )
    if not words:
        words.append(
            "nobody opens the contactor when this program dies; wire a watchdog, or a relay board with pulse_s"
        )
    if "mirror" not in settings.contacts:
        words.append("no mirror contact: a welded contactor is not seen")
    return opens, "; ".join(words)


# --- factory ----------------------------------------------------------------------------------------------------------


def create(settings: Mapping[str, object]) -> Board:
    """Factory of driver "relay". Raises ConfigError naming every field that is wrong."""
    return Relay(read_settings(settings)).board


def create_on(settings: Mapping[str, object], buses: Buses) -> Board:
    """As `create`, on a line that meters and other boards share. Raises ConfigError."""
    found = read_settings(settings)
    coils = found.board
    return Relay(found, bus=None if coils is None else buses.on(coils.line, local_echo=coils.local_echo)).board


def claims(settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """Its lines, and its address on its port; nothing when the settings do not fit (`create` says why)."""
    try:
        found = read_settings(settings)
    except ConfigError:
        return set()
    board = found.board
    lines = [found.contactor, found.watchdog, *(contact.where for contact in found.contacts.values())]
    pairs = {(str(line), 0) for line in lines if isinstance(line, LineOfChip)}
    return pairs | ({(board.line.port, board.unit)} if board is not None else set())


async def make_safe(settings: Mapping[str, object]) -> None:
    """Open the contactor and see it open, whoever drove it. Raises BusError, DeviceError, ConfigError."""
    found = read_settings(settings)
    await make_wiring_safe(Wiring(found, lambda: None), str(found.contactor))


async def make_wiring_safe(wiring: Wiring, name: str) -> None:
    """Opened first: a contact that cannot be had is needed only to see it open. Raises BusError, DeviceError, ConfigError."""
    try:
        if not wiring.at_hand:
            await wiring.switch(False)
        await wiring.open()
        await open_and_see(wiring, name)
    finally:
        await wiring.close()


async def probe(settings: Mapping[str, object]) -> Found | None:
    """What the settings name, unchanged: the relay board on Modbus (None: nobody, or another make), or the contacts on GPIO.

    Raises ConfigError; BusError when the port or a line cannot be had.
    """
    from hal.drivers.relay_probe import probe_coils, probe_lines  # a station that only runs does not need it

    found = read_settings(settings)
    if found.board is None:
        return probe_lines(found, LibGpiod())
    return await probe_coils(found.board, found.contactor.coil if isinstance(found.contactor, CoilOutput) else 0)
