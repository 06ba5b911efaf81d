"""Block B: GetBaseReport. TC_B_12, TC_B_13, TC_B_14, TC_B_53."""

import json

import pytest

from station.core.components import standard_definitions
from station.core.types import EvseInfo
from station.ocpp.v201 import reports


def report(station, base, request_id=9):
    """Entries by (component, variable), after checking the parts."""
    answer = station.ask("GetBaseReport", {"requestId": request_id, "reportBase": base})
    frames = station.sent()
    assert {frame.payload["requestId"] for frame in frames} <= {request_id}  # B07.FR.04
    assert [frame.payload["seqNo"] for frame in frames] == list(range(len(frames)))  # B07.FR.10
    assert [frame.payload.get("tbc", False) for frame in frames] == [True] * (len(frames) - 1) + [False] * bool(frames)
    entries = [entry for frame in frames for entry in frame.payload["reportData"]]
    return answer, {(one["component"]["name"], one["variable"]["name"]): one for one in entries}, entries


def test_full_inventory(station):  # TC_B_13, TC_B_53, B07.FR.08, FR.11
    answer, by_name, entries = report(station, "FullInventory")
    assert answer == {"status": "Accepted"}
    assert station.order()[0] == "answer"
    assert len(entries) == len(list(station.model.definitions()))
    assert by_name["OCPPCommCtrlr", "HeartbeatInterval"] == {
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": "HeartbeatInterval"},
        "variableAttribute": [{"type": "Actual", "mutability": "ReadWrite", "value": "300", "persistent": True}],
        "variableCharacteristics": {
            "dataType": "integer",
            "supportsMonitoring": False,
            "unit": "s",
            "minLimit": 1,
            "maxLimit": 86400,
        },
    }
    power = by_name["EVSE", "Power"]
    assert power["component"]["evse"] == {"id": 1}
    assert [(one["type"], one["value"], one["mutability"]) for one in power["variableAttribute"]] == [
        ("Actual", "11000", "ReadWrite"),
        ("MaxSet", "22000", "ReadOnly"),
    ]
    assert by_name["Connector", "Problem"]["component"]["evse"] == {"id": 1, "connectorId": 1}
    assert by_name["OCPPCommCtrlr", "Unset"]["variableAttribute"][0]["value"] == ""
    assert by_name["SecurityCtrlr", "Identity"]["variableAttribute"][0]["constant"] is True
    assert by_name["TxCtrlr", "TxStartPoint"]["variableCharacteristics"]["valuesList"] == "Authorized,PowerPathClosed"


def test_secrets_stay_here(station):
    _, by_name, _ = report(station, "FullInventory")
    assert by_name["SecurityCtrlr", "BasicAuthPassword"]["variableAttribute"] == [
        {"type": "Actual", "mutability": "WriteOnly", "persistent": True}
    ]
    assert "do-not-tell-me" not in str(station.log)


def test_configuration_inventory(station):  # TC_B_12, B07.FR.07
    _, by_name, entries = report(station, "ConfigurationInventory")
    assert ("OCPPCommCtrlr", "HeartbeatInterval") in by_name
    assert ("SecurityCtrlr", "BasicAuthPassword") in by_name
    assert all(one["variableAttribute"][0]["mutability"] != "ReadOnly" for one in entries)


def test_summary_inventory(station):  # TC_B_14, B07.FR.09
    problem = station.model.find("Connector", "Problem", evse=1, connector=1)
    _, by_name, _ = report(station, "SummaryInventory")
    assert sorted(by_name) == [
        ("ChargingStation", "AvailabilityState"),
        ("Connector", "AvailabilityState"),
        ("EVSE", "AvailabilityState"),
    ]
    station.log.clear()
    station.model.put(problem.key, "true")
    _, by_name, _ = report(station, "SummaryInventory")
    assert ("Connector", "Problem") in by_name


def test_nothing_to_report(station_with, define):
    station = station_with(define("SecurityCtrlr", "Identity", "CS-1", mutability="ReadOnly"))
    assert report(station, "ConfigurationInventory")[0] == {"status": "EmptyResultSet"}
    assert station.sent() == []


def test_parts_keep_to_items_and_bytes(station):
    _, _, entries = report(station, "FullInventory")
    assert {len(frame.payload["reportData"]) for frame in station.sent()[:-1]} == {4}
    for frame in station.sent():
        assert len(json.dumps([2, "x" * 36, frame.action, frame.payload], separators=(",", ":"))) <= 2000
    assert len(station.sent()) == -(-len(entries) // 4)


@pytest.mark.parametrize(("length", "count"), [(10, 1), (400, 3), (2400, 9)])
def test_bytes_split(station_with, define, length, count):
    """An entry longer than a message travels alone."""
    station = station_with(
        define("DeviceDataCtrlr", "BytesPerMessage", "2000", data_type="integer", variable_instance="GetReport"),
        *[define("C", f"V{number}", "x" * length) for number in range(8)],
    )
    report(station, "FullInventory")
    assert len(station.sent()) == pytest.approx(count, abs=1)


def test_long_lists_of_values_end_at_a_whole_value(station_with, define):
    words = tuple(f"word{number:03d}" for number in range(200))
    station = station_with(define("C", "V", data_type="OptionList", values=words))
    _, by_name, _ = report(station, "FullInventory")
    listed = by_name["C", "V"]["variableCharacteristics"]["valuesList"].split(",")
    assert listed == list(words[: len(listed)])
    assert len(listed) == 125


def test_all_parts_have_one_time(station):
    entries = [{"component": {"name": "C"}, "variable": {"name": "V"}, "variableAttribute": [{"value": "1"}]}] * 9
    frames = list(reports.notify_report(station.model, 1, entries, "2025-06-15T15:06:40.000Z"))
    assert [len(frame.payload["reportData"]) for frame in frames] == [4, 4, 1]
    assert {frame.payload["generatedAt"] for frame in frames} == {"2025-06-15T15:06:40.000Z"}


def test_the_real_template_is_reported_and_every_value_of_it_can_be_got(station_with):
    """TC_B_53 on the standard components: what the report says is what GetVariables says, one by one."""
    station = station_with(*standard_definitions([EvseInfo(1), EvseInfo(2)]).values())
    _, _, entries = report(station, "FullInventory")
    assert len(entries) == len(list(station.model.definitions()))
    for entry in entries:
        for attribute in entry["variableAttribute"]:
            asked = {"component": entry["component"], "variable": entry["variable"], "attributeType": attribute["type"]}
            (got,) = station.ask("GetVariables", {"getVariableData": [asked]})["getVariableResult"]
            assert got.get("attributeValue") == attribute.get("value")
            assert (got["attributeStatus"] == "Accepted") == ("value" in attribute)


def test_a_secret_is_write_only_whatever_its_mutability(station_with, define):
    station = station_with(define("C", "Key", "hunter2-hunter2", secret=True))
    _, by_name, _ = report(station, "FullInventory")
    assert by_name["C", "Key"]["variableAttribute"][0]["mutability"] == "WriteOnly"
    assert "hunter2" not in str(station.log)


def test_one_report_at_a_time(station):
    """Parts of the first are still to be sent: the second would only pile up."""
    station.keeps_series = True
    first = {"requestId": 1, "reportBase": "FullInventory"}
    assert station.ask("GetBaseReport", first) == {"status": "Accepted"}
    refused = station.ask("GetBaseReport", first | {"requestId": 2})
    assert refused["status"] == "Rejected"
    assert refused["statusInfo"]["reasonCode"]
    assert "report" in refused["statusInfo"]["additionalInfo"]
    assert {frame.payload["requestId"] for frame in station.take_series()} == {1}
    assert station.ask("GetBaseReport", first | {"requestId": 3}) == {"status": "Accepted"}


def test_parts_are_made_when_their_turn_comes(station, monkeypatch):
    station.keeps_series = True
    station.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    reads = []
    make = reports._entry
    monkeypatch.setattr(reports, "_entry", lambda *those: reads.append(those) or make(*those))
    next(station.series)
    few = len(reads)
    assert 0 < few < len(list(station.model.definitions()))
    list(station.series)
    assert len(reads) > few
