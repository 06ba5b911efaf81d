"""TriggerMessage: answer first, then the message."""

from __future__ import annotations

import pytest

from station.core.events import TriggerMeterValues, TriggerStatus
from station.ocpp.v16 import trigger


def test_trigger_message_is_handled(rig):
    assert rig.dialect.supports(*trigger.HANDLERS)


@pytest.mark.parametrize("state", ["Accepted", "Pending"])
def test_tc_054_boot_notification_is_sent_again_even_when_accepted(rig, state):
    """Quirk 3: a CSMS that restarted waits for it, and drops a station that refuses."""
    rig.services.state = state
    assert rig.status("TriggerMessage", requestedMessage="BootNotification") == "Accepted"
    assert rig.services.log == ["answer", ("boot", True)]


def test_tc_054_heartbeat_follows_the_answer_and_ignores_a_connector(rig):
    assert rig.status("TriggerMessage", requestedMessage="Heartbeat", connectorId=17) == "Accepted"
    assert rig.services.log == ["answer", "heartbeat"]


@pytest.mark.parametrize(
    ("message", "command"), [("MeterValues", TriggerMeterValues), ("StatusNotification", TriggerStatus)]
)
@pytest.mark.parametrize("connector", [None, 0, 1, 2])
def test_tc_054_meter_values_and_status(rig, message, command, connector):
    where = {} if connector is None else {"connectorId": connector}
    assert rig.status("TriggerMessage", requestedMessage=message, **where) == "Accepted"
    assert rig.services.commands == [command(1, connector)]


@pytest.mark.parametrize("message", ["MeterValues", "StatusNotification"])
@pytest.mark.parametrize("connector", [3, -1])
def test_tc_055_an_unknown_connector_is_rejected(rig, message, connector):
    assert rig.status("TriggerMessage", requestedMessage=message, connectorId=connector) == "Rejected"
    assert rig.services.commands == []


def test_the_core_may_refuse(rig):
    rig.verdict(TriggerMeterValues, "Rejected")
    assert rig.status("TriggerMessage", requestedMessage="MeterValues", connectorId=0) == "Rejected"


@pytest.mark.parametrize("message", ["DiagnosticsStatusNotification", "FirmwareStatusNotification"])
def test_messages_of_profiles_that_are_not_ours_are_not_implemented(rig, message):
    assert rig.status("TriggerMessage", requestedMessage=message) == "NotImplemented"
    assert rig.services.log == ["answer"]
