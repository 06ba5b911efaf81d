"""The stream of events: what comes, what is lost when somebody does not read, and that it ends with either side."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.web.answers import encode
from station.web.events import MAX_CHARACTERS, MAX_EVENTS, Mailbox, render
from tests.web.served import Reader, refused, served


async def until(check) -> None:
    async with asyncio.timeout(10):
        while not check():
            await asyncio.sleep(0.01)


async def test_what_happens_as_it_happens() -> None:
    async with served() as web, web.http.stream("GET", "/api/v1/events?topics=state,frame") as answer:
        reader = Reader(answer)
        assert await reader.next() == ("state", {"event": "state", "plugged": []})
        await web.do("plug", evse=2)
        assert await reader.next() == ("state", {"event": "state", "plugged": [2]})
        frame = {"event": "frame", "n": 7, "text": 'two\nlines, "quoted" and ü \u2028'}
        web.control.tell(frame)
        web.control.tell({"event": "fact"})
        assert await reader.next() == ("frame", frame)
        assert reader.last_id == "7"


async def test_only_what_was_asked_for() -> None:
    async with served() as web:
        body = refused(await web.http.get("/api/v1/events?topics=state,weather"), 400, "invalid", "topics")
        assert "weather" in body["error"]
        refused(await web.http.get("/api/v1/events?topic=state"), 400, "invalid", "topic")
        assert web.control.listeners == []
        async with web.http.stream("GET", "/api/v1/events?topics=fact") as answer:
            web.control.tell({"event": "state"})
            web.control.tell({"event": "fact", "x": 1})
            assert await Reader(answer).next() == ("fact", {"event": "fact", "x": 1})


async def test_everything_without_a_choice() -> None:
    async with served() as web, web.http.stream("GET", "/api/v1/events") as answer:
        reader = Reader(answer)
        assert (await reader.next() or ("",))[0] == "state"
        for topic in ("frame", "fact", "refused", "command"):
            web.control.tell({"event": topic})
            assert (await reader.next() or ("",))[0] == topic


async def test_who_leaves_is_no_listener_any_more() -> None:
    async with served() as web:
        async with web.http.stream("GET", "/api/v1/events") as answer:
            await Reader(answer).next()
            assert len(web.control.listeners) == 1
        await until(lambda: not web.control.listeners)
        web.control.tell({"event": "state"})


async def test_a_stream_ends_when_the_server_is_closed() -> None:
    async with served() as web, web.http.stream("GET", "/api/v1/events") as answer:
        reader = Reader(answer)
        await reader.next()
        await asyncio.to_thread(web.server.close)
        assert await reader.next() is None, "in good order: the last chunk came"
        assert web.control.listeners == []


async def test_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("station.web.events.HEARTBEAT_S", 0.05)
    async with served() as web, web.http.stream("GET", "/api/v1/events?topics=fact") as answer:
        reader = Reader(answer)
        await asyncio.sleep(0.3)
        web.control.tell({"event": "fact"})
        await reader.next()
        assert reader.comments >= 2


async def test_a_slow_reader_costs_nothing_and_is_told() -> None:
    """Somebody connects and reads nothing while 50 MB happen."""
    async with served() as web:
        host, port = web.http.base_url.host, web.http.base_url.port
        client = socket.create_connection((host, port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        client.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=client, limit=1 << 16)
        writer.write(b"GET /api/v1/events?topics=frame,state HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in await reader.readline()
        await until(lambda: web.control.listeners)
        text = "x" * 5_000
        for number in range(10_000):
            web.control.tell({"event": "frame", "n": number, "text": text})
            web.control.tell({"event": "state", "number": number})
            if number % 500 == 0:
                await asyncio.sleep(0)
        (mailbox,) = web.server._bridge._streams  # type: ignore[union-attr]  # it is served
        assert mailbox._characters <= MAX_CHARACTERS
        assert (await web.look("state")).status_code == 200, "others are served all the while"
        received = bytearray()
        async with asyncio.timeout(20):
            while b'"number":9999' not in received:
                received += await reader.read(1 << 16)
        writer.close()
        await writer.wait_closed()
    lines = received.split(b"\n")
    gaps = [json.loads(line[6:])["lost"] for line in lines if line.startswith(b'data: {"event":"gap"')]
    frames = [int(line[4:]) for line in lines if line.startswith(b"id: ")]
    assert sum(gaps) + len(frames) == 10_000, "what was lost was counted"
    assert frames == sorted(frames)
    assert frames[-1] == 9999, "the newest are kept"
    states = [line for line in lines if line.startswith(b'data: {"event":"state"')]
    assert len(states) < 1000


async def test_too_many_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("station.web.bridge.MAX_STREAMS", 1)
    async with served() as web:
        async with web.http.stream("GET", "/api/v1/events") as answer:
            await Reader(answer).next()
            refused(await web.http.get("/api/v1/events"), 503, "unavailable")
        await until(lambda: not web.control.listeners)
        async with web.http.stream("GET", "/api/v1/events") as answer:
            assert answer.status_code == 200


# --- the mailbox ------------------------------------------------------------------------------------------------------


async def test_the_newest_are_kept() -> None:
    mailbox = Mailbox(asyncio.get_running_loop())
    for number in range(MAX_EVENTS + 5):
        mailbox.put({"event": "fact", "number": number})
        mailbox.put({"event": "state", "number": number})
    events = await mailbox.take(1)
    assert events[0] == {"event": "gap", "lost": 5}
    assert events[1]["number"] == 5
    assert len(events) == MAX_EVENTS + 2
    assert events[-1] == {"event": "state", "number": MAX_EVENTS + 4}
    assert await mailbox.take(0.01) == []
    mailbox.put({"event": "fact"})
    assert await mailbox.take(1) == [{"event": "fact"}]


async def test_one_huge_event_is_kept() -> None:
    mailbox = Mailbox(asyncio.get_running_loop())
    mailbox.put({"event": "frame", "n": 1, "text": ""})
    mailbox.put({"event": "frame", "n": 2, "text": "x" * (MAX_CHARACTERS + 1)})
    first, second = await mailbox.take(1)
    assert first["lost"] == 1
    assert second["n"] == 2


async def test_from_another_thread() -> None:
    mailbox = Mailbox(asyncio.get_running_loop())
    count = 2000

    def fill() -> None:
        for number in range(count):
            mailbox.put({"event": "fact", "number": number})
        mailbox.close()

    thread = threading.Thread(target=fill)
    thread.start()
    heard = 0
    while events := await mailbox.take(10):
        heard += sum(event.get("lost", 1) for event in events)
    thread.join()
    assert heard == count
    assert mailbox.closed
    mailbox.put({"event": "fact"})
    assert await mailbox.take(1) == []


# --- on the wire ------------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.floats() | st.none() | st.lists(st.text())))
def test_an_event_on_the_wire_is_read_back(fields: dict[str, object]) -> None:
    event = {"event": "frame", **{name: value for name, value in fields.items() if name != "event"}}
    lines = render(event).decode().split("\n")
    assert lines[0] == "event: frame"
    assert lines[-2:] == ["", ""]
    (data,) = [line for line in lines if line.startswith("data: ")]
    assert len(lines) == 4 + ("id" in "".join(line[:2] for line in lines))

    def is_same(one: object, two: object) -> bool:
        if isinstance(one, float):
            return two is None if not math.isfinite(one) else one == two
        if isinstance(one, int) and one != two:
            return isinstance(two, int | float) and math.isclose(one, two)
        return one == two

    read = json.loads(data[6:])
    assert read.keys() == event.keys()
    assert all(is_same(value, read[name]) for name, value in event.items())


def test_half_a_character_is_no_end() -> None:
    assert json.loads(encode({"text": "a\ud800b"})) == {"text": "a\ud800b"}
    assert json.loads(encode({1: 2**70})) == {"1": 2**70}
