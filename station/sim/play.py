"""`station play`: a scenario on virtual time, the conversation, a verdict with reasons.

Exit codes: 0 passed, 1 failed, 2 the scenario file is wrong.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hal.errors import ConfigError as HardwareConfigError
from station.errors import ConfigError, ScenarioError
from station.runtime.control_command import Command
from station.sim.lab import Lab
from station.sim.loop import run as run_virtual
from station.sim.scenario import Scenario, Step, load, shipped_files
from station.sim.scenario_ledger import Ledger
from station.sim.scenario_show import Conversation, Screen, Unbroken, clock, make_screen
from station.sim.scenario_stage import Stage, StepFailed
from station.sim.steps import WRONG_HANDS, carry_out

__all__ = ["Outcome", "main", "play", "shipped"]

PASSED, FAILED, WRONG = 0, 1, 2
WIDTH = 118


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a play ended. `reasons` is empty when it passed. time_s: station time. frames: how many passed the wire."""

    version: str
    steps: int
    reasons: tuple[str, ...]
    time_s: float
    frames: int

    @property
    def passed(self) -> bool:
        return not self.reasons


def shipped() -> list[tuple[str, str]]:
    """(name, title) of every scenario that comes with the program."""
    return [(name, load(name).head.title) for name in shipped_files()]


def main(
    path: str, *, seed: str | None = None, ocpp: str | None = None, plain: bool = False, speed: float | None = None
) -> int:
    """Play a file or a shipped scenario in every version that it claims, or in one; returns the exit code.

    speed: station seconds per second; None: as fast as possible.
    """
    try:
        scenario = load(path)
        if ocpp is not None and ocpp not in scenario.head.ocpp:
            claimed = ", ".join(scenario.head.ocpp)
            raise ScenarioError(f"{scenario.name}: is not for OCPP {ocpp}. Remedy: --ocpp {claimed}")
        screen = make_screen(plain=plain)
        outcomes = [
            play(scenario, version, screen, seed=seed, speed=speed)
            for version in scenario.head.ocpp
            if ocpp in {None, version}
        ]
    except ScenarioError as error:
        for problem in str(error).splitlines():
            print(f"error: {problem}", file=sys.stderr)
        return WRONG
    return PASSED if all(outcome.passed for outcome in outcomes) else FAILED


def play(
    scenario: Scenario, version: str, screen: Screen, *, seed: str | None = None, speed: float | None = None
) -> Outcome:
    """Play it once. Raises ScenarioError when its station cannot be built."""
    try:
        with tempfile.TemporaryDirectory(prefix="pilotwire-", dir=_scratch()) as folder:
            player = _Player(scenario, version, screen, seed, speed, Path(folder))
            return run_virtual(player.run(), speed=speed, start_wall=scenario.head.begins)
    except (ConfigError, HardwareConfigError) as error:
        raise ScenarioError(f"{scenario.name}: the station cannot be built: {error}") from error
    finally:
        screen.close()


def _scratch() -> str | None:
    """Where the database of a play lies: in memory if this system has a place for that, so that no commit waits for a disk."""
    memory = Path("/dev/shm")  # noqa: S108  # a private directory is made in it
    return str(memory) if memory.is_dir() and os.access(memory, os.W_OK) else None


class _LogLines(logging.Handler):
    """What the station logs as a warning or worse is part of the play."""

    def __init__(self, screen: Screen, stage: Stage) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen
        self._stage = stage

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().partition("\n")[0]
        self._screen.line(f"{clock(self._stage.time):>10}   !  {text}", "dim")


@contextmanager
def _warnings_to(screen: Screen, stage: Stage) -> Iterator[None]:
    logger = logging.getLogger("station")
    handler = _LogLines(screen, stage)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Player:
    """One play on one bench."""

    def __init__(
        self, scenario: Scenario, version: str, screen: Screen, seed: str | None, speed: float | None, folder: Path
    ) -> None:
        self._scenario = scenario
        self._version = version
        self._screen = screen = Unbroken(screen)
        self._settings = replace(scenario.lab_settings(version, seed=seed, speed=speed), folder=folder)
        self._steps = scenario.steps_in(version)
        self._lab: Lab | None = None
        self._conversation = Conversation(screen, self._status)
        self._ledger = Ledger()

    async def run(self) -> Outcome:
        lab = self._lab = Lab(self._settings)
        self._title()
        stage = Stage(lab, self._version)
        self._set_up(stage)
        with _warnings_to(self._screen, stage):
            async with lab:
                reasons = await self._play(stage)
                time_s = stage.time
        self._screen.close()
        outcome = Outcome(self._version, len(self._steps), tuple(reasons), time_s, self._conversation.frames)
        self._verdict(outcome)
        self._screen.check()
        return outcome

    def _title(self) -> None:
        head = self._scenario.head
        self._screen.line(f"{self._scenario.name}: {head.title}", "title")
        for line in textwrap.wrap(head.teaches, WIDTH):
            self._screen.line(line, "note")
        self._screen.line(f"OCPP {self._version}, seed {self._settings.seed}, {len(self._steps)} steps", "dim")

    def _set_up(self, stage: Stage) -> None:
        policy, table = stage.csms.policy, self._scenario.csms
        policy.plan_boots(table.boot)
        policy.default_status = table.default_status
        policy.heartbeat_interval_s = round(table.heartbeat)
        policy.retry_interval_s = round(table.retry)
        self._ledger.follow(stage.lab)
        stage.lab.on_frame(
            lambda _wall, direction, text, _action, _verdict: self._conversation.frame(stage.time, direction, text)
        )

    async def _play(self, stage: Stage) -> list[str]:
        for place, step in enumerate(self._steps, start=1):
            self._screen.check()
            self._conversation.quiet(stage.time)
            shown = f" {step.shown}" if step.shown else ""
            self._screen.line(f"[{place}/{len(self._steps)}] {step.name}{shown}", "step")
            if step.note:
                self._screen.line(f"       {step.note}", "note")
            try:
                found = await self._take(step, stage)
            except (StepFailed, *WRONG_HANDS) as error:
                return self._failed(step, place, error, stage)
            self._conversation.quiet(stage.time)
            self._screen.close()
            self._screen.line(f"{clock(stage.time):>10}   ok {found}", "ok")
        return self._complaints(stage)

    async def _take(self, step: Step, stage: Stage) -> str:
        part: Any = step.part
        if step.expects:
            found: str = await part.check(stage, self._ledger)
            return found
        if not part.passes_time:
            await asyncio.sleep(self._scenario.head.pause)
            stage.since = stage.cursor = stage.csms.mark()
        if isinstance(part, Command):
            return await carry_out(stage, part)
        done: str = await part.act(stage)
        return done

    def _failed(self, step: Step, place: int, error: Exception, stage: Stage) -> list[str]:
        self._conversation.quiet(stage.time)
        lines = error.lines if isinstance(error, StepFailed) else tuple(str(error).splitlines())
        where = f" ([[step]] {step.number} of the file)" if step.number != place else ""
        return [f"step {place}{where}, {step.name} {step.shown}:".replace(" :", ":"), *(f"  {line}" for line in lines)]

    def _complaints(self, stage: Stage) -> list[str]:
        """What the CSMS found wrong with the station, over the whole play."""
        if self._scenario.csms.may_complain:
            return []
        complaints = stage.csms.station(stage.station).complaints
        return [f"the CSMS complains: {complaint}" for complaint in complaints]

    def _verdict(self, outcome: Outcome) -> None:
        size = f"{outcome.steps} steps, {clock(outcome.time_s)} of station time, {outcome.frames} frames"
        self._conversation.quiet(outcome.time_s)
        if outcome.passed:
            self._screen.line(f"PASSED  {self._scenario.name} in OCPP {outcome.version}: {size}", "ok")
            return
        self._screen.line(f"FAILED  {self._scenario.name} in OCPP {outcome.version}: {size}", "fail")
        for reason in outcome.reasons:
            self._screen.line(f"  {reason}", "fail")
        self._screen.line("  the last frames:", "dim")
        for line in self._conversation.recent:
            self._screen.line(f"  {line}", "dim")

    def _status(self) -> str:
        """What is going on, for a line of progress."""
        lab = self._lab
        if lab is None or not lab.powered:
            return "no power"
        words = []
        for view in lab.view().evses:
            car = lab.board.car(view.evse)
            if car is not None:
                words.append(
                    f"EVSE {view.evse}: {view.phase.value}, {car.power_w() / 1000:.1f} kW, car at {car.soc_percent:.0f} %"
                )
        return "; ".join(words) or "no car"
