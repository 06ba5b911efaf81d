// The fields of a message's form, made from its JSON Schema: objects within objects, and lists of objects.

import { button, fill, h, setText } from "../dom.js";
import { FormError } from "../form.js";
import { core, entry } from "../schema_entry.js";
import { ValueField, prose, resolved } from "./message_values.js";

/** @typedef {import("../types.js").Schema} Schema */
/** @typedef {import("../types.js").Problem} Problem */
/**
 * `read` gives undefined for what is left out and throws FormError; `complain` takes problems whose `field` is a path from here.
 * @typedef {{element: HTMLElement, read: () => unknown, complain: (problems: Problem[]) => void, focus: () => void}} Field
 */

/** Everybody's own data: only as JSON, else every object would have it. */
const LEFT_OUT = "customData";

/**
 * @param {string} name
 * @param {Schema} schema
 * @param {Schema} whole
 * @param {boolean} needed
 * @param {unknown} given
 * @param {boolean} [certain] what it is part of will be sent in any case, so a needed choice may begin with its first word
 * @returns {Field}
 */
export function makeField(name, schema, whole, needed, given, certain = true) {
  const found = core(resolved(schema, whole));
  if (entry(found) === "group") return new GroupField(name, found, whole, needed, given, certain);
  const items = found.type === "array" && found.items ? core(resolved(found.items, whole)) : null;
  if (items !== null && entry(items) === "group") return new ListField(name, found, items, whole, needed, given);
  return new ValueField(name, items === null ? found : { ...found, items }, needed, given, certain);
}

/** An object: its fields, made when they are first seen (charging profiles go deep). */
export class GroupField {
  /**
   * @param {string} name "" for the message itself
   * @param {Schema} schema
   * @param {Schema} whole
   * @param {boolean} needed
   * @param {unknown} given
   * @param {boolean} [certain]
   */
  constructor(name, schema, whole, needed, given, certain = true) {
    this.schema = schema;
    this.whole = whole;
    this.needed = needed;
    this.certain = needed && certain;
    /** @type {Record<string, unknown>} */
    this.given = typeof given === "object" && given !== null ? { .../** @type {Record<string, unknown>} */ (given) } : {};
    /** @type {Map<string, Field> | null} */
    this.fields = null;
    this.general = h("p", { class: "complaint", role: "alert" });
    this.body = h("div", { class: "form-fields" });
    const open = needed || Object.keys(this.given).length > 0;
    if (open) this.#make();
    this.element = name === "" ? h("div", {}, this.body, this.general) : this.#framed(name, open);
  }

  /**
   * @param {string} name
   * @param {boolean} open
   */
  #framed(name, open) {
    const title = h("summary", { title: prose(this.schema) }, h("span", { class: "wire" }, name), this.needed ? h("span", { class: "needed" }, " needed") : null);
    const frame = h("details", { class: "field group", open }, title, this.body, this.general);
    frame.addEventListener("toggle", () => {
      if (frame.open) this.#make();
    });
    return frame;
  }

  /** @returns {Map<string, Field>} */
  #make() {
    if (this.fields !== null) return this.fields;
    const required = this.schema.required ?? [];
    const entries = Object.entries(this.schema.properties ?? {}).filter(([name]) => name !== LEFT_OUT);
    entries.sort(([one], [other]) => Number(required.includes(other)) - Number(required.includes(one)));
    this.fields = new Map(entries.map(([name, schema]) => [name, makeField(name, schema, this.whole, required.includes(name), this.given[name], this.certain)]));
    fill(this.body, [...this.fields.values()].map((field) => field.element));
    return this.fields;
  }

  /** @returns {Record<string, unknown> | undefined} */
  read() {
    if (this.fields === null) return this.certain ? {} : undefined;
    const result = Object.fromEntries(Object.entries(this.given).filter(([name]) => !this.fields?.has(name)));
    /** @type {Problem[]} */
    const problems = [];
    for (const [name, field] of this.fields) {
      try {
        const value = field.read();
        if (value !== undefined) result[name] = value;
      } catch (error) {
        if (!(error instanceof FormError)) throw error;
        problems.push(...error.problems.map((each) => ({ ...each, field: joined(name, each.field) })));
      }
    }
    if (problems.length > 0) throw new FormError(problems);
    return this.certain || !isBlank(result) ? result : undefined;
  }

  /** @param {Problem[]} problems */
  complain(problems) {
    const fields = problems.length > 0 ? this.#make() : (this.fields ?? new Map());
    const rest = problems.filter((each) => !fields.has(head(each.field)));
    setText(this.general, rest.map((each) => [each.field, each.problem].filter(Boolean).join(": ")).join("; "));
    for (const [name, field] of fields) {
      const own = problems.filter((each) => head(each.field) === name).map((each) => ({ ...each, field: each.field.slice(name.length).replace(/^\./, "") }));
      field.complain(own);
    }
    if (problems.length > 0 && this.element instanceof HTMLDetailsElement) this.element.open = true;
  }

  focus() {
    this.#make().values().next().value?.focus();
  }
}

/** A list of objects, with a button for one more. */
class ListField {
  /** @type {Schema} */
  items;

  /**
   * @param {string} name
   * @param {Schema} schema
   * @param {Schema} items
   * @param {Schema} whole
   * @param {boolean} needed
   * @param {unknown} given
   */
  constructor(name, schema, items, whole, needed, given) {
    this.name = name;
    this.items = items;
    this.whole = whole;
    this.needed = needed;
    /** @type {GroupField[]} */
    this.rows = [];
    this.place = h("div", { class: "list-rows" });
    this.general = h("p", { class: "complaint", role: "alert" });
    const title = h("legend", { title: prose(schema) }, h("span", { class: "wire" }, name), needed ? h("span", { class: "needed" }, " needed") : null);
    this.element = h("fieldset", { class: "field list" }, title, this.place, button(`+ ${name}`, () => this.#add({}).focus(), { class: "btn small quiet" }), this.general);
    const first = Array.isArray(given) ? given : needed ? [{}] : [];
    for (const each of first) this.#add(each);
  }

  /** @param {unknown} given */
  #add(given) {
    /** @type {GroupField} */
    const row = new GroupField("", this.items, this.whole, true, given);
    const frame = h("div", { class: "list-row" }, row.element);
    const away = button("×", () => {
      this.rows = this.rows.filter((other) => other !== row);
      frame.remove();
    }, { class: "icon", "aria-label": `Remove this ${this.name}` });
    frame.append(away);
    this.rows.push(row);
    this.place.append(frame);
    return row;
  }

  read() {
    /** @type {Problem[]} */
    const problems = [];
    const values = this.rows.map((row, index) => {
      try {
        return row.read();
      } catch (error) {
        if (!(error instanceof FormError)) throw error;
        problems.push(...error.problems.map((each) => ({ ...each, field: joined(`[${index}]`, each.field) })));
        return {};
      }
    });
    if (problems.length > 0) throw new FormError(problems);
    return values.length > 0 || this.needed ? values : undefined;
  }

  /** @param {Problem[]} problems */
  complain(problems) {
    const place = (/** @type {Problem} */ each) => Number(/^\[(\d+)\]/.exec(each.field)?.[1] ?? -1);
    setText(this.general, problems.filter((each) => this.rows[place(each)] === undefined).map((each) => each.problem).join("; "));
    this.rows.forEach((row, index) =>
      row.complain(problems.filter((each) => place(each) === index).map((each) => ({ ...each, field: each.field.replace(/^\[\d+\]\.?/, "") }))),
    );
  }

  focus() {
    this.rows[0]?.focus();
  }
}

/** Nothing was typed anywhere in it. @param {unknown} value @returns {boolean} */
function isBlank(value) {
  return value === undefined || (typeof value === "object" && value !== null && Object.values(value).every(isBlank));
}

/**
 * @param {string} name
 * @param {string} rest
 */
function joined(name, rest) {
  return rest === "" ? name : rest.startsWith("[") ? `${name}${rest}` : `${name}.${rest}`;
}

/** The first name of a path. @param {string} path */
function head(path) {
  return /^[^.[]*/.exec(path)?.[0] ?? "";
}
