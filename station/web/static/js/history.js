// What the plots show: samples of one EVSE over station time, thinned out when there are too many.

/** @typedef {import("./types.js").Evse} Evse */

export const MOST = 6000;

/**
 * One moment. `t` is the station's monotonic time in s (it never jumps back), `wall` what its clock showed.
 * @typedef {{
 *   t: number, wall: number, power: number | null, current: number[], limit: number | null, energy: number | null,
 *   soc: number | null,
 * }} Sample
 */

export class History {
  constructor() {
    /** @type {Sample[]} */
    this.samples = [];
  }

  /** @param {Sample} sample */
  add(sample) {
    const last = this.samples.at(-1);
    if (last !== undefined && sample.t < last.t) this.samples = []; // another run of the station
    if (last !== undefined && sample.t === last.t) this.samples.pop();
    this.samples.push(sample);
    if (this.samples.length > MOST) this.#thin();
  }

  /** The older half loses every second sample: hours stay visible, minutes stay sharp. */
  #thin() {
    const half = this.samples.length >> 1;
    this.samples = this.samples.filter((_, index) => index >= half || index % 2 === 0);
  }

  /**
   * Samples not older than `span` seconds (0: all), and one before them so that lines begin at the edge.
   * @param {number} span
   */
  recent(span) {
    const last = this.samples.at(-1);
    if (span === 0 || last === undefined) return this.samples;
    const first = this.samples.findIndex((sample) => sample.t >= last.t - span);
    return this.samples.slice(Math.max(0, first - 1));
  }
}

/**
 * @param {Evse} evse
 * @param {{mono: number, wall: number}} station
 * @returns {Sample}
 */
export function sampleOf(evse, station) {
  const reading = evse.reading;
  return {
    t: station.mono,
    wall: station.wall,
    power: reading?.power_w ?? null,
    current: reading?.current_a ?? [],
    limit: evse.offered_a,
    energy: evse.transaction?.energy_wh ?? null,
    soc: reading?.soc_percent ?? soc(evse.car),
  };
}

/** @param {Record<string, unknown> | null} car */
function soc(car) {
  const value = car?.["soc_percent"];
  return typeof value === "number" ? value : null;
}
