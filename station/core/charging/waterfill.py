"""Water filling: what is scarce rises evenly among those who share it, until a fuse is full or nobody wants more (max-min fair).

Every bound of a supply is a resource: the fuses of L1 to L3, the sum of all lines, and what single-phase loads may take of each line
so that no two lines differ too much, whatever the vehicles draw. Currents are whole mA.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from station.core.charging.balance_types import Supply, Uses

TOTAL = 3
IMBALANCE = 4  # and the two after it: of L1, L2, L3
RESOURCES = 7
PLENTY = 1 << 60

NO_LIMITS = (PLENTY,) * RESOURCES


@lru_cache(maxsize=256)
def uses_of(lines: tuple[int, ...], phases: int, maybe: bool, drawn: int = 0) -> Uses:
    """What one mA per phase takes of each resource. maybe: on one of `lines`, nobody knows which: it counts on each, once in total.

    drawn: the vehicle has been seen to draw on so many phases only, the first ones (0: nobody knows): what it unbalances.
    """
    on = lines if maybe else lines[:phases]
    lines_used = tuple((line - 1, on.count(line)) for line in sorted(set(on)))
    total = ((TOTAL, 1 if maybe else len(on)),)
    if len(lines_used) == 3 and not maybe:
        if not 0 < drawn < phases:
            return lines_used + total  # the same on every line: it unbalances nothing
        return lines_used + total + tuple((IMBALANCE + line - 1, 1) for line in sorted(on[:drawn]))
    return lines_used + total + tuple((IMBALANCE + line, count) for line, count in lines_used)


@lru_cache(maxsize=256)
def capacities(supply: Supply) -> tuple[int, ...]:
    """What there is of each resource in mA; `PLENTY` where nothing limits. A cap below 0 leaves nothing."""
    lines = tuple(PLENTY if fuse is None else max(0, fuse) for fuse in supply.line_ma)
    total = PLENTY if supply.total_mw is None else max(0, supply.total_mw) * 1000 // supply.voltage_mv
    spread = PLENTY if supply.imbalance_ma is None else max(0, supply.imbalance_ma)
    return (*lines, total, spread, spread, spread)


def name_of(resource: int, supply: Supply) -> str:
    """Who binds, in words that stay the same while it does."""
    if resource < TOTAL:
        return f"{supply.line_by} (L{resource + 1})"
    return supply.total_by if resource == TOTAL else "phase imbalance"


def lacking(uses: Uses, ma: int, room: Sequence[int]) -> int | None:
    """The first resource that has no room for `ma` more, None: there is room."""
    for resource, cost in uses:
        if cost * ma > room[resource]:
            return resource
    return None


def take(uses: Uses, ma: int, room: list[int]) -> None:
    """Use up `ma` of the room."""
    for resource, cost in uses:
        room[resource] -= cost * ma


class Vessel:
    """One who shares: `level` rises to `top` at most; `bound`: the resource that has stopped it (None: none has)."""

    __slots__ = ("bound", "level", "top", "uses")

    def __init__(self, uses: Uses, level: int, top: int) -> None:
        self.uses = uses
        self.level = level
        self.top = top
        self.bound: int | None = None


def fill(vessels: Sequence[Vessel], room: list[int]) -> None:
    """Raise the lowest together, and so on, as far as tops and room allow. Takes from `room`."""
    for vessel in vessels:
        vessel.bound = None
    active = [vessel for vessel in vessels if vessel.level < vessel.top]
    while active:
        low = min(vessel.level for vessel in active)
        lowest = [vessel for vessel in active if vessel.level == low]
        step = min(vessel.top for vessel in lowest) - low
        for vessel in active:
            if low < vessel.level < low + step:
                step = vessel.level - low
        full = _rise(lowest, step, room)
        # Those above the lowest stop there too: the few mA that do not divide evenly are nobody's.
        for vessel in active if full else ():
            vessel.bound = next((resource for resource, _ in vessel.uses if resource in full), None)
        active = [vessel for vessel in active if vessel.bound is None and vessel.level < vessel.top]


def _rise(lowest: Sequence[Vessel], step: int, room: list[int]) -> set[int]:
    """Raise all by `step`, or by what there is room for. The resources that can no longer raise all of them by 1 mA."""
    cost = [0] * RESOURCES
    for vessel in lowest:
        for resource, each in vessel.uses:
            cost[resource] += each
    for resource, each in enumerate(cost):
        if each and room[resource] < each * step:
            step = room[resource] // each
    for vessel in lowest:
        vessel.level += step
    full = set()
    for resource, each in enumerate(cost):
        room[resource] -= each * step
        if each and room[resource] < each:
            full.add(resource)
    return full
