"""From the settings of smart charging to what the core is told (`ChargingSetup`)."""

from __future__ import annotations

from collections.abc import Mapping

from station.config_charging import ChargingSettings
from station.core.charging.balance_types import Strategy, Tuning
from station.core.charging.limits import Derating
from station.core.charging.memory import ChargingSetup
from station.core.charging.policy import Gaps, PhaseRule, Policy
from station.zone import find_zone

__all__ = ["charging_setup"]


def charging_setup(settings: ChargingSettings, priority: Mapping[int, int]) -> ChargingSetup:
    """Settings as the core wants them. priority: per EVSE. Raises ValueError for a time zone that the system does not know."""
    return ChargingSetup(
        policy=Policy(
            gaps=Gaps(settings.gaps),
            phases=PhaseRule(settings.phases),
            recurring_before_start=settings.recurring_before_start,
            touching_overlaps=settings.touching_overlaps,
            zero_duration_ends=settings.zero_duration_ends,
            station_total=settings.station_total,
        ),
        tuning=Tuning(strategy=Strategy(settings.share), settle_s=settings.settle_s, turn_s=settings.turn_s),
        derating=Derating(settings.full_current_up_to_c, settings.least_current_at_c),
        zone=find_zone(settings.timezone),
        station_max_a=settings.station_max_a,
        station_max_w=settings.station_max_w,
        imbalance_max_a=settings.imbalance_max_a,
        priority=dict(priority),
        refuse_fewer_phases=settings.refuse_fewer_phases,
    )
