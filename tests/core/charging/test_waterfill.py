"""`station.core.charging.waterfill`: what is scarce rises evenly."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core.charging.balance_types import Supply
from station.core.charging.waterfill import (
    NO_LIMITS,
    PLENTY,
    RESOURCES,
    Vessel,
    capacities,
    fill,
    lacking,
    name_of,
    take,
    uses_of,
)


@pytest.mark.parametrize(
    ("lines", "phases", "maybe", "uses"),
    [
        ((1, 2, 3), 3, False, {0: 1, 1: 1, 2: 1, 3: 3}),
        ((2, 3, 1), 3, False, {0: 1, 1: 1, 2: 1, 3: 3}),
        ((2, 3, 1), 1, False, {1: 1, 3: 1, 5: 1}),
        ((3,), 1, False, {2: 1, 3: 1, 6: 1}),
        ((2, 3, 1), 2, False, {1: 1, 2: 1, 3: 2, 5: 1, 6: 1}),
        ((1, 2, 3), 1, True, {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}),
    ],
)
def test_what_one_load_takes(lines: tuple[int, ...], phases: int, maybe: bool, uses: dict[int, int]) -> None:
    assert dict(uses_of(lines, phases, maybe)) == uses


def test_capacities_are_whole_milliamperes_and_never_negative() -> None:
    supply = Supply(line_ma=(16_000, None, -5), total_mw=11_040_000, imbalance_ma=20_000)
    assert capacities(supply) == (16_000, PLENTY, 0, 48_000, 20_000, 20_000, 20_000)
    assert capacities(Supply()) == NO_LIMITS


def test_names_say_who_binds() -> None:
    supply = Supply(line_by="fuse", total_by="profile 7")
    assert [name_of(resource, supply) for resource in (0, 2, 3, 5)] == [
        "fuse (L1)",
        "fuse (L3)",
        "profile 7",
        "phase imbalance",
    ]


def test_who_needs_less_leaves_the_rest_to_the_others() -> None:
    vessels = [Vessel(uses_of((1,), 1, False), 0, top) for top in (4000, 20_000, 30_000)]
    fill(vessels, [30_000] + [PLENTY] * 6)
    assert [vessel.level for vessel in vessels] == [4000, 13_000, 13_000]
    assert [vessel.bound for vessel in vessels] == [None, 0, 0]


def test_who_is_behind_catches_up_first() -> None:
    vessels = [Vessel(uses_of((1,), 1, False), level, 32_000) for level in (6000, 16_000)]
    fill(vessels, [8000] + [PLENTY] * 6)
    assert [vessel.level for vessel in vessels] == [14_000, 16_000]
    fill(vessels, [8000] + [PLENTY] * 6)
    assert [vessel.level for vessel in vessels] == [19_000, 19_000]


LOADS = st.lists(
    st.tuples(
        st.sampled_from([((1, 2, 3), 3, False), ((2, 3, 1), 1, False), ((3,), 1, False), ((1, 2, 3), 1, True)]),
        st.integers(0, 10_000),
        st.integers(0, 40_000),
    ),
    max_size=6,
)


@settings(max_examples=400)
@given(LOADS, st.lists(st.integers(0, 100_000), min_size=RESOURCES, max_size=RESOURCES))
def test_the_filling_is_max_min_fair(
    loads: list[tuple[tuple[tuple[int, ...], int, bool], int, int]], capacity: list[int]
) -> None:
    """Nobody could have more without somebody who has no more than it having less: some resource it uses is full, and
    whoever rose there has no more than it (but for what does not divide evenly)."""
    room = list(capacity)
    vessels, levels = [], []
    for shape, level, more in loads:
        uses = uses_of(*shape)
        if lacking(uses, level, room) is None:
            take(uses, level, room)
            vessels.append(Vessel(uses, level, level + more))
            levels.append(level)
    fill(vessels, room)
    spent = [0] * RESOURCES
    for vessel, level in zip(vessels, levels, strict=True):
        assert level <= vessel.level <= vessel.top
        for resource, cost in vessel.uses:
            spent[resource] += cost * vessel.level
    assert all(left >= 0 for left in room)
    assert [spent[resource] + room[resource] for resource in range(RESOURCES)] == capacity
    grain = 3 * len(vessels) + 1
    for vessel in vessels:
        if vessel.level < vessel.top:
            assert vessel.bound is not None
            assert room[vessel.bound] < grain
            for other, level in zip(vessels, levels, strict=True):
                if vessel.bound in dict(other.uses):
                    assert other.level <= max(level, vessel.level + grain)
