"""Commands: the OCPP conversation, as it was and past the station's own logic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypedDict

from station.config_fields import Integer, Text, setting
from station.errors import ControlError, Problem
from station.runtime.control_command import MASK, Command
from station.runtime.control_frames import FrameRow
from station.runtime.control_host import Host, program_of
from station.runtime.control_kinds import EMPTY, EVSE, Line, Table
from station.runtime.control_types import Json

__all__ = ["ACTION", "LINK", "FrameResult"]

ACTION = Text(50, pattern=r"[A-Za-z0-9]+", what="the name of an OCPP message")
NUMBER = Integer(0, 2**53)


class FrameResult(TypedDict):
    """One frame. wall: seconds since 1970-01-01T00:00:00Z. verdict: "ok", or what the schema says against it. latency_ms: of an answer,
    since its CALL. answers: number of the CALL that it answers. transaction: its id in the station.
    """

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


class FramesResult(TypedDict):
    """Frames, oldest first. newest: number of the last frame that there was; oldest: of the first that is still kept."""

    frames: list[FrameResult]
    newest: int
    oldest: int


class SentResult(TypedDict):
    """The number of the frame, for `frame` and `frames`; the answer is the frame whose `answers` is this number."""

    n: int
    id: str | None


class _Link(Command):
    __slots__ = ()
    group: ClassVar[str] = "link"


@dataclass(frozen=True, slots=True)
class Send(_Link):
    """A CALL is sent past the station's own logic, in the version that is spoken now. It must be valid; the answer changes nothing in
    the station. For experts: the CSMS may draw its conclusions.
    """

    name: ClassVar[str] = "send"
    returns: ClassVar[Any] = SentResult
    action: str = setting(ACTION, "Name of the message.", example="Heartbeat")
    payload: Mapping[str, Any] = setting(
        Table("a table of OCPP fields"), "Its content, names as on the wire.", default=EMPTY
    )

    def told(self) -> Json:
        """The frame itself is told, with its secrets masked."""
        return {"action": self.action, **({"payload": MASK} if self.payload else {})}

    async def act(self, host: Host) -> Json:
        number = host.memory.frames.newest + 1
        call_id = program_of(host).expert.send_call(self.action, dict(self.payload))
        return {"n": number, "id": call_id}


@dataclass(frozen=True, slots=True)
class SendRaw(_Link):
    """Any text is sent to the CSMS as it is, valid or not. For experts."""

    name: ClassVar[str] = "send_raw"
    returns: ClassVar[Any] = SentResult
    text: str = setting(Line(1 << 20), "What is sent.", example='[2,"1","Heartbeat",{}]')

    def told(self) -> Json:
        """As for `send`."""
        return {"text": f"<{len(self.text)} characters>"}

    async def act(self, host: Host) -> Json:
        number = host.memory.frames.newest + 1
        program_of(host).expert.send_text(self.text)
        row = host.memory.frames.row(number)
        return {"n": number, "id": row.id if row is not None else None}


@dataclass(frozen=True, slots=True)
class Frames(_Link):
    """The last frames that passed, secrets masked. What is given must fit; the newest ones that do, or with `after` the next ones."""

    name: ClassVar[str] = "frames"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = FramesResult
    after: int | None = setting(NUMBER, "Only frames with a higher number.", default=None)
    limit: int = setting(Integer(1, 5000), "At most so many.", default=200)
    action: str | None = setting(ACTION, "Name of the message, also of the one that an answer answers.", default=None)
    direction: str | None = setting(Text(choices=("sent", "received")), "As the station sees it.", default=None)
    evse: int | None = setting(EVSE, "About this EVSE.", default=None)
    transaction: str | None = setting(Text(64), "About this transaction, by its id in the station.", default=None)

    async def act(self, host: Host) -> Json:
        recorder = host.memory.frames
        found = [row for row in recorder.rows() if self._fits(row)]
        found = found[-self.limit :] if self.after is None else found[: self.limit]
        oldest = next((row.n for row in recorder.rows()), 0)
        return {"frames": [row.json() for row in found], "newest": recorder.newest, "oldest": oldest}

    def _fits(self, row: FrameRow) -> bool:
        return (
            (self.after is None or row.n > self.after)
            and self.action in {None, row.action}
            and self.direction in {None, row.direction}
            and self.evse in {None, row.evse}
            and self.transaction in {None, row.transaction}
        )


@dataclass(frozen=True, slots=True)
class Frame(_Link):
    """One frame by its number."""

    name: ClassVar[str] = "frame"
    reads: ClassVar[bool] = True
    returns: ClassVar[Any] = FrameResult
    n: int = setting(NUMBER, "Its number.")

    def problems(self) -> Iterator[Problem]:
        if self.n < 1:
            yield Problem("n", "frames are numbered from 1")

    async def act(self, host: Host) -> Json:
        row = host.memory.frames.row(self.n)
        if row is None:
            raise ControlError("invalid", [Problem("n", f"frame {self.n} is not kept, or has not been yet")])
        return row.json()


LINK: tuple[type[Command], ...] = (Send, SendRaw, Frames, Frame)
