"""What a lab and its screens need of a board: the simulated one, or emulators behind real drivers (`station sim --wire`)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from hal.api import Board, FaultCode, PilotState, Reader, TokenKind
from hal.errors import DeviceError
from hal.sim.board import SimBoard, build
from hal.sim.car import Car
from hal.sim.grid import Grid
from hal.sim.world import World
from station.sim.lab_settings import BOARD, LabSettings

__all__ = ["Adapter", "Hardware", "LabBoard", "LabEvse", "LabMeter", "SimHardware", "hardware"]


class LabMeter(Protocol):
    """The meter as its maker's tool sees it."""

    @property
    def register_wh(self) -> float: ...
    def set_register(self, energy_wh: float) -> None: ...
    def pretend(self, power_w: float | None) -> None: ...
    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    def fail(self) -> None: ...
    def answer(self) -> None: ...


class LabEvse(Protocol):
    """One EVSE. cable_a: rating of the cable in its socket."""

    @property
    def number(self) -> int: ...
    @property
    def cable_a(self) -> float | None: ...
    @property
    def meter(self) -> LabMeter: ...
    def hold_pilot(self, state: PilotState | None) -> None: ...


class LabBoard(Protocol):
    """People and accidents. See `hal.sim.board.SimBoard`; what a board cannot have raises HalError and says why."""

    powered: bool

    @property
    def grid(self) -> Grid: ...
    @property
    def evses(self) -> Sequence[LabEvse]: ...
    def evse(self, number: int) -> LabEvse: ...
    def car(self, evse: int) -> Car | None: ...
    def plug(self, evse: int, car: Car, cable_a: float = 32.0) -> None: ...
    def unplug(self, evse: int, *, at_car: bool = False) -> None: ...
    def tell_meter(self, evse: int) -> None: ...
    def swipe(self, token: str, kind: TokenKind = TokenKind.ISO14443, *, evse: int | None = None) -> bool: ...
    def pin(self, digits: str, *, evse: int | None = None) -> bool: ...
    def button(self, evse: int) -> bool: ...
    def fault(self, code: FaultCode, info: str = "", *, evse: int = 0) -> None: ...
    def clear(self, code: FaultCode, *, evse: int = 0) -> None: ...
    def jam(self, evse: int, jammed: bool = True) -> None: ...
    def break_rcd(self, evse: int, broken: bool = True) -> None: ...
    def temperature(self, evse: int, celsius: float) -> None: ...
    def power_cut(self, *, warning: bool = False) -> None: ...
    def power_on(self) -> None: ...
    def host_lost(self) -> None: ...
    def state(self) -> dict[str, dict[str, float]]: ...
    def restore(self, state: Mapping[str, object]) -> None: ...


class Adapter(Protocol):
    """Where a device hangs. plugged, noise: as people have left it."""

    what: str
    plugged: bool
    noise: float

    def plug(self, plugged: bool) -> None:
        """It is pulled out of its socket, or put in again."""

    def disturb(self, chance: float) -> None:
        """Random bytes come before so many (0 to 1) of the device's answers."""


class Hardware(Protocol):
    """How the station comes to its boards and readers."""

    async def open(self, folder: Path) -> None:
        """Before the first start of the program. folder: of its database. Raises HalError."""

    async def close(self) -> None:
        """After its last end. Idempotent."""

    async def abandon(self) -> None:
        """The program has died without a word: whatever it held open is free for the next."""

    async def ready(self) -> None:
        """The supply is back: return when the program would have booted."""

    def places(self) -> Sequence[tuple[str, int]]:
        """Board and unit of each EVSE of the station, in order."""

    def boards(self) -> Mapping[str, Board]:
        """For one start of the program."""

    def readers(self) -> Sequence[Reader]:
        """Likewise, what belongs to no board."""

    def adapter(self, part: str, evse: int) -> Adapter:
        """The USB adapter of the EVSE's "board", of the "meter" or of the "reader". Raises HalError."""

    @property
    def words(self) -> str:
        """What is at work and where, in one line for people; empty when there is nothing to say."""


class SimHardware:
    """A simulated board: it is in this program, and has its readers itself."""

    def __init__(self, board: SimBoard) -> None:
        self._board = board

    async def open(self, folder: Path) -> None: ...
    async def close(self) -> None: ...
    async def abandon(self) -> None: ...
    async def ready(self) -> None: ...

    def places(self) -> Sequence[tuple[str, int]]:
        return [(BOARD, evse.number) for evse in self._board.evses]

    def boards(self) -> Mapping[str, Board]:
        return {BOARD: self._board.board}

    def readers(self) -> Sequence[Reader]:
        return ()

    def adapter(self, part: str, evse: int) -> Adapter:
        raise DeviceError(f"the {part} is simulated inside this program and has no wire; start with --wire")

    @property
    def words(self) -> str:
        return ""


def hardware(settings: LabSettings, world: World) -> tuple[LabBoard, Hardware]:
    """What is on this bench. Raises ConfigError."""
    if settings.wire:
        from station.sim.wire import WireBoard  # drivers that nobody else needs

        initial_wh = settings.board.get("initial_wh", 0.0)
        wire = WireBoard(settings.evses, world, initial_wh if isinstance(initial_wh, float) else 0.0)
        return wire, wire
    board = _simulated(settings, world)
    return board, SimHardware(board)


def _simulated(settings: LabSettings, world: World) -> SimBoard:
    """The simulated board of a lab. Raises ConfigError."""
    return build(
        {"name": BOARD, "evses": settings.evses, **settings.board},
        world,
        rng=random.Random(f"{settings.seed}/board"),
    )
