"""W and A made comparable without rounding: every rate is counted in whole steps per phase; fractions appear only in what is told.

With V = volts and n phases: A per phase = W in total / (V * n), and V = vn / vd. Counted in steps of 1 / (6000 * vn) A, which are
1 / (6000 * vd) W of one phase, every rate in mA or mW is a whole number, whether n is 1, 2 or 3.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from station.core.charging.profiles import MILLI, Rates, RateUnit

Steps = int | Fraction
"""Of a profile always an int; bounds of the hardware may be fractions of a step."""

# A name of the module is found four times as fast as a member of its enumeration (3.11).
_A = RateUnit.A
_PER_MILLI = 6
_SIX = 6 * MILLI


@lru_cache(maxsize=4096)
def fraction(numerator: Steps, denominator: int) -> Fraction:
    """Making a Fraction costs a microsecond; schedules use the same few values again and again."""
    return Fraction(numerator, denominator)


def exact(milli: int) -> Fraction:
    """Thousandths as a Fraction."""
    return fraction(milli, MILLI)


class Scale:
    """Steps per phase of one site. A voltage that is not positive counts as 1 V: nothing here raises."""

    __slots__ = ("_ampere", "_milliampere", "_milliwatt", "_watt")

    def __init__(self, voltage_v: Fraction) -> None:
        volts = voltage_v if voltage_v > 0 else Fraction(1)
        self._ampere = _SIX * volts.numerator
        self._watt = _SIX * volts.denominator
        self._milliampere = _PER_MILLI * volts.numerator
        self._milliwatt = _PER_MILLI * volts.denominator

    def steps(self, milli: int, unit: RateUnit, phases: int) -> int:
        """A rate without own values per phase: mA of every phase, or mW of `phases` together (1, 2 or 3)."""
        return milli * self._milliampere if unit is _A else milli * self._milliwatt // phases

    def each(self, milli: int, unit: RateUnit) -> tuple[int, int, int, int]:
        """`steps` by number of phases."""
        if unit is _A:
            steps = milli * self._milliampere
            return steps, steps, steps, steps
        steps = milli * self._milliwatt
        return steps, steps, steps // 2, steps // 3

    def lines(self, rates: Rates, unit: RateUnit) -> tuple[int, int, int]:
        """A rate with own values per phase (2.1 limit_L2). A line without one has that of L1."""
        factor = self._milliampere if unit is _A else self._milliwatt
        first = rates.total * factor
        second = first if rates.l2 is None else rates.l2 * factor
        third = first if rates.l3 is None else rates.l3 * factor
        return first, second, third

    def bound(self, value: Fraction, unit: RateUnit, phases: int) -> Fraction:
        """A bound of the hardware: A per phase, or W of `phases` together."""
        return value * self._ampere if unit is _A else value * self._watt / phases

    def told(self, steps: Steps, unit: RateUnit, phases: int) -> Fraction:
        """Steps of each phase as A per phase, or as W of `phases` together (1: of the one phase)."""
        return fraction(steps, self._ampere) if unit is _A else fraction(steps * phases, self._watt)


def own_lines(rates: Rates | None) -> bool:
    """Whether the phases have values of their own."""
    return rates is not None and (rates.l2 is not None or rates.l3 is not None)
