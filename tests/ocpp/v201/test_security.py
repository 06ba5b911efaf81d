"""A04."""

import pytest

from station.clock import Now
from station.core.facts import SecurityFact
from station.ocpp.v201 import security

NOW = Now(mono=1000.0, wall=1_750_000_000.0, boot=3)


@pytest.mark.parametrize(
    ("info", "told"), [(None, {}), ("", {}), ("by hand", {"techInfo": "by hand"}), ("x" * 300, {"techInfo": "x" * 255})]
)
def test_security_event(valid, info, told):  # A04.FR.02
    frame = security.event(SecurityFact("StartupOfTheDevice", NOW, info), NOW)
    assert frame.action == "SecurityEventNotification"
    assert valid("SecurityEventNotificationRequest", frame.payload) == {
        "type": "StartupOfTheDevice",
        "timestamp": "2025-06-15T15:06:40.000Z",
        **told,
    }


def test_an_event_before_the_clock_was_known_gets_its_right_time():
    early = Now(mono=990.0, wall=0.0, boot=3, trusted=False)
    assert security.event(SecurityFact("ResetOrReboot", early), NOW).payload["timestamp"] == "2025-06-15T15:06:30.000Z"
