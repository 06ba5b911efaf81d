"""A contactor: takes time to close and to open, tells by its mirror contact what it really does, and can weld."""

from __future__ import annotations

from collections.abc import Callable

from hal.sim.world import Timer, World

CLOSE_S = 0.08
OPEN_S = 0.02  # well within the 100 ms that IEC 61851-1 table A.6 allows from C -> B to open
MIRROR_CHECK_S = 1.0


class Contactor:
    """moved: the contacts have moved (`poles` tells how). stuck: still closed long after it was told to open."""

    __slots__ = ("_check", "_moved", "_stuck", "_timer", "poles", "wanted", "welded")

    def __init__(self, world: World, moved: Callable[[], None], stuck: Callable[[], None]) -> None:
        self._timer = Timer(world)
        self._check = Timer(world)
        self._moved = moved
        self._stuck = stuck
        self.poles = 0
        self.wanted = 0
        self.welded = False

    @property
    def closed(self) -> bool:
        """What the mirror contact says."""
        return self.poles > 0

    def command(self, poles: int) -> None:
        """Energise the coils of so many phases; 0 opens."""
        if poles == self.wanted:
            return
        self.wanted = poles
        if poles:
            self._check.cancel()
            self._timer.start(CLOSE_S, self._arrive)
        else:
            self._timer.start(OPEN_S, self._arrive)
            if self.closed:
                self._check.start(MIRROR_CHECK_S, self._mirror)

    def drop(self) -> None:
        """The supply of the coils is gone: open at once."""
        self._timer.cancel()
        self._check.cancel()
        self.wanted = 0
        self._arrive()

    def weld(self, welded: bool) -> None:
        """From the next closing on (or now, if closed) the contacts stick; or they are repaired."""
        self.welded = welded
        if not welded and not self._timer.running:
            self._arrive()

    def _arrive(self) -> None:
        if self.poles == self.wanted or (self.welded and self.poles > self.wanted):
            return
        self.poles = self.wanted
        if not self.closed:
            self._check.cancel()
        self._moved()

    def _mirror(self) -> None:
        if self.closed:
            self._stuck()
