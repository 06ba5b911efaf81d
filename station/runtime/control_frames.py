"""The last frames that passed the wire: numbered, with latency, verdict, EVSE and transaction. A ring, bounded in frames and bytes.

What a frame is about is taken from its payload, and for an answer from the CALL that it answers. A transaction is named by its id in
the station, whatever number 1.6 knows it by.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from station.core.facts import TxFact
from station.runtime.control_host import Host
from station.runtime.control_types import Json

__all__ = ["MOST_BYTES", "MOST_FRAMES", "FrameRecorder", "FrameRow"]

MOST_FRAMES = 5000
MOST_BYTES = 8 << 20
MOST_OPEN = 256
MOST_NUMBERS = 1000
TYPES = {2: "CALL", 3: "CALLRESULT", 4: "CALLERROR", 5: "CALLRESULTERROR", 6: "SEND"}
DIRECTIONS = {"out": "sent", "in": "received"}
OF_TRANSACTIONS = frozenset({"StartTransaction", "StopTransaction", "MeterValues", "TransactionEvent"})
FINE = frozenset({"call", "result", "error"})
PAYLOAD = {"CALL": 3, "CALLRESULT": 2, "SEND": 3}


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One frame. wall: seconds. latency_ms: of an answer, since its CALL. answers: number of the CALL that this answers."""

    n: int
    wall: float
    direction: str
    type: str
    id: str | None
    action: str | None
    text: str
    bytes: int
    verdict: str
    latency_ms: float | None
    evse: int | None
    transaction: str | None
    answers: int | None

    def json(self) -> Json:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Open:
    """A CALL that waits for its answer."""

    n: int
    at: float
    action: str
    evse: int | None
    transaction: str | None


class FrameRecorder:
    """`told` hears every row as it is made."""

    def __init__(
        self, host: Host, told: Callable[[FrameRow], None], *, most: int = MOST_FRAMES, most_bytes: int = MOST_BYTES
    ) -> None:
        self._host = host
        self._told = told
        self._most = most
        self._most_bytes = most_bytes
        self._rows: deque[FrameRow] = deque()
        self._bytes = 0
        self._next = 1
        self._open: OrderedDict[tuple[str, str], _Open] = OrderedDict()
        self._numbers: OrderedDict[str, str] = OrderedDict()  # number of a transaction in 1.6 -> id in the station
        host.hear_frames(self._hear)

    @property
    def newest(self) -> int:
        """Number of the last frame, 0 before the first."""
        return self._next - 1

    def rows(self) -> Iterator[FrameRow]:
        """What is kept, oldest first."""
        return iter(self._rows)

    def row(self, n: int) -> FrameRow | None:
        if not self._rows or not self._rows[0].n <= n <= self._rows[-1].n:
            return None
        return self._rows[n - self._rows[0].n]

    # --- hearing ------------------------------------------------------------------------------------------------------

    def _hear(self, wall: float, direction: str, text: str, action: str | None, verdict: str) -> None:
        row = self._row(wall, direction, text, action, verdict)
        self._next += 1
        self._rows.append(row)
        self._bytes += row.bytes
        while len(self._rows) > self._most or (self._bytes > self._most_bytes and len(self._rows) > 1):
            self._bytes -= self._rows.popleft().bytes
        self._told(row)

    def _row(self, wall: float, direction: str, text: str, action: str | None, verdict: str) -> FrameRow:
        frame = _parsed(text)
        kind = TYPES.get(frame[0], "?") if frame and type(frame[0]) is int else "?"
        call_id = frame[1] if len(frame) > 1 and isinstance(frame[1], str) else None
        evse: int | None = None
        transaction: str | None = None
        call: _Open | None = None
        if kind in {"CALL", "SEND"}:
            named = frame[2] if len(frame) > 2 and isinstance(frame[2], str) else None
            action = action or named
            payload = frame[3] if len(frame) > 3 else None
            evse, transaction = _evse(payload), self._transaction(direction, action, payload)
            evse = evse if evse is not None else self._evse_of(direction, action)
            if kind == "CALL" and call_id is not None:
                self._called(
                    direction, call_id, _Open(self._next, self._host.link_time(), action or "?", evse, transaction)
                )
        elif call_id is not None:
            call = self._open.pop(("in" if direction == "out" else "out", call_id), None)
            if call is not None:
                payload = frame[2] if len(frame) > 2 else None
                action, evse = call.action, call.evse
                transaction = self._answered(call, payload)
        return FrameRow(
            n=self._next,
            wall=wall,
            direction=DIRECTIONS.get(direction, direction),
            type=kind,
            id=call_id,
            action=action,
            text=text,
            bytes=len(text.encode("utf-8", "replace")),
            verdict=self._verdict(verdict, kind, action, frame, asked=call is not None),
            latency_ms=None if call is None else round((self._host.link_time() - call.at) * 1000, 3),
            evse=evse,
            transaction=transaction,
            answers=None if call is None else call.n,
        )

    def _called(self, direction: str, call_id: str, call: _Open) -> None:
        self._open[direction, call_id] = call
        if len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)

    def _verdict(self, verdict: str, kind: str, action: str | None, frame: list[Any], *, asked: bool) -> str:
        """The schema's word; "ok" for what it lets pass. asked: it answers a CALL, if perhaps one that was sent by hand."""
        if verdict in FINE or verdict.startswith("error: "):
            return "ok"
        if verdict.startswith("invalid: "):
            return verdict.removeprefix("invalid: ")
        place = PAYLOAD.get(kind)
        if kind == "?" or (place is not None and len(frame) <= place):
            return verdict if verdict.startswith("garbage: ") else "is no OCPP message"
        program = self._host.program
        if program is not None and place is not None and action is not None:
            complaint = program.expert.complaint(kind, action, frame[place])
            if complaint is not None:
                return complaint
        strange = verdict.startswith("refused: ") or (verdict.startswith("ignored: ") and not asked)
        return verdict if strange else "ok"

    # --- what it is about ---------------------------------------------------------------------------------------------

    def _fact(self) -> TxFact | None:
        """The fact that is being told: records leave one by one, the oldest first."""
        program = self._host.program
        fact = next(program.client.records.facts(), None) if program is not None else None
        return fact if isinstance(fact, TxFact) else None

    def _transaction(self, direction: str, action: str | None, payload: Any) -> str | None:
        told = _transaction(payload)
        if isinstance(told, str):
            return told
        number = None if told is None else str(told)
        if direction == "out" and action in OF_TRANSACTIONS and (number is not None or action == "StartTransaction"):
            fact = self._fact()
            if fact is not None:
                if number is not None:
                    self._learn(number, fact.tx_id)
                return fact.tx_id
        return None if number is None else self._numbers.get(number, number)

    def _evse_of(self, direction: str, action: str | None) -> int | None:
        """2.0.1 names the EVSE only in the first event of a transaction."""
        if direction != "out" or action not in {"StopTransaction", "TransactionEvent"}:
            return None
        fact = self._fact()
        return None if fact is None else fact.evse

    def _answered(self, call: _Open, payload: Any) -> str | None:
        told = _transaction(payload)
        if isinstance(told, str):
            return told
        if told is not None and call.action == "StartTransaction" and call.transaction is not None:
            self._learn(str(told), call.transaction)
        return call.transaction

    def _learn(self, number: str, tx_id: str) -> None:
        self._numbers[number] = tx_id
        if len(self._numbers) > MOST_NUMBERS:
            self._numbers.popitem(last=False)


def _parsed(text: str) -> list[Any]:
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        return []
    return frame if isinstance(frame, list) else []


def _transaction(payload: Any) -> str | int | None:
    """The transaction that a payload names, in the words of either version."""
    if not isinstance(payload, Mapping):
        return None
    info = payload.get("transactionInfo")
    told = payload.get("transactionId", info.get("transactionId") if isinstance(info, Mapping) else None)
    if isinstance(told, bool) or not isinstance(told, str | int):
        return None
    return told


def _evse(payload: Any) -> int | None:
    """The EVSE that a payload names; 0, which is the station, counts as none."""
    if not isinstance(payload, Mapping):
        return None
    evse = payload.get("evse")
    told = evse.get("id") if isinstance(evse, Mapping) else payload.get("evseId", payload.get("connectorId"))
    return told if type(told) is int and told > 0 else None
