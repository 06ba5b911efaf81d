"""`station.core.station` and its `state`: dispatch, timers, determinism."""

from __future__ import annotations

import pytest

from hal.api import PilotChanged, PilotState
from station.clock import Now
from station.core.state import Due, Turn
from station.core.types import EvseInfo
from tests.core.rig import Rig


def test_the_same_events_give_the_same_effects() -> None:
    """LAW 3."""

    def run() -> list[object]:
        rig = Rig(evses=2)
        rig.charge(1)
        rig.wait(500)
        rig.swipe()
        return list(rig.effects)

    assert run() == run()


def test_nothing_waits_at_rest() -> None:
    rig = Rig()
    assert rig.station.next_deadline() is None
    rig.charge()
    assert rig.station.next_deadline() is not None
    rig.swipe()
    rig.unplug()
    rig.wait(60)
    assert rig.station.next_deadline() is None


def test_timers_fire_in_order_even_when_late() -> None:
    """After a pause of the whole process everything that is due happens, the earliest first."""
    rig = Rig()
    rig.charge()
    rig.mono += 1000
    rig._take(rig.station.advance(rig.now()))
    assert [f.seq for f in rig.facts] == list(range(len(rig.facts)))
    assert (rig.station.next_deadline() or 0) > rig.mono - 1


def test_a_turn_keeps_timers() -> None:
    rig = Rig()
    turn = Turn(rig.station._state, Now(5.0, 0.0))
    turn.timer("react", 1, 2.5)
    assert rig.station.next_deadline() == 7.5
    turn.cancel("react", 1)
    turn.cancel("react", 1)
    assert rig.station.next_deadline() is None
    assert min(Due, key=lambda due: due.value) is Due.SAMPLE


def test_an_unknown_timer_is_a_mistake() -> None:
    rig = Rig()
    rig.station._state.timers["nonsense", 1] = 0.0
    with pytest.raises(AssertionError, match="nonsense"):
        rig.station.advance(rig.now())


def test_the_connector_in_use() -> None:
    rig = Rig(info=lambda n: EvseInfo(n, connectors=("sType2", "cType2")))
    evse = rig.station._state.evses[1]
    assert evse.connector.number == 1
    evse.connectors[0].set_operative(False)
    assert evse.connector.number == 2
    evse.connectors[0].set_plugged(True)
    assert evse.connector.number == 1


def test_the_model_is_the_stations() -> None:
    rig = Rig()
    assert rig.station.model is rig.model
    assert rig.station.handle(PilotChanged(77, PilotState.B), rig.now()) == []
