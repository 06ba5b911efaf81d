// Short messages at the edge of the page, read aloud by screen readers: what was done, and what was refused and why.

import { ApiError } from "./api.js";
import { button, byId, h, setText } from "./dom.js";

const SHOWN_MS = 6000;
const ERROR_SHOWN_MS = 12000;
const MOST = 4;

/**
 * @param {string} text
 * @param {"done" | "error" | "warn"} [kind]
 */
export function notify(text, kind = "done") {
  const box = byId("notes");
  const live = byId(kind === "error" ? "say-now" : "say");
  const note = h("div", { class: "note", data: { kind } }, h("span", { class: "note-text" }, text));
  const close = () => note.remove();
  note.append(button("×", close, { class: "note-close", "aria-label": "Dismiss" }));
  box.append(note);
  while (box.children.length > MOST) box.firstElementChild?.remove();
  setText(live, "");
  setText(live, text);
  setTimeout(close, kind === "error" ? ERROR_SHOWN_MS : SHOWN_MS);
}

/**
 * @param {unknown} error
 * @returns {string} for people
 */
export function words(error) {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof ApiError && error.problems.length > 0) {
    const named = error.problems.map((problem) => (problem.field ? `${problem.field}: ${problem.problem}` : problem.problem));
    return named.join("; ");
  }
  return error.message;
}
