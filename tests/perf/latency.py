"""From an event to the board: one core turn, the gateway, and the task that drives the board. Wall time, a database on disk."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from hal.api import (
    Board,
    CardPresented,
    ControlLevel,
    EvseUnit,
    OnHostLoss,
    PilotChanged,
    PilotSignal,
    PilotState,
    PowerPathChanged,
    TokenKind,
)
from station.clock import Clock
from station.core.components import standard_definitions
from station.core.device_model import DeviceModel
from station.core.effects import Ask, NoticeBody
from station.core.events import Answered, Event, LinkUp
from station.core.facts import Fact
from station.core.station import Station
from station.core.types import AuthStatus, EvseInfo, StopReason, TokenInfo
from station.errors import StoreError
from station.runtime.gateway import Gateway
from station.runtime.hands import BoardHost, StationHands
from station.store.sqlite import SqliteStore
from tests.perf.rows import Row
from tests.perf.timing import Effort, percentile, undisturbed

INFO = EvseInfo(1, has_lock=False, fixed_cable=True, has_meter=False)
PATIENCE_S = 10.0


class Stopwatch:
    """The pilot and the power path of a board that does nothing but look at its watch."""

    def __init__(self) -> None:
        self._told: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def signal(self, signal: PilotSignal, current_a: float) -> None: ...

    async def permit(self, allowed: bool, phases: int) -> None:
        if not self._told.done():
            self._told.set_result(time.perf_counter())

    def start(self) -> None:
        self._told = asyncio.get_running_loop().create_future()

    async def stop(self) -> float:
        """The moment of the next permission or prohibition."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._told


class Everybody:
    """The CSMS's side, which accepts every card and takes everything else as said."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def record(self, record: int, fact: Fact) -> None: ...

    def notice(self, body: NoticeBody) -> None: ...

    def ask(self, ask: Ask) -> None:
        self.asked.append(ask.ask)

    def setting_changed(self, component: str, variable: str) -> None: ...


def rows(effort: Effort) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="pilotwire-perf-") as folder:
        forbid, permit = asyncio.run(_measure(Path(folder) / "station.db", effort.times(400, 4)))
    return [
        _row("power is forbidden, the car left state C", forbid, "waits for nothing"),
        _row("power is permitted, the card was accepted", permit, "waits for its commit"),
    ]


def _row(what: str, seconds: list[float], note: str) -> Row:
    return Row(
        group="latency",
        what=what,
        unit="us wall",
        ours=percentile(seconds, 0.5) * 1e6,
        note=f"p99 {percentile(seconds, 0.99) * 1e6:.0f} us; {note}",
    )


async def _measure(database: Path, n: int) -> tuple[list[float], list[float]]:
    loop = asyncio.get_running_loop()
    watch = Stopwatch()
    store = SqliteStore.open(database, threaded=True, now_wall=time.time)
    model = DeviceModel(standard_definitions((INFO,)))
    count = iter(range(1_000_000))
    station = Station((INFO,), model, lambda: f"tx-{next(count)}")
    board = Board("stopwatch", (_unit(watch),), (), ControlLevel.PILOT, OnHostLoss.OPENS)
    events: list[Event] = []  # a board without devices has none
    host = BoardHost(board, {1: 1}, events.append)
    everybody = Everybody()
    hands = StationHands((host,), events.append, None, lambda _reason: None)
    gateway = Gateway(station, store, Clock(loop.time), loop, everybody, hands)
    driving = asyncio.create_task(host.run())
    try:
        gateway.start({}, StopReason.POWER_LOSS)
        with undisturbed():
            return await _sessions(gateway, store, everybody, watch, n)
    finally:
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        gateway.close()
        store.close()


def _unit(watch: Stopwatch) -> EvseUnit:
    return EvseUnit(evse=1, pilot=watch, power=watch, fixed_cable=True)


async def _sessions(
    gateway: Gateway, store: SqliteStore, everybody: Everybody, watch: Stopwatch, n: int
) -> tuple[list[float], list[float]]:
    """Seconds until power is forbidden when the car leaves state C, and until it is permitted when the card is accepted."""
    forbid: list[float] = []
    permit: list[float] = []
    gateway.submit(LinkUp())
    for number in range(n):
        gateway.submit(PilotChanged(1, PilotState.B))
        gateway.submit(PilotChanged(1, PilotState.C))
        gateway.submit(CardPresented(1, f"{number:08X}", TokenKind.ISO14443))
        await _saved(store)
        accepted = Answered(everybody.asked.pop(), TokenInfo(AuthStatus.ACCEPTED))
        permit.append(await _timed(gateway, watch, accepted))
        gateway.submit(PowerPathChanged(1, True))
        await _saved(store)
        forbid.append(await _timed(gateway, watch, PilotChanged(1, PilotState.B)))
        gateway.submit(PowerPathChanged(1, False))
        gateway.submit(PilotChanged(1, PilotState.A))
        await _saved(store)
    return forbid, permit


async def _timed(gateway: Gateway, watch: Stopwatch, event: Event) -> float:
    watch.start()
    began = time.perf_counter()
    gateway.submit(event)
    return await watch.stop() - began


async def _saved(store: SqliteStore) -> None:
    """Nothing is on its way to the disk any more. One commit of the gateway may be followed by another: what came meanwhile."""
    for _ in range(3):
        told: asyncio.Future[StoreError | None] = asyncio.get_running_loop().create_future()
        store.commit([], told.set_result)
        error = await told
        if error is not None:
            raise error
