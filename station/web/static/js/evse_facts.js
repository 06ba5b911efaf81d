// The chosen EVSE in words and numbers: pilot, connector, cable, lock, lamp, session; and why the limit is what it is.

import { button, fill, h, setData, setText } from "./dom.js";
import { clock, number, short, spaced } from "./format.js";
import { PILOT, because, lampTone, phaseTone } from "./tones.js";

/** @typedef {import("./types.js").Evse} Evse */

const NUMBERS = /** @type {const} */ (["power", "current", "energy", "soc"]);
const FACTS = ["Pilot", "Connector", "Cable", "Lock", "Relay", "Lamp", "Authorised", "Meter", "Voltage", "Temperature"];

export class EvseFacts {
  /** @param {(transaction: string) => void} openTransaction */
  constructor(openTransaction) {
    this.title = h("h2", {});
    this.phase = h("span", { class: "badge" });
    this.because = h("span", { class: "because" });
    this.next = h("p", { class: "next-limit", hidden: true });
    this.big = Object.fromEntries(NUMBERS.map((name) => [name, h("b", {})]));
    this.facts = Object.fromEntries(FACTS.map((name) => [name, h("dd", {})]));
    this.lamp = h("i", { class: "lamp" });
    this.lampText = h("span", {});
    fill(this.facts["Lamp"], this.lamp, " ", this.lampText);
    this.session = h("span", { class: "session-text" });
    this.transaction = "";
    this.link = button("Show", () => openTransaction(this.transaction), { class: "btn small quiet", "aria-label": "Show this transaction" });
    this.limits = h("ul", { class: "limits", "aria-label": "What limits the current" });
    /** What the list of limits shows: it is made anew only when that changes. */
    this.limitsKey = "";
    this.element = h(
      "section",
      { class: "facts", "aria-label": "The chosen EVSE" },
      h("header", { class: "facts-head" }, this.title, this.phase),
      h(
        "div",
        { class: "bigs" },
        big("kW", this.big["power"]),
        big("A per phase", this.big["current"]),
        big("kWh this session", this.big["energy"]),
        big("state of charge", this.big["soc"]),
      ),
      h("dl", { class: "fact-list" }, FACTS.map((name) => h("div", {}, h("dt", {}, name), this.facts[name]))),
      h("div", { class: "session" }, this.session, this.link),
    );
    this.why = h("section", { class: "why", "aria-label": "Why this limit" }, h("h3", {}, "Limit"), this.because, this.limits, this.next);
  }

  /**
   * @param {Evse} evse
   * @param {string} next what the charging profiles plan; "" for nothing
   */
  show(evse, next) {
    this.next.hidden = next === "";
    setText(this.next, `Planned: ${next}`);
    setText(this.title, `EVSE ${evse.evse}`);
    setData(this.phase, "tone", phaseTone(evse.phase));
    setText(this.phase, spaced(evse.phase));
    this.#numbers(evse);
    this.#facts(evse);
    this.#session(evse);
    this.#limits(evse);
  }

  /** @param {Evse} evse */
  #numbers(evse) {
    const reading = evse.reading;
    const soc = reading?.soc_percent ?? evse.car?.["soc_percent"];
    setText(this.big["power"], number((reading?.power_w ?? 0) / 1000, 2));
    setText(this.big["current"], (reading?.current_a ?? []).map((a) => number(a, 1)).join(" / ") || "–");
    setText(this.big["energy"], evse.transaction === null ? "–" : number(evse.transaction.energy_wh / 1000, 3));
    setText(this.big["soc"], typeof soc === "number" ? `${number(soc, 1)} %` : "–");
  }

  /** @param {Evse} evse */
  #facts(evse) {
    const reading = evse.reading;
    const say = (/** @type {string} */ name, /** @type {string} */ text) => setText(this.facts[name], text);
    say("Pilot", `${evse.pilot} · ${PILOT[evse.pilot] ?? "?"}`);
    say("Connector", `${spaced(evse.connector_state)}${evse.operative ? "" : " · inoperative"}`);
    say("Cable", evse.cable_a === null ? "none, or not coded" : `${short(evse.cable_a)} A`);
    say("Lock", evse.lock);
    say("Relay", `${evse.relay_closed ? "closed" : "open"} · ${evse.permit ? "permitted" : "not permitted"}`);
    setData(this.lamp, "tone", lampTone(evse.lamp));
    setText(this.lampText, spaced(evse.lamp));
    say("Authorised", evse.authorized ? (evse.token ?? "yes") : "no");
    say("Meter", reading === null ? "no reading" : `${number(reading.energy_import_wh / 1000, 3)} kWh`);
    say("Voltage", (reading?.voltage_v ?? []).map((v) => number(v, 0)).join(" / ") || "–");
    say("Temperature", reading?.temperature_c === null || reading === null ? "–" : `${number(reading.temperature_c, 1)} °C`);
  }

  /** @param {Evse} evse */
  #session(evse) {
    const tx = evse.transaction;
    this.link.hidden = tx === null;
    this.transaction = tx?.id ?? "";
    if (tx === null) setText(this.session, evse.faults.length > 0 ? `Faults: ${evse.faults.map(spaced).join(", ")}` : "No session.");
    else {
      const remote = tx.remote_start_id === null ? "" : ` · remote start ${tx.remote_start_id}`;
      setText(this.session, `${spaced(tx.charging_state)} since ${clock(tx.started)} · ${tx.token ?? "no card"} · ${tx.id}${remote}`);
    }
  }

  /** @param {Evse} evse */
  #limits(evse) {
    setText(this.because, because(evse));
    const key = JSON.stringify([evse.limits, evse.cause, evse.offered_a]);
    if (key === this.limitsKey) return;
    this.limitsKey = key;
    const limits = [...evse.limits];
    // What forbids any current (a fault, nobody authorised) is no bound, but it is the reason.
    if (evse.offered_a === 0 && !limits.some((limit) => binds(limit, evse))) limits.push({ cause: evse.cause, current_a: 0 });
    const most = Math.max(1, ...limits.map((limit) => limit.current_a));
    fill(this.limits, limits.map((limit) => limitRow(limit, most, binds(limit, evse))));
  }
}

/**
 * The binding cause may carry a remark: "cable (below minimum)". When the car is the cause no limit binds.
 * @param {import("./types.js").Limit} limit
 * @param {Evse} evse
 */
function binds(limit, evse) {
  return limit.cause === evse.cause || evse.cause.startsWith(`${limit.cause} (`);
}

/**
 * @param {import("./types.js").Limit} limit
 * @param {number} most
 * @param {boolean} binding
 */
function limitRow(limit, most, binding) {
  const bar = h("i", { class: "limit-fill" });
  bar.style.width = `${Math.max(0, Math.min(100, (100 * limit.current_a) / most))}%`;
  return h(
    "li",
    { class: "limit", data: { binding: String(binding) } },
    h("span", { class: "limit-name" }, limit.cause),
    h("span", { class: "limit-bar", "aria-hidden": "true" }, bar),
    h("span", { class: "limit-value" }, `${short(limit.current_a)} A`),
    h("span", { class: "limit-mark" }, binding ? "binds" : ""),
  );
}

/**
 * @param {string} label
 * @param {HTMLElement} value
 */
function big(label, value) {
  return h("div", { class: "big" }, value, h("span", {}, label));
}
