"""The lines of `station explain` in colour. Needs `rich` (extra `sim`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from station.cli.explain_chart import Line

__all__ = ["show"]

STYLES = {"head": "bold", "dim": "dim"}
CAUSES = ("cyan", "yellow", "magenta", "green", "blue", "red", "bright_cyan", "bright_yellow", "bright_magenta")
"""The letters say the same: colour alone tells nothing."""


def show(stream: TextIO, lines: Sequence[Line]) -> None:
    """Print them; a terminal that is too narrow breaks them where it likes."""
    console = Console(file=stream, highlight=False, soft_wrap=True)
    for line in lines:
        # As text: what stands in a file is no markup.
        console.print(Text.assemble(*((text, _style(style)) for text, style in line)))


def _style(style: str) -> str:
    kind, _, cause = style.partition(" ")
    return CAUSES[int(cause) % len(CAUSES)] if kind == "cause" else STYLES.get(kind, "")
