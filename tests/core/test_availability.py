"""`station.core.availability`: three settings that must agree, changes that wait, and restarts (G03, G04)."""

from __future__ import annotations

import pytest

from station.core import availability
from station.core.events import ChangeAvailability, TriggerStatus
from station.core.types import EvseInfo
from tests.core.rig import Rig


def change(rig: Rig, operative: bool, evse: int = 0, connector: int | None = None) -> str:
    return rig.command(lambda ref: ChangeAvailability(ref, operative, evse, connector)).status


@pytest.mark.parametrize("target", [(0, None), (1, None), (1, 1)])
def test_out_of_service_and_back(target: tuple[int, int | None]) -> None:
    """TC_G_03-07, 09, 10, 12, 13, 15, 16: Accepted also when it is so already."""
    rig = Rig()
    for operative, phase in ((True, "Available"), (False, "Unavailable"), (False, "Unavailable"), (True, "Available")):
        assert change(rig, operative, *target) == "Accepted"
        assert rig.phases()[-1] == phase
    assert rig.phases() == ["Available", "Unavailable", "Available"]


@pytest.mark.parametrize("target", [(0, None), (1, None), (1, 1)])
def test_during_a_transaction_it_waits(target: tuple[int, int | None]) -> None:
    """TC_G_11, 14, 17; G03.FR.05: energy goes on flowing."""
    rig = Rig()
    rig.charge()
    assert change(rig, True, *target) == "Accepted", "it is operative already"
    assert change(rig, False, *target) == "Scheduled"
    assert rig.closed[1]
    rig.swipe()
    assert rig.phases()[-1] == "Unavailable"
    rig.unplug()
    rig.plug()
    assert rig.story()[-1][0] == "Ended", "no new session"


def test_taken_back_before_it_came_into_force() -> None:
    rig = Rig()
    rig.charge()
    assert change(rig, False, 1) == "Scheduled"
    assert change(rig, True, 1) == "Accepted"
    rig.swipe()
    assert rig.phases()[-1] == "Finishing"


def test_an_authorisation_without_a_transaction_is_waited_for_too() -> None:
    """TxStartPoint EVConnected: a card was presented, the cable is not there yet, and never comes."""
    rig = Rig(overrides={"TxCtrlr.TxStartPoint": "EVConnected", "TxCtrlr.EVConnectionTimeOut": "30"})
    rig.swipe()
    assert change(rig, False, 1) == "Scheduled"
    rig.wait(31)
    assert rig.phases()[-1] == "Unavailable"


def test_station_evse_and_connector_are_set_apart() -> None:
    """G03 and G04, note 1: operative again at one level does not lift the others."""
    rig = Rig(evses=2)
    change(rig, False, 1, 1)
    change(rig, False, 1)
    change(rig, False)
    change(rig, True)
    assert (rig.phases(1)[-1], rig.phases(2)[-1]) == ("Unavailable", "Available")
    change(rig, True, 1)
    assert rig.phases(1)[-1] == "Unavailable"
    change(rig, True, 1, 1)
    assert rig.phases(1)[-1] == "Available"


@pytest.mark.parametrize("target", [(0, None), (1, None), (1, 1)])
def test_it_survives_a_restart(target: tuple[int, int | None]) -> None:
    """TC_G_18, 19, 21, TC_B_23, TC_034; also what was only scheduled."""
    rig = Rig()
    rig.charge()
    change(rig, False, *target)
    after = rig.reboot()
    after.wait(3)
    assert after.phases()[-1] == "Unavailable"
    assert availability.STATION_ROW == "station"
    again = after.reboot()
    change(again, True, *target)
    assert again.phases()[-1] == "Available"


def test_unavailable_and_faulted() -> None:
    """G03.FR.06: what is faulted stays so; below it, it is out of service."""
    from hal.api import Fault, FaultCode

    rig = Rig()
    rig.send(Fault(1, FaultCode.INTERNAL_ERROR, True))
    change(rig, False)
    assert rig.phases()[-1] == "Faulted"
    rig.send(Fault(1, FaultCode.INTERNAL_ERROR, False))
    assert rig.phases()[-1] == "Unavailable"


@pytest.mark.parametrize(("evse", "connector", "reason"), [(5, None, "UnknownEvse"), (1, 3, "UnknownConnectorId")])
def test_what_does_not_exist(evse: int, connector: int | None, reason: str) -> None:
    rig = Rig()
    verdict = rig.command(lambda ref: ChangeAvailability(ref, False, evse, connector))
    assert (verdict.status, verdict.reason) == ("Rejected", reason)
    assert rig.phases() == ["Available"]


def test_one_connector_of_two() -> None:
    """TC_G_07: the other one stays in service, and only the one that changed is announced."""
    rig = Rig(info=lambda n: EvseInfo(n, connectors=("sType2", "cType2")))
    before = len(rig.notices())
    assert change(rig, False, 1, 1) == "Accepted"
    assert [(b.connector, b.state.value) for b in rig.notices()[before:]] == [(1, "Unavailable")]
    rig.charge()
    assert rig.ended() == []
    before = len(rig.notices())
    rig.command(lambda ref: TriggerStatus(ref, 1))
    assert [b.connector for b in rig.notices()[before:]] == [1, 2]
