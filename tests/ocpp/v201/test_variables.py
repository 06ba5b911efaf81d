"""Block B: SetVariables and GetVariables. TC_B_06, 07, 09, 10, 11, 32, 33, 34, 35, 36, 37, 39."""

import pytest

from station.core.types import Verdict
from station.ocpp.v201 import variables

HEARTBEAT = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}


def item(component, variable, value=None, **more):
    built = {"component": {"name": component}, "variable": {"name": variable}, **more}
    return built if value is None else {**built, "attributeValue": value}


def set_all(station, *items):
    return station.ask("SetVariables", {"setVariableData": list(items)})["setVariableResult"]


def get_all(station, *items):
    return station.ask("GetVariables", {"getVariableData": list(items)})["getVariableResult"]


def test_set_one(station):  # TC_B_09, B05.FR.12
    assert set_all(station, {**HEARTBEAT, "attributeValue": "60"}) == [
        {**HEARTBEAT, "attributeType": "Actual", "attributeStatus": "Accepted"}
    ]
    assert station.model.integer("OCPPCommCtrlr", "HeartbeatInterval") == 60


@pytest.mark.parametrize(
    ("one", "status", "reason"),
    [
        (item("Nowhere", "X", "1"), "UnknownComponent", None),  # TC_B_35
        (item("OCPPCommCtrlr", "X", "1"), "UnknownVariable", None),  # TC_B_36
        (
            item("OCPPCommCtrlr", "HeartbeatInterval", "1", attributeType="Target"),
            "NotSupportedAttributeType",
            None,
        ),  # 37
        (item("OCPPCommCtrlr", "HeartbeatInterval", "soon"), "Rejected", "InvalidValue"),  # TC_B_11
        (item("OCPPCommCtrlr", "HeartbeatInterval", "0"), "Rejected", None),  # B05.FR.08
        (item("SecurityCtrlr", "Identity", "me"), "Rejected", "ReadOnly"),  # TC_B_39
        (item("OCPPCommCtrlr", "RestartMe", "b"), "RebootRequired", None),
        (item("DeviceDataCtrlr", "ItemsPerMessage", "1"), "UnknownVariable", None),  # exists with instances only
    ],
)
def test_set_statuses(station, one, status, reason):
    (result,) = set_all(station, one)
    assert result["attributeStatus"] == status
    assert result["attributeType"] == one.get("attributeType", "Actual")  # B05.FR.03
    if reason is not None:
        assert result["attributeStatusInfo"]["reasonCode"] == reason


def test_results_come_in_the_order_asked_and_duplicates_count_apart(station):  # TC_B_10, B05.FR.01, FR.02
    beat = {**HEARTBEAT, "attributeValue": "60"}
    evse = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}, "attributeValue": "7400"}
    results = set_all(station, beat, item("Nowhere", "X", "1"), {**beat, "attributeValue": "90"}, evse)
    assert [one["attributeStatus"] for one in results] == ["Accepted", "UnknownComponent", "Accepted", "Accepted"]
    assert results[3]["component"] == {"name": "EVSE", "evse": {"id": 1}}
    assert len(station.commands()) == 1
    assert station.model.integer("OCPPCommCtrlr", "HeartbeatInterval") == 90


def test_a_refused_command_refuses_every_item(station):
    station.verdict = Verdict("Rejected", "OutOfStorage", "disk full")
    results = set_all(station, item("OCPPCommCtrlr", "HeartbeatInterval", "60"), item("Nowhere", "X", "1"))
    assert [one["attributeStatus"] for one in results] == ["Rejected", "Rejected"]
    assert results[0]["attributeStatusInfo"] == {"reasonCode": "OutOfStorage", "additionalInfo": "disk full"}
    assert station.model.integer("OCPPCommCtrlr", "HeartbeatInterval") == 300


def test_get_values(station):  # TC_B_06, TC_B_07, B06.FR.10, FR.11, FR.13
    results = get_all(
        station,
        HEARTBEAT,
        {"component": {"name": "ocppCOMMctrlr"}, "variable": {"name": "heartbeatINTERVAL"}},
        item("OCPPCommCtrlr", "Unset"),
        {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}, "attributeType": "MaxSet"},
    )
    assert [one["attributeStatus"] for one in results] == ["Accepted"] * 4
    assert [one["attributeValue"] for one in results] == ["300", "300", "", "22000"]
    assert [one["attributeType"] for one in results] == ["Actual", "Actual", "Actual", "MaxSet"]
    assert station.commands() == []


@pytest.mark.parametrize(
    ("one", "status"),
    [
        (item("Nowhere", "X"), "UnknownComponent"),  # TC_B_32
        (item("OCPPCommCtrlr", "X"), "UnknownVariable"),  # TC_B_33
        (item("OCPPCommCtrlr", "HeartbeatInterval", attributeType="Target"), "NotSupportedAttributeType"),  # TC_B_34
        (item("SecurityCtrlr", "BasicAuthPassword"), "Rejected"),  # B06.FR.09
        (item("DeviceDataCtrlr", "ItemsPerMessage"), "UnknownVariable"),  # B06.FR.15
        ({"component": {"name": "EVSE"}, "variable": {"name": "Power"}}, "UnknownComponent"),
    ],
)
def test_get_refusals_carry_no_value(station, one, status):
    (result,) = get_all(station, one)
    assert result["attributeStatus"] == status
    assert "attributeValue" not in result


def test_instances(station):  # B06.FR.14, FR.15
    asked = {"component": {"name": "DeviceDataCtrlr"}, "variable": {"name": "ItemsPerMessage", "instance": "GetReport"}}
    (result,) = get_all(station, asked)
    assert result["attributeValue"] == "4"
    assert result["variable"] == asked["variable"]
    (result,) = get_all(
        station, {"component": {"name": "OCPPCommCtrlr", "instance": ""}, "variable": HEARTBEAT["variable"]}
    )
    assert result["attributeValue"] == "300"


@pytest.mark.parametrize("kind", ["set", "get"])
def test_limits(station, kind):  # B06.FR.16, FR.17
    name, value = ("SetVariables", {"attributeValue": "60"}) if kind == "set" else ("GetVariables", {})
    field = f"{kind}VariableData"
    assert f"{kind}VariableResult" in station.ask(name, {field: [{**HEARTBEAT, **value}] * 4})
    assert station.ask(name, {field: [{**HEARTBEAT, **value}] * 5}) == "OccurrenceConstraintViolation"
    long = {**HEARTBEAT, **value, "customData": {"vendorId": "v", "text": "ü" * 1200}}
    assert station.ask(name, {field: [long]}) == "FormatViolation"
    assert len(station.commands()) == (1 if kind == "set" else 0)


def test_without_limits_everything_goes(station_with, define):
    station = station_with(define("OCPPCommCtrlr", "HeartbeatInterval", "300"))
    assert len(get_all(station, *[HEARTBEAT] * 200)) == 200


def test_values_are_cut_to_the_announced_size(station_with, define):
    station = station_with(
        define("OCPPCommCtrlr", "HeartbeatInterval", "x" * 2400),
        define("DeviceDataCtrlr", "ReportingValueSize", "1000", data_type="integer"),
    )
    assert get_all(station, HEARTBEAT)[0]["attributeValue"] == "x" * 1000
    assert variables.value_size(station.model) == 1000


def test_wire_bytes_counts_bytes():
    assert variables.wire_bytes({"a": "ü"}) == len('{"a":"ü"}'.encode())
