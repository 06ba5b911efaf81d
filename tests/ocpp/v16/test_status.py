"""StatusNotification."""

from __future__ import annotations

import pytest

from hal.api import FaultCode
from station.clock import Now
from station.core.effects import ConnectorNotice
from station.core.types import ConnectorPhase, ConnectorState
from station.ocpp.v16 import status

WALL = 1_790_000_000.0


def notice(evse=1, phase=ConnectorPhase.PREPARING, **more):
    return ConnectorNotice(
        evse, more.pop("connector", 1 if evse else 0), ConnectorState.OCCUPIED, phase, Now(1.0, WALL), **more
    )


def words(rig, body):
    [frame] = rig.dialect.notice(body, rig.services)
    assert frame.action == "StatusNotification"
    return rig.check(frame)


@pytest.mark.parametrize("phase", list(ConnectorPhase))
@pytest.mark.parametrize("evse", [1, 2])
def test_tc_003_every_phase_is_a_status(rig, evse, phase):
    payload = words(rig, notice(evse, phase))
    error = "OtherError" if phase is ConnectorPhase.FAULTED else "NoError"
    assert payload == {
        "connectorId": evse,
        "status": phase.value,
        "errorCode": error,
        "timestamp": "2026-09-21T14:13:20.000Z",
    }


@pytest.mark.parametrize("phase", list(ConnectorPhase))
def test_connector_0_has_three_states_only(rig, phase):
    told = words(rig, notice(0, phase))["status"]
    assert told == (phase.value if phase.value in {"Unavailable", "Faulted"} else "Available")


@pytest.mark.parametrize("fault", list(FaultCode))
def test_tc_041_every_fault_has_a_legal_code_and_its_own_name(rig, fault):
    payload = words(rig, notice(phase=ConnectorPhase.FAULTED, fault=fault))
    assert payload["vendorErrorCode"] == fault.value
    assert payload["errorCode"] not in {"NoError", "EVCommunicationError"}  # 4.9: the latter is a warning
    assert status.ERROR_CODES[fault] in {payload["errorCode"], "EVCommunicationError"}


def test_tc_024_a_lock_failure_is_named(rig):
    payload = words(rig, notice(phase=ConnectorPhase.FAULTED, fault=FaultCode.CONNECTOR_LOCK_FAILURE))
    assert payload["errorCode"] == "ConnectorLockFailure"


def test_a_pilot_fault_while_preparing_is_a_communication_warning(rig):
    assert words(rig, notice(fault=FaultCode.PILOT_FAULT))["errorCode"] == "EVCommunicationError"


def test_info_is_cut_to_its_length_and_absent_when_empty(rig):
    assert words(rig, notice(info="i" * 200))["info"] == "i" * 50
    assert "info" not in words(rig, notice())


def test_the_time_is_corrected_when_the_clock_was_set_later(rig):
    """Quirk 7: `since` was stamped before the CSMS told the time, 10 s ago."""
    body = ConnectorNotice(1, 1, ConnectorState.AVAILABLE, ConnectorPhase.AVAILABLE, Now(990.0, 5.0, trusted=False))
    assert words(rig, body)["timestamp"] == "2026-09-21T14:13:10.000Z"


def test_of_several_connectors_of_an_evse_the_one_in_use_speaks(rig):
    rig.services.evses = [rig.evse_view(1, connector=2, phase=ConnectorPhase.CHARGING)]
    assert words(rig, notice(1, ConnectorPhase.UNAVAILABLE, connector=1))["status"] == "Charging"
    assert words(rig, notice(1, ConnectorPhase.CHARGING, connector=2))["status"] == "Charging"
