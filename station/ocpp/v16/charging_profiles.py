"""Charging profiles (7.8, ChargingProfile) read from the wire, and composite schedules (5.7) written to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from station.clock import iso
from station.core.charging.numbers import integer, thousandths
from station.core.charging.profiles import (
    Kind,
    Period,
    Profile,
    ProfileError,
    Purpose,
    Rates,
    RateUnit,
    Recurrency,
    Schedule,
)
from station.core.charging.shapes import Composite, CompositePeriod, PhaseLimits
from station.ocpp.dialect import Payload
from station.ocpp.v16.common import wall_time

PURPOSES = {
    "ChargePointMaxProfile": Purpose.STATION_MAX,
    "TxDefaultProfile": Purpose.TX_DEFAULT,
    "TxProfile": Purpose.TX,
}
"""ChargingProfilePurposeType (7.11)."""

TxOf = Callable[[int], str | None]
"""The core's id of a transaction for its transactionId, None when there is no such transaction."""


def read_profile(payload: Mapping[str, Any], tx_of: TxOf, *, now: float, most_periods: int) -> Profile:
    """A csChargingProfiles or chargingProfile that is valid by the schema. now: wall seconds.

    Read as CSMSs mean it: a transactionId counts in a TxProfile only (7.8), and a startSchedule in a schedule that is not
    Relative. A profile that cannot begin with a charge, because it is that of the station or recurs, and that does not say
    when it begins, begins now.

    Raises ProfileError that names the field; at once, whatever its length, for a schedule of more than `most_periods`.
    """
    purpose = PURPOSES[payload["chargingProfilePurpose"]]
    kind = Kind(payload["chargingProfileKind"])
    schedule = _schedule(payload["chargingSchedule"], kind, most_periods)
    if schedule.start is None and (
        kind is Kind.RECURRING or (kind is Kind.ABSOLUTE and purpose is Purpose.STATION_MAX)
    ):
        schedule = replace(schedule, start=math.floor(now))
    return Profile(
        id=payload["chargingProfileId"],
        stack_level=integer(payload["stackLevel"], "stackLevel", reason="InvalidStackLevel"),
        purpose=purpose,
        kind=kind,
        schedules=(schedule,),
        recurrency=_recurrency(payload, kind),
        valid_from=_time(payload, "validFrom", "validFrom"),
        valid_to=_time(payload, "validTo", "validTo"),
        tx_id=_tx_id(payload, tx_of) if purpose is Purpose.TX else None,
    )


def _tx_id(payload: Mapping[str, Any], tx_of: TxOf) -> str | None:
    """5.16: without a transactionId the profile is for whatever transaction runs at the connector."""
    if "transactionId" not in payload:
        return None
    tx_id = tx_of(payload["transactionId"])
    if tx_id is None:
        # TC_058_2
        raise ProfileError("transactionId", f"{payload['transactionId']} is no transaction of ours", "TxNotFound")
    return tx_id


def _recurrency(payload: Mapping[str, Any], kind: Kind) -> Recurrency | None:
    word = payload.get("recurrencyKind")
    if kind is not Kind.RECURRING:
        return None  # 7.8: it has no meaning there
    if word is None:
        raise ProfileError("recurrencyKind", "a Recurring profile must say Daily or Weekly")
    return Recurrency(word)


def _schedule(payload: Mapping[str, Any], kind: Kind, most_periods: int) -> Schedule:
    where = "chargingSchedule"
    periods = payload["chargingSchedulePeriod"]
    if not periods:
        raise ProfileError(f"{where}.chargingSchedulePeriod", "must have a period", "InvalidSchedule")
    if len(periods) > most_periods:
        # 9.3.3: ChargingScheduleMaxPeriods
        raise ProfileError(
            f"{where}.chargingSchedulePeriod", f"has {len(periods)} periods, at most {most_periods}", "InvalidSchedule"
        )
    duration = payload.get("duration")
    least = payload.get("minChargingRate")
    start = _time(payload, "startSchedule", f"{where}.startSchedule")
    relative = kind is Kind.RELATIVE and start is not None
    return Schedule(
        unit=RateUnit(payload["chargingRateUnit"]),
        periods=tuple(
            _period(period, f"{where}.chargingSchedulePeriod[{number}]") for number, period in enumerate(periods)
        ),
        # 7.13: startSchedule is the starting point of an absolute schedule
        start=None if relative else start,
        duration=None if duration is None else integer(duration, f"{where}.duration"),
        min_rate=None if least is None else thousandths(least, f"{where}.minChargingRate"),
        extra={"startSchedule": payload["startSchedule"]} if relative else {},
    )


def _period(payload: Mapping[str, Any], where: str) -> Period:
    phases = payload.get("numberPhases")
    return Period(
        start=integer(payload["startPeriod"], f"{where}.startPeriod"),
        limit=Rates(thousandths(payload["limit"], f"{where}.limit")),
        phases=None if phases is None else integer(phases, f"{where}.numberPhases"),
    )


def _time(payload: Mapping[str, Any], name: str, where: str) -> int | None:
    """Whole seconds; any RFC 3339 form is understood, also with an offset or many digits."""
    if name not in payload:
        return None
    wall = wall_time(payload[name])
    if wall is None:
        raise ProfileError(where, "is no date and time of RFC 3339")
    return math.floor(wall)


def write_composite(composite: Composite) -> Payload:
    """GetCompositeSchedule.conf of an accepted request.

    Errata 3.57: scheduleStart says when it begins, startSchedule within the schedule is left out. A schedule must have a
    period: where nothing limits the current, there is none.
    """
    answer: Payload = {
        "status": "Accepted",
        "connectorId": composite.evse,
        "scheduleStart": iso(composite.start),
    }
    periods = [_written(period, period.limit) for period in composite.periods if period.limit is not None]
    if periods:
        answer["chargingSchedule"] = {
            "duration": composite.duration,
            "chargingRateUnit": composite.unit.value,
            "chargingSchedulePeriod": periods,
        }
    return answer


def _written(period: CompositePeriod, limit: PhaseLimits) -> Payload:
    written: Payload = {"startPeriod": period.start, "limit": _tenths(_one_number(limit))}
    if period.phases:
        written["numberPhases"] = period.phases
    return written


def _one_number(limit: PhaseLimits) -> Fraction:
    """1.6 has one limit for all phases: where they differ, the lowest, which no phase exceeds."""
    return min(rate for rate in (limit.total, limit.l2, limit.l3) if rate is not None)


def _tenths(rate: Fraction) -> float:
    """7.14: at most one digit. Rounded down: a CSMS must not be told more than is allowed."""
    tenths = math.floor(rate * 10)
    return tenths // 10 if tenths % 10 == 0 else tenths / 10
