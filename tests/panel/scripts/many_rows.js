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
