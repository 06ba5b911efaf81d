"""What the core remembers of an RCD that can test itself (station.core.rcd)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Rcd:
    """Of one EVSE.

    told: the board has said where the pilot is, and not F, so that "no vehicle" is known and not assumed. due: a test is to be
    run as soon as it can be. running: it is. ready: a test has been passed since the last vehicle, so that the next one may
    charge. used: power has flowed since. reset: a person wants the latched fault gone. missed: tests in a row that the bus has
    prevented.
    """

    told: bool = False
    due: bool = True
    running: bool = False
    ready: bool = False
    used: bool = False
    reset: bool = False
    missed: int = 0

    @property
    def asks(self) -> bool:
        """A test is wanted that would end a fault: it has to be seen that nobody is there, which under state F it is not."""
        return self.reset or self.missed > 0

    def hindrance(self, *, connected: bool) -> str | None:
        """Why no energy may flow now, in words a person understands; None when it may."""
        if self.running:
            return "the RCD is being tested"
        if self.ready:
            return None
        if connected:
            return "the RCD must be tested first: unplug the vehicle"
        return "the RCD has not passed its self-test yet"
