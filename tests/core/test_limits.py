"""`station.core.charging.limits`: the lowest bound and its name."""

from __future__ import annotations

import pytest

from station.core.charging import limits
from station.core.charging.limits import Derating, Limit, binding, candidates


@pytest.mark.parametrize(
    ("board", "cable", "configured", "expected"),
    [
        (32.0, 32.0, None, Limit(32.0, limits.BOARD)),
        (32.0, 13.0, None, Limit(13.0, limits.CABLE)),
        (32.0, None, 10.0, Limit(10.0, limits.CONFIGURED)),
        (32.0, 4.0, None, Limit(0.0, "cable (below minimum)")),
        (32.0, None, 0.0, Limit(0.0, limits.CONFIGURED)),
    ],
)
def test_why_this_current(board: float, cable: float | None, configured: float | None, expected: Limit) -> None:
    assert binding(candidates(board_a=board, cable_a=cable, configured_a=configured), min_a=6.0) == expected


def test_no_bound_at_all_is_a_mistake() -> None:
    with pytest.raises(ValueError):
        binding([], min_a=6.0)


def test_a_hot_connector_loses_current_in_a_line_and_gets_it_back_late() -> None:
    derating = Derating(60.0, 80.0)

    def current(celsius: float | None, before: float | None = None) -> float | None:
        return derating.current(celsius, max_a=32.0, min_a=6.0, before=before)

    assert current(None) is None
    assert current(20.0) is None
    assert current(60.0) is None
    assert current(70.0) == 19.0
    assert current(80.0) == 6.0
    assert current(120.0) == 6.0  # hotter is the board's fault to report
    assert current(float("nan"), 12.0) == 12.0
    assert current(69.5, 19.0) == 19.0  # one step up is noise
    assert current(68.0, 19.0) == 21.0
    assert current(71.0, 19.0) == 17.0  # down at once


def test_other_causes_join_in() -> None:
    others = (None, Limit(12.0, limits.TEMPERATURE), Limit(14.0, "profile 3 (TxProfile)"))
    found = binding(candidates(board_a=32.0, cable_a=20.0, configured_a=None, others=others), min_a=6.0)
    assert found == Limit(12.0, "connector temperature")


def test_a_sensor_s_noise_at_the_top_of_the_line_moves_the_current_once() -> None:
    derating, before, seen = Derating(), None, []
    for celsius in (64.9, 65.1, 64.9, 65.1, 64.9, 65.1):
        before = derating.current(celsius, max_a=32.0, min_a=6.0, before=before)
        seen.append(before)
    assert seen == [None, 31.0, 31.0, 31.0, 31.0, 31.0]
    assert derating.current(60.0, max_a=32.0, min_a=6.0, before=before) is None


@pytest.mark.parametrize("max_a", [6.0, 7.0, 13.6, 32.0])
def test_a_cool_connector_carries_all_that_the_board_can(max_a: float) -> None:
    for before in (None, 6.0):
        assert Derating().current(20.0, max_a=max_a, min_a=6.0, before=before) is None
