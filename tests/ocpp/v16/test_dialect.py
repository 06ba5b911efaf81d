"""The composed dialect: Authorize, the set of actions, and evcc's boot sequence."""

from __future__ import annotations

import pytest

from hal.api import TokenKind
from station.core.events import ChangeAvailability, TriggerMeterValues
from station.core.types import AuthStatus, IdToken, TokenInfo
from station.ocpp.dialect import Frame
from station.ocpp.v16.dialect import Dialect16, create

CORE = {
    "ChangeAvailability",
    "ChangeConfiguration",
    "ClearCache",
    "DataTransfer",
    "GetConfiguration",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "Reset",
    "UnlockConnector",
}


def test_whole_core_profile_and_remote_trigger(rig):
    assert all(rig.dialect.supports(action) for action in CORE | {"TriggerMessage"})


@pytest.mark.parametrize(
    "action", ["ReserveNow", "SendLocalList", "GetDiagnostics", "UpdateFirmware", "BootNotification"]
)
def test_actions_of_other_profiles_are_left_to_the_shell(rig, action):
    assert not rig.dialect.supports(action)


def test_the_factory_makes_a_1_6_dialect(rig):
    dialect = create(rig.settings)
    assert isinstance(dialect, Dialect16)
    assert (dialect.version, dialect.subprotocol) == ("1.6", "ocpp1.6")


def test_tc_003_authorize(rig):
    """Quirk 5: nothing but the idTag."""
    frame = rig.dialect.ask(IdToken("04A1B2C3", TokenKind.ISO14443), rig.services)
    assert frame == Frame("Authorize", {"idTag": "04A1B2C3"})
    rig.check(frame)


@pytest.mark.parametrize("status", ["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"])
def test_tc_023_authorize_answers(rig, status):
    assert rig.dialect.ask_answer({"idTagInfo": {"status": status}}).status is AuthStatus(status)


def test_an_empty_authorize_answer_is_no_acceptance(rig):
    assert rig.dialect.ask_answer({}) == TokenInfo(AuthStatus.INVALID)


def test_evcc_boot_sequence(rig):
    """What evcc does to a station that it meets: nothing is refused."""
    measurands = [
        "Power.Active.Import",
        "Energy.Active.Import.Register",
        "Current.Import",
        "Voltage",
        "Current.Offered",
        "Power.Offered",
        "SoC",
    ]
    assert rig.status("TriggerMessage", requestedMessage="BootNotification") == "Accepted"
    assert rig.services.log == ["answer", ("boot", True)]
    assert rig.status("ChangeAvailability", connectorId=0, type="Operative") == "Accepted"
    assert rig.services.commands == [ChangeAvailability(1, operative=True, evse=0)]

    told = {entry["key"]: entry for entry in rig.call("GetConfiguration")["configurationKey"]}
    assert told["SupportedFeatureProfiles"]["value"].split(",") == ["Core", "RemoteTrigger", "SmartCharging"]
    assert told["NumberOfConnectors"]["value"] == "2"
    assert told["MeterValuesSampledData"]["readonly"] is False

    for measurand in measurands:
        assert rig.status("ChangeConfiguration", key="MeterValuesSampledData", value=measurand) == "Accepted"
    joined = ",".join(measurands)
    assert rig.status("ChangeConfiguration", key="MeterValuesSampledData", value=joined) == "Accepted"
    assert rig.services.model.text("SampledDataCtrlr", "TxUpdatedMeasurands") == joined

    assert rig.status("TriggerMessage", requestedMessage="MeterValues", connectorId=0) == "Accepted"
    assert isinstance(rig.services.commands[-1], TriggerMeterValues)
    for key, value in (("MeterValueSampleInterval", "10"), ("WebSocketPingInterval", "30")):
        assert rig.status("ChangeConfiguration", key=key, value=value) == "Accepted"
    assert rig.services.model.integer("OCPPCommCtrlr", "WebSocketPingInterval") == 30
    assert rig.services.log.count(("boot", True)) == 1  # nothing restarted meanwhile
