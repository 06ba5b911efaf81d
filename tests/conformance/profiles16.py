"""Charging profiles of OCPP 1.6 for the conformance tests, and what a composite schedule says."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from station.clock import iso
from tests.conformance.stage16 import Stage

DAY_S = 86_400


async def on_the_second(s: Stage) -> int:
    """Wait for the next whole second, so that schedules and composite schedules begin with the same one: now, in wall seconds."""
    wall = s.csms.clock.now().wall
    begins = math.floor(wall) + 1
    await asyncio.sleep(begins - wall + 0.001)
    return begins


def profile(
    number: int,
    purpose: str,
    *periods: tuple[int, float] | tuple[int, float, int],
    start: float | None = None,
    duration: int | None = None,
    unit: str = "A",
    **more: Any,
) -> dict[str, Any]:
    """periods: (startPeriod, limit) or (startPeriod, limit, numberPhases). Absolute with a start, Relative without."""
    schedule: dict[str, Any] = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [
            dict(zip(("startPeriod", "limit", "numberPhases"), period, strict=False)) for period in periods
        ],
    }
    if start is not None:
        schedule["startSchedule"] = iso(start)
    if duration is not None:
        schedule["duration"] = duration
    return {
        "chargingProfileId": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative" if start is None else "Absolute",
        "chargingSchedule": schedule,
        **more,
    }


async def install(s: Stage, connector: int, wanted: dict[str, Any], status: str = "Accepted") -> None:
    await s.order("SetChargingProfile", status, connectorId=connector, csChargingProfiles=wanted)


async def composite(s: Stage, connector: int, duration: int, **more: Any) -> list[tuple[int, float]]:
    """(startPeriod, limit) of the composite schedule from now on, which must be complete and well-formed."""
    answer = await s.call("GetCompositeSchedule", connectorId=connector, duration=duration, **more)
    assert (answer["status"], answer["connectorId"]) == ("Accepted", connector)
    assert answer["scheduleStart"] == iso(math.floor(s.csms.clock.now().wall))
    schedule = answer["chargingSchedule"]
    assert schedule["duration"] == duration
    assert "startSchedule" not in schedule  # errata 3.57
    periods = [(period["startPeriod"], period["limit"]) for period in schedule["chargingSchedulePeriod"]]
    assert periods[0][0] == 0
    assert periods == sorted(periods)
    return periods


def offered(s: Stage, evse: int = 1) -> tuple[float, str]:
    """The current in force in A per phase, and what binds it."""
    view = s.lab.view().evse(evse)
    return view.offered_a, view.cause


def drawn(s: Stage, evse: int = 1) -> float:
    """What the car takes in A, by the meter, of the phase that carries the most."""
    reading = s.lab.view().evse(evse).reading
    assert reading is not None
    return max(reading.current_a)
