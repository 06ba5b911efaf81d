"""One moment of a composite schedule: the periods that lead now, made one limit (K08.FR.04, FR.08)."""

from __future__ import annotations

from collections.abc import Sequence

from station.core.charging.leads import Blended, Lead, Leads, Shape, Value
from station.core.charging.policy import PhaseRule
from station.core.charging.profiles import OperationMode, Period, Purpose, Rates, RateUnit
from station.core.charging.rates import Scale, Steps, own_lines
from station.core.charging.shapes import Site, Source
from station.core.charging.timeline import TX_PURPOSES

# A name of the module is found four times as fast as a member of its enumeration (3.11).
_A = RateUnit.A
_IDLE = OperationMode.IDLE
_CHARGING_ONLY = OperationMode.CHARGING_ONLY
_NOTHING = Rates(0)
_FROM_OUTSIDE = frozenset({OperationMode.EXTERNAL_SETPOINT, OperationMode.EXTERNAL_LIMITS})


class Blender:
    """Combines the periods that lead at one moment.

    caps: constant bounds in `unit`. fill: where no profile and no cap gives a limit, it is the site's maximum.
    """

    __slots__ = ("_caps", "_fill", "_supply", "_unit", "_winner", "scale")

    def __init__(self, site: Site, unit: RateUnit, rule: PhaseRule, caps: Sequence[Source] = (), *, fill: bool) -> None:
        self.scale = Scale(site.voltage_v)
        self._unit = unit
        self._supply = min(3, max(1, site.phases))
        self._winner = rule is PhaseRule.WINNER
        # Per number of phases: the least cap, and which.
        given = [(cap.limit, index) for index, cap in enumerate(caps) if cap.limit is not None]
        self._caps = [
            min(((self.scale.bound(limit, unit, phases), index) for limit, index in given), default=None)
            for phases in (1, 1, 2, 3)
        ]
        most = site.maximum_a if fill else None
        self._fill = None if most is None else self.scale.bound(most, _A, 1)

    def blend(self, leads: Leads) -> Blended:
        """leads: the transaction's first, then bounds, then what adds (`terms`)."""
        phases = self._supply
        plain = not self._winner
        for lead in leads:
            if not lead.known:
                self._measure(lead)
            if lead.own != phases:  # 2.1 K01.FR.140: the lowest of all, whoever binds
                phases = min(phases, lead.own)
            if not lead.plain:
                plain = False
        return self._blend_plain(leads, phases) if plain else self._blend_any(leads, phases)

    def _blend_plain(self, leads: Leads, phases: int) -> Blended:
        """What nearly every schedule is, one limit for all phases: the same as `_blend_any`, only quicker."""
        limit: Steps | None = None
        binder: int | None = None
        more = 0
        for index, lead in enumerate(leads):
            if lead.steps is None:
                continue
            steps = lead.steps[phases]
            if lead.adds:
                more += steps
            elif limit is None or steps < limit:
                limit, binder = steps, index
        if limit is not None:
            limit += more
        elif self._fill is not None:
            limit, binder = self._fill, -1
        cap = self._caps[phases]
        if cap is not None and (limit is None or cap[0] < limit):
            limit, binder = cap[0], len(leads) + cap[1]
        return Blended(Shape(False, phases, None, None if limit is None else (limit,)), binder)

    def _measure(self, lead: Lead) -> None:
        period = lead.period
        lead.known = True
        own = period.phases
        # K01.FR.49: without a word it is 3; there are never more than the supply has.
        lead.own = self._supply if own is None or own == self._supply else min(self._supply, max(1, own))
        if period.discharge is not None or period.setpoint is not None or period.phase_to_use is not None:
            return
        if not (period.mode is None or period.mode is _CHARGING_ONLY or lead.adds):
            return
        rates = limit_of(period)
        lead.plain = rates is None or (rates.l2 is None and rates.l3 is None)
        if lead.plain and rates is not None:
            lead.steps = self.scale.each(rates.total, lead.unit)

    # --- whatever a period may say ---

    def _blend_any(self, leads: Leads, lowest: int) -> Blended:
        chosen = {lead.period.phase_to_use for lead in leads}
        chosen.discard(None)
        use = chosen.pop() if len(chosen) == 1 else None
        lines = lowest == 3 and any(_lined(lead.period) for lead in leads)
        limit, binder, phases = self._least(leads, lowest, lines, use)
        if limit is not None:
            limit = self._added(limit, leads, phases, lines, use)
        elif self._fill is not None:
            limit, binder = self._spread(self._fill, lines), -1
        cap = self._caps[phases]
        if cap is not None:
            bound = self._spread(cap[0], lines)
            if limit is None or sum(bound) < sum(limit):
                binder = len(leads) + cap[1]
            limit = bound if limit is None else _lower(limit, bound)
        discharge = self._discharge(leads, phases, lines, use)
        setpoint, mode = self._setpoint(leads, phases, lines, use)
        if setpoint is not None:
            # K08.FR.08: within what may be charged and discharged.
            setpoint = setpoint if limit is None else _lower(setpoint, limit)
            setpoint = setpoint if discharge is None else _higher(setpoint, discharge)
        if limit is setpoint is discharge is None:
            lines = False  # there is nothing to tell apart
        shape = Shape(lines, phases, use if phases == 1 else None, limit, setpoint, discharge, mode)
        return Blended(shape, binder)

    def _least(self, leads: Leads, lowest: int, lines: bool, use: int | None) -> tuple[Value | None, int | None, int]:
        """The least limit, who gives it (the first of equals), and the phases of the composite."""
        found: Value | None = None
        worth: Steps = 0
        binder: int | None = None
        phases = lowest
        for index, lead in enumerate(leads):
            rates = limit_of(lead.period)
            if rates is None or lead.adds:
                continue
            own = lead.own if self._winner else lowest
            value = self.steps(rates, lead.unit, own, lines, use)
            # Limits for phases of different number are compared in the unit that is asked for.
            own_worth = sum(value) * own if self._winner and self._unit is RateUnit.W else sum(value)
            if binder is None or own_worth < worth:
                binder, worth, phases = index, own_worth, own
                found = value if found is None or self._winner else _lower(found, value)
            elif found is not None and not self._winner:
                found = _lower(found, value)
        return found, binder, phases

    def _added(self, limit: Value, leads: Leads, phases: int, lines: bool, use: int | None) -> Value:
        # 2.1 SC.01, K08.FR.04: LocalGeneration is on top of every limit.
        for lead in leads:
            rates = limit_of(lead.period)
            if rates is not None and lead.adds:
                added = self.steps(rates, lead.unit, phases, lines, use)
                limit = tuple(one + more for one, more in zip(limit, added, strict=True))
        return limit

    def _discharge(self, leads: Leads, phases: int, lines: bool, use: int | None) -> Value | None:
        found: Value | None = None
        for lead in leads:
            if lead.period.discharge is not None and not lead.adds:
                value = self.steps(lead.period.discharge, lead.unit, phases, lines, use)
                found = value if found is None else _higher(found, value)
        return found

    def _setpoint(
        self, leads: Leads, phases: int, lines: bool, use: int | None
    ) -> tuple[Value | None, OperationMode | None]:
        """The transaction's; of the external constraints where its mode says so, or where it has none."""
        inside = outside = None
        for lead in leads:
            purpose = lead.installed.profile.purpose
            if purpose in TX_PURPOSES:
                inside = lead
            elif purpose is Purpose.EXTERNAL and lead.period.setpoint is not None and outside is None:
                outside = lead
        leader = inside or outside
        if leader is None:
            return None, None
        mode = leader.period.mode
        if outside is not None and (mode in _FROM_OUTSIDE or leader.period.setpoint is None):
            leader = outside
        rates = leader.period.setpoint
        setpoint = None if rates is None else self.steps(rates, leader.unit, phases, lines, use)
        return setpoint, None if mode is _CHARGING_ONLY else mode

    def steps(self, rates: Rates, unit: RateUnit, phases: int, lines: bool, use: int | None) -> Value:
        """A rate as one value for all phases, or (`lines`) one for each. use: the phase in use, where it is one and known."""
        if not own_lines(rates):
            return self._spread(self.scale.steps(rates.total, unit, phases), lines)
        each = self.scale.lines(rates, unit)
        if lines:
            return each
        # Fewer phases than values: that of the phase in use, and when it is not known, the smallest.
        return (each[use - 1] if phases == 1 and use is not None and 1 <= use <= 3 else min(each, key=abs),)

    @staticmethod
    def _spread(steps: Steps, lines: bool) -> Value:
        return (steps, steps, steps) if lines else (steps,)


def limit_of(period: Period) -> Rates | None:
    """What limits charging, None: nothing.

    Idle is no charging at all (2.1 Q). A negative limit is an old word for discharging: nothing to charge (2.1 `limit`).
    """
    rates = period.limit
    if period.mode is _IDLE:
        return _NOTHING
    if rates is None or (rates.total >= 0 and rates.l2 is None and rates.l3 is None):
        return rates
    l2, l3 = (None if rate is None else max(0, rate) for rate in (rates.l2, rates.l3))
    return Rates(max(0, rates.total), l2, l3)


def _lined(period: Period) -> bool:
    return own_lines(period.limit) or own_lines(period.discharge) or own_lines(period.setpoint)


def _lower(one: Value, other: Value) -> Value:
    return tuple(map(min, one, other))


def _higher(one: Value, other: Value) -> Value:
    return tuple(map(max, one, other))
