// The plots of the chosen EVSE: power, current and limit, energy, state of charge; one cursor through all of them.

import { choice, fill, h, setText } from "./dom.js";
import { clock } from "./format.js";
import { Plot } from "./plot.js";
import { beforePaint } from "./signal.js";
import { themeChanged } from "./theme.js";

/** @typedef {import("./history.js").Sample} Sample */
/** @typedef {import("./history.js").History} History */

const phase = (/** @type {number} */ index) => (/** @type {Sample} */ sample) => sample.current[index];

function makePlots() {
  return [
    new Plot({
      title: "Power", unit: "kW", decimals: 2, least: 1,
      series: [{ name: "", colour: "--c-power", fill: true, value: (s) => (s.power === null ? null : s.power / 1000) }],
    }),
    new Plot({
      title: "Current", unit: "A", decimals: 1, least: 6,
      series: [
        { name: "offer", colour: "--c-limit", decimals: 0, dashed: true, steps: true, value: (s) => s.limit },
        { name: "L1", colour: "--c-l1", value: phase(0) },
        { name: "L2", colour: "--c-l2", value: phase(1) },
        { name: "L3", colour: "--c-l3", value: phase(2) },
      ],
    }),
    new Plot({
      title: "Energy", unit: "kWh", decimals: 3, least: 0.1,
      series: [{ name: "", colour: "--c-energy", fill: true, value: (s) => (s.energy === null ? null : s.energy / 1000) }],
    }),
    new Plot({
      title: "State of charge", unit: "%", decimals: 1, least: 100, most: 100,
      series: [{ name: "", colour: "--c-soc", fill: true, value: (s) => s.soc }],
    }),
  ];
}

export class Plots {
  constructor() {
    this.plots = makePlots();
    /** @type {History | null} */
    this.history = null;
    this.now = { wall: 0, mono: 0 };
    /** Station time under the cursor. @type {number | null} */
    this.cursor = null;
    this.span = choice([["300", "5 min"], ["1800", "30 min"], ["7200", "2 h"], ["0", "all"]], "1800", {
      "aria-label": "Time span of the plots",
      on: { change: () => this.redraw() },
    });
    this.from = h("span", {});
    this.to = h("span", {});
    this.grid = h("div", { class: "plot-grid", tabIndex: 0, role: "group", "aria-label": "Plots: arrow keys move the cursor" });
    fill(this.grid, this.plots.map((plot) => plot.element));
    const foot = h("div", { class: "plot-foot" }, this.from, h("label", { class: "inline" }, "span ", this.span), this.to);
    this.element = h("section", { class: "plots", "aria-label": "Plots" }, this.grid, foot);
    this.redraw = beforePaint(() => this.#draw());
    for (const plot of this.plots) {
      plot.canvas.addEventListener("pointermove", (event) => this.#point(plot, event));
      plot.canvas.addEventListener("pointerleave", () => this.#move(null));
    }
    this.grid.addEventListener("keydown", (event) => this.#key(event));
    this.grid.addEventListener("blur", () => this.#move(null));
    new ResizeObserver(() => this.redraw()).observe(this.grid);
    themeChanged.on(() => this.redraw());
  }

  /**
   * @param {History} history
   * @param {{wall: number, mono: number}} now
   */
  show(history, now) {
    this.history = history;
    this.until(now);
  }

  /** Station time at the right edge. @param {{wall: number, mono: number}} now */
  until(now) {
    this.now = now;
    this.redraw();
  }

  /** @returns {{samples: readonly Sample[], from: number, to: number}} */
  #window() {
    const samples = this.history?.recent(Number(this.span.value)) ?? [];
    const to = Math.max(this.now.mono, samples.at(-1)?.t ?? 0);
    const wanted = Number(this.span.value);
    const first = this.history?.samples[0]?.t ?? to;
    // Until the span is full, what there is fills the plot; a minute at least, so that the first lines do not race.
    const from = wanted === 0 || to - first < wanted ? Math.min(first, to - 60) : to - wanted;
    return { samples, from, to };
  }

  #draw() {
    const { samples, from, to } = this.#window();
    const at = this.cursor === null ? undefined : nearest(samples, this.cursor);
    for (const plot of this.plots) plot.draw(samples, from, to, at);
    // The right edge may be a sample that is newer than `now`.
    setText(this.from, clock(this.now.wall - (this.now.mono - from)));
    setText(this.to, at !== undefined ? `at ${clock(at.wall)}` : clock(this.now.wall));
    this.to.classList.toggle("strong", at !== undefined);
  }

  /**
   * @param {Plot} plot
   * @param {PointerEvent} event
   */
  #point(plot, event) {
    const { from, to } = this.#window();
    this.#move(plot.timeAt(event.offsetX, from, to));
  }

  /** @param {number | null} t */
  #move(t) {
    if (t === this.cursor) return;
    this.cursor = t;
    this.redraw();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { from, to } = this.#window();
    const step = (to - from) / 60;
    const now = this.cursor ?? to;
    if (event.key === "ArrowLeft") this.#move(Math.max(from, now - step));
    else if (event.key === "ArrowRight") this.#move(Math.min(to, now + step));
    else if (event.key === "Escape") this.#move(null);
    else return;
    event.preventDefault();
  }
}

/**
 * @param {readonly Sample[]} samples
 * @param {number} t
 */
function nearest(samples, t) {
  /** @type {Sample | undefined} */
  let best;
  for (const sample of samples) {
    if (best === undefined || Math.abs(sample.t - t) < Math.abs(best.t - t)) best = sample;
  }
  return best;
}
