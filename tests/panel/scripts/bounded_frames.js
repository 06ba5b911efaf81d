const { FrameLog, KEPT, jsonLines } = await import("/static/js/frames.js");
const log = new FrameLog();
const frame = (n) => ({ n, action: "Heartbeat", text: "", type: "CALL", verdict: "ok", answers: null });
log.add([1, 2, 3].map(frame));
log.add([2, 3, 4].map(frame));
const numbers = log.all.map((each) => each.n);
log.add(Array.from({ length: KEPT }, (_, index) => frame(index + 5)));
return { numbers, bounded: log.all.length <= KEPT, last: log.last === KEPT + 4, lines: jsonLines(log.all.slice(0, 2)).split("\n").length };
