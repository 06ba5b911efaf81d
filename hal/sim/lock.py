"""The retention lock of a socket: a bolt with a motor, a feedback contact, and a habit to jam."""

from __future__ import annotations

from collections.abc import Callable

from hal.api import LockState
from hal.errors import BusError
from hal.sim.world import Timer, World

TRAVEL_S = 0.4


class SimLock:
    """report: told each result. powered: False when nobody can move or read it; the bolt then stays where it is."""

    __slots__ = ("_powered", "_report", "_timer", "bolt_in", "jammed", "state")

    def __init__(self, world: World, report: Callable[[LockState], None], powered: Callable[[], bool]) -> None:
        self._timer = Timer(world)
        self._report = report
        self._powered = powered
        self.state = LockState.UNLOCKED
        self.bolt_in = False
        self.jammed = False

    async def set_locked(self, locked: bool) -> None:
        """Start to move the bolt; LockChanged follows, also when it is there already. Raises BusError without power."""
        if not self._powered():
            raise BusError("the lock does not answer: no power")
        self._timer.start(TRAVEL_S, lambda: self._arrive(locked))

    def halt(self) -> None:
        """The motor stops where it is."""
        self._timer.cancel()

    def _arrive(self, locked: bool) -> None:
        if self.jammed and self.bolt_in is not locked:
            self.state = LockState.JAMMED
        else:
            self.bolt_in = locked
            self.state = LockState.LOCKED if locked else LockState.UNLOCKED
        self._report(self.state)
