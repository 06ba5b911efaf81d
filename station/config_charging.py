"""Settings of smart charging: what the station may draw, how its EVSEs share that, and how schedules are read."""

from __future__ import annotations

from dataclasses import dataclass

from station.config_fields import Flag, Number, Text, setting
from station.config_read import Found
from station.config_toml import Report
from station.core.charging.balance_types import Strategy
from station.core.charging.policy import Gaps, PhaseRule
from station.zone import find_zone

__all__ = ["ChargingSettings", "check_charging"]


@dataclass(frozen=True, slots=True)
class ChargingSettings:
    """What the station as a whole may draw, how its EVSEs share that, and how charging schedules are read."""

    station_max_a: float | None = setting(
        Number(0, 10_000, "A per phase"),
        "Fuse of the grid connection: all EVSEs together stay below it in every phase.",
        default=None,
        example=63.0,
    )
    station_max_w: float | None = setting(
        Number(0, 10_000_000, "W"), "The same as a power, of all phases together.", default=None, example=22000.0
    )
    imbalance_max_a: float | None = setting(
        Number(0, 10_000, "A"), "Most that the load of two phases may differ.", default=None, example=20.0
    )
    share: str = setting(
        Text(choices=tuple(strategy.value for strategy in Strategy)),
        "How EVSEs share what does not suffice for all: equally, by priority, or by departure and energy needed.",
        default=Strategy.FAIR.value,
    )
    settle_s: float = setting(
        Number(1, 300, "s"),
        "How long a lowered limit counts at its old value, unless the vehicle is measured below it before.",
        default=6.0,
    )
    turn_s: float = setting(
        Number(60, 86_400, "s"),
        "Where not everybody can have the minimum current, vehicles are paused in turn: length of a turn.",
        default=900.0,
    )
    timezone: str = setting(
        Text(64), "Time zone of the site, for schedules in local time.", default="UTC", example="Europe/Amsterdam"
    )
    full_current_up_to_c: float = setting(
        Number(20, 120, "degrees Celsius"),
        "Temperature of the connector up to which it carries the full current.",
        default=65.0,
    )
    least_current_at_c: float = setting(
        Number(20, 150, "degrees Celsius"), "Temperature at which only the minimum current is left.", default=80.0
    )
    gaps: str = setting(
        Text(choices=tuple(choice.value for choice in Gaps)),
        "What a composite schedule shows where no profile gives a limit.",
        default=Gaps.HARDWARE.value,
    )
    phases: str = setting(
        Text(choices=tuple(choice.value for choice in PhaseRule)),
        "Which number of phases a composite period has: the lowest of all that apply, or that of the limit that binds.",
        default=PhaseRule.LOWEST.value,
    )
    recurring_before_start: bool = setting(
        Flag(), "Recurring profiles also repeat before their startSchedule.", default=False
    )
    touching_overlaps: bool = setting(
        Flag(), "Two profiles overlap when one's validTo is the other's validFrom.", default=False
    )
    zero_duration_ends: bool = setting(
        Flag(), "A schedule of duration 0 gives no limit; otherwise it counts as without duration.", default=True
    )
    refuse_fewer_phases: bool = setting(
        Flag(),
        "Profiles with fewer phases than an EVSE has are refused where it cannot leave phases out: a car might use them all.",
        default=False,
    )
    station_total: bool = setting(
        Flag(),
        "A composite schedule of EVSE 0 shows what the EVSEs are expected to draw together; otherwise only the limits of the grid "
        "connection.",
        default=True,
    )


# What one vehicle must be offered at least: 6 A, on one phase of 230 V.
_LEAST = {"station_max_a": 6.0, "station_max_w": 1380.0, "imbalance_max_a": 6.0}


def check_charging(charging: Found[ChargingSettings], report: Report) -> None:
    """The time zone is known here, and the two temperatures are in order."""
    try:
        find_zone(charging.get("timezone") or "UTC")
    except ValueError as error:
        report.problem(("charging", "timezone"), str(error), "write an IANA name, for example Europe/Amsterdam")
    for name, least_possible in _LEAST.items():
        value = charging.get(name)
        if value is not None and value < least_possible:
            report.warn(
                ("charging", name),
                f"nobody can charge with less than {least_possible:g}",
                "a car needs 6 A (IEC 61851)",
            )
    full, least = charging.get("full_current_up_to_c"), charging.get("least_current_at_c")
    if full is not None and least is not None and full >= least:
        report.problem(
            ("charging", "least_current_at_c"), f"must be above full_current_up_to_c ({full:g})", "correct one of them"
        )
