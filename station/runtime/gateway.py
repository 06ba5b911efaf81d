"""The only way into the core, and the order in which its effects leave (LAW 2).

For every event:
 1. outputs that restrict are handed to the board before anything else, and wait for nothing;
 2. rows and records go into one commit;
 3. when it is durable, and everything before it is: the reply, then records, questions and notices to the CSMS side, then outputs that
    raise (if still the newest), then lamps, settings, jobs; a reboot comes last of all.

One commit is under way at a time; what happens meanwhile goes into the next one. So a commit that fails is overtaken by nothing: it is
kept and tried again, in order, until the cause is gone. The core is told, so that no new session starts. Commands are answered anyway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from station.clock import Clock, Now, iso
from station.core.device_model import DeviceModel
from station.core.effects import (
    Ask,
    Cancel,
    Effect,
    Indicate,
    Notice,
    Output,
    ReadMeter,
    Reboot,
    Record,
    Refused,
    Reply,
    Save,
    SelfTest,
    SettingChanged,
    SignReading,
    Start,
)
from station.core.events import ClockStepped, Event, Saved, SaveFailed
from station.core.facts import Fact, TxFact, to_json
from station.core.station import Station
from station.core.types import StopReason, Verdict
from station.core.view import StationView
from station.errors import StoreError
from station.runtime.fence import Fence, told
from station.runtime.ports import Outlet
from station.store.ops import AddRecord, Op, PutRow, StorePort

log = logging.getLogger("station.gateway")

COMMIT_RETRY_S = 5.0
# Turns that may share one commit: bounds what one failure makes us repeat.
MOST_TOGETHER = 64
# Smaller steps are jitter of the round trip, not a wrong clock.
CLOCK_TOLERANCE_S = 1.0
# 2020-01-01 and 2100-01-01: a clock outside is wrong, whoever says so.
EARLIEST_WALL = 1_577_836_800.0
LATEST_WALL = 4_102_444_800.0
FAILED_VERDICT = Verdict("Rejected", "InternalError", "the station cannot save")


class TimerHandle(Protocol):
    def cancel(self) -> None: ...


class Scheduler(Protocol):
    """The part of an event loop that the gateway needs; a scaled or virtual one does as well."""

    def time(self) -> float: ...
    def call_at(self, when: float, callback: Callable[[], object], /) -> TimerHandle: ...


class Hands(Protocol):
    """Who carries out what is not for the CSMS."""

    def output(self, output: Output) -> None: ...
    def read_meter(self, evse: int) -> None: ...
    def sign_reading(self, effect: SignReading) -> None: ...
    def self_test(self, evse: int) -> None: ...
    def indicate(self, effect: Indicate) -> None: ...
    def start_job(self, effect: Start) -> None: ...
    def cancel_job(self, effect: Cancel) -> None: ...
    def reboot(self, reason: str) -> None: ...


Listener = Callable[[Event | None, list[Effect], Now], None]


def _log_limit(output: Output, before: Output | None) -> None:
    """Why this current: one line whenever the answer changes."""
    if before is None or (output.current_a, output.cause) != (before.current_a, before.cause):
        offer = f"{output.current_a:g} A" if output.current_a else "nothing"
        log.info("EVSE %d is offered %s: %s", output.evse, offer, output.cause)


class _Batch:
    """Effects of one turn on their way out. `durable`: nothing of it has to be saved any more."""

    __slots__ = ("durable", "effects", "ops", "records")

    def __init__(self, effects: list[Effect], ops: list[Op], records: list[tuple[int, Fact]]) -> None:
        self.effects = effects
        self.ops = ops
        self.records = records
        self.durable = not ops


class Gateway:
    """Owns the core. `clock.now()` must use the same monotonic time as `scheduler`."""

    __slots__ = (
        "_busy",
        "_clock",
        "_closed",
        "_committing",
        "_failing",
        "_hands",
        "_inbox",
        "_listeners",
        "_newest",
        "_next_ref",
        "_pipeline",
        "_replies",
        "_requested",
        "_retry",
        "_scheduler",
        "_settled",
        "_station",
        "_store",
        "_timer",
        "_timer_at",
        "outlet",
    )

    def __init__(
        self,
        station: Station,
        store: StorePort,
        clock: Clock,
        scheduler: Scheduler,
        outlet: Outlet | None,
        hands: Hands,
    ) -> None:
        """outlet: None when it is made later (it needs the gateway): set `outlet` before `start`."""
        self._station = station
        self._store = store
        self._clock = clock
        self._scheduler = scheduler
        self.outlet: Outlet
        if outlet is not None:
            self.outlet = outlet
        self._hands = hands
        self._inbox: list[Event] = []  # lists: an empty deque takes 760 bytes, and these are short
        self._busy = False
        self._pipeline: list[_Batch] = []
        self._committing: list[_Batch] = []
        self._failing = False
        self._replies: dict[int, Callable[[Verdict], None]] = {}
        self._next_ref = 1
        self._newest: dict[int, Output] = {}
        self._requested: dict[int, Output] = {}
        self._timer: TimerHandle | None = None
        self._timer_at: float | None = None
        self._retry: TimerHandle | None = None
        self._listeners: list[Listener] = []
        self._settled: asyncio.Future[None] | None = None
        self._closed = False

    # --- GatewayPort ----------------------------------------------------------------------------------------------------

    @property
    def model(self) -> DeviceModel:
        return self._station.model

    def view(self) -> StationView:
        return self._station.view(self._clock.now())

    def now(self) -> Now:
        return self._clock.now()

    def submit(self, event: Event) -> None:
        """Handle `event` now, or right after the one being handled."""
        self._inbox.append(event)
        if not self._busy:
            self._drain_inbox()

    def command(self, make: Callable[[int], Event], done: Callable[[Verdict], None]) -> None:
        ref = self._next_ref
        self._next_ref += 1
        self._replies[ref] = done
        self.submit(make(ref))

    def set_clock(self, wall: float) -> None:
        if not EARLIEST_WALL <= wall <= LATEST_WALL:
            log.warning("the CSMS says that it is %s, which cannot be: the clock stays as it is", iso(wall))
            return
        was_trusted = self._clock.trusted
        step = wall - self._clock.now().wall
        if was_trusted and abs(step) < CLOCK_TOLERANCE_S:
            return
        self._clock.set_wall(wall)
        self.submit(ClockStepped(step))

    # --- life -----------------------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Call `listener(event, effects, now)` after every turn (event None: timers). For displays and logs.

        One that raises is logged and not called again.
        """
        self._listeners.append(listener)

    def start(self, rows: Mapping[str, Mapping[str, Any]], cause: StopReason) -> None:
        """Restore what was saved and begin. `cause`: see `Station.restore`."""
        now = self._clock.now()
        self._busy = True
        try:
            self._process(None, self._station.restore(rows, now, cause), now)
        finally:
            self._busy = False
        self._drain_inbox()

    def close(self) -> None:
        """No timers any more. Events are still handled, so that the end of a session in flight is not lost.

        What waits for a disk that fails gets a last chance.
        """
        if self._failing and not self._closed and not self._committing:
            self._commit_next()
        self._closed = True
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()
        self._timer = self._retry = None

    async def settled(self) -> None:
        """Wait until everything handled so far is saved, or the disk has refused it: then the store may be closed."""
        while self._committing:
            self._settled = asyncio.get_running_loop().create_future()
            await self._settled

    @property
    def unsaved(self) -> int:
        """How many turns wait to be saved because a commit failed; 0 while commits work."""
        return sum(not batch.durable for batch in self._pipeline) if self._failing else 0

    # --- turns ----------------------------------------------------------------------------------------------------------

    def _drain_inbox(self) -> None:
        self._busy = True
        try:
            while self._inbox:
                event = self._inbox.pop(0)
                now = self._clock.now()
                self._process(event, self._station.handle(event, now), now)
        finally:
            self._busy = False
        self._arm()

    def _arm(self) -> None:
        """One timer for the core's next deadline."""
        deadline = self._station.next_deadline()
        if deadline == self._timer_at or self._closed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = deadline
        if deadline is not None:
            self._timer = self._scheduler.call_at(deadline, self._due)

    def _due(self) -> None:
        self._timer = None
        deadline, self._timer_at = self._timer_at, None
        now = self._clock.now()
        if deadline is not None and now.mono < deadline:
            self._arm()  # the loop was early, by the resolution of its clock
            return
        self._busy = True
        try:
            self._process(None, self._station.advance(now), now)
        finally:
            self._busy = False
        self._drain_inbox()

    def _process(self, event: Event | None, effects: list[Effect], now: Now) -> None:
        self._restrict(effects)
        ops: list[Op] = []
        records: list[tuple[int, Fact]] = []
        for effect in effects:
            if isinstance(effect, Save):
                ops.append(PutRow(effect.kind, effect.key, effect.value))
            elif isinstance(effect, Record):
                fact = effect.fact
                record = self._store.next_record_id()
                records.append((record, fact))
                ops.append(AddRecord(record, to_json(fact), fact.tx_id if isinstance(fact, TxFact) else None))
        if self._listeners:
            self._tell(event, effects, now)
        batch = _Batch(effects, ops, records)
        self._pipeline.append(batch)
        if self._failing:
            self._answer_now(batch)
        else:
            self._commit_next()
        self._flush()

    def _tell(self, event: Event | None, effects: list[Effect], now: Now) -> None:
        """A display or a log that fails must not keep power from being cut, nor a fact from being saved."""
        for listener in tuple(self._listeners):
            with Fence() as fence:
                listener(event, effects, now)
            if fence.error is not None:
                self._listeners.remove(listener)
                log.error("a listener failed and hears no more: %r", fence.error, exc_info=told(fence.error))

    def _restrict(self, effects: list[Effect]) -> None:
        """LAW 2 (1). The newest output of a turn is the only one that counts; what of it restricts waits for nothing."""
        changed: set[int] = set()
        for effect in effects:
            if isinstance(effect, Output):
                _log_limit(effect, self._newest.get(effect.evse))
                self._newest[effect.evse] = effect
                changed.add(effect.evse)
            elif isinstance(effect, ReadMeter):
                self._hands.read_meter(effect.evse)
            elif isinstance(effect, SignReading):
                self._hands.sign_reading(effect)
            elif isinstance(effect, SelfTest):
                self._hands.self_test(effect.evse)
        for evse in changed:
            self._request(self._newest[evse].limited(self._requested.get(evse)))

    def _request(self, output: Output) -> None:
        if not output.same_level(self._requested.get(output.evse)):
            self._requested[output.evse] = output
            self._hands.output(output)

    # --- commits --------------------------------------------------------------------------------------------------------

    def _commit_next(self) -> None:
        """Everything that waits goes into one commit, as soon as the one before is done."""
        if self._committing:
            return
        waiting = [batch for batch in self._pipeline if not batch.durable][:MOST_TOGETHER]
        if waiting:
            self._committing = waiting
            self._store.commit([op for batch in waiting for op in batch.ops], self._committed)

    def _committed(self, error: StoreError | None) -> None:
        """The store is done. What is released and submits something is complete before that is handled."""
        if self._busy:
            self._settle_commit(error)
            return
        self._busy = True
        try:
            self._settle_commit(error)
        finally:
            self._busy = False
        self._drain_inbox()

    def _settle_commit(self, error: StoreError | None) -> None:
        batches, self._committing = self._committing, []
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)  # whoever waits looks again, after what follows here
        if error is not None:
            self._keep(error)
            return
        for batch in batches:
            batch.durable = True
        self._flush()
        if self._failing and all(batch.durable for batch in self._pipeline):
            self._failing = False
            log.info("commits work again")
            self.submit(Saved())
        self._commit_next()

    def _keep(self, error: StoreError) -> None:
        """Whoever waits for an answer must not wait for the disk; everything else stays in its place."""
        first = not self._failing
        self._failing = True
        if first:
            log.error("commit failed, kept and tried again: %s", error)
        for batch in self._pipeline:
            self._answer_now(batch)
        if not self._closed:
            self._retry = self._scheduler.call_at(self._scheduler.time() + COMMIT_RETRY_S, self._try_again)
        if first:
            self.submit(SaveFailed(str(error)))

    def _answer_now(self, batch: _Batch) -> None:
        """While commits fail: a command that has nothing to save gets its answer, any other is told that we cannot."""
        for effect in batch.effects:
            if isinstance(effect, Reply):
                self._reply(effect.ref, FAILED_VERDICT if batch.ops else effect.verdict)

    def _try_again(self) -> None:
        self._retry = None
        self._commit_next()

    def _flush(self) -> None:
        """Let out, in order, whatever is durable."""
        while self._pipeline and self._pipeline[0].durable:
            self._release(self._pipeline.pop(0))

    def _release(self, batch: _Batch) -> None:
        for effect in batch.effects:
            if isinstance(effect, Reply):
                self._reply(effect.ref, effect.verdict)
        for record, fact in batch.records:
            self.outlet.record(record, fact)
        reboots = [effect for effect in batch.effects if isinstance(effect, Reboot)]
        for effect in batch.effects:
            if isinstance(effect, Ask):
                self.outlet.ask(effect)
            elif isinstance(effect, Notice):
                self.outlet.notice(effect.body)
            elif isinstance(effect, SettingChanged):
                self.outlet.setting_changed(effect.component, effect.variable)
            else:
                self._by_hand(effect)
        for reboot in reboots:
            self._hands.reboot(reboot.reason)

    def _by_hand(self, effect: Effect) -> None:
        """What the station itself carries out. Save, Record, Reply, ReadMeter and their like were done before."""
        match effect:
            case Output():
                if effect is self._newest.get(effect.evse):
                    self._request(effect)
            case Indicate():
                self._hands.indicate(effect)
            case Start():
                self._hands.start_job(effect)
            case Cancel():
                self._hands.cancel_job(effect)
            case Refused(evse=evse, reason=reason):
                log.info("EVSE %s: refused: %s", "-" if evse is None else evse, reason)
            case _:
                pass

    def _reply(self, ref: int, verdict: Verdict) -> None:
        done = self._replies.pop(ref, None)
        if done is not None:
            done(verdict)
