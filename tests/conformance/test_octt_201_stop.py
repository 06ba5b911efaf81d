"""OCTT cases of block E for a 2.0.1 station, second half: how transactions stop."""

from __future__ import annotations

import pytest

from hal.errors import DeviceError
from tests.conformance.stage201 import STRANGER, Payload, Stage201, octt, token, trigger_pairs

STOP = "TxCtrlr.TxStopPoint"
EV_SIDE = "TxCtrlr.StopTxOnEVSideDisconnect"
UNLOCK = "OCPPCommCtrlr.UnlockOnEVSideDisconnect"
FIXED = {"fixed_cable": True}


def _stopped(event: Payload) -> str:
    """stoppedReason; it may be left out when it is Local."""
    return str(event["transactionInfo"].get("stoppedReason", "Local"))


async def _suspended(stage: Stage201, evse: int = 1) -> str:
    """The vehicle charges, then pauses (OCTT: EnergyTransferSuspended); returns the transaction's id."""
    tx_id = await stage.charging(evse)
    stage.cars[evse].pause()
    await stage.event(state="SuspendedEV", evse=evse)
    stage.from_now()
    return tx_id


async def _remote_stop(stage: Stage201, tx_id: str) -> Payload:
    await stage.ask("Accepted", "RequestStopTransaction", {"transactionId": tx_id})
    return await stage.event("RemoteStop")


def _only_one_end(stage: Stage201) -> None:
    assert [event["eventType"] for event in stage.events()].count("Ended") == 1
    assert stage.events()[-1]["eventType"] == "Ended"


# --- a card, or the CSMS --------------------------------------------------------------------------------------------


@octt()
async def test_tc_e_06_local_stop(stage: Stage201) -> None:
    """The card that started stops, without a question; then the cable can be taken (E07.FR.01, FR.04, E06.FR.08)."""
    await stage.charging()
    stage.from_now()
    stage.swipe()
    end = await stage.event("StopAuthorized")
    assert end["eventType"] == "Ended"
    assert end["idToken"] == token()
    assert _stopped(end) == "Local"
    await stage.leave()
    await stage.status("Available")
    assert stage.calls("Authorize") == []
    _only_one_end(stage)


@octt({STOP: "PowerPathClosed"})
async def test_tc_e_07_power_path_closed_local_stop(stage: Stage201) -> None:
    """A local stop opens the power path: that ends the transaction (E06.FR.06)."""
    await stage.charging()
    stage.swipe()
    end = await stage.event("StopAuthorized")
    assert end["eventType"] == "Ended"
    assert _stopped(end) == "Local"


@octt({STOP: "PowerPathClosed"})
async def test_tc_e_35_power_path_closed_remote_stop(stage: Stage201) -> None:
    """So does a remote stop."""
    end = await _remote_stop(stage, await stage.charging())
    assert end["eventType"] == "Ended"
    assert _stopped(end) == "Remote"


@octt({STOP: "PowerPathClosed", EV_SIDE: "false"})
async def test_tc_e_37_power_path_closed_ev_side_disconnect(stage: Stage201) -> None:
    """So does a plug pulled at the vehicle, even if that alone would only suspend."""
    await _suspended(stage)
    stage.unplug(at_car=True)
    end = await stage.event("EVCommunicationLost")
    assert end["eventType"] == "Ended"
    assert _stopped(end) in {"EVDisconnected", "StoppedByEV"}
    assert end["transactionInfo"]["chargingState"] == "Idle"


@octt({STOP: "EnergyTransfer"})
async def test_tc_e_08_energy_transfer_stop_authorized(stage: Stage201) -> None:
    """The local stop ends the energy, and so the transaction (E06.FR.07)."""
    await stage.charging()
    stage.swipe()
    end = await stage.event("StopAuthorized")
    assert end["eventType"] == "Ended"
    assert _stopped(end) == "Local"
    _only_one_end(stage)


@octt({STOP: "EnergyTransfer"})
async def test_tc_e_22_energy_transfer_suspended_by_ev(stage: Stage201) -> None:
    """The vehicle ends the energy, and so the transaction: StoppedByEV."""
    await stage.charging()
    stage.from_now()
    stage.cars[1].pause()
    end = await stage.event("ChargingStateChanged")
    assert end["eventType"] == "Ended"
    assert end["transactionInfo"]["chargingState"] in {"EVConnected", "SuspendedEV"}
    assert _stopped(end) == "StoppedByEV"


@octt({STOP: "Authorized"})
async def test_tc_e_15_stop_authorized_local(stage: Stage201) -> None:
    """E06.FR.03."""
    await stage.charging()
    await stage.rest(30.0)
    stage.swipe()
    end = await stage.event("StopAuthorized")
    assert end["eventType"] == "Ended"
    assert _stopped(end) == "Local"


@octt({STOP: "Authorized"})
async def test_tc_e_21_stop_authorized_remote(stage: Stage201) -> None:
    """E06.FR.03, F03.FR.09."""
    end = await _remote_stop(stage, await stage.charging())
    assert end["eventType"] == "Ended"
    assert _stopped(end) == "Remote"


# --- the card turns out to be bad -----------------------------------------------------------------------------------


@octt(
    {
        STOP: "Authorized,PowerPathClosed",
        "TxCtrlr.StopTxOnInvalidId": "true",
        "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
    }
)
async def test_tc_e_16_deauthorized_invalid_id_token(stage: Stage201) -> None:
    """Started offline, the card is refused by the first answer: DeAuthorized (E06.FR.04, C15.FR.04)."""
    await stage.offline()
    stage.plug()
    await stage.rest(1.0)
    await stage.authorized(STRANGER)
    await stage.until(lambda: stage.view().relay_closed, "energy")
    stage.from_now()
    await stage.online()
    end = await stage.event("Deauthorized")
    assert end["eventType"] == "Ended"
    assert _stopped(end) == "DeAuthorized"
    before = [event for event in stage.events() if event["seqNo"] < end["seqNo"]]
    assert {event.get("offline", False) for event in before} == {True}


# --- the vehicle leaves ---------------------------------------------------------------------------------------------


@octt({STOP: "EVConnected"})
async def test_tc_e_14_ev_disconnected_station_side(stage: Stage201) -> None:
    """The card stops the energy only; pulling the cable ends the transaction (E06.FR.02)."""
    await stage.charging()
    stage.from_now()
    stage.swipe()
    assert (await stage.event("StopAuthorized"))["eventType"] == "Updated"
    await stage.event(state="EVConnected")
    await stage.leave()
    await stage.status("Available")
    end = await stage.event("EVCommunicationLost")
    assert end["eventType"] == "Ended"
    assert end["transactionInfo"]["chargingState"] == "Idle"
    assert _stopped(end) in {"Local", "EVDisconnected"}
    _only_one_end(stage)


@octt({STOP: "EVConnected", EV_SIDE: "false"})
async def test_tc_e_20_ev_disconnected_ev_side(stage: Stage201) -> None:
    """Pulled at the vehicle: the transaction ends (E06.FR.02)."""
    await _suspended(stage)
    stage.unplug(at_car=True)
    end = await stage.event("EVCommunicationLost")
    assert end["eventType"] == "Ended"
    assert end["transactionInfo"]["chargingState"] == "Idle"
    assert _stopped(end) == "EVDisconnected"


@octt({STOP: "Authorized,PowerPathClosed", EV_SIDE: "true", UNLOCK: "false"})
async def test_tc_e_17_deauthorized_ev_side_disconnect(stage: Stage201) -> None:
    """Pulled at the vehicle: deauthorised. The cable stays locked until the card is shown again (E06.FR.04, E09)."""
    await _suspended(stage)
    stage.unplug(at_car=True)
    end = await stage.event("EVCommunicationLost")
    assert end["eventType"] == "Ended"
    assert end["transactionInfo"]["chargingState"] == "Idle"
    assert _stopped(end) == "EVDisconnected"
    await stage.rest(5.0)
    with pytest.raises(DeviceError, match="locked"):
        stage.unplug()
    stage.swipe()
    await stage.leave()
    await stage.status("Available")


@octt({EV_SIDE: "true", UNLOCK: "true"})
async def test_tc_e_24_ev_side_disconnect_unlocks(stage: Stage201) -> None:
    """Deauthorised, and the cable is released (E09.FR.02)."""
    await _suspended(stage)
    stage.unplug(at_car=True)
    event = await stage.event("EVCommunicationLost")
    assert event["transactionInfo"]["chargingState"] == "Idle"
    await stage.leave()
    await stage.status("Available")


@octt({EV_SIDE: "true", UNLOCK: "false"})
async def test_tc_e_25_ev_side_disconnect_keeps_locked(stage: Stage201) -> None:
    """Deauthorised, and the cable is kept for its owner (E09.FR.03)."""
    await _suspended(stage)
    stage.unplug(at_car=True)
    event = await stage.event("EVCommunicationLost")
    assert event["transactionInfo"]["chargingState"] == "Idle"
    await stage.rest(5.0)
    with pytest.raises(DeviceError, match="locked"):
        stage.unplug()
    stage.from_now()
    stage.swipe()
    await stage.leave()
    await stage.status("Available")
    assert stage.events() == []  # fetching a cable starts nothing


@octt({STOP: "Authorized", EV_SIDE: "false", UNLOCK: "false"})
async def test_tc_e_26_ev_side_disconnect_suspends(stage: Stage201) -> None:
    """The transaction waits for the vehicle, which comes back and charges on (E10.FR.01, FR.03)."""
    await _suspended(stage)
    stage.unplug(at_car=True)
    lost = await stage.event("EVCommunicationLost")
    assert lost["eventType"] == "Updated"
    assert lost["transactionInfo"]["chargingState"] == "Idle"
    await stage.rest(10.0)
    stage.plug_again()
    back = await stage.event("CablePluggedIn")
    assert back["eventType"] == "Updated"
    assert back["transactionInfo"]["chargingState"] == "EVConnected"
    stage.cars[1].resume()
    charging = await stage.event("ChargingStateChanged", state="Charging")
    assert charging["eventType"] == "Updated"


@octt({STOP: "Authorized", EV_SIDE: "false"}, board=FIXED)
async def test_tc_e_26_suspends_fixed_cable(stage: Stage201) -> None:
    """With a fixed cable the connector is available meanwhile."""
    await _suspended(stage)
    stage.unplug(at_car=True)
    assert (await stage.event("EVCommunicationLost"))["eventType"] == "Updated"
    await stage.status("Available")
    stage.plug_again()
    stage.cars[1].resume()
    await stage.event("CablePluggedIn", kind="Updated")
    await stage.flows()


@octt({STOP: "Authorized", EV_SIDE: "false", "TxCtrlr.EVConnectionTimeOut": "30"}, board=FIXED)
async def test_tc_e_27_suspended_until_timeout(stage: Stage201) -> None:
    """With a fixed cable the wait ends after EVConnectionTimeOut (E10.FR.02)."""
    await _suspended(stage)
    stage.unplug(at_car=True)
    lost = await stage.event("EVCommunicationLost")
    assert lost["eventType"] == "Updated"
    assert lost["transactionInfo"]["chargingState"] == "Idle"
    await stage.status("Available")
    end = await stage.event("EVConnectTimeout")
    assert end["eventType"] == "Ended"
    assert _stopped(end) == "Timeout"


@octt({"TxCtrlr.TxStartPoint": "ParkingBayOccupancy", STOP: "ParkingBayOccupancy"})
async def test_tc_e_19_parking_bay_unoccupied(stage: Stage201) -> None:
    """Neither card nor cable ends it, but the vehicle that leaves the bay (E06.FR.01)."""
    stage.lab.board.bay(1, True)
    await stage.charging()
    stage.swipe()
    await stage.event("StopAuthorized", kind="Updated")
    await stage.leave()
    await stage.event("EVCommunicationLost", kind="Updated")
    stage.lab.board.bay(1, False)
    end = await stage.event("EVDeparted")
    assert end["eventType"] == "Ended"
    assert _stopped(end) == "Local"
    assert trigger_pairs(stage.events())[0] == ("Started", "EVDetected")
    _only_one_end(stage)
