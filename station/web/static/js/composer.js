// The expert's editor: a valid CALL past the station's own logic, or any text at all, to the CSMS. Clearly marked as such.

import { ApiError } from "./api.js";
import { dialog } from "./dialogs.js";
import { button, fill, freshId, h, labelled, setText } from "./dom.js";
import { notify, words } from "./notify.js";
import { skeleton } from "./skeleton.js";

/** @typedef {import("./station.js").StationModel} StationModel */

/** Frames that CSMSs stumble over, to begin with. @type {[string, string][]} */
const MALFORMED = [
  ["No JSON", '[2,"x1","Heartbeat",{'],
  ["Unknown message", '[2,"x2","MakeCoffee",{}]'],
  ["Missing field", '[2,"x3","BootNotification",{}]'],
  ["Wrong type", '[2,"x4","Heartbeat",{"unknown":true}]'],
  ["Message type 9", '[9,"x5","Heartbeat",{}]'],
  ["No array", '{"hello":"CSMS"}'],
  ["Answer nobody asked for", '[3,"nobody",{}]'],
];

/**
 * @param {StationModel} station
 * @param {{text?: string, action?: string, payload?: unknown}} given
 */
export function openComposer(station, given) {
  const raw = given.text !== undefined;
  const box = dialog("Send to the CSMS", { class: "composer" });
  const complaint = h("p", { class: "complaint", role: "alert" });
  const tabs = h("div", { class: "tabs", role: "tablist" });
  const body = h("div", { class: "composer-body" });
  const modes = { call: callMode(station, given, complaint), raw: rawMode(station, given.text ?? MALFORMED[0][1], complaint) };
  const use = (/** @type {"call" | "raw"} */ name) => {
    for (const tab of tabs.children) tab.setAttribute("aria-selected", String(tab.id === `composer-${name}`));
    setText(complaint, "");
    fill(body, modes[name].element);
    modes[name].focus();
  };
  fill(
    tabs,
    button("A valid message", () => use("call"), { class: "tab", id: "composer-call", role: "tab" }),
    button("Any text (malformed)", () => use("raw"), { class: "tab", id: "composer-raw", role: "tab" }),
  );
  fill(
    box.body,
    h("p", { class: "expert" }, h("b", {}, "Expert mode. "), "This goes to the CSMS past the station's own logic: the station does not remember it, and the CSMS may think what it likes."),
    tabs,
    body,
    complaint,
  );
  box.open();
  use(raw ? "raw" : "call");
}

/**
 * @param {HTMLElement} complaint
 * @param {() => Promise<unknown>} work
 * @param {string} said
 */
async function attempt(complaint, work, said) {
  setText(complaint, "");
  try {
    await work();
    notify(said);
  } catch (error) {
    if (!(error instanceof ApiError || error instanceof SyntaxError)) throw error;
    setText(complaint, words(error));
  }
}

/**
 * @param {StationModel} station
 * @param {{action?: string, payload?: unknown}} given
 * @param {HTMLElement} complaint
 */
function callMode(station, given, complaint) {
  const list = freshId("messages");
  const options = h("datalist", { id: list });
  const action = h("input", { type: "text", value: given.action ?? "Heartbeat", list, spellcheck: false, autocomplete: "off" });
  const text = h("textarea", { rows: 14, class: "code", spellcheck: false, value: JSON.stringify(given.payload ?? {}, null, 2) });
  const version = station.state?.station.version ?? station.state?.station.versions[0] ?? "2.0.1";
  const begin = async () => {
    const schema = await station.api.schema(version, action.value.trim());
    text.value = JSON.stringify(skeleton(schema), null, 2);
  };
  const send = async () => {
    const payload = JSON.parse(text.value || "{}");
    await station.api.act("send", { action: action.value.trim(), payload });
  };
  void station.api.schema(version).then(
    (answer) => fill(options, answer.actions.map((/** @type {string} */ name) => h("option", { value: name }))),
    () => undefined, // without the list the name is typed
  );
  const row = h(
    "div",
    { class: "row end" },
    button("Begin anew from the schema", () => void attempt(complaint, begin, "A payload with what is required"), { class: "btn quiet" }),
    button("Send the CALL", () => void attempt(complaint, send, `${action.value} sent`), { class: "btn expert-btn primary" }),
  );
  const element = h("div", {}, labelled(`Message of OCPP ${version}`, action), options, labelled("Payload (JSON)", text), row);
  return { element, focus: () => (given.action === undefined ? action : text).focus() };
}

/**
 * @param {StationModel} station
 * @param {string} begin
 * @param {HTMLElement} complaint
 */
function rawMode(station, begin, complaint) {
  const text = h("textarea", { rows: 12, class: "code", spellcheck: false, value: begin, id: "raw-text" });
  const examples = MALFORMED.map(([name, example]) => button(name, () => { text.value = example; }, { class: "chip" }));
  const send = () => attempt(complaint, () => station.api.act("send_raw", { text: text.value }), "Sent as it stands");
  const element = h(
    "div",
    {},
    labelled("Text, sent as it stands", text),
    h("div", { class: "chips", role: "group", "aria-label": "Examples" }, examples),
    h("div", { class: "row end" }, button("Send it", () => void send(), { class: "btn expert-btn primary", id: "raw-send" })),
  );
  return { element, focus: () => text.focus() };
}
