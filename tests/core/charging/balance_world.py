"""A station with several EVSEs, its vehicles and its board, for the tests of `balance`: who obeys it, late, partly or not at all.

What counts is worked out here a second time, from what was done to the hardware, in another way than in the code under test: a book
of limits per EVSE and line.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from station.core.charging.balance import Grant, Load, Memory, Shares, Supply, Tuning, share

LINES = (1, 2, 3)


@dataclass
class Lowered:
    """A limit as it was, on its lines; `limit` on `phases` since. left: the vehicle left; should it come back within `settle_s`, what
    it is then given is the limit that it has to be seen below.
    """

    amps: dict[int, int]
    total: int
    uneven: bool
    limit: int
    phases: int
    until: float
    left: bool = False


@dataclass
class Evse:
    """An EVSE, its board and its vehicle. demand: what the vehicle would draw per phase; stuck: it follows nothing."""

    number: int
    lines: tuple[int, ...] = LINES
    maybe: bool = False
    min_ma: int = 6000
    max_ma: int = 32_000
    can_switch: bool = False
    phases: int = 3
    wants: bool = False
    in_force: int = 0
    granted: Grant | None = None
    demand: int = 32_000
    drawn: int = 0
    stuck: bool = False
    priority: int = 0
    departs: float | None = None
    needs_wh: float | None = None
    lowered: list[Lowered] = field(default_factory=list)

    def on(self) -> tuple[int, ...]:
        return self.lines if self.maybe else self.lines[: self.phases]

    def measured(self) -> tuple[int, ...]:
        return tuple(self.drawn if phase < self.phases or self.maybe else 0 for phase in range(len(self.lines)))

    def as_counted(self, ma: int, limit: int, phases: int, until: float) -> Lowered:
        on = self.on()
        total = ma * (1 if self.maybe else len(on))
        return Lowered(dict.fromkeys(on, ma), total, self.maybe or len(on) < 3, limit, phases, until)

    def counts(self, now: float) -> list[Lowered]:
        self.lowered = [entry for entry in self.lowered if now < entry.until]
        return [*self.lowered, self.as_counted(self.in_force, 0, 0, 0)]


class World:
    """Plays the caller of `share`, the board and the vehicles."""

    def __init__(self, evses: list[Evse], supply: Supply, tuning: Tuning | None = None) -> None:
        self.evses = {evse.number: evse for evse in evses}
        self.supply = supply
        self.tuning = tuning or Tuning()
        self.memory = Memory()
        self.now = 0.0
        self.shares = Shares({}, self.memory)
        self.allowed = self.caps()

    # What is allowed and what counts, by name of the bound.

    def caps(self) -> dict[str, int]:
        caps = {f"L{line}": fuse for line, fuse in zip(LINES, self.supply.line_ma, strict=True) if fuse is not None}
        if self.supply.total_mw is not None:
            caps["total"] = self.supply.total_mw * 1000 // self.supply.voltage_mv
        if self.supply.imbalance_ma is not None:
            caps.update({f"uneven {line}": self.supply.imbalance_ma for line in LINES})
        return caps

    def sums(self, *, in_force_only: bool = False) -> dict[str, int]:
        sums = dict.fromkeys(self.caps(), 0)
        for evse in self.evses.values():
            entries = evse.counts(self.now)
            if in_force_only:
                entries = entries[-1:]
            for name in sums:
                sums[name] += max(_of(entry, name) for entry in entries)
        return sums

    def check(self) -> None:
        """The invariant: within every bound, or (the supply has just fallen) never more than it already was."""
        sums, caps = self.sums(), self.caps()
        for name, amount in sums.items():
            assert amount <= self.allowed[name], f"{name}: {amount} of {self.allowed[name]} at {self.now}: {self.evses}"
            self.allowed[name] = max(caps[name], amount)

    def moved(self) -> None:
        """What was allowed has changed from outside: nobody can be blamed for the sum as it is now."""
        caps, sums = self.caps(), self.sums()
        self.allowed = {name: max(cap, sums[name]) for name, cap in caps.items()}

    # What happens.

    def load(self, evse: Evse, *, measured: bool) -> Load:
        return Load(
            evse.number,
            evse.lines,
            evse.wants,
            evse.min_ma,
            evse.max_ma,
            in_force_ma=evse.in_force,
            drawn_ma=evse.measured() if measured else None,
            phases=evse.phases,
            can_switch=evse.can_switch,
            maybe=evse.maybe,
            priority=evse.priority,
            departs=evse.departs,
            needs_wh=evse.needs_wh,
        )

    def ask(self, *, measured: bool = True) -> Shares:
        """Share, obey what lowers, and check."""
        if measured:
            for evse in self.evses.values():
                evse.lowered = [entry for entry in evse.lowered if not self.obeyed(evse, entry)]
        loads = [self.load(evse, measured=measured) for evse in self.evses.values()]
        self.shares = share(self.supply, loads, self.memory, self.now, self.tuning)
        again = share(self.supply, loads[::-1], self.memory, self.now, self.tuning)
        assert again == self.shares  # deterministic, whatever the order
        self.memory = self.shares.memory
        assert self.shares.next is None or self.shares.next > self.now
        for evse in self.evses.values():
            self.obey(evse, self.shares.grants[evse.number])
        self.check()
        in_force, caps = self.sums(in_force_only=True), self.caps()
        assert all(in_force[name] <= caps[name] for name in caps), "lowering is immediate"
        return self.shares

    def obeyed(self, evse: Evse, entry: Lowered) -> bool:
        return all(
            drawn <= (entry.limit if phase < entry.phases or evse.maybe else 0) + self.tuning.tolerance_ma
            for phase, drawn in enumerate(evse.measured())
        )

    def obey(self, evse: Evse, grant: Grant) -> None:
        assert grant.ma == 0 or evse.min_ma <= grant.ma <= evse.max_ma
        assert grant.ma == 0 or evse.wants
        assert grant.phases == evse.phases or evse.can_switch
        evse.granted = grant
        if grant.phases != evse.phases:
            self.lower(evse, 0, grant.ma, grant.phases)
        elif grant.ma < evse.in_force:
            self.lower(evse, grant.ma, grant.ma, grant.phases)

    def lower(self, evse: Evse, to: int, limit: int, phases: int) -> None:
        if evse.in_force > to:
            until = self.now + self.tuning.settle_s
            evse.lowered.append(evse.as_counted(evse.in_force, limit, phases, until))
        evse.in_force = to

    def rise(self, evse: Evse, part: float = 1.0) -> None:
        """The hardware goes up, all the way or not, or changes its phases first."""
        grant = evse.granted
        if grant is None or not evse.wants:
            return
        if grant.phases != evse.phases:
            assert evse.in_force == 0
            evse.phases = grant.phases
        if grant.ma > evse.in_force:
            evse.in_force += int((grant.ma - evse.in_force) * part)
        for entry in evse.lowered:
            if entry.left:
                entry.limit, entry.phases = max(entry.limit, evse.in_force), evse.phases
        self.check()

    def follow(self, evse: Evse) -> None:
        if not evse.stuck:
            evse.drawn = min(evse.in_force, evse.demand) if evse.wants else 0

    def arrive(self, evse: Evse) -> None:
        evse.wants, evse.granted = True, None

    def leave(self, evse: Evse) -> None:
        self.lower(evse, 0, 0, evse.phases)
        for entry in evse.lowered[-1:]:
            entry.left = True
        evse.wants, evse.granted = False, None

    def pass_time(self, seconds: float, *, follow: bool = True) -> None:
        self.now += seconds
        if follow:
            for evse in self.evses.values():
                self.follow(evse)
        self.check()

    def run(self, seconds: float, *, most: int = 4000) -> list[tuple[float, dict[int, int]]]:
        """Everybody obeys; asked only when told to, and once the vehicles have followed. Every change: when, and all the grants."""
        end = self.now + seconds
        seen: list[tuple[float, dict[int, int]]] = []
        for _ in range(most):
            shares = self.ask()
            grants = {number: grant.ma for number, grant in shares.grants.items()}
            if not seen or seen[-1][1] != grants:
                seen.append((self.now, grants))
            moving = False
            for evse in self.evses.values():
                before = (evse.in_force, evse.phases, evse.drawn)
                self.rise(evse)
                self.follow(evse)
                moving = moving or (evse.in_force, evse.phases, evse.drawn) != before
            due = self.now + 1 if moving else shares.next
            if due is None or due > end:
                self.now = end
                return seen
            self.pass_time(due - self.now)
        raise AssertionError(f"asked {most} times in {seconds} s: {seen[-5:]}")

    def calm(self) -> None:
        """Until all have what they are granted: a turn may just have ended."""
        for _ in range(60):
            grants = self.ask().grants.values()
            waiting = any("slow down" in grant.cause for grant in grants)
            if not waiting and all(grant.ma == self.evses[grant.evse].in_force for grant in grants):
                return
            for evse in self.evses.values():
                self.rise(evse)
            self.pass_time(1.0)
        raise AssertionError(f"no rest: {self.shares}")


def _of(entry: Lowered, name: str) -> int:
    if name == "total":
        return entry.total
    return entry.amps.get(int(name[-1]), 0) if entry.uneven or name.startswith("L") else 0
