// One value of a message: its control, and what its JSON Schema says of it.

import { choice, freshId, h, setText } from "../dom.js";
import { FormError } from "../form.js";
import { entry, valueOf } from "../schema_entry.js";

/** @typedef {import("../types.js").Schema} Schema */
/** @typedef {import("../types.js").Problem} Problem */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

const LONG_TEXT = 2000;

/**
 * The schema that a $ref stands for.
 * @param {Schema} schema
 * @param {Schema} whole where $ref looks
 * @returns {Schema}
 */
export function resolved(schema, whole) {
  const name = /^#\/definitions\/(.+)$/.exec(schema.$ref ?? "")?.[1];
  return name === undefined ? schema : { ...whole.definitions?.[name], ...(schema.description ? { description: schema.description } : {}) };
}

/**
 * What the OCA says of a field, without the numbers of its data model.
 * @param {Schema} schema
 */
export function prose(schema) {
  const lines = (schema.description ?? "").split(/\r?\n/).map((line) => line.trim());
  const said = lines.filter((line) => line && !line.startsWith("urn:") && !/^\w+_ .*\. /.test(line) && !/^\w+_ \w+(_ \w+)*$/.test(line));
  return said.join(" ").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replace(/<<[^,>]*,([^>]*)>>/g, "$1");
}

/** One value. */
export class ValueField {
  /**
   * @param {string} name
   * @param {Schema} schema
   * @param {boolean} needed
   * @param {unknown} given
   * @param {boolean} certain
   */
  constructor(name, schema, needed, given, certain) {
    this.name = name;
    this.schema = schema;
    const id = freshId(`m-${name}`);
    this.control = control(schema, needed && certain, given);
    this.control.id = id;
    this.control.name = name;
    this.control.setAttribute("autocomplete", "off");
    this.control.setAttribute("aria-describedby", `${id}-doc ${id}-complaint`);
    if (needed) this.control.setAttribute("aria-required", "true");
    this.complaint = h("span", { class: "complaint", id: `${id}-complaint` });
    const several = entry(schema) === "list" ? `several: with commas${schema.items?.enum ? ` (${schema.items.enum.join(", ")})` : ""}` : "";
    const doc = [prose(schema), several].filter(Boolean).join(" · ");
    this.element = h(
      "div",
      { class: "field" },
      h("label", { for: id }, h("span", { class: "wire" }, name), needed ? h("span", { class: "needed" }, " needed") : null),
      this.control,
      this.control instanceof HTMLTextAreaElement && entry(schema) === "text" ? fromFile(this.control, name) : null,
      h("span", { class: "doc", id: `${id}-doc`, title: doc }, doc),
      this.complaint,
    );
  }

  read() {
    try {
      return valueOf(this.schema, this.control.value);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new FormError([{ field: "", problem: error.message }]);
    }
  }

  /** @param {Problem[]} problems */
  complain(problems) {
    setText(this.complaint, problems.map((each) => each.problem).join("; "));
    this.control.setAttribute("aria-invalid", String(problems.length > 0));
    if (problems.length > 0) this.focus();
  }

  focus() {
    this.control.focus();
  }
}

/**
 * @param {Schema} schema
 * @param {boolean} needed
 * @param {unknown} given
 * @returns {Control}
 */
function control(schema, needed, given) {
  const kind = entry(schema);
  const now = given === undefined || given === null ? "" : Array.isArray(given) && kind === "list" ? given.join(", ") : typeof given === "object" ? JSON.stringify(given, null, 2) : String(given);
  if (kind === "choice" || kind === "flag") {
    const options = kind === "flag" ? ["true", "false"] : (schema.enum ?? []).map(String);
    /** @type {[string, string][]} */
    const blank = needed ? [] : [["", schema.default === undefined ? "–" : `– (${String(schema.default)})`]];
    const extra = now === "" || options.includes(now) ? [] : [now];
    return choice([...blank, ...options, ...extra], now || (needed ? options[0] : ""));
  }
  const long = kind === "json" || (schema.maxLength ?? 0) >= LONG_TEXT;
  if (long) return h("textarea", { rows: kind === "json" ? 3 : 4, class: "code", value: now, spellcheck: false, placeholder: kind === "json" ? "JSON" : "" });
  const placeholder = schema.format === "date-time" ? "2026-01-31T09:00:00Z" : "";
  return h("input", { type: "text", value: now, placeholder, inputMode: kind === "number" ? "decimal" : "text", spellcheck: false });
}

/**
 * A long text (a certificate) may come from a file.
 * @param {HTMLTextAreaElement} text
 * @param {string} name
 */
function fromFile(text, name) {
  const file = h("input", { type: "file", "aria-label": `${name} from a file`, class: "from-file" });
  file.addEventListener("change", () => {
    void file.files?.[0]?.text().then((content) => {
      text.value = content;
    });
  });
  return file;
}
