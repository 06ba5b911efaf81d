"""Internal load balancing (K04): several EVSEs share what the supply allows. Pure: loads and memory in, grants and memory out.

The invariant (LAW 4 in small): at every instant and on every line of the supply, the sum of the limits in force stays within every
fuse, where a lowered limit counts at its old value until the vehicle has been measured below it or `settle_s` has passed. When the
supply itself falls, everything is lowered at once, and nothing is raised before the sum is within it again.

The caller lowers a limit to its grant at once, and opens at once when the phases of the grant are others than those in use; it may
raise whenever it likes, and need not.

In this order: what everybody counts as (`counting`), who takes part (`turns`, `phase_switching`), how much each is to have
(`waterfill`), and how much of that may be given now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from station.core.charging import counting, phase_switching, turns
from station.core.charging.balance_types import (
    Counted,
    Grant,
    Held,
    Load,
    Memory,
    Shares,
    Strategy,
    Supply,
    Tuning,
)
from station.core.charging.counting import Member
from station.core.charging.turns import Admission
from station.core.charging.waterfill import NO_LIMITS, Vessel, capacities, fill, name_of, take

__all__ = ["Counted", "Grant", "Held", "Load", "Memory", "Shares", "Strategy", "Supply", "Tuning", "share"]

SHARE = "station share"
SETTLING = "waiting for others to slow down"
PATIENT = "raised soon"
# Needs grow while nobody delivers: they are looked at again this often.
_NEEDS_EVERY_S = 60.0
_NOTHING = Memory()


def share(supply: Supply, loads: Sequence[Load], memory: Memory, now: float, tuning: Tuning) -> Shares:
    """Share the supply among the loads at monotonic second `now`."""
    capacity = capacities(supply)
    if capacity == NO_LIMITS and not memory.held:
        return _unlimited(loads)
    members = []
    for load in sorted(loads, key=_by_evse):
        member = counting.enter(load, memory.held.get(load.evse), now, tuning)
        if member is not None:
            members.append(member)
    wanting = [member for member in members if member.wants]
    for member in wanting:
        member.use(phase_switching.phases_at_first(member.load, member.held, now, tuning))
        counting.rank(member, now, tuning)
    admission = phase_switching.admit_with_phases(wanting, capacity, now, tuning)
    for member, lack, note in admission.outside:
        member.held_by, member.note = lack, note
    _aim(admission.inside, capacity, tuning.strategy)
    _give(members, admission.inside, capacity, now, tuning)
    grants = {load.evse: Grant(load.evse, 0, load.phases) for load in loads}
    for member in wanting:
        grants[member.load.evse] = Grant(member.load.evse, member.grant, member.phases, _cause(member, supply))
    held = {}
    for member in members:
        kept = _remember(member, admission, now, tuning)
        if kept is not None and (capacity != NO_LIMITS or _matters(kept, now, tuning)):
            held[member.load.evse] = kept
    return Shares(grants, Memory(held), _next(members, held, admission, now, tuning))


def _by_evse(load: Load) -> int:
    return load.evse


def _unlimited(loads: Iterable[Load]) -> Shares:
    grants = {}
    for load in loads:
        part = load.wants and load.max_ma >= load.min_ma
        phases = len(load.lines) if part and load.can_switch and not load.maybe else load.phases
        grants[load.evse] = Grant(load.evse, load.max_ma if part else 0, phases)
    return Shares(grants, _NOTHING)


def _aim(inside: Iterable[Member], capacity: Sequence[int], strategy: Strategy) -> None:
    """What each is to have once everybody has followed: the minimum first, and the rest by the strategy."""
    room = list(capacity)
    vessels: list[tuple[Member, Vessel]] = []
    for member in inside:
        take(member.uses, member.load.min_ma, room)
        vessel = member.vessel = Vessel(member.uses, member.load.min_ma, member.load.max_ma)
        vessels.append((member, vessel))
    if strategy is Strategy.PRIORITY:
        for rank in sorted({member.rank for member, _ in vessels}, reverse=True):
            fill([vessel for member, vessel in vessels if member.rank == rank], room)
        return
    if strategy is Strategy.DEPARTURE:
        for member, vessel in sorted(vessels, key=lambda pair: (-pair[0].need, pair[0].load.evse)):
            vessel.top = min(member.load.max_ma, member.need // max(1, member.phases))
            fill((vessel,), room)
            vessel.top = member.load.max_ma
    fill([vessel for _, vessel in vessels], room)


def _give(
    members: Iterable[Member], inside: Iterable[Member], capacity: Sequence[int], now: float, tuning: Tuning
) -> None:
    """What each may have now: lower at once, higher as far as the others leave room already, and not for every trifle."""
    boundless = capacity == NO_LIMITS
    free = list(capacity)
    for member in members:
        for resource, count in enumerate(member.counts):
            free[resource] -= count
    ready = [(-member.rank, counting.share_until_now(member), member.load.evse, member) for member in inside]
    ready.sort(key=lambda entry: entry[:3])
    for _, until_now, _, member in ready:
        grant, member.held_by = _aimed(member)
        in_force = member.load.in_force_ma if member.uses == member.uses_now else 0
        for resource, cost in member.uses:
            # More is counted than there is: not even what was granted already, and is not in force yet, may come on top.
            most = in_force if free[resource] < 0 else (member.counts[resource] + free[resource]) // cost
            if most < grant:
                grant, member.held_by, member.note = most, resource, SETTLING
        least = member.load.min_ma
        if least <= until_now < grant and not boundless and _trifle(member, until_now, grant, now, tuning):
            grant, member.note = until_now, member.note or PATIENT
        member.grant = grant if grant >= least else 0
        for resource, cost in member.uses:
            free[resource] -= max(0, cost * member.grant - member.counts[resource])


def _aimed(member: Member) -> tuple[int, int | None]:
    """How much it is to have, and what binds."""
    return (0, None) if member.vessel is None else (member.vessel.level, member.vessel.bound)


def _trifle(member: Member, until_now: int, grant: int, now: float, tuning: Tuning) -> bool:
    """A raise that can wait. Not when nothing but its own limit bound it and binds it: that is no matter of sharing."""
    if grant - until_now >= tuning.worth_ma or now - member.held.raised >= tuning.raise_every_s:
        return False
    return not (member.held.own and grant == member.load.max_ma)


def _cause(member: Member, supply: Supply) -> str:
    if not member.note and member.grant == member.load.max_ma:
        return ""
    name = SHARE if member.held_by is None else name_of(member.held_by, supply)
    if not member.note:
        return name
    return f"{name[:-1]}, {member.note})" if name.endswith(")") else f"{name} ({member.note})"


def _remember(member: Member, admission: Admission, now: float, tuning: Tuning) -> Held | None:
    """None: there is nothing to remember of it."""
    held, evse, grant = member.held, member.load.evse, member.grant
    older = counting.lowered(member, now, tuning)
    if not member.wants:
        if not older and now - held.switched >= tuning.switch_every_s:
            return None
        return Held(older=older, switched=held.switched)
    decided = held.phases if held.wanted else member.load.phases
    inside = member.vessel is not None
    waits, turn, runs, stopped = held.waits, held.turn, held.runs, held.stopped
    if grant > 0:
        over = evse in admission.guests
        begins = evse in admission.renewed or turn is None
        if not member.running:
            begins, runs = not over, now
            turn = now
        waits = None
        turn = None if not admission.contested else now + tuning.turn_s if begins else turn
    else:
        waits = now if waits is None else waits
        turn = None
        if member.running and not inside:
            stopped = now
    raised = now if grant > counting.share_until_now(member) else held.raised
    return Held(
        ma=grant,
        uses=member.uses,
        phases=member.phases,
        own=grant == member.load.max_ma,
        wanted=True,
        older=older,
        waits=waits,
        turn=turn,
        runs=runs,
        raised=raised,
        stopped=stopped,
        switched=held.switched if member.phases == decided else now,
        up=member.up if member.phases == 1 else None,
        need=member.need,
    )


def _matters(held: Held, now: float, tuning: Tuning) -> bool:
    """Whether it is to be remembered though nothing limits: should a limit come back, the hardware tells the rest."""
    return bool(held.older) or now - held.switched < tuning.switch_every_s


def _next(
    members: Iterable[Member], held: dict[int, Held], admission: Admission, now: float, tuning: Tuning
) -> float | None:
    """The first moment at which time alone changes anything."""
    due: list[float] = []
    settling = False
    for member in members:
        kept = held.get(member.load.evse)
        if kept is None:
            continue
        settling = settling or member.note == SETTLING
        if member.note in {PATIENT, SETTLING}:
            due.append(kept.raised + tuning.raise_every_s)
        elif member.note == turns.RESTING:
            due.append(kept.stopped + tuning.raise_every_s)
        if kept.turn is not None:
            due.append(kept.turn)
        if member.phases == 1 and member.up is not None:
            due.append(phase_switching.change_at(member, tuning))
        elif member.phases == 3 and admission.outside and phase_switching.switchable(member.load):
            due.append(kept.switched + tuning.switch_every_s)
        if member.need and (member.vessel is None or member.grant < member.load.max_ma):
            due.append(now + _NEEDS_EVERY_S)
    if settling:
        due += [old.until for kept in held.values() for old in kept.older]
    return min((moment for moment in due if moment > now), default=None)
