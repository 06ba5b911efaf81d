"""The invariant of the sharing, played by disobedient vehicles, a slow board and a supply that changes (K04)."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from station.core.charging.balance import Strategy, Supply, Tuning
from station.core.charging.waterfill import uses_of
from tests.core.charging.balance_world import Evse, World

ROTATIONS = list(permutations((1, 2, 3)))
FUSES = st.one_of(st.none(), st.integers(0, 90_000), st.sampled_from([0, 5999, 6000, 12_000, 16_000, 18_000, 32_000]))
SUPPLIES = st.builds(
    Supply,
    line_ma=st.one_of(FUSES.map(lambda fuse: (fuse, fuse, fuse)), st.tuples(FUSES, FUSES, FUSES)),
    total_mw=st.one_of(st.none(), st.integers(0, 60_000_000), st.sampled_from([1_380_000, 4_140_000, 11_040_000])),
    imbalance_ma=st.one_of(st.none(), st.none(), st.integers(0, 40_000), st.just(20_000)),
)
EVSES = st.one_of(
    st.builds(lambda lines, switch: {"lines": lines, "can_switch": switch}, st.sampled_from(ROTATIONS), st.booleans()),
    st.builds(lambda line: {"lines": (line,), "phases": 1}, st.integers(1, 3)),
    st.just({"lines": (1, 2, 3), "phases": 1, "maybe": True}),
)
OWN = st.one_of(st.sampled_from([0, 5000, 6000, 10_000, 16_000, 32_000]), st.integers(0, 80_000))


class Station(RuleBasedStateMachine):
    """Any number of EVSEs, any order of events."""

    world: World

    @initialize(
        evses=st.lists(st.tuples(EVSES, OWN, st.booleans()), min_size=1, max_size=6),
        supply=SUPPLIES,
        strategy=st.sampled_from([Strategy.FAIR, Strategy.FAIR, Strategy.PRIORITY, Strategy.DEPARTURE]),
        tuning=st.sampled_from([Tuning(), Tuning(turn_s=60, switch_every_s=90), Tuning(raise_every_s=0, worth_ma=0)]),
    )
    def build(
        self,
        evses: list[tuple[dict[str, object], int, bool]],
        supply: Supply,
        strategy: Strategy,
        tuning: Tuning,
    ) -> None:
        made = [
            Evse(number, max_ma=own, wants=wants, **shape)  # type: ignore[arg-type]  # drawn by the strategy above
            for number, (shape, own, wants) in enumerate(evses, 1)
        ]
        self.world = World(made, supply, replace(tuning, strategy=strategy))
        self.world.ask()

    def pick(self, data: st.DataObject) -> Evse:
        return self.world.evses[data.draw(st.integers(1, len(self.world.evses)))]

    @rule(measured=st.booleans())
    def ask(self, measured: bool) -> None:
        self.world.ask(measured=measured)

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.9, 6.0, 30.0, 60.0, 300.0, 900.0]), follow=st.booleans())
    def time_passes(self, seconds: float, follow: bool) -> None:
        self.world.pass_time(seconds, follow=follow)

    @rule()
    def told_time_passes(self) -> None:
        if self.world.shares.next is not None:
            self.world.pass_time(max(0.0, self.world.shares.next - self.world.now))
        self.world.ask()

    @rule(data=st.data(), part=st.sampled_from([0.0, 0.3, 1.0, 1.0]))
    def the_hardware_rises(self, data: st.DataObject, part: float) -> None:
        self.world.rise(self.pick(data), part)

    @rule()
    def all_hardware_rises(self) -> None:
        for evse in self.world.evses.values():
            self.world.rise(evse)
            self.world.follow(evse)

    @rule(data=st.data(), stuck=st.booleans(), demand=st.sampled_from([0, 3000, 8000, 32_000, 80_000]))
    def a_vehicle_changes_its_mind(self, data: st.DataObject, stuck: bool, demand: int) -> None:
        evse = self.pick(data)
        evse.stuck, evse.demand = stuck, demand

    @rule(data=st.data(), ask=st.booleans())
    def come_or_leave(self, data: st.DataObject, ask: bool) -> None:
        evse = self.pick(data)
        if evse.wants:
            self.world.leave(evse)
        else:
            self.world.arrive(evse)
        if ask:
            self.world.ask()

    @rule(supply=SUPPLIES)
    def the_supply_changes(self, supply: Supply) -> None:
        self.world.supply = supply
        self.world.moved()
        self.world.ask()

    @rule(data=st.data(), own=OWN, priority=st.integers(0, 2))
    def its_own_limit_changes(self, data: st.DataObject, own: int, priority: int) -> None:
        evse = self.pick(data)
        evse.max_ma, evse.priority = own, priority
        self.world.ask()

    @rule(data=st.data(), hours=st.sampled_from([0.1, 1.0, 10.0, None]), needs=st.sampled_from([None, 0, 5000, 60_000]))
    def a_driver_says_when(self, data: st.DataObject, hours: float | None, needs: int | None) -> None:
        evse = self.pick(data)
        evse.departs = None if hours is None else self.world.now + hours * 3600
        evse.needs_wh = needs

    @rule(data=st.data(), lines=st.sampled_from(ROTATIONS))
    def the_rotation_becomes_known(self, data: st.DataObject, lines: tuple[int, ...]) -> None:
        evse = self.pick(data)
        evse.lines = lines[: len(evse.lines)] if not evse.maybe else lines[:1]
        evse.maybe = False
        self.world.moved()
        self.world.ask()

    @rule()
    def nothing_is_left_over(self) -> None:
        """Once all have followed, nobody could have clearly more, and nobody is paused who would fit."""
        world = self.world
        for evse in world.evses.values():
            evse.stuck = False
        world.run(2 * world.tuning.switch_every_s + world.tuning.raise_every_s + world.tuning.settle_s)
        world.calm()
        caps, sums = world.caps(), world.sums(in_force_only=True)
        room = {name: caps[name] - sums[name] for name in caps}
        turns = [held.turn for held in world.memory.held.values() if held.turn is not None and held.turn > world.now]
        soon = bool(turns) and min(turns) - world.now < world.tuning.raise_every_s
        for evse in world.evses.values():
            if not evse.wants or evse.max_ma < evse.min_ma:
                continue
            grant = world.shares.grants[evse.number]
            if grant.ma == 0:
                phases = 1 if evse.can_switch else evse.phases
                resting = world.now - world.memory.held[evse.number].stopped < world.tuning.raise_every_s
                assert soon or resting or not fits(evse, phases, evse.min_ma, room), (evse, room)
            elif grant.ma < evse.max_ma:
                assert not fits(evse, grant.phases, min(50, evse.max_ma - grant.ma), room), (evse, room)

    @rule()
    def nothing_changes_by_itself(self) -> None:
        """Asked again and again while nothing happens, nothing changes but what `next` has announced."""
        world = self.world
        for evse in world.evses.values():
            evse.stuck = False
        world.run(1.0)
        world.calm()
        first = world.shares.grants
        for _ in range(5):
            world.now += 0.25
            if world.shares.next is not None and world.shares.next <= world.now:
                break
            assert world.ask().grants == first

    @precondition(lambda self: self.world.tuning.strategy is Strategy.FAIR)
    @rule()
    def everybody_has_a_turn(self) -> None:
        world, tuning = self.world, self.world.tuning
        for evse in world.evses.values():
            evse.stuck = False
        count = len(world.evses)
        seen = world.run(count * (tuning.turn_s + tuning.settle_s + tuning.raise_every_s) + 2 * tuning.switch_every_s)
        for evse in world.evses.values():
            if not evse.wants or evse.max_ma < evse.min_ma:
                continue
            phases = 1 if evse.can_switch else evse.phases
            if fits(evse, phases, evse.min_ma, world.caps()):
                assert any(grants[evse.number] for _, grants in seen), (evse, seen)


def fits(evse: Evse, phases: int, ma: int, room: dict[str, int]) -> bool:
    names = ["L1", "L2", "L3", "total", "uneven 1", "uneven 2", "uneven 3"]
    return all(
        cost * ma <= room.get(names[resource], ma * cost) for resource, cost in uses_of(evse.lines, phases, evse.maybe)
    )


TestStation = Station.TestCase
TestStation.settings = settings(
    max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
