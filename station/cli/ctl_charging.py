"""Charging profiles and plans for people: a row for every profile, a sentence for every change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from station.cli.ctl_block import Block
from station.clock import iso

__all__ = ["CHARGING_BLOCKS"]

MOST_STEPS = 4
OFF = Block("", (), (("smart charging is switched off: these limit nothing",),))
OFF_PLAN = Block("", (), (("smart charging is switched off: profiles limit nothing",),))
Result = Mapping[str, Any]


def _profiles(result: Result) -> list[Block]:
    """The answer of `profiles`."""
    head = ("id", "for", "purpose", "stack", "kind", "steps", "valid", "source", "transaction")
    rows = tuple(_profile(row) for row in result["profiles"])
    blocks = [Block("profiles", head, rows) if rows else Block("", (), (("no charging profiles",),))]
    return blocks if result.get("enabled", True) else [OFF if rows else OFF_PLAN, *blocks]


def _profile(row: Result) -> tuple[str, ...]:
    schedules: Sequence[Result] = row["schedules"]
    return (
        str(row["id"]),
        "station" if row["evse"] == 0 else f"EVSE {row['evse']}",
        row["purpose"],
        str(row["stack_level"]),
        " ".join(_kind(row)),
        "; or ".join(_steps(schedule) for schedule in schedules),
        " ".join(_valid(row)) or "always",
        row["source"],
        row["transaction"] or "-",
    )


def _kind(row: Result) -> Iterator[str]:
    yield row["kind"]
    if row["recurrency"] is not None:
        yield row["recurrency"]
    first = row["schedules"][0] if row["schedules"] else {}
    if first.get("start") is not None:
        yield f"from {_time(first['start'])}"
    if first.get("duration") is not None:
        yield f"for {_span(first['duration'])}"


def _steps(schedule: Result) -> str:
    periods: Sequence[Result] = schedule["periods"]
    told = [
        f"{_span(period['start'])} {_rate(period['limit'], schedule['unit'])}{_phases(period['phases'])}"
        for period in periods[:MOST_STEPS]
    ]
    if len(periods) > MOST_STEPS:
        told.append(f"and {len(periods) - MOST_STEPS} more")
    return ", ".join(told)


def _valid(row: Result) -> Iterator[str]:
    for word, name in (("from", "valid_from"), ("until", "valid_to")):
        if row[name] is not None:
            yield f"{word} {_time(row[name])}"


def _plan(result: Result) -> list[Block]:
    """The answer of `plan`: its sentences, and what every source allows at first."""
    unit, evse = result["unit"], result["evse"]
    about = (
        ("of", "grid connection" if evse == 0 else f"EVSE {evse}"),
        ("from", _time(result["start"])),
        ("until", _time(result["start"] + result["duration"])),
    )
    changes = tuple(
        (row["local"], _rate(row["limit"], row["unit"]) + _phases(row["phases"]), row["sentence"])
        for row in result["changes"]
    )
    sources = tuple(
        (row["name"], _rate(row["limit"], unit), _given(row, unit), "binds" if row["binding"] else "")
        for period in result["periods"][:1]
        for row in period["sources"]
    )
    blocks = [Block("", (), about), Block("changes", ("when", "limit", "why"), changes)]
    if not result.get("enabled", True):
        blocks.insert(0, OFF_PLAN)
    return blocks + ([Block("sources now", ("source", "allows", "given", ""), sources)] if sources else [])


def _given(source: Result, unit: str) -> str:
    if source["given"] is None or source["given_unit"] == unit:
        return ""
    return _rate(source["given"], source["given_unit"])


def _rate(limit: float | None, unit: str) -> str:
    return "no limit" if limit is None else f"{limit:.3f}".rstrip("0").rstrip(".") + f" {unit}"


def _phases(phases: int | None) -> str:
    return "" if phases is None else f" ({phases} phase{'' if phases == 1 else 's'})"


def _time(wall: float) -> str:
    return f"{iso(wall)[:19]}Z"


def _span(seconds: float) -> str:
    """Hours and minutes."""
    whole = int(seconds)
    rest = f":{whole % 60:02}" if whole % 60 else ""
    return f"{whole // 3600}:{whole // 60 % 60:02}{rest}"


CHARGING_BLOCKS: Mapping[str, Callable[[Result], list[Block]]] = {"profiles": _profiles, "plan": _plan}
"""By name of the command."""
