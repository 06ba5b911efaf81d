"""Remote start and stop, unlock, availability, cache."""

from __future__ import annotations

from typing import Any

import pytest

from hal.api import TokenKind
from station.core.charging.policy import RULES_16
from station.core.charging.profiles import Period, Purpose, Rates
from station.core.events import ChangeAvailability, ClearCache, RemoteStart, RemoteStop, Unlock, VariableWrite
from station.core.types import IdToken, Verdict
from station.ocpp.v16 import remote


def profile(purpose: str) -> dict[str, Any]:
    return {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1}],
        },
    }


def test_every_remote_action_has_a_handler(rig):
    assert all(rig.dialect.supports(action) for action in remote.HANDLERS)


@pytest.mark.parametrize("connector", [1, 2])
def test_tc_010_remote_start_on_a_connector_carries_the_tag_as_a_card(rig, connector):
    assert rig.status("RemoteStartTransaction", idTag="ABC", connectorId=connector) == "Accepted"
    [command] = rig.services.commands
    assert command == RemoteStart(1, IdToken("ABC", TokenKind.ISO14443), evse=connector, rules=RULES_16)
    assert command.token == IdToken("abc", TokenKind.ISO14443)  # the card itself stops what the app started


def test_remote_start_without_connector_lets_the_station_choose(rig):
    assert rig.status("RemoteStartTransaction", idTag="ABC") == "Accepted"
    assert rig.services.commands[0].evse is None


@pytest.mark.parametrize("connector", [0, 3, -1])
def test_tc_027_remote_start_on_connector_0_or_an_unknown_one_is_rejected(rig, connector):
    assert rig.status("RemoteStartTransaction", idTag="ABC", connectorId=connector) == "Rejected"
    assert rig.services.commands == []


def test_tc_026_the_core_refuses_a_remote_start(rig):
    rig.verdict(RemoteStart, "Rejected")
    assert rig.status("RemoteStartTransaction", idTag="ABC", connectorId=1) == "Rejected"


@pytest.mark.parametrize("extra", [{}, {"transactionId": 0}, {"transactionId": -1}])
def test_tc_059_remote_start_hands_its_tx_profile_on(rig, extra):
    """A transactionId cannot be meant: there is no transaction yet."""
    wanted = profile("TxProfile") | extra
    assert rig.status("RemoteStartTransaction", idTag="ABC", connectorId=1, chargingProfile=wanted) == "Accepted"
    [command] = rig.services.commands
    assert (command.profile.id, command.profile.purpose, command.rules) == (1, Purpose.TX, RULES_16)
    assert command.profile.tx_id is None
    assert command.profile.schedules[0].periods == (Period(0, Rates(16_100)),)


def test_a_remote_start_with_a_profile_that_cannot_be_read_is_rejected(rig):
    wanted = profile("TxProfile") | {"chargingProfileKind": "Recurring"}  # daily or weekly?
    assert rig.status("RemoteStartTransaction", idTag="ABC", connectorId=1, chargingProfile=wanted) == "Rejected"
    assert rig.services.commands == []


def test_without_smart_charging_the_profile_of_a_remote_start_is_ignored(rig):
    """5.11."""
    rig.services.model.write(VariableWrite("SmartChargingCtrlr", "Enabled", "false"))
    wanted = profile("TxDefaultProfile")
    assert rig.status("RemoteStartTransaction", idTag="ABC", connectorId=1, chargingProfile=wanted) == "Accepted"
    assert rig.services.commands[0].profile is None


@pytest.mark.parametrize("purpose", ["TxDefaultProfile", "ChargePointMaxProfile"])
def test_tc_060_remote_start_with_another_purpose_is_rejected(rig, purpose):
    answer = rig.status("RemoteStartTransaction", idTag="ABC", connectorId=1, chargingProfile=profile(purpose))
    assert answer == "Rejected"
    assert rig.services.commands == []


@pytest.mark.parametrize("state", ["Pending", "Rejected", "Unregistered"])
def test_tc_002_no_remote_start_or_stop_before_acceptance(rig, state):
    rig.services.state = state
    rig.services.csms_ids[7] = "tx"
    assert rig.status("RemoteStartTransaction", idTag="ABC", connectorId=1) == "Rejected"
    assert rig.status("RemoteStopTransaction", transactionId=7) == "Rejected"
    assert rig.services.commands == []


@pytest.mark.parametrize("number", [0, 7])
def test_tc_012_remote_stop_finds_the_transaction_by_its_id_even_0(rig, number):
    rig.services.csms_ids[number] = "tx-a"
    assert rig.status("RemoteStopTransaction", transactionId=number) == "Accepted"
    assert rig.services.commands == [RemoteStop(1, "tx-a")]


def test_tc_028_remote_stop_of_an_unknown_transaction_is_rejected(rig):
    assert rig.status("RemoteStopTransaction", transactionId=99) == "Rejected"
    assert rig.services.commands == []


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        (Verdict("Unlocked"), "Unlocked"),  # TC_017_1, TC_018_1
        (Verdict("UnlockFailed"), "UnlockFailed"),  # TC_030
        (Verdict("UnlockFailed", "NotEnabled"), "NotSupported"),  # TC_017_2, TC_018_2: fixed cable, no lock
        (Verdict("UnknownConnector", "UnknownConnectorId"), "NotSupported"),
        (Verdict("Rejected"), "UnlockFailed"),
    ],
)
def test_tc_017_018_030_unlock_words(rig, verdict, word):
    rig.services.verdicts[Unlock] = verdict
    assert rig.status("UnlockConnector", connectorId=2) == word
    assert rig.services.commands == [Unlock(1, 2, stops_transaction=True)]


@pytest.mark.parametrize("connector", [0, 3])
def test_tc_031_unlock_of_an_unknown_connector_is_not_supported(rig, connector):
    assert rig.status("UnlockConnector", connectorId=connector) == "NotSupported"
    assert rig.services.commands == []


@pytest.mark.parametrize("verdict", ["Accepted", "Scheduled", "Rejected"])
@pytest.mark.parametrize(("kind", "operative"), [("Operative", True), ("Inoperative", False)])
@pytest.mark.parametrize("connector", [0, 2])
def test_change_availability_of_station_and_connector(rig, verdict, kind, operative, connector):
    rig.verdict(ChangeAvailability, verdict)
    assert rig.status("ChangeAvailability", connectorId=connector, type=kind) == verdict
    assert rig.services.commands == [ChangeAvailability(1, operative, evse=connector)]


@pytest.mark.parametrize("connector", [-1, 3])
def test_change_availability_of_an_unknown_connector_is_rejected(rig, connector):
    assert rig.status("ChangeAvailability", connectorId=connector, type="Operative") == "Rejected"
    assert rig.services.commands == []


@pytest.mark.parametrize("verdict", ["Accepted", "Rejected"])
def test_tc_061_clear_cache(rig, verdict):
    rig.verdict(ClearCache, verdict)
    assert rig.status("ClearCache") == verdict
    assert rig.services.commands == [ClearCache(1)]
