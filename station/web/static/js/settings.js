// Every setting: variables of the 2.x device model and configuration keys of 1.6, found by text, changed as by a technician.

import { ApiError } from "./api.js";
import { button, choice, fill, h, setText } from "./dom.js";
import { notify, words } from "./notify.js";
import { SettingEditor } from "./setting_editor.js";
import { VirtualList } from "./virtual_list.js";

/** @typedef {import("./station.js").StationModel} StationModel */

/**
 * A variable or a key, alike.
 * @typedef {{
 *   kind: "variable" | "key", name: string, value: string | null, readonly: boolean, type: string, unit: string, doc: string,
 *   values: string[], min: number | null, max: number | null, reboot: boolean, secret: boolean, constant: boolean,
 *   mutability: string,
 * }} Setting
 */

/** @param {any} row of `variables` @returns {Setting} */
function variable(row) {
  return {
    kind: "variable", name: row.variable, value: row.value, readonly: row.mutability === "ReadOnly", type: row.type ?? "string",
    unit: row.unit ?? "", doc: row.doc ?? "", values: row.values ?? [], min: row.min ?? null, max: row.max ?? null,
    reboot: row.reboot_required === true, secret: row.secret === true, constant: row.constant === true, mutability: row.mutability ?? "",
  };
}

/** @param {any} row of `keys` @returns {Setting} */
function key(row) {
  return {
    kind: "key", name: row.key, value: row.value, readonly: row.readonly === true, type: "string", unit: "", doc: "", values: [],
    min: null, max: null, reboot: false, secret: false, constant: false, mutability: row.readonly ? "read-only" : "read and write",
  };
}

export class Settings {
  /** @param {StationModel} station */
  constructor(station) {
    this.station = station;
    /** @type {Setting[]} */
    this.all = [];
    this.which = choice([["variables", "2.x variables"], ["keys", "1.6 keys"]], "variables", {
      "aria-label": "Which settings", on: { change: () => void this.load() },
    });
    this.text = h("input", { type: "search", placeholder: "Find: timeout, TxCtrlr, Heartbeat…  ( / )", "aria-label": "Find a setting", class: "grow", on: { input: () => this.#filter() } });
    this.writable = h("input", { type: "checkbox", on: { change: () => this.#filter() } });
    this.count = h("span", { class: "count" });
    this.list = new VirtualList({
      label: "Settings", rowHeight: 27, make: makeRow, show: showRow,
      key: (/** @type {Setting} */ setting) => setting.name,
      chosen: (setting) => this.editor.show(setting),
      opened: () => this.editor.focus(),
      empty: "No such setting.",
    });
    this.editor = new SettingEditor((setting, value) => this.#write(setting, value), () => this.list.choose(-1));
    this.element = h(
      "div",
      { class: "view settings" },
      h("div", { class: "filters" }, this.which, this.text, h("label", { class: "check" }, this.writable, " CSMS may write"),
        button("Reload", () => void this.load(), { class: "btn small" }), this.count),
      h("div", { class: "split" }, this.list.element, this.editor.element),
    );
  }

  focusFilter() {
    this.text.focus();
    this.text.select();
  }

  shown() {
    void this.load();
  }

  async load() {
    const keys = this.which.value === "keys";
    try {
      const answer = await this.station.api.look(keys ? "keys" : "variables");
      this.all = keys ? answer.keys.map(key) : answer.variables.map(variable);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.all = [];
      notify(`settings: ${words(error)}`, "error");
    }
    this.#filter();
    this.editor.renew(this.all);
  }

  #filter() {
    const parts = this.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.all.filter((setting) => {
      if (this.writable.checked && setting.readonly) return false;
      const text = `${setting.name} ${setting.value ?? ""} ${setting.doc}`.toLowerCase();
      return parts.every((part) => text.includes(part));
    });
    setText(this.count, `${found.length} of ${this.all.length}`);
    this.list.setItems(found);
  }

  /**
   * @param {Setting} setting
   * @param {string} value
   * @returns {Promise<string>} the station's verdict, "" when it was refused (then the editor is told by the error)
   */
  async #write(setting, value) {
    const answer =
      setting.kind === "key"
        ? await this.station.api.act("set_key", { key: setting.name, value })
        : await this.station.api.act("set", { variables: { [setting.name]: value } });
    await this.load();
    const statuses = (answer?.results ?? []).map((/** @type {{status: string}} */ row) => row.status);
    return [...new Set(statuses)].join(", ") || "Accepted";
  }
}

function makeRow() {
  const row = h("div", { class: "setting-row" });
  fill(row, h("span", { class: "s-name" }), h("span", { class: "s-value" }), h("span", { class: "s-unit" }), h("span", { class: "s-mark" }));
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {Setting} setting
 */
function showRow(row, setting) {
  const cells = row.children;
  setText(cells[0], setting.name);
  setText(cells[1], setting.value ?? (setting.secret ? "not set" : "–"));
  setText(cells[2], setting.unit);
  setText(cells[3], setting.readonly ? "read-only" : setting.reboot ? "after restart" : "");
}
