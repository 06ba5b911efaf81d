"""The whole station on a disk whose plug can be pulled: one recorded run, and what becomes of it after a cut at any moment.

`record` plays a session on the bench (`Lab`) while `PowerCut` notes every write and sync below SQLite. At each commit it
also notes what the rest of the world was like: which frames the CSMS had seen, what the meters showed, which cars were
plugged, whether the network was there. `resume` then sets up the same world with the files that a cut would have left,
switches the power on again, and lets everything settle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hal.api import LockState
from hal.sim.car import Car
from hal.sim.car_settings import CarSettings
from station.app import Surroundings
from station.core.facts import TxFact, from_json
from station.errors import StoreError
from station.sim.csms import SeenFrame, SeenStation
from station.sim.csms_session import POINTS
from station.sim.lab import Lab, LabSettings
from station.sim.loop import DEFAULT_WALL
from station.sim.loop import run as run_virtual
from station.store.ops import AddRecord, DeadLetter, Json, Op, PutRow, StoredContext, StoredRecord, StorePort
from station.store.sqlite import SqliteStore
from tests.store.powercut import PowerCut

OUTAGE_S = 60.0
Play = Callable[[Lab], Coroutine[Any, Any, None]]
Registers = Mapping[str, Mapping[str, float]]
Around = Callable[[StorePort], StorePort]


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit and the world around it. `begun` and `done` are positions in the disk's log."""

    begun: int
    done: int
    ops: tuple[Op, ...]
    wall: float
    frames: int
    registers: Registers
    cars: tuple[tuple[int, float], ...]
    online: bool

    @property
    def facts(self) -> list[TxFact]:
        """Facts of transactions that it makes durable."""
        found = (from_json(op.fact) for op in self.ops if isinstance(op, AddRecord))
        return [fact for fact in found if isinstance(fact, TxFact)]


@dataclass(slots=True)
class Recording:
    """A run from the first start to its end."""

    settings: LabSettings
    power: PowerCut
    commits: list[Commit] = field(default_factory=list)
    frames: list[SeenFrame] = field(default_factory=list)
    registers: Registers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Aftermath:
    """All that is known when the dust has settled. `commits`: those since the cut. `registers`: at the very end."""

    frames: tuple[SeenFrame, ...]
    seen: SeenStation
    commits: tuple[Commit, ...]
    dead: tuple[DeadLetter, ...]
    registers: Registers


class WatchedStore:
    """A store that tells of every commit before and after."""

    def __init__(self, store: StorePort, watch: Callable[[Sequence[Op]], Callable[[], None]]) -> None:
        self._store = store
        self._watch = watch

    @property
    def boot(self) -> int:
        return self._store.boot

    def rows(self) -> dict[str, dict[str, Json]]:
        return self._store.rows()

    def records(self) -> list[StoredRecord]:
        return self._store.records()

    def contexts(self) -> Mapping[str, StoredContext]:
        return self._store.contexts()

    def dead_letters(self) -> list[DeadLetter]:
        return self._store.dead_letters()

    def next_record_id(self) -> int:
        return self._store.next_record_id()

    def commit(self, ops: Sequence[Op], done: Callable[[StoreError | None], None]) -> None:
        after = self._watch(ops)

        def told(error: StoreError | None) -> None:
            if error is None:
                after()
            done(error)

        self._store.commit(ops, told)

    def close(self) -> None:
        self._store.close()


class Bench(Lab):
    """A lab that notes its commits. `around`: what to put between the station and its database.

    clock_error_s: by how much the station's own clock is wrong from the next start on; nobody else's is.
    """

    def __init__(
        self, settings: LabSettings, *, power: PowerCut | None = None, around: Around = lambda store: store
    ) -> None:
        super().__init__(settings)
        self.commits: list[Commit] = []
        self.clock_error_s = 0.0
        self._power = power
        self._around_store = around

    async def __aenter__(self) -> Bench:
        await super().__aenter__()
        return self

    def _open_store(self) -> StorePort:
        return WatchedStore(self._around_store(self._open_file()), self._watch)

    def _around(self) -> Surroundings:
        error_s = self.clock_error_s
        return replace(super()._around(), wall=lambda: self._wall() + error_s)

    def _open_file(self) -> StorePort:
        # Not what the lab does: here it must be durable, whatever a lab may save itself.
        return SqliteStore.open(self.database, threaded=False, now_wall=self._wall)

    def _watch(self, ops: Sequence[Op]) -> Callable[[], None]:
        assert self.csms is not None
        before = Commit(
            begun=self._position(),
            done=0,
            ops=tuple(ops),
            wall=self._wall(),
            frames=self.csms.mark(),
            registers=self.board.state(),
            cars=tuple((evse.number, evse.car.soc_percent) for evse in self.board.evses if evse.car is not None),
            online=self.online,
        )
        return lambda: self.commits.append(replace(before, done=self._position()))

    def _position(self) -> int:
        return self._power.position if self._power is not None else 0

    def remember(self, frames: Sequence[SeenFrame]) -> None:
        """The CSMS has seen all this before."""
        assert self.csms is not None
        seen = self.csms.station(self.settings.identity)
        point = POINTS[f"ocpp{self.settings.versions[0]}"](
            self.settings.identity, None, self.csms.policy, seen, fast=True
        )
        for frame in frames:
            self.csms.journal.add(
                mono=frame.mono,
                wall=frame.wall,
                station=frame.station,
                sent=frame.sent,
                text=frame.text,
                kind=frame.kind,
                id=frame.id,
                action=frame.action,
                payload=frame.payload,
            )
            if frame.is_call and not frame.sent and frame.action is not None:
                point.note(frame.action, frame.payload)


def record(
    folder: Path, settings: LabSettings, play: Play, *, latency_s: float = 0.0, around: Around = lambda store: store
) -> Recording:
    """Play a session from an empty disk in `folder` to its end. latency_s: of the network, each way."""
    folder.mkdir(parents=True)
    settings = replace(settings, folder=folder.resolve(), csms_fast=True)
    power = PowerCut(folder)
    recording = Recording(settings, power)

    async def run() -> None:
        bench = Bench(settings, power=power, around=around)
        bench.network.latency_s = latency_s
        async with bench:
            await play(bench)
            assert bench.csms is not None
            recording.registers = bench.board.state()
        recording.commits = bench.commits
        recording.frames = list(bench.csms.journal.frames)

    with power:
        run_virtual(run())
    return recording


STRANGER = "ABCDEF01"
"""A card that no CSMS of these tests knows."""


async def settle(bench: Bench) -> None:
    """The station boots and says what it has to say; then every car leaves."""
    await asyncio.sleep(30)
    await bench.go_online()
    await asyncio.sleep(170)
    for evse in bench.board.evses:
        if evse.car is not None and bench.view().evse(evse.number).lock is LockState.LOCKED:
            bench.swipe(STRANGER, evse.number)  # a cable kept for its owner; only the refused stranger's is
            await asyncio.sleep(5)
        if evse.car is not None:
            bench.unplug(evse.number)
    await asyncio.sleep(100)


def resume(recording: Recording, folder: Path, at: Commit, *, around: Around = lambda store: store) -> Aftermath:
    """Power comes back a minute after the cut; `folder` holds the files it left, `at` is the moment of the cut."""
    settings = replace(recording.settings, folder=folder)

    async def run() -> Aftermath:
        bench = Bench(settings, around=around)
        assert bench.csms is not None
        bench._host_boots = 1_000
        bench.remember(recording.frames[: at.frames])
        bench.board.restore(at.registers)
        for evse, soc in at.cars:
            bench.board.plug(evse, Car(CarSettings(soc_percent=soc)))
        if not at.online:
            await bench.offline()
        async with bench:
            await settle(bench)
            store = bench.running.store
            assert not store.records(), "everything was delivered"
            return Aftermath(
                frames=tuple(bench.csms.journal.frames),
                seen=bench.csms.station(settings.identity),
                commits=tuple(bench.commits),
                dead=tuple(store.dead_letters()),
                registers=bench.board.state(),
            )

    return run_virtual(run(), start_wall=at.wall + OUTAGE_S)


def moment_of(recording: Recording, point: int) -> tuple[Commit, tuple[Commit, ...], Commit | None]:
    """The world at a cut: its moment, the commits acknowledged by then, and the one of which something was written."""
    acknowledged = tuple(commit for commit in recording.commits if commit.done <= point)
    following = next((commit for commit in recording.commits if commit.done > point), None)
    if following is not None and following.begun <= point:
        return following, acknowledged, following if following.begun < point else None
    if acknowledged:
        return acknowledged[-1], acknowledged, None
    return Commit(0, 0, (), DEFAULT_WALL, 0, {}, (), online=True), (), None


def saved(commits: Sequence[Commit], kind: str) -> dict[str, Json]:
    """The rows of a kind as these commits leave them."""
    rows: dict[str, Json] = {}
    for commit in commits:
        for op in commit.ops:
            if isinstance(op, PutRow) and op.kind == kind:
                rows.pop(op.key, None)
                if op.value is not None:
                    rows[op.key] = op.value
    return rows
