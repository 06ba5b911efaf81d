"""A small Control of three commands: enough for everything that the web itself does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from station.errors import ControlError, Problem
from station.runtime.control_types import TOPICS, Json, Listener


def row(name: str, properties: Json | None = None, *, reads: bool = False, **more: Any) -> Json:
    return {
        "name": name,
        "group": "look" if reads else "people",
        "doc": f"What {name} does. And more.",
        "reads": reads,
        "needs_bench": False,
        "passes_time": False,
        "parameters": {
            "type": "object",
            "properties": properties or {},
            "required": [],
            "additionalProperties": False,
        },
        "returns": {"type": "object"},
        **more,
    }


EVSE = {"type": "integer", "minimum": 1, "maximum": 8, "default": 1, "description": "Number."}
TABLE = [
    row("state", reads=True),
    row(
        "echo",
        {
            "evse": EVSE,
            "keys": {"type": "array", "items": {"type": "string"}},
            "factor": {"anyOf": [{"type": "number"}, {"enum": ["max"]}]},
            "on": {"type": "boolean"},
            "text": {"type": "string"},
        },
        reads=True,
    ),
    row("plug", {"evse": EVSE}),
    row("wait", passes_time=True),
    row("stuck"),
    row("crash"),
]


class SmallControl:
    """Counts what is done; `wait` ends when `go` is set, `stuck` the same, but is not given up when the client goes."""

    def __init__(self) -> None:
        self.plugged: list[object] = []
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.given_up = asyncio.Event()
        self.listeners: list[tuple[frozenset[str], Listener]] = []

    async def do(self, name: str, arguments: Mapping[str, object]) -> Json:
        if name not in {each["name"] for each in TABLE}:
            raise ControlError("unknown", [Problem("", f"there is no command {name!r}; see help")])
        if name in {"wait", "stuck"}:
            self.begun.set()
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.given_up.set()
                raise
        if name == "crash":
            raise ZeroDivisionError("a mistake of ours")
        if name == "echo":
            return dict(arguments)
        if name == "state":
            return {"plugged": list(self.plugged)}
        if name == "plug":
            evse = arguments.get("evse", 1)
            if evse in self.plugged:
                raise ControlError("conflict", [Problem("", "there is a car already")])
            if not isinstance(evse, int):
                raise ControlError("invalid", [Problem("evse", "must be a whole number")])
            self.plugged.append(evse)
            self.tell({"event": "state", **await self.do("state", {})})
        return {}

    def describe(self) -> list[Json]:
        return TABLE

    def subscribe(self, topics: frozenset[str], listener: Listener) -> Callable[[], None]:
        unknown = topics - TOPICS.keys()
        if unknown:
            raise ControlError("invalid", [Problem("topics", f"there is no topic {min(unknown)}")])
        self.listeners.append((topics, listener))
        return lambda: self.listeners.remove((topics, listener))

    def tell(self, event: Json) -> None:
        for topics, listener in list(self.listeners):
            if event["event"] in topics:
                listener(event)
