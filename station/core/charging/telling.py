"""A blended moment in words: rates in the unit that was asked for, and where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from station.core.charging.blend import Blender, limit_of
from station.core.charging.leads import Blended, Lead, Leads, Shape, Value
from station.core.charging.policy import PhaseRule
from station.core.charging.profiles import RateUnit
from station.core.charging.rates import exact
from station.core.charging.shapes import CompositePeriod, PhaseLimits, Site, Source

MAXIMUM = "hardware"


class Teller:
    """The same site, unit, rule and caps as its blender."""

    __slots__ = ("_blender", "_caps", "_dc", "_fill", "_limits", "_unit", "_winner")

    def __init__(
        self, blender: Blender, site: Site, unit: RateUnit, rule: PhaseRule, caps: Sequence[Source] = ()
    ) -> None:
        self._blender = blender
        self._caps = caps
        self._dc = site.phases <= 0
        self._fill = site.maximum_a or Fraction(0)
        self._unit = unit
        self._winner = rule is PhaseRule.WINNER
        self._limits: dict[tuple[Value, int, bool], PhaseLimits] = {}

    def period(self, start: int, blended: Blended, leads: Leads, *, brief: bool = False) -> CompositePeriod:
        """The period in words, from `start` on. brief: of the sources only the one that binds."""
        shape, binder = blended
        sources = () if brief else self.sources(leads, shape)
        binding: Source | None = None
        if binder is not None:
            if 0 <= binder < len(leads):
                binding = self._source(leads[binder], shape)
            else:
                binding = self._maximum(shape) if binder < 0 else self._caps[binder - len(leads)]
                sources = (*sources, binding)
            if brief:
                sources = (binding,)
        return CompositePeriod(
            start,
            self._told(shape.limit, shape.phases, shape.lines),
            None if self._dc else shape.phases,
            shape.phase_to_use,
            self._told(shape.setpoint, shape.phases, shape.lines),
            self._told(shape.discharge, shape.phases, shape.lines),
            shape.mode,
            binding,
            sources,
        )

    def sources(self, leads: Leads, shape: Shape) -> tuple[Source, ...]:
        """What each profile allows, hardware left out."""
        return tuple([self._source(lead, shape) for lead in leads])

    def _told(self, value: Value | None, phases: int, lines: bool) -> PhaseLimits | None:
        if value is None:
            return None
        key = (value, phases, lines)
        known = self._limits.get(key)
        if known is None:
            told = self._blender.scale.told
            if lines:
                known = PhaseLimits(*(told(steps, self._unit, 1) for steps in value))
            else:
                known = PhaseLimits(told(value[0], self._unit, phases))
            self._limits[key] = known
        return known

    def _source(self, lead: Lead, shape: Shape) -> Source:
        known = lead.sources.get((shape.phases, shape.lines))
        if known is not None:
            return known
        phases = lead.own if self._winner else shape.phases
        profile = lead.installed.profile
        rates = limit_of(lead.period)
        limit: PhaseLimits | None = None
        if lead.steps is not None and not shape.lines:
            limit = self._told((lead.steps[phases],), phases, False)
        elif rates is not None:
            value = self._blender.steps(rates, lead.unit, phases, shape.lines, shape.phase_to_use)
            limit = self._told(value, phases, shape.lines)
        made = Source(
            profile.purpose.value,
            profile.purpose,
            profile.id,
            profile.stack_level,
            None if limit is None else limit.total,
            lead.period.phases,
            None if rates is None else exact(rates.total),
            lead.unit,
        )
        if shape.phase_to_use is None:  # which phase is chosen depends on the others
            lead.sources[shape.phases, shape.lines] = made
        return made

    def _maximum(self, shape: Shape) -> Source:
        scale = self._blender.scale
        steps = scale.bound(self._fill, RateUnit.A, 1)
        limit = scale.told(steps, self._unit, 1 if shape.lines else shape.phases)
        return Source(MAXIMUM, None, None, None, limit, None, self._fill, RateUnit.A)
