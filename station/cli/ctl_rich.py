"""What a station answers, in colour. Needs `rich` (extra `sim`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from station.cli.ctl_block import Block
from station.cli.ctl_show import blocks_of, event_line, help_blocks

__all__ = ["RichShow"]

_EVENTS = {"frame": "cyan", "refused": "red", "fact": "green"}


class RichShow:
    """The same tables as plain text has."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, highlight=False)

    def result(self, name: str, result: Mapping[str, Any]) -> None:
        self._print(blocks_of(name, result))

    def event(self, event: Mapping[str, Any]) -> None:
        wrong = event.get("verdict", "ok") != "ok"
        style = "bold red" if wrong else _EVENTS.get(str(event.get("event")), "")
        self._console.print(Text(event_line(event), style=style, no_wrap=True, overflow="ellipsis"))

    def help(self, rows: Sequence[Mapping[str, Any]], *, one: bool) -> None:
        self._print(help_blocks(rows, one=one))

    def _print(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            self._console.print(_table(block))


def _table(block: Block) -> Table:
    columns = len(block.rows[0]) if block.rows else len(block.head)
    table = Table(
        box=None,
        title=Text(block.title, style="bold cyan") if block.title else None,
        title_justify="left",
        show_header=bool(block.head),
        header_style="bold",
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for number in range(columns):
        table.add_column(
            block.head[number] if block.head else "",
            style="green" if not block.head and number == 0 and columns > 1 else "",
            overflow="fold",
        )
    for row in block.rows:
        # As text: what a CSMS says is no markup.
        table.add_row(*(Text(cell) for cell in row))
    return table
