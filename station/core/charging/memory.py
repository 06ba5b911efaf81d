"""What the core remembers of smart charging, and how the operator has set it up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from station.core.charging.balance_types import Memory, Tuning
from station.core.charging.limits import Derating
from station.core.charging.policy import Policy
from station.core.charging.profiles import Installed
from station.core.charging.shapes import CompositePeriod, StationCaps, Zone


@dataclass(frozen=True, slots=True)
class ChargingSetup:
    """What the operator's file says.

    station_max_a: fuse of the grid connection per phase, station_max_w: in total; imbalance_max_a: most difference between two phases.
    priority: per EVSE. refuse_fewer_phases: see `Rules.phases_ensured`. max_*: what the device model tells as limits of
    SmartChargingCtrlr.
    """

    policy: Policy = field(default_factory=Policy)
    tuning: Tuning = field(default_factory=Tuning)
    derating: Derating = field(default_factory=Derating)
    zone: Zone | None = None
    station_max_a: float | None = None
    station_max_w: float | None = None
    imbalance_max_a: float | None = None
    priority: Mapping[int, int] = field(default_factory=dict)
    refuse_fewer_phases: bool = False
    max_stack_level: int = 20
    max_periods: int = 1024
    max_profiles: int = 100

    @property
    def shared(self) -> bool:
        """Whether the operator limits the station as a whole."""
        return self.station_max_a is not None or self.station_max_w is not None or self.imbalance_max_a is not None


@dataclass(frozen=True, slots=True)
class Needs:
    """What the driver of one session asked for: wall second of departure, Wh wanted until then, priority among the EVSEs."""

    departs: float | None = None
    energy_wh: float | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the profiles allow one EVSE from wall second `since` until before `until` (None: nothing changes by itself).

    version: of the profiles that it was worked out with. tx_id, ready: of the transaction that it was worked out for.
    """

    period: CompositePeriod
    since: int
    until: int | None
    version: int
    tx_id: str | None
    ready: int | None


@dataclass(frozen=True, slots=True)
class StationAllowed:
    """The same for the grid connection."""

    caps: StationCaps = field(default_factory=StationCaps)
    since: int = 0
    until: int | None = None
    version: int = -1


@dataclass(slots=True)
class Charging:
    """Smart charging of one station.

    profiles: by id; shown: the same as a tuple for whoever looks; version: rises with every change of them. offline_since: monotonic,
    None while the CSMS answers. ready: per EVSE, wall second at which its transaction was authorised and connected (Relative starts
    there). balance: the balancer's. unsettled: EVSEs whose limit has changed, to be brought in line before the turn ends.
    sharing: something may limit the station as a whole; without, nobody looks.
    """

    setup: ChargingSetup = field(default_factory=ChargingSetup)
    profiles: dict[int, Installed] = field(default_factory=dict)
    shown: tuple[Installed, ...] = ()
    version: int = 0
    station: StationAllowed = field(default_factory=StationAllowed)
    offline_since: float | None = None
    ready: dict[int, int] = field(default_factory=dict)
    needs: dict[int, Needs] = field(default_factory=dict)
    balance: Memory = field(default_factory=Memory)
    unsettled: set[int] = field(default_factory=set)
    sharing: bool = False
