// A message's payload, typed into a form made from its schema or as JSON text: two views of the same thing.

import { button, fill, h, setText } from "../dom.js";
import { FormError } from "../form.js";
import { GroupField } from "./message_fields.js";
import { resolved } from "./message_values.js";

/** @typedef {import("../types.js").Schema} Schema */
/** @typedef {import("../types.js").Problem} Problem */

const COUNTED = /^(requestId|remoteStartId|reservationId|listId|id)$/i;

let counter = Math.floor(Date.now() / 1000) % 100_000;

/** A number that no other request of this page has. */
export function freshNumber() {
  counter += 1;
  return counter;
}

/**
 * What must be there and has an obvious value: a fresh number, the time.
 * @param {Schema} schema of the whole message
 * @returns {Record<string, unknown>}
 */
export function obvious(schema) {
  /** @type {Record<string, unknown>} */
  const given = {};
  for (const name of schema.required ?? []) {
    const of = resolved(schema.properties?.[name] ?? {}, schema);
    if (of.type === "integer" && COUNTED.test(name)) given[name] = freshNumber();
    else if (of.format === "date-time") given[name] = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+/, "");
  }
  return given;
}

export class MessageForm {
  /** @param {() => void} anew begins the message again */
  constructor(anew) {
    /** @type {Schema} */
    this.schema = {};
    /** @type {GroupField | null} */
    this.form = null;
    /** @type {"form" | "json"} */
    this.mode = "form";
    this.text = h("textarea", { class: "code", rows: 16, spellcheck: false, "aria-label": "Payload as JSON", name: "payload-json" });
    this.complaint = h("p", { class: "complaint", role: "alert" });
    this.place = h("div", { class: "message-place" });
    this.modes = h(
      "div",
      { class: "tabs", role: "tablist", "aria-label": "How the payload is typed" },
      button("Form", () => this.use("form"), { class: "tab", role: "tab", data: { mode: "form" } }),
      button("JSON", () => this.use("json"), { class: "tab", role: "tab", data: { mode: "json" } }),
    );
    const bar = h("div", { class: "modes" }, this.modes, button("Begin anew", anew, { class: "btn small quiet" }));
    this.element = h("div", { class: "message-form" }, bar, this.place, this.complaint);
  }

  /**
   * Another message, or the same one begun with these values.
   * @param {Schema} schema
   * @param {Record<string, unknown>} payload
   */
  show(schema, payload) {
    this.schema = schema;
    this.text.value = JSON.stringify(payload, null, 2);
    this.form = new GroupField("", schema, schema, true, payload);
    this.#draw();
  }

  /** @param {"form" | "json"} mode */
  use(mode) {
    if (mode === this.mode) return;
    try {
      const payload = this.read();
      this.mode = mode;
      this.show(this.schema, payload);
    } catch (error) {
      if (error instanceof FormError) this.complain(error.problems);
      else throw error;
    }
  }

  /**
   * The payload as typed. Throws FormError.
   * @returns {Record<string, unknown>}
   */
  read() {
    this.complain([]);
    if (this.mode === "form") return this.form?.read() ?? {};
    let value;
    try {
      value = JSON.parse(this.text.value.trim() || "{}");
    } catch (error) {
      throw new FormError([{ field: "", problem: `is no JSON: ${error instanceof Error ? error.message : "unreadable"}` }]);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new FormError([{ field: "", problem: "must be a JSON object" }]);
    return value;
  }

  /** @param {Problem[]} problems empty: all is well */
  complain(problems) {
    const own = problems.map((each) => ({ ...each, field: each.field.replace(/^payload\.?/, "") }));
    const inForm = this.mode === "form" && this.form !== null;
    if (inForm) this.form?.complain(own);
    setText(this.complaint, inForm ? "" : own.map((each) => [each.field, each.problem].filter(Boolean).join(": ")).join("; "));
    this.text.setAttribute("aria-invalid", String(!inForm && own.length > 0));
  }

  #draw() {
    for (const tab of this.modes.children) tab.setAttribute("aria-selected", String(/** @type {HTMLElement} */ (tab).dataset["mode"] === this.mode));
    setText(this.complaint, "");
    const empty = this.form?.fields?.size === 0 ? h("p", { class: "dim" }, "This message has no fields.") : null;
    fill(this.place, this.mode === "json" ? this.text : [this.form?.element, empty]);
  }
}
