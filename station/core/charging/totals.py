"""What several EVSEs are expected to draw together through one grid connection (K08.FR.03; 1.6 5.7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from station.core.charging.profiles import RateUnit
from station.core.charging.shapes import Composite, CompositePeriod, PhaseLimits, Site, Source

TOGETHER = "EVSEs together"


def total(
    grid: Composite, parts: Sequence[tuple[Composite, Site]], site: Site, *, merge_causes: bool = True
) -> Composite:
    """The sum of the EVSEs, within what the grid connection allows; of the same window and unit. merge_causes: as in `compose`.

    An EVSE without a limit, or with more than its hardware can deliver, counts as what the hardware can deliver; where that is
    unknown there is no sum. Phases: of the EVSE that uses most, within those of the grid connection. Where phases differ, the one with
    the highest current counts.
    """
    walks = [_Walk(part) for part, _ in parts]
    bound = _Walk(grid)
    end = min([grid.duration, *(part.duration for part, _ in parts)])
    periods: list[CompositePeriod] = []
    before: object = None
    for start in _boundaries([grid, *(part for part, _ in parts)]):
        if start > end or (start == end and periods):
            break
        now = bound.at(start)
        drawn = [_drawn(walk.at(start), where, grid.unit) for walk, (_, where) in zip(walks, parts, strict=True)]
        period = _period(start, now, drawn, site, grid.unit)
        told: object = period.limit, period.phases
        if not merge_causes:
            told = told, period.binding and (period.binding.name, period.binding.profile)
        if told != before:
            periods.append(period)
            before = told
    return Composite(grid.evse, grid.start, end, grid.unit, tuple(periods))


def _period(
    start: int, grid: CompositePeriod, drawn: Sequence[tuple[Fraction | None, int]], site: Site, unit: RateUnit
) -> CompositePeriod:
    phases = max(number for _, number in drawn)
    if grid.phases is not None:
        phases = min(phases, grid.phases)
    known = [value for value, _ in drawn if value is not None]
    together = Source(TOGETHER, None, None, None, sum(known, Fraction(0)), None, unit=unit)
    sources = grid.sources
    limit, binding = _least(grid.limit, unit), grid.binding
    if len(known) == len(drawn):
        sources = (*sources, together)
        if limit is None or (together.limit is not None and together.limit < limit):
            limit, binding = together.limit, together
    if limit is None and site.maximum_a is not None:
        limit = site.maximum_a if unit is RateUnit.A else site.maximum_a * site.voltage_v * phases
    return CompositePeriod(
        start,
        None if limit is None else PhaseLimits(limit),
        None if site.phases <= 0 else phases,
        binding=binding,
        sources=sources,
    )


def _least(limit: PhaseLimits | None, unit: RateUnit) -> Fraction | None:
    if limit is None:
        return None
    lines = _lines(limit)
    return min(lines) if unit is RateUnit.A else sum(lines, Fraction(0))


def _drawn(period: CompositePeriod, site: Site, unit: RateUnit) -> tuple[Fraction | None, int]:
    phases = period.phases or 1
    most = site.maximum_a
    if most is not None and unit is RateUnit.W:
        most = most * site.voltage_v * phases
    if period.limit is None:
        return most, phases
    lines = _lines(period.limit)
    limit = max(lines) if unit is RateUnit.A else sum(lines, Fraction(0))
    return (limit if most is None else min(limit, most)), phases


def _lines(limit: PhaseLimits) -> list[Fraction]:
    return [rate for rate in (limit.total, limit.l2, limit.l3) if rate is not None]


def _boundaries(composites: Sequence[Composite]) -> list[int]:
    return sorted({period.start for composite in composites for period in composite.periods})


class _Walk:
    """The period of a composite at seconds that never go back."""

    __slots__ = ("_coming", "_now", "_then")

    def __init__(self, composite: Composite) -> None:
        self._coming: Iterator[CompositePeriod] = iter(composite.periods)
        self._now = next(self._coming)
        self._then = next(self._coming, None)

    def at(self, second: int) -> CompositePeriod:
        while self._then is not None and self._then.start <= second:
            self._now, self._then = self._then, next(self._coming, None)
        return self._now
