// Pretty JSON as coloured text nodes.

import { h } from "./dom.js";

const INDENT = "  ";
const ON_ONE_LINE = 72;

/**
 * @param {unknown} value
 * @returns {HTMLElement}
 */
export function jsonView(value) {
  const pre = h("pre", { class: "json", tabIndex: 0, "aria-label": "payload" });
  write(pre, value, "");
  return pre;
}

/**
 * @param {Element} into
 * @param {string} kind
 * @param {string} text
 */
function piece(into, kind, text) {
  into.append(kind ? h("span", { class: `j-${kind}` }, text) : text);
}

/**
 * @param {Element} into
 * @param {unknown} value
 * @param {string} margin
 */
function write(into, value, margin) {
  if (typeof value === "object" && value !== null) {
    const flat = JSON.stringify(value);
    const small = flat.length <= ON_ONE_LINE && Object.values(value).every((item) => typeof item !== "object" || item === null);
    writeMany(into, value, margin, small);
  } else if (typeof value === "string") piece(into, "text", JSON.stringify(value));
  else piece(into, typeof value === "number" ? "number" : "word", String(JSON.stringify(value)));
}

/**
 * @param {Element} into
 * @param {object} value
 * @param {string} margin
 * @param {boolean} small on one line
 */
function writeMany(into, value, margin, small) {
  const list = Array.isArray(value);
  const entries = Object.entries(value);
  const inner = small ? " " : `\n${margin}${INDENT}`;
  piece(into, "", list ? "[" : "{");
  entries.forEach(([key, item], index) => {
    piece(into, "", `${index > 0 ? "," : ""}${list && small && index === 0 ? "" : inner}`);
    if (!list) {
      piece(into, "key", JSON.stringify(key));
      piece(into, "", ": ");
    }
    write(into, item, small ? margin : margin + INDENT);
  });
  const closing = entries.length === 0 ? "" : small ? (list ? "" : " ") : `\n${margin}`;
  piece(into, "", `${closing}${list ? "]" : "}"}`);
}
