"""A small control that is real enough for a transport: commands that work, refuse, wait, fail, and events on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from station.errors import ControlError, Problem
from station.runtime.control_types import Json, Listener

OBJECT: Json = {"type": "object"}


class SmallControl:
    """`log` holds what was done, in order. `gate`: what `slow` waits for. `heard` counts subscriptions."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.gate = asyncio.Event()
        self.listeners: dict[int, tuple[frozenset[str], Listener]] = {}
        self._numbers = 0

    async def do(self, name: str, arguments: Mapping[str, object]) -> Json:
        self.log.append(name)
        if name == "echo":
            return dict(arguments)
        if name == "help":
            return {"commands": self.describe()}
        if name == "wait":
            await asyncio.sleep(float(str(arguments["duration"])))
            return {}
        if name == "slow":
            await self.gate.wait()
            self.log.append("slow is done")
            return {}
        if name == "burst":
            for number in range(int(str(arguments["events"]))):
                self.emit({"event": "frame", "n": number, "text": "x" * int(str(arguments.get("size", 10)))})
                self.emit({"event": "state", "n": number})
            return {}
        if name == "broken":
            raise ZeroDivisionError("a secret that only the log may know")
        if name == "unwritable":
            return {"value": object()}
        if name == "refuse":
            raise ControlError("conflict", [Problem("evse", "has no car"), Problem("", "and it rains")])
        raise ControlError("unknown", [Problem("do", f"there is no command {name}")])

    def describe(self) -> list[Json]:
        return [
            {
                "name": name,
                "group": "look",
                "doc": f"What {name} does.",
                "reads": True,
                "needs_bench": False,
                "passes_time": name == "wait",
                "parameters": OBJECT,
                "returns": OBJECT,
            }
            for name in ("echo", "help", "wait", "slow", "burst", "broken", "unwritable", "refuse")
        ]

    def subscribe(self, topics: frozenset[str], listener: Listener) -> Callable[[], None]:
        self._numbers += 1
        number = self._numbers
        self.listeners[number] = (topics, listener)
        return lambda: self.listeners.pop(number) and None

    def emit(self, event: Json) -> None:
        for topics, listener in list(self.listeners.values()):
            if event["event"] in topics:
                listener(event)
