"""`station.core.connector`: every state x event, and the state beneath a fault."""

from __future__ import annotations

import itertools

import pytest
from transitions import MachineError

from station.core import connector
from station.core.connector import Connector
from station.core.machine import fire
from station.core.types import ConnectorState

FORBIDDEN = {
    ("reserve", "Occupied"),
    ("reserve", "Unavailable"),
    ("reserve", "Faulted"),
    ("release", "Available"),
    ("release", "Occupied"),
    ("release", "Unavailable"),
    ("release", "Faulted"),
}


@pytest.mark.parametrize("state", connector.STATES)
@pytest.mark.parametrize("event", sorted(connector.MACHINE.events))
def test_every_event_is_defined_or_deliberately_forbidden(state: str, event: str) -> None:
    model = Connector(1, "sType2")
    model.state = state
    if (event, state) in FORBIDDEN:
        with pytest.raises(MachineError):
            fire(connector.MACHINE, event, model)
    else:
        fire(connector.MACHINE, event, model)
        assert model.state in connector.STATES


@pytest.mark.parametrize(("plugged", "operative"), list(itertools.product((False, True), repeat=2)))
def test_a_cleared_fault_returns_to_what_holds_beneath(plugged: bool, operative: bool) -> None:
    """G03.FR.07: whatever happened meanwhile."""
    model = Connector(1, "sType2")
    model.set_faulted(True)
    model.set_plugged(plugged)
    model.set_operative(operative)
    assert model.availability is ConnectorState.FAULTED
    model.set_faulted(False)
    expected = ConnectorState.OCCUPIED if plugged else ConnectorState.AVAILABLE
    assert model.availability is (expected if operative else ConnectorState.UNAVAILABLE)


def test_unavailable_hides_the_plug_until_it_is_in_service_again() -> None:
    """TC_G_04."""
    model = Connector(1, "sType2")
    model.set_operative(False)
    model.set_plugged(True)
    assert model.availability is ConnectorState.UNAVAILABLE
    model.set_operative(True)
    assert model.availability is ConnectorState.OCCUPIED
    model.set_plugged(False)
    assert model.availability is ConnectorState.AVAILABLE
