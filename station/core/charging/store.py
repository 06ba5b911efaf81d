"""Rows of installed profiles: plain JSON, the same for every version. What is not said is left out, so that a row stays small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar

from station.core.charging.profiles import (
    Installed,
    Kind,
    LimitSource,
    OperationMode,
    Period,
    Profile,
    Purpose,
    Rates,
    RateUnit,
    Recurrency,
    Schedule,
)

Word = TypeVar("Word", bound=Enum)

_RATES = ("limit", "discharge", "setpoint", "reactive")


def to_row(installed: Installed) -> dict[str, Any]:
    """Everything that `from_row` needs to make an equal `Installed`."""
    return {**_plain(installed), "profile": profile_to_json(installed.profile), "source": installed.source.value}


def from_row(row: dict[str, Any]) -> Installed:
    """Inverse of `to_row`. Raises KeyError, TypeError or ValueError on a row that is none."""
    row = _object(row)
    return Installed(
        profile_from_json(row["profile"]),
        _integer(row["evse"]),
        LimitSource(row["source"]),
        _integer(row["at"]),
        _flag(row.get("spent", False)),
    )


def profile_to_json(profile: Profile) -> dict[str, Any]:
    """A profile alone, as it is in a row."""
    return {**_plain(profile), "schedules": [_schedule_to_json(schedule) for schedule in profile.schedules]}


def profile_from_json(value: dict[str, Any]) -> Profile:
    """Inverse of `profile_to_json`; raises like `from_row`."""
    value = _object(value)
    return Profile(
        id=_integer(value["id"]),
        stack_level=_integer(value["stack_level"]),
        purpose=Purpose(value["purpose"]),
        kind=Kind(value["kind"]),
        schedules=tuple(_schedule_from_json(schedule) for schedule in _list(value["schedules"])),
        recurrency=_word(value.get("recurrency"), Recurrency),
        valid_from=_maybe(value.get("valid_from")),
        valid_to=_maybe(value.get("valid_to")),
        tx_id=_text(value.get("tx_id")),
        max_offline_s=_maybe(value.get("max_offline_s")),
        invalid_after_offline=_flag(value.get("invalid_after_offline", False)),
        dyn_interval_s=_maybe(value.get("dyn_interval_s")),
        dyn_updated=_maybe(value.get("dyn_updated")),
        extra=_object(value.get("extra", {})),
    )


def _schedule_to_json(schedule: Schedule) -> dict[str, Any]:
    row = {**_plain(schedule), "periods": [_period_to_json(period) for period in schedule.periods]}
    if schedule.delays:
        row["delays"] = list(schedule.delays)
    if schedule.soc_limit is not None:
        row["soc_limit"] = list(schedule.soc_limit)
    return row


def _schedule_from_json(value: Any) -> Schedule:
    value = _object(value)
    return Schedule(
        unit=RateUnit(value["unit"]),
        periods=tuple(_period_from_json(period) for period in _list(value["periods"])),
        start=_maybe(value.get("start")),
        duration=_maybe(value.get("duration")),
        id=_integer(value.get("id", 0)),
        min_rate=_maybe(value.get("min_rate")),
        local_time=_flag(value.get("local_time", False)),
        randomized_delay=_integer(value.get("randomized_delay", 0)),
        delays=tuple(_integer(delay) for delay in _list(value.get("delays", []))),
        soc_limit=_soc_limit(value.get("soc_limit")),
        extra=_object(value.get("extra", {})),
    )


def _period_to_json(period: Period) -> dict[str, Any]:
    row = _plain(period)
    for name in _RATES:
        rates: Rates | None = getattr(period, name)
        if rates is not None:
            # One number for most; three where phases differ.
            alike = rates.l2 is None and rates.l3 is None
            row[name] = rates.total if alike else [rates.total, rates.l2, rates.l3]
    return row


def _period_from_json(value: Any) -> Period:
    value = _object(value)
    return Period(
        start=_integer(value["start"]),
        limit=_rates(value.get("limit")),
        phases=_maybe(value.get("phases")),
        phase_to_use=_maybe(value.get("phase_to_use")),
        discharge=_rates(value.get("discharge")),
        setpoint=_rates(value.get("setpoint")),
        reactive=_rates(value.get("reactive")),
        mode=_word(value.get("mode"), OperationMode),
        extra=_object(value.get("extra", {})),
    )


# --- values ---


def _plain(record: Installed | Profile | Schedule | Period) -> dict[str, Any]:
    """Its fields that are numbers, words, flags or `extra`; a field that says nothing (None, false, an empty `extra`) is left out."""
    row: dict[str, Any] = {}
    for each in fields(record):
        value = getattr(record, each.name)
        if isinstance(value, Enum):
            row[each.name] = value.value
        elif isinstance(value, Mapping):
            if value:
                row[each.name] = _json(value)
        elif isinstance(value, int | str) and value is not False:
            row[each.name] = value
    return row


def _json(value: Any) -> Any:
    """What came from the wire, whatever it was read with."""
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"must be an object, not {type(value).__name__}")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"must be a list, not {type(value).__name__}")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"must be an integer, not {type(value).__name__}")
    return value


def _maybe(value: Any) -> int | None:
    return None if value is None else _integer(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"must be true or false, not {type(value).__name__}")
    return value


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"must be a text, not {type(value).__name__}")
    return value


def _word(value: Any, kind: type[Word]) -> Word | None:
    return None if value is None else kind(value)


def _rates(value: Any) -> Rates | None:
    if value is None:
        return None
    if isinstance(value, list):
        total, l2, l3 = value
        return Rates(_integer(total), _maybe(l2), _maybe(l3))
    return Rates(_integer(value))


def _soc_limit(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    percent, rate = _list(value)
    return _integer(percent), _integer(rate)
