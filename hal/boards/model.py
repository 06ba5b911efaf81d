"""What a table of hal/boards (or a file of your own) says of a Modbus EVSE board. Read and checked by `hal.boards.parse`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from hal.api import FaultCode, PilotState
from hal.meters.model import MeterModel


class Place(NamedTuple):
    """One register or coil as it is read: function 1 (coil), 3 (holding) or 4 (input), and its address from 0."""

    function: int
    address: int

    def __str__(self) -> str:
        kind = {1: "coil", 3: "register", 4: "input register"}[self.function]
        return f"{kind} {self.address}"


Words = Mapping[Place, int]
"""What has been read of a board."""


@dataclass(frozen=True, slots=True)
class Block:
    """Registers or coils that are read by one request.

    every_s: read again after so long; 0: at each look. optional: a board that refuses it goes without.
    """

    function: int
    start: int
    count: int
    every_s: float = 0.0
    optional: bool = False

    def places(self) -> tuple[Place, ...]:
        return tuple(Place(self.function, self.start + at) for at in range(self.count))


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether a masked word is one of `values` (`negated`: is none of them), or at least `least`."""

    place: Place
    mask: int = 0xFFFF
    values: frozenset[int] = frozenset()
    negated: bool = False
    least: int | None = None

    def holds(self, words: Words) -> bool:
        """False when the word has not been read."""
        word = words.get(self.place)
        if word is None:
            return False
        if self.least is not None:
            return word & self.mask >= self.least
        return (word & self.mask in self.values) is not self.negated


@dataclass(frozen=True, slots=True)
class Write:
    """How one value is written. function: 5 (coil), 6 (register) or 16 (registers). place: where it is read back."""

    place: Place
    function: int


@dataclass(frozen=True, slots=True)
class State:
    """Where the vehicle's letter is. letters: masked word -> letter; None: a state that says nothing of the vehicle.

    settle_f_s: state F passes by itself within this time (after a lock, after a watchdog); it is told when it has not.
    """

    place: Place
    mask: int
    letters: Mapping[int, PilotState | None]
    settle_f_s: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A fault that stands while `test` holds; told when it has stood for after_s."""

    test: Condition
    code: FaultCode
    info: str
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Closed:
    """When the contactor is closed. contact: a contact tells it, whatever the vehicle's letter; else only in C and D."""

    test: Condition
    contact: bool = False


@dataclass(frozen=True, slots=True)
class Cable:
    """Rating of the plugged cable: A = word x scale; a word of `none` says that there is no cable, or none that is known."""

    place: Place
    scale: float
    none: frozenset[int]


@dataclass(frozen=True, slots=True)
class Amps:
    """How the current is told: word = A / scale. fine_scale (a smaller one) counts once all of fine_when are known to hold."""

    write: Write
    scale: float
    fine_scale: float | None = None
    fine_when: tuple[Condition, ...] = ()

    def scale_of(self, words: Words) -> float:
        if self.fine_scale is not None and all(test.holds(words) for test in self.fine_when):
            return self.fine_scale
        return self.scale


@dataclass(frozen=True, slots=True)
class Enable:
    """A switch beside the current. Boards without one are off at 0 A."""

    write: Write
    on: int
    off: int


@dataclass(frozen=True, slots=True)
class Cut:
    """What opens the contactor at once, under load. restore: written when it is open. state_f: it makes state F."""

    write: Write
    mask: int
    value: int
    restore: int
    state_f: bool


@dataclass(frozen=True, slots=True)
class Init:
    """A value that the board must have; written when it has another one. otherwise: when the setting `flag` is false.

    required: a board that does not take it is not used. why: for messages.
    """

    write: Write
    mask: int
    value: int
    otherwise: int | None
    flag: str
    required: bool
    why: str


@dataclass(frozen=True, slots=True)
class Boot:
    """The current that the board offers by itself after it has got power: word = A / scale."""

    write: Write
    scale: float


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Supervision of the host: without a request for the time (word = s / unit_s) the board falls to the fail-safe current.

    default_s, least_s, most_s: what host_loss_s is and may be.
    """

    write: Write
    unit_s: float
    default_s: float
    least_s: float
    most_s: float
    fail_safe: Write
    fail_safe_scale: float


@dataclass(frozen=True, slots=True)
class Identity:
    """A fact that says who it is. kind: number, hex, version (0x0108: 1.0.8) or text (two characters a register)."""

    label: str
    function: int
    address: int
    count: int
    kind: str


@dataclass(frozen=True, slots=True)
class BoardModel:
    """One type of board. unit, baud, parity, stop_bits: as it leaves the factory.

    idle_s, active_s: between looks, without and with a vehicle. probe: all hold for a board of this type.
    """

    name: str
    source: str
    unit: int
    baud: int
    parity: str
    stop_bits: int
    timeout_s: float
    gap_s: float
    idle_s: float
    active_s: float
    min_a: float
    max_a: float
    blocks: tuple[Block, ...]
    state: State
    amps: Amps
    closed: Closed | None
    enable: Enable | None
    cut: Cut | None
    boot: Boot | None
    cable: Cable | None
    watchdog: Watchdog | None
    init: tuple[Init, ...]
    faults: tuple[FaultRule, ...]
    identity: tuple[Identity, ...]
    probe: tuple[Condition, ...]
    meter: MeterModel | None
