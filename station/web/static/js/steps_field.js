// Steps of a schedule typed row by row: from when, how much, on how many phases; and what they look like.

import { button, choice, fill, freshId, h, setText } from "./dom.js";
import { FormError } from "./form.js";
import { runsOf } from "./plan.js";
import { spark } from "./svg.js";

/** @typedef {import("./types.js").Problem} Problem */
/** One row. @typedef {{element: HTMLElement, from: HTMLInputElement, limit: HTMLInputElement, phases: HTMLSelectElement, complaint: HTMLElement}} Row */

const SECONDS = /** @type {Record<string, number>} */ ({ s: 1, min: 60, h: 3600, d: 86_400 });
const FROM = 'write 1:30, "90 min", "1.5 h" or "2 d"';
const PREVIEW = 44;
const HOUR = 3600;

/**
 * Seconds of "1:30" (hours and minutes), "90 min", "1.5 h", "2 d", "45 s", or a plain 0. Throws a TypeError.
 * @param {string} text
 */
export function secondsOf(text) {
  const clock = /^\s*(\d+):([0-5]\d)(?::([0-5]\d))?\s*$/.exec(text);
  if (clock !== null) return Number(clock[1]) * HOUR + Number(clock[2]) * 60 + Number(clock[3] ?? 0);
  const amount = /^\s*(\d+(?:[.,]\d+)?)\s*(s|min|h|d)?\s*$/.exec(text);
  const value = Number(amount?.[1]?.replace(",", "."));
  if (amount === null || (amount[2] === undefined && value !== 0)) throw new TypeError(FROM);
  return Math.round(value * (SECONDS[amount[2] ?? "s"] ?? 1));
}

/** "1:30", with seconds where there are some. @param {number} seconds */
export function fromText(seconds) {
  const two = (/** @type {number} */ n) => String(Math.floor(n)).padStart(2, "0");
  return `${Math.floor(seconds / HOUR)}:${two((seconds % HOUR) / 60)}${seconds % 60 > 0 ? `:${two(seconds % 60)}` : ""}`;
}

/** A field of a `SchemaForm`. */
export class StepsField {
  /**
   * @param {string} name
   * @param {unknown} [given] steps as the command takes them
   */
  constructor(name, given) {
    this.name = name;
    /** @type {Row[]} */
    this.rows = [];
    this.list = h("div", { class: "steps-rows" });
    this.preview = h("div", { class: "steps-preview" });
    this.complaint = h("span", { class: "complaint", id: freshId("steps-complaint") });
    const id = freshId("steps");
    this.element = h(
      "div",
      { class: "field steps-field", role: "group", "aria-labelledby": id, "aria-describedby": this.complaint.id },
      h("span", { class: "steps-label", id }, "steps", h("span", { class: "needed" }, " needed")),
      h("div", { class: "steps-heads", "aria-hidden": "true" }, ["from its start", "limit", "phases", ""].map((head) => h("span", {}, head))),
      this.list,
      h("div", { class: "row" }, button("Add a step", () => this.#next(), { class: "btn small" }), this.preview),
      this.complaint,
    );
    const steps = Array.isArray(given) ? /** @type {number[][]} */ (given) : [[0, 16]];
    for (const [from, limit, phases] of steps) this.#add(fromText(from), String(limit), phases === undefined || phases === null ? "" : String(phases));
    this.#draw();
  }

  /** @returns {(number | null)[][]} Raises FormError. */
  read() {
    /** @type {Problem[]} */
    const problems = [];
    const steps = this.rows.map((row, index) => {
      try {
        return stepOf(row);
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        problems.push({ field: String(index), problem: error.message });
        return [];
      }
    });
    if (problems.length > 0) throw new FormError(problems);
    return steps;
  }

  /** @param {Problem} problem */
  owns({ field }) {
    return field === this.name || field.startsWith(`${this.name}.`);
  }

  /** @param {Problem[]} problems of this field */
  complain(problems) {
    const told = (/** @type {number} */ index) => problems.filter(({ field }) => field === `${this.name}.${index}`).map(({ problem }) => problem);
    this.rows.forEach((row, index) => {
      const here = told(index);
      setText(row.complaint, here.join("; "));
      for (const control of [row.from, row.limit]) control.setAttribute("aria-invalid", String(here.length > 0));
    });
    const rest = problems.filter(({ field }) => !this.rows.some((_, index) => field === `${this.name}.${index}`));
    setText(this.complaint, rest.map(({ problem }) => problem).join("; "));
  }

  focus() {
    const wrong = this.rows.find((row) => row.complaint.textContent !== "") ?? this.rows[0];
    wrong?.limit.focus();
  }

  /** One more, an hour after the last. */
  #next() {
    const last = this.rows.at(-1);
    let from = "";
    try {
      from = fromText(last === undefined ? 0 : secondsOf(last.from.value) + HOUR);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    this.#add(from, last?.limit.value ?? "", last?.phases.value ?? "").limit.select();
    this.#draw();
  }

  /**
   * @param {string} from
   * @param {string} limit
   * @param {string} phases
   * @returns {Row}
   */
  #add(from, limit, phases) {
    const number = this.rows.length + 1;
    const complaint = h("span", { class: "complaint", id: freshId("step-complaint") });
    const say = (/** @type {string} */ what) => ({ "aria-label": `Step ${number}: ${what}`, "aria-describedby": complaint.id, autocomplete: "off", spellcheck: false });
    /** @type {Row} */
    const row = {
      from: h("input", { type: "text", class: "step-from", value: from, placeholder: "1:30", ...say("from its start, hours and minutes") }),
      limit: h("input", { type: "text", class: "step-limit", inputMode: "decimal", value: limit, ...say("limit") }),
      phases: choice([["", "as it is"], "1", "2", "3"], phases, { class: "step-phases", "aria-label": `Step ${number}: phases` }),
      complaint,
      element: h("div", { class: "steps-row" }),
    };
    const remove = button("×", () => this.#remove(row), { class: "icon", "aria-label": `Remove step ${number}` });
    fill(row.element, row.from, row.limit, row.phases, remove, complaint);
    row.element.addEventListener("input", () => this.#draw());
    this.rows.push(row);
    this.list.append(row.element);
    return row;
  }

  /** @param {Row} row */
  #remove(row) {
    if (this.rows.length === 1) return;
    this.rows.splice(this.rows.indexOf(row), 1);
    row.element.remove();
    this.#draw();
    this.rows.at(-1)?.limit.focus();
  }

  /** What is typed so far, as far as it can be read. */
  #draw() {
    try {
      const periods = this.rows.map(stepOf).map(([start, limit, phases]) => ({ start: start ?? 0, limit, phases: phases ?? null }));
      this.preview.replaceChildren(spark(runsOf({ unit: "A", start: null, duration: null, periods }), PREVIEW));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.preview.replaceChildren();
    }
  }
}

/**
 * @param {Row} row
 * @returns {(number | null)[]}
 */
function stepOf({ from, limit, phases }) {
  const value = Number(limit.value.replace(",", "."));
  if (limit.value.trim() === "" || !Number.isFinite(value)) throw new TypeError("the limit must be a number");
  const start = secondsOf(from.value);
  return phases.value === "" ? [start, value] : [start, value, Number(phases.value)];
}
