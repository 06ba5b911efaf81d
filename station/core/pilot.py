"""The control pilot as the EVSE understands it (IEC 61851-1 annex A): what the vehicle shows and whether we offer (x1/x2)."""

from __future__ import annotations

from hal.api import PilotSignal, PilotState
from station.core.machine import Row, fire, rows, table

UNKNOWN = "Unknown"
STATES = (UNKNOWN, "A", "B1", "B2", "C1", "C2", "D1", "D2", "E", "F")
_WITHOUT_OFFER = (UNKNOWN, "A", "B1", "C1", "D1", "E", "F")
_WITH_OFFER = ("B2", "C2", "D2")


def _table() -> list[Row]:
    seen: list[Row] = [rows(f"see_{s.lower()}", STATES, s) for s in ("A", "E", "F")]
    for letter in "BCD":
        seen.append(rows(f"see_{letter.lower()}", _WITHOUT_OFFER, f"{letter}1"))
        seen.append(rows(f"see_{letter.lower()}", _WITH_OFFER, f"{letter}2"))
    for letter in "BCD":
        seen.append(rows("offer", [f"{letter}1"], f"{letter}2"))
        seen.append(rows("withdraw", [f"{letter}2"], f"{letter}1"))
    # Without a vehicle, or in a fault, there is nothing to offer to: the event is legal and changes nothing.
    seen.append(rows("offer", (UNKNOWN, "A", "E", "F", *_WITH_OFFER), None))
    seen.append(rows("withdraw", _WITHOUT_OFFER, None))
    return seen


MACHINE = table(STATES, _table(), UNKNOWN)


class Pilot:
    """Pilot of one EVSE. `state` is the table's word: the vehicle's letter and, for B to D, 1 without PWM or 2 with it."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = UNKNOWN

    def see(self, seen: PilotState) -> None:
        """The board measured a state."""
        fire(MACHINE, f"see_{seen.value.lower()}", self)

    def signal(self, signal: PilotSignal) -> None:
        """We put a signal on the pilot."""
        fire(MACHINE, "offer" if signal is PilotSignal.PWM else "withdraw", self)

    @property
    def connected(self) -> bool:
        """A vehicle is at the other end (B, C, D)."""
        return self.state[0] in "BCD"

    @property
    def wants_energy(self) -> bool:
        return self.state[0] in "CD"

    @property
    def wants_ventilation(self) -> bool:
        return self.state[0] == "D"

    @property
    def offered(self) -> bool:
        """PWM is on and a vehicle can see it."""
        return self.state in _WITH_OFFER

    @property
    def seen(self) -> PilotState:
        """The vehicle's letter; F while nothing was measured yet."""
        return PilotState.F if self.state == UNKNOWN else PilotState(self.state[0])
