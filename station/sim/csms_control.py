"""The command table of `station csms`, as every transport sees it (`station.runtime.control_types.Control`)."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import cast

from station.errors import ControlError, Problem, StationError
from station.runtime.control_command import describe, read
from station.runtime.control_types import Json, Listener
from station.sim.csms_command import CsmsCommand
from station.sim.csms_commands import CSMS_COMMANDS
from station.sim.csms_host import CsmsHost
from station.sim.csms_journal import SeenFrame

__all__ = ["TOPICS", "CsmsControl"]

TOPICS = {
    "state": "the CSMS and every station that ever came, when something of it changed; at most ten a second",
    "frame": "one OCPP frame, either direction, passwords masked",
    "command": "a command was carried out, by whomever",
}
STATE_EVERY_S = 0.1


class CsmsControl:
    """Everything that can be done to one CSMS. Used only in the CSMS's loop."""

    def __init__(self, host: CsmsHost) -> None:
        self.host = host
        self._listeners: list[tuple[frozenset[str], Listener]] = []
        self._exclusive = asyncio.Lock()
        self._told_at = float("-inf")
        self._telling: asyncio.TimerHandle | None = None
        host.csms.journal.listeners.append(self._seen)
        host.csms.link_listeners.append(self._changed)

    async def do(self, name: str, arguments: Mapping[str, object]) -> Json:
        """Carry out one command of the table. Raises ControlError, and then nothing has changed."""
        cls = CSMS_COMMANDS.get(name)
        if cls is None:
            near = difflib.get_close_matches(name, CSMS_COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(CSMS_COMMANDS)}"
            raise ControlError("unknown", [Problem("", f"there is no command {name[:40]!r}; {hint}")])
        command = cast(CsmsCommand, read(cls, arguments))
        try:
            async with self._exclusive if cls.exclusive else nullcontext():
                result = await command.act(self.host)
        except ControlError:
            raise
        except (StationError, OSError) as error:
            raise ControlError("conflict", [Problem("", str(error))]) from error
        if not cls.reads:
            self._tell("command", {"event": "command", "name": name, "wall": self.host.csms.clock.now().wall})
            self._changed()
        return result

    def describe(self) -> list[Json]:
        return [describe(command) for command in CSMS_COMMANDS.values()]

    def subscribe(self, topics: frozenset[str], listener: Listener) -> Callable[[], None]:
        """Hear events of these topics; the returned function ends that. Raises ControlError for an unknown topic."""
        unknown = sorted(topics - TOPICS.keys())
        if unknown:
            known = ", ".join(TOPICS)
            raise ControlError(
                "invalid", [Problem("topics", f"there is no {name[:40]!r}; known are {known}") for name in unknown]
            )
        entry = (topics, listener)
        self._listeners.append(entry)

        def end() -> None:
            if entry in self._listeners:
                self._listeners.remove(entry)

        return end

    def close(self) -> None:
        """No event any more."""
        self._listeners.clear()
        if self._seen in self.host.csms.journal.listeners:
            self.host.csms.journal.listeners.remove(self._seen)
            self.host.csms.link_listeners.remove(self._changed)
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    def _seen(self, frame: SeenFrame) -> None:
        row = self.host.frames.take(frame)
        self._tell("frame", {"event": "frame", **row})
        self._changed()

    def _changed(self) -> None:
        """Tell the state soon: at most every `STATE_EVERY_S`, and only when somebody wants to know."""
        if self._telling is not None or not any("state" in topics for topics, _ in self._listeners):
            return
        loop = asyncio.get_running_loop()
        self._telling = loop.call_at(max(loop.time(), self._told_at + STATE_EVERY_S), self._tell_state)

    def _tell_state(self) -> None:
        self._telling = None
        self._told_at = asyncio.get_running_loop().time()
        self._tell("state", {"event": "state", **self.host.state()})

    def _tell(self, topic: str, event: Json) -> None:
        for topics, listener in tuple(self._listeners):
            if topic in topics:
                listener(event)
