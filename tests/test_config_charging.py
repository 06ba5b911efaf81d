"""`station.config_charging`, `station.app_charging`: what the file says of smart charging reaches the core."""

from __future__ import annotations

from typing import Any

import pytest

from station.app_charging import charging_setup
from station.config import parse
from station.config_charging import ChargingSettings
from station.core.charging.balance import Strategy
from station.core.charging.memory import ChargingSetup
from station.core.charging.policy import Gaps, PhaseRule
from station.errors import ConfigError
from station.firmware import setup_of


def file(**more: Any) -> dict[str, Any]:
    return {
        "station": {"id": "CP-1"},
        "csms": {"url": "ws://127.0.0.1:9000/ocpp"},
        "board": [{"driver": "sim", "evses": [1, 2]}],
        **more,
    }


def test_nothing_said_is_what_the_core_takes_by_itself() -> None:
    assert charging_setup(ChargingSettings(), {}) == ChargingSetup()


def test_everything_said_arrives() -> None:
    charging = {
        "station_max_a": 63,
        "station_max_w": 40000,
        "imbalance_max_a": 20,
        "share": "priority",
        "settle_s": 8,
        "turn_s": 600,
        "timezone": "Europe/Berlin",
        "full_current_up_to_c": 60,
        "least_current_at_c": 75,
        "gaps": "omit",
        "phases": "winner",
        "recurring_before_start": True,
        "touching_overlaps": True,
        "zero_duration_ends": False,
        "station_total": False,
        "refuse_fewer_phases": True,
    }
    evses = [{"id": 2, "priority": 7, "phase_rotation": "STR"}]
    setup = setup_of(parse(file(charging=charging, evse=evses)))
    made = setup.charging
    assert made is not None
    assert (made.station_max_a, made.station_max_w, made.imbalance_max_a) == (63, 40000, 20)
    assert (made.tuning.strategy, made.tuning.settle_s, made.tuning.turn_s) == (Strategy.PRIORITY, 8, 600)
    assert (made.policy.gaps, made.policy.phases) == (Gaps.OMIT, PhaseRule.WINNER)
    assert made.policy.recurring_before_start
    assert made.policy.touching_overlaps
    assert not made.policy.zero_duration_ends
    assert not made.policy.station_total
    assert made.refuse_fewer_phases
    assert (made.derating.full_c, made.derating.least_c) == (60, 75)
    assert made.zone is not None
    assert made.zone.offset_s(1_719_792_000) == 7200
    assert made.priority == {2: 7}
    assert setup.variables == {"OCPP16LegacyCtrlr.ConnectorPhaseRotation": "2.STR"}


@pytest.mark.parametrize(
    ("charging", "field"),
    [
        ({"timezone": "Mars/Olympus"}, "charging.timezone"),
        ({"full_current_up_to_c": 80, "least_current_at_c": 70}, "charging.least_current_at_c"),
        ({"share": "loudest"}, "charging.share"),
        ({"station_max_a": -1}, "charging.station_max_a"),
        ({"station_max_amps": 5}, "charging.station_max_amps"),
    ],
)
def test_what_cannot_be_names_its_field(charging: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=field.replace(".", r"\.")):
        parse(file(charging=charging))


def test_a_fuse_below_the_least_current_is_warned_about() -> None:
    found = parse(file(charging={"station_max_a": 4, "imbalance_max_a": 3, "station_max_w": 7000}))
    assert len(found.warnings) == 2
    assert all("nobody can charge" in warning for warning in found.warnings)
