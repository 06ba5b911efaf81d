// What happened at the station: facts recorded, attempts refused, commands carried out by whomever. Newest first.

import { button, choice, fill, h, setText } from "./dom.js";
import { RowsView, summary } from "./rows_view.js";
import { beforePaint } from "./signal.js";

/** @typedef {import("./types.js").Activity} Activity */
/** @typedef {import("./station.js").StationModel} StationModel */

/** @type {Record<string, string>} */
const TONES = { refused: "bad", fact: "busy", command: "off" };

export class ActivityView {
  /** @param {StationModel} station */
  constructor(station) {
    this.station = station;
    this.topic = choice([["", "everything"], ["fact", "facts recorded"], ["refused", "attempts refused"], ["command", "commands"]], "", {
      "aria-label": "Which", on: { change: () => this.draw() },
    });
    this.text = h("input", { type: "search", placeholder: "Any text  ( / )", "aria-label": "Find", class: "grow", on: { input: () => this.draw() } });
    this.count = h("span", { class: "count" });
    this.rows = new RowsView("Activity", "Nothing has happened since this page was opened.");
    this.draw = beforePaint(() => this.#draw());
    this.element = h("div", { class: "view activity" });
    const clear = button("Clear", () => { station.activity.splice(0); this.draw(); }, { class: "btn small" });
    fill(this.element, h("div", { class: "filters" }, this.topic, this.text, this.count, clear), this.rows.element);
    station.happened.on(() => this.draw());
  }

  focusFilter() {
    this.text.focus();
  }

  #draw() {
    if (this.element.hidden) return;
    const wanted = this.text.value.toLowerCase();
    const all = this.station.activity.map(row).reverse();
    const shown = all.filter((each) => (this.topic.value === "" || each.topic === this.topic.value) && `${each.tag} ${each.text}`.toLowerCase().includes(wanted));
    setText(this.count, `${shown.length} of ${all.length}`);
    this.rows.show(shown);
  }

  shown() {
    this.draw();
  }
}

/**
 * @param {Activity} activity
 * @param {number} index
 */
function row({ at, topic, event }, index) {
  const what = event["name"] ?? event["kind"] ?? topic;
  const args = typeof event["arguments"] === "object" && event["arguments"] !== null ? summary(/** @type {Record<string, unknown>} */ (event["arguments"])) : "";
  const rest = summary(event, ["event", "wall", "at", "name", "kind", "arguments", "samples", "result", "transaction"]);
  return { key: index, topic, at, tag: String(what), tone: TONES[topic] ?? "off", text: [args, rest].filter(Boolean).join(" · "), whole: event };
}
