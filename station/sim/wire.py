"""`station sim --wire`: a bench whose devices are emulators in processes of their own, each behind a pseudo terminal.

The station drives them with the drivers that it has on a Raspberry Pi, built in the same way; people and accidents are orders to
the emulators. `WireBoard` offers what `hal.sim.board.SimBoard` offers to a lab, as far as an OpenEVSE has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hal import registry
from hal.api import Board, FaultCode, Reader, TokenKind
from hal.assemble import with_meters
from hal.drivers import pn532
from hal.drivers.modbus_meter import Buses, meter_from
from hal.errors import ConfigError, DeviceError, HalError
from hal.sim.car import Car
from hal.sim.grid import Grid
from hal.sim.world import World
from station.sim.wire_evse import WireEvse
from station.sim.wire_meter import WireMeter
from station.sim.wire_part import WirePart

__all__ = ["PARTS", "WireBoard"]

log = logging.getLogger("station.wire")

MAX_A = 32.0
SWIPE_S = 0.8
"""How long a card is held to the reader, which looks every 0.3 s."""
SELF_TEST_S = 0.5
UID_BYTES = (4, 7, 10)
PARTS = ("board", "meter", "reader")
"""What has an adapter of its own: each EVSE's board, the meters' common line, the reader."""


class WireBoard:
    """Emulated devices for so many EVSEs. `open` starts their processes, `close` ends them. initial_wh: what the meters show."""

    def __init__(self, evses: int, world: World, initial_wh: float = 0.0) -> None:
        self.grid = Grid(world)
        self.powered = True
        self.evses: tuple[WireEvse, ...] = ()
        self._count = evses
        self._world = world
        self._kept: Mapping[str, object] = {}
        self._initial_wh = initial_wh
        self._parts: tuple[WirePart, ...] = ()
        self._meters: WirePart | None = None
        self._reader: WirePart | None = None
        self._reader_broken = False
        self._driven: list[Board] = []
        self._lives: list[asyncio.Task[None]] = []

    # --- life -----------------------------------------------------------------------------------------------------------

    async def open(self, folder: Path) -> None:
        """Start the emulators. folder: where their ports get names. Raises ConfigError when one does not start."""
        ports = folder / "ports"
        ports.mkdir(parents=True, exist_ok=True)
        numbers = range(1, self._count + 1)
        boards = [WirePart(f"OpenEVSE {number}", "openevse", ports / f"openevse{number}") for number in numbers]
        units = ",".join(f"sdm630@{number}" for number in numbers)
        self._meters = meters = WirePart("SDM630", "modbus_meter", ports / "rs485", {"meters": units})
        self._reader = reader = WirePart("PN532", "pn532", ports / "pn532")
        self._parts = (*boards, meters, reader)
        started = await asyncio.gather(*(part.start() for part in self._parts), return_exceptions=True)
        for error in started:
            if error is not None:
                raise error
        self.evses = tuple(
            WireEvse(number, part, WireMeter(meters, number, self._world.now), self.grid, MAX_A)
            for number, part in enumerate(boards, 1)
        )
        await self._set_registers()
        loop = asyncio.get_running_loop()
        self._lives = [loop.create_task(evse.live()) for evse in self.evses]
        for life in self._lives:
            life.add_done_callback(_tell_failure)

    async def _set_registers(self) -> None:
        for evse in self.evses:
            kept = self._kept.get(str(evse.number))
            if isinstance(kept, Mapping):
                evse.meter.restore(kept)
            else:
                evse.meter.restore({"energy_import_wh": self._initial_wh})
            evse.meter.set_register(evse.meter.register_wh)
            await evse.meter.settle()

    async def close(self) -> None:
        """End the processes; their ports are gone. Idempotent."""
        lives, self._lives = self._lives, []
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        parts, self._parts = self._parts, ()
        await asyncio.gather(*(part.stop() for part in parts))

    # --- what the station is given --------------------------------------------------------------------------------------

    def places(self) -> Sequence[tuple[str, int]]:
        """Board and unit of each EVSE of the station."""
        return [(_name_of(number), 1) for number in range(1, self._count + 1)]

    def boards(self) -> Mapping[str, Board]:
        """Boards and meters as the firmware makes them of a configuration; nothing of them is shared with an earlier start."""
        buses = Buses()
        self._driven = [self._board(evse, buses) for evse in self.evses]
        return {_name_of(evse.number): board for evse, board in zip(self.evses, self._driven, strict=True)}

    def _board(self, evse: WireEvse, buses: Buses) -> Board:
        settings: dict[str, object] = {
            "port": evse.board.port,
            "name": _name_of(evse.number),
            "max_a": MAX_A,
            "meter": False,
            "button": True,
        }
        board = registry.create_board("openevse", settings)
        meter = meter_from({"model": "sdm630", "port": self._meters_part.port, "address": evse.number}, buses)
        return with_meters(board, {1: meter}, buses)

    def readers(self) -> Sequence[Reader]:
        """The card reader, which serves the whole station."""
        return (pn532.create({"port": self._reader_part.port}),)

    async def abandon(self) -> None:
        """The program that drove all this has died: its ports are free, and the devices are as it left them."""
        driven, self._driven = self._driven, []
        with _silence():
            for part in self._parts:
                await part.drop_line()
            for board in driven:
                for device in reversed(board.devices):
                    with contextlib.suppress(HalError):
                        await device.close()
            for part in self._parts:
                await part.restore_line()

    async def ready(self) -> None:
        """The boards' self-tests are over: whatever the station runs on takes longer to boot."""
        await asyncio.sleep(SELF_TEST_S)

    @property
    def words(self) -> str:
        """What is at work and where, in one line for people."""
        names = ", ".join(os.path.basename(part.port) for part in self._parts)
        folder = os.path.dirname(self._parts[0].port) if self._parts else ""
        return f"real drivers on {folder}: {names} (emulated)"

    @property
    def pids(self) -> tuple[int, ...]:
        """Processes of the emulators."""
        return tuple(part.pid for part in self._parts)

    # --- people ---------------------------------------------------------------------------------------------------------

    @property
    def _meters_part(self) -> WirePart:
        return self._opened(self._meters)

    @property
    def _reader_part(self) -> WirePart:
        return self._opened(self._reader)

    @staticmethod
    def _opened(part: WirePart | None) -> WirePart:
        if part is None:
            raise DeviceError("the emulators do not run; open the bench first")
        return part

    def evse(self, number: int) -> WireEvse:
        """One EVSE. Raises ConfigError when there is none of that number."""
        if not 1 <= number <= self._count:
            raise ConfigError(f"the bench has EVSE 1 to {self._count}, not {number}")
        return self.evses[number - 1]

    def car(self, evse: int) -> Car | None:
        return self.evse(evse).car

    def plug(self, evse: int, car: Car, cable_a: float = 32.0) -> None:
        """Put the plug of the fixed cable into a car. Raises ConfigError when one is there."""
        del cable_a  # the cable is the board's own
        self.evse(evse).plug(car)

    def unplug(self, evse: int, *, at_car: bool = False) -> None:
        """Pull it out again."""
        del at_car  # a fixed cable has one end
        self.evse(evse).unplug()

    def swipe(self, token: str, kind: TokenKind = TokenKind.ISO14443, *, evse: int | None = None) -> bool:
        """Hold a card to the reader of the station. False: nobody reads it. Raises DeviceError for what is no such card."""
        del evse  # there is one reader
        try:
            uid = bytes.fromhex(token)
        except ValueError:
            uid = b""
        if kind is not TokenKind.ISO14443 or len(uid) not in UID_BYTES:
            raise DeviceError(f"a PN532 reads cards with 8, 14 or 20 hexadecimal digits, not {kind.value} {token!r}")
        if not self.powered or self._reader_broken or not self._reader_part.plugged:
            return False
        self._reader_part.order(card=uid.hex(), swipe_s=SWIPE_S)
        return True

    def pin(self, digits: str, *, evse: int | None = None) -> bool:
        """Raises DeviceError: there is no keypad."""
        raise DeviceError("this bench has no keypad; use a card (swipe)")

    def button(self, evse: int) -> bool:
        """Press the board's button. False: nobody notices."""
        unit = self.evse(evse)
        if self.powered:
            unit.press()
        return self.powered and unit.board.plugged

    # --- accidents ------------------------------------------------------------------------------------------------------

    def fault(self, code: FaultCode, info: str = "", *, evse: int = 0) -> None:
        """A fault begins. Raises DeviceError for one that these devices cannot have."""
        del info  # nobody can say more on this wire
        self._set_fault(code, evse, True)

    def clear(self, code: FaultCode, *, evse: int = 0) -> None:
        """A fault ends."""
        self._set_fault(code, evse, False)

    def _set_fault(self, code: FaultCode, evse: int, active: bool) -> None:
        if code is FaultCode.READER_FAILURE:
            self._reader_broken = active
            self._reader_part.order(deaf=active)
        elif evse:
            self.evse(evse).set_fault(code, active)
        else:
            raise DeviceError(f"nothing on this bench tells {code.value} of the station as a whole; name an EVSE")

    def weld(self, evse: int, welded: bool = True) -> None:
        """The contacts of the board's relay weld, or are repaired."""
        self.evse(evse).set_fault(FaultCode.EVSE_CONTACTOR_FAULT, welded)

    def jam(self, evse: int, jammed: bool = True) -> None:
        """Raises DeviceError: there is no lock."""
        raise DeviceError(f"EVSE {evse} has a fixed cable and no lock")

    def break_rcd(self, evse: int, broken: bool = True) -> None:
        """Raises DeviceError: nobody on this wire can have it tested."""
        raise DeviceError(f"the board of EVSE {evse} tests its residual-current device by itself")

    def temperature(self, evse: int, celsius: float) -> None:
        self.evse(evse).set_temperature(celsius)

    def tell_meter(self, evse: int) -> None:
        """A meter on a bus speaks when it is asked."""
        self.evse(evse).car_changed()  # but what was set goes to it at once

    def adapter(self, part: str, evse: int) -> WirePart:
        """What hangs on an adapter: one of PARTS. Raises ConfigError."""
        found = {"board": self.evse(evse).board, "meter": self._meters_part, "reader": self._reader_part}.get(part)
        if found is None:
            raise ConfigError(f"part: must be one of {', '.join(PARTS)}, is {part!r}")
        return found

    def power_cut(self, *, warning: bool = False) -> None:
        """The supply fails. Raises DeviceError: nothing here could warn of it."""
        if warning:
            raise DeviceError("nothing on this bench tells that its supply is failing; cut it without warning")
        if self.powered:
            self.powered = False
            self._supply(False)

    def power_on(self) -> None:
        """The supply is back; the devices start anew."""
        if not self.powered:
            self.powered = True
            self._supply(True)

    def _supply(self, on: bool) -> None:
        for part in self._parts:
            part.order(**{"power_on" if on else "brown_out": True})
        for evse in self.evses:
            evse.power(on)

    def host_lost(self) -> None:
        """The boards notice for themselves, by the pulses that do not come."""

    # --- what outlives the process --------------------------------------------------------------------------------------

    def state(self) -> dict[str, dict[str, float]]:
        """Meter registers by EVSE number, as plain data for a file."""
        return {str(evse.number): evse.meter.state() for evse in self.evses}

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from an earlier `state` when the emulators are started."""
        self._kept = dict(state)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The drivers of a program that has died cannot say that their lines are dead."""
    drivers = logging.getLogger("hal")
    before = drivers.level
    drivers.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        drivers.setLevel(before)


def _name_of(evse: int) -> str:
    return f"openevse {evse}"


def _tell_failure(life: asyncio.Task[None]) -> None:
    if not life.cancelled() and (error := life.exception()) is not None:
        log.critical("the bench has lost an emulator; restart it: %s", error)
