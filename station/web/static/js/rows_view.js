// Rows of any shape (queue, dead letters, activity): a line each in a list, the whole of one as JSON beside it.

import { button, fill, h, setData, setText } from "./dom.js";
import { clock, oneLine } from "./format.js";
import { jsonView } from "./json_view.js";
import { VirtualList } from "./virtual_list.js";

/**
 * `at`: when, if that is known. `tag`: what it is. `tone`: of the tag. `text`: one line. `whole`: everything.
 * @typedef {{key: string | number, at: import("./format.js").Moment, tag: string, tone: string, text: string, whole: unknown}} Row
 */

export class RowsView {
  /**
   * @param {string} label
   * @param {string} empty
   */
  constructor(label, empty) {
    this.list = new VirtualList({
      label, empty, rowHeight: 27, make: makeRow, show: showRow,
      key: (/** @type {Row} */ row) => row.key,
      chosen: (row) => this.#open(row),
    });
    this.detail = h("aside", { class: "detail", "aria-label": "The chosen row", hidden: true });
    this.element = h("div", { class: "split" }, this.list.element, this.detail);
  }

  /** @param {Row[]} rows */
  show(rows) {
    this.list.setItems(rows);
  }

  /** @param {Row} row */
  #open(row) {
    this.detail.hidden = false;
    const close = () => {
      this.detail.hidden = true;
      this.list.choose(-1);
    };
    const head = h("header", { class: "detail-head" }, h("h3", {}, row.tag), button("×", close, { class: "icon", "aria-label": "Close" }));
    fill(this.detail, head, jsonView(row.whole));
  }
}

function makeRow() {
  const row = h("div", { class: "any-row" });
  fill(row, ["r-time", "r-tag", "r-text"].map((name) => h("span", { class: name })));
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {Row} data
 */
function showRow(row, data) {
  const cells = row.children;
  setText(cells[0], clock(data.at));
  setText(cells[1], data.tag);
  setData(cells[1], "tone", data.tone);
  setText(cells[2], data.text);
}

/**
 * The single values of an object in one line.
 * @param {Record<string, unknown>} object
 * @param {string[]} [without]
 */
export function summary(object, without = []) {
  return Object.entries(object)
    .filter(([key, value]) => !without.includes(key) && value !== null && value !== undefined && value !== "")
    .map(([key, value]) => `${key.replaceAll("_", " ")} ${oneLine(value)}`)
    .join(" · ")
    .slice(0, 300);
}
