"""One line of the table: what was measured, what it is held against, and what the budget says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

OK, OVER, OPEN = "ok", "over", "-"


@dataclass(frozen=True, slots=True)
class Row:
    """Less is better in every figure.

    group: name for `--only`. ours, other: in `unit`; `other` belongs to `against` (a floor or a rival), None when there is none.
    most_ratio, most: budget for ours / other, and for ours itself; None where none was set. note: whatever else the run says.
    """

    group: str
    what: str
    unit: str
    ours: float
    against: str = ""
    other: float | None = None
    most_ratio: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if self.other is None else self.ours / self.other

    @property
    def budget(self) -> str:
        words = []
        if self.most_ratio is not None:
            words.append(f"<= {self.most_ratio:.3g}x")
        if self.most is not None:
            words.append(f"<= {self.most:g} {self.unit}")
        return ", ".join(words) or OPEN

    @property
    def verdict(self) -> str:
        """ "ok" or "over" the budget, "-" where there is none."""
        if self.most_ratio is None and self.most is None:
            return OPEN
        ratio = self.ratio
        over = (self.most is not None and self.ours > self.most) or (
            self.most_ratio is not None and ratio is not None and ratio > self.most_ratio
        )
        return OVER if over else OK

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio, "budget": self.budget, "verdict": self.verdict}


HEADER = ("measured", "ours", "unit", "held against", "its", "ratio", "budget", "verdict", "note")
_RIGHT = frozenset({1, 4, 5})


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table, aligned, so that a terminal shows it as well as a page does."""
    cells = [HEADER, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADER))]
    rule = tuple("-" * (width - 1) + (":" if n in _RIGHT else "-") for n, width in enumerate(widths))
    return "\n".join(_line(line, widths) for line in (cells[0], rule, *cells[1:])) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    other = "" if row.other is None else figure(row.other)
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return (
        f"{row.group}: {row.what}", figure(row.ours), row.unit, row.against, other, ratio, row.budget, row.verdict,
        row.note,
    )  # fmt: skip


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        text.rjust(width) if n in _RIGHT else text.ljust(width)
        for n, (text, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join(padded)} |"


def figure(value: float) -> str:
    """Three significant digits, never an exponent."""
    if value >= 100:
        return f"{value:,.0f}".replace(",", " ")
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3g}"


def as_json(rows: Iterable[Row], about: dict[str, Any]) -> str:
    return json.dumps({"about": about, "rows": [row.as_json() for row in rows]}, indent=2) + "\n"
