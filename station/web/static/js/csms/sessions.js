// Transactions of the chosen station as it told them, newest first; one opened with its events.

import { ApiError } from "../api.js";
import { button, fill, h, setData, setText } from "../dom.js";
import { dateTime, duration, number, wallOf } from "../format.js";
import { notify, words } from "../notify.js";
import { leaves } from "../ocppj.js";
import { RowsView } from "../rows_view.js";
import { VirtualList } from "../virtual_list.js";

/** @typedef {import("./csms_types.js").SessionRow} SessionRow */

const MOST = 1000;
const SOON_MS = 300;

/** What a list shows of a transaction. @typedef {{row: SessionRow, where: string, token: string, began: string, ended: string, energy: number | null, why: string}} Told */

export class Sessions {
  /** @param {import("./csms_model.js").CsmsModel} csms */
  constructor(csms) {
    this.csms = csms;
    this.visible = false;
    this.open = "";
    this.known = "";
    this.timer = 0;
    this.count = h("span", { class: "count" });
    this.list = new VirtualList({
      label: "Transactions", rowHeight: 46, make: makeRow, show: showRow,
      key: (/** @type {Told} */ told) => told.row.id,
      chosen: (told) => this.#show(told),
      empty: "This station has told of no transaction yet.",
    });
    this.head = h("div", { class: "tx-head" });
    this.events = new RowsView("Events of the transaction", "Nothing told.");
    this.detail = h("aside", { class: "detail tx-detail", "aria-label": "The chosen transaction", hidden: true }, this.head, this.events.element);
    this.element = h(
      "div",
      { class: "view sessions" },
      h("div", { class: "filters" }, this.count, h("span", { class: "grow" }), button("Reload", () => void this.load(), { class: "btn small" })),
      h("div", { class: "split even" }, this.list.element, this.detail),
    );
    csms.chosenChanged.on(() => {
      this.#close();
      if (this.visible) void this.load();
    });
    csms.frames.changed.on(() => this.#soon());
  }

  shown() {
    this.visible = true;
    void this.load();
  }

  hidden() {
    this.visible = false;
  }

  /** Frames come in bursts: one question for all of them. */
  #soon() {
    if (!this.visible) return;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.load(), SOON_MS);
  }

  async load() {
    const station = this.csms.chosen;
    if (station === "") return;
    try {
      const { transactions } = await this.csms.api.look("transactions", { station, limit: MOST });
      if (station !== this.csms.chosen) return;
      const known = JSON.stringify(transactions);
      if (known === this.known) return;
      this.known = known;
      const rows = transactions.map(told).reverse();
      setText(this.count, `${station}: ${rows.length} ${rows.length === 1 ? "transaction" : "transactions"}`);
      this.list.setItems(rows);
      const open = rows.find((/** @type {Told} */ each) => each.row.id === this.open);
      if (open !== undefined) this.#show(open);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notify(`transactions: ${words(error)}`, "error");
    }
  }

  /** @param {string} id */
  async reveal(id) {
    await this.load();
    const index = this.list.items.findIndex((each) => each.row.id === id);
    if (index >= 0) this.list.choose(index);
  }

  /** @param {Told} told */
  #show(told) {
    this.open = told.row.id;
    this.detail.hidden = false;
    const close = button("×", () => this.#close(), { class: "icon", "aria-label": "Close the transaction" });
    fill(this.head, h("header", { class: "detail-head" }, h("h3", { class: "mono" }, told.row.id), close), h("p", { class: "detail-line" }, line(told)));
    this.events.show(eventsOf(told.row));
  }

  #close() {
    this.open = "";
    this.known = "";
    this.detail.hidden = true;
    this.list.choose(-1);
  }
}

/**
 * @param {SessionRow} row
 * @returns {Told}
 */
function told(row) {
  if (row.start !== null || row.events.length === 0) return told16(row);
  const first = row.events[0] ?? {};
  const last = row.events.at(-1) ?? {};
  const evse = row.events.find((event) => event["evse"])?.["evse"];
  const token = row.events.find((event) => event["idToken"])?.["idToken"]?.["idToken"];
  const registers = row.events.flatMap((event) => many(event["meterValue"]).flatMap(registersOf));
  const energy = registers.length > 0 ? Math.max(...registers) - Math.min(...registers) : null;
  const why = row.ended ? (last["transactionInfo"]?.["stoppedReason"] ?? "Local") : String(last["transactionInfo"]?.["chargingState"] ?? "");
  return { row, where: evse ? `EVSE ${evse["id"]}` : "", token: token ?? "no card", began: first["timestamp"] ?? "", ended: row.ended ? last["timestamp"] : "", energy, why };
}

/**
 * @param {SessionRow} row
 * @returns {Told}
 */
function told16(row) {
  const start = row.start ?? {};
  const stop = row.stops.at(-1) ?? {};
  const now = stop["meterStop"] ?? row.samples.flatMap((each) => many(each["meterValue"]).flatMap(registersOf)).at(-1);
  const energy = now === undefined || start["meterStart"] === undefined ? null : now - start["meterStart"];
  const where = start["connectorId"] === undefined ? "" : `connector ${start["connectorId"]}`;
  return { row, where, token: start["idTag"] ?? "no card", began: start["timestamp"] ?? "", ended: row.ended ? (stop["timestamp"] ?? "") : "", energy, why: row.ended ? (stop["reason"] ?? "Local") : "" };
}

/** What a stranger calls a list may be none. @param {unknown} value @returns {any[]} */
function many(value) {
  return Array.isArray(value) ? value : [];
}

/**
 * Energy registers in a meter value of either version, Wh.
 * @param {Record<string, any>} value
 * @returns {number[]}
 */
function registersOf(value) {
  return many(value?.["sampledValue"])
    .filter((/** @type {any} */ each) => (each?.["measurand"] ?? "Energy.Active.Import.Register") === "Energy.Active.Import.Register" && !each?.["phase"])
    .map((/** @type {any} */ each) => {
      const unit = each?.["unitOfMeasure"] ?? {};
      const factor = (each?.["unit"] ?? unit["unit"]) === "kWh" ? 1000 : 1;
      return Number(each?.["value"]) * factor * 10 ** Number(unit["multiplier"] ?? 0);
    })
    .filter(Number.isFinite);
}

/** @param {Told} told */
function line(told) {
  return [told.where, `began ${dateTime(wallOf(told.began))}`, told.ended ? `ended ${dateTime(wallOf(told.ended))}` : "running", told.why, told.token].filter(Boolean).join(" · ");
}

/**
 * Everything told of it, in the order in which it came.
 * @param {SessionRow} row
 * @returns {import("../rows_view.js").Row[]}
 */
function eventsOf(row) {
  const made = (/** @type {string} */ tag, /** @type {string} */ tone, /** @type {Record<string, any>} */ whole, /** @type {number} */ key) => ({
    key: `${tag}/${key}`, at: whole["timestamp"] ?? whole["meterValue"]?.[0]?.["timestamp"] ?? null, tag, tone, text: leaves(whole), whole,
  });
  const tones = /** @type {Record<string, string>} */ ({ Started: "good", Updated: "busy", Ended: "warn" });
  return [
    ...(row.start === null ? [] : [made("StartTransaction", "good", row.start, 0)]),
    ...row.events.map((event, index) => made(String(event["eventType"]), tones[String(event["eventType"])] ?? "off", event, index)),
    ...row.samples.map((sample, index) => made("MeterValues", "busy", sample, index)),
    ...row.stops.map((stop, index) => made("StopTransaction", "warn", stop, index)),
  ];
}

function makeRow() {
  const row = h("div", { class: "tx-row" });
  fill(row, ["t-id", "t-energy", "t-when", "t-state"].map((name) => h("span", { class: name })));
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {Told} told
 */
function showRow(row, told) {
  const cells = row.children;
  const took = told.ended ? duration((wallOf(told.ended) ?? 0) - (wallOf(told.began) ?? 0)) : "";
  setText(cells[0], [told.where, told.token, told.row.id].filter(Boolean).join(" · "));
  setText(cells[1], told.energy === null ? "" : `${number(told.energy / 1000, 3)} kWh`);
  setText(cells[2], [dateTime(wallOf(told.began)), took, told.why].filter(Boolean).join(" · "));
  setText(cells[3], told.row.ended ? "ended" : "running");
  setData(cells[3], "tone", told.row.ended ? "off" : "busy");
}
