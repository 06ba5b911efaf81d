"""Rates, phases, moments and sources in words, the same for the command line, the panel and the logs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

from station.core.charging.composite import PhaseLimits, Source, Zone
from station.core.charging.profiles import RateUnit

__all__ = ["amount", "local_time", "phases_text", "plain", "rates", "span", "who"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def plain(value: Fraction, digits: int) -> str:
    """Decimal, with at most so many digits after the point and no zeros at its end."""
    scaled = round(value * 10**digits)  # exact: a Fraction rounds to the even neighbour
    sign, whole = ("-" if scaled < 0 else ""), abs(scaled)
    head, tail = divmod(whole, 10**digits)
    return f"{sign}{head}.{tail:0{digits}d}".rstrip("0").rstrip(".")


def amount(value: Fraction, unit: RateUnit) -> str:
    """`16 A`, `15.94 A`, `11040 W`."""
    return f"{plain(value, 2 if unit is RateUnit.A else 1)} {unit.value}"


def rates(value: PhaseLimits, unit: RateUnit) -> str:
    """One amount, or one for each line where they differ."""
    if value.l2 is None and value.l3 is None:
        return amount(value.total, unit)
    lines = [(1, value.total), *((n, each) for n, each in ((2, value.l2), (3, value.l3)) if each is not None)]
    return ", ".join(f"{amount(each, unit)} on L{n}" for n, each in lines)


def phases_text(phases: int | None, phase_to_use: int | None = None) -> str:
    """` on 3 phases`, ` on 1 phase (L2)`; nothing where there is nothing to say (DC)."""
    if not phases:
        return ""
    line = f" (L{phase_to_use})" if phase_to_use else ""
    return f" on {phases} phase{'' if phases == 1 else 's'}{line}"


def who(source: Source) -> str:
    """`TxDefaultProfile 3 (stack level 1)`; what is no profile has a name of its own."""
    if source.purpose is None or source.profile is None:
        return source.name
    level = "" if source.stack_level is None else f" (stack level {source.stack_level})"
    return f"{source.purpose.value} {source.profile}{level}"


def local_time(wall: int, zone: Zone | None) -> str:
    """RFC 3339 on the station's clock: `2025-01-15T07:00:00+01:00`. Outside the years 1 to 9999 the bare number."""
    try:
        offset = 0 if zone is None else zone.offset_s(wall)
        moment = _EPOCH + timedelta(seconds=wall)
        if not offset:
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if zone is None else moment.isoformat()
        return moment.astimezone(timezone(timedelta(seconds=offset))).isoformat()
    except (OverflowError, ValueError):
        return str(wall)


def span(seconds: int) -> str:
    """`2 h`, `1 h 30 min`, `45 s`, `3 d`."""
    parts = []
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
    if parts == ["1 d"]:
        return "24 h"
    return " ".join(parts) or "0 s"
