"""`station.core.allowance`: what profiles allow is followed by the clock on the wall, from the moment that energy might flow."""

from __future__ import annotations

import pytest

from hal.api import PilotState
from station.clock import Now
from station.core.charging.profiles import Kind, Purpose, RateUnit
from station.core.effects import Output
from station.core.events import ClockStepped, RemoteStart
from station.core.types import EvseInfo, IdToken, TxPhase
from tests.core.rig import WALL, Rig
from tests.core.smart_rig import RULES_201, clear, install, limited

DEFAULT, TX, MAX = Purpose.TX_DEFAULT, Purpose.TX, Purpose.STATION_MAX
WITH_ENERGY = {"TxCtrlr.TxStartPoint": "EnergyTransfer"}
UNTIL_ENERGY_ENDS = {"TxCtrlr.TxStopPoint": "EnergyTransfer"}


class OddClock(Rig):
    """A wall clock that runs at another rate than the monotonic one (somebody slews it), and that steps."""

    rate = 1.0
    step_s = 0.0

    def now(self) -> Now:
        return Now(self.mono, self.wall, self.boot)

    @property
    def wall(self) -> float:
        return WALL + self.step_s + 100.0 + (self.mono - 100.0) * self.rate

    def steps(self, by_s: float, *, told: bool = True) -> None:
        self.step_s += by_s
        if told:
            self.send(ClockStepped(by_s))


def measures(rig: Rig, *amperes: float) -> None:
    """The meter knows the current of each phase; the vehicle draws so much."""
    rig.draws[1] = amperes
    rig.send(rig._reading(1))


def offers(rig: Rig) -> list[float]:
    """The currents that were offered, one after the other."""
    return [effect.current_a for effect in rig.effects if isinstance(effect, Output) and effect.current_a]


# --- boundaries, by whatever the clock does ---------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1.0, 1 - 5e-4, 1 + 5e-4, 1 - 1e-13])
@pytest.mark.parametrize("purpose", [DEFAULT, MAX])
def test_a_boundary_is_kept_by_a_wall_clock_that_is_slewed(rate: float, purpose: Purpose) -> None:
    rig = OddClock()
    rig.rate = rate
    rig.meter = "silent"  # nothing else happens
    rig.charge()
    begins = int(rig.wall)
    steps = ((0, 10.0), (36_000, 16.0), (72_000, 6.0))
    install(rig, limited(1, purpose, *steps, start=begins, kind=Kind.ABSOLUTE), 0 if purpose is MAX else 1)
    for after_s, limit in ((36_000, 16.0), (72_000, 6.0)):
        rig.wait((begins + after_s - rig.wall) / rate - 1)
        assert rig.output().current_a != limit
        rig.wait(3)
        assert rig.output().current_a == limit


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("by_s", [-600.0, 600.0])
@pytest.mark.parametrize("purpose", [DEFAULT, MAX])
def test_a_clock_that_steps_inside_a_period_moves_its_end(by_s: float, told: bool, purpose: Purpose) -> None:
    """A step that nobody tells (the system's own time service) is noticed soon."""
    rig = OddClock()
    rig.meter = "silent"
    rig.charge()
    begins = int(rig.wall) - 1800
    where = 0 if purpose is MAX else 1
    install(rig, limited(1, purpose, (0, 10.0), (3600, 16.0), start=begins, kind=Kind.ABSOLUTE), where)
    rig.steps(by_s, told=told)
    rig.wait(1790.0 - by_s)
    assert rig.output().current_a == 10.0
    rig.wait(12.0 if told else 75.0)
    assert rig.output().current_a == 16.0


def test_a_boundary_years_away_costs_little() -> None:
    rig = OddClock()
    rig.meter = "silent"
    rig.charge()
    begins = int(rig.wall)
    install(rig, limited(1, DEFAULT, (0, 10.0), (2**31 - 1, 16.0), start=begins, kind=Kind.ABSOLUTE))
    before = len(offers(rig))
    rig.wait(7200)
    assert len(offers(rig)) == before
    rig.steps(2**31 - 1)
    rig.wait(2)
    assert rig.output().current_a == 16.0


def test_a_relative_schedule_goes_on_when_the_clock_becomes_known() -> None:
    """K01.FR.42: it is relative to the start, whatever the time of day turns out to be."""
    rig = OddClock()
    rig.charge()
    install(rig, limited(1, TX, (0, 10.0), (900, 16.0), tx_id=rig.facts[0].tx_id))
    rig.steps(56 * 365 * 86_400.0)
    rig.wait(890)
    assert rig.output().current_a == 10.0
    rig.wait(12)
    assert rig.output().current_a == 16.0


# --- from when on -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("another", [False, True])
def test_a_relative_schedule_begins_with_the_energy_though_it_comes_later(another: bool) -> None:
    """K01.FR.42: the same whether there were profiles before or not."""
    rig = Rig()
    if another:
        install(rig, limited(9, DEFAULT, (0, 30.0)))
    rig.charge()
    rig.wait(600)
    install(rig, limited(1, TX, (0, 10.0), (900, 16.0), tx_id=rig.facts[0].tx_id))
    assert rig.output().current_a == 10.0
    rig.wait(298)
    assert rig.output().current_a == 10.0
    rig.wait(4)
    assert rig.output().current_a == 16.0


def test_the_next_session_has_its_own_beginning() -> None:
    """Also after somebody who was authorised and went away without energy."""
    rig = Rig(overrides=WITH_ENERGY)
    install(rig, limited(1, DEFAULT, (0, 10.0), (900, 16.0)))
    rig.plug()
    rig.swipe()
    rig.wait(100)
    rig.swipe()  # changed their mind
    assert rig.facts == []
    rig.unplug()
    rig.wait(5000)
    rig.charge()
    assert rig.output().current_a == 10.0


def test_a_default_profile_counts_before_the_energy_opens_its_transaction() -> None:
    rig = Rig(overrides=WITH_ENERGY)
    install(rig, limited(1, DEFAULT, (0, 10.0)))
    rig.charge()
    assert offers(rig) == [10.0, 10.0]  # without and with permit
    clear(rig, profile_id=1)
    install(rig, limited(2, DEFAULT, (0, 0.0)))
    rig.swipe()
    rig.unplug()
    count = len(rig.facts)
    rig.plug()
    rig.swipe()
    rig.pilot(PilotState.C)
    rig.wait(60)
    assert len(rig.facts) == count, "no energy, no transaction"
    assert rig.output().cause == "profile 2 (TxDefaultProfile)"
    clear(rig, profile_id=2)
    assert rig.facts[-1].phase is TxPhase.STARTED


def test_so_does_the_profile_of_a_remote_start() -> None:
    rig = Rig(overrides=WITH_ENERGY)
    rig.plug()
    wanted = limited(5, TX, (0, 8.0))
    rig.command(lambda ref: RemoteStart(ref, IdToken("04A1B2C3"), 1, 1, profile=wanted, rules=RULES_201))
    rig.pilot(PilotState.C)
    assert set(offers(rig)) == {8.0}
    (installed,) = rig.station.view(rig.now()).profiles
    assert installed.profile.tx_id == rig.facts[0].tx_id


def test_a_remote_start_that_comes_to_nothing_leaves_nothing_for_the_next() -> None:
    rig = Rig(overrides=WITH_ENERGY)
    rig.plug()
    wanted = limited(5, TX, (0, 8.0))
    rig.command(lambda ref: RemoteStart(ref, IdToken("04A1B2C3"), 1, 1, profile=wanted, rules=RULES_201))
    assert rig.output().current_a == 8.0
    rig.unplug()
    rig.wait(600)
    rig.charge()
    assert rig.output().current_a == 32.0
    assert rig.station.view(rig.now()).profiles == ()


# --- a pause is not the end -------------------------------------------------------------------------------------------


def test_limit_0_is_a_pause_also_where_the_transaction_ends_with_the_energy() -> None:
    """The energy that the station itself holds back is not over: else every shortage would throw everybody out."""
    rig = Rig(overrides=UNTIL_ENERGY_ENDS)
    rig.charge()
    install(rig, limited(1, DEFAULT, (0, 0.0)))
    rig.pilot(PilotState.B)  # IEC 61851-1: no offer, the vehicle opens S2
    rig.wait(600)
    clear(rig, profile_id=1)
    rig.wait(3)
    rig.pilot(PilotState.C)
    assert rig.closed[1]
    assert rig.ended() == []
    rig.pilot(PilotState.B)
    assert [fact.stop_reason.value for fact in rig.ended() if fact.stop_reason] == ["StoppedByEV"]


def test_nor_is_another_number_of_phases_the_end() -> None:
    rig = Rig(overrides=UNTIL_ENERGY_ENDS, info=lambda number: EvseInfo(number, phase_switching=True))
    rig.charge()
    install(rig, limited(1, DEFAULT, (0, 16.0), phases=1))
    rig.wait(3)
    assert (rig.output().phases, rig.closed[1]) == (1, True)
    clear(rig, profile_id=1)
    rig.wait(3)
    assert (rig.output().phases, rig.closed[1]) == (3, True)
    assert rig.ended() == []


def test_a_vehicle_that_does_not_come_back_from_a_pause_has_ended_it() -> None:
    rig = Rig(overrides=UNTIL_ENERGY_ENDS)
    rig.charge()
    install(rig, limited(1, DEFAULT, (0, 0.0)))
    rig.pilot(PilotState.B)
    clear(rig, profile_id=1)
    rig.wait(60)
    assert [fact.stop_reason.value for fact in rig.ended() if fact.stop_reason] == ["StoppedByEV"]


def test_a_pause_ends_with_the_session() -> None:
    for leave in (Rig.unplug, Rig.swipe):
        rig = Rig(overrides=UNTIL_ENERGY_ENDS)
        rig.charge()
        install(rig, limited(1, DEFAULT, (0, 0.0)))
        leave(rig)
        assert len(rig.ended()) == 1


# --- watts, and the phases of the vehicle -----------------------------------------------------------------------------


def test_watts_on_one_phase_reach_a_vehicle_with_one_phase() -> None:
    """Until the vehicle has shown how many phases it uses it gets what lets it begin."""
    rig = Rig()
    measures(rig, 16.0, 0.0, 0.0)
    install(rig, limited(1, DEFAULT, (0, 3680.0), unit=RateUnit.W, phases=1))
    rig.charge()
    assert rig.output().current_a == 6.0
    rig.wait(10)
    assert rig.output().current_a == 16.0


def test_watts_on_one_phase_are_not_exceeded_by_a_vehicle_with_three() -> None:
    rig = Rig()
    measures(rig, 6.0, 6.0, 6.0)
    install(rig, limited(1, DEFAULT, (0, 3680.0), unit=RateUnit.W, phases=1))
    rig.charge()
    rig.wait(10)
    assert not rig.closed[1], "5.3 A a phase is less than the minimum"
    rig.wait(600)
    assert not rig.closed[1], "and it stays so: what the vehicle is does not change"
    install(rig, limited(1, DEFAULT, (0, 6900.0), unit=RateUnit.W, phases=1))
    assert rig.output().current_a == 10.0
    rig.unplug()
    measures(rig, 16.0, 0.0, 0.0)
    rig.charge()
    rig.wait(10)
    assert rig.output().current_a == 30.0, "another vehicle"
