"""OCTT cases of block G for a 2.0.1 station: connector states and availability."""

from __future__ import annotations

from tests.conformance.stage201 import Stage201, octt


async def _out_of_service(stage: Stage201, evse: int | None = None, connector: int | None = None) -> None:
    """OCTT: Unavailable."""
    await stage.availability(False, evse, connector)
    for number in (1, 2) if evse is None else (evse,):
        await stage.status("Unavailable", number)
    await stage.rest(1.0)
    stage.from_now()


async def _nobody_charges(stage: Stage201, evse: int = 1) -> None:
    stage.plug(evse)
    await stage.rest(1.0)
    stage.swipe(evse=evse)
    await stage.rest(20.0)
    assert not stage.view(evse).relay_closed
    assert stage.events(evse) == []


@octt()
async def test_tc_g_01_available_to_occupied(stage: Stage201) -> None:
    """G01.FR.01."""
    stage.plug()
    status = await stage.status("Occupied")
    assert status["connectorId"] == 1
    assert status["timestamp"]


@octt()
async def test_tc_g_02_occupied_to_available(stage: Stage201) -> None:
    """G01.FR.01."""
    stage.plug()
    await stage.status("Occupied")
    stage.from_now()
    stage.unplug()
    await stage.status("Available")


# --- an EVSE --------------------------------------------------------------------------------------------------------


@octt()
async def test_tc_g_03_evse_to_inoperative(stage: Stage201) -> None:
    """G03.FR.02, FR.04, FR.06: only this EVSE, and nobody charges there."""
    await stage.availability(False, 1)
    await stage.status("Unavailable", 1)
    await _nobody_charges(stage)
    assert {one["evseId"] for one in stage.calls("StatusNotification")} == {1}


@octt()
async def test_tc_g_04_evse_to_operative(stage: Stage201) -> None:
    """G03.FR.07."""
    await _out_of_service(stage, 1)
    await stage.availability(True, 1)
    await stage.status("Available", 1)
    await stage.charging(1)


@octt()
async def test_tc_g_09_evse_operative_to_operative(stage: Stage201) -> None:
    """G03.FR.03: Accepted, and nothing changes."""
    await stage.availability(True, 1)
    await stage.quiet("StatusNotification", 5.0)


@octt()
async def test_tc_g_10_evse_inoperative_to_inoperative(stage: Stage201) -> None:
    """G03.FR.03."""
    await _out_of_service(stage, 1)
    await stage.availability(False, 1)
    await stage.quiet("StatusNotification", 5.0)
    assert stage.seen.status(1) == "Unavailable"


async def _scheduled(stage: Stage201, evse: int | None, connector: int | None) -> None:
    """With a transaction the change waits for its end (G03.FR.05, G04.FR.06)."""
    await stage.charging(1)
    stage.from_now()
    await stage.availability(False, evse, connector, status="Scheduled")
    await stage.rest(30.0)
    assert stage.view(1).relay_closed
    stage.swipe()
    await stage.event("StopAuthorized", kind="Ended")
    status = await stage.status("Unavailable", 1)
    assert status["connectorId"] == 1
    await stage.leave()
    await stage.rest(5.0)
    assert stage.seen.status(1) == "Unavailable"


@octt()
async def test_tc_g_11_evse_with_ongoing_transaction(stage: Stage201) -> None:
    """Scheduled until its transaction has ended; the other EVSE has nothing to do with it."""
    await _scheduled(stage, 1, None)
    assert stage.seen.status(2) == "Available"


@octt()
async def test_tc_g_18_evse_state_persists_across_reboot(stage: Stage201) -> None:
    """G03.FR.08."""
    await _out_of_service(stage, 1)
    await stage.ask("Accepted", "Reset", {"type": "Immediate"})
    await stage.booted(2)
    await stage.status("Unavailable", 1)
    await stage.status("Available", 2)


# --- the station ----------------------------------------------------------------------------------------------------


@octt()
async def test_tc_g_05_station_to_inoperative(stage: Stage201) -> None:
    """G04.FR.07: every connector, each told."""
    await stage.availability(False)
    for evse in (1, 2):
        await stage.status("Unavailable", evse)
    await _nobody_charges(stage, 2)


@octt()
async def test_tc_g_06_station_to_operative(stage: Stage201) -> None:
    """G04.FR.08."""
    await _out_of_service(stage)
    await stage.availability(True)
    for evse in (1, 2):
        await stage.status("Available", evse)


@octt()
async def test_tc_g_12_station_operative_to_operative(stage: Stage201) -> None:
    """G04.FR.04."""
    await stage.availability(True)
    await stage.rest(5.0)
    assert [stage.seen.status(evse) for evse in (1, 2)] == ["Available", "Available"]


@octt()
async def test_tc_g_13_station_inoperative_to_inoperative(stage: Stage201) -> None:
    """G04.FR.04."""
    await _out_of_service(stage)
    await stage.availability(False)
    await stage.rest(5.0)
    assert [stage.seen.status(evse) for evse in (1, 2)] == ["Unavailable", "Unavailable"]


@octt()
async def test_tc_g_14_station_with_ongoing_transaction(stage: Stage201) -> None:
    """G04.FR.06: what is free goes out of service at once, the rest when its transaction has ended."""
    await stage.charging(1)
    stage.from_now()
    await stage.availability(False, status="Scheduled")
    await stage.status("Unavailable", 2)
    await stage.rest(30.0)
    assert stage.view(1).relay_closed
    assert stage.seen.status(1) == "Occupied"
    stage.swipe()
    await stage.event("StopAuthorized", kind="Ended")
    await stage.status("Unavailable", 1)


@octt()
async def test_tc_g_21_station_state_persists_across_reboot(stage: Stage201) -> None:
    """G04.FR.09, also over a power cut."""
    await _out_of_service(stage)
    await stage.lab.power_cut()
    await stage.lab.power_on()
    await stage.booted(2)
    for evse in (1, 2):
        await stage.status("Unavailable", evse)
    assert {event["type"] for event in stage.calls("SecurityEventNotification")} & {
        "StartupOfTheDevice",
        "ResetOrReboot",
    }


# --- a connector ----------------------------------------------------------------------------------------------------


@octt()
async def test_tc_g_07_connector_to_inoperative(stage: Stage201) -> None:
    """G03.FR.06."""
    await stage.availability(False, 1, 1)
    await stage.status("Unavailable", 1)
    await _nobody_charges(stage)


@octt()
async def test_tc_g_08_connector_to_operative(stage: Stage201) -> None:
    """G03.FR.07."""
    await _out_of_service(stage, 1, 1)
    await stage.availability(True, 1, 1)
    await stage.status("Available", 1)


@octt()
async def test_tc_g_15_connector_operative_to_operative(stage: Stage201) -> None:
    """G03.FR.03."""
    await stage.availability(True, 1, 1)
    await stage.quiet("StatusNotification", 5.0)


@octt()
async def test_tc_g_16_connector_inoperative_to_inoperative(stage: Stage201) -> None:
    """G03.FR.03."""
    await _out_of_service(stage, 1, 1)
    await stage.availability(False, 1, 1)
    await stage.quiet("StatusNotification", 5.0)
    assert stage.seen.status(1) == "Unavailable"


@octt()
async def test_tc_g_17_connector_with_ongoing_transaction(stage: Stage201) -> None:
    """G03.FR.05."""
    await _scheduled(stage, 1, 1)


@octt()
async def test_tc_g_19_connector_state_persists_across_reboot(stage: Stage201) -> None:
    """G03.FR.08."""
    await _out_of_service(stage, 1, 1)
    await stage.ask("Accepted", "Reset", {"type": "OnIdle"})
    await stage.booted(2)
    await stage.status("Unavailable", 1)
    await stage.status("Available", 2)
    assert {event["type"] for event in stage.calls("SecurityEventNotification")} & {
        "StartupOfTheDevice",
        "ResetOrReboot",
    }
