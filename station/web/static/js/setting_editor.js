// One setting, opened: what it means, what it may be, a field that fits its type, and the station's verdict on a new value.

import { ApiError } from "./api.js";
import { button, choice, fill, h, labelled, setData, setText } from "./dom.js";
import { spaced } from "./format.js";
import { words } from "./notify.js";

/** @typedef {import("./settings.js").Setting} Setting */

export class SettingEditor {
  /**
   * @param {(setting: Setting, value: string) => Promise<string>} write resolves to the verdict; raises ApiError
   * @param {() => void} closed
   */
  constructor(write, closed) {
    this.write = write;
    this.closed = closed;
    /** @type {Setting | null} */
    this.setting = null;
    /** @type {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement | null} */
    this.control = null;
    this.verdict = h("p", { class: "set-verdict", role: "status" });
    this.now = h("dd", { class: "mono" });
    this.element = h("aside", { class: "detail", "aria-label": "The chosen setting", hidden: true });
  }

  /** @param {Setting} setting */
  show(setting) {
    this.setting = setting;
    this.element.hidden = false;
    this.control = makeControl(setting);
    setText(this.verdict, "");
    setText(this.now, setting.value ?? "–");
    const save = () => void this.#save();
    this.control.addEventListener("keydown", (event) => {
      if (/** @type {KeyboardEvent} */ (event).key !== "Enter" || this.control instanceof HTMLTextAreaElement) return;
      event.preventDefault();
      save();
    });
    fill(
      this.element,
      h("header", { class: "detail-head" }, h("h3", {}, setting.name), button("×", () => this.hide(), { class: "icon", "aria-label": "Close the setting" })),
      setting.doc ? h("p", {}, setting.doc) : null,
      h("dl", { class: "fact-list narrow" }, pair("Now", this.now), facts(setting).map(([name, text]) => pair(name, h("dd", {}, text)))),
      labelled("New value", this.control),
      h("div", { class: "row end" }, button("Set as a technician", save, { class: "btn primary", disabled: setting.constant })),
      this.verdict,
      setting.readonly ? h("p", { class: "doc" }, "The CSMS may only read this. A technician at the station may change it.") : null,
    );
  }

  /** Values were read anew. @param {Setting[]} all */
  renew(all) {
    const fresh = all.find((setting) => setting.name === this.setting?.name && setting.kind === this.setting.kind);
    if (fresh === undefined) this.hide();
    else {
      this.setting = fresh;
      setText(this.now, fresh.value ?? "–");
    }
  }

  hide() {
    this.setting = null;
    this.element.hidden = true;
    this.closed();
  }

  focus() {
    this.control?.focus();
  }

  async #save() {
    if (this.setting === null || this.control === null) return;
    try {
      const verdict = await this.write(this.setting, this.control.value);
      setData(this.verdict, "kind", verdict === "Accepted" ? "done" : "warn");
      setText(this.verdict, verdict === "RebootRequired" ? "RebootRequired: obeyed after the next restart" : verdict);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setData(this.verdict, "kind", "error");
      setText(this.verdict, words(error));
    }
  }
}

/** @param {Setting} setting */
function makeControl(setting) {
  const now = setting.secret ? "" : (setting.value ?? "");
  if (setting.type === "boolean") return choice(["true", "false"], now || "false");
  if (setting.type === "OptionList" && setting.values.length > 0) return choice([...new Set([...(now === "" ? [""] : []), ...setting.values])], now);
  if (setting.type === "integer" || setting.type === "decimal") return h("input", { type: "text", inputMode: "decimal", value: now, spellcheck: false });
  if (now.length > 60) return h("textarea", { rows: 4, value: now, spellcheck: false });
  return h("input", { type: setting.secret ? "password" : "text", value: now, spellcheck: false, autocomplete: "off" });
}

/**
 * @param {Setting} setting
 * @returns {[string, string][]}
 */
function facts(setting) {
  const range = [setting.min === null ? "" : `from ${setting.min}`, setting.max === null ? "" : `to ${setting.max}`].filter(Boolean).join(" ");
  /** @type {[string, string][]} */
  const rows = [
    ["Type", setting.kind === "key" ? "1.6 key" : `${spaced(setting.type)}${setting.unit ? `, ${setting.unit}` : ""}`],
    ["Range", range],
    ["Values", setting.values.join(", ")],
    ["Mutability", spaced(setting.mutability)],
    ["Takes effect", setting.reboot ? "after a restart" : ""],
  ];
  return rows.filter(([, text]) => text !== "");
}

/**
 * @param {string} name
 * @param {HTMLElement} value
 */
function pair(name, value) {
  return h("div", {}, h("dt", {}, name), value);
}
