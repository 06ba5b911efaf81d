"""A traction battery: energy against time in closed form.

The power that it accepts is a piecewise linear curve over its energy, cut off by what the charger can give. On each
linear piece dE/dt = p + k (E - E0) has an exponential solution, so that ten hours cost a few exponentials and the
result does not depend on how often anybody looks.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

_SECONDS_PER_HOUR = 3600.0
_EQUAL = 1e-9  # relative: two powers this close are the same, else rounding makes pieces of length zero


class Piece(NamedTuple):
    """Power is power_w + slope * (E - E_now) until the energy reaches end_wh. slope: watt per watt-hour."""

    power_w: float
    slope: float
    end_wh: float


class Battery:
    """capacity_wh: usable energy. curve: (SoC percent, accepted W) in rising SoC; flat outside its points."""

    __slots__ = ("_at_wh", "_power_w", "capacity_wh", "energy_wh")

    def __init__(self, capacity_wh: float, energy_wh: float, curve: Sequence[tuple[float, float]]) -> None:
        self.capacity_wh = capacity_wh
        self.energy_wh = energy_wh
        points = [(soc * capacity_wh / 100.0, power) for soc, power in curve]
        if points[0][0] > 0.0:
            points.insert(0, (0.0, points[0][1]))
        if points[-1][0] < capacity_wh:
            points.append((capacity_wh, points[-1][1]))
        self._at_wh = tuple(point[0] for point in points)
        self._power_w = tuple(point[1] for point in points)

    @property
    def soc_percent(self) -> float:
        """State of charge, 0..100."""
        return 100.0 * self.energy_wh / self.capacity_wh

    def _line(self, energy_wh: float) -> tuple[float, float, float]:
        """Accepted power at an energy, its slope there, and where that line ends."""
        index = min(max(bisect_right(self._at_wh, energy_wh), 1), len(self._at_wh) - 1)
        start, end = self._at_wh[index - 1], self._at_wh[index]
        slope = (self._power_w[index] - self._power_w[index - 1]) / (end - start)
        return self._power_w[index - 1] + slope * (energy_wh - start), slope, end

    def piece(self, cap_w: float) -> Piece:
        """How the charge goes on from here when at most `cap_w` is given."""
        power, slope, end = self._line(self.energy_wh)
        falling_into = slope < 0.0 and power <= cap_w * (1.0 + _EQUAL)
        if power < cap_w * (1.0 - _EQUAL) or falling_into:
            power = min(power, cap_w)
            if slope > 0.0:  # rises until the charger is the limit
                end = min(end, self.energy_wh + (cap_w - power) / slope)
            return Piece(power, slope, end)
        if slope < 0.0:  # the charger is the limit until the battery becomes it
            end = min(end, self.energy_wh + (cap_w - power) / slope)
        return Piece(cap_w, 0.0, end)

    def power_w(self, cap_w: float) -> float:
        """Power that flows into the battery now when at most `cap_w` is given."""
        return min(cap_w, self._line(self.energy_wh)[0])

    def charge(self, duration_s: float, cap_w: float, target_wh: float) -> float:
        """Charge for `duration_s` with at most `cap_w`, stopping at `target_wh`; returns the gain in Wh."""
        before = self.energy_wh
        left = duration_s
        while left > 0.0 and self.energy_wh < target_wh:
            piece = self.piece(cap_w)
            if piece.power_w <= 0.0:
                break
            end = min(piece.end_wh, target_wh)
            needed = _time_s(piece, end - self.energy_wh)
            if needed <= left:
                self.energy_wh = max(end, math.nextafter(self.energy_wh, math.inf))
                left -= needed
            else:
                self.energy_wh = min(end, self.energy_wh + _gain_wh(piece, left))
                left = 0.0
        return self.energy_wh - before

    def time_to_next(self, cap_w: float, target_wh: float) -> float:
        """Seconds until the power stops following its present line, or until `target_wh`, whatever is first."""
        piece = self.piece(cap_w)
        if piece.power_w <= 0.0:
            return math.inf
        return _time_s(piece, min(piece.end_wh, target_wh) - self.energy_wh)


def _gain_wh(piece: Piece, duration_s: float) -> float:
    hours = duration_s / _SECONDS_PER_HOUR
    exponent = piece.slope * hours
    if abs(exponent) < 1e-12:
        return piece.power_w * hours
    return piece.power_w * math.expm1(exponent) / piece.slope


def _time_s(piece: Piece, gain_wh: float) -> float:
    if gain_wh <= 0.0:
        return 0.0
    ratio = piece.slope * gain_wh / piece.power_w
    if abs(ratio) < 1e-12:
        return gain_wh / piece.power_w * _SECONDS_PER_HOUR
    return math.log1p(ratio) / piece.slope * _SECONDS_PER_HOUR
