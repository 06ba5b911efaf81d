"""What is wrong with a charging profile (K01, K28, Q, 1.6 5.16): a pure function of profile, rules and station."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from station.core.charging.policy import Policy, Rules
from station.core.charging.profiles import Installed, Profile, RateUnit
from station.core.types import Verdict


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
    dc_input_phase_control: bool = False
    transactions: Mapping[int, str | None] = field(default_factory=dict)  # EVSE -> core id of its open transaction


def refusal(
    profile: Profile,
    evse: int,
    installed: Iterable[Installed],
    station: Capabilities,
    rules: Rules,
    policy: Policy,
    *,
    now: int,
    remote_start: bool = False,
) -> Verdict | None:
    """None when the profile may be installed at `evse`, else Rejected with an OCA reason code and words that name the field.

    remote_start: it came with a remote start, its transaction does not exist yet (K05.FR.02). Bounded: time grows with the number of
    periods up to `max_periods`, beyond that the profile is refused unread.
    """
    raise AssertionError("to be written")


def replaced(profile: Profile, evse: int, installed: Iterable[Installed], rules: Rules) -> tuple[int, ...]:
    """Ids of the profiles that installing this one removes (K01.FR.05; 1.6 5.16.4)."""
    raise AssertionError("to be written")
