"""Lines that wait for a reader: in order, bounded, and a loss is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.runtime.outbox import Outbox, encode


def taken(out: Outbox) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.take().splitlines()]


def box(**settings: Any) -> Outbox:
    return Outbox(lambda: None, **settings)


def test_lines_leave_in_order_and_the_reader_is_woken() -> None:
    woken: list[int] = []
    out = Outbox(lambda: woken.append(1))
    out.answer(encode({"ok": True}))
    out.tell({"event": "frame", "n": 1})
    assert len(woken) == 2
    assert taken(out) == [{"ok": True}, {"event": "frame", "n": 1}]
    assert out.waiting == 0
    assert out.take() == b""


def test_of_states_a_slow_reader_gets_the_newest() -> None:
    out = box()
    for number in range(1000):
        out.tell({"event": "state", "n": number})
    assert taken(out) == [{"event": "state", "n": 999}]
    out.tell({"event": "state", "n": 1000})
    assert taken(out) == [{"event": "state", "n": 1000}]


def test_what_does_not_fit_is_counted_where_it_is_missing() -> None:
    out = box(most=60)
    for number in range(5):
        out.tell({"event": "frame", "n": number})
    out.answer(encode({"ok": True}))
    out.tell({"event": "fact", "n": 5})
    found = taken(out)
    assert found == [
        {"event": "frame", "n": 0},
        {"event": "frame", "n": 1},
        {"event": "gap", "lost": 3},
        {"ok": True},
        {"event": "gap", "lost": 1},
    ]
    out.tell({"event": "frame", "n": 6})
    assert taken(out) == [{"event": "frame", "n": 6}]


def test_an_answer_always_fits() -> None:
    out = box(most=10)
    out.answer(encode({"result": "x" * 1000}))
    assert len(taken(out)) == 1


def test_lossless_keeps_everything() -> None:
    out = box(most=10, lossless=True)
    for number in range(100):
        out.tell({"event": "state", "n": number})
    assert [event["n"] for event in taken(out)] == list(range(100))


def test_what_is_no_json_is_refused_by_name() -> None:
    with pytest.raises(TypeError):
        box().tell({"event": "frame", "what": object()})


@given(st.lists(st.sampled_from(["frame", "state", "fact", "answer", "take"]), max_size=200), st.integers(0, 300))
def test_never_more_waits_than_is_allowed_and_nothing_is_lost_untold(steps: list[str], most: int) -> None:
    out = box(most=most)
    sent = heard = levels = answers = 0
    longest = 0
    for number, step in enumerate([*steps, "take"]):
        if step == "take":
            for line in taken(out):
                heard += line["lost"] if line.get("event") == "gap" else line.get("event") not in {None, "state"}
            answers = 0
        elif step == "answer":
            out.answer(encode({"n": number}))
            answers += len(encode({"n": number}))
        else:
            sent += step != "state"
            levels += step == "state"
            out.tell({"event": step, "n": number})
        longest = max(longest, out.waiting - answers)
    assert heard == sent
    assert longest <= most + 40  # one state may stand beside
