// Send a message: a station, any message that a CSMS sends in its version, its form; with or without regard to the schema.

import { ApiError } from "../api.js";
import { choice, fill, h, labelled, setText } from "../dom.js";
import { FormError } from "../form.js";
import { notify, words } from "../notify.js";
import { Answers, outcome } from "./answers.js";
import { MessageForm, obvious } from "./message_form.js";
import { fewStations } from "./talk_filter.js";

/** @typedef {import("./csms_types.js").Asked} Asked */

const FIRST = "TriggerMessage";

export class Sender {
  /** @param {import("./csms_model.js").CsmsModel} csms */
  constructor(csms) {
    this.csms = csms;
    this.version = "";
    this.action = "";
    this.known = "";
    this.begun = 0;
    this.loading = Promise.resolve();
    this.station = choice([], "", { name: "send-station", on: { change: () => csms.choose(this.station.value) } });
    this.message = choice([], "", { name: "send-message", on: { change: () => void this.begin(this.message.value) } });
    this.form = new MessageForm(() => void this.begin(this.action));
    this.check = h("input", { type: "checkbox", checked: true, name: "check" });
    this.within = h("input", { type: "text", inputMode: "decimal", value: "30", name: "within", class: "w-number", "aria-label": "Wait for the answer, seconds" });
    this.send = h("button", { type: "submit", class: "btn primary", id: "send-it" }, "Send");
    this.note = h("p", { class: "dim" });
    const sheet = h(
      "form",
      { class: "sheet sender-sheet", noValidate: true },
      h("div", { class: "sender-head" }, labelled("Station", this.station), labelled("Message", this.message)),
      this.note,
      this.form.element,
      h(
        "div",
        { class: "row sender-foot" },
        h("label", { class: "check", title: "Off: it is sent though the schema does not allow it" }, this.check, " check schema"),
        h("span", { class: "inline" }, "wait"), this.within, h("span", { class: "inline" }, "s"),
        h("span", { class: "grow" }),
        this.send,
      ),
    );
    sheet.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
    this.answers = new Answers(csms, (row) => void this.compose(row.station, row.action, row.payload));
    this.element = h("div", { class: "view sender" }, h("div", { class: "split even" }, h("div", { class: "sender-side" }, sheet), this.answers.element));
    csms.stateChanged.on(() => this.#stations());
    csms.chosenChanged.on(() => this.#stations());
  }

  focusFilter() {
    this.message.focus();
  }

  /**
   * Show a message ready to be sent.
   * @param {string} station
   * @param {string} action
   * @param {Record<string, unknown>} payload
   */
  async compose(station, action, payload) {
    this.csms.choose(station);
    await this.#messages();
    this.message.value = action;
    await this.begin(action, payload);
  }

  /**
   * @param {string} action
   * @param {Record<string, unknown>} [payload]
   */
  async begin(action, payload) {
    this.begun += 1;
    const mine = this.begun;
    try {
      const schema = await this.csms.schema(this.version, action);
      if (mine !== this.begun) return; // another message was wanted meanwhile
      this.action = action;
      this.form.show(schema, payload ?? obvious(schema));
      setText(this.send, `Send ${action}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notify(`${action}: ${words(error)}`, "error");
    }
  }

  #stations() {
    const { state, chosen } = this.csms;
    const ids = fewStations((state?.stations ?? []).map((row) => row.id), chosen);
    if (ids.join("\n") !== this.known) {
      this.known = ids.join("\n");
      fill(this.station, ids.map((id) => h("option", { value: id }, id)));
    }
    this.station.value = chosen;
    const row = this.csms.station;
    this.send.disabled = row === undefined || !row.connected;
    const told = row === undefined ? "No station has connected yet." : row.connected ? "" : `${row.id} is not connected: nothing can be sent now.`;
    setText(this.note, told);
    this.note.hidden = told === "";
    void this.#messages();
  }

  /** The messages of the chosen station's version: fulfilled when they can be chosen. @returns {Promise<void>} */
  #messages() {
    const version = this.csms.station?.version ?? this.csms.state?.csms.versions[0];
    if (version !== undefined && version !== this.version) {
      this.version = version;
      this.loading = this.#load(version);
    }
    return this.loading;
  }

  /** @param {string} version */
  async #load(version) {
    try {
      const actions = await this.csms.messages(version);
      if (this.version !== version) return;
      fill(this.message, actions.map((action) => h("option", { value: action }, action)));
      const keep = actions.includes(this.action) ? this.action : FIRST;
      this.message.value = keep;
      await this.begin(keep);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.version = "";
    }
  }

  async #send() {
    const within = Number(this.within.value.replace(",", "."));
    try {
      const payload = this.form.read();
      const row = await this.csms.call(this.csms.chosen, this.action, payload, { check: this.check.checked, within });
      notify(`${row.action}: ${outcome(row).text}`, outcome(row).tone === "bad" ? "error" : "done");
    } catch (error) {
      if (error instanceof FormError) this.form.complain(error.problems);
      else if (error instanceof ApiError) {
        const [own, other] = [true, false].map((inForm) => error.problems.filter((each) => each.field.startsWith("payload") === inForm));
        this.form.complain(own);
        if (other.length > 0 || own.length === 0) notify(`${this.action}: ${words(error)}`, "error");
      } else throw error;
    }
  }
}
