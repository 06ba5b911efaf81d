// What the count of frames says before and after the first answer, and whether an empty list's note goes at once.
const { FrameLog } = await import("/static/js/frames.js");
const { VirtualList } = await import("/static/js/virtual_list.js");
const log = new FrameLog();
const first = [log.counted];
log.loaded = true;
first.push(log.counted);
const other = new FrameLog();
const then = [other.counted];
other.add([{ n: 1, text: "", action: "Heartbeat", verdict: "ok" }]);
then.push(other.counted);
other.refilter({ ...other.filter, action: "reset" });
then.push(other.counted);
const list = new VirtualList({ label: "", rowHeight: 20, make: () => document.createElement("div"), show: () => undefined, key: (item) => item });
list.setItems([1]);
return [first, then, list.note.hidden];
