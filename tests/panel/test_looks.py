"""How the panel looks: both themes, a phone, contrast, names for screen readers. The screenshots in docs/ are made here."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.panel.chromium import DESK, PHONE, Browser, script
from tests.panel.running import ROOT, RunningStation

KEEP = "PILOTWIRE_SCREENSHOTS"
"""Set to anything: the screenshots in docs/ are written anew."""
VIEWS = ("conversation", "transactions", "charging", "settings", "records", "activity")
# Days with cheap hours, a transaction with wishes of its own, and a station that may not draw what two cars would.
PROFILES: tuple[dict[str, object], ...] = (
    {"steps": [[0, 20], [4 * 3600, 32], [10 * 3600, 13]], "repeat": "Daily", "duration": "24h"},
    {"steps": [[0, 16], [7200, 8], [5 * 3600, 24]], "purpose": "TxProfile", "duration": "9h"},
    {"steps": [[0, 22_080], [6 * 3600, 13_800]], "unit": "W", "evse": 0, "purpose": "ChargingStationMaxProfile"},
)


@pytest.fixture(scope="module")
def busy(station: RunningStation) -> RunningStation:
    """A station in the middle of a session, so that there is something to see."""
    station.do("speed", factor=60)
    station.do("plug", evse=1, cable_a=20, car={"max_a": 32, "soc_percent": 38})
    station.do("swipe", evse=1)
    station.do("plug", evse=2)
    return station


def png_size(data: bytes) -> tuple[int, int]:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def screenshot(browser: Browser, name: str, size: tuple[int, int]) -> bytes:
    data = browser.driver.get_screenshot_as_png()
    assert png_size(data) == size
    assert len(data) > 20_000, "there is hardly anything in the picture"
    if os.environ.get(KEEP):
        (ROOT / "docs" / name).write_bytes(data)
    return data


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_both_themes(browser: Browser, busy: RunningStation, scheme: str) -> None:
    busy.do("profile_clear")
    browser.open(busy.url, scheme=scheme)
    background = browser.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(background) > 3 * 128) == (scheme == "light")
    browser.click(".welcome-close")
    browser.until(lambda: "Charging" in browser.text(".tiles"), "it charges")
    browser.until(lambda: browser.run(script("plotted")), "the plots are drawn")
    browser.until(lambda: browser.count(".frame-row.vrow") > 20, "there is a conversation", 40)
    browser.find("#view-conversation .vlist").send_keys(Keys.ARROW_UP, Keys.ARROW_UP)
    browser.find(".detail .partner")
    screenshot(browser, f"panel-{scheme}.png", DESK)
    for number, profile in enumerate(PROFILES, 1):
        busy.do("profile_add", id=number, start="now", **profile)
    for view in VIEWS:
        browser.view(view)
        assert browser.run(script("contrast")) == []
        assert browser.run(script("nameless")) == []
    if scheme == "dark":
        browser.view("charging")
        browser.until(lambda: browser.count(".plan-band") >= 3, "three sources")
        browser.find(".plan-figure").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        browser.find(".why-row.here")
        browser.until(lambda: not browser.all(".note"), "nothing lies over it")
        screenshot(browser, "panel-charging.png", DESK)
    assert browser.complaints() == []


def test_the_theme_that_was_chosen_is_remembered(browser: Browser, busy: RunningStation) -> None:
    browser.open(busy.url, scheme="dark")
    browser.keys("t")
    browser.until(lambda: browser.run("return document.documentElement.dataset.theme") == "light", "the key t")
    browser.open(busy.url, scheme="dark", fresh=False)
    assert browser.run("return document.documentElement.dataset.theme") == "light"


def test_a_phone(browser: Browser, busy: RunningStation, tmp_path: Path) -> None:
    browser.open(busy.url, size=PHONE)
    browser.click(".welcome-close")
    for view in ("bench", *VIEWS):
        browser.view(view)
        wide = browser.run("return [document.documentElement.scrollWidth, document.body.scrollWidth]")
        assert wide == [PHONE[0], PHONE[0]], view
        cut = browser.run(script("cut_off"))
        assert cut == [], view
        (tmp_path / f"{view}.png").write_bytes(browser.driver.get_screenshot_as_png())
    browser.view("bench")
    browser.find(".controls button", "Swipe")
    assert browser.complaints() == []
