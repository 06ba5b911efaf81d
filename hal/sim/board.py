"""The simulated board, and the people and accidents around it.

`create` is the factory of driver "sim"; `build` is the same with time, randomness and grid injected. Events are pushed
into the host's sink during the call that causes them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from hal.api import (
    BayChanged,
    Board,
    ButtonPressed,
    CardPresented,
    ControlLevel,
    Fault,
    FaultCode,
    HalEvent,
    KeyEntered,
    MeterRead,
    OnHostLoss,
    PowerFailing,
    Sink,
    TokenKind,
)
from hal.errors import BusError, ConfigError
from hal.settings import SettingsReader
from hal.sim.car import Car
from hal.sim.evse import HARMLESS, EvseSettings, SimEvse
from hal.sim.grid import Grid
from hal.sim.settings import BOARD_KEYS, EVSE_KEYS, read_evse
from hal.sim.world import World


class SimBoard:
    """N EVSEs on one supply. The one Device of its Board; it may be started again after `close` or a power cut."""

    def __init__(self, name: str, evses: tuple[EvseSettings, ...], grid: Grid, rng: random.Random) -> None:
        self.grid = grid
        self.rng = rng
        self.powered = True
        self.faults: dict[FaultCode, str] = {}
        self._sink: Sink | None = None
        self.evses = tuple(
            SimEvse(number, settings, grid, self._emit, rng) for number, settings in enumerate(evses, start=1)
        )
        self.board = Board(
            name=name,
            units=tuple(evse.unit() for evse in self.evses),
            devices=(self,),
            level=ControlLevel.PILOT,
            on_host_loss=OnHostLoss.OPENS,
        )

    # --- Device -------------------------------------------------------------------------------------------------------

    async def start(self, sink: Sink) -> None:
        """Take a host and tell it how everything is. Raises BusError without power."""
        if not self.powered:
            raise BusError(f"board {self.board.name!r} does not answer: no power")
        self._sink = sink
        self._announce()

    async def close(self) -> None:
        """The host takes its leave: forbid, X1, silence."""
        self.host_lost()

    def host_lost(self) -> None:
        """The host has died: the board opens by itself and talks to nobody until the next `start`."""
        self._sink = None
        for evse in self.evses:
            evse.make_safe()

    def _emit(self, event: HalEvent) -> bool:
        if self._sink is None or not self.powered:
            return False
        self._sink(event)
        return True

    def _announce(self) -> None:
        for event in tuple(self._snapshot()):
            self._emit(event)

    def _snapshot(self) -> Iterator[HalEvent]:
        for code, info in self.faults.items():
            yield Fault(0, code, True, info)
        for evse in self.evses:
            yield from evse.snapshot()
            if evse.bay_occupied:
                yield BayChanged(evse.number, True)

    # --- people -------------------------------------------------------------------------------------------------------

    def evse(self, number: int) -> SimEvse:
        """One EVSE. Raises ConfigError when there is none of that number."""
        if not 1 <= number <= len(self.evses):
            raise ConfigError(f"board {self.board.name!r} has EVSE 1 to {len(self.evses)}, not {number}")
        return self.evses[number - 1]

    def car(self, evse: int) -> Car | None:
        """The car at an EVSE."""
        return self.evse(evse).car

    def plug(self, evse: int, car: Car | None, cable_a: float = 32.0, *, proximity_ohm: float | None = None) -> None:
        """See SimEvse.plug."""
        self._tell_strange_meters()
        self.evse(evse).plug(car, cable_a, proximity_ohm)

    def unplug(self, evse: int, *, at_car: bool = False) -> None:
        """See SimEvse.unplug. Raises DeviceError when the plug is locked."""
        self.evse(evse).unplug(at_car)

    def tell_meter(self, evse: int) -> None:
        """The meter says by itself what it shows now: a host that counts on nothing flowing has not looked."""
        reading = self.evse(evse).meter.told()
        if reading is not None:
            self._emit(MeterRead(evse, reading))

    def _tell_strange_meters(self) -> None:
        """Before somebody begins a session: meters that have counted without one."""
        for evse in self.evses:
            if evse.meter.counts_alone:
                self.tell_meter(evse.number)

    def swipe(self, token: str, kind: TokenKind = TokenKind.ISO14443, *, evse: int | None = None) -> bool:
        """Hold a card to the reader of an EVSE, or of the station (None). False: nobody reads it."""
        reader_faults = self.faults if evse is None else self.evse(evse).faults
        if FaultCode.READER_FAILURE in reader_faults:
            return False
        self._tell_strange_meters()
        return self._emit(CardPresented(evse, token, kind))

    def pin(self, digits: str, *, evse: int | None = None) -> bool:
        """Type a PIN. False: nobody reads it."""
        self._tell_strange_meters()
        return self._emit(KeyEntered(evse, digits))

    def button(self, evse: int) -> bool:
        """Press the start/stop button. False: nobody notices."""
        self._tell_strange_meters()
        return self._emit(ButtonPressed(self.evse(evse).number))

    def bay(self, evse: int, occupied: bool) -> None:
        """A vehicle arrives in the bay, or leaves."""
        unit = self.evse(evse)
        if unit.bay_occupied is not occupied:
            unit.bay_occupied = occupied
            self._emit(BayChanged(evse, occupied))

    # --- accidents ----------------------------------------------------------------------------------------------------

    def fault(self, code: FaultCode, info: str = "", *, evse: int = 0) -> None:
        """A fault begins: at an EVSE, or (0) of the station. The board opens what the fault makes unsafe.

        GroundFailure is the RCD, EmergencyStop the mushroom button, HighTemperature the board's own sensor;
        they stand until `clear`.
        """
        if evse:
            self.evse(evse).set_fault(code, True, info)
        elif code not in self.faults:
            self.faults[code] = info
            self._block()
            self._emit(Fault(0, code, True, info))

    def clear(self, code: FaultCode, *, evse: int = 0) -> None:
        """A fault ends (the RCD is reset, the button pulled out). Nothing happens when there is none."""
        if evse:
            self.evse(evse).set_fault(code, False)
        elif self.faults.pop(code, None) is not None:
            self._block()
            self._emit(Fault(0, code, False))

    def _block(self) -> None:
        blocked = not self.faults.keys() <= HARMLESS
        for evse in self.evses:
            evse.block(blocked)

    def weld(self, evse: int, welded: bool = True) -> None:
        """See SimEvse.weld."""
        self.evse(evse).weld(welded)

    def jam(self, evse: int, jammed: bool = True) -> None:
        """The bolt of the lock does not move any more, or moves again. Raises ConfigError without a lock."""
        lock = self.evse(evse).lock
        if lock is None:
            raise ConfigError(f"EVSE {evse} has a fixed cable and no lock")
        lock.jammed = jammed

    def break_rcd(self, evse: int, broken: bool = True) -> None:
        """The residual-current device does not trip any more when it is tested, or does again. Raises ConfigError without one."""
        rcd = self.evse(evse).rcd
        if rcd is None:
            raise ConfigError(f"EVSE {evse} has no residual-current device that can test itself (rcd_test)")
        rcd.broken = broken

    def short_pilot(self, evse: int, shorted: bool = True) -> None:
        """See SimEvse.short_pilot."""
        self.evse(evse).short_pilot(shorted)

    def temperature(self, evse: int, celsius: float) -> None:
        """See SimEvse.set_temperature."""
        self.evse(evse).set_temperature(celsius)

    def power_cut(self, *, warning: bool = False) -> None:
        """The supply fails. warning: the board has a capacitor and can say PowerFailing first."""
        if not self.powered:
            return
        if warning:
            self._emit(PowerFailing())
        self.powered = False
        for evse in self.evses:
            evse.power_down()

    def power_on(self) -> None:
        """The supply is back. A host that is still there hears how everything is; another one has to `start`."""
        if self.powered:
            return
        self.powered = True
        sink, self._sink = self._sink, None
        for evse in self.evses:
            evse.power_up()
        self._sink = sink
        self._announce()

    # --- what outlives the process ------------------------------------------------------------------------------------

    def state(self) -> dict[str, dict[str, float]]:
        """Meter registers by EVSE number, as plain data for a file."""
        return {str(evse.number): evse.meter.state() for evse in self.evses}

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from an earlier `state`; EVSEs that it does not know start as configured. Raises ConfigError."""
        for evse in self.evses:
            kept = state.get(str(evse.number))
            if kept is None:
                continue
            if not isinstance(kept, Mapping):
                raise ConfigError(f"board state.{evse.number}: must be a table, is {kept!r}")
            evse.meter.restore(kept)


# --- factory ----------------------------------------------------------------------------------------------------------

_EVSE_FIELDS = frozenset(key.name for key in EVSE_KEYS)


def _evse_settings(where: str, values: Mapping[str, object], problems: list[str]) -> EvseSettings:
    reader = SettingsReader(where, values)
    settings = read_evse(reader, where)
    try:
        reader.finish()
    except ConfigError as error:
        problems.append(str(error))
    return settings


def build(
    settings: Mapping[str, object], world: World, *, rng: random.Random | None = None, grid: Grid | None = None
) -> SimBoard:
    """The simulated board in a given world. Raises ConfigError naming every field that is wrong.

    settings: `evses` (how many) and those of hal.sim.settings: of the board, of all EVSEs, and in `evse`, a list of
    tables, what is different for each (its length then is the number of EVSEs).
    rng: instead of one made from `seed`. grid: shared with other boards, instead of one of its own.
    """
    common = {key: value for key, value in settings.items() if key in _EVSE_FIELDS}
    reader = SettingsReader("board", {key: value for key, value in settings.items() if key not in _EVSE_FIELDS})
    own = {key.name: key.read(reader) for key in BOARD_KEYS}
    tables = reader.tables("evse")
    count = reader.integer("evses", len(tables) or 1, 1, 64)
    if tables and count != len(tables):
        reader.problems.append(f"board.evses: is {count}, but there are {len(tables)} tables in board.evse")
    shared = _evse_settings("board", common, reader.problems)
    inherited = {} if reader.problems else common  # what is wrong in `common` has been told once already
    evses = [
        _evse_settings(f"board.evse[{index}]", {**inherited, **table}, reader.problems)
        for index, table in enumerate(tables, start=1)
    ] or [shared] * count
    reader.finish()
    supply = grid or Grid(world, shared.voltage_v, own["source_ohm"], own["frequency_hz"])
    return SimBoard(own["name"], tuple(evses), supply, rng or random.Random(own["seed"]))


def create(settings: Mapping[str, object]) -> Board:
    """Factory of driver "sim": time is that of the running asyncio loop. Raises ConfigError."""
    return build(settings, World.of_running_loop()).board


def claims(settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """A simulated board is on no port."""
    return set()


def simulator_of(board: Board) -> SimBoard | None:
    """The control surface behind a Board, if it is a simulated one."""
    return next((device for device in board.devices if isinstance(device, SimBoard)), None)
