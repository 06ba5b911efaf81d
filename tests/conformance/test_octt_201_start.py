"""OCTT cases of block E for a 2.0.1 station, first half: how transactions start."""

from __future__ import annotations

from tests.conformance.stage201 import CARD, OTHER, Payload, Stage201, octt, readings, token, trigger_pairs

START = "TxCtrlr.TxStartPoint"
STOP = "TxCtrlr.TxStopPoint"


def _first(stage: Stage201) -> Payload:
    """The event that started the transaction: with a fresh number, and told where it is."""
    first = stage.events()[0]
    assert first["eventType"] == "Started"
    assert first["seqNo"] == 0  # E01.FR.07
    assert first["evse"] == {"id": 1, "connectorId": 1}  # E01.FR.16
    return first


# --- start points ---------------------------------------------------------------------------------------------------


@octt({START: "PowerPathClosed"})
async def test_tc_e_01_start_at_power_path_closed(stage: Stage201) -> None:
    """Authorised and connected, both: only then it starts (E01.FR.05)."""
    await stage.authorized()
    await stage.rest(5.0)
    assert stage.events() == []
    stage.plug()
    await stage.status("Occupied")
    await stage.event(kind="Started")
    first = _first(stage)
    assert first["triggerReason"] in {"CablePluggedIn", "ChargingStateChanged"}
    assert first["idToken"] == token()
    await stage.flows()


@octt({START: "EnergyTransfer"})
async def test_tc_e_02_start_at_energy_transfer(stage: Stage201) -> None:
    """It starts with the first energy (E01.FR.06)."""
    await stage.authorized()
    stage.plug()
    await stage.status("Occupied")
    await stage.event(kind="Started")
    first = _first(stage)
    assert first["triggerReason"] == "ChargingStateChanged"
    assert first["idToken"] == token()
    assert first["transactionInfo"]["chargingState"] == "Charging"


@octt({START: "EVConnected"})
async def test_tc_e_09_start_at_ev_connected(stage: Stage201) -> None:
    """It starts with the cable (E01.FR.02)."""
    stage.plug()
    await stage.status("Occupied")
    await stage.event("CablePluggedIn")
    first = _first(stage)
    assert first["triggerReason"] == "CablePluggedIn"
    assert first["transactionInfo"]["chargingState"] == "EVConnected"
    assert "idToken" not in first


@octt({START: "Authorized"})
async def test_tc_e_10_start_at_authorized_local(stage: Stage201) -> None:
    """It starts with the card, once the CSMS has accepted it (E01.FR.03)."""
    stage.swipe()
    assert (await stage.told("Authorize"))["idToken"] == token()
    await stage.event("Authorized")
    first = _first(stage)
    assert first["triggerReason"] == "Authorized"
    assert first["idToken"] == token()
    assert first["transactionInfo"]["chargingState"] == "Idle"


@octt({START: "Authorized"})
async def test_tc_e_13_start_at_authorized_remote(stage: Stage201) -> None:
    """It starts with the remote start, whose number it tells (F01.FR.06, F02.FR.01)."""
    await stage.remote_start()
    assert (await stage.told("Authorize"))["idToken"] == token()
    await stage.event("RemoteStart")
    first = _first(stage)
    assert first["triggerReason"] == "RemoteStart"
    assert first["idToken"] == token()
    assert first["transactionInfo"]["remoteStartId"] == 4711


@octt({START: "DataSigned", "SampledDataCtrlr.SignReadings": "true"})
async def test_tc_e_11_start_at_data_signed(stage: Stage201) -> None:
    """It starts with the first signed reading, which it tells (E01.FR.04)."""
    await stage.signing_meters()
    await stage.authorized()
    stage.plug()
    await stage.status("Occupied")
    await stage.event("SignedDataReceived")
    first = _first(stage)
    assert first["triggerReason"] == "SignedDataReceived"
    assert first["idToken"] == token()
    (begin,) = readings(first, "Transaction.Begin")
    assert begin["signedMeterValue"].keys() >= {"encodingMethod", "publicKey", "signedMeterData", "signingMethod"}
    charging = await stage.event("ChargingStateChanged", kind="Updated")
    assert charging["transactionInfo"]["chargingState"] == "Charging"


@octt({START: "ParkingBayOccupancy"})
async def test_tc_e_12_start_at_parking_bay_occupied(stage: Stage201) -> None:
    """It starts with the vehicle in the bay (E01.FR.01)."""
    stage.lab.board.bay(1, True)
    await stage.event("EVDetected")
    assert _first(stage)["triggerReason"] == "EVDetected"
    await stage.charging()
    assert trigger_pairs(stage.events())[0] == ("Started", "EVDetected")
    assert [pair[0] for pair in trigger_pairs(stage.events())[1:]] == ["Updated"] * 3


# --- local start ----------------------------------------------------------------------------------------------------


@octt()
async def test_tc_e_03_cable_first(stage: Stage201) -> None:
    """E02: cable, card, energy."""
    stage.plug()
    await stage.status("Occupied")
    first = await stage.event("CablePluggedIn")
    assert first["transactionInfo"]["chargingState"] == "EVConnected"
    stage.swipe()
    assert (await stage.told("Authorize"))["idToken"] == token()
    assert (await stage.event("Authorized"))["idToken"] == token()
    await stage.flows()
    events = stage.events()
    assert trigger_pairs(events) == [
        ("Started", "CablePluggedIn"),
        ("Updated", "Authorized"),
        ("Updated", "ChargingStateChanged"),
    ]
    assert [event["seqNo"] for event in events] == list(range(len(events)))
    assert len({event["transactionInfo"]["transactionId"] for event in events}) == 1


@octt()
async def test_tc_e_04_authorization_first(stage: Stage201) -> None:
    """E03: card, cable, energy."""
    stage.swipe()
    assert (await stage.told("Authorize"))["idToken"] == token()
    await stage.event("Authorized")
    stage.plug()
    await stage.status("Occupied")
    plugged = await stage.event("CablePluggedIn")
    assert plugged["transactionInfo"]["chargingState"] == "EVConnected"
    await stage.flows()
    assert trigger_pairs(stage.events()) == [
        ("Started", "Authorized"),
        ("Updated", "CablePluggedIn"),
        ("Updated", "ChargingStateChanged"),
    ]


TIMEOUT = {"TxCtrlr.EVConnectionTimeOut": "20", START: "Authorized", STOP: "Authorized"}


@octt({**TIMEOUT, "AuthCacheCtrlr.Enabled": "false"})
async def test_tc_e_05_cable_plugin_timeout(stage: Stage201) -> None:
    """Nobody plugs in: deauthorised (E03.FR.05), and the EVSE is ready for the next one."""
    await stage.authorized()
    started = await stage.event("Authorized")
    end = await stage.event("EVConnectTimeout")
    assert end["eventType"] == "Ended"
    assert end["transactionInfo"]["stoppedReason"] == "Timeout"
    assert end["transactionInfo"]["transactionId"] == started["transactionInfo"]["transactionId"]
    stage.from_now()
    await stage.authorized()
    assert (await stage.told("Authorize"))["idToken"] == token()
    stage.plug()
    await stage.flows()


@octt({**TIMEOUT, STOP: "EVConnected"})
async def test_tc_e_05_timeout_without_authorized_as_stop_point(stage: Stage201) -> None:
    """The authorisation is over though Authorized is no stop point; nothing is left that could end the transaction."""
    await stage.authorized()
    event = await stage.event("EVConnectTimeout")
    assert event["eventType"] in {"Updated", "Ended"}
    assert not stage.view().authorized
    assert stage.view().transaction is None


@octt(TIMEOUT)
async def test_tc_e_39_deauthorized_timeout(stage: Stage201) -> None:
    """After the time-out a cable alone does not charge."""
    await stage.authorized()
    end = await stage.event("EVConnectTimeout", kind="Ended")
    assert end["transactionInfo"]["stoppedReason"] == "Timeout"
    stage.from_now()
    stage.plug()
    await stage.status("Occupied")
    await stage.rest(30.0)
    assert not stage.view().relay_closed
    assert "Charging" not in {event["transactionInfo"]["chargingState"] for event in stage.events()}


@octt()
async def test_tc_e_38_ev_not_ready(stage: Stage201) -> None:
    """A vehicle that does not want energy yet is the one that pauses: SuspendedEV; later it charges."""
    await stage.authorized()
    stage.plug(s2_close_s=60.0)
    await stage.status("Occupied")
    await stage.event("CablePluggedIn")
    paused = await stage.event("ChargingStateChanged")
    assert paused["transactionInfo"]["chargingState"] == "SuspendedEV"
    await stage.flows()


@octt({"AuthCtrlr.DisableRemoteAuthorization": "true"})
async def test_tc_e_52_disable_remote_authorization(stage: Stage201) -> None:
    """The CSMS is not asked, and whom the station does not know may not charge."""
    stage.swipe(CARD)
    await stage.quiet("Authorize")
    assert not stage.view().authorized
    assert stage.events() == []


@octt()
async def test_tc_e_52_known_cards_still_start(stage: Stage201) -> None:
    """What the station knows itself still counts."""
    await stage.cached(OTHER)
    await stage.set("AuthCtrlr.DisableRemoteAuthorization", "true")
    stage.from_now()
    stage.plug()
    await stage.rest(1.0)
    stage.swipe(OTHER)
    await stage.flows()
    assert stage.calls("Authorize") == []


# --- other ways to be authorised ------------------------------------------------------------------------------------


@octt()
async def test_tc_e_03_start_button(stage: Stage201) -> None:
    """C02.FR.01: the button is a token of type NoAuthorization, and nobody is asked."""
    stage.plug()
    await stage.rest(1.0)
    assert stage.lab.button(1)
    event = await stage.event("Authorized")
    assert event["idToken"] == token("", "NoAuthorization")
    await stage.flows()
    assert stage.calls("Authorize") == []


@octt()
async def test_tc_e_04_pin_code(stage: Stage201) -> None:
    """C04.FR.01: a PIN is a token of type KeyCode."""
    stage.csms.policy.learn("4711")
    assert stage.lab.pin("4711", 1)
    assert (await stage.told("Authorize"))["idToken"] == token("4711", "KeyCode")
    assert (await stage.event("Authorized"))["idToken"] == token("4711", "KeyCode")
    stage.plug()
    await stage.flows()
