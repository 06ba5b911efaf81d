// Modal dialogs on the browser's own <dialog>: focus stays inside, Escape closes, focus returns.

import { button, freshId, h } from "./dom.js";

/**
 * @typedef {{
 *   element: HTMLDialogElement, body: HTMLElement, foot: HTMLElement, open: () => void, close: () => void,
 * }} Dialog
 */

/**
 * @param {string} title
 * @param {{class?: string, closed?: () => void}} [options]
 * @returns {Dialog}
 */
export function dialog(title, options = {}) {
  const id = freshId("dialog");
  const body = h("div", { class: "dialog-body" });
  const foot = h("div", { class: "dialog-foot" });
  const close = () => element.close();
  const head = h(
    "header",
    { class: "dialog-head" },
    h("h2", { id }, title),
    button("×", close, { class: "icon", "aria-label": "Close" }),
  );
  const element = h("dialog", { class: `dialog ${options.class ?? ""}`, "aria-labelledby": id }, head, body, foot);
  element.addEventListener("close", () => {
    element.remove();
    options.closed?.();
  });
  element.addEventListener("click", (event) => {
    if (event.target === element) close(); // the backdrop
  });
  const open = () => {
    document.body.append(element);
    element.showModal();
  };
  return { element, body, foot, open, close };
}

/** Whether one stands open: then keys belong to it. */
export function dialogOpen() {
  return document.querySelector("dialog[open]") !== null;
}
