// One small plot on a canvas: lines over station time from zero to a round number, a cursor, the values there as text.

import { h, setText } from "./dom.js";

/** @typedef {import("./history.js").Sample} Sample */

/**
 * `colour` is a CSS variable. `steps`: the value holds until the next sample (a limit). `fill`: shade below.
 * @typedef {{
 *   name: string, colour: string, value: (sample: Sample) => number | null | undefined, steps?: boolean, fill?: boolean,
 *   dashed?: boolean, decimals?: number,
 * }} Series
 */

/**
 * @typedef {{
 *   title: string, unit: string, decimals: number, series: Series[], least: number, most?: number,
 * }} PlotOptions
 */

const LEFT = 54;
const RIGHT = 6;
const TOP = 5;
const BOTTOM = 4;

/**
 * The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `value`.
 * @param {number} value
 */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 2.5, 5, 10].find((step) => step * power >= value * 0.999999) ?? 10;
  return factor * power;
}

export class Plot {
  /** @param {PlotOptions} options */
  constructor(options) {
    this.options = options;
    this.canvas = h("canvas", { class: "plot-canvas", "aria-hidden": "true" });
    this.values = options.series.map(() => h("span", { class: "plot-value" }, "–"));
    const legend = options.series.map((series, index) => {
      const mark = h("i", { class: `swatch${series.dashed ? " dashed" : ""}` });
      const name = series.name ? h("span", { class: "plot-name" }, series.name) : null;
      const key = h("span", { class: "plot-key", title: series.name }, mark, name, this.values[index]);
      key.style.setProperty("--swatch", `var(${series.colour})`);
      return key;
    });
    this.element = h(
      "figure",
      { class: "plot" },
      h("figcaption", {}, h("span", { class: "plot-title" }, options.title), legend),
      this.canvas,
    );
  }

  /**
   * @param {readonly Sample[]} samples oldest first
   * @param {number} from station time at the left edge
   * @param {number} to and at the right edge
   * @param {Sample | undefined} at the sample under the cursor; undefined: show the newest values
   */
  draw(samples, from, to, at) {
    const shown = at ?? samples.at(-1);
    this.options.series.forEach((series, index) => {
      const value = shown === undefined ? null : series.value(shown);
      setText(this.values[index], value === null || value === undefined ? "–" : value.toFixed(series.decimals ?? this.options.decimals));
    });
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    const paint = this.canvas.getContext("2d");
    if (width === 0 || height === 0 || paint === null) return;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    paint.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.canvas);
    const top = this.#top(samples);
    const x = (/** @type {number} */ t) => LEFT + ((t - from) / Math.max(to - from, 1e-9)) * (width - LEFT - RIGHT);
    const y = (/** @type {number} */ value) => height - BOTTOM - (value / top) * (height - TOP - BOTTOM);
    this.#grid(paint, style, width, top, y);
    paint.save();
    paint.beginPath();
    paint.rect(LEFT, 0, width - LEFT, height);
    paint.clip();
    for (const series of this.options.series) this.#line(paint, style, series, samples, to, x, y);
    if (at !== undefined) cursor(paint, style, x(at.t), height);
    paint.restore();
  }

  /** Station time at a place on the canvas. @param {number} px @param {number} from @param {number} to */
  timeAt(px, from, to) {
    return from + ((px - LEFT) / Math.max(1, this.canvas.clientWidth - LEFT - RIGHT)) * (to - from);
  }

  /** @param {readonly Sample[]} samples */
  #top(samples) {
    if (this.options.most !== undefined) return this.options.most;
    let most = this.options.least;
    for (const sample of samples) {
      for (const series of this.options.series) {
        const value = series.value(sample);
        if (typeof value === "number" && value > most) most = value;
      }
    }
    return roundUp(most * 1.05);
  }

  /**
   * @param {CanvasRenderingContext2D} paint
   * @param {CSSStyleDeclaration} style
   * @param {number} width
   * @param {number} top
   * @param {(value: number) => number} y
   */
  #grid(paint, style, width, top, y) {
    paint.font = "10px system-ui, sans-serif";
    paint.textAlign = "right";
    paint.textBaseline = "middle";
    paint.lineWidth = 1;
    for (const part of [0, 0.5, 1]) {
      const line = Math.round(y(top * part)) + 0.5;
      paint.strokeStyle = style.getPropertyValue("--grid");
      paint.beginPath();
      paint.moveTo(LEFT, line);
      paint.lineTo(width - RIGHT, line);
      paint.stroke();
      paint.fillStyle = style.getPropertyValue("--dim");
      const label = String(Number((top * part).toPrecision(3)));
      paint.fillText(part === 1 ? `${label} ${this.options.unit}` : label, LEFT - 5, Math.max(6, line));
    }
  }

  /**
   * @param {CanvasRenderingContext2D} paint
   * @param {CSSStyleDeclaration} style
   * @param {Series} series
   * @param {readonly Sample[]} samples
   * @param {number} to
   * @param {(t: number) => number} x
   * @param {(value: number) => number} y
   */
  #line(paint, style, series, samples, to, x, y) {
    const colour = style.getPropertyValue(series.colour);
    paint.strokeStyle = colour;
    paint.lineWidth = series.dashed ? 1.25 : 1.5;
    paint.lineJoin = "round";
    paint.setLineDash(series.dashed ? [5, 3] : []);
    for (const run of runs(series, samples)) {
      const line = new Path2D();
      run.forEach(({ t, value }, index) => {
        if (index === 0) line.moveTo(x(t), y(value));
        else if (series.steps) {
          line.lineTo(x(t), y(run[index - 1].value));
          line.lineTo(x(t), y(value));
        } else line.lineTo(x(t), y(value));
      });
      const first = run[0];
      const last = run[run.length - 1];
      // A value that was not told anew has not changed.
      const end = last.t === samples.at(-1)?.t ? to : last.t;
      line.lineTo(x(end), y(last.value));
      paint.stroke(line);
      if (series.fill) {
        line.lineTo(x(end), y(0));
        line.lineTo(x(first.t), y(0));
        line.closePath();
        paint.globalAlpha = 0.14;
        paint.fillStyle = colour;
        paint.fill(line);
        paint.globalAlpha = 1;
      }
    }
    paint.setLineDash([]);
  }
}

/**
 * A series in pieces, broken where there is no value.
 * @param {Series} series
 * @param {readonly Sample[]} samples
 */
function runs(series, samples) {
  /** @type {{t: number, value: number}[][]} */
  const found = [];
  let open = false;
  for (const sample of samples) {
    const value = series.value(sample);
    if (typeof value !== "number" || !Number.isFinite(value)) {
      open = false;
      continue;
    }
    if (!open) found.push([]);
    open = true;
    found[found.length - 1].push({ t: sample.t, value });
  }
  return found;
}

/**
 * @param {CanvasRenderingContext2D} paint
 * @param {CSSStyleDeclaration} style
 * @param {number} x
 * @param {number} height
 */
function cursor(paint, style, x, height) {
  paint.strokeStyle = style.getPropertyValue("--text");
  paint.globalAlpha = 0.55;
  paint.lineWidth = 1;
  paint.beginPath();
  paint.moveTo(Math.round(x) + 0.5, 0);
  paint.lineTo(Math.round(x) + 0.5, height);
  paint.stroke();
  paint.globalAlpha = 1;
}
