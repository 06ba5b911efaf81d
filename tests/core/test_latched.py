"""`station.core.latched`, `station.core.repair`: faults that wait for a person."""

from __future__ import annotations

import pytest

from hal.api import Fault, FaultCode
from station.core import latched, repair
from station.core.effects import Refused
from station.core.events import ResetFault, SaveFailed
from station.core.state import Turn
from tests.core.rig import Rig

WELDED = FaultCode.EVSE_CONTACTOR_FAULT


def faults(rig: Rig, evse: int = 1) -> tuple[FaultCode, ...]:
    view = rig.station.view(rig.now())
    return view.evse(evse).faults if evse else view.faults


def reset(rig: Rig, evse: int = 1) -> tuple[str, str]:
    verdict = rig.command(lambda ref: ResetFault(ref, evse))
    return verdict.status, verdict.info or ""


@pytest.mark.parametrize("evse", [0, 1])
def test_it_stands_until_it_is_reset_and_only_when_it_is_gone(evse: int) -> None:
    rig = Rig()
    rig.send(Fault(evse, WELDED, True, "mirror contact"))
    status, info = reset(rig, evse)
    assert status == "Rejected"
    assert "EVSEContactorFault" in info
    rig.send(Fault(evse, WELDED, False))
    assert faults(rig, evse) == (WELDED,)
    rig = rig.reboot()
    assert faults(rig, evse) == (WELDED,)
    rig.send(Fault(evse, WELDED, True))  # the board tells it again at its start, and then that it is gone
    rig.send(Fault(evse, WELDED, False))
    assert rig.phases(1)[-1] == "Faulted"
    assert reset(rig, evse)[0] == "Accepted"
    assert faults(rig, evse) == ()
    assert rig.phases(1)[-1] == "Available"
    assert faults(rig.reboot(), evse) == ()
    rig.charge()


def test_there_must_be_something_to_reset() -> None:
    rig = Rig()
    rig.send(Fault(1, FaultCode.METER_FAILURE, True))
    assert reset(rig) == ("Rejected", "no fault waits to be reset")
    assert reset(rig, 9) == ("Rejected", "there is no such EVSE")


def test_while_nothing_can_be_saved_nothing_is_reset() -> None:
    rig = Rig()
    rig.send(Fault(1, WELDED, True))
    rig.send(Fault(1, WELDED, False))
    rig.send(SaveFailed("disk full"))
    assert reset(rig)[0] == "Rejected"
    assert faults(rig) == (WELDED,)


def test_rows_that_cannot_be_read_are_told_and_harm_nobody() -> None:
    rows = {"1/NoSuchFault": {"info": ""}, "9/MeterFailure": {"info": ""}, "x/y": {}, "1/MeterFailure": 7}
    rig = Rig(rows={"latch": rows})
    assert sum(isinstance(effect, Refused) for effect in rig.effects) == len(rows)
    assert faults(rig) == ()
    rig.charge()


def test_latch_and_unlatch_keep_one_row() -> None:
    rig = Rig()
    turn, evse = Turn(rig.station._state, rig.now()), rig.station._state.evses[1]
    for info in ("a", "a", "b"):
        latched.latch(turn, evse, WELDED, info)
    assert latched.is_latched(evse, WELDED)
    latched.unlatch(turn, evse, WELDED)
    latched.unlatch(turn, evse, WELDED)
    assert not latched.is_latched(evse, WELDED)
    saved = [(e.key, e.value and e.value["info"]) for e in turn.effects if hasattr(e, "key")]
    assert saved == [(f"1/{WELDED.value}", "a"), (f"1/{WELDED.value}", "b"), (f"1/{WELDED.value}", None)]


def test_only_what_is_latched_is_reset() -> None:
    rig = Rig()
    rig.send(Fault(1, FaultCode.METER_FAILURE, True))
    rig.send(Fault(1, FaultCode.CUT_CABLE, True))
    rig.send(Fault(1, FaultCode.CUT_CABLE, False))
    turn = Turn(rig.station._state, rig.now())
    repair.reset_faults(turn, ResetFault(1, 1))
    assert faults(rig) == (FaultCode.METER_FAILURE,)
