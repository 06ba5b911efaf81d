"""OCTT cases of block B for a 2.0.1 station: boot, offline, variables, reports, reset."""

from __future__ import annotations

import pytest

from tests.conformance.stage201 import CARD, OTHER, Payload, Stage201, octt, token, trigger_pairs

THRESHOLD = "OCPPCommCtrlr.OfflineThreshold"
REMOTE = "AuthCtrlr.AuthorizeRemoteStart"


# --- boot -----------------------------------------------------------------------------------------------------------


@octt(ready=False)
async def test_tc_b_01_cold_boot_accepted(stage: Stage201) -> None:
    """Nothing is sent before BootNotification is accepted; then the state of every connector, and heartbeats."""
    boot = await stage.told("BootNotification")
    assert boot["reason"] == "PowerUp"
    await stage.status("Available", 1)
    await stage.status("Available", 2)
    assert stage.frames()[0].action == "BootNotification"
    assert {event["type"] for event in stage.seen.security_events} >= {"StartupOfTheDevice"}  # A04
    await stage.told("Heartbeat", within=400.0)
    beats = stage.frames("Heartbeat")
    assert beats[0].mono - stage.frames()[-2].mono == pytest.approx(300.0, abs=1.0)  # B01.FR.04


@octt(ready=False, boot=["Pending", "Accepted"])
async def test_tc_b_02_cold_boot_pending(stage: Stage201) -> None:
    """While pending the station serves the CSMS, starts nothing, and says nothing of its own accord."""
    await stage.told("BootNotification")
    await stage.rest(1.0)
    await stage.set(THRESHOLD, "300")
    assert await stage.value(THRESHOLD) == "300"
    await stage.ask("Accepted", "GetBaseReport", {"requestId": 7, "reportBase": "FullInventory"})
    report = await stage.told("NotifyReport")
    assert report["requestId"] == 7
    await stage.remote_start(status="Rejected")  # B02.FR.05
    await stage.ask("Rejected", "RequestStopTransaction", {"transactionId": "nothing"})
    assert {frame.action for frame in stage.frames()} == {"BootNotification", "NotifyReport"}  # B02.FR.02
    await stage.trigger("BootNotification")  # F06.FR.17
    await stage.until(lambda: len(stage.seen.boots) == 2, "the second BootNotification", within=10.0)
    assert stage.seen.boots[1]["reason"] == "Triggered"
    await stage.status("Available", 2)


@octt(ready=False, boot=["Rejected", "Accepted"])
async def test_tc_b_03_cold_boot_rejected(stage: Stage201) -> None:
    """Rejected, it waits for the interval in silence and asks again."""
    await stage.until(lambda: len(stage.seen.boots) == 2, "the second BootNotification")
    first, second = stage.frames("BootNotification")[:2]
    assert second.mono - first.mono >= 30.0  # B03.FR.04
    between = [frame for frame in stage.frames() if first.number < frame.number < second.number]
    assert between == []  # B03.FR.02
    await stage.status("Available", 1)


@octt(ready=False, boot=["Rejected", "Pending", "Accepted"])
async def test_tc_b_30_pending_rejected_security_error(stage: Stage201) -> None:
    """Rejected, it answers every CALL with SecurityError (B03.FR.08); pending, it serves."""
    await stage.told("BootNotification")
    await stage.rest(1.0)
    refusal = await stage.refused("GetVariables", {"getVariableData": [_item(THRESHOLD)]})
    assert refusal.code == "SecurityError"
    refusal = await stage.refused("TriggerMessage", {"requestedMessage": "Heartbeat"})
    assert refusal.code == "SecurityError"
    await stage.until(lambda: len(stage.seen.boots) == 2, "the second BootNotification")
    assert await stage.value(THRESHOLD) == "600"
    await stage.status("Available", 2)


# --- offline --------------------------------------------------------------------------------------------------------


@octt({THRESHOLD: "60"})
async def test_tc_b_51_offline_longer_than_threshold(stage: Stage201) -> None:
    """Every connector is told, changed or not (B04.FR.01)."""
    await stage.offline()
    stage.plug(1)
    await stage.rest(90.0)
    stage.from_now()
    await stage.online()
    await stage.status("Occupied", 1)
    await stage.status("Available", 2)


@octt({THRESHOLD: "600", "TxCtrlr.TxStartPoint": "PowerPathClosed"})
async def test_tc_b_52_offline_shorter_than_threshold(stage: Stage201) -> None:
    """Only what has changed is told (B04.FR.02)."""
    await stage.offline()
    stage.plug(1)
    await stage.rest(30.0)
    stage.from_now()
    await stage.online()
    await stage.status("Occupied", 1)
    await stage.rest(5.0)
    assert [one["evseId"] for one in stage.calls("StatusNotification")] == [1]


# --- variables ------------------------------------------------------------------------------------------------------


def _item(row: str, **more: object) -> Payload:
    component, _, name = row.partition(".")
    return {"component": {"name": component}, "variable": {"name": name}, **more}


@octt()
async def test_tc_b_06_get_variables_single_value(stage: Stage201) -> None:
    """One value, with the component, variable and attribute type that were asked for."""
    (result,) = await stage.get(THRESHOLD, attributeType="Actual")
    assert result == _item(THRESHOLD, attributeType="Actual", attributeStatus="Accepted", attributeValue="600")
    (result,) = await stage.get(THRESHOLD)
    assert result["attributeType"] == "Actual"  # B06.FR.11


@octt()
async def test_tc_b_07_get_variables_multiple_values(stage: Stage201) -> None:
    """One result per item, in the order asked (B06.FR.01-04)."""
    results = await stage.get(THRESHOLD, REMOTE)
    assert [result["variable"]["name"] for result in results] == ["OfflineThreshold", "AuthorizeRemoteStart"]
    assert [result["attributeValue"] for result in results] == ["600", "true"]


@octt()
async def test_tc_b_32_get_variables_unknown_component(stage: Stage201) -> None:
    """B06.FR.06."""
    (result,) = await stage.get("UnknownComponent.OfflineThreshold")
    assert result["attributeStatus"] == "UnknownComponent"
    assert "attributeValue" not in result


@octt()
async def test_tc_b_33_get_variables_unknown_variable(stage: Stage201) -> None:
    """B06.FR.07."""
    (result,) = await stage.get("OCPPCommCtrlr.UnknownVariable")
    assert result["attributeStatus"] == "UnknownVariable"
    assert "attributeValue" not in result


@octt()
async def test_tc_b_34_get_variables_not_supported_attribute_type(stage: Stage201) -> None:
    """B06.FR.08: a threshold has no target."""
    (result,) = await stage.get(THRESHOLD, attributeType="Target")
    assert result["attributeStatus"] == "NotSupportedAttributeType"
    assert result["attributeType"] == "Target"
    assert "attributeValue" not in result


@octt()
async def test_tc_b_09_set_variables_single_value(stage: Stage201) -> None:
    """It takes effect, and the result names what was set (B05.FR.01-03, FR.10, FR.12)."""
    result = await stage.set(THRESHOLD, "123")
    assert result == _item(THRESHOLD, attributeType="Actual", attributeStatus="Accepted")
    assert await stage.value(THRESHOLD) == "123"


@octt()
async def test_tc_b_10_set_variables_multiple_values(stage: Stage201) -> None:
    """One result per item, in order."""
    results = await stage.set_many({THRESHOLD: "123", REMOTE: "false"}, ["Accepted", "Accepted"])
    assert [result["variable"]["name"] for result in results] == ["OfflineThreshold", "AuthorizeRemoteStart"]
    assert [await stage.value(THRESHOLD), await stage.value(REMOTE)] == ["123", "false"]


@octt()
async def test_tc_b_35_set_variables_unknown_component(stage: Stage201) -> None:
    """B05.FR.04."""
    await stage.set("UnknownComponent.OfflineThreshold", "1", "UnknownComponent")


@octt()
async def test_tc_b_36_set_variables_unknown_variable(stage: Stage201) -> None:
    """B05.FR.05."""
    await stage.set("OCPPCommCtrlr.UnknownVariable", "1", "UnknownVariable")


@octt()
async def test_tc_b_37_set_variables_not_supported_attribute_type(stage: Stage201) -> None:
    """B05.FR.06."""
    data = [_item(THRESHOLD, attributeValue="1", attributeType="Target")]
    (result,) = (await stage.call("SetVariables", {"setVariableData": data}))["setVariableResult"]
    assert result == _item(THRESHOLD, attributeType="Target", attributeStatus="NotSupportedAttributeType") | {
        key: value for key, value in result.items() if key == "attributeStatusInfo"
    }
    assert await stage.value(THRESHOLD) == "600"


@octt()
async def test_tc_b_11_set_variables_invalidly_formatted_values(stage: Stage201) -> None:
    """B05.FR.07: not of the type, or out of range."""
    for value in ("-1", "many", "1.5", ""):
        await stage.set(THRESHOLD, value, "Rejected")
    await stage.set(REMOTE, "perhaps", "Rejected")
    await stage.set("TxCtrlr.TxStartPoint", "Nonsense", "Rejected")
    assert [await stage.value(THRESHOLD), await stage.value(REMOTE)] == ["600", "true"]


@octt()
async def test_tc_b_39_set_variables_read_only(stage: Stage201) -> None:
    """B05.FR.09."""
    before = await stage.value("OCPPCommCtrlr.MessageTimeout[Default]")
    await stage.set("OCPPCommCtrlr.MessageTimeout[Default]", "5", "Rejected")
    await stage.set("OCPPCommCtrlr.FileTransferProtocols", "FTP", "Rejected")
    assert await stage.value("OCPPCommCtrlr.MessageTimeout[Default]") == before


# --- reports --------------------------------------------------------------------------------------------------------


async def _report(stage: Stage201, base: str) -> list[Payload]:
    """All parts of a base report, checked as a series; returns its variables."""
    stage.from_now()
    await stage.ask("Accepted", "GetBaseReport", {"requestId": 4242, "reportBase": base})
    await stage.until(
        lambda: any(not part.get("tbc", False) for part in stage.calls("NotifyReport")), "the last part of the report"
    )
    await stage.rest(1.0)  # nothing comes after it
    parts = stage.calls("NotifyReport")
    assert [part["requestId"] for part in parts] == [4242] * len(parts)  # B07.FR.04
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))  # B07.FR.10
    assert [part.get("tbc", False) for part in parts] == [True] * (len(parts) - 1) + [False]
    return [entry for part in parts for entry in part["reportData"]]


def _names(report: list[Payload]) -> set[tuple[str, str]]:
    return {(entry["component"]["name"], entry["variable"]["name"]) for entry in report}


def _mutable(entry: Payload) -> bool:
    return any(attribute.get("mutability", "ReadWrite") != "ReadOnly" for attribute in entry["variableAttribute"])


@octt()
async def test_tc_b_12_configuration_inventory(stage: Stage201) -> None:
    """Everything that an operator can set, and nothing else (B07.FR.07)."""
    report = await _report(stage, "ConfigurationInventory")
    assert all(_mutable(entry) for entry in report)
    assert {("OCPPCommCtrlr", "OfflineThreshold"), ("TxCtrlr", "TxStartPoint")} <= _names(report)
    assert ("ChargingStation", "Model") not in _names(report)


@octt()
async def test_tc_b_13_full_inventory(stage: Stage201) -> None:
    """Everything there is (B07.FR.08), a password without its value."""
    report = await _report(stage, "FullInventory")
    names = _names(report)
    assert {("ChargingStation", "Model"), ("OCPPCommCtrlr", "OfflineThreshold")} <= names
    assert {entry["component"]["evse"]["id"] for entry in report if entry["component"]["name"] == "EVSE"} == {1, 2}
    secret = next(entry for entry in report if entry["variable"]["name"] == "BasicAuthPassword")
    assert all("value" not in attribute for attribute in secret["variableAttribute"])


@octt()
async def test_tc_b_14_summary_inventory(stage: Stage201) -> None:
    """The availability of station, EVSEs and connectors, and whatever is out of order (B07.FR.09)."""
    report = await _report(stage, "SummaryInventory")
    told = {entry["component"]["name"] for entry in report if entry["variable"]["name"] == "AvailabilityState"}
    assert told == {"ChargingStation", "EVSE", "Connector"}
    stage.plug(2)
    await stage.status("Occupied", 2)
    report = await _report(stage, "SummaryInventory")
    (state,) = [
        entry["variableAttribute"][0]["value"]
        for entry in report
        if entry["component"]["name"] == "Connector" and entry["component"]["evse"]["id"] == 2
    ]
    assert state == "Occupied"


# Referenced Components and Variables (Part 2, appendix), as far as they are required of every station.
REQUIRED = {
    "AlignedDataCtrlr": {"Interval", "Measurands", "TxEndedInterval", "TxEndedMeasurands"},
    "AuthCtrlr": {"AuthorizeRemoteStart", "LocalAuthorizeOffline", "LocalPreAuthorize"},
    "ChargingStation": {"AvailabilityState", "Model", "SupplyPhases", "VendorName", "Available"},
    "ClockCtrlr": {"DateTime", "TimeSource"},
    "Connector": {"Available", "AvailabilityState", "ConnectorType", "SupplyPhases"},
    "DeviceDataCtrlr": {"BytesPerMessage", "ItemsPerMessage"},
    "EVSE": {"Available", "AvailabilityState", "Power", "SupplyPhases"},
    "OCPPCommCtrlr": {
        "FileTransferProtocols",
        "MessageAttemptInterval",
        "MessageAttempts",
        "MessageTimeout",
        "NetworkConfigurationPriority",
        "NetworkProfileConnectionAttempts",
        "OfflineThreshold",
        "ResetRetries",
        "RetryBackOffRandomRange",
        "RetryBackOffRepeatTimes",
        "RetryBackOffWaitMinimum",
        "UnlockOnEVSideDisconnect",
    },
    "SampledDataCtrlr": {
        "TxEndedInterval",
        "TxEndedMeasurands",
        "TxStartedMeasurands",
        "TxUpdatedInterval",
        "TxUpdatedMeasurands",
    },
    "SecurityCtrlr": {"CertificateEntries", "OrganizationName", "SecurityProfile"},
    "TxCtrlr": {
        "EVConnectionTimeOut",
        "StopTxOnEVSideDisconnect",
        "StopTxOnInvalidId",
        "TxStartPoint",
        "TxStopPoint",
    },
}


@octt()
async def test_tc_b_53_mandatory_device_model_variables(stage: Stage201) -> None:
    """What the specification requires of every station is in the full inventory, and can be read."""
    report = await _report(stage, "FullInventory")
    missing = {(name, one) for name, variables in REQUIRED.items() for one in variables} - _names(report)
    assert missing == set()
    instances = {(e["variable"]["name"], e["variable"].get("instance")) for e in report}
    assert {("MessageAttempts", "TransactionEvent"), ("MessageTimeout", "Default")} <= instances
    assert {("ItemsPerMessage", "GetReport"), ("ItemsPerMessage", "GetVariables")} <= instances
    for entry in report:
        assert entry["variableCharacteristics"]["dataType"], entry
        item = {"component": entry["component"], "variable": entry["variable"]}
        (result,) = (await stage.call("GetVariables", {"getVariableData": [item]}))["getVariableResult"]
        write_only = entry["variableAttribute"][0].get("mutability") == "WriteOnly"
        assert result["attributeStatus"] == ("Rejected" if write_only else "Accepted"), entry


# --- reset ----------------------------------------------------------------------------------------------------------


def _end(stage: Stage201, evse: int | None = None) -> Payload:
    (end,) = [event for event in stage.events(evse) if event["eventType"] == "Ended"]
    return end


@octt()
async def test_tc_b_20_reset_on_idle_without_transaction(stage: Stage201) -> None:
    """Accepted, and the station boots with the reason of the reset (B11.FR.01, B01.FR.03)."""
    await stage.ask("Accepted", "Reset", {"type": "OnIdle"})
    boot = await stage.told("BootNotification")
    assert boot["reason"] in {"RemoteReset", "ScheduledReset"}
    await stage.status("Available", 1)
    await stage.status("Available", 2)


@octt()
async def test_tc_b_21_reset_on_idle_with_transaction(stage: Stage201) -> None:
    """Scheduled: it waits until the transaction has ended (B12.FR.01, FR.03)."""
    await stage.charging()
    await stage.ask("Scheduled", "Reset", {"type": "OnIdle"})
    await stage.quiet("BootNotification", 30.0)
    stage.swipe()
    await stage.event("StopAuthorized", kind="Ended")
    boot = await stage.told("BootNotification")
    assert boot["reason"] in {"RemoteReset", "ScheduledReset"}
    end = _end(stage)
    assert end["transactionInfo"].get("stoppedReason", "Local") == "Local"


@octt()
async def test_tc_b_22_reset_immediate_with_transaction(stage: Stage201) -> None:
    """Accepted: the transaction ends with ImmediateReset (B12.FR.02, FR.04, E07.FR.03), then the station boots."""
    await stage.charging()
    await stage.ask("Accepted", "Reset", {"type": "Immediate"})
    boot = await stage.told("BootNotification")
    assert boot["reason"] == "RemoteReset"
    end = await stage.event("ResetCommand", kind="Ended")
    assert end["transactionInfo"]["stoppedReason"] == "ImmediateReset"
    await stage.status("Occupied", 1)


@octt()
async def test_tc_b_23_unavailable_persists_reset(stage: Stage201) -> None:
    """B11.FR.02: an EVSE that was out of service is so after the reset."""
    await stage.availability(False, 1)
    await stage.status("Unavailable", 1)
    stage.from_now()
    await stage.ask("Accepted", "Reset", {"type": "OnIdle"})
    await stage.told("BootNotification")
    await stage.status("Unavailable", 1)
    await stage.status("Available", 2)


@octt()
async def test_tc_b_41_reset_on_idle_with_multiple_transactions(stage: Stage201) -> None:
    """It waits for the last of them; what is free meanwhile takes nobody new."""
    await stage.charging(1)
    await stage.charging(2, OTHER)
    await stage.ask("Scheduled", "Reset", {"type": "OnIdle"})
    stage.swipe(CARD, 1)
    await stage.event("StopAuthorized", kind="Ended", evse=1)
    await stage.leave(1)
    await stage.status("Unavailable", 1)  # B12, step 3a
    await stage.quiet("BootNotification", 20.0)
    stage.swipe(OTHER, 2)
    await stage.event("StopAuthorized", kind="Ended", evse=2)
    await stage.told("BootNotification")
    await stage.status("Available", 1)


@octt()
async def test_tc_b_25_reset_evse_without_transaction(stage: Stage201) -> None:
    """B11.FR.08: only the EVSE is reset; the station does not boot."""
    await stage.ask("Accepted", "Reset", {"type": "OnIdle", "evseId": 1})
    await stage.quiet("BootNotification", 30.0)
    await stage.charging(1)


@octt()
async def test_tc_b_26_reset_evse_on_idle_with_transaction(stage: Stage201) -> None:
    """B12.FR.07: scheduled until its transaction has ended."""
    await stage.charging(1)
    await stage.ask("Scheduled", "Reset", {"type": "OnIdle", "evseId": 1})
    await stage.rest(20.0)
    assert trigger_pairs(stage.events())[-1] == ("Updated", "ChargingStateChanged")
    stage.swipe()
    await stage.event("StopAuthorized", kind="Ended")
    await stage.leave()
    await stage.rest(10.0)
    stage.from_now()
    await stage.charging(1)
    assert stage.calls("BootNotification") == []


@octt()
async def test_tc_b_27_reset_evse_immediate_with_transaction(stage: Stage201) -> None:
    """B12.FR.08: its transaction ends with ImmediateReset; the other EVSE goes on."""
    await stage.charging(1)
    await stage.charging(2, OTHER)
    await stage.ask("Accepted", "Reset", {"type": "Immediate", "evseId": 1})
    end = await stage.event("ResetCommand", kind="Ended", evse=1)
    assert end["transactionInfo"]["stoppedReason"] == "ImmediateReset"
    await stage.quiet("BootNotification", 30.0)
    assert stage.view(2).relay_closed
    assert not stage.view(1).relay_closed


@octt()
async def test_tc_b_57_network_reconnection(stage: Stage201) -> None:
    """Part 4, 5.3: a lost link comes back after the back-off, without a new BootNotification."""
    stage.lab.network.cut()
    await stage.rest(10.0)
    stage.lab.network.restore()
    await stage.until(lambda: stage.lab.view().online, "the link", within=10.0)
    assert stage.seen.connections == 2
    assert len(stage.seen.boots) == 1
    await stage.ask("Rejected", "TriggerMessage", {"requestedMessage": "BootNotification"})
    await stage.remote_start()
    assert (await stage.told("Authorize"))["idToken"] == token()
