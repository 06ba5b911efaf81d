"""Block F. TC_F_01 to TC_F_14, TC_F_20, TC_F_23, TC_F_24, TC_F_26, TC_F_27, TC_B_02, TC_K_37 (purpose)."""

import pytest

from station.core import events
from station.core.charging.policy import RULES_201
from station.core.device_model import VariableKey
from station.core.types import IdToken, TokenKind, Verdict
from station.ocpp.v201 import remote
from station.ocpp.v201.charging_profiles import read_profile

START = {"remoteStartId": 11, "idToken": {"idToken": "04A1B2C3", "type": "ISO14443"}}
PROFILE = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": [
        {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}]}
    ],
}


def rejected(reason):
    return {"status": "Rejected", "statusInfo": {"reasonCode": reason}}


def test_every_action_has_its_handler():
    assert set(remote.HANDLERS) == {
        "RequestStartTransaction",
        "RequestStopTransaction",
        "UnlockConnector",
        "TriggerMessage",
    }


def test_remote_start(station):  # TC_F_02, TC_F_03
    payload = {**START, "evseId": 2, "groupIdToken": {"idToken": "G", "type": "Central"}}
    assert station.ask("RequestStartTransaction", payload) == {"status": "Accepted"}
    assert station.commands() == [
        events.RemoteStart(7, IdToken("04A1B2C3"), 11, evse=2, group=IdToken("G", TokenKind.CENTRAL))
    ]


def test_remote_start_joins_a_running_transaction(station):  # TC_F_01, F01: cable first
    station.verdict = Verdict("Accepted", "TxStarted", data={"transactionId": "tx-1"})
    assert station.ask("RequestStartTransaction", START) == {
        "status": "Accepted",
        "statusInfo": {"reasonCode": "TxStarted"},
        "transactionId": "tx-1",
    }
    assert station.commands()[0].evse is None


def test_remote_start_refused(station):  # F02.FR.25, FR.26
    station.verdict = Verdict("Rejected", "TxInProgress", data={"transactionId": "tx-1"})
    assert station.ask("RequestStartTransaction", START) == rejected("TxInProgress")


def test_remote_start_on_evse_0(station):
    assert station.ask("RequestStartTransaction", {**START, "evseId": 0}) == rejected("UnknownEvse")
    assert station.commands() == []


def test_a_profile_is_passed_on(station):  # K05, F02.FR.16
    assert station.ask("RequestStartTransaction", {**START, "chargingProfile": PROFILE})["status"] == "Accepted"
    (command,) = station.commands()
    assert command.profile == read_profile(PROFILE)
    assert command.rules is RULES_201


@pytest.mark.parametrize("variable", ["Available", "Enabled"])
def test_without_smart_charging_a_profile_is_ignored(station, variable):  # TC_K_38, F01.FR.12, K05.FR.04
    station.model.put(VariableKey("SmartChargingCtrlr", variable), "false")
    payload = {**START, "chargingProfile": {**PROFILE, "chargingProfilePurpose": "TxDefaultProfile"}}
    assert station.ask("RequestStartTransaction", payload) == {"status": "Accepted"}
    assert station.commands()[0].profile is None


@pytest.mark.parametrize("more", [{"chargingProfilePurpose": "TxDefaultProfile"}, {"transactionId": "tx-1"}])
def test_a_profile_that_cannot_be_for_this_transaction(station, more):  # TC_K_37, F02.FR.17, FR.19
    answer = station.ask("RequestStartTransaction", {**START, "chargingProfile": {**PROFILE, **more}})
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "InvalidProfile"
    assert answer["statusInfo"]["additionalInfo"].startswith(f"{next(iter(more))}: ")
    assert station.commands() == []


def test_a_profile_that_cannot_be_read(station):  # K05.FR.05
    schedule = {**PROFILE["chargingSchedule"][0], "startSchedule": "soon"}
    answer = station.ask(
        "RequestStartTransaction", {**START, "chargingProfile": {**PROFILE, "chargingSchedule": [schedule]}}
    )
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "InvalidSchedule"
    assert station.commands() == []


@pytest.mark.parametrize("status", ["Pending", "Unregistered"])
def test_not_before_we_are_accepted(station, status):  # TC_B_02, B02.FR.05
    station.status = status
    assert station.ask("RequestStartTransaction", START) == rejected("CSNotAccepted")
    assert station.ask("RequestStopTransaction", {"transactionId": "tx-1"}) == rejected("CSNotAccepted")
    assert station.commands() == []


def test_remote_stop(station):  # TC_E_21, TC_F_08, TC_F_09
    assert station.ask("RequestStopTransaction", {"transactionId": "tx-1"}) == {"status": "Accepted"}
    assert station.commands() == [events.RemoteStop(7, "tx-1")]
    station.verdict = Verdict("Rejected", "UnknownTxId")
    assert station.ask("RequestStopTransaction", {"transactionId": "tx-9"}) == rejected("UnknownTxId")


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("Unlocked", "Unlocked"),  # TC_F_06, TC_F_07
        ("UnlockFailed", "UnlockFailed"),
        ("OngoingAuthorizedTransaction", "OngoingAuthorizedTransaction"),  # TC_F_05
        ("UnknownConnector", "UnknownConnector"),  # TC_F_10
        ("Rejected", "UnlockFailed"),
    ],
)
def test_unlock(station, word, answer):
    station.verdict = Verdict(word)
    assert station.ask("UnlockConnector", {"evseId": 2, "connectorId": 1}) == {"status": answer}
    assert station.commands() == [events.Unlock(7, 2, 1, stops_transaction=False)]


def trigger(station, message, **evse):
    payload = {"requestedMessage": message}
    return station.ask("TriggerMessage", {**payload, "evse": evse} if evse else payload)


def test_trigger_boot(station):  # TC_F_26, F06.FR.17, TC_B_02
    assert trigger(station, "BootNotification") == {"status": "Rejected"}
    assert station.order() == ["answer"]
    station.log.clear()
    station.status = "Pending"
    assert trigger(station, "BootNotification", id=9) == {"status": "Accepted"}  # F06.FR.03: EVSE not relevant
    assert station.order() == ["answer", "boot"]  # F06.FR.04


def test_trigger_heartbeat(station):  # TC_F_20
    assert trigger(station, "Heartbeat") == {"status": "Accepted"}
    assert station.order() == ["answer", "heartbeat"]


@pytest.mark.parametrize(
    ("message", "evse", "event"),
    [
        ("StatusNotification", {"id": 2, "connectorId": 1}, events.TriggerStatus(7, 2)),  # TC_F_23, TC_F_24
        ("StatusNotification", {}, events.TriggerStatus(7)),  # F06.FR.11
        ("MeterValues", {"id": 1}, events.TriggerMeterValues(7, 1)),  # TC_F_11
        ("MeterValues", {"id": 0}, events.TriggerMeterValues(7, 0)),
        ("MeterValues", {}, events.TriggerMeterValues(7)),  # TC_F_12
        ("TransactionEvent", {"id": 2}, events.TriggerTransaction(7, 2)),  # TC_F_13
        ("TransactionEvent", {}, events.TriggerTransaction(7)),  # TC_F_14
    ],
)
def test_triggers_of_the_core(station, message, evse, event):
    station.start(2, "tx-1")
    assert trigger(station, message, **evse) == {"status": "Accepted"}
    assert station.commands() == [event]


@pytest.mark.parametrize(
    ("message", "evse", "reason"),
    [
        ("StatusNotification", {"id": 9, "connectorId": 1}, "UnknownEvse"),
        ("StatusNotification", {"id": 1, "connectorId": 5}, "UnknownConnectorId"),
        ("MeterValues", {"id": 9}, "UnknownEvse"),
        ("TransactionEvent", {"id": 9}, "UnknownEvse"),
        ("TransactionEvent", {"id": 1}, "TxNotFound"),
        ("TransactionEvent", {}, "TxNotFound"),
    ],
)
def test_triggers_that_nothing_could_follow(station, message, evse, reason):  # F06.FR.10
    assert trigger(station, message, **evse) == rejected(reason)
    assert station.commands() == []


@pytest.mark.parametrize(
    "message",
    [
        "SignCombinedCertificate",
        "PublishFirmwareStatusNotification",
    ],
)
def test_what_we_do_not_have(station, message):  # TC_F_27, F06.FR.08
    assert trigger(station, message) == {"status": "NotImplemented"}
    assert station.order() == ["answer"]
