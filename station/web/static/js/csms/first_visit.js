// The first visit: how a station is connected, and the three things to do then. And what the page shows while there is none.

import { button, fill, h, setText } from "../dom.js";
import { copy } from "../download.js";

const KEY = "pilotwire.csms.welcomed";

/** @typedef {{title: string, text: string, label: string, does: () => void}} Step */

/**
 * The strip of the first visit. It goes when it is told to, and stays away.
 * @param {Step[]} steps
 * @returns {{element: HTMLElement, show: () => void}}
 */
export function firstVisit(steps) {
  const element = h("section", { class: "welcome", "aria-label": "What you can do here", hidden: localStorage.getItem(KEY) !== null });
  const dismiss = () => {
    localStorage.setItem(KEY, "yes");
    element.hidden = true;
  };
  fill(
    element,
    h("p", { class: "welcome-lead" }, h("b", {}, "A CSMS to test stations with. "), "Four things to do:"),
    h("ol", {}, steps.map((step) => h("li", {}, h("b", {}, step.title), h("span", {}, step.text), button(step.label, step.does, { class: "btn small" })))),
    button("Got it", dismiss, { class: "btn small primary welcome-close", title: "Shown again from the keyboard overlay (?)" }),
  );
  return { element, show: () => { element.hidden = false; } };
}

/**
 * How to connect a station; seen while no station has come, and whenever it is opened.
 * @param {import("./csms_model.js").CsmsModel} csms
 */
export function howToConnect(csms) {
  const url = h("code", { class: "connect-url" });
  const ours = h("code", {});
  const profile = h("p", { class: "doc" });
  const address = () => `${csms.state?.csms.url ?? ""}/`;
  const element = h(
    "details",
    { class: "facts connect" },
    h("summary", {}, h("h2", {}, "Connect a station")),
    h("p", {}, "Give it this address of the CSMS; most stations add their identity themselves:"),
    h("div", { class: "row" }, url, button("Copy", () => void copy(address()), { class: "btn small" })),
    h("p", { class: "dim" }, "Or begin with one of ours:"),
    h("div", { class: "row" }, ours, button("Copy", () => void copy(ours.textContent ?? ""), { class: "btn small" })),
    profile,
  );
  /** @type {boolean | null} */
  let alone = null;
  csms.stateChanged.on(({ csms: own, stations }) => {
    setText(url, `${own.url}/THEIR-ID`);
    setText(ours, `station sim --csms ${own.url}`);
    const local = /^wss?:\/\/(127\.|\[::1\]|localhost)/.test(own.url);
    const reach = local ? "Only stations on this computer get through: start with --bind 0.0.0.0:9000 for others." : "";
    setText(profile, [`OCPP ${own.versions.join(" or ")}${own.tls ? " over TLS" : ""}.`, reach].filter(Boolean).join(" "));
    const none = stations.length === 0;
    if (none !== alone) element.open = none; // the first station has come, or it is another CSMS
    alone = none;
  });
  return element;
}
