"""JSON lines: any bytes, cut anywhere, get an answer per line that says what is wrong, and nothing else happens."""

from __future__ import annotations

import json
import logging
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.errors import ControlError, Problem
from station.runtime.fence import Fence
from station.runtime.lines import MOST_LINE, LineReader, LineSession, read_request
from station.runtime.outbox import Outbox
from tests.runtime.small_control import SmallControl


class Client:
    """A session and what it said."""

    def __init__(self, control: SmallControl | None = None) -> None:
        self.control = control or SmallControl()
        self.out = Outbox(lambda: None)
        self.session = LineSession(self.control, self.out)

    async def say(self, line: bytes | dict[str, Any] | None) -> list[dict[str, Any]]:
        await self.session.take(json.dumps(line).encode() if isinstance(line, dict) else line)
        return [json.loads(each) for each in self.out.take().splitlines()]


# --- cutting ----------------------------------------------------------------------------------------------------------

PIECES = st.lists(st.one_of(st.binary(max_size=40), st.just(b"\n"), st.just(b"\r\n")), max_size=30)


@given(PIECES, st.integers(1, 20))
def test_cut_anywhere_it_is_the_same_lines(pieces: list[bytes], most: int) -> None:
    whole, parts = LineReader(most), LineReader(most)
    text = b"".join(pieces)
    expected = whole.feed(text) + whole.end()
    found = [line for piece in pieces for byte in (piece, b"") for line in parts.feed(byte)] + parts.end()
    assert found == expected
    single = LineReader(most)
    assert [line for n in range(len(text)) for line in single.feed(text[n : n + 1])] + single.end() == expected


@given(PIECES, st.integers(1, 20))
def test_a_line_is_whole_or_told_to_be_too_long(pieces: list[bytes], most: int) -> None:
    text = b"".join(pieces)
    reader = LineReader(most)
    found = reader.feed(text) + reader.end()
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    assert found == [None if len(line) > most else line.removesuffix(b"\r") for line in lines]


def test_an_endless_line_is_refused_once_and_takes_no_memory() -> None:
    reader = LineReader()
    found = [line for _ in range(64) for line in reader.feed(b"x" * 65536)]
    assert found == [None]
    assert reader.feed(b"still it\n{}\n") == [b"{}"]


# --- reading ----------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_request_or_a_refusal(line: bytes) -> None:
    with Fence() as fence:
        assert isinstance(read_request(line).name, str)
    assert fence.error is None or (
        isinstance(fence.error, ControlError) and fence.error.code == "invalid" and str(fence.error)
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["id", "do", "with", "evse", "topics"]), JSON))
async def test_any_object_is_answered_with_one_line_that_echoes_its_id(message: dict[str, Any]) -> None:
    if message.get("do") == "wait":
        return
    (answer,) = await Client().say(orjson.dumps(message))
    assert answer["ok"] in {True, False}
    if isinstance(message.get("id"), str | int | float) and not isinstance(message["id"], bool):
        assert answer["id"] == message["id"]
    if not answer["ok"]:
        assert answer["error"]
        assert answer["problems"]
        assert answer["code"] in {"invalid", "unknown"}


@pytest.mark.parametrize(
    ("line", "field", "words"),
    [
        (b"plug 1", "", "not JSON"),
        (b"\xff\xfe", "", "not JSON"),
        (b"[1]", "", "JSON object"),
        (b"{}", "do", "name of a command"),
        (b'{"do": 3}', "do", "name of a command"),
        (b'{"do": "echo", "id": true}', "id", "text or a number"),
        (b'{"do": "echo", "id": {}}', "id", "text or a number"),
        (b'{"do": "echo", "with": 3}', "with", "object"),
        (b'{"do": "echo", "evse": 1, "with": {"evse": 2}}', "evse", "twice"),
        (b"{" * 100_000, "", "not JSON"),
        (None, "", "longer than 1048576 bytes"),
    ],
)
async def test_a_line_that_is_no_request(line: bytes | None, field: str, words: str) -> None:
    client = Client()
    (answer,) = await client.say(line)
    assert answer["ok"] is False
    assert answer["code"] == "invalid"
    assert [problem["field"] for problem in answer["problems"]] == [field]
    assert words in answer["error"]
    assert client.control.log == []


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_answers_carry_id_and_result() -> None:
    client = Client()
    assert await client.say({"id": "a", "do": "echo", "evse": 1}) == [{"id": "a", "ok": True, "result": {"evse": 1}}]
    assert await client.say({"do": "echo"}) == [{"ok": True, "result": {}}]
    assert await client.say({"id": 0, "do": "echo", "with": {"id": "tx", "do": 3}}) == [
        {"id": 0, "ok": True, "result": {"id": "tx", "do": 3}}
    ]
    assert await client.say(b"  \t ") == []


async def test_a_refusal_names_every_field() -> None:
    (answer,) = await Client().say({"id": 3, "do": "refuse"})
    assert answer == {
        "id": 3,
        "ok": False,
        "code": "conflict",
        "error": "evse: has no car; and it rains",
        "problems": [{"field": "evse", "problem": "has no car"}, {"field": "", "problem": "and it rains"}],
    }
    (answer,) = await Client().say({"do": "nonsense"})
    assert answer["code"] == "unknown"


@pytest.mark.parametrize("name", ["broken", "unwritable"])
async def test_our_mistake_is_logged_and_the_session_goes_on(name: str, caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    with caplog.at_level(logging.ERROR):
        (answer,) = await client.say({"id": 1, "do": name})
    assert answer["code"] == "internal"
    assert "secret" not in json.dumps(answer)
    assert f"the command {name} failed" in caplog.text
    assert await client.say({"do": "echo"}) == [{"ok": True, "result": {}}]


# --- events -----------------------------------------------------------------------------------------------------------


async def test_topics_come_and_go() -> None:
    client = Client()
    control = client.control
    (answer,) = await client.say({"id": 1, "do": "subscribe", "topics": ["frame"]})
    assert answer["result"] == {"topics": ["frame"]}
    (answer,) = await client.say({"do": "subscribe", "topics": ["state"]})
    assert answer["result"] == {"topics": ["frame", "state"]}
    assert len(control.listeners) == 1
    control.emit({"event": "frame", "n": 1})
    control.emit({"event": "fact", "n": 2})
    (event,) = await client.say(b"")
    assert event == {"event": "frame", "n": 1}
    assert client.session.subscribed
    (answer,) = await client.say({"do": "unsubscribe", "topics": ["frame"]})
    assert answer["result"] == {"topics": ["state"]}
    (answer,) = await client.say({"do": "unsubscribe"})
    assert answer["result"] == {"topics": []}
    assert control.listeners == {}
    await client.say({"do": "subscribe", "topics": ["state"]})
    client.session.close()
    assert control.listeners == {}


@pytest.mark.parametrize(
    "arguments",
    [{}, {"topics": "frame"}, {"topics": []}, {"topics": [1]}, {"topics": ["frame", "x"]}, {"topic": ["frame"]}],
)
async def test_a_wrong_subscription_changes_nothing(arguments: dict[str, Any]) -> None:
    client = Client()
    await client.say({"do": "subscribe", "topics": ["fact"]})
    (answer,) = await client.say({"do": "subscribe", **arguments})
    assert answer["ok"] is False
    assert "topics" in {problem["field"] for problem in answer["problems"]}
    (known,) = {topics for topics, _ in client.control.listeners.values()}
    assert known == {"fact"}


def test_the_limit_is_what_the_documentation_says() -> None:
    assert MOST_LINE == 1024 * 1024


async def test_the_number_of_a_request_is_no_argument() -> None:
    class Picky(SmallControl):
        async def do(self, name: str, arguments: Any) -> Any:
            if "id" not in arguments:
                raise ControlError("invalid", [Problem("id", "is missing")])
            return {}

    client = Client(Picky())
    (answer,) = await client.say({"id": "tx-1", "do": "transaction"})
    assert answer["problems"][0]["problem"].startswith('is missing; beside "do" it numbers the request; as an argument')
    (answer,) = await client.say({"id": 1, "do": "transaction", "with": {"id": "tx-1"}})
    assert answer["ok"]
