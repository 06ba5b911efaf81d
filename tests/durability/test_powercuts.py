"""LAW 5: the power is cut at every sync of a session, and the station starts again from what the disk then holds.

At every cut the disk has nothing of the last commit, all of it, and at some cuts a random part of it; `PILOTWIRE_CUTS=N`
tries N random parts at every cut.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from station.clock import iso, parse_iso
from station.core.facts import TxFact
from station.core.types import StopReason, TxPhase
from station.errors import StoreError
from station.sim.lab import KNOWN_TOKENS, Lab, LabSettings
from station.sim.loop import run as run_virtual
from station.store.ops import Op, PutContext, PutRow, StorePort
from station.store.sqlite import SqliteStore
from tests.durability import law5
from tests.durability.bench import (
    STRANGER,
    Aftermath,
    Around,
    Bench,
    Commit,
    Recording,
    WatchedStore,
    moment_of,
    record,
    resume,
    saved,
)

RANDOM_STATES = os.environ.get("PILOTWIRE_CUTS")
INITIAL_WH = 1_234.0


# --- the sessions -------------------------------------------------------------------------------------------------------


async def online(lab: Lab) -> None:
    """Two cars at once; one driver stops with the card, the other's car leaves."""
    await asyncio.sleep(2)
    lab.plug(1)
    await asyncio.sleep(2)
    lab.swipe()
    await asyncio.sleep(30)
    lab.swipe(KNOWN_TOKENS[1], evse=2)
    await asyncio.sleep(5)
    lab.plug(2)
    await asyncio.sleep(900)
    lab.swipe()
    await asyncio.sleep(10)
    lab.unplug(1)
    await asyncio.sleep(60)
    lab.unplug(2, at_car=True)
    await asyncio.sleep(10)


async def starts_offline(lab: Lab) -> None:
    """The network comes back in mid-session."""
    await lab.offline()
    await asyncio.sleep(2)
    lab.plug(1)
    await asyncio.sleep(2)
    lab.swipe()
    await asyncio.sleep(700)
    await lab.go_online()
    await asyncio.sleep(400)
    lab.swipe()
    await asyncio.sleep(10)
    lab.unplug(1)
    await asyncio.sleep(5)


async def ends_offline(lab: Lab) -> None:
    """The network goes, the driver stops and leaves, another one comes and leaves, and then it is back."""
    await asyncio.sleep(2)
    lab.plug(1)
    await asyncio.sleep(2)
    lab.swipe()
    await asyncio.sleep(400)
    await lab.offline()
    await asyncio.sleep(400)
    lab.swipe()
    await asyncio.sleep(5)
    lab.unplug(1)
    await asyncio.sleep(20)
    lab.plug(1)
    await asyncio.sleep(2)
    lab.swipe()
    await asyncio.sleep(350)
    lab.swipe()
    await asyncio.sleep(5)
    lab.unplug(1)
    await asyncio.sleep(20)
    await lab.go_online()
    await asyncio.sleep(60)


async def reset(lab: Lab) -> None:
    """The CSMS starts a charge, stops it, starts another one and resets the station in the middle of it."""
    assert lab.csms is not None
    old = lab.settings.versions[0] == "1.6"
    start = {"idTag": KNOWN_TOKENS[0], "connectorId": 1}
    if not old:
        start = {"idToken": {"idToken": KNOWN_TOKENS[0], "type": "ISO14443"}, "remoteStartId": 7, "evseId": 1}
    station = lab.settings.identity
    lab.plug(1)
    await asyncio.sleep(2)
    await lab.csms.call(station, "RemoteStartTransaction" if old else "RequestStartTransaction", start)
    await asyncio.sleep(350)
    name = next(iter(lab.csms.station(station).transactions))
    await lab.csms.call(
        station,
        "RemoteStopTransaction" if old else "RequestStopTransaction",
        {"transactionId": int(name) if old else name},
    )
    await asyncio.sleep(5)
    lab.unplug(1)
    await asyncio.sleep(5)
    lab.plug(1)
    await asyncio.sleep(2)
    lab.swipe()
    await asyncio.sleep(350)
    await lab.csms.call(station, "Reset", {"type": "Hard" if old else "Immediate"})
    await asyncio.sleep(30)
    lab.unplug(1)
    await asyncio.sleep(5)


async def cut_before(lab: Lab) -> None:
    """Power is cut in mid-session and comes back: cuts strike the recovery, and the session after it."""
    await asyncio.sleep(2)
    lab.plug(1)
    lab.plug(2)
    await asyncio.sleep(2)
    lab.swipe()
    lab.swipe(KNOWN_TOKENS[1], evse=2)
    await asyncio.sleep(310)
    await lab.power_cut()
    await asyncio.sleep(20)
    await lab.power_on()
    await asyncio.sleep(20)
    lab.swipe()
    await asyncio.sleep(310)
    lab.swipe()
    await asyncio.sleep(5)
    lab.unplug(1)
    lab.unplug(2)
    await asyncio.sleep(5)


async def warned(lab: Lab) -> None:
    """The board has a capacitor: the end is written down in the last milliseconds, or not quite.

    No reading is waited for then, so what flowed since the last look at the meter is missing from the last register.
    """
    lab.plug(1)
    await asyncio.sleep(2)
    lab.swipe()
    await asyncio.sleep(310)
    await lab.power_cut(warning=True)
    await asyncio.sleep(20)
    await lab.power_on()
    await asyncio.sleep(20)
    lab.unplug(1)
    await asyncio.sleep(5)


async def crashes(lab: Lab) -> None:
    """The program dies twice, with the network away the second time; the machine goes on."""
    await asyncio.sleep(2)
    lab.plug(1)
    await asyncio.sleep(2)
    lab.swipe()
    await asyncio.sleep(310)
    await lab.restart()
    await asyncio.sleep(20)
    lab.swipe()
    await asyncio.sleep(20)
    await lab.offline()
    await asyncio.sleep(300)
    await lab.restart()
    await asyncio.sleep(20)
    await lab.go_online()
    await asyncio.sleep(60)
    lab.unplug(1)
    await asyncio.sleep(5)


async def refused_afterwards(lab: Lab) -> None:
    """A stranger charges while the network is away; the CSMS does not want it (StopTxOnInvalidId)."""
    await lab.offline()
    await asyncio.sleep(2)
    lab.plug(1)
    await asyncio.sleep(2)
    lab.swipe(STRANGER)
    await asyncio.sleep(400)
    await lab.go_online()
    await asyncio.sleep(60)
    lab.swipe(STRANGER)  # the cable waits for its owner
    await asyncio.sleep(2)
    lab.unplug(1)
    await asyncio.sleep(5)


@dataclass(frozen=True, slots=True)
class Session:
    """play; losses: connections that it loses by itself; ends: the reasons of its transactions when nobody cuts.

    latency_s: of the network; with some, cuts strike while a message is on its way. unread_wh: energy that may go untold.
    """

    play: Callable[[Lab], Coroutine[Any, Any, None]]
    ends: tuple[StopReason, ...]
    losses: int = 0
    latency_s: float = 0.0
    unread_wh: float = 0.0
    variables: Mapping[str, str] = field(default_factory=dict)


SESSIONS = {
    "online": Session(online, (StopReason.LOCAL, StopReason.EV_DISCONNECTED), latency_s=0.4),
    "starts_offline": Session(starts_offline, (StopReason.LOCAL,), losses=1),
    "ends_offline": Session(ends_offline, (StopReason.LOCAL, StopReason.LOCAL), losses=1),
    "reset": Session(reset, (StopReason.REMOTE, StopReason.IMMEDIATE_RESET), losses=1),
    "cut_before": Session(cut_before, (StopReason.POWER_LOSS, StopReason.POWER_LOSS, StopReason.LOCAL), losses=1),
    "warned": Session(warned, (StopReason.POWER_LOSS,), losses=1),
    "crashes": Session(crashes, (StopReason.REBOOT, StopReason.REBOOT), losses=3),
    "refused_afterwards": Session(refused_afterwards, (StopReason.DE_AUTHORIZED,), losses=1),
}
VARIABLES = {
    "SampledDataCtrlr.TxUpdatedInterval": "300",  # few samples: every fact costs three commits
    "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "1",
}


def settings_for(session: Session, version: str) -> LabSettings:
    return LabSettings(
        versions=(version,),
        board={"report_soc": False, "initial_wh": INITIAL_WH},
        variables={**VARIABLES, **session.variables},
    )


# --- what is demanded ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut: where, and what the disk made of unsynced writes."""

    recording: Recording
    point: int
    seed: int
    moment: Commit
    acknowledged: tuple[Commit, ...]
    under_way: Commit | None

    @property
    def likely(self) -> tuple[Commit, ...]:
        """Everything that may have been saved."""
        return self.acknowledged if self.under_way is None else (*self.acknowledged, self.under_way)


def facts_of(commits: Sequence[Commit]) -> list[TxFact]:
    return [fact for commit in commits for fact in commit.facts]


def told_by(version: str, aftermath: Aftermath, losses: int) -> dict[str, law5.Told]:
    return law5.told_16(aftermath.frames, losses) if version == "1.6" else law5.told_201(aftermath.frames, losses)


def check(cut: Cut, session: Session, aftermath: Aftermath) -> None:
    """Raises AssertionError when LAW 5 does not hold."""
    version = cut.recording.settings.versions[0]
    assert aftermath.seen.complaints == []
    assert aftermath.dead == ()
    law5.ids_never_repeat(aftermath.frames)
    told = told_by(version, aftermath, session.losses + 1)
    facts = [*facts_of(cut.acknowledged), *facts_of(aftermath.commits)]
    law5.everything_told(facts, told, version)
    every = [*facts_of(cut.likely), *facts_of(aftermath.commits)]
    assert len({fact.tx_id for fact in every if fact.seq == 0}) == sum(fact.seq == 0 for fact in every), "ids repeat"
    known = names(every, version)
    assert set(told) <= set(known), "told of a transaction that nobody started"
    for name, tx in told.items():
        assert len(tx.ends) == 1, f"{name}: {tx.ends}"
        allowed = {law5.reason_word(reason, version) for reason in reasons(cut, aftermath, known[name]) if reason}
        assert tx.ends[0] in allowed, f"{name} ended with {tx.ends[0]}, not with {allowed}"
    before = {1: INITIAL_WH, 2: INITIAL_WH}
    after = {int(evse): row["energy_import_wh"] for evse, row in aftermath.registers.items()}
    slack = (0.51 if version == "1.6" else 0.051) + session.unread_wh
    law5.energy_is_whole(told.values(), before, after, slack)


def names(facts: Sequence[TxFact], version: str) -> dict[str, str]:
    """What the CSMS may call a transaction -> our id."""
    if version != "1.6":
        return {fact.tx_id: fact.tx_id for fact in facts}
    by_tx: dict[str, list[TxFact]] = {}
    for fact in facts:
        by_tx.setdefault(fact.tx_id, []).append(fact)
    starts = {tx_id: law5.start_16(of_tx) for tx_id, of_tx in by_tx.items()}
    return {law5.name_16(start): tx_id for tx_id, start in starts.items() if start is not None}


def reasons(cut: Cut, aftermath: Aftermath, tx_id: str) -> set[StopReason | None]:
    """Settled before the cut: that one. Open at the cut: PowerLoss. Begun after it: whatever came."""
    states = [cut.acknowledged, cut.likely]
    found = {_reason(commits, tx_id) for commits in states if any(f.tx_id == tx_id for f in facts_of(commits))}
    if found:
        return found
    return {f.stop_reason for f in facts_of(aftermath.commits) if f.tx_id == tx_id and f.phase is TxPhase.ENDED}


def _reason(commits: Sequence[Commit], tx_id: str) -> StopReason | None:
    for fact in facts_of(commits):
        if fact.tx_id == tx_id and fact.phase is TxPhase.ENDED:
            return fact.stop_reason
    row = next(row for row in saved(commits, "tx").values() if row["tx_id"] == tx_id)
    return StopReason(row["ending"]["reason"]) if row["ending"] else StopReason.POWER_LOSS


# --- cutting ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def disks() -> Iterator[Path]:
    """In memory where there is such a place, because each start syncs."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name).resolve()


def cuts(recording: Recording, disk: Path) -> Iterator[Cut]:
    """Before and after each sync; each state that the disk may be in counts once."""
    known: set[tuple[int, int, bytes]] = set()
    for point in recording.power.cut_points():
        moment, acknowledged, under_way = moment_of(recording, point)
        states = (0, 1, *_random_states(point)) if under_way is not None else (0,)
        for seed in states:
            image = recording.power.image_at(point, seed, disk)
            key = (moment.begun, len(acknowledged), _digest(image))
            if key not in known:
                known.add(key)
                yield Cut(recording, point, seed, moment, acknowledged, under_way)


def _random_states(point: int) -> range:
    """Seeds of `PowerCut.image_at` beyond 0 and 1."""
    count = int(RANDOM_STATES) if RANDOM_STATES is not None else int(point % 5 == 0)
    return range(point + 2, point + 2 + count)


def _digest(folder: Path) -> bytes:
    digest = hashlib.blake2b()
    for file in sorted(folder.iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.digest()


def live_through(cut: Cut, session: Session, disk: Path) -> None:
    folder = cut.recording.power.image_at(cut.point, cut.seed, disk)
    try:
        check(cut, session, resume(cut.recording, folder, cut.moment))
    except AssertionError as error:
        raise AssertionError(f"cut at {cut.point}, seed {cut.seed}, {cut.moment.wall:.3f}: {error}") from error


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize("name", SESSIONS)
def test_a_cut_at_any_sync_loses_nothing(name: str, version: str, disks: Path) -> None:
    session = SESSIONS[name]
    recording = record(disks / "disk", settings_for(session, version), session.play, latency_s=session.latency_s)
    ended = [fact.stop_reason for fact in facts_of(recording.commits) if fact.phase is TxPhase.ENDED]
    wanted = session.ends
    if version == "1.6":
        wanted = tuple(StopReason.HARD_RESET if r is StopReason.IMMEDIATE_RESET else r for r in wanted)
    assert [reason for reason in ended if reason in wanted][: len(wanted)] == list(wanted), (
        "the session went as planned"
    )
    assert len(recording.commits) > 10
    for cut in cuts(recording, disks / "cut"):
        live_through(cut, session, disks / "cut")


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize("error_s", [-400 * 86_400.0, 3 * 3_600.0])
def test_the_clock_is_wrong_after_the_cut(error_s: float, version: str, tmp_path: Path) -> None:
    """A controller without a battery for its clock: nobody is told a time before the CSMS has told the right one."""
    settings = replace(settings_for(SESSIONS["online"], version), folder=tmp_path, trust_clock=False)
    times: list[tuple[float, float]] = []

    async def run() -> None:
        async with Bench(settings) as bench:
            await asyncio.sleep(2)
            bench.plug(1)
            await asyncio.sleep(2)
            bench.swipe()
            await asyncio.sleep(400)
            await bench.power_cut()
            bench.clock_error_s = error_s
            await asyncio.sleep(60)
            await bench.offline()
            await bench.power_on()
            await asyncio.sleep(60)
            await bench.go_online()
            await asyncio.sleep(60)
            bench.unplug(1)
            await asyncio.sleep(10)
            assert bench.csms is not None
            times.extend(
                (parse_iso(frame.payload["timestamp"]), frame.wall)
                for frame in bench.csms.journal.calls(settings.identity)
                if frame.action in {"TransactionEvent", "StopTransaction", "StatusNotification"}
            )

    run_virtual(run())
    assert len(times) > 8
    for told, came in times:
        assert came - 90 <= told <= came + 1, f"{iso(told)} told at {iso(came)}"


# --- the proof that all this can fail -----------------------------------------------------------------------------------


def without_sync(store: StorePort) -> StorePort:
    """A database that trusts the disk's cache."""
    assert isinstance(store, SqliteStore)
    store._connection.execute("PRAGMA synchronous = OFF")
    return store


class Forgetful(WatchedStore):
    """A store that says it has saved everything, and leaves some of it out."""

    def __init__(self, store: StorePort, forgets: Callable[[Op], bool]) -> None:
        super().__init__(store, lambda ops: lambda: None)
        self._forgets = forgets

    def commit(self, ops: Sequence[Op], done: Callable[[StoreError | None], None]) -> None:
        super().commit([op for op in ops if not self._forgets(op)], done)


def forgetting(forgets: Callable[[Op], bool]) -> Around:
    return lambda store: Forgetful(store, forgets)


SABOTAGE: dict[str, tuple[str, Around, str]] = {
    "no fsync": ("2.0.1", without_sync, "facts lost"),
    "the end is not saved": (
        "2.0.1",
        forgetting(lambda op: isinstance(op, PutRow) and op.kind == "tx" and bool(op.value and op.value["ending"])),
        "ended with PowerLoss, not with {'Local'}",
    ),
    "the transaction is not saved": (
        "2.0.1",
        forgetting(lambda op: isinstance(op, PutRow) and op.kind == "tx"),
        "ended 0 times",
    ),
    "the CSMS's id is not saved": ("1.6", forgetting(lambda op: isinstance(op, PutContext)), "ended 0 times"),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_station_that_loses_something_is_found_out(name: str, disks: Path) -> None:
    version, around, complaint = SABOTAGE[name]
    session = SESSIONS["online"]
    recording = record(disks / "disk", settings_for(session, version), session.play, around=around)
    found = []
    for commit in recording.commits[2:]:
        cut = Cut(recording, commit.done, 0, *moment_of(recording, commit.done))
        try:
            live_through(cut, session, disks / "cut")
        except AssertionError as error:
            found.append(str(error))
            if complaint in found[-1]:
                return
    pytest.fail(f"nobody noticed: {found}")
