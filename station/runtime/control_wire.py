"""Topics `wire` and `wire_cards`: what the drivers of this process send and receive on serial lines, decoded.

The ports are listened to, and bytes decoded, only while somebody has subscribed; and never in the middle of a driver's work.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from hal.bus.trace import TAP, Passed
from hal.monitor_capture import Wires
from station.runtime.control_types import WIRE, WIRE_CARDS, Json

__all__ = ["WireTopics"]


class WireTopics:
    """wall: the time to tell. tell: hears (topic, event)."""

    def __init__(self, wall: Callable[[], float], tell: Callable[[str, Json], None]) -> None:
        self._wall = wall
        self._tell = tell
        self._wires: dict[str, Wires] = {}  # topic -> what it shows
        self._passed: deque[tuple[float, Passed]] = deque()
        self._silences: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._end: Callable[[], None] | None = None

    def want(self, topics: frozenset[str]) -> None:
        """What somebody is subscribed to by now."""
        for topic in (WIRE, WIRE_CARDS):
            if topic not in topics:
                self._wires.pop(topic, None)
            elif topic not in self._wires:
                self._wires[topic] = Wires(show_cards=topic == WIRE_CARDS)
        for key in [key for key in self._silences if key[0] not in self._wires]:
            self._silences.pop(key).cancel()
        if self._wires and self._end is None:
            self._end = TAP.listen(self._hear)
        elif not self._wires and self._end is not None:
            self._end()
            self._end = None
            self._passed.clear()

    def _hear(self, passed: Passed) -> None:
        """In the middle of a driver's work: only kept."""
        if not self._passed:
            asyncio.get_running_loop().call_soon(self._work)
        self._passed.append((self._wall(), passed))

    def _work(self) -> None:
        while self._passed:
            wall, passed = self._passed.popleft()
            for topic, wires in tuple(self._wires.items()):
                self._told(topic, wires.feed(passed.port, passed.speaks, passed.direction, passed.data, wall))
                self._wait_for_silence(topic, passed.port)

    def _wait_for_silence(self, topic: str, port: str) -> None:
        """Then what is left means nothing, and is told as it is."""
        timer = self._silences.pop((topic, port), None)
        if timer is not None:
            timer.cancel()
        wires = self._wires.get(topic)
        if wires is not None and wires.wire(port).pending:
            loop = asyncio.get_running_loop()
            self._silences[topic, port] = loop.call_later(wires.wire(port).idle_s, self._silent, topic, port)

    def _silent(self, topic: str, port: str) -> None:
        self._silences.pop((topic, port), None)
        wires = self._wires.get(topic)
        if wires is not None:
            self._told(topic, wires.flush(port))

    def _told(self, topic: str, rows: list[Json]) -> None:
        for row in rows:
            self._tell(topic, row)
