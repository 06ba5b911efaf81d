// The chosen station: how it is connected, what it said at boot, its connectors, running transactions, complaints.

import { act } from "../actions.js";
import { button, fill, h, setData, setText } from "../dom.js";
import { standing, statusTone } from "./station_list.js";

/** @typedef {import("./csms_types.js").StationRow} StationRow */

/** @typedef {{frames: (station: string) => void, sessions: (station: string, transaction?: string) => void}} CardActions */

export class StationCard {
  /**
   * @param {import("./csms_model.js").CsmsModel} csms
   * @param {CardActions} actions
   */
  constructor(csms, actions) {
    this.csms = csms;
    this.actions = actions;
    this.name = h("h2", { class: "mono" });
    this.how = h("span", { class: "badge" });
    this.version = h("span", { class: "dim" });
    this.close = button("Close", () => this.#close(false), { class: "btn small", title: "Close its connection politely (code 1000)" });
    this.cut = button("Cut", () => this.#close(true), { class: "btn small", title: "Cut its connection without a word" });
    this.facts = h("dl", { class: "fact-list" });
    this.connectors = h("ul", { class: "connectors", "aria-label": "Connectors" });
    this.running = h("ul", { class: "running", "aria-label": "Running transactions" });
    this.complaints = h("details", { class: "complaints", hidden: true });
    this.frames = button("Its frames", () => actions.frames(csms.chosen), { class: "btn small quiet" });
    this.sessions = button("Its transactions", () => actions.sessions(csms.chosen), { class: "btn small quiet" });
    this.shown = "";
    this.element = h(
      "section",
      { class: "facts station-card", "aria-label": "The chosen station", hidden: true },
      h("div", { class: "facts-head" }, this.name, this.how, this.version),
      this.facts, this.connectors, this.running, this.complaints,
      h("div", { class: "row card-foot" }, this.frames, this.sessions, h("span", { class: "grow" }), this.close, this.cut),
    );
    csms.stateChanged.on(() => this.#draw());
    csms.chosenChanged.on(() => this.#draw());
  }

  #draw() {
    const row = this.csms.station;
    this.element.hidden = row === undefined;
    const now = JSON.stringify(row);
    if (row === undefined || now === this.shown) return; // buttons that are looked at must not be made anew for nothing
    this.shown = now;
    const { text, tone } = standing(row);
    setText(this.name, row.id);
    setText(this.how, text);
    setData(this.how, "tone", tone);
    setText(this.version, row.version === null ? "" : `OCPP ${row.version}`);
    this.close.disabled = this.cut.disabled = !row.connected;
    fill(this.facts, factsOf(row).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", { title: value }, value))));
    fill(this.connectors, row.statuses.map((each) => connector(each)));
    fill(this.running, row.running.map((id) => this.#transaction(row, id)));
    this.#complaints(row.complaints);
  }

  /**
   * @param {StationRow} row
   * @param {string} id
   */
  #transaction(row, id) {
    const show = button(id, () => this.actions.sessions(row.id, id), { class: "btn small quiet mono", title: "Its events" });
    return h("li", { class: "row" }, h("span", { class: "badge", data: { tone: "busy" } }, "running"), show);
  }

  /** @param {string[]} complaints */
  #complaints(complaints) {
    this.complaints.hidden = complaints.length === 0;
    const title = h("summary", {}, `⚠ ${complaints.length} ${complaints.length === 1 ? "complaint" : "complaints"}: what it did and must not do`);
    fill(this.complaints, title, h("ul", {}, [...complaints].reverse().map((text) => h("li", { class: "mono" }, text))));
  }

  /** @param {boolean} abrupt */
  #close(abrupt) {
    void act(this.csms, "close", { station: this.csms.chosen, abrupt }, abrupt ? "The connection is cut" : "The connection is closed");
  }
}

/** @param {import("./csms_types.js").StatusRow} row */
function connector(row) {
  const name = row.evse === 0 ? "station" : `${row.evse}/${row.connector}`;
  return h("li", {}, h("span", { class: "dim" }, name), h("span", { class: "badge", data: { tone: statusTone(row.status) } }, row.status));
}

/**
 * @param {StationRow} row
 * @returns {[string, string][]}
 */
function factsOf(row) {
  const { boot } = row;
  const own = boot["chargingStation"] ?? boot;
  const made = [own["vendorName"] ?? own["chargePointVendor"], own["model"] ?? own["chargePointModel"]];
  /** @type {[string, unknown][]} */
  const facts = [
    ["Made by", made.filter(Boolean).join(" ")],
    ["Firmware", own["firmwareVersion"]],
    ["Serial", own["serialNumber"] ?? own["chargePointSerialNumber"]],
    ["Boot", boot["reason"]],
    ["Connected", `${row.connections} ${row.connections === 1 ? "time" : "times"}`],
    ["Sessions", `${row.transactions}${row.running.length > 0 ? `, ${row.running.length} running` : ""}`],
    ["Security", row.security_events === 0 ? "" : row.security_events === 1 ? "1 event" : `${row.security_events} events`],
  ];
  return facts.filter(([, value]) => typeof value === "string" && value !== "").map(([name, value]) => [name, String(value)]);
}
