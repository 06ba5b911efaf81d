"""Steps of a scenario that let time pass until the wall clock shows something. The others are in the command table."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from station.clock import iso
from station.config_fields import setting
from station.sim.scenario_kinds import WallTime, next_at, render_duration
from station.sim.scenario_stage import Stage, StepFailed
from station.sim.steps import Deed, DeedBase

__all__ = ["TIME_STEPS", "wait_until"]


async def wait_until(stage: Stage, at: float) -> float:
    """Let time pass until a `WallTime`; returns the seconds. Raises StepFailed when it is past."""
    wall = stage.lab.clock.now().wall
    left = next_at(at, wall)
    if left < 0:
        raise StepFailed(f"{iso(at)} is past: it is {iso(wall)}")
    await asyncio.sleep(left)
    return left


@dataclass(frozen=True, slots=True)
class Until(DeedBase):
    """Time passes until the wall clock shows this: a moment, or the next time that it is so late (UTC)."""

    passes_time: ClassVar[bool] = True
    at: float = setting(WallTime(of_day=True), "How late.", example="22:00")

    async def act(self, stage: Stage) -> str:
        return render_duration(round(await wait_until(stage, self.at)))


TIME_STEPS: dict[str, type[Deed]] = {"until": Until}
