"""Topics `wire` and `wire_cards`: heard while somebody listens, decoded, cards hidden or not, silence ends what is damaged."""

from __future__ import annotations

import asyncio

from hal.bus.modbus_rtu import Function, Request
from hal.bus.trace import TAP, Direction, Passed
from station.runtime.control_types import ON_REQUEST, TOPICS, WIRE, WIRE_CARDS, Json
from station.runtime.control_wire import WireTopics

READ = Request(1, Function.READ_INPUT, 0x0034, 2).encode()


async def test_only_while_somebody_listens() -> None:
    others = TAP.heard  # a station of another test may not be closed yet
    told: list[tuple[str, Json]] = []
    topics = WireTopics(lambda: 100.0, lambda topic, event: told.append((topic, event)))
    assert TOPICS.keys() >= ON_REQUEST
    topics.want(frozenset({"frame"}))
    assert TAP.heard == others
    topics.want(frozenset({"frame", WIRE}))
    TAP.tell(Passed("/dev/a", "", Direction.SENT, READ))
    assert told == [], "never in the middle of a driver's work"
    await asyncio.sleep(0)
    ((topic, event),) = told
    assert (topic, event["wall"], event["speaks"], event["port"]) == (WIRE, 100.0, "modbus", "/dev/a")
    topics.want(frozenset({WIRE, WIRE_CARDS}))
    told.clear()
    TAP.tell(Passed("/dev/b", "line", Direction.RECEIVED, b"04A1B2C3\r"))
    await asyncio.sleep(0)
    assert {topic: event["text"] for topic, event in told} == {
        WIRE: "line: 8 characters, hidden",
        WIRE_CARDS: "line: '04A1B2C3'",
    }
    told.clear()
    TAP.tell(Passed("/dev/a", "", Direction.SENT, READ[:-1]))
    await asyncio.sleep(0)
    assert [topic for topic, _ in told] == [], "the rest may come"
    async with asyncio.timeout(10):
        while len(told) < 2:
            await asyncio.sleep(0.02)
    assert {event["verdict"] for _, event in told} == {"noise"}
    TAP.tell(Passed("/dev/a", "", Direction.SENT, READ[:-1]))
    topics.want(frozenset())
    assert TAP.heard == others
    await asyncio.sleep(0.3)
    assert len(told) == 2
