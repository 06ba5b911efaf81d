"""How a play is shown: lines for logs and pipes, the same lines in colour on a terminal.

Plain lines hold nothing that differs between two runs with the same seed: no real time, no ids of frames.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

__all__ = ["Conversation", "Screen", "clock", "make_screen", "summary"]

LONGEST = 110
ROUTINE_SHOWN = 2
RECENT = 8
LONGEST_RECENT = 1000
PROGRESS_S = 3600.0
STATUS_S = 600.0
ROUTINE_ACTIONS = frozenset({"Heartbeat", "MeterValues"})
ROUTINE_TRIGGERS = frozenset({"MeterValuePeriodic", "MeterValueClock"})


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
        self._asked: dict[str, str] = {}
        self._run = 0
        self._hidden: dict[str, int] = {}
        self._told_at = 0.0
        self._hint_at = 0.0
        self.frames = 0
        self.recent: list[str] = []

    def frame(self, at: float, direction: str, text: str) -> None:
        """One frame at `at` seconds of the play, secrets masked."""
        self.frames += 1
        kind, action, payload, known = self._read(text)
        line = f"{clock(at):>10}  {'-->' if direction == 'out' else '<--'} {summary(kind, action, payload, text)}"
        if kind == 3 and known and payload == {}:
            return  # an answer that says nothing but that it is one
        self.recent = [*self.recent[1 - RECENT :], f"{line[:15]} {text[:LONGEST_RECENT]}"]
        if kind == 2 and _routine(action, payload):
            self._run += 1
            if self._run > ROUTINE_SHOWN:
                self._hide(at, action)
                return
        elif kind == 2 or not known:
            self.quiet(at)
        elif self._run > ROUTINE_SHOWN:
            return  # the answer to what was not shown
        self._screen.line(line, direction)

    def _read(self, text: str) -> tuple[int | None, str, Any, bool]:
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError):
            return None, "", None, False
        if not isinstance(frame, list) or len(frame) < 3 or not isinstance(frame[1], str):
            return None, "", None, False
        if frame[0] == 2 and len(frame) > 3:
            self._asked[frame[1]] = str(frame[2])
            return 2, str(frame[2]), frame[3], True
        action = self._asked.pop(frame[1], "")
        payload = frame[2] if frame[0] == 3 else {"code": frame[2], "description": frame[3] if len(frame) > 3 else ""}
        return frame[0], action or "an answer to nothing", payload, bool(action)

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


def _routine(action: str, payload: Any) -> bool:
    if action == "TransactionEvent" and isinstance(payload, Mapping):
        return payload.get("eventType") == "Updated" and payload.get("triggerReason") in ROUTINE_TRIGGERS
    return action in ROUTINE_ACTIONS


def summary(kind: int | None, action: str, payload: Any, text: str) -> str:
    """A frame in one short line."""
    if kind is None:
        words = f"not a frame: {text}"
    elif kind == 2:
        words = f"{action} {_short(action, payload)}"
    elif kind == 3:
        words = f"{action} answered {json.dumps(payload, ensure_ascii=False)}"
    else:
        words = f"{action} refused: {payload['code']} {payload['description']}"
    words = "".join(letter if letter.isprintable() else "?" for letter in words)
    return words if len(words) <= LONGEST else words[: LONGEST - 3] + "..."


def _short(action: str, payload: Any) -> str:
    if action == "TransactionEvent" and isinstance(payload, Mapping):
        info = payload.get("transactionInfo")
        info = info if isinstance(info, Mapping) else {}
        told = {"state": info.get("chargingState"), "stopped": info.get("stoppedReason")}
        return " ".join(
            [
                f"{payload.get('eventType')} {payload.get('triggerReason')} seq {payload.get('seqNo')}",
                *(f"{name} {value}" for name, value in told.items() if value),
                *_samples(payload.get("meterValue")),
            ]
        )
    if isinstance(payload, Mapping):
        brief = {name: value for name, value in payload.items() if name not in {"timestamp", "meterValue"}}
        transaction_data = brief.pop("transactionData", None)
        words = json.dumps(brief, ensure_ascii=False) if brief else ""
        return " ".join([words, *_samples(payload.get("meterValue", transaction_data))])
    return str(payload)


def _samples(meter_values: Any) -> list[str]:
    """The register of the last sample."""
    if not isinstance(meter_values, list) or not meter_values or not isinstance(meter_values[-1], Mapping):
        return []
    for sample in meter_values[-1].get("sampledValue", ()):
        if isinstance(sample, Mapping) and sample.get("measurand", "").startswith("Energy.Active.Import"):
            return [f"register {sample.get('value')} Wh"]
    return ["with samples"]
