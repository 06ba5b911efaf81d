"""The queue of records: order, frozen words, attempts, pinned versions, dead letters. Pure.

One record at a time, strictly by record id. The life of a record:

    queued --words exist--> frozen (committed) --> in flight --answer--> done
       |                       ^                      |
       |no words: done, or     |wait interval x n     |CALLERROR or time-out: one attempt more
       |set aside (below)      +----------------------+--attempts spent--> dead letter
       |too many records: dead letter                 |link lost: back to frozen, no attempt counted

A version pins a transaction with the first words that are frozen for it, not before. Facts without words that come
earlier (1.6 has none until somebody is authorised and plugged) are set aside: done together with the first words, or
when the transaction ends without any; back in the queue when the link is lost, as the next connection may be in a
version that tells them.

The queue changes its memory first and owes the database the matching ops; no record is sent while anything is owed
(`prepare` hands the ops out, `committed` confirms them), so that what was sent is always what is saved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import merge
from operator import attrgetter
from typing import Any

from station.clock import Now
from station.core.events import Event
from station.core.facts import Fact, TxFact
from station.core.types import TxPhase
from station.ocpp.dialect import Dialect, Frame
from station.ocpp.entries import LOST, Context, Entry, RetryPolicy, SetAside, revived, sparable, why_lost
from station.runtime.fence import Fence
from station.store.ops import Attempted, Bury, Done, Freeze, Op, PutContext, StoredContext, StoredRecord

DEFAULT_LIMIT = 10_000
_RECORD = attrgetter("record")
_BATCH = 200  # ops in one commit when many facts without words follow each other

Resolve = Callable[[str], Dialect | None]


_NO_DATA: Mapping[str, Any] = {}


class RecordQueue:
    """Undelivered records of one station.

    resolve: version -> dialect, None when this program does not speak it.
    limit: number of records above which periodic readings are thinned out.
    """

    __slots__ = (
        "_aside",
        "_committing",
        "_contexts",
        "_flight",
        "_last",
        "_limit",
        "_owed",
        "_per_tx",
        "_queue",
        "_resolve",
        "_session",
        "_stalled",
        "_thin_at",
        "_up",
        "_wait_until",
        "may_begin",
    )

    def __init__(self, resolve: Resolve, limit: int = DEFAULT_LIMIT) -> None:
        self._resolve = resolve
        self._limit = limit
        self._last = 0  # highest id that came in
        self._thin_at = limit
        self._queue: list[Entry] = []
        self._aside = SetAside()
        self._contexts: dict[str, Context] = {}  # of transactions that have frozen words, or are lost
        self._per_tx: Counter[str] = Counter()
        self._owed: list[Op] = []
        self._committing = False
        self._stalled = False
        self._flight = False
        self._wait_until: float | None = None
        self._session = 0
        self._up = False
        # Whether a record that no version has words for yet may get them in this one (see `versions.VersionChoice`).
        self.may_begin: Callable[[str], bool] = lambda _version: True

    # --- what is there -------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Records whose turn will come by itself; those set aside wait for their transaction."""
        return len(self._queue)

    def facts(self) -> Iterator[Fact]:
        """What waits, oldest first."""
        return (entry.fact for entry in self._queue)

    def aside(self) -> Iterator[Fact]:
        """What is told in no words yet, and waits for its transaction to have some."""
        return (entry.fact for entry in self._aside)

    def queued(self, tx_id: str | None = None) -> bool:
        """Whether transaction records (of that transaction, or of any) are not yet answered (E14).

        What is set aside is no message in the connected version, so it does not count until the link is lost.
        """
        return bool(self._per_tx) if tx_id is None else tx_id in self._per_tx

    def context(self, tx_id: str) -> Mapping[str, Any]:
        """The dialect's own data of a transaction, empty when there is none."""
        context = self._contexts.get(tx_id)
        return _NO_DATA if context is None else context.data

    def contexts(self) -> Mapping[str, Mapping[str, Any]]:
        """Every open delivery context by transaction id."""
        return {tx_id: context.data for tx_id, context in self._contexts.items()}

    def pinned_versions(self) -> set[str]:
        """What must be spoken before any other: the version of the oldest pinned record, else of open transactions.

        A transaction that began in a version is finished in it, be that version still configured or not.
        """
        for entry in self._queue:
            version = self._version_of(entry)
            if version is not None and self._resolve(version) is not None:
                return {version}
        open_versions = {c.version for c in self._contexts.values() if not c.data.get(LOST)}
        return {version for version in open_versions if self._resolve(version) is not None}

    def blocked_by(self, version: str) -> str | None:
        """The other version that the oldest record needs while `version` is connected, else None."""
        if not self._queue:
            return None
        needed = self._version_of(self._queue[0])
        return needed if needed not in (None, version) else None

    def pressing(self, version: str) -> bool:
        """True while the oldest record is about to be sent: nothing of lower rank may overtake it now."""
        if not self._queue or self._flight or self._stalled or self._wait_until is not None:
            return False
        return not self._held(version)

    def _held(self, version: str) -> bool:
        """The oldest record is not for a connection in `version`: it needs another one, or should get one."""
        if self.blocked_by(version) is not None:
            return True
        return self._version_of(self._queue[0]) is None and not self.may_begin(version)

    @property
    def wait_until(self) -> float | None:
        """When (monotonic) the next attempt for the oldest record is due; None when nothing waits."""
        return self._wait_until

    def _version_of(self, entry: Entry) -> str | None:
        if entry.version is not None:
            return entry.version
        tx_id = entry.tx_id
        context = self._contexts.get(tx_id) if tx_id is not None else None
        return None if context is None or context.data.get(LOST) else context.version

    # --- coming in -----------------------------------------------------------------------------------------------

    def load(self, records: Sequence[StoredRecord], contexts: Mapping[str, StoredContext], now: Now) -> None:
        """Take over what was found in the store, once. What this program cannot speak or read becomes a dead letter.

        Facts that were recorded while the station started may have come in already; they follow, and count once.
        """
        for tx_id, stored in contexts.items():
            data: Mapping[str, Any] = stored.data
            if self._resolve(stored.version) is None and not data.get(LOST):
                why = f"its transaction began in OCPP {stored.version}, which this program does not speak"
                data = {**data, LOST: why}
            self._contexts[tx_id] = Context(stored.version, data)
        early, self._queue = self._queue, []
        known = {entry.record for entry in early}
        for found in records:
            if found.record in known:
                continue
            entry = revived(found, speaks=lambda version: self._resolve(version) is not None)
            if isinstance(entry, Entry):
                self._append(entry)
            else:
                self._owed.append(Bury(found.record, entry, now.wall))
        self._queue.extend(early)

    def add(self, record: int, fact: Fact, now: Now) -> None:
        """A new fact, durable under this id (ids rise; one that was loaded already is not new)."""
        if record <= self._last:
            return
        self._append(Entry(record, fact, self._session if self._up else -1))
        if len(self._queue) + len(self._aside) > self._thin_at:
            self._thin(now)

    def _append(self, entry: Entry) -> None:
        self._queue.append(entry)
        self._last = max(self._last, entry.record)
        tx_id = entry.tx_id
        if tx_id is not None:
            self._per_tx[tx_id] += 1

    def _forget(self, entry: Entry) -> None:
        tx_id = entry.tx_id
        if tx_id is None:
            return
        self._per_tx[tx_id] -= 1
        if not self._per_tx[tx_id]:
            del self._per_tx[tx_id]

    def _thin(self, now: Now) -> None:
        """Give up periodic readings until a tenth is free (E04.FR.07)."""
        count = len(self._queue) + len(self._aside)
        victims = sparable(merge(self._aside, self._queue, key=_RECORD), count - self._limit * 9 // 10)
        for entry in victims:
            self._owed.append(
                Bury(entry.record, f"more than {self._limit} records waited: periodic reading dropped", now.wall)
            )
        gone = {entry.record for entry in victims}
        for entry in self._queue:
            if entry.record in gone:
                self._forget(entry)
        self._queue = [entry for entry in self._queue if entry.record not in gone]
        self._aside.drop(gone)
        self._thin_at = max(self._limit, count - len(victims) + self._limit // 10)

    # --- link ----------------------------------------------------------------------------------------------------

    def link_up(self) -> None:
        """Records may flow. What was added before counts as having waited offline (E11, E12)."""
        self._session += 1
        self._up = True

    def link_down(self) -> None:
        """No answer will come any more; the record in flight is sent again unchanged later. Idempotent.

        What was set aside waits again, as the next connection may be in a version that has words for it.
        """
        self._up = False
        self._flight = False
        self._put_back(self._aside.take_all())

    def _put_back(self, entries: Sequence[Entry]) -> None:
        """Into the queue again, each in its place. Nothing is in flight."""
        if not entries:
            return
        self._per_tx.update(entry.tx_id for entry in entries if entry.tx_id is not None)
        self._queue = list(merge(entries, self._queue, key=_RECORD))

    # --- towards the database ------------------------------------------------------------------------------------

    def prepare(self, dialect: Dialect | None, now: Now) -> tuple[Op, ...]:
        """Ops to be committed now, empty when there are none or the last ones are not yet confirmed.

        With a dialect (records may flow), the oldest record gets its words. After the commit call `committed`.
        """
        if self._committing:
            return ()
        if dialect is not None and not self._flight:
            self._find_words(dialect, now)
        if not self._owed:
            return ()
        ops = tuple(self._owed)
        self._owed.clear()
        self._committing = True
        return ops

    def committed(self) -> None:
        """What `prepare` gave is durable."""
        self._committing = False
        self._stalled = False

    def stalled(self) -> None:
        """The commit failed and is tried again later: records wait for it, other kinds need not."""
        self._stalled = True

    def _find_words(self, dialect: Dialect, now: Now) -> None:
        transactions = -1
        while self._queue and len(self._owed) < _BATCH:
            head = self._queue[0]
            if head.frame is not None or self.blocked_by(dialect.version) is not None:
                return
            if self._version_of(head) is None and transactions != len(self._contexts):
                transactions = len(self._contexts)  # asked once, and again when one has ended: it looks at every record
                if not self.may_begin(dialect.version):
                    return
            data = self._data(head)
            if data.get(LOST):
                self._bury(head, why_lost(data), now)
                continue
            with Fence() as fence:
                rendered = dialect.record(head.fact, data, now, offline=head.session != self._session)
            if fence.error is not None:  # one fact must not hold up all that follow, for good
                why = f"OCPP {dialect.version} has no words for it: {fence.error!r}"
                self._bury(head, why, now)
                if head.tx_id is not None and dialect.finished(head.fact, data):
                    self._done_aside(head.tx_id)
            elif rendered.frame is None:
                self._no_words(head, dialect, rendered.context)
            else:
                self._freeze(head, dialect.version, rendered.frame, rendered.context)
                return

    def _no_words(self, head: Entry, dialect: Dialect, context: Mapping[str, Any]) -> None:
        """The version has nothing to tell of the oldest fact: done, or set aside while its transaction is untold."""
        tx_id = head.tx_id
        if tx_id is not None and context.get(LOST):
            self._put_back(self._aside.take(tx_id))  # what was never told is not lost without a trace
            self._put_context(tx_id, dialect.version, context)
            return  # buried in the next round
        self._queue.pop(0)
        self._forget(head)
        if tx_id is None or tx_id in self._contexts:
            self._owed.append(Done(head.record))
            self._settle(head, dialect, context, dialect.version)
            return
        self._aside.add(tx_id, head, context)
        if dialect.finished(head.fact, context):
            self._done_aside(tx_id)

    def _freeze(self, head: Entry, version: str, frame: Frame, context: Mapping[str, Any]) -> None:
        """The oldest record has its words. The first ones of a transaction pin it, and settle what came before them."""
        head.version, head.frame = version, frame
        self._owed.append(Freeze(head.record, version, frame.action, frame.payload))
        if head.tx_id is not None:
            self._done_aside(head.tx_id)
            self._put_context(head.tx_id, version, context)

    def _done_aside(self, tx_id: str) -> None:
        self._owed.extend(Done(entry.record) for entry in self._aside.take(tx_id))

    def _data(self, entry: Entry) -> Mapping[str, Any]:
        """What the dialect remembers of the transaction, in the connected version while nothing is told yet."""
        if entry.tx_id is None:
            return _NO_DATA
        aside = self._aside.data(entry.tx_id)
        return self.context(entry.tx_id) if aside is None else aside

    def _settle(self, entry: Entry, dialect: Dialect | None, context: Mapping[str, Any], version: str) -> None:
        """The fact is dealt with: keep the new context, or drop it after the transaction's last fact."""
        fact = entry.fact
        if not isinstance(fact, TxFact):
            return
        finished = fact.phase is TxPhase.ENDED if dialect is None else dialect.finished(fact, context)
        if not finished:
            self._put_context(fact.tx_id, version, context)
        elif self._contexts.pop(fact.tx_id, None) is not None:
            self._owed.append(PutContext(fact.tx_id, None, None))

    def _put_context(self, tx_id: str, version: str, data: Mapping[str, Any]) -> None:
        before = self._contexts.get(tx_id)
        if before is not None and before.version == version and before.data == data:
            return
        self._contexts[tx_id] = Context(version, data)
        self._owed.append(PutContext(tx_id, version, dict(data)))

    # --- towards the CSMS ----------------------------------------------------------------------------------------

    def next(self, dialect: Dialect, now: Now) -> Frame | None:
        """The frame to be sent now (then it is in flight), None when nothing is ready."""
        if self._flight or self._committing or self._owed or not self._queue:
            return None
        if self._wait_until is not None:
            if now.mono < self._wait_until:
                return None
            self._wait_until = None
        head = self._queue[0]
        if head.frame is None or head.version != dialect.version:
            return None
        self._flight = True
        return head.frame

    def answered(self, payload: dict[str, Any]) -> tuple[Event, ...]:
        """The CSMS took the record in flight; returns what the core must learn."""
        head = self._queue[0]
        version = head.version or ""
        dialect = self._resolve(version)
        if dialect is None:
            raise ValueError(f"a record in flight has no dialect: {version!r}")
        answer = dialect.record_answer(head.fact, self._data(head), payload)
        self._take()
        self._owed.append(Done(head.record))
        self._settle(head, dialect, answer.context, version)
        return answer.events

    def _take(self) -> None:
        self._flight = False
        self._forget(self._queue.pop(0))

    def failed(self, why: str, now: Now, policy: RetryPolicy, *, final: bool = False) -> None:
        """The record in flight was refused or not answered in time. `final`: trying again is of no use."""
        self._flight = False
        head = self._queue[0]
        head.attempts += 1
        if final or head.attempts >= max(1, policy.attempts):  # E13.FR.02
            self._bury(head, f"given up after {head.attempts} attempts: {why}", now)
            return
        self._owed.append(Attempted(head.record, head.attempts))
        self._wait_until = now.mono + policy.interval_s * head.attempts  # E13.FR.03

    def in_transaction(self) -> bool:
        """Whether the oldest record belongs to a transaction."""
        return bool(self._queue) and self._queue[0].tx_id is not None

    def abandon(self, version: str, why: str, now: Now) -> int:
        """An operator gives up a version that the CSMS no longer speaks; returns how many records were buried."""
        doomed = [entry for entry in self._queue if self._version_of(entry) == version]
        gone = {entry.record for entry in doomed}
        if self._flight and self._queue[0].record in gone:
            self._flight = False
        for entry in doomed:
            self._forget(entry)
            self._owed.append(Bury(entry.record, why, now.wall))
        self._queue = [entry for entry in self._queue if entry.record not in gone]
        for tx_id, context in list(self._contexts.items()):
            if context.version != version:
                continue
            ended = any(
                isinstance(e.fact, TxFact) and e.fact.tx_id == tx_id and e.fact.phase is TxPhase.ENDED for e in doomed
            )
            if ended:
                del self._contexts[tx_id]
                self._owed.append(PutContext(tx_id, None, None))
            else:
                self._put_context(tx_id, version, {**context.data, LOST: why})
        self._wait_until = None
        return len(doomed)

    def _bury(self, head: Entry, why: str, now: Now) -> None:
        """The oldest record can never be delivered: dead letter, and the next one's turn."""
        self._queue.pop(0)
        self._forget(head)
        self._wait_until = None
        self._owed.append(Bury(head.record, why, now.wall))
        if head.tx_id is None:
            return
        context = self._contexts.get(head.tx_id)
        version = head.version or (context.version if context is not None else None)
        if version is None:
            return  # nothing of its transaction is told yet, so there is nothing that a version must remember
        dialect = self._resolve(version)
        after = data = self._data(head)
        if dialect is not None and not data.get(LOST):
            with Fence() as fence:
                after = dialect.record_dropped(head.fact, data)
            if fence.error is not None:
                after = {**data, LOST: f"{why}; then {fence.error!r}"}
        self._settle(head, dialect, after, version)
