"""The seams between the runtime (which owns the core) and whoever speaks with the outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from station.clock import Now
from station.core.device_model import DeviceModel
from station.core.effects import Ask, NoticeBody
from station.core.events import Event
from station.core.facts import Fact
from station.core.types import Verdict
from station.core.view import StationView


class Outlet(Protocol):
    """Who takes records, notices and questions to the CSMS. Called by the gateway after the commit, in order."""

    def record(self, record: int, fact: Fact) -> None:
        """A fact is durable under this id; deliver it."""

    def notice(self, body: NoticeBody) -> None: ...

    def ask(self, ask: Ask) -> None:
        """Submit Answered(ask.ask, info) or Unanswered(ask.ask) exactly once, at the deadline at the latest."""

    def setting_changed(self, component: str, variable: str) -> None: ...


class GatewayPort(Protocol):
    """The only way from outside into the core."""

    @property
    def model(self) -> DeviceModel:
        """Read only: writes go through the SetVariables command."""

    def view(self) -> StationView: ...

    def now(self) -> Now: ...

    def submit(self, event: Event) -> None:
        """Handle an event. Effects that restrict power are carried out before this returns."""

    def command(self, make: Callable[[int], Event], done: Callable[[Verdict], None]) -> None:
        """Submit the command that `make(ref)` builds; `done(verdict)` is called once, after its rows are durable and before
        anything else that the command produced leaves the station."""

    def set_clock(self, wall: float) -> None:
        """The CSMS told the time (wall seconds): correct the clock, then submit ClockStepped when it moved noticeably."""
