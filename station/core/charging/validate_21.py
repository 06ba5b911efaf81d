"""What is wrong with a charging profile in OCPP 2.1 only: optional support, operation modes, setpoints, phases L2 and L3, the rate."""

from __future__ import annotations

from collections.abc import Sequence

from station.core.charging.case import TX_TERM, Case, Fault, overlap
from station.core.charging.profiles import Kind, OperationMode, Period, Profile, Purpose, Rates, RateUnit, Schedule

Mode = OperationMode

_ALL_BUT_PRIORITY = {
    # 2.1 Part 2 K 3.2 table 95; errata 2025-06 K01.FR.111 to FR.113
    Purpose.STATION_MAX: frozenset({Mode.CHARGING_ONLY}),
    Purpose.EXTERNAL: frozenset({Mode.CHARGING_ONLY, Mode.EXTERNAL_LIMITS, Mode.EXTERNAL_SETPOINT}),
    Purpose.LOCAL_GENERATION: frozenset({Mode.CHARGING_ONLY, Mode.EXTERNAL_LIMITS}),
}

_FIELDS: dict[OperationMode, tuple[frozenset[str], frozenset[str]]] = {
    # 2.1 Part 2, "Limits and setpoints per operation mode": what must be there, what may be
    Mode.CHARGING_ONLY: (frozenset({"limit"}), frozenset()),
    Mode.CENTRAL_SETPOINT: (frozenset({"setpoint"}), frozenset({"limit", "dischargeLimit", "setpointReactive"})),
    Mode.CENTRAL_FREQUENCY: (frozenset({"setpoint"}), frozenset({"limit", "dischargeLimit"})),
    Mode.EXTERNAL_SETPOINT: (frozenset(), frozenset({"limit", "dischargeLimit"})),
    Mode.EXTERNAL_LIMITS: (frozenset(), frozenset()),
    Mode.LOCAL_FREQUENCY: (frozenset(), frozenset()),
    Mode.LOCAL_LOAD_BALANCING: (frozenset(), frozenset()),
    Mode.IDLE: (frozenset(), frozenset()),
}
_BY_OTHERS = frozenset({"limit", "dischargeLimit", "setpoint"})
"""What an external system itself may give in its modes: the values that a CSMS leaves to it."""


def support(case: Case) -> Fault | None:
    """Purposes, kinds and ids that this station does not take."""
    profile, rules = case.profile, case.rules
    if not rules.v21:
        return None
    # K01.FR.120
    if profile.purpose in (Purpose.PRIORITY, Purpose.LOCAL_GENERATION) and profile.purpose.value not in rules.purposes:
        return Fault("UnsupportedPurpose", "chargingProfilePurpose", f"{profile.purpose.value} is not supported")
    # K01.FR.121
    if profile.kind is Kind.DYNAMIC and not rules.dynamic:
        return Fault("UnsupportedKind", "chargingProfileKind", "Dynamic is not supported")
    # K01.FR.122
    if profile.kind is not Kind.DYNAMIC and (profile.dyn_interval_s is not None or profile.dyn_updated is not None):
        return Fault("InvalidProfile", "dynUpdateInterval", "only in a Dynamic profile, like dynUpdateTime")
    # K01.FR.81
    if case.from_csms and rules.external_ids_up_to is not None and profile.id <= rules.external_ids_up_to:
        return Fault("InvalidProfileId", "id", f"must be above {rules.external_ids_up_to} (MaxExternalConstraintsId)")
    return None


def dynamic(case: Case) -> Fault | None:
    """Form of a Dynamic profile. Without dynUpdateTime it counts from its installation (K28.FR.05)."""
    if case.profile.kind is not Kind.DYNAMIC or not case.rules.v21:
        return None
    # K28.FR.01, FR.02; startPeriod 0 is the rule of every first period (K01.FR.31)
    if len(case.profile.schedules) != 1:
        return Fault("InvalidSchedule", "chargingSchedule", "a Dynamic profile has one schedule")
    if len(case.profile.schedules[0].periods) != 1:
        return Fault(
            "InvalidSchedule", "chargingSchedule[0].chargingSchedulePeriod", "a Dynamic profile has one period"
        )
    return None


def schedule_of_21(case: Case, schedule: Schedule) -> Fault | None:
    purpose, rules = case.profile.purpose, case.rules
    # K01.FR.70
    if purpose is Purpose.PRIORITY and schedule.duration is not None:
        return Fault("InvalidSchedule", "duration", "must be absent in a PriorityCharging profile")
    # K01.FR.123
    if schedule.local_time and not rules.local_time:
        return Fault("InvalidSchedule", "useLocalTime", "is not supported")
    if schedule.randomized_delay > 0:
        # K01.FR.124
        if not rules.randomized_delay:
            return Fault("InvalidSchedule", "randomizedDelay", "is not supported")
        # K01.FR.95
        if case.from_csms and purpose not in (Purpose.TX, Purpose.TX_DEFAULT):
            return Fault("InvalidSchedule", "randomizedDelay", "only in a TxProfile or a TxDefaultProfile")
    if schedule.soc_limit is not None:
        # K01.FR.125
        if not rules.limit_at_soc:
            return Fault("InvalidSchedule", "limitAtSoC", "is not supported")
        percent, rate = schedule.soc_limit
        if not 0 <= percent <= 100 or rate < 0:
            return Fault("InvalidSchedule", "limitAtSoC", "soc must be from 0 to 100 and limit not negative")
    return None


def period_of_21(case: Case, schedule: Schedule, period: Period) -> Fault | None:
    mode = period.mode or Mode.CHARGING_ONLY
    return (
        _mode(case, mode)
        or _fields(case, mode, period)
        or _curves(mode, schedule, period)
        or _setpoint(period)
        or _sleep(mode, period)
    )


def _mode(case: Case, mode: OperationMode) -> Fault | None:
    purpose = case.profile.purpose
    # K01.FR.71
    if purpose is Purpose.PRIORITY and mode is not Mode.CHARGING_ONLY:
        return Fault("InvalidSchedule", "operationMode", "must be ChargingOnly in a PriorityCharging profile")
    allowed = _ALL_BUT_PRIORITY.get(purpose)
    # K01.FR.114
    if allowed is not None and mode not in allowed:
        return Fault("InvalidOperationMode", "operationMode", f"{mode.value} is not for a {purpose.value} profile")
    modes = case.rules.modes
    if mode is Mode.CHARGING_ONLY or not modes or mode.value in modes:
        return None
    # Q09.FR.01
    if mode is Mode.LOCAL_LOAD_BALANCING:
        return Fault("UnsupportedParam", "operationMode", "LocalLoadBalancing is not supported")
    # K01.FR.115
    return Fault("InvalidOperationMode", "operationMode", f"{mode.value} is not supported (SupportedOperationModes)")


def _fields(case: Case, mode: OperationMode, period: Period) -> Fault | None:
    given: dict[str, Rates] = {
        name: rates
        for name, rates in (
            ("limit", period.limit),
            ("dischargeLimit", period.discharge),
            ("setpoint", period.setpoint),
            ("setpointReactive", period.reactive),
        )
        if rates is not None
    }
    required, optional = _FIELDS[mode]
    if not case.from_csms and mode in (Mode.EXTERNAL_LIMITS, Mode.EXTERNAL_SETPOINT):
        optional = _BY_OTHERS
    for name in sorted(required - given.keys()):
        return Fault("InvalidSchedule", name, f"must be given in operation mode {mode.value}")
    for name in sorted(given.keys() - required - optional):
        return Fault("InvalidSchedule", name, f"must be absent in operation mode {mode.value}")
    # K01.FR.144, V2X.10
    if case.from_csms and case.profile.purpose is not Purpose.TX:
        for name, rates in given.items():
            if rates.l2 is not None or rates.l3 is not None:
                return Fault("PhaseConflict", f"{name}_L2", "only in a TxProfile, like _L3")
    return None


def _curves(mode: OperationMode, schedule: Schedule, period: Period) -> Fault | None:
    if mode is not Mode.LOCAL_FREQUENCY:
        return None
    # Q08.FR.05
    if schedule.unit is not RateUnit.W:
        return Fault("UnsupportedRateUnit", "operationMode", "LocalFrequency needs chargingRateUnit W")
    # Q08.FR.02
    curve = period.extra.get("v2xFreqWattCurve")
    if not isinstance(curve, Sequence) or len(curve) < 2:
        return Fault("NoFreqWattCurve", "v2xFreqWattCurve", "must have two points or more in LocalFrequency")
    if period.extra.get("v2xBaseline") is None:
        return Fault("NoFreqWattCurve", "v2xBaseline", "must be given in LocalFrequency")
    return None


def _setpoint(period: Period) -> Fault | None:
    if period.setpoint is None:
        return None
    points = _phases_of(period.setpoint)
    signs = {point > 0 for point in points if point}
    if len(signs) > 1:
        return Fault("InvalidSchedule", "setpoint", "must have one sign in all phases")
    # V2X.05
    for point, most in zip(points, _phases_of(period.limit), strict=True):
        if point is not None and most is not None and point > most:
            return Fault("InvalidSchedule", "setpoint", "must not be above limit")
    for point, least in zip(points, _phases_of(period.discharge), strict=True):
        if point is not None and least is not None and point < least:
            return Fault("InvalidSchedule", "setpoint", "must not be below dischargeLimit")
    return None


def _phases_of(rates: Rates | None) -> tuple[int | None, int | None, int | None]:
    return (None, None, None) if rates is None else (rates.total, rates.l2, rates.l3)


def _sleep(mode: OperationMode, period: Period) -> Fault | None:
    # K01.FR.126 as corrected by the errata of 2025-09: only in Idle, where a station that cannot sleep ignores it (Q10.FR.05)
    if period.extra.get("evseSleep") and mode is not Mode.IDLE:
        return Fault("InvalidSchedule", "evseSleep", "only in operation mode Idle")
    return None


def phase_conflict(case: Case) -> Fault | None:
    """phaseToUse differs from that of a profile which may apply at the same time (errata 2025-06, K01.FR.141).

    Looks at windows of time, not at single periods: two Recurring profiles that take turns are refused as well.
    """
    mine = _phases_used(case.profile)
    if not mine:
        return None
    for other in case.others():
        theirs = other.profile
        apart = 0 not in (case.evse, other.evse) and case.evse != other.evse
        if apart or _term(theirs.purpose) == _term(case.profile.purpose) or other.spent:
            continue
        used = _phases_used(theirs)
        if used and len(mine | used) > 1 and _meet(case.profile, theirs):
            return Fault("PhaseConflict", "phaseToUse", f"differs from that of profile {theirs.id}")
    return None


def _term(purpose: Purpose) -> Purpose:
    return Purpose.TX if purpose in TX_TERM else purpose


def _phases_used(profile: Profile) -> frozenset[int]:
    return frozenset(
        period.phase_to_use
        for schedule in profile.schedules
        for period in schedule.periods
        if period.phase_to_use is not None
    )


def _meet(one: Profile, other: Profile) -> bool:
    if not overlap(one, other, touching=False):
        return False
    (start, end), (their_start, their_end) = _window(one), _window(other)
    return (end is None or their_start is None or their_start < end) and (
        their_end is None or start is None or start < their_end
    )


def _window(profile: Profile) -> tuple[int | None, int | None]:
    """When an Absolute profile has periods; (None, None) for any other, and where the clock is the local one."""
    schedule = profile.schedules[0] if len(profile.schedules) == 1 else None
    if profile.kind is not Kind.ABSOLUTE or schedule is None or schedule.start is None or schedule.local_time:
        return None, None
    return schedule.start, None if schedule.duration is None else schedule.start + schedule.duration


def rate_limit(case: Case) -> Fault | None:
    least = case.rules.update_rate_s
    if least is None or not case.from_csms:
        return None
    place = (case.profile.purpose, case.evse)
    times = [other.at for other in case.installed if (other.profile.purpose, other.evse) == place]
    # K01.FR.56 as corrected by the errata of 2025-09: per EVSE. A clock that was set back gives no longer wait than the limit.
    wait = min(max(times, default=case.now - least) + least - case.now, least)
    # K01.FR.57: these words
    return Fault("RateLimitExceeded", "", f"{wait} seconds before retry") if wait > 0 else None
