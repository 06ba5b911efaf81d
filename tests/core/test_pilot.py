"""`station.core.pilot`: every state x event."""

from __future__ import annotations

import pytest

from hal.api import PilotSignal, PilotState
from station.core import pilot
from station.core.machine import fire
from station.core.pilot import Pilot


@pytest.mark.parametrize("state", pilot.STATES)
@pytest.mark.parametrize("event", sorted(pilot.MACHINE.events))
def test_every_event_is_legal_in_every_state(state: str, event: str) -> None:
    """The hardware may show anything at any time; nothing of it may raise."""
    model = Pilot()
    model.state = state
    fire(pilot.MACHINE, event, model)
    if event.startswith("see_"):
        assert model.state[0] == event[-1].upper()
        if event[-1] in "bcd":
            assert model.offered is (state in ("B2", "C2", "D2")), "what the vehicle does changes nothing of our offer"
    else:
        assert model.state[0] == state[0], "what we offer changes nothing of the vehicle"


def test_a_session_in_the_words_of_iec_61851() -> None:
    """A1, B1, B2, C2, B2, B1, A1."""
    model = Pilot()
    assert model.seen is PilotState.F
    assert not model.connected
    seen = []
    for step in (
        PilotState.A,
        PilotState.B,
        PilotSignal.PWM,
        PilotState.C,
        PilotState.B,
        PilotSignal.OFF,
        PilotState.A,
    ):
        model.see(step) if isinstance(step, PilotState) else model.signal(step)
        seen.append(model.state)
    assert seen == ["A", "B1", "B2", "C2", "B2", "B1", "A"]


@pytest.mark.parametrize(
    ("state", "connected", "wants", "ventilation"),
    [
        ("Unknown", False, False, False),
        ("A", False, False, False),
        ("B1", True, False, False),
        ("C2", True, True, False),
        ("D1", True, True, True),
        ("E", False, False, False),
        ("F", False, False, False),
    ],
)
def test_what_a_state_means(state: str, connected: bool, wants: bool, ventilation: bool) -> None:
    model = Pilot()
    model.state = state
    assert (model.connected, model.wants_energy, model.wants_ventilation) == (connected, wants, ventilation)
