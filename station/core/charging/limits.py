"""The current in force is the least of what every cause allows, and the binding cause has a name ("why this current?").

To add a cause of limitation: give it a name here, hand it to `candidates`, and test it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

BOARD = "board"
CABLE = "cable"
CONFIGURED = "breaker"  # what the wiring allows: `max_a` of the EVSE in the configuration
TEMPERATURE = "connector temperature"
STATION = "station limit"
TOO_LITTLE = "below minimum"
CAR = "car"  # not a limit of ours: the vehicle takes less than it is offered (`views`)

# A derated current is a whole multiple of this, and goes up again only when it may go up by two: no flapping with the sensor's noise.
DERATING_STEP_A = 1.0


@dataclass(frozen=True, slots=True)
class Limit:
    """An upper bound of the current per phase, in ampere, and who sets it."""

    current_a: float
    cause: str


@dataclass(frozen=True, slots=True)
class Derating:
    """Connector temperature: full current up to `full_c`, falling in a line to the minimum current at `least_c` (degrees Celsius).

    Hotter than that is a fault, which the board reports (HighTemperature) and which stops the session.
    """

    full_c: float = 65.0
    least_c: float = 80.0

    def current(self, celsius: float | None, *, max_a: float, min_a: float, before: float | None) -> float | None:
        """What a contact of that temperature may carry, None: all that the EVSE can. before: the last answer."""
        if celsius is None or not math.isfinite(celsius):
            return before
        share = (self.least_c - celsius) / (self.least_c - self.full_c)
        # Not cut at the top: there, too, it takes two steps to go up.
        exact = min_a + (max_a - min_a) * max(0.0, share)
        allowed = max(min_a, math.floor(exact / DERATING_STEP_A) * DERATING_STEP_A)
        if before is not None and before < allowed < before + 2 * DERATING_STEP_A:
            return before
        return None if exact >= max_a else allowed


def candidates(
    *,
    board_a: float,
    cable_a: float | None,
    configured_a: float | None,
    others: Iterable[Limit | None] = (),
) -> Iterable[Limit]:
    """Every bound that applies now.

    cable_a None: fixed cable or not yet known. configured_a None: not configured (what the wiring allows: the EVSE's breaker).
    others: profiles, temperature, share of the station; None: does not apply.
    """
    yield Limit(board_a, BOARD)
    if cable_a is not None:
        yield Limit(cable_a, CABLE)
    if configured_a is not None:
        yield Limit(configured_a, CONFIGURED)
    for other in others:
        if other is not None:
            yield other


def binding(limits: Iterable[Limit], *, min_a: float) -> Limit:
    """The lowest bound; the first named wins a tie. Below `min_a` nothing can be offered, so the limit is 0 A.

    Raises ValueError when there is no bound at all: an EVSE without a limit is a programming error.
    """
    least = min(limits, key=lambda limit: limit.current_a)
    if least.current_a < min_a:
        return Limit(0.0, f"{least.cause} ({TOO_LITTLE})" if least.current_a > 0 else least.cause)
    return least
