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
