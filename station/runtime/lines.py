"""JSON lines over a `Control`: what `station sim --stdio`, the local socket and their clients speak. No I/O in here.

    -> {"id": 7, "do": "plug", "evse": 1, "cable_a": 32}
    <- {"id": 7, "ok": true, "result": {...}}
    <- {"id": 7, "ok": false, "code": "invalid", "error": "evse: must be ...", "problems": [{"field": "evse", "problem": ...}]}
    -> {"do": "subscribe", "topics": ["frame"]}     from then on, between the answers:     <- {"event": "frame", ...}

Arguments stand beside `do`, or in an object `with`, which also takes arguments that are called `id`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import orjson

from station.errors import ControlError, Problem
from station.runtime.control_types import TOPICS, Control, Json
from station.runtime.fence import Fence
from station.runtime.outbox import Outbox, encode

__all__ = ["MOST_LINE", "LineReader", "LineSession", "Request", "read_request", "refusal"]

MOST_LINE = 1 << 20
"""Bytes of one request; a longer one is refused."""

INTERNAL = "internal"
"""Code of a refusal that is our own mistake."""

log = logging.getLogger("station.control")


class LineReader:
    """Cuts a stream of bytes into lines of at most `most` bytes."""

    __slots__ = ("_begun", "_most", "_skipping")

    def __init__(self, most: int = MOST_LINE) -> None:
        self._most = most
        self._begun = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes | None]:
        """The lines that `data` completes, without their ends. None stands for one that is too long: it is told as soon
        as that is known, and its rest is skipped.
        """
        found: list[bytes | None] = []
        *ended, begun = data.split(b"\n")
        for part in ended:
            self._append(part, found)
            if not self._skipping:
                found.append(bytes(self._begun).removesuffix(b"\r"))
            self._skipping = False
            self._begun.clear()
        self._append(begun, found)
        return found

    def end(self) -> list[bytes | None]:
        """The stream has ended: what stands there without an end of line is a line too."""
        return self.feed(b"\n") if self._begun else []

    def _append(self, part: bytes, found: list[bytes | None]) -> None:
        if self._skipping:
            return
        if len(self._begun) + len(part) > self._most:
            self._skipping = True
            self._begun.clear()
            found.append(None)
            return
        self._begun += part


class Request:
    """One line, read. `id` is echoed when it was given."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self, name: str, arguments: Mapping[str, object], id_: str | float | None) -> None:
        self.name = name
        self.arguments = arguments
        self.id = id_


class BadLineError(ControlError):
    """A line that is no request. `id`: as far as it could be read."""

    def __init__(self, field: str, problem: str, id_: str | float | None = None) -> None:
        super().__init__("invalid", [Problem(field, problem)])
        self.id = id_


def read_request(line: bytes | None) -> Request:
    """Raises BadLineError, which names the field."""
    if line is None:
        raise BadLineError(
            "", f"the line is longer than {MOST_LINE} bytes. Remedy: one command per line, ended by a newline"
        )
    try:
        message: object = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLineError("", f'the line is not JSON: {error}. Remedy: write {{"do": "help"}}') from error
    if not isinstance(message, dict):
        raise BadLineError("", 'the line must be a JSON object. Remedy: write {"do": "help"}')
    number = message.pop("id", None)
    if isinstance(number, bool) or not isinstance(number, str | int | float | None):
        raise BadLineError("id", 'must be a text or a number; an argument of that name goes into "with"')
    name = message.pop("do", None)
    if not isinstance(name, str):
        raise BadLineError("do", 'must be the name of a command, a text. Remedy: {"do": "help"} lists them', number)
    more = message.pop("with", {})
    if not isinstance(more, dict):
        raise BadLineError("with", "must be an object of arguments", number)
    if twice := sorted(more.keys() & message.keys()):
        raise BadLineError(twice[0], 'is given twice, beside "do" and in "with"', number)
    return Request(name, {**message, **more}, number)


def refusal(error: ControlError, number: str | float | None = None) -> Json:
    """The answer to a request that was refused."""
    return {
        **_numbered(number),
        "ok": False,
        "code": error.code,
        "error": str(error),
        "problems": [{"field": problem.field, "problem": problem.problem} for problem in error.problems],
    }


def _numbered(number: str | float | None) -> Json:
    return {} if number is None else {"id": number}


class LineSession:
    """One client. `take` its lines one after the other; answers and events go into the outbox."""

    __slots__ = ("_control", "_doing", "_end_hearing", "_out", "_topics")

    def __init__(self, control: Control, out: Outbox) -> None:
        self._control = control
        self._out = out
        self._doing: str | None = None
        self._topics: frozenset[str] = frozenset()
        self._end_hearing: Callable[[], None] | None = None

    @property
    def subscribed(self) -> bool:
        return bool(self._topics)

    @property
    def only_waits(self) -> bool:
        """A command is being carried out that lets time pass and does nothing else: it may be given up."""
        return any(row["name"] == self._doing and row.get("passes_time") for row in self._control.describe())

    async def take(self, line: bytes | None) -> None:
        """Carry out one line and answer it. A blank one is nothing. None: a line that was too long."""
        if line is not None and not line.strip():
            return
        try:
            request = read_request(line)
        except BadLineError as error:
            self._out.answer(encode(refusal(error, error.id)))
            return
        self._doing = request.name
        with Fence() as fence:
            self._out.answer(encode(await self._answer(request)))
        self._doing = None
        if fence.error is not None:
            log.error("the command %s failed", request.name, exc_info=fence.error)
            self._out.answer(encode(refusal(_our_mistake(request.name), request.id)))

    def close(self) -> None:
        """The client is gone: no events any more."""
        self._hear(frozenset())

    async def _answer(self, request: Request) -> Json:
        try:
            result = await self._do(request)
        except ControlError as error:
            return refusal(_with_hint(error) if request.id is not None else error, request.id)
        return {**_numbered(request.id), "ok": True, "result": result}

    async def _do(self, request: Request) -> Json:
        if request.name == "subscribe":
            return self._subscribe(request.arguments)
        if request.name == "unsubscribe":
            return self._unsubscribe(request.arguments)
        return await self._control.do(request.name, request.arguments)

    # --- events ---------------------------------------------------------------------------------------------------------

    def _subscribe(self, arguments: Mapping[str, object]) -> Json:
        self._hear(self._topics | _topics(arguments))
        return {"topics": sorted(self._topics)}

    def _unsubscribe(self, arguments: Mapping[str, object]) -> Json:
        """Without topics: from everything."""
        self._hear(self._topics - _topics(arguments) if arguments else frozenset())
        return {"topics": sorted(self._topics)}

    def _hear(self, topics: frozenset[str]) -> None:
        if topics == self._topics:
            return
        end_before = self._end_hearing
        # The new subscription first: when it is refused, the old one stays.
        self._end_hearing = self._control.subscribe(topics, self._out.tell) if topics else None
        self._topics = topics
        if end_before is not None:
            end_before()


def _topics(arguments: Mapping[str, object]) -> frozenset[str]:
    known = ", ".join(TOPICS)
    problems = [
        Problem(name, "is not known here; there is only topics") for name in sorted(arguments.keys() - {"topics"})
    ]
    topics = arguments.get("topics")
    if not isinstance(topics, list) or not topics or not all(isinstance(topic, str) for topic in topics):
        problems.append(Problem("topics", f"must be a list of one or more of {known}"))
        topics = []
    problems += [Problem("topics", f"{topic!r} is not one of {known}") for topic in topics if topic not in TOPICS]
    if problems:
        raise ControlError("invalid", problems)
    return frozenset(topics)


def _with_hint(error: ControlError) -> ControlError:
    """The request had an id, and the command misses an argument of that name: they are not the same."""
    hint = 'beside "do" it numbers the request; as an argument it goes into "with": {"id": ...}'
    problems = [Problem(p.field, f"{p.problem}; {hint}" if p.field == "id" else p.problem) for p in error.problems]
    return ControlError(error.code, problems)


def _our_mistake(name: str) -> ControlError:
    # The log has the details; they may be nothing for whoever sent the command.
    return ControlError(INTERNAL, [Problem("", f"{name} failed by a mistake of the station; its log says more")])
