"""What the commands of `station csms` act on: the embedded CSMS, and the files that stations have uploaded to it."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from typing import TypedDict

from station.clock import iso
from station.ocpp.schemas import Schemas
from station.ocpp.wirelog import WireLog
from station.runtime.control_types import Json
from station.sim.csms import EmbeddedCsms
from station.sim.csms_faults import Fault, FaultKind
from station.sim.csms_journal import SeenFrame

__all__ = ["CsmsHost", "FaultRow", "FrameRow", "Upload", "Uploads"]

KINDS = {2: "CALL", 3: "CALLRESULT", 4: "CALLERROR", 6: "SEND"}
VERSIONS = ("2.0.1", "1.6")


class FrameRow(TypedDict):
    """One frame. `direction` as the CSMS sees it: "received" from a station, "sent" to it. `answers`: n of the CALL."""

    n: int
    wall: float
    time: str
    station: str
    direction: str
    type: str
    id: str | None
    action: str | None
    text: str
    bytes: int
    verdict: str
    latency_ms: float | None
    answers: int | None


class FaultRow(TypedDict):
    """Misbehaviour that is planned. `times` None: until cleared. detail: how late, or what comes in place of the answer."""

    kind: str
    action: str | None
    station: str | None
    times: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a station has uploaded (logs, diagnostics)."""

    name: str
    station: str
    wall: float
    content: bytes


class Uploads:
    """The newest files, bounded in number and size."""

    MOST = 20
    MOST_BYTES = 16 * 1024 * 1024
    """Of one file; `MOST` of them are kept."""

    def __init__(self) -> None:
        self._files: deque[Upload] = deque(maxlen=self.MOST)

    def add(self, upload: Upload) -> None:
        """Keep it; one of the same name is replaced."""
        self._files = deque((file for file in self._files if file.name != upload.name), maxlen=self.MOST)
        self._files.append(upload)

    def all(self) -> list[Upload]:
        return list(self._files)

    def find(self, name: str) -> Upload | None:
        return next((file for file in self._files if file.name == name), None)


@dataclass(slots=True)
class _OpenCall:
    number: int
    mono: float
    action: str | None


class FrameBook:
    """Makes rows of the journal's frames: whose answer it is, how long it took, whether it is valid."""

    MOST_OPEN = 1000

    def __init__(self, csms: EmbeddedCsms, *, keep: int = 5000) -> None:
        self._csms = csms
        self._open: dict[tuple[str, bool, str], _OpenCall] = {}
        self._wire = WireLog()
        self.rows: deque[FrameRow] = deque(maxlen=keep)

    def take(self, frame: SeenFrame) -> FrameRow:
        """The row of a frame that has just been seen."""
        call = self._call_of(frame)
        latency = None if call is None else round((frame.mono - call.mono) * 1000, 3)
        text = self._wire.mask(frame.text)
        row: FrameRow = {
            "n": frame.number,
            "wall": frame.wall,
            "time": iso(frame.wall),
            "station": frame.station,
            "direction": "sent" if frame.sent else "received",
            "type": KINDS.get(frame.kind or 0, "?"),
            "id": frame.id,
            "action": frame.action or (call.action if call else None),
            "text": text,
            "bytes": len(frame.text.encode("utf-8", "replace")),
            "verdict": self._verdict(frame, call),
            "latency_ms": latency,
            "answers": None if call is None else call.number,
        }
        self.rows.append(row)
        return row

    def _call_of(self, frame: SeenFrame) -> _OpenCall | None:
        if frame.id is None:
            return None
        if frame.is_call:
            self._open[frame.station, frame.sent, frame.id] = _OpenCall(frame.number, frame.mono, frame.action)
            if len(self._open) > self.MOST_OPEN:
                del self._open[next(iter(self._open))]
            return None
        return self._open.get((frame.station, not frame.sent, frame.id)) if frame.kind in {3, 4} else None

    def _verdict(self, frame: SeenFrame, call: _OpenCall | None) -> str:
        """ "ok", or what is wrong with the frame, in the schema's words."""
        if frame.kind is None:
            return "not an OCPP frame"
        version = self._csms.station(frame.station).version
        action = frame.action or (call.action if call else None)
        if frame.kind not in {2, 3} or version is None:
            return "ok"
        schemas = Schemas.for_version(version)
        if action is None:
            return "ok" if frame.is_call else "an answer to nothing"
        if action not in schemas.actions:
            return "no such message"
        validator = schemas.request(action) if frame.is_call else schemas.response(action)
        problem = None if validator.is_valid(frame.payload) else validator.problem(frame.payload)
        return "ok" if problem is None else str(problem)


@dataclass(slots=True)
class CsmsHost:
    """The things that commands need. `upload_url`: where stations may PUT their files, without the file's name; known once
    the server runs.
    """

    csms: EmbeddedCsms
    frames: FrameBook
    uploads: Uploads
    upload_url: str = ""

    def state(self) -> Json:
        """The CSMS itself, and every station that ever came."""
        return {
            "csms": self._csms_row(),
            "stations": [self.station_row(each) for each in sorted(self.csms.journal.stations)],
        }

    def fault_rows(self) -> list[FaultRow]:
        """The misbehaviour that is planned."""
        return [
            {
                "kind": fault.kind.value,
                "action": fault.action,
                "station": fault.station,
                "times": fault.times,
                "detail": _detail(fault),
            }
            for fault in self.csms.faults
        ]

    def _csms_row(self) -> Json:
        csms, policy = self.csms, self.csms.policy
        return {
            "url": csms.url,
            "versions": [name.removeprefix("ocpp") for name in csms.subprotocols],
            "listening": csms.listening,
            "tls": csms.speaks_tls,
            "refuse_tls": csms.refuses_tls,
            "no_subprotocol": not csms.offers_subprotocol,
            "boots": list(policy.boot_plan),
            "heartbeat_s": policy.heartbeat_interval_s,
            "retry_s": policy.retry_interval_s,
            "faults": self.fault_rows(),
            "struck": [
                {"kind": strike.kind.value, "station": strike.station, "action": strike.action, "wall": strike.wall}
                for strike in csms.faults.struck
            ],
            "uploads": len(self.uploads.all()),
        }

    def station_row(self, station: str) -> Json:
        """What is known of a station, in short."""
        seen = self.csms.station(station)
        boot = seen.boots[-1] if seen.boots else {}
        return {
            "id": station,
            "connected": self.csms.connected(station),
            "version": seen.version,
            "registration": seen.registration,
            "connections": seen.connections,
            "boot": boot,
            "statuses": [
                {"evse": evse, "connector": connector, "status": seen.status(evse, connector) or ""}
                for evse, connector in sorted(seen.statuses)
            ],
            "transactions": len(seen.transactions),
            "running": [tx.id for tx in seen.transactions.values() if not tx.ended],
            "security_events": len(seen.security_events),
            "complaints": list(seen.complaints[-20:]),
        }


def _detail(fault: Fault) -> str:
    match fault.kind:
        case FaultKind.LATE:
            return f"{fault.delay_s:g} s"
        case FaultKind.GARBAGE:
            return fault.text[:100]
        case FaultKind.REFUSE:
            return fault.code
        case FaultKind.REPLACE:
            return json.dumps(fault.payload)[:100]
        case FaultKind.CLOSE:
            return "cut" if fault.abrupt else "closed"
        case _:
            return ""
