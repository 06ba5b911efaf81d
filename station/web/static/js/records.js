// Records on their way to the CSMS, and those that could not be delivered (dead letters).

import { ApiError } from "./api.js";
import { button, fill, h, setText } from "./dom.js";
import { notify, words } from "./notify.js";
import { openCommand } from "./palette.js";
import { RowsView, summary } from "./rows_view.js";

/** @typedef {import("./station.js").StationModel} StationModel */

const MOST = 1000;

export class Records {
  /** @param {StationModel} station */
  constructor(station) {
    this.station = station;
    this.visible = false;
    this.known = "";
    this.waiting = new RowsView("Records that wait", "Nothing waits: the CSMS has everything.");
    this.dead = new RowsView("Dead letters", "No dead letters: nothing was ever given up.");
    this.waitingTitle = h("h3", {});
    this.deadTitle = h("h3", {});
    this.element = h("div", { class: "view records-view" });
    fill(
      this.element,
      h("div", { class: "filters" }, this.waitingTitle, h("span", { class: "grow" }), button("Reload", () => void this.load(), { class: "btn small" }),
        button("Give up a version's records…", () => this.#abandon(), { class: "btn small danger", title: "Move what was begun in a version of OCPP to the dead letters" })),
      this.waiting.element,
      h("div", { class: "filters" }, this.deadTitle),
      this.dead.element,
    );
    station.stateChanged.on((state) => {
      const known = `${state.station.queue}/${state.station.dead}`;
      if (known !== this.known && this.visible && state.station.running) void this.load();
      this.known = known;
    });
  }

  shown() {
    this.visible = true;
    void this.load();
  }

  hidden() {
    this.visible = false;
  }

  async load() {
    try {
      const [queue, dead] = await Promise.all([this.station.api.look("queue", { limit: MOST }), this.station.api.look("dead_letters")]);
      const waiting = rows(queue.records);
      const letters = rows(dead.dead_letters);
      setText(this.waitingTitle, `Waiting for the CSMS: ${queue.count}`);
      setText(this.deadTitle, `Dead letters: ${letters.length}`);
      this.waiting.show(waiting);
      this.dead.show(letters);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notify(`records: ${words(error)}`, "error");
    }
  }

  #abandon() {
    const command = this.station.commands.get("abandon");
    if (command !== undefined) openCommand(this.station, command);
  }
}

/**
 * @param {Record<string, any>[]} list
 * @returns {import("./rows_view.js").Row[]}
 */
function rows(list) {
  return list.map((row, index) => ({
    key: row["record"] ?? `${row["transaction"]}/${row["seq"]}/${index}`,
    at: row["at"],
    tag: String(row["kind"]),
    tone: row["why"] ? "bad" : "off",
    text: [row["what"], row["why"], summary(row, ["at", "kind", "what", "why", "payload"])].filter(Boolean).join(" · "),
    whole: row,
  }));
}
