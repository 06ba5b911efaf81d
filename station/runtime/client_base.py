"""What `station.client.Station` and `station ctl` are built on: a blocking client of a station's control. Standard library only.

Three ways to the same commands: the local socket, a simulated station of one's own as a child process, and HTTP.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

from station.errors import ControlError, Problem, StationError
from station.runtime.control_types import Json

__all__ = ["ClientError", "ControlClient", "SocketTransport", "StdioTransport", "Transport"]

CHUNK = 1 << 16
END_WITHIN_S = 30.0


class ClientError(StationError):
    """The station cannot be reached, or has not answered in time."""


class Transport(Protocol):
    """A way to a station. Seconds are real ones; None waits for ever."""

    def ask(self, name: str, arguments: Mapping[str, object], timeout_s: float | None) -> Json:
        """The answer: `ok`, and `result` or what is wrong. Raises ClientError."""

    def subscribe(self, topics: Sequence[str], timeout_s: float | None) -> None:
        """Hear events of these topics. Raises ControlError and ClientError."""

    def event(self, timeout_s: float | None) -> Json | None:
        """The next event; None when none comes in time. Raises ClientError when there will be none any more."""

    def close(self) -> None: ...


class LinesTransport(ABC):
    """JSON lines to and from file descriptors. Events that come while an answer is awaited are kept."""

    def __init__(self, source: int, who: str) -> None:
        self._source = source
        self._who = who
        self._begun = b""
        self._lines: deque[bytes] = deque()
        self._events: deque[Json] = deque()
        self._poll = select.poll()
        self._poll.register(source, select.POLLIN)
        self._number = 0
        self.unanswered = False
        """Something was asked and not answered in time: it may still be carried out."""

    @abstractmethod
    def write(self, line: bytes) -> None:
        """Send one line. Raises OSError."""

    def ask(self, name: str, arguments: Mapping[str, object], timeout_s: float | None) -> Json:
        self._number += 1
        request = {"id": self._number, "do": name, "with": dict(arguments)}
        self.unanswered = True
        with self._reached():
            self.write(json.dumps(request, separators=(",", ":")).encode() + b"\n")
        while True:
            message = self._read(timeout_s)
            if message is None:
                raise ClientError(f"{self._who} has not answered {name} within {timeout_s:g} s")
            if "event" in message:
                self._events.append(message)
            elif message.get("id") in {self._number, None}:
                self.unanswered = False
                return message

    def subscribe(self, topics: Sequence[str], timeout_s: float | None) -> None:
        answer = self.ask("subscribe", {"topics": list(topics)}, timeout_s)
        if not answer["ok"]:
            raise refused(answer)

    def event(self, timeout_s: float | None) -> Json | None:
        return self._events.popleft() if self._events else self._read(timeout_s)

    def _read(self, timeout_s: float | None) -> Json | None:
        while not self._lines:
            with self._reached():
                if not self._poll.poll(None if timeout_s is None else timeout_s * 1000):
                    return None
                data = os.read(self._source, CHUNK)
            if not data:
                raise ClientError(f"{self._who} has hung up")
            *ended, self._begun = (self._begun + data).split(b"\n")
            self._lines += ended
        message: Json = json.loads(self._lines.popleft())
        return message

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ClientError(f"{self._who} cannot be reached any more: {error.strerror}") from error


class SocketTransport(LinesTransport):
    """The local socket of a station."""

    def __init__(self, path: str | Path) -> None:
        """Raises ClientError."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise ClientError(f"{path}: no station answers there: {error.strerror or error}") from error
        super().__init__(self._socket.fileno(), f"the station at {path}")

    def write(self, line: bytes) -> None:
        self._socket.sendall(line)

    def close(self) -> None:
        self._socket.close()


class StdioTransport(LinesTransport):
    """A simulated station as a child process: `station sim --stdio`."""

    def __init__(self, arguments: Sequence[str] = (), *, python: str = sys.executable) -> None:
        """arguments: those of `station sim`, besides --stdio."""
        self._child = subprocess.Popen(  # noqa: S603 - our own program, and no shell reads the arguments
            [python, "-m", "station", "sim", "--stdio", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        super().__init__(_pipe(self._child.stdout).fileno(), "the simulated station")

    def write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(_pipe(self._child.stdin).fileno(), rest) :]

    def close(self) -> None:
        """End it. Raises ClientError when it does not end well."""
        if self.unanswered:
            self._child.terminate()
        try:
            # The end of its input ends it. It may have more to say, and must not wait for us to read that.
            self._child.communicate(timeout=END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()
        if self._child.returncode not in {0, -signal.SIGTERM}:
            raise ClientError(f"the simulated station has ended with exit code {self._child.returncode}")


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ClientError("the simulated station has no pipe")
    return pipe


class ControlClient:
    """A station's commands by name; `station.client.Station` has one method for each.

    timeout_s: real seconds that an answer may take, None for any time; commands that let time pass take theirs at low speed.
    """

    def __init__(self, transport: Transport, *, timeout_s: float | None = 60.0) -> None:
        self._transport = transport
        self.timeout_s = timeout_s

    @classmethod
    def over_socket(cls, path: str | Path, *, timeout_s: float | None = 60.0) -> Self:
        """A station that runs, by its local socket. Raises ClientError."""
        return cls(SocketTransport(path), timeout_s=timeout_s)

    @classmethod
    def over_stdio(cls, *arguments: str, timeout_s: float | None = 60.0) -> Self:
        """A simulated station of one's own; it ends with the client. arguments: those of `station sim`."""
        return cls(StdioTransport(arguments), timeout_s=timeout_s)

    @classmethod
    def over_http(
        cls, url: str, *, token: str | None = None, ca_file: str | Path | None = None, timeout_s: float | None = 60.0
    ) -> Self:
        """A station that serves HTTP. url: `http://host:port`; ca_file: PEM of who has signed its certificate."""
        from station.runtime.client_http import HttpTransport

        return cls(HttpTransport(url, token=token, ca_file=ca_file), timeout_s=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Raises ClientError when a simulated station of one's own does not end well."""
        self._transport.close()

    def do(self, name: str, arguments: Mapping[str, object]) -> Json:
        """Carry out a command. Raises ControlError, and then nothing has changed, and ClientError."""
        answer = self._transport.ask(name, arguments, self.timeout_s)
        if not answer["ok"]:
            raise refused(answer)
        result: Json = answer["result"]
        return result

    def subscribe(self, *topics: str) -> None:
        """Hear events of these topics from now on, by `events` and `next_event`. Raises ControlError and ClientError."""
        self._transport.subscribe(topics, self.timeout_s)

    def events(self, timeout_s: float | None = None) -> Iterator[Json]:
        """Events as they come, until none comes for `timeout_s` real seconds."""
        while (event := self._transport.event(timeout_s)) is not None:
            yield event

    def next_event(self, topic: str, timeout_s: float | None = 60.0) -> Json:
        """The next event of this topic; others are dropped. Raises ClientError when none comes in time."""
        for event in self.events(timeout_s):
            if event["event"] == topic:
                return event
        raise ClientError(f"no event {topic} has come within {timeout_s:g} s")

    def _do(self, name: str, **arguments: Any) -> Any:
        """What the generated methods call: None is what was not given."""
        return self.do(name, {key: value for key, value in arguments.items() if value is not None})


def refused(answer: Mapping[str, Any]) -> ControlError:
    """The error that an answer tells."""
    problems = [Problem(str(each["field"]), str(each["problem"])) for each in answer.get("problems", ())]
    return ControlError(str(answer.get("code")), problems or [Problem("", str(answer.get("error", "refused")))])
