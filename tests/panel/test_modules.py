"""The panel's modules by themselves, imported in the browser that they are written for."""

from __future__ import annotations

from tests.panel.chromium import Browser, script
from tests.panel.running import RunningStation

MANY = 100_000


def test_a_hundred_thousand_rows_scroll_with_constant_dom(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    found = browser.run_async(script("many_rows"), MANY)
    assert found["most"] < 60
    assert found["least"] > 20
    assert found["end"] == f'[2,"{MANY}","Heartbeat",{{}}]', "the last row is reached"
    assert found["shown"] == MANY // 50
    assert found["partner"] == 9
    assert found["last"], "two million rows: the scroll bar is scaled, the last row is still reached"
    assert found["each"] < 200, "a scroll step, two repaints included, in ms (16.7 each on an idle machine)"
    assert found["filtered"] < 1000


def test_frames_are_bounded_and_told_twice_only_once(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    assert browser.run_async(script("bounded_frames")) == {
        "numbers": [1, 2, 3, 4],
        "bounded": True,
        "last": True,
        "lines": 3,
    }


def test_forms_read_every_kind_of_value(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    found = browser.run_async(script("forms"))
    assert found["kinds"] == ["number", "loose", "json", "group", "choice", "flag"]
    assert found["values"] == [3, "max", 10, {"A.B": "5", "C": "x y"}, {"A": 1}, ["a", "b"], False]
    assert found["nothing"]
    assert found["whole"] == {"evse": 2, "car": {"soc": 40}}
    assert found["problem"] == "car.soc"
    assert found["wrong"] == "must be a number"
    assert found["complaints"] == ["must be a number", "not now"]


def test_texts_for_people(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    assert browser.run_async(script("texts")) == [
        "00:00:00", "09:41:07.250", "", "", "1 min 00 s", "1 h 02 min", "0.0",
        "–", "<1 ms", "1.25 s", "Suspended EVSE", "13.5",
        "Updated · #3 · SoC 41 Percent",
        "NotImplemented · no", "garbage",
        1, 10, 25, 50,
        '{"a":"One","b":[0]}',
        True, 1,
    ]  # fmt: skip
