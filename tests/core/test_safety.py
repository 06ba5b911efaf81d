"""`station.core.safety`: the times of IEC 61851-1 between what the station wants and what vehicle and contactor are given."""

from __future__ import annotations

import pytest

from hal.api import FaultCode, PilotChanged, PilotSignal, PilotState, PowerFailing, PowerPathChanged, ProximityChanged
from station.core import safety
from station.core.effects import Output
from station.core.events import ShutdownRequested
from station.core.evse import UNCODED
from station.core.state_safety import Step
from station.core.types import ChargingState, EvseInfo, StopReason
from tests.core.rig import Rig
from tests.core.safety_rig import STOPS, Bench, Mark

A, B, C, D, F = PilotState.A, PilotState.B, PilotState.C, PilotState.D, PilotState.F
HOT = FaultCode.HIGH_TEMPERATURE
TICK = 0.01


def current_level(number: int) -> EvseInfo:
    """A board that makes the pilot signal itself."""
    return EvseInfo(number, has_pilot=False)


def phase_switching(number: int) -> EvseInfo:
    return EvseInfo(number, phase_switching=True)


def charging(info: object = EvseInfo, **more: object) -> Bench:
    bench = Bench(info=info, **more)  # type: ignore[arg-type]  # whatever Bench takes
    bench.charge()
    return bench


def stubborn(info: object = EvseInfo, **more: object) -> Bench:
    """Its vehicle goes on drawing whatever it is told."""
    bench = charging(info, **more)
    bench.lets_go = False
    return bench


# --- permission -----------------------------------------------------------------------------------------------------------


def test_permission_needs_a_vehicle_that_asks_for_energy_under_an_offer() -> None:
    """IEC 61851-1 A.6 seq 4: the contactor closes for C under PWM, and within the same turn."""
    bench = Bench()
    bench.pilot(A)
    bench.plug(state=C)
    assert not bench.output().permit, "C without an offer is no reason"
    bench.swipe()
    assert bench.output().permit
    assert bench.offering


@pytest.mark.parametrize("to", [B, A, PilotState.E, F])
def test_permission_goes_in_the_turn_in_which_the_vehicle_opens_s2_or_leaves(to: PilotState) -> None:
    """Table A.6 seq 8.1: 100 ms."""
    bench = charging()
    bench.pilot(to)
    assert not bench.output().permit
    assert not bench.closed[1]
    assert bench.under_load == []


# --- the vehicle is told first --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", STOPS)
def test_an_obedient_vehicle_is_never_cut_off_under_load(how: str) -> None:
    """A.6 seq 10.1: X1, the vehicle stops within 3 s, then the contactor opens."""
    bench = charging(phase_switching)
    STOPS[how](bench)
    bench.wait(60)
    assert bench.under_load == []


@pytest.mark.parametrize("how", STOPS)
def test_the_offer_goes_at_once_and_the_permission_as_soon_as_the_vehicle_has_stopped(how: str) -> None:
    bench = stubborn(phase_switching)
    moment = bench.mark()
    STOPS[how](bench)
    assert bench.since(moment) == [(0.0, "X1")]
    assert bench.closed[1], "it has time to stop"
    bench.wait(2)
    assert bench.closed[1]
    bench.pilot(B)
    assert not bench.closed[1], "C to B: open at once"
    assert bench.under_load == []


@pytest.mark.parametrize("how", STOPS)
def test_a_stubborn_vehicle_is_cut_off_after_six_seconds(how: str) -> None:
    """A.6 seq 10.2. Three seconds of X1 do for another offer: after the switch of phases there is one."""
    bench = stubborn(phase_switching)
    moment = bench.mark()
    STOPS[how](bench)
    bench.wait(safety.LET_GO_S - TICK)
    assert bench.closed[1]
    bench.wait(2 * TICK)
    assert bench.under_load == [1], "opened once, under load"
    assert [signal for _, signal in bench.since(moment)] == (["X1", "X2"] if how == "phase switch" else ["X1"])


@pytest.mark.parametrize("how", ["card", "remote stop", "reset", "nothing can be saved"])
def test_the_end_is_told_after_the_vehicle_has_let_go(how: str) -> None:
    bench = stubborn()
    STOPS[how](bench)
    bench.wait(safety.LET_GO_S - TICK)
    assert bench.ended() == []
    assert bench.reboots == []
    bench.wait(1)
    assert len(bench.ended()) == 1
    assert len(bench.reboots) == (how == "reset")


def test_a_fault_while_the_vehicle_lets_go_does_not_wait_for_it() -> None:
    bench = stubborn()
    bench.swipe()
    bench.wait(1)
    bench.fault(HOT)
    assert not bench.closed[1]


@pytest.mark.parametrize("event", [PowerFailing(), ShutdownRequested()])
@pytest.mark.parametrize("letting_go", [False, True])
def test_a_station_that_stops_forbids_at_once(event: PowerFailing | ShutdownRequested, letting_go: bool) -> None:
    """No second to lose, and nobody who would look after the time."""
    bench = stubborn()
    if letting_go:
        bench.swipe()
    bench.send(event)
    assert not bench.output().permit
    assert bench.output().pilot is PilotSignal.OFF
    assert not bench.closed[1]


def test_a_vehicle_that_is_offered_again_before_it_let_go_is_never_cut_off() -> None:
    bench = stubborn()
    moment = bench.mark()
    bench.limit(0.0)
    bench.wait(1)
    bench.no_limit()
    bench.wait(20)
    assert bench.since(moment) == [(0.0, "X1"), (3.0, "X2")]
    assert bench.under_load == []
    assert bench.closed[1]


@pytest.mark.parametrize("stops", [True, False])
def test_each_stop_has_six_seconds_of_its_own(stops: bool) -> None:
    bench = stubborn()
    bench.limit(0.0)
    if stops:
        bench.pilot(B)
    bench.wait(1)
    bench.no_limit()
    bench.wait(2.5)
    bench.pilot(C)
    bench.limit(0.0)
    bench.wait(safety.LET_GO_S - TICK)
    assert bench.closed[1]
    bench.wait(2 * TICK)
    assert not bench.closed[1]


def test_a_contactor_that_has_not_closed_yet_need_not_wait_for_anybody() -> None:
    bench = Bench()
    bench.plug()
    bench.swipe()
    bench.obeys = False
    bench.pilot(C)
    assert bench.output().permit
    bench.swipe()
    assert not bench.output().permit


# --- times between two levels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pause_s", [0.0, 1.0, 2.9, 3.0, 60.0])
def test_another_offer_comes_after_three_seconds_of_x1(pause_s: float) -> None:
    bench = charging()
    moment = bench.mark()
    bench.limit(0.0)
    bench.wait(pause_s)
    bench.no_limit()
    bench.wait(10)
    assert bench.since(moment) == [(0.0, "X1"), (max(3.0, pause_s), "X2")]
    assert bench.closed[1]


def test_somebody_who_stops_and_starts_again_waits_for_it_too() -> None:
    bench = charging()
    moment = bench.mark()
    bench.swipe()
    bench.swipe()
    bench.wait(10)
    assert bench.since(moment) == [(0.0, "X1"), (3.0, "X2")]
    assert bench.closed[1]


def test_another_vehicle_does_not_wait_for_the_one_before() -> None:
    bench = charging()
    bench.swipe()
    bench.unplug()
    bench.charge()


def test_less_current_is_told_at_once_and_more_five_seconds_after_the_last_change() -> None:
    bench = charging()
    bench.wait(60)
    moment = bench.mark()
    for amps in (20.0, 10.0, 16.0):
        bench.limit(amps)
        bench.wait(1)
    bench.limit(24.0)
    bench.wait(20)
    told = [(round(at - moment.mono, 3), out.current_a) for at, out in bench.levels[moment.levels :]]
    assert told == [(0.0, 20.0), (1.0, 10.0), (6.0, 24.0)], "the newest limit, and never the one of in between"


def test_a_limit_that_falls_while_a_raise_waits_makes_it_void() -> None:
    bench = charging()
    bench.wait(60)
    bench.limit(10.0)
    bench.limit(30.0)
    bench.wait(4)
    bench.limit(8.0)
    bench.wait(60)
    assert [out.current_a for _, out in bench.levels][-2:] == [10.0, 8.0]


# --- state F --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [C, D])
@pytest.mark.parametrize("evse", [0, 1])
def test_a_fault_forbids_in_its_turn_and_shows_state_f_for_four_seconds(state: PilotState, evse: int) -> None:
    bench = Bench(info=lambda n: EvseInfo(n, ventilated=True))
    bench.charge()
    bench.pilot(state)
    moment, before = bench.mark(), len(bench.effects)
    bench.fault(HOT, evse=evse)
    first = next(effect for effect in bench.effects[before:] if isinstance(effect, Output))
    assert not first.permit
    assert not bench.closed[1]
    bench.wait(60)
    assert bench.since(moment) == [(0.0, "F"), (4.0, "X1")]


def test_a_vehicle_that_does_not_draw_is_not_shown_state_f() -> None:
    bench = charging()
    bench.pilot(B)
    moment = bench.mark()
    bench.fault(HOT)
    assert bench.since(moment) == [(0.0, "X1")]


@pytest.mark.parametrize("code", [FaultCode.PILOT_FAULT, FaultCode.PROXIMITY_FAULT])
def test_no_state_f_for_a_fault_of_the_contacts_that_it_would_hide(code: FaultCode) -> None:
    bench = charging()
    moment = bench.mark()
    bench.fault(code)
    bench.wait(60)
    assert bench.since(moment) == [(0.0, "X1")]


def test_a_board_with_a_pilot_of_its_own_is_not_asked_for_state_f() -> None:
    bench = charging(current_level)
    moment = bench.mark()
    bench.fault(HOT)
    bench.wait(60)
    assert bench.since(moment) == [(0.0, "X1")]


def test_x1_for_three_quarters_of_a_second_after_state_f() -> None:
    """Where the fault is one that charging need not wait after."""
    bench = charging()
    moment = bench.mark()
    bench.fault(FaultCode.METER_FAILURE)
    bench.cleared(FaultCode.METER_FAILURE)
    bench.wait(60)
    assert bench.since(moment) == [(0.0, "F"), (4.0, "X1"), (4.75, "X2")]
    assert bench.closed[1]


def test_x1_also_after_the_state_f_of_an_empty_place() -> None:
    bench = Bench(overrides={"AuthCtrlr.Enabled": "false"})
    bench.pilot(A)
    bench.fault(HOT)
    assert bench.output().pilot is PilotSignal.FAULT
    moment = bench.mark()
    bench.cleared(HOT)
    bench.plug(state=C)  # was there already, unseen
    bench.wait(10)
    assert bench.since(moment) == [(0.0, "X1"), (0.75, "X2")]


@pytest.mark.parametrize("late_s", [0.0, 2.0, 3.99, 4.0, 4.9])
def test_the_board_may_tell_our_own_state_f(late_s: float) -> None:
    """Also a little late: the session is not over for it."""
    bench = charging()
    bench.fault(HOT)
    bench.wait(late_s)
    bench.send(PilotChanged(1, F))
    bench.wait(10)
    bench.cleared(HOT)
    bench.wait(60)
    assert bench.ended() == []
    assert bench.closed[1]


def test_a_state_f_that_is_not_ours_ends_the_session() -> None:
    bench = charging()
    bench.fault(HOT)
    bench.wait(safety.STEP_EF_S + safety.LATE_F_S + TICK)
    bench.send(PilotChanged(1, F))
    assert bench.last.phase.value == "Ended"


@pytest.mark.parametrize("info", [EvseInfo, current_level])
def test_the_state_f_of_an_empty_place_is_no_news_either(info: object) -> None:
    bench = Bench(info=info)  # type: ignore[arg-type]  # whatever Bench takes
    bench.pilot(A)
    moment = bench.mark()
    bench.fault(HOT)
    for _ in range(3):
        bench.send(PilotChanged(1, F))
        bench.wait(10)
    assert bench.since(moment) == [(0.0, "F")]
    bench.cleared(HOT)
    bench.send(PilotChanged(1, A))
    bench.wait(1)
    bench.charge()


def test_a_plug_pulled_under_state_f_is_noticed_afterwards() -> None:
    bench = charging()
    bench.fault(HOT)
    bench.send(PilotChanged(1, F))
    bench.wait(safety.STEP_EF_S)
    assert bench.ended() == []
    bench.unplug()
    assert bench.last.stop_reason is StopReason.EV_DISCONNECTED
    bench.cleared(HOT)
    assert not bench.locked[1]
    bench.wait(safety.X1_AFTER_EF_S)
    bench.charge()


def test_with_a_fault_and_a_pilot_that_nobody_understands_the_plug_can_still_be_seen() -> None:
    """-12 V is only for a place that is known to be empty: else nobody would ever see that the plug was pulled."""
    bench = stubborn()
    bench.ignores.add(1)
    bench.draws[1] = (50.0,)
    bench.wait(30)
    assert FaultCode.OVER_CURRENT_FAILURE in bench.faults()
    bench.send(PilotChanged(1, F))  # of its own accord
    bench.wait(60)
    assert bench.output().pilot is PilotSignal.OFF
    bench.unplug()
    bench.ignores.clear()
    bench.charge()


# --- after an error -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [HOT, FaultCode.OVER_VOLTAGE, FaultCode.POWER_LOSS, FaultCode.CABLE_OVER_TEMP_STOP])
@pytest.mark.parametrize("lasts_s", [0.0, 2.0, 100.0])
@pytest.mark.parametrize("info", [EvseInfo, current_level])
def test_an_error_that_interrupted_is_followed_by_thirty_seconds(code: FaultCode, lasts_s: float, info: object) -> None:
    bench = charging(info)
    bench.fault(code)
    bench.wait(lasts_s)
    bench.cleared(code)
    bench.wait(safety.ERROR_WAIT_S - TICK)
    assert not bench.offering
    assert bench.output().cause == safety.AFTER_FAULT
    assert bench.last.charging_state is ChargingState.SUSPENDED_EVSE
    bench.wait(2 * TICK)
    assert bench.closed[1]
    assert bench.ended() == []


def test_an_error_that_comes_back_while_it_is_waited_makes_the_wait_begin_anew() -> None:
    bench = charging()
    for _ in range(5):
        bench.fault(HOT)
        bench.wait(1)
        bench.cleared(HOT)
        bench.wait(29.5)
    assert not bench.offering
    bench.wait(0.5 + TICK)
    assert bench.offering


def test_the_wait_begins_when_the_last_of_several_errors_has_ended() -> None:
    bench = charging()
    bench.fault(HOT)
    bench.fault(FaultCode.INTERNAL_ERROR)
    bench.cleared(HOT)
    bench.wait(100)
    bench.cleared(FaultCode.INTERNAL_ERROR)
    bench.wait(29.9)
    assert not bench.offering
    bench.wait(0.2)
    assert bench.offering


@pytest.mark.parametrize("code", [FaultCode.METER_FAILURE, FaultCode.INTERNAL_ERROR, FaultCode.CONNECTOR_LOCK_FAILURE])
def test_no_wait_after_what_says_nothing_of_the_power_path(code: FaultCode) -> None:
    bench = charging()
    bench.fault(code)
    bench.wait(20)
    bench.cleared(code)
    bench.wait(TICK)
    assert bench.closed[1]


def test_no_wait_for_a_vehicle_that_was_not_interrupted() -> None:
    bench = charging()
    bench.pilot(B)
    bench.fault(HOT)
    bench.wait(20)
    bench.cleared(HOT)
    assert bench.offering


def test_no_wait_for_another_vehicle() -> None:
    bench = charging()
    bench.fault(HOT)
    bench.wait(10)
    bench.unplug()
    bench.cleared(HOT)
    bench.wait(safety.X1_AFTER_EF_S)
    bench.charge()


# --- cable and ventilation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cable_a", "offered"), [(13.0, 13.0), (20.0, 20.0), (32.0, 32.0), (63.0, 40.0)])
def test_the_cable_bounds_the_offer(cable_a: float, offered: float) -> None:
    """IEC 61851-1 annex B; 63 A are more than the board has."""
    bench = Bench(info=lambda n: EvseInfo(n, max_a=40.0))
    bench.plug(cable_a=cable_a)
    bench.swipe()
    assert bench.output().current_a == offered


def test_a_cable_that_nobody_has_rated_gets_nothing() -> None:
    bench = Bench()
    bench.send(PilotChanged(1, B))
    bench.swipe()
    assert not bench.offering
    assert bench.output().cause == UNCODED
    bench.send(ProximityChanged(1, 13.0))
    assert bench.output().current_a == 13.0


def test_a_contact_that_loses_its_cable_ends_the_offer_gently() -> None:
    bench = charging()
    bench.send(ProximityChanged(1, None))
    assert not bench.offering
    assert bench.under_load == []
    bench.send(ProximityChanged(1, 20.0))
    bench.wait(3)
    assert bench.output().current_a == 20.0


@pytest.mark.parametrize(
    "info", [lambda n: EvseInfo(n, fixed_cable=True), current_level], ids=["fixed cable", "the board looks after it"]
)
def test_where_nobody_tells_a_rating_the_board_bounds_the_offer(info: object) -> None:
    bench = Bench(info=info)  # type: ignore[arg-type]  # as above
    bench.send(PilotChanged(1, B))
    bench.swipe()
    assert bench.output().current_a == 32.0


def test_state_d_without_ventilation_gets_no_power_and_back_in_c_it_goes_on() -> None:
    bench = charging()
    bench.pilot(D)
    assert not bench.closed[1]
    assert bench.faults() == {FaultCode.INVALID_VEHICLE_MODE}
    assert bench.offering, "it may still choose to do without"
    assert bench.phases()[-1] == "SuspendedEVSE"
    bench.pilot(C)
    assert bench.closed[1]
    assert bench.faults() == set()
    assert bench.ended() == []


def test_state_d_where_it_is_ventilated_charges() -> None:
    bench = Bench(info=lambda n: EvseInfo(n, ventilated=True))
    bench.charge()
    bench.pilot(D)
    assert bench.closed[1]
    assert bench.faults() == set()


def test_a_vehicle_that_leaves_from_state_d_leaves_no_fault() -> None:
    bench = charging()
    bench.pilot(D)
    bench.unplug()
    assert bench.faults() == set()


# --- sleeping vehicles ----------------------------------------------------------------------------------------------------


def sleeper(info: object = EvseInfo, **more: object) -> tuple[Bench, Mark]:
    """Plugged in long before its driver came back with the card; returns when the offer began."""
    bench = Bench(info=info, **more)  # type: ignore[arg-type]  # as above
    bench.plug()
    bench.wait(3600)
    moment = bench.mark()
    bench.swipe()
    return bench, moment


def test_a_vehicle_that_fell_asleep_while_it_waited_is_woken_up_twice() -> None:
    bench, moment = sleeper()
    bench.wait(7200)
    x1, x2, f, after, last = 90.0, 93.0, 123.0, 127.0, 127.75
    assert bench.since(moment) == [(0.0, "X2"), (x1, "X1"), (x2, "X2"), (f, "F"), (after, "X1"), (last, "X2")]


def test_a_current_level_board_only_takes_the_offer_away() -> None:
    bench, moment = sleeper(current_level)
    bench.wait(7200)
    assert bench.since(moment) == [(0.0, "X2"), (90.0, "X1"), (93.0, "X2"), (123.0, "X1"), (126.0, "X2")]


def test_a_vehicle_that_was_paused_is_woken_up() -> None:
    bench = charging()
    bench.limit(0.0)
    bench.wait(3600)
    bench.paused.clear()  # it has fallen asleep
    moment = bench.mark()
    bench.no_limit()
    bench.wait(91)
    assert bench.since(moment) == [(0.0, "X2"), (90.0, "X1")]


def test_a_vehicle_that_is_full_is_left_alone() -> None:
    bench = charging()
    bench.wait(100)
    moment = bench.mark()
    bench.pilot(B)
    bench.wait(86_400)
    assert bench.since(moment) == []


def test_a_vehicle_that_was_offered_current_from_the_beginning_chose_to_wait() -> None:
    bench = Bench(info=lambda n: EvseInfo(n, fixed_cable=True, has_lock=False))
    bench.swipe()
    bench.plug()
    moment = bench.mark()
    bench.wait(86_400)
    assert bench.since(moment) == []


@pytest.mark.parametrize("asks_after_s", [5.0, 89.9, 91.0, 100.0, 124.0, 128.0])
def test_a_vehicle_that_asks_is_left_in_peace(asks_after_s: float) -> None:
    bench, _ = sleeper()
    bench.wait(asks_after_s)
    if bench.output().pilot is PilotSignal.FAULT:
        bench.wait(safety.STEP_EF_S)  # under which nobody sees it
    bench.pilot(C)
    bench.wait(10)
    assert bench.closed[1]
    asked = bench.mark()
    bench.pilot(B)
    bench.wait(3600)
    assert bench.since(asked) == [], "it has charged, and is full"


@pytest.mark.parametrize("info", [EvseInfo, current_level])
def test_waking_up_is_nobody_elses_business(info: object) -> None:
    """The vehicle pauses all the time, whatever we do on the pilot meanwhile."""
    bench, _ = sleeper(info)
    bench.wait(11)
    told = len(bench.facts)
    assert bench.last.charging_state is ChargingState.SUSPENDED_EV
    bench.wait(600)
    states = {fact.charging_state for fact in bench.facts[told:] if fact.charging_state is not None}
    assert states <= {ChargingState.SUSPENDED_EV}
    assert bench.phases()[-1] == "SuspendedEV"


@pytest.mark.parametrize(("asleep_s", "step"), [(91.0, Step.WAKE_X1), (124.0, Step.WAKE_F)])
def test_a_card_while_it_is_woken_up_ends_the_session(asleep_s: float, step: Step) -> None:
    bench, _ = sleeper()
    bench.wait(asleep_s)
    assert bench.station._state.evses[1].safety.step is step
    bench.swipe()
    assert bench.last.phase.value == "Ended"
    bench.wait(3600)
    assert not bench.offering


@pytest.mark.parametrize("asleep_s", [91.0, 124.0])
def test_unplugged_while_it_is_woken_up(asleep_s: float) -> None:
    bench, _ = sleeper()
    bench.wait(asleep_s)
    bench.unplug()
    assert bench.output().pilot is PilotSignal.OFF
    bench.wait(safety.X1_AFTER_EF_S)
    bench.charge()


# --- restart in the middle ------------------------------------------------------------------------------------------------


def restarted(bench: Bench) -> Rig:
    return bench.reboot(StopReason.REBOOT)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 5.9])
@pytest.mark.parametrize("how", [*STOPS, "fault", "over-current"])
def test_a_restart_in_the_middle_begins_with_power_off(how: str, seconds: float) -> None:
    bench = stubborn()
    if how == "fault":
        bench.fault(HOT)
    elif how == "over-current":
        bench.ignores.add(1)
        bench.draws[1] = (50.0,)
        bench.wait(8)
    elif how != "phase switch":
        STOPS[how](bench)
    bench.wait(seconds)
    rig = restarted(bench)
    assert next(e for e in rig.effects if isinstance(e, Output)).permit is False
    rig.plug(state=C)  # as it was
    rig.send(PowerPathChanged(1, True))
    rig.send(PowerPathChanged(1, False))
    rig.wait(60)
    assert not rig.closed[1], "nobody has asked for it"
    assert not any(isinstance(e, Output) and (e.permit or e.pilot is PilotSignal.PWM) for e in rig.effects)
    assert len({fact.tx_id for fact in (*bench.facts, *rig.facts) if fact.phase.value == "Ended"}) == 1
    rig.unplug()
    if how != "limit 0":  # which is still in force
        rig.charge()


@pytest.mark.parametrize(("state", "seconds"), [(C, 3.0), (D, 3.0), (B, 0.0)])
def test_a_vehicle_that_drew_before_the_start_sees_a_clear_x1_first(state: PilotState, seconds: float) -> None:
    """Where everybody may charge it would else be taken from PWM to PWM within whatever the start took."""
    bench = Bench(overrides={"AuthCtrlr.Enabled": "false"}, info=lambda n: EvseInfo(n, ventilated=True))
    moment = bench.mark()
    bench.plug(state=state)
    bench.wait(10)
    assert bench.since(moment)[-1] == (seconds, "X2")


def test_a_restart_while_a_vehicle_is_woken_up_begins_from_nothing() -> None:
    bench, _ = sleeper()
    bench.wait(124)
    rig = restarted(bench)
    rig.plug()
    assert rig.output().pilot is PilotSignal.OFF
    rig.swipe()
    rig.wait(89)
    assert rig.output().pilot is PilotSignal.PWM
