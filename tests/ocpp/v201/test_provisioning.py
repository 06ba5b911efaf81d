"""Block B: BootNotification and Reset. TC_B_01, TC_B_02, TC_B_03, TC_B_20, TC_B_21, TC_B_22, TC_B_25, TC_B_28."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core import events
from station.core.types import ResetKind, Verdict
from station.ocpp.dialect import BootAnswer, StationIdentity
from station.ocpp.v201 import provisioning

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@settings(deadline=None)
@given(
    st.builds(StationIdentity, _text, _text, *[st.none() | _text] * 6),
    st.sampled_from(["PowerUp", "Watchdog", "RemoteReset", "LocalReset", "a word of tomorrow"]),
)
def test_boot_is_valid_for_any_identity(valid, identity, reason):
    wire = valid("BootNotificationRequest", provisioning.boot(identity, reason).payload)
    assert wire["chargingStation"]["vendorName"] == identity.vendor[:50]
    assert wire["reason"] == (reason if reason != "a word of tomorrow" else "Unknown")


def test_boot_tells_who_we_are(valid):  # TC_B_01, B01.FR.03
    identity = StationIdentity("V", "M", "S" * 30, "1.2.3", "8931", None)
    assert valid("BootNotificationRequest", provisioning.boot(identity, "PowerUp").payload) == {
        "reason": "PowerUp",
        "chargingStation": {
            "vendorName": "V",
            "model": "M",
            "serialNumber": "S" * 25,
            "firmwareVersion": "1.2.3",
            "modem": {"iccid": "8931"},
        },
    }


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (
            {"status": "Accepted", "interval": 300, "currentTime": "2025-06-15T15:06:40.123456+00:00"},
            BootAnswer("Accepted", 300.0, 1_750_000_000.123456),
        ),
        (
            {"status": "Pending", "interval": 0, "currentTime": "2025-06-15T15:06:40Z"},
            BootAnswer("Pending", 0.0, 1.75e9),
        ),
        ({"status": "Rejected", "interval": -5, "currentTime": "never"}, BootAnswer("Rejected", 0.0, None)),
        ({"status": "Perhaps", "interval": True}, BootAnswer("Rejected", 0.0, None)),
        ({}, BootAnswer("Rejected", 0.0, None)),
        ({"status": ["Accepted"], "interval": "10"}, BootAnswer("Rejected", 0.0, None)),
    ],
)
def test_boot_answers(payload, answer):
    assert provisioning.boot_answer(payload) == answer


@pytest.mark.parametrize(
    ("payload", "kind", "evse"),
    [
        ({"type": "Immediate"}, ResetKind.IMMEDIATE, 0),
        ({"type": "OnIdle"}, ResetKind.ON_IDLE, 0),
        ({"type": "OnIdle", "evseId": 2}, ResetKind.ON_IDLE, 2),  # TC_B_25
        ({"type": "Immediate", "evseId": 0}, ResetKind.IMMEDIATE, 0),
    ],
)
def test_reset(station, payload, kind, evse):
    station.verdict = Verdict("Scheduled")  # TC_B_21
    assert station.ask("Reset", payload) == {"status": "Scheduled"}
    assert station.commands() == [events.Reset(7, kind, evse)]


def test_reset_refused(station):  # TC_B_28
    station.verdict = Verdict("Rejected", "UnknownEvse", "no EVSE 9")
    assert station.ask("Reset", {"type": "OnIdle", "evseId": 9}) == {
        "status": "Rejected",
        "statusInfo": {"reasonCode": "UnknownEvse", "additionalInfo": "no EVSE 9"},
    }
