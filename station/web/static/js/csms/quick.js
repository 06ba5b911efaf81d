// Quick buttons: the usual messages to the chosen station, one line each, with what usually matters filled in.

import { ApiError } from "../api.js";
import { button, choice, fill, freshId, h, setData, setText } from "../dom.js";
import { latency } from "../format.js";
import { notify, words } from "../notify.js";
import { outcome } from "./answers.js";
import { quicks } from "./quick_payloads.js";

/** @typedef {import("./quick_payloads.js").Quick} Quick */
/** @typedef {import("./quick_payloads.js").QuickField} QuickField */
/** @typedef {HTMLInputElement | HTMLSelectElement} Control */

export class QuickButtons {
  /**
   * @param {import("./csms_model.js").CsmsModel} csms
   * @param {(station: string, action: string, payload: Record<string, unknown>) => void} compose
   */
  constructor(csms, compose) {
    this.csms = csms;
    this.compose = compose;
    this.version = "";
    /** @type {HTMLButtonElement[]} */
    this.buttons = [];
    /** @type {HTMLSelectElement | null} the running transactions */
    this.running = null;
    this.known = "";
    const offered = freshId("tokens");
    this.offered = offered;
    this.tokens = h("datalist", { id: offered });
    this.rows = h("div", { class: "quick-rows" });
    this.word = h("span", { class: "badge" });
    this.said = h("span", { class: "dim" });
    this.last = h("p", { class: "quick-last", "aria-live": "polite", hidden: true }, this.word, this.said);
    this.element = h("section", { class: "controls quick", "aria-label": "Send to the chosen station" }, this.tokens, this.rows, this.last);
    csms.stateChanged.on(() => this.#draw());
    csms.chosenChanged.on(() => this.#draw());
    csms.askedChanged.on(() => this.#latest());
  }

  /** @param {string[]} values */
  showTokens(values) {
    fill(this.tokens, values.map((value) => h("option", { value })));
  }

  #draw() {
    const station = this.csms.station;
    this.element.hidden = station === undefined;
    if (station === undefined) return;
    const version = station.version ?? "2.0.1";
    if (version !== this.version) {
      this.version = version;
      this.buttons = [];
      fill(this.rows, quicks(version).map((quick) => this.#row(quick)));
      this.known = "";
    }
    this.#transactions(station.running);
    for (const each of this.buttons) each.disabled = !station.connected;
    this.#latest();
  }

  /** @param {string[]} ids */
  #transactions(ids) {
    const known = ids.join("\n");
    if (this.running === null || (known === this.known && this.running.options.length > 0)) return;
    this.known = known;
    const now = this.running.value;
    fill(this.running, ids.length > 0 ? [...ids].reverse().map((id) => h("option", { value: id }, id)) : h("option", { value: "" }, "none is running"));
    if (ids.includes(now)) this.running.value = now;
  }

  /** @param {Quick} quick */
  #row(quick) {
    /** @type {Map<string, Control>} */
    const controls = new Map(quick.fields.map((field) => [field.name, this.#control(quick, field)]));
    const payload = async () => {
      const values = Object.fromEntries([...controls].map(([name, control]) => [name, control.value.trim()]));
      return quick.payload(values, await this.#upload(quick.action));
    };
    const open = async () => this.compose(this.csms.chosen, quick.action, await payload());
    const send = async () => this.#send(quick.action, await payload());
    const go = button(quick.label + (quick.edit ? "…" : ""), () => void (quick.edit ? open() : send()), {
      class: `btn quick-go${quick.danger ? " danger" : ""}`, title: `Send ${quick.action}`, data: { action: quick.action },
    });
    this.buttons.push(go);
    const more = button("…", () => void open(), { class: "icon", "aria-label": `${quick.action} as a form`, title: `${quick.action} as a form` });
    return h("div", { class: "row quick-row", role: "group", "aria-label": quick.action }, go, quick.fields.map((field) => [field.short && (field.value || !field.optional) ? h("span", { class: "inline", "aria-hidden": "true" }, field.label) : null, controls.get(field.name) ?? null]).flat(), quick.edit ? null : more);
  }

  /**
   * @param {Quick} quick
   * @param {QuickField} field
   * @returns {Control}
   */
  #control(quick, field) {
    const named = { "aria-label": `${quick.action}: ${field.label}`, title: field.label, name: `${quick.action}-${field.name}` };
    if (field.offer === "running") {
      this.running = choice([], "", { ...named, class: "grow" });
      return this.running;
    }
    if (field.words) return choice(field.words, field.words[0], { ...named, class: "grow" });
    return h("input", {
      ...named, type: "text", value: field.value ?? "", class: field.short ? "w-number" : "grow mono", spellcheck: false, autocomplete: "off",
      placeholder: field.optional ? field.label : "", list: field.offer === "tokens" ? this.offered : undefined,
    });
  }

  /** Where a station may put its files. @param {string} action */
  async #upload(action) {
    if (action !== "GetLog" && action !== "GetDiagnostics") return "";
    try {
      return String((await this.csms.api.look("uploads")).url);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return "";
    }
  }

  /**
   * @param {string} action
   * @param {Record<string, unknown>} payload
   */
  async #send(action, payload) {
    try {
      await this.csms.call(this.csms.chosen, action, payload);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notify(`${action}: ${words(error)}`, "error");
    }
  }

  /** What the station answered last. */
  #latest() {
    const row = this.csms.asked.find((each) => each.station === this.csms.chosen);
    this.last.hidden = row === undefined;
    if (row === undefined) return;
    const { text, tone } = outcome(row);
    setText(this.word, text);
    setData(this.word, "tone", tone);
    setText(this.said, [row.action, row.waiting ? "" : latency(row.ms), row.failed].filter(Boolean).join(" · "));
  }
}
