"""N07, G05: NotifyEvent for faults."""

import itertools

import pytest

from hal.api import FaultCode
from station.clock import Now
from station.core.facts import AlertFact
from station.core.faults import mrec_code
from station.ocpp.v201 import alerts

NOW = Now(mono=1000.0, wall=1_750_000_000.0, boot=3)


def told(valid, fact: AlertFact, now: Now = NOW) -> dict:
    frame = alerts.event(fact, now)
    assert frame.action == "NotifyEvent"
    payload = valid("NotifyEventRequest", frame.payload)
    assert payload["seqNo"] == 0  # N07.FR.07
    (event,) = payload["eventData"]
    return event


@pytest.mark.parametrize(("code", "evse", "active"), list(itertools.product(FaultCode, (0, 2), (True, False))))
def test_every_fault_everywhere_fits_the_schema(valid, code, evse, active):
    event = told(valid, AlertFact(300_001, code.value, active, active, NOW, evse, 1 if evse else 0, 4, "x" * 600, "tx"))
    assert event["variable"] == {"name": "Problem"}
    assert event["actualValue"] == ("true" if active else "false")
    assert event.get("cleared", False) is not active
    assert event["techCode"] == mrec_code(code)
    assert event["component"].get("evse", {}).get("id", 0) == evse
    assert len(event["techInfo"]) == 500


def test_a_lock_that_fails_in_the_words_of_g05(valid):  # G05.FR.02
    event = told(valid, AlertFact(7, "ConnectorLockFailure", True, True, NOW, 1, 1, 4, "the lock is jammed", "tx-1"))
    assert event == {
        "eventId": 7,
        "timestamp": "2025-06-15T15:06:40.000Z",
        "trigger": "Alerting",
        "actualValue": "true",
        "techCode": "CX001",
        "techInfo": "ConnectorLockFailure: the lock is jammed",
        "component": {"name": "ConnectorPlugRetentionLock", "evse": {"id": 1, "connectorId": 1}},
        "variable": {"name": "Problem"},
        "eventNotificationType": "HardWiredNotification",
        "transactionId": "tx-1",
    }


def test_one_fault_of_two_has_ended_and_the_part_still_has_a_problem(valid):
    event = told(valid, AlertFact(8, "OverVoltage", False, True, NOW, 1, 1))
    assert (event["actualValue"], event["cleared"]) == ("true", True)
    assert "transactionId" not in event


def test_an_event_before_the_clock_was_known_gets_its_right_time(valid):
    early = Now(mono=990.0, wall=0.0, boot=3, trusted=False)
    event = told(valid, AlertFact(8, "MeterFailure", True, True, early, 1, 1))
    assert event["timestamp"] == "2025-06-15T15:06:30.000Z"
    assert event["techCode"] == "MeterFailure", "ChargeX has no number for it"


@pytest.mark.parametrize(("info", "words"), [("  hot ", "HighTemperature: hot"), ("  ", "HighTemperature")])
def test_no_text_is_padded(valid, info, words):
    assert told(valid, AlertFact(8, "HighTemperature", True, True, NOW, 1, 1, info=info))["techInfo"] == words
