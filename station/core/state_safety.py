"""What the core remembers for the times of IEC 61851-1 (station.core.safety)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from hal.api import FaultCode


class Step(Enum):
    """A signal on the pilot that has a time of its own. FAULT: state F for a vehicle that a fault stops. WAKE_*: to wake one up."""

    FAULT = "fault"
    WAKE_X1 = "wake by X1"
    WAKE_F = "wake by F"


@dataclass(slots=True)
class Safety:
    """Of one EVSE.

    step: under way on the pilot. f_until: when our own state F ended (monotonic). interrupted: a fault has taken power from a vehicle.
    over_since: since when readings are above the offer. before_a: greatest current of the changes that the vehicle may still be
    following. waits: faults whose cause is gone, and that end when the vehicle is unplugged.
    waited: the vehicle was plugged in without an offer since it last asked for energy; tries: to wake it up.
    """

    step: Step | None = None
    f_until: float = -1e9
    interrupted: bool = False
    over_since: float | None = None
    before_a: float = 0.0
    waits: set[FaultCode] = field(default_factory=set)
    waited: bool = False
    tries: int = 0
