"""A database that is locked, read-only, full, damaged or newer: at the start, and in the middle of a charge."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hal.sim.board import build
from hal.sim.world import World
from station.app import EvseSetup, StationApp, StationSetup, Surroundings, file_store
from station.errors import StoreError
from station.sim.csms import Refusal, SeenFrame
from station.sim.lab import KNOWN_TOKENS, LabSettings
from station.sim.loop import run as run_virtual
from station.store.migrate import load
from station.store.ops import PutRow, StorePort
from station.store.sqlite import SqliteStore
from tests.durability import law5
from tests.durability.bench import Bench
from tests.durability.safety import Safety
from tests.store.powercut import PowerCut

NOBODY = 65_534

HOLDER = """
import sys, time
from station.store.sqlite import SqliteStore
store = SqliteStore.open(sys.argv[1], threaded=False, now_wall=time.time)
print("held", flush=True)
sys.stdin.read()
"""


# --- at the start -------------------------------------------------------------------------------------------------------


def make_app(database: Path) -> StationApp:
    """A station as the firmware makes it, up to the point where it would run."""
    board = build({"evses": 1}, World.of_running_loop()).board
    return StationApp(
        StationSetup("CS1", "ws://127.0.0.1:9", ("2.0.1",), (EvseSetup(1, "sim"),)),
        Surroundings(boards=lambda: {"sim": board}, open_store=file_store(database, lambda: 1_767_225_600.0)),
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "station.db"


async def start_and_stop(database: Path) -> None:
    make_app(database).store.close()


def refusal(database: Path) -> str:
    """What a station says that cannot start. It names the file."""
    with pytest.raises(StoreError) as caught:
        make_app(database)
    assert str(database) in str(caught.value)
    return str(caught.value)


async def test_locked_by_another_station(database: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        said = refusal(database)
        holder.communicate("")
    assert f"process {holder.pid} is using it; stop that station first" in said
    await start_and_stop(database)


async def test_locked_by_a_tool(database: Path) -> None:
    """Somebody has the file open in a database browser, in the middle of a change."""
    await start_and_stop(database)
    tool = sqlite3.connect(database, isolation_level=None)
    tool.execute("BEGIN EXCLUSIVE")
    said = refusal(database)
    tool.close()
    assert "another program has it open; stop that program" in said
    await start_and_stop(database)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Permissions mean nothing to root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    folder = Path("/dev/shm" if Path("/dev/shm").is_dir() else tmp_path) / f"pilotwire-{os.getpid()}"
    folder.mkdir(mode=0o555)
    try:
        with as_nobody():
            said = refusal(folder / "station.db")
    finally:
        folder.rmdir()
    assert "writable for this user" in said


async def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    folder = Path("/dev/shm" if Path("/dev/shm").is_dir() else tmp_path) / f"pilotwire-{os.getpid()}"
    folder.mkdir()
    database = folder / "station.db"
    try:
        await start_and_stop(database)
        for path in (database, folder):
            path.chmod(0o555)
        with as_nobody():
            said = refusal(database)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert "check owner, mode and whether the disk is mounted read-only" in said or "writable for this user" in said


async def test_no_directory(tmp_path: Path) -> None:
    """An unmounted disk must not look like an empty station."""
    assert "the directory must exist" in refusal(tmp_path / "gone" / "station.db")


async def test_a_full_disk_at_the_start(database: Path) -> None:
    with PowerCut(database.parent) as power:
        power.fault = lambda verb, name: sqlite3.SQLITE_FULL if verb == "write" else 0
        said = refusal(database)
        assert "the disk is full; free some space" in said
        power.fault = None
        await start_and_stop(database)


async def test_from_a_newer_version(database: Path) -> None:
    await start_and_stop(database)
    newer = sqlite3.connect(database)
    newer.execute(f"PRAGMA user_version = {len(load()) + 7}")
    newer.close()
    before = database.read_bytes()
    said = refusal(database)
    assert "newer" in said
    assert database.read_bytes() == before


# --- damage -------------------------------------------------------------------------------------------------------------


class RecoveringBench(Bench):
    """A bench that opens its database as the firmware does: a damaged one is kept, and what can be read is saved."""

    def _open_file(self) -> StorePort:
        return SqliteStore.open(self.database, threaded=False, now_wall=self._wall, recover=True)


async def charge_offline(bench: Bench) -> None:
    """A charge that the CSMS does not hear of."""
    await bench.offline()
    await asyncio.sleep(2)
    bench.plug(1)
    await asyncio.sleep(2)
    bench.swipe()
    await asyncio.sleep(600)
    bench.swipe()
    await asyncio.sleep(5)
    bench.unplug(1)
    await asyncio.sleep(5)


def damage(database: Path) -> None:
    """Spoil the pages in the middle of the table of records."""
    content = bytearray(database.read_bytes())
    middle = content.find(b"MeterValuePeriodic")
    assert middle > 0
    page = middle // 4096 * 4096
    content[page : page + 4096] = bytes(4096)
    database.write_bytes(content)


def test_a_damaged_database_is_kept_and_what_it_held_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = LabSettings(folder=tmp_path, variables=VARIABLES)
    database = tmp_path / "station.db"

    async def before() -> int:
        async with Bench(settings) as bench:
            await charge_offline(bench)
            return len(bench.running.store.records())

    written = run_virtual(before())
    damage(database)
    spoilt = database.read_bytes()

    async def refused() -> None:
        Bench(settings)._open_store()

    with pytest.raises(StoreError, match=f"{database}: it is damaged.*station store recover {database}"):
        run_virtual(refused())

    async def after() -> list[SeenFrame]:
        async with RecoveringBench(settings) as bench:
            await asyncio.sleep(60)
            assert not bench.running.store.records()
            bench.plug(1)
            await asyncio.sleep(1)
            bench.swipe()
            await asyncio.sleep(60)
            assert bench.view().evse(1).permit, "it works as ever"
            assert bench.csms is not None
            return bench.csms.journal.calls(settings.identity)

    calls = run_virtual(after())
    (kept,) = tmp_path.glob("station.db.corrupt-*Z")
    assert kept.read_bytes() == spoilt
    assert f"kept as {kept}" in caplog.text
    told = [
        call.payload["seqNo"] for call in calls if call.action == "TransactionEvent" and call.payload.get("offline")
    ]
    assert told == sorted(told)
    assert 0 < len(told) < written
    law5.ids_never_repeat(calls)


# --- while it runs ------------------------------------------------------------------------------------------------------


def full(verb: str, _name: str) -> int:
    return sqlite3.SQLITE_FULL if verb == "write" else 0


def broken(verb: str, _name: str) -> int:
    return sqlite3.SQLITE_IOERR_FSYNC if verb == "sync" else 0


VARIABLES = {"SampledDataCtrlr.TxUpdatedInterval": "60", "OCPPCommCtrlr.RetryBackOffRepeatTimes": "1"}
COMMANDS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "1.6": [
        ("RemoteStartTransaction", {"idTag": KNOWN_TOKENS[1], "connectorId": 2}),
        ("ChangeAvailability", {"connectorId": 2, "type": "Inoperative"}),
        ("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "30"}),
        ("GetConfiguration", {}),
        ("ClearCache", {}),
        ("TriggerMessage", {"requestedMessage": "StatusNotification"}),
        ("UnlockConnector", {"connectorId": 2}),
        ("Reset", {"type": "Soft"}),
    ],
    "2.0.1": [
        (
            "RequestStartTransaction",
            {"idToken": {"idToken": KNOWN_TOKENS[1], "type": "ISO14443"}, "remoteStartId": 7, "evseId": 2},
        ),
        ("ChangeAvailability", {"evse": {"id": 2}, "operationalStatus": "Inoperative"}),
        (
            "SetVariables",
            {
                "setVariableData": [
                    {
                        "component": {"name": "SampledDataCtrlr"},
                        "variable": {"name": "TxUpdatedInterval"},
                        "attributeValue": "30",
                    }
                ]
            },
        ),
        (
            "GetVariables",
            {"getVariableData": [{"component": {"name": "TxCtrlr"}, "variable": {"name": "TxStartPoint"}}]},
        ),
        ("ClearCache", {}),
        ("TriggerMessage", {"requestedMessage": "StatusNotification"}),
        ("UnlockConnector", {"evseId": 2, "connectorId": 1}),
        ("Reset", {"type": "Immediate"}),
    ],
}
CHANGES = {"RemoteStartTransaction", "RequestStartTransaction", "ChangeAvailability", "ChangeConfiguration", "Reset"}


def refused(answer: Any) -> bool:
    """Not carried out, and said so."""
    return isinstance(answer, Refusal) or answer["status"] == "Rejected"


@pytest.mark.parametrize("fault", [full, broken])
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_the_disk_fails_in_the_middle_of_a_charge(
    version: str, fault: Callable[[str, str], int], tmp_path: Path
) -> None:
    settings = LabSettings(versions=(version,), folder=tmp_path.resolve(), variables=VARIABLES)

    async def session(power: PowerCut) -> tuple[Bench, Safety]:
        async with Bench(settings, power=power) as bench:
            safety = Safety(bench)
            await begin(bench)
            power.fault = fault
            await fails(bench)
            await answers_commands(bench, version)
            power.fault = None
            await asyncio.sleep(20)
            await recovers(bench)
            return bench, safety

    with PowerCut(tmp_path) as power:
        bench, safety = run_virtual(session(power))
    assert safety.broken == []
    assert safety.turns > 20
    assert bench.csms is not None
    assert bench.csms.station(settings.identity).complaints == []
    frames = list(bench.csms.journal.frames)
    law5.ids_never_repeat(frames)
    told = law5.told_16(frames, 0) if version == "1.6" else law5.told_201(frames, 0)
    law5.everything_told([fact for commit in bench.commits for fact in commit.facts], told, version)
    ends = [tx.ends[0] for tx in told.values() if tx.evse == 1]
    assert ends[0] == "Other"
    assert ends[-1] == "Local"
    registers = {int(n): row["energy_import_wh"] for n, row in bench.board.state().items()}
    law5.energy_is_whole(told.values(), {1: 0.0, 2: 0.0}, registers, slack=0.51 if version == "1.6" else 0.051)


async def begin(bench: Bench) -> None:
    await asyncio.sleep(2)
    bench.plug(1)
    await asyncio.sleep(2)
    bench.swipe()
    await asyncio.sleep(150)
    assert bench.view().evse(1).permit


async def fails(bench: Bench) -> None:
    """The next sample cannot be saved: power goes at once, and nobody can begin."""
    async with asyncio.timeout(100):
        while bench.view().evse(1).permit:
            await asyncio.sleep(0.1)
    view = bench.view()
    assert view.save_failed
    await asyncio.sleep(0.2)  # the contactor needs its 20 ms, and the pilot its time
    assert not bench.view().evse(1).relay_closed
    bench.plug(2)
    await asyncio.sleep(1)
    bench.swipe(KNOWN_TOKENS[1], evse=2)
    await asyncio.sleep(5)
    assert not bench.view().evse(2).permit
    assert not bench.view().evse(2).authorized


async def answers_commands(bench: Bench, version: str) -> None:
    assert bench.csms is not None
    for action, payload in COMMANDS[version]:
        answer = await bench.csms.call(bench.settings.identity, action, payload, timeout=2.0)
        if action in CHANGES:
            assert refused(answer), f"{action}: {answer}"
        if action == "SetVariables":
            assert not isinstance(answer, Refusal)
            assert [item["attributeStatus"] for item in answer["setVariableResult"]] == ["Rejected"]
    assert not bench.view().evse(2).permit


async def recovers(bench: Bench) -> None:
    """Everything is told, what was refused did not happen after all, and the next driver is served."""
    assert not bench.view().save_failed
    assert bench.running.model.integer("SampledDataCtrlr", "TxUpdatedInterval") == 60
    assert bench.view().evse(2).operative
    assert not bench.running.store.records()
    for evse in (1, 2):
        bench.unplug(evse)
    await asyncio.sleep(10)
    bench.plug(1)
    await asyncio.sleep(2)
    bench.swipe()
    await asyncio.sleep(100)
    assert bench.view().evse(1).permit
    bench.swipe()
    await asyncio.sleep(5)
    bench.unplug(1)
    await asyncio.sleep(5)


def test_power_fails_while_the_disk_does(tmp_path: Path) -> None:
    """What could not be saved was not told either; what was saved is closed at the next start."""
    settings = LabSettings(folder=tmp_path.resolve(), variables=VARIABLES)

    async def session(power: PowerCut) -> Bench:
        async with Bench(settings, power=power) as bench:
            await begin(bench)
            power.fault = full
            await fails(bench)
            bench.unplug(2)
            await bench.power_cut()
            power.fault = None
            await asyncio.sleep(30)
            await bench.power_on()
            await asyncio.sleep(30)
            assert not bench.running.store.records()
            bench.unplug(1)
            await asyncio.sleep(10)
            return bench

    with PowerCut(tmp_path) as power:
        bench = run_virtual(session(power))
    check_all_told(bench, ["PowerLoss", "EVDisconnected"])


def check_all_told(bench: Bench, ends: list[str]) -> None:
    """Everything saved was told in order, the energy is whole, and EVSE 1's transactions ended like this."""
    assert bench.csms is not None
    assert bench.csms.station(bench.settings.identity).complaints == []
    frames = list(bench.csms.journal.frames)
    law5.ids_never_repeat(frames)
    told = law5.told_201(frames, 1)
    law5.everything_told([fact for commit in bench.commits for fact in commit.facts], told, "2.0.1")
    assert [tx.ends[0] for tx in told.values() if tx.evse == 1] == ends
    registers = {int(n): row["energy_import_wh"] for n, row in bench.board.state().items()}
    law5.energy_is_whole(told.values(), {1: 0.0, 2: 0.0}, registers, 0.051)


# --- a disk that really is full -----------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Two megabytes of their own. Only root may mount; `PowerCut.fault` shows the same to everybody else."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this system lets nobody mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take every byte that is left."""
    file = folder / "somebody-elses.log"
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    return file


def test_a_full_disk_and_a_restart_upon_it(small_disk: Path) -> None:
    """The reserve lets the station start, close what was open, and tell it, though nobody has cleaned up yet."""
    settings = LabSettings(folder=small_disk, variables=VARIABLES)

    async def session() -> Bench:
        async with Bench(settings) as bench:
            await begin(bench)
            log = fill(small_disk)
            await fails(bench)
            bench.unplug(2)
            await bench.power_cut()
            assert (small_disk / "station.db.reserve").exists()
            await asyncio.sleep(30)
            await bench.power_on()
            await asyncio.sleep(60)
            assert not (small_disk / "station.db.reserve").exists()
            assert not bench.view().save_failed
            assert not bench.running.store.records()
            log.unlink()
            bench.unplug(1)
            await asyncio.sleep(10)
            return bench

    check_all_told(run_virtual(session()), ["PowerLoss", "EVDisconnected"])


@pytest.mark.parametrize("fault", [full, broken])
def test_stopped_while_the_disk_fails(fault: Callable[[str, str], int], tmp_path: Path) -> None:
    """It ends, in time, and the next start finds everything that was ever saved."""
    settings = LabSettings(folder=tmp_path.resolve(), variables=VARIABLES)

    async def session(power: PowerCut) -> Bench:
        async with Bench(settings, power=power) as bench:
            await begin(bench)
            power.fault = fault
            await fails(bench)
            bench.unplug(2)
            async with asyncio.timeout(20):
                await bench.running.stop()
            bench.app = None
            power.fault = None
            await bench._boot()
            await asyncio.sleep(30)
            bench.unplug(1)
            await asyncio.sleep(10)
            return bench

    with PowerCut(tmp_path) as power:
        bench = run_virtual(session(power))
    assert bench.csms is not None
    frames = list(bench.csms.journal.frames)
    law5.ids_never_repeat(frames)
    told = law5.told_201(frames, 1)
    first = next(iter(told.values()))
    assert first.ends[0] in ("Reboot", "Other"), "a sync that failed may have been one after all"
    law5.everything_told([fact for commit in bench.commits for fact in commit.facts], told, "2.0.1")


async def test_a_tool_that_wants_the_database_of_a_running_station(database: Path) -> None:
    """It is turned away, and the station never notices."""
    store = make_app(database).store
    tool = sqlite3.connect(database, timeout=0.0, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        tool.execute("BEGIN IMMEDIATE")
    tool.close()
    saved: asyncio.Future[StoreError | None] = asyncio.get_running_loop().create_future()
    store.commit([PutRow("after", "all", {})], saved.set_result)
    assert await saved is None
    store.close()
