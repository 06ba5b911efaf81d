"""`station.core.safety` and `station.core.hardware`: what the station itself finds wrong, and how long a fault stands."""

from __future__ import annotations

import itertools

import pytest

from hal.api import Fault, FaultCode, PilotChanged, PilotSignal, PilotState, PowerPathChanged
from station.core import safety, session
from station.core.effects import Output, ReadMeter
from station.core.events import ResetFault, ShutdownRequested
from station.core.faults import POLICY, Recovery
from station.core.types import ChargingState, EvseInfo, StopReason
from tests.core.rig import Rig
from tests.core.safety_rig import STOPS, Bench

A, B, C = PilotState.A, PilotState.B, PilotState.C
WELDED, OVER, PILOT = FaultCode.EVSE_CONTACTOR_FAULT, FaultCode.OVER_CURRENT_FAILURE, FaultCode.PILOT_FAULT
UNPLUG = [code for code in FaultCode if POLICY[code].recovery is Recovery.UNPLUG]
TICK = 0.01


def charging(evses: int = 1, **more: object) -> Bench:
    bench = Bench(evses, **more)  # type: ignore[arg-type]  # whatever Bench takes
    for evse in range(1, evses + 1):
        bench.charge(evse)
    return bench


def faults(rig: Rig, evse: int = 1) -> set[FaultCode]:
    return set(rig.station.view(rig.now()).evse(evse).faults)


def reset(rig: Rig, evse: int = 1) -> str:
    return rig.command(lambda ref: ResetFault(ref, evse)).status


# --- until the plug is pulled ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", UNPLUG)
def test_a_fault_of_the_vehicle_stands_until_it_is_unplugged(code: FaultCode) -> None:
    bench = charging()
    bench.fault(code)
    assert not bench.closed[1]
    assert bench.last.stop_reason is POLICY[code].ends
    bench.wait(10)
    bench.cleared(code)
    bench.wait(3600)
    bench.swipe()
    assert faults(bench) == {code}
    assert not bench.offering
    bench.unplug()
    assert faults(bench) == set()
    bench.wait(safety.X1_AFTER_EF_S)
    bench.charge()


@pytest.mark.parametrize("code", UNPLUG)
def test_and_longer_when_the_board_still_tells_it_by_then(code: FaultCode) -> None:
    bench = charging()
    bench.fault(code)
    bench.wait(10)
    bench.unplug()
    assert faults(bench) == {code}
    bench.cleared(code)
    assert faults(bench) == set(), "nobody is there"
    bench.wait(safety.X1_AFTER_EF_S)
    bench.charge()


@pytest.mark.parametrize("code", UNPLUG)
def test_a_pilot_that_is_dead_is_no_plug_that_was_pulled(code: FaultCode) -> None:
    """The board says that its fault is over while the pilot is at 0 V: the same vehicle comes back."""
    bench = charging()
    bench.fault(code)
    bench.pilot(PilotState.E)
    bench.cleared(code)
    assert code in faults(bench)
    bench.pilot(B)
    bench.swipe()
    assert code in faults(bench)
    assert not bench.offering
    bench.unplug()
    assert faults(bench) == set()


def test_what_two_have_seen_ends_when_both_say_so() -> None:
    """A short circuit that the core sees and the board reports too."""
    bench = charging()
    bench.pilot(PilotState.E)
    bench.fault(PILOT)
    bench.unplug()
    assert faults(bench) == {PILOT}
    bench.cleared(PILOT)
    assert faults(bench) == set()


def test_a_vehicle_without_a_diode() -> None:
    """Found by the board: no state F, since a pilot that has lost its diode cannot be told from one at F."""
    bench = charging()
    bench.send(Fault(1, PILOT, True, "no diode"))
    assert not bench.closed[1]
    assert bench.output().pilot is PilotSignal.OFF
    assert bench.last.stop_reason is StopReason.OTHER
    bench.send(Fault(1, PILOT, False))
    bench.wait(3600)
    assert not bench.offering
    bench.unplug()
    bench.charge()


# --- welded ---------------------------------------------------------------------------------------------------------------


def welded(bench: Bench) -> Bench:
    """Its contactor does not open any more."""
    bench.obeys = False
    bench.lets_go = False
    return bench


@pytest.mark.parametrize("how", [*STOPS, "C to B", "fault", "shutdown"])
def test_a_contactor_that_stays_closed_two_seconds_after_the_permission_is_welded(how: str) -> None:
    bench = welded(charging(info=lambda n: EvseInfo(n, phase_switching=True)))
    if how == "C to B":
        bench.pilot(B)
    elif how == "fault":
        bench.fault(FaultCode.HIGH_TEMPERATURE)
    elif how == "shutdown":
        bench.send(ShutdownRequested())
    else:
        STOPS[how](bench)
        bench.pilot(B)  # a vehicle that has stopped: nothing flows, so nothing but the mirror contact tells
    assert not bench.output().permit
    bench.wait(safety.OPENING_S - TICK)
    assert WELDED not in faults(bench)
    bench.wait(2 * TICK)
    assert WELDED in faults(bench)
    assert bench.output().locked, "the plug is live"


def test_one_that_opens_late_but_in_time_is_not() -> None:
    bench = welded(charging())
    bench.swipe()
    bench.pilot(B)
    bench.wait(safety.OPENING_S - TICK)
    bench.send(PowerPathChanged(1, False))
    bench.wait(60)
    assert faults(bench) == set()


def test_the_end_waits_for_the_contactor_or_the_fault() -> None:
    bench = welded(charging())
    bench.swipe()
    bench.pilot(B)
    bench.wait(safety.OPENING_S - TICK)
    assert bench.ended() == []
    bench.wait(session.FINAL_READING_WAIT_S + 2 * TICK)
    assert len(bench.ended()) == 1
    assert bench.last.stop_reason is StopReason.LOCAL, "why it was to end is why it ends"


def test_a_contactor_that_closes_without_permission_is_welded_too() -> None:
    bench = Bench()
    bench.obeys = False
    bench.pilot(A)
    bench.send(PowerPathChanged(1, True))
    bench.wait(safety.OPENING_S - TICK)
    assert faults(bench) == set()
    bench.wait(2 * TICK)
    assert faults(bench) == {WELDED}


def test_it_stands_through_a_restart_until_somebody_resets_it_and_the_mirror_contact_says_open() -> None:
    bench = welded(charging())
    bench.swipe()
    bench.pilot(B)
    bench.wait(10)
    rig = bench.reboot()
    rig.obeys = False
    assert faults(rig) == {WELDED}
    rig.send(PowerPathChanged(1, True))
    rig.send(PilotChanged(1, A))
    rig.wait(10)
    assert reset(rig) == "Rejected", "it is still closed"
    assert faults(rig) == {WELDED}
    rig.send(PowerPathChanged(1, False))
    rig.wait(3600)
    assert faults(rig) == {WELDED}, "opened by itself: it is still to be looked at"
    assert reset(rig) == "Accepted"
    assert faults(rig) == set()
    rig.obeys = True
    rig.wait(1)
    rig.charge()


def test_a_board_that_says_that_it_is_over_is_not_believed_against_its_mirror_contact() -> None:
    bench = welded(charging())
    bench.swipe()
    bench.pilot(B)
    bench.wait(10)
    bench.fault(WELDED)
    bench.cleared(WELDED)
    assert reset(bench) == "Rejected"
    bench.send(PowerPathChanged(1, False))
    assert reset(bench) == "Accepted"


@pytest.mark.parametrize("evse", [0, 1])
def test_a_board_that_does_not_answer_is_lost_and_not_welded(evse: int) -> None:
    """An adapter that was pulled out tells nothing any more; plugged in again the station goes on without anybody's help."""
    bench = welded(charging())
    bench.fault(FaultCode.INTERNAL_ERROR, evse=evse)
    bench.wait(3600)
    assert WELDED not in faults(bench)
    bench.cleared(FaultCode.INTERNAL_ERROR, evse=evse)
    bench.closed[1] = False
    bench.send(PowerPathChanged(1, False))
    bench.obeys = True
    bench.wait(60)
    assert faults(bench) == set()
    assert bench.output().permit, "in the same transaction"
    assert bench.ended() == []


def test_a_board_that_is_back_and_still_closed_is_welded() -> None:
    bench = welded(charging())
    bench.fault(FaultCode.INTERNAL_ERROR)
    bench.pilot(B)
    bench.wait(60)
    bench.fault(FaultCode.HIGH_TEMPERATURE)
    bench.cleared(FaultCode.INTERNAL_ERROR)
    bench.wait(safety.OPENING_S + TICK)
    assert WELDED in faults(bench)


# --- over-current ---------------------------------------------------------------------------------------------------------


def greedy(*amps: float, offered: float = 16.0) -> Bench:
    """Charging, and then drawing so much whatever it is offered."""
    bench = Bench()
    bench.limit(offered)
    bench.ignores.add(1)
    bench.charge()
    bench.wait(30)
    bench.draws[1] = amps
    return bench


def over_after(bench: Bench) -> float | None:
    """Seconds from the first reading that is above until the fault; None: none within a minute."""
    bench.send(bench._reading(1))
    for tenth in range(600):
        if OVER in faults(bench):
            return tenth / 10
        bench.wait(0.1)
    return None


@pytest.mark.parametrize("amps", [(18.2,), (0.0, 0.0, 18.2), (10.0, 40.0, 10.0), (-18.2,)])
def test_more_than_offered_on_any_phase_for_six_seconds(amps: tuple[float, ...]) -> None:
    """(16 + 0.5) x 1.1 = 18.15 A. A transformer mounted the wrong way round hides nothing."""
    bench = greedy(*amps)
    assert over_after(bench) == pytest.approx(6.0, abs=0.2)
    assert bench.notices()[-1].info.endswith("A of 16 A offered")
    assert not bench.closed[1]
    assert bench.last.stop_reason is StopReason.OVERCURRENT_FAULT


@pytest.mark.parametrize("amps", [(18.1, 18.1, 18.1), (), (0.0,)])
def test_what_a_vehicle_may_draw(amps: tuple[float, ...]) -> None:
    assert over_after(greedy(*amps)) is None


def test_readings_get_closer_while_it_lasts_and_a_single_one_is_nothing() -> None:
    bench = greedy(30.0)
    bench.send(bench._reading(1))
    bench.draws[1] = (16.0,)
    before = bench.station.next_deadline()
    assert before is not None
    assert before - bench.mono <= 1.0, "asked again within a second"
    assert over_after(bench) is None
    assert faults(bench) == set()


def test_peaks_are_not_added_up() -> None:
    bench = greedy(30.0)
    for _ in range(10):
        bench.draws[1] = (30.0,)
        bench.wait(4)
        bench.draws[1] = (10.0,)
        bench.wait(4)
    assert faults(bench) == set()


def test_a_vehicle_has_five_seconds_to_follow() -> None:
    bench = greedy(32.0, offered=32.0)
    bench.limit(10.0)
    for _ in range(49):
        bench.wait(0.1)
        bench.send(bench._reading(1))
    assert faults(bench) == set()
    bench.draws[1] = (10.0,)
    bench.wait(60)
    assert faults(bench) == set()


def test_one_that_never_follows_is_stopped_eleven_seconds_after_the_change() -> None:
    bench = greedy(32.0, offered=32.0)
    bench.limit(10.0)
    began = bench.mono
    while OVER not in faults(bench):
        bench.wait(0.1)
        bench.send(bench._reading(1))
        assert bench.mono - began < 60
    assert bench.mono - began == pytest.approx(safety.PWM_CHANGE_S + safety.OVER_S, abs=0.3)


def test_offers_that_change_all_the_time_hide_nothing() -> None:
    """More than was offered before or after a change is too much, whichever it follows."""
    bench = greedy(32.0, offered=16.0)
    for amps in itertools.islice(itertools.cycle((10.0, 16.0)), 10):
        bench.limit(amps)
        bench.wait(2)
    assert OVER in faults(bench)


def test_over_current_stands_until_the_plug_is_pulled() -> None:
    bench = greedy(40.0)
    assert over_after(bench) is not None
    bench.draws[1] = ()
    bench.wait(3600)
    bench.swipe()
    assert not bench.offering
    bench.unplug()
    assert faults(bench) == set()
    bench.charge()


def test_over_current_that_the_board_reports_too() -> None:
    bench = greedy(40.0)
    assert over_after(bench) is not None
    bench.fault(OVER)
    bench.unplug()
    assert faults(bench) == {OVER}
    bench.cleared(OVER)
    assert faults(bench) == set()


# --- the whole station ----------------------------------------------------------------------------------------------------


def test_the_emergency_stop_takes_power_from_every_vehicle_in_one_turn() -> None:
    bench = charging(2)
    marks, before = bench.mark(), len(bench.effects)
    bench.fault(FaultCode.EMERGENCY_STOP, evse=0)
    firsts = {e.evse: e for e in reversed(bench.effects[before:]) if isinstance(e, Output)}
    assert [firsts[evse].permit for evse in (1, 2)] == [False, False]
    assert not any(bench.closed.values())
    assert [fact.stop_reason for fact in bench.ended()] == [StopReason.EMERGENCY_STOP] * 2
    bench.wait(60)
    for evse in (1, 2):
        assert bench.since(marks, evse) == [(0.0, "F"), (4.0, "X1")]
        bench.swipe(evse=evse)
    assert not any(bench.closed.values())
    bench.cleared(FaultCode.EMERGENCY_STOP, evse=0)
    bench.wait(3600)
    assert not any(bench.closed.values()), "nothing begins by itself (ISO 13850)"
    for evse in (1, 2):
        bench.swipe(evse=evse)
        assert bench.closed[evse]


def test_a_restart_during_an_emergency_stop() -> None:
    """The button is still pressed, and the board says so."""
    bench = charging(2)
    bench.fault(FaultCode.EMERGENCY_STOP, evse=0)
    rig = bench.reboot()
    for evse in (1, 2):
        rig.plug(evse, state=C)
    rig.send(Fault(0, FaultCode.EMERGENCY_STOP, True))
    rig.swipe()
    rig.wait(60)
    assert not any(rig.closed.values())


def test_a_hot_connector_derates_at_once_and_recovers_in_steps_of_five_seconds() -> None:
    bench = charging()
    bench.wait(60)
    for celsius in (70.0, 79.0):
        bench.celsius[1] = celsius
        bench.wait(5)
    assert bench.output().current_a < 10.0
    assert faults(bench) == {FaultCode.CABLE_OVER_TEMP_DERATE}
    assert bench.closed[1]
    moment = bench.mark()
    bench.celsius[1] = 30.0
    bench.wait(30)
    raises = [at for at, _ in bench.levels[moment.levels :]]
    assert all(later - sooner >= safety.PWM_CHANGE_S - 1e-6 for sooner, later in itertools.pairwise(raises))
    assert bench.output().current_a == 32.0
    assert faults(bench) == set()


def test_derating_that_is_not_followed_is_over_current() -> None:
    bench = greedy(32.0, offered=32.0)
    bench.celsius[1] = 80.0
    bench.wait(30)
    assert OVER in faults(bench)


@pytest.mark.parametrize("code", [FaultCode.HIGH_TEMPERATURE, FaultCode.CABLE_OVER_TEMP_STOP])
def test_too_hot_suspends_with_the_transaction_open(code: FaultCode) -> None:
    bench = charging()
    bench.fault(code)
    assert bench.last.charging_state is ChargingState.SUSPENDED_EVSE
    bench.wait(600)
    bench.cleared(code)
    bench.wait(safety.ERROR_WAIT_S)
    assert bench.last.charging_state is ChargingState.CHARGING


def test_a_hot_connector_is_looked_at_until_it_has_cooled_down_although_the_car_has_gone() -> None:
    """Else the CSMS would be told for hours of a heat that is long over."""
    bench = charging()
    bench.celsius[1] = 75.0
    bench.wait(10)
    assert FaultCode.CABLE_OVER_TEMP_DERATE in bench.station.view(bench.now()).evse(1).faults
    bench.swipe()
    bench.unplug()
    bench.wait(300)
    assert FaultCode.CABLE_OVER_TEMP_DERATE in bench.station.view(bench.now()).evse(1).faults
    bench.celsius[1] = 30.0
    bench.wait(61)
    assert bench.station.view(bench.now()).evse(1).faults == ()
    bench.effects.clear()
    bench.wait(600)
    assert not any(isinstance(effect, ReadMeter) for effect in bench.effects), "and no longer"
