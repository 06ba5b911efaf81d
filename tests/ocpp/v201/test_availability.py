"""Block G. TC_G_01 to TC_G_19, TC_F_20."""

import pytest

from station.clock import Now
from station.core import events
from station.core.effects import ConnectorNotice
from station.core.types import ConnectorPhase, ConnectorState, Verdict
from station.ocpp.v201 import availability

NOW = Now(mono=1000.0, wall=1_750_000_000.0, boot=3)


@pytest.mark.parametrize("state", list(ConnectorState))
def test_status(valid, state):  # TC_G_01, TC_G_02, G01.FR.01
    body = ConnectorNotice(2, 1, state, ConnectorPhase.PREPARING, NOW)
    (frame,) = availability.notice(body, NOW)
    assert frame.action == "StatusNotification"
    assert valid("StatusNotificationRequest", frame.payload) == {
        "timestamp": "2025-06-15T15:06:40.000Z",
        "connectorStatus": state.value,
        "evseId": 2,
        "connectorId": 1,
    }


@pytest.mark.parametrize(("evse", "connector"), [(0, 0), (0, 1), (1, 0)])
def test_the_station_itself_has_no_status(evse, connector):
    body = ConnectorNotice(evse, connector, ConnectorState.AVAILABLE, ConnectorPhase.AVAILABLE, NOW)
    assert availability.notice(body, NOW) == []


def test_heartbeat(valid):  # G02
    frame = availability.heartbeat()
    assert (frame.action, valid("HeartbeatRequest", frame.payload)) == ("Heartbeat", {})
    assert availability.heartbeat_answer({"currentTime": "2025-06-15T15:06:40.123456+00:00"}) == 1_750_000_000.123456
    assert availability.heartbeat_answer({}) is None


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        ({"operationalStatus": "Inoperative"}, events.ChangeAvailability(7, False)),  # TC_G_05
        ({"operationalStatus": "Operative"}, events.ChangeAvailability(7, True)),  # TC_G_06
        ({"operationalStatus": "Inoperative", "evse": {"id": 2}}, events.ChangeAvailability(7, False, 2)),  # TC_G_03
        (
            {"operationalStatus": "Operative", "evse": {"id": 2, "connectorId": 1}},
            events.ChangeAvailability(7, True, 2, 1),  # TC_G_08
        ),
        ({"operationalStatus": "Operative", "evse": {"id": 0}}, events.ChangeAvailability(7, True)),
    ],
)
def test_change_availability(station, payload, event):
    assert station.ask("ChangeAvailability", payload) == {"status": "Accepted"}
    assert station.commands() == [event]


@pytest.mark.parametrize("word", ["Accepted", "Rejected", "Scheduled"])
def test_change_availability_answers(station, word):  # TC_G_11: Scheduled
    station.verdict = Verdict(word)
    assert station.ask("ChangeAvailability", {"operationalStatus": "Operative"}) == {"status": word}


def test_the_station_has_no_connectors_of_its_own(station):
    payload = {"operationalStatus": "Operative", "evse": {"id": 0, "connectorId": 1}}
    assert station.ask("ChangeAvailability", payload)["status"] == "Rejected"
    assert station.commands() == []
