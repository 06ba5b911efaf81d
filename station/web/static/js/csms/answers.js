// What stations answered to what this page has sent, newest first.

import { button, fill, h } from "../dom.js";
import { clock, latency } from "../format.js";
import { jsonView } from "../json_view.js";
import { beforePaint } from "../signal.js";

/** @typedef {import("./csms_types.js").Asked} Asked */

const SHOWN = 20;
const GOOD = /^(Accepted|AllAccepted|Unlocked|Operative|Scheduled|RebootRequired)$/;

/**
 * The word that says how it went, for people.
 * @param {Asked} row
 * @returns {{text: string, tone: string}}
 */
export function outcome(row) {
  if (row.waiting) return { text: "waiting", tone: "wait" };
  if (row.failed) return { text: "no answer", tone: "bad" };
  if (row.error) return { text: String(row.error["code"]), tone: "bad" };
  const words = statuses(row.answer);
  if (words.length === 0) return { text: "answered", tone: "good" };
  const bad = words.filter((word) => !GOOD.test(word));
  const text = [...new Set(bad.length > 0 ? bad : words)].slice(0, 2).join(", ");
  return { text, tone: bad.length > 0 ? "warn" : "good" };
}

/**
 * The status of the answer, or those of its parts (SetVariables).
 * @param {unknown} answer
 * @returns {string[]}
 */
function statuses(answer) {
  if (typeof answer !== "object" || answer === null) return [];
  const own = /** @type {Record<string, unknown>} */ (answer);
  const status = own["status"] ?? own["attributeStatus"];
  if (typeof status === "string") return [status];
  return Object.values(own).flatMap((value) => (Array.isArray(value) ? value.flatMap(statuses) : []));
}

export class Answers {
  /**
   * @param {import("./csms_model.js").CsmsModel} csms
   * @param {(row: Asked) => void} again
   */
  constructor(csms, again) {
    this.csms = csms;
    this.again = again;
    this.element = h("aside", { class: "detail answers", "aria-label": "Answers", "aria-live": "polite" });
    csms.askedChanged.on(beforePaint(() => this.#draw()));
    this.#draw();
  }

  #draw() {
    const rows = this.csms.asked.slice(0, SHOWN);
    fill(this.element, h("h3", {}, "Answers"), rows.length === 0 ? h("p", { class: "dim" }, "What stations answer is shown here.") : null, rows.map((row, index) => this.#row(row, index === 0)));
  }

  /**
   * @param {Asked} row
   * @param {boolean} newest
   */
  #row(row, newest) {
    const { text, tone } = outcome(row);
    const head = h(
      "summary",
      {},
      h("span", { class: "badge", data: { tone } }, text),
      h("b", {}, row.action),
      h("span", { class: "dim" }, [row.station, clock(row.at), row.waiting ? "" : latency(row.ms)].filter(Boolean).join(" · ")),
    );
    const error = row.error ? { errorCode: row.error["code"], errorDescription: row.error["description"], errorDetails: row.error["details"] } : null;
    const what = row.failed ? h("p", { class: "verdict" }, row.failed) : row.waiting ? h("p", { class: "dim" }, "No answer yet.") : jsonView(error ?? row.answer);
    const more = button("Edit and send again", () => this.again(row), { class: "btn small quiet" });
    return h("details", { class: "answer", open: newest, data: { action: row.action } }, head, what, h("div", { class: "row" }, more));
  }
}
