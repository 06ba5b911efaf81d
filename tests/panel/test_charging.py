"""Smart charging at the panel: profiles by hand, the plan as a picture, its sentences, the driver's wishes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from tests.panel.chromium import PHONE, Browser, script
from tests.panel.running import RunningStation

DAY_S = 86_400
INSTALL = "dialog button[type=submit]"
ROW = ".profile-table tbody tr"
PLAN_REQUESTS = (
    "return performance.getEntriesByType('resource').filter((each) => each.name.includes('/look/plan')).length"
)


@pytest.fixture
def charging(browser: Browser, station: RunningStation) -> RunningStation:
    """A car charges at EVSE 1 as the hardware lets it; no profiles; the view Charging is open."""
    station.do("speed", factor=10)
    station.do("profile_clear")
    if evse(station)["transaction"] is None:
        station.do("plug", evse=1)
        station.do("swipe", evse=1)
    browser.until(lambda: evse(station)["offered_a"] == 32, "it charges")
    browser.open(station.url)
    browser.click(".welcome-close")
    browser.view("charging")
    browser.find(".profiles-none")
    browser.find(".plan-band")
    return station


def evse(station: RunningStation, number: int = 1) -> dict[str, Any]:
    row: dict[str, Any] = station.look("state")["evses"][number - 1]
    return row


def add_by_form(browser: Browser, *steps: tuple[str, str]) -> None:
    browser.click(".profiles button", "Add a profile")
    assert "`" not in browser.find("dialog").text
    for number, (start, limit) in enumerate(steps):
        if number:
            browser.click("dialog button", "Add a step")
        row = browser.all("dialog .steps-row")[number]
        for css, text in ((".step-from", start), (".step-limit", limit)):
            field = row.find_element("css selector", css)
            field.clear()
            field.send_keys(text)


def corners(browser: Browser, css: str = ".plan-line") -> list[tuple[float, float]]:
    """Where the outline of limits turns: x, y in pixels. It must be made of level and upright pieces only."""
    path = str(browser.run("return document.querySelector(arguments[0]).getAttribute('d')", css))
    assert re.fullmatch(r"(?:[ML][\d.]+ [\d.]+H[\d.]+)+", path), path
    found = []
    for x, y, end in re.findall(r"[ML]([\d.]+) ([\d.]+)H([\d.]+)", path):
        found += [(float(x), float(y)), (float(end), float(y))]
    return found


def test_a_profile_by_the_form_lowers_the_current_says_why_and_is_cleared(
    browser: Browser, charging: RunningStation
) -> None:
    add_by_form(browser, ("0:00", "10"), ("1:30", "20"))
    assert browser.count("dialog .steps-preview path") == 2
    browser.click(INSTALL)
    browser.until(lambda: evse(charging)["offered_a"] == 10, "the current is lower")
    browser.until(lambda: browser.count("dialog") == 0, "the form is closed")
    browser.find(".note", "Profile 1 is installed")
    text = browser.find(ROW).text
    assert "TxDefaultProfile" in text
    assert "10 A, after 1 h 30 min 20 A" in text
    browser.until(lambda: browser.text(".force-limit") == "10 A", "the limit in force")
    assert "profile 1 (TxDefaultProfile)" in browser.text(".force-cause")
    browser.find('.plan-band[data-source="TxDefaultProfile/1"][data-binding=true] .band-mark', "binds")
    assert "TxDefaultProfile 1" in browser.find(".why-row .why-text").text
    assert re.search(r"Planned: 10 A until [\d:]+, then 20 A: TxDefaultProfile 1", browser.find(".force-next").text)
    browser.find(".why .next-limit", "then 20 A")

    browser.click(f"{ROW} button", "Clear")
    browser.until(lambda: evse(charging)["offered_a"] == 32, "the current is up again")
    browser.find(".profiles-none")
    browser.until(lambda: browser.count('[data-source="TxDefaultProfile/1"]') == 0, "gone from the plan")
    browser.until(lambda: not browser.all(".next-limit")[0].is_displayed(), "and from the bench")
    assert browser.complaints() == []


def test_a_wrong_step_is_told_at_its_row(browser: Browser, charging: RunningStation) -> None:
    add_by_form(browser, ("0:00", "16"), ("soon", "8"))

    def complaints() -> list[str]:
        return [each.text for each in browser.all("dialog .steps-row .complaint")]

    browser.click(INSTALL)
    browser.until(lambda: "write 1:30" in complaints()[1], "the page itself sees it")
    browser.type("dialog .steps-row:nth-child(2) .step-from", "0:00")
    browser.click(INSTALL)
    browser.until(lambda: "later than that of the period before" in complaints()[1], "the station's refusal")
    browser.type("dialog .steps-row:nth-child(2) .step-from", "2 h")
    browser.type("dialog .steps-row:nth-child(1) .step-limit", "-1")
    browser.click(INSTALL)
    browser.until(lambda: "from 0" in complaints()[0], "the table's bounds")
    assert complaints()[1] == ""
    assert browser.run("return document.activeElement.getAttribute('aria-label')") == "Step 1: limit"
    browser.type("dialog .steps-row:nth-child(1) .step-limit", "16")
    browser.type("dialog [name=stack_level]", "99")
    browser.click(INSTALL)
    browser.find("dialog .field:has([name=stack_level]) .complaint", "from 0 to")
    assert charging.look("profiles")["profiles"] == []
    assert browser.all(".note[data-kind=error]") == [], "what is told at its field is not told twice"
    assert browser.run(script("contrast")) == []
    assert browser.run(script("nameless")) == []
    browser.click("dialog [aria-label='Remove step 2']")
    browser.type("dialog [name=stack_level]", "3")
    browser.click(INSTALL)
    browser.find(ROW, "stack 3")
    assert browser.complaints() == []


def test_two_steps_are_two_levels_of_the_plot(browser: Browser, charging: RunningStation) -> None:
    charging.do("profile_add", steps=[[0, 16], [6 * 3600, 8]], start="now")
    browser.until(lambda: len(corners(browser)) == 4, "two levels")
    (left, high), (turn, _), (down, low), (right, _) = corners(browser)
    assert turn == down
    assert (turn - left) / (right - left) == pytest.approx(6 / 24, abs=0.02)
    ground = browser.run("return document.querySelector('.plan-fill').getAttribute('d').match(/V([\\d.]+)Z/)[1]")
    assert (float(ground) - low) / (float(ground) - high) == pytest.approx(8 / 16, abs=0.01)
    assert [each.text for each in browser.all(".plan-number")] == ["16 A", "8 A"]

    # The keys go from change to change, and the words follow.
    browser.run("document.querySelector('.plan-figure').focus()")
    figure = browser.find(".plan-figure")
    figure.send_keys(Keys.END)
    browser.find(".plan-readout", "8 A on 3 phases")
    assert "goes on to its next period with 8 A" in browser.text(".plan-readout")
    browser.find(".why-row.here", "8 A")
    assert "8 A" in str(browser.run("return document.getElementById('say').textContent"))
    assert browser.text('[data-source="TxDefaultProfile/1"] .band-value') == "8 A"
    figure.send_keys(Keys.ARROW_LEFT)
    browser.find(".plan-readout", "16 A on 3 phases")
    figure.send_keys(Keys.ESCAPE)
    browser.find(".plan-readout", "Now: 16 A")

    # So does the pointer.
    browser.run(
        "const figure = document.querySelector('.plan-figure'), box = figure.getBoundingClientRect();"
        "figure.dispatchEvent(new PointerEvent('pointermove', {clientX: box.right - 40, clientY: box.top + 60}))"
    )
    browser.find(".plan-readout", "8 A on 3 phases")
    assert browser.all(".plan-cursor")[0].is_displayed()

    browser.click(".charging-view select option[value=W]")
    browser.until(lambda: "11040 W" in [each.text for each in browser.all(".plan-number")], "16 A on three phases")
    browser.click(".charging-view select option[value='604800']")
    browser.until(lambda: corners(browser)[1][0] - corners(browser)[0][0] < 30, "6 hours of 7 days")
    assert browser.complaints() == []


def test_sources_stand_beneath_each_other_and_the_grid_connection_has_its_plan(
    browser: Browser, charging: RunningStation
) -> None:
    charging.do("profile_add", steps=[[0, 24], [7200, 10]], start="now")
    charging.do(
        "profile_add", steps=[[0, 13_800]], unit="W", evse=0, purpose="ChargingStationMaxProfile", start="now", id=7
    )
    browser.find('[data-source="ChargingStationMaxProfile/7"][data-binding=true]')
    assert "(13800 W)" in browser.text('[data-source="ChargingStationMaxProfile/7"] .band-value')
    order = [each.get_attribute("data-source") for each in browser.all(".plan-band")]
    assert order[:2] == ["TxDefaultProfile/1", "ChargingStationMaxProfile/7"]
    # The default profile binds only when it is the lower one: filled from there on, an outline before.
    whole, bound = corners(browser, ".plan-band .band-line"), corners(browser, ".plan-band .band-line.binds")
    assert bound[0] == whole[2]
    assert bound[0][0] > whole[0][0]

    browser.click(".plan-tile", "Grid connection")
    browser.until(lambda: browser.text(".force-cause").startswith("Limit of the grid connection"), "the grid's plan")
    assert browser.text(".force-limit") == "20 A"
    assert browser.find(".facts-head h2").text == "EVSE 1", "it is no EVSE, so the bench stays"
    browser.click(".plan-tile", "EVSE 2")
    browser.until(lambda: browser.text(".facts-head h2") == "EVSE 2", "the bench shows the same EVSE")
    browser.click(".tile", "EVSE 1")
    browser.find(".plan-tile[aria-pressed=true]", "EVSE 1")
    assert browser.complaints() == []


def test_the_plan_follows_the_time(browser: Browser, charging: RunningStation) -> None:
    charging.do("profile_add", steps=[[0, 16], [1200, 8], [2400, 13]], start="now")
    browser.find(".why-row:first-child", "16 A")
    browser.click(".charging-view select option[value='3600']")
    charging.do("speed", factor=300)
    browser.find(".why-row:first-child", "8 A")
    browser.find(".why-row:first-child", "13 A")
    charging.do("speed", factor=10)
    browser.until(lambda: len(corners(browser)) == 2, "nothing more to come")
    assert "no change in sight" in browser.text(".force-next")


def test_everything_is_cleared_after_a_question(browser: Browser, charging: RunningStation) -> None:
    for number in (1, 2):
        charging.do("profile_add", steps=[[0, 8 + number]], evse=number)
    browser.until(lambda: browser.count(ROW) == 2, "both are listed")
    browser.click(".profiles button", "Clear all")
    assert "2 profiles go, those of the CSMS too" in browser.text("dialog")
    browser.click("dialog button", "Keep them")
    assert len(charging.look("profiles")["profiles"]) == 2
    browser.click(".profiles button", "Clear all")
    browser.click("dialog button.danger", "Clear all")
    browser.find(".profiles-none")
    browser.find(".note", "2 profiles are cleared")
    assert charging.look("profiles")["profiles"] == []
    charging.do("profile_add", steps=[[0, 8]])
    browser.find(ROW)
    browser.click(".profiles button", "Clear all")
    assert "1 profile goes" in browser.text("dialog")
    browser.click("dialog button.danger", "Clear all")
    browser.find(".note", "1 profile is cleared")


def test_smart_charging_that_is_switched_off_is_said(browser: Browser, charging: RunningStation) -> None:
    charging.do("profile_add", steps=[[0, 10]], start="now")
    browser.until(lambda: browser.text(".force-limit") == "10 A", "it limits")
    assert not browser.all(".plan-off")[0].is_displayed()
    charging.do("set", variables={"SmartChargingCtrlr.Enabled": False})
    try:
        browser.find(".plan-off", "these limit nothing")
        browser.until(lambda: browser.text(".force-limit") == "32 A", "it limits no more")
        assert browser.count(ROW) == 1
        assert browser.run(script("contrast")) == []
    finally:
        charging.do("set", variables={"SmartChargingCtrlr.Enabled": True})
    browser.until(lambda: not browser.all(".plan-off")[0].is_displayed(), "and on again")


def test_a_source_says_what_it_allows_later_and_a_limit_that_pauses_the_car_says_so(
    browser: Browser, charging: RunningStation
) -> None:
    charging.do("profile_add", steps=[[0, 16], [7200, 4]], start="now")
    assert charging.do("profile_add", steps=[[0, 24]], start="now", stack_level=2, duration="30m", id=9) == {"id": 9}
    band = '[data-source="TxDefaultProfile/1"] .band-value'
    browser.until(lambda: re.fullmatch(r"16 A from [\d:]+", browser.text(band)), "it counts when the other has ended")
    browser.find(".plan-figure").send_keys(Keys.END)
    browser.until(lambda: browser.text(band) == "4 A", "now it counts")
    browser.until(
        lambda: "24 A until" in browser.text('[data-source="TxDefaultProfile/9"] .band-value'), "and this not"
    )
    charging.do("profile_clear", id=9)
    browser.find(".force-next", "then 4 A (below 6 A: the car is paused)")
    # The dashed line of this moment runs behind names.
    over = (
        "const line = document.querySelector('.plan-now').getBoundingClientRect();"
        "const head = document.querySelector('.band-head').getBoundingClientRect();"
        "const all = document.elementsFromPoint(line.left, (head.top + head.bottom) / 2);"
        "return all[0].closest('.band-head') !== null"
    )
    assert browser.run(over)
    solid = "return getComputedStyle(document.querySelector('.band-head')).backgroundColor"
    assert browser.run(solid) not in {"transparent", "rgba(0, 0, 0, 0)"}


def test_nobody_is_asked_for_plans_that_nobody_sees(browser: Browser, charging: RunningStation) -> None:
    browser.open(charging.url)
    browser.run("performance.clearResourceTimings()")
    charging.do("plug", evse=2)
    browser.find(".tile", "Preparing")
    charging.do("unplug", evse=2)
    browser.find(".tile", "Available")
    assert browser.run(PLAN_REQUESTS) == 0, "there are no profiles"
    charging.do("profile_add", steps=[[0, 16], [7200, 8]], start="now")
    browser.find(".why .next-limit", "then 8 A")
    assert 1 <= browser.run(PLAN_REQUESTS) <= 4


def test_what_the_driver_wants(browser: Browser, charging: RunningStation) -> None:
    browser.click(".part > summary", "Driver's wishes")
    for label, text in (("Leaves in", "4 h"), ("Energy, kWh", "20"), ("Priority", "3")):
        browser.find(".part[open] .field", label).find_element("css selector", "input").send_keys(text)
    browser.click(".part[open] button", "Say so")
    browser.find(".part[open]", "Wants 20 kWh, by 20")
    assert evse(charging)["needs"]["priority"] == 3
    browser.click(".part[open] button", "Forget")
    browser.find(".part[open]", "Nothing said yet")
    assert evse(charging)["needs"] is None


def test_on_a_phone_profiles_are_cards(browser: Browser, charging: RunningStation) -> None:
    charging.do("profile_add", steps=[[3600 * n, 6 + n] for n in range(20)], start="now", repeat="Daily", duration="1d")
    browser.open(charging.url, size=PHONE)
    browser.click(".welcome-close")
    browser.view("charging")
    tab = browser.find("[role=tab][aria-selected=true]")
    assert (tab.text, tab.get_attribute("aria-label"), tab.get_attribute("title")) == ("Plan", "Charging", "Charging")
    assert "20 steps, 6 to 25 A" in browser.find(ROW).text
    browser.find(".plan-band")
    wide = "const e = document.querySelector('.charging-body'); return e.scrollWidth - e.clientWidth"
    assert browser.run(wide) == 0, "it scrolls up and down only"
    before = browser.run("return document.querySelector('.plan-readout').getBoundingClientRect().height")
    browser.find(".plan-figure").send_keys(Keys.END)
    browser.until(lambda: "Now" not in browser.text(".plan-readout"), "the cursor is at the last change")
    assert browser.run("return document.querySelector('.plan-readout').getBoundingClientRect().height") == before
    assert browser.run(script("cut_off")) == []
    assert browser.complaints() == []
