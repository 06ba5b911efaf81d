"""A station on a bench: simulated board and cars, an embedded or a foreign CSMS, and everything that people do to a station.

With the embedded CSMS the whole bench lives on a `VirtualLoop` (as fast as it can, or paced); towards a foreign one link and TLS keep
real time and only core and physics are scaled (LAW 3). Terminal view, scenarios and tests all act through a `Lab`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from hal.api import FaultCode, TokenKind
from hal.sim.board import SimBoard
from hal.sim.car import Car
from hal.sim.car_settings import CarSettings
from hal.sim.world import World
from station.app import StationApp, StationSetup, Surroundings
from station.clock import Clock, Now
from station.core.effects import Effect
from station.core.events import Event
from station.core.view import StationView
from station.errors import ConfigError, StationError
from station.ocpp.link import LinkHooks, LinkState
from station.ocpp.link_settings import LinkSettings
from station.runtime.control import Controller
from station.runtime.control_kinds import VERSIONS
from station.sim import kept
from station.sim.bench import LabHost
from station.sim.csms import EmbeddedCsms
from station.sim.installer import SimInstaller
from station.sim.lab_board import hardware
from station.sim.lab_settings import KNOWN_TOKENS, STATION, LabSettings, station_setup
from station.sim.loop import DEFAULT_WALL, ScaledScheduler, VirtualLoop
from station.sim.loop import run as run_virtual
from station.sim.memory import MemoryLink, MemoryNetwork
from station.sim.switch import Switch
from station.store.ops import StorePort
from station.store.sqlite import SqliteStore

__all__ = ["KNOWN_TOKENS", "Lab", "LabSettings", "run_lab"]

log = logging.getLogger("station.lab")

T = TypeVar("T")
FrameListener = Callable[[float, str, str, str | None, str], None]
"""(wall time, direction, masked text, action, verdict)."""
TurnListener = Callable[[Event | None, list[Effect], Now], None]
CarListener = Callable[[int, Car, float, bool], None]


KEEP_EVERY_S = 1.0
"""Simulated seconds from which on a frame makes the bench remember how late it is, though nothing was saved."""


class Lab:
    """One station on the bench. `async with Lab(settings) as lab`, on the loop that `run_lab` chooses."""

    def __init__(self, settings: LabSettings) -> None:
        self.settings = settings
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        loop = asyncio.get_running_loop()
        earlier = kept.load(settings.folder) if settings.folder is not None else None
        if settings.csms_url is None and not settings.wire:
            if not isinstance(loop, VirtualLoop):
                raise StationError("the embedded CSMS in memory needs the virtual loop: use run_lab")
            self.scheduler: VirtualLoop | ScaledScheduler = loop
            self.clock = loop.clock()
        else:
            self.scheduler = ScaledScheduler(loop, settings.speed or 1.0)
            self.clock = Clock(self.scheduler.time)
            if earlier is not None and earlier.wall > self.clock.now().wall:
                self.clock.set_wall(earlier.wall)  # the last run was faster than real time
        self.network = MemoryNetwork()
        self.csms: EmbeddedCsms | None = None
        if settings.csms_url is None:
            self.csms = EmbeddedCsms(
                settings.tokens,
                network=self.network,
                clock=self.clock,
                subprotocols=tuple(f"ocpp{version}" for version in dict.fromkeys((*settings.versions, *VERSIONS))),
                fast=settings.csms_fast,
            )
        self.world = World(self.scheduler.time, self.scheduler)
        self.devices, self.hardware = hardware(settings, self.world)
        self.app: StationApp | None = None
        self.boots = 0
        self._host_boots = 1
        self._kept: kept.Kept | None = None
        if earlier is not None:
            self._host_boots = earlier.host_boots
            self.devices.restore(earlier.registers)
        self._online = True
        self._line: Switch | MemoryLink | None = None
        self._supply = asyncio.Lock()
        self._frames: list[FrameListener] = []
        self._turns: list[TurnListener] = []
        self._keeper: asyncio.Task[None] | None = None
        self._last_car: dict[int, Car] = {}
        self._guests: list[CarListener] = []
        self._host: LabHost | None = None
        self._control: Controller | None = None

    # --- life -----------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Lab:
        if self.settings.folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="pilotwire-")
        try:
            if self.csms is not None:
                await self.csms.start()
            await self.hardware.open(self.database.parent)
            await self._boot()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if isinstance(self.scheduler, VirtualLoop):
            self.scheduler.set_speed(None)  # what is cleared away may wait a little, also when time stood still
        await self._stop_keeper()
        if self.app is not None:
            self._keep()
            app, self.app = self.app, None
            await app.stop()
        await self.hardware.close()
        if self.csms is not None:
            await self.csms.stop()
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def board(self) -> SimBoard:
        """The simulated board. Raises StationError where emulators are instead."""
        if not isinstance(self.devices, SimBoard):
            raise StationError("there is no simulated board here: the devices are emulators (--wire)")
        return self.devices

    @property
    def database(self) -> Path:
        """The station's database file."""
        folder = self.settings.folder or Path(self._folder.name if self._folder else ".")
        return folder / "station.db"

    async def _boot(self) -> None:
        self.app = StationApp(self._setup(), self._around())
        self.settings = replace(self.settings, boot_reason=None)
        self.boots += 1
        self.app.client.on_frame(self._frame)
        self.app.gateway.listen(self._turn)
        await self.app.start()
        self._keeper = asyncio.get_running_loop().create_task(self._reboot(self.app))
        self._keeper.add_done_callback(_tell_failure)

    async def _reboot(self, app: StationApp) -> None:
        """A reboot that the station asked for."""
        await asyncio.shield(app.rebooting)  # cancelling us must not look like a reboot
        await app.stop()
        self.app = self._keeper = None
        await self._boot()

    def reconfigure(self, **changes: Any) -> None:
        """Other settings for the station (those in `STATION`) from its next start on. Raises ConfigError for others."""
        fixed = sorted(changes.keys() - STATION)
        if fixed:
            raise ConfigError([f"{name}: belongs to the bench and cannot change" for name in fixed])
        self.settings = replace(self.settings, **changes)

    def _keep(self) -> None:
        """Remember what outlives the program, if there is where. Only while the station holds the database: it is ours."""
        if self.settings.folder is None:
            return
        now = kept.Kept(self.devices.state(), self._host_boots, self._wall())
        if now != self._kept:
            kept.save(self.settings.folder, now)
            self._kept = now

    async def _stop_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None

    def _setup(self) -> StationSetup:
        return station_setup(self.settings, self.hardware.places(), self.database.parent, self._installer().version())

    def _around(self) -> Surroundings:
        return Surroundings(
            boards=self.hardware.boards,
            open_store=self._open_store,
            link=self._link,
            scheduler=self.scheduler,
            wall=self._wall,
            seed=self.settings.seed,
            host_boot=lambda: f"bench-{self._host_boots}",
            speed=self._speed,
            installer=self._installer(),
            readers=self.hardware.readers,
        )

    def _installer(self) -> SimInstaller:
        return SimInstaller(self.database.parent / "files")

    def _speed(self) -> float:
        """Station seconds per second of the loop: on the virtual loop they are the same thing."""
        if not isinstance(self.scheduler, ScaledScheduler):
            return 1.0
        return 0.0 if self.scheduler.paused else self.scheduler.speed

    def _open_store(self) -> StorePort:
        # Inline: on a virtual clock a commit takes no time, and a thread would make runs differ.
        # A bench in a temporary folder has no power to lose, and fsync is most of what a fast run waits for.
        # Real drivers must not wait for a disk, as on a real station.
        durable, threaded = self.settings.folder is not None, self.settings.wire
        store = SqliteStore.open(self.database, threaded=threaded, now_wall=self._wall, durable=durable)
        return kept.KeepingStore(store, self._keep) if durable else store

    def _wall(self) -> float:
        return self.clock.now().wall

    def _link(self, settings: LinkSettings, hooks: LinkHooks, rng: random.Random) -> Any:
        if self.csms is not None:
            self._line = MemoryLink(self.network, settings, hooks, rng)
        else:
            self._line = Switch(settings, hooks, rng, connected=self._online)
        return self._line

    # --- listening ------------------------------------------------------------------------------------------------------

    def on_frame(self, listener: FrameListener) -> None:
        """Hear every frame of every boot, secrets masked."""
        self._frames.append(listener)

    def on_turn(self, listener: TurnListener) -> None:
        """Hear every event and its effects, of every boot."""
        self._turns.append(listener)

    def _frame(self, direction: str, text: str, action: str | None, verdict: str) -> None:
        wall = self._wall()
        if self._kept is not None and wall - self._kept.wall >= KEEP_EVERY_S:
            self._keep()  # nothing had to be saved, but the CSMS has heard how late it is
        for listener in self._frames:
            listener(wall, direction, text, action, verdict)

    def _turn(self, event: Event | None, effects: list[Effect], now: Now) -> None:
        for listener in self._turns:
            listener(event, effects, now)

    @property
    def running(self) -> StationApp:
        """The station; raises StationError while it has no power, or its program was stopped."""
        if self.app is None:
            raise StationError("the program does not run" if self.devices.powered else "the station has no power")
        return self.app

    @property
    def host(self) -> LabHost:
        """The bench as the command table sees it."""
        if self._host is None:
            self._host = LabHost(self)
        return self._host

    def control(self) -> Controller:
        """The command table over this bench; always the same one."""
        if self._control is None:
            self._control = Controller(self.host)
        return self._control

    @property
    def powered(self) -> bool:
        return self.app is not None

    def view(self) -> StationView:
        return self.running.view()

    @property
    def online(self) -> bool:
        """The network is plugged in (whether the CSMS answers is another matter)."""
        return self._online

    # --- people ---------------------------------------------------------------------------------------------------------

    def plug(self, evse: int = 1, car: Mapping[str, object] | None = None, cable_a: float = 32.0) -> Car:
        """Plug a car in. car: fields of CarSettings. Raises ConfigError for a car that cannot be, DeviceError when occupied."""
        vehicle = Car(CarSettings(**(car or {})))  # type: ignore[arg-type]  # CarSettings checks every field itself
        return self._plug(evse, vehicle, cable_a)

    def plug_again(self, evse: int = 1, cable_a: float = 32.0) -> Car:
        """The car that was last at this EVSE comes back. Raises StationError when there was none, DeviceError as `plug`."""
        car = self._last_car.get(evse)
        if car is None:
            raise StationError(f"no car was at EVSE {evse} that could come back")
        return self._plug(evse, car, cable_a)

    def _plug(self, evse: int, car: Car, cable_a: float) -> Car:
        energy_wh = car.battery.energy_wh - car.put_in_wh
        self.devices.plug(evse, car, cable_a)
        known, self._last_car[evse] = self._last_car.get(evse) is car, car
        for listener in self._guests:
            listener(evse, car, energy_wh, known)
        return car

    def on_plug(self, listener: CarListener) -> None:
        """Hear of every car that is plugged in: (EVSE, car, energy in its battery, whether it came back)."""
        self._guests.append(listener)

    def unplug(self, evse: int = 1, *, at_car: bool = False) -> None:
        """Raises DeviceError when the plug is locked."""
        self.devices.unplug(evse, at_car=at_car)

    def swipe(self, token: str = KNOWN_TOKENS[0], evse: int | None = 1, kind: TokenKind = TokenKind.ISO14443) -> bool:
        """False: nobody read the card."""
        return self.devices.swipe(token, kind, evse=evse)

    def pin(self, digits: str, evse: int | None = 1) -> bool:
        return self.devices.pin(digits, evse=evse)

    def button(self, evse: int = 1) -> bool:
        return self.devices.button(evse)

    def fault(self, code: FaultCode, evse: int = 1, info: str = "") -> None:
        self.devices.fault(code, info, evse=evse)

    def clear(self, code: FaultCode, evse: int = 1) -> None:
        self.devices.clear(code, evse=evse)

    async def offline(self) -> None:
        """Pull the network cable."""
        self._online = False
        if isinstance(self._line, Switch):
            await self._line.pull()
        else:
            self.network.cut()

    async def go_online(self) -> None:
        """Plug it in again; the station connects when its back-off says so."""
        self._online = True
        if isinstance(self._line, Switch):
            self._line.push()
        else:
            self.network.restore()

    @property
    def trouble(self) -> str | None:
        """Why the station is not connected, in words for people; None while it is, or has not failed yet."""
        line = self._line
        if line is None or self.app is None or line.state is LinkState.OPEN:
            return None
        return line.last_error

    async def power_cut(self, *, warning: bool = False) -> None:
        """The supply fails. warning: the board has a capacitor and says so (PowerFailing) some milliseconds before."""
        async with self._supply:
            if not self.devices.powered:
                raise StationError("the station has no power")
            await self._stop_keeper()
            self.devices.power_cut(warning=warning)
            self._host_boots += 1
            if self.app is not None:
                self._keep()
                app, self.app = self.app, None
                await app.kill()
                await self.hardware.abandon()

    async def power_on(self) -> None:
        """It comes back, and the station boots."""
        async with self._supply:
            if self.app is None:
                self.devices.power_on()
                await self.hardware.ready()
                await self._boot()

    async def restart(self) -> None:
        """The program crashes and is started again; the board kept its power."""
        async with self._supply:
            app = self.running
            await self._stop_keeper()
            self.app = None
            await app.kill()
            await self.hardware.abandon()
            self.devices.host_lost()
            await self._boot()

    async def stop(self) -> None:
        """The program is stopped in good order; the board keeps its power. Raises StationError when it does not run."""
        async with self._supply:
            app = self.running
            await self._stop_keeper()
            self._keep()
            self.app = None
            await app.stop()

    async def start(self) -> None:
        """The program is started again after `stop`. Nothing happens when it runs; raises StationError without power."""
        async with self._supply:
            if not self.devices.powered:
                raise StationError("the station has no power")
            if self.app is None:
                await self._boot()

    @property
    def speed(self) -> float | None:
        """Simulated seconds per second; None: as fast as possible."""
        return self.scheduler.speed

    def set_speed(self, speed: float | None) -> None:
        """Simulated seconds per second from now on; None: as fast as possible (embedded CSMS only); 0 pauses. Raises StationError."""
        if self.settings.wire and speed != 1.0:
            raise StationError("the drivers and their devices live in real time (--wire): the speed is 1")
        if isinstance(self.scheduler, VirtualLoop):
            self.scheduler.set_speed(speed)
        elif speed == 0:
            self.scheduler.pause()
        else:
            self.scheduler.resume()
            self.scheduler.set_speed(speed or 1.0)


def _tell_failure(keeper: asyncio.Task[None]) -> None:
    if not keeper.cancelled() and (error := keeper.exception()) is not None:
        log.critical("the station did not come up again: %s", error, exc_info=error)


def run_lab(
    settings: LabSettings, main: Callable[[Lab], Coroutine[Any, Any, T]], *, start_wall: float | None = None
) -> T:
    """Set the bench up on the right kind of loop, run `main(lab)`, and clear it away.

    start_wall: wall time at which a virtual run begins; default: 2026-01-01T00:00Z, so that runs repeat. In a folder
    that an earlier run has left, not before its end: time does not go back.
    """
    start = DEFAULT_WALL if start_wall is None else start_wall
    if settings.folder is not None and (earlier := kept.load(settings.folder)) is not None:
        start = max(start, earlier.wall)

    async def work() -> T:
        async with Lab(settings) as lab:
            return await main(lab)

    if settings.csms_url is None and not settings.wire:
        return run_virtual(work(), speed=settings.speed, start_wall=start)
    return asyncio.run(work())
