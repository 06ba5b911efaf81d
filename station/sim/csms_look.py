"""Commands of `station csms` that only look: stations, transactions, frames, files."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from station.config_fields import Integer, Text, setting
from station.runtime.control_command import invalid
from station.runtime.control_types import Json
from station.sim.csms_actions import CALLS
from station.sim.csms_command import ACTION, STATION, CsmsCommand, known, station_field
from station.sim.csms_host import CsmsHost, FaultRow, FrameRow

__all__ = ["LOOK"]


class StatusRow(TypedDict):
    """The latest StatusNotification of a connector; 0/0 is the station itself (1.6)."""

    evse: int
    connector: int
    status: str


class StationRow(TypedDict):
    """A station, as the CSMS knows it. complaints: the newest things that it did and must not do."""

    id: str
    connected: bool
    version: str | None
    registration: str
    connections: int
    boot: dict[str, Any]
    statuses: list[StatusRow]
    transactions: int
    running: list[str]
    security_events: int
    complaints: list[str]


class StrikeRow(TypedDict):
    """A fault that has struck."""

    kind: str
    station: str
    action: str
    wall: float


class CsmsRow(TypedDict):
    """The CSMS itself. url: where stations connect, without their id. boots: answers to the next BootNotifications, the last
    stays. no_subprotocol: connections are opened without one. struck: the latest faults that have struck.
    """

    url: str
    versions: list[str]
    listening: bool
    tls: bool
    refuse_tls: bool
    no_subprotocol: bool
    boots: list[str]
    heartbeat_s: int
    retry_s: int
    faults: list[FaultRow]
    struck: list[StrikeRow]
    uploads: int


class StationsResult(TypedDict):
    """The CSMS itself, and every station that ever came."""

    csms: CsmsRow
    stations: list[StationRow]


@dataclass(frozen=True, slots=True)
class State(CsmsCommand):
    """The CSMS itself; every station that ever connected, and what the CSMS knows of it."""

    name: ClassVar[str] = "state"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = StationsResult

    async def work(self, host: CsmsHost) -> Json:
        return host.state()


class MessagesResult(TypedDict):
    """Names of messages."""

    actions: list[str]


@dataclass(frozen=True, slots=True)
class Messages(CsmsCommand):
    """The messages that a CSMS sends to a station of this version (`call`). Their schemas: /api/v1/schemas/VERSION/ACTION."""

    name: ClassVar[str] = "messages"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = MessagesResult
    version: str = setting(Text(choices=tuple(CALLS)), "Version of OCPP.", example="2.0.1")

    async def work(self, host: CsmsHost) -> Json:
        return {"actions": sorted(CALLS[self.version])}


class TransactionRow(TypedDict):
    """A transaction as told. 2.x: its events; 1.6: start, stop and samples."""

    id: str
    ended: bool
    events: list[dict[str, Any]]
    start: dict[str, Any] | None
    stops: list[dict[str, Any]]
    samples: list[dict[str, Any]]


class TransactionsResult(TypedDict):
    """Transactions of one station, the newest last."""

    transactions: list[TransactionRow]


@dataclass(frozen=True, slots=True)
class Transactions(CsmsCommand):
    """What a station has told of its transactions."""

    name: ClassVar[str] = "transactions"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = TransactionsResult
    station: str = station_field()
    limit: int = setting(Integer(1, 1000), "At most so many, the newest.", default=50)

    async def work(self, host: CsmsHost) -> Json:
        seen = host.csms.station(known(host, self.station))
        newest = list(seen.transactions.values())[-self.limit :]
        return {
            "transactions": [
                {
                    "id": tx.id,
                    "ended": tx.ended,
                    "events": list(tx.events),
                    "start": tx.start,
                    "stops": list(tx.stops),
                    "samples": list(tx.samples),
                }
                for tx in newest
            ]
        }


class FramesResult(TypedDict):
    """Frames, oldest first. `next`: the `after` for those that come later."""

    frames: list[FrameRow]
    next: int


@dataclass(frozen=True, slots=True)
class Frames(CsmsCommand):
    """Frames of all stations, both directions; of what fits, the newest, in their order."""

    name: ClassVar[str] = "frames"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = FramesResult
    station: str | None = setting(STATION, "Only of this station.", default=None)
    after: int = setting(Integer(-1, 2**53), "Only frames with a higher number.", default=-1)
    action: str | None = setting(ACTION, "Only this message and its answers.", default=None)
    direction: str | None = setting(Text(choices=("sent", "received")), "As the CSMS sees it.", default=None)
    type: str | None = setting(
        Text(choices=("CALL", "CALLRESULT", "CALLERROR", "?")), "Only of this type.", default=None
    )
    contains: str | None = setting(Text(200), "Only with this text in it, in any case.", default=None)
    limit: int = setting(Integer(1, 5000), "At most so many.", default=200)

    async def work(self, host: CsmsHost) -> Json:
        rows = list(host.frames.rows)
        found = [row for row in rows if self._fits(row)][-self.limit :]
        return {"frames": found, "next": rows[-1]["n"] if rows else -1}

    def _fits(self, row: FrameRow) -> bool:
        return (
            row["n"] > self.after
            and self.station in {None, row["station"]}
            and self.action in {None, row["action"]}
            and self.direction in {None, row["direction"]}
            and self.type in {None, row["type"]}
            and (self.contains is None or self.contains.casefold() in row["text"].casefold())
        )


# --- files --------------------------------------------------------------------------------------------------------------


class UploadRow(TypedDict):
    """A file that a station has uploaded."""

    name: str
    station: str
    wall: float
    bytes: int


class UploadsResult(TypedDict):
    """The newest files. url: what to give to GetLog as remoteLocation."""

    uploads: list[UploadRow]
    url: str


@dataclass(frozen=True, slots=True)
class UploadList(CsmsCommand):
    """Files that stations have uploaded here (GetLog with remoteLocation `url`)."""

    name: ClassVar[str] = "uploads"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = UploadsResult

    async def work(self, host: CsmsHost) -> Json:
        rows = [
            {"name": file.name, "station": file.station, "wall": file.wall, "bytes": len(file.content)}
            for file in host.uploads.all()
        ]
        return {"uploads": rows, "url": host.upload_url}


class UploadResult(TypedDict):
    """A file, base64."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class ReadUpload(CsmsCommand):
    """The content of an uploaded file."""

    name: ClassVar[str] = "upload"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = UploadResult
    file: str = setting(Text(255), "Its name.", example="PILOT-1.log")

    async def work(self, host: CsmsHost) -> Json:
        found = host.uploads.find(self.file)
        if found is None:
            raise invalid("file", f"no station has uploaded {self.file}")
        return {"name": found.name, "content": base64.b64encode(found.content).decode()}


LOOK: tuple[type[CsmsCommand], ...] = (State, Messages, Transactions, Frames, UploadList, ReadUpload)
