// SVG elements, and the outline of values that hold until the next one (limits).

const SPACE = "http://www.w3.org/2000/svg";

/** A value from one moment until before another. @typedef {{from: number, until: number, value: number | null}} Run */

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number | undefined>} [attributes]
 * @param {...(Node | string | null)} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, String(value));
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * The outline as path data: level while a value holds, broken where there is none.
 * @param {Run[]} runs
 * @param {(t: number) => number} x
 * @param {(value: number) => number} y
 */
export function outline(runs, x, y) {
  let path = "";
  let open = false;
  for (const { from, until, value } of runs) {
    if (value !== null) path += `${open ? "L" : "M"}${round(x(from))} ${round(y(value))}H${round(x(until))}`;
    open = value !== null;
  }
  return path;
}

/**
 * What lies below the outline, as closed pieces.
 * @param {Run[]} runs
 * @param {(t: number) => number} x
 * @param {(value: number) => number} y
 */
export function below(runs, x, y) {
  const base = round(y(0));
  const whole = runs.filter(({ value }) => value !== null);
  return whole.map(({ from, until, value }) => `M${round(x(from))} ${base}V${round(y(value ?? 0))}H${round(x(until))}V${base}Z`).join("");
}

/**
 * A small outline without axes, as wide as its place.
 * @param {Run[]} runs
 * @param {number} height in pixels
 */
export function spark(runs, height) {
  const [first, last] = [runs[0]?.from ?? 0, runs.at(-1)?.until ?? 1];
  const most = Math.max(1e-9, ...runs.map(({ value }) => value ?? 0));
  const x = (/** @type {number} */ t) => ((t - first) / Math.max(1e-9, last - first)) * 100;
  const y = (/** @type {number} */ value) => height - 1 - (value / most) * (height - 3);
  return svg(
    "svg",
    { class: "spark", viewBox: `0 0 100 ${height}`, height, preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { class: "spark-fill", d: below(runs, x, y) }),
    svg("path", { class: "spark-line", d: outline(runs, x, y), "vector-effect": "non-scaling-stroke" }),
  );
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 100) / 100;
}
