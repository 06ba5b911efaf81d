"""`station.core.hardware`: what pilot, cable, contactor, lock, bay and meter tell."""

from __future__ import annotations

import pytest

from hal.api import (
    BayChanged,
    FaultCode,
    LockChanged,
    LockState,
    PilotSignal,
    PilotState,
    PowerPathChanged,
    ProximityChanged,
)
from station.core import evse as rules
from station.core import hardware, metering
from station.core.types import ChargingState, EvseInfo, StopReason
from tests.core.rig import Rig

E10 = {"TxCtrlr.StopTxOnEVSideDisconnect": "false", "TxCtrlr.TxStopPoint": "Authorized"}


# --- unplugging at the vehicle (docs/decisions/0004) ----------------------------------------------------------------------


@pytest.mark.parametrize("points", ["EVConnected", "PowerPathClosed", "EVConnected,Authorized"])
def test_a_stop_point_that_falls_ends_it_whatever_the_other_setting_says(points: str) -> None:
    """TC_E_20, TC_E_37; E06.FR.02, FR.06."""
    rig = Rig(overrides=E10 | {"TxCtrlr.TxStopPoint": points})
    rig.charge()
    rig.pilot(PilotState.B)
    rig.pilot(PilotState.A)
    assert rig.story()[-1] == ("Ended", "EVCommunicationLost")
    assert rig.last.charging_state is ChargingState.IDLE
    assert rig.last.stop_reason is StopReason.EV_DISCONNECTED


def test_suspended_until_the_vehicle_returns() -> None:
    """TC_E_26, TC_005_3."""
    rig = Rig(overrides=E10)
    rig.charge()
    rig.pilot(PilotState.A)
    assert rig.story()[-1] == ("Updated", "EVCommunicationLost")
    assert rig.phases()[-1] == "SuspendedEV"
    rig.wait(3600)
    assert not rig.ended(), "a locked cable waits for its owner (E10.FR.01)"
    before = len(rig.facts)
    rig.pilot(PilotState.B)
    rig.pilot(PilotState.C)
    assert [(f.trigger.value, f.charging_state.value) for f in rig.facts[before:]] == [
        ("CablePluggedIn", "EVConnected"),
        ("ChargingStateChanged", "Charging"),
    ]


def test_a_suspended_one_is_ended_by_its_owner() -> None:
    """E10, step B."""
    rig = Rig(overrides=E10)
    rig.charge()
    rig.pilot(PilotState.A)
    rig.swipe()
    assert rig.story()[-1] == ("Ended", "StopAuthorized")
    assert not rig.locked[1]


@pytest.mark.parametrize("fixed", [True, False])
def test_a_cable_that_nothing_holds_is_not_waited_for_long(fixed: bool) -> None:
    """TC_E_27, E10.FR.02."""
    overrides = E10 | {"TxCtrlr.EVConnectionTimeOut": "40"}
    rig = Rig(overrides=overrides, info=lambda n: EvseInfo(n, fixed_cable=fixed, has_lock=False))
    rig.charge()
    rig.pilot(PilotState.A)
    assert rig.phases()[-1] == "SuspendedEV"
    rig.wait(39)
    assert not rig.ended()
    rig.wait(2)
    assert rig.story()[-1] == ("Ended", "EVConnectTimeout")
    assert rig.last.stop_reason is StopReason.TIMEOUT


def test_back_in_time() -> None:
    rig = Rig(overrides=E10 | {"TxCtrlr.EVConnectionTimeOut": "40"}, info=lambda n: EvseInfo(n, fixed_cable=True))
    rig.charge()
    rig.pilot(PilotState.A)
    rig.wait(30)
    rig.pilot(PilotState.C)
    rig.wait(300)
    assert rig.closed[1]


def test_plugged_in_again_the_owner_starts_anew() -> None:
    """E09.FR.01: with the cable kept, the vehicle back and a transaction for it, one card is enough."""
    rig = Rig(overrides={"OCPPCommCtrlr.UnlockOnEVSideDisconnect": "false"})
    rig.charge()
    rig.pilot(PilotState.A)
    assert rig.locked[1]
    rig.pilot(PilotState.C)
    assert not rig.closed[1], "not before it is authorised again"
    rig.swipe()
    assert rig.closed[1]


# --- pilot ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [PilotState.E, PilotState.F])
def test_a_broken_pilot_ends_the_session(state: PilotState) -> None:
    rig = Rig()
    rig.charge()
    rig.pilot(state)
    assert not rig.closed[1]
    assert rig.last.phase.value == "Ended"
    assert rig.last.trigger.value == "AbnormalCondition"


def test_a_short_circuit_clears_when_the_plug_is_pulled() -> None:
    """IEC 61851-1 A.4.5. Under -12 V nobody would see that, so a fault of the pilot itself gets +12 V."""
    rig = Rig()
    rig.plug()
    rig.pilot(PilotState.E)
    assert rig.output().pilot is PilotSignal.OFF
    rig.pilot(PilotState.B)
    assert rig.phases()[-1] == "Faulted", "a plug that comes back proves nothing"
    rig.unplug()
    assert rig.phases()[-1] == "Available"


def test_other_faults_without_a_vehicle_show_f() -> None:
    from hal.api import Fault

    rig = Rig()
    rig.pilot(PilotState.A)
    rig.send(Fault(1, FaultCode.HIGH_TEMPERATURE, True))
    assert rig.output().pilot is PilotSignal.FAULT
    rig.send(Fault(1, FaultCode.HIGH_TEMPERATURE, False))
    assert rig.output().pilot is PilotSignal.OFF


def test_a_bay_that_says_the_same_again_tells_nothing() -> None:
    rig = Rig(overrides={"TxCtrlr.TxStartPoint": "ParkingBayOccupancy"})
    for _ in range(3):
        rig.send(BayChanged(1, True))
    assert rig.story() == [("Started", "EVDetected")]


def test_a_thinner_cable_limits_at_once() -> None:
    rig = Rig()
    rig.charge()
    rig.send(ProximityChanged(1, 13.0))
    assert (rig.output().current_a, rig.output().cause) == (13.0, "cable")
    assert rig.closed[1]


# --- lock -----------------------------------------------------------------------------------------------------------------


def test_a_jam_on_the_way_in_is_not_tried_for_ever() -> None:
    """G05.FR.01, TC_024: a bolt that comes out again does not start the next attempt before the plug was pulled."""
    rig = Rig()
    rig.obeys = False
    rig.plug()
    rig.swipe()
    rig.send(LockChanged(1, LockState.JAMMED))
    rig.send(LockChanged(1, LockState.UNLOCKED))
    assert rig.phases()[-1] == "Faulted"
    assert not rig.output().locked
    rig.unplug()
    assert rig.phases()[-1] == "Available"


def test_a_bolt_that_does_not_answer_has_failed() -> None:
    rig = Rig()
    rig.obeys = False
    rig.plug()
    rig.swipe()
    assert rig.output().cause == "waiting for the lock"
    rig.wait(rules.LOCK_WAIT_S + 0.1)
    assert rig.station.view(rig.now()).evse(1).faults == (FaultCode.CONNECTOR_LOCK_FAILURE,)
    assert rig.output().locked, "it is still asked for"
    rig.send(LockChanged(1, LockState.LOCKED))
    assert rig.phases()[-1] != "Faulted", "late, but locked"


# --- meter ----------------------------------------------------------------------------------------------------------------


def test_a_silent_meter_is_a_fault_until_it_answers() -> None:
    """Energy that cannot be measured is not sold; the meter is asked until it answers, also without a transaction."""
    assert hardware.happened.__name__ == "happened"
    rig = Rig(meter="fails")
    rig.wait(metering.RETRY_S * 3)
    assert rig.phases()[-1] == "Faulted"
    rig.meter = "works"
    rig.wait(metering.RETRY_S)
    assert rig.phases()[-1] == "Available"


def test_an_evse_without_a_meter_has_no_meter_fault() -> None:
    from station.core.events import MeterFailed

    rig = Rig(info=lambda n: EvseInfo(n, has_meter=False))
    for _ in range(5):
        rig.send(MeterFailed(1, "no meter"))
    assert rig.phases() == ["Available"]


def test_a_contactor_that_opens_by_itself() -> None:
    rig = Rig(overrides={"TxCtrlr.TxStopPoint": "EnergyTransfer"})
    rig.charge()
    rig.send(PowerPathChanged(1, False))
    assert rig.last.stop_reason is StopReason.OTHER, "the vehicle still asks for energy: it was not the vehicle"


def test_events_of_an_evse_that_is_not_there() -> None:
    rig = Rig()
    before = len(rig.effects)
    rig.send(ProximityChanged(8, 32.0))
    assert rig.effects[before:] == []
