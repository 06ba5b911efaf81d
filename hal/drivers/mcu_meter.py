"""The power meter of Yeti and AD-ACEVSE22KWZ: what the board says each second, as a register that only grows."""

from __future__ import annotations

from hal.api import MeterReading
from hal.drivers.mcu_messages import PowerMeter
from hal.errors import BusError, DeviceError
from hal.meters.plausible import Plausibility

FRESH_S = 3.0
"""A reading that is older than this is none."""
SMALL_WH = 50.0
"""A total below this may be of a board that counts from 0 at each start."""


class McuMeter:
    """max_w: what can pass it at most. idle_is_silent: the board measures only while its relay is closed."""

    __slots__ = (
        "_base_wh",
        "_idle_is_silent",
        "_judge",
        "_last",
        "_name",
        "_phases",
        "_restarted",
        "_seen_s",
        "_told",
        "_total_wh",
    )

    def __init__(self, name: str, phases: int, max_w: float, *, idle_is_silent: bool) -> None:
        self._name = name
        self._phases = phases
        self._idle_is_silent = idle_is_silent
        self._judge = Plausibility(name, max_w)
        self._last: PowerMeter | None = None
        self._seen_s = 0.0
        self._total_wh: float | None = None  # as the board counts
        self._base_wh = 0.0  # what it has forgotten
        self._restarted = False
        self._told = False

    def restarted(self) -> None:
        """The board has begun anew; it may have forgotten its total."""
        self._restarted = True
        self._last = None

    def see(self, values: PowerMeter, now: float) -> None:
        """A message of the board. What cannot be believed is judged when somebody reads."""
        before_wh, total_wh = self._total_wh, values.energy_wh
        if before_wh is None:
            # While it was silent we have told 0; a board that remembers older sessions goes on from there.
            if self._told and total_wh > SMALL_WH:
                self._base_wh = -total_wh
        elif total_wh < before_wh and (self._restarted or total_wh <= SMALL_WH):
            self._base_wh += before_wh
        self._total_wh = total_wh
        self._restarted = False
        self._last, self._seen_s = values, now

    def read(self, now: float, *, closed: bool) -> MeterReading:
        """The last message as a reading. Raises BusError when it is too old, DeviceError when it cannot be believed."""
        if self._last is None or now - self._seen_s > FRESH_S:
            if not self._idle_is_silent or closed:
                raise BusError(f"{self._name}: the board has told no meter values for {FRESH_S:g} s")
            reading = self._idle()
        else:
            reading = self._reading(self._last)
        self._judge.check(reading, now)
        self._told = True
        return reading

    def _register_wh(self) -> float:
        return self._base_wh + (self._total_wh or 0.0)

    def _idle(self) -> MeterReading:
        zeros = (0.0,) * self._phases
        return MeterReading(energy_import_wh=self._register_wh(), power_w=0.0, current_a=zeros, power_phase_w=zeros)

    def _reading(self, values: PowerMeter) -> MeterReading:
        if values.energy_wh < 0.0:
            raise DeviceError(f"{self._name}: tells a register of {values.energy_wh:g} Wh")
        phases = self._phases
        return MeterReading(
            energy_import_wh=self._register_wh(),
            power_w=sum(values.power_w[:phases]),
            current_a=values.current_a[:phases],
            voltage_v=values.voltage_v[:phases],
            power_phase_w=values.power_w[:phases],
            frequency_hz=values.frequency_hz or None,
            temperature_c=max(values.temperature_c, default=None),
        )
