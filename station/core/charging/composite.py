"""Composite schedules: every applicable profile over a window of time, combined into one sequence of limits (K08; see 4.1 rules below).

Seam only: `compose` and `limit_at` are the two questions; everything else here is private.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

from station.core.charging.policy import Policy
from station.core.charging.profiles import Installed, OperationMode, Purpose, RateUnit


class Zone(Protocol):
    """Local time of the station (2.1 useLocalTime, K01.FR.90, FR.91)."""

    def offset_s(self, wall: int) -> int:
        """Seconds to add to UTC at that moment."""


@dataclass(frozen=True, slots=True)
class Site:
    """What evaluation must know of one EVSE (or, evse 0, of the grid connection).

    voltage_v: nominal, phase to neutral. phases: of the supply, 0 for DC (W only). maximum_a: what the hardware can deliver per phase,
    None: unknown. zone None: UTC. offline_s: for how long the CSMS has been out of reach, None: it is not.
    """

    evse: int
    voltage_v: Fraction = Fraction(230)
    phases: int = 3
    maximum_a: Fraction | None = None
    zone: Zone | None = None
    offline_s: int | None = None


@dataclass(frozen=True, slots=True)
class Tx:
    """The transaction at the EVSE. ready: wall second at which it was authorised and connected: Relative starts there (None: not yet)."""

    tx_id: str | None
    ready: int | None
    priority: bool = False  # 2.1: PriorityCharging is active


@dataclass(frozen=True, slots=True)
class Source:
    """One term of a composite period: the leading period of one purpose, and what it allows in `Composite.unit`.

    profile None: not a profile but the hardware (`name` says which). limit: converted to `Composite.unit`; raw: as given, in `unit`.
    """

    name: str
    purpose: Purpose | None
    profile: int | None
    stack_level: int | None
    limit: Fraction | None
    phases: int | None
    raw: Fraction | None = None
    unit: RateUnit = RateUnit.A


@dataclass(frozen=True, slots=True)
class PhaseLimits:
    """Rates of a composite period in its unit; l2, l3 only where phases differ (2.1)."""

    total: Fraction
    l2: Fraction | None = None
    l3: Fraction | None = None


@dataclass(frozen=True, slots=True)
class CompositePeriod:
    """start: seconds since the window's start. limit None: nothing limits (`Gaps.OMIT` leaves such periods out).

    binding: the source whose limit is the least (first named wins a tie); sources: all of them, binding included.
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
    """start: wall second; duration: seconds covered (shorter than asked when `Gaps.OMIT` cuts the end)."""

    evse: int
    start: int
    duration: int
    unit: RateUnit
    periods: tuple[CompositePeriod, ...] = field(default=())


def compose(
    profiles: Iterable[Installed],
    site: Site,
    tx: Tx | None,
    *,
    start: int,
    duration: int,
    unit: RateUnit,
    policy: Policy,
    caps: Sequence[Source] = (),
    merge_causes: bool = True,
) -> Composite:
    """The composite schedule of [start, start + duration) in wall seconds, in `unit`.

    tx None: no transaction; a TxDefault transaction that starts at `start` is assumed (K08.FR.06). caps: constant bounds of the station
    (breaker, board) in `unit`. merge_causes: neighbours that differ only in who binds are one period (what a CSMS gets); False
    keeps them apart (for `explain`). Never raises on a validated profile.
    """
    raise AssertionError("to be written")


def limit_at(
    profiles: Iterable[Installed], site: Site, tx: Tx | None, *, now: int, policy: Policy
) -> tuple[CompositePeriod, int | None]:
    """What binds at `now` in A per phase (limit None: no profile limits), and the next wall second at which anything may change
    (None: never). Cheap: called on every change, not on every tick.
    """
    raise AssertionError("to be written")


@dataclass(frozen=True, slots=True)
class StationCaps:
    """What STATION_MAX and EXTERNAL profiles allow the grid connection now, per phase and in total, and which profile says so."""

    per_phase_a: Fraction | None = None
    per_phase_by: Source | None = None
    total_w: Fraction | None = None
    total_by: Source | None = None


def station_caps_at(
    profiles: Iterable[Installed], site: Site, *, now: int, policy: Policy
) -> tuple[StationCaps, int | None]:
    """The caps of the grid connection (site.evse 0), unconverted, and the next wall second at which they may change."""
    raise AssertionError("to be written")
