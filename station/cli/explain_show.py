"""What `station explain` prints: one layout of lines, each a row of pieces with a style, in colour or plain; or JSON."""

from __future__ import annotations

import importlib.util
import re
import textwrap
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, TextIO

from station.cli.ctl_show import printable
from station.cli.explain_chart import ASCII, BLOCKS, Line, cause_of, chart, end_of, letters
from station.cli.explain_profiles import UNNAMED, Answer
from station.clock import iso
from station.core.charging.composite import CompositePeriod, PhaseLimits
from station.core.charging.explain import number, source_json
from station.core.charging.explain_words import amount, local_time, phases_text, rates, span, who
from station.core.charging.profiles import Installed, Purpose, RateUnit

__all__ = ["as_json", "lines", "show_on"]

SENTENCE_WIDTH = 118


def show_on(stream: TextIO, answer: Answer) -> None:
    """In colour on a terminal that has `rich`, else plain."""
    told = lines(answer, BLOCKS if _can(stream, BLOCKS) else ASCII)
    if stream.isatty() and importlib.util.find_spec("rich") is not None:
        from station.cli.explain_rich import show

        show(stream, told)
        return
    stream.writelines("".join(text for text, _ in line).rstrip() + "\n" for line in told)


def _can(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def lines(answer: Answer, blocks: str = BLOCKS) -> list[Line]:
    """Heading, chart, periods, profiles, sentences, notes; what came from the file cannot move the cursor."""
    parts = (
        _heading(answer),
        chart(answer.composite, answer.question.zone, blocks=blocks),
        _periods(answer),
        _profiles(answer),
        _sentences(answer),
        _notes(answer),
    )
    told: list[Line] = []
    for part in parts:
        if part:
            told += [[], *part] if told else part
    return [[(printable(text), style) for text, style in line] for line in told]


# --- parts ------------------------------------------------------------------------------------------------------------


def _heading(answer: Answer) -> list[Line]:
    question, composite = answer.question, answer.composite
    place = f"EVSE {composite.evse}" if composite.evse else "the grid connection"
    start, end = (_short(question.at + add, answer) for add in (0, question.duration))
    supply = f"{question.phases} phase{'' if question.phases == 1 else 's'}" if question.phases else "direct current"
    if answer.tx is None:
        tx = "no transaction"
    else:
        ready = "" if answer.tx.ready is None else f", begun {_short(answer.tx.ready, answer)}"
        tx = "a transaction" if answer.tx.tx_id == UNNAMED else f"transaction {answer.tx.tx_id}"
        tx = f"{tx}{ready}"
    zone = f", times in {question.zone_name}" if question.zone_name else ", times in UTC"
    return [
        [(f"Composite schedule of {place}, {start} to {end}, in {composite.unit.value}", "head")],
        [(f"{float(question.voltage_v):g} V, {supply}; {tx}{zone}", "dim")],
    ]


def _short(wall: int, answer: Answer) -> str:
    """`2025-01-15 07:00`, with seconds only when there are any."""
    text = local_time(wall, answer.question.zone).replace("T", " ")[:19]
    return text.removesuffix(":00") if len(text) == 19 else text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]) -> list[Line]:
    """Aligned. styles: of the cells in the marked column, one per row; that column is called `because`."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    told: list[Line] = [
        [("  ".join(cell.ljust(width) for cell, width in zip(head, widths, strict=True)).rstrip(), "dim")]
    ]
    marked = head.index("because") if "because" in head else -1
    for row, style in zip(rows, styles, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        told.append([(f"{cell}  ", style if column == marked else "") for column, cell in enumerate(cells)])
    return told


def _periods(answer: Answer) -> list[Line]:
    composite = answer.composite
    if not composite.periods:
        return [[("No period: no profile gives a limit.", "")]]
    known = letters(composite)
    rows, styles = [], []
    for place, period in enumerate(composite.periods):
        mark, cause = known[cause_of(period)]
        rows.append(
            (
                _short(composite.start + period.start, answer),
                _short(composite.start + end_of(composite, place), answer),
                "-" if period.limit is None else rates(period.limit, composite.unit),
                phases_text(period.phases, period.phase_to_use).removeprefix(" on ") or "-",
                f"[{mark}] {cause_of(period)}",
                _besides(period, composite.unit),
            )
        )
        styles.append(f"cause {cause}")
    return _table(("from", "to", "limit", "phases", "because", "besides"), rows, styles)


def _besides(period: CompositePeriod, unit: RateUnit) -> str:
    """The sources that do not bind, with what they would allow."""
    told = [
        f"{who(source)} {'+' if source.purpose is Purpose.LOCAL_GENERATION else ''}{amount(source.limit, unit)}"
        for source in period.sources
        if source != period.binding and source.limit is not None
    ]
    return ", ".join(told) or "-"


def _profiles(answer: Answer) -> list[Line]:
    head = ("profile", "purpose", "stack level", "kind", "EVSE", "valid", "periods", "duration")
    rows = [_profile(one, answer) for one in sorted(answer.installed, key=_rank)]
    return _table(head, rows, [""] * len(rows)) if rows else []


def _rank(one: Installed) -> tuple[int, int, int]:
    return [*Purpose].index(one.profile.purpose), -one.profile.stack_level, one.profile.id


def _profile(one: Installed, answer: Answer) -> tuple[str, ...]:
    profile = one.profile
    kind = profile.kind.value if profile.recurrency is None else f"{profile.kind.value} {profile.recurrency.value}"
    since = "" if profile.valid_from is None else f"from {_short(profile.valid_from, answer)}"
    until = "" if profile.valid_to is None else f"to {_short(profile.valid_to, answer)}"
    schedule = profile.schedules[0]
    return (
        str(profile.id),
        profile.purpose.value,
        str(profile.stack_level),
        kind,
        str(one.evse) if one.evse else "all",
        " ".join(part for part in (since, until) if part) or "always",
        f"{len(schedule.periods)} in {schedule.unit.value}",
        "open" if schedule.duration is None else span(schedule.duration),
    )


def _sentences(answer: Answer) -> list[Line]:
    told: list[Line] = []
    width = max((len(_short(change.at, answer)) for change in answer.changes), default=0)
    for change in answer.changes:
        when = f"{_short(change.at, answer):<{width}}"
        whole = re.sub(r"(\d) ([AW]\b)", "\\1\xa0\\2", change.sentence)  # a number stays with its unit
        wrapped = textwrap.wrap(whole, SENTENCE_WIDTH - len(when) - 2, break_long_words=False)
        for place, text in enumerate(wrapped):
            told.append([(f"{when if not place else '':<{len(when)}}  ", "dim"), (text.replace("\xa0", " "), "")])
    return told


def _notes(answer: Answer) -> list[Line]:
    return [[(f"note: {note}", "dim")] for note in answer.notes]


# --- for programs -----------------------------------------------------------------------------------------------------


def as_json(answer: Answer) -> dict[str, Any]:
    """The answer as docs/smart_charging.md describes it."""
    question, composite = answer.question, answer.composite
    return {
        "evse": composite.evse,
        "from": iso(composite.start),
        "to": iso(composite.start + composite.duration),
        "asked": {"at": iso(question.at), "duration_s": question.duration, "timezone": question.zone_name or "UTC"},
        "unit": composite.unit.value,
        "transaction": None if answer.tx is None or answer.tx.tx_id == UNNAMED else answer.tx.tx_id,
        "profiles": [one.profile.id for one in answer.installed],
        "periods": [_period_json(answer, place) for place in range(len(composite.periods))],
        "changes": [change.to_json() | {"at": iso(change.at)} for change in answer.changes],
        "refused": [
            {"place": each.place, "profile": each.profile, "problem": each.words, "used": each.used}
            for each in answer.refused
        ],
        "notes": list(answer.notes),
    }


def _period_json(answer: Answer, place: int) -> dict[str, Any]:
    composite = answer.composite
    period, end = composite.periods[place], end_of(composite, place)
    told: dict[str, Any] = {
        "start": period.start,
        "from": iso(composite.start + period.start),
        "to": iso(composite.start + end),
        "limit": None if period.limit is None else number(period.limit.total),
        "phases": period.phases,
        "cause": None if period.binding is None else who(period.binding),
        "sources": [source_json(source, binding=source == period.binding) for source in period.sources],
    }
    told |= dict(_lines_json("limit", period.limit)) | dict(_lines_json("setpoint", period.setpoint, total=True))
    told |= dict(_lines_json("dischargeLimit", period.discharge, total=True))
    if period.phase_to_use is not None:
        told["phase_to_use"] = period.phase_to_use
    if period.mode is not None:
        told["operation_mode"] = period.mode.value
    return told


def _lines_json(name: str, value: PhaseLimits | None, *, total: bool = False) -> Iterator[tuple[str, float | None]]:
    """What 2.1 adds, only where it is there."""
    if value is None:
        return
    several: list[tuple[str, Fraction | None]] = [(f"{name}_L2", value.l2), (f"{name}_L3", value.l3)]
    for field, rate in [(name, value.total if total else None), *several]:
        if rate is not None:
            yield field, number(rate)
