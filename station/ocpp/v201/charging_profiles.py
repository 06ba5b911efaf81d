"""ChargingProfileType read from the wire, and charging profiles and composite schedules written to it.

The reader knows the fields of 2.0.1 and of 2.1; the writer uses those of 2.0.1 only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from fractions import Fraction
from typing import Any, TypeVar

from station.clock import iso, parse_iso
from station.core.charging.numbers import HIGHEST_INTEGER, integer, thousandths
from station.core.charging.profiles import (
    MILLI,
    Kind,
    Milli,
    OperationMode,
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
from station.ocpp.v201.fields import number

__all__ = ["read_profile", "tellable", "write_composite", "write_profile"]

MOST_PERIODS = 1024  # ChargingScheduleType.chargingSchedulePeriod
MOST_SCHEDULES = 3  # ChargingProfileType.chargingSchedule
_LOWEST_INTEGER = -HIGHEST_INTEGER - 1
_TX_ID = 36  # ChargingProfileType.transactionId
_ZONE = re.compile(r"(Z|[+-]\d\d(:?\d\d)?)$", re.IGNORECASE)
# What 2.0.1 has no words for: a profile with these is not told to its CSMS.
_PURPOSES_21 = frozenset({Purpose.PRIORITY, Purpose.LOCAL_GENERATION})

Word = TypeVar("Word", bound=Enum)


class _Fields:
    """The fields of one JSON object, taken one by one; what nobody has taken is left in `rest`.

    path: of the object, for errors. reason: code of an error in it.
    """

    __slots__ = ("path", "reason", "rest")

    def __init__(self, value: object, path: str, reason: str) -> None:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ProfileError(path, f"must be an object, not {type(value).__name__}", reason)
        self.path = path
        self.reason = reason
        self.rest: dict[str, Any] = dict(value)

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str) -> Any:
        """None when it is missing; null is taken for missing."""
        return self.rest.pop(name, None)

    def needed(self, name: str) -> Any:
        value = self.take(name)
        if value is None:
            raise ProfileError(self.at(name), "is missing", "MissingParam")
        return value

    def integer(self, name: str, least: int = 0, most: int = HIGHEST_INTEGER) -> int | None:
        value = self.take(name)
        return None if value is None else integer(value, self.at(name), least=least, most=most, reason=self.reason)

    def number(self, name: str) -> Milli | None:
        value = self.take(name)
        return None if value is None else thousandths(value, self.at(name), reason=self.reason)

    def flag(self, name: str) -> bool | None:
        value = self.take(name)
        if value is None or isinstance(value, bool):
            return value
        raise ProfileError(self.at(name), "must be true or false", self.reason)

    def word(self, name: str, kind: type[Word]) -> Word | None:
        value = self.take(name)
        if value is None:
            return None
        for member in kind:
            if member.value == value:
                return member
        words = ", ".join(str(member.value) for member in kind)
        raise ProfileError(self.at(name), f"must be one of {words}", self.reason)

    def text(self, name: str, most: int) -> str | None:
        value = self.take(name)
        if value is None or (isinstance(value, str) and 0 < len(value) <= most):
            return value
        raise ProfileError(self.at(name), f"must be a text of 1 to {most} characters", self.reason)

    def time(self, name: str, *, local: bool = False) -> int | None:
        """Whole wall seconds, rounded down. local: whatever zone is given does not count.

        The text itself stays in `rest` when a part of a second is lost: what is reported is what was set.
        """
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise ProfileError(self.at(name), "must be a date-time", self.reason)
        text = _ZONE.sub("", value.strip()) if local and "T" in value.upper() else value
        try:
            wall = parse_iso(text)
        except (ValueError, OverflowError) as error:
            raise ProfileError(self.at(name), "is no date-time of RFC 3339", self.reason) from error
        if wall != math.floor(wall) and not local:
            self.rest[name] = value
        return math.floor(wall)

    def items(self, name: str, most: int) -> Sequence[object]:
        value = self.needed(name)
        if not isinstance(value, list | tuple) or not value:
            raise ProfileError(self.at(name), "must be a list of at least one", self.reason)
        if len(value) > most:
            raise ProfileError(
                self.at(name), f"has {len(value)} elements, at most {most} are allowed", "TooManyElements"
            )
        return value


def _sure(value: int | None, fields: _Fields, name: str) -> int:
    if value is None:
        raise ProfileError(fields.at(name), "is missing", "MissingParam")
    return value


# --- reading ----------------------------------------------------------------------------------------------------------


def read_profile(payload: object, path: str = "chargingProfile", *, most_periods: int = MOST_PERIODS) -> Profile:
    """A ChargingProfileType of 2.0.1 or 2.1, also one that no schema has seen.

    Only what each field says by itself is checked here; how they go together is `station.core.charging.validate`'s.
    Raises ProfileError with the path of the field (below `path`); time and memory are bounded by `most_periods`.
    """
    fields = _Fields(payload, path, "InvalidProfile")
    purpose = fields.word("chargingProfilePurpose", Purpose)
    kind = fields.word("chargingProfileKind", Kind)
    if purpose is None or kind is None:
        missing = "chargingProfilePurpose" if purpose is None else "chargingProfileKind"
        raise ProfileError(fields.at(missing), "is missing", "MissingParam")
    profile_id = _sure(fields.integer("id", _LOWEST_INTEGER), fields, "id")
    schedules = fields.items("chargingSchedule", MOST_SCHEDULES)
    fields.reason = "InvalidStackLevel"
    stack_level = _sure(fields.integer("stackLevel"), fields, "stackLevel")
    fields.reason = "InvalidProfile"
    return Profile(
        id=profile_id,
        stack_level=stack_level,
        purpose=purpose,
        kind=kind,
        schedules=tuple(
            _schedule(one, f"{fields.at('chargingSchedule')}[{place}]", most_periods)
            for place, one in enumerate(schedules)
        ),
        recurrency=fields.word("recurrencyKind", Recurrency),
        valid_from=fields.time("validFrom"),
        valid_to=fields.time("validTo"),
        # In any other profile it has no meaning: it is kept, and binds nothing.
        tx_id=fields.text("transactionId", _TX_ID) if purpose is Purpose.TX else None,
        max_offline_s=fields.integer("maxOfflineDuration"),
        invalid_after_offline=bool(fields.flag("invalidAfterOfflineDuration")),  # 2.1: absent is false
        dyn_interval_s=fields.integer("dynUpdateInterval"),
        dyn_updated=fields.time("dynUpdateTime"),
        extra=fields.rest,
    )


def _schedule(payload: object, path: str, most_periods: int) -> Schedule:
    fields = _Fields(payload, path, "InvalidSchedule")
    unit = fields.word("chargingRateUnit", RateUnit)
    if unit is None:
        raise ProfileError(fields.at("chargingRateUnit"), "is missing", "MissingParam")
    periods = fields.items("chargingSchedulePeriod", most_periods)
    local = bool(fields.flag("useLocalTime"))
    return Schedule(
        unit=unit,
        periods=tuple(_period(one, f"{path}.chargingSchedulePeriod[{place}]") for place, one in enumerate(periods)),
        start=fields.time("startSchedule", local=local),
        duration=fields.integer("duration"),
        id=fields.integer("id", _LOWEST_INTEGER) or 0,
        min_rate=fields.number("minChargingRate"),
        local_time=local,
        randomized_delay=fields.integer("randomizedDelay") or 0,
        soc_limit=_soc_limit(fields.take("limitAtSoC"), fields.at("limitAtSoC")),
        extra=fields.rest,
    )


def _soc_limit(payload: object, path: str) -> tuple[int, Milli] | None:
    """LimitAtSoCType (2.1)."""
    if payload is None:
        return None
    fields = _Fields(payload, path, "InvalidSchedule")
    limit = fields.needed("limit")
    return _sure(fields.integer("soc", most=100), fields, "soc"), thousandths(limit, fields.at("limit"))


def _period(payload: object, path: str) -> Period:
    fields = _Fields(payload, path, "InvalidSchedule")
    return Period(
        start=_sure(fields.integer("startPeriod"), fields, "startPeriod"),
        limit=_rates(fields, "limit"),
        phases=fields.integer("numberPhases", most=3),
        phase_to_use=fields.integer("phaseToUse", most=3),
        discharge=_rates(fields, "dischargeLimit"),
        setpoint=_rates(fields, "setpoint"),
        reactive=_rates(fields, "setpointReactive"),
        mode=fields.word("operationMode", OperationMode),
        extra=fields.rest,
    )


def _rates(fields: _Fields, name: str) -> Rates | None:
    total, l2, l3 = fields.number(name), fields.number(f"{name}_L2"), fields.number(f"{name}_L3")
    if total is not None:
        return Rates(total, l2, l3)
    if l2 is not None or l3 is not None:
        raise ProfileError(fields.at(name), "is missing: there are values for other phases", "MissingParam")
    return None


# --- writing ----------------------------------------------------------------------------------------------------------


def tellable(profile: Profile) -> bool:
    """Whether 2.0.1 has words for the profile: purposes, kinds and setpoints of 2.1 it has not."""
    return (
        profile.purpose not in _PURPOSES_21
        and profile.kind is not Kind.DYNAMIC
        and all(period.limit is not None for schedule in profile.schedules for period in schedule.periods)
    )


def write_profile(profile: Profile) -> Payload:
    """ChargingProfileType of 2.0.1; the fields of 2.1 are left out. Raises ValueError unless it is `tellable`."""
    if not tellable(profile):
        raise ValueError(f"profile {profile.id} cannot be told in 2.0.1")
    payload: Payload = {
        "id": profile.id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": profile.purpose.value,
        "chargingProfileKind": profile.kind.value,
        "chargingSchedule": [_write_schedule(schedule) for schedule in profile.schedules],
    }
    if profile.recurrency is not None:
        payload["recurrencyKind"] = profile.recurrency.value
    if profile.tx_id is not None:
        payload["transactionId"] = profile.tx_id[:_TX_ID]
    _write_time(payload, "validFrom", profile.valid_from, profile.extra)
    _write_time(payload, "validTo", profile.valid_to, profile.extra)
    return _write_extra(payload, profile.extra, "transactionId", "customData")


def _write_schedule(schedule: Schedule) -> Payload:
    payload: Payload = {
        "id": schedule.id,
        "chargingRateUnit": schedule.unit.value,
        "chargingSchedulePeriod": [
            _write_period(period, _one(period.limit, schedule.unit))
            for period in schedule.periods
            if period.limit is not None
        ],
    }
    if schedule.duration is not None:
        payload["duration"] = schedule.duration
    if schedule.min_rate is not None:
        payload["minChargingRate"] = _rate(schedule.min_rate)
    _write_time(payload, "startSchedule", schedule.start, schedule.extra)
    return _write_extra(payload, schedule.extra, "salesTariff", "customData")


def _write_period(period: Period, limit: Milli) -> Payload:
    payload: Payload = {"startPeriod": period.start, "limit": _rate(limit)}
    if period.phases is not None:
        payload["numberPhases"] = period.phases
    if period.phase_to_use is not None:
        payload["phaseToUse"] = period.phase_to_use
    return _write_extra(payload, period.extra, "customData")


def _write_time(payload: Payload, name: str, wall: int | None, extra: Mapping[str, Any]) -> None:
    """As it was set, if seconds alone do not tell it."""
    if wall is not None:
        payload[name] = iso(parse_iso(extra[name]) if name in extra else wall)


def _write_extra(payload: Payload, extra: Mapping[str, Any], *names: str) -> Payload:
    return payload | {name: extra[name] for name in names if extra.get(name) is not None}


def _rate(milli: Milli) -> int | float:
    return number(milli / MILLI)


def _one(rates: Rates | PhaseLimits, unit: RateUnit) -> Any:
    """One value where 2.0.1 has no fields for three: A is per phase, so the least; W is the total, so the sum."""
    given = [rate for rate in (rates.total, rates.l2, rates.l3) if rate is not None]
    return min(given) if unit is RateUnit.A else sum(given)


def write_composite(composite: Composite) -> Payload | None:
    """CompositeScheduleType of 2.0.1 (K08). None when no period has a limit: there is no schedule without one.

    A composite that begins or ends without a limit is told from its first limit to its last.
    """
    limited = [(period, period.limit) for period in composite.periods if period.limit is not None]
    if not limited:
        return None
    first = limited[0][0].start
    last = composite.periods[-1]
    end = last.start if last.limit is None else composite.duration
    return {
        "evseId": composite.evse,
        "duration": end - first,
        "scheduleStart": iso(composite.start + first),
        "chargingRateUnit": composite.unit.value,
        "chargingSchedulePeriod": [
            _write_composite_period(period, limit, period.start - first, composite.unit) for period, limit in limited
        ],
    }


def _write_composite_period(period: CompositePeriod, limit: PhaseLimits, start: int, unit: RateUnit) -> Payload:
    payload: Payload = {"startPeriod": start, "limit": _tenths(_one(limit, unit))}
    if period.phases is not None:
        payload["numberPhases"] = period.phases
    if period.phase_to_use is not None:
        payload["phaseToUse"] = period.phase_to_use
    return payload


def _tenths(value: Fraction) -> int | float:
    """Rounded down: never promise more than there is (ChargingSchedulePeriodType.limit has one decimal)."""
    return number(math.floor(value * 10) / 10)
