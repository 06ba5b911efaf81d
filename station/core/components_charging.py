"""SmartChargingCtrlr: what the station offers of smart charging (K), and what the operator may set of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from station.core.charging.memory import ChargingSetup
from station.core.components_table import READ_ONLY, Component
from station.core.types import EvseInfo
from station.core.variables import Definition

__all__ = ["CONTROLLER", "STANDARD_LIMITS", "ChargingLimits", "charging_definitions"]

CONTROLLER = "SmartChargingCtrlr"
RATE_UNITS = ("A", "W")


@dataclass(frozen=True, slots=True)
class ChargingLimits:
    """How many and how long charging profiles may be. What is announced is what `station.core.charging.validate` enforces."""

    stack_level: int
    periods: int
    profiles: int

    @classmethod
    def of(cls, setup: ChargingSetup | None) -> ChargingLimits:
        """None: of a station that the operator has not set up."""
        setup = setup or ChargingSetup()
        return cls(setup.max_stack_level, setup.max_periods, setup.max_profiles)


STANDARD_LIMITS = ChargingLimits.of(None)


def charging_definitions(evses: Sequence[EvseInfo], limits: ChargingLimits = STANDARD_LIMITS) -> list[Definition]:
    """The controller of a station with this hardware."""
    switches = any(info.phase_switching for info in evses)
    row = Component(CONTROLLER)
    return [
        # Our boards can leave phases out, but none can choose which one is left.
        row(
            "ACPhaseSwitchingSupported", "boolean", "false", "The CSMS may choose the phase of a charge.", constant=True
        ),
        # K01.FR.29, K05.FR.04: the manufacturer may sell a station without.
        row("Available", "boolean", "true", "Charging profiles are supported.", access=READ_ONLY),
        row("Enabled", "boolean", "true", "Charging profiles count; else they are kept, and limit nothing."),
        row(
            "Entries",
            "integer",
            "0",
            "Charging profiles installed; the limit is how many there may be.",
            instance="ChargingProfiles",
            live=True,
            low=0,
            high=limits.profiles,
        ),
        row(
            "ExternalControlSignalsEnabled",
            "boolean",
            "false",
            "Other systems than the CSMS may limit the current: none can yet.",
            constant=True,
        ),
        row(
            "LimitChangeSignificance",
            "decimal",
            "1",
            "A limit that changes by a smaller part than this need not be told.",
            unit="Percent",
            low=0,
            high=100,
        ),
        row("PeriodsPerSchedule", "integer", str(limits.periods), "Most periods in a schedule.", constant=True),
        row(
            "Phases3to1",
            "boolean",
            "true" if switches else "false",
            "The station can go from three phases to one while it charges.",
            constant=True,
        ),
        row("ProfileStackLevel", "integer", str(limits.stack_level), "Highest stackLevel of a profile.", constant=True),
        row(
            "RateUnit",
            "MemberList",
            ",".join(RATE_UNITS),
            "Units in which a schedule may be given, and asked for.",
            access=READ_ONLY,
            low=1,
            values=RATE_UNITS,
        ),
    ]
