"""Hard-wired notifications of a 2.0.1 station: G05 and the case of N07 that needs no monitors (TC_N_21)."""

from __future__ import annotations

from hal.api import FaultCode
from tests.conformance.stage201 import Payload, Stage201, octt


def _events(stage: Stage201) -> list[Payload]:
    return [data for payload in stage.calls("NotifyEvent") for data in payload["eventData"]]


@octt()
async def test_tc_n_21_caused_by_a_hardwired_trigger_the_lock(stage: Stage201) -> None:
    """G05.FR.01, FR.02."""
    await stage.rest(5.0)
    stage.lab.board.jam(1)
    stage.plug()
    stage.swipe()
    told = await stage.told("NotifyEvent", seqNo=0)
    (event,) = told["eventData"]
    assert event["component"] == {"name": "ConnectorPlugRetentionLock", "evse": {"id": 1, "connectorId": 1}}
    assert (event["variable"], event["actualValue"]) == ({"name": "Problem"}, "true")
    assert (event["eventNotificationType"], event["trigger"]) == ("HardWiredNotification", "Alerting")
    asked = {"getVariableData": [{"component": event["component"], "variable": event["variable"]}]}
    assert (await stage.call("GetVariables", asked))["getVariableResult"][0]["attributeValue"] == "true"
    await stage.rest(60.0)
    assert not stage.view().relay_closed
    stage.lab.board.jam(1, False)
    await stage.leave()
    await stage.rest(10.0)
    assert [(one["actualValue"], one.get("cleared", False)) for one in _events(stage)] == [
        ("true", False),
        ("false", True),
    ]
    assert (await stage.call("GetVariables", asked))["getVariableResult"][0]["attributeValue"] == "false"


@octt()
async def test_a_fault_during_an_outage_and_a_power_cut_is_told_once_and_in_order(stage: Stage201) -> None:
    """N07.FR.04, FR.14."""
    tx_id = await stage.charging()
    await stage.delivered()
    await stage.offline()
    stage.from_now()
    stage.lab.board.fault(FaultCode.GROUND_FAILURE, "30 mA", evse=1)
    await stage.rest(10.0)
    await stage.lab.power_cut()
    stage.lab.board.clear(FaultCode.GROUND_FAILURE, evse=1)
    await stage.rest(10.0)
    await stage.lab.power_on()
    await stage.lab.go_online()
    await stage.rest(120.0)
    await stage.delivered()
    assert [(one["techCode"], one["actualValue"]) for one in _events(stage)] == [("CX002", "true"), ("CX002", "false")]
    assert _events(stage)[0]["transactionId"] == tx_id
    order = [frame.action for frame in stage.frames() if frame.action in {"NotifyEvent", "TransactionEvent"}]
    assert order[0] == "NotifyEvent", "the cause before the end of the transaction that it brought about"
    ended = [event["transactionInfo"] for event in stage.events() if event["eventType"] == "Ended"]
    assert [(one["transactionId"], one["stoppedReason"]) for one in ended] == [(tx_id, "GroundFault")]
