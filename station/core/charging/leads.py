"""What one moment of a composite schedule is made of: leading periods, and the shape that they have together."""

from __future__ import annotations

from typing import NamedTuple

from station.core.charging.profiles import Installed, OperationMode, Period, Purpose, RateUnit
from station.core.charging.rates import Steps
from station.core.charging.shapes import Source

_ADDS = Purpose.LOCAL_GENERATION

Value = tuple[Steps, ...]
"""Steps of one phase, all of them alike; or of L1, L2 and L3."""


class Lead:
    """A period that leads for its purpose.

    adds: it is no limit, it adds to one. Worked out when it is first used: own: its number of phases; plain: it says no more than a
    limit for all phases; steps: that limit for 1, 2 and 3 phases (None: it has none); sources: in words, by number of phases.
    """

    __slots__ = ("adds", "installed", "known", "own", "period", "plain", "sources", "steps", "unit")

    def __init__(self, installed: Installed, period: Period, unit: RateUnit) -> None:
        self.installed = installed
        self.period = period
        self.unit = unit
        self.adds = installed.profile.purpose is _ADDS
        self.known = False
        self.own = 3
        self.plain = False
        self.steps: tuple[int, int, int, int] | None = None
        self.sources: dict[tuple[int, bool], Source] = {}


Leads = tuple[Lead, ...]


class Shape(NamedTuple):
    """What a period says, in steps per phase; neighbours with equal shapes are one period.

    lines: every phase has a value of its own. phases: they convert with, and are told (DC: 1, not told).
    """

    lines: bool
    phases: int
    phase_to_use: int | None
    limit: Value | None
    setpoint: Value | None = None
    discharge: Value | None = None
    mode: OperationMode | None = None


class Blended(NamedTuple):
    """binder: index among the leads, then among the caps; -1: the station's maximum, None: nothing limits."""

    shape: Shape
    binder: int | None
