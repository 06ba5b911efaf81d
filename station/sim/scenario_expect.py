"""What a scenario expects: messages, silence, states of the station. A table like that of the commands.

What the CSMS was told in all (energy, delivery) is judged in station.sim.scenario_ledger.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from station.config_fields import Flag, Integer, Number, Text, setting
from station.core.view import EvseView
from station.sim.csms_journal import SeenFrame
from station.sim.scenario_csms import ACTION
from station.sim.scenario_kinds import Conditions, Duration, render_duration
from station.sim.scenario_ledger import Ledger, duplicates, energy_problems, undelivered
from station.sim.scenario_match import Condition, mismatches
from station.sim.scenario_power import Charged, Supply
from station.sim.scenario_stage import Stage, StepFailed
from station.sim.steps import evse_field

__all__ = ["EXPECTATIONS", "Expectation", "describe_view"]

KINDS = {"call": 2, "answer": 3, "error": 4}
SENDERS = ("station", "csms")
NEAR_MISSES = 3


class Expectation(Protocol):
    """One thing that must be so."""

    async def check(self, stage: Stage, ledger: Ledger) -> str:
        """Wait for it; returns what was found, in a few words. Raises StepFailed."""


class _Frames:
    """What `message` and `no_message` share."""

    __slots__ = ()
    action: str
    where: tuple[Condition, ...]
    sender: str
    kind: str

    def candidates(self, frames: list[SeenFrame]) -> list[SeenFrame]:
        return [
            frame
            for frame in frames
            if frame.kind == KINDS[self.kind] and frame.sent is (self.sender == "csms") and frame.action == self.action
        ]

    def matches(self, frames: list[SeenFrame]) -> list[SeenFrame]:
        return [frame for frame in self.candidates(frames) if not mismatches(self.where, frame.payload)]

    def words(self) -> str:
        what = self.action if self.kind == "call" else f"{self.kind} to {self.action}"
        conditions = " with " + ", ".join(str(condition) for condition in self.where) if self.where else ""
        return f"{what} from the {self.sender}{conditions}"


@dataclass(frozen=True, slots=True)
class Message(_Frames):
    """A message passes: after the one that was matched last, or since the last deed if that is later."""

    action: str = setting(ACTION, "Name of the message (of the CALL that it answers).")
    where: tuple[Condition, ...] = setting(Conditions(), "What must hold of its payload.", default=())
    within: float = setting(Duration(), "How long to wait for it.", default=30.0)
    sender: str = setting(Text(choices=SENDERS), "Who sends it.", default="station")
    kind: str = setting(Text(choices=tuple(KINDS)), "A CALL, the answer to one, or a CALLERROR.", default="call")
    times: int = setting(Integer(1, 100_000), "At least so many of them.", default=1)
    anywhere: bool = setting(
        Flag(), "Any time since the play began; the order of what follows is not affected.", default=False
    )

    async def check(self, stage: Stage, ledger: Ledger) -> str:
        since = 0 if self.anywhere else stage.cursor
        found: list[SeenFrame] = []

        def come() -> bool:
            found[:] = self.matches(stage.frames(since))
            return len(found) >= self.times

        if not await stage.until(come, self.within):
            raise StepFailed(*self._why(stage.frames(since), len(found)))
        if not self.anywhere:
            stage.cursor = found[self.times - 1].number + 1
        return "" if self.times == 1 else f"{len(found)} times"

    def _why(self, frames: list[SeenFrame], found: int) -> list[str]:
        times = f"{self.times} times " if self.times > 1 else ""
        lines = [f"expected: {times}{self.words()} within {render_duration(self.within)}"]
        if self.times > 1:
            lines.append(f"came: {found} times")
        near = [frame for frame in self.candidates(frames) if mismatches(self.where, frame.payload)]
        lines += [
            f"came instead: {frame.action} in which " + "; ".join(mismatches(self.where, frame.payload))
            for frame in near[-NEAR_MISSES:]
        ]
        if not near and not found:
            others = [frame for frame in frames if frame.is_call and frame.sent is (self.sender == "csms")]
            names = ", ".join(dict.fromkeys(frame.action or "?" for frame in others)) or "nothing"
            lines.append(f"came instead: {names}")
        return lines


@dataclass(frozen=True, slots=True)
class NoMessage(_Frames):
    """No such message passes, from the last deed on until `during` from now."""

    action: str = setting(ACTION, "Name of the message (of the CALL that it answers).")
    where: tuple[Condition, ...] = setting(Conditions(), "Only messages of which this holds.", default=())
    during: float = setting(Duration(), "How long from now on.", default=0.0)
    sender: str = setting(Text(choices=SENDERS), "Who would send it.", default="station")
    kind: str = setting(Text(choices=tuple(KINDS)), "A CALL, the answer to one, or a CALLERROR.", default="call")

    async def check(self, stage: Stage, ledger: Ledger) -> str:
        await asyncio.sleep(self.during)
        found = self.matches(stage.frames(stage.since))
        if found:
            raise StepFailed(f"expected: no {self.words()}", f"came: {found[0].text}")
        return ""


@dataclass(frozen=True, slots=True)
class State:
    """The station shows an EVSE in this state."""

    where: tuple[Condition, ...] = setting(Conditions(), "What must hold of the view: see the list of its fields.")
    evse: int = evse_field()
    within: float = setting(Duration(), "How long to wait for it.", default=30.0)

    async def check(self, stage: Stage, ledger: Ledger) -> str:
        number = stage.evse(self.evse)
        wrong: list[str] = []

        def come() -> bool:
            wrong[:] = mismatches(self.where, describe(stage, number))
            return not wrong

        if not await stage.until(come, self.within):
            raise StepFailed(
                f"expected: EVSE {number} with {', '.join(str(condition) for condition in self.where)} "
                f"within {render_duration(self.within)}",
                *(f"came: {line}" for line in wrong),
            )
        return ""


def describe(stage: Stage, evse: int) -> dict[str, Any]:
    """The fields that `state` conditions look at."""
    lab = stage.lab
    car = lab.board.car(evse)
    found: dict[str, Any] = {"powered": lab.powered, "register_wh": lab.board.evse(evse).meter.register_wh}
    if car is not None:
        drawn = [current for current in car.currents() if current > 0]
        found["car"] = {
            "soc": car.soc_percent,
            "power_w": car.power_w(),
            "current_a": max(drawn, default=0.0),
            "phases": len(drawn),
        }
    if lab.powered:
        view = lab.view()
        found["online"], found["station_operative"] = view.online, view.operative
        found |= describe_view(view.evse(evse))
    return found


def describe_view(view: EvseView) -> dict[str, Any]:
    """An EvseView as names and plain values; what is None is left out."""
    reading, tx = view.reading, view.transaction
    found: dict[str, Any] = {
        "pilot": view.pilot,
        "state": view.connector_state,
        "phase": view.phase,
        "lock": view.lock,
        "relay_closed": view.relay_closed,
        "permit": view.permit,
        "authorized": view.authorized,
        "token": view.token.value if view.token else None,
        "faults": [code.value for code in view.faults],
        "operative": view.operative,
        "cable_a": view.cable_a,
        "offered_a": view.offered_a,
        "cause": view.cause,
        "lamp": view.lamp,
        "power_w": reading.power_w if reading else None,
        "transaction": {
            "charging_state": tx.charging_state.value,
            "energy_wh": tx.energy_wh,
            "seq": tx.seq,
            "token": tx.token.value if tx.token else None,
        }
        if tx
        else None,
    }
    return {name: item.value if isinstance(item, Enum) else item for name, item in found.items() if item is not None}


@dataclass(frozen=True, slots=True)
class Energy:
    """The CSMS was told exactly the energy that passed: by message, by meter register and by what is in the cars."""

    evse: int = evse_field()
    tolerance_wh: float = setting(Number(0, 10_000, "Wh"), "Allowed difference, per transaction.", default=1.0)
    at_least_wh: float = setting(Number(0, 1e7, "Wh"), "It was at least so much.", default=0.0)

    within: float = setting(Duration(), "How long to wait for the last of it.", default=60.0)

    async def check(self, stage: Stage, ledger: Ledger) -> str:
        evse = stage.evse(self.evse)
        told = 0.0
        problems: list[str] = []

        def fits() -> bool:
            nonlocal told
            told, problems[:] = energy_problems(stage, evse, self.tolerance_wh)
            return not problems

        await stage.until(fits, self.within)
        if told < self.at_least_wh:
            problems.append(f"the CSMS was told {told:.1f} Wh, expected at least {self.at_least_wh:g} Wh")
        if problems:
            raise StepFailed("expected: told = metered = in the battery / efficiency", *problems)
        return f"{told / 1000:.2f} kWh"


@dataclass(frozen=True, slots=True)
class Delivered:
    """Everything that the station recorded about transactions has arrived, in order, each once."""

    within: float = setting(Duration(), "How long to wait for the last of it.", default=60.0)
    transactions: int | None = setting(
        Integer(0, 100_000), "They belong to exactly so many transactions; none: any.", default=None, example=1
    )
    duplicates: bool = setting(
        Flag(), "Identical duplicates are allowed (an answer was lost on purpose).", default=False
    )

    async def check(self, stage: Stage, ledger: Ledger) -> str:
        problems: list[str] = []

        def come() -> bool:
            problems[:] = undelivered(stage, ledger)
            return not problems

        await stage.until(come, self.within)
        if not self.duplicates:
            problems += duplicates(stage)
        count = len({fact.tx_id for fact in ledger.facts})
        if self.transactions not in {None, count}:
            problems.append(f"the records belong to {count} transactions, expected {self.transactions}")
        if problems:
            raise StepFailed("expected: every transaction record, in order, once", *problems)
        return f"{len(ledger.facts)} records of {count} transactions"


EXPECTATIONS: dict[str, type[Expectation]] = {
    "message": Message,
    "no_message": NoMessage,
    "state": State,
    "energy": Energy,
    "delivered": Delivered,
    "charged": Charged,
    "supply": Supply,
}
