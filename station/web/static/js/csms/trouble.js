// Misbehave on demand: wrong answers, no TLS, no subprotocol, the CSMS gone; what is planned, and a button to behave again.

import { act } from "../actions.js";
import { button, choice, fill, freshId, h, labelled, setText } from "../dom.js";
import { clock } from "../format.js";
import { notify } from "../notify.js";
import { fewStations } from "./talk_filter.js";

/** @typedef {import("./csms_types.js").FaultRow} FaultRow */

/** What happens to an answer. `field`: what else can be said of it. @type {{kind: string, label: string, text: string, field?: string}[]} */
const KINDS = [
  { kind: "late", label: "Late", text: "it comes later", field: "delay" },
  { kind: "never", label: "Never", text: "it never comes" },
  { kind: "twice", label: "Twice", text: "it comes two times" },
  { kind: "wrong id", label: "Wrong id", text: "with an id nobody asked with" },
  { kind: "garbage", label: "Garbage", text: "something else comes in its place", field: "text" },
  { kind: "refuse", label: "CALLERROR", text: "an error comes in its place", field: "code" },
  { kind: "replace", label: "Another payload", text: "valid or not", field: "payload" },
  { kind: "close", label: "Close", text: "the connection is closed in its place", field: "abrupt" },
];
const CODES = ["InternalError", "GenericError", "NotImplemented", "NotSupported", "ProtocolError", "SecurityError", "FormatViolation", "FormationViolation", "PropertyConstraintViolation", "TypeConstraintViolation", "OccurrenceConstraintViolation"];
const USUAL = ["Heartbeat", "BootNotification", "StatusNotification", "Authorize", "TransactionEvent", "MeterValues", "StartTransaction", "StopTransaction", "SecurityEventNotification", "DataTransfer"];

export class Trouble {
  /** @param {import("./csms_model.js").CsmsModel} csms */
  constructor(csms) {
    this.csms = csms;
    this.kind = "late";
    this.rawTo = h("span", { class: "mono" });
    this.known = "";
    this.drawn = "";
    const actions = freshId("faulty");
    this.actions = h("datalist", { id: actions }, USUAL.map((value) => h("option", { value })));
    this.message = h("input", { type: "text", placeholder: "any", list: actions, spellcheck: false, autocomplete: "off", name: "fault-action" });
    this.station = choice([["", "any"]], "", { name: "fault-station" });
    this.times = choice([["1", "once"], ["2", "twice"], ["5", "5 times"], ["", "until I say so"]], "1", { name: "fault-times" });
    this.extra = {
      delay: h("input", { type: "text", inputMode: "decimal", value: "40", name: "fault-delay" }),
      text: h("input", { type: "text", class: "mono", value: "{]", spellcheck: false, name: "fault-text" }),
      code: choice(CODES, CODES[0], { name: "fault-code" }),
      payload: h("input", { type: "text", class: "mono", value: "{}", spellcheck: false, name: "fault-payload" }),
      abrupt: choice([["", "politely"], ["cut", "cut without a word"]], "", { name: "fault-abrupt" }),
    };
    const labels = { delay: "So much later, s", text: "What comes", code: "Error code", payload: "Payload (JSON)", abrupt: "How" };
    this.extras = Object.entries(this.extra).map(([name, control]) => /** @type {[string, HTMLElement]} */ ([name, labelled(labels[/** @type {keyof typeof labels} */ (name)], control)]));
    this.kinds = h("div", { class: "chips kinds", role: "radiogroup", "aria-label": "What happens to the answer" });
    this.doc = h("p", { class: "doc" });
    this.planned = h("ul", { class: "planned", "aria-label": "Planned" });
    this.struck = h("ul", { class: "struck", "aria-label": "What has struck" });
    this.behave = button("Behave again", () => void act(csms, "clear_faults", {}, "The CSMS behaves again"), { class: "btn primary", id: "behave" });
    this.tls = button("", () => this.#toggle("refuse_tls", { refuse: !csms.state?.csms.refuse_tls }), { class: "btn" });
    this.subprotocol = button("", () => this.#toggle("no_subprotocol", { silent: !csms.state?.csms.no_subprotocol }), { class: "btn" });
    this.link = button("", () => this.toggleLink(), { class: "btn danger" });
    this.element = h("div", { class: "view trouble" }, h("div", { class: "columns" }, this.#plan(), h("div", { class: "column" }, this.#now(), this.#connection(), this.#raw())));
    this.#choose("late");
    csms.stateChanged.on(() => this.#draw());
    csms.chosenChanged.on((id) => setText(this.rawTo, id));
  }

  focusFilter() {
    this.message.focus();
  }

  /** The CSMS vanishes, or is back. */
  toggleLink() {
    const gone = this.csms.state?.csms.listening === false;
    void act(this.csms, gone ? "online" : "offline", {}, gone ? "The CSMS is back" : "The CSMS is gone: connections are cut, new ones refused");
  }

  #plan() {
    fill(this.kinds, KINDS.map(({ kind, label }) => button(label, () => this.#choose(kind), { class: "chip", role: "radio", data: { kind } })));
    const sheet = h("form", { class: "fault-form", noValidate: true });
    sheet.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    fill(
      sheet,
      labelled("In answer to", this.message), this.actions, labelled("Of station", this.station), labelled("How often", this.times),
      this.extras.map(([, field]) => field),
      h("button", { type: "submit", class: "btn danger", id: "plan-fault" }, "Plan it"),
    );
    const boots = [["Pending", "Accepted"], ["Rejected", "Accepted"]].map((statuses) =>
      button(`${statuses[0]}`, () => void act(this.csms, "boot", { statuses }, `The next BootNotification: ${statuses[0]}`), { class: "chip", title: `The next BootNotification is answered ${statuses[0]}` }),
    );
    return h(
      "section",
      { class: "column box", "aria-label": "Plan a fault" },
      h("h3", {}, "The answer to a station's message is"), this.kinds, this.doc, sheet,
      h("h3", {}, "The next BootNotification is answered"), h("div", { class: "chips" }, boots),
    );
  }

  #now() {
    return h("section", { class: "box", "aria-label": "Planned" }, h("h3", {}, "Planned"), this.planned, h("div", { class: "row" }, this.behave), this.struck);
  }

  #connection() {
    return h("section", { class: "box", "aria-label": "Connection" }, h("h3", {}, "Connection"), h("div", { class: "row" }, this.link, this.tls, this.subprotocol));
  }

  #raw() {
    const text = h("textarea", { rows: 3, class: "code", spellcheck: false, value: '[2,"x1","MakeCoffee",{}]', name: "raw", "aria-label": "Text, sent as it stands" });
    const examples = /** @type {[string, string][]} */ ([["No JSON", '[2,"x1","Reset",{'], ["Unknown message", '[2,"x2","MakeCoffee",{}]'], ["Message type 9", '[9,"x3","Reset",{}]'], ["An answer to nothing", '[3,"nobody",{}]']]);
    const send = () => void act(this.csms, "raw", { station: this.csms.chosen, text: text.value }, "Sent as it stands");
    this.rawText = text;
    return h(
      "section",
      { class: "box", "aria-label": "Raw text" },
      h("h3", {}, "Any text to ", this.rawTo), text,
      h("div", { class: "chips" }, examples.map(([name, example]) => button(name, () => { text.value = example; }, { class: "chip" }))),
      h("div", { class: "row end" }, button("Send the text", send, { class: "btn expert-btn", id: "send-raw" })),
    );
  }

  /** @param {string} text for the raw text field */
  showRaw(text) {
    if (this.rawText === undefined) return;
    this.rawText.value = text;
    this.rawText.focus();
  }

  /** @param {string} kind */
  #choose(kind) {
    this.kind = kind;
    for (const chip of this.kinds.children) chip.setAttribute("aria-checked", String(/** @type {HTMLElement} */ (chip).dataset["kind"] === kind));
    const chosen = KINDS.find((each) => each.kind === kind);
    setText(this.doc, chosen?.text ?? "");
    for (const [name, field] of this.extras) field.hidden = name !== chosen?.field;
  }

  #send() {
    const { delay, text, code, payload, abrupt } = this.extra;
    const field = KINDS.find((each) => each.kind === this.kind)?.field;
    /** @type {Record<string, unknown>} */
    const args = { kind: this.kind, action: this.message.value.trim() || undefined, station: this.station.value || undefined, times: this.times.value === "" ? undefined : Number(this.times.value) };
    if (field === "delay") args["delay"] = Number(delay.value.replace(",", "."));
    if (field === "text") args["text"] = text.value;
    if (field === "code") args["code"] = code.value;
    if (field === "abrupt") args["abrupt"] = abrupt.value === "cut";
    if (field === "payload") {
      try {
        args["payload"] = JSON.parse(payload.value || "{}");
      } catch (error) {
        notify(`payload: ${error instanceof Error ? error.message : "is no JSON"}`, "error");
        return;
      }
    }
    void act(this.csms, "fault", args, `Planned: ${this.kind}${args["action"] ? ` for ${args["action"]}` : ""}`);
  }

  /**
   * @param {string} name
   * @param {Record<string, unknown>} args
   */
  #toggle(name, args) {
    void act(this.csms, name, args);
  }

  #draw() {
    const state = this.csms.state;
    if (state === null) return;
    const { csms } = state;
    const few = fewStations(state.stations.map((row) => row.id), this.station.value);
    if (few.join("\n") !== this.known) {
      this.known = few.join("\n");
      const now = this.station.value;
      fill(this.station, h("option", { value: "" }, "any"), few.map((id) => h("option", { value: id }, id)));
      this.station.value = now;
    }
    setText(this.link, csms.listening ? "Go offline" : "Go online");
    setText(this.tls, csms.refuse_tls ? "Accept TLS again" : "Refuse TLS");
    this.tls.disabled = !csms.tls;
    this.tls.title = csms.tls ? "Every TLS handshake fails from now on" : "This CSMS does not speak TLS: start it with --pki or --cert";
    setText(this.subprotocol, csms.no_subprotocol ? "Offer a subprotocol again" : "No subprotocol");
    this.subprotocol.title = "New connections open without a subprotocol, and nobody answers on them";
    const drawn = JSON.stringify([csms.faults, csms.struck, csms.refuse_tls, csms.no_subprotocol]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.#lists(csms);
  }

  /** @param {import("./csms_types.js").CsmsRow} csms */
  #lists(csms) {
    const more = [csms.refuse_tls ? "TLS is refused" : "", csms.no_subprotocol ? "connections get no subprotocol" : ""].filter(Boolean);
    const rows = [...csms.faults.map(planned), ...more.map((text) => h("li", {}, h("span", { class: "badge", data: { tone: "bad" } }, text)))];
    fill(this.planned, rows.length > 0 ? rows : h("li", { class: "dim" }, "Nothing: every answer is honest."));
    this.behave.disabled = rows.length === 0;
    const struck = [...csms.struck].reverse().slice(0, 6);
    fill(this.struck, struck.map((each) => h("li", { class: "dim" }, `${clock(each.wall)} · struck: ${each.kind} · ${each.action || "?"} of ${each.station}`)));
  }
}

/** @param {FaultRow} fault */
function planned(fault) {
  const often = fault.times === null ? "until you say so" : fault.times === 1 ? "once" : `${fault.times} times`;
  const what = [fault.action ?? "any message", fault.station === null ? "any station" : fault.station, often].join(" · ");
  return h("li", { class: "row" }, h("span", { class: "badge", data: { tone: "warn" } }, fault.kind), h("span", {}, what), h("span", { class: "dim mono" }, fault.detail));
}
