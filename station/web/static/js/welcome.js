// The first visit: one strip that names the four things to do. It goes when it is told to, and stays away.

import { button, fill, h } from "./dom.js";

const KEY = "pilotwire.welcomed";

/**
 * @typedef {{title: string, text: string, label: string, does: () => void}} Step
 */

/**
 * @param {Step[]} steps
 * @returns {{element: HTMLElement, show: () => void}}
 */
export function welcome(steps) {
  const element = h("section", { class: "welcome", "aria-label": "What you can do here", hidden: localStorage.getItem(KEY) !== null });
  const dismiss = () => {
    localStorage.setItem(KEY, "yes");
    element.hidden = true;
  };
  fill(
    element,
    h("p", { class: "welcome-lead" }, h("b", {}, "A charging station on your desk. "), "Four things to do:"),
    h(
      "ol",
      {},
      steps.map((step) => h("li", {}, h("b", {}, step.title), h("span", {}, step.text), button(step.label, step.does, { class: "btn small" }))),
    ),
    button("Got it", dismiss, { class: "btn small primary welcome-close", title: "Shown again from the keyboard overlay (?)" }),
  );
  return { element, show: () => { element.hidden = false; } };
}
