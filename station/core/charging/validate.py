"""What is wrong with a charging profile (K01, K28, Q, 1.6 5.16): a pure function of profile, rules and station.

Here: the profile as a whole, its transaction, and the profiles it meets. Its schedules: `validate_schedule`. What only 2.1 has:
`validate_21`. To add a rule: a function from `Case` to `Fault | None`, the clause above its branch, its place in a table of checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from station.core.charging.case import Capabilities, Case, Fault, overlap
from station.core.charging.numbers import HIGHEST_INTEGER
from station.core.charging.policy import Policy, Rules, SameStack
from station.core.charging.profiles import Installed, Kind, LimitSource, Profile, Purpose
from station.core.charging.validate_21 import dynamic, rate_limit, support
from station.core.charging.validate_schedule import FIRST_DATE, LAST_DATE, schedules
from station.core.types import Verdict

__all__ = ["Capabilities", "refusal", "replaced"]

_PURPOSES_BEFORE_21 = frozenset({Purpose.EXTERNAL, Purpose.STATION_MAX, Purpose.TX_DEFAULT, Purpose.TX})


def refusal(
    profile: Profile,
    evse: int,
    installed: Iterable[Installed],
    station: Capabilities,
    rules: Rules,
    policy: Policy,
    *,
    now: int,
    remote_start: bool = False,
    source: LimitSource = LimitSource.CSO,
) -> Verdict | None:
    """None when the profile may be installed at `evse`, else Rejected with an OCA reason code and words that name the field.

    remote_start: it came with a remote start, its transaction does not exist yet (K05.FR.02); evse 0: not chosen yet. source: who
    sets it; external constraints are never a CSMS's. Bounded: time grows with the number of periods up to `max_periods`, beyond
    that the profile is refused unread.
    """
    case = Case(profile, evse, tuple(installed), station, rules, policy, now, remote_start, source)
    for check in _CHECKS:
        fault = check(case)
        if fault is not None:
            return Verdict("Rejected", fault.reason, fault.info)
    return None


def replaced(profile: Profile, evse: int, installed: Iterable[Installed], rules: Rules) -> tuple[int, ...]:
    """Ids of the profiles that installing this one removes (K01.FR.05; 1.6 5.16.4)."""
    return tuple(other.profile.id for other in installed if _replaces(profile, evse, other, rules))


def _replaces(profile: Profile, evse: int, other: Installed, rules: Rules) -> bool:
    # K01.FR.05: external constraints are replaced by their own kind only, never by a CSMS
    if _external(profile) != _external(other.profile):
        return False
    # K01.FR.05: by id, also at another EVSE
    if other.profile.id == profile.id:
        return True
    # 1.6 5.16.4
    return rules.same_stack is SameStack.REPLACE and not _external(profile) and _same_place(profile, evse, other)


def _same_place(profile: Profile, evse: int, other: Installed) -> bool:
    theirs = other.profile
    return (theirs.stack_level, theirs.purpose, other.evse) == (profile.stack_level, profile.purpose, evse)


def _external(profile: Profile) -> bool:
    return profile.purpose is Purpose.EXTERNAL


def _place(case: Case) -> Fault | None:
    # K01.FR.28
    if case.evse != 0 and case.evse not in case.station.phases:
        return Fault("UnknownEvse", "evseId", "there is no such EVSE here")
    return None


def _identity(case: Case) -> Fault | None:
    profile = case.profile
    if not -HIGHEST_INTEGER - 1 <= profile.id <= HIGHEST_INTEGER:
        return Fault("InvalidProfile", "id", "must have 32 bits")
    # K01.FR.05: what may not be replaced keeps its id
    if any(
        _external(other.profile) != _external(profile) for other in case.installed if other.profile.id == profile.id
    ):
        taken = "a profile of the CSMS" if _external(profile) else "an external constraint"
        return Fault("InvalidProfile", "id", f"{profile.id} is the id of {taken}; choose another")
    return None


def _sizes(case: Case) -> Fault | None:
    """Before anything is read one by one."""
    profile, station = case.profile, case.station
    if not profile.schedules:
        return Fault("InvalidProfile", "chargingSchedule", "must have a schedule")
    # K01.FR.34
    if len(profile.schedules) > station.max_schedules:
        return Fault("TooManyElements", "chargingSchedule", f"at most {station.max_schedules} schedule(s)")
    for index, schedule in enumerate(profile.schedules):
        field = f"chargingSchedule[{index}].chargingSchedulePeriod"
        if not schedule.periods:
            return Fault("InvalidSchedule", field, "must have a period")
        # PeriodsPerSchedule; 1.6 ChargingScheduleMaxPeriods
        if len(schedule.periods) > station.max_periods:
            return Fault(
                "TooManyElements", field, f"at most {station.max_periods} periods, not {len(schedule.periods)}"
            )
    return None


def _stack(case: Case) -> Fault | None:
    # ProfileStackLevel; 1.6 ChargeProfileMaxStackLevel: the level itself is still allowed
    if not 0 <= case.profile.stack_level <= case.station.max_stack_level:
        return Fault("InvalidStackLevel", "stackLevel", f"must be from 0 to {case.station.max_stack_level}")
    return None


def _purpose(case: Case) -> Fault | None:
    profile, rules = case.profile, case.rules
    field = "chargingProfilePurpose"
    if not rules.v21 and profile.purpose not in _PURPOSES_BEFORE_21:
        return Fault("InvalidProfile", field, f"{profile.purpose.value} is not of OCPP {rules.name}")
    # K05.FR.02, 1.6 5.11
    if case.remote_start and profile.purpose is not Purpose.TX:
        return Fault("InvalidProfile", field, "a remote start takes a TxProfile only")
    # K01.FR.22
    if _external(profile) and case.from_csms:
        return Fault("InvalidValue", field, "external constraints are not set by a CSMS")
    if profile.purpose is Purpose.STATION_MAX:
        # K04.FR.03, 1.6 3.13.1
        if case.evse != 0:
            return Fault("InvalidValue", "evseId", "a station maximum is for 0, the whole station")
        # K01.FR.38
        if profile.kind is Kind.RELATIVE and not rules.max_relative:
            return Fault("InvalidValue", "chargingProfileKind", "a station maximum cannot be Relative")
    return None


def _transaction(case: Case) -> Fault | None:
    profile = case.profile
    if profile.purpose is not Purpose.TX or case.remote_start:
        return None
    # K01.FR.16, 1.6 5.16
    if case.evse <= 0:
        return Fault("InvalidValue", "evseId", "a TxProfile is for one EVSE, not for 0")
    # K01.FR.03
    if profile.tx_id is None and case.rules.tx_id_required:
        return Fault("MissingParam", "transactionId", "a TxProfile must name its transaction")
    running = case.station.transactions.get(case.evse)
    # K01.FR.09, 1.6 5.16.2
    if running is None:
        return Fault("TxNotFound", "chargingProfilePurpose", f"no transaction is running at EVSE {case.evse}")
    # K01.FR.33, 1.6 3.13.1
    if profile.tx_id is not None and profile.tx_id != running:
        return Fault("TxNotFound", "transactionId", f"is not the one running at EVSE {case.evse}")
    return None


def _dates(case: Case) -> Fault | None:
    profile = case.profile
    for field, date in (
        ("validFrom", profile.valid_from),
        ("validTo", profile.valid_to),
        ("dynUpdateTime", profile.dyn_updated),
    ):
        if date is not None and not FIRST_DATE <= date <= LAST_DATE:
            return Fault("InvalidProfile", field, "must be in the years 1 to 9999")
    if profile.valid_from is not None and profile.valid_to is not None and profile.valid_to <= profile.valid_from:
        return Fault("InvalidProfile", "validTo", "must be after validFrom")
    for field, seconds in (
        ("maxOfflineDuration", profile.max_offline_s),
        ("dynUpdateInterval", profile.dyn_interval_s),
    ):
        if seconds is not None and not 0 <= seconds <= HIGHEST_INTEGER:
            return Fault("InvalidProfile", field, f"must be from 0 to {HIGHEST_INTEGER} s")
    return None


def _kind(case: Case) -> Fault | None:
    profile = case.profile
    if profile.kind is Kind.DYNAMIC and not case.rules.v21:
        return Fault("InvalidProfile", "chargingProfileKind", f"Dynamic is not of OCPP {case.rules.name}")
    if profile.kind is Kind.RECURRING and profile.recurrency is None:
        return Fault("MissingParam", "recurrencyKind", "a Recurring profile must be Daily or Weekly")
    if not case.rules.strict_kind:
        return None
    for index, schedule in enumerate(profile.schedules):
        field = f"chargingSchedule[{index}].startSchedule"
        # K01.FR.40
        if profile.kind in (Kind.ABSOLUTE, Kind.RECURRING) and schedule.start is None:
            return Fault("InvalidSchedule", field, f"must be given when the profile is {profile.kind.value}")
        # K01.FR.41
        if profile.kind is Kind.RELATIVE and schedule.start is not None:
            return Fault("InvalidSchedule", field, "must be absent when the profile is Relative")
    return None


def _same_stack(case: Case) -> Fault | None:
    profile = case.profile
    # A transaction that does not run yet has no profiles (K05.FR.02).
    if case.rules.same_stack is not SameStack.REFUSE or case.remote_start:
        return None
    for other in case.others():
        theirs = other.profile
        if (theirs.purpose, theirs.stack_level) != (profile.purpose, profile.stack_level):
            continue
        if profile.purpose is Purpose.TX:
            # K01.FR.39
            if theirs.tx_id == profile.tx_id:
                return Fault(
                    "InvalidStackLevel", "stackLevel", f"profile {theirs.id} has it in this transaction already"
                )
        # K01.FR.06
        elif other.evse == case.evse and overlap(profile, theirs, touching=case.policy.touching_overlaps):
            return Fault(
                "DuplicateProfile", "stackLevel", f"profile {theirs.id} has it for the same purpose at the same time"
            )
    return None


def _default_exclusive(case: Case) -> Fault | None:
    profile = case.profile
    if profile.purpose is not Purpose.TX_DEFAULT or not case.rules.default_exclusive:
        return None
    for other in case.others():
        theirs = other.profile
        # K01.FR.52, FR.53
        if (
            theirs.purpose is Purpose.TX_DEFAULT
            and theirs.stack_level == profile.stack_level
            and (other.evse == 0) != (case.evse == 0)
        ):
            where = "every EVSE" if other.evse == 0 else f"EVSE {other.evse}"
            return Fault(
                "DuplicateProfile", "stackLevel", f"the TxDefaultProfile {theirs.id} of {where} has it already"
            )
    return None


def _capacity(case: Case) -> Fault | None:
    """ChargingProfileEntries.maxLimit, 1.6 MaxChargingProfilesInstalled. External constraints never wait for room."""
    if _external(case.profile):
        return None
    gone = set(replaced(case.profile, case.evse, case.installed, case.rules))
    kept = sum(1 for other in case.installed if other.profile.id not in gone and not _external(other.profile))
    if kept >= case.station.max_profiles:
        most = case.station.max_profiles
        return Fault("TooManyElements", "", f"{most} charging profiles are installed already; clear one first")
    return None


_CHECKS: tuple[Callable[[Case], Fault | None], ...] = (
    _place,
    _purpose,
    support,
    dynamic,
    _sizes,
    _identity,
    _stack,
    _transaction,
    _dates,
    _kind,
    schedules,
    _same_stack,
    _default_exclusive,
    _capacity,
    rate_limit,
)
"""In this order: what makes the profile foreign, what bounds the work, then the rest. The first fault is the answer."""
