"""A composite schedule as a picture: the limit on top, its sources stacked beneath. Needs `matplotlib` (extra `plot`).

The same answer gives the same bytes with the same version of matplotlib. Colours are those of Okabe and Ito, which all eyes
can tell apart; hatching and words say the same.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from station.cli.explain_chart import cause_of, end_of, letters, tick_step
from station.cli.explain_profiles import Answer
from station.core.charging.composite import Composite, CompositePeriod, Source, Zone
from station.core.charging.explain_words import amount, local_time, who
from station.core.charging.profiles import Purpose
from station.errors import StationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["check_installed", "draw"]

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#999999")
HATCHES = ("", "///", "\\\\\\", "xxx", "---", "|||", "+++", "//")
MOST_LANES = 12
# Inches. Places are worked out, not fitted to the letters: what was drawn before would move them by a hair.
PLOT_IN, LEFT_IN, LETTER_IN, LEGEND_IN = 6.4, 0.75, 0.068, 0.55
TOP_IN, LANE_IN, GAP_IN, TITLE_IN, TIME_IN = 3.2, 0.62, 0.16, 0.35, 0.35
TICKS = 9
LABELS = 20
"""What is shorter than this part of the time has no room for its amount."""
SETTINGS: Any = {
    "svg.hashsalt": "pilotwire",  # ids in the file do not change from run to run
    "svg.fonttype": "path",  # looks the same wherever it is shown
    "font.family": "DejaVu Sans",  # matplotlib brings it along
    "font.size": 9.0,
    "hatch.linewidth": 0.4,
    "axes.unicode_minus": False,
}


def check_installed() -> None:
    """Raises StationError that says what to install, or why it does not start."""
    if importlib.util.find_spec("matplotlib") is None:
        raise StationError("pictures need matplotlib: pip install -e '.[plot]' where pilotwire was cloned")
    try:
        import matplotlib.figure  # noqa: F401  # whether it starts
    except (ImportError, AttributeError, RuntimeError, ValueError, OSError) as error:
        # Mostly another numpy than the one it was built for.
        raise StationError(
            f"pictures need matplotlib, and the one that is installed does not start: {error}"
        ) from error


def draw(answer: Answer, path: Path, kind: str) -> None:
    """Write the picture; kind: svg or png. Raises StationError without matplotlib, OSError."""
    check_installed()
    import matplotlib as mpl

    with mpl.rc_context(SETTINGS):
        figure = _figure(answer)
        # No date in it: a picture that shows the same is the same.
        metadata = {"Date": None} if kind == "svg" else {}
        figure.savefig(path, format=kind, dpi=110, metadata=metadata)


@dataclass(frozen=True, slots=True)
class _Lane:
    """One source over the whole time: for each period its limit there (None: not in force), and whether it binds."""

    name: str
    limits: tuple[Fraction | None, ...]
    binds: tuple[bool, ...]


def _lanes(composite: Composite) -> Sequence[_Lane]:
    """Sources in the order in which they appear; those that bind at some time are never left out for others."""
    names = dict.fromkeys(_lane_name(source) for period in composite.periods for source in period.sources)
    lanes = []
    for name in names:
        rows = [next((s for s in period.sources if _lane_name(s) == name), None) for period in composite.periods]
        limits = tuple(None if source is None else source.limit for source in rows)
        binds = tuple(
            source is not None and source == period.binding
            for source, period in zip(rows, composite.periods, strict=True)
        )
        lanes.append(_Lane(name, limits, binds))
    return sorted(lanes, key=lambda lane: not any(lane.binds))[:MOST_LANES]


def _lane_name(source: Source) -> str:
    return f"{who(source)}, added" if source.purpose is Purpose.LOCAL_GENERATION else who(source)


# --- drawing ----------------------------------------------------------------------------------------------------------


def _figure(answer: Answer) -> Figure:
    composite, zone = answer.composite, answer.question.zone
    lanes = _lanes(composite)
    colours = _colours(composite, lanes)
    figure, (upper, *rows) = _places(len(lanes), max(len(name) for name in (*colours, "")))
    place = f"EVSE {composite.evse}" if composite.evse else "Grid connection"
    begin, end = (local_time(composite.start + add, zone)[:16].replace("T", " ") for add in (0, composite.duration))
    upper.set_title(f"{place}: composite schedule, {begin} to {end} {answer.question.zone_name or 'UTC'}", loc="left")
    _draw_limit(upper, composite, colours)
    for lane, row in zip(lanes, rows, strict=True):
        _draw_lane(row, composite, lane, colours.get(lane.name, 0))
    for axes in (upper, *rows):
        axes.tick_params(axis="x", labelbottom=axes is (upper, *rows)[-1])
        _draw_time(axes, composite, zone)
    return figure


def _places(lanes: int, letters: int) -> tuple[Figure, list[Axes]]:
    """An empty figure, the limit's place on top and one for each lane; room for names of so many letters on the right."""
    from matplotlib.figure import Figure

    width = LEFT_IN + PLOT_IN + LEGEND_IN + LETTER_IN * letters
    height = TITLE_IN + TOP_IN + (GAP_IN + LANE_IN) * lanes + TIME_IN
    figure = Figure(figsize=(width, height))
    axes: list[Axes] = []
    y = height - TITLE_IN
    for size in (TOP_IN, *[LANE_IN] * lanes):
        y -= size
        axes.append(figure.add_axes((LEFT_IN / width, y / height, PLOT_IN / width, size / height)))
        y -= GAP_IN
    return figure, axes


def _colours(composite: Composite, lanes: Sequence[_Lane]) -> dict[str, int]:
    """The binding ones first, then the rest; the letters of the text are those of the same order."""
    found = dict.fromkeys([*letters(composite), *(lane.name for lane in lanes)])
    return {name: number for number, name in enumerate(found)}


def _spans(composite: Composite) -> Iterator[tuple[CompositePeriod, int, int]]:
    for number, period in enumerate(composite.periods):
        yield period, period.start, end_of(composite, number)


def _draw_limit(axes: Axes, composite: Composite, colours: dict[str, int]) -> None:
    most = max((period.limit.total for period in composite.periods if period.limit is not None), default=Fraction(1))
    top = float(max(most, Fraction(1)))
    seen: set[str] = set()
    for period, start, end in _spans(composite):
        cause = cause_of(period)
        number = colours.get(cause, 0)
        value = top if period.limit is None else float(period.limit.total)
        axes.fill_between(
            [start, end],
            [value, value],
            facecolor="white" if period.limit is None else _light(number),
            edgecolor=COLOURS[number % len(COLOURS)],
            hatch=HATCHES[number % len(HATCHES)] or None,
            linewidth=0,
            label=None if cause in seen or len(seen) >= MOST_LANES else cause,
        )
        seen.add(cause)
    _steps(
        axes,
        [(start, end, period.limit.total if period.limit else None) for period, start, end in _spans(composite)],
        "#000000",
        1.8,
    )
    for text, start, end, height in _labels(composite):
        if (end - start) * LABELS >= composite.duration:
            axes.annotate(text, ((start + end) / 2, height), xytext=(0, 3), textcoords="offset points", ha="center")
    axes.set_ylabel(f"limit in {composite.unit.value}")
    axes.set_ylim(min(0.0, *(float(p.limit.total) for p in composite.periods if p.limit is not None), 0.0), top * 1.15)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    if seen:
        axes.legend(title="binding", loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, alignment="left")


def _labels(composite: Composite) -> Iterator[tuple[str, int, int, float]]:
    """Every height with its amount, once for neighbours of the same height."""
    spans = _spans(composite)
    for limit, run in groupby(spans, key=lambda span: span[0].limit):
        several = list(run)
        if limit is not None:
            yield amount(limit.total, composite.unit), several[0][1], several[-1][2], float(limit.total)


def _draw_lane(axes: Axes, composite: Composite, lane: _Lane, number: int) -> None:
    colour = COLOURS[number % len(COLOURS)]
    top = float(max((limit for limit in lane.limits if limit is not None), default=Fraction(1))) or 1.0
    spans = list(_spans(composite))
    for (_, start, end), limit, binds in zip(spans, lane.limits, lane.binds, strict=True):
        if binds and limit is not None:
            axes.fill_between(
                [start, end],
                [float(limit), float(limit)],
                facecolor=_light(number),
                edgecolor=colour,
                hatch=HATCHES[number % len(HATCHES)] or None,
                linewidth=0,
            )
            axes.plot([start, end], [-0.12 * top] * 2, color=colour, linewidth=3.5, solid_capstyle="butt")
    _steps(axes, [(start, end, limit) for (_, start, end), limit in zip(spans, lane.limits, strict=True)], colour, 1.4)
    axes.set_ylim(-0.25 * top, 1.25 * top)
    axes.set_yticks([0.0, top], ["0", amount(Fraction(top).limit_denominator(1000), composite.unit)])
    axes.tick_params(axis="y", labelsize=7)
    axes.text(1.01, 0.5, lane.name, transform=axes.transAxes, va="center", ha="left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _steps(axes: Axes, spans: Sequence[tuple[int, int, Fraction | None]], colour: str, width: float) -> None:
    """A line that is broken where there is no limit."""
    times: list[float] = []
    values: list[float] = []
    for start, end, limit in spans:
        value = float("nan") if limit is None else float(limit)
        times += [start, end]
        values += [value, value]
    axes.plot(times, values, color=colour, linewidth=width, solid_joinstyle="miter")


def _light(number: int) -> str:
    """The colour on a white ground, so that black lines and words stand out."""
    colour = COLOURS[number % len(COLOURS)]
    parts = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * 0.45):02x}" for part in parts)


def _draw_time(axes: Axes, composite: Composite, zone: Zone | None) -> None:
    """Round moments of the local clock."""
    duration = max(1, composite.duration)
    step = tick_step(duration, TICKS)
    offset = 0 if zone is None else zone.offset_s(composite.start)
    seconds = list(range(-(composite.start + offset) % step, duration + 1, step))
    texts = [local_time(composite.start + second, zone) for second in seconds]
    axes.set_xlim(0, duration)
    axes.set_xticks(seconds, [text[5:10] if step >= 86_400 else text[11:16] for text in texts])
