"""The words of composite schedules: where and when they are asked for, and what they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple, Protocol

from station.core.charging.profiles import OperationMode, Purpose, RateUnit


class Zone(Protocol):
    """Local time of the station (2.1 useLocalTime, K01.FR.90, FR.91)."""

    def offset_s(self, wall: int) -> int:
        """Seconds to add to UTC at that moment."""


@dataclass(frozen=True, slots=True)
class Site:
    """What evaluation must know of one EVSE (or, evse 0, of the grid connection).

    voltage_v: nominal, phase to neutral. phases: of the supply, 0 for DC (where voltage_v converts W and A as if of one phase).
    maximum_a: what the hardware can deliver per phase, None: unknown. zone None: UTC. offline_s: for how many whole seconds the CSMS
    has been out of reach, None: it is not.
    """

    evse: int
    voltage_v: Fraction = Fraction(230)
    phases: int = 3
    maximum_a: Fraction | None = None
    zone: Zone | None = None
    offline_s: int | None = None


@dataclass(frozen=True, slots=True)
class Tx:
    """The transaction at the EVSE.

    ready: wall second at which it was authorised and connected: Relative starts there (None: not yet).
    """

    tx_id: str | None
    ready: int | None
    priority: bool = False  # 2.1: PriorityCharging is active


@dataclass(frozen=True, slots=True)
class Member:
    """One EVSE behind a grid connection, for the total of the station (K08.FR.03)."""

    site: Site
    tx: Tx | None = None


class Source(NamedTuple):
    """One term of a composite period: the leading period of one purpose, and what it allows in `Composite.unit`.

    profile None: not a profile but the hardware (`name` says which). limit: converted to `Composite.unit`, None: the period has none
    (a setpoint); of L1 where the period has limits per phase. raw: as given, in `unit`. LocalGeneration is what it adds.
    """

    name: str
    purpose: Purpose | None
    profile: int | None
    stack_level: int | None
    limit: Fraction | None
    phases: int | None
    raw: Fraction | None = None
    unit: RateUnit = RateUnit.A


class PhaseLimits(NamedTuple):
    """Rates of a composite period in its unit; l2, l3 only where phases differ (2.1): then `total` is that of L1."""

    total: Fraction
    l2: Fraction | None = None
    l3: Fraction | None = None


class CompositePeriod(NamedTuple):
    """start: seconds since the window's start. limit None: nothing limits (`Gaps.OMIT` leaves such periods out at both ends).

    phases None: DC. mode None: ChargingOnly. binding: the source whose limit is the least (first named wins a tie); sources: all
    of them, binding included; hardware is among them only where it binds.
    """

    start: int
    limit: PhaseLimits | None
    phases: int | None = None
    phase_to_use: int | None = None
    setpoint: PhaseLimits | None = None
    discharge: PhaseLimits | None = None
    mode: OperationMode | None = None
    binding: Source | None = None
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Composite:
    """start: wall second; duration: seconds covered.

    Shorter than asked when `Gaps.OMIT` cuts the ends, and when there are more than MOST_STEPS changes.
    """

    evse: int
    start: int
    duration: int
    unit: RateUnit
    periods: tuple[CompositePeriod, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class StationCaps:
    """What STATION_MAX and EXTERNAL profiles allow the grid connection now, per phase and in total, and which profile says so."""

    per_phase_a: Fraction | None = None
    per_phase_by: Source | None = None
    total_w: Fraction | None = None
    total_by: Source | None = None
