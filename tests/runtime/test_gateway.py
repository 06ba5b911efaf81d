"""LAW 2's order, with the real core and the real store; the board and the CSMS side only write down what they are told."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hal.api import (
    ButtonPressed,
    CardPresented,
    Fault,
    FaultCode,
    LockChanged,
    LockState,
    MeterRead,
    MeterReading,
    PilotChanged,
    PilotSignal,
    PilotState,
    PowerPathChanged,
    ProximityChanged,
)
from station.clock import Clock, parse_iso
from station.core.charging.profiles import Purpose
from station.core.components import standard_definitions
from station.core.device_model import DeviceModel
from station.core.effects import Ask, Cancel, Indicate, NoticeBody, Output, Reply, SignReading, Start
from station.core.events import (
    Answered,
    Event,
    InstallProfile,
    LinkUp,
    RemoteStart,
    Reset,
    SetVariables,
    ShutdownRequested,
    TriggerStatus,
    VariableWrite,
)
from station.core.facts import Fact, TxFact
from station.core.station import Station
from station.core.types import AuthStatus, EvseInfo, IdToken, ResetKind, StopReason, TokenInfo, TxPhase, Verdict
from station.errors import StoreError
from station.runtime.gateway import COMMIT_RETRY_S, Gateway
from station.store.ops import Op
from station.store.sqlite import SqliteStore
from tests.core.smart_rig import limited

ACCEPTED = TokenInfo(AuthStatus.ACCEPTED)
FULL = StoreError("disk full: make room")


class Timers:
    """A scheduler in virtual seconds."""

    def __init__(self) -> None:
        self.at = 100.0
        self._heap: list[tuple[float, int, Callable[[], None], list[bool]]] = []
        self._count = itertools.count()

    def time(self) -> float:
        return self.at

    def call_at(self, when: float, call: Callable[..., Any], *arguments: Any) -> Timers.Handle:
        alive = [True]
        heapq.heappush(self._heap, (when, next(self._count), lambda: call(*arguments), alive))
        return Timers.Handle(alive)

    class Handle:
        def __init__(self, alive: list[bool]) -> None:
            self._alive = alive

        def cancel(self) -> None:
            self._alive[0] = False

    def fire_early(self, by: float) -> None:
        """Call the next one before its time."""
        while True:
            when, _, call, alive = heapq.heappop(self._heap)
            if alive[0]:
                self.at = when - by
                call()
                return

    def run(self, seconds: float) -> None:
        end = self.at + seconds
        while self._heap and self._heap[0][0] <= end:
            when, _, call, alive = heapq.heappop(self._heap)
            self.at = max(self.at, when)
            if alive[0]:
                call()
        self.at = end


class Disk:
    """The real store; commits can be made to fail, or to be finished when the test says so."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.error: StoreError | None = None
        self.slow = False
        self.pending: list[tuple[Sequence[Op], Callable[[StoreError | None], None]]] = []
        self.commits: list[Sequence[Op]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def commit(self, ops: Sequence[Op], done: Callable[[StoreError | None], None]) -> None:
        if self.slow:
            self.pending.append((ops, done))
        elif self.error is not None:
            done(self.error)
        else:
            self.commits.append(ops)
            self.store.commit(ops, done)

    def finish(self) -> None:
        """The oldest pending commit is done."""
        ops, done = self.pending.pop(0)
        if self.error is not None:
            done(self.error)
        else:
            self.commits.append(ops)
            self.store.commit(ops, done)


class Bench:
    """A gateway with everything around it; `log` is what left, in order."""

    def __init__(self, disk: Disk, *, lock: bool = True, **overrides: str) -> None:
        self.log: list[tuple[str, Any]] = []
        self.disk = disk
        self.timers = Timers()
        self.clock = Clock(self.timers.time, lambda: 1_780_000_000.0 + self.timers.time(), boot=disk.boot)
        ids = (f"tx-{disk.boot}-{n}" for n in itertools.count(1))
        infos = (EvseInfo(1, has_lock=lock),)
        model = DeviceModel(standard_definitions(infos, overrides))
        self.answers = True
        self.gateway = Gateway(
            Station(infos, model, lambda: next(ids)),
            disk,
            self.clock,
            self.timers,
            self,
            self,
        )
        self.gateway.start(disk.rows(), StopReason.POWER_LOSS)

    # --- Outlet -----------------------------------------------------------------------------------------------------
    # Method names are those of the protocols.

    def record(self, record: int, fact: Fact) -> None:
        self.log.append(("record", (record, fact)))

    def notice(self, body: NoticeBody) -> None:
        self.log.append(("notice", body))

    def ask(self, ask: Ask) -> None:
        self.log.append(("ask", ask))
        if self.answers:
            self.gateway.submit(Answered(ask.ask, ACCEPTED))

    def setting_changed(self, component: str, variable: str) -> None:
        self.log.append(("setting", f"{component}.{variable}"))

    # --- Hands ------------------------------------------------------------------------------------------------------

    def output(self, output: Output) -> None:
        self.log.append(("output", output))

    def read_meter(self, evse: int) -> None:
        self.log.append(("read", evse))

    def sign_reading(self, effect: SignReading) -> None:
        self.log.append(("sign", effect.evse))

    def self_test(self, evse: int) -> None:
        self.log.append(("self test", evse))

    def indicate(self, effect: Indicate) -> None:
        self.log.append(("lamp", effect.lamp))

    def start_job(self, effect: Start) -> None:
        self.log.append(("job", effect.job))

    def cancel_job(self, effect: Cancel) -> None:
        self.log.append(("cancel", effect.job))

    def reboot(self, reason: str) -> None:
        self.log.append(("reboot", reason))

    # --- what a test does -------------------------------------------------------------------------------------------

    def send(self, *events: Event) -> None:
        for event in events:
            self.gateway.submit(event)

    def command(self, make: Callable[[int], Event]) -> list[Verdict]:
        verdicts: list[Verdict] = []

        def done(verdict: Verdict) -> None:
            verdicts.append(verdict)
            self.log.append(("reply", verdict.status))

        self.gateway.command(make, done)
        return verdicts

    def plugged(self) -> None:
        self.send(LinkUp(), ProximityChanged(1, 32.0), PilotChanged(1, PilotState.B))

    def charging(self) -> None:
        self.plugged()
        self.send(CardPresented(1, "04A1B2C3"), LockChanged(1, LockState.LOCKED), PilotChanged(1, PilotState.C))
        assert self.level.permit
        self.send(PowerPathChanged(1, True))

    @property
    def level(self) -> Output:
        """What the board was told last."""
        return next(value for kind, value in reversed(self.log) if kind == "output")

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.log]

    def told(self) -> list[TxFact]:
        return [value[1] for kind, value in self.log if kind == "record" and isinstance(value[1], TxFact)]


@pytest.fixture
def disk(tmp_path: Path) -> Any:
    store = SqliteStore.open(tmp_path / "station.db", threaded=False, now_wall=lambda: 0.0)
    yield Disk(store)
    store.close()


# --- order --------------------------------------------------------------------------------------------------------------


def test_restricting_waits_for_nothing_and_raising_for_the_commit(disk: Disk) -> None:
    bench = Bench(disk, lock=False)
    bench.plugged()
    bench.send(PilotChanged(1, PilotState.C))
    disk.slow = True
    bench.log.clear()
    bench.send(ButtonPressed(1))
    assert disk.pending, "the authorisation is being saved"
    assert bench.gateway.view().evse(1).permit, "the core has decided"
    assert not any(kind == "output" and value.permit for kind, value in bench.log), "power waits for the commit"
    bench.send(Fault(1, FaultCode.EMERGENCY_STOP, True))
    forbidden = [value for kind, value in bench.log if kind == "output"]
    assert all(not value.permit and value.pilot is not PilotSignal.PWM for value in forbidden)
    while disk.pending:
        disk.finish()
    assert not any(kind == "output" and value.permit for kind, value in bench.log), "a late commit switches nothing on"


def test_power_goes_off_before_the_commit(disk: Disk) -> None:
    bench = Bench(disk)
    bench.charging()
    disk.slow = True
    bench.log.clear()
    bench.send(Fault(1, FaultCode.GROUND_FAILURE, True))
    assert bench.kinds()[0] == "output"
    assert not bench.level.permit
    assert disk.pending, "nothing is saved yet"
    assert "record" not in bench.kinds()


def test_the_reply_leaves_before_what_the_command_produced(disk: Disk) -> None:
    bench = Bench(disk)
    bench.plugged()
    bench.log.clear()
    verdicts = bench.command(lambda ref: RemoteStart(ref, IdToken("04A1B2C3"), remote_start_id=4, evse=1))
    assert [v.status for v in verdicts] == ["Accepted"]
    assert bench.kinds()[0] == "reply"
    assert "ask" in bench.kinds()


def test_rows_and_records_of_one_turn_are_one_commit(disk: Disk) -> None:
    bench = Bench(disk)
    before = len(disk.commits)
    bench.send(PilotChanged(1, PilotState.B))
    assert len(disk.commits) == before + 1
    assert {type(op).__name__ for op in disk.commits[-1]} == {"AddRecord", "PutRow"}
    assert disk.rows()["tx"]["1"]["tx_id"] == bench.told()[0].tx_id
    assert [r.fact["phase"] for r in disk.records() if r.fact["fact"] == "tx"] == ["Started"]


def test_a_reboot_comes_last_of_all(disk: Disk) -> None:
    bench = Bench(disk)
    bench.charging()
    bench.log.clear()
    bench.command(lambda ref: Reset(ref, ResetKind.IMMEDIATE))
    assert bench.kinds()[:2] == ["output", "reply"]
    assert bench.level.pilot is PilotSignal.OFF
    bench.send(PilotChanged(1, PilotState.B))
    assert not bench.level.permit
    assert "reboot" not in bench.kinds(), "the last reading is awaited"
    bench.send(PowerPathChanged(1, False), MeterRead(1, MeterReading(1234.0)))
    assert bench.told()[-1].stop_reason is StopReason.IMMEDIATE_RESET
    assert bench.log[-1] == ("reboot", "RemoteReset")
    assert disk.rows()["station"]["boot"] == {"reason": "RemoteReset"}


def test_settings_are_announced_when_they_are_durable(disk: Disk) -> None:
    bench = Bench(disk)
    disk.slow = True
    bench.log.clear()
    write = VariableWrite("OCPPCommCtrlr", "HeartbeatInterval", "77")
    verdicts = bench.command(lambda ref: SetVariables(ref, (write,)))
    assert bench.log == []
    disk.finish()
    assert bench.kinds()[:2] == ["reply", "setting"]
    assert verdicts[0].status == "Accepted"
    assert disk.rows()["variable"]["OCPPCommCtrlr.HeartbeatInterval"] == {"value": "77"}


# --- one at a time --------------------------------------------------------------------------------------------------------


def test_what_happens_during_a_commit_goes_into_the_next(disk: Disk) -> None:
    bench = Bench(disk)
    disk.slow = True
    bench.log.clear()
    bench.send(PilotChanged(1, PilotState.B), PilotChanged(1, PilotState.A), PilotChanged(1, PilotState.B))
    assert len(disk.pending) == 1, "one at a time"
    disk.finish()
    assert [f.phase for f in bench.told()] == [TxPhase.STARTED]
    assert len(disk.pending) == 1, "the rest together"
    disk.finish()
    assert not disk.pending
    ids = [value[0] for kind, value in bench.log if kind == "record"]
    assert ids == sorted(ids)


def test_a_commit_that_ends_while_an_event_is_handled(disk: Disk) -> None:
    """A threaded store may call back between two events of one drain; nothing is handled inside anything else."""
    bench = Bench(disk)
    disk.slow = True
    depth: list[int] = []
    handling = 0

    def listener(event: Event | None, _effects: Any, _now: Any) -> None:
        nonlocal handling
        handling += 1
        depth.append(handling)
        if event is not None and disk.pending:
            disk.finish()  # the commit ends in the middle of a turn
        handling -= 1

    bench.gateway.listen(listener)
    bench.plugged()
    bench.send(CardPresented(1, "04A1B2C3"))
    while disk.pending:
        disk.finish()
    assert set(depth) == {1}
    assert bench.gateway.view().evse(1).authorized


def test_listeners_see_every_turn_also_those_of_timers(disk: Disk) -> None:
    bench = Bench(disk, **{"TxCtrlr.EVConnectionTimeOut": "30"})
    seen: list[Event | None] = []
    bench.gateway.listen(lambda event, _effects, _now: seen.append(event))
    bench.send(LinkUp(), CardPresented(1, "04A1B2C3"))
    bench.timers.run(31.0)
    assert isinstance(seen[0], LinkUp)
    assert None in seen
    assert not bench.gateway.view().evse(1).authorized


def test_a_listener_that_fails_is_heard_of_and_hears_no_more(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(disk)
    heard: list[Event | None] = []

    def broken(event: Event | None, _effects: object, _now: object) -> None:
        heard.append(event)
        raise BrokenPipeError("nobody reads")

    others: list[Event | None] = []
    bench.gateway.listen(broken)
    bench.gateway.listen(lambda event, _effects, _now: others.append(event))
    bench.send(LinkUp(), CardPresented(1, "04A1B2C3"))
    assert len(heard) == 1
    assert len(others) > 1
    assert "nobody reads" in caplog.text
    assert bench.gateway.view().evse(1).authorized


# --- a disk that fails ----------------------------------------------------------------------------------------------------


def test_a_failed_commit_ends_sessions_safely_and_is_not_lost(disk: Disk) -> None:
    bench = Bench(disk)
    bench.charging()
    disk.error = FULL
    bench.log.clear()
    bench.send(PilotChanged(1, PilotState.B))
    assert bench.gateway.view().save_failed
    assert not bench.level.permit, "running sessions end safely"
    assert bench.gateway.unsaved > 0
    bench.send(PowerPathChanged(1, False), MeterRead(1, MeterReading(1500.0)))
    assert not bench.level.locked, "the driver gets the cable back, disk or no disk"
    assert "record" not in bench.kinds(), "nothing leaves that is not saved"
    disk.error = None
    bench.timers.run(COMMIT_RETRY_S + 0.1)
    assert bench.gateway.unsaved == 0
    assert not bench.gateway.view().save_failed
    assert [f.seq for f in bench.told()] == list(range(bench.told()[0].seq, bench.told()[-1].seq + 1)), "in order"
    assert bench.told()[-1].phase is TxPhase.ENDED
    assert "tx" not in disk.rows() or not disk.rows()["tx"], "older rows did not overwrite newer ones"


def test_nobody_waits_for_the_disk(disk: Disk) -> None:
    bench = Bench(disk)
    disk.error = FULL
    write = VariableWrite("OCPPCommCtrlr", "HeartbeatInterval", "77")
    refused = bench.command(lambda ref: SetVariables(ref, (write,)))
    assert [v.status for v in refused] == ["Rejected"]
    assert [v.reason for v in refused] == ["InternalError"]
    # Nothing to save, so the true answer, although what is not saved stands before it.
    assert [v.status for v in bench.command(TriggerStatus)] == ["Accepted"]
    start = bench.command(lambda ref: RemoteStart(ref, IdToken("04A1B2C3"), evse=1))
    assert [(v.status, v.reason) for v in start] == [("Rejected", "InternalError")]
    disk.error = None
    bench.timers.run(COMMIT_RETRY_S + 0.1)
    assert len(refused) == len(start) == 1, "answered once"
    assert disk.rows()["variable"]["OCPPCommCtrlr.HeartbeatInterval"] == {"value": "77"}


def test_a_commit_that_was_on_its_way_when_the_disk_failed(disk: Disk) -> None:
    """Two turns, the first commit fails: the second may not be written before it."""
    bench = Bench(disk)
    bench.charging()
    disk.slow = True
    bench.send(PilotChanged(1, PilotState.B), PilotChanged(1, PilotState.C))
    disk.error = FULL
    disk.finish()
    assert not disk.pending, "nothing overtakes what could not be saved"
    disk.error, disk.slow = None, False
    bench.timers.run(COMMIT_RETRY_S + 0.1)
    seqs = [record.fact["seq"] for record in disk.records() if record.fact["fact"] == "tx"]
    assert seqs == sorted(seqs)
    assert bench.gateway.unsaved == 0


def test_hundreds_of_turns_wait_for_a_disk(disk: Disk) -> None:
    bench = Bench(disk)
    disk.error = FULL
    for _ in range(300):
        bench.send(PilotChanged(1, PilotState.B), PilotChanged(1, PilotState.A))
        bench.command(lambda ref: SetVariables(ref, (VariableWrite("OCPPCommCtrlr", "HeartbeatInterval", str(ref)),)))
    disk.error = None
    bench.timers.run(COMMIT_RETRY_S + 0.1)
    assert bench.gateway.unsaved == 0
    assert not bench.gateway.view().save_failed


def test_close_gives_what_waits_a_last_chance_and_stops_timers(disk: Disk) -> None:
    bench = Bench(disk)
    disk.error = FULL
    bench.send(PilotChanged(1, PilotState.B))
    disk.error = None
    bench.gateway.close()
    assert bench.gateway.unsaved == 0
    bench.log.clear()
    bench.timers.run(3600.0)
    assert bench.log == []
    bench.send(MeterRead(1, MeterReading(1.0)))
    assert bench.told(), "events are still handled"


# --- clock ----------------------------------------------------------------------------------------------------------------


def test_the_clock_is_set_once_per_noticeable_step(disk: Disk) -> None:
    bench = Bench(disk)
    wall = bench.gateway.now().wall
    bench.gateway.set_clock(wall + 0.4)
    assert bench.gateway.now().wall == pytest.approx(wall), "jitter of a round trip is no wrong clock"
    bench.log.clear()
    bench.gateway.set_clock(wall + 3600)
    assert bench.gateway.now().wall == pytest.approx(wall + 3600)
    assert [value[1].kind for kind, value in bench.log if kind == "record"] == ["SettingSystemTime"]


def test_an_untrusted_clock_takes_any_time(disk: Disk) -> None:
    bench = Bench(disk)
    bench.clock.trusted = False
    wall = bench.gateway.now().wall
    bench.gateway.set_clock(wall + 0.1)
    assert bench.gateway.now().trusted
    assert bench.gateway.now().wall == pytest.approx(wall + 0.1)


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1970-01-01T00:00:01Z", "2100-01-02T00:00:00Z"]
)
def test_a_time_that_cannot_be_is_not_taken(disk: Disk, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """What a CSMS once said in year 9999 would be in every record, for good."""
    bench = Bench(disk)
    bench.clock.trusted = False
    wall = bench.gateway.now().wall
    bench.log.clear()
    bench.gateway.set_clock(parse_iso(text))
    assert bench.gateway.now().wall == pytest.approx(wall)
    assert not bench.gateway.now().trusted
    assert bench.log == []
    assert text[:4] in caplog.text


# --- with a thread --------------------------------------------------------------------------------------------------------


async def test_a_session_over_the_threaded_store_and_a_restart(tmp_path: Path) -> None:
    """Commits end later, in the loop; a restart finds the transaction and closes it."""
    path = tmp_path / "station.db"
    store = SqliteStore.open(path, threaded=True, now_wall=lambda: 0.0)
    bench = Bench(Disk(store))
    bench.plugged()
    bench.send(CardPresented(1, "04A1B2C3"))
    async with asyncio.timeout(5):
        while not any(kind == "ask" for kind, _ in bench.log) or not bench.gateway.view().evse(1).authorized:
            await asyncio.sleep(0)
        bench.send(LockChanged(1, LockState.LOCKED), PilotChanged(1, PilotState.C))
        while not any(kind == "output" and value.permit for kind, value in bench.log):
            await asyncio.sleep(0)
    bench.gateway.close()
    store.close()

    again = SqliteStore.open(path, threaded=True, now_wall=lambda: 0.0)
    after = Bench(Disk(again))
    after.send(MeterRead(1, MeterReading(2000.0)))
    async with asyncio.timeout(5):
        while not after.told():
            await asyncio.sleep(0)
    last = after.told()[-1]
    assert (last.phase, last.stop_reason) == (TxPhase.ENDED, StopReason.POWER_LOSS)
    assert last.seq == bench.told()[-1].seq + 1
    assert last.register_wh == 2000.0
    again.close()


async def test_before_the_store_is_closed_what_waits_for_its_turn_is_saved(tmp_path: Path) -> None:
    """The end of the program: one commit is on its way, the next turns have to wait for it."""
    store = SqliteStore.open(tmp_path / "station.db", threaded=True, now_wall=lambda: 0.0)
    bench = Bench(Disk(store))
    for _ in range(20):
        bench.send(PilotChanged(1, PilotState.B), PilotChanged(1, PilotState.A))
    bench.send(ShutdownRequested())
    bench.gateway.close()
    await bench.gateway.settled()
    assert bench.gateway.unsaved == 0
    assert "shutdown" in store.rows()["station"]
    store.close()


def test_a_reply_to_nobody_is_ignored(disk: Disk) -> None:
    """An effect with a ref that no command of this gateway has."""
    bench = Bench(disk)
    assert Reply(1, Verdict("Accepted")).ref == 1
    bench.send(TriggerStatus(ref=999))
    assert "reply" not in bench.kinds()


def test_the_log_tells_why_this_current_whenever_the_answer_changes(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(disk)
    with caplog.at_level("INFO", logger="station.gateway"):
        bench.charging()
        bench.command(lambda ref: InstallProfile(ref, limited(7, Purpose.TX_DEFAULT, (0, 10.0)), 1))
    told = [record.getMessage() for record in caplog.records if "offered" in record.getMessage()]
    assert told[-2:] == ["EVSE 1 is offered 32 A: board", "EVSE 1 is offered 10 A: profile 7 (TxDefaultProfile)"]


def test_a_loop_that_is_early_by_its_resolution_makes_no_turn(disk: Disk) -> None:
    """asyncio calls what is due within the resolution of its clock: in that turn nothing would be due, and its listeners busy."""
    bench = Bench(disk)
    turns: list[Event | None] = []
    bench.charging()
    bench.gateway.listen(lambda event, _effects, _now: turns.append(event))
    bench.timers.fire_early(1e-7)
    assert turns == []
    bench.timers.run(1e-6)
    assert turns == [None]
