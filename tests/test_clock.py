"""Time that comes in as a value."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.clock import Clock, Now, best_wall, iso, parse_iso


class Ticks:
    def __init__(self) -> None:
        self.mono = 10.0
        self.wall = 1_000.0


def make(ticks: Ticks, *, trusted: bool = True) -> Clock:
    return Clock(lambda: ticks.mono, lambda: ticks.wall, boot=3, trusted=trusted)


def test_now_tells_all_four() -> None:
    assert make(Ticks()).now() == Now(10.0, 1_000.0, 3, True)


def test_setting_the_wall_clock_leaves_the_monotonic_alone() -> None:
    ticks = Ticks()
    clock = make(ticks, trusted=False)
    assert clock.set_wall(5_000.0) == pytest.approx(4_000.0)
    assert clock.now() == Now(10.0, 5_000.0, 3, True)
    ticks.wall += 7
    assert clock.now().wall == pytest.approx(5_007.0)
    assert clock.set_wall(5_006.0) == pytest.approx(-1.0)


def test_the_wall_time_of_a_moment_before_the_clock_was_known() -> None:
    before = Now(20.0, 0.0, boot=1, trusted=False)
    now = Now(50.0, 9_000.0, boot=1, trusted=True)
    assert best_wall(before, now) == pytest.approx(8_970.0)
    assert best_wall(Now(20.0, 5.0, boot=0, trusted=False), now) == 5.0, "another start: nothing to reckon with"
    assert best_wall(Now(20.0, 5.0, boot=1, trusted=True), now) == 5.0
    assert best_wall(before, Now(50.0, 9_000.0, boot=1, trusted=False)) == 0.0


@pytest.mark.parametrize(
    ("wall", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_780_000_000.0006, "2026-05-28T20:26:40.001Z"),
        (1_780_000_000.9996, "2026-05-28T20:26:41.000Z"),
        (-0.5, "1969-12-31T23:59:59.500Z"),
        (-62_135_596_800.0, "0001-01-01T00:00:00.000Z"),
        (-62_135_596_801.0, "0001-01-01T00:00:00.000Z"),
        (253_402_300_799.9, "9999-12-31T23:59:59.900Z"),
        (253_402_300_800.0, "9999-12-31T23:59:59.999Z"),
        (1e300, "9999-12-31T23:59:59.999Z"),
        (math.inf, "9999-12-31T23:59:59.999Z"),
        (-math.inf, "0001-01-01T00:00:00.000Z"),
        (math.nan, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_three_digits_and_z(wall: float, text: str) -> None:
    """csms_quirks: six digits are refused by one CSMS."""
    assert iso(wall) == text


@pytest.mark.parametrize(
    ("text", "wall"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600.0),
        ("2026-01-01T00:00:00", 1_767_225_600.0),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600.0),
        ("2026-01-01T00:00:00.123456+00:00", 1_767_225_600.123456),
        (" 2026-01-01T00:00:00.1Z ", 1_767_225_600.1),
        ("2026-01-01t00:00:00z", 1_767_225_600.0),
        ("2025-12-31T23:59:60Z", 1_767_225_600.0),
        ("2025-12-31T23:59:60.5Z", 1_767_225_600.5),
    ],
)
def test_whatever_a_csms_calls_a_time(text: str, wall: float) -> None:
    """RFC 3339 allows small letters and leap seconds; no zone is taken as UTC."""
    assert parse_iso(text) == pytest.approx(wall)


@pytest.mark.parametrize(
    "text", ["", "now", "2026-13-01T00:00:00Z", "12:00", "2026-01-01T25:00:00Z", "2026-01-01T00:61:60Z"]
)
def test_anything_else_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_iso(text)


@given(st.integers(0, 253_402_300_799_000))
def test_there_and_back(millis: int) -> None:
    assert parse_iso(iso(millis / 1000)) == pytest.approx(millis / 1000, abs=1e-3)
