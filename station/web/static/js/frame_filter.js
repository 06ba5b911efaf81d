// The filter of the conversation: message, direction, kind, EVSE, transaction, any text, only problems.

import { button, choice, fill, freshId, h } from "./dom.js";
import { everything } from "./frames.js";
import { beforePaint } from "./signal.js";

/** @typedef {import("./frames.js").FrameFilter} FrameFilter */
/** @typedef {import("./frames.js").FrameLog} FrameLog */

const MOST_TRANSACTIONS = 200;

export class FrameFilterBar {
  /** @param {FrameLog} frames */
  constructor(frames) {
    this.frames = frames;
    const changed = () => this.#apply();
    const actions = freshId("actions");
    this.actionList = h("datalist", { id: actions });
    this.text = h("input", { type: "search", placeholder: "Any text  ( / )", "aria-label": "Text in the frame", class: "grow", on: { input: changed } });
    this.action = h("input", { type: "search", placeholder: "Message", "aria-label": "Message", list: actions, class: "w-action", on: { input: changed } });
    this.direction = choice([["", "both ways"], ["sent", "→ sent"], ["received", "← received"]], "", { "aria-label": "Direction", on: { change: changed } });
    this.type = choice([["", "any kind"], "CALL", "CALLRESULT", "CALLERROR", "SEND", ["?", "not OCPP"]], "", { "aria-label": "Kind of frame", on: { change: changed } });
    this.evse = choice([["", "any EVSE"]], "", { "aria-label": "EVSE", on: { change: changed } });
    this.transaction = choice([["", "any transaction"]], "", { "aria-label": "Transaction", class: "w-tx", on: { change: changed } });
    this.problems = h("input", { type: "checkbox", on: { change: changed } });
    this.reset = button("Clear filter", () => this.set(everything()), { class: "btn small quiet", hidden: true });
    this.element = h("div", { class: "filters", role: "search", "aria-label": "Filter the conversation" });
    fill(
      this.element,
      this.text, this.action, this.actionList, this.direction, this.type, this.evse, this.transaction,
      h("label", { class: "check" }, this.problems, " problems only"), this.reset,
    );
    /** How many choices there are: new ones are added when that changes. */
    this.known = "";
    frames.changed.on(beforePaint(() => this.#choices()));
  }

  /** @returns {FrameFilter} */
  get value() {
    return {
      text: this.text.value, action: this.action.value, direction: this.direction.value, type: this.type.value,
      evse: this.evse.value, transaction: this.transaction.value, problems: this.problems.checked,
    };
  }

  /** @param {Partial<FrameFilter>} wanted what is not named is cleared */
  set(wanted) {
    const filter = { ...everything(), ...wanted };
    this.#choices(filter.transaction);
    this.text.value = filter.text;
    this.action.value = filter.action;
    this.direction.value = filter.direction;
    this.type.value = filter.type;
    this.evse.value = filter.evse;
    this.transaction.value = filter.transaction;
    this.problems.checked = filter.problems;
    this.#apply();
  }

  /** @param {number[]} evses */
  showEvses(evses) {
    if (this.evse.options.length === evses.length + 1) return;
    const before = this.evse.value;
    fill(this.evse, h("option", { value: "" }, "any EVSE"), evses.map((evse) => h("option", { value: String(evse) }, `EVSE ${evse}`)));
    this.evse.value = before;
  }

  #apply() {
    const value = this.value;
    this.reset.hidden = JSON.stringify(value) === JSON.stringify({ ...value, ...everything() });
    this.frames.refilter(value);
  }

  /** @param {string} [extra] a transaction that must be among the choices */
  #choices(extra = "") {
    const { actions, transactions } = this.frames;
    const known = `${actions.size}/${transactions.size}/${extra}`;
    if (known === this.known) return;
    this.known = known;
    fill(this.actionList, [...actions.keys()].sort().map((action) => h("option", { value: action })));
    const before = extra || this.transaction.value;
    const ids = [...new Set([...transactions, before].filter(Boolean))].slice(-MOST_TRANSACTIONS).reverse();
    fill(this.transaction, h("option", { value: "" }, "any transaction"), ids.map((id) => h("option", { value: id }, id)));
    this.transaction.value = before;
  }
}
