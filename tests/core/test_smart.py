"""`station.core.smart`: profiles in a station that runs (K01, K02, K05-K10; 1.6 5.5, 5.7, 5.16)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hal.api import PilotState
from station.core import smart
from station.core.charging.memory import ChargingSetup
from station.core.charging.policy import RULES_16, Gaps, Policy
from station.core.charging.profiles import Installed, Kind, LimitSource, Purpose, RateUnit, Recurrency
from station.core.charging.shapes import PhaseLimits
from station.core.charging.store import to_row
from station.core.effects import Output, Reply
from station.core.events import (
    ClockStepped,
    GetComposite,
    InstallProfile,
    LinkDown,
    LinkUp,
    RemoteStart,
    SaveFailed,
    SetNeeds,
    SetVariables,
    VariableWrite,
)
from station.core.smart import MOST_STEPS
from station.core.types import ChargingState, EvseInfo, IdToken
from tests.core.rig import Rig
from tests.core.smart_rig import at, clear, composite, install, limited

DEFAULT, TX, MAX = Purpose.TX_DEFAULT, Purpose.TX, Purpose.STATION_MAX


def test_a_default_profile_lowers_a_running_transaction_at_once_and_has_a_name() -> None:
    """K01.FR.32; 1.6 TC_082."""
    rig = Rig()
    rig.charge()
    assert install(rig, limited(7, DEFAULT, (0, 10.0))).status == "Accepted"
    assert rig.output().current_a == 10.0
    assert rig.output().cause == "profile 7 (TxDefaultProfile)"
    assert rig.station.view(rig.now()).profiles[0].profile.id == 7


def test_a_schedule_changes_the_limit_at_its_boundaries_without_anybody_asking() -> None:
    rig = Rig()
    rig.charge()
    tx_id = rig.facts[0].tx_id
    install(
        rig,
        limited(1, TX, (0, 16.0), (60, 8.0), (120, 20.0), start=at(rig), kind=Kind.ABSOLUTE, duration=180, tx_id=tx_id),
    )
    seen = []
    for _ in range(8):
        seen.append(rig.output().current_a)
        rig.wait(30)
    assert seen == [16, 16, 8, 8, 20, 20, 32, 32]
    assert rig.output().cause == "board"


def test_limit_0_suspends_and_resumes_the_same_transaction() -> None:
    rig = Rig()
    rig.charge()
    tx_id = rig.facts[0].tx_id
    install(rig, limited(1, TX, (0, 0.0), tx_id=tx_id))
    assert not rig.closed[1]
    assert rig.last.charging_state is ChargingState.SUSPENDED_EVSE
    info = [n.info for n in rig.notices() if getattr(n, "phase", None) is not None][-1]
    assert info == "profile 1 (TxProfile)"  # 1.6 tells it in StatusNotification
    install(rig, limited(1, TX, (0, 12.0), tx_id=tx_id))
    rig.wait(3)
    assert rig.closed[1]
    assert rig.last.charging_state is ChargingState.CHARGING
    assert {fact.tx_id for fact in rig.facts} == {tx_id}
    assert rig.ended() == []


def test_less_than_the_minimum_is_nothing_and_says_so() -> None:
    rig = Rig()
    rig.charge()
    install(rig, limited(1, DEFAULT, (0, 5.9)))
    assert rig.output().current_a == 0
    assert rig.output().cause == "profile 1 (TxDefaultProfile) (below minimum)"


def test_a_transaction_profile_goes_with_its_transaction() -> None:
    """K02.FR.05."""
    rig = Rig()
    rig.charge()
    install(rig, limited(1, TX, (0, 10.0), tx_id=rig.facts[0].tx_id))
    install(rig, limited(2, DEFAULT, (0, 20.0)))
    assert set(rig.rows[smart.KIND]) == {"1", "2"}
    rig.unplug()
    assert set(rig.rows["profile"]) == {"2"}
    assert [one.profile.id for one in rig.station.view(rig.now()).profiles] == [2]


def test_profiles_survive_a_restart_but_not_those_of_a_transaction_that_ended_by_it() -> None:
    """K01.FR.27, errata 3.37 of 1.6."""
    rig = Rig()
    rig.charge()
    install(rig, limited(1, TX, (0, 10.0), tx_id=rig.facts[0].tx_id))
    install(rig, limited(2, DEFAULT, (0, 14.0)))
    after = rig.reboot()
    assert set(after.rows["profile"]) == {"2"}
    after.charge()
    assert after.output().current_a == 14.0


def test_a_profile_row_that_cannot_be_read_is_told_and_left() -> None:
    rig = Rig(rows={"profile": {"3": {"nonsense": True}}})
    assert rig.rows["profile"] == {"3": {"nonsense": True}}
    assert rig.station.view(rig.now()).profiles == ()


def test_a_profile_with_the_same_id_replaces_even_at_another_evse() -> None:
    """K01.FR.05."""
    rig = Rig(evses=2)
    install(rig, limited(1, DEFAULT, (0, 10.0)), evse=1)
    install(rig, limited(1, DEFAULT, (0, 12.0)), evse=2)
    rig.charge(1)
    rig.charge(2, token="0BADCAFE")
    assert rig.output(1).current_a == 32.0
    assert rig.output(2).current_a == 12.0


def test_a_default_for_evse_0_is_for_every_evse() -> None:
    rig = Rig(evses=2)
    install(rig, limited(1, DEFAULT, (0, 9.0)), evse=0)
    rig.charge(1)
    rig.charge(2, token="0BADCAFE")
    assert [rig.output(evse).current_a for evse in (1, 2)] == [9.0, 9.0]


def test_in_16_the_transaction_of_the_connector_is_meant_when_none_is_named() -> None:
    rig = Rig()
    rig.charge()
    assert install(rig, limited(1, TX, (0, 10.0)), rules=RULES_16).status == "Accepted"
    assert rig.station.view(rig.now()).profiles[0].profile.tx_id == rig.facts[0].tx_id
    rig.unplug()
    assert rig.station.view(rig.now()).profiles == ()


def test_a_remote_start_brings_the_profile_of_its_transaction() -> None:
    """K05.FR.03; 1.6 TC_059."""
    rig = Rig()
    rig.plug()
    profile = limited(4, TX, (0, 11.0))
    verdict = rig.command(lambda ref: RemoteStart(ref, IdToken("04A1B2C3"), 9, 1, profile=profile))
    assert verdict.status == "Accepted"
    rig.pilot(PilotState.C)
    assert rig.output().current_a == 11.0
    (one,) = rig.station.view(rig.now()).profiles
    assert one.profile.tx_id == rig.facts[0].tx_id


def test_a_remote_start_with_a_wrong_profile_starts_nothing() -> None:
    """K05.FR.02; 1.6 TC_060."""
    rig = Rig()
    rig.plug()
    profile = limited(4, DEFAULT, (0, 11.0))
    verdict = rig.command(lambda ref: RemoteStart(ref, IdToken("04A1B2C3"), 9, 1, profile=profile))
    assert verdict.status == "Rejected"
    assert not rig.station.view(rig.now()).evse(1).authorized


def test_a_station_without_smart_charging_ignores_the_profile_of_a_remote_start() -> None:
    """F01.FR.12, K05.FR.04: TC_K_38."""
    rig = Rig(overrides={"SmartChargingCtrlr.Enabled": "false"})
    rig.plug()
    profile = limited(4, TX, (0, 11.0))
    assert rig.command(lambda ref: RemoteStart(ref, IdToken("04A1B2C3"), 9, 1, profile=profile)).status == "Accepted"
    rig.pilot(PilotState.C)
    assert rig.output().current_a == 32.0
    assert install(rig, limited(5, DEFAULT, (0, 9.0))).status == "Rejected"


def test_switched_off_profiles_do_not_count_and_switched_on_they_do_again() -> None:
    rig = Rig()
    rig.charge()
    install(rig, limited(1, DEFAULT, (0, 10.0)))
    for value, expected in (("false", 32.0), ("true", 10.0)):
        rig.command(
            lambda ref, value=value: SetVariables(ref, (VariableWrite("SmartChargingCtrlr", "Enabled", value),))
        )
        rig.wait(5)
        assert rig.output().current_a == expected


def test_clear_by_id_by_criteria_and_what_is_not_there() -> None:
    """K10.FR.01, FR.03, FR.04, FR.06, FR.07."""
    rig = Rig(evses=2)
    rig.charge()
    install(rig, limited(1, DEFAULT, (0, 10.0), stack_level=1))
    install(rig, limited(2, DEFAULT, (0, 12.0), stack_level=2))
    rig.wait(5)
    assert rig.output().current_a == 12.0
    assert clear(rig, profile_id=9).status == "Unknown"
    assert clear(rig, evse=1, purpose=DEFAULT, stack_level=2).status == "Accepted"
    assert rig.output().current_a == 10.0
    assert clear(rig, evse=2).status == "Unknown"
    assert clear(rig).status == "Accepted"
    rig.wait(5)
    assert rig.output().current_a == 32.0
    assert clear(rig).status == "Unknown"


def test_a_csms_clears_no_limit_of_an_energy_management_system() -> None:
    """K10.FR.06: the other one's limit stays, whatever the criteria."""
    rig = Rig()
    external = limited(1, Purpose.EXTERNAL, (0, 10.0), kind=Kind.ABSOLUTE, start=at(rig))
    rules = replace(RULES_16, name="local")
    rig.command(lambda ref: InstallProfile(ref, external, 0, rules, LimitSource.EMS))
    before = rig.station.view(rig.now()).profiles
    assert clear(rig).status == "Unknown"
    assert clear(rig, profile_id=1).status == "Unknown"
    assert rig.station.view(rig.now()).profiles == before


def test_a_full_disk_refuses_profiles_whole() -> None:
    rig = Rig()
    rig.send(SaveFailed("full"))
    assert install(rig, limited(1, DEFAULT, (0, 10.0))).status == "Rejected"
    assert rig.station.view(rig.now()).profiles == ()


def test_stored_profiles_count_offline() -> None:
    """K06, K07."""
    rig = Rig()
    install(rig, limited(1, DEFAULT, (0, 10.0)))
    rig.send(LinkDown())
    rig.station.model.write(VariableWrite("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true"), by_technician=True)
    rig.charge()
    assert rig.output().current_a == 10.0


def test_a_start_without_the_csms_counts_as_offline() -> None:
    """2.1 K01.FR.101: with maxOfflineDuration a profile counts so long, also when the link has not been there at all."""
    row = to_row(Installed(limited(1, DEFAULT, (0, 10.0), max_offline_s=600), 1))
    rig = Rig(online=False, rows={"profile": {"1": row}})
    rig.wait(300)
    assert composite(rig, 1, 60).periods[0].limit == PhaseLimits(Fraction(10))
    rig.wait(301)
    assert composite(rig, 1, 60).periods[0].limit == PhaseLimits(Fraction(32))
    rig.send(LinkUp())
    assert composite(rig, 1, 60).periods[0].limit == PhaseLimits(Fraction(10)), "it comes back"


def test_a_clock_that_steps_into_another_period_is_followed() -> None:
    rig = Rig()
    rig.charge()
    install(rig, limited(1, DEFAULT, (0, 10.0), (3600, 20.0), kind=Kind.ABSOLUTE, start=at(rig)))
    assert rig.output().current_a == 10.0
    rig.mono += 3700  # the wall clock of the rig goes with it; no timer has fired
    rig.send(ClockStepped(3700.0))
    assert rig.output().current_a == 20.0


def test_the_reply_comes_and_nothing_is_offered_beyond_the_limit_in_between() -> None:
    rig = Rig()
    rig.charge()
    del rig.effects[:]
    install(rig, limited(1, DEFAULT, (0, 10.0)))
    assert sum(isinstance(effect, Reply) for effect in rig.effects) == 1
    assert [e.current_a for e in rig.effects if isinstance(e, Output)] == [10.0]


def test_composite_schedule_of_an_evse_and_of_the_station() -> None:
    """K08; 1.6 5.7."""
    rig = Rig(evses=2)
    install(rig, limited(1, MAX, (0, 40.0), kind=Kind.ABSOLUTE, start=at(rig)), evse=0)
    install(rig, limited(2, DEFAULT, (0, 10.0), (100, 20.0)), evse=1)
    made = composite(rig, 1, 300)
    assert [(p.start, p.limit.total) for p in made.periods if p.limit] == [(0, 10), (100, 20)]
    assert (made.evse, made.duration, made.unit) == (1, 300, RateUnit.A)
    station = composite(rig, 0, 300)
    assert [(p.start, p.limit.total) for p in station.periods if p.limit] == [(0, 40)]
    watts = composite(rig, 2, 300, RateUnit.W)
    assert [p.limit.total for p in watts.periods if p.limit] == [32 * 230 * 3]


def test_fewer_phases_than_a_vehicle_might_use_can_be_refused() -> None:
    """K01.FR.43, read strictly, where the operator wants it so and the board cannot leave phases out."""
    one_phase = limited(1, DEFAULT, (0, 16.0), phases=1)
    strict = ChargingSetup(refuse_fewer_phases=True)
    assert install(Rig(), one_phase).status == "Accepted"
    assert install(Rig(charging=strict), one_phase).reason == "InvalidSchedule"
    assert (
        install(Rig(charging=strict, info=lambda n: EvseInfo(n, phase_switching=True)), one_phase).status == "Accepted"
    )


def test_the_fuse_of_the_grid_connection_is_in_every_plan() -> None:
    rig = Rig(evses=2, charging=ChargingSetup(station_max_a=20.0))
    for evse in (0, 1, 2):
        made = composite(rig, evse, 300)
        assert [period.limit and period.limit.total for period in made.periods] == [20]
        assert made.periods[0].binding is not None
        assert made.periods[0].binding.name == "station limit"
    rig = Rig(charging=ChargingSetup(station_max_w=6900.0))
    assert composite(rig, 1, 300, RateUnit.W).periods[0].limit == PhaseLimits(Fraction(6900))


def test_where_gaps_are_left_out_only_profiles_are_shown() -> None:
    rig = Rig(charging=ChargingSetup(policy=Policy(gaps=Gaps.OMIT)))
    install(rig, limited(2, DEFAULT, (0, 40.0), kind=Kind.ABSOLUTE, start=at(rig) + 100, duration=50))
    made = composite(rig, 1, 300)
    assert [(period.start, period.limit and period.limit.total) for period in made.periods] == [(0, 40)]
    assert (made.start, made.duration) == (at(rig) + 100, 50)


def test_composite_schedules_that_cannot_be() -> None:
    """K08.FR.05, FR.07."""
    rig = Rig(overrides={"SmartChargingCtrlr.RateUnit": "A"})
    assert rig.command(lambda ref: GetComposite(ref, 5, 300)).reason == "UnknownEvse"
    assert rig.command(lambda ref: GetComposite(ref, 1, 300, RateUnit.W)).reason == "UnsupportedRateUnit"
    assert rig.command(lambda ref: GetComposite(ref, 1, -1)).status == "Rejected"


def test_a_composite_schedule_has_a_bound_and_tells_how_far_it_goes() -> None:
    """Whatever a CSMS asks for, the pilot must not wait for long; nor may the answer have megabytes."""
    rig = Rig(evses=2)
    steps = [(60 * minute, 6.0 + minute % 10) for minute in range(1000)]
    for evse in (1, 2):
        profile = limited(evse, DEFAULT, *steps, kind=Kind.RECURRING, recurrency=Recurrency.DAILY, start=at(rig))
        assert install(rig, profile, evse).status == "Accepted"
    for evse in (0, 1):
        found = composite(rig, evse, 2**31 - 1)
        assert 1000 < len(found.periods) <= MOST_STEPS
        assert 86_400 <= found.duration < 3 * 86_400
        assert found.periods[-1].start < found.duration
    assert len(composite(rig, 1, 86_400).periods) == 1000


def test_wishes_of_a_driver_end_with_the_session() -> None:
    rig = Rig()
    rig.charge()
    assert rig.command(lambda ref: SetNeeds(ref, 1, energy_wh=5000.0)).status == "Accepted"
    assert rig.command(lambda ref: SetNeeds(ref, 9, energy_wh=5000.0)).reason == "UnknownEvse"
    rig.unplug()
    assert rig.command(lambda ref: SetNeeds(ref, 1, priority=3, clear=True)).status == "Accepted"
