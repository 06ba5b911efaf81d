// A plan as a picture: the limit as steps, what every source allows in bands beneath, now, and a cursor through all of it.

import { fill, h, setData, setText } from "./dom.js";
import { bands, elsewhere, keyOf, limits, periodAt, rate, ticks } from "./plan.js";
import { Signal, beforePaint } from "./signal.js";
import { below, outline, svg } from "./svg.js";

/** @typedef {import("./types.js").Plan} Plan */
/** @typedef {import("./plan.js").Band} Band */

const LEFT = 46;
const RIGHT = 10;
const TOP = 16;
const HEIGHT = 158;
const AXIS = 18;
const BAND = 24;
const PER_TICK = 62;
const ROUND = [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10];
/** Below this width a step has no number of its own. */
const LABEL = 38;
/** A limit on a plot of nothing but zeros has these to be compared with. */
const LEAST = /** @type {Record<string, number>} */ ({ A: 6, W: 1000 });

/** The name and the value of a band, kept while its plan is shown. @typedef {{band: Band, value: HTMLElement, mark: HTMLElement, row: HTMLElement}} BandRow */

export class PlanPlot {
  constructor() {
    /** @type {Plan | null} */
    this.plan = null;
    this.width = 0;
    /** Wall second under the cursor. @type {number | null} */
    this.cursor = null;
    /** @type {Signal<number | null>} */
    this.moved = new Signal();
    this.main = h("div", { class: "plan-main" });
    this.sources = h("div", { class: "plan-bands" });
    /** @type {BandRow[]} */
    this.rows = [];
    this.nowLine = h("i", { class: "plan-now", hidden: true, "aria-hidden": "true" });
    this.cursorLine = h("i", { class: "plan-cursor", hidden: true, "aria-hidden": "true" });
    this.element = h(
      "figure",
      { class: "plan-figure", tabIndex: 0, role: "group", "aria-label": "Composite schedule: arrow keys go from change to change" },
      this.main, this.sources, this.nowLine, this.cursorLine,
    );
    this.redraw = beforePaint(() => this.#draw());
    this.element.addEventListener("pointermove", (event) => this.#point(event));
    this.element.addEventListener("pointerdown", (event) => this.#point(event));
    this.element.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") this.move(null); // a finger that was lifted still points
    });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("blur", () => this.move(null));
    new ResizeObserver(() => {
      if (this.element.clientWidth !== this.width) this.redraw();
    }).observe(this.element);
  }

  /** @param {Plan | null} plan */
  show(plan) {
    this.plan = plan;
    if (plan !== null && this.cursor !== null && this.cursor >= plan.start + plan.duration) this.cursor = null;
    this.redraw();
  }

  /** Where `now` is. @param {number} wall */
  until(wall) {
    this.#line(this.nowLine, wall);
    if (this.cursor === null) this.#values(wall);
  }

  /** @param {number | null} wall */
  move(wall) {
    if (wall === this.cursor) return;
    this.cursor = wall;
    this.#line(this.cursorLine, wall);
    this.#values(wall);
    this.moved.emit(wall);
  }

  #draw() {
    const { plan } = this;
    this.width = this.element.clientWidth;
    if (plan === null || this.width === 0) {
      fill(this.main);
      fill(this.sources);
      this.rows = [];
      return;
    }
    fill(this.main, this.#picture(plan));
    this.#bands(bands(plan));
    this.#line(this.cursorLine, this.cursor);
    this.#values(this.cursor ?? plan.start);
  }

  /** Pixels of a number of seconds since the plan's start. @param {number} t */
  #x(t) {
    return LEFT + (t / (this.plan?.duration ?? 1)) * (this.width - LEFT - RIGHT);
  }

  /** @param {Plan} plan */
  #picture(plan) {
    const x = (/** @type {number} */ t) => this.#x(t);
    const runs = limits(plan);
    const most = Math.max(LEAST[plan.unit] ?? 1, ...plan.periods.flatMap(({ limit, l2, l3 }) => [limit ?? 0, l2 ?? 0, l3 ?? 0]));
    const top = above(most * 1.05);
    const y = (/** @type {number} */ value) => HEIGHT - (value / top) * (HEIGHT - TOP);
    const whole = HEIGHT + AXIS;
    const picture = svg("svg", { class: "plan-svg", width: this.width, height: whole, viewBox: `0 0 ${this.width} ${whole}`, "aria-hidden": "true" });
    for (const part of [0, 0.5, 1]) {
      const line = Math.round(y(top * part)) + 0.5;
      const label = `${Number((top * part).toPrecision(3))}${part === 1 ? ` ${plan.unit}` : ""}`;
      picture.append(
        svg("path", { class: "plan-grid", d: `M${LEFT} ${line}H${this.width - RIGHT}` }),
        svg("text", { class: "plan-text", x: LEFT - 5, y: line + 3.5, "text-anchor": "end" }, label),
      );
    }
    for (const { at, label } of ticks(plan, (this.width - LEFT - RIGHT) / PER_TICK)) {
      picture.append(svg("path", { class: "plan-grid", d: `M${Math.round(x(at)) + 0.5} ${TOP}V${HEIGHT + 4}` }));
      const room = x(at) > LEFT + 8 && x(at) < this.width - 16;
      if (room) picture.append(svg("text", { class: "plan-text", x: x(at), y: whole - 3, "text-anchor": "middle" }, label));
    }
    picture.append(svg("path", { class: "plan-fill", d: below(runs, x, y) }));
    for (const [of, name] of /** @type {const} */ ([["l3", "plan-line l3"], ["l2", "plan-line l2"]])) {
      const apart = outline(limits(plan, of), x, y);
      if (apart !== "") picture.append(svg("path", { class: name, d: apart }));
    }
    picture.append(svg("path", { class: "plan-line", d: outline(runs, x, y) }));
    for (const { from, until, value } of runs) {
      if (x(until) - x(from) < LABEL + 14) continue;
      const middle = (x(from) + x(until)) / 2;
      picture.append(svg("text", { class: "plan-text plan-number", x: middle, y: value === null ? HEIGHT - 6 : y(value) - 4, "text-anchor": "middle" }, rate(value, plan.unit)));
    }
    return picture;
  }

  /** @param {Band[]} found */
  #bands(found) {
    const most = Math.max(1e-9, ...found.flatMap(({ runs }) => runs.map(({ value }) => value ?? 0)));
    this.rows = found.map((band) => {
      const value = h("span", { class: "band-value" });
      const mark = h("span", { class: "band-mark" });
      const row = h(
        "div",
        { class: "plan-band", data: { source: band.key } },
        h("div", { class: "band-head" }, h("span", { class: "band-name", title: band.name }, band.name), value, mark),
      );
      row.append(this.#band(band, most));
      return { band, value, mark, row };
    });
    const title = found.length > 0 ? h("figcaption", { class: "band-title" }, "What each source allows: filled where it binds") : null;
    fill(this.sources, title, this.rows.map(({ row }) => row));
  }

  /**
   * @param {Band} band
   * @param {number} most of all bands
   */
  #band(band, most) {
    const x = (/** @type {number} */ t) => this.#x(t);
    const y = (/** @type {number} */ value) => BAND - 1 - (value / most) * (BAND - 4);
    const binding = band.runs.filter((run) => run.binding);
    const base = `M${LEFT} ${BAND - 0.5}H${this.width - RIGHT}`;
    return svg(
      "svg",
      { class: "band-svg", width: this.width, height: BAND, viewBox: `0 0 ${this.width} ${BAND}`, "aria-hidden": "true" },
      svg("path", { class: "plan-grid", d: base }),
      svg("path", { class: "band-fill", d: below(binding, x, y) }),
      svg("path", { class: "band-line", d: outline(band.runs, x, y) }),
      svg("path", { class: "band-line binds", d: outline(apart(binding), x, y) }),
    );
  }

  /** What the bands say at a moment. @param {number | null} wall */
  #values(wall) {
    const { plan } = this;
    if (plan === null) return;
    const at = wall ?? plan.start;
    const sources = new Map((periodAt(plan, at)?.sources ?? []).map((source) => [keyOf(source), source]));
    for (const { band, value, mark, row } of this.rows) {
      const source = sources.get(band.key);
      const given = source !== undefined && source.given !== null && source.given_unit !== plan.unit ? ` (${rate(source.given, source.given_unit)})` : "";
      setText(value, source === undefined ? elsewhere(plan, band, at) : `${rate(source.limit, plan.unit)}${given}`);
      setText(mark, source?.binding ? "binds" : "");
      setData(row, "binding", String(source?.binding === true));
    }
  }

  /**
   * @param {HTMLElement} line
   * @param {number | null} wall
   */
  #line(line, wall) {
    const { plan } = this;
    const t = plan === null || wall === null ? -1 : wall - plan.start;
    line.hidden = plan === null || this.width === 0 || t < 0 || t > plan.duration;
    if (!line.hidden) line.style.left = `${this.#x(t)}px`;
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const { plan } = this;
    if (plan === null) return;
    const t = ((event.clientX - this.element.getBoundingClientRect().left - LEFT) / Math.max(1, this.width - LEFT - RIGHT)) * plan.duration;
    this.move(t < 0 || t >= plan.duration ? null : plan.start + t);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { plan } = this;
    if (plan === null) return;
    const stops = plan.changes.map(({ at }) => at);
    const now = this.cursor;
    const next = {
      ArrowRight: now === null ? stops[0] : (stops.find((at) => at > now) ?? now),
      ArrowLeft: now === null ? stops.at(-1) : (stops.filter((at) => at < now).at(-1) ?? now),
      Home: stops[0],
      End: stops.at(-1),
      Escape: null,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.move(next);
  }
}

/**
 * A round number that is not below `value`, and not far above.
 * @param {number} value
 */
function above(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return (ROUND.find((step) => step * power >= value * 0.999999) ?? 10) * power;
}

/**
 * Runs that touch, but with a gap between where others were left out.
 * @param {Band["runs"]} runs
 */
function apart(runs) {
  /** @type {import("./svg.js").Run[]} */
  const found = [];
  for (const run of runs) {
    if (found.length > 0 && found[found.length - 1].until < run.from) found.push({ from: run.from, until: run.from, value: null });
    found.push(run);
  }
  return found;
}
