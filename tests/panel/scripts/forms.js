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
  values: [valueOf(nullable, "3"), valueOf(speed, "max"), valueOf(speed, "10"), valueOf(pairs, "A.B = 5\nC = x y"),
    valueOf(pairs, '{"A":1}'), valueOf({ type: "array", items: { type: "string" } }, "a, b"), valueOf({ type: "boolean" }, "false")],
  nothing: valueOf(nullable, " ") === undefined, whole, problem, wrong,
  complaints: [form.fields[0].complaint.textContent, form.general.textContent],
};
