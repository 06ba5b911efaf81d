"""Internal load balancing (K04): several EVSEs share what the supply allows. Pure: loads and memory in, grants and memory out.

The invariant (LAW 4 in small): at every instant and on every line of the supply, the sum of the limits in force stays within every
fuse, where a lowered limit counts at its old value until the vehicle has been measured below it or `settle_s` has passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum


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
        given to the hardware (0: none). drawn_ma: measured per phase, None: unknown. phases: in use now. can_switch: the board can change
        between three phases and one. departs: monotonic second, needs_wh: energy wanted until then.
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


@dataclass(frozen=True, slots=True)
class Counted:
    """What one EVSE counts as while a lowered limit is not yet obeyed: ma on its lines until `until` (monotonic)."""

    ma: int
    lines: tuple[int, ...]
    until: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What must be remembered between calls; opaque to callers, small, compared by value."""

    counted: Mapping[int, Counted] = field(default_factory=dict)
    paused_since: Mapping[int, float] = field(default_factory=dict)
    raised_at: Mapping[int, float] = field(default_factory=dict)
    switched_at: Mapping[int, float] = field(default_factory=dict)


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
    less than `worth_ma` at most this often (no flapping). turn_s: who is paused for want of the minimum gets its turn after this.
    switch_every_s: least time between two changes of the number of phases.
    """

    strategy: Strategy = Strategy.FAIR
    settle_s: float = 6.0
    raise_every_s: float = 30.0
    worth_ma: int = 2000
    turn_s: float = 900.0
    switch_every_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Shares:
    """grants: of every load, by EVSE. next: monotonic second at which to ask again, though nothing else happened (None: no need)."""

    grants: Mapping[int, Grant]
    memory: Memory
    next: float | None = None


def share(supply: Supply, loads: Sequence[Load], memory: Memory, now: float, tuning: Tuning) -> Shares:
    """Share the supply among the loads at monotonic second `now`."""
    raise AssertionError("to be written")
