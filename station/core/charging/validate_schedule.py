"""What is wrong with the schedules of a charging profile: numbers, order, phases. Called with at most `max_periods` periods each."""

from __future__ import annotations

from station.core.charging.case import Case, Fault
from station.core.charging.numbers import HIGHEST_INTEGER, HIGHEST_RATE
from station.core.charging.profiles import MILLI, Period, Rates, Schedule
from station.core.charging.validate_21 import period_of_21, phase_conflict, schedule_of_21

DAY = 86_400
FIRST_DATE = -62_135_596_800
"""0001-01-01T00:00:00Z, which some CSMSs mean by "ever"."""
LAST_DATE = 253_402_300_799
"""9999-12-31T23:59:59Z."""
_HIGHEST = HIGHEST_RATE * MILLI


def schedules(case: Case) -> Fault | None:
    for index, schedule in enumerate(case.profile.schedules):
        fault = _schedule(case, schedule) or _periods(case, schedule)
        if fault is not None:
            return fault.under(f"chargingSchedule[{index}]")
    return phase_conflict(case) if case.rules.v21 else None


def _schedule(case: Case, schedule: Schedule) -> Fault | None:
    # K01.FR.26; 1.6 ChargingScheduleAllowedChargingRateUnit
    if schedule.unit not in case.station.units:
        offered = " or ".join(sorted(unit.value for unit in case.station.units))
        return Fault("UnsupportedRateUnit", "chargingRateUnit", f"must be {offered}")
    # Two days inside what a calendar has: local time and one repetition stay in it.
    if schedule.start is not None and not FIRST_DATE + 2 * DAY <= schedule.start <= LAST_DATE - 2 * DAY:
        return Fault("InvalidSchedule", "startSchedule", "must be in the years 1 to 9999")
    for field, seconds in (("duration", schedule.duration), ("randomizedDelay", schedule.randomized_delay)):
        if seconds is not None and not 0 <= seconds <= HIGHEST_INTEGER:
            return Fault("InvalidSchedule", field, f"must be from 0 to {HIGHEST_INTEGER} s")
    if schedule.min_rate is not None and not 0 <= schedule.min_rate <= _HIGHEST:
        return Fault("InvalidSchedule", "minChargingRate", f"must be from 0 to {HIGHEST_RATE}")
    return schedule_of_21(case, schedule) if case.rules.v21 else None


def _periods(case: Case, schedule: Schedule) -> Fault | None:
    previous: int | None = None
    supply = case.supply_phases
    for index, period in enumerate(schedule.periods):
        fault = _order(previous, period) or _rates(case, period) or _phases(case, supply, period)
        if fault is None and case.rules.v21:
            fault = period_of_21(case, schedule, period)
        if fault is not None:
            return fault.under(f"chargingSchedulePeriod[{index}]")
        previous = period.start
    return None


def _order(previous: int | None, period: Period) -> Fault | None:
    # K01.FR.31; 1.6 7.14
    if previous is None and period.start != 0:
        return Fault("InvalidSchedule", "startPeriod", "must be 0 in the first period")
    # K01.FR.35
    if previous is not None and period.start <= previous:
        return Fault("InvalidSchedule", "startPeriod", "must be later than that of the period before")
    if period.start > HIGHEST_INTEGER:
        return Fault("InvalidSchedule", "startPeriod", f"must be from 0 to {HIGHEST_INTEGER} s")
    return None


def _rates(case: Case, period: Period) -> Fault | None:
    if period.limit is None and not case.rules.v21:
        return Fault("InvalidSchedule", "limit", "must be given")
    bounds = (
        ("limit", period.limit, 0, _HIGHEST),
        ("dischargeLimit", period.discharge, -_HIGHEST, 0),
        ("setpoint", period.setpoint, -_HIGHEST, _HIGHEST),
        ("setpointReactive", period.reactive, -_HIGHEST, _HIGHEST),
    )
    for field, rates, least, most in bounds:
        if rates is not None and not _within(rates, least, most):
            return Fault("InvalidSchedule", field, f"must be from {least // MILLI} to {most // MILLI}")
    return None


def _within(rates: Rates, least: int, most: int) -> bool:
    return all(rate is None or least <= rate <= most for rate in (rates.total, rates.l2, rates.l3))


def _phases(case: Case, supply: int, period: Period) -> Fault | None:
    if period.phases is None and period.phase_to_use is None:
        return None  # K01.FR.49: three phases are assumed
    if supply == 0:
        fault = _phases_of_dc(case)
        if fault is not None or not case.rules.strict_phases:
            return fault
    if period.phases is not None and not 1 <= period.phases <= 3:
        return Fault("InvalidSchedule", "numberPhases", "must be from 1 to 3")
    if period.phase_to_use is not None and not 1 <= period.phase_to_use <= 3:
        return Fault("InvalidSchedule", "phaseToUse", "must be from 1 to 3")
    if not case.rules.strict_phases:
        return None
    return _phases_offered(case, supply, period)


def _phases_of_dc(case: Case) -> Fault | None:
    # K01.FR.44: 2.0.1 lets us ignore or refuse, 2.1 wants it refused and has a word for it; K01.FR.54
    if not case.rules.strict_phases or (case.rules.v21 and case.station.dc_input_phase_control):
        return None
    words = "a DC EVSE takes neither numberPhases nor phaseToUse"
    return Fault("NoPhaseForDC" if case.rules.v21 else "InvalidSchedule", "numberPhases", words)


def _phases_offered(case: Case, supply: int, period: Period) -> Fault | None:
    # K01.FR.19
    if period.phase_to_use is not None and period.phases != 1:
        return Fault("InvalidSchedule", "phaseToUse", "only together with numberPhases 1")
    if supply == 0:
        return None
    # K01.FR.20, FR.48
    if period.phase_to_use is not None and not case.station.phase_switching:
        return Fault("InvalidSchedule", "phaseToUse", "this station cannot choose a phase (ACPhaseSwitchingSupported)")
    if period.phases is None:
        return None
    # K01.FR.45
    if period.phases > supply:
        return Fault("InvalidSchedule", "numberPhases", f"the supply has {supply}")
    # K01.FR.43
    if period.phases < supply and case.rules.phases_ensured and not case.station.leaves_phases_out:
        return Fault("InvalidSchedule", "numberPhases", f"this station cannot keep a vehicle from using all {supply}")
    return None
