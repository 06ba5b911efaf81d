"""SmartChargingCtrlr announces what is enforced, and what the hardware can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from station.clock import Now
from station.core import live
from station.core.charging.memory import ChargingSetup
from station.core.charging.profiles import Installed, Kind, Period, Profile, Purpose, Rates, RateUnit, Schedule
from station.core.components import standard_definitions
from station.core.components_charging import CONTROLLER, STANDARD_LIMITS, ChargingLimits
from station.core.device_model import DeviceModel
from station.core.events import VariableWrite
from station.core.types import EvseInfo
from station.core.view import StationView
from station.errors import ConfigError

EVSE = EvseInfo(1)


def model(*evses: EvseInfo, setup: ChargingSetup | None = None, **overrides: str) -> DeviceModel:
    limits = STANDARD_LIMITS if setup is None else ChargingLimits.of(setup)
    rows = {f"{CONTROLLER}.{name}": value for name, value in overrides.items()}
    return DeviceModel(standard_definitions(evses or (EVSE,), rows, limits))


def test_the_limits_are_those_of_the_setup() -> None:
    m = model(setup=ChargingSetup(max_stack_level=3, max_periods=24, max_profiles=10))
    assert m.integer(CONTROLLER, "ProfileStackLevel") == 3
    assert m.integer(CONTROLLER, "PeriodsPerSchedule") == 24
    entries = m.find(CONTROLLER, "Entries", variable_instance="ChargingProfiles")
    assert entries is not None
    assert entries.max_limit == 10
    assert model().integer(CONTROLLER, "ProfileStackLevel") == ChargingSetup().max_stack_level


def test_limits_are_not_for_anybody_to_set() -> None:
    write = VariableWrite(CONTROLLER, "ProfileStackLevel", "99")
    assert model().write(write, by_technician=True).reason == "ReadOnly"
    with pytest.raises(ConfigError, match="follows from the hardware or the program"):
        model(PeriodsPerSchedule="5")


def test_phases_are_switched_where_a_board_can() -> None:
    assert not model().boolean(CONTROLLER, "Phases3to1")
    able = replace(EVSE, evse=2, phase_switching=True)
    assert model(EVSE, able).boolean(CONTROLLER, "Phases3to1")
    assert not model(able).boolean(CONTROLLER, "ACPhaseSwitchingSupported"), "which phase is left is not ours to choose"


def test_a_station_may_be_sold_without() -> None:
    m = model(Available="false", RateUnit="A")
    assert not m.boolean(CONTROLLER, "Available")
    assert m.members(CONTROLLER, "RateUnit") == ("A",)
    for name, value in (("Available", "true"), ("RateUnit", "W")):
        assert m.write(VariableWrite(CONTROLLER, name, value)).reason == "ReadOnly"
    assert m.write(VariableWrite(CONTROLLER, "Enabled", "false")).status == "Accepted"
    with pytest.raises(ConfigError):
        model(RateUnit="")


def test_entries_are_counted_when_they_are_read() -> None:
    schedule = Schedule(RateUnit.A, (Period(0, Rates(6000)),))
    installed = Installed(Profile(1, 0, Purpose.TX_DEFAULT, Kind.RELATIVE, (schedule,)), 1)
    views = [StationView(online=True, operative=True, save_failed=False, resetting=False, evses=())]
    m = model()
    live.connect(m, lambda: views[-1], lambda: Now(0.0, 0.0))
    assert m.integer(CONTROLLER, "Entries", variable_instance="ChargingProfiles") == 0
    views.append(replace(views[0], profiles=(installed, installed)))
    assert m.integer(CONTROLLER, "Entries", variable_instance="ChargingProfiles") == 2
