"""When a profile has a period, and which profile of a purpose leads: one question at a time, from one boundary to the next.

A `Plan` answers "which period at second t, and until when?" for one profile in time that grows with the logarithm of its periods,
however long ago it began: repetitions are counted, never walked. A `Term` asks its plans from the highest stack level down.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

from station.core.charging.delays import delayed
from station.core.charging.leads import Lead
from station.core.charging.policy import Policy
from station.core.charging.profiles import Installed, Kind, Purpose
from station.core.charging.shapes import Site, Tx, Zone

FOREVER = 1 << 62
WEEK_S = 604_800

_START = attrgetter("start")
TX_PURPOSES = {Purpose.TX_DEFAULT: 0, Purpose.TX: 1, Purpose.PRIORITY: 2}


@dataclass(frozen=True, slots=True)
class Moment:
    """Who asks, and from when on. asked: wall second.

    assume: without a transaction a TxDefault transaction is assumed to start at `asked`, and one that is not ready becomes so then
    (K08.FR.06); without `assume` they have no profiles, respectively no Relative ones.
    """

    site: Site
    tx: Tx | None
    asked: int
    policy: Policy
    assume: bool

    def begins(self, installed: Installed) -> int | None:
        """Second at which a schedule without a startSchedule begins, None: not known yet (K01.FR.42; 1.6 ChargingSchedule)."""
        if self.tx is not None and self.tx.ready is not None:
            return self.tx.ready
        if self.assume:
            return self.asked
        return None if installed.profile.purpose in TX_PURPOSES else installed.at


class Plan:
    """One profile over time. lead: the period in force after `move(t)`, None: none; it stays so until second `until`."""

    __slots__ = (
        "_anchor", "_begin", "_early", "_end", "_every", "_installed", "_known", "_length", "_periods", "_unit", "_zone", "lead",
        "until",
    )  # fmt: skip

    def __init__(self, installed: Installed, moment: Moment) -> None:
        profile = installed.profile
        # More than one schedule is for the vehicle to choose from (ISO 15118, K15); until it has, the first one counts.
        schedule = profile.schedules[0]
        self._installed = installed
        self._unit = schedule.unit
        self._known: dict[int, Lead] = {}
        self.lead: Lead | None = None
        self.until = -FOREVER
        self._begin = -FOREVER if profile.valid_from is None else profile.valid_from
        self._end = FOREVER if profile.valid_to is None else profile.valid_to
        self._early = moment.policy.recurring_before_start
        self._every = 0
        self._zone: Zone | None = None
        anchor: int | None
        if profile.kind is Kind.DYNAMIC:
            # 2.1 K28.FR.13: from the last update on
            anchor = installed.at if profile.dyn_updated is None else profile.dyn_updated
        elif profile.kind is Kind.RELATIVE or schedule.start is None:
            anchor = moment.begins(installed)
        else:
            anchor = schedule.start
            self._zone = moment.site.zone if schedule.local_time else None
        if anchor is None:
            self._end = -FOREVER
        self._anchor = anchor or 0
        if profile.kind is Kind.RECURRING and profile.recurrency is not None:
            self._every = profile.recurrency.seconds
        length = FOREVER if schedule.duration is None else schedule.duration
        if length == 0 and not moment.policy.zero_duration_ends:
            length = FOREVER
        # What is longer than the recurrence is not executed.
        self._length = min(length, self._every) if self._every else length
        # K08.FR.06: an assumed transaction has no delays.
        self._periods = schedule.periods if moment.tx is None else delayed(schedule)

    def move(self, t: int) -> None:
        """Bring `lead` and `until` to second `t`; `until` is later than `t`."""
        self.lead = None
        if t < self._begin:
            self.until = self._begin
            return
        if t >= self._end:
            self.until = FOREVER
            return
        # K01.FR.91: the execution follows the local clock; what it skips is skipped, what it repeats is repeated.
        shift = 0 if self._zone is None else self._zone.offset_s(t)
        since = t + shift - self._anchor
        if since < 0 and not (self._every and self._early):
            change = 0
        else:
            if self._every:
                since %= self._every
            if since < self._length:
                index = bisect_right(self._periods, since, key=_START)
                self.lead = self._leading(index - 1) if index else None
                following = self._periods[index].start if index < len(self._periods) else FOREVER
                change = min(following, self._length)
            else:
                change = self._every or FOREVER
        until = t + change - since
        if self._zone is not None:
            until = _steady(self._zone, t, until, shift)
        self.until = max(t + 1, min(until, self._end))

    def _leading(self, index: int) -> Lead:
        known = self._known.get(index)
        if known is None:
            known = self._known[index] = Lead(self._installed, self._periods[index], self._unit)
        return known


def _steady(zone: Zone, t: int, until: int, shift: int) -> int:
    """The first second after `t`, `until` at the latest, at which the local clock does not run on as it did.

    Looks a week ahead at most: no zone changes its clock twice in a week.
    """
    until = min(until, t + WEEK_S)
    if zone.offset_s(until - 1) == shift:
        return until
    same, other = t, until - 1
    while other - same > 1:
        middle = (same + other) // 2
        if zone.offset_s(middle) == shift:
            same = middle
        else:
            other = middle
    return other


class Term:
    """The profiles of one purpose: who leads. lead: after `move(t)`, None: nobody has a period; until: as in Plan."""

    __slots__ = ("_moment", "_plans", "_waiting", "lead", "until")

    def __init__(self, profiles: list[Installed], moment: Moment) -> None:
        # Highest stack level first. At the same level: an EVSE's own before the station's (1.6 5.16), and the newest.
        profiles.sort(key=_rank)
        self._waiting = profiles
        self._plans: list[Plan] = []
        self._moment = moment
        self.lead: Lead | None = None
        self.until = -FOREVER

    def move(self, t: int) -> None:
        """A gap, or the end of a duration, falls through to the next lower stack level; a leading period hides what is beneath it."""
        self.lead = None
        until = FOREVER
        for plan in self._plans:
            if plan.until <= t:
                plan.move(t)
            until = min(until, plan.until)
            if plan.lead is not None:
                self.lead, self.until = plan.lead, until
                return
        while self._waiting and self.lead is None:
            plan = Plan(self._waiting.pop(), self._moment)
            self._plans.append(plan)
            plan.move(t)
            until = min(until, plan.until)
            self.lead = plan.lead
        self.until = until


def _rank(installed: Installed) -> tuple[int, int, bool, int, int]:
    profile = installed.profile
    # One chain for the transaction: PriorityCharging before TxProfile before TxDefaultProfile, whatever their stack levels.
    return (TX_PURPOSES.get(profile.purpose, 0), profile.stack_level, installed.evse > 0, installed.at, profile.id)


def terms(profiles: Iterable[Installed], moment: Moment, *, grid: bool = True) -> list[Term]:
    """What has a say at the EVSE: the transaction's term first, then the bounds, then what adds. grid: those of evse 0 too.

    A station's and an EVSE's own External constraints are two bounds: both hold.
    """
    found: dict[tuple[int, str, int], list[Installed]] = {}
    for installed in profiles:
        key = _key(installed, moment, grid)
        if key is not None and _counts(installed, moment.site):
            found.setdefault(key, []).append(installed)
    return [Term(found[key], moment) for key in sorted(found)]


def _key(installed: Installed, moment: Moment, grid: bool) -> tuple[int, str, int] | None:
    """Which term it belongs to, None: to none here."""
    evse, profile = moment.site.evse, installed.profile
    if installed.evse not in (0, evse):
        return None
    if profile.purpose in TX_PURPOSES:
        return (0, "", 0) if evse and _of_transaction(installed, moment) else None
    if not (grid or installed.evse):
        return None
    if profile.purpose is Purpose.LOCAL_GENERATION:
        return 2, "", 0
    return 1, profile.purpose.value, installed.evse


def _of_transaction(installed: Installed, moment: Moment) -> bool:
    profile, tx = installed.profile, moment.tx
    if profile.purpose is Purpose.TX_DEFAULT:
        return tx is not None or moment.assume
    if tx is None:
        return False
    if profile.purpose is Purpose.PRIORITY:
        return tx.priority
    # K05: the profile of a remote start does not name its transaction.
    return installed.evse == moment.site.evse and profile.tx_id in (None, tx.tx_id)


def _counts(installed: Installed, site: Site) -> bool:
    """K01.FR.101, FR.102: not while the CSMS has been out of reach for too long; and never again if it says so.

    For how long it will be is not known: a schedule goes by how things are now (libocpp OfflineDuration_OfflineNotLongEnough), and
    `expires` tells when to ask again.
    """
    most = installed.profile.max_offline_s
    return (
        not installed.spent
        and bool(installed.profile.schedules)
        and (most is None or site.offline_s is None or site.offline_s < most)
    )


def expires(profiles: Iterable[Installed], site: Site, now: int) -> int:
    """Second at which the next profile stops to count because the CSMS is out of reach, FOREVER: none does."""
    if site.offline_s is None:
        return FOREVER
    left = (
        installed.profile.max_offline_s - site.offline_s
        for installed in profiles
        if installed.profile.max_offline_s is not None and not installed.spent
    )
    return min((now + seconds for seconds in left if seconds > 0), default=FOREVER)
