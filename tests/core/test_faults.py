"""`station.core.faults`: every fault has its policy, and the station obeys it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from hal.api import Fault, FaultCode, Lamp, PilotState
from station.core import faults
from station.core.effects import Indicate, Output
from station.core.events import ResetFault
from station.core.faults import POLICY, Recovery
from station.core.types import StopReason
from station.ocpp.v16 import status
from tests.core.rig import Rig

# Power comes back this long after an error at the latest (station.core.safety: 30 s, and its steps).
BACK_S = 60.0


def word_of_16(rig: Rig, evse: int = 1) -> tuple[str, str]:
    """Status and error code of the newest StatusNotification that 1.6 would send."""
    services = SimpleNamespace(now=rig.now, view=lambda: rig.station.view(rig.now()))
    payload = status.notice(rig.notices(evse)[-1], cast("Any", services))[0].payload
    return payload["status"], payload["errorCode"]


@pytest.mark.parametrize("code", FaultCode)
def test_every_fault_of_an_evse_does_what_its_row_says(code: FaultCode) -> None:
    """TC_041, E06.FR.16."""
    rig, policy = Rig(), POLICY[code]
    rig.charge()
    before = len(rig.effects)
    rig.send(Fault(1, code, True, "test"))
    if policy.stops_energy:
        first = next(e for e in rig.effects[before:] if isinstance(e, Output))
        assert not first.permit, "in the turn of the fault itself, whatever else follows"
        assert [e for e in rig.effects[before:] if isinstance(e, Indicate)][-1].lamp is Lamp.FAULT
    assert rig.closed[1] is not policy.stops_energy
    assert bool(rig.ended()) is (policy.ends is not None)
    if rig.ended():
        assert (rig.last.stop_reason, rig.last.trigger.value) == (policy.ends, "AbnormalCondition")
    elif policy.stops_energy:
        assert rig.last.charging_state.value == "SuspendedEVSE"
    shown, error = word_of_16(rig)
    assert (shown == "Faulted") is policy.stops_energy
    warning = status.ERROR_CODES[code] == "EVCommunicationError"  # not legal with Faulted
    assert error == ("OtherError" if warning else status.ERROR_CODES[code])
    assert rig.notices()[-1].fault is code
    _recovers(rig, code)


def _recovers(rig: Rig, code: FaultCode) -> None:
    policy = POLICY[code]
    rig.send(Fault(1, code, False))
    standing = policy.recovery is not Recovery.BY_ITSELF
    assert (rig.phases()[-1] == "Faulted") is standing
    if policy.recovery is Recovery.PERSON:
        rig.unplug()
        assert rig.phases()[-1] == "Faulted"
        rig = rig.reboot()
        assert rig.phases()[-1] == "Faulted", "a restart repairs nothing"
        assert rig.command(lambda ref: ResetFault(ref, 1)).status == "Accepted"
    elif policy.ends is None:
        rig.wait(BACK_S)
        assert rig.closed[1], "the transaction goes on"
        assert rig.last.charging_state.value == "Charging"
        assert word_of_16(rig) == ("Charging", "NoError")
        return
    else:
        rig.unplug()
    rig.wait(BACK_S)
    assert word_of_16(rig) == ("Available", "NoError")
    rig.charge()


@pytest.mark.parametrize("code", [code for code in FaultCode if POLICY[code].stops_energy])
def test_every_fault_of_the_station_stops_every_evse_in_one_turn(code: FaultCode) -> None:
    rig = Rig(evses=3)
    for evse in (1, 2):
        rig.charge(evse)
    before = len(rig.effects)
    rig.send(Fault(0, code, True, "test"))
    permits = [e.evse for e in rig.effects[before:] if isinstance(e, Output) and e.permit]
    assert permits == []
    assert not any(rig.closed.values())
    assert [rig.phases(evse)[-1] for evse in (0, 1, 2, 3)] == ["Faulted"] * 4
    lamps = {e.evse: e.lamp for e in rig.effects if isinstance(e, Indicate)}
    assert set(lamps.values()) == {Lamp.FAULT}
    rig.send(Fault(0, code, False))
    if POLICY[code].recovery is Recovery.PERSON:
        assert rig.phases(3)[-1] == "Faulted"
        assert rig.command(lambda ref: ResetFault(ref, 0)).status == "Accepted"
    assert rig.phases(3)[-1] == "Available"


def test_the_emergency_stop_ends_everything_and_nothing_begins_again_by_itself() -> None:
    """ISO 13850: pulling the button out starts nothing. Somebody has to begin a new session."""
    for enabled in ("true", "false"):
        rig = Rig(evses=2, overrides={"AuthCtrlr.Enabled": enabled})
        for evse in (1, 2):
            rig.plug(evse)
            if enabled == "true":
                rig.swipe(evse=evse)
            rig.pilot(PilotState.C, evse)
        assert all(rig.closed.values())
        rig.send(Fault(0, FaultCode.EMERGENCY_STOP, True))
        assert [fact.stop_reason for fact in rig.ended()] == [StopReason.EMERGENCY_STOP] * 2
        assert not any(rig.closed.values())
        rig.swipe(evse=1)  # in vain
        rig.send(Fault(0, FaultCode.EMERGENCY_STOP, False))
        rig.wait(3600)
        assert not any(rig.closed.values())
    rig = Rig()
    rig.charge()
    rig.send(Fault(0, FaultCode.EMERGENCY_STOP, True))
    rig.send(Fault(0, FaultCode.EMERGENCY_STOP, False))
    rig.wait(BACK_S)
    rig.swipe()
    assert rig.closed[1], "a new session, begun by a person"


def test_a_hot_connector_gets_less_and_says_so_once() -> None:
    rig = Rig()
    rig.draws[1] = (32.0, 32.0, 32.0)
    rig.charge()
    for celsius in (70.0, 72.0, 74.0):
        rig.celsius[1] = celsius
        rig.wait(20)
    assert 6.0 <= rig.output().current_a < 32.0
    assert rig.closed[1]
    told = [body.fault for body in rig.notices() if body.fault is not None]
    assert set(told) == {FaultCode.CABLE_OVER_TEMP_DERATE}
    assert word_of_16(rig) == ("Charging", "HighTemperature")
    rig.celsius[1] = 30.0
    rig.wait(20)
    assert rig.output().current_a == 32.0
    assert word_of_16(rig) == ("Charging", "NoError")


def test_a_board_that_derates_by_itself_is_believed_until_it_says_that_it_is_over() -> None:
    rig = Rig()
    rig.charge()
    rig.send(Fault(1, FaultCode.CABLE_OVER_TEMP_DERATE, True, "its own sensor"))
    rig.celsius[1] = 30.0
    rig.wait(20)
    assert rig.notices()[-1].fault is FaultCode.CABLE_OVER_TEMP_DERATE
    rig.send(Fault(1, FaultCode.CABLE_OVER_TEMP_DERATE, False))
    assert rig.notices()[-1].fault is None


@pytest.mark.parametrize("code", [FaultCode.HIGH_TEMPERATURE, FaultCode.CABLE_OVER_TEMP_STOP])
def test_too_hot_stops_and_goes_on_when_it_has_cooled_down(code: FaultCode) -> None:
    rig = Rig()
    tx = rig.charge().tx_id
    rig.send(Fault(1, code, True, "95 C"))
    rig.wait(600)
    assert not rig.closed[1]
    rig.send(Fault(1, code, False))
    rig.wait(BACK_S)
    assert rig.closed[1]
    assert rig.last.tx_id == tx


def test_whatever_ends_a_transaction_also_stops_energy() -> None:
    for code in FaultCode:
        assert faults.ends_with(code) is None or faults.stops_energy(code)


def test_every_fault_has_every_column() -> None:
    assert POLICY.keys() == set(FaultCode)
    numbers = [policy.mrec for policy in POLICY.values() if policy.mrec is not None]
    assert len(numbers) == len(set(numbers))
    for code, policy in POLICY.items():
        assert policy.means.endswith(".")
        assert 0 <= policy.severity <= 9
        assert status.ERROR_CODES[code]
        assert faults.mrec_code(code) == (code.value if policy.mrec is None else f"CX{policy.mrec:03d}")
        if policy.recovery is Recovery.PERSON:
            assert policy.ends is not None, "nobody waits in a vehicle for a technician"
