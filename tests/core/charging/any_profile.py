"""Any profile that can be written down: every field of every version, small and enormous numbers, sensible or not."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from station.core.charging.composite import Site, Tx
from station.core.charging.policy import Gaps, PhaseRule, Policy
from station.core.charging.profiles import (
    Installed,
    Kind,
    LimitSource,
    OperationMode,
    Period,
    Profile,
    Purpose,
    Rates,
    RateUnit,
    Recurrency,
    Schedule,
)

NOW = 1_711_846_800  # 2024-03-31T01:00:00Z: Europe puts its clocks forward

seconds = st.one_of(st.integers(0, 300), st.integers(0, 200_000), st.integers(0, 2**31 - 1))
walls = st.one_of(
    st.integers(NOW - 500, NOW + 500),
    st.integers(NOW - 3_000_000, NOW + 3_000_000),
    st.integers(0, 2**34),
)
milli = st.one_of(st.integers(0, 80_000), st.integers(-80_000, 80_000), st.integers(-(10**12), 10**12))
maybe_lines = st.one_of(st.none(), st.none(), st.none(), milli)
rates = st.builds(Rates, milli, maybe_lines, maybe_lines)
some_rates = st.one_of(st.none(), st.none(), rates)
extras = st.one_of(
    st.just({}),
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(-(2**53), 2**53),
                st.floats(allow_nan=False, allow_infinity=False),
                st.text(max_size=5),
            ),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
            ),
            max_leaves=5,
        ),
        max_size=3,
    ),
)
modes = st.one_of(st.none(), st.none(), st.sampled_from(OperationMode))


nothing = st.just({})


@st.composite
def periods(draw: st.DrawFn, extra: st.SearchStrategy[dict[str, Any]] = nothing, most: int = 5) -> tuple[Period, ...]:
    """In order, the first one at 0, as K01.FR.31 and FR.35 have it."""
    starts = [0, *sorted(draw(st.sets(seconds.filter(bool), max_size=most - 1)))]
    return tuple(
        Period(
            start,
            draw(st.one_of(rates, rates, st.none())),
            draw(st.sampled_from((None, None, 1, 2, 3))),
            draw(st.sampled_from((None, None, None, 1, 2, 3))),
            draw(some_rates),
            draw(some_rates),
            draw(some_rates),
            draw(modes),
            draw(extra),
        )
        for start in starts
    )


@st.composite
def schedules(draw: st.DrawFn, extra: st.SearchStrategy[dict[str, Any]] = nothing) -> Schedule:
    rows = draw(periods(extra))
    return Schedule(
        draw(st.sampled_from(RateUnit)),
        rows,
        draw(st.one_of(st.none(), walls)),
        draw(st.one_of(st.none(), seconds)),
        draw(st.integers(0, 9)),
        draw(st.one_of(st.none(), milli)),
        draw(st.booleans()),
        draw(st.integers(0, 900)),
        tuple(draw(st.lists(st.integers(0, 900), max_size=len(rows)))),
        draw(st.one_of(st.none(), st.tuples(st.integers(0, 100), milli))),
        draw(extra),
    )


def _installed(extra: st.SearchStrategy[dict[str, Any]], most: int) -> st.SearchStrategy[Installed]:
    profiles = st.builds(
        Profile,
        st.integers(-5, 50),
        st.integers(0, 9),
        st.sampled_from(Purpose),
        st.sampled_from(Kind),
        st.lists(schedules(extra), min_size=1, max_size=most).map(tuple),
        st.sampled_from((None, *Recurrency)),
        st.one_of(st.none(), walls),
        st.one_of(st.none(), walls),
        st.sampled_from((None, "tx", "other")),
        st.one_of(st.none(), seconds),
        st.booleans(),
        st.one_of(st.none(), seconds),
        st.one_of(st.none(), walls),
        extra,
    )
    return st.builds(Installed, profiles, st.integers(0, 2), st.sampled_from(LimitSource), walls, st.booleans())


installed = _installed(extras, 3)
sets = st.lists(_installed(nothing, 1), max_size=4)
"""For the engine, which looks neither at what it does not know nor at a second schedule."""


class Berlin:
    """An hour ahead of UTC, two from `NOW` on, and one again after seven months."""

    def offset_s(self, wall: int) -> int:
        return 7200 if NOW <= wall < NOW + 210 * 86_400 else 3600


sites = st.builds(
    Site,
    st.integers(0, 2),
    st.sampled_from((Fraction(230), Fraction(120), Fraction(2301, 10))),
    st.sampled_from((3, 3, 1, 2, 0)),
    st.sampled_from((None, Fraction(32), Fraction(321, 10))),
    st.sampled_from((None, Berlin())),
    st.sampled_from((None, None, 0, 100)),
)
txs = st.one_of(st.none(), st.builds(Tx, st.sampled_from((None, "tx")), st.one_of(st.none(), walls), st.booleans()))
policies = st.builds(
    Policy,
    st.sampled_from(Gaps),
    st.sampled_from(PhaseRule),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
