"""Boards of the EVerest-MCU family over a serial line (115200 baud): pilot level, one EVSE, or two behind one phyVERSO.

The station sets the duty cycle and says when power may flow; the board runs the pilot, opens by itself in every fault and when the
vehicle stops. Here the board is reached, reset, kept alive, reached again; what one EVSE wants of it is in `mcu_connector`.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping

from hal.api import Board, ControlLevel, EvseUnit, MeterReading
from hal.bus.serial import SerialPort
from hal.drivers.board_life import BoardLife
from hal.drivers.gpio_lines import Gpio, LibGpiod
from hal.drivers.mcu_connector import Connector, Level
from hal.drivers.mcu_link import McuLink, Port
from hal.drivers.mcu_messages import (
    ConfigRequest,
    ErrorsTold,
    KeepAlive,
    LockTold,
    PilotTold,
    PowerMeter,
    ProximityTold,
    RelayTold,
    ResetDone,
    Telemetry,
    Told,
)
from hal.drivers.mcu_meter import McuMeter
from hal.drivers.mcu_reach import Reach, supervision
from hal.drivers.mcu_settings import McuSettings
from hal.drivers.mcu_state import Announcer
from hal.errors import BusError, DeviceError

log = logging.getLogger("hal.mcu")

KEEP_ALIVE_S = 1.0
SETTLE_S = 0.5
"""A board that has just started tells how everything is within this."""
ROUNDING_S = 0.001
TEMPERATURE = "temp"
"""Names of the telemetry that are temperatures begin like this; degrees Celsius."""


class Mcu(BoardLife):
    """The one Device of its Board; the Meter of a board that has one. It may be started again after `close`.

    port, gpio: instead of the serial port of the settings and the lines of this machine. telemetry: what the board has told
    beside, by connector and name.
    """

    left = "the board was not told to open"

    def __init__(self, settings: McuSettings, port: Port | None = None, gpio: Gpio | None = None) -> None:
        super().__init__(settings.line.port)
        self.settings = settings
        self.title = settings.board.title
        self.telemetry: dict[tuple[int, str], float] = {}
        self._link = McuLink(settings.line.port, port or SerialPort(settings.line), settings.board, self._heard)
        self._reach = Reach(settings, self._link, gpio or LibGpiod())
        self.connectors = tuple(
            Connector(evse, connector, settings, self) for evse, connector in enumerate(settings.connectors, 1)
        )
        self._meter_c: tuple[float, ...] = ()
        self._unpermitted: set[Connector] = set()  # closed, and may not be
        self._meter = self._make_meter() if settings.meter else None
        self._telling = False
        self.board = self._describe()

    def _make_meter(self) -> McuMeter:
        connector = self.settings.connectors[0]
        # AD-ACEVSE22KWZ's docs: values are "sent roughly every second when relay is closed".
        silent = self.settings.board.name == "adkit"
        max_w = connector.max_a * connector.phases * self.settings.voltage_v
        return McuMeter(self._name, connector.phases, max_w, idle_is_silent=silent)

    def _describe(self) -> Board:
        settings = self.settings
        return Board(
            name=settings.name,
            units=tuple(self._unit(connector) for connector in self.connectors),
            devices=(self,),
            level=ControlLevel.PILOT,
            on_host_loss=settings.host_loss,
            supervision=supervision(settings),
        )

    def _unit(self, connector: Connector) -> EvseUnit:
        own = connector.settings
        return EvseUnit(
            evse=connector.evse,
            pilot=connector,
            power=connector,
            meter=self if self._meter is not None else None,
            lock=connector if own.lock else None,
            rcd=connector if own.rcd else None,
            thermometer=self if self._has_temperatures else None,
            max_a=own.max_a,
            min_a=own.min_a,
            phases=own.phases,
            voltage_v=self.settings.voltage_v,
            fixed_cable=own.fixed_cable,
            phase_switching=self.settings.phase_switching,
            ventilated=own.ventilated,
            connector_type=own.connector_type,
        )

    # --- BoardLife ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        for connector in self.connectors:
            connector.level = Level(phases=connector.settings.phases)
        self._over("lost", "watchdog")  # of its life before

    async def _leave_safe(self) -> None:
        await self.make_safe()

    async def _release(self) -> None:
        self._telling = False
        await self._link.close()
        self._reach.let_go()

    def _tell_lost(self, why: str) -> None:
        self._telling = True  # also of a board that was lost while it was being started
        for connector in self.connectors:
            connector.lose()
            connector.announcer.trouble("lost", why)
            self.tell(connector.announcer)
        self._telling = False

    def _tell_back(self) -> None:
        self._over("lost", "watchdog")

    async def make_safe(self) -> None:
        """Forbid and X1 on all connectors, see them open. Raises BusError, DeviceError."""
        await self._say_safe()
        for connector in self.connectors:
            if not await connector.see_open():
                await self._say_safe()
                if not await connector.see_open():
                    raise DeviceError(f"{self.title}: the contactor of connector {connector.number} stays closed")

    async def rescue(self) -> None:
        """`make_safe` for a board whose program has gone: reach it without a reset, and let go of it. Raises HalError.

        Most of these boards tell of their contactor only when it moves: one that was stuck before is not seen.
        """
        self._forget()
        self._reach.begin()
        await self._link.open()
        try:
            await self._say_safe()
            await self._reach.meet()
            await self.make_safe()
        finally:
            await self._release()

    # --- Meter --------------------------------------------------------------------------------------------------------

    async def read(self) -> MeterReading:
        """What the board measured last. Raises BusError when that is too old, DeviceError when it cannot be believed."""
        self.require_up()
        if self._meter is None:
            raise DeviceError(f"{self.title} has no meter; set board.meter to false and use another one")
        now = asyncio.get_running_loop().time()
        return self._meter.read(now, closed=bool(self.connectors[0].announcer.closed))

    @property
    def _has_temperatures(self) -> bool:
        return self.settings.board.meter or any(
            name.startswith(TEMPERATURE) for name in self.settings.board.telemetry.values()
        )

    async def temperature_c(self) -> float | None:
        """The hottest that it has told of since it was reached: TIDA-010939 in its telemetry, Yeti and AD-ACEVSE22KWZ with their meter.

        Raises BusError.
        """
        self.require_up()
        told = [value for (_, name), value in self.telemetry.items() if name.startswith(TEMPERATURE)]
        return max((value for value in (*told, *self._meter_c) if math.isfinite(value)), default=None)

    # --- for the connectors ---------------------------------------------------------------------------------------------

    def require_up(self) -> None:
        if not self._up:
            raise BusError(f"{self._name}: {self.title} is not reached: {self._why_down}")

    async def send(self, *payloads: bytes, twice: bool = False) -> None:
        await self._link.send(*payloads, twice=twice)
        self._wake.set()

    def tell(self, announcer: Announcer) -> None:
        if self._telling:
            for event in announcer.news():
                self._emit(event)

    # --- what the board says --------------------------------------------------------------------------------------------

    def _heard(self, told: Told) -> None:
        now = asyncio.get_running_loop().time()
        self._reach.heard(told, now)
        match told:
            case KeepAlive() | ConfigRequest():
                if self._reach.wants_config:
                    self._wake.set()
            case ResetDone():
                self._forget()
                self._wake.set()
                if self._meter is not None:
                    self._meter.restarted()
            case PowerMeter():
                self._meter_c = told.temperature_c
                if self._meter is not None:
                    self._meter.see(told, now)
            case Telemetry(connector=number, values=values):
                self.telemetry.update({(number, name): value for name, value in values})
            case _:
                self._of_connector(told)

    def _of_connector(self, told: PilotTold | RelayTold | ErrorsTold | ProximityTold | LockTold) -> None:
        number = told.connector
        for connector in self.connectors:
            if number in {0, connector.number}:
                if connector.see(told):
                    self._unpermitted.add(connector)
                    self._wake.set()
                self.tell(connector.announcer)

    # --- life ---------------------------------------------------------------------------------------------------------

    async def _arrive(self) -> None:
        """Open the port and bring the board to the level. Raises HalError."""
        self._forget()
        self._reach.begin()
        await self._link.open()
        await self._say_safe()  # before anything else: whatever it is doing
        await self._reach.reset()
        await self._initialise(fresh=self.settings.reset != "none")

    def _forget(self) -> None:
        self.telemetry.clear()
        self._meter_c = ()
        for connector in self.connectors:
            connector.forget()

    async def _say_safe(self) -> None:
        words = [word for connector in self.connectors for word in connector.safe_words()]
        await self._link.send(*words, twice=True)

    async def _initialise(self, *, fresh: bool) -> None:
        """A board that we know nothing of but what it has said since. fresh: it has just started. Raises HalError."""
        self._up = self._telling = False
        self._why_down = "it is being started"
        await self._say_safe()
        self._examine(await self._reach.greet())
        await self._say_safe()  # one that was not configured has not taken it
        await self._reach.see_host_loss()
        await asyncio.sleep(SETTLE_S)
        self._link.check()
        for connector in self.connectors:
            if fresh:
                connector.announcer.assume()
            await connector.apply()
        self._reach.alive_at = asyncio.get_running_loop().time()
        self._up = self._telling = True
        for connector in self.connectors:
            self.tell(connector.announcer)

    def _examine(self, hello: KeepAlive) -> None:
        """Whether it can do what the settings say. It may carry less: then less is offered. Raises DeviceError."""
        title = f"{self.title} {hello.software}"
        for connector in self.connectors:
            own = connector.settings
            if hello.min_a is not None and hello.min_a > own.min_a:
                raise DeviceError(f"{title} offers {hello.min_a:g} A at least; set board.min_a to that")
            if hello.max_phases is not None and hello.max_phases < own.phases:
                raise DeviceError(f"{title} has {hello.max_phases} phase(s); set board.phases to that")
            connector.most_a = own.max_a
            if hello.max_a is not None and hello.max_a < own.max_a:
                log.warning("%s: %s carries %g A, board.max_a is more", self._name, title, hello.max_a)
                if hello.max_a < own.min_a:
                    raise DeviceError(f"{title} says that it carries {hello.max_a:g} A only; board.min_a is more")
                connector.most_a = hello.max_a
        if self.settings.phase_switching and not hello.phase_switching:
            raise DeviceError(f"{title} cannot switch phases; set board.phase_switching to false")

    async def _watch(self) -> None:
        """Keep-alives, levels, locks. Returns never; raises HalError when the board has to be reached anew."""
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        while True:
            self._wake.clear()
            self._link.check()
            if self._reach.restarted:
                await self._recover()
            await self._reach.configure()
            while self._unpermitted:  # a contactor that has closed, and may not
                connector = self._unpermitted.pop()
                if not connector.level.permitted:
                    await self._link.send(*connector.safe_words()[:1], twice=True)
            now = loop.time()
            if now - self._reach.alive_at > self.settings.board.silence_s:
                raise BusError(
                    f"{self._name}: {self.title} has said nothing for {self.settings.board.silence_s:g} s; check its supply and wires"
                )
            if now >= next_at - ROUNDING_S:
                next_at = now + KEEP_ALIVE_S
                await self._reach.keep_alive()
                for connector in self.connectors:
                    await connector.repeat(now)
            self._judge_bolts(now)
            await self._woken_within(max(0.0, self._pause(next_at, loop.time())))

    def _pause(self, next_at: float, now: float) -> float:
        deadlines = [connector.bolt.deadline for connector in self.connectors if connector.bolt.deadline is not None]
        return min([next_at, *deadlines]) - now

    def _judge_bolts(self, now: float) -> None:
        for connector in self.connectors:
            if connector.bolt.late(now + ROUNDING_S):
                self.tell(connector.announcer)

    async def _recover(self) -> None:
        """It has started by itself (brown-out, its watchdog): forbid first, then to the level that is wanted."""
        watchdog = self._reach.watchdog
        log.warning("%s: %s has restarted%s", self._name, self.title, ", by its watchdog" if watchdog else "")
        if watchdog:
            for connector in self.connectors:
                connector.announcer.trouble("watchdog", "the board's own watchdog has restarted it")
                self.tell(connector.announcer)
        await self._initialise(fresh=True)
        self._over("watchdog")

    def _over(self, *troubles: str) -> None:
        for connector in self.connectors:
            for name in troubles:
                connector.announcer.trouble(name, "")
            self.tell(connector.announcer)

    async def _woken_within(self, seconds: float) -> None:
        lost = asyncio.ensure_future(self._link.lost.wait())
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((lost, woken), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            woken.cancel()


def claims(settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """The whole port: these boards have no addresses."""
    port = settings.get("port")
    return {(port, 0)} if isinstance(port, str) else set()
