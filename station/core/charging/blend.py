"""One moment of a composite schedule: the periods that lead now, made one limit, with whoever sets it (K08.FR.04, FR.08)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from station.core.charging.policy import PhaseRule
from station.core.charging.profiles import OperationMode, Period, Purpose, Rates, RateUnit
from station.core.charging.rates import Scale, Steps, exact, own_lines
from station.core.charging.shapes import CompositePeriod, PhaseLimits, Site, Source
from station.core.charging.timeline import TX_PURPOSES, Plan

MAXIMUM = "station maximum"

Value = tuple[Steps, ...]
"""Of one phase, all of them alike; or of L1, L2 and L3."""
Lead = tuple[Plan, Period]
Leads = tuple[Lead, ...]

_NOTHING = Rates(0)
_FROM_OUTSIDE = frozenset({OperationMode.EXTERNAL_SETPOINT, OperationMode.EXTERNAL_LIMITS})


class Shape(NamedTuple):
    """What a period says, in steps per phase; neighbours with equal shapes are one period.

    lines: every phase has a value of its own. phases: they convert with, and are told (DC: 1, not told).
    """

    lines: bool
    phases: int
    phase_to_use: int | None
    limit: Value | None
    setpoint: Value | None = None
    discharge: Value | None = None
    mode: OperationMode | None = None


class Blended(NamedTuple):
    """binder: index among the leads, then among the caps; -1: the station's maximum, None: nothing limits."""

    shape: Shape
    binder: int | None


class Blender:
    """Combines the periods that lead at one moment.

    caps: constant bounds in `unit`. fill: where no profile and no cap gives a limit, it is the site's maximum.
    """

    __slots__ = ("_caps", "_dc", "_fill", "_scale", "_sources", "_supply", "_winner", "unit")

    def __init__(self, site: Site, unit: RateUnit, rule: PhaseRule, caps: Sequence[Source] = (), *, fill: bool) -> None:
        self.unit = unit
        self._scale = Scale(site.voltage_v)
        self._dc = site.phases <= 0
        self._supply = min(3, max(1, site.phases))
        self._winner = rule is PhaseRule.WINNER
        self._caps = [(cap, cap.limit) for cap in caps if cap.limit is not None]
        self._fill = site.maximum_a if fill else None
        self._sources: dict[tuple[int, int, int, bool], Source] = {}

    # --- the arithmetic ---

    def blend(self, leads: Leads) -> Blended:
        """leads: the transaction's first, then bounds, then what adds (`Term` order)."""
        owns = [self._phases_of(period) for _, period in leads]
        phases = min(owns, default=self._supply)
        chosen = {period.phase_to_use for _, period in leads} if phases == 1 else set()
        chosen.discard(None)
        use = chosen.pop() if len(chosen) == 1 else None
        lines = phases == 3 and any(_lined(period) for _, period in leads)
        limit, binder, phases = self._least(leads, owns, phases, lines, use)
        if limit is not None:
            limit = self._added(limit, leads, phases, lines, use)
        elif self._fill is not None:
            limit, binder = self._spread(self._scale.bound(self._fill, RateUnit.A, phases), lines), -1
        for index, (_, bound) in enumerate(self._caps, start=len(leads)):
            cap = self._spread(self._scale.bound(bound, self.unit, phases), lines)
            if limit is None or sum(cap) < sum(limit):
                binder = index
            limit = cap if limit is None else _lower(limit, cap)
        if phases != 1:
            use = None
        setpoint, discharge, mode = self._v2x(leads, limit, phases, lines, use)
        return Blended(Shape(lines, phases, use, limit, setpoint, discharge, mode), binder)

    def _phases_of(self, period: Period) -> int:
        # K01.FR.49: without a word it is 3; there are never more than the supply has.
        own = period.phases
        return self._supply if own is None else min(self._supply, max(1, own))

    def _least(
        self, leads: Leads, owns: list[int], lowest: int, lines: bool, use: int | None
    ) -> tuple[Value | None, int | None, int]:
        """The least limit, who gives it, and the phases of the composite."""
        found: Value | None = None
        worth: Steps = 0
        binder: int | None = None
        phases = lowest
        for index, lead in enumerate(leads):
            rates = _limit(lead[1])
            if rates is None or adds(lead):
                continue
            own = owns[index] if self._winner else lowest
            value = self._steps(rates, lead, own, lines, use)
            # Limits for phases of different number are compared in the unit that is asked for.
            own_worth = sum(value) * own if self._winner and self.unit is RateUnit.W else sum(value)
            if binder is None or own_worth < worth:
                binder, worth, phases = index, own_worth, own
                found = value if found is None or self._winner else _lower(found, value)
            elif found is not None and not self._winner:
                found = _lower(found, value)
            elif own_worth == worth:
                phases = min(phases, own)
        return found, binder, phases

    def _added(self, limit: Value, leads: Leads, phases: int, lines: bool, use: int | None) -> Value:
        # 2.1 SC.01, K08.FR.04: LocalGeneration is on top of every limit.
        for lead in leads:
            rates = _limit(lead[1])
            if rates is not None and adds(lead):
                added = self._steps(rates, lead, phases, lines, use)
                limit = tuple(one + more for one, more in zip(limit, added, strict=True))
        return limit

    def _v2x(
        self, leads: Leads, limit: Value | None, phases: int, lines: bool, use: int | None
    ) -> tuple[Value | None, Value | None, OperationMode | None]:
        """Setpoint, discharge limit and operation mode of 2.1."""
        discharge: Value | None = None
        inside: Lead | None = None
        outside: Lead | None = None
        for lead in leads:
            plan, period = lead
            purpose = plan.installed.profile.purpose
            if period.discharge is not None and not adds(lead):
                value = self._steps(period.discharge, lead, phases, lines, use)
                discharge = value if discharge is None else _higher(discharge, value)
            if purpose is Purpose.EXTERNAL:
                outside = outside or (lead if period.setpoint is not None else None)
            elif purpose in TX_PURPOSES:
                inside = lead
        leader = inside or outside
        if leader is None:
            return None, discharge, None
        mode = leader[1].mode
        if outside is not None and (mode in _FROM_OUTSIDE or leader[1].setpoint is None):
            leader = outside
        setpoint: Value | None = None
        if leader[1].setpoint is not None:
            setpoint = self._steps(leader[1].setpoint, leader, phases, lines, use)
            # K08.FR.08: within what may be charged and discharged.
            setpoint = setpoint if limit is None else _lower(setpoint, limit)
            setpoint = setpoint if discharge is None else _higher(setpoint, discharge)
        return setpoint, discharge, None if mode is OperationMode.CHARGING_ONLY else mode

    def _steps(self, rates: Rates, lead: Lead, phases: int, lines: bool, use: int | None) -> Value:
        unit = lead[0].unit
        if not own_lines(rates):
            steps = self._scale.steps(rates.total, unit, phases)
            return (steps, steps, steps) if lines else (steps,)
        each = self._scale.lines(rates, unit)
        if lines:
            return each
        # Fewer phases than values: that of the phase in use, and when it is not known, the smallest.
        return (each[use - 1] if use is not None and 1 <= use <= 3 else min(each, key=abs),)

    @staticmethod
    def _spread(steps: Steps, lines: bool) -> Value:
        return (steps, steps, steps) if lines else (steps,)

    # --- what is told ---

    def causes(self, leads: Leads, shape: Shape) -> tuple[Source, ...]:
        """The sources, hardware left out."""
        return tuple([self._source(plan, period, shape) for plan, period in leads])

    def period(self, start: int, blended: Blended, leads: Leads) -> CompositePeriod:
        """The period in words."""
        shape, binder = blended
        sources = [self._source(plan, period, shape) for plan, period in leads]
        binding: Source | None = None
        if binder is not None:
            binding = sources[binder] if 0 <= binder < len(leads) else self._hardware(binder - len(leads), shape)
            if binder >= len(leads) or binder < 0:
                sources.append(binding)
        return CompositePeriod(
            start,
            self._told(shape.limit, shape),
            None if self._dc else shape.phases,
            shape.phase_to_use,
            self._told(shape.setpoint, shape),
            self._told(shape.discharge, shape),
            shape.mode,
            binding,
            tuple(sources),
        )

    def _told(self, value: Value | None, shape: Shape) -> PhaseLimits | None:
        if value is None:
            return None
        if shape.lines:
            return PhaseLimits(*(self._scale.told(steps, self.unit, 1) for steps in value))
        return PhaseLimits(self._scale.told(value[0], self.unit, shape.phases))

    def _source(self, plan: Plan, period: Period, shape: Shape) -> Source:
        phases = self._phases_of(period) if self._winner else shape.phases
        key = (id(plan), id(period), phases, shape.lines)
        known = self._sources.get(key)
        if known is not None:
            return known
        profile = plan.installed.profile
        rates = _limit(period)
        limit: Fraction | None = None
        if rates is not None:
            told = self._told(
                self._steps(rates, (plan, period), phases, shape.lines, shape.phase_to_use), shape._replace(phases=phases)
            )
            limit = None if told is None else told.total
        made = Source(
            profile.purpose.value,
            profile.purpose,
            profile.id,
            profile.stack_level,
            limit,
            period.phases,
            None if rates is None else exact(rates.total),
            plan.unit,
        )
        self._sources[key] = made
        return made

    def _hardware(self, index: int, shape: Shape) -> Source:
        if index >= 0:
            return self._caps[index][0]
        fill = self._fill or Fraction(0)
        limit = self._scale.told(self._scale.bound(fill, RateUnit.A, 1), self.unit, 1 if shape.lines else shape.phases)
        return Source(MAXIMUM, None, None, None, limit, None, fill, RateUnit.A)


def adds(lead: Lead) -> bool:
    """LocalGeneration is no limit, it adds to one."""
    return lead[0].installed.profile.purpose is Purpose.LOCAL_GENERATION


def unit_of(lead: Lead) -> RateUnit:
    """Unit of the schedule that leads."""
    return lead[0].unit


def _limit(period: Period) -> Rates | None:
    """What limits charging. Idle is no charging at all (2.1 Q); a negative limit is an old word for discharging: nothing to charge."""
    rates = period.limit
    if period.mode is OperationMode.IDLE:
        return _NOTHING
    if rates is None or (rates.total >= 0 and not own_lines(rates)):
        return rates
    l2, l3 = (None if rate is None else max(0, rate) for rate in (rates.l2, rates.l3))
    return Rates(max(0, rates.total), l2, l3)


def _lined(period: Period) -> bool:
    return own_lines(period.limit) or own_lines(period.discharge) or own_lines(period.setpoint)


def _lower(one: Value, other: Value) -> Value:
    return tuple(map(min, one, other))


def _higher(one: Value, other: Value) -> Value:
    return tuple(map(max, one, other))
