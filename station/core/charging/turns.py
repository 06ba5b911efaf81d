"""Who may charge when there is not enough for everybody's minimum: some are paused, in turn, and nobody for good.

Whoever runs keeps running until its turn is over; then whoever has waited longest comes first. When the longest waiting does not fit
yet, its minimum is reserved: others may use what is left only as guests, whose turn is over from the start. So it starts within one
turn, and the last of N within N turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from station.core.charging.balance_types import Strategy, Tuning
from station.core.charging.counting import Member
from station.core.charging.waterfill import lacking, take

WAITING = "waiting for its turn"
RESTING = "paused a moment ago"
TOO_LITTLE = "below minimum"


@dataclass(slots=True)
class Admission:
    """inside: who may have at least the minimum. outside: who may not, what is lacking, and why. renewed: whose turn begins anew,
    guests: who may stay until somebody else fits (EVSEs).
    """

    inside: list[Member] = field(default_factory=list)
    outside: list[tuple[Member, int | None, str]] = field(default_factory=list)
    renewed: set[int] = field(default_factory=set)
    guests: set[int] = field(default_factory=set)

    @property
    def contested(self) -> bool:
        """Somebody waits for the others."""
        return any(note != TOO_LITTLE for _, _, note in self.outside)


def admit(members: Sequence[Member], capacity: Sequence[int], now: float, tuning: Tuning) -> Admission:
    """Divide the members into those who charge now and those who are paused."""
    room = list(capacity)
    for member in members:
        take(member.uses, member.load.min_ma, room)
    if min(room) >= 0 and not any(_resting(member, now, tuning) for member in members):
        return Admission(inside=list(members))
    admission = Admission()
    room = list(capacity)
    spare = list(capacity)
    for rank in sorted({member.rank for member in members}, reverse=True):
        able = []
        for member in members:
            if member.rank == rank:
                lack = lacking(member.uses, member.load.min_ma, capacity)
                if lack is not None:
                    admission.outside.append((member, lack, TOO_LITTLE))
                elif _resting(member, now, tuning):
                    admission.outside.append((member, None, RESTING))
                else:
                    able.append(member)
        _admit_equals(able, room, spare, admission, now, tuning)
    return admission


def _admit_equals(
    members: Sequence[Member], room: list[int], spare: list[int], admission: Admission, now: float, tuning: Tuning
) -> None:
    """Admit members of one rank into `room`; `spare` is what nobody has reserved."""
    in_turn = [member for member in members if _in_turn(member, now)]
    in_turn.sort(key=lambda member: (-_end(member, now, tuning), member.held.runs, member.load.evse))
    first_end = now + tuning.turn_s
    late: list[Member] = []
    for member in in_turn:
        if lacking(member.uses, member.load.min_ma, room) is None:
            _enter(member, room, spare, admission)
            first_end = min(first_end, _end(member, now, tuning))
        else:
            late.append(member)
    queue = [member for member in members if not _in_turn(member, now)]
    queue.sort(key=lambda member: _place(member, now, tuning))
    reserved = False
    for member in queue + late:
        lack = lacking(member.uses, member.load.min_ma, room)
        if lack is not None:
            admission.outside.append((member, lack, WAITING))
            if not reserved and member not in late:
                reserved = True
                take(member.uses, member.load.min_ma, spare)
            continue
        kept = lacking(member.uses, member.load.min_ma, spare)
        if kept is None:
            admission.renewed.add(member.load.evse)
        # A guest that would soon be sent away again does not start at all.
        elif member.running or first_end - now >= tuning.raise_every_s:
            admission.guests.add(member.load.evse)
        else:
            admission.outside.append((member, kept, WAITING))
            continue
        _enter(member, room, spare, admission)


def _enter(member: Member, room: list[int], spare: list[int], admission: Admission) -> None:
    take(member.uses, member.load.min_ma, room)
    take(member.uses, member.load.min_ma, spare)
    admission.inside.append(member)


def _resting(member: Member, now: float, tuning: Tuning) -> bool:
    """Paused a moment ago: a contactor is not to follow every whim of the supply."""
    return not member.running and now - member.held.stopped < tuning.raise_every_s


def _in_turn(member: Member, now: float) -> bool:
    return member.running and (member.held.turn is None or member.held.turn > now)


def _end(member: Member, now: float, tuning: Tuning) -> float:
    """When its turn is over; one that has had nobody waiting for it begins its turn now."""
    return now + tuning.turn_s if member.held.turn is None else member.held.turn


def _place(member: Member, now: float, tuning: Tuning) -> tuple[int, float, bool, float, int]:
    """Place in the queue. Who runs waits since the end of its turn, and of those the one that started last stays on."""
    held = member.held
    urgency = member.need if tuning.strategy is Strategy.DEPARTURE else 0
    if member.running:
        return (-urgency, now if held.turn is None else held.turn, True, -held.runs, member.load.evse)
    return (-urgency, now if held.waits is None else held.waits, False, held.runs, member.load.evse)
