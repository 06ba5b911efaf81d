"""The terminal screen of `station sim`: EVSEs on the left, the OCPP conversation on the right. Needs the extra `sim` (rich)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from station.clock import iso
from station.core.view import EvseView
from station.sim.brief import Brief, Conversation
from station.sim.lab import Lab

FRAMES_KEPT = 500
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


@dataclass(frozen=True, slots=True)
class SeenFrame:
    wall: float
    direction: str
    brief: Brief
    verdict: str


class Screen:
    """Renders the lab as it is now. `chosen` is the EVSE that keys act on; `note` a line that says what just happened."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._conversation = Conversation()
        self.frames: deque[SeenFrame] = deque(maxlen=FRAMES_KEPT)
        self.chosen = 1
        self.note = ""
        self.speed: float | None = lab.settings.speed
        lab.on_frame(self._frame)

    def _frame(self, wall: float, direction: str, text: str, _action: str | None, verdict: str) -> None:
        self.frames.append(SeenFrame(wall, direction, self._conversation.brief(direction, text), verdict))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or console.height
        layout = Layout()
        layout.split_column(Layout(self._header(), size=1), Layout(name="middle"), Layout(self._footer(), size=3))
        narrow = console.width < 100
        evses, talk = Layout(self._evses(), ratio=4), Layout(name="talk", ratio=7)
        if narrow:
            layout["middle"].split_column(evses, talk)
        else:
            layout["middle"].split_row(evses, talk)
        lines = max(3, (height - 4) // (2 if narrow else 1) - 2)
        talk.update(self._talk(lines))
        yield layout

    def _header(self) -> RenderableType:
        lab = self._lab
        text = Text(no_wrap=True)
        text.append(" Pilotwire ", style="bold reverse")
        text.append(f" {lab.settings.identity}  ")
        if lab.app is None:
            text.append("NO POWER", style="bold red")
        elif lab.app.client.online:
            text.append(f"OCPP {lab.app.client.version} online", style="green")
        else:
            text.append("offline", style="bold yellow")
        speed = "max" if self.speed is None else "paused" if self.speed == 0 else f"x{self.speed:g}"
        text.append(f"   {iso(lab.clock.now().wall)[:19]}Z   speed {speed}   boot {lab.boots}")
        return text

    def _evses(self) -> RenderableType:
        if self._lab.app is None:
            return Panel("The power is cut. The last commit stands.\nPress c to bring it back.", border_style="red")
        return Group(*(self._evse(view) for view in self._lab.view().evses))

    def _evse(self, view: EvseView) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(style="dim", no_wrap=True)
        table.add_column()
        self._car(table, view)
        self._power(table, view)
        tx = view.transaction
        if tx is not None:
            token = (
                "-" if tx.token is None else "****" if tx.token.kind.value == "KeyCode" else tx.token.value or "button"
            )
            table.add_row("session", f"{tx.energy_wh / 1000:.3f} kWh   {tx.charging_state.value}   card {token}")
        else:
            table.add_row("session", "none")
        locked = f"{view.lock.value.lower()}, relay {'closed' if view.relay_closed else 'open'}"
        table.add_row("pilot", f"{view.pilot.value}   {locked}")
        if view.faults:
            table.add_row("fault", Text(", ".join(code.value for code in view.faults), style="bold red"))
        phase = view.phase.value
        title = Text.assemble(f"EVSE {view.evse}  ", (phase, _COLOUR.get(phase, "")))
        chosen = view.evse == self.chosen
        return Panel(table, title=title, title_align="left", border_style="bold white" if chosen else "dim")

    def _car(self, table: Table, view: EvseView) -> None:
        car = self._lab.board.car(view.evse)
        if car is None:
            table.add_row("car", "none")
            return
        soc = car.soc_percent
        bar = Table.grid(padding=(0, 1))
        bar.add_row(f"{soc:5.1f} %", ProgressBar(total=100, completed=soc, width=22))
        table.add_row("car", bar)

    def _power(self, table: Table, view: EvseView) -> None:
        reading = view.reading
        power = (reading.power_w or 0.0) / 1000 if reading is not None else 0.0
        currents = [a for a in (reading.current_a if reading is not None else ()) if a > 0.05]
        text = f"{power:.1f} kW"
        if currents:
            text += f"   {max(currents):.1f} A on {len(currents)} phase{'s' if len(currents) > 1 else ''}"
        table.add_row("power", text)
        offered = (
            f"{view.offered_a:g} A, because: {view.cause}" if view.offered_a else f"nothing, because: {view.cause}"
        )
        table.add_row("offered", offered)

    def _talk(self, lines: int) -> RenderableType:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True, style="dim")
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
        for frame in list(self.frames)[-lines:]:
            brief = frame.brief
            out = frame.direction == "out"
            arrow = Text("station >", style="bright_blue") if out else Text("   < CSMS", style="green")
            style = {"error": "bold red", "garbage": "bold red", "result": "dim"}.get(brief.kind, "")
            table.add_row(iso(frame.wall)[11:19], arrow, Text(brief.action, style=style), Text(brief.text, style=style))
        return Panel(table, title="OCPP conversation", title_align="left", border_style="dim")

    def _footer(self) -> RenderableType:
        text = Text(no_wrap=False)
        for key, what in KEYS:
            text.append(f" {key} ", style="reverse")
            text.append(f" {what}  ")
        return Group(Text(self.note, style="yellow", no_wrap=True), text)
