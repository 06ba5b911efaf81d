"""Composite schedules: every applicable profile over a window of time, combined into one sequence of limits (K08).

`compose`, `limit_at` and `station_caps_at` are the questions. `timeline` says which period leads when, `blend` what several leading
periods make together, `telling` puts it in words, `totals` adds up what several EVSEs draw. Time grows with the number of
boundaries inside the window and with the number of purposes, not with the length of the window or the age of a schedule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from station.core.charging.blend import Blender
from station.core.charging.leads import Blended, Lead, Leads
from station.core.charging.policy import Gaps, PhaseRule, Policy
from station.core.charging.profiles import Installed, RateUnit
from station.core.charging.shapes import (
    Composite,
    CompositePeriod,
    Member,
    PhaseLimits,
    Site,
    Source,
    StationCaps,
    Tx,
    Zone,
)
from station.core.charging.telling import Teller
from station.core.charging.timeline import FOREVER, Moment, Term, expires, terms
from station.core.charging.totals import total

__all__ = [
    "MOST_STEPS",
    "Composite",
    "CompositePeriod",
    "Member",
    "PhaseLimits",
    "Site",
    "Source",
    "StationCaps",
    "Tx",
    "Zone",
    "compose",
    "limit_at",
    "station_caps_at",
]

MOST_STEPS = 25_000
"""Changes in one composite: beyond them it ends early. A year of a daily profile with 24 periods has 8,760."""


class _Run(NamedTuple):
    start: int
    blended: Blended
    leads: Leads


def compose(
    profiles: Iterable[Installed],
    site: Site,
    tx: Tx | None,
    *,
    start: int,
    duration: int,
    unit: RateUnit,
    policy: Policy,
    caps: Sequence[Source] = (),
    merge_causes: bool = True,
    members: Sequence[Member] = (),
    most_steps: int = MOST_STEPS,
) -> Composite:
    """The composite schedule of [start, start + duration) in wall seconds, in `unit`.

    tx None: no transaction; a TxDefault transaction that starts at `start` is assumed (K08.FR.06), and so is the readiness of one
    that is not ready yet. caps: constant bounds of the station (breaker, board) in `unit`. merge_causes: neighbours that allow
    the same are one period, and of the sources only the one that binds first is told (what a CSMS gets); False keeps them apart
    when any of their sources differs, and tells all (for `explain` and plots). members: of evse 0, the EVSEs behind the grid
    connection: it then shows what they are expected to draw together (K08.FR.03), within the grid connection's own limits;
    without, those limits alone. duration 0: the one period of that second. most_steps: changes of each EVSE, after which it ends early.
    Never raises on a validated profile.
    """
    asked = _Asked(start, start + max(0, duration), unit, policy, merge_causes, most_steps)
    known = list(profiles)
    if site.evse or not members or not policy.station_total:
        return _composite(known, site, tx, asked, caps)
    if len(members) == 1:
        return replace(_composite(known, members[0].site, members[0].tx, asked, caps), evse=0)
    # A gap is filled when everything is added up.
    inner = replace(asked, policy=replace(policy, gaps=Gaps.HARDWARE))
    grid = _composite(known, replace(site, maximum_a=None), None, inner, caps)
    parts = [_composite(known, member.site, member.tx, inner, grid=False) for member in members]
    behind = list(zip(parts, (member.site for member in members), strict=True))
    return total(grid, behind, site, merge_causes=merge_causes)


def limit_at(
    profiles: Iterable[Installed], site: Site, tx: Tx | None, *, now: int, policy: Policy
) -> tuple[CompositePeriod, int | None]:
    """What binds at `now` in A per phase (limit None: no profile limits), and the next wall second at which anything may change
    (None: never). Cheap: called on every change, not on every tick.

    tx None: profiles of transactions do not count. A transaction that is not ready has no Relative profile yet.
    """
    known = list(profiles)
    blender = Blender(site, RateUnit.A, policy.phases, fill=False)
    teller = Teller(blender, site, RateUnit.A, policy.phases)
    leads, until = _now(terms(known, Moment(site, tx, now, policy, assume=False)), now)
    return teller.period(0, blender.blend(leads), leads), _next(until, expires(known, site, now))


def station_caps_at(
    profiles: Iterable[Installed], site: Site, *, now: int, policy: Policy
) -> tuple[StationCaps, int | None]:
    """The caps of the grid connection (site.evse 0), unconverted, and the next wall second at which they may change.

    LocalGeneration is on top of each. Limits in W that differ by phase bound the phase too.
    """
    known = list(profiles)
    leads, until = _now(terms(known, Moment(site, None, now, policy, assume=False)), now)
    found: dict[RateUnit, tuple[Fraction, Source]] = {}
    for unit in RateUnit:
        # One unit at a time: what is not converted does not depend on a number of phases.
        chosen = tuple(lead for lead in leads if lead.adds or lead.unit is unit)
        blender = Blender(site, unit, PhaseRule.LOWEST, fill=False)
        period = Teller(blender, site, unit, PhaseRule.LOWEST).period(0, blender.blend(chosen), chosen)
        if period.limit is None or period.binding is None:
            continue
        lines = [rate for rate in (period.limit.total, period.limit.l2, period.limit.l3) if rate is not None]
        if unit is RateUnit.W and len(lines) > 1:
            each = min(lines) / site.voltage_v
            if RateUnit.A not in found or each < found[RateUnit.A][0]:
                found[RateUnit.A] = each, period.binding
        found[unit] = (min(lines) if unit is RateUnit.A else sum(lines, Fraction(0))), period.binding
    per_phase, in_total = found.get(RateUnit.A, (None, None)), found.get(RateUnit.W, (None, None))
    return StationCaps(*per_phase, *in_total), _next(until, expires(known, site, now))


@dataclass(frozen=True, slots=True)
class _Asked:
    start: int
    end: int
    unit: RateUnit
    policy: Policy
    merge_causes: bool
    most_steps: int


def _composite(
    profiles: list[Installed],
    site: Site,
    tx: Tx | None,
    asked: _Asked,
    caps: Sequence[Source] = (),
    *,
    grid: bool = True,
) -> Composite:
    blender = Blender(site, asked.unit, asked.policy.phases, caps, fill=True)
    teller = Teller(blender, site, asked.unit, asked.policy.phases, caps)
    moment = Moment(site, tx, asked.start, asked.policy, assume=True)
    runs, end, limited = _walk(terms(profiles, moment, grid=grid), blender, teller, asked)
    if asked.policy.gaps is Gaps.OMIT:
        runs, end = _cut(runs, limited)
    first = runs[0].start if runs else asked.start
    brief = asked.merge_causes
    periods = tuple([teller.period(run.start - first, run.blended, run.leads, brief=brief) for run in runs])
    return Composite(site.evse, first, end - first, asked.unit, periods)


def _walk(
    found: list[Term], blender: Blender, teller: Teller, asked: _Asked
) -> tuple[list[_Run], int, tuple[int, int] | None]:
    """From boundary to boundary; what goes on unchanged is one run.

    Returns the runs, the second at which they end, and from when to when something limits (None: nothing does).
    """
    runs: list[_Run] = []
    before: object = None
    first: int | None = None
    last = t = asked.start
    for _ in range(asked.most_steps):
        leads, until = _now(found, t)
        blended = blender.blend(leads)
        until = min(until, asked.end)
        if blended.binder is not None and blended.binder >= 0:
            first, last = t if first is None else first, until
        now = blended.shape if asked.merge_causes else (blended, teller.sources(leads, blended.shape))
        if now != before:
            runs.append(_Run(t, blended, leads))
            before = now
        t = until
        if until >= asked.end:
            break
    return runs, t, None if first is None else (first, last)


def _now(found: list[Term], t: int) -> tuple[Leads, int]:
    """Who leads at second `t`, and until when."""
    leads: list[Lead] = []
    for term in found:
        if term.until <= t:
            term.move(t)
        if term.lead is not None:
            leads.append(term.lead)
    until = min([term.until for term in found], default=FOREVER)
    if len(leads) == 1 and leads[0].adds:
        leads.clear()  # LocalGeneration alone says nothing.
    return tuple(leads), until


def _next(*changes: int) -> int | None:
    soonest = min(changes)
    return None if soonest >= FOREVER else soonest


def _cut(runs: list[_Run], limited: tuple[int, int] | None) -> tuple[list[_Run], int]:
    """`Gaps.OMIT`: a schedule begins with the first limit and ends with the last."""
    if limited is None:
        return [], runs[0].start
    first, last = limited
    kept = [run for run in runs if first < run.start < last]
    opening = [run for run in runs if run.start <= first][-1]
    return [opening._replace(start=first), *kept], last
