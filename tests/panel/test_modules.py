"""The panel's modules by themselves, imported in the browser that they are written for."""

from __future__ import annotations

from tests.panel.chromium import Browser
from tests.panel.running import RunningStation

MANY = 100_000


def test_a_hundred_thousand_rows_scroll_with_constant_dom(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    script = """
      const [many] = args;
      const { VirtualList } = await import("/static/js/virtual_list.js");
      const { FrameLog, everything } = await import("/static/js/frames.js");
      const frame = (n) => ({ n, wall: n, direction: n % 2 ? "sent" : "received", type: n % 2 ? "CALL" : "CALLRESULT", id: String(n),
        action: n % 50 ? "Heartbeat" : "BootNotification", text: `[2,"${n}","Heartbeat",{}]`, bytes: 30, verdict: "ok",
        latency_ms: null, evse: null, transaction: null, answers: n % 2 ? null : n - 1 });
      const log = new FrameLog();
      log.add(Array.from({ length: many }, (_, index) => frame(index + 1)));
      const list = new VirtualList({ label: "many", rowHeight: 25, make: () => document.createElement("div"),
        show: (row, item) => { row.textContent = item.text; }, key: (item) => item.n });
      list.element.style.cssText = "position:fixed;inset:0;height:600px;z-index:99";
      document.body.append(list.element);
      list.setItems(log.shown);
      const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      await painted();
      const rows = [];
      const seen = [];
      const began = performance.now();
      for (let step = 0; step <= 60; step++) {
        list.element.scrollTop = (list.element.scrollHeight - 600) * step / 60;
        await painted();
        rows.push(list.element.querySelectorAll(".vrow").length);
      }
      const each = (performance.now() - began) / 61;
      seen.push(list.rows.at(-1).textContent);
      const filtering = performance.now();
      log.refilter({ ...everything(), action: "boot", text: "heartbeat" });
      const filtered = performance.now() - filtering;
      list.choose(0);
      list.setItems(Array.from({ length: 2_000_000 }, (_, index) => ({ n: index, text: `row ${index}` })));
      await painted();
      list.choose(1_999_999);
      await painted();
      const last = list.rows.some((row) => row.textContent === "row 1999999" && row.getBoundingClientRect().bottom <= 601);
      list.element.remove();
      return { least: Math.min(...rows), most: Math.max(...rows), each, filtered, shown: log.shown.length, end: seen[0], last,
        partner: log.partner(log.find(10)).n };
    """
    found = browser.run_async(script, MANY)
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
    script = """
      const { FrameLog, KEPT, jsonLines } = await import("/static/js/frames.js");
      const log = new FrameLog();
      const frame = (n) => ({ n, action: "Heartbeat", text: "", type: "CALL", verdict: "ok", answers: null });
      log.add([1, 2, 3].map(frame));
      log.add([2, 3, 4].map(frame));
      const numbers = log.all.map((each) => each.n);
      log.add(Array.from({ length: KEPT }, (_, index) => frame(index + 5)));
      return { numbers, bounded: log.all.length <= KEPT, last: log.last === KEPT + 4, lines: jsonLines(log.all.slice(0, 2)).split("\\n").length };
    """
    assert browser.run_async(script) == {"numbers": [1, 2, 3, 4], "bounded": True, "last": True, "lines": 3}


def test_forms_read_every_kind_of_value(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    script = """
      const { entry, valueOf } = await import("/static/js/schema_entry.js");
      const { SchemaForm, FormError } = await import("/static/js/form.js");
      const nullable = { anyOf: [{ type: "integer" }, { type: "null" }] };
      const speed = { anyOf: [{ type: "number" }, { enum: ["max"] }] };
      const pairs = { type: "object", additionalProperties: { type: "string" } };
      const car = { type: "object", properties: { soc: { type: "number" }, name: { type: "string" } } };
      const form = new SchemaForm({ properties: { evse: nullable, car, words: { type: "array", items: { type: "string" } } }, required: ["evse"] },
        { evse: 2, car: { soc: 40 } });
      const whole = form.read();
      form.fields[1].inner.fields[0].control.value = "many";
      let problem = "";
      try { form.read(); } catch (error) { problem = error instanceof FormError ? error.problems[0].field : "?"; }
      form.complain([{ field: "evse", problem: "must be a number" }, { field: "", problem: "not now" }]);
      let wrong = "";
      try { valueOf({ type: "integer" }, "three"); } catch (error) { wrong = error.message; }
      return {
        kinds: [entry(nullable), entry(speed), entry(pairs), entry(car), entry({ type: "string", enum: ["A"] }), entry({ type: "boolean" })],
        values: [valueOf(nullable, "3"), valueOf(speed, "max"), valueOf(speed, "10"), valueOf(pairs, "A.B = 5\\nC = x y"),
          valueOf(pairs, '{"A":1}'), valueOf({ type: "array", items: { type: "string" } }, "a, b"), valueOf({ type: "boolean" }, "false")],
        nothing: valueOf(nullable, " ") === undefined, whole, problem, wrong,
        complaints: [form.fields[0].complaint.textContent, form.general.textContent],
      };
    """
    found = browser.run_async(script)
    assert found["kinds"] == ["number", "loose", "json", "group", "choice", "flag"]
    assert found["values"] == [3, "max", 10, {"A.B": "5", "C": "x y"}, {"A": 1}, ["a", "b"], False]
    assert found["nothing"]
    assert found["whole"] == {"evse": 2, "car": {"soc": 40}}
    assert found["problem"] == "car.soc"
    assert found["wrong"] == "must be a number"
    assert found["complaints"] == ["must be a number", "not now"]


def test_texts_for_people(browser: Browser, station: RunningStation) -> None:
    browser.open(station.url)
    script = """
      const f = await import("/static/js/format.js");
      const { brief } = await import("/static/js/ocppj.js");
      const { roundUp } = await import("/static/js/plot.js");
      const { skeleton } = await import("/static/js/skeleton.js");
      const { History, MOST } = await import("/static/js/history.js");
      const history = new History();
      for (let t = 0; t < 3 * MOST; t++) history.add({ t, wall: t, power: 1, current: [], limit: 6, energy: 1, soc: 1 });
      const thinned = history.samples.length <= MOST && history.samples[0].t === 0 && history.samples.at(-1).t === 3 * MOST - 1;
      history.add({ t: 5, wall: 5, power: 1, current: [], limit: 6, energy: 1, soc: 1 });
      return [
        f.clock(0), f.clock("2026-01-01T09:41:07.250Z", true), f.clock(null), f.clock(1e300), f.duration(59.6), f.duration(3725), f.number(-0.001, 1),
        f.number(NaN), f.latency(0.2), f.latency(1250), f.spaced("SuspendedEVSE"), f.short(13.504),
        brief({ type: "CALL", text: '[2,"1","TransactionEvent",{"eventType":"Updated","seqNo":3,"timestamp":"x","meterValue":[{"sampledValue":[{"measurand":"SoC","value":41,"unitOfMeasure":{"unit":"Percent"}}]}]}]' }),
        brief({ type: "CALLERROR", text: '[4,"1","NotImplemented","no",{}]' }), brief({ type: "?", text: "garbage" }),
        roundUp(0), roundUp(7.2), roundUp(22), roundUp(32),
        JSON.stringify(skeleton({ type: "object", required: ["a", "b"], properties: { a: { $ref: "#/definitions/E" }, b: { type: "array", items: { type: "integer" } } },
          definitions: { E: { type: "string", enum: ["One", "Two"] } } })),
        thinned, history.samples.length,
      ];
    """
    assert browser.run_async(script) == [
        "00:00:00", "09:41:07.250", "", "", "1 min 00 s", "1 h 02 min", "0.0",
        "–", "<1 ms", "1.25 s", "Suspended EVSE", "13.5",
        "Updated · #3 · SoC 41 Percent",
        "NotImplemented · no", "garbage",
        1, 10, 25, 50,
        '{"a":"One","b":[0]}',
        True, 1,
    ]  # fmt: skip
