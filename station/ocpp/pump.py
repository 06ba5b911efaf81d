"""When the client does what is due: once after whatever happened in an iteration of the loop, and when a time has come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from station.runtime.fence import Fence

_log = logging.getLogger("station.ocpp")

_LOOK_AGAIN_S = 1.0
AGAIN_AFTER_S = 5.0
STUMBLES_MOST = 10
"""So many mistakes in a row without anything done in between: only a new start of the program may help."""


class Pump:
    """Calls `work`, which does what is due and gives the seconds of the station's clock until more is; None: not by itself.

    A mistake in it is logged and does not end it: `stumbled` is told, and the next turn comes `AGAIN_AFTER_S` later.
    speed: seconds of the station's clock per second of the loop, now; 0 while it stands still.
    """

    __slots__ = ("_due", "_extra", "_speed", "_stumbled", "_stumbles", "_timer", "_work", "running")

    def __init__(
        self,
        work: Callable[[], float | None],
        stumbled: Callable[[], None],
        speed: Callable[[], float],
        extra: Mapping[str, str],
    ) -> None:
        self._work = work
        self._stumbled = stumbled
        self._speed = speed
        self._extra = extra
        self._due = False
        self._timer: asyncio.TimerHandle | None = None
        self._stumbles = 0  # mistakes since `went_well`
        self.running = False

    def start(self) -> None:
        self.running = True
        self.wake()

    def end(self) -> None:
        """No turns any more. Idempotent."""
        self.running = False
        self._cancel()

    def wake(self) -> None:
        """Something has changed: a turn follows in the next iteration of the loop. Nothing happens unless it runs."""
        if self.running and not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._later)

    def now(self) -> None:
        """A turn now, instead of the one that was to follow."""
        self._due = False
        if not self.running:
            return
        with Fence() as fence:
            self._arm(self._work())
        if fence.error is None:
            return
        _log.error("OCPP stumbled, goes on in %g s", AGAIN_AFTER_S, exc_info=fence.error, extra=self._extra)
        self._stumbles += 1
        self._cancel()
        self._timer = asyncio.get_running_loop().call_later(AGAIN_AFTER_S, self._fired)
        self._stumbled()

    def went_well(self) -> None:
        """Mistakes made until now are overcome."""
        self._stumbles = 0

    @property
    def alive(self) -> bool:
        """False when what is due cannot be done for good."""
        return self._stumbles < STUMBLES_MOST

    def _later(self) -> None:
        if self._due:
            self.now()

    def _arm(self, delay: float | None) -> None:
        """One timer for everything; one that fires too early does no harm and is cheaper than a new one per message."""
        if delay is None:
            return
        loop = asyncio.get_running_loop()
        speed = self._speed()
        delay = max(0.0, delay)
        if speed != 1.0:  # simulated time may change its pace meanwhile: look again soon
            delay = min(delay / speed, _LOOK_AGAIN_S) if speed > 0 else _LOOK_AGAIN_S
        at = loop.time() + delay
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = loop.call_at(at, self._fired)

    def _fired(self) -> None:
        self._timer = None
        self.wake()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
