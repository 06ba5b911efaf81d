"""How frames are shown: short, stable, and never in the way of a broken one."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from station.sim.brief import Brief
from station.sim.scenario_show import Conversation, PlainScreen, RichScreen, Unbroken, clock, sentence


def conversation() -> tuple[Conversation, list[str]]:
    lines: list[str] = []
    return Conversation(PlainScreen(lines.append), lambda: "all is well"), lines


def call(number: int, action: str, payload: Any) -> str:
    return json.dumps([2, f"id-{number}", action, payload])


def test_the_clock() -> None:
    assert [clock(value) for value in (0, 59.96, 3600, 36_061.5)] == [
        "0:00:00.0",
        "0:01:00.0",
        "1:00:00.0",
        "10:01:01.5",
    ]


def test_calls_and_answers_with_content_are_shown() -> None:
    shown, lines = conversation()
    shown.frame(1.0, "out", call(1, "Authorize", {"idTag": "A"}))
    shown.frame(1.5, "in", '[3,"id-1",{"idTagInfo":{"status":"Accepted"}}]')
    shown.frame(2.0, "out", call(2, "StatusNotification", {"connectorId": 1, "status": "Available"}))
    shown.frame(2.0, "in", '[3,"id-2",{}]')
    shown.frame(3.0, "in", '[4,"id-3","InternalError","why",{}]')
    assert lines == [
        " 0:00:01.0  --> Authorize idTag=A",
        " 0:00:01.5  <-- Authorize answered status=Accepted",
        " 0:00:02.0  --> StatusNotification connector 1 Available",
        " 0:00:03.0  <-- an answer to nothing refused: InternalError why",
    ]


def test_long_lines_are_cut_and_say_so() -> None:
    assert sentence(Brief("call", "X", "y" * 200)) == "X " + "y" * 105 + "..."
    assert sentence(Brief("garbage", "?", "[")) == "not a frame: ["
    assert sentence(Brief("call", "Heartbeat", "")) == "Heartbeat"


def test_an_output_that_fails_says_so_when_it_is_asked() -> None:
    said: list[str] = []

    def write(text: str) -> None:
        said.append(text)
        raise BrokenPipeError

    screen = Unbroken(PlainScreen(write))
    screen.check()
    screen.line("a")
    screen.line("b")
    screen.progress("c")
    screen.close()
    assert said == ["a"]
    with pytest.raises(BrokenPipeError):
        screen.check()


def test_periodic_frames_are_counted() -> None:
    shown, lines = conversation()
    for minute in range(150):
        shown.frame(minute * 60.0, "out", call(minute, "MeterValues", {}))
        shown.frame(minute * 60.0, "in", f'[3,"id-{minute}",{{}}]')
    shown.frame(9000.0, "out", call(999, "Authorize", {}))
    assert len(lines) == 2 + 2 + 1 + 1
    counts = [int(line.split()[2]) for line in lines if "more MeterValues" in line]
    assert sum(counts) == 148
    assert "all is well" in lines[2]


@given(st.text() | st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner, max_size=5)).map(json.dumps))
def test_any_frame_can_be_shown(text: str) -> None:
    shown, lines = conversation()
    shown.frame(0.0, "in", text)
    shown.frame(0.0, "out", json.dumps([2, "1", "TransactionEvent", {"transactionInfo": 5, "meterValue": text}]))
    assert all(line.isprintable() for line in lines)


def test_a_terminal_gets_the_same_words_in_colour() -> None:
    out = io.StringIO()
    screen = RichScreen(Console(file=out, force_terminal=True, width=200, color_system="standard"))
    screen.line("[not markup] --> Heartbeat", "out")
    screen.progress("half done")
    screen.progress("nearly")
    screen.close()
    screen.close()
    assert "[not markup] --> Heartbeat" in out.getvalue()
    assert "\x1b[32m" in out.getvalue()
