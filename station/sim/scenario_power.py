"""Expectations of a scenario that watch for a while: the energy that a car gets, and what the lines of the supply carry."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from station.config_fields import Number, setting
from station.errors import Problem
from station.sim.scenario_kinds import Duration, WallTime, render_duration
from station.sim.scenario_ledger import Ledger
from station.sim.scenario_stage import Stage, StepFailed
from station.sim.scenario_time import wait_until
from station.sim.steps import evse_field

__all__ = ["Charged", "Supply"]


class _Watch:
    """What both share: how long they watch."""

    __slots__ = ()
    during: float | None
    until: float | None

    def problems(self) -> Iterator[Problem]:
        """What a single field's kind cannot know."""
        if (self.during is None) is (self.until is None):
            yield Problem("during", "one of during and until must be given, and only one")

    async def watch(self, stage: Stage) -> str:
        """Let the time pass; returns it in words."""
        if self.until is not None:
            return render_duration(round(await wait_until(stage, self.until)))
        await asyncio.sleep(self.during or 0.0)
        return render_duration(self.during or 0.0)


@dataclass(frozen=True, slots=True)
class Charged(_Watch):
    """From now on so much energy passes the meter of an EVSE, within a time or until the clock shows one."""

    evse: int = evse_field()
    at_least_wh: float = setting(Number(0, 1e7, "Wh"), "So much or more.", default=0.0)
    at_most_wh: float | None = setting(Number(0, 1e7, "Wh"), "So much or less; none: any.", default=None, example=100)
    during: float | None = setting(Duration(), "How long.", default=None, example="1 h")
    until: float | None = setting(WallTime(of_day=True), "Until when.", default=None, example="06:00")

    async def check(self, stage: Stage, ledger: Ledger) -> str:
        meter = stage.lab.board.evse(stage.evse(self.evse)).meter
        before = meter.register_wh
        passed = await self.watch(stage)
        energy_wh = meter.register_wh - before
        most = f" and at most {self.at_most_wh:g} Wh" if self.at_most_wh is not None else ""
        if energy_wh < self.at_least_wh or (self.at_most_wh is not None and energy_wh > self.at_most_wh):
            raise StepFailed(
                f"expected: at least {self.at_least_wh:g} Wh{most} at EVSE {self.evse} within {passed}",
                f"came: {energy_wh:.1f} Wh",
            )
        return f"{energy_wh / 1000:.2f} kWh in {passed}"


@dataclass(frozen=True, slots=True)
class Supply(_Watch):
    """From now on no line of the supply carries more than this, at any instant, within a time or until the clock shows one."""

    at_most_a: float = setting(Number(0, 1000, "A"), "Most that a line may carry, all EVSEs together.")
    at_least_a: float = setting(
        Number(0, 1000, "A"), "The busiest line carries so much at some time: what is there is used.", default=0.0
    )
    during: float | None = setting(Duration(), "How long.", default=None, example="1 h")
    until: float | None = setting(WallTime(of_day=True), "Until when.", default=None, example="06:00")

    async def check(self, stage: Stage, ledger: Ledger) -> str:
        grid = stage.lab.board.grid
        grid.forget_peak()
        passed = await self.watch(stage)
        shown = ", ".join(f"L{line} {peak:.1f} A" for line, peak in enumerate(grid.peak_a, start=1))
        if not self.at_least_a <= max(grid.peak_a) <= self.at_most_a:
            raise StepFailed(
                f"expected: the busiest line carries {self.at_least_a:g} to {self.at_most_a:g} A at most within {passed}",
                f"came: {shown}",
            )
        return f"{shown} at most in {passed}"
