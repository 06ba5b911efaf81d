"""`station.core.charging.limits`: the lowest bound and its name."""

from __future__ import annotations

import pytest

from station.core.charging import limits
from station.core.charging.limits import Limit, binding, candidates


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
