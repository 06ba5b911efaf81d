"""How long it takes until no power may flow, on virtual time: the station's own part takes none, the contactor at most 100 ms.

IEC 61851-1 table A.6 seq 8.1: 100 ms from C to B until the contactor is open. Over real wires: `python -m tests.perf --only wire`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from hal.api import Fault, FaultCode, HalEvent, PilotChanged, PilotState, PowerPathChanged
from station.clock import Now
from station.core.effects import Effect, Output
from station.core.events import Event
from station.sim.lab import Lab, LabSettings, run_lab

VERSIONS = ("1.6", "2.0.1")
OPEN_S = 0.1
BY_ITSELF = (
    FaultCode.GROUND_FAILURE,
    FaultCode.HIGH_TEMPERATURE,
    FaultCode.OVER_CURRENT_FAILURE,
    FaultCode.PILOT_FAULT,
)
"""Faults in which the board opens before it has told anybody."""
BY_ORDER = (FaultCode.INTERNAL_ERROR, FaultCode.POWER_LOSS, FaultCode.UNDER_VOLTAGE)
"""Faults that the core alone takes for dangerous: here the driver's sink is told, and the board knows nothing of it."""


class Seen(NamedTuple):
    """Virtual seconds after the cause; None: not within a second."""

    forbidden_s: float | None
    told_forbidden_s: float | None
    open_s: float | None


async def charging(lab: Lab) -> None:
    await asyncio.sleep(2)
    lab.plug(1)
    lab.swipe()
    async with asyncio.timeout(60):
        while not lab.view().evse(1).relay_closed:
            await asyncio.sleep(0.5)
    await asyncio.sleep(10)
    assert lab.view().evse(1).permit


def times(cause: Callable[[Lab], Awaitable[None] | None], version: str = "2.0.1") -> Seen:
    """What happens at EVSE 1 once `cause` has happened to it."""

    async def work(lab: Lab) -> Seen:
        await charging(lab)
        found: dict[str, float] = {}
        loop = asyncio.get_running_loop()
        began = loop.time()

        def turned(event: Event | None, effects: list[Effect], _now: Now) -> None:
            if "forbidden" not in found and any(
                isinstance(effect, Output) and effect.evse == 1 and not effect.permit for effect in effects
            ):
                assert isinstance(event, PilotChanged | Fault), "the very turn of the event"
                found["forbidden"] = loop.time() - began
            if isinstance(event, PowerPathChanged) and not event.closed:
                found.setdefault("open", loop.time() - began)

        lab.on_turn(turned)
        evse = lab.board.evse(1)
        permit = evse.permit

        async def permitted(allowed: bool, phases: int) -> None:
            if not allowed:
                found.setdefault("told", loop.time() - began)
            await permit(allowed, phases)

        evse.permit = permitted  # type: ignore[method-assign]  # what the driver is told, and when
        cause(lab)
        await asyncio.sleep(1)
        assert not evse.contactor.closed
        return Seen(found.get("forbidden"), found.get("told"), found.get("open"))

    return run_lab(LabSettings(csms_fast=True, versions=(version,)), work)


def tell(lab: Lab, event: HalEvent) -> None:
    lab.running.gateway.submit(event)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_car_leaves_c(version: str) -> None:
    """Its S2 opens: the pilot reads B."""
    seen = times(lambda lab: lab.board.evse(1).hold_pilot(PilotState.B), version)
    assert (seen.forbidden_s, seen.told_forbidden_s) == (0.0, 0.0)
    assert seen.open_s is not None
    assert seen.open_s <= OPEN_S


def test_the_plug_is_pulled_out_of_the_car() -> None:
    seen = times(lambda lab: lab.unplug(1, at_car=True))
    assert (seen.forbidden_s, seen.told_forbidden_s) == (0.0, 0.0)
    assert seen.open_s is not None
    assert seen.open_s <= OPEN_S


@pytest.mark.parametrize("code", BY_ITSELF)
def test_a_fault_of_the_board(code: FaultCode) -> None:
    seen = times(lambda lab: lab.fault(code))
    assert (seen.forbidden_s, seen.told_forbidden_s) == (0.0, 0.0)
    assert seen.open_s is not None
    assert seen.open_s <= OPEN_S


@pytest.mark.parametrize("code", BY_ORDER)
def test_a_fault_that_only_the_core_knows(code: FaultCode) -> None:
    seen = times(lambda lab: tell(lab, Fault(1, code, True)))
    assert (seen.forbidden_s, seen.told_forbidden_s) == (0.0, 0.0)
    assert seen.open_s is not None
    assert seen.open_s <= OPEN_S


def test_the_emergency_stop_of_the_station() -> None:
    seen = times(lambda lab: tell(lab, Fault(0, FaultCode.EMERGENCY_STOP, True)))
    assert (seen.forbidden_s, seen.told_forbidden_s) == (0.0, 0.0)
    assert seen.open_s is not None
    assert seen.open_s <= OPEN_S
