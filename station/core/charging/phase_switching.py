"""Three phases or one, where the board can change: one when the minimum does not fit on three, three when it has fitted for long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from station.core.charging.balance_types import Held, Load, Tuning
from station.core.charging.counting import Member, uses
from station.core.charging.turns import Admission, admit
from station.core.charging.waterfill import lacking, take


def phases_at_first(load: Load, held: Held, now: float, tuning: Tuning) -> int:
    """Phases to plan with: those decided last; of a new session three, if the board may switch now."""
    if not switchable(load):
        return load.phases
    if held.wanted:
        return held.phases
    return 3 if load.in_force_ma == 0 and _may_switch(held, now, tuning) else load.phases


def switchable(load: Load) -> bool:
    """Whether it can be given one phase or three."""
    return load.can_switch and load.wants and len(load.lines) == 3 and not load.maybe


def admit_with_phases(members: Sequence[Member], capacity: Sequence[int], now: float, tuning: Tuning) -> Admission:
    """`turns.admit`, with as many phases for everybody as let the most take part."""
    able = [member for member in members if switchable(member.load)]
    for member in able:
        if member.phases == 3 and _may_switch(member.held, now, tuning) and _only_single(member, capacity):
            member.use(1)
    admission = admit(members, capacity, now, tuning)
    if not able:
        return admission
    if admission.outside:
        return _fewer(members, able, admission, capacity, now, tuning)
    _more(members, able, capacity, now, tuning)
    return admission


def _fewer(
    members: Sequence[Member],
    able: Iterable[Member],
    before: Admission,
    capacity: Sequence[int],
    now: float,
    tuning: Tuning,
) -> Admission:
    """Change to one phase where that lets more take part; nobody changes for one of lower rank, and no more than needed."""
    rank = max(member.rank for member, _, _ in before.outside)
    paused = {member.load.evse for member, _, _ in before.outside}
    changed = [
        member
        for member in able
        if member.phases == 3 and member.rank <= rank and _may_switch(member.held, now, tuning)
    ]
    for member in changed:
        member.use(1)
    admission = admit(members, capacity, now, tuning)
    if len(admission.inside) <= len(before.inside):
        for member in changed:
            member.use(3)
        return before
    for member in sorted(changed, key=lambda member: (member.load.evse in paused, -member.rank, member.load.evse)):
        member.use(3)
        other = admit(members, capacity, now, tuning)
        if len(other.inside) < len(admission.inside):
            member.use(1)
        else:
            admission = other
    return admission


def _more(
    members: Iterable[Member], able: Iterable[Member], capacity: Sequence[int], now: float, tuning: Tuning
) -> None:
    """Back to three phases where they have sufficed for `switch_every_s`."""
    room = list(capacity)
    for member in members:
        take(member.uses, member.load.min_ma, room)
    for member in able:
        if member.phases == 3:
            continue
        least = member.load.min_ma
        take(member.uses, -least, room)
        single = member.uses
        member.use(3)
        suffices = lacking(member.uses, least, room) is None
        if suffices:
            member.up = now if member.held.up is None else member.held.up
        if not suffices or now < change_at(member, tuning):
            member.use(1)
        take(member.uses if suffices and member.phases == 3 else single, least, room)


def _only_single(member: Member, capacity: Sequence[int]) -> bool:
    """Three minima are more than the whole supply, one is not: waiting for its turn would be in vain."""
    least, single = member.load.min_ma, uses(member.load, 1)
    return lacking(member.uses, least, capacity) is not None and lacking(single, least, capacity) is None


def change_at(member: Member, tuning: Tuning) -> float:
    """When it may change its phases, as things stand."""
    patience = member.held.switched + tuning.switch_every_s
    return patience if member.up is None else max(patience, member.up + tuning.switch_every_s)


def _may_switch(held: Held, now: float, tuning: Tuning) -> bool:
    return now - held.switched >= tuning.switch_every_s
