"""What a bare relay board is wired to: GPIO lines, a relay board on Modbus RTU, or some of both.

Waveshare's boards (Modbus RTU Relay, development protocol V2 and later; waveshare.com/wiki/Modbus_RTU_Relay) are known closer:
coils from 0 by functions 1 and 5, inputs by function 2; function 5 to 0x0200 + coil with a time in 0.1 s closes a relay
that opens by itself ("flash on"); holding 0x8000 is the version x 100, 0x4000 the address, 0x1000 + coil what inputs do to it.
Any other board with coils will do where none of that is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from hal.bus.modbus_rtu import Function, ModbusBus, ModbusDevice, RefusedError, Timing
from hal.bus.serial import SerialPort
from hal.drivers.gpio_lines import Gpio, InputLine, LibGpiod, LineOfChip, OutputLine
from hal.drivers.relay_settings import CoilOutput, DiscreteInput, RelaySettings
from hal.errors import BusError, DeviceError

TIMING = Timing(timeout_s=0.3, retries=2)
FLASH_ON = 0x0200
FLASH_UNIT_S = 0.1
CONTROL_MODE = 0x1000
DEVICE_ADDRESS = 0x4000
VERSION = 0x8000
TEST_UNITS = 3
"""Length of the pulse that verifies the board's timer: long enough to be read back closed."""
TEST_LATE_S = 0.5
NO_ANSWER = Timing(timeout_s=0.3, retries=0)
"""For questions that other boards do not answer at all."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. coil: as the relay board reads back what it was told. closed: by the mirror contact. None: not wired."""

    coil: bool | None = None
    closed: bool | None = None
    vehicle: bool | None = None
    demand: bool | None = None
    stopped: bool | None = None


async def version_of(bus: ModbusBus, unit: int, timing: Timing = NO_ANSWER) -> str | None:
    """Version of a Waveshare board's firmware; None: another make, or nobody. Raises BusError when the port cannot be used."""
    try:
        (version,) = await ModbusDevice(bus, unit, timing).read(Function.READ_HOLDING, VERSION, 1)
        (address,) = await ModbusDevice(bus, unit, timing).read(Function.READ_HOLDING, DEVICE_ADDRESS, 1)
    except RefusedError:
        return None
    except BusError:
        await bus.open()
        return None
    return f"{version / 100:.2f}" if address == unit and 100 <= version < 2000 else None


class Wiring:
    """changed: called after an edge on a GPIO line. gpio, bus: instead of this machine's, and of one on the settings' port."""

    def __init__(
        self,
        settings: RelaySettings,
        changed: Callable[[], None],
        gpio: Gpio | None = None,
        bus: ModbusBus | None = None,
    ) -> None:
        self._settings = settings
        self._changed = changed
        self._gpio = gpio or LibGpiod()
        board = settings.board
        self._own_bus = bus is None
        if bus is None and board is not None:
            bus = ModbusBus(SerialPort(board.line, speaks="modbus"), local_echo=board.local_echo)
        self._device = ModbusDevice(bus, board.unit, TIMING) if bus is not None and board is not None else None
        self._coil = settings.contactor if isinstance(settings.contactor, CoilOutput) else None
        self._discrete = {
            name: contact.where.input
            for name, contact in settings.contacts.items()
            if isinstance(contact.where, DiscreteInput)
        }
        self._inputs: dict[str, InputLine] = {}
        self._contactor: OutputLine | None = None
        self._watchdog: OutputLine | None = None

    @property
    def polled(self) -> bool:
        """It has to be asked: nobody tells."""
        return self._device is not None

    @property
    def at_hand(self) -> bool:
        """The contactor is switched without a bus."""
        return self._coil is None

    @property
    def renew_s(self) -> float | None:
        """How often a closed contactor has to be told again, that the board does not open it by itself."""
        return self._coil.pulse_s / 3.0 if self._coil is not None and self._coil.pulse_s else None

    async def open(self) -> None:
        """Ask for the lines, contactor and watchdog at rest, and open the port. Raises BusError, ConfigError."""
        settings = self._settings
        if isinstance(settings.contactor, LineOfChip):
            self._contactor = self._gpio.output(settings.contactor, False)
        if self._device is not None:
            await self._device.bus.open()
        if settings.watchdog is not None:
            self._watchdog = self._gpio.output(settings.watchdog, False)
        for name, contact in settings.contacts.items():
            if isinstance(contact.where, LineOfChip):
                self._inputs[name] = self._gpio.input(contact.where, self._changed)

    async def close(self) -> None:
        """Release everything, as it is. Idempotent."""
        for line in (self._contactor, self._watchdog, *self._inputs.values()):
            if line is not None:
                line.release()
        self._contactor = self._watchdog = None
        self._inputs.clear()
        if self._device is not None and self._own_bus:
            await self._device.bus.close()

    async def switch(self, on: bool, wanted: Callable[[], bool] | None = None) -> None:
        """Close or open. Opening goes ahead of all who wait for the line. Closing is never repeated by the bus, and not sent once
        `wanted` says no: an opening may have been sent since. Raises BusError, DeviceError.
        """
        if self._coil is None:
            if self._contactor is None:
                raise BusError(f"{self._settings.contactor}: it is closed; start it first")
            self._contactor.set(on)
            return
        device = self._modbus()
        if not on:
            await device.write_coil(self._coil.coil, False, urgent=True)
        elif self._coil.pulse_s:
            units = round(self._coil.pulse_s / FLASH_UNIT_S)
            await device.write_coil(FLASH_ON + self._coil.coil, units, once=True, wanted=wanted)
        else:
            await device.write_coil(self._coil.coil, True, once=True, wanted=wanted)

    async def look(self) -> Seen:
        """Everything as it is now. Raises BusError, DeviceError."""
        coil: bool | None = None
        found: dict[str, bool] = {}
        if self._coil is not None:
            coil = bool((await self._modbus().read_coils(self._coil.coil, 1))[0])
        if self._discrete:
            first, last = min(self._discrete.values()), max(self._discrete.values())
            values = await self._modbus().read_discrete(first, last - first + 1)
            found = {name: bool(values[number - first]) for name, number in self._discrete.items()}
        # Lines last: what they say is of now, after what took its time on the bus.
        found |= {name: line.active() for name, line in self._inputs.items()}
        tells = {name: self._settings.contacts[name].tells(active) for name, active in found.items()}
        return Seen(coil, tells.get("mirror"), tells.get("vehicle"), tells.get("demand"), tells.get("emergency_stop"))

    def kick(self, active: bool) -> None:
        """Show the watchdog a sign of life, or none. Raises BusError."""
        if self._watchdog is not None:
            self._watchdog.set(active)

    async def examine(self) -> str:
        """Whether the relay board may be trusted. Returns who it is, as far as it says. Raises BusError, DeviceError."""
        if self._device is None or self._coil is None:
            return ""
        version = await version_of(self._device.bus, self._device.unit)
        if version is not None:
            await self._no_linkage(self._coil)
        if self._coil.test_coil is not None:
            await self._timer_works(self._coil, self._coil.test_coil)
        return "" if version is None else f"Waveshare, firmware {version}"

    async def _no_linkage(self, coil: CoilOutput) -> None:
        """In other control modes an input of the board switches the relay, whatever we say."""
        register = CONTROL_MODE + coil.coil
        try:
            (mode,) = await self._modbus().read(Function.READ_HOLDING, register, 1)
        except RefusedError:
            return  # a board without inputs
        if mode:
            raise DeviceError(
                f"{coil}: an input of the board switches this relay by itself (control mode {mode}); "
                f"write 0 to register {register:#06x} (function 6)"
            )

    async def _timer_works(self, coil: CoilOutput, test_coil: int) -> None:
        """LAW 4: that the board opens by itself is seen on a relay with nothing on it, before anybody relies on it."""
        device = self._modbus()
        try:
            await device.write_coil(FLASH_ON + test_coil, TEST_UNITS, once=True)
            closed = (await device.read_coils(test_coil, 1))[0]
            await asyncio.sleep(TEST_UNITS * FLASH_UNIT_S + TEST_LATE_S)
            opened = not (await device.read_coils(test_coil, 1))[0]
        except RefusedError as error:
            raise DeviceError(f"{coil}: the board has no pulses; set board.contactor.pulse_s to 0") from error
        if not (closed and opened):
            await device.write_coil(test_coil, False)
            what = "does not open by itself" if closed else "does not close"
            raise DeviceError(
                f"{coil.board} coil {test_coil}: the relay {what} when told to for {TEST_UNITS * FLASH_UNIT_S:g} s; "
                "set board.contactor.pulse_s to 0, or choose another test_coil"
            )

    def _modbus(self) -> ModbusDevice:
        if self._device is None:
            raise BusError("no Modbus board is wired")  # the settings name one wherever this is called
        return self._device
