"""`station.core.sharing` and `allowance`: EVSEs that share what the station may draw (K04), in a station that runs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.api import PilotState
from station.core import allowance, sharing
from station.core.charging.balance import Strategy, Tuning
from station.core.charging.memory import ChargingSetup
from station.core.charging.profiles import Kind, Purpose, RateUnit
from station.core.effects import Output
from station.core.events import SetNeeds
from station.core.types import ChargingState, EvseInfo
from tests.core.rig import Rig
from tests.core.smart_rig import at, clear, install, limited

FUSE_32 = ChargingSetup(station_max_a=32.0)


def offered(rig: Rig) -> list[float]:
    return [rig.output(info.evse).current_a for info in rig.infos]


def two_cars(setup: ChargingSetup = FUSE_32, **more: object) -> Rig:
    rig = Rig(evses=2, charging=setup, **more)  # type: ignore[arg-type]  # the rig's own keywords
    rig.charge(1)
    rig.plug(2)
    rig.swipe("0BADCAFE", 2)
    rig.pilot(PilotState.C, 2)
    return rig


def test_two_cars_share_a_fuse_and_the_second_waits_until_the_first_has_made_room() -> None:
    rig = two_cars()
    assert offered(rig)[0] == 16.0
    assert offered(rig)[1] == 0.0, "until the first car has had its time, it may still draw 32 A"
    rig.wait(sharing_time(rig))
    assert offered(rig) == [16.0, 16.0]
    assert rig.output(1).cause.startswith("station limit") or "share" in rig.output(1).cause


def begin(rig: Rig, evse: int) -> None:
    """A vehicle that may have to wait until others have made room."""
    rig.plug(evse)
    rig.swipe(f"0BADCAF{evse}", evse)
    rig.pilot(PilotState.C, evse)


def sharing_time(rig: Rig) -> float:
    return rig.charging.tuning.settle_s + 1 if rig.charging is not None else 0.0


def test_a_car_that_is_measured_below_its_lower_limit_makes_room_at_once() -> None:
    rig = Rig(evses=2, charging=FUSE_32)
    rig.draws = {1: (10.0, 10.0, 10.0)}
    rig.charge(1)
    rig.plug(2)
    rig.swipe("0BADCAFE", 2)
    rig.pilot(PilotState.C, 2)
    assert offered(rig) == [16.0, 0.0]
    rig.wait(5.0)  # the next look at the meter
    assert offered(rig) == [16.0, 16.0]


def test_who_leaves_gives_its_share_to_the_other() -> None:
    rig = two_cars()
    rig.wait(60)
    rig.unplug(2)
    rig.wait(60)
    assert offered(rig)[0] == 32.0


def test_a_vehicle_that_is_full_keeps_no_more_than_the_minimum() -> None:
    rig = two_cars()
    rig.wait(60)
    rig.pilot(PilotState.B, 2)
    rig.wait(60)
    assert offered(rig) == [26.0, 6.0]


def test_a_vehicle_that_takes_less_than_its_share_leaves_the_rest() -> None:
    rig = Rig(evses=2, charging=ChargingSetup(station_max_a=40.0))
    rig.draws = {1: (9.0, 9.0, 9.0), 2: (30.0, 30.0, 30.0)}
    rig.charge(1)
    rig.plug(2)
    rig.swipe("0BADCAFE", 2)
    rig.pilot(PilotState.C, 2)
    rig.wait(300)
    assert offered(rig) == [10.0, 30.0]
    rig.draws[1] = (20.0, 20.0, 20.0)  # it wants more: it gets its share again
    rig.wait(300)
    assert offered(rig) == [20.0, 20.0]


def follow(rig: Rig, seconds: int, *, ignoring: tuple[int, ...] = ()) -> list[list[float]]:
    """Let time pass with vehicles that follow the pilot within a second; what was offered at the end of every second."""
    seen = []
    for _ in range(seconds):
        rig.wait(1)
        for info in rig.infos:
            pilot = rig.station.view(rig.now()).evses[info.evse - 1].pilot
            wants = PilotState.B if rig.output(info.evse).current_a < 6.0 or info.evse in ignoring else PilotState.C
            if pilot in (PilotState.B, PilotState.C) and pilot is not wants:
                rig.pilot(wants, info.evse)
        seen.append(offered(rig))
    return seen


def test_a_vehicle_that_asks_for_nothing_does_not_keep_another_waiting() -> None:
    """It is full, or asleep: its minimum is for whoever wants it, and it is asked again only now and then."""
    rig = Rig(evses=2, charging=ChargingSetup(station_max_a=10.0))
    rig.charge(1)
    rig.wait(30)
    rig.pilot(PilotState.B, 1)
    rig.wait(30)
    assert offered(rig) == [6.0, 0.0]
    rig.plug(2)
    rig.swipe("0BADCAFE", 2)
    seen = follow(rig, 5400, ignoring=(1,))
    assert seen[10] == [0.0, 10.0]
    lost = sum(second[1] == 0.0 for second in seen[10:])
    assert 0 < lost < 5400 * 0.03, "now and then the other is asked whether it wants anything again"
    assert any(second[0] == 10.0 for second in seen[3600:])


def test_a_vehicle_that_was_full_is_served_again_when_it_wants_to() -> None:
    rig = Rig(evses=2, charging=ChargingSetup(station_max_a=10.0))
    rig.charge(1)
    rig.wait(30)
    rig.pilot(PilotState.B, 1)
    rig.plug(2)
    rig.swipe("0BADCAFE", 2)
    follow(rig, 60, ignoring=(1,))
    rig.command(lambda ref: SetNeeds(ref, 1, energy_wh=5000.0))  # its driver says so
    seen = follow(rig, 3600)
    assert sum(second[0] > 0.0 for second in seen) > 1200


def test_a_paused_vehicle_is_suspended_once_and_charges_again_at_once() -> None:
    """No state in between while it has its time to answer to the new offer."""
    rig = two_cars(ChargingSetup(station_max_a=10.0))
    follow(rig, 3700)
    for evse in (1, 2):
        states = [fact.charging_state for fact in rig.facts if fact.evse == evse]
        told = [state for state, _ in itertools.groupby(states)]
        assert ChargingState.SUSPENDED_EV not in told
        assert told[-4:] in (
            [ChargingState.CHARGING, ChargingState.SUSPENDED_EVSE] * 2,
            [ChargingState.SUSPENDED_EVSE, ChargingState.CHARGING] * 2,
        )


def test_a_resumed_vehicle_that_does_not_answer_is_suspended_by_itself() -> None:
    rig = two_cars(ChargingSetup(station_max_a=10.0))
    follow(rig, 1100, ignoring=(2,))
    states = [fact.charging_state for fact in rig.facts if fact.evse == 2]
    assert ChargingState.SUSPENDED_EV in states


def test_a_battery_that_is_nearly_full_leaves_more_and_more() -> None:
    rig = Rig(evses=2, charging=FUSE_32)
    rig.draws = {1: (16.0, 16.0, 16.0), 2: (32.0, 32.0, 32.0)}
    rig.charge(1)
    rig.plug(2)
    rig.swipe("0BADCAFE", 2)
    rig.pilot(PilotState.C, 2)
    for drawn, left in ((13.0, 14.0), (7.0, 8.0), (2.0, 6.0)):
        rig.draws[1] = (drawn, drawn, drawn)
        rig.wait(300)
        assert offered(rig) == [left, 32.0 - left]


def test_a_vehicle_that_ignores_its_lower_limit_goes_on_counting_as_what_it_draws() -> None:
    rig = Rig(evses=2, charging=FUSE_32)
    rig.draws = {1: (18.0, 18.0, 18.0)}  # little enough to be no over-current
    rig.ignores = {1}
    rig.charge(1)
    rig.wait(30)
    rig.plug(2)
    rig.swipe("0BADCAFE", 2)
    rig.pilot(PilotState.C, 2)
    seen = follow(rig, 120)
    assert seen[-1][0] == 16.0
    assert all(second[1] <= 14.0 for second in seen), "its time is over, but everybody can see what it does"
    rig.ignores.clear()
    assert follow(rig, 60)[-1] == [16.0, 16.0]


def test_a_reading_that_may_have_been_on_its_way_when_less_was_offered_proves_nothing() -> None:
    rig = Rig(evses=2, charging=FUSE_32)
    rig.draws = {1: (10.0, 10.0, 10.0)}
    rig.charge(1)
    rig.wait(29.0)
    rig.plug(2)
    rig.swipe("0BADCAFE", 2)
    rig.pilot(PilotState.C, 2)
    rig.wait(1.0)  # the meter answers now, and may have looked before
    assert offered(rig) == [16.0, 0.0]
    rig.wait(5.0)
    assert offered(rig) == [16.0, 16.0]


def test_not_enough_for_two_minima_means_turns_and_the_same_transactions() -> None:
    setup = replace(FUSE_32, station_max_a=10.0, tuning=Tuning(turn_s=600.0))
    rig = two_cars(setup)
    seen = set()
    for _ in range(40):
        rig.wait(60)
        seen.add(tuple(offered(rig)))
        assert sum(offered(rig)) <= 10.0
    assert {(10.0, 0.0), (0.0, 10.0)} <= seen
    assert rig.ended() == []
    assert {fact.charging_state for fact in rig.facts} >= {ChargingState.SUSPENDED_EVSE, ChargingState.CHARGING}


def test_a_station_maximum_profile_is_shared_too_and_names_itself() -> None:
    """K04.FR.01, FR.02."""
    rig = two_cars(ChargingSetup())
    assert offered(rig) == [32.0, 32.0]
    install(rig, limited(3, Purpose.STATION_MAX, (0, 20.0), kind=Kind.ABSOLUTE, start=at(rig)), evse=0)
    assert offered(rig) == [10.0, 10.0]
    rig.wait(60)
    assert offered(rig) == [10.0, 10.0]
    clear(rig)
    rig.wait(1)
    assert offered(rig) == [32.0, 32.0]


def test_a_station_maximum_in_watts_is_the_total_of_all_phases() -> None:
    rig = two_cars(ChargingSetup())
    profile = limited(3, Purpose.STATION_MAX, (0, 13_800.0), kind=Kind.ABSOLUTE, start=at(rig), unit=RateUnit.W)
    install(rig, profile, evse=0)
    rig.wait(60)
    assert offered(rig) == [10.0, 10.0]


@pytest.mark.parametrize("setup", [ChargingSetup(station_max_w=13_800.0), ChargingSetup(station_max_a=20.0)])
def test_the_configured_limit_is_shared(setup: ChargingSetup) -> None:
    rig = two_cars(setup)
    rig.wait(60)
    assert offered(rig) == [10.0, 10.0]


def test_priority_and_wishes_of_the_drivers() -> None:
    setup = ChargingSetup(station_max_a=32.0, tuning=Tuning(strategy=Strategy.PRIORITY), priority={1: 1, 2: 5})
    rig = two_cars(setup)
    rig.wait(60)
    first = offered(rig)
    assert first[1] > first[0]
    rig.command(lambda ref: SetNeeds(ref, 1, priority=9))
    rig.wait(60)
    second = offered(rig)
    assert second[0] > second[1]


def test_who_leaves_sooner_and_needs_more_gets_more() -> None:
    rig = two_cars(ChargingSetup(station_max_a=32.0, tuning=Tuning(strategy=Strategy.DEPARTURE)))
    rig.command(lambda ref: SetNeeds(ref, 2, departs=at(rig) + 3600.0, energy_wh=15_000.0))
    rig.wait(120)
    assert offered(rig)[1] > offered(rig)[0]


def test_single_phase_cars_on_rotated_lines_do_not_share_what_they_need_not() -> None:
    def single(number: int) -> EvseInfo:
        return EvseInfo(number, phases=1)

    rotation = {"OCPP16LegacyCtrlr.ConnectorPhaseRotation": "0.RST,1.RST,2.STR"}
    rig = Rig(evses=2, charging=FUSE_32, info=single, overrides=rotation)
    for evse in (1, 2):
        rig.plug(evse)
        rig.swipe(f"0BADCAF{evse}", evse)
        rig.pilot(PilotState.C, evse)
    assert offered(rig) == [32.0, 32.0]  # L1 and L2
    unknown = Rig(evses=2, charging=FUSE_32, info=single)
    for evse in (1, 2):
        unknown.plug(evse)
        unknown.swipe(f"0BADCAF{evse}", evse)
        unknown.pilot(PilotState.C, evse)
    unknown.wait(60)
    assert sum(offered(unknown)) <= 32.0  # they may be on the same one


def test_a_hot_connector_carries_less_and_says_so() -> None:
    rig = Rig()
    rig.draws = {1: (32.0, 32.0, 32.0)}
    rig.charge()
    rig.celsius[1] = 75.0
    rig.wait(10)
    assert 6.0 < rig.output().current_a < 32.0
    assert rig.output().cause == "connector temperature"
    rig.celsius[1] = 30.0
    rig.wait(10)
    assert rig.output().current_a == 32.0


def test_watts_for_fewer_phases_than_are_in_use_are_not_exceeded() -> None:
    """A total of 3680 W with numberPhases 1 at an EVSE that cannot leave phases out: the car may take it on three."""
    rig = Rig()
    rig.charge()
    profile = limited(1, Purpose.TX_DEFAULT, (0, 4600.0), unit=RateUnit.W, phases=1)
    install(rig, profile)
    assert rig.output().current_a == pytest.approx(4600 / 230 / 3, abs=0.01)
    rig.draws = {1: (6.0, 0.0, 0.0)}  # it turns out to be a car with one phase
    rig.wait(60)
    install(rig, limited(2, Purpose.TX_DEFAULT, (0, 4600.0), unit=RateUnit.W, phases=1, stack_level=1))
    assert rig.output().current_a == 20.0


def test_a_board_that_can_leaves_phases_out_and_never_under_load() -> None:
    def switching(number: int) -> EvseInfo:
        return EvseInfo(number, phase_switching=True)

    rig = Rig(info=switching)
    rig.charge()
    assert rig.output().phases == 3
    del rig.effects[:]
    install(rig, limited(1, Purpose.TX_DEFAULT, (0, 3680.0), unit=RateUnit.W, phases=1))
    rig.wait(3)
    outputs = [effect for effect in rig.effects if isinstance(effect, Output)]
    assert [(o.permit, o.phases) for o in outputs if o.permit or o.phases == 3] == [(True, 3), (False, 3), (True, 1)]
    assert rig.output().current_a == 16.0
    clear(rig)
    rig.wait(3)
    assert (rig.output().permit, rig.output().phases, rig.output().current_a) == (True, 3, 32.0)
    assert rig.ended() == []


def test_names_that_others_rely_on() -> None:
    assert (allowance.TIMER, sharing.TIMER) == ("charging", "share")
    assert allowance.name(None) == "profile"


@settings(max_examples=40, deadline=None)
@given(
    fuse=st.integers(6, 70),
    acts=st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(["plug", "unplug", "C", "B", "wait", "limit", "clear"])),
        max_size=25,
    ),
)
def test_offers_in_force_never_exceed_the_fuse(fuse: int, acts: list[tuple[int, str]]) -> None:
    """What has been offered in the last settle time, or is offered, counts for every car; the meter tells nothing here."""
    rig = Rig(evses=3, charging=ChargingSetup(station_max_a=float(fuse)))
    history: list[tuple[float, int, float]] = []
    seen = 0

    def look() -> None:
        nonlocal seen
        outputs = [effect for effect in rig.effects[seen:] if isinstance(effect, Output)]
        history.extend((rig.mono, one.evse, one.current_a if one.permit else 0.0) for one in outputs)
        seen = len(rig.effects)
        counted = 0.0
        for evse in (1, 2, 3):
            if not rig.closed[evse]:
                continue
            own = [(when, amps) for when, number, amps in history if number == evse]
            now = own[-1][1] if own else 0.0
            since = rig.mono - 6.0
            recent = [amps for (_, amps), (until, _) in itertools.pairwise(own) if until > since]
            counted += max([now, *recent])
        assert counted <= fuse + 1e-6

    for number, act in acts:
        match act:
            case "plug":
                rig.plug(number)
                rig.swipe(f"0BADCAF{number}", number)
            case "unplug":
                rig.unplug(number)
            case "wait":
                rig.wait(7.0 * number)
            case "limit":
                install(rig, limited(number, Purpose.TX_DEFAULT, (0, 9.0 * number)), evse=number)
            case "clear":
                clear(rig, evse=number)
            case _:
                rig.pilot(PilotState(act), number)
        look()


def test_a_single_phase_vehicle_at_three_phases_unbalances_the_supply_no_more_than_allowed() -> None:
    rig = Rig(evses=2, charging=ChargingSetup(imbalance_max_a=20.0))
    rig.draws = {1: (32.0, 0.0, 0.0), 2: (32.0, 32.0, 32.0)}
    rig.charge(1)
    rig.charge(2)
    rig.wait(20)
    assert offered(rig) == [20.0, 32.0]
    assert rig.output(1).cause == "phase imbalance"
    rig.draws[2] = (0.0, 0.0, 0.0)
    rig.unplug(2)
    rig.draws[2] = (32.0, 0.0, 0.0)
    rig.charge(2)
    rig.wait(30)
    assert offered(rig) == [10.0, 10.0]


def switching(number: int) -> EvseInfo:
    return EvseInfo(number, phase_switching=True)


def test_one_phase_of_an_evse_whose_rotation_is_not_known_may_be_any() -> None:
    """EVSE 1 is known to be on L2, EVSE 2 has one phase in use and may be on the same."""

    def mixed(number: int) -> EvseInfo:
        return EvseInfo(number, phases=1) if number == 1 else switching(number)

    known = {"OCPP16LegacyCtrlr.ConnectorPhaseRotation": "0.RST,1.STR,2.Unknown"}
    rig = Rig(evses=2, charging=FUSE_32, info=mixed, overrides=known)
    install(rig, limited(1, Purpose.TX_DEFAULT, (0, 32.0), phases=1), evse=2)
    rig.charge(1)
    begin(rig, 2)
    rig.wait(60)
    assert rig.output(2).phases == 1
    assert sum(offered(rig)) <= 32.0


def test_phases_that_a_profile_leaves_out_are_others_to_have() -> None:
    known = {"OCPP16LegacyCtrlr.ConnectorPhaseRotation": "0.RST,1.RST,2.STR"}

    def mixed(number: int) -> EvseInfo:
        return EvseInfo(number, phases=1) if number == 2 else switching(number)

    rig = Rig(evses=2, charging=FUSE_32, info=mixed, overrides=known)
    rig.charge(1)
    begin(rig, 2)
    rig.wait(60)
    assert offered(rig) == [16.0, 16.0]
    install(rig, limited(1, Purpose.TX_DEFAULT, (0, 32.0), phases=1), evse=1)
    rig.wait(60)
    assert [rig.output(1).phases, *offered(rig)] == [1, 32.0, 32.0]
    clear(rig, evse=1)
    rig.wait(600)
    assert [rig.output(1).phases, *offered(rig)] == [3, 16.0, 16.0]
