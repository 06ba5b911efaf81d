"""SetChargingProfile, ClearChargingProfile and GetCompositeSchedule as commands."""

from __future__ import annotations

from fractions import Fraction

import pytest

from station.core.charging.composite import Composite, CompositePeriod, PhaseLimits
from station.core.charging.policy import RULES_16
from station.core.charging.profiles import Purpose, RateUnit
from station.core.events import ClearProfiles, GetComposite, InstallProfile, VariableWrite
from station.core.types import Verdict
from station.ocpp.v16 import charging
from tests.ocpp.v16.test_charging_profiles import wire


@pytest.fixture
def switched_off(rig):
    rig.services.model.write(VariableWrite("SmartChargingCtrlr", "Enabled", "false"))
    return rig


def test_every_action_of_the_profile_has_a_handler(rig):
    assert set(charging.HANDLERS) == {"SetChargingProfile", "ClearChargingProfile", "GetCompositeSchedule"}
    assert all(rig.dialect.supports(action) for action in charging.HANDLERS)


# --- set --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connector", [0, 1, 2])
def test_tc_056_a_profile_is_installed_by_the_rules_of_1_6(rig, connector):
    assert rig.status("SetChargingProfile", connectorId=connector, csChargingProfiles=wire()) == "Accepted"
    [command] = rig.services.commands
    assert isinstance(command, InstallProfile)
    assert (command.profile.id, command.evse, command.rules) == (7, connector, RULES_16)


def test_tc_057_a_tx_profile_names_the_cores_transaction(rig):
    rig.services.csms_ids[33] = "tx-a"
    profile = wire(chargingProfilePurpose="TxProfile", transactionId=33)
    assert rig.status("SetChargingProfile", connectorId=1, csChargingProfiles=profile) == "Accepted"
    assert rig.services.commands[0].profile.tx_id == "tx-a"


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict("Rejected", "TxNotFound", "no transaction"), "Rejected"),
        (Verdict("NotSupported"), "NotSupported"),
        (Verdict("Odd"), "Rejected"),
    ],
)
def test_the_core_decides(rig, verdict, status):
    rig.services.verdicts[InstallProfile] = verdict
    assert rig.status("SetChargingProfile", connectorId=1, csChargingProfiles=wire()) == status


@pytest.mark.parametrize(
    ("connector", "changes", "why"),
    [
        (3, {}, None),
        (-1, {}, None),
        (1, {"chargingProfilePurpose": "TxProfile", "transactionId": 5}, "transactionId"),
        (1, {"chargingProfileKind": "Recurring"}, "recurrencyKind"),
        (1, {"chargingSchedulePeriod": [{"startPeriod": n, "limit": 6} for n in range(1025)]}, "at most 1024"),
    ],
)
def test_what_cannot_be_is_rejected_without_asking_the_core(rig, connector, changes, why, caplog):
    """TC_058_2 among them. 1.6 has no words for the reason: it is in the log."""
    profile = wire(**changes)
    assert rig.status("SetChargingProfile", connectorId=connector, csChargingProfiles=profile) == "Rejected"
    assert rig.services.commands == []
    assert why is None or why in caplog.text


def test_switched_off_it_is_not_supported(switched_off):
    assert switched_off.status("SetChargingProfile", connectorId=1, csChargingProfiles=wire()) == "NotSupported"


# --- clear ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "command"),
    [
        ({}, ClearProfiles(1)),
        ({"id": 0}, ClearProfiles(1, 0)),
        ({"id": 7, "connectorId": 2, "chargingProfilePurpose": "TxProfile", "stackLevel": 4}, ClearProfiles(1, 7)),
        ({"connectorId": 0}, ClearProfiles(1, evse=0)),
        ({"stackLevel": 0}, ClearProfiles(1, stack_level=0)),
        (
            {"connectorId": 2, "chargingProfilePurpose": "ChargePointMaxProfile", "stackLevel": 4},
            ClearProfiles(1, evse=2, purpose=Purpose.STATION_MAX, stack_level=4),
        ),
    ],
)
@pytest.mark.parametrize(("verdict", "status"), [("Accepted", "Accepted"), ("Unknown", "Unknown"), ("Odd", "Unknown")])
def test_tc_067_an_id_alone_counts_else_everything_given(rig, asked, command, verdict, status):
    """5.5; quirk 11: 0 is a stackLevel like any other."""
    rig.verdict(ClearProfiles, verdict)
    assert rig.status("ClearChargingProfile", **asked) == status
    assert rig.services.commands == [command]


# --- composite --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "unit"), [({}, None), ({"chargingRateUnit": "W"}, RateUnit.W)])
@pytest.mark.parametrize("connector", [0, 2])
def test_tc_066_a_composite_schedule(rig, connector, asked, unit):
    periods = (CompositePeriod(0, PhaseLimits(Fraction(16)), 3),)
    made = Composite(connector, 1_790_000_000, 300, RateUnit.A, periods)
    rig.services.verdicts[GetComposite] = Verdict("Accepted", data={"composite": made})
    answer = rig.call("GetCompositeSchedule", connectorId=connector, duration=300, **asked)
    assert rig.services.commands == [GetComposite(1, connector, 300, unit)]
    assert answer == {
        "status": "Accepted",
        "connectorId": connector,
        "scheduleStart": "2026-09-21T14:13:20.000Z",
        "chargingSchedule": {
            "duration": 300,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16, "numberPhases": 3}],
        },
    }


def test_an_unknown_connector_or_a_unit_that_is_not_ours_has_no_schedule(rig):
    rig.services.verdicts[GetComposite] = Verdict("Rejected", "UnsupportedRateUnit", "W")
    assert rig.call("GetCompositeSchedule", connectorId=1, duration=300, chargingRateUnit="W") == {"status": "Rejected"}
    rig.services.commands.clear()
    for asked in ({"connectorId": 3, "duration": 300}, {"connectorId": -1, "duration": 300}):
        assert rig.call("GetCompositeSchedule", **asked) == {"status": "Rejected"}
    assert rig.call("GetCompositeSchedule", connectorId=1, duration=-1) == {"status": "Rejected"}
    assert rig.services.commands == []


def test_switched_off_there_is_no_schedule(switched_off):
    assert switched_off.call("GetCompositeSchedule", connectorId=1, duration=300) == {"status": "Rejected"}
