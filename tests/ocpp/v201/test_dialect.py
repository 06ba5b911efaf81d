"""The composition: every block is reachable, and what is not ours is said not to be."""

from importlib.resources import files

import pytest

from station.clock import Now
from station.core.effects import ConnectorNotice, MeterNotice
from station.core.facts import SecurityFact, TxFact
from station.core.types import (
    AuthStatus,
    ChargingState,
    ConnectorPhase,
    ConnectorState,
    IdToken,
    MeterSample,
    ReadingContext,
    SampledValue,
    Trigger,
    TxPhase,
)
from station.ocpp.v201 import dialect

NOW = Now(mono=1000.0, wall=1_750_000_000.0, boot=3)
ACTIONS = {
    "CertificateSigned",
    "ChangeAvailability",
    "ClearCache",
    "ClearChargingProfile",
    "DataTransfer",
    "DeleteCertificate",
    "GetBaseReport",
    "GetChargingProfiles",
    "GetCompositeSchedule",
    "GetInstalledCertificateIds",
    "GetLog",
    "GetTransactionStatus",
    "GetVariables",
    "InstallCertificate",
    "RequestStartTransaction",
    "RequestStopTransaction",
    "Reset",
    "SetChargingProfile",
    "SetNetworkProfile",
    "SetVariables",
    "TriggerMessage",
    "UnlockConnector",
    "UpdateFirmware",
}


def tx(phase=TxPhase.STARTED, token=None):
    return TxFact(
        "tx-1", 0, phase, Trigger.AUTHORIZED, NOW, 1, 1, ChargingState.IDLE, True, False, token=token, tx_token=token
    )


def test_versions(station):
    assert (station.dialect.version, station.dialect.subprotocol) == ("2.0.1", "ocpp2.0.1")


def test_supported_actions(station):
    """What 2.0.1 knows and we have not yet is answered NotSupported by the shell."""
    schemas = files("ocpp").joinpath("v201", "schemas").iterdir()
    known = {one.name.removesuffix("Request.json") for one in schemas if one.name.endswith("Request.json")}
    assert {action for action in known if station.dialect.supports(action)} == ACTIONS
    assert set(dialect.HANDLERS) == ACTIONS
    assert not station.dialect.supports("Heartbeat")
    assert not station.dialect.supports("Nonsense")


def test_own_calls(station, valid):
    boot = station.dialect.boot("PowerUp")
    assert valid("BootNotificationRequest", boot.payload)["chargingStation"]["vendorName"] == "Vendor"
    assert station.dialect.boot_answer({"status": "Accepted", "interval": 10}, NOW).interval_s == 10.0
    assert station.dialect.heartbeat().action == "Heartbeat"
    assert station.dialect.heartbeat_answer({"currentTime": "2025-06-15T15:06:40Z"}) == NOW.wall
    assert station.dialect.ask(IdToken("04A1B2C3"), station).action == "Authorize"
    assert station.dialect.ask_answer({"idTokenInfo": {"status": "Accepted"}}).status is AuthStatus.ACCEPTED


def test_records_leave_the_context_alone(station, valid):
    context = {"kept": 1}
    rendered = station.dialect.record(tx(), context, NOW, offline=False)
    valid("TransactionEventRequest", rendered.frame.payload)
    assert rendered.context == context
    rendered = station.dialect.record(SecurityFact("ResetOrReboot", NOW), context, NOW, offline=True)
    valid("SecurityEventNotificationRequest", rendered.frame.payload)
    assert rendered.context == context
    assert station.dialect.record_dropped(tx(), context) == context


def test_record_answers(station):
    answer = {"idTokenInfo": {"status": "Invalid"}}
    (news,) = station.dialect.record_answer(tx(token=IdToken("04A1B2C3")), {}, answer).events
    assert news.info.status is AuthStatus.INVALID
    assert station.dialect.record_answer(SecurityFact("ResetOrReboot", NOW), {"a": 1}, {}).context == {"a": 1}


@pytest.mark.parametrize(
    ("fact", "last"),
    [
        (tx(), False),
        (tx(TxPhase.UPDATED), False),
        (tx(TxPhase.ENDED), True),
        (SecurityFact("ResetOrReboot", NOW), True),
    ],
)
def test_finished(station, fact, last):
    assert station.dialect.finished(fact, {}) is last


def test_notices(station):
    state = ConnectorNotice(1, 1, ConnectorState.OCCUPIED, ConnectorPhase.PREPARING, NOW)
    assert [frame.action for frame in station.dialect.notice(state, station)] == ["StatusNotification"]
    values = (SampledValue("Energy.Active.Import.Register", 1.0, "Wh"),)
    reading = MeterNotice(1, (MeterSample(NOW, ReadingContext.TRIGGER, values),))
    assert [frame.action for frame in station.dialect.notice(reading, station)] == ["MeterValues"]
