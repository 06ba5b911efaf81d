"""What the sharing of a supply is told and what it answers (K04): loads, supply, grants, memory. See `balance` for the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

Uses = tuple[tuple[int, int], ...]
"""What one mA per phase costs: pairs of a resource (index, see `waterfill.uses_of`) and mA."""

LONG_AGO = float("-inf")


class Strategy(Enum):
    """How the supply is shared when it does not suffice."""

    FAIR = "fair"  # equal shares; who needs less leaves the rest to the others
    PRIORITY = "priority"  # higher `Load.priority` first, equals share
    DEPARTURE = "departure"  # who must draw the most per remaining hour first; no departure known: last


@dataclass(frozen=True, slots=True)
class Supply:
    """What is shared. line_ma: fuse of each supply line L1, L2, L3 in mA (None: no limit). total_mw: of all lines together.

    line_by, total_by: who says so, for the cause shown. imbalance_ma: most difference between the loads of two lines (None: any).
    """

    line_ma: tuple[int | None, int | None, int | None] = (None, None, None)
    total_mw: int | None = None
    imbalance_ma: int | None = None
    voltage_mv: int = 230_000
    line_by: str = "station limit"
    total_by: str = "station limit"


@dataclass(frozen=True, slots=True)
class Load:
    """One EVSE. lines: supply line (1 to 3) of each of its phases in order, e.g. (2, 3, 1); for a single-phase EVSE one of them.

    maybe: which line a single-phase load is on is not known: it is counted on every one of `lines`.
    wants: takes part now. min_ma, max_ma: least that can be offered, and its own limit without sharing. in_force_ma: newest limit
    given to the hardware (0: none). drawn_ma: measured per phase, under the limit in force; None: unknown, or not measured since
    that limit was lowered. phases: in use now (with 1, the first of `lines`). can_switch: the board can change between three
    phases and one. departs: monotonic second, needs_wh: energy wanted until then.
    idle: the vehicle has shown that it asks for nothing: nobody waits for it. guessed: the order of `lines` is not known: with one
    phase it counts on every one. drawn_phases: the vehicle has been seen to draw on so many only, the first (0: not known).
    """

    evse: int
    lines: tuple[int, ...]
    wants: bool
    min_ma: int
    max_ma: int
    in_force_ma: int = 0
    drawn_ma: tuple[int, ...] | None = None
    phases: int = 3
    can_switch: bool = False
    maybe: bool = False
    priority: int = 0
    departs: float | None = None
    needs_wh: float | None = None
    idle: bool = False
    guessed: bool = False
    drawn_phases: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """A limit that was lowered and may not be obeyed yet: it counts as `ma` on `uses` until `until` (monotonic), or until the
    vehicle was measured, after `since`, to draw no more than `limit` on its first `phases` phases and nothing on the others.
    """

    ma: int
    uses: Uses
    limit: int
    phases: int
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Held:
    """What is remembered of one EVSE. ma, uses, phases: its last grant; own: nothing but its own limit bound it; wanted: it took part.

    older: lowered limits that still count, oldest first. waits: since when it is paused for want of the minimum; turn: until when
    others cannot pause it (None: as long as nobody waits). runs, raised, stopped, switched: when it last started, went up, was
    paused, changed phases. up: since when three phases would suffice. need: mA per phase to be ready at departure.
    """

    ma: int = 0
    uses: Uses = ()
    phases: int = 0
    own: bool = False
    wanted: bool = False
    older: tuple[Counted, ...] = ()
    waits: float | None = None
    turn: float | None = None
    runs: float = LONG_AGO
    raised: float = LONG_AGO
    stopped: float = LONG_AGO
    switched: float = LONG_AGO
    up: float | None = None
    need: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """What must be remembered between calls, by EVSE; opaque to callers, small, compared by value."""

    held: Mapping[int, Held] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """The share of one EVSE: most mA per phase (0: pause), on `phases`; `cause`: what binds, "" when nothing was shared."""

    evse: int
    ma: int
    phases: int
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How patient the sharing is.

    settle_s: how long a vehicle may take to follow a lower limit (IEC 61851-1: 5 s, and the board). raise_every_s: a limit goes up by
    less than `worth_ma` at most this often, and who was paused stays so at least as long (no flapping). turn_s: who is paused for
    want of the minimum gets its turn after this. switch_every_s: least time between two changes of the number of phases.
    tolerance_ma: a vehicle measured this much above its limit obeys (errors of the meter, rounding of the duty cycle).
    """

    strategy: Strategy = Strategy.FAIR
    settle_s: float = 6.0
    raise_every_s: float = 30.0
    worth_ma: int = 2000
    turn_s: float = 900.0
    switch_every_s: float = 300.0
    tolerance_ma: int = 500


@dataclass(frozen=True, slots=True)
class Shares:
    """grants: of every load, by EVSE. next: monotonic second at which to ask again, though nothing else happened (None: no need)."""

    grants: Mapping[int, Grant]
    memory: Memory
    next: float | None = None
