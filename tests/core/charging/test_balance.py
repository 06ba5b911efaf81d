"""`station.core.charging.balance`: the rules of sharing, one by one. The invariant itself is in `test_balance_property`."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from station.core.charging import balance, balance_types, counting, phase_switching, turns
from station.core.charging.balance import Grant, Load, Memory, Shares, Strategy, Supply, Tuning, share
from tests.core.charging.balance_world import Evse, World

TUNING = Tuning()
FUSE_32 = Supply(line_ma=(32_000,) * 3)


def three(number: int, **changes: object) -> Evse:
    return replace(Evse(number, wants=True), **changes)  # type: ignore[arg-type]  # names are checked by replace


def single(number: int, line: int = 1, **changes: object) -> Evse:
    return three(number, lines=(line,), phases=1, **changes)


def settled(supply: Supply, *evses: Evse, tuning: Tuning = TUNING, seconds: float = 60) -> World:
    world = World(list(evses), supply, tuning)
    world.run(seconds)
    world.ask()
    return world


def amps(world: World) -> list[float]:
    return [grant.ma / 1000 for _, grant in sorted(world.shares.grants.items())]


def causes(world: World) -> list[str]:
    return [grant.cause for _, grant in sorted(world.shares.grants.items())]


# Nothing to share


def test_without_a_limit_everybody_has_its_own_at_once_and_nothing_is_remembered() -> None:
    loads = [
        Load(1, (1, 2, 3), True, 6000, 32_000),
        Load(2, (1,), True, 6000, 16_000, phases=1),
        Load(3, (1,), False, 6000, 9000),
    ]
    shares = share(Supply(), loads, Memory(), 5.0, TUNING)
    assert shares == Shares({1: Grant(1, 32_000, 3), 2: Grant(2, 16_000, 1), 3: Grant(3, 0, 3)}, Memory(), None)


def test_a_limit_that_goes_away_frees_everybody_at_once_and_is_forgotten() -> None:
    world = settled(FUSE_32, three(1), three(2))
    assert amps(world) == [16, 16]
    world.supply = Supply()
    world.moved()
    world.ask()
    assert amps(world) == [32, 32]
    world.run(10)
    assert world.memory == Memory()


def test_enough_for_all_binds_nobody() -> None:
    world = settled(Supply(line_ma=(64_000,) * 3, total_mw=50_000_000), three(1), three(2))
    assert (amps(world), causes(world), world.shares.next) == ([32, 32], ["", ""], None)


# Fair, by priority, by departure


def test_equal_shares() -> None:
    world = settled(Supply(line_ma=(40_000,) * 3), three(1), three(2), three(3))
    assert world.shares.grants[1].ma == world.shares.grants[2].ma == world.shares.grants[3].ma == 13_333
    assert causes(world) == ["station limit (L1)"] * 3


def test_who_may_have_less_leaves_the_rest_to_the_others() -> None:
    world = settled(FUSE_32, three(1, max_ma=8000), three(2))
    assert (amps(world), causes(world)) == ([8, 24], ["", "station limit (L1)"])


def test_the_total_counts_phases() -> None:
    # 11,040 W at 230 V are 48 A over all lines: 3 x 12 A and 12 A
    world = settled(Supply(total_mw=11_040_000, total_by="profile 5"), three(1), single(2))
    assert (amps(world), causes(world)) == ([12, 12], ["profile 5", "profile 5"])


def test_rotated_phases_meet_on_the_lines_of_the_supply() -> None:
    # Single-phase cars on EVSEs whose first phase is on another line each do not disturb each other
    world = settled(
        Supply(line_ma=(20_000,) * 3), three(1, phases=1, lines=(1, 2, 3)), three(2, phases=1, lines=(2, 3, 1))
    )
    assert amps(world) == [20, 20]
    world = settled(
        Supply(line_ma=(20_000,) * 3), single(1, 2), three(2, phases=1, lines=(2, 3, 1)), three(3, lines=(3, 1, 2))
    )
    assert sum(amps(world)) == pytest.approx(20, abs=0.01)
    assert causes(world)[2] == "station limit (L2)"


def test_each_line_has_its_own_fuse() -> None:
    world = settled(
        Supply(line_ma=(32_000, 16_000, 10_000)), single(1, 1), single(2, 2), single(3, 3), single(4, 3, min_ma=1000)
    )
    assert amps(world) == [32, 16, 6, 4]


def test_a_load_on_an_unknown_line_counts_on_every_one_and_once_in_total() -> None:
    unknown = three(1, phases=1, maybe=True)
    world = settled(Supply(line_ma=(32_000, 20_000, 16_000)), unknown, single(2, 2))
    assert amps(world) == [10, 10]
    world = settled(Supply(total_mw=4_600_000), three(1, phases=1, maybe=True), single(2, 2))
    assert amps(world) == [10, 10]


def test_priority_goes_first_and_equals_share_but_everybody_keeps_the_minimum() -> None:
    tuning = Tuning(strategy=Strategy.PRIORITY)
    world = settled(FUSE_32, three(1), three(2, priority=5, max_ma=20_000), three(3), tuning=tuning)
    assert amps(world) == [6, 20, 6]
    world = settled(Supply(line_ma=(46_000,) * 3), three(1), three(2, priority=5), three(3, priority=5), tuning=tuning)
    assert amps(world) == [6, 20, 20]


def test_priority_pauses_others_for_want_of_the_minimum() -> None:
    world = settled(Supply(line_ma=(10_000,) * 3), three(1), tuning=Tuning(strategy=Strategy.PRIORITY))
    world.evses[2] = three(2, priority=1)
    world.run(60)
    world.ask()
    assert amps(world) == [0, 10]
    world.run(4 * TUNING.turn_s)
    world.ask()
    assert amps(world) == [0, 10]


def test_priority_means_nothing_to_the_fair() -> None:
    assert amps(settled(FUSE_32, three(1, priority=9), three(2))) == [16, 16]


def test_departure_gets_first_what_it_needs_to_be_ready_and_the_rest_is_shared() -> None:
    tuning = Tuning(strategy=Strategy.DEPARTURE)
    # 27.6 kWh in 2 hours over three phases are 20 A
    hurried = three(2, departs=7200.0, needs_wh=27_600)
    world = settled(FUSE_32, three(1), hurried, tuning=tuning)
    assert amps(world)[1] >= 20
    assert sum(amps(world)) == 32
    relaxed = three(2, departs=36_000.0, needs_wh=27_600)
    assert amps(settled(FUSE_32, three(1), relaxed, tuning=tuning)) == [16, 16]


def test_departure_that_needs_the_most_comes_first_and_one_that_is_past_or_unknown_last() -> None:
    tuning = Tuning(strategy=Strategy.DEPARTURE)
    evses = [
        three(1, departs=7200.0, needs_wh=27_600),
        three(2, departs=7200.0, needs_wh=41_400),
        three(3, departs=1.0, needs_wh=41_400),
        three(4, departs=7200.0),
    ]
    world = settled(Supply(line_ma=(48_000,) * 3), *evses, tuning=tuning, seconds=10)
    assert amps(world)[1] >= 30
    assert amps(world)[2:] == [6, 6]
    assert sum(amps(world)) == 48


def test_needs_are_looked_at_again_though_nothing_happens() -> None:
    tuning = Tuning(strategy=Strategy.DEPARTURE)
    world = settled(FUSE_32, three(1), three(2, departs=36_000.0, needs_wh=100_000), tuning=tuning)
    assert amps(world) == [16, 16]
    world.run(14_400)  # its meter is silent: what is left must go in ever less time
    world.ask()
    assert amps(world) == [7, 25]
    assert world.shares.next == world.now + 60


def test_a_need_is_followed_in_steps_so_that_meter_noise_moves_nothing() -> None:
    world = settled(
        FUSE_32, three(1), three(2, departs=7200.0, needs_wh=27_600), tuning=Tuning(strategy=Strategy.DEPARTURE)
    )
    before = amps(world)
    for noise in (30, -30, 60, -60, 0):
        world.evses[2].needs_wh = 27_600 * (7200 - world.now) / 7200 + noise
        world.pass_time(1)
        world.ask()
        assert amps(world) == before


# What is lowered counts


def test_a_newcomer_waits_until_the_other_has_been_measured_lower() -> None:
    world = settled(FUSE_32, three(1))
    world.evses[2] = three(2)
    world.ask()
    assert (amps(world), causes(world)[1]) == ([16, 0], "station limit (L1, waiting for others to slow down)")
    assert world.shares.next == world.now + TUNING.settle_s
    world.pass_time(1, follow=False)
    world.ask()
    assert amps(world) == [16, 0]
    world.pass_time(1)
    world.ask()
    assert (amps(world), causes(world)[1]) == ([16, 16], "station limit (L1)")


def test_a_measurement_of_the_same_instant_is_from_before() -> None:
    world = settled(FUSE_32, three(1, demand=10_000))
    world.evses[2] = three(2)
    world.ask()
    world.ask()
    assert amps(world) == [16, 0]


def test_without_a_measurement_the_time_out_decides() -> None:
    world = settled(FUSE_32, three(1))
    world.evses[2] = three(2)
    world.ask(measured=False)
    world.pass_time(5.9)
    world.ask(measured=False)
    assert amps(world) == [16, 0]
    world.pass_time(0.1)
    world.ask(measured=False)
    assert amps(world) == [16, 16]


def test_a_little_above_the_limit_is_an_error_of_the_meter() -> None:
    world = settled(FUSE_32, three(1))
    world.evses[2] = three(2)
    world.ask()
    world.evses[1].drawn = 16_000 + TUNING.tolerance_ma
    world.pass_time(0.5, follow=False)
    assert world.ask().grants[2].ma == 16_000


def test_every_phase_must_have_been_measured_lower() -> None:
    load = Load(1, (1, 2, 3), True, 6000, 32_000, 32_000)
    other = Load(2, (1, 2, 3), True, 6000, 32_000)
    shares = share(FUSE_32, [load, other], Memory(), 0.0, TUNING)
    uneven = replace(load, in_force_ma=16_000, drawn_ma=(10_000, 31_000, 10_000))
    shares = share(FUSE_32, [uneven, other], shares.memory, 1.0, TUNING)
    assert shares.grants[2].ma == 0
    even = replace(uneven, drawn_ma=(10_000, 16_000, 10_000))
    assert share(FUSE_32, [even, other], shares.memory, 2.0, TUNING).grants[2].ma == 16_000


def test_steps_down_count_each_for_its_own_time() -> None:
    world = settled(Supply(line_ma=(32_000,) * 3), three(1))
    started = world.now
    for second in range(10):
        world.supply = Supply(line_ma=(32_000 - 2000 * second,) * 3)
        world.moved()
        world.ask(measured=False)
        world.pass_time(1, follow=False)
    assert world.now == started + 10
    older = world.memory.held[1].older
    assert len(older) <= 5
    assert max(old.ma for old in older) <= 32_000 - 2 * 2000


def test_a_limit_may_go_back_up_to_what_it_still_counts_as() -> None:
    world = settled(FUSE_32, three(1))
    world.evses[2] = three(2)
    world.ask()
    world.leave(world.evses[2])
    world.ask()
    assert amps(world)[0] == 32


def test_who_leaves_frees_its_share_once_it_draws_nothing() -> None:
    world = settled(FUSE_32, three(1), three(2))
    world.leave(world.evses[2])
    world.ask()  # its meter still says 16 A
    assert amps(world) == [16, 0]
    world.evses[2].drawn = 0
    world.pass_time(1, follow=False)
    world.ask()
    assert amps(world) == [32, 0]


def test_who_leaves_with_an_open_contactor_frees_its_share_at_once() -> None:
    world = settled(FUSE_32, three(1), three(2))
    world.leave(world.evses[2])
    world.evses[2].drawn = 0
    world.ask()
    assert amps(world) == [32, 0]


def test_a_grant_on_its_way_to_the_hardware_counts() -> None:
    world = settled(FUSE_32, three(1))
    world.evses[2] = three(2)
    world.ask()
    world.pass_time(6)
    world.ask()
    assert amps(world) == [16, 16]
    world.rise(world.evses[2])  # and stops again, before anybody asks
    world.follow(world.evses[2])
    world.leave(world.evses[2])
    world.ask()
    assert amps(world) == [16, 0]


def test_a_vehicle_that_draws_more_than_anybody_gave_it_counts_for_a_while() -> None:
    """Nothing is remembered (the program was started anew), but the meter speaks."""
    loads = [
        Load(1, (1,), True, 6000, 32_000, drawn_ma=(30_000,), phases=1),
        Load(2, (1,), True, 6000, 32_000, phases=1),
    ]
    shares = share(FUSE_32, loads, Memory(), 0.0, TUNING)
    assert [shares.grants[1].ma, shares.grants[2].ma] == [16_000, 0]
    assert shares.next == TUNING.settle_s


def test_a_supply_that_falls_lowers_all_at_once_and_stops_what_is_on_its_way_up() -> None:
    world = settled(FUSE_32, three(1))
    world.evses[2] = three(2)
    world.ask()
    world.pass_time(6)
    world.ask()
    assert amps(world) == [16, 16]  # the second has not taken it yet
    world.supply = Supply(line_ma=(20_000,) * 3)
    world.moved()
    world.ask()
    assert amps(world) == [10, 0]
    world.run(20)
    world.ask()
    assert amps(world) == [10, 10]


# The minimum: paused in turn


def test_a_supply_below_every_minimum_pauses_all() -> None:
    for fuse in (0, 5999):
        world = settled(Supply(line_ma=(fuse,) * 3), three(1), single(2))
        assert amps(world) == [0, 0]
        assert causes(world) == ["station limit (L1, below minimum)"] * 2


def test_its_own_limit_below_the_minimum_is_no_matter_of_sharing() -> None:
    world = settled(FUSE_32, three(1, max_ma=5000), three(2))
    assert (amps(world), causes(world)) == ([0, 32], ["", ""])


def test_first_come_stays_until_its_turn_is_over() -> None:
    world = settled(Supply(line_ma=(10_000,) * 3), three(1))
    world.evses[2] = three(2)
    start = world.now
    world.run(60)
    world.ask()
    assert (amps(world), causes(world)[1]) == ([10, 0], "station limit (L1, waiting for its turn)")
    assert world.shares.next == start + TUNING.turn_s
    world.run(TUNING.turn_s)
    world.ask()
    assert amps(world) == [0, 10]
    world.run(TUNING.turn_s)
    world.ask()
    assert amps(world) == [10, 0]


def test_turns_are_fair_over_time() -> None:
    """Three cars, room for two: each has two thirds of the time."""
    world = World([three(1), three(2), three(3)], Supply(line_ma=(12_000,) * 3))
    charged = dict.fromkeys(world.evses, 0.0)
    seen = world.run(90 * TUNING.turn_s)
    for (start, grants), (end, _) in zip(seen, [*seen[1:], (world.now, {})], strict=True):
        for number, ma in grants.items():
            charged[number] += (end - start) * (ma > 0)
    assert all(60 * TUNING.turn_s == pytest.approx(seconds, rel=0.05) for seconds in charged.values()), charged


def test_nobody_is_sent_away_within_its_turn() -> None:
    world = World([three(number) for number in range(1, 6)], Supply(line_ma=(12_000,) * 3))
    started: dict[int, float] = {}
    for now, grants in world.run(30 * TUNING.turn_s):
        for number, ma in grants.items():
            if ma and number not in started:
                started[number] = now
            elif not ma and number in started:
                assert now - started.pop(number) >= TUNING.turn_s - TUNING.settle_s


def test_a_three_phase_car_among_single_phase_ones_is_not_starved() -> None:
    """One line is always taken by somebody, unless the room for the big one is kept."""
    evses = [single(1, 1), single(2, 2), single(3, 3), three(4), single(5, 1), single(6, 2)]
    world = World(evses, Supply(line_ma=(10_000,) * 3))
    for evse in evses[1:]:
        evse.wants = False
    for evse in evses[1:]:
        world.run(200)
        evse.wants = True
    seen = world.run(6 * (TUNING.turn_s + TUNING.settle_s))
    for number in world.evses:
        assert any(grants[number] for _, grants in seen), number


def test_a_guest_that_would_soon_be_sent_away_does_not_start() -> None:
    world = settled(Supply(line_ma=(10_000,) * 3), single(1, 1))
    world.evses[2] = three(2)
    world.ask()
    world.run(TUNING.turn_s - 20)
    world.evses[3] = single(3, 2)
    world.ask()
    assert (amps(world), causes(world)[2]) == ([10, 0, 0], "station limit (L2, waiting for its turn)")
    world.run(40)
    world.ask()
    assert amps(world) == [0, 10, 0]


def test_a_guest_uses_what_is_left_until_the_turn_of_another() -> None:
    world = settled(Supply(line_ma=(10_000,) * 3), single(1, 1))
    world.evses[2] = three(2)
    world.evses[3] = single(3, 2)
    world.run(30)
    world.ask()
    assert amps(world) == [10, 0, 10]
    world.run(TUNING.turn_s)
    world.ask()
    assert amps(world) == [0, 10, 0]


def test_who_was_paused_stays_so_for_a_moment() -> None:
    """A supply that wavers around the minimum does not wear out the contactor."""
    world = settled(Supply(line_ma=(12_000,) * 3), three(1))
    switched, was = 0, True
    for second in range(120):
        world.supply = Supply(line_ma=(5000 if second % 2 else 12_000,) * 3)
        world.moved()
        world.ask()
        world.rise(world.evses[1])
        world.pass_time(1)
        switched += (world.evses[1].in_force > 0) is not was
        was = world.evses[1].in_force > 0
    assert switched <= 2 * (120 / TUNING.raise_every_s + 1)
    world.supply = Supply(line_ma=(5000,) * 3)
    world.moved()
    world.ask()
    world.supply = Supply(line_ma=(12_000,) * 3)
    world.run(TUNING.raise_every_s + 1)
    world.ask()
    assert amps(world) == [12]


# No flapping


def test_a_small_raise_waits_and_a_large_one_does_not() -> None:
    world = settled(Supply(line_ma=(16_000,) * 3), three(1), seconds=0)
    start = world.now
    world.rise(world.evses[1])
    world.supply = Supply(line_ma=(17_000,) * 3)
    world.pass_time(1)
    world.ask()
    assert (amps(world), causes(world)) == ([16], ["station limit (L1, raised soon)"])
    assert world.shares.next == start + TUNING.raise_every_s
    world.supply = Supply(line_ma=(18_000,) * 3)
    world.ask()
    assert amps(world) == [18]
    world.rise(world.evses[1])
    world.supply = Supply(line_ma=(19_000,) * 3)
    world.run(TUNING.raise_every_s + 1)
    world.ask()
    assert amps(world) == [19]


def test_a_raise_too_small_for_now_is_asked_for_again_when_others_have_slowed_down() -> None:
    world = settled(Supply(line_ma=(24_000,) * 3), three(1, max_ma=12_000), three(2), seconds=0)
    for evse in world.evses.values():
        world.rise(evse)
    assert amps(world) == [12, 12]
    world.pass_time(1)
    world.leave(world.evses[1])
    world.supply = Supply(line_ma=(25_000,) * 3)
    world.ask(measured=False)
    assert (amps(world)[1], causes(world)[1]) == (12, "station limit (L1, waiting for others to slow down)")
    assert world.shares.next == world.now + TUNING.settle_s
    world.pass_time(TUNING.settle_s)
    world.ask(measured=False)
    assert amps(world)[1] == 25


def test_lowering_is_immediate_however_small() -> None:
    world = settled(Supply(line_ma=(16_000,) * 3), three(1), seconds=0)
    world.supply = Supply(line_ma=(15_900,) * 3)
    world.moved()
    world.ask()
    assert amps(world) == [15.9]


def test_its_own_limit_is_followed_at_once_when_nothing_is_shared() -> None:
    world = settled(FUSE_32, three(1, max_ma=10_000), seconds=0)
    for own in (10_100, 10_000, 10_300):
        world.evses[1].max_ma = own
        world.pass_time(1)
        world.ask()
        world.rise(world.evses[1])
        assert amps(world) == [own / 1000]


# Imbalance


def test_single_phase_loads_keep_the_lines_alike() -> None:
    world = settled(Supply(imbalance_ma=20_000), single(1, 1), single(2, 1), single(3, 2), three(4))
    assert amps(world) == [10, 10, 20, 32]
    assert causes(world) == ["phase imbalance"] * 3 + [""]


# Three phases or one

PV = Tuning(switch_every_s=120)


def test_one_phase_when_the_minimum_does_not_fit_on_three() -> None:
    world = settled(Supply(total_mw=2_300_000, total_by="surplus"), three(1, can_switch=True), tuning=PV, seconds=300)
    assert world.shares.grants[1] == Grant(1, 10_000, 1, "surplus")
    assert world.evses[1].phases == 1


def test_without_the_ability_it_is_paused() -> None:
    world = settled(Supply(total_mw=2_300_000, total_by="surplus"), three(1), tuning=PV)
    assert world.shares.grants[1] == Grant(1, 0, 3, "surplus (below minimum)")


def test_back_to_three_phases_when_they_have_sufficed_for_long() -> None:
    world = settled(Supply(total_mw=2_300_000), three(1, can_switch=True), tuning=PV, seconds=300)
    world.supply = Supply(total_mw=6_900_000)
    world.moved()
    world.ask()
    start = world.now
    assert world.shares.next == start + PV.switch_every_s
    world.run(60)
    world.supply = Supply(total_mw=2_300_000)  # a cloud: the patience begins anew
    world.moved()
    world.run(10)
    world.supply = Supply(total_mw=6_900_000)
    world.moved()
    start = world.now
    world.run(PV.switch_every_s - 1)
    assert world.evses[1].phases == 1
    world.run(20)
    world.ask()
    assert world.shares.grants[1] == Grant(1, 10_000, 3, "station limit")
    assert world.evses[1].phases == 3


def test_phases_do_not_change_more_often_than_allowed() -> None:
    world = World([three(1, can_switch=True)], Supply(total_mw=6_900_000), PV)
    changes: list[float] = []
    phases = 3
    for second in range(1500):
        world.supply = Supply(total_mw=2_300_000 if second // 70 % 2 else 6_900_000)
        world.moved()
        world.ask()
        if world.shares.grants[1].phases != phases:
            phases = world.shares.grants[1].phases
            changes.append(world.now)
        world.rise(world.evses[1])
        world.pass_time(1)
    assert changes
    assert all(later - earlier >= PV.switch_every_s for earlier, later in pairwise(changes))


def test_switching_counts_on_all_lines_until_it_has_settled() -> None:
    supply = Supply(line_ma=(16_000,) * 3, total_mw=11_040_000)
    world = settled(supply, three(1, can_switch=True, lines=(2, 3, 1)), single(2, 1), tuning=PV, seconds=300)
    world.supply = replace(supply, total_mw=3_000_000)
    world.moved()
    world.ask()
    assert world.shares.grants[1].phases == 1
    held = world.memory.held[1]
    assert {resource for old in held.older for resource, _ in old.uses} >= {0, 1, 2}
    assert dict(held.uses)[1] == 1


def test_one_phase_before_somebody_is_paused_and_no_more_than_needed() -> None:
    # 24 A over all lines: 3 x 6 A and 6 A, not twice 3 x 6 A
    evses = [three(1, can_switch=True), three(2, can_switch=True)]
    world = settled(Supply(total_mw=5_520_000), *evses, tuning=PV, seconds=300)
    assert sorted(grant.phases for grant in world.shares.grants.values()) == [1, 3]
    assert amps(world) == [6, 6]


def test_nobody_changes_phases_for_one_of_lower_priority() -> None:
    evses = [three(1, can_switch=True, priority=1), three(2)]
    world = settled(Supply(line_ma=(10_000,) * 3), *evses, tuning=replace(PV, strategy=Strategy.PRIORITY), seconds=300)
    assert [(grant.ma, grant.phases) for grant in world.shares.grants.values()] == [(10_000, 3), (0, 3)]


def test_one_that_can_only_have_one_phase_gets_its_turn() -> None:
    world = settled(Supply(total_mw=1_380_000), single(1, 1), tuning=PV)
    world.evses[2] = three(2, can_switch=True)
    seen = world.run(3 * PV.turn_s)
    assert any(grants[2] for _, grants in seen)


# Shape


def test_the_order_of_the_loads_means_nothing() -> None:
    loads = [Load(number, (1, 2, 3), True, 6000, 32_000) for number in range(1, 6)]
    there = share(Supply(line_ma=(20_000,) * 3), loads, Memory(), 0.0, TUNING)
    back = share(Supply(line_ma=(20_000,) * 3), loads[::-1], Memory(), 0.0, TUNING)
    assert there == back


def test_idle_evses_are_neither_counted_nor_remembered() -> None:
    loads = [Load(number, (1, 2, 3), False, 6000, 32_000) for number in range(1, 50)]
    shares = share(FUSE_32, [*loads, Load(50, (1, 2, 3), True, 6000, 32_000)], Memory(), 0.0, TUNING)
    assert set(shares.memory.held) == {50}
    assert shares.grants[50].ma == 32_000


def test_the_types_are_those_of_the_seam() -> None:
    assert balance.Load is balance_types.Load
    assert turns.TOO_LITTLE == "below minimum"
    assert phase_switching.switchable(Load(1, (1, 2, 3), True, 6000, 32_000, can_switch=True))
    assert counting.enter(Load(1, (1,), False, 6000, 32_000), None, 0.0, TUNING) is None
