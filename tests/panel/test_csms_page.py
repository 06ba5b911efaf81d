"""A person at the page of `station csms`: a real browser, the real program, real stations that connect to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from station.web.app import STATIC
from tests.panel.chromium import DESK, PHONE, Browser, script
from tests.panel.hostile import SCRIPT
from tests.panel.running import ROOT, RunningStation
from tests.panel.test_looks import screenshot

NEW = "CS-BERLIN-1"
OLD = "CS-PARIS-16"
HEARTBEAT = "OCPPCommCtrlr.HeartbeatInterval"
CARD = "04A1B2C3"
VIEWS = ("talk", "send", "sessions", "access", "trouble", "files")
NOW = "2026-11-22T12:00:00Z"


class RunningCsms(RunningStation):
    """`stations` is where stations connect, without their identity."""

    def __init__(self) -> None:
        command = [sys.executable, "-u", "-m", "station", "csms", "--bind", "127.0.0.1:0", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [*command, "--no-browser", "--quiet"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
        assert self.process.stdout is not None
        self.said = [self.process.stdout.readline(), self.process.stdout.readline()]
        found = [re.search(r"(?:ws|http)://\S+?(?=/THEIR-ID|\s)", line) for line in self.said]
        if not all(found):
            self.process.kill()
            raise AssertionError("station csms did not start:\n" + "".join(self.said) + self.process.stdout.read())
        self.stations, self.url = (match[0] for match in found if match)
        self._reader = threading.Thread(target=lambda: self.said.extend(self.process.stdout or ()), daemon=True)
        self._reader.start()


def _stop(started: Future[RunningStation]) -> None:
    if started.exception() is None:
        started.result().stop()


class Bench:
    """A CSMS with one station of each version, ten times as fast as real time."""

    def __init__(self, stack: ExitStack) -> None:
        self.csms = RunningCsms()
        stack.callback(self.csms.stop)
        self.url = self.csms.url
        common = ("--csms", self.csms.stations, "--speed", "10")
        with ThreadPoolExecutor() as pool:
            new = pool.submit(RunningStation, *common, "--id", NEW)
            old = pool.submit(RunningStation, *common, "--id", OLD, "--ocpp", "1.6")
        for started in (new, old):
            stack.callback(_stop, started)
        self.new, self.old = new.result(), old.result()

    def station(self, name: str = NEW) -> Any:
        return next((row for row in self.csms.look("state")["stations"] if row["id"] == name), None)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack)


def choose(browser: Browser, css: str, value: str) -> None:
    browser.until(lambda: browser.count(f"{css} option[value='{value}']"), f"{css} offers {value}")
    browser.run(
        "const select = document.querySelector(arguments[0]); select.value = arguments[1];"
        "select.dispatchEvent(new Event('change'))",
        css,
        value,
    )


def pick(browser: Browser, name: str) -> None:
    browser.click(".station-row", name)
    browser.until(lambda: browser.text(".station-card h2") == name, f"{name} is chosen")


def latest(browser: Browser, action: str, status: str) -> None:
    """The last answer of the chosen station, below the quick buttons."""
    browser.until(
        lambda: browser.text(".quick-last").startswith(status) and action in browser.text(".quick-last"),
        f"{action} is answered with {status}, not {browser.text('.quick-last')!r}",
    )


def shown(browser: Browser, css: str) -> set[str]:
    return {row.text for row in browser.all(f"#view-talk .vrow {css}")}


def until_all(browser: Browser, css: str, check: Callable[[set[str]], bool], what: str) -> None:
    browser.until(lambda: (found := shown(browser, css)) and check(found), what)


def test_the_first_visit_says_how_to_connect_and_the_stations_appear(browser: Browser) -> None:
    with ExitStack() as stack:
        csms = RunningCsms()
        stack.callback(csms.stop)
        browser.open(csms.url)
        assert browser.count(".welcome li") == 4
        assert browser.text(".connect-url") == f"{csms.stations}/THEIR-ID"
        assert browser.find(".connect", f"station sim --csms {csms.stations}")
        browser.click(".welcome-close")
        assert not browser.all(".station-row")
        with connect(f"{csms.stations}/CS-1", subprotocols=[Subprotocol("ocpp1.6")], proxy=None) as station:
            row = browser.find(".station-row", "CS-1")  # though it has not said a word
            assert "OCPP 1.6" in row.text
            assert "Unregistered" in row.text
            browser.until(lambda: not browser.all(".connect-url")[0].is_displayed(), "the how-to makes room")
            station.send(json.dumps([2, "1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}]))
            station.send("no frame at all")
            browser.find(".station-card .fact-list", "V M")
            browser.find('.talk-row[data-type="CALL"]', "BootNotification")  # a CSMS counts its frames from 0
            browser.find(".complaints", "1 complaint")
            browser.click(".station-card button", "Cut")
            assert "Accepted" in station.recv(timeout=5)
            with pytest.raises(ConnectionClosedError, match="no close frame"):
                station.recv(timeout=5)
        browser.find(".station-row", "not connected")
        assert browser.find("[data-action=Reset]").get_attribute("disabled")
        browser.keys("o")
        browser.until(lambda: browser.text("#connection") == "gone", "the CSMS is gone")
        with pytest.raises(ConnectionRefusedError), connect(f"{csms.stations}/CS-1", proxy=None):
            pass
        browser.keys("o")
        browser.until(lambda: browser.text("#connection") == "online · 0 stations", "it is back")
        with connect(f"{csms.stations}/CS-1", subprotocols=[Subprotocol("ocpp1.6")], proxy=None):
            browser.find(".station-row", "Accepted")
        browser.open(csms.url, fresh=False)
        assert not browser.all(".welcome")[0].is_displayed()
        assert browser.complaints() == []


def test_a_message_is_sent_from_its_generated_form(browser: Browser, bench: Bench) -> None:
    browser.open(bench.url)
    pick(browser, NEW)
    browser.view("send")
    choose(browser, "[name=send-message]", "GetVariables")
    browser.until(lambda: browser.text("#send-it") == "Send GetVariables", "the form is there")
    browser.click("#send-it")
    browser.find(".message-form .complaint", "is missing")  # refused before it is sent, at the field itself
    assert browser.driver.switch_to.active_element.get_attribute("name") == "name"
    component, variable = (each for each in browser.all(".message-form [name=name]") if each.is_displayed())
    component.send_keys("OCPPCommCtrlr")
    variable.send_keys("HeartbeatInterval")
    browser.click(".message-form [data-mode=json]")
    written = json.loads(str(browser.find("[name=payload-json]").get_attribute("value")))
    asked = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    assert written == {"getVariableData": [asked]}
    browser.click(".message-form [data-mode=form]")
    browser.click("#send-it")
    browser.find(".answers .answer .badge", "Accepted")
    browser.find(".answers .json", '"attributeValue"')

    # What the schema does not allow goes out only when it is not checked; the station refuses it.
    browser.click(".message-form [data-mode=json]")
    browser.type("[name=payload-json]", '{"getVariableData": 7}')
    browser.click("#send-it")
    browser.find(".message-form .complaint", "getVariableData")
    browser.click("[name=check]")
    browser.click("#send-it")
    browser.find('.answers .badge[data-tone="bad"]', "Violation")

    # What was sent can be sent again, also when another station, of another version, was chosen since.
    pick(browser, OLD)
    browser.until(lambda: browser.text("#send-it") == "Send TriggerMessage", "1.6 has no GetVariables")
    browser.click(".answers button", "Edit and send again")
    browser.until(lambda: browser.text("#send-it") == "Send GetVariables", "the message is back")
    assert browser.find("[name=send-station]").get_attribute("value") == NEW
    assert json.loads(str(browser.find("[name=payload-json]").get_attribute("value"))) == {"getVariableData": 7}
    browser.view("talk")
    browser.find('.talk-row[data-problem="true"]', "GetVariables")
    assert browser.complaints() == []


def test_every_message_of_both_versions_has_a_form(browser: Browser, bench: Bench) -> None:
    browser.open(bench.url)
    browser.view("send")
    found = browser.run_async(script("csms_forms"))
    assert found["2.0.1"]["messages"] == 40
    assert found["1.6"]["messages"] == 26
    assert found["2.0.1"]["broken"] == found["1.6"]["broken"] == []
    assert found["deep"] == {"chargingProfile": {"chargingSchedule": [{"chargingSchedulePeriod": [{"limit": 16}]}]}}
    assert found["kept"] == {"type": "Immediate", "customData": {"vendorId": "x"}}
    assert found["paths"] == ["a.b[1].c"]
    assert found["variables"] == [
        {"component": {"name": "A", "instance": "x.y"}, "variable": {"name": "B", "instance": "1"}},
        {"component": {"name": "C"}, "variable": {"name": "D"}},
    ]


def test_a_fault_is_planned_strikes_and_is_over(browser: Browser, bench: Bench) -> None:
    browser.open(bench.url)
    pick(browser, NEW)
    browser.keys("f")
    browser.click(".kinds .chip", "CALLERROR")
    browser.type("[name=fault-action]", "Heartbeat")
    choose(browser, "[name=fault-code]", "GenericError")
    choose(browser, "[name=fault-station]", NEW)
    choose(browser, "[name=fault-times]", "2")
    browser.click("#plan-fault")
    browser.find(".planned", "2 times")
    assert browser.text("#planned") == "1 fault planned"
    choose(browser, "[name=TriggerMessage-message]", "Heartbeat")
    browser.click("[data-action=TriggerMessage]")
    latest(browser, "TriggerMessage", "Accepted")
    browser.find(".struck", f"Heartbeat of {NEW}")
    browser.find(".planned", "once")
    browser.view("talk")
    browser.type("input[placeholder=Message]", "heartbeat")
    browser.find('.talk-row[data-type="CALLERROR"]', "GenericError")
    browser.click("header button", "Behave again")
    browser.until(lambda: not browser.all("#planned")[0].is_displayed(), "nothing is planned any more")
    assert bench.csms.look("faults")["faults"] == []

    # Any text at all; the station answers it as it must.
    browser.view("trouble")
    browser.type("[name=raw]", '[2,"raw-1","MakeCoffee",{}]')
    browser.click("#send-raw")
    browser.view("talk")
    browser.type("input[placeholder=Message]", "coffee")
    browser.find('.talk-row[data-type="CALLERROR"]', "Not")
    assert browser.complaints() == []


def test_a_blocked_card_is_refused(browser: Browser, bench: Bench) -> None:
    browser.open(bench.url)
    pick(browser, NEW)
    browser.view("access")
    browser.type("[name=token-value]", "CAFE01")
    browser.click("#token-add")
    row = browser.find(".token-row", "CAFE01")
    row.find_element("css selector", ".token-turn").click()
    browser.until(lambda: "Blocked" in browser.find(".token-row", "CAFE01").text, "it is blocked")
    bench.new.do("swipe", token="CAFE01", evse=2)
    browser.view("talk")
    browser.type("input[placeholder=Message]", "authorize")
    browser.find(".talk-row", "Blocked")
    browser.view("access")
    browser.find(".token-row", "CAFE01").find_element("css selector", ".btn.quiet").click()
    browser.until(lambda: "CAFE01" not in browser.text("#view-access .vlist"), "and forgotten")
    assert browser.complaints() == []


def test_boot_answers(browser: Browser, bench: Bench) -> None:
    browser.open(bench.url)
    pick(browser, NEW)
    browser.view("access")
    browser.type("[name=retry]", "10")
    browser.click(".chip", "Pending once")
    browser.until(lambda: "Pending then" in browser.text(".boot-plan").replace("\n", " "), "it is planned")
    bench.new.do("restart")
    browser.view("talk")
    browser.type("input[placeholder=Message]", "boot")
    browser.find(".talk-row", "Pending")
    browser.until(lambda: (bench.station() or {}).get("registration") == "Accepted", "the second answer counts")
    assert bench.csms.look("state")["csms"]["boots"] == ["Accepted"]
    assert browser.complaints() == []


@pytest.mark.parametrize(
    ("name", "start", "stop"), [(NEW, "RequestStart", "RequestStop"), (OLD, "RemoteStart", "RemoteStop")]
)
def test_a_session_is_started_and_stopped_from_here(
    browser: Browser, bench: Bench, name: str, start: str, stop: str
) -> None:
    browser.open(bench.url)
    pick(browser, name)
    (bench.new if name == NEW else bench.old).do("plug", evse=1)
    browser.type(f"[name={start}Transaction-token]", CARD)
    browser.click(f"[data-action={start}Transaction]")
    latest(browser, f"{start}Transaction", "Accepted")
    running = browser.until(lambda: (bench.station(name) or {}).get("running"), "a transaction runs")
    browser.find(".running", running[-1])
    browser.click("button", "Its transactions")
    browser.click(".tx-row", CARD)
    browser.find("#view-sessions .any-row", "StartTransaction" if name == OLD else "Started")
    browser.click(f"[data-action={stop}Transaction]")
    latest(browser, f"{stop}Transaction", "Accepted")
    browser.find("#view-sessions .any-row", "StopTransaction" if name == OLD else "Ended")
    browser.until(lambda: "ended" in browser.text(".tx-row .t-state"), "and has ended")
    (bench.new if name == NEW else bench.old).do("unplug", evse=1)
    assert browser.complaints() == []


def test_quick_buttons_write_read_and_fetch_a_log(browser: Browser, bench: Bench) -> None:
    browser.open(bench.url)
    pick(browser, NEW)
    browser.type("[name=SetVariables-variable]", HEARTBEAT)
    browser.type("[name=SetVariables-value]", "77")
    browser.click("[data-action=SetVariables]")
    latest(browser, "SetVariables", "Accepted")
    browser.click("[data-action=GetVariables]")
    latest(browser, "GetVariables", "Accepted")
    browser.click("[data-action=GetLog]")
    latest(browser, "GetLog", "Accepted")
    browser.view("files")
    link = browser.find(".uploads a", NEW)
    before = set(browser.downloads.iterdir())
    link.click()
    browser.until(
        lambda: [each for each in set(browser.downloads.iterdir()) - before if each.suffix == ".zip"],
        "the file that the station has uploaded arrives here",
    )
    # A long one opens as a form.
    browser.click("[data-action=InstallCertificate]")
    browser.find("#view-send textarea[name=certificate]")
    assert browser.complaints() == []


@pytest.mark.parametrize("name", [OLD, NEW])
def test_quick_buttons_set_ask_for_and_clear_a_limit(browser: Browser, bench: Bench, name: str) -> None:
    station = bench.new if name == NEW else bench.old
    station.do("profile_clear")
    station.do("profile_add", id=1, stack_level=1, steps=[[0, 20]])
    browser.open(bench.url)
    pick(browser, name)
    cut = "return [...document.querySelectorAll('.quick-go')].filter((e) => e.scrollWidth > e.clientWidth).length"
    assert browser.run(cut) == 0, "every label can be read"
    browser.click("[data-action=SetChargingProfile]", "Default limit")
    latest(browser, "SetChargingProfile", "Accepted")
    assert {each["id"] for each in station.look("profiles")["profiles"]} == {1, 9001}, "none of another's is replaced"
    browser.click("[data-action=GetCompositeSchedule]", "Composite schedule")
    latest(browser, "GetCompositeSchedule", "Accepted")
    browser.click("[data-action=ClearChargingProfile]", "Clear limits")
    latest(browser, "ClearChargingProfile", "Accepted")
    assert [each["id"] for each in station.look("profiles")["profiles"]] == [1]
    choose(browser, "[name=ClearChargingProfile-which]", "TxDefaultProfile")
    browser.click("[data-action=ClearChargingProfile]")
    browser.until(lambda: station.look("profiles")["profiles"] == [], "all of this purpose are gone")
    assert browser.complaints() == []


def test_the_conversation_is_filtered_and_exported(browser: Browser, bench: Bench) -> None:
    browser.open(bench.url)
    choose(browser, "[name=filter-station]", OLD)
    until_all(browser, ".f-station", lambda found: found == {OLD}, "only of this station")
    browser.type("input[placeholder=Message]", "statusnotification")
    until_all(browser, ".f-action", lambda found: found == {"StatusNotification"}, "only this message")
    choose(browser, "[aria-label=Direction]", "received")
    until_all(browser, ".f-way", lambda found: found == {"←"}, "only from the station")
    browser.type("#view-talk input[placeholder^=Any]", "available noerror")
    until_all(browser, ".f-brief", lambda found: all("Available" in text for text in found), "only with this text")
    browser.click(".talk-row .f-action")
    browser.find(".detail .detail-head", f"← {OLD}")
    browser.find(".detail .partner h3", "The answer")
    browser.click(".list-bar button", "Export")
    file = browser.downloads / f"{OLD}-frames.jsonl"
    rows = browser.until(
        lambda: file.read_text(encoding="utf-8").splitlines() if file.is_file() else None, "the export arrives"
    )
    assert {(row["station"], row["action"], row["direction"]) for row in (json.loads(line) for line in rows)} == {
        (OLD, "StatusNotification", "received")
    }
    browser.click("button", "Clear filter")
    until_all(browser, ".f-station", lambda found: len(found) == 2, "everybody again")
    assert browser.complaints() == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_both_themes_at_both_sizes(browser: Browser, bench: Bench, scheme: str) -> None:
    if not (bench.station() or {})["running"]:
        bench.new.do("plug", evse=1)
        bench.new.do("swipe", token=CARD, evse=1)
    bench.csms.do("fault", kind="late", action="MeterValues")
    browser.open(bench.url, scheme=scheme)
    browser.click(".welcome-close")
    pick(browser, NEW)
    browser.find(".running", "running")
    # Of a long conversation only the end is seen, and a row at the edge of it lies under its heading.
    browser.type("#view-talk input[placeholder^=Any]", "ChargingStateChanged")
    until_all(browser, ".f-brief", lambda found: all("ChargingStateChanged" in text for text in found), "only these")
    browser.click(".talk-row", "ChargingStateChanged")
    browser.find(".detail .partner")
    browser.run(
        "const field = document.querySelector('#view-talk input[placeholder^=Any]');"
        "field.value = ''; field.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    browser.until(
        lambda: not browser.all(".note") or browser.run("document.querySelector('.note-close').click()"), "quiet"
    )
    if scheme == "dark":
        screenshot(browser, "csms-page.png", DESK)
    for size in (DESK, PHONE):
        browser.open(bench.url, scheme=scheme, size=size, fresh=False)
        for view in VIEWS if size == DESK else ("bench", *VIEWS):
            browser.view(view)
            wide = browser.run("return [document.documentElement.scrollWidth, document.body.scrollWidth]")
            assert wide == [size[0], size[0]], view
            assert browser.run(script("cut_off")) == [], view
            if size == DESK:
                assert browser.run(script("contrast")) == [], view
                assert browser.run(script("nameless")) == [], view
    bench.csms.do("clear_faults")
    assert browser.complaints() == []


def test_hostile_texts_are_texts(browser: Browser, bench: Bench) -> None:
    own = {"vendorName": SCRIPT[:50], "model": "</b><script>", "serialNumber": "<img src=x>"}
    event = {
        "eventType": "<b>",
        "timestamp": "x",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "<i>1"},
        "meterValue": 7,
    }
    browser.open(bench.url)
    with connect(f"{bench.csms.stations}/EVIL", subprotocols=[Subprotocol("ocpp2.0.1")], proxy=None) as station:
        station.send(json.dumps([2, "1", "BootNotification", {"reason": "PowerUp", "chargingStation": own}]))
        station.send(f"no JSON {SCRIPT}")
        station.send(json.dumps([2, SCRIPT, SCRIPT, {"x": SCRIPT}]))
        station.send(json.dumps([2, "2", "DataTransfer", {"vendorId": SCRIPT, "data": SCRIPT}]))
        station.send(json.dumps([2, "3", "TransactionEvent", event]))
        pick(browser, "EVIL")
        browser.find(".station-card .complaints").click()
        browser.find(".complaints li", "<img src=x onerror=")
        browser.click(".talk-row", "DataTransfer")
        browser.find(".detail .json", SCRIPT.replace('"', '\\"'))
        for view in VIEWS:
            browser.view(view)
        bench.csms.do("token", token="CAFE02")
        choose(browser, "[name=send-station]", NEW)
    found = "return [window.hacked ?? null, document.querySelectorAll('img, #page script').length]"
    assert browser.run(found) == [None, 0]
    assert browser.complaints() == []


def test_the_page_needs_no_inline_script_or_style() -> None:
    page = (STATIC / "csms.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page) == []
