"""What the embedded CSMS has seen and said: every frame, and what the frames mean for transactions and connectors."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Payload = dict[str, Any]
Predicate = Callable[[Payload], bool]

__all__ = ["Journal", "Payload", "Predicate", "SeenFrame", "SeenStation", "SeenTransaction"]


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """One frame. `mono` and `wall` are seconds of the CSMS's clock; `sent`: from the CSMS to the station.

    kind, id, action, payload are None as far as the text is not OCPP; an answer carries the action of its CALL.
    """

    number: int
    mono: float
    wall: float
    station: str
    sent: bool
    text: str
    kind: int | None = None
    id: str | None = None
    action: str | None = None
    payload: Any = None

    @property
    def is_call(self) -> bool:
        return self.kind == 2


@dataclass(slots=True)
class SeenTransaction:
    """A transaction as told. 2.x: `events` as they arrived, duplicates included; `by_seq` has each seqNo once.

    1.6: `start`, `stops` (one, unless it was repeated), `samples` (MeterValues with this transactionId).
    """

    id: str
    events: list[Payload] = field(default_factory=list)
    by_seq: dict[int, Payload] = field(default_factory=dict)
    start: Payload | None = None
    stops: list[Payload] = field(default_factory=list)
    samples: list[Payload] = field(default_factory=list)
    ended: bool = False

    @property
    def seq_numbers(self) -> list[int]:
        """seqNo of each event in order of arrival (2.x)."""
        return [event["seqNo"] for event in self.events]

    def add_event(self, event: Payload) -> str | None:
        """Take a TransactionEvent; returns what is wrong with its place, None when it comes as it should."""
        seq = event["seqNo"]
        known = self.by_seq.setdefault(seq, event)
        wrong = None
        if known is not event:
            wrong = None if known == event else f"seqNo {seq} came again with other content"
        elif self.ended:
            wrong = f"seqNo {seq} after Ended"
        elif seq != len(self.by_seq) - 1:
            wrong = f"seqNo {seq} out of order"
        self.events.append(event)
        self.ended = self.ended or event["eventType"] == "Ended"
        return wrong

    def add_stop(self, stop: Payload) -> None:
        """Take a StopTransaction (1.6)."""
        self.stops.append(stop)
        self.ended = True


@dataclass(slots=True)
class SeenStation:
    """All that is known of one station.

    registration: the status of the last BootNotification answer, or Unregistered.
    statuses: latest StatusNotification per (evseId, connectorId); 1.6 has (connectorId, 1), the station itself (0, 0).
    complaints: what the station did that it must not do.
    """

    id: str
    version: str | None = None
    registration: str = "Unregistered"
    connections: int = 0
    boots: list[Payload] = field(default_factory=list)
    statuses: dict[tuple[int, int], Payload] = field(default_factory=dict)
    transactions: dict[str, SeenTransaction] = field(default_factory=dict)
    meter_values: list[Payload] = field(default_factory=list)
    variables: list[Payload] = field(default_factory=list)
    security_events: list[Payload] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def status(self, evse: int, connector: int = 1) -> str | None:
        """Latest status word of a connector, None when it never told."""
        payload = self.statuses.get((evse, connector))
        if payload is None:
            return None
        return str(payload.get("connectorStatus") or payload.get("status"))

    def transaction(self, tx_id: str) -> SeenTransaction:
        """The record of this transaction, a new one when it is unknown."""
        return self.transactions.setdefault(tx_id, SeenTransaction(tx_id))


@dataclass(slots=True)
class _Waiter:
    station: str
    action: str
    predicate: Predicate | None
    future: asyncio.Future[Payload]

    def wants(self, frame: SeenFrame) -> bool:
        return (
            frame.is_call
            and not frame.sent
            and frame.station == self.station
            and frame.action == self.action
            and isinstance(frame.payload, dict)
            and (self.predicate is None or self.predicate(frame.payload))
        )


class Journal:
    """Frames in both directions. `keep`: how many of the newest frames stay (None: all)."""

    def __init__(self, keep: int | None = None) -> None:
        self.frames: deque[SeenFrame] = deque(maxlen=keep)
        self.stations: dict[str, SeenStation] = {}
        self.listeners: list[Callable[[SeenFrame], None]] = []
        self._count = 0
        self._waiters: list[_Waiter] = []

    def station(self, station: str) -> SeenStation:
        return self.stations.setdefault(station, SeenStation(station))

    def mark(self) -> int:
        """A place in the journal, for `calls(since=...)` and `wait_for(since=...)`."""
        return self._count

    def add(self, **fields: Any) -> SeenFrame:
        """Append a frame (fields of SeenFrame without its number) and wake whoever waits for it."""
        frame = SeenFrame(number=self._count, **fields)
        self._count += 1
        self.frames.append(frame)
        for waiter in tuple(self._waiters):
            if not waiter.future.done() and waiter.wants(frame):
                waiter.future.set_result(frame.payload)
        for listener in tuple(self.listeners):
            listener(frame)
        return frame

    def calls(self, station: str, action: str | None = None, *, sent: bool = False, since: int = 0) -> list[SeenFrame]:
        """CALLs of a station (or, `sent`, to it), oldest first."""
        return [f for f in self._of(station, since) if f.is_call and f.sent is sent and action in {None, f.action}]

    def errors(self, station: str, *, sent: bool = True, since: int = 0) -> list[SeenFrame]:
        """CALLERRORs to a station (or, with sent=False, from it)."""
        return [f for f in self._of(station, since) if f.kind == 4 and f.sent is sent]

    async def wait_for(
        self, station: str, action: str, predicate: Predicate | None, timeout_s: float, since: int | None
    ) -> Payload:
        """The payload of the first matching CALL from `since` on (None: from now). Raises TimeoutError."""
        waiter = _Waiter(station, action, predicate, asyncio.get_running_loop().create_future())
        began = self._count if since is None else since
        for frame in self._of(station, began):
            if waiter.wants(frame):
                payload: Payload = frame.payload
                return payload
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter.future
        except TimeoutError:
            seen = [f.action for f in self.calls(station, since=began)]
            raise TimeoutError(f"no {action} as wanted from {station} within {timeout_s:g} s; it sent {seen}") from None
        finally:
            self._waiters.remove(waiter)

    def _of(self, station: str, since: int) -> Iterator[SeenFrame]:
        return (f for f in self.frames if f.number >= since and f.station == station)
