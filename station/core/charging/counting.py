"""What every EVSE counts as: its limit in force, the one it may take any moment, and lowered limits that nobody has seen obeyed yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from station.core.charging.balance_types import Counted, Held, Load, Strategy, Tuning, Uses
from station.core.charging.waterfill import RESOURCES, Vessel, uses_of

# More steps down within one `settle_s` are told apart no longer: they count as the highest of them.
_STEPS = 4
# What must be drawn to be ready in time moves with every reading: it is followed in steps (mA over all phases).
_NEED_STEP = 3000
_NEED_SLACK = 4500
_UNKNOWN = Held()
# Below every priority: it has what nobody else wants.
_IDLE_RANK = -(1 << 30)


@dataclass(slots=True, eq=False)
class Member:
    """One EVSE while shares are worked out.

    counts: what it has to be taken for, per resource. uses_now, uses: what its phases in use take, and those it is to have.
    wants: takes part; left: does not, and has been seen to draw no more than is in force, which is no more to rise.
    vessel: how much it is to have, when it may have any. grant, held_by, note: the answer, and why it is not more.
    """

    load: Load
    held: Held
    older: list[Counted]
    uses_now: Uses
    counts: list[int]
    wants: bool
    phases: int
    uses: Uses
    left: bool
    running: bool = False
    rank: int = 0
    need: int = 0
    up: float | None = None
    vessel: Vessel | None = None
    grant: int = 0
    held_by: int | None = None
    note: str = ""

    def use(self, phases: int) -> None:
        """Plan with this number of phases."""
        self.phases = phases
        self.uses = uses(self.load, phases)


def uses(load: Load, phases: int) -> Uses:
    """What one mA per phase of it takes when so many phases are in use."""
    return uses_of(load.lines, phases, load.maybe or (load.guessed and phases == 1), load.drawn_phases)


def _member(load: Load, held: Held, tuning: Tuning) -> Member:
    uses_now = uses(load, load.phases)
    # Its own limit below the minimum is no matter of sharing: it takes no part.
    wants = load.wants and load.max_ma >= load.min_ma
    left = not load.wants and _below(load, load.in_force_ma, load.phases, tuning)
    return Member(load, held, [], uses_now, [0] * RESOURCES, wants, load.phases, uses_now, left)


def enter(load: Load, held: Held | None, now: float, tuning: Tuning) -> Member | None:
    """What is known of one EVSE at `now`. None: it is at rest and nothing of it counts."""
    drawn = max(load.drawn_ma or (0,))
    overdrawn = drawn > load.in_force_ma + tuning.tolerance_ma
    if held is None and not load.wants and not load.in_force_ma and not overdrawn:
        return None
    member = _member(load, held or _UNKNOWN, tuning)
    member.older = [old for old in member.held.older if now < old.until and not _obeyed(old, load, now, tuning)]
    if overdrawn and not member.older:
        # It had its time, or its past is not known, but the meter is: it counts like a limit that was just lowered.
        member.older = [_counted(member, drawn, member.uses, load.in_force_ma, now, tuning)]
    for ma, uses in _bands(member):
        _count(member.counts, ma, uses)
    for old in member.older:
        _count(member.counts, old.ma, old.uses)
    return member


def rank(member: Member, now: float, tuning: Tuning) -> None:
    """Its standing among the others."""
    load, held = member.load, member.held
    member.running = held.wanted and held.ma > 0 if held is not _UNKNOWN else load.in_force_ma > 0
    if load.idle:
        member.rank = _IDLE_RANK
    elif tuning.strategy is Strategy.PRIORITY:
        member.rank = load.priority
    elif tuning.strategy is Strategy.DEPARTURE:
        member.need = _need(load, held.need, now)
        member.rank = 1 if member.need else 0


def share_until_now(member: Member) -> int:
    """Its last grant, if it was for the phases that it is to have now; else it starts anew."""
    held = member.held
    if held is _UNKNOWN:
        return member.load.in_force_ma if member.uses == member.uses_now else 0
    return held.ma if held.wanted and held.uses == member.uses else 0


def lowered(member: Member, now: float, tuning: Tuning) -> tuple[Counted, ...]:
    """What counts besides the grant from now on."""
    older = member.older
    for ma, uses in _bands(member):
        if _exceeds(ma, uses, member.grant, member.uses):
            older = [old for old in older if old.uses != uses or old.ma > ma]
            older.append(_counted(member, ma, uses, member.grant, now, tuning))
    while len(older) > _STEPS:
        older[-2:] = [_merged(*older[-2:])]
    return tuple(older)


def _bands(member: Member) -> Sequence[tuple[int, Uses]]:
    """What may be in force at this moment: what the hardware has, and the last grant, should it be on its way."""
    now, granted = member.load.in_force_ma, member.held.ma
    if member.left:
        return ((now, member.uses_now),)
    if member.held.uses == member.uses_now:
        return ((max(now, granted), member.uses_now),)
    return ((now, member.uses_now), (granted, member.held.uses))


def _count(counts: list[int], ma: int, uses: Uses) -> None:
    for resource, cost in uses:
        counts[resource] = max(counts[resource], cost * ma)


def _exceeds(ma: int, uses: Uses, grant: int, granted: Uses) -> bool:
    if uses == granted:
        return ma > grant
    allowed = {resource: cost * grant for resource, cost in granted}
    return any(cost * ma > allowed.get(resource, 0) for resource, cost in uses)


def _counted(member: Member, ma: int, uses: Uses, limit: int, now: float, tuning: Tuning) -> Counted:
    phases = len(member.load.lines) if member.load.maybe else member.phases
    return Counted(ma, uses, limit, phases, since=now, until=now + tuning.settle_s)


def _merged(first: Counted, second: Counted) -> Counted:
    """One that counts for at least as much and as long as both."""
    costs = dict.fromkeys((resource for resource, _ in first.uses + second.uses), 0)
    for resource, cost in first.uses + second.uses:
        costs[resource] = max(costs[resource], cost)
    return Counted(
        max(first.ma, second.ma),
        tuple(costs.items()),
        min(first.limit, second.limit),
        min(first.phases, second.phases),
        max(first.since, second.since),
        max(first.until, second.until),
    )


def _obeyed(old: Counted, load: Load, now: float, tuning: Tuning) -> bool:
    """Measured after it was lowered, and below. A reading of the same instant is from before."""
    return now > old.since and _below(load, old.limit, old.phases, tuning)


def _below(load: Load, limit: int, phases: int, tuning: Tuning) -> bool:
    if not load.drawn_ma:
        return False
    if load.maybe:
        phases = len(load.drawn_ma)
    return all(
        drawn <= (limit if phase < phases else 0) + tuning.tolerance_ma for phase, drawn in enumerate(load.drawn_ma)
    )


def _need(load: Load, last: int, now: float) -> int:
    """mA over all phases that get the energy wanted into the vehicle by its departure; 0: nobody has said so, or it is past.

    The caller's voltage is the supply's, but a need only ranks and shares: 230 V will do.
    """
    if load.departs is None or not load.needs_wh or load.departs <= now:
        return 0
    real = math.ceil(load.needs_wh * 3_600_000 / (load.departs - now) / 230)
    if last - _NEED_SLACK < real <= last:
        return last
    return -(-real // _NEED_STEP) * _NEED_STEP
