// Transactions: the list, newest first; one opened with its events and their samples, and what became of each event.

import { ApiError } from "./api.js";
import { button, fill, h, setData, setText } from "./dom.js";
import { clock, dateTime, duration, number, spaced, wallOf } from "./format.js";
import { notify, words } from "./notify.js";
import { VirtualList } from "./virtual_list.js";

/** @typedef {import("./types.js").TransactionRow} TransactionRow */
/** @typedef {import("./types.js").TransactionFact} TransactionFact */
/** @typedef {import("./station.js").StationModel} StationModel */

const MOST = 1000;

export class Transactions {
  /**
   * @param {StationModel} station
   * @param {(transaction: string) => void} showFrames
   */
  constructor(station, showFrames) {
    this.station = station;
    this.showFrames = showFrames;
    /** @type {TransactionRow | null} */
    this.open = null;
    this.visible = false;
    this.count = h("span", { class: "count" });
    this.list = new VirtualList({
      label: "Transactions", rowHeight: 46, make: makeRow, show: showRow,
      key: (/** @type {TransactionRow} */ row) => row.id,
      chosen: (row) => void this.#show(row),
      empty: "No transaction yet: plug in a car and swipe a card.",
    });
    this.facts = new VirtualList({
      label: "Events of the transaction", rowHeight: 27, make: makeFactRow, show: showFactRow,
      key: (/** @type {TransactionFact} */ fact) => fact.seq,
      chosen: (fact) => this.#samples(fact),
      empty: "No events kept.",
    });
    this.samples = h("div", { class: "samples", "aria-live": "polite" });
    this.head = h("div", { class: "tx-head" });
    this.detail = h("aside", { class: "detail tx-detail", "aria-label": "The chosen transaction", hidden: true }, this.head, this.facts.element, this.samples);
    this.element = h(
      "div",
      { class: "view transactions" },
      h("div", { class: "filters" }, this.count, h("span", { class: "grow" }), button("Reload", () => void this.load(), { class: "btn small" })),
      h("div", { class: "split even" }, this.list.element, this.detail),
    );
    station.happened.on(({ topic }) => {
      if (topic === "fact" && this.visible) this.#soon();
    });
  }

  shown() {
    this.visible = true;
    void this.load();
  }

  hidden() {
    this.visible = false;
  }

  /** Facts come in bursts: one question for all of them. */
  #soon() {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.load(), 300);
  }

  async load() {
    const rows = await this.#ask("transactions", { limit: MOST });
    if (rows === undefined) return;
    /** @type {TransactionRow[]} */
    const all = rows.transactions;
    setText(this.count, all.length === 1 ? "1 transaction" : `${all.length} transactions`);
    this.list.setItems(all);
    const open = all.find((row) => row.id === this.open?.id);
    if (open !== undefined) await this.#show(open);
  }

  /** @param {string} id */
  async reveal(id) {
    await this.load();
    const index = this.list.items.findIndex((row) => row.id === id);
    if (index >= 0) this.list.choose(index);
  }

  /** @param {TransactionRow} row */
  async #show(row) {
    const another = this.open?.id !== row.id;
    this.open = row;
    const whole = await this.#ask("transaction", { id: row.id });
    if (whole === undefined || this.open?.id !== row.id) return;
    this.detail.hidden = false;
    fill(
      this.head,
      h("header", { class: "detail-head" }, h("h3", { class: "mono" }, row.id), button("Frames", () => this.showFrames(row.id), { class: "btn small" }),
        button("×", () => this.#close(), { class: "icon", "aria-label": "Close the transaction" })),
      h("p", { class: "detail-line" }, summary(row)),
    );
    this.facts.setItems(whole.facts);
    if (another) {
      this.facts.choose(-1);
      fill(this.samples, h("p", { class: "dim" }, "Choose an event to see its samples."));
    }
  }

  #close() {
    this.open = null;
    this.detail.hidden = true;
    this.list.choose(-1);
  }

  /** @param {TransactionFact} fact */
  #samples(fact) {
    const { samples } = fact;
    const none = samples.length === 0 ? h("p", { class: "dim" }, "This event has no samples.") : null;
    fill(this.samples, h("p", { class: "detail-line" }, factLine(fact)), none, samples.map(sampleTable));
  }

  /**
   * @param {string} name
   * @param {Record<string, string | number>} args
   */
  async #ask(name, args) {
    try {
      return await this.station.api.look(name, args);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notify(`${name}: ${words(error)}`, "error");
      return undefined;
    }
  }
}

/** @param {TransactionRow} row */
function summary(row) {
  const ended = row.ended === null ? "running" : `ended ${dateTime(row.ended)}, ${row.stop_reason ? spaced(row.stop_reason) : "no reason"}`;
  return `EVSE ${row.evse} · began ${dateTime(row.started)} · ${ended} · ${row.token ?? "no card"}`;
}

/** @param {TransactionFact} fact */
function factLine(fact) {
  const more = [fact.offline ? "recorded offline" : "", fact.token ? `token ${fact.token}` : "", fact.stop_reason ? spaced(fact.stop_reason) : ""];
  return [`#${fact.seq} ${fact.phase}`, spaced(fact.trigger), clock(fact.at), ...more, fact.state].filter(Boolean).join(" · ");
}

/** @param {import("./types.js").SampleRow} sample */
function sampleTable(sample) {
  const rows = sample.values.map((value) =>
    h("tr", {}, h("td", {}, value.measurand), h("td", {}, value.phase ?? ""), h("td", { class: "num" }, number(value.value, 2)), h("td", {}, value.unit)),
  );
  return h("table", { class: "sample" }, h("caption", {}, `${clock(sample.at)} · ${sample.context}`), h("tbody", {}, rows));
}

function makeRow() {
  const row = h("div", { class: "tx-row" });
  fill(row, ["t-id", "t-energy", "t-when", "t-state"].map((name) => h("span", { class: name })));
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {TransactionRow} tx
 */
function showRow(row, tx) {
  const cells = row.children;
  const running = tx.ended === null;
  setText(cells[0], `EVSE ${tx.evse} · ${tx.token ?? "no card"} · ${tx.id}`);
  setText(cells[1], `${number(tx.energy_wh / 1000, 3)} kWh`);
  setText(cells[2], `${dateTime(tx.started)}${running ? "" : ` · ${duration((wallOf(tx.ended) ?? 0) - (wallOf(tx.started) ?? 0))} · ${tx.stop_reason ? spaced(tx.stop_reason) : ""}`}`);
  setText(cells[3], running ? "running" : `${tx.delivered} of ${tx.events} delivered`);
  setData(cells[3], "tone", running ? "busy" : tx.delivered < tx.events ? "warn" : "off");
}

function makeFactRow() {
  const row = h("div", { class: "fact-row" });
  fill(row, ["x-seq", "x-at", "x-phase", "x-trigger", "x-charging", "x-register", "x-state"].map((name) => h("span", { class: name })));
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {TransactionFact} fact
 */
function showFactRow(row, fact) {
  const cells = row.children;
  setText(cells[0], String(fact.seq));
  setText(cells[1], clock(fact.at));
  setText(cells[2], fact.phase);
  setText(cells[3], spaced(fact.trigger));
  setText(cells[4], fact.charging_state === null ? "" : spaced(fact.charging_state));
  setText(cells[5], fact.register_wh === null ? "" : `${number(fact.register_wh / 1000, 3)} kWh`);
  setText(cells[6], fact.state);
  setData(cells[6], "tone", fact.state === "sent" ? "off" : fact.state === "dead" ? "bad" : "warn");
}
