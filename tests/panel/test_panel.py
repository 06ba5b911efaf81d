"""A person at the panel: a real browser, a real `station sim`, its embedded CSMS. Plug, swipe, watch, change, break, stop."""

from __future__ import annotations

import json

from selenium.webdriver.common.keys import Keys

from tests.panel.chromium import Browser, script
from tests.panel.hostile import SCRIPT, hostile_csms
from tests.panel.running import RunningStation, running

UPDATE_INTERVAL = "SampledDataCtrlr.TxUpdatedInterval"
MOST_NODES = 3000
"""Of the whole page. A row has about ten; a list that is not virtualised would have tens of thousands."""


def energy(browser: Browser) -> float:
    text = browser.text(".bigs .big:nth-child(3) b")
    return float(text) if text.replace(".", "").isdigit() else 0.0


def phase(browser: Browser) -> str:
    return browser.text(".facts-head .badge")


def nodes(browser: Browser) -> int:
    return int(browser.run("return document.querySelectorAll('*').length"))


def send_raw(browser: Browser, text: str) -> None:
    browser.keys("m")
    browser.click("#composer-raw")
    browser.type("#raw-text", text)
    browser.click("#raw-send")
    browser.find(".note", "Sent as it stands")
    browser.click("dialog [aria-label=Close]")


def shown(browser: Browser) -> list[str]:
    """Message names in the conversation, as far as rows are in sight."""
    return [row.text for row in browser.all(".vrow .f-action")]


def test_first_visit_explains_itself_once(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    assert [each.text for each in browser.all(".welcome li b")] == [
        "Plug in a car",
        "Watch",
        "Break something",
        "Find the rest",
    ]
    browser.click(".welcome-close")
    browser.open(station.url, fresh=False)
    assert not browser.find("#top").text.startswith("Four things")
    assert not browser.all(".welcome")[0].is_displayed()
    assert browser.complaints() == []


def test_a_session_from_plug_to_stop(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    browser.click(".controls button", "Plug in")
    browser.until(lambda: phase(browser) == "Preparing", "the car is noticed")
    assert "car connected" in browser.text(".fact-list")
    browser.click(".controls button", "Swipe")
    browser.until(lambda: phase(browser) == "Charging", "it charges")
    first = browser.until(lambda: energy(browser), "energy flows")
    browser.until(lambda: energy(browser) > first, "energy rises")
    assert "car takes less" in browser.text(".because") or browser.find(".limit[data-binding=true]")

    # Why this limit: the cable's rating is one of the bounds.
    assert {row.text.split("\n")[0] for row in browser.all(".limit")} >= {"board", "cable"}

    browser.click(".controls button", "Stop session")
    browser.until(lambda: phase(browser) == "Finishing", "the session is over")
    browser.keys("p")
    browser.until(lambda: phase(browser) == "Available", "the key p unplugs")

    browser.view("transactions")
    browser.click(".tx-row", "04A1B2C3")
    browser.find(".fact-row", "Started")
    browser.click(".fact-row", "Authorized")
    browser.find(".samples", "Authorized")
    assert browser.complaints() == []


def test_a_variable_is_edited_with_the_stations_verdict(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    browser.view("settings")
    browser.type("#view-settings input[type=search]", "txupdatedinterval")
    browser.click(".setting-row", UPDATE_INTERVAL)
    field = "#view-settings .detail .field input"
    browser.type(field, "a minute")
    browser.click("#view-settings .detail .btn.primary")
    browser.find('.set-verdict[data-kind="error"]', "Rejected")
    browser.type(field, "7")
    browser.click("#view-settings .detail .btn.primary")
    browser.find('.set-verdict[data-kind="done"]', "Accepted")
    browser.find(".setting-row .s-value", "7")
    assert station.look(f"get?variables={UPDATE_INTERVAL}")["variables"][0]["value"] == "7"

    browser.click("#view-settings select option[value=keys]")
    browser.type("#view-settings input[type=search]", "MeterValueSampleInterval")
    browser.click(".setting-row", "MeterValueSampleInterval")
    browser.type(field, "60")
    browser.click("#view-settings .detail .btn.primary")
    browser.find('.set-verdict[data-kind="done"]', "Accepted")
    assert browser.complaints() == []


def test_the_conversation_is_filtered_linked_exported(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    send_raw(browser, '[2,"malformed-1","MakeCoffee",{}]')
    browser.type("input[placeholder=Message]", "coffee")
    browser.until(
        lambda: shown(browser) == ["MakeCoffee", "MakeCoffee"], "the CALL and its CALLERROR, and nothing else"
    )
    browser.click('.frame-row[data-type="CALLERROR"] .f-action')
    browser.find(".detail .badge", "CALLERROR")
    browser.find(".detail .json", "NotSupported")
    browser.find(".detail .partner h3", "The CALL")
    browser.click(".partner button", "Go there")
    browser.find(".detail .partner h3", "The CALLERROR")

    for other in browser.downloads.glob("*.jsonl"):
        other.unlink()  # of another page's test
    browser.click(".list-bar button", "Export")
    file = browser.until(lambda: next(browser.downloads.glob("*.jsonl"), None), "the export arrives")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [row["type"] for row in rows] == ["CALL", "CALLERROR"]
    assert rows[1]["answers"] == rows[0]["n"]

    # A frame is edited and sent again.
    browser.click(".detail button", "Edit and resend")
    assert json.loads(str(browser.find("textarea.code").get_attribute("value"))) == {}
    browser.click("dialog [aria-label=Close]")
    browser.click("button", "Clear filter")
    browser.until(lambda: "BootNotification" in " ".join(shown(browser)) or len(shown(browser)) > 2, "everything again")
    assert browser.complaints() == []


def test_every_command_of_the_table_has_its_form(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    commands = browser.run_async("return (await (await fetch('/api/v1/commands')).json()).commands.map((c) => c.name)")
    browser.keys(Keys.CONTROL + "k")
    browser.find("dialog.palette")
    assert [row.text for row in browser.all(".palette-row b")] == commands
    browser.type("dialog input[type=search]", "clock")
    browser.click(".palette-row", "clock_jump")
    browser.type("dialog [name=by_s]", "0")
    browser.click("dialog button[type=submit]")
    browser.find("dialog .complaint", "at least one second")
    browser.type("dialog [name=by_s]", "3600")
    browser.click("dialog button[type=submit]")
    browser.find("dialog .result", "wall")
    browser.click("dialog [aria-label=Close]")
    assert browser.complaints() == []


def test_dom_stays_small_after_thousands_of_frames(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    before = nodes(browser)
    station.do("set", variables={UPDATE_INTERVAL: 1})
    station.do("plug", evse=2)
    station.do("swipe", evse=2)
    station.do("speed", factor=600)
    browser.until(lambda: int(browser.text(".count").split()[0] or 0) > 2000, "two thousand frames", within=40)
    station.do("speed", factor=1)
    after = nodes(browser)
    assert after < MOST_NODES, f"{before} nodes became {after}"
    assert browser.count(".frame-row.vrow") < 80
    browser.run("document.querySelector('#view-conversation .vlist').scrollTop = 4000")
    browser.until(lambda: browser.find("button", "newest"), "scrolling away ends following")
    assert browser.count(".frame-row.vrow") < 80
    station.do("speed", factor=10)
    assert browser.complaints() == []


def test_faults_of_the_station_and_a_cable_left_behind(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    station.do("fault", code="EmergencyStop", evse=0)
    browser.click(".chip.bad", "Station: Emergency Stop")
    browser.until(lambda: station.look("state")["station"]["faults"] == [], "cleared where it is shown")
    browser.until(lambda: browser.count(".chip.bad") == 0, "and gone")
    browser.click(".controls button", "Plug in")
    browser.until(lambda: station.look("state")["evses"][0]["car"], "a car is plugged in")
    browser.click(".controls button", "Unplug at car")
    browser.until(lambda: station.look("state")["evses"][0]["car"] is None, "the car has left, without the cable")
    assert station.look("state")["evses"][0]["cable_a"] is not None
    unplug = browser.find(".controls button", "Unplug")
    browser.until(unplug.is_enabled, "the cable can still be pulled out")
    unplug.click()
    browser.until(lambda: station.look("state")["evses"][0]["cable_a"] is None, "nothing is left")


def test_keys_power_and_network(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    browser.keys("?")
    browser.find("dialog.help", "choose an EVSE")
    browser.click("dialog [aria-label=Close]")
    browser.keys("2")
    browser.until(lambda: browser.text(".facts-head h2") == "EVSE 2", "the key 2 chooses EVSE 2")
    browser.keys("f")
    browser.until(lambda: "Faulted" in browser.text(".facts-head"), "the key f raises a fault")
    assert "binds" in browser.text(".limit[data-binding=true]"), "the fault is why there is no current"
    browser.keys("f")
    browser.until(lambda: "Faulted" not in browser.text(".facts-head"), "and clears it")
    browser.keys("o")
    browser.until(lambda: browser.text("#connection") == "Network unplugged", "the key o pulls the network cable")
    browser.keys("o")
    browser.until(lambda: "online" in browser.text("#connection"), "and plugs it in")
    browser.click(".top button", "Cut power")
    browser.until(lambda: browser.text("#connection") == "No power", "the power is cut")
    assert "saved last stands" in browser.text(".dark")
    browser.click(".top button", "Power on")
    browser.until(lambda: "online" in browser.text("#connection"), "the power is back")
    browser.keys(" ")
    browser.find(".top button", "Resume")
    browser.keys(" ")
    browser.find(".top button", "Pause")


def test_a_page_opened_without_power_says_so_and_fills(browser: Browser) -> None:
    with running("--speed", "10") as station:
        station.do("power_cut")
        browser.open(station.url, shows="No power")
        assert "The power is cut" in browser.find(".dark").text
        for part in (".tiles", ".facts", ".controls", ".why", ".plots"):
            assert not browser.all(part)[0].is_displayed(), part
        browser.click(".no-power button", "Power on")
        browser.until(lambda: browser.text(".facts-head h2") == "EVSE 1", "the EVSEs are told")
        assert browser.find(".controls button", "Plug in").is_enabled()
        assert not browser.all(".no-power")[0].is_displayed()
        assert not browser.all(".dark")[0].is_displayed()
    browser.complaints()  # the lost connection is among them


def test_a_page_opened_in_a_session_shows_it_from_its_beginning(browser: Browser) -> None:
    with running("--speed", "60") as station:
        station.do("plug", evse=1)
        station.do("swipe", evse=1)
        browser.until(lambda: sampled(station) >= 3, "the running session has told samples")
        browser.open(station.url)
        browser.until(lambda: browser.text(".facts-head .badge") == "Charging", "it charges")
        began = station.look("state")["evses"][0]["transaction"]["started"][11:19]
        left, right = (f".plot-foot > span:nth-of-type({n})" for n in (1, 2))
        browser.until(lambda: browser.text(left) == began, "the plot begins where the session did")
        assert browser.text(right) > began


def sampled(station: RunningStation) -> int:
    running_one = station.look("state")["evses"][0]["transaction"]
    if running_one is None:
        return 0
    facts = station.look(f"transaction?id={running_one['id']}")["facts"]
    return sum(fact["trigger"] == "MeterValuePeriodic" for fact in facts)


def test_nothing_is_counted_before_the_station_has_told(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    told = browser.run_async(script("loading"))
    assert told == [["Loading…", "0 frames"], ["Loading…", "1 frame", "0 of 1 frame"], True]
    assert browser.text(".count") != "0 frames"


def test_hostile_texts_are_texts_and_a_restart_is_survived(browser: Browser) -> None:
    with hostile_csms() as csms:
        arguments = ("--csms", f"ws://127.0.0.1:{csms.port}", "--id", "ATTACKED")
        with running(*arguments) as station:
            browser.open(station.url)
            browser.click(".frame-row", "DataTransfer")
            browser.find(".detail .json", SCRIPT.replace('"', '\\"'))
            browser.type("#view-conversation input[type=search]", "onerror")
            browser.until(lambda: len(shown(browser)) >= 2, "found by its text")
            browser.view("activity")
            port = station.port
        browser.find(".lost", "Disconnected")
        with running(*arguments, port=port):
            browser.until(lambda: not browser.all(".lost")[0].is_displayed(), "it is back by itself")
            browser.until(lambda: "online" in browser.text("#connection"), "and shows the new station")
        assert browser.run(
            "return [window.hacked ?? null, document.querySelectorAll('img, .views script').length]"
        ) == [None, 0]
    browser.complaints()  # the lost connection is among them
