"""How a play is shown: lines for logs and pipes, the same lines in colour on a terminal.

Plain lines hold nothing that differs between two runs with the same seed: no real time, no ids of frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from station.sim import brief as briefs
from station.sim.brief import Brief

__all__ = ["Conversation", "PlainScreen", "RichScreen", "Screen", "Unbroken", "clock", "make_screen", "sentence"]

LONGEST = 110
ROUTINE_SHOWN = 2
RECENT = 8
LONGEST_RECENT = 1000
PROGRESS_S = 3600.0
STATUS_S = 600.0


class Screen(Protocol):
    """Where lines go. style: one of title, note, step, out, in, ok, fail, dim."""

    def line(self, text: str, style: str = "") -> None: ...

    def progress(self, text: str) -> None:
        """Replace what is said about a long step; shown on terminals only."""

    def close(self) -> None: ...


class PlainScreen:
    """Lines and nothing else."""

    def __init__(self, write: Callable[[str], object] = print) -> None:
        self._write = write

    def line(self, text: str, style: str = "") -> None:
        self._write(text.rstrip())

    def progress(self, text: str) -> None:
        return

    def close(self) -> None:
        return


class Unbroken:
    """A screen that raises nothing while frames are told: `check` raises what went wrong where the play can end."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._error: OSError | None = None

    def line(self, text: str, style: str = "") -> None:
        self._try(lambda: self._screen.line(text, style))

    def progress(self, text: str) -> None:
        self._try(lambda: self._screen.progress(text))

    def close(self) -> None:
        self._try(self._screen.close)

    def _try(self, show: Callable[[], None]) -> None:
        if self._error is None:
            try:
                show()
            except OSError as error:
                self._error = error

    def check(self) -> None:
        """Raises OSError when the output has failed (nobody reads it, the disk is full)."""
        if self._error is not None:
            raise self._error


STYLES = {
    "title": "bold",
    "note": "italic",
    "step": "bold cyan",
    "out": "green",
    "in": "magenta",
    "ok": "bold green",
    "fail": "bold red",
    "dim": "dim",
}


class RichScreen:
    """The same lines in colour, with a line of progress below them while a step takes long."""

    def __init__(self, console: Any) -> None:
        self._console = console
        self._status: Any = None

    def line(self, text: str, style: str = "") -> None:
        self._console.print(text.rstrip(), style=STYLES.get(style), markup=False, highlight=False, soft_wrap=True)

    def progress(self, text: str) -> None:
        if self._status is None:
            self._status = self._console.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def close(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def make_screen(*, plain: bool) -> Screen:
    """Colours on a terminal when rich is installed, else plain lines."""
    if plain:
        return PlainScreen()
    try:
        from rich.console import Console
    except ImportError:
        return PlainScreen()
    console = Console()
    return RichScreen(console) if console.is_terminal else PlainScreen()


def clock(seconds: float) -> str:
    """Station time since the play began: h:mm:ss.t."""
    tenths = round(seconds * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


class Conversation:
    """Shows frames. Periodic ones (samples, heartbeats) are shown twice and then counted, so that a long play stays short."""

    def __init__(self, screen: Screen, status: Callable[[], str]) -> None:
        self._screen = screen
        self._status = status
        self._briefs = briefs.Conversation()
        self._run = 0
        self._hidden: dict[str, int] = {}
        self._told_at = 0.0
        self._hint_at = 0.0
        self.frames = 0
        self.recent: list[str] = []

    def frame(self, at: float, direction: str, text: str) -> None:
        """One frame at `at` seconds of the play, secrets masked."""
        self.frames += 1
        brief = self._briefs.brief(direction, text)
        if brief.empty:
            return
        line = f"{clock(at):>10}  {'-->' if direction == 'out' else '<--'} {sentence(brief)}"
        self.recent = [*self.recent[1 - RECENT :], f"{line[:15]} {text[:LONGEST_RECENT]}"]
        if brief.routine:
            self._run += 1
            if self._run > ROUTINE_SHOWN:
                self._hide(at, brief.action)
                return
        elif brief.kind == "call" or brief.action == "?":
            self.quiet(at)
        elif self._run > ROUTINE_SHOWN:
            return  # the answer to what was not shown
        self._screen.line(line, direction)

    def _hide(self, at: float, action: str) -> None:
        self._hidden[action] = self._hidden.get(action, 0) + 1
        if at - self._hint_at >= STATUS_S:
            self._hint_at = at
            self._screen.progress(f"{clock(at)}  {self._status()}")
        if at - self._told_at >= PROGRESS_S:
            self._tell(at)

    def quiet(self, at: float) -> None:
        """Something else happens: say what was left out."""
        if self._hidden:
            self._tell(at)
        self._run = 0
        self._told_at = at

    def _tell(self, at: float) -> None:
        left_out = ", ".join(f"{count} more {action}" for action, count in self._hidden.items())
        self._screen.line(f"{clock(at):>10}   .  {left_out}; {self._status()}", "dim")
        self._hidden.clear()
        self._told_at = at


def sentence(brief: Brief) -> str:
    """A frame in one short line."""
    if brief.kind == "garbage":
        words = f"not a frame: {brief.text}"
    else:
        verb = {"call": "", "result": "answered ", "error": "refused: "}[brief.kind]
        action = brief.action if brief.action != "?" else "an answer to nothing"
        words = f"{action} {verb}{brief.text}".rstrip()
    return words if len(words) <= LONGEST else words[: LONGEST - 3] + "..."
