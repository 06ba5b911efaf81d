"""What a station answers, for people and for programs."""

from __future__ import annotations

import io
import json

from station.cli.ctl_rich import RichShow
from station.cli.ctl_show import JsonShow, PlainShow, Show, show_on

RESULT = {
    "station": {"identity": "CS1", "online": True, "trouble": None, "speed": 10.0},
    "evses": [
        {"evse": 1, "phase": "Idle", "faults": [], "reading": {"power_w": 11040.25, "current_a": [16.0, 16.0, 16.0]}},
        {"evse": 2, "phase": "Charging", "faults": ["GroundFailure"], "reading": None},
    ],
}
FRAME = {
    "event": "frame",
    "n": 3,
    "wall": 1767225601.5,
    "direction": "sent",
    "type": "CALL",
    "action": "Heartbeat",
    "text": '[2,"1","Heartbeat",{}]',
    "verdict": "ok",
    "latency_ms": None,
}
ROW = {
    "name": "plug",
    "group": "people",
    "doc": "A driver plugs a car in. Or again.",
    "reads": False,
    "needs_bench": True,
    "passes_time": False,
    "parameters": {
        "properties": {
            "evse": {"type": "integer", "default": 1, "description": "Number."},
            "token": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "Card."},
            "kinds": {"type": "array", "items": {"enum": ["a", "b"]}},
        },
        "required": ["token"],
    },
}


def shown(show: type[Show], what: str, *arguments: object, **more: object) -> str:
    stream = io.StringIO()
    getattr(show(stream), what)(*arguments, **more)
    return stream.getvalue()


def test_a_state_tells_the_whole_cause_and_a_departure_as_a_time() -> None:
    cause = "profile 12 (TxDefaultProfile) of the energy management, shared with EVSE 2 and EVSE 3"
    evse = {"evse": 1, "cause": cause, "needs": {"departs": 1767225600.5, "priority": None}}
    text = shown(PlainShow, "result", "state", {"evses": [evse]})
    assert f"cause           {cause}\n" in text
    assert "needs.departs   2026-01-01T00:00:00Z\n" in text


def test_plain_text_is_aligned() -> None:
    assert shown(PlainShow, "result", "state", RESULT) == (
        "station.identity  CS1\n"
        "station.online    yes\n"
        "station.trouble   -\n"
        "station.speed     10\n"
        "\n"
        "evses\n"
        "  evse  phase     faults         reading\n"
        '  1     Idle      -              {"power_w": 11040.25, "current_a": [16.0, 16.0, 16.0]}\n'
        "  2     Charging  GroundFailure  -\n"
    )


def test_what_has_many_fields_has_a_column_of_its_own() -> None:
    wide = {"evses": [{f"f{n}": n for n in range(9)}, {"f0": 10, "more": {"deep": 1.5}}]}
    lines = shown(PlainShow, "result", "state", wide).splitlines()
    assert lines[1].split() == ["f0", "0", "10"]
    assert lines[2].split() == ["f1", "1", "-"]
    assert lines[-1].split() == ["more.deep", "-", "1.5"]
    single = shown(PlainShow, "result", "x", {"rows": [{"a": 1, "b": "two"}]})
    assert single == "rows\n  a  1\n  b  two\n"


def test_flat_rows_stay_rows_however_many_fields_they_have() -> None:
    wide = {"transactions": [{f"f{n}": n + 10 * row for n in range(9)} for row in range(4)]}
    lines = shown(PlainShow, "result", "transactions", wide).splitlines()
    assert len(lines) == 2 + 4
    assert lines[1].split() == [f"f{n}" for n in range(9)]
    assert lines[5].split() == [str(n + 30) for n in range(9)]


def test_small_things_are_told_in_words() -> None:
    limits = [{"cause": "board", "current_a": 32.0}, {"cause": "cable", "current_a": 20.5}]
    assert shown(PlainShow, "result", "x", {"evses": [{"limits": limits}]}) == (
        "evses\n  limits  board 32 A, cable 20.5 A\n"
    )
    assert shown(PlainShow, "result", "x", {"evses": [{"odd": [{"a": 1, "b": [2]}]}]}) == (
        'evses\n  odd  [{"a": 1, "b": [2]}]\n'
    )


def test_nothing_to_tell() -> None:
    assert shown(PlainShow, "result", "unplug", {}) == "unplug: done\n"


def test_a_frame_is_a_line_and_moves_no_cursor() -> None:
    assert shown(PlainShow, "event", FRAME) == '00:00:01.500 station > CALL Heartbeat [2,"1","Heartbeat",{}]\n'
    answer = {**FRAME, "direction": "received", "type": "CALLRESULT", "latency_ms": 3.25, "verdict": "no\x1b[2J"}
    line = shown(PlainShow, "event", answer)
    assert "< CSMS CALLRESULT Heartbeat (3.2 ms, WRONG: no\\x1b[2J)" in line
    assert "\x1b" not in line


def test_other_events() -> None:
    state = {
        "event": "state",
        "station": {"identity": "CS1", "online": True, "time": "2026-01-01T00:00:05.000Z"},
        "evses": [
            {
                "evse": 1,
                "connector_state": "Charging",
                "pilot": "C",
                "reading": {"power_w": 11040.0},
                "transaction": {"energy_wh": 184.0},
            }
        ],
    }
    assert shown(PlainShow, "event", state) == "00:00:05.000 CS1 online | EVSE 1 Charging C, 11.0 kW, 0.184 kWh\n"
    assert "refused evse=1 why=-" in shown(PlainShow, "event", {"event": "refused", "evse": 1, "why": None, "wall": 0})


def test_json_is_what_came() -> None:
    assert json.loads(shown(JsonShow, "result", "state", RESULT)) == RESULT
    assert json.loads(shown(JsonShow, "event", FRAME)) == FRAME
    assert json.loads(shown(JsonShow, "help", [ROW], one=True)) == ROW


def test_help() -> None:
    assert (
        shown(PlainShow, "help", [ROW], one=False) == "people\n  plug [evse] token [kinds]  A driver plugs a car in.\n"
    )
    one = shown(PlainShow, "help", [ROW], one=True)
    assert "A driver plugs a car in. Or again. Only in a simulator." in one
    assert "evse   integer       default 1  Number." in one
    assert "token  string        required   Card." in one
    assert "kinds  array of a|b" in one


def test_colours_say_the_same_and_markup_of_others_is_text() -> None:
    for text in (
        shown(RichShow, "result", "state", RESULT),
        shown(RichShow, "result", "x", {"text": "[bold]no markup[/bold]"}),
        shown(RichShow, "help", [ROW], one=True),
        shown(RichShow, "event", FRAME),
    ):
        assert text.strip()
    assert "[bold]no markup[/bold]" in shown(RichShow, "result", "x", {"text": "[bold]no markup[/bold]"})
    assert "GroundFailure" in shown(RichShow, "result", "state", RESULT)


def test_who_gets_what() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(show_on(Terminal(), as_json=True), JsonShow)
    assert isinstance(show_on(Terminal(), as_json=False), RichShow)
    assert isinstance(show_on(io.StringIO(), as_json=False), PlainShow)
