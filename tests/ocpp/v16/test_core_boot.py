"""BootNotification, Heartbeat, Reset, DataTransfer."""

from __future__ import annotations

import pytest

from station.clock import Now
from station.core.events import Reset
from station.core.types import ResetKind
from station.ocpp.dialect import BootAnswer, DialectSettings, StationIdentity
from station.ocpp.v16 import core_boot
from station.ocpp.v16.dialect import create

NOW = Now(0.0, 0.0)


def test_tc_001_boot_notification_tells_what_is_known(rig):
    payload = rig.check(rig.dialect.boot("PowerUp"))
    assert payload == {
        "chargePointVendor": "Pilotwire",
        "chargePointModel": "Two",
        "chargePointSerialNumber": "PW-1",
        "firmwareVersion": "1.0",
    }


def test_boot_notification_fits_every_field(rig):
    """Quirk 5: a serial number of more than 25 characters is refused."""
    long = "x" * 80
    identity = StationIdentity(long, long, long, long, long, long, long, long)
    payload = rig.check(create(DialectSettings(identity)).boot("PowerUp"))
    assert {name: len(text) for name, text in payload.items()} == {
        "chargePointVendor": 20,
        "chargePointModel": 20,
        "chargePointSerialNumber": 25,
        "firmwareVersion": 50,
        "iccid": 20,
        "imsi": 20,
        "meterSerialNumber": 25,
        "meterType": 25,
    }


@pytest.mark.parametrize("status", ["Accepted", "Pending", "Rejected"])  # TC_001, TC_002
@pytest.mark.parametrize("time", ["2026-11-22T12:00:00Z", "2026-11-22T13:00:00.000000+01:00", "2026-11-22T12:00:00"])
def test_boot_answer_with_any_rfc_3339_time(rig, status, time):
    answer = rig.dialect.boot_answer({"status": status, "interval": 10, "currentTime": time}, NOW)
    assert answer == BootAnswer(status, 10.0, 1795348800.0)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"status": "Perhaps", "interval": -5, "currentTime": "yesterday"},
        {"status": None, "interval": True, "currentTime": 7},
        {"status": "Rejected", "interval": "soon", "currentTime": "0001-01-01T00:00:00+23:59"},
    ],
)
def test_an_unreadable_boot_answer_is_no_acceptance(payload):
    answer = core_boot.boot_answer(payload)
    assert (answer.status, answer.interval_s) == ("Rejected", 0.0)
    assert answer.wall is None or answer.wall < 0


def test_heartbeat(rig):
    assert rig.check(rig.dialect.heartbeat()) == {}
    assert rig.dialect.heartbeat_answer({"currentTime": "1970-01-01T00:01:00Z"}) == 60.0
    assert rig.dialect.heartbeat_answer({"currentTime": "noon"}) is None
    assert rig.dialect.heartbeat_answer({}) is None


@pytest.mark.parametrize(
    ("word", "kind"),
    [("Hard", ResetKind.HARD), ("Soft", ResetKind.SOFT)],  # TC_013, TC_015; TC_014, TC_016
)
@pytest.mark.parametrize(
    ("verdict", "answer"), [("Accepted", "Accepted"), ("Scheduled", "Accepted"), ("Rejected", "Rejected")]
)
def test_tc_013_to_016_reset(rig, word, kind, verdict, answer):
    rig.verdict(Reset, verdict)
    assert rig.status("Reset", type=word) == answer
    assert rig.services.commands == [Reset(1, kind)]


@pytest.mark.parametrize(
    ("registered", "answer"),
    [
        (("Accepted", "text"), {"status": "Accepted", "data": "text"}),
        (("Accepted", {"a": [1, "b"]}), {"status": "Accepted", "data": '{"a":[1,"b"]}'}),
        (("Rejected", None), {"status": "Rejected"}),
        (("UnknownMessageId", None), {"status": "UnknownMessageId"}),
        (("UnknownVendorId", "x"), {"status": "UnknownVendorId"}),
    ],
)
def test_tc_062_data_transfer(rig, registered, answer):
    rig.services.transfers["org.example"] = registered
    assert rig.call("DataTransfer", vendorId="org.example", messageId="m", data="d") == answer


def test_tc_062_data_transfer_of_an_unknown_vendor(rig):
    assert rig.call("DataTransfer", vendorId="nobody") == {"status": "UnknownVendorId"}
