"""Numbers of the wire: exact, bounded, and refused by name."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.core.charging.numbers import HIGHEST_INTEGER, HIGHEST_RATE, integer, thousandths
from station.core.charging.profiles import ProfileError

FIELD = "chargingSchedule[0].chargingSchedulePeriod[3].limit"


@pytest.mark.parametrize(
    ("value", "milli"),
    [
        (0, 0),
        (-0.0, 0),
        (16, 16_000),
        (6.1, 6_100),
        (0.1 + 0.2, 300),
        (Decimal("13.8"), 13_800),
        (-3000.5, -3_000_500),
        (1e-9, 0),
        (Decimal("1E-999999"), 0),
        (5e-324, 0),
        (Decimal("0." + "3" * 5000), 333),
        (1e9, 10**12),
        (Decimal("1E+9"), 10**12),
        (HIGHEST_RATE, 10**12),
    ],
)
def test_thousandths_are_exact(value: float | Decimal, milli: int) -> None:
    assert thousandths(value, FIELD) == milli


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        Decimal("1E+999999"),
        Decimal(10) ** 27,
        1e300,
        -1.1e9,
        1_000_000_000.5,
        10**400,
        -(10**9) - 1,
        True,
        False,
        "16",
        None,
        [16],
        {},
        1j,
        Fraction(1, 3),
    ],
)
def test_what_is_no_number_is_refused_with_its_field(value: object) -> None:
    with pytest.raises(ProfileError) as refused:
        thousandths(value, FIELD)
    assert refused.value.field == FIELD
    assert refused.value.reason == "InvalidSchedule"
    assert len(str(refused.value)) < 200, "never the value itself: it may be a million digits"


def test_the_reason_is_the_callers() -> None:
    with pytest.raises(ProfileError) as refused:
        thousandths(math.nan, "x", reason="InvalidProfile")
    assert refused.value.reason == "InvalidProfile"


@given(st.integers(-(10**6), 10**6))
def test_a_tenth_of_an_ampere_never_drifts(tenths: int) -> None:
    """A float of one decimal, as every CSMS sends it, is exactly that decimal."""
    assert thousandths(tenths / 10, FIELD) == tenths * 100


@given(st.one_of(st.floats(), st.integers(), st.decimals(), st.text(), st.none(), st.booleans(), st.binary()))
def test_any_value_is_an_integer_or_a_profile_error(value: object) -> None:
    for read in (thousandths, integer):
        try:
            number = read(value, FIELD)
        except ProfileError:
            continue
        assert type(number) is int


@pytest.mark.parametrize("value", [0, 0.0, Decimal(0), 86_400, 86_400.0, Decimal("8.64E+4"), HIGHEST_INTEGER])
def test_whole_numbers(value: float | Decimal) -> None:
    assert integer(value, "duration") == value


@pytest.mark.parametrize(
    "value",
    [-1, 0.5, HIGHEST_INTEGER + 1, 1e30, math.nan, math.inf, Decimal("1E+999999"), Decimal("sNaN"), True, "10", None],
)
def test_what_is_no_whole_number_in_range_is_refused(value: object) -> None:
    with pytest.raises(ProfileError) as refused:
        integer(value, "duration")
    assert refused.value.field == "duration"


def test_ranges_are_the_callers() -> None:
    assert integer(-7, "id", least=-10) == -7
    with pytest.raises(ProfileError, match="from -10 to 10"):
        integer(11, "id", least=-10, most=10)
