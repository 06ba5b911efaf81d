"""The program of a real station over its restarts, and what the command table sees of it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from hal.errors import HalError
from station.app import StationApp, StationSetup
from station.clock import Clock, Now
from station.core.effects import Effect
from station.core.events import Event
from station.errors import ControlError, Problem, StationError
from station.ocpp.link import Link, LinkHooks, LinkState
from station.ocpp.link_settings import LinkSettings
from station.runtime.fault_log import FaultLog
from station.runtime.supervise import Notifier, Watchdog

if TYPE_CHECKING:
    from hal.api import HalEvent
    from station.runtime.control_host import About, FrameHeard, TurnHeard
    from station.runtime.control_memory import Memory

__all__ = ["FirmwareHost"]

log = logging.getLogger("station")


class FirmwareHost:
    """Starts the program, starts it again when it asks for that, and lets the command table do the same.

    make: a new program, not started. Its links must come from `link`, so that we know why one fails. `failed` holds the error of a
    restart that did not come about: the process should end then, and whoever supervises it start another. Who wants to hear turns and
    frames says so before the first start.
    """

    def __init__(self, setup: StationSetup, notifier: Notifier, make: Callable[[], StationApp]) -> None:
        self._setup = setup
        self._notifier = notifier
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._clock = Clock()
        self.app: StationApp | None = None
        self.boots = 0
        self.failed: asyncio.Future[None] = self._loop.create_future()
        self._turns: list[TurnHeard] = []
        self._frames: list[FrameHeard] = []
        self._memory: Memory | None = None
        self._line: Link | None = None
        self._one_by_one = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._idle: asyncio.Task[None] | None = None

    # --- life -----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the program. Raises ControlError when it runs, and what the program raises when it cannot be started."""
        async with self._one_by_one:
            if self.app is not None:
                raise ControlError("conflict", [Problem("", "the program runs already")])
            await self._start()

    async def stop(self) -> None:
        """Stop it in good order. Nothing happens when it does not run."""
        async with self._one_by_one:
            await self._give_up_keeping()
            app, self.app = self.app, None
            if app is not None:
                await app.stop()
                # The service manager goes on hearing of us: we are alive, and stopped because somebody wanted that.
                self._idle = self._loop.create_task(Watchdog(self._notifier, {}).run())

    async def restart(self) -> None:
        """End it and start it again. In good order: a real board must be let go before it can be opened again."""
        async with self._one_by_one:
            await self._give_up_keeping()
            app, self.app = self.app, None
            if app is not None:
                await app.stop()
            try:
                await self._start()
            except (StationError, HalError, OSError) as error:
                self._fail(error)
                raise

    async def close(self) -> None:
        """Stop it for good."""
        await self.stop()
        await self._give_up_keeping()
        self.failed.cancel()

    async def _start(self) -> None:
        await self._give_up_keeping()
        app = self._make()
        if self._frames:  # to mask frames for nobody would be a waste
            app.client.on_frame(self._frame)
        app.gateway.listen(FaultLog())
        if self._turns:
            app.gateway.listen(self._turn)
        await app.start()
        self.app = app
        self.boots += 1
        log.info("station %s runs, boot %d", self._setup.identity, app.store.boot)
        self._notifier.ready()
        self._keeper = self._loop.create_task(self._keep(app))
        self._keeper.add_done_callback(self._kept)

    async def _keep(self, app: StationApp) -> None:
        """A restart that the program asks for."""
        await asyncio.shield(app.rebooting)  # cancelling us must not look like a restart
        async with self._one_by_one:
            self._keeper = None
            self.app = None
            await app.stop()
            await self._start()

    def _kept(self, keeper: asyncio.Task[None]) -> None:
        if not keeper.cancelled() and (error := keeper.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    async def _give_up_keeping(self) -> None:
        tasks = [task for task in (self._keeper, self._idle) if task is not None]
        self._keeper = self._idle = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def link(self, settings: LinkSettings, hooks: LinkHooks, rng: random.Random) -> Link:
        """Makes the program's link to the CSMS."""
        self._line = Link(settings, hooks, rng)
        return self._line

    # --- what the command table sees ------------------------------------------------------------------------------------

    @property
    def program(self) -> StationApp | None:
        return self.app

    @property
    def bench(self) -> None:
        return None

    @property
    def about(self) -> About:
        from station.runtime.control_host import About

        setup = self._setup
        scheme, _, rest = setup.url.partition("://")
        place = rest.partition("?")[0].rpartition("@")[2]
        return About(setup.identity, setup.versions, f"{scheme}://{place}", tuple(evse.evse for evse in setup.evses))

    @property
    def memory(self) -> Memory:
        if self._memory is None:
            from station.runtime.control_memory import Memory

            self._memory = Memory(self)
        return self._memory

    @property
    def connected(self) -> bool:
        return True

    @property
    def powered(self) -> bool:
        return True

    @property
    def trouble(self) -> str | None:
        line = self._line
        return None if line is None or self.app is None or line.state is LinkState.OPEN else line.last_error

    @property
    def standing_still(self) -> bool:
        return False

    def time(self) -> float:
        return self._loop.time()

    def link_time(self) -> float:
        return self._loop.time()

    def wall(self) -> float:
        return self._clock.now().wall

    def hear_turns(self, listener: TurnHeard) -> None:
        self._turns.append(listener)

    def hear_frames(self, listener: FrameHeard) -> None:
        self._frames.append(listener)

    def inject(self, event: HalEvent) -> bool:
        """As if a board had reported it."""
        if self.app is None:
            return False
        self.app.gateway.submit(event)
        return True

    def _frame(self, direction: str, text: str, action: str | None, verdict: str) -> None:
        for listener in self._frames:
            listener(self.wall(), direction, text, action, verdict)

    def _turn(self, event: Event | None, effects: list[Effect], now: Now) -> None:
        for listener in self._turns:
            listener(event, effects, now)
