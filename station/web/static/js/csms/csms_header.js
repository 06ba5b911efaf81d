// The top bar: whether the CSMS listens, where, what it is up to; and the tools.

import { act } from "../actions.js";
import { button, h, setData, setText } from "../dom.js";
import { copy } from "../download.js";
import { beforePaint } from "../signal.js";
import { toggleTheme } from "../theme.js";

/** @typedef {{palette: () => void, help: () => void, trouble: () => void, link: () => void}} HeaderActions */

export class CsmsHeader {
  /**
   * @param {import("./csms_model.js").CsmsModel} csms
   * @param {HeaderActions} actions
   */
  constructor(csms, actions) {
    this.csms = csms;
    this.link = h("span", { class: "badge", id: "connection" });
    this.url = button("", () => void copy(this.url.textContent ?? ""), { class: "btn small quiet mono ws-url", title: "Where stations connect, then their identity: press to copy" });
    this.planned = button("", actions.trouble, { class: "chip bad", id: "planned", hidden: true });
    this.behave = button("Behave again", () => void act(csms, "clear_faults", {}, "The CSMS behaves again"), { class: "btn small", hidden: true });
    this.toggle = button("Go offline", actions.link, { class: "btn small danger", title: "The CSMS vanishes, or is back (o)" });
    this.element = h(
      "header",
      { class: "top csms-top" },
      h("div", { class: "top-who" }, h("span", { class: "brand" }, "Pilotwire"), h("strong", {}, "CSMS"), this.link, this.url),
      h("div", { class: "top-power", role: "group", "aria-label": "CSMS" }, this.planned, this.behave, this.toggle),
      h(
        "div",
        { class: "top-tools" },
        button("Commands", actions.palette, { class: "btn small", title: "Every command (Ctrl K)" }),
        button("◐", toggleTheme, { class: "icon", "aria-label": "Dark or light", title: "Dark or light (t)" }),
        button("?", actions.help, { class: "icon", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)" }),
      ),
    );
    csms.stateChanged.on(beforePaint(() => this.#draw()));
  }

  #draw() {
    const state = this.csms.state;
    if (state === null) return;
    const { csms, stations } = state;
    const connected = stations.filter((row) => row.connected).length;
    const many = connected === 1 ? "1 station" : `${connected} stations`;
    const text = csms.listening ? `online · ${many}` : "gone";
    setText(this.link, text);
    setData(this.link, "tone", csms.listening ? (connected > 0 ? "good" : "off") : "bad");
    setText(this.url, csms.url);
    const trouble = csms.faults.length + Number(csms.refuse_tls) + Number(csms.no_subprotocol);
    this.planned.hidden = this.behave.hidden = trouble === 0;
    setText(this.planned, trouble === 1 ? "1 fault planned" : `${trouble} faults planned`);
    setText(this.toggle, csms.listening ? "Go offline" : "Go online");
    document.title = `CSMS · ${text}`;
  }
}
