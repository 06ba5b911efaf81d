"""OCTT cases of blocks F and P for a 2.0.1 station: remote start and stop, unlock, trigger, data transfer, custom data."""

from __future__ import annotations

import json

from tests.conformance.stage201 import OTHER, Payload, Stage201, octt, readings, token, trigger_pairs

REMOTE = "AuthCtrlr.AuthorizeRemoteStart"


# --- remote start ---------------------------------------------------------------------------------------------------


async def _started_remotely(stage: Stage201) -> None:
    event = await stage.event("RemoteStart")
    assert event["idToken"] == token()
    assert event["transactionInfo"]["remoteStartId"] == 4711  # F01.FR.19


@octt()
async def test_tc_f_01_cable_first(stage: Stage201) -> None:
    """The answer names the transaction that the cable has started (F01.FR.13)."""
    stage.plug()
    first = await stage.event("CablePluggedIn")
    answer = await stage.remote_start()
    assert answer["transactionId"] == first["transactionInfo"]["transactionId"]
    await _started_remotely(stage)
    await stage.flows()


@octt({REMOTE: "true"})
async def test_tc_f_02_remote_start_first_authorized(stage: Stage201) -> None:
    """The CSMS is asked about the token as if it had been presented (F01.FR.01)."""
    answer = await stage.remote_start()
    assert "transactionId" not in answer
    assert (await stage.told("Authorize"))["idToken"] == token()
    await _started_remotely(stage)
    stage.plug()
    await stage.event("CablePluggedIn")
    await stage.flows()


@octt({REMOTE: "false"})
async def test_tc_f_03_remote_start_first_not_authorized(stage: Stage201) -> None:
    """Nobody is asked (F01.FR.02)."""
    await stage.remote_start()
    await _started_remotely(stage)
    stage.plug()
    await stage.flows()
    assert stage.calls("Authorize") == []


@octt({"TxCtrlr.EVConnectionTimeOut": "20", "TxCtrlr.TxStartPoint": "Authorized"})
async def test_tc_f_04_cable_plugin_timeout(stage: Stage201) -> None:
    """Nobody plugs in: the transaction ends, and the EVSE can be started again (E03.FR.05)."""
    await stage.remote_start()
    await _started_remotely(stage)
    end = await stage.event("EVConnectTimeout")
    assert end["eventType"] == "Ended"
    assert end["transactionInfo"]["stoppedReason"] == "Timeout"
    await stage.rest(1.0)
    stage.from_now()
    await stage.remote_start()
    await _started_remotely(stage)


# --- remote stop ----------------------------------------------------------------------------------------------------


@octt()
async def test_tc_f_08_remote_stop(stage: Stage201) -> None:
    """F03.FR.02, FR.03, FR.07, FR.09."""
    tx_id = await stage.charging()
    await stage.ask("Accepted", "RequestStopTransaction", {"transactionId": tx_id})
    end = await stage.event("RemoteStop")
    assert end["eventType"] == "Ended"
    assert end["transactionInfo"]["stoppedReason"] == "Remote"
    await stage.leave()
    await stage.status("Available")


@octt()
async def test_tc_f_09_remote_stop_rejected(stage: Stage201) -> None:
    """F03.FR.08: an id that is of no running transaction."""
    await stage.charging()
    await stage.ask("Rejected", "RequestStopTransaction", {"transactionId": "another"})
    await stage.rest(5.0)
    assert stage.view().relay_closed


# --- unlock ---------------------------------------------------------------------------------------------------------


def _connector(connector: int = 1) -> Payload:
    return {"evseId": 1, "connectorId": connector}


@octt()
async def test_tc_f_05_unlock_with_ongoing_transaction(stage: Stage201) -> None:
    """F05.FR.02: refused, and nothing moves."""
    await stage.charging()
    await stage.ask("OngoingAuthorizedTransaction", "UnlockConnector", _connector())
    await stage.rest(5.0)
    assert stage.view().relay_closed
    lock = stage.lab.board.evse(1).lock
    assert lock is not None
    assert lock.bolt_in


@octt({"OCPPCommCtrlr.UnlockOnEVSideDisconnect": "false"})
async def test_tc_f_06_unlock_without_ongoing_transaction(stage: Stage201) -> None:
    """F05.FR.04: a cable that is still held is released."""
    await stage.charging()
    stage.unplug(at_car=True)
    await stage.event(kind="Ended")
    await stage.rest(5.0)
    lock = stage.lab.board.evse(1).lock
    assert lock is not None
    assert lock.bolt_in
    await stage.ask("Unlocked", "UnlockConnector", _connector())
    assert not lock.bolt_in


@octt()
async def test_tc_f_07_unlock_without_cable(stage: Stage201) -> None:
    """F05.FR.06: tried all the same."""
    await stage.ask("Unlocked", "UnlockConnector", _connector())


@octt()
async def test_tc_f_10_unlock_unknown_connector(stage: Stage201) -> None:
    """F05.FR.03."""
    await stage.ask("UnknownConnector", "UnlockConnector", _connector(999))


# --- trigger --------------------------------------------------------------------------------------------------------


def _answered_first(stage: Stage201, action: str) -> None:
    """The answer to TriggerMessage comes before what it triggers (F06.FR.04)."""
    frames = [frame for frame in stage.csms.journal.frames if frame.number >= stage.since and not frame.sent]
    order = [frame.action for frame in frames]
    assert order.index("TriggerMessage") < order.index(action)


@octt()
async def test_tc_f_11_trigger_meter_values_of_an_evse(stage: Stage201) -> None:
    """F06.FR.02, FR.06."""
    await stage.trigger("MeterValues", evse=2)
    values = await stage.told("MeterValues")
    assert values["evseId"] == 2
    assert values["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"
    await stage.rest(5.0)
    assert len(stage.calls("MeterValues")) == 1
    _answered_first(stage, "MeterValues")


@octt()
async def test_tc_f_12_trigger_meter_values_of_all(stage: Stage201) -> None:
    """F06.FR.11: without an EVSE, of every one."""
    await stage.trigger("MeterValues")
    await stage.rest(5.0)
    assert {values["evseId"] for values in stage.calls("MeterValues")} >= {1, 2}
    assert all(readings(values, "Trigger") for values in stage.calls("MeterValues"))


def _triggered(event: Payload) -> None:
    assert event["eventType"] == "Updated"
    assert event["transactionInfo"]["chargingState"] == "Charging"
    assert event["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"


@octt()
async def test_tc_f_13_trigger_transaction_event_of_an_evse(stage: Stage201) -> None:
    """F06.FR.02, FR.07."""
    await stage.charging(1)
    await stage.charging(2, OTHER)
    stage.from_now()
    await stage.trigger("TransactionEvent", evse=1)
    event = await stage.event("Trigger")
    _triggered(event)
    assert event["evse"]["id"] == 1
    await stage.rest(5.0)
    assert [one["triggerReason"] for one in stage.events()].count("Trigger") == 1
    _answered_first(stage, "TransactionEvent")


@octt()
async def test_tc_f_14_trigger_transaction_event_of_all(stage: Stage201) -> None:
    """F06.FR.11."""
    await stage.charging(1)
    await stage.charging(2, OTHER)
    stage.from_now()
    await stage.trigger("TransactionEvent")
    for evse in (1, 2):
        _triggered(await stage.event("Trigger", evse=evse))


@octt()
async def test_tc_f_20_trigger_heartbeat(stage: Stage201) -> None:
    """F06.FR.10."""
    await stage.trigger("Heartbeat")
    await stage.told("Heartbeat", within=5.0)
    _answered_first(stage, "Heartbeat")


@octt()
async def test_tc_f_23_trigger_status_available(stage: Stage201) -> None:
    """F06.FR.02: of the connector that was asked for, though nothing changed."""
    await stage.trigger("StatusNotification", evse=1)
    await stage.status("Available", 1)
    await stage.rest(2.0)
    assert [one["evseId"] for one in stage.calls("StatusNotification")] == [1]


@octt()
async def test_tc_f_24_trigger_status_occupied(stage: Stage201) -> None:
    """The same of one that is occupied."""
    stage.plug()
    await stage.status("Occupied")
    await stage.rest(2.0)
    stage.from_now()
    await stage.trigger("StatusNotification", evse=1)
    await stage.status("Occupied", 1)


@octt()
async def test_tc_f_26_trigger_boot_rejected(stage: Stage201) -> None:
    """F06.FR.17: an accepted station does not boot again."""
    await stage.trigger("BootNotification", "Rejected")
    await stage.quiet("BootNotification")


@octt()
async def test_tc_f_27_trigger_not_implemented(stage: Stage201) -> None:
    """F06.FR.08: a message that the station never sends."""
    await stage.trigger("SignCombinedCertificate", "NotImplemented")
    await stage.rest(5.0)
    assert stage.calls() == []


# --- data transfer --------------------------------------------------------------------------------------------------


@octt()
async def test_tc_p_01_data_transfer_unknown_vendor(stage: Stage201) -> None:
    """P01.FR.05, FR.06: a vendor, or a message of a vendor, that nobody here knows."""
    answer = await stage.call("DataTransfer", {"vendorId": "org.example", "messageId": "hello", "data": {"a": [1]}})
    assert answer["status"] == "UnknownVendorId"
    stage.lab.running.client.transfers.register("org.example", "other", lambda _data: ("Accepted", None))
    answer = await stage.call("DataTransfer", {"vendorId": "org.example", "messageId": "hello"})
    assert answer["status"] == "UnknownMessageId"


@octt()
async def test_tc_p_03_receive_custom_data(stage: Stage201) -> None:
    """customData with a vendorId is allowed wherever the schema has it, and ignored where its vendor is unknown."""
    custom = {"vendorId": "org.example", "anything": [1, {"deep": None}]}
    component = {"name": "OCPPCommCtrlr", "customData": custom}
    item = {"component": component, "variable": {"name": "OfflineThreshold"}, "customData": custom}
    await stage.csms.send_raw(
        stage.id, json.dumps([2, "custom-1", "GetVariables", {"getVariableData": [item], "customData": custom}])
    )
    frames = stage.csms.journal.frames
    await stage.until(lambda: any(frame.id == "custom-1" and frame.kind == 3 for frame in frames), "the answer")
    (answer,) = [frame.payload for frame in frames if frame.id == "custom-1" and frame.kind == 3]
    assert answer["getVariableResult"][0]["attributeValue"] == "600"
    stage.complaints = True  # the CSMS does not know of the CALL that was sent behind its back
    answer = await stage.call(
        "RequestStartTransaction",
        {"idToken": {**token(), "customData": custom}, "remoteStartId": 1, "evseId": 1, "customData": custom},
    )
    assert answer["status"] == "Accepted"
    assert trigger_pairs([await stage.event("RemoteStart")]) == [("Started", "RemoteStart")]
