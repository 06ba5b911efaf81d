"""Charging profiles of OCPP 1.6, 2.0.1 and 2.1 in one shape (2.1 Part 2, 2.x ChargingProfileType).

Numbers are exact: rates are whole thousandths (mA, mW), so that steps of 0.1 A do not drift; times are whole seconds since the
epoch (UTC), or since the start of a schedule. What a version has and another lacks is kept, never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

MILLI = 1000

Milli = int
"""A rate in thousandths of its schedule's unit: mA per phase, or mW in total (with `PhaseRates.l2`, `l3` given: of that phase)."""


class Purpose(Enum):
    """ChargingProfilePurposeEnumType; 1.6's ChargePointMaxProfile is STATION_MAX."""

    EXTERNAL = "ChargingStationExternalConstraints"
    STATION_MAX = "ChargingStationMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"
    PRIORITY = "PriorityCharging"  # 2.1
    LOCAL_GENERATION = "LocalGeneration"  # 2.1


class Kind(Enum):
    """ChargingProfileKindEnumType."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"
    DYNAMIC = "Dynamic"  # 2.1


class Recurrency(Enum):
    """RecurrencyKindEnumType."""

    DAILY = "Daily"
    WEEKLY = "Weekly"

    @property
    def seconds(self) -> int:
        """Length of one repetition; with local time, of the local clock (23 or 25 h on the days of DST)."""
        return 86_400 if self is Recurrency.DAILY else 604_800


class RateUnit(Enum):
    """ChargingRateUnitEnumType: A is per phase, W is the total of all phases."""

    A = "A"
    W = "W"


class OperationMode(Enum):
    """OperationModeEnumType (2.1); no word means ChargingOnly."""

    IDLE = "Idle"
    CHARGING_ONLY = "ChargingOnly"
    CENTRAL_SETPOINT = "CentralSetpoint"
    EXTERNAL_SETPOINT = "ExternalSetpoint"
    EXTERNAL_LIMITS = "ExternalLimits"
    CENTRAL_FREQUENCY = "CentralFrequency"
    LOCAL_FREQUENCY = "LocalFrequency"
    LOCAL_LOAD_BALANCING = "LocalLoadBalancing"


class LimitSource(Enum):
    """ChargingLimitSourceEnumType: who installed a profile."""

    CSO = "CSO"
    EMS = "EMS"
    SO = "SO"
    OTHER = "Other"


@dataclass(frozen=True, slots=True)
class Rates:
    """One rate of a period. total: of the period (A per phase, W in total), or of L1 when l2 or l3 are given (2.1 `limit_L2`)."""

    total: Milli
    l2: Milli | None = None
    l3: Milli | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """One ChargingSchedulePeriodType. start: seconds since the schedule's start. limit None: none given (2.1 setpoints, Idle).

    phases: numberPhases, None: not given. discharge: dischargeLimit, at most 0. setpoint, reactive: 2.1. extra: everything else
    in wire form (curves, v2xBaseline, evseSleep, preconditioningRequest, customData), kept as it came.
    """

    start: int
    limit: Rates | None
    phases: int | None = None
    phase_to_use: int | None = None
    discharge: Rates | None = None
    setpoint: Rates | None = None
    reactive: Rates | None = None
    mode: OperationMode | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Schedule:
    """One ChargingScheduleType. start: startSchedule (UTC; with `local_time`: the local clock read as if it were UTC), None: relative.

    duration: seconds, None: open. randomized_delay: most seconds that a period's start may be late; `delays` are the ones drawn, one
    per period (empty: not drawn yet). min_rate: minChargingRate. soc_limit: limitAtSoC as (percent, rate). extra: what else came.
    """

    unit: RateUnit
    periods: tuple[Period, ...]
    start: int | None = None
    duration: int | None = None
    id: int = 0
    min_rate: Milli | None = None
    local_time: bool = False
    randomized_delay: int = 0
    delays: tuple[int, ...] = ()
    soc_limit: tuple[int, Milli] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Profile:
    """One ChargingProfileType as installed or asked for.

    tx_id: the station's own id of the transaction (core), whatever the version calls it. valid_from, valid_to: wall seconds.
    max_offline_s, invalid_after_offline: 2.1. dyn_interval_s, dyn_updated: dynUpdateInterval and dynUpdateTime (wall).
    """

    id: int
    stack_level: int
    purpose: Purpose
    kind: Kind
    schedules: tuple[Schedule, ...]
    recurrency: Recurrency | None = None
    valid_from: int | None = None
    valid_to: int | None = None
    tx_id: str | None = None
    max_offline_s: int | None = None
    invalid_after_offline: bool = False  # K01.FR.102: missing is false
    dyn_interval_s: int | None = None
    dyn_updated: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Installed:
    """A profile in force at an EVSE, or (evse 0) at the station: for TxDefault every EVSE, for the others the grid connection.

    at: wall seconds of its installation. spent: its maxOfflineDuration has passed with invalidAfterOfflineDuration: never again.
    """

    profile: Profile
    evse: int
    source: LimitSource = LimitSource.CSO
    at: int = 0
    spent: bool = False


class ProfileError(ValueError):
    """A profile on the wire that cannot be read. field: its path, reason: a reason code of the OCA's list, info: in words."""

    def __init__(self, field: str, info: str, reason: str = "InvalidProfile") -> None:
        super().__init__(f"{field}: {info}")
        self.field = field
        self.info = info
        self.reason = reason
