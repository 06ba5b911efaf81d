"""How the panel looks: both themes, a phone, contrast, names for screen readers. The screenshots in docs/ are made here."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tests.panel.chromium import DESK, PHONE, Browser
from tests.panel.running import ROOT, RunningStation

KEEP = "PILOTWIRE_SCREENSHOTS"
"""Set to anything: the screenshots in docs/ are written anew."""
VIEWS = ("conversation", "transactions", "settings", "records", "activity")

# Every text that is seen, against the nearest background behind it (WCAG 2.1, 1.4.3: 4.5 to 1, large text 3 to 1).
CONTRAST = """
const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length > 3 && n[3] === 0 ? null : n; };
const light = ([r, g, b]) => { const f = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
const behind = (el) => { for (let at = el; at; at = at.parentElement) {
  const c = parse(getComputedStyle(at).backgroundColor); if (c) return c; } return [255, 255, 255]; };
const bad = [];
for (const el of document.querySelectorAll("body *")) {
  const own = [...el.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!own || !el.checkVisibility({opacityProperty: true, visibilityProperty: true}) || el.closest(":disabled, .unseen, .skip, noscript, option")) continue;
  const style = getComputedStyle(el);
  const [a, b] = [light(parse(style.color)), light(behind(el))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5)) bad.push(`${ratio.toFixed(2)} ${el.className}: ${el.textContent.slice(0, 40)}`);
}
return bad;
"""

# Every control has a name.
NAMELESS = """
return [...document.querySelectorAll("button, input, select, textarea, [role=listbox], dialog")]
  .filter((el) => !(el.getAttribute("aria-label") || el.getAttribute("aria-labelledby") || el.labels?.length
    || (el.tagName === "BUTTON" && el.textContent.trim())))
  .map((el) => el.outerHTML.slice(0, 120));
"""


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
    browser.open(busy.url, scheme=scheme)
    background = browser.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(background) > 3 * 128) == (scheme == "light")
    browser.click(".welcome-close")
    browser.until(lambda: "Charging" in browser.text(".tiles"), "it charges")
    plotted = "return [...document.querySelectorAll('canvas')].every((c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(Boolean))"
    browser.until(lambda: browser.run(plotted), "the plots are drawn")
    # Half an hour of station time, so that the plots have something to tell.
    long = "return document.querySelector('.plot-foot').innerText.split(/\\s+/)[0]"
    began = browser.run(long)
    browser.until(
        lambda: browser.run("return document.querySelectorAll('.frame-row.vrow').length") > 20,
        "there is a conversation",
        40,
    )
    assert began
    browser.click('.frame-row.vrow[data-type="CALL"] .f-action', "TransactionEvent")
    screenshot(browser, f"panel-{scheme}.png", DESK)
    for view in VIEWS:
        browser.view(view)
        assert browser.run(CONTRAST) == []
        assert browser.run(NAMELESS) == []
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
        cut = browser.run(
            "return [...document.querySelectorAll('button, input, select')].filter((el) => el.checkVisibility() && !el.closest('.vlist'))"
            ".filter((el) => { const r = el.getBoundingClientRect(); return r.width && (r.left < 0 || r.right > innerWidth + 0.5); })"
            ".map((el) => el.outerHTML.slice(0, 100))"
        )
        assert cut == [], view
        (tmp_path / f"{view}.png").write_bytes(browser.driver.get_screenshot_as_png())
    browser.view("bench")
    browser.find(".controls button", "Swipe")
    assert browser.complaints() == []
