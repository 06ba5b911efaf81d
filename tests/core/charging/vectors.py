"""Readers of the independent vectors, 1.6 and 2.x profiles in wire form. Apart from the readers of the station on purpose."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from station.core.charging.composite import Composite, CompositePeriod, Member, Site, Tx, compose
from station.core.charging.policy import Gaps, PhaseRule, Policy
from station.core.charging.profiles import (
    Installed,
    Kind,
    OperationMode,
    Period,
    Profile,
    Purpose,
    Rates,
    RateUnit,
    Recurrency,
    Schedule,
)

VECTORS = Path(__file__).parents[4] / "shared" / "vectors"
needed = pytest.mark.skipif(not VECTORS.exists(), reason="the shared vectors are not here")

OUR_WORD = {"ChargePointMaxProfile": "ChargingStationMaxProfile"}
LIBOCPP = Policy(recurring_before_start=True)
OPEN_OCPP = Policy(gaps=Gaps.OMIT, phases=PhaseRule.WINNER)
FLOWION = Policy(gaps=Gaps.OMIT)

Line = tuple[int, Fraction | None]


def load(name: str) -> Any:
    path = VECTORS / name
    return json.loads(path.read_text(), parse_float=Decimal) if path.exists() else []


def wall(text: str | float | None) -> int | None:
    """Wall second of an RFC 3339 time; numbers are seconds as they stand."""
    if text is None or isinstance(text, int):
        return text
    assert isinstance(text, str)
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def milli(value: Any) -> int:
    number = Decimal(str(value)) * 1000
    assert number == int(number)
    return int(number)


def rates(period: dict[str, Any], name: str) -> Rates | None:
    if name not in period:
        return None
    more = [milli(period[key]) if (key := f"{name}_L{line}") in period else None for line in (2, 3)]
    return Rates(milli(period[name]), *more)


def a_period(value: dict[str, Any]) -> Period:
    mode = value.get("operationMode")
    return Period(
        value["startPeriod"],
        rates(value, "limit"),
        value.get("numberPhases"),
        value.get("phaseToUse"),
        rates(value, "dischargeLimit"),
        rates(value, "setpoint"),
        mode=None if mode is None else OperationMode(mode),
    )


def a_schedule(value: dict[str, Any], start: int | None) -> Schedule:
    return Schedule(
        RateUnit(value["chargingRateUnit"]),
        tuple(a_period(period) for period in value["chargingSchedulePeriod"]),
        start,
        value.get("duration"),
        randomized_delay=value.get("randomizedDelay", 0),
    )


def a_profile(value: dict[str, Any], *, purpose: str | None = None) -> Profile:
    """A ChargingProfile of either version in wire form; times may be numbers."""
    schedules = value["chargingSchedule"]
    given = purpose or value["chargingProfilePurpose"]
    tx_id = value.get("transactionId")
    recurrency = value.get("recurrencyKind")
    return Profile(
        value.get("id", value.get("chargingProfileId")),
        value["stackLevel"],
        Purpose(OUR_WORD.get(given, given)),
        Kind(value["chargingProfileKind"]),
        tuple(
            a_schedule(schedule, wall(schedule.get("startSchedule")))
            for schedule in (schedules if isinstance(schedules, list) else [schedules])
        ),
        None if recurrency is None else Recurrency(recurrency),
        wall(value.get("validFrom")),
        wall(value.get("validTo")),
        None if tx_id is None else str(tx_id),
        max_offline_s=value.get("maxOfflineDuration"),
        invalid_after_offline=value.get("invalidAfterOfflineDuration", False),
        dyn_updated=wall(value.get("dynUpdateTime")),
    )


def composed(
    installed: Iterable[Installed],
    evse: int,
    *,
    start: int,
    duration: int,
    unit: RateUnit,
    policy: Policy,
    site: Site,
    txs: dict[int, Tx] | None = None,
    evses: int = 1,
    **more: Any,
) -> Composite:
    """What the station would answer, with `evses` EVSEs that are all like `site`."""
    txs = txs or {}
    sites = [
        Site(number, site.voltage_v, site.phases, site.maximum_a, site.zone, site.offline_s)
        for number in range(evses + 1)
    ]
    return compose(
        installed,
        sites[evse],
        txs.get(evse),
        start=start,
        duration=duration,
        unit=unit,
        policy=policy,
        members=[Member(one, txs.get(one.evse)) for one in sites[1:]] if evse == 0 else (),
        **more,
    )


def close(ours: Fraction | None, theirs: Any) -> bool:
    """Equal, but for what a binary float cannot hold."""
    if theirs is None or ours is None:
        return ours is None and theirs is None
    return abs(ours - Fraction(str(theirs))) < Fraction(1, 1_000_000)


_RATE_NAMES = {
    "limit": ("limit", "total"),
    "limit_L2": ("limit", "l2"),
    "limit_L3": ("limit", "l3"),
    "setpoint": ("setpoint", "total"),
    "setpoint_L2": ("setpoint", "l2"),
    "setpoint_L3": ("setpoint", "l3"),
    "dischargeLimit": ("discharge", "total"),
    "dischargeLimit_L2": ("discharge", "l2"),
    "dischargeLimit_L3": ("discharge", "l3"),
}


def differences(period: CompositePeriod, expected: dict[str, Any], *, v21: bool) -> list[str]:
    """What a row says of a period and ours does not. Of 2.1, rates that the row leaves out must be missing."""
    wrong = []
    for name, (kind, line) in _RATE_NAMES.items():
        given = getattr(period, kind)
        value = None if given is None else getattr(given, line)
        if (name in expected or v21) and not close(value, expected.get(name)):
            wrong.append(f"{name}: {value}, not {expected.get(name)}")
    if expected.get("numberPhases") is not None and period.phases != expected["numberPhases"]:
        wrong.append(f"numberPhases: {period.phases}, not {expected['numberPhases']}")
    if period.start != expected["startPeriod"]:
        wrong.append(f"startPeriod: {period.start}, not {expected['startPeriod']}")
    if v21 and (period.mode.value if period.mode else None) != expected.get("operationMode"):
        wrong.append(f"operationMode: {period.mode}, not {expected.get('operationMode')}")
    level = expected.get("stackLevel")
    if level and (period.binding is None or period.binding.stack_level != level):
        wrong.append(f"stackLevel: {period.binding}, not {level}")
    return wrong


def compare(ours: Composite, periods: list[dict[str, Any]], *, v21: bool = False) -> None:
    told = [(period.start, period.limit, period.phases) for period in ours.periods]
    assert len(ours.periods) == len(periods), told
    for period, expected in zip(ours.periods, periods, strict=True):
        assert not differences(period, expected, v21=v21), told
