"""The energy meter of an EVSE: a register that never forgets, and the faults that meters have."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

from hal.api import MeterReading
from hal.errors import BusError, ConfigError, DeviceError
from hal.sim.grid import Phases


class Flow(NamedTuple):
    """What passes the meter now. Tuples hold L1, L2, L3."""

    voltage_v: Phases
    current_a: Phases
    power_w: Phases
    frequency_hz: float
    soc_percent: float | None
    temperature_c: float | None


class SimMeter:
    """flow: tells what passes now, after bringing the register up to date. phases: 1 or 3 values in a reading.

    error_percent: its accuracy class, as a fixed gain error within it and noise on momentary values; 0 is exact.
    now: monotonic seconds, for what it only pretends to count.
    """

    def __init__(
        self,
        flow: Callable[[], Flow],
        powered: Callable[[], bool],
        rng: random.Random,
        *,
        phases: int = 3,
        initial_wh: float = 0.0,
        error_percent: float = 0.0,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._flow = flow
        self._powered = powered
        self._rng = rng
        self._phases = phases
        self._noise = error_percent / 100.0
        self._gain = 1.0 + (rng.uniform(-self._noise, self._noise) if error_percent else 0.0)
        self._register_wh = initial_wh
        self._frozen: MeterReading | None = None
        self._failure: str | None = None
        self._now = now
        self._pretended_w: float | None = None
        self._counted_to = 0.0

    @property
    def register_wh(self) -> float:
        """The import register now, readable by its maker's tool even when the meter fails."""
        self.settle()
        return self._register_wh

    def settle(self) -> None:
        """Count everything up to now."""
        self._flow()
        self._pretend()

    def count(self, energy_wh: float) -> None:
        """So much energy has passed."""
        if self._pretended_w is None:
            self._register_wh += energy_wh * self._gain

    def _pretend(self) -> None:
        """Count what would have passed since it was looked at last. A meter without power counts nothing."""
        if self._pretended_w is not None:
            now = self._now()
            if self._powered():
                self._register_wh += self._pretended_w * max(0.0, now - self._counted_to) / 3600.0
            self._counted_to = now

    @property
    def counts_alone(self) -> bool:
        """Whether it counts what does not flow, so that the last reading is soon out of date."""
        return self._pretended_w is not None

    def told(self) -> MeterReading | None:
        """What it shows, told unasked; None without power and while it fails."""
        if not self._powered() or self._failure is not None:
            return None
        return self._frozen or self._reading()

    async def read(self) -> MeterReading:
        """Read everything now. Raises BusError without power, DeviceError while it fails."""
        if not self._powered():
            raise BusError("the meter does not answer: no power")
        if self._failure is not None:
            raise DeviceError(f"the meter refuses: {self._failure}")
        return self._frozen or self._reading()

    def _reading(self) -> MeterReading:
        flow = self._flow()
        self._pretend()
        if self._pretended_w is not None:
            flow = _with_power(flow, self._pretended_w, self._phases)
        shown = self._phases
        powers = self._shown(flow.power_w[:shown])
        return MeterReading(
            energy_import_wh=self._register_wh,
            energy_export_wh=0.0,
            power_w=sum(powers),
            current_a=self._shown(flow.current_a[:shown]),
            voltage_v=self._shown(flow.voltage_v[:shown]),
            power_phase_w=powers,
            frequency_hz=flow.frequency_hz,
            soc_percent=flow.soc_percent,
            temperature_c=flow.temperature_c,
        )

    def _shown(self, values: tuple[float, ...]) -> tuple[float, ...]:
        if not self._noise:
            return values
        return tuple(value * (1.0 + self._rng.uniform(-self._noise, self._noise)) for value in values)

    def fail(self, info: str = "internal error") -> None:
        """Every reading is refused until `repair`."""
        self._failure = info

    def freeze(self) -> None:
        """It goes on counting, but shows what it shows now until `repair`."""
        self._frozen = self._reading()

    def jump(self, energy_wh: float) -> None:
        """The register shows so much more (or less) from now on."""
        self._register_wh += energy_wh

    def repair(self) -> None:
        """It works again."""
        self._failure = None
        self._frozen = None

    def thaw(self) -> None:
        """It shows what it counts again, after `freeze`."""
        self._frozen = None

    def answer(self) -> None:
        """It can be read again, after `fail`."""
        self._failure = None

    def set_register(self, energy_wh: float) -> None:
        """The import register shows this from now on, and counts on from there."""
        self._register_wh += energy_wh - self.register_wh

    def pretend(self, power_w: float | None) -> None:
        """Show and count this power instead of what flows; None: what flows again."""
        self.settle()
        self._pretended_w = power_w
        self._counted_to = self._now()

    def state(self) -> dict[str, float]:
        """What it keeps over a power cut, as plain numbers."""
        return {"energy_import_wh": self.register_wh}

    def restore(self, state: Mapping[str, object]) -> None:
        """Go on from an earlier `state`. Raises ConfigError when it is not one."""
        value = state.get("energy_import_wh")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f"meter state.energy_import_wh: must be a number, is {value!r}")
        self._flow()
        self._register_wh = float(value)


def _with_power(flow: Flow, power_w: float, phases: int) -> Flow:
    """The same with another power, shared by the phases that have voltage."""
    live = [phase for phase in range(phases) if flow.voltage_v[phase] > 0.0]
    power, current = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    for phase in live:
        power[phase] = power_w / len(live)
        current[phase] = power[phase] / flow.voltage_v[phase]
    return flow._replace(power_w=(power[0], power[1], power[2]), current_a=(current[0], current[1], current[2]))
