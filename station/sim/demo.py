"""The session that plays by itself, so that a newcomer sees a car charge within ten seconds."""

from __future__ import annotations

import math

from hal.errors import HalError
from station.core.types import ChargingState
from station.errors import StationError
from station.sim.lab import KNOWN_TOKENS, Lab
from station.sim.loop import sleep

CARS: tuple[dict[str, object], ...] = (
    {"name": "compact", "capacity_wh": 52_000.0, "soc_percent": 34.0, "phases": 3, "max_a": 16.0},
    {"name": "plug-in hybrid", "capacity_wh": 12_000.0, "soc_percent": 12.0, "phases": 1, "max_a": 16.0},
    {"name": "limousine", "capacity_wh": 90_000.0, "soc_percent": 55.0, "phases": 3, "max_a": 32.0},
)
FULL_FOR_S = 120.0


class Demo:
    """Cars come, charge and leave, one EVSE after the other, until somebody takes over (`over`)."""

    def __init__(self, lab: Lab, *, pause_s: float, token: str | None = None, charge_s: float = math.inf) -> None:
        """pause_s: simulated seconds between two things that a person should be able to follow. charge_s: after so long its driver
        ends the charge, full or not.

        token: the card that everybody uses; None: one for each EVSE.
        """
        self._lab = lab
        self._pause_s = pause_s
        self._token = token
        self._charge_s = charge_s
        self.over = False

    def card(self, evse: int) -> str:
        """The card of whoever comes to an EVSE."""
        return self._token or KNOWN_TOKENS[(evse - 1) % len(KNOWN_TOKENS)]

    async def run(self) -> None:
        number = 0
        while not self.over:
            evse = number % self._lab.settings.evses + 1
            try:
                await self._session(evse, CARS[number % len(CARS)], self.card(evse))
            except (HalError, StationError):
                return  # somebody cut the power or took the plug: it is their station now
            number += 1

    async def _session(self, evse: int, car: dict[str, object], token: str) -> None:
        await self._wait(self._pause_s)
        if not self.over:
            self._lab.plug(evse, car)
            await self._wait(self._pause_s)
        if not self.over:
            self._lab.swipe(token, evse)
        left_s = self._charge_s
        while not self.over and not self._done(evse) and left_s > 0:
            step_s = min(FULL_FOR_S, left_s)
            await self._wait(step_s)
            left_s -= step_s
        if not self.over:
            self._lab.swipe(token, evse)
            await self._wait(max(self._pause_s, 5.0))
        if not self.over:
            self._lab.unplug(evse)

    def _done(self, evse: int) -> bool:
        tx = self._lab.view().evse(evse).transaction
        return tx is None or tx.charging_state is ChargingState.SUSPENDED_EV

    async def _wait(self, seconds: float) -> None:
        await sleep(self._lab.scheduler, seconds)
