"""Modbus EVSE boards by their table in hal/boards: current level, one EVSE. Factory of driver "modbus_board".

The board runs IEC 61851: it makes the pilot, closes its contactor by itself when it is offered current and the vehicle asks, and
opens it by itself in every fault. The station says how many amperes; 0, or a switch, is off. Boards with a watchdog fall to a
fail-safe current by themselves when this program dies (LAW 4).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from hal.api import (
    Board,
    ControlLevel,
    EvseUnit,
    PilotSignal,
)
from hal.bus.modbus_rtu import ModbusBus, ModbusDevice
from hal.drivers.board_life import EVSE, BoardLife
from hal.drivers.modbus_board_drive import QUICK_S, Drive
from hal.drivers.modbus_board_registers import Registers
from hal.drivers.modbus_board_settings import ModbusBoardSettings, read_settings
from hal.drivers.modbus_board_state import ASKING, CONNECTED, Announcer
from hal.drivers.modbus_meter import Buses, ModbusMeter
from hal.errors import BusError, ConfigError, DeviceError
from hal.found import Found

log = logging.getLogger("hal.modbus_board")

MOST_FORGOTTEN = 3
"""A board that forgets at so many looks in a row does not forget: somebody else writes to it."""


class ModbusBoard(BoardLife):
    """The one Device of its Board; its Pilot and PowerPath too. It may be started again after `close`."""

    left = "was not switched off"

    def __init__(self, settings: ModbusBoardSettings, bus: ModbusBus) -> None:
        self.settings = settings
        self._bus = bus
        device = ModbusDevice(bus, settings.unit, settings.timing)
        self._registers = Registers(device, settings.model)
        super().__init__(f"{settings.model.name} ({self._registers.name})")
        self._drive = Drive(settings, self._registers)
        self._announcer = Announcer(EVSE, settings.model, fixed_cable=settings.fixed_cable)
        meter = settings.model.meter
        self._meter = ModbusMeter(meter, device, settings.max_a) if settings.meter and meter is not None else None
        self._known = False  # it has answered as what it is meant to be
        self._forgotten = 0
        self.board = Board(
            name=settings.name,
            units=(self._unit(),),
            devices=(self,),
            level=ControlLevel.CURRENT,
            on_host_loss=settings.on_host_loss,
            on_host_loss_a=settings.host_loss_a if settings.armed and settings.host_loss_a else None,
            supervision=settings.supervision,
        )

    def _unit(self) -> EvseUnit:
        settings = self.settings
        return EvseUnit(
            evse=EVSE,
            pilot=self,
            power=self,
            meter=self._meter,
            thermometer=self if self._meter is not None and "temperature_c" in self._meter.model.quantities else None,
            max_a=settings.max_a,
            min_a=settings.min_a,
            phases=settings.phases,
            voltage_v=settings.voltage_v,
            fixed_cable=settings.fixed_cable,
            ventilated=settings.ventilated,
            connector_type=settings.connector_type,
        )

    # --- BoardLife ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._drive.level.offer(PilotSignal.OFF, 0.0)
        self._drive.level.permit(False, asking=False)
        self._known = False

    async def _leave_safe(self) -> None:
        await self._drive.make_safe()

    async def _release(self) -> None:
        await self._bus.close()

    async def _abandon(self) -> None:
        """The bus opens by itself; meters may be on it too."""

    def _tell_lost(self, why: str) -> None:
        for event in self._announcer.lost(why):
            self._emit(event)

    def _tell_back(self) -> None:
        """The look at it has told everything."""

    # --- levers: Pilot, PowerPath ---------------------------------------------------------------------------------------

    async def signal(self, signal: PilotSignal, current_a: float) -> None:
        """PWM: offer that current, rounded down to the board's steps. OFF: 0 A. FAULT: state F if the board can, else 0 A.

        Raises BusError when the board cannot be reached (the level is then applied when it can), DeviceError for a current
        that it cannot offer; too little a one withdraws the offer first.
        """
        settings, level = self.settings, self._drive.level
        if signal is not PilotSignal.PWM:
            level.offer(signal, 0.0)
        elif not current_a >= settings.min_a:
            level.offer(PilotSignal.OFF, 0.0)
            await self._obey()
            raise DeviceError(f"{self._name}: cannot offer {current_a:g} A; {settings.min_a:g} A is the least")
        elif current_a > settings.max_a:
            raise DeviceError(f"{self._name}: cannot offer {current_a:g} A; its limit (max_a) is {settings.max_a:g} A")
        else:
            level.offer(signal, current_a)
        await self._obey()

    async def permit(self, allowed: bool, phases: int) -> None:
        """Permission that power may flow; the board switches all its phases. Taken away it is off at once, under load if the
        board has an order for that. Raises BusError, DeviceError.
        """
        if allowed and not 1 <= phases <= 3:
            raise DeviceError(f"{self._name}: cannot switch {phases} phases")
        asking = self._drive.closed or self._announcer.letter in ASKING
        self._drive.level.permit(allowed, asking=asking)
        if not allowed and asking:
            self._drive.cut()
        await self._obey()

    async def temperature_c(self) -> float | None:
        """What its own meter tells of it, though another one is billed. Raises BusError, DeviceError."""
        return None if self._meter is None else (await self._meter.read()).temperature_c

    async def _obey(self) -> None:
        if not self._up:
            raise BusError(f"{self._name}: not reached: {self._why_down}")
        try:
            await self._drive.order()
        finally:
            self._wake.set()

    # --- life ---------------------------------------------------------------------------------------------------------

    async def _arrive(self) -> None:
        """A board that we know nothing of: whatever restricts comes first, then it is set up, armed and told of."""
        self._drive.forget()
        self._announcer.forget()
        if self._known and not self._drive.level.on:
            await self._drive.restrict()
        await self._drive.look()
        self._recognise()
        await self._drive.restrict()
        await self._drive.set_up()
        await self._drive.converge()
        await self._drive.look()
        self._up = self._known = True
        self._tell()

    def _recognise(self) -> None:
        """Nothing is written to a device that is something else. Raises DeviceError."""
        state = self.settings.model.state
        raw = self._registers.words[state.place] & state.mask
        if not self._known and raw not in state.letters:
            raise DeviceError(
                f"{self._name}: does not look like one, {state.place} says {raw}; check board.address, and that driver and model "
                "are right"
            )

    def _tell(self) -> None:
        now = asyncio.get_running_loop().time()
        drive = self._drive
        for event in self._announcer.see(self._registers.words, now, closed=drive.closed, own_f=drive.own_f):
            self._emit(event)

    async def _watch(self) -> None:
        """Look, correct, wait. Returns never; raises HalError when the board has to be reached anew."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            await self._drive.look()
            await self._remind()
            self._tell()
            await self._drive.correct(loop.time())
            try:
                async with asyncio.timeout(self._pause_s()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _remind(self) -> None:
        """A board that came back from a brown-out between two looks is set up again."""
        place = self._drive.forgotten()
        if place is None:
            self._forgotten = 0
            return
        self._forgotten += 1
        if self._forgotten > MOST_FORGOTTEN:
            self._forgotten = 0
            raise DeviceError(f"{self._name}: {place} changes again and again; is there another master on the bus?")
        log.warning("%s: %s is %d: it has restarted; set up again", self._name, place, self._registers.words[place])
        await self._arrive()

    def _pause_s(self) -> float:
        """No faster than the device needs; with a watchdog, often enough to feed it."""
        if self._drive.moving():
            return QUICK_S
        settings = self.settings
        pause = settings.active_s if self._announcer.letter in CONNECTED else settings.idle_s
        return min(pause, settings.feed_s)


# --- factory ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Factory:
    """What a driver module offers, for one model; None: the model is a setting."""

    model: str | None

    def create(self, settings: Mapping[str, object]) -> Board:
        """The board on a bus of its own. Raises ConfigError naming every field that is wrong."""
        return self.create_on(settings, Buses())

    def create_on(self, settings: Mapping[str, object], buses: Buses) -> Board:
        """The board on a bus that it may share with meters. Raises ConfigError naming every field that is wrong."""
        read = read_settings(settings, self.model)
        return ModbusBoard(read, bus_of(read, buses)).board

    def claims(self, settings: Mapping[str, object]) -> set[tuple[str, int]]:
        """Its address on its port; nothing when the settings do not fit (`create` says why)."""
        try:
            read = read_settings(settings, self.model)
        except ConfigError:
            return set()
        return {(read.line.port, read.unit)}

    async def make_safe(self, settings: Mapping[str, object]) -> None:
        """Switch off, see the contactor open, release the port. Raises ConfigError, BusError, DeviceError."""
        read = read_settings(settings, self.model)
        bus = bus_of(read, Buses())
        try:
            await Drive(read, Registers(ModbusDevice(bus, read.unit, read.timing), read.model)).make_safe()
        finally:
            await bus.close()

    async def probe(self, settings: Mapping[str, object]) -> Found | None:
        """Whether such a board answers where the settings say; it is not changed. Raises ConfigError; BusError when the port
        cannot be opened.
        """
        from hal.drivers.modbus_board_probe import probe  # a station that only runs does not need it

        read = read_settings(settings, self.model)
        model = self.model or str(settings["model"])
        return await probe(read.line, model, (read.unit,), read.timing.timeout_s, local_echo=read.local_echo)


def bus_of(settings: ModbusBoardSettings, buses: Buses) -> ModbusBus:
    """Raises ConfigError when the port is in use with other settings."""
    try:
        return buses.on(settings.line, local_echo=settings.local_echo)
    except ConfigError as error:
        raise ConfigError(str(error).replace("meter.port", "board.port", 1)) from error


_FACTORY = Factory(None)
create, create_on, claims = _FACTORY.create, _FACTORY.create_on, _FACTORY.claims
make_safe, probe = _FACTORY.make_safe, _FACTORY.probe
