"""The energy meter of one EVSE in `station sim --wire`: a unit of the emulated SDM630s on their RS-485 line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hal.errors import ConfigError
from hal.sim.grid import Phases
from station.sim.wire_part import WirePart

__all__ = ["WireMeter"]

LEAST_W = 0.5
"""A change of power that is not worth an order."""
LOOK_S = 1.0
"""How often its register is looked at while nothing else changes."""


class WireMeter:
    """part: the process that holds it. now: monotonic seconds."""

    def __init__(self, part: WirePart, unit: int, now: Callable[[], float]) -> None:
        self._part = part
        self._unit = unit
        self._now = now
        self._energy_wh = 0.0
        self._counting_w = 0.0
        self._at = now()
        self._told: tuple[Phases, Phases] | None = None
        self._pretended_w: float | None = None
        self.powered = True

    @property
    def register_wh(self) -> float:
        """What it has counted: as it last said, and what has flowed since."""
        since_s = self._now() - self._at if self.powered else 0.0
        return self._energy_wh + self._counting_w * since_s / 3600.0

    async def flow(self, power_w: Phases, voltage_v: Phases) -> None:
        """What passes it now. Raises HalError when its process is gone."""
        if self._pretended_w is not None:
            power_w = (self._pretended_w, 0.0, 0.0)
        if self._told is None or _differ(self._told, (power_w, voltage_v)):
            facts = await self._part.tell(unit=self._unit, power_w=list(power_w), voltage_v=list(voltage_v))
            self._told = (power_w, voltage_v)
            self._counting_w = sum(power_w)
        elif self._now() - self._at >= LOOK_S:
            facts = await self._part.tell(unit=self._unit)
        else:
            return
        self._note(facts)

    def _note(self, facts: Mapping[str, Any]) -> None:
        self._energy_wh = float(facts["energy_import_wh"][0])
        self._at = self._now()

    async def settle(self) -> None:
        """Look at its register now. Raises HalError."""
        self._note(await self._part.tell(unit=self._unit))

    def set_register(self, energy_wh: float) -> None:
        """The import register shows this from now on, and counts on from there."""
        self._energy_wh, self._at = energy_wh, self._now()
        self._part.order(unit=self._unit, energy_import_wh=energy_wh)

    def pretend(self, power_w: float | None) -> None:
        """Show and count this power instead of what flows; None: what flows again."""
        self._pretended_w = power_w

    def freeze(self) -> None:
        """It shows what it shows now."""
        self._part.order(unit=self._unit, frozen=True)

    def thaw(self) -> None:
        """It shows what it counts again."""
        self._part.order(unit=self._unit, frozen=False)

    def fail(self, info: str = "") -> None:
        """It does not answer any more."""
        del info  # nobody on the wire hears why
        self._part.order(unit=self._unit, mute=True)

    def answer(self) -> None:
        """It answers again."""
        self._part.order(unit=self._unit, mute=False)

    def power(self, on: bool) -> None:
        """Its supply goes or comes; what it has counted stays."""
        self._energy_wh, self._at = self.register_wh, self._now()
        self.powered = on

    def state(self) -> dict[str, float]:
        """What it keeps over a power cut, as plain numbers."""
        return {"energy_import_wh": self.register_wh}

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from an earlier `state`. Raises ConfigError when it is not one."""
        value = state.get("energy_import_wh")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"meter state.energy_import_wh: must be a number, is {value!r}")
        self._energy_wh, self._at = float(value), self._now()


def _differ(told: tuple[Phases, Phases], now: tuple[Phases, Phases]) -> bool:
    return any(
        abs(before - after) > LEAST_W
        for old, new in zip(told, now, strict=True)
        for before, after in zip(old, new, strict=True)
    )
