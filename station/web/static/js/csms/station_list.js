// Every station that ever came: a list of any length, found by its name.

import { fill, h, setData, setText } from "../dom.js";
import { VirtualList } from "../virtual_list.js";

/** @typedef {import("./csms_types.js").StationRow} StationRow */

const ROW = 44;
const BORDERS = 2;
const MOST_SHOWN = 6;
const SEARCH_FROM = 6;

/**
 * How a station is, in a word.
 * @param {StationRow} row
 * @returns {{text: string, tone: string}}
 */
export function standing(row) {
  if (!row.connected) return { text: "not connected", tone: "off" };
  if (row.registration === "Accepted") return { text: "Accepted", tone: "good" };
  return { text: row.registration, tone: row.registration === "Rejected" ? "bad" : "warn" };
}

/** What a connector says of itself, in a colour. @type {Record<string, string>} */
const STATUS_TONES = {
  Available: "good", Occupied: "busy", Charging: "busy", Preparing: "warn", Finishing: "warn", SuspendedEV: "wait", SuspendedEVSE: "wait",
  Reserved: "warn", Faulted: "bad", Unavailable: "off",
};

/** @param {string} status */
export function statusTone(status) {
  return STATUS_TONES[status] ?? "off";
}

export class StationList {
  /** @param {import("./csms_model.js").CsmsModel} csms */
  constructor(csms) {
    this.csms = csms;
    this.search = h("input", { type: "search", placeholder: "Find a station", "aria-label": "Find a station", on: { input: () => this.#draw() } });
    this.count = h("span", { class: "count" });
    this.list = new VirtualList({
      label: "Stations", rowHeight: ROW, make: makeRow, show: showRow,
      key: (/** @type {StationRow} */ row) => row.id,
      chosen: (row) => csms.choose(row.id),
      empty: "No station is called so.",
    });
    this.list.element.classList.add("station-list");
    this.head = h("div", { class: "stations-head" }, h("h2", {}, "Stations"), this.count, h("span", { class: "grow" }), this.search);
    this.element = h("section", { class: "stations-box", "aria-label": "Stations" }, this.head, this.list.element);
    csms.stateChanged.on(() => this.#draw());
    csms.chosenChanged.on(() => this.#choose());
  }

  #draw() {
    const all = this.csms.state?.stations ?? [];
    const wanted = this.search.value.trim().toLowerCase();
    const shown = all.filter((row) => row.id.toLowerCase().includes(wanted));
    const connected = all.filter((row) => row.connected).length;
    this.element.hidden = all.length === 0;
    this.search.hidden = all.length < SEARCH_FROM;
    setText(this.count, `${connected} connected${connected === all.length ? "" : `, ${all.length - connected} not`}`);
    this.list.element.style.height = `${Math.min(MOST_SHOWN, Math.max(1, shown.length)) * ROW + BORDERS}px`;
    this.list.setItems(shown);
    this.#choose();
  }

  #choose() {
    this.list.chosenKey = this.csms.chosen;
    this.list.refresh();
  }

  /** @param {1 | -1} step */
  step(step) {
    const { items } = this.list;
    const now = items.findIndex((row) => row.id === this.csms.chosen);
    const index = Math.max(0, Math.min(items.length - 1, now + step));
    if (items[index] !== undefined) this.list.choose(index);
  }
}

function makeRow() {
  const row = h("div", { class: "station-row" });
  fill(
    row,
    h("span", { class: "lamp", "aria-hidden": "true" }),
    h("span", { class: "st-id" }), h("span", { class: "st-version" }), h("span", { class: "st-standing" }),
    h("span", { class: "st-connectors" }), h("span", { class: "st-running" }), h("span", { class: "st-complaints" }),
  );
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {StationRow} station
 */
function showRow(row, station) {
  const [lamp, id, version, how, connectors, running, complaints] = row.children;
  const { text, tone } = standing(station);
  setData(lamp, "tone", tone);
  setText(id, station.id);
  setText(version, station.version === null ? "" : `OCPP ${station.version}`);
  setText(how, text);
  setData(how, "tone", tone);
  setText(connectors, connectorWords(station));
  setText(running, station.running.length > 0 ? `${station.running.length} running` : "");
  setData(running, "tone", "busy");
  setText(complaints, station.complaints.length > 0 ? `⚠ ${station.complaints.length}` : "");
  setData(complaints, "tone", "bad");
  complaints.setAttribute("aria-label", station.complaints.length > 0 ? `${station.complaints.length} complaints` : "");
}

/**
 * "2 Available, 1 Charging".
 * @param {StationRow} station
 */
function connectorWords(station) {
  /** @type {Map<string, number>} */
  const counted = new Map();
  for (const { evse, status } of station.statuses) if (evse > 0) counted.set(status, (counted.get(status) ?? 0) + 1);
  return [...counted].map(([status, count]) => `${count} ${status}`).join(", ");
}
