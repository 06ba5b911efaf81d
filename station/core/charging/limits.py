"""The current in force is the least of what every cause allows, and the binding cause has a name ("why this current?").

To add a cause of limitation: give it a name here, yield it in `candidates`, and test it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BOARD = "board"
CABLE = "cable"
CONFIGURED = "configured"
TOO_LITTLE = "below minimum"
CAR = "car"  # not a limit of ours: the vehicle takes less than it is offered (`views`)


@dataclass(frozen=True, slots=True)
class Limit:
    """An upper bound of the current per phase, in ampere, and who sets it."""

    current_a: float
    cause: str


def candidates(*, board_a: float, cable_a: float | None, configured_a: float | None) -> Iterable[Limit]:
    """Every bound that applies now. `cable_a` None: fixed cable or not yet known; `configured_a` None: not configured."""
    yield Limit(board_a, BOARD)
    if cable_a is not None:
        yield Limit(cable_a, CABLE)
    if configured_a is not None:
        yield Limit(configured_a, CONFIGURED)


def binding(limits: Iterable[Limit], *, min_a: float) -> Limit:
    """The lowest bound; the first named wins a tie. Below `min_a` nothing can be offered, so the limit is 0 A.

    Raises ValueError when there is no bound at all: an EVSE without a limit is a programming error.
    """
    least = min(limits, key=lambda limit: limit.current_a)
    if least.current_a < min_a:
        return Limit(0.0, f"{least.cause} ({TOO_LITTLE})" if least.current_a > 0 else least.cause)
    return least
