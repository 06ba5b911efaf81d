"""`station.core.evse`: the joint rules, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from hal.api import BayChanged, Fault, FaultCode, Lamp, PilotSignal, PilotState
from station.core import evse as rules
from station.core.events import LinkDown, Saved, SaveFailed, ShutdownRequested
from station.core.state import Turn
from station.core.types import ChargingState, EvseInfo, TxPoint
from tests.core.rig import Rig


def state_of(rig: Rig, number: int = 1) -> Any:
    return rig.station._state.evses[number]


def test_points_of_a_session() -> None:
    """E01, E06."""
    rig = Rig(meter="works")
    evse = state_of(rig)
    assert rules.points(evse) == set()
    rig.send(BayChanged(1, True))
    assert rules.points(evse) == {TxPoint.PARKING_BAY_OCCUPANCY}
    rig.plug()
    rig.swipe()
    expected = {
        TxPoint.PARKING_BAY_OCCUPANCY,
        TxPoint.EV_CONNECTED,
        TxPoint.AUTHORIZED,
        TxPoint.POWER_PATH_CLOSED,
    }
    assert rules.points(evse) == expected
    rig.pilot(PilotState.C)
    assert rules.points(evse) == expected | {TxPoint.ENERGY_TRANSFER}


@pytest.mark.parametrize(
    ("what", "cause"),
    [
        (lambda rig: rig.pilot(PilotState.A), "no vehicle"),
        (lambda rig: rig.swipe(), "not authorised"),
        (lambda rig: rig.send(Fault(1, FaultCode.HIGH_TEMPERATURE, True)), "fault HighTemperature"),
        (lambda rig: rig.send(Fault(0, FaultCode.UNDER_VOLTAGE, True)), "fault UnderVoltage"),
        (lambda rig: rig.send(SaveFailed("full")), "storage failed"),
        (lambda rig: rig.send(ShutdownRequested()), "the station is stopping"),
    ],
)
def test_why_no_current(what: Any, cause: str) -> None:
    rig = Rig()
    rig.charge()
    assert rig.station.view(rig.now()).evse(1).cause == "board"
    what(rig)
    assert not rig.closed[1]
    assert rig.output().pilot is not PilotSignal.PWM
    assert rig.output().cause == cause


def test_no_energy_without_a_transaction() -> None:
    """A start point that never comes true gives nothing away."""
    rig = Rig(overrides={"TxCtrlr.TxStartPoint": "ParkingBayOccupancy"})
    rig.plug()
    rig.swipe()
    rig.pilot(PilotState.C)
    assert not rig.closed[1]
    assert rig.output().cause == "no transaction"
    rig.send(BayChanged(1, True))
    assert rig.closed[1]


def test_after_a_stop_the_next_card_starts_a_transaction_also_with_ev_connected_alone() -> None:
    rig = Rig(overrides={"TxCtrlr.TxStartPoint": "EVConnected", "TxCtrlr.TxStopPoint": "Authorized"})
    rig.charge()
    rig.swipe()
    assert rig.last.phase.value == "Ended"
    rig.swipe("0BADCAFE")
    rig.wait(3)
    assert rig.closed[1]
    assert rig.last.tx_id == "tx-1-2"
    assert rig.story()[-2:] == [("Started", "Authorized"), ("Updated", "ChargingStateChanged")]


def test_commits_that_work_again_allow_new_sessions() -> None:
    rig = Rig()
    rig.charge()
    rig.send(SaveFailed("full"))
    rig.swipe()
    assert not rig.closed[1]
    rig.send(Saved())
    rig.swipe()
    rig.wait(3)
    assert rig.closed[1]


@pytest.mark.parametrize(("ventilated", "flows"), [(True, True), (False, False)])
def test_state_d(ventilated: bool, flows: bool) -> None:
    rig = Rig(info=lambda n: EvseInfo(n, ventilated=ventilated))
    rig.charge()
    rig.pilot(PilotState.D)
    assert rig.closed[1] is flows
    assert rig.last.charging_state is (ChargingState.CHARGING if flows else ChargingState.SUSPENDED_EVSE)


def test_before_the_csms_accepted_us() -> None:
    """TC_B_30; TxBeforeAcceptedEnabled. Once accepted, a lost link changes nothing."""
    rig = Rig(
        online=False,
        overrides={"TxCtrlr.TxBeforeAcceptedEnabled": "false", "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"},
    )
    rig.plug()
    rig.swipe()
    assert rig.facts == []
    from station.core.events import LinkUp

    rig.send(LinkUp())
    rig.send(LinkDown())
    rig.swipe()
    rig.pilot(PilotState.C)
    assert rig.closed[1]


def test_lamps_of_a_session() -> None:
    rig = Rig()
    lamps = [rig.station.view(rig.now()).evse(1).lamp]
    for step in (
        rig.plug,
        rig.swipe,
        lambda: rig.pilot(PilotState.C),
        lambda: rig.pilot(PilotState.B),
        rig.swipe,
        rig.unplug,
        lambda: rig.send(SaveFailed("full")),
    ):
        step()
        lamps.append(rig.station.view(rig.now()).evse(1).lamp)
    assert lamps == [
        Lamp.AVAILABLE,
        Lamp.WAITING_FOR_AUTHORIZATION,
        Lamp.PAUSED,
        Lamp.CHARGING,
        Lamp.PAUSED,
        Lamp.OCCUPIED,
        Lamp.AVAILABLE,
        Lamp.FAULT,
    ]


def test_a_transaction_that_outlives_its_card_is_suspended_in_1_6() -> None:
    """csms_quirks 15: Finishing never before StopTransaction."""
    rig = Rig(overrides={"TxCtrlr.TxStopPoint": "EVConnected"})
    rig.charge()
    rig.swipe()
    assert rig.phases()[-1] == "SuspendedEVSE"
    rig.unplug()
    assert rig.phases()[-1] == "Available"


def test_stopping_fault_prefers_the_own_one() -> None:
    rig = Rig()
    rig.send(Fault(0, FaultCode.UNDER_VOLTAGE, True))
    rig.send(Fault(1, FaultCode.HIGH_TEMPERATURE, True))
    turn = Turn(rig.station._state, rig.now())
    assert rules.stopping_fault(turn, state_of(rig)) is FaultCode.HIGH_TEMPERATURE
    assert rig.notices(0)[-1].fault is FaultCode.UNDER_VOLTAGE
    assert rig.notices(0)[-1].phase.value == "Faulted"
