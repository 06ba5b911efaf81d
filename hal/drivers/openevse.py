"""OpenEVSE boards over RAPI (serial, 115200 baud): current level, one EVSE. Factory of driver "openevse".

The board runs IEC 61851: it makes the pilot, closes its relay by itself when it is enabled and the vehicle asks, and opens it
by itself in every fault. The station says how many amperes, enables it or puts it to sleep. While this program lives it sends
pulses; without them the board falls to `host_loss_a` by itself (LAW 4).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace

from hal.api import (
    Board,
    ButtonPressed,
    ControlLevel,
    EvseUnit,
    LockChanged,
    LockState,
    MeterReading,
    OnHostLoss,
    PilotSignal,
    ProximityChanged,
)
from hal.bus.serial import SerialPort
from hal.drivers.board_life import EVSE, BoardLife
from hal.drivers.openevse_commands import Commands
from hal.drivers.openevse_drive import QUICK_S, Drive
from hal.drivers.openevse_link import Port, RapiLink
from hal.drivers.openevse_rapi import Booted, Button, Message, Status
from hal.drivers.openevse_safe import make_safe
from hal.drivers.openevse_settings import OpenEvseSettings, read_settings
from hal.drivers.openevse_state import (
    AUTH_LOCKED,
    BOOT_LOCK,
    BUTTON_OFF,
    CHECK_LETTERS,
    CHECKS,
    DISABLED,
    SLEEPING,
    UNKNOWN,
    Announcer,
    EnergyRegister,
    Level,
    Target,
    is_closed,
    is_connected,
)
from hal.errors import BusError, DeviceError
from hal.found import Found

__all__ = ["OpenEvse", "claims", "create", "make_safe", "probe"]

log = logging.getLogger("hal.openevse")

ROUNDING_S = 0.001
"""A pause may end that much early: less than it is no pause to a loop that jumps from timer to timer."""
SETTLE_S = 0.3
"""A board that has just started does not know yet whether a vehicle is there (it debounces for 0.25 s)."""


class OpenEvse(BoardLife):
    """The one Device of its Board; its Pilot, PowerPath, Meter and Lock too. It may be started again after `close`.

    port: instead of the serial port of the settings.
    """

    left = "OpenEVSE was not put to sleep"

    def __init__(self, settings: OpenEvseSettings, port: Port | None = None) -> None:
        super().__init__(settings.line.port)
        self.settings = settings
        self.version = ""
        port = port or SerialPort(settings.line, speaks="rapi")
        self._link = RapiLink(settings.line.port, port, self._unasked, settings.timeout_s)
        self._commands = Commands(self._link)
        self._drive = Drive(settings.line.port, self._commands, self._saw)
        self._announcer = Announcer(EVSE)
        self._register = EnergyRegister()
        self._booted = False
        self._telling = False
        self._cable_told: bool | None = None
        self._locked: bool | None = None  # as wanted; None: nobody has said
        armed = settings.heartbeat_s > 0
        self.board = Board(
            name=settings.name,
            units=(self._unit(),),
            devices=(self,),
            level=ControlLevel.CURRENT,
            on_host_loss=OnHostLoss.REDUCES if armed else OnHostLoss.NOTHING,
            on_host_loss_a=float(settings.host_loss_a) if armed else None,
            supervision=settings.supervision,
        )

    def _unit(self) -> EvseUnit:
        settings = self.settings
        return EvseUnit(
            evse=EVSE,
            pilot=self,
            power=self,
            meter=self if settings.meter else None,
            lock=self if settings.lock else None,
            thermometer=self,
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
        self._drive.level = Level()

    async def _leave_safe(self) -> None:
        await self._drive.make_safe()

    async def _release(self) -> None:
        await self._link.close()

    # --- levers: Pilot, PowerPath, Lock ---------------------------------------------------------------------------------

    async def signal(self, signal: PilotSignal, current_a: float) -> None:
        """PWM: enable at that current (whole amperes, rounded down). OFF: sleep. FAULT: disable.

        Raises BusError when the board cannot be reached (the level is then applied when it can), DeviceError for a current
        that it cannot offer; too little a one withdraws the offer first.
        """
        if signal is not PilotSignal.PWM:
            self._drive.level.offer(signal, 0)
        elif not current_a >= self.settings.min_a:
            self._drive.level.offer(PilotSignal.OFF, 0)
            await self._obey()
            raise DeviceError(f"OpenEVSE: cannot offer {current_a:g} A; {self.settings.min_a:g} A is the least")
        elif current_a > self.settings.max_a:
            raise DeviceError(f"OpenEVSE: cannot offer {current_a:g} A; its limit (max_a) is {self.settings.max_a:g} A")
        else:
            self._drive.level.offer(signal, int(current_a))
        await self._obey()

    async def permit(self, allowed: bool, phases: int) -> None:
        """Permission that power may flow; the board switches all its phases. Taken away, the relay opens under load; without
        `stop_at_once` within 3 s, in which the vehicle is asked to stop. Raises BusError, DeviceError.
        """
        if allowed and not 1 <= phases <= 3:
            raise DeviceError(f"OpenEVSE: cannot switch {phases} phases")
        closed = is_closed(self._drive.status)
        self._drive.level.permit(allowed, asking=self._drive.asking)
        if not allowed and closed and self.settings.stop_at_once and self._up:
            await self._drive.open_now()
        await self._obey()

    async def set_locked(self, locked: bool) -> None:
        """Move the bolt; tells LockChanged by what the board reads back. Raises BusError, DeviceError."""
        self._locked = locked
        self._require_up()
        await self._tell_lock()

    async def _tell_lock(self) -> None:
        if not await self._commands.take_lock():
            raise DeviceError(
                "OpenEVSE has no lock (its firmware is built without MENNEKES_LOCK); set board.lock to false"
            )
        wanted, commands = self._locked, self._commands
        is_locked = await (commands.is_locked() if wanted is None else commands.move_lock(wanted))
        self._emit(LockChanged(EVSE, LockState.LOCKED if is_locked else LockState.UNLOCKED))

    def _require_up(self) -> None:
        if not self._up:
            raise BusError(f"{self.settings.line.port}: OpenEVSE is not reached: {self._why_down}")

    async def _obey(self) -> None:
        """Bring the board to the level; what restricts goes ahead of everything else."""
        self._require_up()
        try:
            await self._drive.obey()
        finally:
            self._wake.set()

    # --- Meter --------------------------------------------------------------------------------------------------------

    async def read(self) -> MeterReading:
        """The board's own ammeter, on one phase (others are taken to be alike), and its count. Raises BusError, DeviceError."""
        self._require_up()
        amps, volts = await self._commands.flow()
        if amps is None:
            raise DeviceError("OpenEVSE has no ammeter; set board.meter to false and use another meter")
        session_ws, total_wh = await self._commands.energy()
        phases = self.settings.phases
        return MeterReading(
            energy_import_wh=self._register.count(session_ws, total_wh, connected=is_connected(self._drive.status)),
            power_w=amps * volts * phases,
            current_a=(amps,) * phases,
            voltage_v=(volts,) * phases,
            power_phase_w=(amps * volts,) * phases,
            temperature_c=await self._commands.hottest(),
        )

    async def temperature_c(self) -> float | None:
        """The hottest of its sensors, None without any. Raises BusError."""
        if not self._up:
            raise BusError(f"{self._name}: OpenEVSE is not reached: {self._why_down}")
        return await self._commands.hottest()

    # --- what the board says --------------------------------------------------------------------------------------------

    def _unasked(self, message: Message) -> None:
        match message:
            case Status():
                self._saw(message)
            case Booted(post=post, firmware=firmware):
                log.warning("%s: OpenEVSE %s has started (self-test %02X)", self._name, firmware, post)
                self._booted = True
                self._wake.set()
            case Button(long=False) if self._up:
                self._emit(ButtonPressed(EVSE))
            case _:
                log.debug("%s: %r", self._name, message)

    def _saw(self, status: Status) -> None:
        before = self._drive.status
        self._drive.note(status)
        if is_connected(status) and not is_connected(before):
            self._register.new_session()
        if (before.state, before.vflags) != (status.state, status.vflags) or status.amps is not None:
            self._wake.set()
        if self._telling:
            if status.state == DISABLED and self._drive.level.target is not Target.DISABLED:
                status = replace(status, state=SLEEPING)  # on its way there; the vehicle is still where it was
            for event in self._announcer.see(status):
                self._emit(event)

    # --- life ---------------------------------------------------------------------------------------------------------

    async def _arrive(self) -> None:
        """Open the port and bring the board to the level. Raises HalError."""
        await self._link.open()
        await self._initialise()

    async def _initialise(self) -> None:
        """A board that we know nothing of: whatever restricts comes first, then it is examined, armed and told of."""
        fresh = self._booted
        self._booted = self._telling = False
        self._drive.forget()
        self._announcer.forget()
        self._cable_told = None
        self.version = await self._commands.version()
        await self._drive.look()
        fresh = fresh or self._drive.status.state == UNKNOWN
        await self._drive.restrict()
        await self._examine()
        await self._arm()
        await self._drive.converge()
        if fresh:
            await asyncio.sleep(SETTLE_S)
            await self._drive.look()
        self._up = self._telling = True
        self._saw(self._drive.status)
        await self._tell_cable()
        if self.settings.lock:
            await self._tell_lock()

    async def _examine(self) -> None:
        """Whether it may be trusted with what the settings say of it. Raises DeviceError with a remedy."""
        _, flags = await self._commands.settings()
        off = [name for name, flag in CHECKS.items() if flags & flag and name not in self.settings.checks_off]
        if off:
            orders = ", ".join(f"$FF {CHECK_LETTERS[name]} 1" for name in off)
            raise DeviceError(
                f"OpenEVSE: safety checks are off: {', '.join(off)}; switch them on ({orders}) or name them in board.checks_off"
            )
        capacity = await self._commands.capacity()
        if capacity.least_a > self.settings.min_a:
            raise DeviceError(f"OpenEVSE offers {capacity.least_a} A at least; set board.min_a to that")
        if min(capacity.hardware_a, capacity.configured_a) < self.settings.max_a:
            log.warning("%s: configured to %d A at most, board.max_a is more", self._name, capacity.configured_a)
        if self.settings.meter:
            if (await self._commands.flow())[0] is None:
                raise DeviceError("OpenEVSE has no ammeter; set board.meter to false and use another meter")
            await self._commands.set_voltage(self.settings.voltage_v)
        if self._drive.status.vflags & BOOT_LOCK:
            await self._commands.clear_boot_lock()
        if self._drive.status.vflags & AUTH_LOCKED:
            await self._commands.clear_auth_lock()
        if self.settings.button and not flags & BUTTON_OFF and not await self._commands.free_button():
            log.warning("%s: the front button cannot be read; this firmware has no FF B", self._name)

    async def _arm(self) -> None:
        """The supervision of this program by the board, read back; disarmed when the settings want none."""
        settings = self.settings
        if settings.heartbeat_s:
            await self._commands.arm(settings.heartbeat_s, settings.host_loss_a)
        else:
            found = await self._commands.supervision()
            if found is not None and found.interval_s:
                await self._commands.arm(0, found.fallback_a)

    async def _watch(self) -> None:
        """Send pulses, look, correct. Returns never; raises HalError when the board has to be reached anew."""
        loop = asyncio.get_running_loop()
        pulse_at = loop.time()
        while True:
            self._wake.clear()
            if self._link.lost.is_set():
                await self._drive.look()  # says why
            if self._booted:
                await self._initialise()
            if loop.time() >= pulse_at - ROUNDING_S:
                pulse_at = loop.time() + self.settings.pulse_s
                await self._pulse_patiently()
            elif self._drive.moving():
                await self._drive.look()
            await self._drive.correct(loop.time())
            await self._tell_cable()
            pause = QUICK_S if self._drive.moving() else pulse_at - loop.time()
            await self._woken_within(max(0.0, pause))

    async def _woken_within(self, seconds: float) -> None:
        lost = asyncio.ensure_future(self._link.lost.wait())
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((lost, woken), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()
            woken.cancel()

    async def _pulse_patiently(self) -> None:
        """One silence more than an order may have: a wire with noise is not a lost board."""
        try:
            await self._pulse()
        except BusError:
            if self._link.lost.is_set():
                raise
            await self._pulse()

    async def _pulse(self) -> None:
        settings = self.settings
        if settings.heartbeat_s and not await self._commands.pulse(settings.heartbeat_s, settings.host_loss_a):
            log.warning("%s: the board has missed this program's pulse and reduced its current", self._name)
            await self._arm()
            if not await self._commands.pulse(settings.heartbeat_s, settings.host_loss_a):
                await self._commands.acknowledge()
                self._drive.amps = None
        await self._drive.look()
        self._drive.amps, _ = await self._commands.settings()

    async def _tell_cable(self) -> None:
        """A socket: with a vehicle, the rating that the board knows (it may read PP by itself, and counts it into its maximum)."""
        connected = is_connected(self._drive.status)
        if self.settings.fixed_cable or connected is self._cable_told:
            return
        rating = float((await self._commands.capacity()).configured_a) if connected else None
        self._cable_told = connected
        self._emit(ProximityChanged(EVSE, rating))


# --- factory ----------------------------------------------------------------------------------------------------------


def create(settings: Mapping[str, object]) -> Board:
    """Factory of driver "openevse". Raises ConfigError naming every field that is wrong."""
    return OpenEvse(read_settings(settings)).board


async def probe(settings: Mapping[str, object]) -> Found | None:
    """Ask the board of these settings who it is. Raises ConfigError, BusError (the port cannot be opened)."""
    from hal.drivers import openevse_probe

    found = read_settings(settings)
    return await openevse_probe.probe(found.line, found.timeout_s)


def claims(settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """The whole port: RAPI has no addresses."""
    port = settings.get("port")
    return {(port, 0)} if isinstance(port, str) else set()
