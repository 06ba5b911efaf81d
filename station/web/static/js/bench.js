// The left half: the EVSEs, and everything about the chosen one.

import { act } from "./actions.js";
import { button, fill, h, setText } from "./dom.js";
import { EvseControls } from "./evse_controls.js";
import { EvseFacts } from "./evse_facts.js";
import { EvseTiles } from "./evse_tiles.js";
import { nextWords } from "./plan.js";
import { PlanWatch } from "./plan_watch.js";
import { Plots } from "./plots.js";
import { Signal, beforePaint } from "./signal.js";

const TICK_MS = 500;
const DAY_S = 86_400;

export class Bench {
  /**
   * @param {import("./station.js").StationModel} station
   * @param {(transaction: string) => void} openTransaction
   */
  constructor(station, openTransaction) {
    this.station = station;
    this.chosen = 1;
    /** An EVSE is chosen, here or elsewhere. @type {Signal<number>} */
    this.looked = new Signal();
    this.looked.on((evse) => {
      if (evse !== this.chosen) this.choose(evse);
    });
    this.tiles = new EvseTiles((evse) => this.choose(evse));
    this.facts = new EvseFacts(openTransaction);
    this.controls = new EvseControls(station);
    this.plots = new Plots();
    this.element = h("div", { class: "bench-inner" });
    /** The EVSEs as they were told last: without power nobody tells. @type {import("./types.js").Evse[]} */
    this.evses = [];
    this.dark = h("p", { class: "dark", role: "status", hidden: true });
    this.noPower = noPower(station);
    /** What there is to see of EVSEs, as soon as one is known. */
    this.parts = [this.tiles.element, this.facts.element, this.controls.element, this.facts.why, this.plots.element];
    for (const part of this.parts) part.hidden = true;
    fill(this.element, this.dark, this.noPower, this.parts);
    this.redraw = beforePaint(() => this.#draw());
    station.stateChanged.on((state) => {
      if (state.evses.length > 0) this.evses = state.evses;
      this.redraw();
    });
    /** Without profiles nothing changes by itself, and nobody is asked. */
    this.watch = new PlanWatch(station, () => this.#asked());
    this.watch.changed.on(() => this.redraw());
    setInterval(() => this.#tick(), TICK_MS);
  }

  /** @param {number} evse */
  choose(evse) {
    if (!this.evses.some((each) => each.evse === evse)) return;
    this.chosen = evse;
    this.looked.emit(evse);
    this.watch.check();
    this.redraw();
  }

  /** Whether a car stands at the chosen EVSE. */
  get plugged() {
    const evse = this.#evse();
    return evse !== undefined && (evse.car !== null || evse.pilot !== "A");
  }

  #evse() {
    return this.evses.find((each) => each.evse === this.chosen);
  }

  /** @returns {import("./plan_watch.js").Asked | null} */
  #asked() {
    const some = (this.station.state?.station.profiles ?? 0) > 0 && this.evses.length > 0 && this.element.offsetParent !== null;
    return some ? { evses: [this.chosen], duration: DAY_S, unit: "A", limits: false } : null;
  }

  /** What the profiles let it have, until when, and then. */
  #next() {
    const plan = (this.station.state?.station.profiles ?? 0) > 0 ? this.watch.plans.get(this.chosen) : undefined;
    return plan === undefined ? "" : nextWords(plan, this.station.now().wall);
  }

  /** Time goes on in the plots, also while nothing changes. */
  #tick() {
    if (!document.hidden && this.element.offsetParent !== null) this.plots.until(this.station.now());
  }

  #draw() {
    const state = this.station.state;
    if (state === null) return;
    const off = state.evses.length === 0;
    const known = this.evses.length > 0;
    this.dark.hidden = !off;
    setText(this.dark, darkness(state.station.powered, known));
    this.noPower.hidden = known || state.station.powered;
    for (const part of this.parts) part.hidden = !known;
    this.element.classList.toggle("without", off && known);
    if (!known) return;
    if (this.#evse() === undefined) this.chosen = this.evses[0].evse;
    this.tiles.show(this.evses, this.chosen);
    const evse = this.#evse();
    if (evse === undefined) return;
    this.facts.show(evse, this.#next());
    this.controls.show(evse, state.station.faults);
    this.plots.show(this.station.history(this.chosen), this.station.now());
  }
}

/**
 * Why nobody tells how the EVSEs are.
 * @param {boolean} powered
 * @param {boolean} known they were told of before
 */
function darkness(powered, known) {
  const why = powered ? "The program does not run" : "The power is cut. What was saved last stands";
  return known ? `${why}${powered ? ":" : ";"} what you see is how it was.` : `${why}.`;
}

/**
 * In the place of the EVSEs, when the page was opened without power.
 * @param {import("./station.js").StationModel} station
 */
function noPower(station) {
  return h(
    "section",
    { class: "no-power", "aria-label": "No power", hidden: true },
    h("h2", {}, "No power"),
    h("p", { class: "dim" }, "Without power nobody tells how the EVSEs are. They are shown here when it is back."),
    button("Power on", () => void act(station, "power_on", {}, "The power is back"), { class: "btn primary", title: "Bring the power back (c)" }),
  );
}
