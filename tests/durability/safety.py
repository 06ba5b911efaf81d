"""What must hold after every single event, whatever disk and CSMS do: no power without right and reason."""

from __future__ import annotations

from hal.api import PilotSignal, PilotState
from station.clock import Now
from station.core.effects import Effect, Output
from station.core.events import Event
from station.core.view import EvseView, StationView
from station.sim.lab import Lab


class Safety:
    """Looks at every turn of a lab's station. `broken`: what it saw that must not be."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.broken: list[str] = []
        self.turns = 0
        lab.on_turn(self._look)

    def _look(self, event: Event | None, effects: list[Effect], now: Now) -> None:
        self.turns += 1
        newest = {effect.evse: effect for effect in effects if isinstance(effect, Output)}
        if not any(output.permit for output in newest.values()):
            return
        view = self._lab.view()
        for evse, output in newest.items():
            if not output.permit:
                continue
            # A vehicle whose offer was withdrawn has a moment to let go; a fault gives it none.
            letting_go = output.pilot is PilotSignal.OFF
            why = dangerous(view.evse(evse)) if letting_go else unsafe(view, view.evse(evse))
            if why is not None:
                self.broken.append(f"{now.mono:.3f} EVSE {evse}: permit although {why} (after {event!r})")


def unsafe(view: StationView, evse: EvseView) -> str | None:
    """Why this EVSE must not give power, None when it may."""
    if not evse.authorized or evse.transaction is None:
        return "nobody is authorised"
    return "nothing can be saved" if view.save_failed else dangerous(evse)


def dangerous(evse: EvseView) -> str | None:
    """Why its contactor must be open at once, None when it need not."""
    if evse.pilot not in (PilotState.C, PilotState.D):
        return f"the pilot is at {evse.pilot.value}"
    return f"there are faults: {evse.faults}" if evse.faults else None
