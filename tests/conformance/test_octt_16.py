"""OCPP 1.6 conformance: one test per station case of the OCA's test tool that lies in the profiles Core and RemoteTrigger.

Cases of other profiles are in the files beside it.

A test is named after its case (`test_tc_004_2_...` is TC_004_2_CS). The foreign side is the embedded CSMS, which judges every
frame by the `ocpp` package; time is virtual.
"""

from __future__ import annotations

import asyncio
import csv
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from hal.api import FaultCode, PowerFailing
from hal.errors import DeviceError
from station.clock import parse_iso
from station.sim.csms import EmbeddedCsms, FaultKind
from station.sim.lab import Lab, LabSettings
from tests.conformance.stage16 import CARD, FIXED_CABLE, FRIEND, NAME, OTHER, STRANGER, TOKENS, Stage, octt, play

CASES = Path(__file__).parents[3] / "shared" / "vectors" / "octt_16_station_cases.csv"

_LIST = "LocalAuthListManagement is not offered yet (SupportedFeatureProfiles)"
_FIRMWARE = "FirmwareManagement is not offered yet"
_RESERVATION = "Reservation is not offered yet"
_TLS = "over real TLS, before a foreign CSMS: tests/interop/test_security_profiles.py"

OUT_OF_SCOPE: dict[str, str] = {
    **dict.fromkeys(("TC_008_1_CS", "TC_008_2_CS", "TC_042_2_CS"), _LIST),
    **dict.fromkeys(("TC_043_2_CS", "TC_043_3_CS", "TC_043_CS"), _LIST),
    **dict.fromkeys(("TC_044_1_CS", "TC_044_2_CS", "TC_044_3_CS", "TC_045_1_CS", "TC_045_2_CS"), _FIRMWARE),
    **dict.fromkeys(("TC_046_1_CS", "TC_047_CS", "TC_051_CS", "TC_052_CS", "TC_053_1_CS", "TC_053_2_CS"), _RESERVATION),
    "TC_078_CS": _TLS,
}
"""Cases that are not tested, with the reason. What a station without the profile must answer is tested all the same."""


def test_every_case_is_tested_or_out_of_scope() -> None:
    """The list of cases, the test_octt_16*.py files and OUT_OF_SCOPE agree exactly."""
    if not CASES.exists():
        pytest.skip("the list of cases is not here")
    with CASES.open(encoding="utf-8", newline="") as file:
        known = {row["case_id"] for row in csv.DictReader(file)}
    text = "\n".join(file.read_text() for file in Path(__file__).parent.glob("test_octt_16*.py"))
    tested = {f"TC_{name}_CS" for name in re.findall(r"def test_tc_(\d{3}(?:_\d)?)_(?!\d)", text)}
    assert tested & OUT_OF_SCOPE.keys() == set()
    assert tested | OUT_OF_SCOPE.keys() == known


# --- 01 cold boot -----------------------------------------------------------------------------------------------------


@octt(boot=["Rejected", "Accepted"])
async def test_tc_001_cold_boot(s: Stage) -> None:
    """A refused station waits the interval in silence; once accepted it tells every state, and that it lives."""
    s.csms.policy.heartbeat_interval_s = 60
    await s.expect("BootNotification")
    await s.quiet(s.csms.policy.retry_interval_s - 1, "BootNotification", "StatusNotification", "Heartbeat")
    await s.ready()
    assert [s.seen.status(1), s.seen.status(2), s.seen.statuses[0, 0]["status"]] == ["Available"] * 3
    await s.expect("Heartbeat", within=61)
    await s.expect("Heartbeat", within=61)
    answer = await s.call("GetConfiguration", key=["HeartbeatInterval"])
    assert answer["configurationKey"][0]["value"] == "60"


@octt(boot=["Pending", "Accepted"])
async def test_tc_002_pending(s: Stage) -> None:
    """While Pending it can be configured and triggered, may not be started or stopped, and says nothing by itself."""
    await s.expect("BootNotification")
    await asyncio.sleep(1)
    assert (await s.call("GetConfiguration"))["configurationKey"]
    await s.configure(MeterValueSampleInterval="30")
    await s.order("RemoteStartTransaction", "Rejected", idTag=CARD, connectorId=1)
    await s.order("RemoteStopTransaction", "Rejected", transactionId=1)
    await s.order("TriggerMessage", "Accepted", requestedMessage="StatusNotification", connectorId=1)
    await s.expect_status("Available")
    await s.quiet(20, "StatusNotification", "Heartbeat", "BootNotification")
    await s.ready()
    answer = await s.call("GetConfiguration", key=["MeterValueSampleInterval"])
    assert answer["configurationKey"][0]["value"] == "30"


# --- 02 start of a session --------------------------------------------------------------------------------------------


@octt()
async def test_tc_003_plug_in_first(s: Stage) -> None:
    """Cable, card, energy; then the same card, and the cable out: every message in the order of the specification."""
    await s.ready()
    begun = s.mark
    s.lab.plug()
    await s.expect_status("Preparing")
    await asyncio.sleep(10)
    s.lab.swipe()
    await s.expect("Authorize", idTag=CARD)
    start = await s.expect("StartTransaction", connectorId=1, idTag=CARD)
    await s.expect_status("Charging")
    await asyncio.sleep(40)
    s.lab.swipe()
    stop = await s.expect("StopTransaction", transactionId=s.transaction, idTag=CARD)
    await s.expect_status("Finishing")
    await s.leave()
    await s.expect_status("Available")
    assert stop["meterStop"] > start["meterStart"]
    assert parse_iso(stop["timestamp"]) - parse_iso(start["timestamp"]) == pytest.approx(41, abs=1)
    assert s.words(since=begun) == [
        *("Preparing", "Authorize", "StartTransaction", "Charging"),
        *("StopTransaction", "Finishing", "Available"),
    ]


@octt()
async def test_tc_004_1_identification_first(s: Stage) -> None:
    """Card, then cable: Preparing at the card, StartTransaction not before the cable."""
    await s.ready()
    begun = s.mark
    s.lab.swipe()
    await s.expect("Authorize", idTag=CARD)
    await s.expect_status("Preparing")
    await s.quiet(20, "StartTransaction")
    s.lab.plug()
    await s.expect("StartTransaction", connectorId=1, idTag=CARD)
    await s.expect_status("Charging")
    assert s.words(since=begun) == ["Authorize", "Preparing", "StartTransaction", "Charging"]


@octt()
async def test_tc_004_2_identification_first_connection_time_out(s: Stage) -> None:
    """Nobody plugs in within ConnectionTimeOut: Available again, and a car that comes later needs a card."""
    await s.ready()
    await s.configure(ConnectionTimeOut="30")
    s.lab.swipe()
    await s.expect_status("Preparing")
    await s.quiet(29, "StatusNotification")
    await s.expect_status("Available", within=2)
    s.lab.plug()
    await s.expect_status("Preparing")
    await s.quiet(60, "StartTransaction")
    assert s.seen.transactions == {}


# --- 03 end of a session ----------------------------------------------------------------------------------------------


@octt()
async def test_tc_005_1_ev_side_disconnected_and_unlocked(s: Stage) -> None:
    """Unplugged at the car: the transaction stops with EVDisconnected and the socket lets the cable go."""
    await s.ready()
    await s.configure(StopTransactionOnEVSideDisconnect="true", UnlockConnectorOnEVSideDisconnect="true")
    await s.charging()
    s.lab.unplug(at_car=True)
    await s.expect("StopTransaction", transactionId=s.transaction, reason="EVDisconnected")
    await s.expect_status("Finishing")
    await s.leave()
    await s.expect_status("Available")
    assert not s.energised()


@octt()
async def test_tc_005_2_ev_side_disconnected_and_locked(s: Stage) -> None:
    """As before, but the socket keeps the cable until its owner presents the card again."""
    await s.ready()
    await s.configure(StopTransactionOnEVSideDisconnect="true", UnlockConnectorOnEVSideDisconnect="false")
    await s.charging()
    s.lab.unplug(at_car=True)
    await s.expect("StopTransaction", transactionId=s.transaction, reason="EVDisconnected")
    await s.expect_status("Finishing")
    await asyncio.sleep(5)
    with pytest.raises(DeviceError, match="locked"):
        s.lab.unplug()
    s.lab.swipe()
    await s.leave()
    await s.expect_status("Available")
    assert len(s.heard("StartTransaction")) == 1


@octt()
async def test_tc_005_3_ev_side_disconnected_goes_on(s: Stage) -> None:
    """StopTransactionOnEVSideDisconnect false: suspended, and the same transaction goes on when the car is back."""
    await s.ready()
    await s.configure(StopTransactionOnEVSideDisconnect="false", UnlockConnectorOnEVSideDisconnect="false")
    car = await s.charging()
    s.lab.unplug(at_car=True)
    await s.expect_status("SuspendedEV")
    await s.quiet(90, "StopTransaction")
    assert not s.energised()
    s.lab.board.plug(1, car)
    await s.expect_status("Charging")
    s.lab.swipe()
    await s.expect("StopTransaction", transactionId=s.transaction, idTag=CARD)
    await s.expect_status("Finishing")
    await s.leave()
    await s.expect_status("Available")
    assert len(s.heard("StartTransaction")) == 1


@octt(variables={"TxCtrlr.StopTxOnEVSideDisconnect": "false"})
async def test_the_key_for_an_unplugged_car_tells_what_will_happen(s: Stage) -> None:
    """The stop points of 2.x have a say in it: the key is true while one of them falls with the cable, and sets them."""
    await s.ready()
    for asked, points in (("true", ("EVConnected", "Authorized")), ("false", ("Authorized",)), ("true", None)):
        if asked == "false" or points is None:
            await s.configure(StopTransactionOnEVSideDisconnect=asked)
        answer = await s.call("GetConfiguration", key=["StopTransactionOnEVSideDisconnect"])
        assert answer["configurationKey"][0]["value"] == asked
        told = s.lab.running.model.members("TxCtrlr", "TxStopPoint")
        assert told == (points or ("EVConnected", "Authorized"))
    await s.charging()
    s.lab.unplug(at_car=True)
    await s.expect("StopTransaction", reason="EVDisconnected")


@octt()
async def test_tc_068_stop_with_the_same_id(s: Stage) -> None:
    """The card that started stops, without being asked about again."""
    await s.ready()
    await s.charging()
    asked = len(s.heard("Authorize"))
    s.lab.swipe()
    stop = await s.expect("StopTransaction", idTag=CARD)
    assert stop.get("reason", "Local") == "Local"
    assert len(s.heard("Authorize")) == asked
    await s.expect_status("Finishing")


@octt()
async def test_tc_069_stop_with_the_same_parent(s: Stage) -> None:
    """Another card of the group stops, after the CSMS has said that it is of the group; one of no group does not."""
    await s.ready()
    await s.charging()
    s.lab.swipe(OTHER)
    await s.expect("Authorize", idTag=OTHER)
    await s.quiet(10, "StopTransaction")
    s.lab.swipe(FRIEND)
    await s.expect("Authorize", idTag=FRIEND)
    await s.expect("StopTransaction", transactionId=s.transaction, idTag=FRIEND)
    await s.expect_status("Finishing")


# --- 04 authorisation cache -------------------------------------------------------------------------------------------


async def remember(s: Stage) -> None:
    """The card was here before, so it is in the cache; the connector is free again."""
    await s.configure(AuthorizationCacheEnabled="true", LocalPreAuthorize="true")
    await s.charging()
    s.lab.swipe()
    await s.expect_status("Finishing")
    await s.leave()
    await s.expect_status("Available")
    s.skip()


@octt()
async def test_tc_007_1_start_with_a_cached_id(s: Stage) -> None:
    """A card that the station knows starts without Authorize."""
    await s.ready()
    await remember(s)
    begun = s.mark
    s.lab.swipe()
    await s.expect_status("Preparing")
    s.lab.plug()
    await s.expect("StartTransaction", idTag=CARD)
    await s.expect_status("Charging")
    assert s.heard("Authorize", since=begun) == []


@octt()
async def test_tc_007_2_remote_start_with_a_cached_id(s: Stage) -> None:
    """The same for a remote start, though AuthorizeRemoteTxRequests asks for authorisation."""
    await s.ready()
    await s.configure(AuthorizeRemoteTxRequests="true")
    await remember(s)
    begun = s.mark
    await s.order("RemoteStartTransaction", "Accepted", idTag=CARD, connectorId=1)
    await s.expect_status("Preparing")
    s.lab.plug()
    await s.expect("StartTransaction", idTag=CARD)
    await s.expect_status("Charging")
    assert s.heard("Authorize", since=begun) == []


@octt()
async def test_tc_061_1_cleared_cache_local(s: Stage) -> None:
    """After ClearCache the card is asked about again."""
    await s.ready()
    await remember(s)
    await s.order("ClearCache", "Accepted")
    s.lab.swipe()
    await s.expect("Authorize", idTag=CARD)
    await s.expect_status("Preparing")


@octt()
async def test_tc_061_2_cleared_cache_remote(s: Stage) -> None:
    """After ClearCache a remote start is asked about again."""
    await s.ready()
    await s.configure(AuthorizeRemoteTxRequests="true")
    await remember(s)
    await s.order("ClearCache", "Accepted")
    await s.order("RemoteStartTransaction", "Accepted", idTag=CARD, connectorId=1)
    await s.expect("Authorize", idTag=CARD)
    await s.expect_status("Preparing")


# --- 05 remote start and stop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("authorize", ["true", "false"])
def test_tc_010_remote_start_cable_first(authorize: str) -> None:
    """The car waits; Authorize only where AuthorizeRemoteTxRequests says so."""

    async def case(s: Stage) -> None:
        await s.ready()
        await s.configure(AuthorizeRemoteTxRequests=authorize)
        s.lab.plug()
        await s.expect_status("Preparing")
        await s.order("RemoteStartTransaction", "Accepted", idTag=CARD, connectorId=1)
        if authorize == "true":
            await s.expect("Authorize", idTag=CARD)
        await s.expect("StartTransaction", connectorId=1, idTag=CARD)
        await s.expect_status("Charging")
        assert len(s.heard("Authorize")) == (authorize == "true")

    play(case)


@octt()
async def test_tc_011_1_remote_start_first(s: Stage) -> None:
    """The driver comes after the remote start: Preparing first, StartTransaction with the cable."""
    await s.ready()
    begun = s.mark
    await s.order("RemoteStartTransaction", "Accepted", idTag=CARD, connectorId=1)
    await s.expect_status("Preparing")
    await s.quiet(20, "StartTransaction")
    s.lab.plug()
    await s.expect("StartTransaction", connectorId=1, idTag=CARD)
    await s.expect_status("Charging")
    assert s.words(since=begun) == ["Authorize", "Preparing", "StartTransaction", "Charging"]


@octt()
async def test_tc_011_2_remote_start_time_out(s: Stage) -> None:
    """Nobody comes within ConnectionTimeOut: Available, and no transaction."""
    await s.ready()
    await s.configure(ConnectionTimeOut="20")
    await s.order("RemoteStartTransaction", "Accepted", idTag=CARD, connectorId=1)
    await s.expect_status("Preparing")
    await s.quiet(19, "StatusNotification")
    await s.expect_status("Available", within=2)
    s.lab.plug()
    await s.quiet(60, "StartTransaction")


@octt()
async def test_tc_012_remote_stop(s: Stage) -> None:
    """Accepted, StopTransaction with reason Remote, Finishing until the cable is out."""
    await s.ready()
    await s.charging()
    await s.order("RemoteStopTransaction", "Accepted", transactionId=s.transaction)
    stop = await s.expect("StopTransaction", transactionId=s.transaction, reason="Remote")
    assert "idTag" not in stop
    await s.expect_status("Finishing")
    await s.leave()
    await s.expect_status("Available")


# --- 06 reset ---------------------------------------------------------------------------------------------------------


async def restarted(s: Stage) -> None:
    """It boots, tells every state, and is there."""
    await s.ready()
    assert s.lab.boots == 2


@octt()
async def test_tc_013_hard_reset(s: Stage) -> None:
    """The answer leaves before the restart."""
    await s.ready()
    await s.order("Reset", "Accepted", type="Hard")
    await restarted(s)
    assert s.seen.status(1) == "Available"


@octt()
async def test_tc_014_soft_reset(s: Stage) -> None:
    """The same, softly."""
    await s.ready()
    await s.order("Reset", "Accepted", type="Soft")
    await restarted(s)
    assert s.seen.status(1) == "Available"


@octt()
async def test_tc_015_hard_reset_with_a_transaction(s: Stage) -> None:
    """The transaction stops with reason HardReset, and nobody charges after the restart."""
    await s.ready()
    await s.charging()
    await s.order("Reset", "Accepted", type="Hard")
    await s.expect("StopTransaction", transactionId=s.transaction, reason="HardReset")
    await restarted(s)
    await s.quiet(60, "StopTransaction", "StartTransaction")
    assert s.seen.status(1) in {"Preparing", "Finishing"}
    assert not s.energised()


@octt()
async def test_tc_016_soft_reset_with_a_transaction(s: Stage) -> None:
    """The transaction stops gracefully with reason SoftReset, before the restart."""
    await s.ready()
    await s.charging()
    await asyncio.sleep(30)
    await s.order("Reset", "Accepted", type="Soft")
    stop = await s.expect("StopTransaction", transactionId=s.transaction, reason="SoftReset")
    assert stop["meterStop"] > 0
    await restarted(s)
    await s.quiet(60, "StopTransaction", "StartTransaction")
    assert not s.energised()


# --- 07 unlock --------------------------------------------------------------------------------------------------------


@octt()
async def test_tc_017_1_unlock_without_session(s: Stage) -> None:
    """A socket with a lock says Unlocked, and nothing else happens."""
    await s.ready()
    await s.order("UnlockConnector", "Unlocked", connectorId=1)
    await s.quiet(10, "StatusNotification", "StopTransaction")


@octt(board=FIXED_CABLE)
async def test_tc_017_2_unlock_without_session_fixed_cable(s: Stage) -> None:
    """There is no lock: NotSupported."""
    await s.ready()
    await s.order("UnlockConnector", "NotSupported", connectorId=1)
    await s.quiet(10, "StatusNotification", "StopTransaction")


@octt()
async def test_tc_018_1_unlock_with_session(s: Stage) -> None:
    """The transaction is finished first; then the plug is free."""
    await s.ready()
    await s.charging()
    await s.order("UnlockConnector", "Unlocked", connectorId=1)
    await s.expect("StopTransaction", transactionId=s.transaction, reason="UnlockCommand")
    await s.expect_status("Finishing")
    await s.leave()
    await s.expect_status("Available")


@octt(board=FIXED_CABLE)
async def test_tc_018_2_unlock_with_session_fixed_cable(s: Stage) -> None:
    """What is not supported has no effect: the car goes on charging."""
    await s.ready()
    await s.charging()
    await s.order("UnlockConnector", "NotSupported", connectorId=1)
    await s.quiet(30, "StatusNotification", "StopTransaction")
    assert s.energised()


# --- 08 configuration -------------------------------------------------------------------------------------------------

REQUIRED_KEYS = (
    *("AuthorizeRemoteTxRequests", "ClockAlignedDataInterval", "ConnectionTimeOut", "ConnectorPhaseRotation"),
    *("GetConfigurationMaxKeys", "HeartbeatInterval", "LocalAuthorizeOffline", "LocalPreAuthorize"),
    *("MeterValuesAlignedData", "MeterValuesSampledData", "MeterValueSampleInterval", "NumberOfConnectors"),
    *("ResetRetries", "StopTransactionOnEVSideDisconnect", "StopTransactionOnInvalidId", "StopTxnAlignedData"),
    *("StopTxnSampledData", "SupportedFeatureProfiles", "TransactionMessageAttempts"),
    *("TransactionMessageRetryInterval", "UnlockConnectorOnEVSideDisconnect"),
)


@octt()
async def test_tc_019_retrieve_configuration(s: Stage) -> None:
    """Every key that 1.6 requires, all at once and by name; an unknown one is named as such."""
    await s.ready()
    everything = await s.call("GetConfiguration")
    keys = {entry["key"]: entry for entry in everything["configurationKey"]}
    assert not everything.get("unknownKey")
    assert set(REQUIRED_KEYS) <= keys.keys()
    assert keys["NumberOfConnectors"] == {"key": "NumberOfConnectors", "readonly": True, "value": "2"}
    for name in REQUIRED_KEYS:
        assert (await s.call("GetConfiguration", key=[name]))["configurationKey"] == [keys[name]]
    assert (await s.call("GetConfiguration", key=["SupportedFeatureProfiles", "Nonsense"])) == {
        "configurationKey": [keys["SupportedFeatureProfiles"]],
        "unknownKey": ["Nonsense"],
    }


@octt()
async def test_tc_021_change_configuration(s: Stage) -> None:
    """A new value holds at once, is told, and survives a restart."""
    await s.ready()
    await s.configure(MeterValueSampleInterval="15")
    wanted = {"configurationKey": [{"key": "MeterValueSampleInterval", "readonly": False, "value": "15"}]}
    assert await s.call("GetConfiguration", key=["MeterValueSampleInterval"]) == wanted
    await s.order("Reset", "Accepted", type="Soft")
    await restarted(s)
    assert await s.call("GetConfiguration", key=["MeterValueSampleInterval"]) == wanted


# --- 09 meter values --------------------------------------------------------------------------------------------------


@octt()
async def test_tc_070_sampled_meter_values(s: Stage) -> None:
    """Every MeterValueSampleInterval what MeterValuesSampledData lists, with the transactionId; the rest at the end."""
    await s.ready()
    measurands = ["Energy.Active.Import.Register", "Power.Active.Import"]
    await s.configure(MeterValueSampleInterval="30", MeterValuesSampledData=",".join(measurands))
    await s.configure(StopTxnSampledData=measurands[0])
    await s.charging()
    times = []
    for _ in range(3):
        values = await s.expect("MeterValues", connectorId=1, transactionId=s.transaction, within=31)
        (element,) = values["meterValue"]
        assert [v["measurand"] for v in element["sampledValue"]] == measurands
        assert {v["context"] for v in element["sampledValue"]} == {"Sample.Periodic"}
        times.append(parse_iso(element["timestamp"]))
    assert [round(b - a) for a, b in itertools.pairwise(times)] == [30, 30]
    s.lab.swipe()
    stop = await s.expect("StopTransaction")
    contexts = [v["context"] for element in stop["transactionData"] for v in element["sampledValue"]]
    assert contexts == ["Transaction.Begin", "Transaction.End"]
    last = float(stop["transactionData"][-1]["sampledValue"][0]["value"])
    assert stop["meterStop"] == pytest.approx(last, abs=0.5)


@octt()
async def test_tc_071_clock_aligned_meter_values(s: Stage) -> None:
    """At the full minute, of every connector, in a transaction or not."""
    await s.ready()
    await s.configure(ClockAlignedDataInterval="60", MeterValuesAlignedData="Energy.Active.Import.Register")
    await s.configure(MeterValueSampleInterval="0")
    await asyncio.sleep(7)
    await s.charging()
    await asyncio.sleep(130)
    for connector in (1, 2):
        found = s.heard("MeterValues", connectorId=connector)
        assert len(found) == 2
        for values in found:
            (element,) = values["meterValue"]
            assert parse_iso(element["timestamp"]) % 60 == 0
            assert {v["context"] for v in element["sampledValue"]} == {"Sample.Clock"}
            assert values.get("transactionId") == (s.transaction if connector == 1 else None)


# --- 10, 11 not authorised, not locked --------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [STRANGER, "0B10C4ED"], ids=["Invalid", "Blocked"])
def test_tc_023_4_local_start_not_authorised(token: str) -> None:
    """A card that the CSMS refuses starts nothing; the next one may."""

    async def case(s: Stage) -> None:
        await s.ready()
        s.lab.plug()
        await s.expect_status("Preparing")
        s.lab.swipe(token)
        await s.expect("Authorize", idTag=token)
        await s.quiet(60, "StartTransaction", "StatusNotification")
        assert not s.energised()
        s.lab.swipe()
        await s.expect("StartTransaction", idTag=CARD)

    play(case)


@octt()
async def test_tc_023_5_remote_start_not_authorised(s: Stage) -> None:
    """The remote start is taken, the token is not: no transaction, and the connector is free again."""
    await s.ready()
    await s.configure(AuthorizeRemoteTxRequests="true")
    await s.order("RemoteStartTransaction", "Accepted", idTag=STRANGER, connectorId=1)
    await s.expect("Authorize", idTag=STRANGER)
    await asyncio.sleep(1)
    assert s.seen.status(1) == "Available"
    s.lab.plug()
    await s.expect_status("Preparing")
    await s.quiet(60, "StartTransaction")


@octt()
async def test_tc_024_lock_failure(s: Stage) -> None:
    """The bolt jams: Faulted with ConnectorLockFailure, and no energy. It ends when the plug is out and the bolt moves."""
    await s.ready()
    s.lab.board.jam(1)
    s.lab.swipe()
    await s.expect("Authorize")
    s.lab.plug()
    await s.expect_status("Faulted", errorCode="ConnectorLockFailure")
    await asyncio.sleep(60)
    assert not s.energised()
    s.lab.board.jam(1, False)
    await s.leave()
    await s.expect_status("Available", errorCode="NoError")
    for transaction in s.seen.transactions.values():
        assert [stop["meterStop"] for stop in transaction.stops] == [0]


# --- 12 remote start and stop refused ---------------------------------------------------------------------------------


@octt()
async def test_tc_026_remote_start_at_a_busy_connector(s: Stage) -> None:
    """Rejected, and the transaction goes on."""
    await s.ready()
    await s.charging()
    await s.order("RemoteStartTransaction", "Rejected", idTag=OTHER, connectorId=1)
    await s.quiet(30, "StopTransaction", "StartTransaction", "StatusNotification")
    assert s.energised()


@octt()
async def test_tc_027_remote_start_at_connector_0(s: Stage) -> None:
    """Nobody can charge at the station as a whole."""
    await s.ready()
    await s.order("RemoteStartTransaction", "Rejected", idTag=CARD, connectorId=0)
    await s.quiet(10, "Authorize", "StatusNotification")


@octt()
async def test_tc_028_remote_stop_of_an_unknown_transaction(s: Stage) -> None:
    """Rejected, and the transaction that runs goes on."""
    await s.ready()
    await s.charging()
    for unknown in (s.transaction + 1, 0, -1):
        await s.order("RemoteStopTransaction", "Rejected", transactionId=unknown)
    await s.quiet(30, "StopTransaction", "StatusNotification")
    assert s.energised()


# --- 13 unlock fails --------------------------------------------------------------------------------------------------


@octt()
async def test_tc_030_unlock_failure(s: Stage) -> None:
    """The bolt is stuck: UnlockFailed in time, and the failure is told."""
    await s.ready()
    await s.charging()
    s.lab.board.jam(1)
    await s.order("UnlockConnector", "UnlockFailed", connectorId=1)
    await s.expect("StatusNotification", connectorId=1, errorCode="ConnectorLockFailure")
    with pytest.raises(DeviceError):
        s.lab.unplug()
    s.lab.board.jam(1, False)
    await s.order("UnlockConnector", "Unlocked", connectorId=1)
    await s.leave()
    await s.expect_status("Available", errorCode="NoError")


@octt()
async def test_tc_031_unlock_of_an_unknown_connector(s: Stage) -> None:
    """NotSupported; connector 0 has no lock either."""
    await s.ready()
    await s.order("UnlockConnector", "NotSupported", connectorId=9)


# --- 14 power failure -------------------------------------------------------------------------------------------------


@octt()
async def test_tc_032_1_power_failure_stops_before(s: Stage) -> None:
    """The board warns: the transaction is stopped with PowerLoss while the capacitor lasts, and not again afterwards."""
    await s.ready()
    await s.charging()
    await asyncio.sleep(60)
    s.lab.running.gateway.submit(PowerFailing())
    await s.expect("StopTransaction", transactionId=s.transaction, reason="PowerLoss", within=0.1)
    await s.lab.power_cut()
    await asyncio.sleep(60)
    await s.lab.power_on()
    await restarted(s)
    await s.quiet(30, "StopTransaction", "StartTransaction")


@pytest.mark.parametrize("warning", [True, False])
def test_tc_032_2_power_failure_stops_after(warning: bool) -> None:
    """The supply is gone at once: StopTransaction with PowerLoss at the next start, with the register of the meter."""

    async def case(s: Stage) -> None:
        await s.ready()
        await s.charging()
        await asyncio.sleep(65)
        drawn = float(s.heard("MeterValues")[-1]["meterValue"][0]["sampledValue"][0]["value"])
        await s.lab.power_cut(warning=warning)
        s.skip()
        await asyncio.sleep(600)
        await s.lab.power_on()
        await s.expect("BootNotification")
        stop = await s.expect("StopTransaction", transactionId=s.transaction, reason="PowerLoss")
        assert stop["meterStop"] >= drawn > 0
        await s.quiet(60, "StopTransaction", "StartTransaction")
        assert len(s.seen.transactions[str(s.transaction)].stops) == 1
        assert not s.energised()

    play(case)


@octt()
async def test_tc_034_unavailable_survives_a_power_failure(s: Stage) -> None:
    """Out of service stays out of service: the station, and a single connector."""
    await s.ready()
    await s.order("ChangeAvailability", "Accepted", connectorId=0, type="Inoperative")
    for connector in (0, 1, 2):
        await s.expect_status("Unavailable", connector)
    await s.lab.power_cut()
    await asyncio.sleep(10)
    await s.lab.power_on()
    await s.expect("BootNotification")
    for connector in (0, 1, 2):
        await s.expect_status("Unavailable", connector)
    await s.order("ChangeAvailability", "Accepted", connectorId=0, type="Operative")
    for connector in (0, 1, 2):
        await s.expect_status("Available", connector)


# --- 15 offline -------------------------------------------------------------------------------------------------------


async def away(s: Stage, seconds: float = 300) -> None:
    """Offline for so long, then back."""
    await s.lab.offline()
    await asyncio.sleep(seconds)
    s.skip()
    await s.lab.go_online()


@octt()
async def test_tc_036_connection_loss_in_a_transaction(s: Stage) -> None:
    """Readings go on offline and arrive later, in order, with their own times and the transactionId."""
    await s.ready()
    await s.charging()
    await asyncio.sleep(60)
    told = len(s.heard("MeterValues"))
    await away(s)
    await s.csms.wait_connected(NAME, 400)
    await asyncio.sleep(10)
    late = s.heard("MeterValues")[told:]
    times = [parse_iso(values["meterValue"][0]["timestamp"]) for values in late]
    assert len(times) >= 5
    assert times == sorted(times)
    assert {round(b - a) for a, b in itertools.pairwise(times)} == {60}
    assert {values["transactionId"] for values in late} == {s.transaction}
    assert s.energised()


@octt()
async def test_tc_037_1_offline_start(s: Stage) -> None:
    """A known card starts offline; the CSMS learns of it later, with the true time, and of the readings after it."""
    await s.ready()
    await remember(s)
    await s.lab.offline()
    await asyncio.sleep(30)
    s.lab.plug()
    s.lab.swipe()
    await asyncio.sleep(150)
    assert s.energised()
    began = s.csms.clock.now().wall - 150
    s.skip()
    await s.lab.go_online()
    start = await s.expect("StartTransaction", idTag=CARD, within=400)
    assert parse_iso(start["timestamp"]) == pytest.approx(began, abs=1)
    await s.expect("MeterValues", transactionId=s.transaction)
    assert s.energised()


@octt()
async def test_tc_037_2_offline_start_with_an_invalid_id_is_suspended(s: Stage) -> None:
    """StopTransactionOnInvalidId false: the transaction stays, without energy, until somebody ends it."""
    await s.ready()
    await s.configure(AllowOfflineTxForUnknownId="true", StopTransactionOnInvalidId="false", MaxEnergyOnInvalidId="0")
    await s.lab.offline()
    s.lab.plug()
    s.lab.swipe(STRANGER)
    await asyncio.sleep(60)
    assert s.energised()
    s.skip()
    await s.lab.go_online()
    await s.expect("StartTransaction", idTag=STRANGER, within=400)
    await s.expect_status("SuspendedEVSE")
    await s.quiet(60, "StopTransaction")
    assert not s.energised()
    s.lab.swipe(STRANGER)
    await s.expect("StopTransaction", transactionId=s.transaction)


@octt()
async def test_tc_037_3_offline_start_with_an_invalid_id_is_stopped(s: Stage) -> None:
    """StopTransactionOnInvalidId true: StopTransaction with DeAuthorized."""
    await s.ready()
    await s.configure(AllowOfflineTxForUnknownId="true", StopTransactionOnInvalidId="true")
    await s.lab.offline()
    s.lab.plug()
    s.lab.swipe(STRANGER)
    await asyncio.sleep(60)
    s.skip()
    await s.lab.go_online()
    await s.expect("StartTransaction", idTag=STRANGER, within=400)
    await s.expect("StopTransaction", transactionId=s.transaction, reason="DeAuthorized")
    await s.expect_status("Finishing")
    assert not s.energised()


@octt()
async def test_tc_038_offline_stop(s: Stage) -> None:
    """The driver leaves while the station is offline: StopTransaction follows, with the time and register of then."""
    await s.ready()
    await s.charging()
    await asyncio.sleep(30)
    await s.lab.offline()
    await asyncio.sleep(30)
    ended = s.csms.clock.now().wall
    s.lab.swipe()
    await s.leave()
    await asyncio.sleep(120)
    s.skip()
    await s.lab.go_online()
    stop = await s.expect("StopTransaction", transactionId=s.transaction, idTag=CARD, within=400)
    assert stop.get("reason", "Local") == "Local"
    assert parse_iso(stop["timestamp"]) == pytest.approx(ended, abs=1)
    await asyncio.sleep(5)
    assert s.seen.status(1) == "Available"


@octt()
async def test_tc_039_offline_transaction(s: Stage) -> None:
    """A whole transaction offline: start, readings and stop arrive in order, under the id that the CSMS gives it."""
    await s.ready()
    await remember(s)
    before = s.transaction
    await s.lab.offline()
    s.lab.plug()
    s.lab.swipe()
    await asyncio.sleep(130)
    s.lab.swipe()
    await s.leave()
    await asyncio.sleep(60)
    s.skip()
    begun = s.mark
    await s.lab.go_online()
    start = await s.expect("StartTransaction", idTag=CARD, within=400)
    stop = await s.expect("StopTransaction", idTag=CARD)
    assert s.transaction == stop["transactionId"] == before + 1
    assert stop["meterStop"] > start["meterStart"]
    told = [word for word in s.words(since=begun) if word.endswith(("Transaction", "Values"))]
    assert told == ["StartTransaction", "MeterValues", "MeterValues", "StopTransaction"]


# --- 16 configuration refused -----------------------------------------------------------------------------------------


@octt()
async def test_tc_040_1_unknown_key(s: Stage) -> None:
    """NotSupported."""
    await s.ready()
    await s.order("ChangeConfiguration", "NotSupported", key="Nonsense", value="1")


@octt()
async def test_tc_040_2_invalid_value(s: Stage) -> None:
    """Rejected: of the wrong type, out of range, of a key that cannot be written. The old value stays."""
    await s.ready()
    for key, value in (
        ("MeterValueSampleInterval", "-1"),
        ("MeterValueSampleInterval", "often"),
        ("AuthorizeRemoteTxRequests", "perhaps"),
        ("MeterValuesSampledData", "Energy.Active.Import.Register,Nonsense"),
        ("NumberOfConnectors", "3"),
    ):
        before = await s.call("GetConfiguration", key=[key])
        await s.order("ChangeConfiguration", "Rejected", key=key, value=value)
        assert await s.call("GetConfiguration", key=[key]) == before


# --- 17 faults --------------------------------------------------------------------------------------------------------


@octt()
async def test_tc_041_fault(s: Stage) -> None:
    """A fault is told with its code, stops energy, and ends; a remote start meanwhile is refused."""
    await s.ready()
    s.lab.fault(FaultCode.HIGH_TEMPERATURE)
    await s.expect_status("Faulted", errorCode="HighTemperature")
    await s.order("RemoteStartTransaction", "Rejected", idTag=CARD, connectorId=1)
    s.lab.clear(FaultCode.HIGH_TEMPERATURE)
    await s.expect_status("Available", errorCode="NoError")
    await s.charging()
    s.lab.fault(FaultCode.GROUND_FAILURE)
    await s.expect_status("Faulted", errorCode="GroundFailure", within=1)
    await s.expect("StopTransaction", transactionId=s.transaction, reason="Other", within=1)
    assert not s.energised()


# --- 18 local list, as far as it is not supported ---------------------------------------------------------------------


async def not_supported(s: Stage, action: str, **payload: Any) -> None:
    """A message of a profile that is not offered: a CALLERROR of the code that 1.6 has for it."""
    refusal: Any = await s.csms.call(NAME, action, payload, timeout=2.0)
    assert refusal.code == "NotSupported"


@octt()
async def test_tc_042_1_local_list_version_not_supported(s: Stage) -> None:
    """A station without the profile says so."""
    await s.ready()
    await not_supported(s, "GetLocalListVersion")


@octt()
async def test_tc_043_1_local_list_not_supported(s: Stage) -> None:
    """The same for SendLocalList."""
    await s.ready()
    await not_supported(s, "SendLocalList", listVersion=1, updateType="Full")


# --- 22 remote trigger ------------------------------------------------------------------------------------------------


@octt()
async def test_tc_054_trigger(s: Stage) -> None:
    """Whatever the profiles offer is sent when asked for, after the answer; of the others it says NotImplemented."""
    await s.ready()
    for message, connector in (
        ("MeterValues", 1),
        ("MeterValues", None),
        ("Heartbeat", None),
        ("StatusNotification", 2),
        ("StatusNotification", None),
        ("BootNotification", None),
    ):
        where = {} if connector is None else {"connectorId": connector}
        await s.order("TriggerMessage", "Accepted", requestedMessage=message, **where)
        found = await s.expect(message, within=2, **where)
        if message == "MeterValues":
            assert {v["context"] for v in found["meterValue"][0]["sampledValue"]} == {"Trigger"}
    await s.charging()
    await s.order("TriggerMessage", "Accepted", requestedMessage="MeterValues", connectorId=1)
    await s.expect("MeterValues", within=2, connectorId=1, transactionId=s.transaction)
    for message in ("DiagnosticsStatusNotification", "FirmwareStatusNotification"):
        await s.order("TriggerMessage", "NotImplemented", requestedMessage=message)
    await s.quiet(10, "DiagnosticsStatusNotification", "FirmwareStatusNotification")


@octt()
async def test_tc_055_trigger_rejected(s: Stage) -> None:
    """An unknown connector: Rejected, and nothing is sent."""
    await s.ready()
    for message in ("MeterValues", "StatusNotification"):
        await s.order("TriggerMessage", "Rejected", requestedMessage=message, connectorId=9)
    await s.quiet(10, "MeterValues", "StatusNotification")


# --- 24 data transfer -------------------------------------------------------------------------------------------------


@octt()
async def test_tc_062_data_transfer(s: Stage) -> None:
    """Of an unknown vendor and of an unknown message it says which; what somebody has registered is carried out."""
    await s.ready()
    await s.order("DataTransfer", "UnknownVendorId", vendorId="com.example", messageId="ping", data="x")
    s.lab.running.client.transfers.register("com.example", "ping", lambda data: ("Accepted", f"pong {data}"))
    await s.order("DataTransfer", "UnknownMessageId", vendorId="com.example", messageId="pong")
    answer = await s.call("DataTransfer", vendorId="com.example", messageId="ping", data="x")
    assert answer == {"status": "Accepted", "data": "pong x"}


# --- 25 security, as far as it is a password --------------------------------------------------------------------------

OLD, NEW = "0123456789abcdef", "fedcba9876543210"


async def test_tc_073_new_password() -> None:
    """Over a real socket: Accepted, then a connection with the new password; nobody is told what it is."""
    async with EmbeddedCsms(TOKENS, subprotocols=("ocpp1.6",), password=OLD) as csms:
        settings = LabSettings(versions=("1.6",), csms_url=csms.url, password=OLD, identity=NAME)
        async with Lab(settings):
            await csms.wait_for(NAME, "StatusNotification", lambda p: p["connectorId"] == 2, since=0, timeout=5)
            assert csms._listener is not None
            csms._listener._password = NEW
            for refused in ("short", "x" * 41):
                answer = await csms.call(NAME, "ChangeConfiguration", {"key": "AuthorizationKey", "value": refused})
                assert answer == {"status": "Rejected"}
            answer = await csms.call(NAME, "ChangeConfiguration", {"key": "AuthorizationKey", "value": NEW})
            assert answer == {"status": "Accepted"}
            while csms.station(NAME).connections < 2:
                await asyncio.sleep(0.01)
            asked = await csms.call(NAME, "GetConfiguration", {"key": ["AuthorizationKey"]})
            assert asked == {"configurationKey": [{"key": "AuthorizationKey", "readonly": False}]}
    assert csms.station(NAME).complaints == []


def test_the_stage_itself_notices_a_refusal() -> None:
    """A CALLERROR of the CSMS fails a case that does not expect it."""

    async def case(s: Stage) -> None:
        s.csms.fault(FaultKind.REFUSE, "StatusNotification")
        await s.ready()
        await asyncio.sleep(1)

    with pytest.raises(AssertionError):
        play(case)
