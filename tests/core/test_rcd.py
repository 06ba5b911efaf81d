"""`station.core.rcd`, `station.core.state_faults`: when the RCD is tested, and what must not happen before it has passed."""

from __future__ import annotations

from functools import partial

import pytest

from hal.api import Fault, FaultCode, Lamp, PilotChanged, PilotSignal, PilotState, PowerPathChanged
from station.core import rcd
from station.core.effects import Refused, SelfTest
from station.core.events import ResetFault, SelfTested
from station.core.state_faults import Rcd
from station.core.types import EvseInfo, StopReason
from station.core.view import EvseView
from tests.core.rig import Rig

GROUND = FaultCode.GROUND_FAILURE


def at_rest(**more: object) -> Rig:
    """A station whose board has said that nobody is there."""
    rig = Rig(info=partial(EvseInfo, self_test=True), **more)  # type: ignore[arg-type]  # keywords of the rig
    rig.pilot(PilotState.A)
    return rig


def runs(rig: Rig) -> int:
    return sum(isinstance(effect, SelfTest) for effect in rig.effects)


def passed(rig: Rig) -> Rig:
    rig.send(SelfTested(1, True))
    return rig


def session(rig: Rig) -> None:
    rig.charge()
    rig.swipe()
    rig.pilot(PilotState.B)
    rig.unplug()


def view(rig: Rig) -> EvseView:
    return rig.station.view(rig.now()).evse(1)


def test_without_such_a_device_nothing_is_tested() -> None:
    rig = Rig()
    rig.pilot(PilotState.A)
    rig.charge()
    assert runs(rig) == 0


def test_at_start_as_soon_as_it_is_known_that_nobody_is_there() -> None:
    rig = Rig(info=partial(EvseInfo, self_test=True))
    rig.wait(60)
    assert runs(rig) == 0, "the board has not said anything yet"
    rig.pilot(PilotState.A)
    rig.wait(60)
    assert runs(rig) == 1


def test_a_vehicle_that_plugs_in_during_the_test_waits_and_then_charges() -> None:
    rig = at_rest()
    rig.plug()
    rig.swipe()
    rig.pilot(PilotState.C)
    rig.wait(3)
    assert not rig.closed[1]
    assert view(rig).cause == "the RCD is being tested"
    assert rig.last.charging_state.value == "SuspendedEVSE"
    assert runs(rig) == 1, "it is let finish"
    passed(rig)
    assert rig.closed[1]
    assert rig.last.charging_state.value == "Charging"


def test_after_every_session_and_before_the_next() -> None:
    rig = passed(at_rest())
    rig.charge()
    rig.swipe()
    rig.pilot(PilotState.B)
    assert runs(rig) == 1, "the vehicle is still there"
    rig.unplug()
    assert runs(rig) == 2
    rig.plug()
    rig.swipe()
    rig.pilot(PilotState.C)
    assert not rig.closed[1]
    passed(rig)
    assert rig.closed[1]


def test_not_while_the_contactor_is_closed_nor_while_a_session_waits_for_its_vehicle() -> None:
    rig = passed(at_rest(overrides={"TxCtrlr.StopTxOnEVSideDisconnect": "false", "TxCtrlr.TxStopPoint": "Authorized"}))
    rig.charge()
    rig.obeys = False
    rig.pilot(PilotState.A)  # at the vehicle: the transaction waits for it
    assert rig.station.view(rig.now()).evse(1).transaction is not None
    assert runs(rig) == 1
    rig.send(PowerPathChanged(1, False))
    assert runs(rig) == 1
    rig.swipe()
    rig.wait(10)
    assert rig.ended()
    assert runs(rig) == 2


def test_every_day_or_as_soon_as_the_vehicle_leaves() -> None:
    rig = passed(at_rest())
    rig.wait(rcd.EVERY_S - 1)
    assert runs(rig) == 1
    rig.wait(1)
    assert runs(rig) == 2
    passed(rig)
    rig.charge()
    rig.wait(rcd.EVERY_S + 60)
    assert rig.closed[1], "nobody is interrupted for a test"
    assert runs(rig) == 2
    rig.swipe()
    rig.unplug()
    assert runs(rig) == 3


@pytest.mark.parametrize("why", ["does not trip", "no answer within 30 s"])
def test_a_failed_test_latches_until_a_person_resets_it_through_restarts(why: str) -> None:
    rig = at_rest()
    if why.startswith("no answer"):
        rig.wait(rcd.ANSWER_S)
        passed(rig)  # too late
    else:
        rig.send(SelfTested(1, False, why))
    assert view(rig).faults == (GROUND,)
    assert view(rig).lamp is Lamp.FAULT
    assert rig.notices()[-1].info == f"RCD self-test failed: {why}"
    rig.send(Fault(1, GROUND, False))  # the board's word does not end it
    rig.wait(2 * rcd.EVERY_S)
    assert runs(rig) == 1, "known to be broken"
    again = rig.reboot(StopReason.REBOOT)
    again.pilot(PilotState.A)
    assert view(again).faults == (GROUND,)
    assert runs(again) == 0
    again.plug()
    again.swipe()
    again.pilot(PilotState.C)
    assert not again.closed[1]
    again.unplug()
    assert again.output().pilot is PilotSignal.FAULT
    again.pilot(PilotState.F)
    assert again.command(lambda ref: ResetFault(ref, 1)).status == "Accepted"
    assert again.output().pilot is PilotSignal.OFF, "only without state F can it be seen that nobody is there"
    assert runs(again) == 0
    again.pilot(PilotState.B)
    assert runs(again) == 0, "somebody was"
    again.pilot(PilotState.A)
    assert runs(again) == 1
    assert view(again).faults == (GROUND,), "the test decides"
    passed(again)
    assert view(again).faults == ()
    assert "latch" not in again.rows or not again.rows["latch"]
    again.charge()


def test_a_reset_that_fails_again_leaves_it_latched() -> None:
    rig = at_rest()
    rig.send(SelfTested(1, False, "x"))
    rig.pilot(PilotState.F)
    rig.command(lambda ref: ResetFault(ref, 1))
    rig.pilot(PilotState.A)
    assert "at this moment" in str(rig.command(lambda ref: ResetFault(ref, 1)).info)
    rig.send(SelfTested(1, False, "still"))
    assert view(rig).faults == (GROUND,)
    assert rig.output().pilot is PilotSignal.FAULT
    assert rig.rows["latch"]["1/GroundFailure"]["info"] == "RCD self-test failed: still"


@pytest.mark.parametrize("has_pilot", [True, False])
def test_a_vehicle_that_came_under_state_f_is_seen_before_the_test(has_pilot: bool) -> None:
    rig = Rig(info=partial(EvseInfo, self_test=True, has_pilot=has_pilot))
    rig.send(Fault(1, FaultCode.EMERGENCY_STOP, True))
    rig.pilot(PilotState.F if has_pilot else PilotState.A)
    assert runs(rig) == (0 if has_pilot else 1)
    rig.send(Fault(1, FaultCode.EMERGENCY_STOP, False))
    assert runs(rig) == (0 if has_pilot else 1)
    rig.pilot(PilotState.B)
    rig.pilot(PilotState.A)
    assert runs(rig) == 1


def test_a_fault_that_the_board_reports_besides_stays_after_a_passed_test() -> None:
    rig = at_rest()
    rig.send(Fault(1, GROUND, True, "30 mA"))
    rig.send(SelfTested(1, False, "x"))
    rig.command(lambda ref: ResetFault(ref, 1))
    rig.pilot(PilotState.A)
    passed(rig)
    assert view(rig).faults == (GROUND,)
    rig.send(Fault(1, GROUND, False))
    assert view(rig).faults == ()


def test_a_bus_that_fails_is_tried_again_and_reported_in_the_end() -> None:
    rig = at_rest()
    for missed in range(rcd.MISSED_BEFORE_FAULT):
        assert view(rig).faults == ()
        before = runs(rig)
        rig.send(SelfTested(1, None, "no port"))
        rig.wait(rcd.AGAIN_FIRST_S * 2**missed - 0.1)
        assert runs(rig) == before
        rig.wait(0.1)
        assert runs(rig) == before + 1
    assert view(rig).faults == (FaultCode.INTERNAL_ERROR,)
    assert isinstance(next(e for e in reversed(rig.effects) if isinstance(e, Refused)), Refused)
    passed(rig)
    assert view(rig).faults == ()
    rig.charge()


def test_a_board_that_is_lost_is_not_tested_and_its_silence_is_no_failure() -> None:
    rig = at_rest()
    rig.send(Fault(1, FaultCode.INTERNAL_ERROR, True, "unplugged"))
    rig.wait(rcd.ANSWER_S)
    assert view(rig).faults == (FaultCode.INTERNAL_ERROR,)
    rig.wait(3600)
    assert runs(rig) == 1
    rig.pilot(PilotState.A)
    rig.send(Fault(1, FaultCode.INTERNAL_ERROR, False))
    assert runs(rig) == 2


@pytest.mark.parametrize(("age_s", "charges"), [(rcd.EVERY_S - 1, True), (rcd.EVERY_S + 1, False)])
def test_after_a_power_cut_a_vehicle_that_was_connected_goes_on_within_a_day(age_s: float, charges: bool) -> None:
    before = passed(at_rest())
    before.charge()
    before.rows["rcd"]["1"]["wall"] = before.now().wall - age_s
    rig = before.reboot()
    rig.plug()
    rig.wait(10)
    rig.swipe()
    rig.pilot(PilotState.C)
    assert runs(rig) == 0
    assert rig.closed[1] is charges
    if not charges:
        assert view(rig).cause == "the RCD must be tested first: unplug the vehicle"


@pytest.mark.parametrize("row", [None, {}, {"wall": "yesterday"}, {"wall": 9e9}, 7])
def test_rows_that_say_nothing_count_for_nothing(row: object) -> None:
    rig = Rig(info=partial(EvseInfo, self_test=True), rows={"rcd": {"1": row}} if row is not None else {})
    rig.plug()
    rig.swipe()
    rig.pilot(PilotState.C)
    assert not rig.closed[1]


def test_the_words() -> None:
    assert Rcd(ready=True).hindrance(connected=True) is None
    assert Rcd(ready=True, running=True).hindrance(connected=True) == "the RCD is being tested"
    assert Rcd().hindrance(connected=False) == "the RCD has not passed its self-test yet"
    assert all(len(str(Rcd().hindrance(connected=there))) <= 50 for there in (True, False)), "1.6 cuts at 50"


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    rig = passed(at_rest())
    before = len(rig.effects)
    rig.send(SelfTested(1, False, "late"))
    rig.send(SelfTested(7, False, "who?"))
    plain = Rig()
    plain.send(SelfTested(1, False, "who?"))
    assert len(rig.effects) == before
    assert view(plain).faults == ()
    plain.send(PilotChanged(1, PilotState.A))
