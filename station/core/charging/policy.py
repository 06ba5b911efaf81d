"""Where the specification leaves room, or its readers disagree: choices have names, and its own reading is the default.

`Policy` is how schedules are evaluated (settings of the station). `Rules` is what one protocol version refuses or replaces.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Gaps(Enum):
    """What a composite schedule shows where no profile gives a limit (K08; OCTT TC_K_39 asks for a period even without any)."""

    HARDWARE = "hardware"  # what board, cable and wiring can deliver: it is the limit that will be in force
    OMIT = "omit"  # no period: it starts later, ends earlier; an interior gap cannot be told and counts as the maximum


class PhaseRule(Enum):
    """Which numberPhases a composite period has, and converts W and A with."""

    LOWEST = "lowest"  # of all applicable periods (2.1 K01.FR.140)
    WINNER = "winner"  # of the period whose limit binds


@dataclass(frozen=True, slots=True)
class Policy:
    """How schedules are evaluated.

    recurring_before_start: a Recurring profile also repeats before its startSchedule (libocpp; K01.FR.40 says it starts there).
    touching_overlaps: validTo equal to another's validFrom counts as overlapping validity (libocpp; validTo is exclusive).
    zero_duration_ends: a schedule with duration 0 gives no period at all (False: it counts as without duration).
    station_total: a composite of evse 0 shows what the EVSEs are expected to draw together, within the grid connection's limits
    (K08.FR.03; 1.6 5.7); False: those limits alone.
    """

    gaps: Gaps = Gaps.HARDWARE
    phases: PhaseRule = PhaseRule.LOWEST
    recurring_before_start: bool = False
    touching_overlaps: bool = False
    zero_duration_ends: bool = True
    station_total: bool = True


class SameStack(Enum):
    """What another id with the same purpose, stackLevel and EVSE does to the one that is there."""

    REPLACE = "replace"  # 1.6, 5.16.4
    REFUSE = "refuse"  # 2.x K01.FR.06, when the validities overlap


@dataclass(frozen=True, slots=True)
class Rules:
    """What one version asks of SetChargingProfile. Names are capabilities, not versions: adapters choose.

    tx_id_required: a TxProfile must name its transaction (K01.FR.03). strict_kind: Absolute and Recurring need startSchedule,
    Relative must not have one (K01.FR.40, FR.41). strict_phases: numberPhases and phaseToUse must be what the station offers.
    phases_ensured: numberPhases below those of the supply is refused where the station cannot switch (K01.FR.43, read strictly: a
    vehicle might use them all). v21: checks of 2.1 (purposes, kinds, operation modes, setpoints).
    lists: words of SmartChargingCtrlr and V2XChargingCtrlr that only 2.1 has.
    """

    name: str
    same_stack: SameStack = SameStack.REFUSE
    tx_id_required: bool = True
    strict_kind: bool = True
    default_exclusive: bool = True  # K01.FR.52, FR.53
    max_relative: bool = False  # a station maximum may be Relative (K01.FR.38 forbids it)
    strict_phases: bool = True  # K01.FR.19, FR.20, FR.44, FR.45, FR.48
    phases_ensured: bool = False
    v21: bool = False
    purposes: frozenset[str] = frozenset()  # SupportedAdditionalPurposes
    modes: frozenset[str] = frozenset()  # SupportedOperationModes; empty: every mode
    dynamic: bool = False
    local_time: bool = False
    randomized_delay: bool = False
    limit_at_soc: bool = False
    evse_sleep: bool = False
    external_ids_up_to: int | None = None  # MaxExternalConstraintsId
    update_rate_s: int | None = None  # ChargingProfileUpdateRateLimit


RULES_16 = Rules(
    "1.6",
    same_stack=SameStack.REPLACE,
    tx_id_required=False,
    strict_kind=False,
    default_exclusive=False,
    max_relative=True,  # Home Assistant's OCPP integration sends its station maximum so
    strict_phases=False,
)
RULES_201 = Rules("2.0.1")
RULES_21 = Rules("2.1", v21=True, modes=frozenset({"ChargingOnly"}))
"""2.1 with nothing optional; an adapter adds what its station supports (`dataclasses.replace`)."""
