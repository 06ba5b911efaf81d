"""`station.core.alerts`, `station.core.problems`: what the CSMS hears of faults, through restarts and without a link."""

from __future__ import annotations

import pytest

from hal.api import Fault, FaultCode
from station.core import alerts
from station.core.components import standard_definitions
from station.core.effects import Record
from station.core.events import LinkDown, LinkUp
from station.core.facts import AlertFact, TxFact, from_json, to_json
from station.core.faults import POLICY
from station.core.problems import COMPONENT, part_of, place
from station.core.types import EvseInfo
from tests.core.rig import Rig

LOCK, METER, GROUND = FaultCode.CONNECTOR_LOCK_FAILURE, FaultCode.METER_FAILURE, FaultCode.GROUND_FAILURE


def told(rig: Rig) -> list[AlertFact]:
    return [e.fact for e in rig.effects if isinstance(e, Record) and isinstance(e.fact, AlertFact)]


def words(rig: Rig) -> list[tuple[str, bool]]:
    return [(fact.code, fact.active) for fact in told(rig)]


def problem(rig: Rig, component: str, evse: int | None = None, connector: int | None = None) -> bool:
    return rig.model.boolean(component, "Problem", evse=evse, connector=connector)


def test_a_fault_is_told_when_it_begins_and_when_it_ends_and_not_between() -> None:
    rig = Rig()
    started = rig.charge()
    for info in ("no lock", "still no lock"):
        rig.send(Fault(1, LOCK, True, info))
    rig.send(Fault(1, LOCK, False))
    rig.send(Fault(1, LOCK, False))
    begins, ends = told(rig)
    assert (begins.code, begins.active, begins.problem, begins.info) == ("ConnectorLockFailure", True, True, "no lock")
    assert (begins.evse, begins.connector, begins.tx_id, begins.severity) == (1, 1, started.tx_id, 4)
    assert (ends.active, ends.problem) == (False, False)
    assert begins.event < ends.event < 2**31


def test_it_is_told_before_the_end_of_the_transaction_that_it_causes() -> None:
    rig = Rig()
    rig.charge()
    before = len(rig.effects)
    rig.send(Fault(1, GROUND, True))
    facts = [type(e.fact) for e in rig.effects[before:] if isinstance(e, Record)]
    assert facts[0] is AlertFact
    assert TxFact in facts[1:]


@pytest.mark.parametrize("code", FaultCode)
@pytest.mark.parametrize("evse", [0, 1])
def test_the_model_says_which_part_is_out_of_order(code: FaultCode, evse: int) -> None:
    rig = Rig(evses=2)
    key = place(part_of(code, evse), evse, 1)
    assert rig.model.find(key.component, key.variable, evse=key.evse, connector=key.connector) is not None
    rig.send(Fault(evse, code, True))
    assert told(rig)[0].problem
    assert rig.model.value(key) == "true"
    assert problem(rig, "ChargingStation")
    assert problem(rig, "EVSE", 1) is (evse == 1)
    assert not problem(rig, "EVSE", 2)
    if code not in (FaultCode.EVSE_CONTACTOR_FAULT, FaultCode.CUT_CABLE):
        rig.send(Fault(evse, code, False))
        later = [definition.key.row for definition in rig.model.definitions() if definition.key.variable == "Problem"]
        if len(rig.station.view(rig.now()).evse(1).faults) == 0:
            assert [row for row in later if rig.model.text(*_address(row)[:2], **_address(row)[2]) == "true"] == []


def _address(row: str) -> tuple[str, str, dict[str, int]]:
    component, _, variable = row.partition(".")
    name, _, where = component.partition("#")
    evse, _, connector = where.partition(":")
    found = {"evse": int(evse)} if evse else {}
    return name, variable, {**found, "connector": int(connector)} if connector else found


def test_a_part_with_two_faults_has_a_problem_until_both_are_gone() -> None:
    rig = Rig()
    rig.send(Fault(1, FaultCode.OVER_VOLTAGE, True))
    rig.send(Fault(1, FaultCode.POWER_LOSS, True))
    rig.send(Fault(1, FaultCode.OVER_VOLTAGE, False))
    assert (told(rig)[-1].active, told(rig)[-1].problem) == (False, True)
    rig.send(Fault(1, FaultCode.POWER_LOSS, False))
    assert not told(rig)[-1].problem


def test_offline_what_matters_is_kept_and_what_was_not_told_does_not_end() -> None:
    """N07.FR.04."""
    rig = Rig(overrides={"MonitoringCtrlr.OfflineQueuingSeverity": "4"})
    rig.send(LinkDown())
    rig.send(Fault(1, FaultCode.READER_FAILURE, True))  # severity 5
    rig.send(Fault(1, LOCK, True))  # severity 4
    rig.send(LinkUp())
    rig.send(Fault(1, FaultCode.READER_FAILURE, False))
    rig.send(Fault(1, LOCK, False))
    assert words(rig) == [("ConnectorLockFailure", True), ("ConnectorLockFailure", False)]


def test_by_default_everything_that_has_a_severity_of_ours_is_kept() -> None:
    kept = int(standard_definitions([EvseInfo(1)])[_kept_key()].default or "")
    assert all(policy.severity <= kept for policy in POLICY.values())


def _kept_key():  # type: ignore[no-untyped-def]
    return next(k for k in standard_definitions([EvseInfo(1)]) if k.variable == "OfflineQueuingSeverity")


def test_after_a_restart_what_is_still_broken_is_not_told_again_and_what_is_not_has_ended() -> None:
    """N07.FR.14."""
    rig = Rig()
    rig.send(Fault(1, METER, True))
    rig.send(Fault(0, FaultCode.EMERGENCY_STOP, True))
    again = rig.reboot()
    again.send(Fault(1, METER, True))  # the board tells how things are
    again.wait(alerts.SETTLED_S - 1)
    assert words(again) == []
    again.wait(2)
    assert words(again) == [("EmergencyStop", False)]
    again.send(Fault(1, METER, False))
    assert words(again)[1:] == [("MeterFailure", False)]
    assert not again.rows["alert"]
    numbers = [fact.event for fact in (*told(rig), *told(again))]
    assert numbers == sorted(set(numbers)), "they do not repeat over restarts"


def test_rows_of_what_is_not_there_any_more_are_dropped() -> None:
    rig = Rig(rows={"alert": {"9/MeterFailure": {}, "1/NoSuchFault": {}, "x/MeterFailure": {}}})
    rig.wait(alerts.SETTLED_S)
    assert words(rig) == []
    assert rig.rows["alert"] == {}


def test_a_fact_comes_back_from_its_row_unchanged() -> None:
    rig = Rig()
    rig.charge()
    rig.send(Fault(1, GROUND, True, "6 mA"))
    fact = told(rig)[0]
    assert from_json(to_json(fact)) == fact


def test_every_fault_has_a_component() -> None:
    assert COMPONENT.keys() == set(FaultCode)
