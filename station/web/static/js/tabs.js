// The right half: one view at a time. On a phone the bench is one of them.

import { fill, h } from "./dom.js";

/** @typedef {{element: HTMLElement, shown?: () => void, hidden?: () => void, focusFilter?: () => void}} View */
/** `short` is its title on a phone; `phone`: it is there only. @typedef {{name: string, title: string, short?: string, view: View, phone?: boolean}} Tab */

export class Tabs {
  /** @param {Tab[]} tabs the first is shown */
  constructor(tabs) {
    this.tabs = tabs;
    this.current = "";
    this.buttons = new Map(tabs.map((tab) => [tab.name, this.#button(tab)]));
    this.nav = h("nav", { class: "tabs", role: "tablist", "aria-label": "Views" });
    this.nav.addEventListener("keydown", (event) => this.#key(event));
    fill(this.nav, [...this.buttons.values()]);
    for (const tab of tabs) {
      tab.view.element.hidden = true;
      tab.view.element.id = `view-${tab.name}`;
      tab.view.element.setAttribute("role", "tabpanel");
      tab.view.element.setAttribute("aria-label", tab.title);
    }
  }

  /** @param {string} name */
  use(name) {
    if (name === this.current || !this.tabs.some((tab) => tab.name === name)) return;
    const before = this.view;
    this.current = name;
    for (const tab of this.tabs) {
      tab.view.element.hidden = tab.name !== name;
      const button = this.buttons.get(tab.name);
      button?.setAttribute("aria-selected", String(tab.name === name));
      if (button) button.tabIndex = tab.name === name ? 0 : -1;
    }
    document.body.dataset["view"] = name;
    before?.hidden?.();
    this.view?.shown?.();
  }

  get view() {
    return this.tabs.find((tab) => tab.name === this.current)?.view;
  }

  /** @param {1 | -1} step */
  step(step) {
    const seen = this.tabs.filter((tab) => this.buttons.get(tab.name)?.offsetParent);
    const now = seen.findIndex((tab) => tab.name === this.current);
    const next = seen[(now + step + seen.length) % seen.length];
    if (next) this.use(next.name);
    return next;
  }

  /** @param {Tab} tab */
  #button(tab) {
    const { name, title } = tab;
    // Whatever is seen, it is called by its whole name.
    const whole = tab.short === undefined ? {} : { title, "aria-label": title };
    return h(
      "button",
      { type: "button", class: `tab${tab.phone ? " phone-only" : ""}`, role: "tab", "aria-controls": `view-${name}`, ...whole, on: { click: () => this.use(name) } },
      h("span", { class: "tab-long" }, title),
      h("span", { class: "tab-short" }, tab.short ?? title),
    );
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const next = this.step(step);
    if (next) this.buttons.get(next.name)?.focus();
  }
}
