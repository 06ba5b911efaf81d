"""One profile to be judged, with everything that its judges look at, and how they say no."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from station.core.charging.policy import Policy, Rules
from station.core.charging.profiles import Installed, LimitSource, Profile, Purpose, RateUnit

TX_TERM = frozenset({Purpose.TX, Purpose.TX_DEFAULT, Purpose.PRIORITY})
"""Purposes of which one replaces the other for a transaction; any two others apply together."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the station offers (SmartChargingCtrlr and hardware). phases: SupplyPhases per EVSE (0: DC); the station's own is evse 0."""

    phases: Mapping[int, int]
    units: frozenset[RateUnit] = frozenset(RateUnit)
    max_stack_level: int = 20
    max_periods: int = 1000
    max_profiles: int = 100
    max_schedules: int = 1  # 3 with ISO 15118 (K01.FR.34)
    phase_switching: bool = False
    leaves_phases_out: bool = False
    dc_input_phase_control: bool = False
    transactions: Mapping[int, str | None] = field(default_factory=dict)  # EVSE -> core id of its open transaction


class Fault(NamedTuple):
    """Why not: a reason code of the OCA's list, the path of the field ("" for the request as a whole), and words."""

    reason: str
    field: str
    words: str

    def under(self, prefix: str) -> Fault:
        """The same fault, its field seen from one level further up."""
        return self._replace(field=f"{prefix}.{self.field}")

    @property
    def info(self) -> str:
        return f"{self.field}: {self.words}" if self.field else self.words


@dataclass(frozen=True, slots=True)
class Case:
    """The arguments of `validate.refusal`, passed on together."""

    profile: Profile
    evse: int
    installed: tuple[Installed, ...]
    station: Capabilities
    rules: Rules
    policy: Policy
    now: int
    remote_start: bool
    source: LimitSource

    @property
    def from_csms(self) -> bool:
        return self.source is LimitSource.CSO

    @property
    def supply_phases(self) -> int:
        """Of the EVSE it is for (0: DC); of the best one where it is for all of them or the EVSE is not chosen yet."""
        phases = self.station.phases
        for_evses = self.profile.purpose in TX_TERM
        if self.evse in phases and not (self.evse == 0 and for_evses):
            return phases[self.evse]
        return max((count for evse, count in phases.items() if evse > 0), default=3)

    def others(self) -> Iterator[Installed]:
        """Installed profiles that this one does not replace by its id (K01.FR.05)."""
        return (other for other in self.installed if other.profile.id != self.profile.id)


def overlap(one: Profile, other: Profile, *, touching: bool) -> bool:
    """Whether there is a moment at which both are valid. validTo is exclusive (K01.FR.37); `touching`: it counts as included."""
    return _before(one.valid_from, other.valid_to, touching) and _before(other.valid_from, one.valid_to, touching)


def _before(start: int | None, end: int | None, touching: bool) -> bool:
    return start is None or end is None or start < end or (touching and start == end)
