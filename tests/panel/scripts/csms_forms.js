// Every message of a CSMS gets a form that can be read; what goes deep, what is kept, where complaints go.
const { GroupField } = await import("/static/js/csms/message_fields.js");
const { obvious } = await import("/static/js/csms/message_form.js");
const { variablesOf } = await import("/static/js/csms/quick_payloads.js");
const json = async (path) => (await fetch(path)).json();
const found = {};
const schemas = {};
for (const version of ["1.6", "2.0.1"]) {
  const { actions } = (await json(`/api/v1/look/messages?version=${version}`)).result;
  const broken = [];
  for (const action of actions) {
    try {
      const schema = await json(`/api/v1/schemas/${version}/${action}`);
      schemas[`${version}/${action}`] = schema;
      const form = new GroupField("", schema, schema, true, obvious(schema));
      const wanted = Object.keys(schema.properties ?? {}).filter((name) => name !== "customData");
      if (form.fields.size !== wanted.length || typeof form.read() !== "object") broken.push(action);
      for (const details of form.element.querySelectorAll("details")) details.open = true;
      await new Promise((done) => setTimeout(done));
      if (form.element.querySelectorAll("label").length < 1 && wanted.length > 0) broken.push(`${action}: no field`);
    } catch (error) {
      broken.push(`${action}: ${error}`);
    }
  }
  found[version] = { messages: actions.length, broken };
}
// Only what was typed goes out, however deep the form is opened.
const start = schemas["2.0.1/RequestStartTransaction"];
const deep = new GroupField("", { ...start, required: [] }, start, true, { chargingProfile: { chargingSchedule: [{ chargingSchedulePeriod: [{ limit: 16 }] }] } });
const read = deep.read();
for (const group of [read.chargingProfile, ...read.chargingProfile.chargingSchedule]) {
  for (const [name, value] of Object.entries(group)) if (typeof value !== "object") delete group[name];
}
found.deep = read;
const reset = schemas["2.0.1/Reset"];
found.kept = new GroupField("", reset, reset, true, { type: "Immediate", customData: { vendorId: "x" } }).read();
const nested = { type: "object", properties: { a: { type: "object", properties: { b: { type: "array", items: { type: "object", properties: { c: { type: "integer" } } } } } } } };
const form = new GroupField("", nested, nested, true, { a: { b: [{ c: 1 }, { c: 2 }] } });
form.element.querySelectorAll("[name=c]")[1].value = "two";
try { form.read(); } catch (error) { found.paths = error.problems.map((each) => each.field); form.complain(error.problems); }
if (form.element.querySelectorAll("[aria-invalid=true]").length !== 1) found.paths.push("the complaint is at another place");
found.variables = variablesOf("A[x.y].B[1], C.D");
return found;
