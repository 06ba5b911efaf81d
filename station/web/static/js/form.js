// Forms generated from JSON Schema: a command that the station learns tomorrow has its form here today.

import { choice, freshId, h, setText, withCode } from "./dom.js";
import { spaced } from "./format.js";
import { core, entry, valueOf } from "./schema_entry.js";

/** @typedef {import("./types.js").Schema} Schema */
/** @typedef {import("./types.js").Problem} Problem */
/** @typedef {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} Control */

/**
 * A field. `read` gives undefined when it is left out, and raises a TypeError or FormError.
 * @typedef {{
 *   name: string, element: HTMLElement, read: () => unknown, owns: (problem: Problem) => boolean,
 *   complain: (problems: Problem[]) => void, focus: () => void,
 * }} FormField
 */

/** Fields that are not made from their schema, by name: `given` is the value to begin with. @typedef {Record<string, (given: unknown) => FormField>} Editors */

/** What was typed is not what the field wants; `problems` name the fields. */
export class FormError extends Error {
  /** @param {Problem[]} problems */
  constructor(problems) {
    super(problems.map((problem) => `${problem.field}: ${problem.problem}`).join("; "));
    this.problems = problems;
  }
}

/** One field: a control, or for an object a form within the form. */
class Field {
  /**
   * @param {string} name
   * @param {Schema} schema
   * @param {boolean} needed
   * @param {unknown} given
   */
  constructor(name, schema, needed, given) {
    this.name = name;
    this.schema = schema;
    /** @type {HTMLElement} */
    this.element;
    const bare = core(schema);
    const id = freshId(`f-${name}`);
    this.complaint = h("span", { class: "complaint", id: `${id}-complaint` });
    /** @type {SchemaForm | null} */
    this.inner = entry(schema) === "group" ? new SchemaForm(bare, /** @type {any} */ (given) ?? {}) : null;
    /** @type {Control | null} */
    this.control = this.inner ? null : makeControl(schema, needed, given);
    const mark = needed ? h("span", { class: "needed" }, " needed") : null;
    const doc = bare.description ?? "";
    if (this.inner) {
      const title = h("summary", {}, spaced(name), mark, doc ? h("span", { class: "doc" }, " ", withCode(doc)) : null);
      this.element = h("details", { class: "field group", open: given !== undefined }, title, this.inner.element, this.complaint);
      return;
    }
    const control = /** @type {Control} */ (this.control);
    control.id = id;
    control.name = name;
    control.setAttribute("autocomplete", "off");
    control.setAttribute("aria-describedby", `${id}-doc ${id}-complaint`);
    if (needed) control.setAttribute("aria-required", "true");
    const several = entry(schema) === "list" ? " Several: with commas." : "";
    this.element = h(
      "div",
      { class: "field" },
      h("label", { for: id }, spaced(name), mark),
      control,
      h("span", { class: "doc", id: `${id}-doc` }, withCode(doc), several),
      this.complaint,
    );
  }

  /** @returns {unknown} undefined: left out */
  read() {
    if (this.inner === null) return valueOf(this.schema, this.control?.value ?? "");
    const value = this.inner.read();
    return Object.keys(value).length > 0 ? value : undefined;
  }

  /** @param {Problem} problem */
  owns(problem) {
    const { field } = problem;
    return field === this.name || field.startsWith(`${this.name}.`) || field.startsWith(`${this.name}[`);
  }

  /** @param {Problem[]} problems of this field */
  complain(problems) {
    setText(this.complaint, problems.map((problem) => problem.problem).join("; "));
    this.control?.setAttribute("aria-invalid", String(problems.length > 0));
  }

  focus() {
    if (this.control) this.control.focus();
    else if (this.element instanceof HTMLDetailsElement) this.element.open = true;
  }
}

/** A form for an object schema. `element` goes into the page, `read()` gives the arguments, `complain` shows what is wrong. */
export class SchemaForm {
  /**
   * @param {Schema} schema
   * @param {Record<string, unknown>} [given] values to begin with
   * @param {Editors} [editors]
   */
  constructor(schema, given = {}, editors = {}) {
    const needed = schema.required ?? [];
    const properties = Object.entries(schema.properties ?? {});
    /** @type {FormField[]} */
    this.fields = properties.map(([name, of]) => {
      const own = Object.hasOwn(editors, name) ? editors[name] : undefined;
      return own?.(given[name]) ?? new Field(name, of, needed.includes(name), given[name] ?? undefined);
    });
    this.general = h("p", { class: "complaint", role: "alert" });
    const fields = this.fields.map((field) => field.element);
    /** @type {HTMLElement} */
    this.element = h("div", { class: "form-fields" }, fields, this.general);
  }

  /**
   * The arguments as typed. Raises FormError.
   * @returns {Record<string, unknown>}
   */
  read() {
    this.complain([]);
    /** @type {Record<string, unknown>} */
    const args = {};
    /** @type {Problem[]} */
    const problems = [];
    for (const field of this.fields) {
      try {
        const value = field.read();
        if (value !== undefined) args[field.name] = value;
      } catch (error) {
        if (error instanceof FormError) problems.push(...error.problems.map((each) => ({ ...each, field: `${field.name}.${each.field}` })));
        else if (error instanceof TypeError) problems.push({ field: field.name, problem: error.message });
        else throw error;
      }
    }
    if (problems.length > 0) {
      this.complain(problems);
      throw new FormError(problems);
    }
    return args;
  }

  /**
   * @param {Problem[]} problems empty: all is well
   * @returns {boolean} each is shown at its field
   */
  complain(problems) {
    const rest = problems.filter((problem) => !this.fields.some((field) => field.owns(problem)));
    setText(this.general, rest.map((problem) => [problem.field, problem.problem].filter(Boolean).join(": ")).join("; "));
    for (const field of this.fields) field.complain(problems.filter((problem) => field.owns(problem)));
    this.fields.find((field) => problems.some((problem) => field.owns(problem)))?.focus();
    return rest.length === 0;
  }

  focus() {
    this.fields[0]?.focus();
  }
}

/**
 * @param {Schema} schema
 * @param {boolean} needed
 * @param {unknown} given
 * @returns {Control}
 */
function makeControl(schema, needed, given) {
  const bare = core(schema);
  const kind = entry(schema);
  const now = given === undefined ? "" : typeof given === "object" ? JSON.stringify(given, null, 2) : String(given);
  const usual = bare.default === undefined || bare.default === null ? "" : `${JSON.stringify(bare.default)} if left empty`;
  if (kind === "choice" || kind === "flag") {
    const words = kind === "flag" ? ["true", "false"] : (bare.enum ?? []).map(String);
    /** @type {[string, string][]} */
    const blank = needed && kind === "choice" ? [] : [["", usual === "" ? "" : `(${usual})`]];
    return choice([...blank, ...words], now || (blank.length > 0 ? "" : words[0]));
  }
  if (kind === "json") return h("textarea", { rows: 5, value: now, placeholder: usual || "JSON, or lines of name = value", spellcheck: false });
  const type = schema.writeOnly || schema.format === "password" ? "password" : "text";
  return h("input", { type, value: now, placeholder: usual, inputMode: kind === "number" ? "decimal" : "text", spellcheck: false });
}
