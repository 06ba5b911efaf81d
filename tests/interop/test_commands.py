"""Every command of the CSMS is answered in time, with a valid answer: at rest, while it charges, while our own CALL is open."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import pytest

from tests.interop.bench import BAD_CARD, CARD, Bench
from tests.interop.conftest import MakeBench

pytestmark = pytest.mark.npm

IN_TIME_MS = 2000.0


class Order(NamedTuple):
    """A CALL and what its answer must hold. `error`: the CALLERROR code instead."""

    action: str
    payload: dict[str, Any]
    answer: dict[str, Any]
    error: str | None = None


def variable(component: str, name: str, value: str | None = None, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"component": {"name": component}, "variable": {"name": name, **more}}
    if value is not None:
        found["attributeValue"] = value
    return found


ORDERS_16 = [
    Order("GetConfiguration", {}, {}),
    Order("GetConfiguration", {"key": ["HeartbeatInterval", "NoSuchKey"]}, {"unknownKey": ["NoSuchKey"]}),
    Order("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "30"}, {"status": "Accepted"}),
    Order("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "often"}, {"status": "Rejected"}),
    Order("ChangeConfiguration", {"key": "NumberOfConnectors", "value": "7"}, {"status": "Rejected"}),
    Order("ChangeConfiguration", {"key": "NoSuchKey", "value": "7"}, {"status": "NotSupported"}),
    Order("ChangeConfiguration", {"key": "WebSocketPingInterval", "value": "30"}, {"status": "Accepted"}),
    Order("ClearCache", {}, {"status": "Accepted"}),
    Order("ChangeAvailability", {"connectorId": 2, "type": "Inoperative"}, {"status": "Accepted"}),
    Order("ChangeAvailability", {"connectorId": 2, "type": "Operative"}, {"status": "Accepted"}),
    Order("ChangeAvailability", {"connectorId": 9, "type": "Operative"}, {"status": "Rejected"}),
    Order("UnlockConnector", {"connectorId": 2}, {"status": "Unlocked"}),
    Order("UnlockConnector", {"connectorId": 9}, {"status": "NotSupported"}),
    Order("RemoteStopTransaction", {"transactionId": 987654}, {"status": "Rejected"}),
    Order("RemoteStartTransaction", {"idTag": CARD, "connectorId": 9}, {"status": "Rejected"}),
    Order("RemoteStartTransaction", {"idTag": CARD, "connectorId": 0}, {"status": "Rejected"}),
    Order("TriggerMessage", {"requestedMessage": "Heartbeat"}, {"status": "Accepted"}),
    Order("TriggerMessage", {"requestedMessage": "BootNotification"}, {"status": "Accepted"}),
    Order("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 2}, {"status": "Accepted"}),
    Order("TriggerMessage", {"requestedMessage": "StatusNotification"}, {"status": "Accepted"}),
    Order("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1}, {"status": "Accepted"}),
    Order("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 9}, {"status": "Rejected"}),
    Order("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}, {"status": "NotImplemented"}),
    Order("DataTransfer", {"vendorId": "com.example", "data": "x"}, {"status": "UnknownVendorId"}),
    Order("GetLocalListVersion", {}, {}, "NotSupported"),
    Order("UpdateFirmware", {"location": "dummy://dummy", "retrieveDate": "2026-01-01T00:00:00Z"}, {}, "NotSupported"),
    Order("GetCompositeSchedule", {"connectorId": 0, "duration": 60}, {"status": "Accepted"}),
    Order("GetCompositeSchedule", {"connectorId": 9, "duration": 60}, {"status": "Rejected"}),
    Order("ClearChargingProfile", {"id": 1}, {"status": "Unknown"}),
]

NOBODY = {"idToken": "", "type": "NoAuthorization"}
ORDERS_201 = [
    Order("GetBaseReport", {"requestId": 1, "reportBase": "ConfigurationInventory"}, {"status": "Accepted"}),
    # Accepted, or Rejected while parts of the first are still to be sent.
    Order("GetBaseReport", {"requestId": 2, "reportBase": "FullInventory"}, {}),
    Order("GetVariables", {"getVariableData": [variable("OCPPCommCtrlr", "HeartbeatInterval")]}, {}),
    Order("GetVariables", {"getVariableData": [variable("NoSuchCtrlr", "X")]}, {}),
    Order("SetVariables", {"setVariableData": [variable("SampledDataCtrlr", "TxUpdatedInterval", "30")]}, {}),
    Order("SetVariables", {"setVariableData": [variable("SampledDataCtrlr", "TxUpdatedInterval", "often")]}, {}),
    Order("SetVariables", {"setVariableData": [variable("OCPPCommCtrlr", "WebSocketPingInterval", "30")]}, {}),
    Order("ClearCache", {}, {"status": "Accepted"}),
    Order("ChangeAvailability", {"evse": {"id": 2}, "operationalStatus": "Inoperative"}, {"status": "Accepted"}),
    Order("ChangeAvailability", {"evse": {"id": 2}, "operationalStatus": "Operative"}, {"status": "Accepted"}),
    Order("ChangeAvailability", {"evse": {"id": 9}, "operationalStatus": "Operative"}, {"status": "Rejected"}),
    Order("UnlockConnector", {"evseId": 2, "connectorId": 1}, {"status": "Unlocked"}),
    Order("UnlockConnector", {"evseId": 9, "connectorId": 1}, {"status": "UnknownConnector"}),
    Order("RequestStopTransaction", {"transactionId": "none"}, {"status": "Rejected"}),
    Order(
        "RequestStartTransaction",
        {"idToken": {"idToken": CARD, "type": "ISO14443"}, "remoteStartId": 1, "evseId": 9},
        {"status": "Rejected"},
    ),
    Order("GetTransactionStatus", {}, {}),
    Order("GetTransactionStatus", {"transactionId": "none"}, {"ongoingIndicator": False, "messagesInQueue": False}),
    Order("TriggerMessage", {"requestedMessage": "Heartbeat"}, {"status": "Accepted"}),
    Order("TriggerMessage", {"requestedMessage": "BootNotification"}, {"status": "Rejected"}),
    Order("TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": 2}}, {"status": "Accepted"}),
    Order("TriggerMessage", {"requestedMessage": "StatusNotification"}, {"status": "Accepted"}),
    Order("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 1}}, {"status": "Accepted"}),
    Order("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 9}}, {"status": "Rejected"}),
    Order("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}, {"status": "Accepted"}),
    Order("DataTransfer", {"vendorId": "com.example", "data": {"x": 1}}, {"status": "UnknownVendorId"}),
    Order("GetLocalListVersion", {}, {}, "NotSupported"),
    Order("GetInstalledCertificateIds", {}, {"status": "NotFound"}),
    Order("GetCompositeSchedule", {"evseId": 0, "duration": 60}, {"status": "Accepted"}),
    Order("GetCompositeSchedule", {"evseId": 9, "duration": 60}, {"status": "Rejected"}),
    Order("GetChargingProfiles", {"requestId": 3, "chargingProfile": {}}, {"status": "NoProfiles"}),
    Order("ClearChargingProfile", {"chargingProfileId": 1}, {"status": "Unknown"}),
    Order("ReserveNow", {"id": 1, "expiryDateTime": "2030-01-01T00:00:00Z", "idToken": NOBODY}, {}, "NotSupported"),
]


def orders(bench: Bench) -> list[Order]:
    return ORDERS_16 if bench.version == "1.6" else ORDERS_201


async def give(bench: Bench, order: Order) -> dict[str, Any]:
    outcome = await bench.csms.call(order.action, order.payload)
    assert outcome.error == order.error, f"{order.action}: {outcome.error} {outcome.text}"
    assert outcome.ms < IN_TIME_MS, f"{order.action} took {outcome.ms:.0f} ms"
    assert order.answer.items() <= outcome.result.items(), f"{order}: {outcome.result}"
    return outcome.result


async def test_every_order_at_rest(bench: Bench) -> None:
    for order in orders(bench):
        await give(bench, order)
    await bench.until(lambda: len(bench.csms.heard("Heartbeat")) >= 1, "the heartbeat asked for")
    await bench.proven()
    await bench.session()
    await bench.proven()


async def test_every_order_while_our_call_is_open(bench: Bench) -> None:
    """Quirk 4: no deadlock when the CSMS asks before it answers."""
    await bench.csms.rules({"action": "StatusNotification", "do": "delay", "ms": 1500})
    bench.plug()
    await bench.until(lambda: len(bench.csms.statuses(1)) == 2, "the open call")
    waiting = bench.csms.heard("StatusNotification")[-1]
    for order in orders(bench):
        await give(bench, order)
    assert waiting.answer is None, "the orders were meant to come while our own call was open"
    await bench.until(lambda: waiting.answer is not None, "the late answer")
    await bench.until(lambda: bench.csms.heard("Heartbeat"), "what was asked for meanwhile")
    bench.swipe()
    await bench.charging()
    bench.swipe()
    await bench.leave()
    await bench.proven()


async def test_every_order_while_it_charges(bench: Bench) -> None:
    bench.plug()
    bench.swipe()
    await bench.charging()
    for order in orders(bench):
        await give(bench, order)
    assert bench.evse().relay_closed
    bench.swipe()
    await bench.leave()
    await bench.proven()


async def test_orders_before_the_boot_is_answered(make_bench: MakeBench, version: str) -> None:
    """Home Assistant asks for everything first and accepts us afterwards."""
    bench = await make_bench(version)
    await bench.csms.rules({"action": "BootNotification", "do": "delay", "ms": 700})
    await bench.start(online=False)
    await bench.until(lambda: bench.csms.heard("BootNotification"), "the open call")
    if version == "1.6":
        await give(bench, Order("GetConfiguration", {}, {}))
        await give(bench, Order("TriggerMessage", {"requestedMessage": "StatusNotification"}, {"status": "Accepted"}))
    else:
        await give(
            bench, Order("GetBaseReport", {"requestId": 7, "reportBase": "FullInventory"}, {"status": "Accepted"})
        )
        asked = {"getVariableData": [variable("OCPPCommCtrlr", "HeartbeatInterval")]}
        assert (await give(bench, Order("GetVariables", asked, {})))["getVariableResult"]
    assert [call.action for call in bench.csms.calls] == ["BootNotification"]
    assert bench.csms.calls[0].answer is None
    await bench.until(lambda: bench.app.client.online, "the registration")
    if version == "2.0.1":
        await bench.until(partial(last_part, bench, 7), "the report")
    await bench.session()
    await bench.proven()


async def test_orders_about_a_running_charge(bench: Bench) -> None:
    bench.plug()
    bench.swipe()
    await bench.charging()
    await bench.delivered()
    if bench.version == "1.6":
        busy = Order("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}, {"status": "Scheduled"})
        second = Order("RemoteStartTransaction", {"idTag": CARD, "connectorId": 1}, {"status": "Rejected"})
        await give(bench, busy)
        await give(bench, second)
        await give(bench, Order("UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"}))
        await bench.delivered()
        assert bench.csms.heard("StopTransaction")[-1].payload["reason"] == "UnlockCommand"
    else:
        tx_id = bench.csms.events()[-1]["transactionInfo"]["transactionId"]
        found = await give(bench, Order("GetTransactionStatus", {"transactionId": tx_id}, {"ongoingIndicator": True}))
        assert isinstance(found["messagesInQueue"], bool)
        busy = Order(
            "ChangeAvailability", {"evse": {"id": 1}, "operationalStatus": "Inoperative"}, {"status": "Scheduled"}
        )
        await give(bench, busy)
        locked = Order("UnlockConnector", {"evseId": 1, "connectorId": 1}, {"status": "OngoingAuthorizedTransaction"})
        await give(bench, locked)
        asked = Order(
            "TriggerMessage", {"requestedMessage": "TransactionEvent", "evse": {"id": 1}}, {"status": "Accepted"}
        )
        await give(bench, asked)
        await bench.until(lambda: bench.csms.heard("TransactionEvent", triggerReason="Trigger"), "the event asked for")
        bench.swipe()
    await bench.leave()
    await bench.until(lambda: bench.csms.statuses(1)[-1] == "Unavailable", "the change that was scheduled")
    await bench.proven()


def last_part(bench: Bench, request: int) -> bool:
    return any(not call.payload.get("tbc") for call in bench.csms.heard("NotifyReport", requestId=request))


async def test_reports_are_whole(bench_201: Bench) -> None:
    """B07: every part, in order, once; and more than Node's validator asks: no variable twice."""
    bench = bench_201
    for request, base in enumerate(("FullInventory", "ConfigurationInventory", "SummaryInventory"), start=10):
        await give(bench, Order("GetBaseReport", {"requestId": request, "reportBase": base}, {"status": "Accepted"}))
        await bench.until(partial(last_part, bench, request), f"the end of {base}")
        parts = [call.payload for call in bench.csms.heard("NotifyReport", requestId=request)]
        assert [part["seqNo"] for part in parts] == list(range(len(parts)))
        keys = [repr((entry["component"], entry["variable"])) for part in parts for entry in part["reportData"]]
        assert len(keys) == len(set(keys))
        if base == "FullInventory":
            assert len(keys) > 100
    await bench.proven()


async def test_what_the_csms_sets_holds_after_a_restart(bench: Bench) -> None:
    if bench.version == "1.6":
        await give(
            bench, Order("ChangeConfiguration", {"key": "ConnectionTimeOut", "value": "77"}, {"status": "Accepted"})
        )
    else:
        setting = {"setVariableData": [variable("TxCtrlr", "EVConnectionTimeOut", "77")]}
        (result,) = (await give(bench, Order("SetVariables", setting, {})))["setVariableResult"]
        assert result["attributeStatus"] == "Accepted"
    await bench.stop()
    await bench.start()
    if bench.version == "1.6":
        found = await give(bench, Order("GetConfiguration", {"key": ["ConnectionTimeOut"]}, {}))
        assert found["configurationKey"] == [{"key": "ConnectionTimeOut", "readonly": False, "value": "77"}]
    else:
        asked = {"getVariableData": [variable("TxCtrlr", "EVConnectionTimeOut")]}
        (result,) = (await give(bench, Order("GetVariables", asked, {})))["getVariableResult"]
        assert result["attributeValue"] == "77"
    await bench.proven()


async def test_the_start_of_a_well_known_csms(bench_16: Bench) -> None:
    """evcc's first minute: every measurand at once, then one by one, meter values of connector 0."""
    bench = bench_16
    await give(bench, Order("TriggerMessage", {"requestedMessage": "BootNotification"}, {"status": "Accepted"}))
    await bench.until(lambda: len(bench.csms.heard("BootNotification")) == 2, "the boot asked for")
    await give(bench, Order("ChangeAvailability", {"connectorId": 0, "type": "Operative"}, {"status": "Accepted"}))
    everything = await give(bench, Order("GetConfiguration", {}, {}))
    keys = {entry["key"]: entry for entry in everything["configurationKey"]}
    assert keys["SupportedFeatureProfiles"]["value"] == "Core,RemoteTrigger,SmartCharging"
    assert all(isinstance(entry["readonly"], bool) for entry in keys.values())
    wanted = [
        "Power.Active.Import",
        "Energy.Active.Import.Register",
        "Current.Import",
        "Voltage",
        "Current.Offered",
        "SoC",
    ]
    taken = []
    for measurand in wanted:
        asked = {"key": "MeterValuesSampledData", "value": measurand}
        if (await give(bench, Order("ChangeConfiguration", asked, {})))["status"] == "Accepted":
            taken.append(measurand)
    assert {"Power.Active.Import", "Energy.Active.Import.Register", "Current.Import"} <= set(taken)
    joined = {"key": "MeterValuesSampledData", "value": ",".join(taken)}
    await give(bench, Order("ChangeConfiguration", joined, {"status": "Accepted"}))
    metered = {"requestedMessage": "MeterValues", "connectorId": 0}
    await give(bench, Order("TriggerMessage", metered, {"status": "Accepted"}))
    await bench.until(lambda: bench.csms.heard("MeterValues"), "the meter values asked for")
    await bench.session()
    await bench.proven()


async def test_an_order_that_is_no_good_is_refused(bench: Bench) -> None:
    """The CSMS's own validator does not let it send nonsense, so it writes the frames by hand."""
    for number, text in enumerate(
        (
            '[2,"$n","Reset",{"type":"Perhaps"}]',
            '[2,"$n","Reset",{}]',
            '[2,"$n","NoSuchThing",{}]',
            '[2,"$n","ChangeAvailability",{"connectorId":"one","type":"Operative"}]',
        )
    ):
        await bench.csms.raw(text.replace("$n", f"bad-{number}"))
    await bench.until(
        lambda: sum("CALLRESULT" in m["error"] or "CALLERROR" in m["error"] for m in bench.csms.mistakes) == 4,
        "four refusals",
    )
    frames = [text for direction, _verdict, text in bench.frames if direction == "out" and text.startswith('[4,"bad-')]
    assert [f'"bad-{number}"' in frame for number, frame in enumerate(frames)] == [True] * 4
    assert bench.boots == 1
    bench.csms.mistakes.clear()  # the CSMS does not know the ids of frames that were written by hand
    await bench.session(card=CARD)
    await bench.proven()
    assert BAD_CARD not in str(bench.csms.calls)
