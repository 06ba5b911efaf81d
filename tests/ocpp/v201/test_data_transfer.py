"""Block P. TC_P_01."""

import pytest

from station.ocpp.v201 import data_transfer


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        ({"vendorId": "nobody"}, {"status": "UnknownVendorId"}),  # P01.FR.05
        ({"vendorId": "org.example", "messageId": "what"}, {"status": "UnknownMessageId"}),  # P01.FR.06
        (
            {"vendorId": "org.example", "messageId": "echo", "data": {"a": [None, 1]}},
            {"status": "Accepted", "data": {"echo": {"a": [None, 1]}}},
        ),
    ],
)
def test_to_the_station(station, payload, answer):
    assert station.ask("DataTransfer", payload) == answer


def test_to_the_csms(valid):  # P02
    assert valid("DataTransferRequest", data_transfer.request("org.example").payload) == {"vendorId": "org.example"}
    frame = data_transfer.request("org.example", "echo", {"a": 1})
    assert valid("DataTransferRequest", frame.payload) == {
        "vendorId": "org.example",
        "messageId": "echo",
        "data": {"a": 1},
    }


@pytest.mark.parametrize(("vendor", "message"), [("v" * 256, None), ("v", "m" * 51)])
def test_names_are_not_cut(vendor, message):
    with pytest.raises(ValueError):
        data_transfer.request(vendor, message)
