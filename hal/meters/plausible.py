"""Whether a register can be believed: a meter that runs backwards, jumps or freezes is reported, and not billed. Pure."""

from __future__ import annotations

from hal.api import MeterReading
from hal.errors import DeviceError

MARGIN_WH = 200.0
"""No jump below this: meters count in steps of up to 100 Wh."""
FROZEN_WH = 300.0
"""So much must have passed, by the meter's own power, before a register that stands still is frozen."""
HEADROOM = 1.25
"""Power may exceed the rating for a while, and clocks are not exact."""
LONGEST_S = 60.0
"""Power is taken as lasting from one reading to the next, but not for longer than this."""


class Plausibility:
    """Judges the readings of one meter, one after the other. max_w: what can pass it at most.

    The last good reading stays the measure: a single wild value is refused, and the next good one is taken again. A
    register that was really reset stays refused until `accept`.
    """

    __slots__ = ("_energy_wh", "_max_w", "_name", "_power_w", "_seen_s", "_still_wh", "_taken_s")

    def __init__(self, name: str, max_w: float) -> None:
        self._name = name
        self._max_w = max_w
        self.accept()

    def accept(self) -> None:
        """Begin anew: somebody has looked at the meter, or replaced it."""
        self._energy_wh: float | None = None
        self._taken_s = 0.0  # when the last good reading was taken
        self._seen_s = 0.0  # when anything was read at all
        self._power_w = 0.0
        self._still_wh = 0.0

    def check(self, reading: MeterReading, now: float) -> None:
        """Take a reading of `now` (monotonic seconds). Raises DeviceError when it cannot be believed."""
        energy_wh = reading.energy_import_wh
        if self._energy_wh is None:
            self._take(reading, now)
            return
        passed_wh = energy_wh - self._energy_wh
        if passed_wh < 0.0:
            raise DeviceError(
                f"{self._name}: runs backwards, from {self._energy_wh:.1f} to {energy_wh:.1f} Wh; not billed. {_ADVICE}"
            )
        possible_wh = self._max_w * HEADROOM * (now - self._taken_s) / 3600.0 + MARGIN_WH
        if passed_wh > possible_wh:
            raise DeviceError(
                f"{self._name}: jumps by {passed_wh:.1f} Wh in {now - self._taken_s:.1f} s, at most {possible_wh:.1f} Wh "
                f"can have passed; not billed. {_ADVICE}"
            )
        if passed_wh > 0.0:
            self._take(reading, now)
        else:
            self._stands_still(reading, now)

    def _take(self, reading: MeterReading, now: float) -> None:
        self._energy_wh = reading.energy_import_wh
        self._taken_s = self._seen_s = now
        self._power_w = max(0.0, reading.power_w or 0.0)
        self._still_wh = 0.0

    def _stands_still(self, reading: MeterReading, now: float) -> None:
        """Its own power says whether it may."""
        power_w = max(0.0, reading.power_w or 0.0)
        # The smaller of two readings: what certainly flowed between them.
        self._still_wh += min(power_w, self._power_w) * min(LONGEST_S, now - self._seen_s) / 3600.0
        self._power_w, self._seen_s = power_w, now
        if self._still_wh > FROZEN_WH:
            raise DeviceError(
                f"{self._name}: is frozen at {reading.energy_import_wh:.1f} Wh, while its own power makes "
                f"{self._still_wh:.0f} Wh; not billed. {_ADVICE}"
            )
        self._taken_s = now


_ADVICE = "Look at its display; if it was replaced or reset: station ctl meter_accept EVSE"
