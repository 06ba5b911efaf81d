"""The rules of composite schedules, second by second and as plainly as they can be said: slow, and written apart from the engine.

For one second: walk every profile, find its period, keep the leading one of each purpose, convert, take the least. Nothing is
remembered from one second to the next, so that there is nothing that could go wrong at a boundary. Rates with own values
for L2 and L3, setpoints and discharge limits are left out: those have vectors of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from station.core.charging.composite import Site, Tx
from station.core.charging.policy import PhaseRule, Policy
from station.core.charging.profiles import (
    MILLI,
    Installed,
    Kind,
    OperationMode,
    Period,
    Profile,
    Purpose,
    RateUnit,
    Schedule,
)

Lead = tuple[Installed, Period]
Term = tuple[Purpose, int]
"""Purpose, and EVSE for which it bounds (0 for the others): an EVSE's own constraint and the grid connection's both hold."""
UPPER = (Purpose.STATION_MAX, Purpose.EXTERNAL)
ORDER = (Purpose.PRIORITY, Purpose.TX, Purpose.TX_DEFAULT, Purpose.EXTERNAL, Purpose.STATION_MAX)
"""Who binds of several that allow the same: a convention."""
GENERATION = (Purpose.LOCAL_GENERATION, 0)


@dataclass(frozen=True, slots=True)
class Moment:
    """One second. limit: in the unit asked for, None: no profile limits. phases: of the composite, None: no period at all.

    leads: ids of the leading profiles. least: ids of those whose limit is the least.
    """

    limit: Fraction | None
    phases: int | None
    phase_to_use: int | None
    leads: frozenset[int]
    least: frozenset[int]


@dataclass(frozen=True, slots=True)
class Session:
    """The transaction that schedules are worked out for. ready: where Relative starts, None: nowhere yet. real: it runs."""

    tx_id: str | None
    ready: int | None
    priority: bool
    real: bool


def session(tx: Tx | None, asked_at: int, *, assume: bool) -> Session | None:
    """The transaction, with what is assumed of it."""
    if tx is None:
        return Session(None, asked_at, priority=False, real=False) if assume else None
    ready = asked_at if tx.ready is None and assume else tx.ready
    return Session(tx.tx_id, ready, tx.priority, real=True)


def moment(
    profiles: Iterable[Installed],
    site: Site,
    tx: Tx | None,
    t: int,
    *,
    asked_at: int,
    unit: RateUnit,
    policy: Policy,
    assume: bool = True,
) -> Moment:
    """What the profiles say of second `t`, when asked at second `asked_at`. No hardware, no filling of gaps.

    assume: where there is no transaction, or none that is ready, one that begins at `asked_at` (K08.FR.06; 4.1 rule 2): for the
    answer to GetCompositeSchedule. What is in force now assumes nothing.
    """
    leading = leads(profiles, site, session(tx, asked_at, assume=assume), t, asked_at, policy)
    if not leading:
        return Moment(None, None, None, frozenset(), frozenset())
    lowest = min(_phases(period, site) for _, period in leading.values())
    bounds = {}
    for term in sorted(
        (term for term in leading if term != GENERATION), key=lambda term: (ORDER.index(term[0]), term[1])
    ):
        phases = lowest if policy.phases is PhaseRule.LOWEST else _phases(leading[term][1], site)
        bounds[term] = (_limit(leading[term], unit, phases, site), phases)
    least = min((limit for limit, _ in bounds.values() if limit is not None), default=None)
    binding = [term for term, (limit, _) in bounds.items() if limit == least is not None]
    used = bounds[binding[0]][1] if binding else lowest
    total, generation = least, leading.get(GENERATION)
    generated = None if generation is None else _limit(generation, unit, used, site)
    if least is not None and generated is not None:
        total = least + generated  # 2.1 SC.01
    chosen = {period.phase_to_use for _, period in leading.values()} - {None}
    return Moment(
        total,
        used if site.phases else None,
        next(iter(chosen)) if len(chosen) == 1 and used == 1 else None,
        frozenset(installed.profile.id for installed, _ in leading.values()),
        frozenset(leading[term][0].profile.id for term in binding),
    )


def second(moment: Moment, site: Site, unit: RateUnit, caps: Sequence[Fraction] = ()) -> Fraction | None:
    """The limit that a composite schedule shows for this second, with the station's own bounds. None: nothing limits.

    Where no profile gives a limit it is the station's maximum, whichever way gaps are filled: a gap within goes on with it.
    """
    limit = moment.limit
    if limit is None and site.maximum_a is not None:
        limit = _converted(site.maximum_a, RateUnit.A, unit, moment.phases or site.phases, site)
    return min([bound for bound in (limit, *caps) if bound is not None], default=None)


# --- which profiles have a say ----------------------------------------------------------------------------------------


def leads(
    profiles: Iterable[Installed], site: Site, running: Session | None, t: int, asked_at: int, policy: Policy
) -> dict[Term, Lead]:
    """The leading period of each purpose that counts: highest stack level among valid profiles that have a period now."""
    best: dict[Term, Lead] = {}
    for installed in profiles:
        profile = installed.profile
        if not (_concerns(installed, site, running) and _valid(installed, site, t, asked_at)):
            continue
        period = _period(installed, site, running, t, asked_at, policy)
        if period is None:
            continue
        term = (profile.purpose, installed.evse if profile.purpose in UPPER else 0)
        if term not in best or profile.stack_level > best[term][0].profile.stack_level:
            best[term] = (installed, period)
    # One of three speaks for the transaction: priority, its own profile, the default.
    order = (Purpose.PRIORITY, Purpose.TX, Purpose.TX_DEFAULT)
    speaks = next((purpose for purpose in order if (purpose, 0) in best), None)
    counted = {*UPPER, Purpose.LOCAL_GENERATION, speaks}
    found = {term: lead for term, lead in best.items() if term[0] in counted}
    if set(found) == {GENERATION}:
        return {}  # it adds to a limit; alone it is none
    return found


def _concerns(installed: Installed, site: Site, running: Session | None) -> bool:
    purpose, evse = installed.profile.purpose, installed.evse
    if evse not in {0, site.evse}:
        return False
    if purpose in {Purpose.TX, Purpose.TX_DEFAULT, Purpose.PRIORITY} and (running is None or site.evse == 0):
        return False
    if purpose is Purpose.TX:
        return running is not None and running.real and evse != 0 and installed.profile.tx_id in {None, running.tx_id}
    return purpose is not Purpose.PRIORITY or (running is not None and running.priority)


def _valid(installed: Installed, site: Site, t: int, asked_at: int) -> bool:
    profile = installed.profile
    if profile.valid_from is not None and t < profile.valid_from:
        return False
    if profile.valid_to is not None and t >= profile.valid_to:
        return False
    if installed.spent:
        return False
    if profile.max_offline_s is not None and site.offline_s is not None:
        # 2.1 K01.FR.101. How long the CSMS will stay away is not known: as libocpp's OfflineDuration_OfflineNotLongEnough has it.
        return site.offline_s < profile.max_offline_s
    return True


# --- which period it is in --------------------------------------------------------------------------------------------


def _period(
    installed: Installed, site: Site, running: Session | None, t: int, asked_at: int, policy: Policy
) -> Period | None:
    profile = installed.profile
    (schedule,) = profile.schedules
    elapsed = _elapsed(installed, profile, schedule, site, running, t, policy)
    if elapsed is None or elapsed < 0:
        return None
    duration = schedule.duration
    if duration == 0 and not policy.zero_duration_ends:
        duration = None
    if duration is not None and elapsed >= duration:
        return None
    delays = (
        schedule.delays if running is not None and running.real and schedule.delays else (0,) * len(schedule.periods)
    )
    begun = [p for p, delay in zip(schedule.periods, delays, strict=True) if p.start + delay <= elapsed]
    return begun[-1] if begun else None


def _elapsed(
    installed: Installed,
    profile: Profile,
    schedule: Schedule,
    site: Site,
    running: Session | None,
    t: int,
    policy: Policy,
) -> int | None:
    """Seconds since the schedule began, None before it did."""
    if profile.kind is Kind.DYNAMIC:
        return t - (profile.dyn_updated if profile.dyn_updated is not None else installed.at)
    if profile.kind is Kind.RELATIVE or schedule.start is None:
        return None if running is None or running.ready is None else t - running.ready
    local = t + (site.zone.offset_s(t) if site.zone is not None and schedule.local_time else 0)
    since = local - schedule.start
    if profile.kind is Kind.ABSOLUTE:
        return since
    assert profile.recurrency is not None
    if since < 0 and not policy.recurring_before_start:
        return None
    return since % profile.recurrency.seconds


# --- what it allows ---------------------------------------------------------------------------------------------------


def rate_of(lead: Lead) -> tuple[RateUnit, Fraction | None]:
    """Unit and rate of a leading period as they were given."""
    installed, period = lead
    if period.mode is OperationMode.IDLE:
        return _unit(installed), Fraction(0)
    return _unit(installed), None if period.limit is None else Fraction(period.limit.total, MILLI)


def _unit(installed: Installed) -> RateUnit:
    return installed.profile.schedules[0].unit


def _limit(lead: Lead, unit: RateUnit, phases: int, site: Site) -> Fraction | None:
    given, rate = rate_of(lead)
    return None if rate is None else _converted(rate, given, unit, phases, site)


def _phases(period: Period, site: Site) -> int:
    return min(period.phases if period.phases is not None else 3, site.phases)


def _converted(rate: Fraction, given: RateUnit, wanted: RateUnit, phases: int, site: Site) -> Fraction:
    if given is wanted:
        return rate
    volts = site.voltage_v * (phases if site.phases else 1)  # DC: as if of one phase
    return rate * volts if given is RateUnit.A else rate / volts
