"""The terminal screen of `station sim`: EVSEs on the left, the OCPP conversation on the right. Needs the extra `sim` (rich)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hal.api import TokenKind
from station.clock import iso
from station.core.view import EvseView
from station.sim.brief import Brief, Conversation, offered, printable
from station.sim.lab import Lab

FRAMES_KEPT = 500
WIDE = 100  # columns from which the conversation stands beside the EVSEs
LEFT_LEAST, LEFT_MOST = 42, 52
PANEL_LINES = 7  # of an EVSE without faults
BRIEF_LINES = 3
TALK_LEAST = 6
_COLOUR = {
    "Available": "green",
    "Preparing": "yellow",
    "Charging": "bold bright_blue",
    "SuspendedEV": "cyan",
    "SuspendedEVSE": "magenta",
    "Finishing": "yellow",
    "Reserved": "yellow",
    "Unavailable": "dim",
    "Faulted": "bold red",
}
KEYS = (
    ("1-8", "choose EVSE"),
    ("p", "plug / unplug"),
    ("s", "swipe card"),
    ("x", "stop"),
    ("e", "unplug at the car"),
    ("f", "fault / clear"),
    ("o", "offline / online"),
    ("c", "cut power / on"),
    ("+ -", "speed"),
    ("space", "pause"),
    ("q", "quit"),
)
WIRE_KEYS = (("w", "board's adapter"), ("m", "meters' adapter"), ("n", "noise"))
_TIME_KEYS = frozenset({"+ -", "space"})


@dataclass(frozen=True, slots=True)
class SeenFrame:
    wall: float
    direction: str
    brief: Brief
    verdict: str


class Screen:
    """Renders the lab as it is now. `chosen` is the EVSE that keys act on; `note` a line that says what just happened.

    It fits into 80 columns and 24 lines: without room for a panel per EVSE, those around the chosen one get three lines each.
    """

    def __init__(self, lab: Lab, csms: str = "the embedded CSMS", places: Sequence[str] = ()) -> None:
        """csms: who is at the other end, for people. places: where the front panel and the control socket are."""
        self._lab = lab
        self._csms = csms
        self._places = places
        self._conversation = Conversation()
        self.frames: deque[SeenFrame] = deque(maxlen=FRAMES_KEPT)
        self.chosen = 1
        self.note = ""
        self.speed: float | None = lab.settings.speed
        lab.on_frame(self._frame)

    def _frame(self, wall: float, direction: str, text: str, _action: str | None, verdict: str) -> None:
        self.frames.append(SeenFrame(wall, direction, self._conversation.brief(direction, text), verdict))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or console.height
        footer, footer_lines = self._footer(width)
        room = max(6, height - 1 - footer_lines)
        beside = width >= WIDE
        evses, evse_lines = self._evses(room if beside else room - TALK_LEAST)
        talk_lines = room if beside else max(TALK_LEAST, room - evse_lines)
        left = Layout(evses, size=max(LEFT_LEAST, min(LEFT_MOST, width * 2 // 5)) if beside else evse_lines)
        layout = Layout()
        layout.split_column(
            Layout(self._header(), size=1), Layout(name="middle", size=room), Layout(footer, size=footer_lines)
        )
        right = Layout(self._talk(talk_lines - 2))
        if beside:
            layout["middle"].split_row(left, right)
        else:
            layout["middle"].split_column(left, right)
        yield layout

    def _header(self) -> RenderableType:
        lab = self._lab
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(" Pilotwire ", style="bold reverse")
        text.append(f" {printable(lab.settings.identity)}  ")
        text.append(*self._connection())
        speed = "max" if self.speed is None else "paused" if self.speed == 0 else f"x{self.speed:g}"
        text.append(f"  {iso(lab.clock.now().wall)[:19]}Z  speed {speed}  boot {lab.boots}")
        return text

    def _connection(self) -> tuple[str, str]:
        """One word or two, and their style."""
        lab = self._lab
        if lab.app is None:
            return "NO POWER", "bold red"
        if not lab.online:
            return "unplugged from the network", "bold yellow"
        if lab.app.client.online:
            return f"OCPP {lab.app.client.version} online", "green"
        if lab.app.client.version is not None:
            return f"OCPP {lab.app.client.version} not accepted yet", "bold yellow"
        return "offline", "bold yellow"

    def _trouble(self) -> str | None:
        """Why there is no connection, and that somebody is working on it."""
        trouble = self._lab.trouble if self._lab.online else None
        return None if trouble is None else f"no connection to {self._csms}, trying again: {trouble}"

    def _evses(self, room: int) -> tuple[RenderableType, int]:
        """What fits of the EVSEs into so many lines, and how many it takes."""
        if self._lab.app is None:
            return Panel("The power is cut. The last commit stands.\nPress c to bring it back.", border_style="red"), 4
        views = self._lab.view().evses
        panels = [self._evse(view) for view in views]
        lines = sum(PANEL_LINES + bool(view.faults) for view in views)
        if lines <= room:
            return Group(*panels), lines
        fitting = max(1, min(len(views), room // BRIEF_LINES))
        first = min(max(0, self.chosen - 1 - fitting // 2), len(views) - fitting)
        return Group(*(self._short(view) for view in views[first : first + fitting])), fitting * BRIEF_LINES

    def _short(self, view: EvseView) -> RenderableType:
        """An EVSE in three lines."""
        phase, chosen = view.phase.value, view.evse == self.chosen
        car = self._lab.devices.car(view.evse)
        first = Text.assemble(
            (f"{'>' if chosen else ' '} EVSE {view.evse}  ", "bold" if chosen else "dim"),
            (phase, _COLOUR.get(phase, "")),
            f"  pilot {view.pilot.value}, {view.lock.value.lower()}  ",
            "no car" if car is None else f"car {car.soc_percent:.1f} %",
            (f"  {_faults(view)}", "bold red"),
        )
        lines = (first, Text(f"    {_power(view)}  offered {offered(view)}"), Text(f"    {_session(view)}"))
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(*lines)

    def _evse(self, view: EvseView) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(style="dim", no_wrap=True, min_width=7)
        table.add_column(no_wrap=True, overflow="ellipsis")
        self._car(table, view)
        table.add_row("power", _power(view))
        table.add_row("offered", offered(view))
        table.add_row("session", _session(view))
        locked = f"{view.lock.value.lower()}, relay {'closed' if view.relay_closed else 'open'}"
        table.add_row("pilot", f"{view.pilot.value}   {locked}")
        if view.faults:
            table.add_row("fault", Text(_faults(view), style="bold red"))
        phase = view.phase.value
        title = Text.assemble(f"EVSE {view.evse}  ", (phase, _COLOUR.get(phase, "")))
        chosen = view.evse == self.chosen
        return Panel(table, title=title, title_align="left", border_style="bold white" if chosen else "dim")

    def _car(self, table: Table, view: EvseView) -> None:
        car = self._lab.devices.car(view.evse)
        if car is None:
            table.add_row("car", "none")
            return
        soc = car.soc_percent
        bar = Table.grid(padding=(0, 1))
        bar.add_row(f"{soc:5.1f} %", ProgressBar(total=100, completed=soc, width=22))
        table.add_row("car", bar)

    def _talk(self, lines: int) -> RenderableType:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True, style="dim")
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, max_width=18, overflow="ellipsis")
        table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
        for frame in list(self.frames)[-max(lines, 1) :]:
            brief = frame.brief
            out = frame.direction == "out"
            arrow = Text("station >", style="bright_blue") if out else Text("   < CSMS", style="green")
            style = {"error": "bold red", "garbage": "bold red", "result": "dim"}.get(brief.kind, "")
            table.add_row(iso(frame.wall)[11:19], arrow, Text(brief.action, style=style), Text(brief.text, style=style))
        app = self._lab.app
        title = "OCPP conversation" if app is None else f"OCPP conversation, security profile {app.security_profile}"
        return Panel(table, title=title, title_align="left", border_style="dim")

    def _footer(self, width: int) -> tuple[RenderableType, int]:
        """The note, what is wrong with the connection, the keys; and how many lines they take."""
        keys = _keys(width, real=self._lab.settings.wire)
        parts: list[RenderableType] = [
            Text(printable(f" {each}"), style="dim", no_wrap=True, overflow="ellipsis") for each in self._places
        ]
        parts.append(Text(printable(self.note), style="yellow", no_wrap=True, overflow="ellipsis"))
        trouble = self._trouble()
        if trouble is not None:
            parts.append(Text(printable(trouble), style="bold yellow", no_wrap=True, overflow="ellipsis"))
        return Group(*parts, *keys), len(parts) + len(keys)


def _keys(width: int, *, real: bool) -> list[Text]:
    """As many lines as the keys need; one is never torn from its meaning. real: drivers on wires, and no other time."""
    lines = [Text(no_wrap=True)]
    usual = [entry for entry in KEYS if not real or entry[0] not in _TIME_KEYS]
    for key, what in (*usual[:-1], *(WIRE_KEYS if real else ()), usual[-1]):
        entry = Text.assemble((f" {key} ", "reverse"), f" {what}  ")
        if lines[-1].cell_len + entry.cell_len > width and lines[-1]:
            lines.append(Text(no_wrap=True))
        lines[-1].append_text(entry)
    return lines


def _power(view: EvseView) -> str:
    reading = view.reading
    text = f"{(reading.power_w or 0.0) / 1000 if reading is not None else 0.0:.1f} kW"
    currents = [a for a in (reading.current_a if reading is not None else ()) if a > 0.05]
    if currents:
        text += f"   {max(currents):.1f} A on {_phases(len(currents))}"
    return text


def _phases(count: int) -> str:
    return "1 phase" if count == 1 else f"{count} phases"


def _session(view: EvseView) -> str:
    tx = view.transaction
    if tx is None:
        return "no session"
    token = "-" if tx.token is None else "****" if tx.token.kind is TokenKind.KEY_CODE else tx.token.value or "button"
    return f"{tx.energy_wh / 1000:.3f} kWh   {tx.charging_state.value}   card {printable(token)}"


def _faults(view: EvseView) -> str:
    return ", ".join(code.value for code in view.faults)
