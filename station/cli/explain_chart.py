"""A composite schedule as a stepped chart of block characters, with a letter under every column for who binds there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from station.core.charging.composite import Composite, CompositePeriod, Zone
from station.core.charging.explain_words import amount, local_time, who

__all__ = ["ASCII", "BLOCKS", "NOBODY", "Line", "Piece", "cause_of", "chart", "end_of", "letters", "tick_step"]

Piece = tuple[str, str]
"""Text and its style: "", "head", "dim", or "cause N" for the N-th cause."""
Line = list[Piece]

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = "    #####"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
NOBODY = "nothing limits"
HEIGHT = 8
WIDTH = 96
TICKS = (300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)
TICK_WIDTH = 8


def cause_of(period: CompositePeriod) -> str:
    """Who binds, as it is called in the legend."""
    return NOBODY if period.binding is None or period.limit is None else who(period.binding)


def letters(composite: Composite) -> Mapping[str, tuple[str, int]]:
    """Each cause, in the order in which it first binds, with its letter and its number (the 27th begins again at a)."""
    causes = dict.fromkeys(cause_of(period) for period in composite.periods)
    return {cause: (LETTERS[number % len(LETTERS)], number) for number, cause in enumerate(causes)}


def end_of(composite: Composite, number: int) -> int:
    """Seconds since the start at which the period with that number is over."""
    following = composite.periods[number + 1 :][:1]
    return following[0].start if following else composite.duration


def chart(composite: Composite, zone: Zone | None, *, blocks: str = BLOCKS, width: int = WIDTH) -> list[Line]:
    """Lines of at most `width` and a scale. A column shows the least limit of its time, so that no pause is lost."""
    limits = [period.limit.total for period in composite.periods if period.limit is not None]
    if not limits or composite.duration <= 0:
        return []
    top = max(*limits, Fraction(0)) or Fraction(1)
    columns = _columns(composite, width)
    known = letters(composite)
    marks = [known[cause_of(period)] if period is not None else (" ", 0) for period in columns]
    scale = {HEIGHT - 1: amount(top, composite.unit), 0: amount(Fraction(0), composite.unit)}
    if HEIGHT % 2 == 0:
        scale[HEIGHT // 2 - 1] = amount(top / 2, composite.unit)
    room = max(len(text) for text in scale.values())
    told = []
    for row in reversed(range(HEIGHT)):
        line: Line = [(f"{scale.get(row, ''):>{room}} ", "dim")]
        for period, (_, number) in zip(columns, marks, strict=True):
            _put(line, _cell(period, row, top, blocks), f"cause {number}")
        told.append(line)
    below: Line = [(" " * (room + 1), "")]
    for mark, number in marks:
        _put(below, mark, f"cause {number}")
    told += [below, [(" " * (room + 1) + _axis(composite, zone, width), "dim")]]
    told += [[(f"[{letter}] ", f"cause {number}"), (cause, "")] for cause, (letter, number) in known.items()]
    return told


def _put(line: Line, text: str, style: str) -> None:
    """Join what has the same style."""
    if line and line[-1][1] == style:
        line[-1] = (line[-1][0] + text, style)
    else:
        line.append((text, style))


def _columns(composite: Composite, width: int) -> Sequence[CompositePeriod | None]:
    """For each column the period with the least limit in its time; None where there is none."""
    columns: list[CompositePeriod | None] = [None] * width
    for number, period in enumerate(composite.periods):
        first = period.start * width // composite.duration
        last = (max(end_of(composite, number), period.start + 1) * width - 1) // composite.duration
        for column in range(first, min(last, width - 1) + 1):
            columns[column] = _lower(columns[column], period)
    return columns


def _lower(one: CompositePeriod | None, other: CompositePeriod) -> CompositePeriod:
    if one is None or one.limit is None:
        return other
    return other if other.limit is not None and other.limit.total < one.limit.total else one


def _cell(period: CompositePeriod | None, row: int, top: Fraction, blocks: str) -> str:
    if period is None:
        return " "
    if period.limit is None:
        return "." if row == HEIGHT - 1 else " "
    eighths = round(max(period.limit.total, Fraction(0)) / top * HEIGHT * 8)
    if row == 0 and eighths == 0:
        return "_"  # 0 A is a limit, and no gap
    return blocks[min(8, max(0, eighths - row * 8))]


def tick_step(duration: int, most: int) -> int:
    """A round number of seconds that gives at most `most` ticks, if there is one."""
    return next((step for step in TICKS if duration <= step * most), duration // max(1, most) + 1)


def _axis(composite: Composite, zone: Zone | None, width: int) -> str:
    """Times of the local clock at round moments."""
    step = tick_step(composite.duration, width // TICK_WIDTH)
    offset = 0 if zone is None else zone.offset_s(composite.start)
    axis = [" "] * (width + TICK_WIDTH)
    free = 0
    for second in range(-(composite.start + offset) % step, composite.duration, step):
        column = second * width // composite.duration
        text = local_time(composite.start + second, zone)
        label = text[11:16] if step < 86_400 else text[5:10]
        if column >= free:
            axis[column : column + 1 + len(label)] = f"|{label}"
            free = column + len(label) + 2
    return "".join(axis).rstrip()
