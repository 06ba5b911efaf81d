"""What a bare relay board says, out of what is seen of it. Pure: moments come in (seconds, any clock that never goes back)."""

from __future__ import annotations

from dataclasses import dataclass

from hal.api import Fault, FaultCode, HalEvent, PilotChanged, PilotState, PowerPathChanged, ProximityChanged
from hal.drivers.relay_wiring import Seen

EVSE = 1
CLOSE_S = 0.5
"""A contactor that its mirror contact does not show closed by then does not close."""
OPEN_S = 1.0
"""One that it shows closed for so long after the order to open is welded."""
CALM_S = 5.0
"""So long a vehicle that has stopped asking is not believed when it asks again: a loose contact must not make the contactor chatter."""
RETRY_S = 30.0
"""A contactor that did not close is tried again after so long, or after the vehicle was gone."""
ROUNDING_S = 0.001
"""A timer may fire that much early."""

DOES_NOT_CLOSE = "the contactor does not close; check its coil, its supply and the mirror contact"
WELDED = "the contactor is closed though it was told to open: welded? Switch the supply off, then replace it"
STOPPED = "the emergency stop is pressed, or its circuit is open"


@dataclass(slots=True)
class Level:
    """What the station wants: an offer (PWM) and a permission."""

    offered: bool = False
    permitted: bool = False

    @property
    def wanted(self) -> bool:
        return self.offered and self.permitted


class Judge:
    """Remembers what was told, and since when things are as they are. mirror: there is a mirror contact.

    socket_a: rating that is told of a plugged cable; None: the cable is fixed.
    """

    def __init__(self, *, mirror: bool, socket_a: float | None) -> None:
        self._mirror = mirror
        self._socket_a = socket_a
        self.stopped = False
        self.contactor_fault: str | None = None
        self._fault_since = 0.0
        self.forget()

    def forget(self) -> None:
        """Everything is told anew, but faults that stand: they end when they are over."""
        self.asking = False
        self.closed: bool | None = None
        self._pilot: PilotState | None = None
        self._told_closed: bool | None = None
        self._calm_until: float | None = None
        self._wrong_since: float | None = None  # the contactor is not as it was told to be

    @property
    def may_close(self) -> bool:
        """Nothing but the level stands against it."""
        return self.asking and not self.stopped and self.contactor_fault is None

    def see(self, seen: Seen, commanded: bool, level: Level, now: float) -> list[HalEvent]:
        """The events that follow. commanded: what the contactor was told last, and follows when nobody looks at it."""
        found: list[HalEvent] = []
        if bool(seen.stopped) is not self.stopped:
            self.stopped = bool(seen.stopped)
            found.append(Fault(EVSE, FaultCode.EMERGENCY_STOP, self.stopped, STOPPED if self.stopped else ""))
        found += self._see_vehicle(seen, now)
        self.closed = seen.closed if self._mirror else commanded if seen.coil is None else seen.coil
        if self.closed is not self._told_closed:
            self._told_closed = self.closed
            found.append(PowerPathChanged(EVSE, bool(self.closed)))
        if self._mirror:
            found += self._check_contactor(bool(self.closed), commanded, level, now)
        return found

    def _see_vehicle(self, seen: Seen, now: float) -> list[HalEvent]:
        connected = seen.vehicle is not False
        asks = connected and seen.demand is not False
        if self.asking and not asks:
            self._calm_until = now + CALM_S
        if self._calm_until is not None and now >= self._calm_until - ROUNDING_S:
            self._calm_until = None
        self.asking = asks and self._calm_until is None
        pilot = PilotState.A if not connected else PilotState.C if self.asking else PilotState.B
        if pilot is self._pilot:
            return []
        was_connected = self._pilot not in {None, PilotState.A}
        told: list[HalEvent] = []
        if self._socket_a is not None and (self._pilot is None or was_connected is not connected):
            told.append(ProximityChanged(EVSE, self._socket_a if connected else None))
        self._pilot = pilot
        return [*told, PilotChanged(EVSE, pilot)]

    def _check_contactor(self, closed: bool, commanded: bool, level: Level, now: float) -> list[HalEvent]:
        if closed is commanded:
            self._wrong_since = None
        elif self._wrong_since is None:
            self._wrong_since = now
        limit_s = CLOSE_S if commanded else OPEN_S
        if (
            self._wrong_since is not None
            and now >= self._wrong_since + limit_s - ROUNDING_S
            and self.contactor_fault != WELDED
        ):
            why = DOES_NOT_CLOSE if commanded else WELDED
            if why == self.contactor_fault:
                return []
            self.contactor_fault, self._fault_since = why, now
            return [Fault(EVSE, FaultCode.EVSE_CONTACTOR_FAULT, True, why)]
        if self._over(closed, level, now):
            self.contactor_fault = None
            return [Fault(EVSE, FaultCode.EVSE_CONTACTOR_FAULT, False)]
        return []

    def _over(self, closed: bool, level: Level, now: float) -> bool:
        if self.contactor_fault == WELDED:
            return not closed
        if self.contactor_fault == DOES_NOT_CLOSE:
            return self._pilot is PilotState.A or (not level.wanted and now >= self._fault_since + RETRY_S - ROUNDING_S)
        return False

    def told_to(self, now: float) -> None:
        """The contactor got another order: from now on it has its time to follow."""
        if self._mirror:
            self._wrong_since = now

    def next_at(self, commanded: bool, now: float) -> float | None:
        """When it has to be looked at again though nothing changes."""
        moments = []
        if self._calm_until is not None:
            moments.append(self._calm_until)
        if self._wrong_since is not None:
            moments.append(self._wrong_since + (CLOSE_S if commanded else OPEN_S))
        if self.contactor_fault == DOES_NOT_CLOSE:
            moments.append(self._fault_since + RETRY_S)
        return min((moment for moment in moments if moment > now), default=None)
